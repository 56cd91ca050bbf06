//! Versions: names, schemas, subresources, columns, selectable fields. What all versions share is told once, of the whole.

use serde_json::{Value, json};

use super::{Cause, flag, given, invalid_shown, invalid_text, label_1035_problems, openapi, paths, text, versions_of};

const COLUMN_TYPES: &str = "boolean,date,integer,number,string";
const COLUMN_FORMATS: &str = "byte,date,date-time,double,float,int32,int64,password";

/// Fields of versions, and where they are told of if all versions share them.
const SHARED: [(&str, &str); 4] = [
    ("schema", "validation"),
    ("subresources", "subresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
];

/// Whether all versions say the same of something.
fn shared(versions: &[Value], field: &str) -> bool {
    let empty = |value: Option<&Value>| value.filter(|it| !it.is_null() && **it != json!([])).cloned();
    versions.iter().all(|version| empty(version.get(field)) == empty(versions[0].get(field)))
}

pub(super) fn check(definition: &Value, live: Option<&Value>, causes: &mut Vec<Cause>) {
    let versions = versions_of(definition);
    for (index, version) in versions.iter().enumerate() {
        let (name, path) = (text(version, "/name"), format!("spec.versions[{index}]"));
        let problems = label_1035_problems(name);
        if !problems.is_empty() {
            causes.push(invalid_text(format!("{path}.name"), name, &problems.join(",")));
            if index == 0 && !name.is_empty() {
                causes.push(invalid_text("spec.version", name, &problems.join(",")));
            }
        }
        deprecation(version, &path, causes);
        if version.pointer("/schema/openAPIV3Schema").is_none_or(Value::is_null) {
            causes.push(Cause::required(format!("{path}.schema.openAPIV3Schema"), ""));
        }
    }
    let once = |name: &str| versions.iter().filter(|version| text(version, "/name") == name).count() == 1;
    if !versions.iter().all(|version| once(text(version, "/name"))) {
        causes.push(invalid_shown("spec.versions", &shown(definition), "must contain unique version names"));
    }
    if versions.iter().filter(|version| flag(version, "storage")).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(invalid_shown("spec.versions", &shown(definition), why));
    }
    if versions.is_empty() {
        return;
    }
    for (field, whole) in SHARED {
        let all = shared(versions, field);
        for (index, version) in versions.iter().enumerate().take(if all { 1 } else { versions.len() }) {
            let path = if all { format!("spec.{whole}") } else { format!("spec.versions[{index}].{field}") };
            let Some(value) = given(version, field) else { continue };
            match field {
                "schema" => schema(definition, live, version, all, &path, causes),
                "subresources" => subresources(value, &path, causes),
                "additionalPrinterColumns" => columns(value, &path, causes),
                _ => selectable(version, value, &path, causes),
            }
        }
    }
}

/// The versions as Go shows them, without what all of them share.
fn shown(definition: &Value) -> String {
    let Some(versions) = definition.pointer("/spec/versions").and_then(Value::as_array) else {
        return "null".to_owned();
    };
    let part = |version: &Value, field: &str| match shared(versions, field) {
        true => "null".to_owned(),
        false => version.get(field).unwrap_or(&Value::Null).to_string(),
    };
    let shown: Vec<String> = versions
        .iter()
        .map(|version| {
            format!(
                "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\"Schema\":{},\"Subresources\":{},\"AdditionalPrinterColumns\":{},\"SelectableFields\":{}}}",
                Value::from(text(version, "/name")),
                flag(version, "served"),
                flag(version, "storage"),
                flag(version, "deprecated"),
                version.get("deprecationWarning").unwrap_or(&Value::Null),
                part(version, "schema"),
                part(version, "subresources"),
                part(version, "additionalPrinterColumns"),
                part(version, "selectableFields"),
            )
        })
        .collect();
    format!("[{}]", shown.join(","))
}

fn deprecation(version: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(warning) = version.get("deprecationWarning").and_then(Value::as_str) else { return };
    let mut refuse = |why: &str| causes.push(invalid_text(format!("{path}.deprecationWarning"), warning, why));
    if !flag(version, "deprecated") {
        return refuse("can only be set for deprecated versions");
    }
    if warning.len() > 256 {
        refuse("must be <= 256 characters long");
    }
    if warning.is_empty() {
        refuse("must not be an empty string");
    }
    if let Some((index, _)) = warning.char_indices().find(|(_, c)| c.is_control() || (c.is_whitespace() && *c != ' ')) {
        refuse(&format!(
            "must only contain printable UTF-8 characters; non-printable character found at index {index}"
        ));
    }
}

fn schema(definition: &Value, live: Option<&Value>, version: &Value, all: bool, path: &str, causes: &mut Vec<Cause>) {
    let Some(schema) = version.pointer("/schema/openAPIV3Schema").filter(|it| it.is_object()) else { return };
    let has_status = |version: &Value| version.pointer("/subresources/status").is_some_and(|it| !it.is_null());
    let status = if all { versions_of(definition).iter().any(has_status) } else { has_status(version) };
    let name = text(version, "/name");
    let before = live.and_then(|live| versions_of(live).iter().find(|it| text(it, "/name") == name));
    // What was accepted before is not looked at again: limits may have changed since.
    let unchanged = before.and_then(|it| it.pointer("/schema/openAPIV3Schema")) == Some(schema);
    openapi::check(schema, &format!("{path}.openAPIV3Schema"), status, unchanged, causes);
}

fn subresources(value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(scale) = given(value, "scale") else { return };
    let mut at = |field: &str, roots: &[&str], wanted: &str| {
        let (value, path) = (text(scale, &format!("/{field}")), format!("{path}.scale.{field}"));
        if value.is_empty() {
            if field != "labelSelectorPath" {
                causes.push(Cause::required(path, ""));
            }
        } else if !value.starts_with('.') {
            causes.push(invalid_text(path, value, "must be a simple json path starting with ."));
        } else if !roots.iter().any(|root| value.starts_with(root)) {
            causes.push(invalid_text(path, value, &format!("should be a json path under {wanted}")));
        }
    };
    at("specReplicasPath", &[".spec."], ".spec");
    at("statusReplicasPath", &[".status."], ".status");
    at("labelSelectorPath", &[".spec.", ".status."], "either .spec or .status");
}

fn columns(value: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (index, column) in value.as_array().into_iter().flatten().enumerate() {
        let at = |field: &str| format!("{path}[{index}].{field}");
        let [name, kind, format, json_path] =
            ["/name", "/type", "/format", "/jsonPath"].map(|field| text(column, field));
        if name.is_empty() {
            causes.push(Cause::required(at("name"), ""));
        }
        let why = format!("must be one of {COLUMN_TYPES}");
        if kind.is_empty() {
            causes.push(Cause::required(at("type"), &why));
        } else if !COLUMN_TYPES.split(',').any(|it| it == kind) {
            causes.push(invalid_text(at("type"), kind, &why));
        }
        if !format.is_empty() && !COLUMN_FORMATS.split(',').any(|it| it == format) {
            causes.push(invalid_text(at("format"), format, &format!("must be one of {COLUMN_FORMATS}")));
        }
        if json_path.is_empty() {
            causes.push(Cause::required(at("JSONPath"), ""));
        } else if !json_path.starts_with('.') {
            causes.push(invalid_text(at("JSONPath"), json_path, "must be a simple json path starting with ."));
        }
    }
}

fn selectable(version: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let fields = value.as_array().map_or(&[][..], Vec::as_slice);
    let Some(schema) = version.pointer("/schema/openAPIV3Schema").filter(|_| !fields.is_empty()) else { return };
    let mut seen: Vec<String> = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let (at, json_path) = (format!("{path}[{index}].jsonPath"), text(field, "/jsonPath"));
        if json_path.is_empty() {
            causes.push(Cause::required(at, ""));
            continue;
        }
        let (steps, found) = match paths::find(json_path, schema, false) {
            Ok(found) => found,
            Err(why) => {
                causes.push(invalid_text(at, json_path, &format!("is an invalid path: {why}")));
                continue;
            }
        };
        if steps.first().is_some_and(|root| root == "metadata") {
            causes.push(invalid_text(at.as_str(), json_path, "must not point to fields in metadata"));
        }
        if !matches!(text(found, "/type"), "string" | "boolean" | "integer") {
            let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            causes.push(invalid_text(at.as_str(), json_path, why));
        }
        let steps = steps.join(".");
        if seen.contains(&steps) {
            causes.push(Cause::duplicate(at, &Value::from(json_path)));
        } else {
            seen.push(steps);
        }
    }
    if seen.len() > 8 {
        let message = format!("Too many: {}: must have at most 8 items", seen.len());
        causes.push(Cause { reason: "FieldValueTooMany", field: path.to_owned(), message });
    }
}
