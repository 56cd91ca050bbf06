//! Jobs and CronJobs.

use argo_core::{Object, time};
use serde_json::Value;

use super::{conditions, degraded, field, healthy, progressing, verdict};
use crate::api::{HealthState, ResourceHealth};

pub(super) fn job(object: &Object) -> ResourceHealth {
    let mut failed = None;
    let mut message = "";
    let mut complete = false;
    let mut suspended = false;
    for condition in conditions(object) {
        match field(condition, "type") {
            "Failed" => {
                failed = Some(field(condition, "message"));
                complete = true;
            }
            "Complete" => {
                message = field(condition, "message");
                complete = true;
            }
            "Suspended" => {
                complete = true;
                message = field(condition, "message");
                suspended |= field(condition, "status") == "True";
            }
            _ => {}
        }
    }
    match failed {
        _ if !complete => progressing(message),
        Some(message) => degraded(message),
        None if suspended => verdict(HealthState::Suspended, message),
        None => healthy(message),
    }
}

pub(super) fn cron_job(object: &Object) -> ResourceHealth {
    if object.pointer("/spec/suspend").and_then(Value::as_bool) == Some(true) {
        return healthy("CronJob is Suspended");
    }
    let at = |pointer| time::parse(object.text(pointer)).ok();
    match (at("/status/lastScheduleTime"), at("/status/lastSuccessfulTime")) {
        (None, _) => healthy("CronJob has not been scheduled yet"),
        _ if object.pointer("/status/active").and_then(Value::as_array).is_some_and(|it| !it.is_empty()) => {
            progressing(format!(
                "CronJob has {} active job(s)",
                object.pointer("/status/active").and_then(Value::as_array).map_or(0, Vec::len)
            ))
        }
        (Some(scheduled), Some(succeeded)) if succeeded >= scheduled => {
            healthy("CronJob has completed its last execution successfully")
        }
        _ => degraded("CronJob has not completed its last execution successfully"),
    }
}
