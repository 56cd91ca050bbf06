//! Workflows, event sources and sensors, Applications.

use argo_core::Object;

use super::{conditions, degraded, field, healthy, progressing, verdict};
use crate::api::{HealthState, ResourceHealth};

pub(super) fn workflow(object: &Object) -> ResourceHealth {
    let message = object.text("/status/message");
    match object.text("/status/phase") {
        "" | "Pending" | "Running" => progressing(message),
        "Succeeded" => healthy(message),
        "Failed" | "Error" => degraded(message),
        _ => verdict(HealthState::Unknown, message),
    }
}

/// EventSources and Sensors: every condition must hold.
pub(super) fn events(object: &Object) -> ResourceHealth {
    let mut seen = false;
    for condition in conditions(object) {
        seen = true;
        if field(condition, "status") == "False" {
            return degraded(field(condition, "message"));
        }
    }
    let unknown = conditions(object).find(|it| field(it, "status") == "Unknown");
    match unknown {
        Some(condition) => progressing(field(condition, "message")),
        None if seen => healthy(""),
        None => progressing("Waiting for status conditions to be reported"),
    }
}

pub(super) fn application(object: &Object) -> ResourceHealth {
    match HealthState::parse(object.text("/status/health/status")) {
        Some(state) => verdict(state, object.text("/status/health/message")),
        None => progressing(""),
    }
}
