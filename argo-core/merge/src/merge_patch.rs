//! JSON merge patch (RFC 7386): `null` deletes, objects merge, everything else replaces.

use serde_json::{Map, Value};

/// Applies a merge patch to a value in place.
///
/// A patch that is not an object replaces the value. Inside an object, `null` removes the member; members of a new object lose their nulls.
pub fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (key, change) in patch {
            if change.is_null() {
                target.remove(key);
            } else {
                apply(target.entry(key.as_str()).or_insert(Value::Null), change);
            }
        }
    }
}

/// The smallest merge patch that turns `from` into `to`.
///
/// Equal objects give `{}`. A merge patch cannot express a `null` inside an object of `to`: such a member is read as absent.
pub fn diff(from: &Value, to: &Value) -> Value {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            let mut patch = Map::new();
            for key in from.keys() {
                if to.get(key).is_none_or(Value::is_null) {
                    patch.insert(key.clone(), Value::Null);
                }
            }
            for (key, new) in to {
                if new.is_null() {
                    continue;
                }
                match from.get(key) {
                    Some(old) if old == new => {}
                    Some(old) => {
                        let change = diff(old, new);
                        // Objects that differ only by nulls have nothing to say to each other.
                        if !(old.is_object() && new.is_object() && change.as_object().is_some_and(Map::is_empty)) {
                            patch.insert(key.clone(), change);
                        }
                    }
                    None => {
                        patch.insert(key.clone(), new.clone());
                    }
                }
            }
            Value::Object(patch)
        }
        (_, to) => to.clone(),
    }
}

/// The patch `kubectl apply` sends for custom resources: what `modified` changes or adds against `current`, and what it no longer has
/// but `original` (the last applied configuration) had.
pub fn three_way(original: Option<&Value>, modified: &Value, current: &Value) -> Value {
    let mut patch = keep_changes(diff(current, modified), false);
    let nothing = Value::Object(Map::new());
    let deletions = keep_changes(diff(original.unwrap_or(&nothing), modified), true);
    merge_patches(&mut patch, &deletions);
    if patch.is_null() { Value::Object(Map::new()) } else { patch }
}

/// Of a merge patch, only its deletions or only the rest; `Null` when nothing is left.
fn keep_changes(patch: Value, deletions: bool) -> Value {
    match patch {
        Value::Object(members) => {
            let kept: Map<String, Value> = members
                .into_iter()
                .filter_map(|(key, change)| match change {
                    Value::Null => deletions.then_some((key, Value::Null)),
                    Value::Object(inner) if inner.is_empty() => (!deletions).then_some((key, Value::Object(inner))),
                    Value::Object(_) => match keep_changes(change, deletions) {
                        Value::Null => None,
                        rest => Some((key, rest)),
                    },
                    other => (!deletions).then_some((key, other)),
                })
                .collect();
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        other => other,
    }
}

/// Combines two patches: like [`apply`], but nulls stay, because they are deletions still to be made.
fn merge_patches(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, change) in more {
                match into.get_mut(key) {
                    Some(slot) if slot.is_object() && change.is_object() => merge_patches(slot, change),
                    _ => {
                        into.insert(key.clone(), change.clone());
                    }
                }
            }
        }
        (_, Value::Null) => {}
        (into, more) => *into = more.clone(),
    }
}
