//! What came of a pass's writes.

use argo_core::{ApplyError, Category};

use super::{After, Finish, Outcome, Step, put};
use crate::api::{OperationPhase, ResourceResult, ResultCode};

/// Reads what came of the writes.
#[must_use]
pub fn finish(step: Step, outcomes: Vec<Outcome>) -> Finish {
    let Step { phase, message, mut results, writes, cleanup, after } = step;
    let mut finish = Finish { phase, message, cleanup, ..Finish::default() };
    let mut reasons = Vec::new();
    let mut skipped = false;
    for (write, outcome) in writes.into_iter().zip(outcomes) {
        match outcome {
            Outcome::Skipped => skipped = true,
            Outcome::Done => {
                if let Some(record) = write.record {
                    put(&mut results, record.success);
                }
            }
            Outcome::Failed(error) if is_passing(&error) => finish.retry = Some(error),
            Outcome::Failed(error) => {
                if let (Some(forced), Category::Invalid | Category::Conflict) = (write.forced, error.category) {
                    // The next pass finds it gone and creates it.
                    finish.cleanup.push(forced);
                    finish.retry.get_or_insert(error);
                    continue;
                }
                reasons.push(error.message.clone());
                if let Some(record) = write.record {
                    put(
                        &mut results,
                        ResourceResult {
                            status: Some(ResultCode::SyncFailed),
                            message: error.message,
                            hook_phase: Some(OperationPhase::Failed),
                            ..record.success
                        },
                    );
                }
            }
        }
    }
    if let After::Wave { last, settle, succeeded, failed, has_fail_hooks, message } = after {
        if !reasons.is_empty() {
            if !has_fail_hooks {
                finish.cleanup.extend(failed);
                finish.phase = OperationPhase::Failed;
            }
            finish.message = format!("one or more objects failed to apply, reason: {}", reasons.join(","));
        } else if finish.retry.is_none() && !skipped {
            if last {
                finish.cleanup.extend(succeeded);
                finish.phase = OperationPhase::Succeeded;
                finish.message = "successfully synced (all tasks run)".to_owned();
            } else {
                finish.message = message;
                finish.settle = settle;
            }
        }
    }
    finish.results = results;
    finish
}

/// Whether a failure comes from circumstances rather than from the object.
fn is_passing(error: &ApplyError) -> bool {
    error.category.is_transient() || error.category == Category::AlreadyExists
}
