//! What a body must look like before anything is done with it: its type, its place, its fields.

use serde_json::{Value, json};

use super::Call;
use super::meta::{self, set_metadata};
use super::request::Verb;
use super::state::State;
use super::status::{ApiError, Cause};

// === impl State ===

impl State {
    /// apiVersion and kind must be those of the path; absent ones are filled in.
    pub(super) fn check_type(&self, call: &Call<'_>, object: &mut Value) -> Result<(), ApiError> {
        let wanted = call.def.api_version(call.version);
        let Some(root) = object.as_object_mut() else {
            return Err(ApiError::bad_request(
                "couldn't get version/kind; json parse error: json: cannot unmarshal into Go value of type struct",
            ));
        };
        let kind = root.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let version = root.get("apiVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !call.def.builtin && kind.is_empty() {
            let shown = Value::Object(root.clone()).to_string();
            return Err(ApiError::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): Object 'Kind' is missing in '{shown}' ({})",
                call.def.kind,
                excerpt(&shown)
            )));
        }
        let short = |version: &str| version.rsplit('/').next().unwrap_or_default().to_owned();
        let known = |version: &str, kind: &str| {
            self.registry.iter().any(|def| {
                def.builtin
                    && def.kind == kind
                    && (0..def.versions.len()).any(|index| def.api_version(index) == version)
            })
        };
        let given = if version.is_empty() { wanted.as_str() } else { version.as_str() };
        let named = if kind.is_empty() { call.def.kind.as_str() } else { kind.as_str() };
        if call.def.builtin && !known(given, named) && (given != wanted || named != call.def.kind) {
            return Err(ApiError::bad_request(format!(
                "{named} in version {:?} cannot be handled as a {}: no kind {named:?} is registered for version {given:?} in scheme \"pkg/runtime/scheme.go:110\"",
                short(given),
                call.def.kind
            )));
        }
        if given != wanted {
            return Err(ApiError::bad_request(format!(
                "the API version in the data ({version}) does not match the expected API version ({wanted})"
            )));
        }
        if named != call.def.kind {
            if !call.def.builtin {
                let name = root
                    .get("metadata")
                    .and_then(|metadata| metadata.get("name"))
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let cause = Cause::invalid("kind", &Value::from(kind.as_str()), &format!("must be {}", call.def.kind));
                return Err(ApiError::invalid(call.def.group(), &kind, name, &[cause]));
            }
            let internal = call.def.group().split('.').next().filter(|group| !group.is_empty()).unwrap_or("core");
            let short = &call.version_def().name;
            return Err(ApiError::bad_request(format!(
                "{kind} in version {short:?} cannot be handled as a {own}: converting ({short}.{kind}) to ({internal}.{own}): unknown conversion",
                own = call.def.kind
            )));
        }
        root.insert("kind".to_owned(), Value::from(call.def.kind.as_str()));
        root.insert("apiVersion".to_owned(), Value::from(wanted.as_str()));
        match root.get("metadata") {
            None | Some(Value::Null) => {
                root.insert("metadata".to_owned(), json!({}));
            }
            Some(Value::Object(_)) => {}
            Some(other) => {
                let actual = match other {
                    Value::Array(_) => "array",
                    Value::String(_) => "string",
                    Value::Bool(_) => "bool",
                    _ => "number",
                };
                return Err(ApiError::bad_request(format!(
                    "{kind} in version {:?} cannot be handled as a {kind}: json: cannot unmarshal {actual} into Go struct field {kind}.metadata of type v1.ObjectMeta",
                    short(&wanted),
                    kind = call.def.kind,
                )));
            }
        }
        Ok(())
    }

    pub(super) fn check_namespace_field(&self, call: &Call<'_>, object: &mut Value) -> Result<(), ApiError> {
        let given = meta::text(object, "/metadata/namespace").to_owned();
        match call.namespace {
            Some(namespace) if !given.is_empty() && given != namespace => Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            )),
            Some(namespace) => {
                set_metadata(object, "namespace", Some(Value::from(namespace)));
                Ok(())
            }
            None => {
                set_metadata(object, "namespace", None);
                Ok(())
            }
        }
    }

    /// Unknown fields go, or are refused under strict validation; wrong types are refused.
    pub(super) fn prune(&mut self, call: &Call<'_>, object: &mut Value) -> Result<(), ApiError> {
        let unknown = match &call.version_def().custom {
            Some(custom) => custom.prune(object),
            None => crate::schema::prune(call.def.group(), &call.version_def().name, &call.def.kind, object),
        };
        let refuse = |object: &Value, why: &str| match call.verb {
            // A patch that leads to an undecodable object is at fault itself.
            Verb::Patch if super::patch::is_strategic(call) => super::patch::not_restored(call, why),
            Verb::Patch => {
                let cause = Cause::invalid("patch", &Value::from(object.to_string()), why);
                ApiError::invalid("", "", "", &[cause])
            }
            _ => {
                let (kind, version) = (&call.def.kind, &call.version_def().name);
                ApiError::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
            }
        };
        let unknown = unknown.map_err(|why| refuse(object, &why))?;
        let mut texts = Vec::new();
        let json = matches!(call.request.content_type.split(';').next(), None | Some("" | "application/json"));
        if json && call.request.object.is_none() && call.verb != Verb::Patch && call.def.builtin {
            let twice = super::duplicates::of(&call.request.body);
            texts.extend(twice.iter().map(|path| format!("duplicate field {path:?}")));
        }
        texts.extend(unknown.iter().map(|path| format!("unknown field {path:?}")));
        if texts.is_empty() {
            return Ok(());
        }
        match call.request.query.get("fieldValidation") {
            Some("Strict") => Err(refuse(object, &format!("strict decoding error: {}", texts.join(", ")))),
            Some("Ignore") => Ok(()),
            _ => {
                self.warnings.extend(texts);
                Ok(())
            }
        }
    }
}

/// The beginning of a body, as messages quote it.
pub(super) fn excerpt(text: &str) -> String {
    let shown = |text: &str| if text.starts_with('{') { text.to_owned() } else { hex::encode(text) };
    match text.char_indices().nth(30) {
        Some((end, _)) => format!("{} ...", shown(&text[..end])),
        None => shown(text),
    }
}
