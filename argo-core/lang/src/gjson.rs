//! gjson paths to read, sjson paths to write: `friends.#(last=="Murphy").first`, `a.b.-1`.

use serde_json::{Map, Value};

use crate::position::{Located, Position};

/// Longest accepted path and deepest accepted document.
const MAX_PATH: usize = 4096;
/// Largest index that a write may create.
const MAX_INDEX: usize = 100_000;
/// Deepest place that a write may create.
const MAX_DEPTH: usize = 200;

/// The value at a gjson path; `None` where there is none, or the path is too long.
#[must_use]
pub fn get(value: &Value, path: &str) -> Option<Value> {
    // a plain path needs no detour over text
    if !path.is_empty() && path.split('.').all(is_plain) {
        return plain(value, path);
    }
    get_text(&value.to_string(), path)
}

/// [`get`] over JSON text, which must be valid.
#[must_use]
pub fn get_text(json: &str, path: &str) -> Option<Value> {
    if path.is_empty() || path.len() > MAX_PATH || path.matches(['(', '[', '{', '|', '@']).count() > 64 {
        return None;
    }
    serde_json::from_str::<Value>(json).ok()?;
    let found = gjson::get(json, path);
    if !found.exists() {
        return None;
    }
    serde_json::from_str(found.json()).ok()
}

fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'/' | b' '))
}

fn plain(value: &Value, path: &str) -> Option<Value> {
    let mut at = value;
    for part in path.split('.') {
        at = match at {
            Value::Object(map) => map.get(part)?,
            Value::Array(items) if part.bytes().all(|it| it.is_ascii_digit()) => {
                items.get(part.parse::<usize>().ok()?)?
            }
            _ => return None,
        };
    }
    Some(at.clone())
}

/// The text form of a value as gjson's `String()`: strings raw, everything else JSON.
#[must_use]
pub fn text(value: &Value) -> String {
    match value {
        Value::String(it) => it.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Why a path cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// The path has `*`, `?`, `#` or `|`, which only reading understands.
    #[error("wildcard and array access characters not allowed in path {0:?}")]
    Wildcard(String),
    /// An index that no list may have.
    #[error("cannot set array element for non-numeric key {0:?}")]
    Index(String),
    /// The path has more than 200 parts or 4096 bytes, or makes lists of more than 100,000 items in all.
    #[error("path is too long: {0}")]
    Limit(&'static str),
}

/// The place of the character or key that can not be written; none for a bound.
impl Located for SetError {
    fn position_in(&self, source: &str) -> Option<Position> {
        let (at, len) = match self {
            Self::Wildcard(_) => {
                let mut escaped = false;
                let (at, _) = source.char_indices().find(|(_, it)| {
                    let found = !escaped && matches!(it, '*' | '?' | '#' | '|');
                    escaped = !escaped && *it == '\\';
                    found
                })?;
                (at, 1)
            }
            Self::Index(key) => (source.find(key.as_str())?, key.len()),
            Self::Limit(_) => return None,
        };
        Some(Position::of(source, at..at + len))
    }
}

/// A key as part of a path: what a path gives a meaning stands behind backslashes.
#[must_use]
pub fn escape(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for it in key.chars() {
        // as upstream's `Escape`, and the colon with which sjson says that a number is a key
        let safe = it <= ' ' || it > '~' || matches!(it, '_' | '-') || it.is_ascii_alphanumeric();
        if !safe {
            out.push('\\');
        }
        out.push(it);
    }
    out
}

/// The path of these keys; see [`escape`]. A number among them is an index where there is a list.
#[must_use]
pub fn join<'a>(keys: impl IntoIterator<Item = &'a str>) -> String {
    keys.into_iter().map(escape).collect::<Vec<_>>().join(".")
}

struct Part {
    text: String,
    force_key: bool,
}

/// Splits a write path at dots; a backslash escapes, a leading `:` makes a number a key.
fn parts(path: &str) -> Result<Vec<Part>, SetError> {
    if path.len() > MAX_PATH {
        return Err(SetError::Limit("more than 4096 bytes"));
    }
    let mut out = Vec::new();
    let mut part = Part { text: String::new(), force_key: false };
    let mut fresh = true;
    let mut chars = path.chars();
    while let Some(it) = chars.next() {
        match it {
            '\\' => part.text.extend(chars.next()),
            '.' => {
                out.push(std::mem::replace(&mut part, Part { text: String::new(), force_key: false }));
                fresh = true;
                continue;
            }
            ':' if fresh => part.force_key = true,
            '*' | '?' | '#' | '|' => return Err(SetError::Wildcard(path.to_owned())),
            it => part.text.push(it),
        }
        fresh = false;
    }
    out.push(part);
    if out.len() > MAX_DEPTH { Err(SetError::Limit("more than 200 parts")) } else { Ok(out) }
}

/// Sets the value at an sjson path, making what is missing: a number in a path makes a list, `-1` appends.
///
/// # Errors
/// The path cannot be written.
pub fn set(value: &mut Value, path: &str, new: Value) -> Result<(), SetError> {
    let mut at = value;
    let mut made = 0;
    for part in parts(path)? {
        let index = if part.force_key {
            None
        } else if part.text == "-1" {
            Some(None)
        } else {
            part.text.parse::<usize>().ok().map(Some)
        };
        if !matches!(at, Value::Object(_) | Value::Array(_)) {
            *at = if index.is_some() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
        }
        at = match at {
            Value::Object(map) => map.entry(part.text).or_insert(Value::Null),
            Value::Array(items) => {
                let index = index.or_else(|| part.text.parse().ok().map(Some));
                let Some(index) = index else { return Err(SetError::Index(part.text)) };
                let place = index.unwrap_or(items.len());
                if place > MAX_INDEX {
                    return Err(SetError::Index(part.text));
                }
                made += (place + 1).saturating_sub(items.len());
                if made > MAX_INDEX + MAX_DEPTH {
                    return Err(SetError::Limit("more than 100,000 new items"));
                }
                while items.len() <= place {
                    items.push(Value::Null);
                }
                &mut items[place]
            }
            // made a container above
            _ => return Err(SetError::Index(part.text)),
        };
    }
    *at = new;
    Ok(())
}

/// Deletes the value at an sjson path; says whether there was one.
///
/// # Errors
/// The path cannot be written.
pub fn delete(value: &mut Value, path: &str) -> Result<bool, SetError> {
    let parts = parts(path)?;
    let Some((last, way)) = parts.split_last() else { return Ok(false) };
    let mut at = value;
    for part in way {
        let next = match at {
            Value::Object(map) => map.get_mut(&part.text),
            Value::Array(items) => part.text.parse::<usize>().ok().and_then(|it| items.get_mut(it)),
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => return Ok(false),
        }
    }
    Ok(match at {
        Value::Object(map) => map.remove(&last.text).is_some(),
        Value::Array(items) => {
            let place = if last.text == "-1" { items.len().checked_sub(1) } else { last.text.parse().ok() };
            match place {
                Some(place) if place < items.len() => {
                    items.remove(place);
                    true
                }
                _ => false,
            }
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_are_shown_in_the_path_they_came_from() {
        let path = "a.\\*.b#";
        let error = set(&mut Value::Null, path, Value::Null).unwrap_err();
        let place = error.position_in(path).unwrap();
        assert_eq!((place.line, place.column, place.text.as_str()), (1, 7, "#"));
        let error = set(&mut Value::Array(Vec::new()), "foo.b", Value::Null).unwrap_err();
        assert!(error.show("foo.b").ends_with(" (1:1)\n | foo.b\n | ^^^"), "{}", error.show("foo.b"));
    }

    #[test]
    fn paths_read_as_gjson() {
        let value = json!({"a": {"b": [1, {"c": "x"}]}, "fav.movie": "D", "friends": [{"n": "A", "age": 5}, {"n": "B", "age": 9}]});
        for (path, wanted) in [
            ("a.b.1.c", Some(json!("x"))),
            ("a.b.#", Some(json!(2))),
            ("fav\\.movie", Some(json!("D"))),
            ("friends.#.n", Some(json!(["A", "B"]))),
            ("friends.#(age>6).n", Some(json!("B"))),
            ("a.x", None),
            ("a.b.9", None),
            ("a.*.0", Some(json!(1))),
        ] {
            assert_eq!(get(&value, path), wanted, "{path}");
        }
    }

    #[test]
    fn paths_write_as_sjson() {
        let mut value = json!({"a": {"b": [1]}});
        set(&mut value, "a.b.-1", json!(2)).unwrap();
        set(&mut value, "x.1.y", json!("z")).unwrap();
        set(&mut value, "m.:0", json!(true)).unwrap();
        set(&mut value, "q\\.r", json!(null)).unwrap();
        assert_eq!(value, json!({"a": {"b": [1, 2]}, "x": [null, {"y": "z"}], "m": {"0": true}, "q.r": null}));
        assert!(delete(&mut value, "a.b.0").unwrap());
        assert_eq!(value["a"]["b"], json!([2]));
        assert!(matches!(set(&mut value, "a.*", json!(1)), Err(SetError::Wildcard(_))));
        for path in ["x.".repeat(1000), "y".repeat(5000), "n.".to_owned() + &"99999.".repeat(50) + "1"] {
            assert!(matches!(set(&mut value, &path, json!(1)), Err(SetError::Limit(_))), "{path}");
        }
    }
}
