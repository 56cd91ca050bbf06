//! govaluate: the language of a workflow's `when` and of Sensor expression filters.
//!
//! [`when`] evaluates a workflow condition, where bare words are strings. [`Expression`] is the general form, where
//! they are variables. All numbers are float64; quoted text that looks like a date is its Unix time.

mod eval;
mod plan;
mod print;
mod token;
mod value;

use std::collections::BTreeMap;

use serde_json::Value;

use eval::evaluate;
use plan::{Stage, plan};
use token::{Kind, tokens};
use value::Val;

use crate::position::{Fault, Located, Position};

/// Longest accepted source in bytes.
pub const MAX_SOURCE: usize = 64 << 10;
/// Deepest accepted nesting of parentheses.
pub const MAX_DEPTH: usize = 100;

/// Why an expression was refused or failed; the text is upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GovaluateError {
    /// The source is not an expression.
    #[error("{message}")]
    Parse {
        /// What is wrong.
        message: String,
        /// Where.
        position: Position,
    },
    /// A value does not fit an operator, or a variable is not there.
    #[error("{0}")]
    Evaluate(String),
}

impl GovaluateError {
    fn parse(source: &str, fault: Fault) -> Self {
        Self::Parse { position: Position::of_chars(source, fault.chars), message: fault.message }
    }
}

impl Located for GovaluateError {
    fn position(&self) -> Option<&Position> {
        match self {
            Self::Parse { position, .. } => Some(position),
            Self::Evaluate(_) => None,
        }
    }
}

/// Why a `when` gave no answer; the text is what a workflow shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhenError {
    /// It is not an expression.
    #[error("Invalid 'when' expression '{when}': {message}")]
    Invalid {
        /// The condition.
        when: String,
        /// Why, with a hint where quotes may help.
        message: String,
        /// Where.
        position: Position,
    },
    /// With bare words as strings it is not an expression.
    #[error("Failed to parse 'when' expression '{when}': {message}")]
    Parse {
        /// The condition.
        when: String,
        /// Why.
        message: String,
        /// Where.
        position: Position,
    },
    /// It failed.
    #[error("Failed to evaluate 'when' expresion '{when}': {message}")]
    Evaluate {
        /// The condition.
        when: String,
        /// Why.
        message: String,
    },
    /// It gave something else than a bool.
    #[error("Expected boolean evaluation for '{when}'. Got {got}")]
    NotBool {
        /// The condition.
        when: String,
        /// What it gave.
        got: String,
    },
}

impl Located for WhenError {
    fn position(&self) -> Option<&Position> {
        match self {
            Self::Invalid { position, .. } | Self::Parse { position, .. } => Some(position),
            Self::Evaluate { .. } | Self::NotBool { .. } => None,
        }
    }
}

/// A compiled expression whose bare words are variables.
#[derive(Debug, Clone)]
pub struct Expression {
    root: Stage,
    variables: Vec<String>,
}

impl Expression {
    /// Compiles a source.
    ///
    /// # Errors
    /// The source is not an expression.
    pub fn parse(source: &str) -> Result<Self, GovaluateError> {
        let fault = |it| GovaluateError::parse(source, it);
        let tokens = tokens(source).map_err(fault)?;
        let variables = tokens.iter().filter(|it| it.kind == Kind::Variable).map(|it| it.text.clone()).collect();
        Ok(Self { root: plan(&tokens).map_err(fault)?, variables })
    }

    /// The variables it reads, in order of appearance.
    #[must_use]
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// Evaluates with the keys of an object as variables.
    ///
    /// # Errors
    /// A variable is missing or a value does not fit an operator.
    pub fn eval(&self, variables: &Value) -> Result<Value, GovaluateError> {
        evaluate(&self.root, variables).map(|it| it.to_json())
    }

    /// [`Expression::eval`] for a filter: only the boolean true passes.
    ///
    /// # Errors
    /// As [`Expression::eval`].
    pub fn eval_bool(&self, variables: &Value) -> Result<bool, GovaluateError> {
        Ok(matches!(evaluate(&self.root, variables)?, Val::Bool(true)))
    }

    /// [`Expression::eval`] with variables in a map.
    ///
    /// # Errors
    /// As [`Expression::eval`].
    pub fn eval_map(&self, variables: &BTreeMap<String, Value>) -> Result<Value, GovaluateError> {
        self.eval(&Value::Object(variables.iter().map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}

/// Evaluates a workflow's `when`, after substitution: bare words are strings, empty is true.
///
/// # Errors
/// It is no expression, fails, or gives no bool; the messages are upstream's.
///
/// # Example
/// ```
/// assert_eq!(argo_lang::govaluate::when("heads == heads"), Ok(true));
/// assert_eq!(argo_lang::govaluate::when("1 > 2 || 'a' in ('a', 'b')"), Ok(true));
/// ```
pub fn when(when: &str) -> Result<bool, WhenError> {
    if when.is_empty() {
        return Ok(true);
    }
    let owned = when.to_owned();
    let invalid = |fault: Fault| {
        let mut message = fault.message;
        if message.contains("Invalid token") {
            message.push_str(" (hint: try wrapping the affected expression in quotes (\"))");
        }
        WhenError::Invalid { when: owned.clone(), message, position: Position::of_chars(when, fault.chars) }
    };
    let mut tokens = tokens(when).map_err(invalid)?;
    plan(&tokens).map_err(invalid)?;
    for token in &mut tokens {
        if token.kind == Kind::Variable {
            token.kind = Kind::Str;
        }
    }
    let root = plan(&tokens).map_err(|fault| WhenError::Parse {
        when: owned.clone(),
        message: fault.message,
        position: Position::of_chars(when, fault.chars),
    })?;
    match evaluate(&root, &Value::Null) {
        Ok(Val::Bool(it)) => Ok(it),
        Ok(other) => Err(WhenError::NotBool { when: owned, got: other.display() }),
        Err(error) => Err(WhenError::Evaluate { when: owned, message: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bare_words_are_strings_in_when() {
        for (text, wanted) in [
            ("", true),
            ("yes == yes", true),
            ("heads != tails && 3 > 2", true),
            ("'a' in ('a','b')", true),
            ("abc =~ '^a'", true),
            ("(1 + 2) * 3 == 9", true),
            ("!(a == a)", false),
            ("true ? false : true", false),
            ("8 - 2 - 1 == 5", true),
            ("'2024-01-02' > '2024-01-01'", true),
        ] {
            assert_eq!(when(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn messages_are_those_that_workflows_show() {
        let message = |text: &str| when(text).unwrap_err().to_string();
        assert_eq!(
            message("a = b"),
            "Invalid 'when' expression 'a = b': Invalid token: '=' (hint: try wrapping the affected expression in quotes (\"))"
        );
        assert_eq!(message("1 + 1"), "Expected boolean evaluation for '1 + 1'. Got 2");
        assert_eq!(message("foo"), "Expected boolean evaluation for 'foo'. Got foo");
        assert_eq!(
            message("a-b == c"),
            "Failed to evaluate 'when' expresion 'a-b == c': Value 'a' cannot be used with the modifier '-', it is not a number"
        );
        assert_eq!(
            message("a.b == c"),
            "Invalid 'when' expression 'a.b == c': Unable to access unexported field 'b' in token 'a.b'"
        );
        assert_eq!(message("(a == b"), "Invalid 'when' expression '(a == b': Unbalanced parenthesis");
        assert_eq!(
            message("!foo"),
            "Failed to parse 'when' expression '!foo': Cannot transition token types from PREFIX [!] to STRING [foo]"
        );
    }

    #[test]
    fn errors_know_line_column_and_text() {
        for (text, line, column, offending) in [
            ("a = b", 1, 3, "="),
            ("a == b &&\n  c.d == 'é'", 2, 3, "c.d"),
            ("(a == b", 1, 1, "("),
            ("a == b)", 1, 7, ")"),
            ("a ==", 1, 5, ""),
            ("'é' == 'x", 1, 8, "'x"),
            ("a b", 1, 3, "b"),
            ("!foo", 1, 2, "foo"),
            ("1.2.3 > 2", 1, 1, "1.2.3"),
            ("a =~ '('", 1, 6, "'('"),
        ] {
            let error = when(text).unwrap_err();
            let place = error.position().unwrap_or_else(|| panic!("{text}: {error} has no place"));
            assert_eq!((place.line, place.column, place.text.as_str()), (line, column, offending), "{text}: {error}");
        }
        let error = Expression::parse("x > 1 &&\ny = 2").unwrap_err();
        assert_eq!((error.line(), error.column(), error.offset()), (Some(2), Some(3), Some(11)));
        assert_eq!(error.show("x > 1 &&\ny = 2"), "Invalid token: '=' (2:3)\n | y = 2\n | ..^");
        assert_eq!(when("1 + 1").unwrap_err().position(), None);
    }

    #[test]
    fn variables_come_from_the_environment() {
        let expression = Expression::parse("a > 3 && [b-c] == 'x'").unwrap();
        assert_eq!(expression.variables(), ["a", "b-c"]);
        assert_eq!(expression.eval(&json!({"a": 4, "b-c": "x"})), Ok(json!(true)));
        assert_eq!(expression.eval(&json!({"a": 4})).unwrap_err().to_string(), "No parameter 'b-c' found.");
    }
}
