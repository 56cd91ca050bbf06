//! Decisions about Rollouts and AnalysisRuns: pure functions from values to values.
//!
//! ```text
//!   World (rollout, ReplicaSets, Services, AnalysisRuns, …) + now ──> reconcile ──> Plan<RolloutStatus, Effect>
//!   AnalysisRun + now ─────────────────────────> analysis::reconcile ──> Plan<AnalysisRunStatus, Measure>
//! ```
//!
//! One pass does one increment, as upstream does: it scales one side, then writes the status; the
//! next pass goes on from what it then sees. Nothing is remembered outside the status.

mod affinity;
pub mod analysis;
mod analysis_runs;
mod args;
mod blue_green;
mod canary;
mod conditions;
mod counts;
mod duration;
mod dynamic;
mod ephemeral;
pub mod experiment;
pub mod hash;
mod pass;
mod pause;
mod phase;
mod replica_sets;
pub mod replicas;
mod routing;
mod scaling;
mod services;
mod step_plugins;
mod targets;
pub mod template;
mod tolerate;
mod validate;
mod workload;
pub mod workloads;
mod world;

use argo_core::{Change, Object, Plan, Timestamp};

use crate::api::{Rollout, RolloutStatus, SetHeaderRoute, SetMirrorRoute, WeightDestination, names};

pub use counts::differ_in_counts_only;
pub use duration::{Finished, finished};
pub use phase::{phase_of, step_text};
pub use services::release as release_service;
pub use step_plugins::{StepAnswer, StepCall, StepOperation};
pub use targets::targets_to_verify;
pub use validate::{
    lint::{LintError, lint},
    routed_objects,
};
pub use workload::workload_of;
pub use world::World;

/// What the engine wants from outside Kubernetes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Brings traffic to this, by every router that the Rollout names.
    Route(RouteTraffic),
    /// Calls a step plugin. Its answer goes into [`World::step_answers`] and the pass is made again,
    /// before anything of this one is carried out.
    Step(StepCall),
}

/// Traffic as it is to flow.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteTraffic {
    /// Share of the canary.
    pub weight: i64,
    /// What all traffic is; 100.
    pub max_weight: i64,
    /// Hash of the canary's pods.
    pub canary_hash: String,
    /// Hash of the stable pods.
    pub stable_hash: String,
    /// Shares of an experiment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional: Vec<WeightDestination>,
    /// Requests that go to the canary by their headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_route: Option<SetHeaderRoute>,
    /// Requests that the canary gets a copy of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror_route: Option<SetMirrorRoute>,
    /// Every route that header and mirror steps added goes.
    pub remove_routes: bool,
    /// The weight comes before the hashes: the canary has no pods.
    pub weight_first: bool,
    /// On the way back to stable; only its pods count.
    pub returns_to_stable: bool,
}

impl std::fmt::Display for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Step(it) => {
                write!(f, "{} step plugin {} (step {})", it.operation.as_str(), it.name, it.index + 1)
            }
            Self::Route(it) => {
                write!(f, "route {}/{} of the traffic to the canary", it.weight, it.max_weight)?;
                if let Some(route) = &it.header_route {
                    write!(f, ", and {} by its headers", route.name)?;
                }
                if let Some(route) = &it.mirror_route {
                    write!(f, ", and a copy of {}", route.name)?;
                }
                Ok(())
            }
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

/// The traffic that the status says the routers carry, to compare with what they do carry before the
/// next pass; and whether it is worth asking them if it is in effect.
#[must_use]
pub fn carried_traffic(rollout: &Rollout) -> Option<(RouteTraffic, bool)> {
    let carried = routing::carried(rollout)?;
    let verify = routing::should_verify(rollout, carried.weight, carried.max_weight);
    Some((carried, verify))
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
