//! Names, labels and annotations: what is allowed, and the words with which the rest is refused.

use serde_json::Value;

use super::status::Cause;
use crate::resources::{NameRule, ResourceDef};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
pub(super) const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// Problems with the metadata of an object about to be created or updated.
pub(crate) fn metadata_causes(def: &ResourceDef, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if let Some(problem) = name_problem(def.names, name) {
        causes.push(Cause::invalid("metadata.name", &Value::from(name), &problem));
    }
    for (key, value) in metadata.get("labels").and_then(Value::as_object).into_iter().flatten() {
        if !is_qualified_name(key) {
            causes.push(Cause::invalid("metadata.labels", &Value::from(key.as_str()), QUALIFIED));
        }
        if let Some(value) = value.as_str()
            && !is_label_value(value)
        {
            causes.push(Cause::invalid("metadata.labels", &Value::from(value), label_value_problem(value)));
        }
    }
    let mut size = 0;
    for (key, value) in metadata.get("annotations").and_then(Value::as_object).into_iter().flatten() {
        if !is_qualified_name(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &Value::from(key.as_str()), QUALIFIED));
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_LIMIT {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            field: "metadata.annotations".to_owned(),
            message: format!("Too long: may not be more than {ANNOTATIONS_LIMIT} bytes"),
        });
    }
    for (index, finalizer) in metadata.get("finalizers").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let field = format!("metadata.finalizers[{index}]");
        let text = finalizer.as_str().unwrap_or_default();
        // Custom resources may carry names without a domain, as those of Argo Events do.
        if !is_qualified_name(text) {
            causes.push(Cause::invalid(field, finalizer, QUALIFIED));
        } else if def.builtin && !text.contains('/') && !matches!(text, "orphan" | "foregroundDeletion" | "kubernetes")
        {
            let message = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(field, finalizer, message));
        }
    }
    for owner in metadata.get("ownerReferences").and_then(Value::as_array).into_iter().flatten() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner.get(field).and_then(Value::as_str).unwrap_or_default().is_empty() {
                let message = if field == "apiVersion" { "version must not be empty" } else { "must not be empty" };
                causes.push(Cause::invalid(format!("metadata.ownerReferences.{field}"), &Value::from(""), message));
            }
        }
    }
    let controllers = metadata
        .get("ownerReferences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|owner| owner.get("controller") == Some(&Value::Bool(true)))
        .count();
    if controllers > 1 {
        causes.push(Cause::invalid(
            "metadata.ownerReferences",
            &metadata["ownerReferences"],
            "Only one reference can have Controller set to true",
        ));
    }
    causes
}

fn name_problem(rule: NameRule, name: &str) -> Option<String> {
    let too_long = |limit: usize| format!("must be no more than {limit} characters");
    match rule {
        NameRule::Subdomain if name.len() > 253 => Some(too_long(253)),
        NameRule::Subdomain => (!is_subdomain(name)).then(|| SUBDOMAIN.to_owned()),
        NameRule::Label if name.contains('.') => Some("must not contain dots".to_owned()),
        NameRule::Label if name.len() > 63 => Some(too_long(63)),
        NameRule::Label => (!is_label(name)).then(|| LABEL.to_owned()),
        NameRule::Label1035 if name.len() > 63 => Some(too_long(63)),
        NameRule::Label1035 => {
            (!(is_label(name) && name.starts_with(|c: char| c.is_ascii_lowercase()))).then(|| LABEL_1035.to_owned())
        }
        NameRule::PathSegment => match name {
            "." | ".." => Some(format!("may not be '{name}'")),
            name if name.contains('/') => Some("may not contain '/'".to_owned()),
            name if name.contains('%') => Some("may not contain '%'".to_owned()),
            _ => None,
        },
    }
}

pub(crate) fn is_label(text: &str) -> bool {
    let edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= 63
        && edge(bytes[0])
        && edge(bytes[bytes.len() - 1])
        && bytes.iter().all(|&c| edge(c) || c == b'-')
}

pub(crate) fn is_subdomain(text: &str) -> bool {
    let part = |part: &str| {
        let edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let bytes = part.as_bytes();
        !bytes.is_empty()
            && edge(bytes[0])
            && edge(bytes[bytes.len() - 1])
            && bytes.iter().all(|&c| edge(c) || c == b'-')
    };
    text.len() <= 253 && text.split('.').all(part)
}

pub(crate) fn is_label_value(text: &str) -> bool {
    text.is_empty() || (text.len() <= 63 && is_name_part(text))
}

fn is_name_part(text: &str) -> bool {
    let edge = |c: u8| c.is_ascii_alphanumeric();
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= 63
        && edge(bytes[0])
        && edge(bytes[bytes.len() - 1])
        && bytes.iter().all(|&c| edge(c) || matches!(c, b'-' | b'_' | b'.'))
}

/// `[prefix/]name`
pub(crate) fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name_part(name),
        None => is_name_part(text),
    }
}

fn label_value_problem(value: &str) -> &'static str {
    if value.len() > 63 { "must be no more than 63 characters" } else { LABEL_VALUE }
}

pub(crate) fn bad_label_value(value: &str) -> String {
    format!("values[0][]: Invalid value: {value:?}: {}", label_value_problem(value))
}

pub(crate) fn bad_label_key(key: &str) -> String {
    format!("key: Invalid value: {key:?}: {QUALIFIED}")
}
