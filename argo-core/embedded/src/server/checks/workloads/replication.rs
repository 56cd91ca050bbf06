//! Replication controllers: selectors are plain maps.

use super::super::super::selector::LabelSelector;
use super::super::place::Place;
use super::super::pod;
use super::{always, available_of_ready, counts};

pub(in super::super) fn controller(object: &Place<'_, '_>) {
    let spec = object.at("spec");
    spec.at("minReadySeconds").not_negative();
    let selector = spec.at("selector");
    selector.needed();
    spec.at("replicas").not_negative();
    let template = spec.at("template");
    if !template.is_set() {
        return template.required("");
    }
    let chosen = serde_json::json!({ "matchLabels": selector.value() });
    let matches = LabelSelector::from_object(&chosen).is_none_or(|chosen| chosen.matches(template.value()));
    if !selector.is_empty() && !matches {
        template.at("metadata.labels").invalid("`selector` does not match template `labels`");
    }
    pod::template(&template);
    always(&spec, "ReplicationController");
}

pub(in super::super) fn controller_status(object: &Place<'_, '_>) {
    const COUNTS: [&str; 5] =
        ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"];
    let status = object.at("status");
    counts(&status, &COUNTS, &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"]);
    available_of_ready(&status, "cannot be greater than readyReplicas");
}
