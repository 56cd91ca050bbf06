//! How live objects are.
//!
//! [`of`] is the whole: what is being deleted progresses, then [`assess`]: the scripts of the installation, the rules of
//! the ecosystem's kinds (`kinds/`), the built-in kinds (one file per family). A kind without rules has no health.

mod apps;
mod argo;
mod autoscaling;
mod batch;
mod core;
mod kargo;
mod kinds;

mod networking;
mod script;
mod system;

use argo_core::Object;
use jiff::Timestamp;
use serde_json::Value;

use super::look::{Look, Unjudged};
use super::settings::Settings;
use crate::api::{HealthState, ResourceHealth, names};

/// Message of a verdict whose status is none of the known ones.
pub(crate) const INVALID: &str = "Lua returned an invalid health status";

/// What health is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Settings of the installation.
    pub settings: &'a Settings,
    /// The time that its scripts read.
    pub now: Timestamp,
}

/// How a live object is; `None` for kinds without rules. `now` is what scripts of the installation read as the time.
#[must_use]
pub fn of(object: &Object, settings: &Settings, now: Timestamp) -> Option<ResourceHealth> {
    if object.is_deleting() && !object.has_finalizer(names::HOOK_FINALIZER) {
        return Some(verdict(HealthState::Progressing, "Pending deletion"));
    }
    assess(object, settings, now)
}

/// How an object is by the rules of its kind, whether or not it is being deleted; `None` for kinds without rules.
///
/// Scripts of the installation come first, then the rules of the ecosystem's kinds, then those of built-in kinds.
/// A rule that needs a field which is not there gives Unknown with the reason.
#[must_use]
pub fn assess(object: &Object, settings: &Settings, now: Timestamp) -> Option<ResourceHealth> {
    if let Some(script) = script::of(object, settings) {
        return script::judge(object, script, now);
    }
    let gvk = object.gvk();
    match kinds::judge(gvk.group.as_str(), gvk.kind.as_str(), Look::new(object.value())) {
        Some(Ok(health)) => Some(health),
        Some(Err(Unjudged::Silent)) => None,
        Some(Err(error)) => Some(verdict(HealthState::Unknown, error.to_string())),
        None => built_in(object, settings),
    }
}

fn built_in(object: &Object, settings: &Settings) -> Option<ResourceHealth> {
    let gvk = object.gvk();
    let version = gvk.version.as_str();
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps", "Deployment") if version == "v1" => Some(apps::deployment(object)),
        ("apps", "StatefulSet") if version == "v1" => Some(apps::stateful_set(object)),
        ("apps", "DaemonSet") if version == "v1" => Some(apps::daemon_set(object)),
        ("apps", "ReplicaSet") if version == "v1" => Some(apps::replica_set(object)),
        ("", "Pod") => Some(core::pod(object)),
        ("", "Service") => Some(core::service(object)),
        ("", "PersistentVolumeClaim") => Some(core::claim(object)),
        ("batch", "Job") => Some(batch::job(object)),
        ("networking.k8s.io" | "extensions", "Ingress") => Some(networking::ingress(object)),
        ("apiregistration.k8s.io", "APIService") => Some(system::api_service(object)),
        ("autoscaling", "HorizontalPodAutoscaler") => Some(autoscaling::autoscaler(object)),
        ("argoproj.io", "Workflow") => Some(argo::workflow(object)),
        ("argoproj.io", "EventSource" | "Sensor") => Some(argo::events(object)),
        ("argoproj.io", "Application") if settings.application_health => Some(argo::application(object)),
        ("kargo.akuity.io", "Stage") => Some(kargo::stage(object)),
        ("kargo.akuity.io", "Promotion") => Some(kargo::promotion(object)),
        ("kargo.akuity.io", "Warehouse" | "Project") => Some(kargo::ready(object)),
        _ => None,
    }
}

fn verdict(status: HealthState, message: impl Into<String>) -> ResourceHealth {
    ResourceHealth { status, message: message.into() }
}

fn healthy(message: impl Into<String>) -> ResourceHealth {
    verdict(HealthState::Healthy, message)
}

fn progressing(message: impl Into<String>) -> ResourceHealth {
    verdict(HealthState::Progressing, message)
}

fn degraded(message: impl Into<String>) -> ResourceHealth {
    verdict(HealthState::Degraded, message)
}

/// Entries of `status.conditions`.
fn conditions(object: &Object) -> impl Iterator<Item = &Value> {
    object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten()
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(object: &Object, pointer: &str) -> i64 {
    object.integer(pointer).unwrap_or_default()
}
