//! What is wrong with a definition, in the words of the real server. Upstream: `apiextensions/validation`.

mod conversion;
mod costs;
mod defaults;
mod formats;
mod openapi;
mod paths;
mod rules;
mod structural;
mod versions;

pub(crate) use formats::warnings as format_warnings;
use serde_json::Value;

use super::definition::{flag, text, texts, versions as versions_of};
use crate::server::Cause;
use crate::server::forms::{label_1035_problems, subdomain_problems};

const APPROVED: &str = "api-approved.kubernetes.io";

/// Something wrong with a value that is shown as it is, not as JSON.
fn invalid_shown(field: impl Into<String>, shown: &str, why: &str) -> Cause {
    Cause { reason: "FieldValueInvalid", field: field.into(), message: format!("Invalid value: {shown}: {why}") }
}

fn invalid_text(field: impl Into<String>, value: &str, why: &str) -> Cause {
    Cause::invalid(field, &Value::from(value), why)
}

/// What a schema says under a name that is not null.
fn given<'a>(schema: &'a Value, field: &str) -> Option<&'a Value> {
    schema.get(field).filter(|value| !value.is_null())
}

/// What is wrong with a definition; `live` is what it replaces.
pub(crate) fn validate_definition(definition: &Value, live: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    names(definition, live, &mut causes);
    versions::check(definition, live, &mut causes);
    conversion::check(definition, live, &mut causes);
    stored_versions(definition, &mut causes);
    approval(definition, live, &mut causes);
    let keeps = |definition: &Value| flag(&definition["spec"], "preserveUnknownFields");
    if keeps(definition) && !live.is_some_and(keeps) {
        let why =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        causes.push(Cause::invalid("spec.preserveUnknownFields", &Value::Bool(true), why));
    }
    if let Some(live) = live {
        let established = live.pointer("/status/conditions").and_then(Value::as_array).is_some_and(|conditions| {
            conditions.iter().any(|it| it["type"] == "Established" && it["status"] == "True")
        });
        let fixed = [
            ("/spec/scope", established),
            ("/spec/names/kind", established),
            ("/spec/group", true),
            ("/spec/names/plural", true),
        ];
        for (pointer, _) in fixed.into_iter().filter(|(_, fixed)| *fixed) {
            if text(live, pointer) != text(definition, pointer) {
                let field = pointer.trim_start_matches('/').replace('/', ".");
                causes.push(invalid_text(field, text(definition, pointer), "field is immutable"));
            }
        }
    }
    causes
}

/// Group, scope and names; the name of the definition is made of them.
fn names(definition: &Value, live: Option<&Value>, causes: &mut Vec<Cause>) {
    let at = |field: &str| text(definition, &format!("/spec/{}", field.replace('.', "/")));
    let name = text(definition, "/metadata/name");
    let (plural, group) = (at("names.plural"), at("group"));
    if live.is_none() && !name.is_empty() && name != format!("{plural}.{group}") {
        causes.push(invalid_text("metadata.name", name, "must be spec.names.plural+\".\"+spec.group"));
    }
    let problems = subdomain_problems(group);
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
    } else if !problems.is_empty() {
        causes.push(invalid_text("spec.group", group, &problems.join(",")));
    } else if !group.contains('.') {
        causes.push(invalid_text("spec.group", group, "should be a domain with at least one dot"));
    }
    match at("scope") {
        "" => causes.push(Cause::required("spec.scope", "")),
        "Namespaced" | "Cluster" => {}
        other => causes.push(unsupported("spec.scope", other, &["Cluster", "Namespaced"])),
    }
    for field in ["plural", "singular", "kind", "listKind"] {
        let (path, value) = (format!("spec.names.{field}"), at(&format!("names.{field}")));
        if value.is_empty() {
            causes.push(Cause::required(path, ""));
            continue;
        }
        let mixed = field.to_lowercase().ends_with("kind");
        let problems = label_1035_problems(&if mixed { value.to_lowercase() } else { value.to_owned() });
        if !problems.is_empty() {
            let mark = if mixed { "may have mixed case, but should otherwise match: " } else { "" };
            causes.push(invalid_text(path, value, &format!("{mark}{}", problems.join(","))));
        }
    }
    let kind = at("names.kind");
    if !kind.is_empty() && kind == at("names.listKind") {
        causes.push(invalid_text("spec.names.listKind", kind, "kind and listKind may not be the same"));
    }
    for field in ["shortNames", "categories"] {
        for (index, name) in texts(definition, &format!("/spec/names/{field}")).iter().enumerate() {
            let problems = label_1035_problems(name);
            if !problems.is_empty() {
                causes.push(invalid_text(format!("spec.names.{field}[{index}]"), name, &problems.join(",")));
            }
        }
    }
}

fn unsupported(field: impl Into<String>, value: &str, supported: &[&str]) -> Cause {
    let supported: Vec<String> = supported.iter().map(|it| (*it).to_owned()).collect();
    Cause::not_supported(field, &Value::from(value), &supported)
}

/// Versions that objects are stored in must stay.
fn stored_versions(definition: &Value, causes: &mut Vec<Cause>) {
    const FIELD: &str = "status.storedVersions";
    let stored = texts(definition, "/status/storedVersions");
    if stored.is_empty() {
        causes.push(invalid_shown(FIELD, "null", "must have at least one stored version"));
        return;
    }
    let mut left: Vec<(usize, &String)> = stored.iter().enumerate().collect();
    for version in versions_of(definition) {
        let name = text(version, "/name");
        if flag(version, "storage") && !left.iter().any(|(_, it)| *it == name) {
            let shown = Value::from(stored.clone());
            causes.push(Cause::invalid(FIELD, &shown, &format!("must have the storage version {name}")));
        }
        left.retain(|(_, it)| *it != name);
    }
    for (index, version) in left {
        let why = format!(
            "missing from spec.versions; {version} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {version} and removes {version} from status.storedVersions"
        );
        causes.push(invalid_text(format!("{FIELD}[{index}]"), version, &why));
    }
}

/// Groups of the community need its word.
fn approval(definition: &Value, live: Option<&Value>, causes: &mut Vec<Cause>) {
    let group = text(definition, "/spec/group");
    if !["k8s.io", "kubernetes.io"].iter().any(|own| group == *own || group.ends_with(&format!(".{own}"))) {
        return;
    }
    let word = |definition: &Value| {
        definition
            .pointer("/metadata/annotations")
            .and_then(|it| it.get(APPROVED))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let state = |word: &str| match word {
        "" => 0,
        word if word.starts_with("unapproved") => 1,
        word if word
            .split_once("://")
            .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/')) =>
        {
            2
        }
        _ => 3,
    };
    let now = word(definition);
    if live.is_some_and(|live| state(&word(live)) == state(&now)) {
        return;
    }
    let field = format!("metadata.annotations[{APPROVED}]");
    let more = "see https://github.com/kubernetes/enhancements/pull/1111";
    let head = format!("protected groups must have approval annotation {APPROVED:?}");
    match state(&now) {
        0 => causes.push(Cause::required(field, &format!("{head}, {more}"))),
        3 => {
            let why = format!("{head} with either a URL or a reason starting with \"unapproved\", {more}");
            causes.push(invalid_text(field, &now, &why));
        }
        _ => {}
    }
}
