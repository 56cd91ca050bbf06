//! RFC 6901 pointers into JSON values.

use serde_json::Value;

use crate::position::{Located, Position};

/// A text that is no pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON pointer {0:?}: it must be empty or start with \"/\"")]
pub struct PointerError(String);

/// The start of the text, where the slash should stand.
impl Located for PointerError {
    fn position_in(&self, source: &str) -> Option<Position> {
        Some(Position::at(source, 1, 1, 1))
    }
}

/// Splits a pointer into unescaped tokens.
///
/// # Errors
/// The text is neither empty nor starts with `/`.
pub fn parse(pointer: &str) -> Result<Vec<String>, PointerError> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let rest = pointer.strip_prefix('/').ok_or_else(|| PointerError(pointer.to_owned()))?;
    Ok(rest.split('/').map(unescape).collect())
}

/// Joins tokens to a pointer.
#[must_use]
pub fn join<'a>(tokens: impl IntoIterator<Item = &'a str>) -> String {
    tokens.into_iter().map(|it| format!("/{}", escape(it))).collect()
}

/// Escapes one token: `~` is `~0`, `/` is `~1`.
#[must_use]
pub fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// The value at a pointer.
#[must_use]
pub fn get<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    value.pointer(pointer)
}

/// Deepest place that [`set`] makes.
const MAX_DEPTH: usize = 200;

/// Sets the value at a pointer, making missing objects on the way; `-` appends to a list. Says whether it could: not
/// with more than 200 tokens.
pub fn set(value: &mut Value, pointer: &str, new: Value) -> bool {
    let Some(tokens) = parse(pointer).ok().filter(|it| it.len() <= MAX_DEPTH) else { return false };
    let mut at = value;
    for token in tokens {
        if at.is_null() {
            *at = Value::Object(serde_json::Map::new());
        }
        at = match at {
            Value::Object(map) => map.entry(token).or_insert(Value::Null),
            Value::Array(items) => {
                let place = if token == "-" { Some(items.len()) } else { token.parse().ok() };
                match place {
                    Some(place) if place < items.len() => &mut items[place],
                    Some(place) if place == items.len() => {
                        items.push(Value::Null);
                        &mut items[place]
                    }
                    _ => return false,
                }
            }
            _ => return false,
        };
    }
    *at = new;
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pointers_escape_and_set() {
        let mut value = json!({"a/b": [1], "c": null});
        assert_eq!(get(&value, "/a~1b/0"), Some(&json!(1)));
        assert!(
            set(&mut value, "/a~1b/-", json!(2))
                && set(&mut value, "/c/d/e", json!(3))
                && !set(&mut value, "/a~1b/9", json!(0))
        );
        assert_eq!(value, json!({"a/b": [1, 2], "c": {"d": {"e": 3}}}));
        assert_eq!(join(["a/b", "~"]), "/a~1b/~0");
        assert!(parse("x").unwrap_err().show("x").ends_with(" (1:1)\n | x\n | ^"));
    }
}
