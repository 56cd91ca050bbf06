//! Names, labels and annotations: what is allowed, and the words with which the rest is refused.

use serde_json::Value;

pub(crate) use super::forms::*;
use super::status::Cause;
use crate::resources::{NameRule, ResourceDef};

pub(super) const ANNOTATIONS_LIMIT: usize = 256 * 1024;

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
        for problem in name_problems(def.names, &whole) {
            causes.push(Cause::invalid("metadata.generateName", &Value::from(prefix), &problem));
        }
    }
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        for problem in name_problems(def.names, name) {
            causes.push(Cause::invalid("metadata.name", &Value::from(name), &problem));
        }
    }
    for (key, value) in metadata.get("labels").and_then(Value::as_object).into_iter().flatten() {
        for problem in qualified_name_problems(key) {
            causes.push(Cause::invalid("metadata.labels", &Value::from(key.as_str()), &problem));
        }
        for problem in label_value_problems(value.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid("metadata.labels", value, &problem));
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

/// What is wrong with the name of an object of a kind.
fn name_problems(rule: NameRule, name: &str) -> Vec<String> {
    match rule {
        NameRule::Subdomain => subdomain_problems(name),
        NameRule::Label => label_problems(name),
        NameRule::Label1035 => label_1035_problems(name),
        NameRule::Any => Vec::new(),
        NameRule::PathSegment => path_segment_problems(name),
    }
}

/// Kinds whose strategy knows which finalizers without a domain there are.
fn typed_finalizers(def: &ResourceDef) -> bool {
    def.builtin
        && !matches!(def.group(), "policy" | "coordination.k8s.io" | "admissionregistration.k8s.io" | "storage.k8s.io")
}
