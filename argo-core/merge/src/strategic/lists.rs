//! Lists in strategic merges: by key, as sets, and their order.

use serde_json::Value;

use super::{
    DELETE_FROM, Object, Options, PATCH, SET_ORDER, StrategicError, kind_name, merge_list, merge_map, plain, same_type,
    without_directives,
};
use crate::Schema;

/// The list a directive key is for.
pub(super) fn extract_key<'a>(key: &'a str, prefix: &str) -> Result<&'a str, StrategicError> {
    match key.split_once('/') {
        Some((head, name)) if head == prefix => Ok(name),
        _ if prefix == DELETE_FROM => Err(StrategicError::BadPrimitiveList),
        _ => Err(StrategicError::BadSetElementOrder),
    }
}

/// Merges every list that has a `$setElementOrder` and puts it in that order; takes both out of the patch.
pub(super) fn order_lists(
    original: &mut Object,
    patch: &mut Object,
    schema: &Schema,
    options: Options,
) -> Result<(), StrategicError> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(SET_ORDER)).cloned().collect();
    for key in directives {
        let Some(order) = patch.remove(&key) else {
            continue;
        };
        if !options.into_object {
            if original.get(&key).is_some_and(|earlier| *earlier != order) {
                return Err(StrategicError::BadSetElementOrder);
            }
            original.insert(key.clone(), order.clone());
        }
        let order = order.as_array().ok_or_else(|| StrategicError::bad_type("slice", &order))?;
        let name = extract_key(&key, SET_ORDER)?;
        let strategy = schema.patch_strategy(name);
        let element = schema.field(name).element();
        let old = list(original.get(name))?;
        let change = list(patch.get(name))?;
        check_order(change.unwrap_or(&[]), order, &strategy.merge_key)?;
        let merged = match (old, change) {
            (None, None) => continue,
            (Some(old), None) => old.to_vec(),
            (None, Some(change)) => change.iter().cloned().filter_map(without_directives).collect(),
            (Some(old), Some(change)) => merge_list(old.to_vec(), change.to_vec(), &element, strategy, false, options)?,
        };
        element_type(old.unwrap_or(&[]).iter().chain(change.unwrap_or(&[])))?;
        let (listed, server_only) = partition(merged, order, &strategy.merge_key)?;
        let server_order = written_over(old.unwrap_or(&[]), change.unwrap_or(&[]), &strategy.merge_key);
        let both = in_order(listed, server_only, order, &server_order, &strategy.merge_key)?;
        original.insert(name.to_owned(), Value::Array(both));
        patch.remove(name);
    }
    Ok(())
}

/// The order of the server's list once the patch's deletions and additions were written into its place: upstream changes the list it takes the
/// order from, so new items that fit where deleted ones were count as the server's.
fn written_over(old: &[Value], change: &[Value], key: &str) -> Vec<Value> {
    let directive = |item: &Value| item.get(PATCH).and_then(Value::as_str).map(str::to_owned);
    if key.is_empty() || !change.iter().any(|item| directive(item).as_deref() == Some("delete")) {
        return old.to_vec();
    }
    let gone = |item: &&Value| {
        change.iter().any(|other| directive(other).as_deref() == Some("delete") && other.get(key) == item.get(key))
    };
    let mut order: Vec<Value> = old.iter().filter(|item| !gone(item)).cloned().collect();
    if !change.iter().any(|item| directive(item).as_deref() == Some("replace")) {
        for item in change.iter().filter(|item| item.get(PATCH).is_none()) {
            if position(&order, item, key).is_none() {
                order.push(item.clone());
            }
        }
    }
    order.truncate(old.len());
    order
}

fn list(value: Option<&Value>) -> Result<Option<&[Value]>, StrategicError> {
    match value {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(other) => Err(StrategicError::bad_type("slice", other)),
    }
}

/// The patch's items must stand in the order of the directive.
fn check_order(change: &[Value], order: &[Value], key: &str) -> Result<(), StrategicError> {
    if change.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut wanted = order.iter();
    for item in change.iter().filter(|item| item.get(PATCH).is_none()) {
        let mut found = false;
        for candidate in wanted.by_ref() {
            if same_key(item, candidate, key)? {
                found = true;
                break;
            }
        }
        if !found {
            return Err(StrategicError::Other(format!(
                "The order in patch list:\n{}\n doesn't match {SET_ORDER} list:\n{}\n",
                crate::go_text(&Value::Array(change.to_vec())),
                crate::go_text(&Value::Array(order.to_vec()))
            )));
        }
    }
    Ok(())
}

pub(super) fn same_key(left: &Value, right: &Value, key: &str) -> Result<bool, StrategicError> {
    if key.is_empty() { Ok(left == right) } else { Ok(key_of(left, key)? == key_of(right, key)?) }
}

pub(super) fn key_of<'a>(item: &'a Value, key: &str) -> Result<&'a Value, StrategicError> {
    let Value::Object(members) = item else {
        return Err(StrategicError::bad_type("map", item));
    };
    members.get(key).ok_or_else(|| StrategicError::no_merge_key(item, key))
}

/// Merges a list into another by key, or as a set when there is none.
pub(super) fn merge_slice(
    original: Vec<Value>,
    patch: Vec<Value>,
    element: &Schema,
    key: &str,
    deletes: bool,
    options: Options,
) -> Result<Vec<Value>, StrategicError> {
    let Some(kind) = element_type(original.iter().chain(&patch))? else {
        return Ok(original);
    };
    let (old, order, merged) = if kind == "map" {
        if key.is_empty() {
            return Err(StrategicError::Other("cannot merge lists without merge key for the list's elements".into()));
        }
        let (mut base, change) = special_elements(original, patch, key)?;
        let old = base.clone();
        for item in &change {
            let wanted = key_of(item, key)?;
            let place = base.iter().position(|candidate| candidate.get(key) == Some(wanted));
            match (place, item) {
                (Some(at), Value::Object(item)) => {
                    let Value::Object(before) = base[at].take() else {
                        return Err(not_a_map(at));
                    };
                    base[at] = Value::Object(merge_map(before, item.clone(), element, options)?);
                }
                _ => base.push(item.clone()),
            }
        }
        (old, change, base)
    } else {
        if options.into_object && deletes {
            return Ok(original.into_iter().filter(|item| !patch.contains(item)).collect());
        }
        let merged = deduplicate(original.iter().chain(&patch).cloned().collect());
        (original, patch, merged)
    };
    let (listed, server_only) = partition(merged, &order, key)?;
    in_order(listed, server_only, &order, &old, key)
}

fn not_a_map(at: usize) -> StrategicError {
    StrategicError::Other(format!("value for key {at} is not a map"))
}

/// Carries out the items with `$patch`: the list without what they delete, or replaced; and the patch without them.
fn special_elements(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let mut rest = Vec::with_capacity(patch.len());
    let mut replace = false;
    for item in patch {
        match item.get(PATCH) {
            None => rest.push(item),
            Some(directive) => match directive.as_str() {
                Some("delete") => {
                    let gone = item.get(key).ok_or_else(|| StrategicError::no_merge_key(&item, key))?;
                    original.retain(|candidate| candidate.get(key) != Some(gone));
                }
                Some("replace") => replace = true,
                Some("merge") => {
                    return Err(StrategicError::Other("merging lists cannot yet be specified in the patch".into()));
                }
                _ => {
                    return Err(StrategicError::BadPatchType { kind: plain(directive), map: crate::go_text(&item) });
                }
            },
        }
    }
    Ok(if replace { (rest, Vec::new()) } else { (original, rest) })
}

/// Splits a list by whether its items are in another.
fn partition(items: Vec<Value>, by: &[Value], key: &str) -> Result<(Vec<Value>, Vec<Value>), StrategicError> {
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for item in items {
        let found = if key.is_empty() {
            by.contains(&item)
        } else {
            let wanted = key_of(&item, key)?;
            by.iter().any(|other| other.get(key) == Some(wanted))
        };
        if found { inside.push(item) } else { outside.push(item) }
    }
    Ok((inside, outside))
}

/// The patch's items in the patch's order, the server's own in the server's, merged by the server's order where both are known to it.
fn in_order(
    listed: Vec<Value>,
    server_only: Vec<Value>,
    order: &[Value],
    server_order: &[Value],
    key: &str,
) -> Result<Vec<Value>, StrategicError> {
    let listed = sorted(listed, order, key)?;
    let server_only = sorted(server_only, server_order, key)?;
    let place = |item: &Value| position(server_order, item, key);
    let (mut left, mut right) = (server_only.into_iter().peekable(), listed.into_iter().peekable());
    let mut out = Vec::new();
    loop {
        let take_left = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(l), Some(r)) => matches!((place(l), place(r)), (Some(l), Some(r)) if l < r),
        };
        out.extend(if take_left { left.next() } else { right.next() });
    }
    Ok(out)
}

/// Sorts by the place in `order`; items to delete go last.
pub(super) fn sorted(items: Vec<Value>, order: &[Value], key: &str) -> Result<Vec<Value>, StrategicError> {
    if !key.is_empty() {
        for item in items.iter().chain(order) {
            key_of(item, key)?;
        }
    }
    let is_delete = |item: &Value| item.get(PATCH).and_then(Value::as_str) == Some("delete");
    let (gone, mut kept): (Vec<Value>, Vec<Value>) =
        items.into_iter().partition(|item| !key.is_empty() && is_delete(item));
    kept.sort_by_key(|item| position(order, item, key).unwrap_or(usize::MAX));
    kept.extend(gone);
    Ok(kept)
}

fn position(list: &[Value], item: &Value, key: &str) -> Option<usize> {
    if key.is_empty() {
        list.iter().position(|other| other == item)
    } else {
        list.iter().position(|other| other.get(key) == item.get(key))
    }
}

/// The one type of all elements; nothing when there are none.
pub(super) fn element_type<'a>(
    mut items: impl Iterator<Item = &'a Value>,
) -> Result<Option<&'static str>, StrategicError> {
    let Some(first) = items.next() else {
        return Ok(None);
    };
    if first.is_array() {
        return Err(StrategicError::ListOfLists);
    }
    if items.any(|item| !same_type(first, item)) {
        return Err(StrategicError::Other("list element types are not identical".into()));
    }
    Ok(Some(kind_name(first)))
}

/// Without repetitions; a repeated element's later place is filled from the end, as upstream does.
pub(super) fn deduplicate(mut items: Vec<Value>) -> Vec<Value> {
    let mut at = 0;
    while at < items.len() {
        let mut other = at + 1;
        while other < items.len() {
            if items[at] == items[other] {
                items.swap_remove(other);
            } else {
                other += 1;
            }
        }
        at += 1;
    }
    items
}
