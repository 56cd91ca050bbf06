//! Decisions about Rollouts and AnalysisRuns: pure functions from values to values.
//!
//! ```text
//!   World (rollout, ReplicaSets, Services, AnalysisRuns, …) + now ──> reconcile ──> Plan<RolloutStatus, Effect>
//!   AnalysisRun + now ─────────────────────────> analysis::reconcile ──> Plan<AnalysisRunStatus, Measure>
//! ```
//!
//! One pass does one increment, as upstream does: it scales one side, then writes the status; the
//! next pass goes on from what it then sees. Nothing is remembered outside the status.

pub mod analysis;
mod analysis_runs;
mod args;
mod blue_green;
mod canary;
mod conditions;
pub mod experiment;
pub mod hash;
mod pass;
mod pause;
mod phase;
mod replica_sets;
pub mod replicas;
mod routing;
mod services;
pub mod template;
mod validate;
mod world;

use argo_core::{Change, Object, Plan, Timestamp};

use crate::api::{Rollout, RolloutStatus, names};

pub use phase::{phase_of, step_text};
pub use services::release as release_service;
pub use world::World;

/// What the engine wants from outside Kubernetes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Gives the canary a share of the traffic, by every router that the Rollout names.
    SetWeight(RouteTraffic),
}

/// Traffic as it is to flow.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteTraffic {
    /// Share of the canary.
    pub weight: i64,
    /// What all traffic is; 100.
    pub max_weight: i64,
    /// Hash of the canary's pods.
    pub canary_hash: String,
    /// Hash of the stable pods.
    pub stable_hash: String,
}

impl std::fmt::Display for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SetWeight(it) => write!(f, "route {}/{} of the traffic to the canary", it.weight, it.max_weight),
        }
    }
}

/// One pass over a Rollout at `now`.
#[must_use]
pub fn reconcile(world: &World, now: Timestamp) -> Plan<RolloutStatus, Effect> {
    pass::run(world, now)
}

/// The patch of the status subresource that writes `status`, guarded by the version `rollout` was
/// read at, so that nothing a client wrote since is overwritten.
#[must_use]
pub fn status_change(rollout: &Object, status: &RolloutStatus) -> Option<Change> {
    let mut next = rollout.clone();
    next.set(&["status"], status.to_value());
    Change::subresource_between(rollout, &next, "status")
}

/// The traffic that the routers are to be asked about before the next pass: what the status says
/// they carry, at times when the answer matters.
#[must_use]
pub fn carried_traffic(rollout: &Object) -> Option<RouteTraffic> {
    let ro: Rollout = rollout.decode().ok()?;
    let routing = ro.spec.strategy.canary.as_ref()?.traffic_routing.as_ref()?;
    let weights = ro.status.canary.weights.clone()?;
    let (weight, max_weight) = (weights.canary.weight, routing.max_traffic_weight.unwrap_or(100));
    routing::should_verify(&ro, weight, max_weight).then_some(RouteTraffic {
        weight,
        max_weight,
        canary_hash: weights.canary.pod_template_hash,
        stable_hash: weights.stable.pod_template_hash,
    })
}

/// The status of a Rollout whose pass failed for good, so that people see it.
#[must_use]
pub fn failed_status(old: &RolloutStatus, message: &str, now: Timestamp) -> RolloutStatus {
    let mut next = old.clone();
    conditions::set_invalid(&mut next, message, now);
    next.phase = names::phase::DEGRADED.to_owned();
    next.message = format!("{}: {message}", names::condition::INVALID_SPEC);
    next
}

/// The status of a Rollout whose ReplicaSet the API server refuses.
#[must_use]
pub fn not_created_status(ro: &Rollout, message: &str, now: Timestamp) -> RolloutStatus {
    let mut next = ro.status.clone();
    let kind = names::condition::PROGRESSING;
    conditions::set(&mut next, pass::new_condition(kind, "False", names::reason::NOT_CREATED, message, now));
    let (phase, message) = phase_of(&ro.spec, &next);
    (next.phase, next.message) = (phase.to_owned(), message);
    next
}
