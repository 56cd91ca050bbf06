//! Kinds of Kubernetes and its SIGs that upstream judges by script.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule};

pub(super) const KINDS: &[Entry] = &[
    ("apiextensions.k8s.io", "CustomResourceDefinition", Rule::Code(definition)),
    ("batch", "CronJob", Rule::Code(cron_job)),
    ("policy", "PodDisruptionBudget", Rule::Code(disruption_budget)),
    ("snapshot.storage.k8s.io", "VolumeSnapshot", Rule::Code(snapshot)),
    ("snapshot.storage.k8s.io", "VolumeSnapshotContent", Rule::Code(snapshot)),
];

fn definition(object: Look<'_>) -> Judged {
    if object.at("metadata")?.get("deletionTimestamp").present() {
        return progressing("CRD is terminating");
    }
    if object.get("status").at("conditions")?.length() == 0 {
        return progressing("Status conditions not found");
    }
    let mut established = false;
    for condition in object.conditions() {
        let message = condition.get("message");
        if condition.has("Terminating", "True") {
            return progressing(format!("CRD is terminating: {}", message.text()?));
        }
        if condition.has("NamesAccepted", "False") {
            return degraded(format!("CRD names have not been accepted: {}", message.text()?));
        }
        if condition.has("NonStructuralSchema", "True") {
            return degraded(format!("Schema violations found: {}", message.text()?));
        }
        if condition.get("type").is("Established") {
            if condition.get("status").is("True") {
                established = true;
            } else if condition.get("reason").is("Installing") {
                return progressing("CRD is being installed");
            }
        }
    }
    if established { healthy("CRD is healthy") } else { degraded("CRD is not established") }
}

fn cron_job(object: Look<'_>) -> Judged {
    if object.get("spec").at("suspend")?.is_bool(true) {
        return healthy("CronJob is Suspended");
    }
    let status = object.get("status");
    if status.absent() {
        return progressing("Waiting for CronJob");
    }
    let scheduled = status.get("lastScheduleTime");
    if scheduled.absent() {
        return healthy("CronJob has not been scheduled yet");
    }
    let Some(succeeded) = status.get("lastSuccessfulTime").str() else {
        return healthy("The CronJob never completed successfully. It may not be healthy");
    };
    if status.get("active").length() > 0 {
        return healthy("The job is running. Its last execution may not have been successful");
    }
    if scheduled.str().is_some_and(|it| succeeded < it) {
        return degraded("CronJob has not completed its last execution successfully");
    }
    healthy("CronJob has completed its last execution successfully")
}

fn disruption_budget(object: Look<'_>) -> Judged {
    let mut last = None;
    for condition in object.conditions() {
        let reason = condition.get("reason");
        let message = format!("PodDisruptionBudget has {}", reason.text()?);
        if condition.get("status").is("False") && !reason.is("InsufficientPods") {
            return degraded(message);
        }
        last = Some(message);
    }
    last.map_or_else(|| progressing("Waiting for status"), healthy)
}

fn snapshot(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.get("readyToUse").truthy() {
        return healthy("Ready to use");
    }
    match status.get("error") {
        error if error.present() => degraded(error.at("message")?.message()),
        _ => progressing("Waiting for status"),
    }
}
