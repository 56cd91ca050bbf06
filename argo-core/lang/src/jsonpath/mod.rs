//! JSONPath in kubectl's dialect: `{.items[*].metadata.name}`, `{range .items[*]}{.name}{"\n"}{end}`, `{.a[?(@.x>1)]}`.
//!
//! [`JsonPath::parse`] takes a whole template with braces; [`JsonPath::parse_relaxed`] also takes `$.a.b`, `.a.b` and `a.b`.
//! [`query`] is the dialect of `jsonpath()` in expressions.

mod eval;
mod parse;
mod print;
mod query;

pub use query::query;
use serde_json::Value;

use crate::position::{Fault, Located, Position};

/// Why a path was refused or failed; the text is upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonPathError {
    /// The text is no path.
    #[error("{message}")]
    Parse {
        /// What is wrong.
        message: String,
        /// Where in the text that was given.
        position: Position,
    },
    /// A field is not there.
    #[error("{0} is not found")]
    NotFound(String),
    /// An operation does not fit the value.
    #[error("{0}")]
    Evaluate(String),
    /// More than 1,000,000 values were visited, or the text is longer than 16 MiB.
    #[error("{0}")]
    Limit(&'static str),
}

impl Located for JsonPathError {
    fn position(&self) -> Option<&Position> {
        match self {
            Self::Parse { position, .. } => Some(position),
            Self::NotFound(_) | Self::Evaluate(_) | Self::Limit(_) => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// Literal text.
    Text(String),
    /// A path: its steps in order.
    List(Vec<Node>),
    /// `$` and `@`.
    Identifier(char),
    Field(String),
    /// From, to, step as written.
    Slice(Option<i64>, Option<i64>, Option<i64>),
    /// One index.
    Index(i64),
    Filter(Box<Node>, String, Box<Node>),
    Int(i64),
    Float(f64),
    Bool(bool),
    Wildcard,
    Recursive,
    Union(Vec<Node>),
    Range,
    End,
}

/// A compiled template.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    nodes: Vec<Node>,
    allow_missing: bool,
}

impl JsonPath {
    /// Compiles a template: text, and paths in braces.
    ///
    /// # Errors
    /// The text is no template.
    pub fn parse(template: &str) -> Result<Self, JsonPathError> {
        Self::compile(template, |fault| fail(template, fault))
    }

    /// [`JsonPath::parse`] that adds what is missing around a bare path: `a.b`, `.a.b`, `$.a.b`, `{a.b}` all read `{.a.b}`.
    ///
    /// # Errors
    /// The text is no path.
    pub fn parse_relaxed(path: &str) -> Result<Self, JsonPathError> {
        let inner = match path.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}').filter(|it| !it.contains('{')),
            None => Some(path),
        };
        match inner {
            Some(inner) => {
                let inner = inner.trim();
                let dotted =
                    if inner.starts_with(['.', '[', '$', '@']) { inner.to_owned() } else { format!(".{inner}") };
                let before = path.find(inner).unwrap_or(0);
                let skipped = path[..before].chars().count();
                let added = 1 + dotted.chars().count() - inner.chars().count();
                // places are told in the text as it was given
                let back = |at: usize| (at + skipped).saturating_sub(added);
                Self::compile(&format!("{{{dotted}}}"), |Fault { message, chars }| {
                    fail(path, Fault { message, chars: back(chars.start)..back(chars.end) })
                })
            }
            None => Self::parse(path),
        }
    }

    fn compile(template: &str, error: impl FnOnce(Fault) -> JsonPathError) -> Result<Self, JsonPathError> {
        Ok(Self { nodes: parse::parse(template).map_err(error)?, allow_missing: false })
    }

    /// Lets missing fields give nothing instead of an error.
    #[must_use]
    pub fn allow_missing(mut self) -> Self {
        self.allow_missing = true;
        self
    }

    /// The values that the paths of the template select, all in one list.
    ///
    /// # Errors
    /// A field is missing or a step does not fit.
    pub fn find(&self, value: &Value) -> Result<Vec<Value>, JsonPathError> {
        Ok(eval::find(self, value)?.into_iter().flatten().collect())
    }

    /// The text of the whole template: several values are separated by spaces, objects and lists are JSON.
    ///
    /// # Errors
    /// As [`JsonPath::find`].
    pub fn render(&self, value: &Value) -> Result<String, JsonPathError> {
        eval::render(self, value)
    }
}

fn fail(source: &str, fault: Fault) -> JsonPathError {
    JsonPathError::Parse { position: Position::of_chars(source, fault.chars), message: fault.message }
}

/// Compiles and evaluates one path in any of its forms (see [`JsonPath::parse_relaxed`]).
///
/// # Errors
/// The text is no path, a field is missing, or a step does not fit.
pub fn eval(path: &str, value: &Value) -> Result<Vec<Value>, JsonPathError> {
    JsonPath::parse_relaxed(path)?.find(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_know_line_column_and_text() {
        for (text, line, column, offending) in [
            ("{.a", 1, 1, "{.a"),
            ("é {.a[x]}", 1, 7, "x"),
            ("{.a}\n{.b[?(@.c=1)]}", 2, 10, "="),
            ("{.a[1}", 1, 4, "[1}"),
            ("{foo}", 1, 2, "foo"),
            ("{.a}{\"x}", 1, 6, "\"x}"),
            ("{ #}", 1, 3, "#"),
        ] {
            let error = JsonPath::parse(text).expect_err(text);
            let place = error.position().unwrap_or_else(|| panic!("{text}: {error} has no place"));
            assert_eq!((place.line, place.column, place.text.as_str()), (line, column, offending), "{text}: {error}");
        }
        let error = JsonPath::parse_relaxed(" a.b[x]").unwrap_err();
        assert_eq!((error.line(), error.column(), error.offset()), (Some(1), Some(6), Some(5)));
        assert_eq!(error.show(" a.b[x]"), "invalid array index x (1:6)\n |  a.b[x]\n | .....^");
        assert_eq!(JsonPath::parse("{end}").unwrap().find(&json!(1)).unwrap_err().position(), None);
    }

    #[test]
    fn paths_select_as_kubectl() {
        let value = json!({"items": [{"n": "a", "v": 1, "l": {"x.y": "z"}}, {"n": "b", "v": 2}, {"n": "c", "v": 3}], "k": "List"});
        for (path, wanted) in [
            ("{.items[*].n}", "a b c"),
            ("{.items[0].n}", "a"),
            ("{.items[-1].n}", "c"),
            ("{.items[0:2].n}", "a b"),
            ("{.items[::2].n}", "a c"),
            ("{.items[?(@.v>1)].n}", "b c"),
            ("{.items[?(@.n==\"b\")].v}", "2"),
            ("{range .items[*]}[{.n}={.v}]{end}", "[a=1][b=2][c=3]"),
            ("{range .items[*]}{.n}{\"\\n\"}{end}", "a\nb\nc\n"),
            ("{..v}", "1 2 3"),
            ("{.items[0]['n','v']}", "a 1"),
            ("{.items[0].l.x\\.y}", "z"),
            ("{.items[0]['l']}", "{\"x.y\":\"z\"}"),
            ("kind is {.k}", "kind is List"),
            ("{$.k}", "List"),
            ("{.items[0,2].n}", "a c"),
        ] {
            assert_eq!(JsonPath::parse(path).unwrap().render(&value).as_deref(), Ok(wanted), "{path}");
        }
        assert_eq!(eval("items[1].v", &value).unwrap(), [json!(2)]);
        assert_eq!(eval("$.k", &value).unwrap(), [json!("List")]);
        assert_eq!(eval("{.nope}", &value).unwrap_err().to_string(), "nope is not found");
        assert_eq!(JsonPath::parse("{.nope}").unwrap().allow_missing().render(&value).as_deref(), Ok(""));
        assert!(JsonPath::parse("{.a").is_err());
    }
}
