//! Whether two patches change the same thing differently: `kubectl apply --overwrite=false`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::lists::element_type;
use super::{Object, PATCH, RETAIN_KEYS, StrategicError, plain};
use crate::Schema;
use crate::schema::PatchStrategy;

/// Whether the patches overlap in a key with different values. Directives count for the whole map they stand in.
pub(super) fn maps(left: &Object, right: &Object, schema: &Schema) -> Result<bool, StrategicError> {
    for (key, ours) in left.iter().filter(|(key, _)| *key != PATCH && *key != RETAIN_KEYS) {
        let Some(theirs) = right.get(key) else { continue };
        if values(ours, theirs, &schema.field(key), schema.patch_strategy(key))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn values(left: &Value, right: &Value, schema: &Schema, strategy: &PatchStrategy) -> Result<bool, StrategicError> {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            if left.get(PATCH) != right.get(PATCH) {
                return Ok(true);
            }
            if strategy.replace { Ok(false) } else { maps(left, right, schema) }
        }
        (Value::Array(left), Value::Array(right)) => lists(left, right, &schema.element(), strategy),
        _ => Ok(left != right),
    }
}

fn lists(left: &[Value], right: &[Value], element: &Schema, strategy: &PatchStrategy) -> Result<bool, StrategicError> {
    let Some(kind) = element_type(left.iter().chain(right))? else {
        return Err(StrategicError::Other("no elements in any of the given slices".into()));
    };
    if strategy.merge && !strategy.replace {
        // Sets of scalars never conflict.
        if kind != "map" {
            return Ok(false);
        }
        let (left, right) = (keyed(left, &strategy.merge_key)?, keyed(right, &strategy.merge_key)?);
        for (key, ours) in left {
            let Some(theirs) = right.get(&key) else { continue };
            if values(ours, theirs, element, PatchStrategy::NONE)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if left.len() != right.len() {
        return Ok(true);
    }
    if kind == "map" {
        for (ours, theirs) in left.iter().zip(right) {
            if values(ours, theirs, element, PatchStrategy::NONE)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let sorted = |list: &[Value]| {
        let mut texts: Vec<String> = list.iter().map(plain).collect();
        texts.sort();
        texts.dedup();
        texts
    };
    Ok(sorted(left) != sorted(right))
}

fn keyed<'a>(list: &'a [Value], key: &str) -> Result<BTreeMap<String, &'a Value>, StrategicError> {
    list.iter()
        .map(|item| match item {
            Value::Object(members) => match members.get(key) {
                Some(value) => Ok((plain(value), item)),
                None => {
                    Err(StrategicError::Other(format!("cannot find merge key `{key}` in merging list element:{item}")))
                }
            },
            _ => Err(StrategicError::Other("invalid element type in merging list".into())),
        })
        .collect()
}
