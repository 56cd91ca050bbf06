//! Changing objects by path.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::ActionError;

/// What an action is given.
pub(super) struct Call<'a> {
    pub(super) params: &'a super::Params,
    pub(super) now: Timestamp,
}

impl Call<'_> {
    /// `2006-01-02T15:04:05Z`
    pub(super) fn time(&self) -> String {
        argo_lang::time::format_rfc3339(self.now)
    }

    pub(super) fn date(&self, layout: &str) -> String {
        argo_lang::time::format_layout_utc(self.now, layout)
    }

    /// A parameter that has to be given.
    pub(super) fn param(&self, name: &str) -> Result<&str, ActionError> {
        let given = self.params.get(name).map(String::as_str);
        given.ok_or_else(|| ActionError::Failed(format!("{name} parameter is required")))
    }
}

/// Sets a field; the first `there` parents have to exist, later ones are made.
pub(super) fn put(object: &mut Value, there: usize, path: &[&str], value: Value) -> Result<(), ActionError> {
    let Some((last, parents)) = path.split_last() else { return Ok(()) };
    let mut place = object;
    for (depth, key) in parents.iter().enumerate() {
        place = match place {
            Value::Object(map) => match map.get_mut(*key) {
                Some(Value::Null) | None if depth < there => return Err(missing(path, depth)),
                _ => {
                    let next = map.entry(*key).or_insert(Value::Null);
                    // an empty table may have been read as a list
                    if next.is_null() || next.as_array().is_some_and(Vec::is_empty) {
                        *next = Value::Object(Map::new());
                    }
                    next
                }
            },
            _ => return Err(missing(path, depth)),
        };
    }
    match place {
        Value::Object(map) => {
            map.insert((*last).to_owned(), value);
            Ok(())
        }
        _ => Err(missing(path, parents.len())),
    }
}

fn missing(path: &[&str], depth: usize) -> ActionError {
    let key = path.get(depth + 1).or_else(|| path.last()).copied().unwrap_or_default();
    ActionError::Failed(format!("attempt to index a non-table object(nil) with key '{key}'"))
}

/// Removes a field; absent parents but the first `there` are fine.
pub(super) fn remove(object: &mut Value, there: usize, path: &[&str]) -> Result<(), ActionError> {
    let Some((last, parents)) = path.split_last() else { return Ok(()) };
    let mut place = object;
    for (depth, key) in parents.iter().enumerate() {
        match place.get_mut(*key).filter(|it| !it.is_null()) {
            Some(next) => place = next,
            None if depth < there => return Err(missing(path, depth)),
            None => return Ok(()),
        }
    }
    if let Some(map) = place.as_object_mut() {
        map.remove(*last);
    }
    Ok(())
}

pub(super) fn annotate(object: &mut Value, key: &str, value: impl Into<String>) -> Result<(), ActionError> {
    put(object, 1, &["metadata", "annotations", key], Value::String(value.into()))
}

/// A number as Lua's `tonumber` reads it.
pub(super) fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    let float = argo_lang::gofloat::parse_float(text)?;
    if !float.is_finite() {
        return None;
    }
    argo_lang::gofloat::json_number(float).map(Value::Number)
}

/// Without members that are empty: what a deep copy in Lua leaves.
pub(super) fn dense(value: Option<&Value>) -> Option<Value> {
    match value? {
        Value::Null => None,
        Value::Object(map) => {
            let dense: Map<String, Value> =
                map.iter().filter_map(|(key, it)| Some((key.clone(), dense(Some(it))?))).collect();
            (!dense.is_empty()).then_some(Value::Object(dense))
        }
        Value::Array(list) => {
            let dense: Vec<Value> = list.iter().filter_map(|it| dense(Some(it))).collect();
            (!dense.is_empty()).then_some(Value::Array(dense))
        }
        scalar => Some(scalar.clone()),
    }
}

/// An owner reference as actions write it.
pub(super) fn owner(object: &Value) -> Value {
    let mut owner = Map::new();
    for (key, value) in [
        ("apiVersion", object.get("apiVersion")),
        ("kind", object.get("kind")),
        ("name", object.pointer("/metadata/name")),
        ("uid", object.pointer("/metadata/uid")),
    ] {
        if let Some(value) = value.filter(|it| !it.is_null()) {
            owner.insert(key.to_owned(), value.clone());
        }
    }
    json!(owner)
}
