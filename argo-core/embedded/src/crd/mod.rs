//! CustomResourceDefinitions: from the moment one is stored, its resources are served.

mod definition;
mod schema;

use argo_merge::Schema;
use serde_json::{Value, json};

use crate::server::Cause;

pub(crate) use schema::child;
pub(crate) use definition::{is_definition, prepare, validate_definition};

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
    fn of(version: &Value, preserve_all: bool) -> Self {
        let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let schema = version.pointer("/schema/openAPIV3Schema").cloned().unwrap_or_else(|| json!({ "type": "object" }));
        let columns = version.get("additionalPrinterColumns").and_then(Value::as_array).map_or_else(
            || vec![Column { name: "Age".to_owned(), kind: "date".to_owned(), format: String::new(), description: AGE.to_owned(), priority: 0, json_path: ".metadata.creationTimestamp".to_owned() }],
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
            selectable_fields: version.get("selectableFields").and_then(Value::as_array).into_iter().flatten().map(|field| text(field, "jsonPath")).collect(),
            preserve_all,
            schema,
        }
    }

    /// Removes unknown fields; returns their paths.
    pub(crate) fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut gone = Vec::new();
        if let Some(metadata) = object.get_mut("metadata") {
            crate::schema::prune_metadata(metadata, &mut gone);
        }
        if !self.preserve_all {
            schema::prune(object, &self.schema, "", true, &mut gone);
        }
        gone
    }

    /// Fills in defaults.
    pub(crate) fn default(&self, object: &mut Value) {
        schema::default(object, &self.schema);
    }

    /// Problems of an object that is created, or updated from `live`.
    pub(crate) fn validate(&self, object: &Value, _live: Option<&Value>) -> Vec<Cause> {
        let mut causes = Vec::new();
        schema::validate(object, &self.schema, "", &mut causes);
        causes
    }
}

const AGE: &str = "Time at which the object was created, in UTC.";
