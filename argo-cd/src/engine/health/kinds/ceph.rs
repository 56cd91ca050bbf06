//! Rook: Ceph, Cassandra, bucket claims.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule, verdict};
use crate::api::HealthState;

pub(super) const KINDS: &[Entry] = &[
    ("cassandra.rook.io", "Cluster", Rule::Code(cassandra)),
    ("ceph.rook.io", "CephCluster", Rule::Code(cluster)),
    ("ceph.rook.io", "CephObjectStore", Rule::Code(object_store)),
    ("objectbucket.io", "ObjectBucketClaim", Rule::Code(bucket_claim)),
];

fn cassandra(object: Look<'_>) -> Judged {
    let racks = object.path("status.racks");
    if racks.absent() {
        return progressing("Waiting for Cassandra Cluster");
    }
    let waits = |rack: &Look<'_>| {
        let (members, ready) = (rack.get("members"), rack.get("readyMembers"));
        members.present() && ready.present() && !members.same(ready)
    };
    if racks.values().iter().any(waits) { progressing("Waiting for Cassandra Cluster") } else { healthy("") }
}

fn cluster(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.absent() {
        return progressing("Waiting for status to be reported");
    }
    let mut state = HealthState::Progressing;
    let mut parts: Vec<String> = Vec::new();
    let health = status.path("ceph.health");
    if health.present() {
        let details = status.path("ceph.details").values();
        let details: Vec<String> =
            details.iter().map(|it| it.get("message")).filter(|it| it.present()).map(Look::message).collect();
        state = match health.str() {
            Some("HEALTH_ERR" | "HEALTH_WARN") => HealthState::Degraded,
            Some("HEALTH_OK") => HealthState::Healthy,
            _ => state,
        };
        let details = if details.is_empty() { String::new() } else { format!(" ({})", details.join("; ")) };
        parts.push(format!("Ceph health is {}{details}", health.text()?));
    }
    if status.get("state").present() && state == HealthState::Healthy {
        parts.push(format!("Ceph cluster state is {}", status.get("state").text()?));
        state = match status.get("state").str() {
            Some("Created" | "Connected") => HealthState::Healthy,
            Some("Error") => HealthState::Degraded,
            _ => HealthState::Progressing,
        };
    }
    parts.push(status.get("message").message());
    parts.retain(|it| !it.is_empty());
    verdict(state, parts.join(" - "))
}

fn object_store(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let waiting = "Waiting for status to be reported";
    if status.absent() {
        return progressing(waiting);
    }
    let phase = status.get("phase");
    let mut message =
        if phase.present() { format!("Ceph object store phase is {}", phase.text()?) } else { waiting.to_owned() };
    let endpoint = status.path("info.endpoint");
    if endpoint.present() && !endpoint.is("") {
        message = format!("{message} - endpoint: {}", endpoint.text()?);
    }
    match phase.str() {
        Some("Ready") => healthy(message),
        Some("Failure") => degraded(message),
        _ => progressing(message),
    }
}

fn bucket_claim(object: Look<'_>) -> Judged {
    let phase = object.path("status.phase");
    if object.get("status").absent() {
        return progressing("Waiting for status to be reported");
    }
    if phase.absent() {
        return progressing("Waiting for phase to be reported");
    }
    let message = format!("Object bucket claim phase is {}", phase.text()?);
    match phase.str() {
        Some("Bound") => healthy(message),
        Some("Failed") => degraded(message),
        _ => progressing(message),
    }
}
