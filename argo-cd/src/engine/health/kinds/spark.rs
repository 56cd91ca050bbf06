//! Spark applications: the state, and for running ones the number of executors.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule, verdict};
use crate::api::HealthState;

pub(super) const KINDS: &[Entry] = &[("sparkoperator.k8s.io", "SparkApplication", Rule::Code(application))];

const SUCCEEDING: &str = "The driver pod has been completed successfully. The executor pods terminate and are cleaned up.\n                                Under this circumstances, we assume the executor pod are completed.";

fn application(object: Look<'_>) -> Judged {
    let waiting = "Waiting for Executor pods";
    if object.get("status").absent() {
        return progressing(waiting);
    }
    let application = object.get("status").get("applicationState");
    let state = application.at("state")?;
    match state.str() {
        Some("") => progressing("SparkApplication was added, enqueuing it for submission"),
        Some("RUNNING") if has_its_executors(object)? => healthy("SparkApplication is Running"),
        Some("SUBMITTED") => progressing("SparkApplication was submitted successfully"),
        Some("COMPLETED") => healthy("SparkApplication was Completed"),
        Some("FAILED" | "SUBMISSION_FAILED" | "FAILING") => degraded(application.get("errorMessage").message()),
        Some("PENDING_RERUN") => progressing("SparkApplication is Pending Rerun"),
        Some("INVALIDATING") => verdict(HealthState::Missing, "SparkApplication is in InvalidatingState"),
        Some("SUCCEEDING") => progressing(SUCCEEDING),
        Some("UNKNOWN") => progressing(
            "SparkApplication is in UnknownState because either driver pod or one or all executor pods in unknown state  ",
        ),
        _ => progressing(waiting),
    }
}

fn has_its_executors(object: Look<'_>) -> Result<bool, Unjudged> {
    let executors = object.path("status.executorState");
    if executors.absent() {
        return Ok(false);
    }
    let running = executors.values().iter().filter(|it| it.is("RUNNING")).count() as f64;
    let spec = object.get("spec");
    let instances = spec.at("executor")?.at("instances")?;
    if instances.is_number(running) {
        return Ok(true);
    }
    if let Some((least, most)) = range(spec)? {
        return Ok(running >= least && running <= most);
    }
    Ok(spec.get("dynamicAllocation").absent() && instances.absent() && running >= 1.0)
}

/// How many executors dynamic allocation allows, by the API's fields or by Spark's own settings.
fn range(spec: Look<'_>) -> Result<Option<(f64, f64)>, Unjudged> {
    let dynamic = spec.get("dynamicAllocation");
    if dynamic.get("enabled").truthy() {
        let bound = |name, default| match dynamic.get(name) {
            it if it.truthy() => it.number(),
            _ => Ok(default),
        };
        return Ok(Some((bound("minExecutors", 0.0)?, bound("maxExecutors", f64::INFINITY)?)));
    }
    let settings = spec.get("sparkConf");
    for prefix in ["spark.streaming.dynamicAllocation", "spark.dynamicAllocation"] {
        if !settings.get(&format!("{prefix}.enabled")).is("true") {
            continue;
        }
        let bound = |name: &str, default| match settings.get(&format!("{prefix}.{name}")) {
            it if it.absent() => Some(default),
            it => it.float().or_else(|| it.str()?.trim().parse().ok()),
        };
        // without a lower bound there is no range, without an upper one nothing to compare with
        let Some(least) = bound("minExecutors", 0.0) else { return Ok(None) };
        let most = bound("maxExecutors", f64::INFINITY).ok_or(Unjudged::Number("nil"))?;
        return Ok(Some((least, most)));
    }
    Ok(None)
}
