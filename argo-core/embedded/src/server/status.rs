//! Errors as kube-apiserver words them, and their `Status` bodies.

use serde_json::{Value, json};

use crate::store::{GroupResource, StoreError};

/// An error answer of the API server: HTTP code, machine-readable reason, message and details.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status code.
    pub code: u16,
    /// `reason` of the Status: `NotFound`, `Conflict`, `Invalid`, …; empty when unknown.
    pub reason: String,
    /// Text for humans, worded as kube-apiserver does.
    pub message: String,
    /// `details` of the Status: name, group, kind, uid, causes, retryAfterSeconds.
    pub details: Option<Box<Value>>,
}

/// One reason why an object is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueInvalid`, `FieldValueRequired`, …
    pub reason: &'static str,
    /// Path of the field.
    pub field: String,
    /// `Invalid value: "x": must be …`
    pub message: String,
}

// === impl ApiError ===

impl ApiError {
    /// An error without details.
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.to_owned(), message: message.into(), details: None }
    }

    fn about(code: u16, reason: &str, message: String, gr: &GroupResource, name: &str) -> Self {
        let mut details = json!({});
        for (field, value) in [("name", name), ("group", gr.group.as_ref()), ("kind", gr.resource.as_ref())] {
            if !value.is_empty() {
                details[field] = Value::from(value);
            }
        }
        Self { code, reason: reason.to_owned(), message, details: Some(Box::new(details)) }
    }

    /// 404 for an object.
    pub fn not_found(gr: &GroupResource, name: &str) -> Self {
        Self::about(404, "NotFound", format!("{gr} \"{name}\" not found"), gr, name)
    }

    /// 404 for a path that is not served.
    pub fn no_such_path() -> Self {
        Self {
            details: Some(Box::new(json!({}))),
            ..Self::new(404, "NotFound", "the server could not find the requested resource")
        }
    }

    /// 404 for a path outside all served groups: the body is plain text.
    pub(crate) fn not_a_path() -> Self {
        Self::plain(404, "404 page not found")
    }

    /// An answer in plain text: of code 404, or of 500 that says so at its beginning.
    pub(crate) fn plain(code: u16, text: &str) -> Self {
        Self::new(code, "", text)
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.reason.is_empty()
            && (self.code == 404 || self.code == 500 && self.message.starts_with("Internal Server Error: "))
    }

    /// 409 for a create.
    pub fn already_exists(gr: &GroupResource, name: &str) -> Self {
        Self::about(409, "AlreadyExists", format!("{gr} \"{name}\" already exists"), gr, name)
    }

    /// 409 for a write against a stale object or a failed precondition.
    pub fn conflict(gr: &GroupResource, name: &str, why: &str) -> Self {
        Self::about(409, "Conflict", format!("Operation cannot be fulfilled on {gr} \"{name}\": {why}"), gr, name)
    }

    /// 409 with the usual words about a stale resourceVersion.
    pub fn stale(gr: &GroupResource, name: &str) -> Self {
        Self::conflict(
            gr,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 403.
    pub fn forbidden(gr: &GroupResource, name: &str, why: &str) -> Self {
        let subject = match (gr.resource.as_ref(), name) {
            ("", _) => "forbidden".to_owned(),
            (_, "") => format!("{gr} is forbidden"),
            _ => format!("{gr} \"{name}\" is forbidden"),
        };
        Self::about(403, "Forbidden", format!("{subject}: {why}"), gr, name)
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 422 with one or more causes. `group_kind` is `Kind.group`.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let mut texts: Vec<String> = Vec::with_capacity(causes.len());
        for cause in causes {
            let text = format!("{}: {}", cause.field, cause.message);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let list = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let group_kind = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut details = json!({
            "causes": causes.iter().map(|cause| json!({ "reason": cause.reason, "message": cause.message, "field": cause.field })).collect::<Vec<_>>(),
        });
        for (field, value) in [("name", name), ("kind", kind)] {
            if !value.is_empty() {
                details[field] = Value::from(value);
            }
        }
        if !group.is_empty() {
            details["group"] = Value::from(group);
        }
        Self {
            code: 422,
            reason: "Invalid".to_owned(),
            message: format!("{group_kind} \"{name}\" is invalid: {list}"),
            details: Some(Box::new(details)),
        }
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        Self {
            details: Some(Box::new(json!({}))),
            ..Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        }
    }

    /// 410: the revision is not in the log any more.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 429; `retry_after` in seconds.
    pub fn too_many_requests(message: &str, retry_after: u64) -> Self {
        Self {
            details: Some(Box::new(json!({ "retryAfterSeconds": retry_after }))),
            ..Self::new(429, "TooManyRequests", message)
        }
    }

    /// 415.
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 500 that says nothing about its cause but the message.
    pub fn internal(message: &str) -> Self {
        Self {
            details: Some(Box::new(json!({ "causes": [{ "message": message }] }))),
            ..Self::new(500, "InternalError", format!("Internal error occurred: {message}"))
        }
    }

    /// Seconds after which the client shall try again, if the answer names them.
    pub fn retry_after(&self) -> Option<u64> {
        self.details.as_ref()?.get("retryAfterSeconds")?.as_u64()
    }

    /// Whether the object or path was not there.
    pub fn is_not_found(&self) -> bool {
        self.code == 404
    }

    /// Whether the write lost against another (`Conflict`); not `AlreadyExists`.
    pub fn is_conflict(&self) -> bool {
        self.code == 409 && self.reason == "Conflict"
    }

    /// Whether the object was there already.
    pub fn is_already_exists(&self) -> bool {
        self.code == 409 && self.reason == "AlreadyExists"
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self.code, 429 | 500 | 503 | 504) || self.is_conflict()
    }

    /// The `Status` object of the answer.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = Value::from(self.reason.as_str());
        }
        if let Some(details) = &self.details {
            status["details"] = (**details).clone();
        }
        status
    }

    /// Translates what the store refused.
    pub(crate) fn from_store(error: StoreError, gr: &GroupResource) -> Self {
        match error {
            StoreError::Exists(key) => Self::already_exists(gr, &key.name),
            StoreError::Missing(key) => Self::not_found(gr, &key.name),
            StoreError::Stale { key, .. } => Self::stale(gr, &key.name),
            StoreError::Compacted { requested, oldest } => {
                Self::expired(format!("too old resource version: {requested} ({oldest})"))
            }
        }
    }
}

// === impl Cause ===

impl Cause {
    /// `Required value: …`
    pub fn required(field: impl Into<String>, message: &str) -> Self {
        let message =
            if message.is_empty() { "Required value".to_owned() } else { format!("Required value: {message}") };
        Self { reason: "FieldValueRequired", field: field.into(), message }
    }

    /// `Invalid value: <value>: …`; the value is shown as Go's `%#v`-like form of field errors.
    pub fn invalid(field: impl Into<String>, value: &Value, message: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            field: field.into(),
            message: format!("Invalid value: {}: {message}", shown(value)),
        }
    }

    /// As [`Cause::invalid`] with the kind of value named instead of shown (`"string"`, `"object"`), as type errors of custom resources do.
    pub fn type_invalid(field: impl Into<String>, shown: &str, message: &str) -> Self {
        Self {
            reason: "FieldValueTypeInvalid",
            field: field.into(),
            message: format!("Invalid value: {shown}: {message}"),
        }
    }

    /// `Forbidden: …`
    pub fn forbidden(field: impl Into<String>, message: &str) -> Self {
        Self { reason: "FieldValueForbidden", field: field.into(), message: format!("Forbidden: {message}") }
    }

    /// `Unsupported value: <value>: supported values: "a", "b"`
    pub fn not_supported(field: impl Into<String>, value: &Value, supported: &[String]) -> Self {
        let list: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
        Self {
            reason: "FieldValueNotSupported",
            field: field.into(),
            message: format!("Unsupported value: {}: supported values: {}", shown(value), list.join(", ")),
        }
    }

    /// `Too long: may not be more than <limit> bytes`
    pub fn too_long(field: impl Into<String>, limit: usize) -> Self {
        let message = format!("Too long: may not be more than {limit} bytes");
        Self { reason: "FieldValueTooLong", field: field.into(), message }
    }

    /// `Not found: <value>`
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self { reason: "FieldValueNotFound", field: field.into(), message: format!("Not found: {}", shown(value)) }
    }

    /// `Duplicate value: …`
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self {
            reason: "FieldValueDuplicate",
            field: field.into(),
            message: format!("Duplicate value: {}", shown(value)),
        }
    }
}

/// A text as Go quotes it.
pub(crate) fn go_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c.is_control() && u32::from(c) < 0x100 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => go_quoted(text),
        other => other.to_string(),
    }
}
