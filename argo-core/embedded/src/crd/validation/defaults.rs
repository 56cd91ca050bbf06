//! Defaults are values of their schema: known fields only, valid, and within the rules. Upstream: `schema/defaulting/validation.go`.

use serde_json::Value;

use super::structural::properties;
use super::{Cause, flag, given};
use crate::crd::{rules, schema as values, shape};

pub(super) fn check(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    visit(schema, path, true, causes);
}

fn visit(schema: &Value, path: &str, root: bool, causes: &mut Vec<Cause>) {
    if let Some(default) = given(schema, "default") {
        one(schema, default, &format!("{path}.default"), root, causes);
    }
    // Not into maps: there are no defaults in them yet.
    if let Some(items) = given(schema, "items") {
        visit(items, &format!("{path}.items"), false, causes);
    }
    for (name, property) in properties(schema) {
        visit(property, &format!("{path}.properties[{name}]"), false, causes);
    }
}

fn one(schema: &Value, default: &Value, path: &str, root: bool, causes: &mut Vec<Cause>) {
    let whole = root || flag(schema, "x-kubernetes-embedded-resource");
    let mut pruned = default.clone();
    if let Err(why) = shape::prune(&mut pruned, schema, "", whole, &mut Vec::new()) {
        causes.push(Cause::invalid(path, default, &format!("must result in valid metadata: {why}")));
        return;
    }
    if pruned != *default {
        causes.push(Cause::invalid(path, default, "must not have unknown fields"));
    }
    if whole && default.is_object() {
        let missing = ["apiVersion", "kind"].into_iter().filter(|field| default.get(field).is_none());
        let missing: Vec<Cause> = missing.map(|field| Cause::required(format!("{path}.{field}"), "")).collect();
        if !missing.is_empty() {
            causes.extend(missing);
            return;
        }
    }
    let mut found = Vec::new();
    values::validate(default, schema, "", &mut found);
    if found.is_empty() {
        found = rules::Rules::default().check(schema, default, None);
    }
    causes.extend(found.into_iter().map(|cause| values::below(path, cause)));
}
