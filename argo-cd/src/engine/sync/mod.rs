//! Synchronisation: phases, waves, hooks; one pass at a time.
//!
//! ```text
//! comparison ─> tasks (phase, wave, kind, name) ─> step ─ writes ─> outcomes ─> finish ─> results in the status
//! ```
//! A pass does at most one wave. What was done stands in `status.operationState.syncResult`; the next pass reads it
//! there and in the cluster, and nowhere else.

mod apply;
mod hooks;
mod migrate;
mod order;
mod plan;
mod step;
mod tasks;

pub use apply::{Applied, apply, label};
pub(crate) use hooks::release;
pub use migrate::migration;
pub use plan::{BlastRadius, PlannedKind, PlannedStep, PlannedWave, Policy, PolicyRef, Refusal, SyncPlan};
pub use step::{Finish, Outcome, Record, Step, Write, ends_run, finish, step, terminate};
pub use tasks::{Invalid, Task, tasks};

use std::sync::Arc;

use argo_core::{Object, ObjectRef, Timestamp};

use super::{compare::Comparison, ignored::Ignored, live::Kinds};
use crate::api::{AppProjectSpec, Destination, ManagedNamespaceMetadata, OperationState, SyncOperation};

/// What a pass of a synchronisation sees.
#[derive(Clone)]
pub struct Input<'a> {
    /// The comparison at the pinned revision.
    pub comparison: &'a Comparison,
    /// How the operation goes.
    pub state: &'a OperationState,
    /// What was asked for.
    pub operation: &'a SyncOperation,
    /// The name that the Application is tracked by.
    pub instance: &'a str,
    /// Where it goes.
    pub destination: &'a Destination,
    /// What is permitted.
    pub project: &'a AppProjectSpec,
    /// The project's name.
    pub project_name: &'a str,
    /// Scopes of kinds.
    pub kinds: &'a Kinds,
    /// Differences that may be respected.
    pub ignored: &'a Ignored,
    /// Labels and annotations of the namespace.
    pub namespace_metadata: Option<&'a ManagedNamespaceMetadata>,
    /// Whose fields a server-side apply takes over first (`ClientSideApplyMigration`); nobody's when absent.
    pub migrates: Option<&'a str>,
    /// When a person approved deletions.
    pub approved_at: Option<Timestamp>,
    /// The time of the pass.
    pub now: Timestamp,
    /// Looks up a live object by name.
    pub lookup: &'a dyn Fn(&ObjectRef) -> Option<Arc<Object>>,
    /// Settings of the installation.
    pub settings: &'a super::settings::Settings,
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("instance", &self.instance).field("now", &self.now).finish_non_exhaustive()
    }
}

impl Input<'_> {
    /// Names this attempt: hooks made by it carry this, so that they are not made twice.
    fn attempt(&self) -> String {
        format!("{}-{}", self.state.started_at.timestamp().as_second(), self.state.retry_count)
    }

    fn is_approved(&self) -> bool {
        self.approved_at.is_some_and(|it| it >= self.state.started_at.timestamp())
    }
}
