//! What a server-side apply would make of an object, worked out here.

use argo_core::Object;
use argo_merge::{
    Schema,
    structured::{self, Writer},
};
use serde_json::Value;

use super::{DiffFault, secret_data};
use crate::{api::names, engine::ignored::Ignored};

/// The merged object, and the live one in the form that it is compared with. What no rule knows is merged as the server
/// does with fields it has no schema for.
pub(super) fn predict(
    mut wanted: Value,
    mut current: Value,
    live: &Object,
    ignored: &Ignored,
    schema: Option<&Schema>,
) -> Result<(Value, Value), DiffFault> {
    secret_data(&mut wanted);
    secret_data(&mut current);
    for value in [&mut wanted, &mut current] {
        ignored.forget(value, live);
    }
    if let Some(meta) = wanted.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("managedFields");
    }
    if let Some(namespace) = live.namespace()
        && let Some(meta) = wanted.get_mut("metadata").and_then(Value::as_object_mut)
    {
        meta.insert("namespace".to_owned(), namespace.into());
    }
    // nobody reads the time of a prediction
    let writer = Writer::new(names::FIELD_MANAGER, live.text("/apiVersion"), "1970-01-01T00:00:00Z");
    let custom = Schema::custom();
    let versions = schema.unwrap_or(&custom);
    let merged = structured::apply(Some(&current), &wanted, &writer, true, versions)?;
    Ok((merged, current))
}
