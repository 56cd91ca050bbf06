//! Small readings of object metadata.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// Time as Kubernetes writes it: seconds, UTC.
pub(crate) fn timestamp_text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Text at a JSON pointer, or empty.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(crate) fn resource_version(object: &Value) -> &str {
    text(object, "/metadata/resourceVersion")
}

pub(crate) fn generation(object: &Value) -> i64 {
    object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0)
}

pub(crate) fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|value| !value.is_null())
}

pub(crate) fn finalizers(object: &Value) -> Vec<String> {
    object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// The metadata map of an object, made if absent. `None` if the object or its metadata is not a map.
pub(crate) fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let root = object.as_object_mut()?;
    let metadata = root.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    metadata.as_object_mut()
}

/// Sets or removes a metadata field.
pub(crate) fn set_metadata(object: &mut Value, field: &str, value: Option<Value>) {
    if let Some(metadata) = metadata_mut(object) {
        match value {
            Some(value) => metadata.insert(field.to_owned(), value),
            None => metadata.remove(field),
        };
    }
}

/// Copies a top-level field from one object to another; absent there means absent here.
pub(crate) fn carry(field: &str, from: &Value, to: &mut Value) {
    let Some(target) = to.as_object_mut() else { return };
    match from.get(field) {
        Some(value) => target.insert(field.to_owned(), value.clone()),
        None => target.remove(field),
    };
}

/// Reads at a path of field names.
pub(crate) fn at_path<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, step| value.get(step))
}

/// Writes at a path of field names, making maps on the way.
pub(crate) fn set_path(object: &mut Value, path: &[String], value: Value) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut current = object;
    for step in parents {
        if !current.get(step).is_some_and(Value::is_object) {
            current[step] = Value::Object(Map::new());
        }
        current = &mut current[step];
    }
    current[last] = value;
}

/// Drops `null` fields of metadata and the fields a server never keeps there.
pub(crate) fn tidy_metadata(object: &mut Value) {
    if let Some(metadata) = metadata_mut(object) {
        metadata.retain(|_, value| !value.is_null());
        metadata.remove("selfLink");
    }
}
