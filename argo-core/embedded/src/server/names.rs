//! Names, labels and annotations: what is allowed, and the words with which the rest is refused.

use serde_json::Value;

use super::status::Cause;
use crate::resources::{NameRule, ResourceDef};

pub(super) const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
pub(super) const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// Problems with the metadata of an object about to be created or updated.
pub(crate) fn metadata_causes(def: &ResourceDef, object: &Value, live: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default();
    let prefix = metadata.get("generateName").and_then(Value::as_str).unwrap_or_default();
    if !prefix.is_empty() && live.is_none() {
        // The dash or dot at the end is followed by more.
        let whole = match prefix.strip_suffix('-') {
            Some(stem) if !matches!(def.names, NameRule::PathSegment) => format!("{stem}a"),
            _ => prefix.to_owned(),
        };
        if let Some(problem) = name_problem(def.names, &whole) {
            causes.push(Cause::invalid("metadata.generateName", &Value::from(prefix), &problem));
        }
    }
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if let Some(problem) = name_problem(def.names, name) {
        causes.push(Cause::invalid("metadata.name", &Value::from(name), &problem));
    }
    for (key, value) in metadata.get("labels").and_then(Value::as_object).into_iter().flatten() {
        for problem in qualified_name_problems(key) {
            causes.push(Cause::invalid("metadata.labels", &Value::from(key.as_str()), &problem));
        }
        if let Some(value) = value.as_str()
            && !is_label_value(value)
        {
            causes.push(Cause::invalid("metadata.labels", &Value::from(value), label_value_problem(value)));
        }
    }
    let mut size = 0;
    for (key, value) in metadata.get("annotations").and_then(Value::as_object).into_iter().flatten() {
        for problem in qualified_name_problems(&key.to_lowercase()) {
            causes.push(Cause::invalid("metadata.annotations", &Value::from(key.as_str()), &problem));
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_LIMIT {
        causes.push(Cause::too_long("metadata.annotations", ANNOTATIONS_LIMIT));
    }
    let finalizers = metadata.get("finalizers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (index, finalizer) in finalizers.iter().enumerate() {
        let text = finalizer.as_str().unwrap_or_default();
        for problem in qualified_name_problems(text) {
            causes.push(Cause::invalid("metadata.finalizers", finalizer, &problem));
        }
        // Other kinds may carry names without a domain, as those of Argo Events do.
        let standard = matches!(text, "orphan" | "foregroundDeletion" | "kubernetes");
        if typed_finalizers(def) && !text.contains('/') && !standard {
            let message = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(format!("metadata.finalizers[{index}]"), finalizer, message));
        }
    }
    if ["orphan", "foregroundDeletion"].iter().all(|wanted| finalizers.contains(&Value::from(*wanted))) {
        let list = Value::from(finalizers);
        let message = "finalizer orphan and foregroundDeletion cannot be both set";
        causes.push(Cause::invalid("metadata.finalizers", &list, message));
    }
    for owner in metadata.get("ownerReferences").and_then(Value::as_array).into_iter().flatten() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner.get(field).and_then(Value::as_str).unwrap_or_default().is_empty() {
                let message = if field == "apiVersion" { "version must not be empty" } else { "must not be empty" };
                causes.push(Cause::invalid(format!("metadata.ownerReferences.{field}"), &Value::from(""), message));
            }
        }
        if owner.get("kind").and_then(Value::as_str) == Some("Event")
            && owner.get("apiVersion").and_then(Value::as_str) == Some("v1")
        {
            let shown = owner_text(owner);
            let message = format!("Invalid value: {shown}: /v1, Kind=Event is disallowed from being an owner");
            causes.push(Cause { reason: "FieldValueInvalid", field: "metadata.ownerReferences".to_owned(), message });
        }
    }
    let owners = metadata.get("ownerReferences").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut controllers = owners.iter().filter(|owner| owner.get("controller") == Some(&Value::Bool(true)));
    if let Some(first) = controllers.next() {
        let shown = |owner: &Value| {
            let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            format!("{}/{}", text("kind"), text("name"))
        };
        for other in controllers {
            let list: Vec<String> = owners.iter().map(owner_text).collect();
            let message = format!(
                "Invalid value: [{}]: Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
                list.join(","),
                shown(first),
                shown(other)
            );
            causes.push(Cause { reason: "FieldValueInvalid", field: "metadata.ownerReferences".to_owned(), message });
        }
    }
    causes
}

/// An owner reference with its members in the order of the Go type.
fn owner_text(owner: &Value) -> String {
    let members: Vec<String> = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"]
        .iter()
        .filter_map(|field| owner.get(*field).map(|value| format!("\"{field}\":{value}")))
        .collect();
    format!("{{{}}}", members.join(","))
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
        NameRule::Any => None,
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

/// Kinds whose strategy knows which finalizers without a domain there are.
fn typed_finalizers(def: &ResourceDef) -> bool {
    def.builtin
        && !matches!(def.group(), "policy" | "coordination.k8s.io" | "admissionregistration.k8s.io" | "storage.k8s.io")
}

/// What is wrong with a `[prefix/]name`, in the words of apimachinery.
pub(crate) fn qualified_name_problems(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split('/').collect();
    let mut problems = Vec::new();
    let name = match parts[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                problems.push("prefix part must be non-empty".to_owned());
            } else if prefix.len() > 253 {
                problems.push("prefix part must be no more than 253 characters".to_owned());
            } else if !is_subdomain(prefix) {
                problems.push(format!("prefix part {SUBDOMAIN}"));
            }
            name
        }
        _ => {
            let rest = QUALIFIED.trim_start_matches("name part");
            problems.push(format!(
                "a qualified name{rest} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
            return problems;
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        problems.push("name part must be no more than 63 characters".to_owned());
    }
    if name.len() > 63 && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.')) {
        return problems;
    }
    if !is_name_part(name) {
        problems.push(QUALIFIED.to_owned());
    }
    problems
}

pub(super) fn label_value_problem(value: &str) -> &'static str {
    if value.len() > 63 { "must be no more than 63 characters" } else { LABEL_VALUE }
}
