//! Pods, Services, PersistentVolumeClaims.

use argo_core::Object;
use serde_json::Value;

use super::{conditions, degraded, field, healthy, progressing, verdict};
use crate::api::{HealthState, ResourceHealth};

pub(super) fn pod(object: &Object) -> ResourceHealth {
    let restart = object.text("/spec/restartPolicy");
    // The API server fills in Always.
    let always = restart.is_empty() || restart == "Always";
    let statuses = || object.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten();
    let all = || {
        let init = object.pointer("/status/initContainerStatuses").and_then(Value::as_array);
        init.into_iter().flatten().chain(statuses())
    };
    if always {
        let mut messages = Vec::new();
        for status in all() {
            let Some(waiting) = status.pointer("/state/waiting") else { continue };
            let reason = field(waiting, "reason");
            if reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff") {
                messages.push(field(waiting, "message"));
            }
        }
        if !messages.is_empty() {
            return degraded(messages.join(", "));
        }
    }
    let message = object.text("/status/message");
    match object.text("/status/phase") {
        "Pending" => progressing(message),
        "Succeeded" => healthy(message),
        "Failed" => {
            if !message.is_empty() {
                return degraded(message);
            }
            degraded(all().find_map(failure).unwrap_or_default())
        }
        "Running" if always => {
            let ready = conditions(object).any(|it| field(it, "type") == "Ready" && field(it, "status") == "True");
            if ready {
                return healthy(message);
            }
            if statuses().any(|it| it.pointer("/lastState/terminated").is_some()) {
                return degraded(message);
            }
            progressing(message)
        }
        "Running" => progressing(message),
        _ => verdict(HealthState::Unknown, message),
    }
}

/// Why a container failed.
fn failure(status: &Value) -> Option<String> {
    let terminated = status.pointer("/state/terminated")?;
    let code = terminated.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
    let message = field(terminated, "message");
    if !message.is_empty() {
        return Some(message.to_owned());
    }
    if field(terminated, "reason") == "OOMKilled" {
        return Some("OOMKilled".to_owned());
    }
    (code != 0).then(|| format!("container {:?} failed with exit code {code}", field(status, "name")))
}

pub(super) fn service(object: &Object) -> ResourceHealth {
    if object.text("/spec/type") == "LoadBalancer" {
        let ingress = object.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
        if ingress.is_none_or(Vec::is_empty) {
            return progressing("");
        }
    }
    healthy("")
}

pub(super) fn claim(object: &Object) -> ResourceHealth {
    match object.text("/status/phase") {
        "Lost" => degraded(""),
        "Pending" => progressing(""),
        "Bound" => healthy(""),
        _ => verdict(HealthState::Unknown, ""),
    }
}
