//! Formats of texts that nobody checks: their writers are told.

use serde_json::Value;

use super::{text, versions_of};

const KNOWN: &str = "bsonobjectid uri email hostname ipv4 ipv6 cidr mac uuid uuid3 uuid4 uuid5 isbn isbn10 isbn13 creditcard ssn hexcolor rgbcolor byte password date duration datetime k8sshortname k8slongname";

/// Warnings about formats that are not known, and were not there before.
pub(crate) fn warnings(definition: &Value, live: Option<&Value>) -> Vec<String> {
    let before = live.map(unknown).unwrap_or_default();
    let new = unknown(definition).into_iter().filter(|format| !before.contains(format));
    new.map(|format| format!("unrecognized format {format:?}")).collect()
}

fn unknown(definition: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for version in versions_of(definition) {
        if let Some(schema) = version.pointer("/schema/openAPIV3Schema") {
            visit(schema, 0, &mut found);
        }
    }
    found.dedup();
    found
}

fn visit(schema: &Value, depth: usize, found: &mut Vec<String>) {
    let format = text(schema, "/format");
    let plain = format.replace('-', "");
    if !format.is_empty() && text(schema, "/type") == "string" && !KNOWN.split(' ').any(|known| known == plain) {
        found.push(format.to_owned());
    }
    let inner = schema.as_object().into_iter().flatten().filter(|(field, _)| {
        matches!(field.as_str(), "items" | "properties" | "additionalProperties" | "allOf" | "anyOf" | "oneOf" | "not")
    });
    for (field, value) in inner.filter(|_| depth < 128) {
        match value {
            Value::Array(schemas) => schemas.iter().for_each(|schema| visit(schema, depth + 1, found)),
            Value::Object(schemas) if field == "properties" => {
                schemas.values().for_each(|schema| visit(schema, depth + 1, found));
            }
            schema => visit(schema, depth + 1, found),
        }
    }
}
