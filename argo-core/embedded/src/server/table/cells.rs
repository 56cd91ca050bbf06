//! Small readings that cells are made of.

use jiff::Timestamp;
use serde_json::Value;

use super::age_of;
use crate::server::meta;
use crate::server::selector::LabelSelector;

/// How many hosts, ports or addresses a cell shows.
const SHOWN: usize = 3;

pub(super) fn text(object: &Value, pointer: &str) -> String {
    text_or(object, pointer, "<none>")
}

/// The scalar at a pointer, or a placeholder where it is absent or empty.
pub(super) fn text_or(object: &Value, pointer: &str, absent: &str) -> String {
    match object.pointer(pointer) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(value)) => value.to_string(),
        _ => absent.to_owned(),
    }
}

pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The strings of a list.
pub(super) fn strings<'a>(object: &'a Value, pointer: &str) -> Vec<&'a str> {
    items(object, pointer).iter().filter_map(Value::as_str).collect()
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

/// A map of strings as `a=b,c=d`.
pub(super) fn labels(object: &Value, pointer: &str) -> Value {
    let pairs: Vec<String> = object
        .pointer(pointer)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    Value::from(if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") })
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

/// The first few of a list, and how many more there are.
pub(super) fn shortened(list: &[String], shown: usize) -> String {
    if list.len() > shown {
        format!("{} + {} more...", list[..shown].join(","), list.len() - shown)
    } else {
        list.join(",")
    }
}

/// As [`shortened`] with the usual number, or a placeholder for none.
pub(super) fn few(list: &[String], none: &str) -> Value {
    Value::from(if list.is_empty() { none.to_owned() } else { shortened(list, SHOWN) })
}

/// `host:port`, with brackets around what has colons.
pub(super) fn host_port(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Access modes in short: `RWO,ROX`.
pub(super) fn access_modes(object: &Value, pointer: &str) -> String {
    let given = strings(object, pointer);
    let short =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let found: Vec<&str> = short.iter().filter(|(long, _)| given.contains(long)).map(|(_, short)| *short).collect();
    found.join(",")
}

pub(super) fn row<const N: usize>(cells: [Value; N]) -> Vec<Value> {
    cells.into()
}

pub(super) fn ratio(ready: i64, total: i64) -> Value {
    Value::from(format!("{ready}/{total}"))
}
