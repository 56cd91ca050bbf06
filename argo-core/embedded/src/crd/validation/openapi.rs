//! What a schema may say at all: types, lists and maps, defaults, and the form of its rules. Upstream:
//! `ValidateCustomResourceDefinitionOpenAPISchema`.

use serde_json::{Value, json};

use super::structural::{self, is_set, list, properties};
use super::{Cause, defaults, flag, given, invalid_text, rules, text, texts, unsupported};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// How deep schemas are followed.
const DEPTH: usize = 128;

/// What is known of a schema by where it stands.
#[derive(Clone, Default)]
struct Place<'a> {
    /// Why there may be no default.
    no_default: Option<&'a str>,
    /// Below the metadata of an object.
    inside_metadata: bool,
    root: bool,
    depth: usize,
}

pub(super) fn check(schema: &Value, path: &str, status: bool, unchanged: bool, causes: &mut Vec<Cause>) {
    let before = causes.len();
    if flag(schema, "nullable") {
        causes.push(Cause::forbidden(format!("{path}.nullable"), "nullable cannot be true at the root"));
    }
    if status {
        root_of_status(schema, path, causes);
    }
    let broken = structural::unsupported(schema);
    let mut sound = broken.is_none();
    if sound {
        let mut found = structural::check(schema, path);
        if found.is_empty() {
            defaults::check(schema, path, &mut found);
        }
        sound = found.is_empty();
        causes.extend(found);
    }
    let place = Place { root: true, ..Place::default() };
    let plain = causes.len();
    visit(schema, path, &place, causes);
    if sound && causes.len() == plain {
        rules::check(schema, path, unchanged, causes);
    }
    if let Some(why) = broken.filter(|_| causes.len() == before) {
        causes.push(invalid_text(path, "", &why));
    }
}

/// With a status of its own, a schema says little at its root.
fn root_of_status(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let kind = text(schema, "/type");
    if !matches!(kind, "" | "object") {
        let why =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        causes.push(invalid_text(format!("{path}.type"), kind, why));
        return;
    }
    let allowed = "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations";
    let forbidden = [
        "id",
        "$schema",
        "$ref",
        "nullable",
        "default",
        "enum",
        "maxProperties",
        "minProperties",
        "allOf",
        "oneOf",
        "anyOf",
        "not",
        "additionalProperties",
        "patternProperties",
        "dependencies",
        "additionalItems",
        "definitions",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
    ];
    if forbidden.iter().any(|field| is_set(schema, field) && schema.get(field) != Some(&Value::Bool(false))) {
        let why = format!(
            "only [{allowed}] fields are allowed at the root of the schema if the status subresource is enabled"
        );
        causes.push(Cause::invalid(path, schema, &why));
    }
}

fn visit(schema: &Value, path: &str, place: &Place<'_>, causes: &mut Vec<Cause>) {
    if place.depth > DEPTH || !schema.is_object() {
        return;
    }
    standard(schema, path, place, causes);
    if flag(schema, "uniqueItems") {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        causes.push(Cause::forbidden(format!("{path}.uniqueItems"), why));
    }
    let inner = Place { root: false, depth: place.depth + 1, ..place.clone() };
    if let Some(additional) = given(schema, "additionalProperties") {
        let path = format!("{path}.additionalProperties");
        if !properties(schema).is_empty() && *additional != Value::Bool(true) {
            causes.push(Cause::forbidden(path.as_str(), "additionalProperties and properties are mutual exclusive"));
        }
        let why = place.inside_metadata.then_some("inside additionalProperties applying to object metadata");
        visit(additional, &path, &Place { no_default: why.or(place.no_default), ..inner.clone() }, causes);
    }
    for (name, property) in properties(schema) {
        let mut next = inner.clone();
        let top = match name.as_str() {
            "metadata" => Some("in top-level metadata"),
            "kind" => Some("in top-level kind"),
            "apiVersion" => Some("in top-level apiVersion"),
            _ => None,
        };
        if (place.root || flag(schema, "x-kubernetes-embedded-resource")) && top.is_some() {
            next.inside_metadata = true;
            if place.root {
                next.no_default = top;
            }
        }
        visit(property, &format!("{path}.properties[{name}]"), &next, causes);
    }
    if let Some(not) = given(schema, "not") {
        visit(not, &format!("{path}.not"), &inner, causes);
    }
    for field in ["allOf", "oneOf", "anyOf"] {
        for (index, one) in list(schema, field).iter().enumerate() {
            visit(one, &format!("{path}.{field}[{index}]"), &inner, causes);
        }
    }
    if let Some(items) = given(schema, "items") {
        visit(items, &format!("{path}.items"), &inner, causes);
    }
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        let field = format!("{path}.x-kubernetes-preserve-unknown-fields");
        causes.push(Cause::invalid(field, &Value::Bool(false), "must be true or undefined"));
    }
    collections(schema, path, causes);
    keys(schema, path, causes);
    for (index, rule) in list(schema, "x-kubernetes-validations").iter().enumerate() {
        rules::form(schema, rule, &format!("{path}.x-kubernetes-validations[{index}]"), causes);
    }
}

fn standard(schema: &Value, path: &str, place: &Place<'_>, causes: &mut Vec<Cause>) {
    let kind = text(schema, "/type");
    if !kind.is_empty() && !TYPES.contains(&kind) {
        causes.push(unsupported(format!("{path}.type"), kind, &TYPES));
    }
    if kind == "null" {
        let why = "type cannot be set to null, use nullable as an alternative";
        causes.push(Cause::forbidden(format!("{path}.type"), why));
    }
    if let Some(why) = place.no_default.filter(|_| given(schema, "default").is_some()) {
        causes.push(Cause::forbidden(format!("{path}.default"), &format!("must not be set {why}")));
    }
    for field in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if is_set(schema, field) {
            causes.push(Cause::forbidden(format!("{path}.{field}"), &format!("{field} is not supported")));
        }
    }
    if schema.get("items").is_some_and(Value::is_array) {
        causes.push(Cause::forbidden(format!("{path}.items"), "items must be a schema object and not an array"));
    }
    if place.inside_metadata && flag(schema, "x-kubernetes-embedded-resource") {
        let why = "must not be used inside of resource meta";
        causes.push(Cause::forbidden(format!("{path}.x-kubernetes-embedded-resource"), why));
    }
}

/// A kind of map or list is one that is known, and of a map or list.
fn collections(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let kind = text(schema, "/type");
    for (extension, wanted, known) in [
        ("x-kubernetes-map-type", "object", &["atomic", "granular"][..]),
        ("x-kubernetes-list-type", "array", &["atomic", "set", "map"][..]),
    ] {
        let Some(value) = schema.get(extension).and_then(Value::as_str) else { continue };
        if kind != wanted {
            let (field, why) = (format!("{path}.type"), format!("must be {wanted} if {extension} is specified"));
            causes.push(match kind {
                "" => Cause::required(field, &why),
                other => invalid_text(field, other, &why),
            });
        }
        if !known.contains(&value) {
            causes.push(unsupported(format!("{path}.{extension}"), value, known));
        }
    }
    let items = given(schema, "items").filter(|it| it.is_object());
    let (Some("set"), "array", Some(items)) =
        (schema.get("x-kubernetes-list-type").and_then(Value::as_str), kind, items)
    else {
        return;
    };
    let of = |field: &str| items.get(field).and_then(Value::as_str);
    let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
    let shown = of("x-kubernetes-list-type").map_or(Value::Null, Value::from);
    match of("type") {
        Some("array") if !matches!(of("x-kubernetes-list-type"), None | Some("atomic")) => {
            causes.push(Cause::invalid(format!("{path}.items.x-kubernetes-list-type"), &shown, why));
        }
        Some("object") if of("x-kubernetes-map-type") != Some("atomic") => {
            causes.push(Cause::invalid(format!("{path}.items.x-kubernetes-map-type"), &shown, why));
        }
        _ => {}
    }
}

/// Items of lists that are maps or sets can be told from each other.
fn keys(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let at = |field: &str| format!("{path}.{field}");
    let (keys, kind) = (texts(schema, "/x-kubernetes-list-map-keys"), text(schema, "/x-kubernetes-list-type"));
    let items = given(schema, "items");
    if !keys.is_empty() && kind != "map" {
        let why = "must be map if x-kubernetes-list-map-keys is non-empty";
        causes.push(match kind {
            "" => Cause::required(at("x-kubernetes-list-type"), why),
            other => invalid_text(at("x-kubernetes-list-type"), other, why),
        });
    }
    if let Some(items) = items.filter(|it| it.is_object() && matches!(kind, "map" | "set"))
        && flag(items, "nullable")
    {
        let why = format!("cannot be nullable when x-kubernetes-list-type is {kind}");
        causes.push(Cause::forbidden(at("items.nullable"), &why));
    }
    if kind != "map" {
        return;
    }
    if keys.is_empty() {
        let why = "must not be empty if x-kubernetes-list-type is map";
        causes.push(Cause::required(at("x-kubernetes-list-map-keys"), why));
    }
    let Some(items) = items else {
        causes.push(Cause::required(at("items"), "must have a schema if x-kubernetes-list-type is map"));
        return;
    };
    if !items.is_object() {
        let why = "must only have a single schema if x-kubernetes-list-type is map";
        causes.push(Cause::invalid(at("items"), items, why));
        return;
    }
    let of = text(items, "/type");
    if of != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        causes.push(invalid_text(at("items.type"), of, why));
    }
    let required = texts(items, "/required");
    for (index, key) in keys.iter().enumerate() {
        let mut refuse = |why: &str| causes.push(Cause::invalid(at("x-kubernetes-list-map-keys"), &json!(keys), why));
        if keys[..index].contains(key) {
            refuse("must not contain duplicate entries");
        }
        let Some(property) = properties(items).get(key) else {
            if of == "object" {
                refuse("entries must all be names of item properties");
            }
            continue;
        };
        let at = |field: &str| format!("{path}.items.properties[{key}].{field}");
        if of == "object" && matches!(text(property, "/type"), "array" | "object") {
            let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            causes.push(invalid_text(at("type"), of, why));
        }
        if !required.contains(key) && given(property, "default").is_none() {
            let why =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            causes.push(Cause::required(at("default"), why));
        }
        if flag(property, "nullable") {
            let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            causes.push(Cause::forbidden(at("nullable"), why));
        }
    }
}
