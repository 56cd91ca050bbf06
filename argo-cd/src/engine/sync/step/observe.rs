//! What became of what earlier passes wrote.

use argo_core::Object;

use super::{Input, Step, is_multi_step, put};
use crate::{
    api::{HealthState, HookType, OperationPhase, ResourceResult, ResultCode},
    engine::{
        health,
        sync::{apply, hooks, tasks::Task},
    },
};

/// Hooks that this attempt made and did not live to record.
pub(super) fn adopt(input: &Input<'_>, tasks: &mut [Task], step: &mut Step) {
    for task in tasks.iter_mut().filter(|it| it.is_hook && it.is_pending()) {
        if let Some(live) = task.live.as_deref()
            && hooks::is_of_attempt(live, task.phase, input)
        {
            let message = format!("{} created", apply::label(live));
            let result = task.outcome(Some(ResultCode::Synced), OperationPhase::Running, message);
            put(&mut step.results, result.clone());
            task.result = Some(result);
        }
    }
}

/// Looks at what was applied earlier. Whether a hook was found to have completed.
pub(super) fn observe(tasks: &mut [Task], step: &mut Step, input: &Input<'_>) -> bool {
    let mut hook_completed = false;
    let many = is_multi_step(tasks);
    for task in tasks.iter_mut().filter(|it| it.is_running()) {
        let Some(result) = task.result.clone() else { continue };
        let Some(live) = task.live.clone() else {
            // Nobody waits for what is applied last, so nobody misses it either.
            if !many && !task.is_hook {
                continue;
            }
            let message = format!("Resource {} is missing, it might have been deleted", task.label());
            let lost = ResourceResult {
                status: Some(ResultCode::SyncFailed),
                hook_phase: Some(OperationPhase::Error),
                message,
                ..result
            };
            put(&mut step.results, lost.clone());
            task.result = Some(lost);
            continue;
        };
        let (phase, message) = if task.is_hook { hook_phase(task, &live, input) } else { object_phase(&live, input) };
        if phase == OperationPhase::Running {
            continue;
        }
        let message = message.unwrap_or_else(|| result.message.clone());
        let next = ResourceResult { hook_phase: Some(phase), message, ..result };
        put(&mut step.results, next.clone());
        task.result = Some(next);
        hook_completed |= task.is_hook;
    }
    hook_completed
}

pub(super) fn hook_phase(task: &Task, live: &Object, input: &Input<'_>) -> (OperationPhase, Option<String>) {
    // A hook that is going away says nothing more of how it went.
    let Some(health) = health::of(live, input.settings, input.now) else {
        return (OperationPhase::Succeeded, Some(format!("{} created", task.key.name)));
    };
    let message = Some(health.message).filter(|it| !it.is_empty());
    match health.status {
        HealthState::Unknown | HealthState::Degraded => (OperationPhase::Failed, message),
        HealthState::Healthy => (OperationPhase::Succeeded, message),
        HealthState::Progressing | HealthState::Suspended | HealthState::Missing => (OperationPhase::Running, message),
    }
}

pub(super) fn object_phase(live: &Object, input: &Input<'_>) -> (OperationPhase, Option<String>) {
    match health::of(live, input.settings, input.now) {
        None => (OperationPhase::Succeeded, None),
        Some(health) => match health.status {
            HealthState::Healthy => (OperationPhase::Succeeded, None),
            HealthState::Degraded => (OperationPhase::Failed, Some(health.message).filter(|it| !it.is_empty())),
            _ => (OperationPhase::Running, None),
        },
    }
}

/// Objects that were deleted in this attempt and are still there.
pub(super) fn leaving(input: &Input<'_>, results: &[ResourceResult]) -> Vec<Task> {
    let pruned = results.iter().filter(|it| it.status == Some(ResultCode::Pruned));
    pruned
        .filter_map(|it| {
            let managed = input.comparison.managed.iter().find(|m| {
                m.key.group == it.group
                    && m.key.kind == it.kind
                    && m.key.namespace == it.namespace
                    && m.key.name == it.name
            })?;
            let live = managed.live.clone().filter(|it| it.is_deleting())?;
            Some(Task {
                phase: it.sync_phase.unwrap_or(HookType::Sync),
                wave: 0,
                key: managed.key.clone(),
                gvk: live.gvk(),
                target: None,
                live: Some(live),
                is_hook: false,
                result: Some(it.clone()),
            })
        })
        .collect()
}
