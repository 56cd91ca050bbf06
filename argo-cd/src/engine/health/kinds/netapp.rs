//! NetApp: Astra and Trident.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule, suspended};

pub(super) const KINDS: &[Entry] = &[
    ("astra.netapp.io", "Application", Rule::Code(application)),
    ("astra.netapp.io", "ExecHook", Rule::Code(exec_hook)),
    ("astra.netapp.io", "Schedule", Rule::Code(schedule)),
    ("trident.netapp.io", "TridentBackendConfig", Rule::Code(backend)),
];

fn application(object: Look<'_>) -> Judged {
    for condition in object.conditions() {
        if condition.has("Ready", "True") {
            let protection = object.path("status.protectionState").text()?;
            return healthy(format!("Astra Application Ready, protectionState: {protection}"));
        }
        if condition.has("Ready", "False") {
            return degraded(format!("Astra Application Degraded, message: {}", condition.get("message").text()?));
        }
    }
    progressing("No status available")
}

fn exec_hook(object: Look<'_>) -> Judged {
    match object.path("spec.enabled") {
        it if it.is_bool(true) => healthy(format!("{} enabled", object.get("kind").text()?)),
        it if it.is_bool(false) => suspended(format!("{} disabled", object.get("kind").text()?)),
        _ => progressing("No status available"),
    }
}

fn schedule(object: Look<'_>) -> Judged {
    match object.path("status.lastScheduleTime") {
        it if it.present() => healthy(format!("Protection policy lastScheduleTime: {}", it.text()?)),
        _ => healthy("Protection policy not yet executed"),
    }
}

fn backend(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let message = status.get("message").message();
    if status.get("phase").is("Bound") && status.get("lastOperationStatus").is("Success") {
        return healthy(message);
    }
    if status.get("lastOperationStatus").is("Failed") {
        return degraded(message);
    }
    progressing("Waiting for backend creation")
}
