//! What structured-merge-diff says of a configuration that does not fit its type.

use serde_json::Value;

use super::{Shape, TYPES, type_name};

/// The first problem with a configuration of a built-in kind: an undeclared field, or a value of the wrong type.
pub(crate) fn problem(group: &str, version: &str, kind: &str, config: &Value) -> Option<String> {
    let (name, _) = TYPES.get_key_value(type_name(group, version, kind).as_str())?;
    visit(config, &Shape::Type(name), &mut String::new())
}

fn visit(value: &Value, shape: &Shape, path: &mut String) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let wrong = |wanted: &str| Some(format!("{path}: expected {wanted}"));
    let length = path.len();
    match shape {
        Shape::String | Shape::Bytes | Shape::Time | Shape::MicroTime if !value.is_string() => {
            wrong(&format!("string, got &value.valueUnstructured{{Value:{}}}", syntax(value)))
        }
        Shape::Int32 | Shape::Int64 | Shape::Number if !value.is_number() => {
            let actual = match value {
                Value::Bool(_) => "bool",
                Value::String(_) => "string",
                Value::Array(_) => "[]interface {}",
                _ => "map[string]interface {}",
            };
            wrong(&format!("numeric (int or float), got {actual}"))
        }
        Shape::Bool if !value.is_boolean() => wrong(&format!("boolean, got &{{{}}}", text(value))),
        Shape::List(inner) => {
            let Some(items) = value.as_array() else {
                return wrong(&format!("list, got &{{{}}}", text(value)));
            };
            items.iter().enumerate().find_map(|(index, item)| {
                path.push_str(&format!("[{index}]"));
                let found = visit(item, inner, path);
                path.truncate(length);
                found
            })
        }
        Shape::Map(_) | Shape::Type(_) => {
            let Some(fields) = value.as_object() else {
                return wrong(&format!("map, got &{{{}}}", text(value)));
            };
            fields.iter().find_map(|(field, inner)| {
                path.push('.');
                path.push_str(field);
                let found = match shape {
                    Shape::Map(shape) => visit(inner, shape, path),
                    Shape::Type(name) => match TYPES.get(name) {
                        None => None,
                        Some(def) => match def.fields.get(field.as_str()) {
                            Some(field) => visit(inner, &field.shape, path),
                            None => Some(format!("{path}: field not declared in schema")),
                        },
                    },
                    _ => None,
                };
                path.truncate(length);
                found
            })
        }
        _ => None,
    }
}

/// `%v` of Go.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(field, inner)| format!("{field}:{}", text(inner))).collect();
            format!("map[{}]", fields.join(" "))
        }
        other => other.to_string(),
    }
}

/// `%#v` of Go, for what is no string.
fn syntax(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(field, inner)| format!("{field:?}:{}", syntax(inner))).collect();
            format!("map[string]interface {{}}{{{}}}", fields.join(", "))
        }
        Value::Null => "interface {}(nil)".to_owned(),
        other => other.to_string(),
    }
}
