//! Workflows, Rollouts, AnalysisRuns, Experiments, events, Applications.

use argo_core::Object;
use serde_json::Value;

use super::{conditions, degraded, field, healthy, number, progressing, verdict};
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

pub(super) fn cron_workflow(object: &Object) -> Option<ResourceHealth> {
    for condition in conditions(object).filter(|it| field(it, "status") == "True") {
        match field(condition, "type") {
            "Completed" => return Some(healthy(field(condition, "message"))),
            "SpecError" => return Some(degraded(field(condition, "message"))),
            _ => {}
        }
    }
    Some(healthy("CronWorkflow is healthy."))
}

pub(super) fn analysis_run(object: &Object) -> ResourceHealth {
    let or = |default: &str| {
        let message = object.text("/status/message");
        if message.is_empty() { default.to_owned() } else { message.to_owned() }
    };
    match object.text("/status/phase") {
        "Pending" | "Running" => progressing("Analysis run is running"),
        "Successful" => healthy("Analysis run completed successfully"),
        "Failed" => degraded(or("Analysis run failed")),
        "Error" => degraded(or("Analysis run had an error")),
        "Inconclusive" => verdict(HealthState::Unknown, or("Analysis run was inconclusive")),
        _ => progressing("Waiting for analysis run to finish: status has not been reconciled."),
    }
}

pub(super) fn experiment(object: &Object) -> ResourceHealth {
    match object.text("/status/phase") {
        "Pending" | "Running" => progressing("Experiment is running"),
        "Successful" => healthy("Experiment is successful"),
        "Failed" => degraded("Experiment has failed"),
        "Error" => degraded("Experiment had an error"),
        "Inconclusive" => verdict(HealthState::Unknown, "Experiment was inconclusive"),
        _ => progressing("Waiting for experiment to finish: status has not been reconciled."),
    }
}

/// EventBuses, EventSources and Sensors: every condition must hold.
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

const PAUSED: &str = "Rollout is paused";

pub(super) fn rollout(object: &Object) -> ResourceHealth {
    if !is_observed(object) {
        return progressing("Waiting for rollout spec update to be observed");
    }
    let phase = object.text("/status/phase");
    if !phase.is_empty() {
        let state = if phase == "Paused" { Some(HealthState::Suspended) } else { HealthState::parse(phase) };
        return verdict(state.unwrap_or(HealthState::Unknown), object.text("/status/message"));
    }
    for condition in conditions(object) {
        let (kind, reason) = (field(condition, "type"), field(condition, "reason"));
        let failed = kind == "Progressing" && matches!(reason, "RolloutAborted" | "ProgressDeadlineExceeded");
        if kind == "InvalidSpec" || failed {
            return degraded(field(condition, "message"));
        }
    }
    let current = object.text("/status/currentPodHash");
    if current.is_empty() {
        return progressing("Waiting for rollout to finish: status has not been reconciled.");
    }
    let paused = object.pointer("/spec/paused").and_then(Value::as_bool) == Some(true)
        || object.pointer("/status/pauseConditions").and_then(Value::as_array).is_some_and(|it| !it.is_empty());
    if paused {
        return verdict(HealthState::Suspended, PAUSED);
    }
    let wanted = object.integer("/spec/replicas").unwrap_or(1);
    let updated = number(object, "/status/updatedReplicas");
    if updated < wanted {
        return progressing("Waiting for roll out to finish: More replicas need to be updated");
    }
    if number(object, "/status/availableReplicas") < updated {
        return progressing("Waiting for roll out to finish: updated replicas are still becoming available");
    }
    if object.pointer("/spec/strategy/blueGreen").is_some() {
        if object.text("/status/blueGreen/activeSelector") == current {
            return healthy("");
        }
        return progressing("active service cutover pending");
    }
    let stable = object.text("/status/stableRS");
    let stable = if stable.is_empty() { object.text("/status/canary/stableRS") } else { stable };
    if stable == current {
        return healthy("");
    }
    if number(object, "/status/replicas") > updated {
        return progressing("Waiting for roll out to finish: old replicas are pending termination");
    }
    progressing("Waiting for rollout to finish steps")
}

/// Whether the controller has seen the newest spec. Before v1.0 `observedGeneration` was a hash, which counts as seen.
fn is_observed(object: &Object) -> bool {
    let Some(status) = object.get("status").filter(|it| it.as_object().is_some_and(|it| !it.is_empty())) else {
        return false;
    };
    let as_number = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.parse::<f64>().ok(),
        Some(Value::Number(number)) => number.as_f64(),
        _ => None,
    };
    #[allow(clippy::cast_precision_loss, reason = "generations are small")]
    let generation = object.generation() as f64;
    if as_number(status.get("observedGeneration")).is_some_and(|it| it < generation) {
        return false;
    }
    if object.pointer("/spec/workloadRef").is_none() {
        return true;
    }
    let wanted = object.annotation("rollout.argoproj.io/workload-generation").and_then(|it| it.parse::<f64>().ok());
    match (wanted, as_number(status.get("workloadObservedGeneration"))) {
        (Some(wanted), Some(observed)) => (wanted - observed).abs() < 0.5,
        _ => true,
    }
}
