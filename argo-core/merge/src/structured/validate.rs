//! What makes a value no valid one of its type.

use std::collections::BTreeSet;

use serde_json::Value;

use super::typed::{Form, form, is_atomic_list, item_path, items};
use crate::Schema;
use crate::go_text;
use crate::schema::Scalar;

/// Checks a value against its type as structured-merge-diff does: scalars of the declared sort, no undeclared members of closed maps, list items
/// with their keys and, unless `allow_duplicates`, each of them once. Scalars and members that the schema leaves open are taken as they are.
///
/// # Errors
/// Each problem with its path, in structured-merge-diff's words: `.spec.replicas: expected numeric (int or float), got string`.
pub fn validate(value: &Value, schema: &Schema, allow_duplicates: bool) -> Result<(), String> {
    let mut problems = Vec::new();
    visit(value, schema, allow_duplicates, &mut String::new(), &mut problems);
    match problems.as_slice() {
        [] => Ok(()),
        [only] => Err(only.clone()),
        many => Err(format!("errors:\n  {}", many.join("\n  "))),
    }
}

fn visit(value: &Value, schema: &Schema, duplicates: bool, path: &mut String, problems: &mut Vec<String>) {
    if value.is_null() {
        return;
    }
    let length = path.len();
    match form(schema, Some(value)).0 {
        Form::Scalar => {
            let expected = match schema.node().scalar_kind {
                Scalar::Numeric if !value.is_number() => {
                    format!("expected numeric (int or float), got {}", go_type(value))
                }
                Scalar::String if !value.is_string() => {
                    format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value))
                }
                Scalar::Boolean if !value.is_boolean() => format!("expected boolean, got &{{{}}}", go_text(value)),
                Scalar::Untyped if value.is_object() || value.is_array() => {
                    format!("expected any scalar, got &{{{}}}", go_text(value))
                }
                _ => return,
            };
            problem(problems, path, expected);
        }
        Form::List => {
            let Value::Array(_) = value else {
                problem(problems, path, format!("expected list, got &{{{}}}", go_text(value)));
                return;
            };
            let mut seen = BTreeSet::new();
            let element = schema.element();
            for (at, item) in items(Some(value)).iter().enumerate() {
                let below = if is_atomic_list(schema) {
                    format!("[{at}]")
                } else {
                    match item_path(schema, item) {
                        Err(error) => {
                            problem(problems, path, format!("element {at}: {error}"));
                            return;
                        }
                        Ok(step) => {
                            let below = step.to_string();
                            if !seen.insert(step) && !duplicates {
                                problem(problems, path, format!("duplicate entries for key {below}"));
                            }
                            below
                        }
                    }
                };
                path.push_str(&below);
                visit(item, &element, duplicates, path, problems);
                path.truncate(length);
            }
        }
        Form::Map => {
            let Value::Object(members) = value else {
                problem(problems, path, format!("expected map, got &{{{}}}", go_text(value)));
                return;
            };
            for (key, inner) in members {
                path.push('.');
                path.push_str(key);
                if schema.is_closed() && !schema.declares(key) {
                    problems.push(format!("{path}: field not declared in schema"));
                    path.truncate(length);
                    // The rest of the map is not looked at, as upstream.
                    return;
                }
                visit(inner, &schema.field(key), duplicates, path, problems);
                path.truncate(length);
            }
        }
    }
}

fn problem(problems: &mut Vec<String>, path: &str, text: String) {
    problems.push(if path.is_empty() { text } else { format!("{path}: {text}") });
}

/// `%T` of Go.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// `%#v` of Go.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(go_syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(key, inner)| format!("{key:?}:{}", go_syntax(inner))).collect();
            format!("map[string]interface {{}}{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}
