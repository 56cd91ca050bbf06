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

/// Rules of a schema that do not compile: the path below the schema and what is wrong.
pub(super) fn broken(schema: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if has_rules(schema, 0) {
        collect(&compile_schema(&crate::cel::expanded_rules(schema)), "", &mut found);
    }
    found
}

fn collect(compiled: &CompiledSchema, path: &str, found: &mut Vec<(String, String)>) {
    for (index, rule) in compiled.validations.iter().enumerate() {
        let place = || format!("{path}.x-kubernetes-validations[{index}].rule");
        match rule {
            Err(error) => found.push((place(), error.to_string())),
            // The evaluator knows no structs, and must not meet one.
            Ok(compiled) => {
                let texts = [Some(&compiled.rule.rule), compiled.rule.message_expression.as_ref()];
                let why = texts.into_iter().flatten().find_map(|text| crate::cel::problem(text));
                found.extend(why.map(|why| (place(), why)));
            }
        }
    }
    let mut properties: Vec<_> = compiled.properties.iter().collect();
    properties.sort_by_key(|(name, _)| *name);
    for (name, inner) in properties {
        collect(inner, &format!("{path}.properties[{name}]"), found);
    }
    if let Some(inner) = &compiled.items {
        collect(inner, &format!("{path}.items"), found);
    }
    if let Some(inner) = &compiled.additional_properties {
        collect(inner, &format!("{path}.additionalProperties"), found);
    }
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
