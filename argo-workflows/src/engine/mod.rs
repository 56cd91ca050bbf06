//! Decisions, and nothing else: [`reconcile`] takes a workflow, what the executor knows of its steps,
//! and the time, and returns a plan.
//!
//! ```text
//! spec ── Compiled::new ──> Compiled ┐
//! Workflow (spec, status) ───────────┼─ reconcile(world, now) ─> Plan { StatusChange, Effects, wake }
//! steps by node id (executor) ───────┘        observe → walk templates → phase
//! ```
//!
//! All memory is in `status.nodes`: nodes are found by names that follow from their place in the
//! templates, those whose conditions are met are made, and steps start by effects that are repeated
//! until the executor knows the node.

mod admission;
mod artifact_gc;
mod children;
mod claims;
mod compile;
mod containers;
mod cron;
mod daemons;
mod dag;
mod depends;
mod estimate;
mod events;
mod expansions;
mod graph;
mod hooks;
mod http;
mod inputs;
mod leaf;
mod ledger;
mod locking;
mod loops;
mod memoize;
mod metrics;
mod names;
mod observe;
pub mod operations;
mod outputs;
mod pass;
mod pod_gc;
mod progress;
mod resources;
mod retention;
mod retry;
mod scope;
mod step;
mod steps;
mod synchronization;
mod template;
mod validate;
mod vars;
mod workflow;
mod world;

pub use admission::{Admission, AdmissionLimits};
pub use artifact_gc::{GarbageRequest, GarbageResult, GarbageState};
#[cfg(feature = "controller")]
pub(crate) use compile::limit_of;
pub use compile::{Catalog, CompileError, Compiled, References};
pub use cron::{CronPlan, CronWorld, reconcile_cron};
pub use estimate::{Baseline, baseline_label};
pub use events::{DispatchError, Event, LABEL_EVENT_BINDING, dispatch};
pub use http::{HttpAnswer, MAX_BODY};
pub use ledger::Ledger;
pub use memoize::CacheData;
pub use metrics::{Emission, Measure, MetricSink, realtime};
#[cfg(feature = "pods")]
pub(crate) use names::fnv32a;
pub use names::{display_name, node_id, pod_name};
pub use pod_gc::{PodGc, pod_gc};
pub use retention::{Ended, expired};
#[cfg(feature = "http")]
pub(crate) use retry::is_transient;
pub use step::{ContainerResult, Displaced, Effect, LiveStep, PodNameFormat, StepRequest, StepResult, StepState};
pub use synchronization::{ClaimAnswer, Claims, DatabaseClaim, LockKind, LockName, Locks};
pub use validate::{LintError, LintMode, hints, lint_manifest};
pub use workflow::{WorkflowPlan, lint, reconcile, reconcile_fresh, reconcile_with, refuse, refuse_as};
pub use world::{StatusChange, World};
