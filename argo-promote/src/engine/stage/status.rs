//! A Stage that could not be looked after at all.

use argo_core::Timestamp;

use crate::api::{Conditions, FALSE, Stage, StageStatus, TRUE};

/// The status of a Stage whose pass failed.
#[must_use]
pub fn failed(stage: &Stage, message: &str, now: Timestamp) -> StageStatus {
    let mut status = stage.status.clone();
    let generation = stage.metadata.generation.unwrap_or_default();
    status.conditions.set_condition("Reconciling", TRUE, "RetryAfterError", message, generation, now);
    status.conditions.set_condition("Ready", FALSE, "ReconcileError", message, generation, now);
    status
}
