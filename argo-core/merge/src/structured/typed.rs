//! Values under a schema: their field sets, their comparison and their merge.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::path::PathElement;
use super::set::FieldSet;
use crate::Schema;
use crate::schema::ListKind;

/// Which of the forms a type allows is in play.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Map,
    Scalar,
    List,
}

/// The form a value takes; `exact` when the value itself decided it, not the order of preference.
pub(super) fn form(schema: &Schema, value: Option<&Value>) -> (Form, bool) {
    let node = schema.node();
    let only = usize::from(node.map.is_some()) + usize::from(node.list.is_some()) + usize::from(node.scalar) == 1;
    match value {
        Some(Value::Object(_)) if node.map.is_some() => (Form::Map, true),
        Some(Value::Array(_)) if node.list.is_some() => (Form::List, true),
        Some(Value::String(_) | Value::Number(_) | Value::Bool(_)) if node.scalar => (Form::Scalar, true),
        _ if node.map.is_some() => (Form::Map, only),
        _ if node.scalar => (Form::Scalar, only),
        _ => (Form::List, only),
    }
}

pub(super) fn is_atomic_list(schema: &Schema) -> bool {
    *schema.list_kind() == ListKind::Atomic
}

pub(super) fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn members(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object).filter(|map| !map.is_empty())
}

/// The path element of a list's item.
pub(super) fn item_path(schema: &Schema, item: &Value) -> Result<PathElement, String> {
    match schema.list_kind() {
        ListKind::Map(keys) => {
            let Value::Object(map) = item else {
                return Err(if item.is_null() {
                    "associative list with keys may not have a null element".into()
                } else {
                    "associative list with keys may not have non-map elements".into()
                });
            };
            let element = schema.element();
            let mut found: Vec<(String, Value)> = keys
                .iter()
                .filter_map(|key| {
                    map.get(key).or_else(|| element.default_of(key)).map(|value| (key.clone(), value.clone()))
                })
                .collect();
            if found.is_empty() && !keys.is_empty() {
                let quoted: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
                return Err(format!(
                    "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
                    quoted.join(" ")
                ));
            }
            found.sort_by(|a, b| a.0.cmp(&b.0));
            Ok(PathElement::Key(found))
        }
        ListKind::Set => match item {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".into()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".into()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".into()),
            scalar => Ok(PathElement::Value(scalar.clone())),
        },
        ListKind::Atomic => Err("invalid indexing of non-associative list".into()),
    }
}

// === the set of a value ===

/// The paths a value states.
pub fn field_set(value: &Value, schema: &Schema) -> FieldSet {
    let mut set = FieldSet::new();
    collect(value, schema, &mut Vec::new(), &mut set);
    set
}

fn collect(value: &Value, schema: &Schema, path: &mut Vec<PathElement>, set: &mut FieldSet) {
    match form(schema, Some(value)).0 {
        Form::Scalar => set.insert(path),
        Form::List if is_atomic_list(schema) => set.insert(path),
        Form::Map if schema.is_atomic_map() => set.insert(path),
        Form::List => {
            let element = schema.element();
            let mut counts: BTreeMap<PathElement, usize> = BTreeMap::new();
            let paths: Vec<Option<PathElement>> =
                items(Some(value)).iter().map(|item| item_path(schema, item).ok()).collect();
            for step in paths.iter().flatten() {
                *counts.entry(step.clone()).or_default() += 1;
            }
            for (item, step) in items(Some(value)).iter().zip(paths) {
                let Some(step) = step else { continue };
                let duplicated = counts.get(&step).is_some_and(|count| *count > 1);
                path.push(step);
                if !duplicated {
                    collect(item, &element, path, set);
                }
                set.insert(path);
                path.pop();
            }
        }
        Form::Map => {
            for (key, inner) in value.as_object().into_iter().flatten() {
                path.push(PathElement::Field(key.clone()));
                collect(inner, &schema.field(key), path, set);
                if inner.is_null() || inner.as_object().is_some_and(Map::is_empty) || !schema.declares(key) {
                    set.insert(path);
                }
                path.pop();
            }
        }
    }
}

// === comparison ===

/// What a change from one value to another did, path by path. No path is in two of the sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Paths that were not there.
    pub added: FieldSet,
    /// Paths with another value.
    pub modified: FieldSet,
    /// Paths that are gone.
    pub removed: FieldSet,
}

impl Comparison {
    /// The change without these paths and all below them.
    #[must_use]
    pub fn without(self, ignored: &FieldSet) -> Self {
        Self {
            added: self.added.recursive_difference(ignored),
            modified: self.modified.recursive_difference(ignored),
            removed: self.removed.recursive_difference(ignored),
        }
    }
}

/// Compares two values of a type.
pub fn compare(old: &Value, new: &Value, schema: &Schema) -> Comparison {
    let mut out = Comparison::default();
    visit(Some(old), Some(new), schema, &mut Vec::new(), &mut out);
    out
}

fn visit(old: Option<&Value>, new: Option<&Value>, schema: &Schema, path: &mut Vec<PathElement>, out: &mut Comparison) {
    let (left, right) = (form(schema, old), form(schema, new));
    let leaf = if new.is_none() {
        compare_as(left.0, old, new, schema, path, out)
    } else {
        if old.is_some() && left != right {
            compare_as(left.0, old, new, schema, path, out);
        }
        compare_as(right.0, old, new, schema, path, out)
    };
    if !leaf {
        if old.is_none() {
            out.added.insert(path);
        } else if new.is_none() {
            out.removed.insert(path);
        }
    }
}

/// Whether the value was a leaf in this form.
fn compare_as(
    form: Form,
    old: Option<&Value>,
    new: Option<&Value>,
    schema: &Schema,
    path: &mut Vec<PathElement>,
    out: &mut Comparison,
) -> bool {
    let leaf = match form {
        Form::Scalar => true,
        Form::List => is_atomic_list(schema) || (items(old).is_empty() && items(new).is_empty()),
        Form::Map => schema.is_atomic_map() || (members(old).is_none() && members(new).is_none()),
    };
    if leaf {
        match (old, new) {
            (None, _) => out.added.insert(path),
            (_, None) => out.removed.insert(path),
            (Some(old), Some(new)) if old != new => out.modified.insert(path),
            _ => {}
        }
        return true;
    }
    match form {
        Form::List => compare_lists(items(old), items(new), schema, path, out),
        _ => {
            let (old, new) = (members(old), members(new));
            let keys: std::collections::BTreeSet<&String> = old.into_iter().chain(new).flat_map(Map::keys).collect();
            for key in keys {
                path.push(PathElement::Field(key.clone()));
                visit(
                    old.and_then(|map| map.get(key)),
                    new.and_then(|map| map.get(key)),
                    &schema.field(key),
                    path,
                    out,
                );
                path.pop();
            }
        }
    }
    false
}

fn compare_lists(old: &[Value], new: &[Value], schema: &Schema, path: &mut Vec<PathElement>, out: &mut Comparison) {
    let mut sides: BTreeMap<PathElement, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
    for item in old {
        if let Ok(step) = item_path(schema, item) {
            sides.entry(step).or_default().0.push(item);
        }
    }
    for item in new {
        if let Ok(step) = item_path(schema, item) {
            sides.entry(step).or_default().1.push(item);
        }
    }
    let element = schema.element();
    for (step, (left, right)) in sides {
        path.push(step);
        match (left.as_slice(), right.as_slice()) {
            ([] | [_], [] | [_]) => visit(left.first().copied(), right.first().copied(), &element, path, out),
            ([_, _, ..], [_, _, ..]) => {
                if left != right {
                    out.modified.insert(path);
                }
            }
            ([_, _, ..], rest) => {
                if let [single] = rest {
                    visit(None, Some(single), &element, path, out);
                }
                out.removed.insert(path);
            }
            (rest, _) => {
                if let [single] = rest {
                    visit(Some(single), None, &element, path, out);
                }
                out.added.insert(path);
            }
        }
        path.pop();
    }
}

// === merge ===

/// Lays `new` over `old`: maps and list maps merge, leaves of `new` win. Items keep the order of `old`, those of `new` their own order.
pub fn merge(old: &Value, new: &Value, schema: &Schema) -> Value {
    merge_values(Some(old), Some(new), schema).unwrap_or(Value::Null)
}

fn merge_values(old: Option<&Value>, new: Option<&Value>, schema: &Schema) -> Option<Value> {
    // Where the forms differ, the new one's decides the result.
    let form = if new.is_none() { form(schema, old).0 } else { form(schema, new).0 };
    let leaf = match form {
        Form::Scalar => true,
        Form::List => is_atomic_list(schema) || (items(old).is_empty() && items(new).is_empty()),
        Form::Map => schema.is_atomic_map() || (members(old).is_none() && members(new).is_none()),
    };
    if leaf {
        return new.or(old).cloned();
    }
    if form == Form::List {
        let merged = merge_lists(items(old), items(new), schema);
        return (!merged.is_empty()).then_some(Value::Array(merged));
    }
    let (old, new) = (members(old), members(new));
    let keys: std::collections::BTreeSet<&String> = old.into_iter().chain(new).flat_map(Map::keys).collect();
    let merged: Map<String, Value> = keys
        .into_iter()
        .filter_map(|key| {
            let value =
                merge_values(old.and_then(|map| map.get(key)), new.and_then(|map| map.get(key)), &schema.field(key))?;
            Some((key.clone(), value))
        })
        .collect();
    (!merged.is_empty()).then_some(Value::Object(merged))
}

fn merge_lists(old: &[Value], new: &[Value], schema: &Schema) -> Vec<Value> {
    let element = schema.element();
    let index = |list: &[Value]| -> Vec<(PathElement, usize)> {
        list.iter().enumerate().filter_map(|(at, item)| item_path(schema, item).ok().map(|step| (step, at))).collect()
    };
    let (left, right) = (index(old), index(new));
    let mut left_at: BTreeMap<&PathElement, Option<usize>> = BTreeMap::new();
    for (step, at) in &left {
        // Duplicates do not merge with the new item.
        left_at.entry(step).and_modify(|slot| *slot = None).or_insert(Some(*at));
    }
    let right_at: BTreeMap<&PathElement, usize> = right.iter().map(|(step, at)| (step, *at)).collect();
    let shared: Vec<&PathElement> =
        right.iter().map(|(step, _)| step).filter(|step| left_at.contains_key(step)).collect();
    let mut shared = shared.into_iter();
    let mut next_shared = shared.next();
    let mut merged_right: std::collections::BTreeSet<&PathElement> = std::collections::BTreeSet::new();
    let mut out = Vec::with_capacity(left.len().max(right.len()));
    let both = |step: &PathElement| {
        let old_item = left_at.get(step).map(|at| at.map_or(&Value::Null, |at| &old[at]));
        merge_values(old_item, right_at.get(step).map(|at| &new[*at]), &element)
    };
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if l < left.len() && r < right.len() {
            let step = &left[l].0;
            if *step == right[r].0 {
                merged_right.insert(step);
                out.extend(both(step));
                l += 1;
                r += 1;
                next_shared = shared.next();
                continue;
            }
            if right_at.contains_key(step) && next_shared.is_some_and(|next| next != step) {
                // Shared, but not the one whose turn it is.
                l += 1;
                continue;
            }
        }
        if l < left.len() {
            let (step, at) = &left[l];
            if !right_at.contains_key(step) {
                out.extend(merge_values(Some(&old[*at]), None, &element));
                l += 1;
                continue;
            }
            if merged_right.contains(step) {
                l += 1;
            }
        }
        if r < right.len() {
            let step = &right[r].0;
            merged_right.insert(step);
            out.extend(both(step));
            r += 1;
            if next_shared == Some(step) {
                next_shared = shared.next();
            }
        }
    }
    out
}
