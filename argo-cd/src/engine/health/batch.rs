//! Jobs and CronJobs.

use argo_core::Object;

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
