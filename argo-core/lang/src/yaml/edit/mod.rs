//! Changes values inside YAML text and leaves comments, order, quoting and layout of everything else alone.
//!
//! Keys are dotted paths: `image.tag`, `env.0.value`, `labels.app\.kubernetes\.io/name`. A number is an index in a
//! list and a key in a mapping; a leading `:` on a segment makes it a key always; `-1` or the length of a list appends.

mod tree;
mod write;

use serde_json::Value;

use super::{Options, YamlError, decode_with};

/// Why a text could not be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The text is not YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// The path is empty or ends in a lone escape.
    #[error("invalid key {key:?}: {reason}")]
    Key {
        /// The path as given.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The path goes through a scalar or an alias, or an index is beyond the list.
    #[error("key path {key:?} not found: {reason} at segment {segment:?}")]
    Path {
        /// The path as given.
        key: String,
        /// The segment that did not fit.
        segment: String,
        /// Why.
        reason: &'static str,
    },
    /// The changed text would not read back with the new value; nothing was changed.
    #[error("key path {key:?} cannot be set in this text")]
    Unsafe {
        /// The path as given.
        key: String,
    },
}

/// One step of a key path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The unescaped text.
    pub text: String,
    /// A leading `:` was given: never an index.
    pub key_only: bool,
}

impl Segment {
    fn index(&self) -> Option<Index> {
        if self.key_only {
            return None;
        }
        if self.text == "-1" {
            return Some(Index::Append);
        }
        self.text.parse().ok().map(Index::At)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Index {
    At(usize),
    Append,
}

/// Splits a key path at its unescaped dots.
///
/// # Errors
/// An empty path or segment, or an escape at the end.
pub fn parse_key(key: &str) -> Result<Vec<Segment>, EditError> {
    let wrong = |reason| EditError::Key { key: key.to_owned(), reason };
    let mut segments = Vec::new();
    let mut text = String::new();
    let mut key_only = false;
    let mut started = false;
    let mut chars = key.chars();
    loop {
        match chars.next() {
            Some('\\') => {
                text.push(chars.next().ok_or_else(|| wrong("it ends in an escape"))?);
                started = true;
            }
            Some(':') if !started => {
                key_only = true;
                started = true;
            }
            it @ (Some('.') | None) => {
                if text.is_empty() {
                    return Err(wrong("it has an empty segment"));
                }
                segments.push(Segment { text: std::mem::take(&mut text), key_only });
                (key_only, started) = (false, false);
                if it.is_none() {
                    return Ok(segments);
                }
            }
            Some(it) => {
                text.push(it);
                started = true;
            }
        }
    }
}

/// Sets the value at a key path in the first document and returns the new text.
///
/// An existing scalar keeps its quoting style; missing mappings are created; a list grows by `-1` or its length.
///
/// # Errors
/// The text is not YAML, or the path does not fit it.
pub fn set(text: &str, key: &str, value: &Value) -> Result<String, EditError> {
    let segments = parse_key(key)?;
    let root = tree::parse(text)?;
    let out = write::edit(text, root.as_ref(), key, &segments, value)?;
    let unsafe_edit = || EditError::Unsafe { key: key.to_owned() };
    let back = decode_with(&out, &Options::lenient()).map_err(|_| unsafe_edit())?;
    let mut at = &back;
    for segment in &segments {
        at = match at {
            Value::Object(map) => map.get(&segment.text),
            Value::Array(items) => match segment.index() {
                Some(Index::At(place)) => items.get(place),
                Some(Index::Append) => items.last(),
                None => None,
            },
            _ => None,
        }
        .ok_or_else(unsafe_edit)?;
    }
    if same(at, value) { Ok(out) } else { Err(unsafe_edit()) }
}

/// Sets several values, one after the other.
///
/// # Errors
/// As [`set`]; of a failed series nothing is returned.
pub fn set_all<'a>(text: &str, updates: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Result<String, EditError> {
    let mut out = text.to_owned();
    for (key, value) in updates {
        out = set(&out, key, value)?;
    }
    Ok(out)
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scalar_changes_and_everything_else_stays() {
        let text = "# head\nimage:\n  repository: nginx   # the image\n  tag: \"1.0\" # keep me\nenv:\n- name: A\n  value: 'x'\n- name: B\n\nlast: |\n  text\n";
        let out = set(text, "image.tag", &json!("1.1")).unwrap();
        assert_eq!(out, text.replace("\"1.0\"", "\"1.1\""));
        let out = set(text, "env.0.value", &json!("it's")).unwrap();
        assert_eq!(out, text.replace("'x'", "'it''s'"));
        let out = set(text, "image.repository", &json!("yes")).unwrap();
        assert_eq!(out, text.replace("nginx ", "\"yes\" "));
        let out = set(text, "last", &json!(5)).unwrap();
        assert_eq!(out, text.replace("|\n  text\n", "5\n"));
    }

    #[test]
    fn missing_mappings_are_created_where_they_belong() {
        let text = "a:\n  b: 1 # one\n# tail\nz: 2\n";
        assert_eq!(set(text, "a.c.d", &json!("x")).unwrap(), "a:\n  b: 1 # one\n  c:\n    d: x\n# tail\nz: 2\n");
        assert_eq!(set("", "a.b", &json!(1)).unwrap(), "a:\n  b: 1\n");
        assert_eq!(set("a:\nb: 2\n", "a", &json!("x")).unwrap(), "a: x\nb: 2\n");
        assert_eq!(set("a:\nb: 2\n", "a.c", &json!("x")).unwrap(), "a:\n  c: x\nb: 2\n");
        assert_eq!(set("a: {b: 1}\n", "a.c", &json!("x,y")).unwrap(), "a: {b: 1, c: \"x,y\"}\n");
        assert_eq!(set("a: {}\n", "a.c", &json!(true)).unwrap(), "a: {c: true}\n");
    }

    #[test]
    fn lists_take_indices_and_grow_at_their_end() {
        let text = "l:\n  - a # first\n  - b\n";
        assert_eq!(set(text, "l.0", &json!("c")).unwrap(), "l:\n  - c # first\n  - b\n");
        assert_eq!(set(text, "l.-1", &json!("c")).unwrap(), "l:\n  - a # first\n  - b\n  - c\n");
        assert_eq!(set(text, "l.2", &json!({"x": 1})).unwrap(), "l:\n  - a # first\n  - b\n  - x: 1\n");
        assert!(matches!(set(text, "l.4", &json!("c")), Err(EditError::Path { .. })));
        assert_eq!(set("l: [a]\n", "l.-1", &json!("b")).unwrap(), "l: [a, b]\n");
    }

    #[test]
    fn escapes_and_colons_make_keys() {
        let text = "a.b: 1\nm:\n  \"0\": x\n";
        assert_eq!(set(text, r"a\.b", &json!(2)).unwrap(), "a.b: 2\nm:\n  \"0\": x\n");
        assert_eq!(set(text, "m.:0", &json!("y")).unwrap(), "a.b: 1\nm:\n  \"0\": \"y\"\n");
        assert!(matches!(parse_key("a..b"), Err(EditError::Key { .. })));
    }
}
