//! CEL rules of schemas (`x-kubernetes-validations`), compiled once per version.

use std::sync::OnceLock;

use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde_json::Value;

use crate::server::Cause;

/// The rules of one version, compiled when first needed.
#[derive(Debug, Default)]
pub(super) struct Rules(OnceLock<Option<CompiledSchema>>);

// === impl Rules ===

impl Rules {
    /// Whether the schema has any rules.
    pub(super) fn any(&self, schema: &Value) -> bool {
        self.compiled(schema).is_some()
    }

    /// The rules that an object breaks; `live` is what it replaces, for rules about transitions.
    pub(super) fn check(&self, schema: &Value, object: &Value, live: Option<&Value>) -> Vec<Cause> {
        let Some(compiled) = self.compiled(schema) else { return Vec::new() };
        let Err(errors) = Validator::new().validate_compiled(compiled, object, live) else { return Vec::new() };
        errors
            .into_vec()
            .into_iter()
            .map(|error| {
                let field = if error.field_path.is_empty() { "<nil>".to_owned() } else { error.field_path };
                let value = super::value_at(object, &field).unwrap_or(object);
                match error.reason.as_deref() {
                    Some("FieldValueForbidden") => Cause::forbidden(field, &error.message),
                    Some("FieldValueRequired") => Cause::required(field, &error.message),
                    Some("FieldValueDuplicate") => Cause::duplicate(field, value),
                    _ => {
                        let shown = super::schema::type_name(value);
                        Cause {
                            reason: "FieldValueInvalid",
                            field,
                            message: format!("Invalid value: {shown:?}: {}", error.message),
                        }
                    }
                }
            })
            .collect()
    }

    fn compiled(&self, schema: &Value) -> Option<&CompiledSchema> {
        self.0
            .get_or_init(|| has_rules(schema, 0).then(|| compile_schema(&crate::cel::expanded_rules(schema))))
            .as_ref()
    }
}

/// Why an expression does not compile.
pub(super) fn compiled_error(expression: &str) -> Option<String> {
    crate::cel::problem(expression).map(|why| why.replace("\n|", "\n |"))
}

fn has_rules(schema: &Value, depth: usize) -> bool {
    if depth > 128 {
        return false;
    }
    match schema {
        Value::Object(fields) => {
            fields.contains_key("x-kubernetes-validations") || fields.values().any(|value| has_rules(value, depth + 1))
        }
        Value::Array(items) => items.iter().any(|value| has_rules(value, depth + 1)),
        _ => false,
    }
}
