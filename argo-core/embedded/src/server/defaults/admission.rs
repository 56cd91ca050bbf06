//! Defaults of what extends admission: webhooks and policies.

use serde_json::{Value, json};

use super::put;

pub(super) fn apply(kind: &str, object: &mut Value) {
    match kind {
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => {
            for webhook in items(object, "/webhooks") {
                put(webhook, &["failurePolicy"], json!("Fail"));
                if kind == "mutatingwebhookconfigurations" {
                    put(webhook, &["reinvocationPolicy"], json!("Never"));
                }
                put(webhook, &["timeoutSeconds"], json!(10));
                if webhook.pointer("/clientConfig/service").is_some() {
                    put(webhook, &["clientConfig", "service", "port"], json!(443));
                }
                resources(webhook, &["rules"]);
            }
        }
        "validatingadmissionpolicies" | "mutatingadmissionpolicies" => {
            put(object, &["spec", "failurePolicy"], json!("Fail"));
            if let Some(constraints) = object.pointer_mut("/spec/matchConstraints") {
                resources(constraints, &["resourceRules", "excludeResourceRules"]);
            }
        }
        "validatingadmissionpolicybindings" | "mutatingadmissionpolicybindings" => {
            if let Some(constraints) = object.pointer_mut("/spec/matchResources") {
                resources(constraints, &["resourceRules", "excludeResourceRules"]);
            }
        }
        _ => {}
    }
}

/// Which resources something is about.
fn resources(object: &mut Value, rules: &[&str]) {
    put(object, &["matchPolicy"], json!("Equivalent"));
    put(object, &["namespaceSelector"], json!({}));
    put(object, &["objectSelector"], json!({}));
    for rule in rules.iter().map(|list| format!("/{list}")).collect::<Vec<_>>() {
        for rule in items(object, &rule) {
            put(rule, &["scope"], json!("*"));
        }
    }
}

fn items<'a>(object: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    object.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}
