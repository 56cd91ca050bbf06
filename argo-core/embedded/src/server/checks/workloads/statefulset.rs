//! Stateful sets and controller revisions.

use serde_json::{Value, json};

use super::super::place::{Found, Place};
use super::super::shown::Go;
use super::super::{pod, policies, same};
use super::{always, available_of_ready, collisions, counts, matches_template, own_selector};

static ROLLING: Go =
    Go::pointer(&[("Partition", "partition", Go::Number), ("MaxUnavailable", "maxUnavailable", Go::Plain)]);
static STRATEGY: Go = Go::plain(&[
    ("Type", "type", Go::Text),
    (
        "RollingUpdate",
        "rollingUpdate",
        Go::pointer(&[("Partition", "partition", Go::Number), ("MaxUnavailable", "maxUnavailable", Go::Plain)]),
    ),
]);

/// A stateful set, new or not.
pub(in super::super) fn stateful_set(object: &Place<'_, '_>, new: bool) {
    let spec = object.at("spec");
    let management = spec.at("podManagementPolicy");
    if !matches!(management.text(), "OrderedReady" | "Parallel") {
        management.invalid_text("must be 'OrderedReady' or 'Parallel'");
    }
    strategy(&spec.at("updateStrategy"));
    let retention = spec.at("persistentVolumeClaimRetentionPolicy");
    if retention.is_set() {
        for field in ["whenDeleted", "whenScaled"] {
            retention.at(field).must_be(&["Retain", "Delete"]);
        }
    }
    if new {
        for claim in spec.at("volumeClaimTemplates").items() {
            policies::claim_spec(&claim.at("spec"));
        }
    }
    spec.at("replicas").not_negative();
    spec.at("minReadySeconds").not_negative();
    spec.at("ordinals.start").not_negative();
    if new && !spec.at("serviceName").is_empty() {
        spec.at("serviceName").label();
    }
    if !spec.has("selector") {
        spec.at("selector").required("");
    }
    let good = own_selector(&spec, "statefulset");
    if good {
        let empty = ["matchLabels", "matchExpressions"].iter().all(|field| spec.at("selector").at(field).is_empty());
        if !spec.has("selector") || !empty {
            matches_template(&spec);
        }
        template(&spec);
    } else {
        spec.at("selector").invalid_struct(&Go::Selector, "");
    }
    always(&spec, "StatefulSet");
}

/// The template with the volumes of its claims, without the names that each pod gets of its own.
fn template(spec: &Place<'_, '_>) {
    let mut whole = spec.at("template").value().clone();
    if let Some(inner) = whole.get_mut("spec").and_then(Value::as_object_mut) {
        inner.remove("subdomain");
        inner.remove("hostname");
        let names: Vec<&str> = spec
            .at("volumeClaimTemplates")
            .list()
            .iter()
            .filter_map(|claim| claim.pointer("/metadata/name").and_then(Value::as_str))
            .collect();
        if !names.is_empty() {
            let mut volumes: Vec<Value> = names
                .iter()
                .map(|name| json!({ "name": name, "persistentVolumeClaim": { "claimName": name } }))
                .collect();
            let own = inner.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
            volumes.extend(
                own.into_iter().filter(|volume| {
                    volume.get("name").and_then(Value::as_str).is_none_or(|name| !names.contains(&name))
                }),
            );
            inner.insert("volumes".to_owned(), Value::Array(volumes));
        }
    }
    let found = Found::default();
    pod::template(&Place::root(&whole, &spec.at("template").path(), &found));
    found.into_causes().into_iter().for_each(|cause| spec.add(cause));
}

fn strategy(strategy: &Place<'_, '_>) {
    let rolling = strategy.at("rollingUpdate");
    match strategy.at("type").text() {
        "" => strategy.required(""),
        "OnDelete" => {
            if rolling.is_set() {
                rolling.invalid_struct(&ROLLING, "only allowed for updateStrategy 'RollingUpdate'");
            }
        }
        "RollingUpdate" => rolling.at("partition").not_negative(),
        _ => strategy.invalid_struct(&STRATEGY, "must be 'RollingUpdate' or 'OnDelete'"),
    }
}

/// Little of a stateful set may change.
pub(in super::super) fn stateful_set_update(live: &Place<'_, '_>, object: &Place<'_, '_>) {
    const OPEN: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let fixed = |object: &Place<'_, '_>| {
        let mut spec = object.at("spec").value().clone();
        if let Some(fields) = spec.as_object_mut() {
            fields.retain(|field, _| !OPEN.contains(&field.as_str()));
        }
        spec
    };
    if !same(&fixed(live), &fixed(object)) {
        object.at("spec").forbidden(
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        );
    }
}

pub(in super::super) fn stateful_set_status(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    const PARTS: [&str; 4] = ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
    let status = object.at("status");
    let all = ["replicas", "observedGeneration", "collisionCount"];
    counts(&status, &[&all[..], &PARTS[..]].concat(), &PARTS);
    available_of_ready(&status, "cannot be greater than status.readyReplicas");
    if let Some(live) = live {
        collisions(live, object);
    }
}

/// A controller revision: its data is an object, and stays.
pub(in super::super) fn controller_revision(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    object.at("revision").not_negative();
    let data = object.at("data");
    match live {
        Some(live) => data.immutable(&live.at("data")),
        None if !data.is_set() => data.required("data is mandatory"),
        None if !data.value().is_object() => data.required("data must be a valid JSON object"),
        None => {}
    }
}
