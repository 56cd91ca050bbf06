//! Who owns which fields: the server's use of structured merge.

use argo_merge::Schema;
use argo_merge::structured::{self, ApplyError, FieldSet, Writer};
use serde_json::{Value, json};

use crate::schema::{type_name, zero_of};
use crate::server::{ApiError, Call, Part, timestamp_text};

/// How a write came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A create, an update or a patch other than apply: what changed is owned.
    Update,
    /// A server-side apply: `managedFields` are in place already.
    Apply,
}

/// Brings `managedFields` up to date before a write.
pub(crate) fn track(call: &Call<'_>, live: Option<&Value>, change: Change, part: Part, object: &mut Value) {
    if change == Change::Update {
        let time = timestamp_text(call.now);
        let (manager, version) = (call.field_manager(), call.def.api_version(call.version));
        let writer = writer(call, part, &manager, &version, &time);
        let schema = schema(call);
        *object = match live {
            // A new object of a built-in kind is compared with the zero value of its Go type.
            None if call.def.builtin => {
                let zero = zero_of(&type_name(call.def.group(), &call.version_def().name, &call.def.kind));
                structured::create(&zero, object, &writer, &schema)
            }
            live => structured::update(live, object, &writer, &schema),
        };
        if part == Part::Scale && !call.def.builtin {
            // The real one forgets the time of those.
            let entries = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
            for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
                if entry.get("subresource").and_then(Value::as_str) == Some("scale") {
                    entry.remove("time");
                }
            }
        }
    }
}

/// Merges an applied configuration into the live object.
pub(crate) fn apply(
    call: &Call<'_>,
    part: Part,
    live: Option<&Value>,
    config: &Value,
    force: bool,
    place: &str,
) -> Result<Value, ApiError> {
    let time = timestamp_text(call.now);
    let (manager, version) = (call.field_manager(), call.def.api_version(call.version));
    let writer = writer(call, part, &manager, &version, &time);
    structured::apply(live, config, &writer, force, &schema(call)).map_err(|error| match error {
        ApplyError::Conflicts(conflicts) => {
            let causes: Vec<Value> = conflicts
                .0
                .iter()
                .map(|conflict| json!({ "reason": "FieldManagerConflict", "message": conflict.message(), "field": conflict.field() }))
                .collect();
            let mut error = ApiError::new(409, "Conflict", conflicts.to_string());
            error.details = Some(Box::new(json!({ "causes": causes })));
            error
        }
        ApplyError::BadRequest(message) => ApiError::bad_request(message),
        ApplyError::Invalid { reason, .. } => {
            ApiError::new(500, "", format!("failed to create typed patch object ({place}): {reason}"))
        }
        other => ApiError::new(500, "", other.to_string()),
    })
}

fn writer<'a>(call: &Call<'_>, part: Part, manager: &'a str, version: &'a str, time: &'a str) -> Writer<'a> {
    let writer = Writer::new(manager, version, time);
    match part {
        Part::Status => {
            let writer = writer.subresource("status");
            match (call.def.group(), call.def.resource()) {
                ("apps", "deployments") => writer.ignoring(FieldSet::of_fields(&[&["spec"], &["metadata", "labels"]])),
                ("", "pods") => writer.ignoring(FieldSet::of_fields(&[
                    &["spec"],
                    &["metadata", "deletionTimestamp"],
                    &["metadata", "ownerReferences"],
                ])),
                _ if !call.def.builtin || call.def.status_keeps_metadata() => {
                    writer.ignoring(FieldSet::of_fields(&[&["spec"]]))
                }
                _ => writer.ignoring(FieldSet::of_fields(&[&["spec"], &["metadata"]])),
            }
        }
        Part::Scale => writer.subresource("scale"),
        Part::Ephemeral => writer.subresource("ephemeralcontainers"),
        Part::Resize => writer.subresource("resize"),
        Part::Main | Part::Finalize if call.version_def().status => {
            writer.ignoring(FieldSet::of_fields(&[&["status"]]))
        }
        Part::Main | Part::Finalize => writer,
    }
}

pub(crate) fn schema(call: &Call<'_>) -> Schema {
    match &call.version_def().custom {
        Some(custom) => custom.merge.clone(),
        None => Schema::of(call.def.group(), &call.version_def().name, &call.def.kind),
    }
}
