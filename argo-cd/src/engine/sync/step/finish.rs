//! What came of a pass's writes.

use argo_core::{ApplyError, Category};

use super::{
    After, Finish, Outcome, Step, Wave, put,
    run::in_the_way,
    words::{because, waiting},
};
use crate::{
    api::{OperationPhase, ResourceResult, ResultCode},
    engine::sync::tasks::Task,
};

/// Reads what came of the writes.
#[must_use]
pub fn finish(step: Step, outcomes: Vec<Outcome>) -> Finish {
    let Step { phase, message, mut results, writes, cleanup, after } = step;
    let mut finish = Finish { phase, message, cleanup, ..Finish::default() };
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
    if let After::Wave(wave) = after
        && finish.retry.is_none()
        && !skipped
    {
        conclude(&mut finish, *wave, &results);
    }
    finish.results = results;
    finish
}

/// What a wave came to.
fn conclude(finish: &mut Finish, wave: Wave, results: &[ResourceResult]) {
    let Wave { mut group, fail_hooks, unconfirmed, last, settle, waits, succeeded, failed } = wave;
    for task in &mut group {
        task.result = results.iter().find(|it| task.is_named_by(it)).cloned();
    }
    if group.iter().any(Task::is_refused) {
        let mut waited: Vec<&Task> = group.iter().filter(|it| it.is_running()).collect();
        waited.extend(&fail_hooks);
        finish.message = if waited.is_empty() {
            finish.cleanup.extend(failed);
            finish.phase = OperationPhase::Failed;
            because("one or more objects failed to apply", &group)
        } else {
            waiting(&waited, false, &unconfirmed)
        };
    } else if waits {
        finish.message = waiting(&in_the_way(&group, Task::is_pending), true, &unconfirmed);
    } else if last {
        finish.cleanup.extend(succeeded);
        finish.phase = OperationPhase::Succeeded;
        finish.message = "successfully synced (all tasks run)".to_owned();
    } else {
        finish.message = waiting(&group.iter().collect::<Vec<_>>(), false, &unconfirmed);
        finish.settle = settle;
    }
}

/// Whether a failure ends the pass before the next run.
#[must_use]
pub fn ends_run(run: usize, error: &ApplyError) -> bool {
    run == 0 || is_passing(error)
}

/// Whether a failure comes from circumstances rather than from the object.
fn is_passing(error: &ApplyError) -> bool {
    error.category.is_transient() || error.category == Category::AlreadyExists
}
