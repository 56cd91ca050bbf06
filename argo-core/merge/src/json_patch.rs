//! JSON patch (RFC 6902) with the semantics of the Go library in kube-apiserver.
//!
//! They differ from the RFC where controllers rely on it: `test` takes a missing member for `null`, `replace` of a missing object member
//! adds it, array indices may be negative, and the error texts are the ones people search for.

use serde_json::{Map, Value, json};

/// Why a JSON patch could not be applied. `Display` gives the API server's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonPatchError {
    /// The patch is no list of operations.
    #[error("{0}")]
    Malformed(String),
    /// A path, or a part of it, is not in the document.
    #[error("{0}: missing value")]
    Missing(String),
    /// A `test` found something else.
    #[error("testing value {0} failed: test failed")]
    TestFailed(String),
    /// An array index is out of bounds.
    #[error("{0}: invalid index referenced")]
    InvalidIndex(String),
    /// An array index is not a number.
    #[error("{0}")]
    NotAnIndex(String),
    /// The operations make more than [`MAX_OPERATIONS`], or copy more than [`MAX_COPIED`] bytes.
    #[error("{0}")]
    TooLarge(String),
}

/// kube-apiserver's limit on the operations of one patch.
pub const MAX_OPERATIONS: usize = 10_000;

/// kube-apiserver's limit on what the `copy` operations of one patch may add, in bytes.
pub const MAX_COPIED: usize = 3 * 1024 * 1024;

/// Applies a JSON patch, given as a JSON array of operations, to a document.
///
/// # Errors
/// The first operation that cannot be applied; the document is then as it was.
pub fn apply(document: &mut Value, patch: &Value) -> Result<(), JsonPatchError> {
    let operations = patch.as_array().ok_or_else(|| {
        JsonPatchError::Malformed("json: cannot unmarshal object into Go value of type jsonpatch.Patch".into())
    })?;
    if operations.len() > MAX_OPERATIONS {
        return Err(JsonPatchError::TooLarge(format!(
            "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
            operations.len()
        )));
    }
    let mut work = document.clone();
    let mut copied = 0;
    for operation in operations {
        let operation = operation.as_object().ok_or_else(|| {
            JsonPatchError::Malformed("json: cannot unmarshal value into Go value of type jsonpatch.Operation".into())
        })?;
        step(&mut work, operation, &mut copied)?;
    }
    *document = work;
    Ok(())
}

/// A JSON patch that turns `from` into `to`: members one by one, arrays element by element from the front with the tail added or removed.
pub fn diff(from: &Value, to: &Value) -> Value {
    let mut operations = Vec::new();
    walk(&mut String::new(), from, to, &mut operations);
    Value::Array(operations)
}

/// A path of unescaped tokens as a JSON pointer.
pub fn pointer<'a>(tokens: impl IntoIterator<Item = &'a str>) -> String {
    tokens.into_iter().fold(String::new(), |mut path, token| {
        path.push('/');
        path.push_str(&escape(token));
        path
    })
}

fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

fn unescape(token: &str) -> String {
    // One pass, left to right, as Go's Replacer: `~01` is `~1`.
    let mut out = String::with_capacity(token.len());
    let mut rest = token;
    while let Some(at) = rest.find('~') {
        out.push_str(&rest[..at]);
        let (decoded, used) = match rest.as_bytes().get(at + 1) {
            Some(b'1') => ('/', 2),
            Some(b'0') => ('~', 2),
            _ => ('~', 1),
        };
        out.push(decoded);
        rest = &rest[at + used..];
    }
    out.push_str(rest);
    out
}

fn walk(path: &mut String, from: &Value, to: &Value, out: &mut Vec<Value>) {
    if from == to {
        return;
    }
    let base = path.len();
    match (from, to) {
        (Value::Object(old), Value::Object(new)) => {
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                out.push(json!({"op": "remove", "path": format!("{path}/{}", escape(key))}));
            }
            for (key, value) in new {
                path.push('/');
                path.push_str(&escape(key));
                match old.get(key) {
                    Some(previous) => walk(path, previous, value, out),
                    None => out.push(json!({"op": "add", "path": path, "value": value})),
                }
                path.truncate(base);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            let shared = old.len().min(new.len());
            for index in 0..shared {
                path.push_str(&format!("/{index}"));
                walk(path, &old[index], &new[index], out);
                path.truncate(base);
            }
            for index in (shared..old.len()).rev() {
                out.push(json!({"op": "remove", "path": format!("{path}/{index}")}));
            }
            for value in &new[shared..] {
                out.push(json!({"op": "add", "path": format!("{path}/-"), "value": value}));
            }
        }
        _ => out.push(json!({"op": "replace", "path": path, "value": to})),
    }
}

fn text<'a>(operation: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    operation.get(member).and_then(Value::as_str)
}

fn step(document: &mut Value, operation: &Map<String, Value>, copied: &mut usize) -> Result<(), JsonPatchError> {
    use JsonPatchError::{Malformed, Missing};
    let kind = text(operation, "op").unwrap_or("unknown");
    if !matches!(kind, "add" | "remove" | "replace" | "move" | "test" | "copy") {
        return Err(Malformed(format!("Unexpected kind: {kind}")));
    }
    let path = text(operation, "path").ok_or_else(|| Missing(format!("{kind} operation failed to decode path")))?;
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    match kind {
        "add" => {
            let (place, key) = find(document, path)
                .ok_or_else(|| Missing(format!("add operation does not apply: doc is missing path: \"{path}\"")))?;
            add(place, &key, value()).map_err(|error| error.within(&format!("error in add for path: '{path}'")))
        }
        "remove" => {
            let (place, key) = find(document, path)
                .ok_or_else(|| Missing(format!("remove operation does not apply: doc is missing path: \"{path}\"")))?;
            remove(place, &key).map(drop).map_err(|error| error.within(&format!("error in remove for path: '{path}'")))
        }
        "replace" => replace(document, path, value()),
        "test" => {
            let expected = operation.get("value").unwrap_or(&Value::Null);
            if path.is_empty() {
                return if document == expected { Ok(()) } else { Err(JsonPatchError::TestFailed(path.into())) };
            }
            let (place, key) = find(document, path)
                .ok_or_else(|| Missing(format!("test operation does not apply: is missing path: {path}")))?;
            let found = get(place, &key).map_err(|error| error.within(&format!("error in test for path: '{path}'")))?;
            if found.unwrap_or(&Value::Null) == expected {
                Ok(())
            } else {
                Err(JsonPatchError::TestFailed(path.into()))
            }
        }
        _ => carry(document, operation, kind, path, copied),
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), JsonPatchError> {
    use JsonPatchError::{Malformed, Missing};
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err(Malformed("replace operation value must be object or array: %!w(<nil>)".into()));
        }
        *document = value;
        return Ok(());
    }
    let (place, key) = find(document, path)
        .ok_or_else(|| Missing(format!("replace operation does not apply: doc is missing path: {path}")))?;
    match place {
        Value::Object(members) => {
            members.insert(key, value);
        }
        Value::Array(items) => {
            let at = index(&key, items.len(), items.len())
                .map_err(|_| Missing(format!("replace operation does not apply: doc is missing key: {path}")))?;
            items[at] = value;
        }
        _ => {
            return Err(Missing(format!("replace operation does not apply: doc is missing path: {path}")));
        }
    }
    Ok(())
}

fn carry(
    document: &mut Value,
    operation: &Map<String, Value>,
    kind: &str,
    path: &str,
    copied: &mut usize,
) -> Result<(), JsonPatchError> {
    use JsonPatchError::{Missing, TooLarge};
    let from = text(operation, "from").ok_or_else(|| Missing(format!("{kind} operation failed to decode from")))?;
    let (place, key) = find(document, from)
        .ok_or_else(|| Missing(format!("{kind} operation does not apply: doc is missing from path: {from}")))?;
    let value = if kind == "move" {
        get(place, &key).map_err(|error| error.within(&format!("error in move for path: '{key}'")))?;
        remove(place, &key).map_err(|error| error.within(&format!("error in move for path: '{key}'")))?
    } else {
        let value =
            get(place, &key).map_err(|error| error.within(&format!("error in copy for from: '{from}'")))?.cloned();
        let value = value.unwrap_or(Value::Null);
        *copied += value.to_string().len();
        if *copied > MAX_COPIED {
            return Err(TooLarge(format!(
                "Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the limit {MAX_COPIED}"
            )));
        }
        value
    };
    let (place, key) = find(document, path)
        .ok_or_else(|| Missing(format!("{kind} operation does not apply: doc is missing destination path: {path}")))?;
    let context = if kind == "move" {
        format!("error in move for path: '{path}'")
    } else {
        "error while adding value during copy".into()
    };
    add(place, &key, value).map_err(|error| error.within(&context))
}

/// The container that holds the last token of a path, and that token; none when a part before it is missing, null or a scalar.
fn find<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let mut tokens: Vec<&str> = path.split('/').collect();
    if tokens.len() < 2 {
        return None;
    }
    let key = unescape(tokens.pop()?);
    let mut place = document;
    for token in &tokens[1..] {
        let token = unescape(token);
        place = match place {
            Value::Object(members) => members.get_mut(&token)?,
            Value::Array(items) => {
                let at = index(&token, items.len(), items.len()).ok()?;
                items.get_mut(at)?
            }
            _ => return None,
        };
    }
    matches!(place, Value::Object(_) | Value::Array(_)).then_some((place, key))
}

/// An index below `limit` out of its text; negative ones count from `len`.
fn index(token: &str, limit: usize, len: usize) -> Result<usize, JsonPatchError> {
    let number: i64 = token
        .parse()
        .map_err(|_| JsonPatchError::NotAnIndex(format!("strconv.Atoi: parsing {token:?}: invalid syntax")))?;
    let resolved = if number < 0 { number + i64::try_from(len).unwrap_or(i64::MAX) } else { number };
    usize::try_from(resolved)
        .ok()
        .filter(|at| *at < limit)
        .ok_or_else(|| JsonPatchError::InvalidIndex(format!("Unable to access invalid index: {number}")))
}

fn get<'a>(place: &'a Value, key: &str) -> Result<Option<&'a Value>, JsonPatchError> {
    match place {
        Value::Array(items) => Ok(items.get(index(key, items.len(), items.len())?)),
        other => Ok(other.get(key)),
    }
}

fn add(place: &mut Value, key: &str, value: Value) -> Result<(), JsonPatchError> {
    match place {
        Value::Object(members) => {
            members.insert(key.to_owned(), value);
        }
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let at = index(key, items.len() + 1, items.len() + 1).map_err(|error| match error {
                JsonPatchError::NotAnIndex(text) => {
                    JsonPatchError::NotAnIndex(format!("value was not a proper array index: '{key}': {text}"))
                }
                other => other,
            })?;
            items.insert(at, value);
        }
        _ => return Err(JsonPatchError::Missing(format!("Unable to add key: {key}"))),
    }
    Ok(())
}

fn remove(place: &mut Value, key: &str) -> Result<Value, JsonPatchError> {
    match place {
        Value::Array(items) => {
            let at = index(key, items.len(), items.len())?;
            Ok(items.remove(at))
        }
        other => other
            .as_object_mut()
            .and_then(|members| members.remove(key))
            .ok_or_else(|| JsonPatchError::Missing(format!("Unable to remove nonexistent key: {key}"))),
    }
}

impl JsonPatchError {
    fn within(self, context: &str) -> Self {
        match self {
            Self::Missing(text) => Self::Missing(format!("{context}: {text}")),
            Self::InvalidIndex(text) => Self::InvalidIndex(format!("{context}: {text}")),
            Self::NotAnIndex(text) => Self::NotAnIndex(format!("{context}: {text}")),
            other => other,
        }
    }
}
