//! KubeVirt and its volumes.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule, suspended, unknown, verdict};
use crate::api::HealthState;

pub(super) const KINDS: &[Entry] = &[
    ("cdi.kubevirt.io", "DataVolume", Rule::Code(data_volume)),
    ("kubevirt.io", "VirtualMachine", Rule::Code(machine)),
    ("kubevirt.io", "VirtualMachineInstance", Rule::Code(instance)),
];

const NONE: &str = "No status available";

fn data_volume(object: Look<'_>) -> Judged {
    let phase = object.path("status.phase");
    match phase.str() {
        Some("Succeeded") => return healthy("Succeeded"),
        Some("Paused") => return suspended("Paused"),
        _ => {}
    }
    let failed = |it: &Look<'_>| it.has("Running", "False") && it.get("reason").is("Error");
    if let Some(condition) = object.conditions().find(failed) {
        return degraded(condition.get("message").message());
    }
    match phase.str() {
        Some("Failed" | "Unknown") => degraded(phase.message()),
        _ => progressing(phase.or(NONE)),
    }
}

fn machine(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let (mut state, mut message) = (HealthState::Progressing, NONE);
    for condition in object.conditions() {
        if condition.has("Paused", "True") {
            return suspended("Paused");
        }
        if condition.get("type").is("Ready") {
            if condition.get("status").is("True") {
                (state, message) = (HealthState::Healthy, "Running");
            } else if status.get("created").truthy() {
                message = "Starting";
            } else {
                (state, message) = (HealthState::Suspended, "Stopped");
            }
        }
    }
    verdict(state, status.get("printableStatus").or(message))
}

fn instance(object: Look<'_>) -> Judged {
    let phase = object.path("status.phase");
    match phase.str() {
        Some("Failed") => return degraded("Failed"),
        Some(waits @ ("Pending" | "Scheduling" | "Scheduled")) => return progressing(waits),
        Some("Succeeded") => return suspended("Succeeded"),
        Some("Unknown") => return unknown("Unknown"),
        _ => {}
    }
    let (mut state, mut message) = (HealthState::Progressing, phase.or(NONE));
    for condition in object.conditions() {
        let text = condition.get("message").message();
        if condition.has("Paused", "True") {
            return suspended(text);
        }
        if condition.get("type").is("Ready") {
            (state, message) = if condition.get("status").is("True") {
                (HealthState::Healthy, "Running".to_owned())
            } else {
                (HealthState::Degraded, text)
            };
        }
    }
    verdict(state, message)
}
