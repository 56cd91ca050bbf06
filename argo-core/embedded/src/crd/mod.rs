//! CustomResourceDefinitions: from the moment one is stored, its resources are served.

mod definition;
mod rules;
mod schema;
mod shape;
mod validation;

use std::sync::Arc;

use argo_merge::Schema;
use serde_json::{Value, json};

use crate::server::{Cause, Part};

pub(crate) use definition::{is_definition, prepare};
pub(crate) use schema::child;
pub(crate) use validation::{format_warnings, validate_definition};

/// What a definition says of one version.
#[derive(Clone, Debug)]
pub(crate) struct CustomVersion {
    /// The `openAPIV3Schema`.
    pub(crate) schema: Value,
    /// For structured merges.
    pub(crate) merge: Schema,
    pub(crate) columns: Vec<Column>,
    pub(crate) selectable_fields: Vec<String>,
    /// The definition keeps unknown fields altogether.
    preserve_all: bool,
    rules: Arc<rules::Rules>,
    /// Where the scale subresource finds its numbers.
    scale: Vec<Vec<String>>,
    /// What clients of the version are told, if it is on its way out.
    pub(crate) deprecation: Option<String>,
}

/// A printer column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) format: String,
    pub(crate) description: String,
    pub(crate) priority: i64,
    pub(crate) json_path: String,
}

// === impl CustomVersion ===

impl CustomVersion {
    fn of(version: &Value, preserve_all: bool, deprecation: Option<String>) -> Self {
        let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let schema = version.pointer("/schema/openAPIV3Schema").cloned().unwrap_or_else(|| json!({ "type": "object" }));
        let columns = version.get("additionalPrinterColumns").and_then(Value::as_array).map_or_else(
            || {
                vec![Column {
                    name: "Age".to_owned(),
                    kind: "date".to_owned(),
                    format: String::new(),
                    description: AGE.to_owned(),
                    priority: 0,
                    json_path: ".metadata.creationTimestamp".to_owned(),
                }]
            },
            |columns| {
                columns
                    .iter()
                    .map(|column| Column {
                        name: text(column, "name"),
                        kind: text(column, "type"),
                        format: text(column, "format"),
                        description: text(column, "description"),
                        priority: column.get("priority").and_then(Value::as_i64).unwrap_or(0),
                        json_path: text(column, "jsonPath"),
                    })
                    .collect()
            },
        );
        Self {
            merge: Schema::from_openapi(&schema),
            columns,
            selectable_fields: version
                .get("selectableFields")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|field| text(field, "jsonPath"))
                .collect(),
            preserve_all,
            deprecation,
            rules: Arc::default(),
            scale: ["specReplicasPath", "statusReplicasPath"]
                .iter()
                .filter_map(|field| version.pointer(&format!("/subresources/scale/{field}"))?.as_str())
                .map(|path| path.trim_start_matches('.').split('.').map(str::to_owned).collect())
                .collect(),
            schema,
        }
    }

    /// Removes unknown fields; returns their paths.
    ///
    /// # Errors
    /// Something in the metadata is of the wrong type.
    pub(crate) fn prune(&self, object: &mut Value) -> Result<Vec<String>, String> {
        let mut gone = Vec::new();
        if let Some(metadata) = object.get_mut("metadata") {
            crate::schema::prune_metadata(metadata, &mut gone)?;
        }
        if !self.preserve_all {
            shape::prune(object, &self.schema, "", true, &mut gone)?;
        }
        Ok(gone)
    }

    /// Fills in defaults.
    pub(crate) fn default(&self, object: &mut Value) {
        shape::default(object, &self.schema);
    }

    /// Problems of an object that is created, or updated from `live`. What was wrong before and did not change is let pass.
    pub(crate) fn validate(&self, object: &Value, live: Option<&Value>, part: Part) -> Vec<Cause> {
        let mut causes = Vec::new();
        match part {
            // The status is checked alone, and names its fields from there.
            Part::Status => {
                let none = Value::Null;
                let (status, schema) = (object.get("status"), self.schema.pointer("/properties/status"));
                if let (Some(status), Some(schema)) = (status.filter(|it| **it != none), schema) {
                    schema::validate(status, schema, "", &mut causes);
                    causes = causes.into_iter().map(|cause| schema::below("status", cause)).collect();
                }
            }
            _ => schema::validate(object, &self.schema, "", &mut causes),
        }
        causes.extend(self.scale.iter().filter_map(|path| unscalable(object, path)));
        if let Some(live) = live {
            causes.retain(|cause| !unchanged(cause, object, live));
        }
        if self.rules.any(&self.schema) {
            let blocking = |cause: &Cause| {
                matches!(
                    cause.reason,
                    "FieldValueNotSupported"
                        | "FieldValueRequired"
                        | "FieldValueTooLong"
                        | "FieldValueTooMany"
                        | "FieldValueTypeInvalid"
                )
            };
            if causes.iter().any(blocking) {
                causes.push(Cause {
                    reason: "FieldValueInvalid",
                    field: "<nil>".to_owned(),
                    message: "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation".to_owned(),
                });
            } else {
                let mut broken = self.rules.check(&self.schema, object, live);
                if let Some(live) = live {
                    broken.retain(|cause| !unchanged(cause, object, live));
                }
                causes.extend(broken);
            }
        }
        causes
    }
}

/// What is wrong with a number that the scale subresource wants to read.
fn unscalable(object: &Value, path: &[String]) -> Option<Cause> {
    let shown = |value: &Value| match value {
        Value::String(text) => (text.clone(), "string"),
        Value::Bool(value) => (value.to_string(), "bool"),
        Value::Number(number) => (number.to_string(), "float64"),
        Value::Array(items) => {
            (format!("[{}]", items.iter().map(Value::to_string).collect::<Vec<_>>().join(" ")), "[]interface {}")
        }
        Value::Object(_) => ("map[]".to_owned(), "map[string]interface {}"),
        Value::Null => ("<nil>".to_owned(), "<nil>"),
    };
    let mut current = object;
    for step in path {
        if !current.is_object() {
            return Some(accessor_error(path, &shown(current), "map[string]interface{}"));
        }
        current = current.get(step)?;
    }
    (!current.is_i64() && !current.is_u64()).then(|| accessor_error(path, &shown(current), "int64"))
}

fn accessor_error(path: &[String], (value, kind): &(String, &str), wanted: &str) -> Cause {
    let field = format!(".{}", path.join("."));
    let message = format!("Invalid value: 0: {field} accessor error: {value} is of the type {kind}, expected {wanted}");
    Cause { reason: "FieldValueInvalid", field, message }
}

/// Whether the value a cause complains of is the same as before.
fn unchanged(cause: &Cause, object: &Value, live: &Value) -> bool {
    // What is missing is missing from its parent: that must be unchanged.
    let field = if cause.reason == "FieldValueRequired" {
        cause.field.rsplit_once('.').map_or("", |(parent, _)| parent)
    } else {
        &cause.field
    };
    match (value_at(object, field), value_at(live, field)) {
        (Some(now), Some(before)) => now == before && !field.is_empty(),
        _ => false,
    }
}

/// The value at a path in the notation of causes: `spec.parts[1].name`.
fn value_at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut current = object;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let (name, indexes) = step.split_once('[').map_or((step, ""), |(name, rest)| (name, rest));
        current = current.get(name)?;
        for index in indexes.split('[').filter(|index| !index.is_empty()) {
            let index = index.trim_end_matches(']');
            current = match index.parse::<usize>() {
                Ok(index) if current.is_array() => current.get(index)?,
                _ => current.get(index)?,
            };
        }
    }
    Some(current)
}

const AGE: &str = "Time at which the object was created, in UTC.";
