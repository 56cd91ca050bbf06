//! `{{tag}}` substitution of Argo Workflows: flat names from a scope, and `{{=expression}}`.
//!
//! [`Template`] is one string, [`Document`] a JSON document with templates in its strings and keys. Compile once, render
//! for every scope. Values are inserted into strings as they are; over a document this equals upstream's substitution of
//! JSON-escaped text in JSON text. Nested tags (`{{inputs.parameters.{{item}}}}`) resolve innermost first.

mod document;
mod pass;
mod template;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

pub use document::Document;
pub use template::Template;

use crate::expr::{self, Functions};
use crate::gojson;
use crate::position::{Located, Position};

/// What a scope knows of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// Its value.
    Value(Cow<'a, str>),
    /// Known, but without value: an output of a skipped or omitted node without default.
    Absent,
}

/// Where tags get their values.
pub trait Scope {
    /// The value of a name, or `None` when the name is not known.
    fn find(&self, name: &str) -> Option<Found<'_>>;

    /// The environment of `{{=…}}` expressions: nested objects, see [`expr::env::expand`].
    fn env(&self) -> Value;
}

impl Scope for BTreeMap<String, String> {
    fn find(&self, name: &str) -> Option<Found<'_>> {
        self.get(name).map(|it| Found::Value(Cow::Borrowed(it)))
    }

    fn env(&self) -> Value {
        expr::env::expand(self.iter().map(|(key, value)| (key.as_str(), Value::String(value.clone()))))
    }
}

/// A scope in which `None` is a known name without value.
impl Scope for BTreeMap<String, Option<String>> {
    fn find(&self, name: &str) -> Option<Found<'_>> {
        self.get(name).map(|it| match it {
            Some(it) => Found::Value(Cow::Borrowed(it)),
            None => Found::Absent,
        })
    }

    fn env(&self) -> Value {
        let value = |it: &Option<String>| it.as_ref().map_or(Value::Null, |it| Value::String(it.clone()));
        expr::env::expand(self.iter().map(|(key, it)| (key.as_str(), value(it))))
    }
}

/// What happens to a tag that the scope does not know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Unknown {
    /// It stays in the text, for a later pass.
    #[default]
    Keep,
    /// It is an error.
    Fail,
    /// It stays, unless its name starts with one of these and does not contain [`EXEMPT`].
    FailFor(Vec<String>),
}

/// Names with this part are never strict.
pub const EXEMPT: &str = ".outputs.artifacts.";

impl Unknown {
    /// The strictness of steps and tasks: `steps.` and `tasks.` must resolve.
    #[must_use]
    pub fn references() -> Self {
        Self::FailFor(vec!["steps.".to_owned(), "tasks.".to_owned()])
    }

    fn fails(&self, name: &str) -> bool {
        match self {
            Self::Keep => false,
            Self::Fail => true,
            Self::FailFor(prefixes) => {
                !name.contains(EXEMPT) && prefixes.iter().any(|it| name.starts_with(it.as_str()))
            }
        }
    }
}

/// Why a template did not render.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TagError {
    /// A tag is not known, where it must be. The caller may wait for it.
    #[error("failed to resolve {{{{{tag}}}}}")]
    Unresolved {
        /// The tag.
        tag: String,
    },
    /// A tag is known and has no value; no later pass will change that.
    #[error("unable to substitute {{{{{tag}}}}}: output is an absent optional (skipped/omitted node with no default)")]
    Absent {
        /// The tag.
        tag: String,
    },
    /// An expression failed or gave nil.
    #[error("failed to evaluate expression: {message}")]
    Expression {
        /// The expression.
        expression: String,
        /// Why.
        message: String,
        /// Whether a later pass, with more in scope, may succeed: a name was unknown or the result was nil.
        unresolved: bool,
    },
    /// A tag was opened and never closed, or tags nest too deeply.
    #[error("invalid template: {0}")]
    Syntax(String),
    /// The output would be too large.
    #[error("template output is too long")]
    TooLong,
}

/// The place of the tag or expression in the text that was rendered; it is found by its text, first come first.
impl Located for TagError {
    fn position_in(&self, source: &str) -> Option<Position> {
        let (wanted, mark) = match self {
            Self::Unresolved { tag } | Self::Absent { tag } => (tag, "{{"),
            Self::Expression { expression, .. } => (expression, "="),
            Self::Syntax(_) | Self::TooLong => return None,
        };
        let (at, found) = source.match_indices(wanted.as_str()).find(|(at, found)| {
            source[..*at].trim_end().ends_with(mark) && source[at + found.len()..].trim_start().starts_with("}}")
        })?;
        Some(Position::of(source, at..at + found.len()))
    }
}

/// How to render.
#[derive(Debug, Clone)]
pub struct Render {
    /// What happens to unknown tags.
    pub unknown: Unknown,
    /// Functions of `{{=…}}`; the default is Argo's set.
    pub functions: Functions,
    /// What `now()` is in expressions; without it `now()` fails.
    pub now: Option<Timestamp>,
    /// Longest output in bytes, 32 MiB by default.
    pub max_output: usize,
}

impl Default for Render {
    fn default() -> Self {
        Self { unknown: Unknown::Keep, functions: expr::argo::functions(), now: None, max_output: 32 << 20 }
    }
}

impl Render {
    /// Unknown tags are errors.
    #[must_use]
    pub fn strict() -> Self {
        Self { unknown: Unknown::Fail, ..Self::default() }
    }

    /// Unknown tags are treated so.
    #[must_use]
    pub fn with_unknown(unknown: Unknown) -> Self {
        Self { unknown, ..Self::default() }
    }
}

/// Parses and renders one string.
///
/// # Errors
/// As [`Template::render`].
pub fn substitute(text: &str, scope: &dyn Scope, how: &Render) -> Result<String, TagError> {
    Template::parse(text).render(scope, how)
}

/// Compiles and renders one document.
///
/// # Errors
/// As [`Template::render`].
pub fn substitute_json(value: &Value, scope: &dyn Scope, how: &Render) -> Result<Value, TagError> {
    Document::compile(value).render(scope, how)
}

/// Substitutes inside JSON text, values JSON-escaped, and gives the text back: for texts that are JSON but must keep
/// their form.
///
/// # Errors
/// As [`Template::render`].
pub fn substitute_json_text(text: &str, scope: &dyn Scope, how: &Render) -> Result<String, TagError> {
    struct Escaped<'a>(&'a dyn Scope);
    impl Scope for Escaped<'_> {
        fn find(&self, name: &str) -> Option<Found<'_>> {
            let name = unescape(name);
            self.0.find(&name).map(|it| match it {
                Found::Value(value) => Found::Value(Cow::Owned(gojson::escape(&value))),
                Found::Absent => Found::Absent,
            })
        }

        fn env(&self) -> Value {
            self.0.env()
        }
    }
    // expressions are JSON-escaped in the text and so is what they give: render them on the unescaped side
    match serde_json::from_str::<Value>(text) {
        Ok(value) if Document::compile(&value).has_expressions() => {
            Ok(gojson::to_string_raw(&substitute_json(&value, scope, how)?))
        }
        _ => Template::parse(text).render(&Escaped(scope), how),
    }
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    serde_json::from_str::<String>(&format!("\"{text}\"")).map_or(Cow::Borrowed(text), Cow::Owned)
}
