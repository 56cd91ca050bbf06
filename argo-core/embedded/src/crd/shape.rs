//! The shape of custom resources: what their schema does not name goes, and what it fills in comes.

use serde_json::Value;

use super::schema::{child, flag};

/// Removes what the schema does not name; returns the paths that went.
///
/// # Errors
/// Something in the metadata of an embedded object is of the wrong type.
pub(super) fn prune(
    value: &mut Value,
    schema: &Value,
    path: &str,
    keep_type: bool,
    gone: &mut Vec<String>,
) -> Result<(), String> {
    if path.len() > 4096 {
        return Ok(());
    }
    let mut failed = Ok(());
    match value {
        Value::Object(fields) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let additional = schema.get("additionalProperties");
            let preserve = flag(schema, "x-kubernetes-preserve-unknown-fields");
            let typed = keep_type || flag(schema, "x-kubernetes-embedded-resource");
            fields.retain(|field, value| {
                if failed.is_err() {
                    return true;
                }
                if typed && matches!(field.as_str(), "apiVersion" | "kind" | "metadata") {
                    if field == "metadata" && !keep_type {
                        failed = prune_embedded(value, path, gone);
                    }
                    return true;
                }
                if let Some(schema) = properties.and_then(|properties| properties.get(field)) {
                    failed = prune(value, schema, &child(path, field), false, gone);
                    return true;
                }
                match additional {
                    Some(Value::Object(_)) => {
                        if let Some(schema) = additional {
                            failed = prune(value, schema, &child(path, field), false, gone);
                        }
                        true
                    }
                    Some(Value::Bool(true)) => true,
                    _ if preserve => true,
                    _ => {
                        gone.push(child(path, field));
                        false
                    }
                }
            });
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (index, item) in items.iter_mut().enumerate() {
                    prune(item, schema, &format!("{path}[{index}]"), false, gone)?;
                }
            }
        }
        _ => {}
    }
    failed
}

/// The metadata of an object within an object.
fn prune_embedded(metadata: &mut Value, path: &str, gone: &mut Vec<String>) -> Result<(), String> {
    let shown = metadata.to_string();
    let mut inner = Vec::new();
    crate::schema::prune_metadata(metadata, &mut inner)
        .map_err(|why| format!("{}: Invalid value: {shown}: {why}", child(path, "metadata")))?;
    gone.extend(inner.into_iter().map(|field| child(path, &field)));
    Ok(())
}

/// Fills in the schema's defaults, also in the place of nulls that may not be.
pub(super) fn default(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            for (field, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                // A null that may not be one counts as absent.
                if fields.get(field) == Some(&Value::Null) && !flag(schema, "nullable") {
                    fields.remove(field);
                }
                if let Some(default) = schema.get("default") {
                    fields.entry(field.clone()).or_insert_with(|| default.clone());
                }
                if let Some(value) = fields.get_mut(field) {
                    self::default(value, schema);
                }
            }
            if let Some(schema @ Value::Object(_)) = schema.get("additionalProperties") {
                let named = |field: &str| schema.pointer(&format!("/properties/{field}")).is_some();
                for (field, value) in fields.iter_mut() {
                    if !named(field) {
                        self::default(value, schema);
                    }
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    default(item, schema);
                }
            }
        }
        _ => {}
    }
}
