//! Rollouts, AnalysisRuns, Experiments.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule, suspended, unknown};
use crate::api::HealthState;

pub(super) const KINDS: &[Entry] = &[
    ("argoproj.io", "AnalysisRun", Rule::Code(analysis_run)),
    ("argoproj.io", "Experiment", Rule::Code(experiment)),
    ("argoproj.io", "Rollout", Rule::Code(rollout)),
];

fn analysis_run(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.absent() {
        return progressing("Waiting for analysis run to finish: status has not been reconciled.");
    }
    let message = |default| status.get("message").or(default);
    match status.get("phase").str() {
        Some("Pending" | "Running") => progressing("Analysis run is running"),
        Some("Successful") => healthy(message("Analysis run completed successfully")),
        Some("Failed") => degraded(message("Analysis run failed")),
        Some("Error") => degraded(message("Analysis run had an error")),
        Some("Inconclusive") => unknown(message("Analysis run was inconclusive")),
        _ => Err(Unjudged::Silent),
    }
}

fn experiment(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.absent() {
        return progressing("Waiting for experiment to finish: status has not been reconciled.");
    }
    match status.get("phase").str() {
        Some("Pending") => progressing("Experiment is pending"),
        Some("Running") => progressing("Experiment is running"),
        Some("Successful") => healthy("Experiment is successful"),
        Some("Failed") => degraded("Experiment has failed"),
        Some("Error") => degraded("Experiment had an error"),
        _ => Err(Unjudged::Silent),
    }
}

fn rollout(object: Look<'_>) -> Judged {
    let (spec, status) = (object.get("spec"), object.get("status"));
    if !is_observed(object)? || !is_workload_observed(object)? {
        return progressing("Waiting for rollout spec update to be observed");
    }
    if status.get("phase").present() {
        let message = status.get("message").message();
        return match status.get("phase").str() {
            Some("Paused") => suspended(message),
            Some(phase) => match HealthState::parse(phase) {
                Some(state) => super::verdict(state, message),
                None => unknown(super::super::INVALID),
            },
            None => unknown(super::super::INVALID),
        };
    }
    for condition in status.get("conditions").items()? {
        let kind = condition.get("type");
        let aborted =
            kind.is("Progressing") && condition.get("reason").is_one(&["RolloutAborted", "ProgressDeadlineExceeded"]);
        if kind.is("InvalidSpec") || aborted {
            return degraded(condition.get("message").message());
        }
    }
    if status.get("pauseConditions").length() > 0 || spec.get("paused").truthy() {
        return suspended("Rollout is paused");
    }
    let hash = status.get("currentPodHash");
    if hash.absent() {
        return progressing("Waiting for rollout to finish: status has not been reconciled.");
    }
    let updated = status.get("updatedReplicas").number_or(0.0)?;
    if updated < spec.at("replicas")?.number_or(1.0)? {
        return progressing("Waiting for roll out to finish: More replicas need to be updated");
    }
    if status.get("availableReplicas").number_or(0.0)? < updated {
        return progressing("Waiting for roll out to finish: updated replicas are still becoming available");
    }
    by_strategy(object, hash, updated)
}

fn by_strategy(object: Look<'_>, hash: Look<'_>, updated: f64) -> Judged {
    let (spec, status) = (object.get("spec"), object.get("status"));
    let stable = match status.get("stableRS") {
        it if it.present() => Some(it),
        _ if status.get("canary").present() => Some(status.path("canary.stableRS")),
        _ => None,
    };
    let named = stable.is_some_and(|it| !it.is(""));
    let is_current = stable.is_some_and(|it| it.same(hash));
    let strategy = spec.get("strategy");
    if strategy.at("blueGreen")?.present() {
        if !status.path("blueGreen.activeSelector").same(hash) {
            return progressing("active service cutover pending");
        }
        if named && !is_current {
            return progressing("waiting for analysis to complete");
        }
    } else if strategy.get("canary").present() {
        if status.get("replicas").number_or(0.0)? > updated {
            return progressing("Waiting for roll out to finish: old replicas are pending termination");
        }
        if !named || !is_current {
            return progressing("Waiting for rollout to finish steps");
        }
    }
    healthy("")
}

/// An observation of a later generation counts: older controllers wrote a hash there.
fn is_observed(object: Look<'_>) -> Result<bool, Unjudged> {
    let status = object.get("status");
    if status.absent() {
        return Ok(false);
    }
    let Some(observed) = number_of(status.get("observedGeneration")) else { return Ok(true) };
    Ok(observed >= object.at("metadata")?.at("generation")?.number()?)
}

fn is_workload_observed(object: Look<'_>) -> Result<bool, Unjudged> {
    let annotations = object.at("metadata")?.get("annotations");
    if object.get("spec").at("workloadRef")?.absent() || annotations.absent() {
        return Ok(true);
    }
    let wanted = number_of(annotations.get("rollout.argoproj.io/workload-generation"));
    Ok(wanted == number_of(object.path("status.workloadObservedGeneration")))
}

fn number_of(value: Look<'_>) -> Option<f64> {
    value.float().or_else(|| value.str()?.trim().parse().ok())
}
