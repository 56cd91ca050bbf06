//! APIServices and CustomResourceDefinitions.

use argo_core::Object;

use super::{conditions, degraded, field, healthy, progressing};
use crate::api::ResourceHealth;

pub(super) fn api_service(object: &Object) -> ResourceHealth {
    let Some(condition) = conditions(object).find(|it| field(it, "type") == "Available") else {
        return progressing("Waiting to be processed");
    };
    let message = format!("{}: {}", field(condition, "reason"), field(condition, "message"));
    if field(condition, "status") == "True" { healthy(message) } else { progressing(message) }
}

pub(super) fn definition(object: &Object) -> ResourceHealth {
    if conditions(object).next().is_none() {
        return progressing("Status conditions not found");
    }
    let mut established = false;
    let mut violation = None;
    let mut refused = None;
    for condition in conditions(object) {
        let (kind, status) = (field(condition, "type"), field(condition, "status"));
        let message = field(condition, "message");
        match (kind, status) {
            ("Terminating", "True") => return progressing(format!("CRD is terminating: {message}")),
            ("NamesAccepted", "False") => {
                refused.get_or_insert_with(|| format!("CRD names have not been accepted: {message}"));
            }
            ("Established", "True") => established = true,
            ("NonStructuralSchema", "True") => {
                violation.get_or_insert_with(|| format!("Schema violations found: {message}"));
            }
            _ => {}
        }
    }
    match (refused, established, violation) {
        (Some(message), ..) => degraded(message),
        (None, false, _) => degraded("CRD is not established"),
        (None, true, Some(message)) => degraded(message),
        (None, true, None) => healthy("CRD is healthy"),
    }
}
