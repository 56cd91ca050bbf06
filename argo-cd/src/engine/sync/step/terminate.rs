//! The end of an operation that somebody or the time limit ends.

use super::{Step, observe::hook_phase, put, recorded, run::delete};
use crate::{
    api::{OperationPhase, ResultCode},
    engine::{
        options::{self, DeletePolicy},
        sync::{Input, hooks, tasks::tasks},
    },
};

/// Decides the pass of an operation that is to end: hooks that run are deleted, those that just ended keep their result.
#[must_use]
pub fn terminate(input: &Input<'_>) -> Step {
    let mut step = Step {
        results: recorded(input),
        phase: OperationPhase::Failed,
        message: "Operation terminated".to_owned(),
        ..Step::default()
    };
    let Ok(tasks) = tasks(input) else { return step };
    for task in tasks.iter().filter(|it| it.is_hook && !it.is_pending()) {
        let status = task.status().or(Some(ResultCode::Synced));
        let Some(live) = task.live.as_deref() else {
            if task.is_running() {
                put(&mut step.results, task.outcome(status, OperationPhase::Succeeded, "Terminated"));
            }
            continue;
        };
        if !task.is_running() {
            step.cleanup.extend(hooks::release(live));
            continue;
        }
        let (phase, message) = hook_phase(task, live, input);
        let on_failure =
            task.target.as_ref().is_some_and(|it| options::delete_policies(it).contains(&DeletePolicy::HookFailed));
        if phase == OperationPhase::Running || on_failure {
            step.cleanup.extend(delete(live));
        } else {
            step.cleanup.extend(hooks::release(live));
        }
        let result = if phase.is_completed() {
            let message = message.unwrap_or_else(|| task.message().to_owned());
            task.outcome(status, phase, message)
        } else {
            task.outcome(status, OperationPhase::Failed, "Terminated")
        };
        put(&mut step.results, result);
    }
    step
}
