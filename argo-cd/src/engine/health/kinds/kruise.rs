//! OpenKruise: workloads, rollouts, games.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule, suspended, unknown};

pub(super) const KINDS: &[Entry] = &[
    ("apps.kruise.io", "AdvancedCronJob", Rule::Code(cron_job)),
    ("apps.kruise.io", "BroadcastJob", Rule::Code(broadcast_job)),
    ("apps.kruise.io", "CloneSet", Rule::Code(clone_set)),
    ("apps.kruise.io", "DaemonSet", Rule::Code(daemon_set)),
    ("apps.kruise.io", "StatefulSet", Rule::Code(stateful_set)),
    ("game.kruise.io", "GameServer", Rule::Code(game_server)),
    ("game.kruise.io", "GameServerSet", Rule::Code(game_server_set)),
    ("rollouts.kruise.io", "Rollout", Rule::Code(rollout)),
];

const INITIAL: &str = "Waiting for initialization";

fn is_observed(object: Look<'_>) -> Result<bool, Unjudged> {
    let status = object.get("status");
    if status.absent() {
        return Ok(false);
    }
    Ok(object.at("metadata")?.get("generation").same(status.get("observedGeneration")))
}

/// Whether a generation beyond the first is there.
fn was_changed(object: Look<'_>) -> Result<bool, Unjudged> {
    Ok(object.path("metadata.generation").number()? > 1.0)
}

fn cron_job(object: Look<'_>) -> Judged {
    let last = object.get("status").at("lastScheduleTime")?;
    if last.absent() && object.get("spec").at("paused")?.is_bool(true) {
        return suspended("AdvancedCronJob is Paused");
    }
    if object.path("status.active").length() > 0 {
        return progressing("AdvancedCronJobs has active jobs");
    }
    if last.absent() {
        return degraded("AdvancedCronJobs has not run successfully");
    }
    healthy("AdvancedCronJobs has run successfully")
}

fn broadcast_job(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.absent() {
        return progressing("BroadcastJob is still running");
    }
    let phase = status.get("phase");
    if phase.is("completed") && status.get("desired").same(status.get("succeeded")) {
        return healthy("BroadcastJob is completed successfully");
    }
    if phase.is("failed") && !status.get("failed").is_number(0.0) {
        return degraded("BroadcastJob failed");
    }
    if phase.is("paused") && object.get("spec").at("paused")?.is_bool(true) {
        return suspended("BroadcastJob is Paused");
    }
    progressing("BroadcastJob is still running")
}

fn clone_set(object: Look<'_>) -> Judged {
    if !is_observed(object)? {
        return progressing(INITIAL);
    }
    let status = object.get("status");
    let strategy = object.get("spec").at("updateStrategy")?;
    let available = status.get("updatedAvailableReplicas");
    if strategy.at("paused")?.is_bool(true) || !available.truthy() {
        return suspended("Cloneset is paused");
    }
    if !strategy.get("partition").is_number(0.0) && was_changed(object)? {
        if status.get("updatedReplicas").number()? >= status.get("expectedUpdatedReplicas").number()? {
            return suspended("Cloneset needs manual intervention");
        }
        return progressing(INITIAL);
    }
    if available.same(status.get("replicas")) {
        healthy("All Cloneset workloads are ready and updated")
    } else {
        degraded("Some replicas are not ready or available")
    }
}

fn daemon_set(object: Look<'_>) -> Judged {
    if !is_observed(object)? {
        return progressing(INITIAL);
    }
    let status = object.get("status");
    let rolling = object.get("spec").at("updateStrategy")?.at("rollingUpdate")?;
    let updated = status.get("updatedNumberScheduled");
    let wanted = status.get("desiredNumberScheduled");
    if rolling.at("paused")?.is_bool(true) || !updated.truthy() {
        return suspended("Daemonset is paused");
    }
    let partition = rolling.get("partition");
    if partition.present() && !partition.is_number(0.0) && was_changed(object)? {
        if updated.number()? > wanted.number()? - partition.number()? {
            return suspended("Daemonset needs manual intervention");
        }
        return progressing(INITIAL);
    }
    if updated.same(wanted) && status.get("numberAvailable").same(wanted) {
        return healthy("All Daemonset workloads are ready and updated");
    }
    if updated.same(wanted) && status.get("numberUnavailable").same(wanted) {
        return degraded("Some pods are not ready or available");
    }
    progressing(INITIAL)
}

fn stateful_set(object: Look<'_>) -> Judged {
    if !is_observed(object)? {
        return progressing(INITIAL);
    }
    let status = object.get("status");
    let rolling = object.get("spec").at("updateStrategy")?.at("rollingUpdate")?;
    let available = status.get("updatedAvailableReplicas");
    if rolling.at("paused")?.is_bool(true) || !available.truthy() {
        return suspended("Statefulset is paused");
    }
    let partition = rolling.get("partition");
    if !partition.is_number(0.0) && was_changed(object)? {
        let rest = status.get("replicas").number()? - partition.number()?;
        if status.get("updatedReplicas").number()? > rest {
            return suspended("Statefulset needs manual intervention");
        }
        return progressing(INITIAL);
    }
    if available.same(status.get("replicas")) {
        healthy("All Statefulset workloads are ready and updated")
    } else {
        degraded("Some replicas are not ready or available")
    }
}

fn game_server(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let waiting = "Waiting for GameServer to be ready";
    if status.absent() {
        return unknown(waiting);
    }
    let (current, wanted) = (status.get("currentState"), status.get("desiredState"));
    if !current.same(wanted) {
        return progressing(format!("State change: {} → {}", current.or("Unknown"), wanted.or("Unknown")));
    }
    let not_ready = |it: &Look<'_>| it.get("type").is("KruisePodReady") && !it.get("status").is("True");
    if status.path("podStatus.conditions").list().any(|it| not_ready(&it)) {
        return degraded("Pod is not ready: KruisePodReady");
    }
    if current.is("Ready") { healthy("GameServer is Ready") } else { unknown(waiting) }
}

fn game_server_set(object: Look<'_>) -> Judged {
    let waiting = "Waiting for GameServerSet initialization";
    if !is_observed(object)? {
        return progressing(waiting);
    }
    let status = object.get("status");
    let rolling = object.at("spec")?.at("updateStrategy")?.get("rollingUpdate");
    if rolling.get("paused").is_bool(true) {
        return suspended("GameServerSet is paused");
    }
    let number = |name| status.get(name).number_or(0.0);
    let replicas = number("replicas")?;
    let partition = rolling.get("partition").number_or(0.0)?;
    if partition != 0.0 && number("updatedReplicas")? >= replicas - partition {
        return suspended(format!("Partition={partition}, waiting for manual intervention"));
    }
    if number("updatedReadyReplicas")? == replicas {
        return healthy("All GameServerSet replicas are updated and ready");
    }
    let ready = number("readyReplicas")?;
    if ready < replicas {
        return progressing(format!("ReadyReplicas {ready}/{replicas}, still progressing"));
    }
    progressing(waiting)
}

fn rollout(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let observed = object.at("metadata")?.get("generation").same(status.at("observedGeneration")?);
    if observed {
        let step = status.get("canaryStatus").at("currentStepState")?;
        match (step.str(), status.get("phase").str()) {
            (Some("StepPaused"), Some("Progressing")) => {
                return suspended("Rollout is Paused need manual intervention");
            }
            (Some("Completed"), Some("Healthy")) => return healthy("Rollout is Completed"),
            (Some("StepPaused"), Some("Terminating" | "Disabled")) => {
                return degraded("Rollout is Disabled or Terminating");
            }
            _ => {}
        }
    }
    progressing("Rollout is still progressing")
}
