//! Patches of all four types.

use argo_merge::Schema;
use argo_merge::strategic::StrategicError;
use serde_json::Value;

use super::meta::{self, set_metadata};
use super::state::State;
use super::status::{ApiError, Cause};
use super::write::Part;
use super::{Call, Outcome, convert, yaml};
use crate::fields::Change;

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";

// === impl State ===

impl State {
    pub(super) fn patch(&mut self, call: &Call<'_>, part: Part) -> Result<Outcome, ApiError> {
        let media = call.request.content_type.split(';').next().unwrap_or_default().trim();
        if media == APPLY_PATCH {
            return self.apply(call, part);
        }
        if call.request.query.get("force").is_some() {
            let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
            return Err(ApiError::invalid("meta.k8s.io", "PatchOptions", "", &[cause]));
        }
        if !matches!(media, JSON_PATCH | MERGE_PATCH | STRATEGIC_PATCH) {
            return Err(ApiError {
                details: Some(Box::new(serde_json::json!({}))),
                ..ApiError::unsupported_media_type("415: Unsupported Media Type")
            });
        }
        if media == STRATEGIC_PATCH && !call.def.builtin {
            let supported = [JSON_PATCH, MERGE_PATCH, APPLY_PATCH];
            return Err(ApiError::unsupported_media_type(format!(
                "the body of the request was in an unknown format - accepted media types include: {}",
                supported.join(", ")
            )));
        }
        let existing = self.current(call)?;
        let body = patch_body(call)?;
        if media == STRATEGIC_PATCH && !body.is_object() {
            let mut error = not_unmarshaled(&body, "map[string]interface {}");
            error.message = error.message.trim_start_matches("error decoding patch: ").to_owned();
            return Err(error);
        }
        let live = convert::from_storage(&call.def, call.version, &existing);
        let patched = patched(call, media, &live, &body)?;
        self.finish_patch(call, &existing, patched, part, Change::Update)
    }

    fn finish_patch(
        &mut self,
        call: &Call<'_>,
        existing: &std::sync::Arc<Value>,
        mut patched: Value,
        part: Part,
        change: Change,
    ) -> Result<Outcome, ApiError> {
        let name = call.name_or_empty();
        self.check_type(call, &mut patched).map_err(|error| {
            match error.message.split_once(" cannot be handled as a ") {
                Some((_, rest)) if call.def.builtin => {
                    let why = rest.split_once(": ").map_or(rest, |(_, why)| why);
                    let cause = Cause::invalid("patch", &Value::from(patched.to_string()), why);
                    ApiError::invalid("", "", "", &[cause])
                }
                _ => error,
            }
        })?;
        if meta::name(&patched).is_empty() {
            return Err(unnamed(name));
        }
        if meta::name(&patched) != name {
            let given = meta::name(&patched);
            return Err(ApiError::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
        let namespace = call.namespace.unwrap_or_default();
        if meta::text(&patched, "/metadata/namespace") != namespace {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        let wanted = meta::resource_version(&patched);
        if !wanted.is_empty() && wanted != "0" && wanted != meta::resource_version(existing) {
            return Err(ApiError::stale(&call.def.served, name));
        }
        self.replace(call, existing, patched, part, change).map(|object| Outcome::Object(200, object))
    }

    /// Server-side apply.
    fn apply(&mut self, call: &Call<'_>, part: Part) -> Result<Outcome, ApiError> {
        let config = configuration(call)?;
        let given = |field: &str| config.get(field).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (given("apiVersion"), given("kind"));
        if version != call.def.api_version(call.version) || kind != call.def.kind {
            let version = if version.contains('/') { version.to_owned() } else { format!("/{version}") };
            return Err(ApiError::bad_request(format!("invalid object type: {version}, Kind={kind}")));
        }
        let shown = call.def.api_version(call.version);
        let shown = if shown.contains('/') { shown } else { format!("/{shown}") };
        let place = format!(
            "{}/{}; {shown}, Kind={}",
            meta::text(&config, "/metadata/namespace"),
            meta::name(&config),
            call.def.kind
        );
        let problem = match &call.version_def().custom {
            Some(custom) => {
                let unknown = custom.prune(&mut config.clone()).unwrap_or_default();
                unknown.first().map(|first| format!(".{first}: field not declared in schema"))
            }
            None => crate::schema::typed_problem(call.def.group(), &call.version_def().name, &call.def.kind, &config),
        };
        if let Some(problem) = problem {
            return Err(ApiError::new(500, "", format!("failed to create typed patch object ({place}): {problem}")));
        }
        if config.pointer("/metadata/managedFields").and_then(Value::as_array).is_some_and(|fields| !fields.is_empty())
        {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        let force = call.request.query.flag("force");
        match self.current(call) {
            Err(error) if part != Part::Main => Err(error),
            Err(_) => {
                if !meta::uid(&config).is_empty() {
                    let uid = meta::uid(&config);
                    let why = format!(
                        "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                    );
                    return Err(ApiError::conflict(&call.def.served, call.name_or_empty(), &why));
                }
                if meta::name(&config).is_empty() {
                    return Err(unnamed(call.name_or_empty()));
                }
                if meta::name(&config) != call.name_or_empty() {
                    return Err(ApiError::bad_request(format!(
                        "the name of the object ({}) does not match the name on the URL ({})",
                        meta::name(&config),
                        call.name_or_empty()
                    )));
                }
                let merged = crate::fields::apply(call, part, None, &config, force, &place)?;
                self.insert(call, merged, Change::Apply).map(|object| Outcome::Object(201, object))
            }
            Ok(existing) => {
                let live = convert::from_storage(&call.def, call.version, &existing);
                let mut object = crate::fields::apply(call, part, Some(&live), &config, force, &place)?;
                let wanted = meta::resource_version(&config);
                if !wanted.is_empty() && wanted != "0" {
                    set_metadata(&mut object, "resourceVersion", Some(Value::from(wanted)));
                }
                self.finish_patch(call, &existing, object, part, Change::Apply)
            }
        }
    }
}

fn patched(call: &Call<'_>, media: &str, live: &Value, body: &Value) -> Result<Value, ApiError> {
    let mut object = live.clone();
    match media {
        JSON_PATCH => {
            if body.is_null() {
                return Ok(object);
            }
            let Some(operations) = body.as_array() else {
                return Err(not_unmarshaled(body, "[]handlers.jsonPatchOp"));
            };
            if let Some(wrong) = operations.iter().find(|operation| !operation.is_object() && !operation.is_null()) {
                return Err(not_unmarshaled(wrong, "handlers.jsonPatchOp"));
            }
            argo_merge::json_patch::apply(&mut object, body).map_err(json_patch_error)?;
        }
        MERGE_PATCH => {
            if body.is_null() {
                return Err(ApiError::bad_request("Invalid JSON Patch"));
            }
            if !body.is_object() {
                return Err(not_unmarshaled(body, "map[string]interface {}"));
            }
            argo_merge::merge_patch::apply(&mut object, body);
        }
        _ => {
            let schema = Schema::of(call.def.group(), &call.version_def().name, &call.def.kind);
            object = argo_merge::strategic::apply(live, body, &schema).map_err(strategic_error)?;
        }
    }
    Ok(object)
}

/// Whether a patch is a server-side apply.
pub(super) fn is_apply(call: &Call<'_>) -> bool {
    call.request.content_type.split(';').next().unwrap_or_default().trim() == APPLY_PATCH
}

/// The configuration of a server-side apply.
pub(super) fn configuration(call: &Call<'_>) -> Result<Value, ApiError> {
    if call.request.query.get("fieldManager").unwrap_or_default().is_empty() {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        return Err(ApiError::invalid("meta.k8s.io", "PatchOptions", "", &[cause]));
    }
    match &call.request.object {
        Some(object) => Ok(object.clone()),
        None => yaml_object(&call.request.body),
    }
}

fn strategic_error(error: StrategicError) -> ApiError {
    let message = error.to_string();
    match error {
        StrategicError::BadDocument
        | StrategicError::BadPrimitiveList
        | StrategicError::BadRetainKeys
        | StrategicError::BadSetElementOrder => ApiError::bad_request(message),
        _ => ApiError::new(500, "", message),
    }
}

fn unnamed(name: &str) -> ApiError {
    ApiError::bad_request(format!(
        "the name of the object ({name} based on URL) was undeterminable: name must be provided"
    ))
}

/// A configuration: a map, in YAML or JSON; nothing is an empty one.
fn yaml_object(body: &[u8]) -> Result<Value, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(serde_json::json!({}));
    }
    let value = yaml(body)?;
    if value.is_object() {
        return Ok(value);
    }
    let ApiError { message, .. } = not_unmarshaled(&value, "map[string]interface {}");
    let why = message.trim_start_matches("error decoding patch: ");
    Err(ApiError::bad_request(format!("error decoding YAML: error unmarshaling JSON: while decoding JSON: {why}")))
}

/// The patch in JSON.
pub(super) fn patch_body(call: &Call<'_>) -> Result<Value, ApiError> {
    match &call.request.object {
        Some(object) => Ok(object.clone()),
        None => serde_json::from_slice(&call.request.body).map_err(|error| {
            let why = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
            let head = if is_strategic(call) { "" } else { "error decoding patch: " };
            ApiError::bad_request(format!("{head}{why}"))
        }),
    }
}

/// The answer to a JSON patch that does not fit.
pub(super) fn json_patch_error(error: argo_merge::json_patch::JsonPatchError) -> ApiError {
    use argo_merge::json_patch::JsonPatchError;
    match error {
        JsonPatchError::TooLarge(_) => ApiError::new(413, "RequestEntityTooLarge", error.to_string()),
        _ => ApiError {
            details: Some(Box::new(serde_json::json!({}))),
            ..ApiError::new(422, "Invalid", "the server rejected our request due to an error in our request")
        },
    }
}

pub(super) fn is_strategic(call: &Call<'_>) -> bool {
    call.request.content_type.split(';').next().unwrap_or_default().trim() == STRATEGIC_PATCH
}

/// The answer to a strategic patch that leads to a value of the wrong type: unlike other patches it is not decoded from text, and the words
/// are those of the conversion of maps to structs. `why` are the decoder's.
pub(super) fn not_restored(call: &Call<'_>, why: &str) -> ApiError {
    let source = match why.strip_prefix("json: cannot unmarshal ").and_then(|rest| rest.split(' ').next()) {
        Some("array") => "slice",
        Some("object") => "map",
        Some("number") => "float64",
        Some(other) => other,
        None => return ApiError::invalid("", "", "", &[Cause::invalid("patch", &shown_patch(call), why)]),
    };
    let why = match why.rsplit_once(" of type ").map_or("", |(_, wanted)| wanted) {
        wanted if wanted.starts_with("[]") => format!("cannot restore slice from {source}"),
        wanted if wanted.starts_with("map[") => format!("cannot restore map from {source}"),
        wanted @ ("bool" | "string" | "int32" | "int64" | "float64") => format!("unrecognized type: {wanted}"),
        _ => format!("cannot restore struct from: {source}"),
    };
    ApiError::invalid("", "", "", &[Cause::invalid("patch", &shown_patch(call), &why)])
}

/// A patch as Go prints maps.
fn shown_patch(call: &Call<'_>) -> Value {
    fn go(value: &Value) -> String {
        match value {
            Value::Null => "<nil>".to_owned(),
            Value::String(text) => text.clone(),
            Value::Array(items) => format!("[{}]", items.iter().map(go).collect::<Vec<_>>().join(" ")),
            Value::Object(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}:{}", go(value))).collect();
                format!("map[{}]", fields.join(" "))
            }
            other => other.to_string(),
        }
    }
    Value::from(patch_body(call).map_or_else(|_| String::new(), |patch| go(&patch)))
}

fn not_unmarshaled(body: &Value, wanted: &str) -> ApiError {
    let actual = match body {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    ApiError::bad_request(format!(
        "error decoding patch: json: cannot unmarshal {actual} into Go value of type {wanted}"
    ))
}
