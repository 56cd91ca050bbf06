//! Structural schemas: each field has a type, and logic only narrows what is said outside of it. Upstream: `apiserver/schema/validation.go`.

use serde_json::{Map, Value};

use super::{Cause, flag, given, invalid_text, text};

/// Where in an object a schema stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Lists of schemas that must hold together.
const JUNCTORS: [&str; 3] = ["anyOf", "allOf", "oneOf"];

/// Why a schema is not structural.
pub(super) fn check(schema: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    invariants(schema, Level::Root, path, &mut causes);
    completeness(schema, schema, path, path, &mut causes);
    causes
}

/// Something that no structural schema has.
pub(super) fn unsupported(schema: &Value) -> Option<String> {
    for field in ["id", "$schema", "$ref", "patternProperties", "dependencies", "additionalItems", "definitions"] {
        if is_set(schema, field) {
            return Some(format!("OpenAPIV3Schema '{}' is not supported", field.replace("$schema", "schema")));
        }
    }
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        return Some("internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined".to_owned());
    }
    if schema.get("items").is_some_and(Value::is_array) {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
    }
    children(schema).into_iter().find_map(unsupported)
}

/// Whether something is there, and not empty.
pub(super) fn is_set(schema: &Value, field: &str) -> bool {
    match schema.get(field) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(_) => true,
    }
}

fn children(schema: &Value) -> Vec<&Value> {
    let mut found: Vec<&Value> = ["items", "additionalProperties", "not"]
        .iter()
        .filter_map(|field| given(schema, field))
        .filter(|it| it.is_object())
        .collect();
    found.extend(properties(schema).values());
    found.extend(JUNCTORS.iter().flat_map(|field| list(schema, field)));
    found
}

pub(super) fn properties(schema: &Value) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    schema.get("properties").and_then(Value::as_object).unwrap_or(&NONE)
}

pub(super) fn list<'a>(schema: &'a Value, field: &str) -> &'a [Value] {
    schema.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn invariants(schema: &Value, level: Level, path: &str, causes: &mut Vec<Cause>) {
    let items = given(schema, "items");
    let kind = text(schema, "/type");
    if kind == "array" && items.is_none() {
        causes.push(Cause::required(format!("{path}.items"), "must be specified"));
    }
    if let Some(items) = items {
        invariants(items, Level::Item, &format!("{path}.items"), causes);
    }
    for (name, inner) in properties(schema) {
        invariants(inner, Level::Field, &format!("{path}.properties[{name}]"), causes);
    }
    let additional = given(schema, "additionalProperties");
    if let Some(inner) = additional {
        let path = format!("{path}.additionalProperties");
        if level == Level::Root {
            causes.push(Cause::forbidden(path.as_str(), "must not be used at the root"));
        }
        if inner.is_object() {
            invariants(inner, Level::Field, &path, causes);
        }
    }
    let [embedded, either, keeps] = ["embedded-resource", "int-or-string", "preserve-unknown-fields"]
        .map(|extension| flag(schema, &format!("x-kubernetes-{extension}")));
    for (set, extension) in [(keeps, "preserve-unknown-fields"), (embedded, "embedded-resource")] {
        if either && set {
            let why = "must be false if x-kubernetes-int-or-string is true";
            causes.push(Cause::invalid(format!("{path}.x-kubernetes-{extension}"), &Value::Bool(true), why));
        }
    }
    let skip =
        Skip { any_of: is_int_or_string(schema), first: list(schema, "allOf").first().is_some_and(is_int_or_string) };
    values(schema, skip, path, causes);
    typed(schema, level, [embedded, either, keeps], path, causes);
    metadata(schema, level, embedded, path, causes);
    if embedded && additional.is_some() {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        causes.push(Cause::forbidden(format!("{path}.additionalProperties"), why));
    }
    if embedded && !keeps && properties(schema).is_empty() {
        let why =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        causes.push(Cause::required(format!("{path}.properties"), why));
    }
}

/// Everything has a type.
fn typed(schema: &Value, level: Level, [embedded, either, keeps]: [bool; 3], path: &str, causes: &mut Vec<Cause>) {
    let (kind, path) = (text(schema, "/type"), format!("{path}.type"));
    if embedded && kind != "object" {
        let why = "must be object if x-kubernetes-embedded-resource is true";
        causes.push(match kind {
            "" => Cause::required(path.as_str(), why),
            other => invalid_text(path.as_str(), other, why),
        });
    } else if kind.is_empty() && !either && !keeps {
        let what = match level {
            Level::Root => "at the root",
            Level::Item => "for specified array items",
            Level::Field => "for specified object fields",
        };
        causes.push(Cause::required(path.as_str(), &format!("must not be empty {what}")));
    }
    if level == Level::Root && !matches!(kind, "" | "object") {
        causes.push(invalid_text(path, kind, "must be object at the root"));
    }
}

/// Of the metadata only the name can be narrowed.
fn metadata(schema: &Value, level: Level, embedded: bool, path: &str, causes: &mut Vec<Cause>) {
    let typed = level == Level::Root || embedded;
    let at = |field: &str| format!("{path}.properties[{field}]");
    for field in ["kind", "apiVersion"] {
        if let Some(inner) = properties(schema).get(field).filter(|_| typed)
            && text(inner, "/type") != "string"
        {
            causes.push(invalid_text(format!("{}.type", at(field)), text(inner, "/type"), "must be string"));
        }
    }
    let Some(inner) = properties(schema).get("metadata") else { return };
    if typed && text(inner, "/type") != "object" {
        causes.push(invalid_text(format!("{}.type", at("metadata")), text(inner, "/type"), "must be object"));
    }
    let only_names = properties(inner).keys().all(|name| matches!(name.as_str(), "name" | "generateName"));
    let rest = inner.as_object().into_iter().flatten().any(|(field, _)| {
        !matches!(field.as_str(), "type" | "properties" | "default" | "externalDocs" | "example")
            && is_said(inner, field)
    });
    if level == Level::Root && (!only_names || rest) {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        causes.push(Cause::forbidden(at("metadata"), why));
    }
}

/// Whether a field says something: `false` and nothing do not.
fn is_said(schema: &Value, field: &str) -> bool {
    is_set(schema, field) && schema.get(field) != Some(&Value::Bool(false))
}

/// The two ways to say that a value is a number or a text, which no other schema may have.
#[derive(Clone, Copy, Default)]
struct Skip {
    any_of: bool,
    /// That of the first of `allOf`.
    first: bool,
}

fn is_int_or_string(schema: &Value) -> bool {
    let only = |schema: &Value, kind: &str| {
        schema.as_object().is_some_and(|it| it.len() == 1) && text(schema, "/type") == kind
    };
    matches!(list(schema, "anyOf"), [one, two] if only(one, "integer") && only(two, "string"))
}

/// What narrows values.
fn values(schema: &Value, skip: Skip, path: &str, causes: &mut Vec<Cause>) {
    for field in JUNCTORS {
        if field == "anyOf" && skip.any_of {
            continue;
        }
        for (index, inner) in list(schema, field).iter().enumerate() {
            let skip = Skip { any_of: field == "allOf" && index == 0 && skip.first, first: false };
            nested(inner, skip, &format!("{path}.{field}[{index}]"), causes);
        }
    }
    if let Some(not) = given(schema, "not") {
        nested(not, Skip::default(), &format!("{path}.not"), causes);
    }
    let pattern = text(schema, "/pattern");
    if let Err(error) = argo_lang::regexp::compile(pattern) {
        let why = format!("must be a valid regular expression, but isn't: {error}");
        causes.push(invalid_text(format!("{path}.pattern"), pattern, &why));
    }
}

/// Schemas within logic narrow values and say nothing else.
fn nested(schema: &Value, skip: Skip, path: &str, causes: &mut Vec<Cause>) {
    values(schema, skip, path, causes);
    if let Some(items) = given(schema, "items") {
        nested(items, Skip::default(), &format!("{path}.items"), causes);
    }
    for (name, inner) in properties(schema) {
        nested(inner, Skip::default(), &format!("{path}.properties[{name}]"), causes);
    }
    let additional = given(schema, "additionalProperties");
    if additional.is_some_and(|it| *it != Value::Bool(false)) {
        causes.push(Cause::forbidden(format!("{path}.additionalProperties"), "must be undefined to be structural"));
    }
    for (field, state) in [
        ("type", "empty"),
        ("default", "undefined"),
        ("title", "empty"),
        ("description", "empty"),
        ("nullable", "false"),
        ("x-kubernetes-preserve-unknown-fields", "false"),
        ("x-kubernetes-embedded-resource", "false"),
        ("x-kubernetes-int-or-string", "false"),
        ("x-kubernetes-list-map-keys", "empty"),
        ("x-kubernetes-list-type", "undefined"),
        ("x-kubernetes-map-type", "undefined"),
        ("x-kubernetes-validations", "empty"),
    ] {
        let said = if field == "default" { given(schema, field).is_some() } else { is_said(schema, field) };
        if said {
            causes.push(Cause::forbidden(format!("{path}.{field}"), &format!("must be {state} to be structural")));
        }
    }
    if properties(schema).contains_key("metadata") {
        let why = "must not be specified in a nested context";
        causes.push(Cause::forbidden(format!("{path}.properties[metadata]"), why));
    }
}

/// What logic speaks of is also said outside of it.
fn completeness(values: &Value, schema: &Value, path: &str, at: &str, causes: &mut Vec<Cause>) {
    if let Some(not) = given(values, "not") {
        complete_nested(not, Some(schema), path, &format!("{at}.not"), causes);
    }
    for field in JUNCTORS {
        for (index, inner) in list(values, field).iter().enumerate() {
            complete_nested(inner, Some(schema), path, &format!("{at}.{field}[{index}]"), causes);
        }
    }
}

fn complete_nested(values: &Value, schema: Option<&Value>, path: &str, at: &str, causes: &mut Vec<Cause>) {
    let Some(schema) = schema else {
        causes.push(Cause::required(path, &format!("because it is defined in {at}")));
        return;
    };
    completeness(values, schema, path, at, causes);
    if let Some(items) = given(values, "items") {
        complete_nested(items, given(schema, "items"), &format!("{path}.items"), &format!("{at}.items"), causes);
    }
    for (name, inner) in properties(values) {
        let step = format!(".properties[{name}]");
        let outer = properties(schema).get(name);
        complete_nested(inner, outer, &format!("{path}{step}"), &format!("{at}{step}"), causes);
    }
}
