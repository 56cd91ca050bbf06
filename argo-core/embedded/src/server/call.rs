//! A request whose path led to a resource, and its body.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::admission::Attempt;
use super::decode;
use super::request::{RawRequest, Verb};
use super::status::ApiError;
use crate::resources::ResourceDef;

/// A request whose path led to a resource.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) verb: Verb,
    pub(crate) def: Arc<ResourceDef>,
    /// Index of the requested version in `def.versions`.
    pub(crate) version: usize,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) subresource: Option<&'a str>,
    pub(crate) request: &'a RawRequest,
    pub(crate) dry_run: bool,
    pub(crate) now: jiff::Timestamp,
    /// What webhooks said so far; nothing where none are asked.
    pub(crate) attempt: Option<&'a Attempt>,
}

// === impl Call ===

impl Call<'_> {
    pub(crate) fn version_def(&self) -> &crate::resources::VersionDef {
        &self.def.versions[self.version]
    }

    /// The name of the object as errors quote it.
    pub(crate) fn name_or_empty(&self) -> &str {
        self.name.unwrap_or_default()
    }

    /// Who owns the fields this request writes.
    pub(crate) fn field_manager(&self) -> String {
        match self.request.query.get("fieldManager") {
            Some(manager) => manager.to_owned(),
            None if self.request.caller.client.is_empty() => "unknown".to_owned(),
            None => self.request.caller.client.clone(),
        }
    }

    /// What YAML says twice is for strict readers to complain of.
    fn strict_yaml(&self, mut error: ApiError) -> ApiError {
        const MARK: &str = "yaml: unmarshal errors:";
        if self.request.query.get("fieldValidation") == Some("Strict")
            && let Some((_, rest)) = error.message.split_once(MARK)
        {
            let (kind, version) = (&self.def.kind, &self.version_def().name);
            error.message = format!(
                "{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {MARK}{rest}"
            );
        }
        error
    }

    /// Reads the body as JSON or YAML.
    pub(crate) fn body(&self) -> Result<Value, ApiError> {
        match &self.request.object {
            Some(object) => Ok(object.clone()),
            None => {
                let body = decode_body(&self.def.kind, &self.request.content_type, &self.request.body)
                    .map_err(|error| self.strict_yaml(error))?;
                Ok(if body.is_null() && self.def.builtin { serde_json::json!({}) } else { body })
            }
        }
    }
}

/// Reads a body of the given content type.
pub(crate) fn decode_body(kind: &str, content_type: &str, body: &Bytes) -> Result<Value, ApiError> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    match media {
        "" | "application/json" | "*/*" => serde_json::from_slice(body).map_err(|error| {
            let text = String::from_utf8_lossy(body);
            let why = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
            ApiError::bad_request(format!("the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {why} ({})", decode::excerpt(&text)))
        }),
        "application/yaml" | "application/x-yaml" if body.iter().all(u8::is_ascii_whitespace) => Ok(Value::Null),
        "application/yaml" | "application/x-yaml" => yaml(body),
        "application/vnd.kubernetes.protobuf" => crate::schema::decode_protobuf(body)
            .map_err(|why| ApiError::bad_request(format!("couldn't get version/kind; protobuf parse error: {why}"))),
        _ => Err(ApiError::unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
        )),
    }
}

/// One YAML (or JSON) document.
pub(crate) fn yaml(body: &[u8]) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| ApiError::bad_request("error converting YAML to JSON: yaml: invalid UTF-8"))?;
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    let documents = crate::yaml::documents(text).map_err(|error| {
        ApiError::bad_request(format!("error decoding YAML: error converting YAML to JSON: yaml: {error}"))
    })?;
    documents.into_iter().next().ok_or_else(|| ApiError::bad_request("error decoding YAML: no document"))
}
