//! Deployments, StatefulSets, DaemonSets, ReplicaSets.

use argo_core::Object;

use super::{conditions, degraded, field, healthy, number, progressing, verdict};
use crate::api::{HealthState, ResourceHealth};

pub(super) fn deployment(object: &Object) -> ResourceHealth {
    if object.pointer("/spec/paused").is_some_and(|it| it == true) {
        return verdict(HealthState::Suspended, "Deployment is paused");
    }
    if object.generation() > number(object, "/status/observedGeneration") {
        return progressing(
            "Waiting for rollout to finish: observed deployment generation less than desired generation",
        );
    }
    let stuck = |it: &serde_json::Value| {
        field(it, "type") == "Progressing" && field(it, "reason") == "ProgressDeadlineExceeded"
    };
    if conditions(object).any(stuck) {
        return degraded(format!("Deployment {:?} exceeded its progress deadline", object.name()));
    }
    let replicas = number(object, "/status/replicas");
    let updated = number(object, "/status/updatedReplicas");
    let available = number(object, "/status/availableReplicas");
    if let Some(wanted) = object.integer("/spec/replicas").filter(|it| updated < *it) {
        return progressing(format!(
            "Waiting for rollout to finish: {updated} out of {wanted} new replicas have been updated..."
        ));
    }
    if replicas > updated {
        let old = replicas - updated;
        return progressing(format!("Waiting for rollout to finish: {old} old replicas are pending termination..."));
    }
    if available < updated {
        return progressing(format!(
            "Waiting for rollout to finish: {available} of {updated} updated replicas are available..."
        ));
    }
    healthy("")
}

pub(super) fn stateful_set(object: &Object) -> ResourceHealth {
    let observed = number(object, "/status/observedGeneration");
    if observed == 0 || object.generation() > observed {
        return progressing("Waiting for statefulset spec update to be observed...");
    }
    let wanted = object.integer("/spec/replicas");
    let ready = number(object, "/status/readyReplicas");
    if let Some(wanted) = wanted.filter(|it| ready < *it) {
        return progressing(format!("Waiting for {} pods to be ready...", wanted - ready));
    }
    let strategy = object.text("/spec/updateStrategy/type");
    let updated = number(object, "/status/updatedReplicas");
    if strategy == "RollingUpdate"
        && let Some(partition) = object.integer("/spec/updateStrategy/rollingUpdate/partition")
        && let Some(wanted) = wanted
    {
        let target = wanted - partition;
        if updated < target {
            return progressing(format!(
                "Waiting for partitioned roll out to finish: {updated} out of {target} new pods have been updated..."
            ));
        }
        return healthy(format!("partitioned roll out complete: {updated} new pods have been updated..."));
    }
    if strategy == "OnDelete" {
        return healthy(format!("statefulset has {ready} ready pods"));
    }
    let update = object.text("/status/updateRevision");
    if update != object.text("/status/currentRevision") {
        return progressing(format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {update}..."
        ));
    }
    let current = number(object, "/status/currentReplicas");
    let revision = object.text("/status/currentRevision");
    healthy(format!("statefulset rolling update complete {current} pods at revision {revision}..."))
}

pub(super) fn daemon_set(object: &Object) -> ResourceHealth {
    if object.generation() > number(object, "/status/observedGeneration") {
        return progressing(
            "Waiting for rollout to finish: observed daemon set generation less than desired generation",
        );
    }
    let wanted = number(object, "/status/desiredNumberScheduled");
    let updated = number(object, "/status/updatedNumberScheduled");
    let available = number(object, "/status/numberAvailable");
    if object.text("/spec/updateStrategy/type") == "OnDelete" {
        return healthy(format!("daemon set {updated} out of {wanted} new pods have been updated"));
    }
    let name = object.name();
    if updated < wanted {
        return progressing(format!(
            "Waiting for daemon set {name:?} rollout to finish: {updated} out of {wanted} new pods have been updated..."
        ));
    }
    if available < wanted {
        return progressing(format!(
            "Waiting for daemon set {name:?} rollout to finish: {available} of {wanted} updated pods are available..."
        ));
    }
    healthy("")
}

pub(super) fn replica_set(object: &Object) -> ResourceHealth {
    if object.generation() > number(object, "/status/observedGeneration") {
        return progressing(
            "Waiting for rollout to finish: observed replica set generation less than desired generation",
        );
    }
    let failure = conditions(object).find(|it| field(it, "type") == "ReplicaFailure" && field(it, "status") == "True");
    if let Some(failure) = failure {
        return degraded(field(failure, "message"));
    }
    let available = number(object, "/status/availableReplicas");
    if let Some(wanted) = object.integer("/spec/replicas").filter(|it| available < *it) {
        return progressing(format!(
            "Waiting for rollout to finish: {available} out of {wanted} new replicas are available..."
        ));
    }
    healthy("")
}
