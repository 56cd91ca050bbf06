//! Cluster API.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule, suspended, verdict};
use crate::api::HealthState;

pub(super) const KINDS: &[Entry] = &[
    ("cluster.x-k8s.io", "Cluster", Rule::Code(cluster)),
    ("cluster.x-k8s.io", "Machine", Rule::Code(machine)),
    ("cluster.x-k8s.io", "MachineDeployment", Rule::Code(deployment)),
    ("cluster.x-k8s.io", "MachineHealthCheck", Rule::Code(health_check)),
    ("cluster.x-k8s.io", "MachinePool", Rule::Code(pool)),
    ("controlplane.cluster.x-k8s.io", "AWSManagedControlPlane", Rule::Code(aws_control_plane)),
];

fn not_ready(object: Look<'_>) -> Option<Look<'_>> {
    object.conditions().find(|it| it.has("Ready", "False"))
}

fn is_paused(object: Look<'_>) -> Result<bool, Unjudged> {
    Ok(object.get("spec").at("paused")?.truthy())
}

fn cluster(object: Look<'_>) -> Judged {
    if is_paused(object)? {
        return suspended("Cluster is paused");
    }
    if let Some(condition) = not_ready(object) {
        return degraded(condition.get("message").message());
    }
    match object.path("status.phase").str() {
        Some("Provisioned") => healthy("Cluster is running"),
        Some("Failed") => degraded(""),
        _ => progressing("Waiting for clusters"),
    }
}

fn machine(object: Look<'_>) -> Judged {
    let why = || match not_ready(object) {
        Some(condition) => condition.get("message").message(),
        None => "Condition is unknown".to_owned(),
    };
    match object.path("status.phase").str() {
        Some("Running") => healthy("Machine is running"),
        Some("Failed") => degraded(why()),
        _ => progressing(why()),
    }
}

fn deployment(object: Look<'_>) -> Judged {
    if is_paused(object)? {
        return suspended("MachineDeployment is paused");
    }
    match object.path("status.phase").str() {
        Some("Running") => healthy("Machines are running under this deployment"),
        Some("ScalingUp") => progressing("Cluster is spawning machines"),
        Some("ScalingDown") => progressing("Cluster is stopping machines"),
        Some("Failed") => degraded("MachineDeployment is failed"),
        _ => progressing("Waiting for machines"),
    }
}

fn health_check(object: Look<'_>) -> Judged {
    let status = object.get("status");
    match status.get("currentHealthy") {
        healthy_now if healthy_now.absent() => progressing(""),
        healthy_now if healthy_now.same(status.get("expectedMachines")) => healthy(""),
        _ => degraded(""),
    }
}

fn pool(object: Look<'_>) -> Judged {
    let phase = object.path("status.phase");
    let mut message = String::new();
    if phase.present() {
        message = format!("MachinePool is {}", phase.text()?);
    }
    let state = match phase.str() {
        Some("Running" | "Scaling") => HealthState::Healthy,
        Some("Failed" | "Unknown") => HealthState::Degraded,
        _ => HealthState::Progressing,
    };
    let mut failing = Vec::new();
    for condition in object.conditions().filter(|it| it.get("type").present() && it.get("status").is("False")) {
        let kind = condition.get("type").text()?;
        failing.push(match condition.get("reason") {
            reason if reason.present() => format!("Not {kind} ({})", reason.text()?),
            _ => format!("Not {kind}"),
        });
    }
    if !failing.is_empty() {
        message = format!("{message}: {}", failing.join(", "));
    }
    verdict(state, message)
}

fn aws_control_plane(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.get("conditions").absent() {
        return progressing("Provisioning...");
    }
    let mut errors = String::new();
    let mut failed = false;
    for condition in object.conditions() {
        if condition.has("Ready", "True") {
            return healthy("Control plane is ready");
        }
        if condition.get("status").is("False") && condition.get("severity").is("Error") {
            failed = true;
            errors.push_str(&condition.get("message").text()?);
            errors.push(' ');
        }
    }
    if failed {
        return degraded(errors);
    }
    if status.get("ready").is_bool(false) {
        return progressing("Control plane is not ready (.status.ready is false)");
    }
    progressing("Control plane is not ready")
}
