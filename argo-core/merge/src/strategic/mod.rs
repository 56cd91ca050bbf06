//! Strategic merge patch: merge patch with lists that merge by key, and directives for what lists and unions need.
//!
//! | directive | in | meaning |
//! |---|---|---|
//! | `$patch: replace` / `delete` | a map, a list item | this value instead of the old one / remove it |
//! | `$retainKeys: [..]` | a map | other keys go |
//! | `$setElementOrder/<list>: [..]` | beside a list | the order of the merged list |
//! | `$deleteFromPrimitiveList/<list>: [..]` | beside a list of scalars | remove these |

mod conflicts;
mod diff;
mod lists;

use serde_json::{Map, Value};

use crate::Schema;
use crate::schema::PatchStrategy;
pub use diff::{diff, three_way, three_way_checked};
use lists::{extract_key, merge_slice, order_lists};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

type Object = Map<String, Value>;

/// Why a strategic merge failed. `Display` is the API server's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StrategicError {
    /// The document or the patch is no object.
    #[error("invalid JSON document")]
    BadDocument,
    /// An item of a list that merges by key lacks the key.
    #[error("map: {map} does not contain declared merge key: {key}")]
    NoMergeKey {
        /// The item.
        map: String,
        /// The merge key.
        key: String,
    },
    /// A value is of another type than its place.
    #[error("expected a {expected}, but received a {received}")]
    BadType {
        /// What belongs there.
        expected: &'static str,
        /// What was found.
        received: &'static str,
    },
    /// `$patch` has an unknown value.
    #[error("unknown patch type: {kind} in map: {map}")]
    BadPatchType {
        /// The directive's value.
        kind: String,
        /// Where it stands.
        map: String,
    },
    /// A list of lists cannot be merged.
    #[error("lists of lists are not supported")]
    ListOfLists,
    /// `$deleteFromPrimitiveList` is malformed.
    #[error("invalid patch format of primitive list")]
    BadPrimitiveList,
    /// `$retainKeys` is malformed or leaves out a key of the patch.
    #[error("invalid patch format of retainKeys")]
    BadRetainKeys,
    /// `$setElementOrder` is malformed.
    #[error("invalid patch format of setElementOrder list")]
    BadSetElementOrder,
    /// Somebody changed what the patch changes, and differently.
    #[error("patch:\n{patch}\nconflicts with changes made from original to current:\n{changed}\n")]
    Conflict {
        /// The patch that would have been sent.
        patch: String,
        /// What others changed since the last apply.
        changed: String,
    },
    /// Anything else, in the API server's words.
    #[error("{0}")]
    Other(String),
}

impl StrategicError {
    fn no_merge_key(map: &Value, key: &str) -> Self {
        Self::NoMergeKey { map: crate::go_text(map), key: key.to_owned() }
    }

    fn bad_type(expected: &'static str, value: &Value) -> Self {
        Self::BadType { expected, received: kind_name(value) }
    }
}

fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

/// How patches merge: into an object, or into each other (where directives and deletions stay).
#[derive(Clone, Copy)]
struct Options {
    into_object: bool,
}

/// Applies a strategic merge patch.
///
/// # Errors
/// See [`StrategicError`]; nothing is half applied.
pub fn apply(original: &Value, patch: &Value, schema: &Schema) -> Result<Value, StrategicError> {
    let (Value::Object(original), Value::Object(patch)) = (original, patch) else {
        return Err(StrategicError::BadDocument);
    };
    merge_map(original.clone(), patch.clone(), schema, Options { into_object: true }).map(Value::Object)
}

fn merge_map(
    mut original: Object,
    mut patch: Object,
    schema: &Schema,
    options: Options,
) -> Result<Object, StrategicError> {
    if let Some(directive) = patch.get(PATCH) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(PATCH);
                Ok(patch)
            }
            Some("delete") => Ok(Object::new()),
            _ => {
                Err(StrategicError::BadPatchType { kind: plain(directive), map: crate::go_text(&Value::Object(patch)) })
            }
        };
    }
    retain_keys(&mut original, &mut patch, options)?;
    order_lists(&mut original, &mut patch, schema, options)?;

    for (key, mut change) in patch {
        let mut deletes = false;
        let mut name = key;
        if name.starts_with(DELETE_FROM) {
            if !options.into_object {
                original.insert(name, change);
                continue;
            }
            name = extract_key(&name, DELETE_FROM)?.to_owned();
            deletes = true;
        }
        if change.is_null() {
            original.remove(&name);
            if options.into_object {
                continue;
            }
        }
        let merges = original.get(&name).is_some_and(|old| same_type(old, &change));
        if !merges {
            if !deletes {
                if options.into_object {
                    discard_nulls(&mut change);
                }
                match without_directives(change) {
                    Some(value) => original.insert(name, value),
                    None => original.remove(&name),
                };
            }
            continue;
        }
        let strategy = schema.patch_strategy(&name);
        let merged = match (original.remove(&name), change) {
            (Some(Value::Object(old)), Value::Object(change)) => {
                if strategy.replace {
                    Some(Value::Object(change))
                } else {
                    Some(Value::Object(merge_map(old, change, &schema.field(&name), options)?))
                }
            }
            (Some(Value::Array(old)), Value::Array(change)) => {
                let list = schema.field(&name);
                Some(Value::Array(merge_list(old, change, &list.element(), strategy, deletes, options)?))
            }
            (_, change) => without_directives(change),
        };
        if let Some(merged) = merged {
            original.insert(name, merged);
        }
    }
    Ok(original)
}

fn merge_list(
    old: Vec<Value>,
    change: Vec<Value>,
    element: &Schema,
    strategy: &PatchStrategy,
    deletes: bool,
    options: Options,
) -> Result<Vec<Value>, StrategicError> {
    if (strategy.merge && !strategy.replace) || deletes {
        merge_slice(old, change, element, &strategy.merge_key, deletes, options)
    } else {
        Ok(change)
    }
}

/// `$retainKeys`: of the original, only the named keys stay; the patch may only set those.
fn retain_keys(original: &mut Object, patch: &mut Object, options: Options) -> Result<(), StrategicError> {
    let Some(wanted) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    if !options.into_object {
        if original.get(RETAIN_KEYS).is_some_and(|earlier| *earlier != wanted) {
            return Err(StrategicError::Other(format!(
                "{} and {wanted} are not deep equal: this may happen when calculating the 3-way diff patch",
                original[RETAIN_KEYS]
            )));
        }
        original.insert(RETAIN_KEYS.into(), wanted);
        return Ok(());
    }
    let wanted = wanted.as_array().ok_or(StrategicError::BadRetainKeys)?;
    let is_wanted = |key: &str| wanted.iter().any(|it| it.as_str() == Some(key));
    let is_directive = |key: &str| key.starts_with(DELETE_FROM) || key.starts_with(SET_ORDER);
    if patch.iter().any(|(key, value)| !value.is_null() && !is_directive(key) && !is_wanted(key)) {
        return Err(StrategicError::BadRetainKeys);
    }
    original.retain(|key, _| is_wanted(key));
    Ok(())
}

/// Removes values that carry `$patch`; nothing when the value itself does.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(members) => {
            if members.contains_key(PATCH) {
                return None;
            }
            Some(Value::Object(
                members.into_iter().filter_map(|(key, inner)| Some((key, without_directives(inner)?))).collect(),
            ))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        other => Some(other),
    }
}

fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, inner| !inner.is_null());
            members.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

/// Go's types of decoded JSON: whole numbers and others are two.
fn same_type(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.is_f64() == b.is_f64(),
        _ => std::mem::discriminant(left) == std::mem::discriminant(right),
    }
}

/// A scalar as Go's `%v` prints it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
