//! Strategic merge patches out of two or three versions of an object.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::conflicts;
use super::lists::{deduplicate, element_type, key_of, same_key, sorted};
use super::{DELETE_FROM, Object, Options, PATCH, RETAIN_KEYS, SET_ORDER, StrategicError, merge_map, plain, same_type};
use crate::Schema;

#[derive(Clone, Copy)]
struct Want {
    changes: bool,
    deletions: bool,
    order: bool,
    retain_keys: bool,
}

/// The strategic merge patch that turns `original` into `modified`; `{}` when they are equal.
///
/// # Errors
/// [`StrategicError`] when either is no object or lists cannot be merged.
pub fn diff(original: &Value, modified: &Value, schema: &Schema) -> Result<Value, StrategicError> {
    let want = Want { changes: true, deletions: true, order: true, retain_keys: false };
    diff_maps(object(original)?, object(modified)?, schema, want).map(Value::Object)
}

/// The patch `kubectl apply` sends: what `modified` changes or adds against `current`, and what it no longer has but `original` (the last
/// applied configuration) had. What others set on `current` stays.
///
/// # Errors
/// As [`diff`].
pub fn three_way(
    original: Option<&Value>,
    modified: &Value,
    current: &Value,
    schema: &Schema,
) -> Result<Value, StrategicError> {
    let empty = json!({});
    let (original, modified, current) = (object(original.unwrap_or(&empty))?, object(modified)?, object(current)?);
    let changes = Want { changes: true, deletions: false, order: true, retain_keys: false };
    let deletions = Want { changes: false, deletions: true, order: true, retain_keys: false };
    let delta = diff_maps(current, modified, schema, changes)?;
    let gone = diff_maps(original, modified, schema, deletions)?;
    merge_map(gone, delta, schema, Options { into_object: false }).map(Value::Object)
}

/// As [`three_way`], but refuses to overwrite: `kubectl apply --overwrite=false`.
///
/// # Errors
/// [`StrategicError::Conflict`] when the patch changes a key that was changed otherwise on `current` since `original`; and as [`diff`].
pub fn three_way_checked(
    original: Option<&Value>,
    modified: &Value,
    current: &Value,
    schema: &Schema,
) -> Result<Value, StrategicError> {
    let patch = three_way(original, modified, current, schema)?;
    let empty = json!({});
    let all = Want { changes: true, deletions: true, order: false, retain_keys: false };
    let changed = diff_maps(object(original.unwrap_or(&empty))?, object(current)?, schema, all)?;
    if conflicts::maps(object(&patch)?, &changed, schema)? {
        let changed = Value::Object(changed).to_string();
        return Err(StrategicError::Conflict { patch: patch.to_string(), changed });
    }
    Ok(patch)
}

fn object(value: &Value) -> Result<&Object, StrategicError> {
    value.as_object().ok_or(StrategicError::BadDocument)
}

fn diff_maps(original: &Object, modified: &Object, schema: &Schema, want: Want) -> Result<Object, StrategicError> {
    let mut patch = Object::new();
    for (key, new) in modified {
        let Some(old) = original.get(key) else {
            if want.changes {
                patch.insert(key.clone(), new.clone());
            }
            continue;
        };
        if key == PATCH {
            if old != new {
                patch.insert(key.clone(), new.clone());
            }
            continue;
        }
        if !same_type(old, new) {
            if want.changes {
                patch.insert(key.clone(), new.clone());
            }
            continue;
        }
        let strategy = schema.patch_strategy(key);
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                if strategy.replace {
                    if want.changes && old != new {
                        patch.insert(key.clone(), Value::Object(new.clone()));
                    }
                } else {
                    let inner =
                        diff_maps(old, new, &schema.field(key), Want { retain_keys: strategy.retain_keys, ..want })?;
                    if !inner.is_empty() {
                        patch.insert(key.clone(), Value::Object(inner));
                    }
                }
            }
            (Value::Array(old), Value::Array(new)) if strategy.merge && !strategy.replace => {
                let want = Want { retain_keys: strategy.retain_keys, ..want };
                let lists = diff_lists(old, new, &schema.field(key).element(), &strategy.merge_key, want)?;
                for (name, list) in [
                    (key.clone(), lists.changes),
                    (format!("{DELETE_FROM}/{key}"), lists.deletions),
                    (format!("{SET_ORDER}/{key}"), lists.order),
                ] {
                    if !list.is_empty() {
                        patch.insert(name, Value::Array(list));
                    }
                }
            }
            _ => {
                if want.changes && old != new {
                    patch.insert(key.clone(), new.clone());
                }
            }
        }
    }
    if want.deletions {
        for key in original.keys().filter(|key| !modified.contains_key(*key)) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    if want.retain_keys {
        let lost = original.iter().any(|(key, value)| !value.is_null() && !modified.contains_key(key));
        let retained: Vec<Value> =
            modified.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| json!(key)).collect();
        if !retained.is_empty() && (!patch.is_empty() || lost) {
            patch.insert(RETAIN_KEYS.into(), Value::Array(retained));
        }
    }
    Ok(patch)
}

#[derive(Default)]
struct Lists {
    changes: Vec<Value>,
    deletions: Vec<Value>,
    order: Vec<Value>,
}

fn diff_lists(
    original: &[Value],
    modified: &[Value],
    element: &Schema,
    key: &str,
    want: Want,
) -> Result<Lists, StrategicError> {
    if original.is_empty() {
        let changes = if want.changes { modified.to_vec() } else { Vec::new() };
        return Ok(Lists { changes, ..Lists::default() });
    }
    if element_type(original.iter().chain(modified))? == Some("map") {
        return diff_keyed(original, modified, element, key, want);
    }
    let (changes, deletions) = diff_scalars(original, modified, want);
    let changes = sorted(changes, modified, "")?;
    let ordered = want.order && ((want.deletions && !deletions.is_empty()) || (want.changes && original != modified));
    Ok(Lists { changes, deletions, order: if ordered { modified.to_vec() } else { Vec::new() } })
}

fn diff_keyed(
    original: &[Value],
    modified: &[Value],
    element: &Schema,
    key: &str,
    want: Want,
) -> Result<Lists, StrategicError> {
    let by_key = |list: &[Value]| -> Result<Vec<(String, Value)>, StrategicError> {
        let mut keyed: Vec<(String, Value)> = list
            .iter()
            .map(|item| Ok((plain(key_of(item, key)?), item.clone())))
            .collect::<Result<_, StrategicError>>()?;
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(keyed)
    };
    let (mut old, mut new) = (by_key(original)?.into_iter().peekable(), by_key(modified)?.into_iter().peekable());
    let (mut changes, mut deletions) = (Vec::new(), Vec::new());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        match order {
            Ordering::Less => {
                if let Some((_, gone)) = old.next().filter(|_| want.deletions) {
                    deletions.push(json!({key: key_of(&gone, key)?, PATCH: "delete"}));
                }
            }
            Ordering::Greater => {
                if let Some((_, added)) = new.next().filter(|_| want.changes) {
                    changes.push(added);
                }
            }
            Ordering::Equal => {
                if let (Some((_, before)), Some((_, after))) = (old.next(), new.next()) {
                    let mut inner = diff_maps(object(&before)?, object(&after)?, element, want)?;
                    if !inner.is_empty() {
                        inner.insert(key.to_owned(), key_of(&after, key)?.clone());
                        changes.push(Value::Object(inner));
                    }
                }
            }
        }
    }
    let mut changes = sorted(changes, modified, key)?;
    let mut order_same = original.len() == modified.len();
    for (before, after) in original.iter().zip(modified) {
        order_same = order_same && same_key(before, after, key)?;
    }
    changes.extend(deletions);
    let mut order = Vec::new();
    if want.order && ((want.changes && (!changes.is_empty() || !order_same)) || (want.deletions && !changes.is_empty()))
    {
        for item in modified {
            order.push(json!({key: key_of(item, key)?}));
        }
    }
    Ok(Lists { changes, deletions: Vec::new(), order })
}

/// Additions and deletions of a list of scalars that is a set.
fn diff_scalars(original: &[Value], modified: &[Value], want: Want) -> (Vec<Value>, Vec<Value>) {
    let by_text = |list: &[Value]| {
        let mut keyed: Vec<(String, Value)> = list.iter().map(|item| (plain(item), item.clone())).collect();
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        keyed
    };
    let (mut old, mut new) = (by_text(original).into_iter().peekable(), by_text(modified).into_iter().peekable());
    let (mut added, mut gone) = (Vec::new(), Vec::new());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let (before, after) = match order {
            Ordering::Less => (old.next(), None),
            Ordering::Greater => (None, new.next()),
            Ordering::Equal => {
                old.next();
                new.next();
                continue;
            }
        };
        gone.extend(before.filter(|_| want.deletions).map(|(_, value)| value));
        added.extend(after.filter(|_| want.changes).map(|(_, value)| value));
    }
    (added, deduplicate(gone))
}
