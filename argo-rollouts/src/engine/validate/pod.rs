//! The parts of a pod template that can be seen to be wrong without an API server. The rest is
//! checked by the API server when the ReplicaSet is made.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Errors, Invalid};

const LABEL: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
                     start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
                     used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const NAME: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                    and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// Values of labels.
pub(super) fn labels(path: &str, labels: &BTreeMap<String, String>) -> Errors {
    let wrong = labels.values().filter(|it| !is_label_value(it));
    wrong
        .map(|it| Invalid::value(path, it, if it.len() > 63 { "must be no more than 63 characters" } else { LABEL }))
        .collect()
}

fn is_label_value(text: &str) -> bool {
    let edge = |it: Option<char>| it.is_none_or(|it| it.is_ascii_alphanumeric());
    let inner = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
    text.len() <= 63 && edge(text.chars().next()) && edge(text.chars().last()) && text.chars().all(inner)
}

fn is_dns_label(text: &str) -> bool {
    let letter = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    let edges = text.starts_with(letter) && text.ends_with(letter);
    text.len() <= 63 && edges && text.chars().all(|it| letter(it) || it == '-')
}

/// A pod template: its containers have names of their own and images.
pub(super) fn template(path: &str, template: &Value) -> Errors {
    let mut errors = Errors::new();
    let containers = template.pointer("/spec/containers").and_then(Value::as_array);
    if containers.is_none_or(Vec::is_empty) {
        errors.push(Invalid::required(&format!("{path}.spec.containers"), ""));
    }
    let mut names = BTreeSet::new();
    for list in ["containers", "initContainers"] {
        let all = template.pointer(&format!("/spec/{list}")).and_then(Value::as_array).into_iter().flatten();
        for (index, container) in all.enumerate() {
            let path = format!("{path}.spec.{list}[{index}]");
            let text = |field: &str| container.get(field).and_then(Value::as_str).unwrap_or_default();
            match text("name") {
                "" => errors.push(Invalid::required(&format!("{path}.name"), "")),
                name if !is_dns_label(name) => {
                    let text = if name.len() > 63 { "must be no more than 63 characters" } else { NAME };
                    errors.push(Invalid::value(&format!("{path}.name"), &name, text));
                }
                name if !names.insert(name.to_owned()) => errors.push(Invalid {
                    path: format!("{path}.name"),
                    body: format!("Duplicate value: {}", Value::from(name)),
                }),
                _ => {}
            }
            if text("image").is_empty() {
                errors.push(Invalid::required(&format!("{path}.image"), ""));
            }
        }
    }
    errors
}
