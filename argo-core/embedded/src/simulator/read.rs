//! Small readings of Kubernetes objects, shared by the controllers.

use std::time::Duration;

use argo_core::time::Timestamp;
use serde_json::{Map, Value, json};

/// The object at a JSON pointer as text, or empty.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a JSON pointer.
pub(super) fn int(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// The number at a JSON pointer, or zero.
pub(super) fn count(object: &Value, pointer: &str) -> i64 {
    int(object, pointer).unwrap_or(0)
}

pub(super) fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(super) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

pub(super) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(super) fn generation(object: &Value) -> i64 {
    count(object, "/metadata/generation")
}

pub(super) fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|value| !value.is_null())
}

pub(super) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

pub(super) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

pub(super) fn labels(object: &Value) -> Option<&Map<String, Value>> {
    object.pointer("/metadata/labels").and_then(Value::as_object)
}

/// A time at a JSON pointer.
pub(super) fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer).parse().ok()
}

/// Sets a member of an object's metadata map (`labels`, `annotations`).
pub(super) fn set_meta(object: &mut Value, map: &str, key: &str, value: &str) {
    object["metadata"][map][key] = json!(value);
}

// === owners ===

/// The reference to the controller of an object.
pub(super) fn controller_of(object: &Value) -> Option<&Value> {
    list(object, "/metadata/ownerReferences").iter().find(|owner| flag(owner, "/controller"))
}

/// The uid of an object's controller, or empty.
pub(super) fn controller_uid(object: &Value) -> &str {
    controller_of(object).map_or("", |owner| text(owner, "/uid"))
}

/// The reference a controller puts on what it creates.
pub(super) fn owner_reference(owner: &Value, api_version: &str, kind: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "name": name(owner), "uid": uid(owner), "controller": true, "blockOwnerDeletion": true})
}

/// The object with the reference to a new controller.
pub(super) fn adopted(object: &Value, reference: &Value) -> Value {
    let mut object = object.clone();
    match object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) {
        Some(owners) => owners.push(reference.clone()),
        None => object["metadata"]["ownerReferences"] = json!([reference]),
    }
    object
}

/// The object without its reference to an owner.
pub(super) fn released(object: &Value, owner_uid: &str) -> Value {
    let mut object = object.clone();
    if let Some(owners) = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) {
        owners.retain(|owner| text(owner, "/uid") != owner_uid);
    }
    object
}

// === selectors ===

/// Whether labels match a `LabelSelector`. An absent or empty selector matches nothing here: no controller acts on everything.
pub(super) fn selects(selector: Option<&Value>, labels: Option<&Map<String, Value>>) -> bool {
    let Some(selector) = selector else { return false };
    let wanted = selector.get("matchLabels").and_then(Value::as_object);
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    if wanted.is_none_or(Map::is_empty) && expressions.is_none_or(Vec::is_empty) {
        return false;
    }
    let has = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
    wanted.into_iter().flatten().all(|(key, value)| has(key) == value.as_str())
        && expressions
            .into_iter()
            .flatten()
            .all(|expression| expression_holds(expression, has(text(expression, "/key"))))
}

/// Whether one `matchExpressions` entry holds for the value of its key (also those of node affinity).
pub(super) fn expression_holds(expression: &Value, value: Option<&str>) -> bool {
    let values = list(expression, "/values");
    let listed = |value: &str| values.iter().any(|other| other.as_str() == Some(value));
    let number = |text: &str| text.parse::<i64>().ok();
    let bound = values.first().and_then(Value::as_str).and_then(number);
    match text(expression, "/operator") {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => matches!((value.and_then(number), bound), (Some(value), Some(bound)) if value > bound),
        "Lt" => matches!((value.and_then(number), bound), (Some(value), Some(bound)) if value < bound),
        _ => false,
    }
}

/// Whether all of a plain selector (a Service's) is among the labels.
pub(super) fn map_selects(selector: &Map<String, Value>, labels: Option<&Map<String, Value>>) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

// === pods ===

pub(super) fn phase(pod: &Value) -> &str {
    text(pod, "/status/phase")
}

/// Neither finished nor on the way out.
pub(super) fn is_active(pod: &Value) -> bool {
    !matches!(phase(pod), "Succeeded" | "Failed") && !is_deleting(pod)
}

/// A condition of a status by type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind)
}

pub(super) fn condition_is(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind).is_some_and(|condition| text(condition, "/status") == status)
}

pub(super) fn is_ready(pod: &Value) -> bool {
    condition_is(pod, "Ready", "True")
}

pub(super) fn ready_since(pod: &Value) -> Option<Timestamp> {
    condition(pod, "Ready").filter(|it| text(it, "/status") == "True").and_then(|it| time(it, "/lastTransitionTime"))
}

/// Whether a pod counts as available; otherwise when it will, if it stays ready.
pub(super) fn availability(pod: &Value, min_ready: i64, now: Timestamp) -> Result<(), Option<Timestamp>> {
    let since = ready_since(pod).ok_or(None)?;
    if min_ready <= 0 {
        return Ok(());
    }
    let at = argo_core::time::after(since, Duration::from_secs(min_ready.unsigned_abs()));
    if at <= now { Ok(()) } else { Err(Some(at)) }
}

// === numbers ===

/// An `IntOrString` of a total, rounded up or down; absent or malformed is `None`.
pub(super) fn portion(value: Option<&Value>, total: i64, round_up: bool) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(percent) => {
            let percent: i64 = percent.strip_suffix('%')?.parse().ok()?;
            let scaled = percent.checked_mul(total)?;
            Some(if round_up {
                scaled.div_euclid(100) + i64::from(scaled.rem_euclid(100) != 0)
            } else {
                scaled.div_euclid(100)
            })
        }
        _ => None,
    }
}

/// A condition with its times; the transition time of an equal status before it is kept.
pub(super) fn with_condition(mut conditions: Vec<Value>, mut new: Value, now: &str) -> Vec<Value> {
    let kind = text(&new, "/type").to_owned();
    let old = conditions.iter().position(|condition| text(condition, "/type") == kind);
    let same = |old: &Value| text(old, "/status") == text(&new, "/status");
    let since = old
        .map(|at| &conditions[at])
        .filter(|old| same(old))
        .map_or(now, |old| text(old, "/lastTransitionTime"))
        .to_owned();
    new["lastTransitionTime"] = json!(since);
    match old {
        Some(at) => conditions[at] = new,
        None => conditions.push(new),
    }
    conditions
}
