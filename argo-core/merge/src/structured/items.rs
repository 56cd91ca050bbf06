//! Taking paths out of a value, and keeping nothing but them.

use serde_json::{Map, Value};

use super::managed::{Managed, Operation};
use super::path::PathElement;
use super::set::FieldSet;
use super::typed::{self, Form, form, is_atomic_list, item_path};
use crate::Schema;

/// What one applier states of an object, as client-go's `Extract…` functions compute it: the fields it owns, with the keys of their list items,
/// and the object's identity. To change one field, change it there and apply the result again. Nothing when the manager applied nothing.
pub fn extract(object: &Value, manager: &str, subresource: &str, schema: &Schema) -> Option<Value> {
    let managed = Managed::of(object)?;
    let (_, owned) = managed
        .entries
        .iter()
        .find(|(id, _)| id.operation == Operation::Apply && id.manager == manager && id.subresource == subresource)?;
    let mut bare = object.clone();
    super::managed::strip(&mut bare);
    let mut out = extract_items(&bare, &owned.fields.leaves(), schema, true);
    if !out.is_object() {
        out = Value::Object(Map::new());
    }
    for field in ["apiVersion", "kind"] {
        if let Some(value) = object.get(field) {
            out[field] = value.clone();
        }
    }
    for field in ["name", "namespace"] {
        if let Some(value) = object.get("metadata").and_then(|metadata| metadata.get(field)) {
            out["metadata"][field] = value.clone();
        }
    }
    Some(out)
}

/// The value with nothing but these paths; with `keys` also the key fields of the list items on the way. Null when nothing is left.
pub fn extract_items(value: &Value, items: &FieldSet, schema: &Schema, keys: bool) -> Value {
    if !keys {
        return walk(value, items, schema, true).unwrap_or(Value::Null);
    }
    let present = typed::field_set(value, schema);
    let mut all = items.clone();
    for path in items.paths().iter().filter(|path| present.contains(path)) {
        for (at, element) in path.iter().enumerate() {
            let PathElement::Key(fields) = element else { continue };
            for (name, _) in fields {
                let mut key = path[..=at].to_vec();
                key.push(PathElement::Field(name.clone()));
                all.insert(&key);
            }
        }
    }
    walk(value, &all, schema, true).unwrap_or(Value::Null)
}

/// The value without the paths; `None` when nothing of it is left.
pub(super) fn remove(value: &Value, paths: &FieldSet, schema: &Schema) -> Option<Value> {
    walk(value, paths, schema, false)
}

/// The value without these paths, as structured-merge-diff removes items: what becomes empty is null.
pub fn remove_items(value: &Value, items: &FieldSet, schema: &Schema) -> Value {
    remove(value, items, schema).unwrap_or(Value::Null)
}

fn walk(value: &Value, paths: &FieldSet, schema: &Schema, extract: bool) -> Option<Value> {
    match form(schema, Some(value)).0 {
        Form::Scalar => Some(value.clone()),
        Form::List => {
            let list = value.as_array().filter(|list| !list.is_empty())?;
            if is_atomic_list(schema) {
                return extract.then(|| value.clone());
            }
            let element = schema.element();
            let mut kept = Vec::with_capacity(list.len());
            for item in list {
                let Ok(step) = item_path(schema, item) else {
                    if !extract {
                        kept.push(item.clone());
                    }
                    continue;
                };
                if paths.has(&step) {
                    if !extract {
                        continue;
                    }
                    // Upstream looks below an extracted item with the paths from above it.
                    kept.push(walk(item, paths, &element, true).unwrap_or(Value::Null));
                }
                match paths.below(&step) {
                    Some(below) => kept.push(walk(item, below, &element, extract).unwrap_or(Value::Null)),
                    None if extract => {}
                    None => kept.push(item.clone()),
                }
            }
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Form::Map => {
            let map = value.as_object().filter(|map| !map.is_empty())?;
            if schema.is_atomic_map() {
                return extract.then(|| value.clone());
            }
            let mut kept = Map::new();
            for (key, inner) in map {
                let step = PathElement::Field(key.clone());
                if paths.has(&step) {
                    if extract {
                        let whole = walk(inner, paths, &schema.field(key), true);
                        kept.insert(key.clone(), whole.unwrap_or(Value::Null));
                    }
                    continue;
                }
                let left = match paths.below(&step) {
                    Some(below) => walk(inner, below, &schema.field(key), extract).unwrap_or(Value::Null),
                    None if extract => continue,
                    None => inner.clone(),
                };
                kept.insert(key.clone(), left);
            }
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
    }
}
