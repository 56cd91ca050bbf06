//! Stages, Promotions, Warehouses, Projects.

use argo_core::Object;

use super::{conditions, degraded, field, healthy, progressing, verdict};
use crate::api::{HealthState, ResourceHealth};

pub(super) fn stage(object: &Object) -> ResourceHealth {
    if !is_observed(object) {
        return progressing("Waiting for the Stage to be reconciled");
    }
    match object.text("/status/health/status") {
        "Unhealthy" => degraded(first_issue(object)),
        "Healthy" | "NotApplicable" => healthy(""),
        "Progressing" => progressing(first_issue(object)),
        _ => ready(object),
    }
}

fn first_issue(object: &Object) -> &str {
    object.text("/status/health/issues/0")
}

pub(super) fn promotion(object: &Object) -> ResourceHealth {
    let message = object.text("/status/message");
    match object.text("/status/phase") {
        "" | "Pending" | "Running" => progressing(message),
        "Succeeded" => healthy(message),
        "Failed" | "Errored" => degraded(message),
        "Aborted" => verdict(HealthState::Suspended, message),
        _ => verdict(HealthState::Unknown, message),
    }
}

/// By the conditions Ready, Reconciling and Healthy.
pub(super) fn ready(object: &Object) -> ResourceHealth {
    if !is_observed(object) {
        return progressing("Waiting for the object to be reconciled");
    }
    for kind in ["Ready", "Healthy"] {
        if let Some(condition) = conditions(object).find(|it| field(it, "type") == kind) {
            return match field(condition, "status") {
                "True" => healthy(""),
                "False" => degraded(field(condition, "message")),
                _ => progressing(field(condition, "message")),
            };
        }
    }
    healthy("")
}

fn is_observed(object: &Object) -> bool {
    object.integer("/status/observedGeneration").is_none_or(|it| it >= object.generation())
}
