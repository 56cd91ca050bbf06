//! Deployments and replica sets.

use super::super::place::Place;
use super::super::shown::Go;
use super::{available_of_ready, collisions, counts, lasting_template, matches_template, own_selector};

/// A strategy of either kind of workload: rolling updates have numbers of their own.
static STRATEGY: Go = Go::plain(&[
    ("Type", "type", Go::Text),
    (
        "RollingUpdate",
        "rollingUpdate",
        Go::pointer(&[("MaxUnavailable", "maxUnavailable", Go::Plain), ("MaxSurge", "maxSurge", Go::Plain)]),
    ),
]);

/// A deployment; `live` is what it was.
pub(in super::super) fn deployment(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    let spec = object.at("spec");
    spec.at("replicas").not_negative();
    selected(&spec);
    strategy(&spec.at("strategy"));
    spec.at("minReadySeconds").not_negative();
    spec.at("revisionHistoryLimit").not_negative();
    let deadline = spec.at("progressDeadlineSeconds");
    if deadline.is_set() {
        deadline.not_negative();
        if deadline.int() <= spec.at("minReadySeconds").int() {
            deadline.invalid("must be greater than minReadySeconds");
        }
    }
    if let Some(live) = live {
        spec.at("selector").immutable_struct(&live.at("spec.selector"), &Go::Selector);
    }
}

/// A replica set; `live` is what it was.
pub(in super::super) fn replica_set(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    let spec = object.at("spec");
    spec.at("replicas").not_negative();
    spec.at("minReadySeconds").not_negative();
    selected(&spec);
    if let Some(live) = live {
        spec.at("selector").immutable_struct(&live.at("spec.selector"), &Go::Selector);
    }
}

/// The selector and the template it chooses.
fn selected(spec: &Place<'_, '_>) {
    if !spec.has("selector") {
        spec.at("selector").required("");
    }
    if own_selector(spec, "deployment") {
        let empty = ["matchLabels", "matchExpressions"].iter().all(|field| spec.at("selector").at(field).is_empty());
        if !spec.has("selector") || !empty {
            matches_template(spec);
        }
        lasting_template(spec, "ReplicaSet");
    } else {
        spec.at("selector").invalid_struct(&Go::Selector, "invalid label selector");
    }
}

fn strategy(strategy: &Place<'_, '_>) {
    let rolling = strategy.at("rollingUpdate");
    match strategy.at("type").text() {
        "Recreate" => {
            if rolling.is_set() {
                rolling.forbidden("may not be specified when strategy `type` is 'Recreate'");
            }
        }
        "RollingUpdate" => {
            let (unavailable, surge) = (rolling.at("maxUnavailable"), rolling.at("maxSurge"));
            unavailable.count_or_percent();
            surge.count_or_percent();
            if unavailable.count_of_either() == 0 && surge.count_of_either() == 0 {
                unavailable.invalid("may not be 0 when `maxSurge` is 0");
            }
            unavailable.at_most_all();
        }
        _ => strategy.unsupported_struct(&STRATEGY, &["Recreate", "RollingUpdate"]),
    }
}

pub(in super::super) fn deployment_status(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    const COUNTS: [&str; 8] = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "collisionCount",
    ];
    let status = object.at("status");
    counts(&status, &COUNTS, &["updatedReplicas", "readyReplicas", "availableReplicas"]);
    available_of_ready(&status, "cannot be greater than readyReplicas");
    if let Some(live) = live {
        collisions(live, object);
    }
}

pub(in super::super) fn replica_set_status(object: &Place<'_, '_>) {
    const COUNTS: [&str; 6] = [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
        "terminatingReplicas",
    ];
    let status = object.at("status");
    counts(&status, &COUNTS, &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"]);
    available_of_ready(&status, "cannot be greater than readyReplicas");
}
