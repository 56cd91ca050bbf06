//! JSON of a pod template and of steps as Go writes it: fields in the order of its structs, empty ones left out where
//! their tags say so, what is unknown dropped, amounts in their canonical form.
//!
//! `fields.txt` has a line for each struct: its name, then its fields as `name:kind`. A kind is `s`, `b`, `i`
//! (text, boolean, number), `Quantity`, `Time`, `IntOrString`, `bytes`, `.Struct`, or one of these behind `*`
//! (pointer), `[]` (list) or `{}` (map). `!` marks a field that is written when empty too, `~` one that is not
//! written when zero.

use std::{collections::BTreeMap, sync::OnceLock};

use argo_lang::{gojson, quantity::Quantity};
use serde_json::Value;

/// The structs that a pod template (as of Kubernetes 1.34) and steps are made of.
const FIELDS: &str = include_str!("fields.txt");

struct Field {
    name: &'static str,
    kind: &'static str,
    /// Written when empty too.
    always: bool,
}

fn structs() -> &'static BTreeMap<&'static str, Vec<Field>> {
    static STRUCTS: OnceLock<BTreeMap<&'static str, Vec<Field>>> = OnceLock::new();
    STRUCTS.get_or_init(|| {
        let line = |line: &'static str| {
            let (name, fields) = line.split_once(' ').unwrap_or((line, ""));
            let field = |it: &'static str| {
                let always = it.starts_with('!');
                let (name, kind) = it.trim_start_matches(['!', '~']).split_once(':')?;
                Some(Field { name, kind, always })
            };
            (name, fields.split(' ').filter_map(field).collect())
        };
        FIELDS.lines().map(line).collect()
    })
}

/// The template's JSON.
pub(super) fn pod_template(template: &Value) -> String {
    let mut out = String::new();
    write(".PodTemplateSpec", template, &mut out);
    out
}

/// The JSON of a list of steps.
pub(super) fn steps(steps: &Value) -> String {
    let mut out = String::new();
    write("[].CanaryStep", steps, &mut out);
    out
}

fn write(kind: &str, value: &Value, out: &mut String) {
    if let Some(name) = kind.strip_prefix('.') {
        return write_struct(name, value, out);
    }
    if let Some(inner) = kind.strip_prefix('*') {
        return if value.is_null() { out.push_str("null") } else { write(inner, value, out) };
    }
    if let Some(inner) = kind.strip_prefix("[]") {
        let Some(items) = value.as_array() else { return out.push_str("null") };
        out.push('[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            write(inner, item, out);
        }
        return out.push(']');
    }
    if let Some(inner) = kind.strip_prefix("{}") {
        let Some(map) = value.as_object() else { return out.push_str("null") };
        out.push('{');
        for (at, (key, item)) in map.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            text(key, out);
            out.push(':');
            write(inner, item, out);
        }
        return out.push('}');
    }
    match (kind, value) {
        ("s", Value::Null) => out.push_str("\"\""),
        ("b", Value::Null) => out.push_str("false"),
        ("i", Value::Null) => out.push('0'),
        ("Quantity", _) => {
            let given = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let parsed = Quantity::parse(given.trim()).map(|it| it.to_string());
            text(&parsed.unwrap_or(given), out);
        }
        (_, Value::String(it)) => text(it, out),
        _ => out.push_str(&gojson::to_string(value)),
    }
}

fn text(text: &str, out: &mut String) {
    out.push_str(&gojson::to_string(&Value::String(text.to_owned())));
}

fn write_struct(name: &str, value: &Value, out: &mut String) {
    let Some(fields) = structs().get(name) else { return out.push_str(&gojson::to_string(value)) };
    out.push('{');
    let mut first = true;
    for field in fields {
        let found = value.get(field.name).unwrap_or(&Value::Null);
        if !field.always && is_empty(field.kind, found) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        text(field.name, out);
        out.push(':');
        write(field.kind, found, out);
    }
    out.push('}');
}

/// What `omitempty` leaves out: structs never, pointers only when they point at nothing.
fn is_empty(kind: &str, value: &Value) -> bool {
    match kind.as_bytes().first() {
        Some(b'.') => false,
        Some(b'*') => value.is_null(),
        _ => match value {
            Value::Null => true,
            Value::Bool(it) => !it,
            Value::Number(it) => it.as_f64() == Some(0.0),
            Value::String(it) => it.is_empty() && kind != "IntOrString",
            // What Go keeps as it was written has bytes also when it holds nothing.
            Value::Array(it) => it.is_empty() && kind != "bytes",
            Value::Object(it) => it.is_empty() && kind != "bytes",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `tests/data/hash.go` in a checkout of upstream.
    const VECTORS: &str = include_str!("../../../tests/data/hash.json");

    #[test]
    fn templates_are_written_and_hashed_as_upstream_does() {
        let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
        assert!(vectors.len() >= 60);
        for vector in &vectors {
            let template = &vector["template"];
            assert_eq!(pod_template(template), vector["json"].as_str().unwrap());
            assert_eq!(super::super::pod_template(template, None), vector["hash"].as_str().unwrap());
            assert_eq!(super::super::pod_template(template, Some(1)), vector["collided"].as_str().unwrap());
        }
    }

    #[test]
    fn every_struct_that_is_named_is_there() {
        for fields in structs().values() {
            for field in fields {
                if let Some((_, name)) = field.kind.split_once('.') {
                    assert!(structs().contains_key(name), "{name}");
                }
            }
        }
    }
}
