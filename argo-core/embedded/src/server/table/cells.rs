//! Small readings that cells are made of.

use jiff::Timestamp;
use serde_json::Value;

use super::age_of;
use crate::server::meta;
use crate::server::selector::LabelSelector;

pub(super) fn text(object: &Value, pointer: &str) -> String {
    match object.pointer(pointer) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(value)) => value.to_string(),
        _ => "<none>".to_owned(),
    }
}

pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn size(object: &Value, pointer: &str) -> usize {
    object
        .pointer(pointer)
        .map_or(0, |value| value.as_object().map_or_else(|| value.as_array().map_or(0, Vec::len), serde_json::Map::len))
}

pub(super) fn name(object: &Value) -> Value {
    Value::from(meta::name(object))
}

pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    Value::from(age_of(meta::text(object, "/metadata/creationTimestamp"), now))
}

pub(super) fn selector(object: &Value, pointer: &str) -> Value {
    let text = object
        .pointer(pointer)
        .and_then(LabelSelector::from_object)
        .map(|selector| selector.text())
        .unwrap_or_default();
    Value::from(if text.is_empty() { "<none>".to_owned() } else { text })
}

pub(super) fn containers(object: &Value, spec: &str) -> [Value; 2] {
    let join = |field: &str| {
        items(object, &format!("{spec}/containers"))
            .iter()
            .map(|container| meta::text(container, field))
            .collect::<Vec<_>>()
            .join(",")
    };
    [Value::from(join("/name")), Value::from(join("/image"))]
}

pub(super) fn row<const N: usize>(cells: [Value; N]) -> Vec<Value> {
    cells.into()
}

pub(super) fn ratio(ready: i64, total: i64) -> Value {
    Value::from(format!("{ready}/{total}"))
}
