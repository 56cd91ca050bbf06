//! Boolean expressions over dependency names: `a && (b || c)`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

const MAX_LENGTH: usize = 4096;
const MAX_DEPTH: usize = 64;

/// A parsed expression. `Display` prints it with the parentheses it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// An event of this dependency is there.
    Name(String),
    /// All of them.
    And(Vec<Expression>),
    /// Any of them.
    Or(Vec<Expression>),
}

/// Why an expression can not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionsError {
    /// The text is no expression.
    #[error("conditions {text:?}: unexpected {found} at position {position}")]
    Syntax {
        /// The text.
        text: String,
        /// What stands there.
        found: String,
        /// Byte offset.
        position: usize,
    },
    /// Too long or nested too deep.
    #[error("conditions are longer than {MAX_LENGTH} bytes or nested deeper than {MAX_DEPTH}")]
    TooLarge,
    /// A name that no dependency has.
    #[error("conditions {text:?} name {name:?}, which is no dependency of this Sensor")]
    Unknown {
        /// The text.
        text: String,
        /// The name.
        name: String,
    },
}

impl Expression {
    /// Parses `text` and resolves its names to dependencies; `-` and `_` are the same in names, and
    /// of two dependencies that differ only in that the later one counts. Empty text means all.
    ///
    /// # Errors
    /// Says where the text goes wrong or which name is unknown.
    pub fn parse(text: &str, dependencies: &[&str]) -> Result<Self, ConditionsError> {
        if text.trim().is_empty() {
            return Ok(Self::And(dependencies.iter().map(|it| Self::Name((*it).to_owned())).collect()));
        }
        if text.len() > MAX_LENGTH {
            return Err(ConditionsError::TooLarge);
        }
        let known: BTreeMap<String, &str> = dependencies.iter().map(|it| (it.replace('-', "_"), *it)).collect();
        let mut parser = Parser { text, at: 0, known };
        let expression = parser.or(0)?;
        match parser.peek() {
            None => Ok(expression),
            Some(_) => Err(parser.unexpected()),
        }
    }

    /// The dependencies it names.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        match self {
            Self::Name(name) => BTreeSet::from([name.as_str()]),
            Self::And(list) | Self::Or(list) => list.iter().flat_map(Self::names).collect(),
        }
    }

    /// Whether it is true when events of these dependencies are there.
    pub fn holds(&self, present: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Name(name) => present(name),
            Self::And(list) => list.iter().all(|it| it.holds(present)),
            Self::Or(list) => list.iter().any(|it| it.holds(present)),
        }
    }

    /// Whether more than one event can be needed: without `&&` every event fires on its own.
    #[must_use]
    pub fn has_and(&self) -> bool {
        match self {
            Self::Name(_) => false,
            Self::And(list) => list.len() > 1 || list.iter().any(Self::has_and),
            Self::Or(list) => list.iter().any(Self::has_and),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (list, sign) = match self {
            Self::Name(name) => return f.write_str(name),
            Self::And(list) => (list, " && "),
            Self::Or(list) => (list, " || "),
        };
        for (i, part) in list.iter().enumerate() {
            if i > 0 {
                f.write_str(sign)?;
            }
            match part {
                Self::Name(name) => f.write_str(name)?,
                nested => write!(f, "({nested})")?,
            }
        }
        Ok(())
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    known: BTreeMap<String, &'a str>,
}

impl Parser<'_> {
    fn or(&mut self, depth: usize) -> Result<Expression, ConditionsError> {
        let mut list = vec![self.and(depth)?];
        while self.take("||") {
            list.push(self.and(depth)?);
        }
        Ok(one_or(list, Expression::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Expression, ConditionsError> {
        let mut list = vec![self.primary(depth)?];
        while self.take("&&") {
            list.push(self.primary(depth)?);
        }
        Ok(one_or(list, Expression::And))
    }

    fn primary(&mut self, depth: usize) -> Result<Expression, ConditionsError> {
        if depth > MAX_DEPTH {
            return Err(ConditionsError::TooLarge);
        }
        if self.take("(") {
            let inner = self.or(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { Err(self.unexpected()) };
        }
        self.skip();
        let rest = &self.text[self.at..];
        let end = rest.find(|it: char| !(it.is_alphanumeric() || "-_.".contains(it))).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.unexpected());
        }
        let name = &rest[..end];
        self.at += end;
        match self.known.get(&name.replace('-', "_")) {
            Some(dependency) => Ok(Expression::Name((*dependency).to_owned())),
            None => Err(ConditionsError::Unknown { text: self.text.to_owned(), name: name.to_owned() }),
        }
    }

    fn skip(&mut self) {
        self.at = self.text.len() - self.text[self.at..].trim_start().len();
    }

    fn peek(&mut self) -> Option<char> {
        self.skip();
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip();
        let found = self.text[self.at..].starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn unexpected(&mut self) -> ConditionsError {
        let found = self.peek().map_or_else(|| "end".to_owned(), |it| format!("{it:?}"));
        ConditionsError::Syntax { text: self.text.to_owned(), found, position: self.at }
    }
}

fn one_or(mut list: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    if list.len() == 1 { list.remove(0) } else { many(list) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Expression, ConditionsError> {
        Expression::parse(text, &["a", "b", "dep_c"])
    }

    fn holds(text: &str, present: &[&str]) -> bool {
        parse(text).unwrap().holds(&|it| present.contains(&it))
    }

    #[test]
    fn and_binds_stronger_than_or() {
        assert!(holds("a || b && dep-c", &["a"]));
        assert!(!holds("(a || b) && dep-c", &["a"]));
        assert!(holds("(a || b) && dep-c", &["b", "dep_c"]));
        assert_eq!(parse("(a||b)&&dep-c").unwrap().to_string(), "(a || b) && dep_c");
    }

    #[test]
    fn no_text_means_all_dependencies() {
        assert!(!holds("", &["a", "b"]));
        assert!(holds(" ", &["a", "b", "dep_c"]));
    }

    #[test]
    fn dashes_and_underscores_are_the_same_and_the_later_dependency_counts() {
        let expression = Expression::parse("d-1", &["d-1", "d_1"]).unwrap();
        assert_eq!(expression, Expression::Name("d_1".into()));
    }

    #[test]
    fn errors_say_where_and_what() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(message("a &&"), r#"conditions "a &&": unexpected end at position 4"#);
        assert_eq!(message("a b"), r#"conditions "a b": unexpected 'b' at position 2"#);
        assert_eq!(message("a && x"), r#"conditions "a && x" name "x", which is no dependency of this Sensor"#);
        assert_eq!(parse(&"(".repeat(200)), Err(ConditionsError::TooLarge));
    }

    #[test]
    fn only_expressions_with_and_wait_for_more_than_one_event() {
        assert!(!parse("a || b").unwrap().has_and());
        assert!(parse("a || b && dep_c").unwrap().has_and());
        assert!(!Expression::parse("", &["a"]).unwrap().has_and());
    }
}
