//! Flat scopes to nested environments.

use serde_json::{Map, Value};

/// Most parts of a key: what nests deeper is left out.
const MAX_PARTS: usize = 200;

/// Expands dotted keys to nested objects: `{"a.b": "1"}` becomes `{"a": {"b": "1"}}`.
///
/// A value whose key is also the beginning of a longer key is dropped, as upstream drops it; so is one whose key has more
/// than 200 parts.
#[must_use]
pub fn expand<'a>(scope: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let shallow = |key: &str| key.bytes().filter(|it| *it == b'.').count() < MAX_PARTS;
    let mut pairs: Vec<(&str, Value)> = scope.into_iter().filter(|it| shallow(it.0)).collect();
    // the less specific of two keys comes first and is replaced by the nested object
    pairs.sort_by(|a, b| a.0.cmp(b.0));
    let mut root = Map::new();
    for (key, value) in pairs {
        let mut at = &mut root;
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                match at.get(part) {
                    Some(Value::Object(inner)) if !inner.is_empty() => {}
                    _ => {
                        at.insert(part.to_owned(), value);
                    }
                }
                break;
            }
            let slot = at.entry(part.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            match slot {
                Value::Object(inner) => at = inner,
                _ => break,
            }
        }
    }
    Value::Object(root)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scalar_in_the_way_of_a_deeper_key_is_dropped() {
        let scope = [("a", json!("x")), ("a.b", json!("1")), ("a-c", json!("2")), ("d.e.f", json!("3"))];
        let deep = "x.".repeat(100_000);
        assert_eq!(expand([(deep.as_str(), json!(1))]), json!({}));
        assert_eq!(expand(scope), json!({"a": {"b": "1"}, "a-c": "2", "d": {"e": {"f": "3"}}}));
    }
}
