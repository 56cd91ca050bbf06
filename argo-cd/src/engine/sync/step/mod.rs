//! One pass of a synchronisation.

mod finish;
mod observe;
mod run;

use argo_core::{ApplyError, Change};

use super::{
    Input, apply, hooks,
    tasks::{Invalid, Task, tasks},
};
use crate::{
    api::{ConditionType, HookType, OperationPhase, ResourceResult, ResultCode},
    engine::options::DeletePolicy,
};

pub use finish::finish;
use observe::{adopt, leaving, observe};
use run::{delete, deletions, needs_confirmation, release, run};
pub(super) use run::{propagation, prune_verdict, write};

/// What a pass wants: writes, and where the operation stands if they go well.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// Where the operation stands before the writes.
    pub phase: OperationPhase,
    /// The sentence that goes with it.
    pub message: String,
    /// All results so far.
    pub results: Vec<ResourceResult>,
    /// What to write, in order.
    pub writes: Vec<Write>,
    /// What to write after that, whatever comes of the others: releasing and deleting hooks.
    pub cleanup: Vec<Change>,
    after: After,
}

/// What the outcomes of the writes mean.
#[derive(Debug, Clone, Default, PartialEq)]
enum After {
    /// The phase stands.
    #[default]
    Nothing,
    /// A wave was carried out.
    Wave {
        /// Nothing else is to be done once these are applied.
        last: bool,
        /// Whether a wave follows, which is to wait a little.
        settle: bool,
        /// Hooks to delete when the operation succeeds.
        succeeded: Vec<Change>,
        /// Hooks to delete when it fails.
        failed: Vec<Change>,
        /// Whether hooks run when it fails.
        has_fail_hooks: bool,
        message: String,
    },
}

/// One write with what it means.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The write; absent when the cluster is already as it should be.
    pub change: Option<Change>,
    /// Writes of one run are independent; a failure in a run ends the pass before the next.
    pub run: usize,
    /// What is recorded when it went well, and of whom when it did not.
    pub record: Option<Record>,
    /// Deletes and creates again when the object can not be changed (`Force=true`).
    pub forced: Option<Change>,
}

/// What is recorded of a write.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// When it went well.
    pub success: ResourceResult,
}

/// What came of a [`Write`].
#[derive(Debug)]
pub enum Outcome {
    /// It went well, or there was nothing to write.
    Done,
    /// It failed.
    Failed(ApplyError),
    /// It was not tried, because a run before it failed.
    Skipped,
}

/// Where the operation stands after a pass.
#[derive(Debug, Default)]
pub struct Finish {
    /// Its phase.
    pub phase: OperationPhase,
    /// Its message.
    pub message: String,
    /// All results.
    pub results: Vec<ResourceResult>,
    /// Writes that must go well before the phase is recorded.
    pub cleanup: Vec<Change>,
    /// Whether the next wave waits a little.
    pub settle: bool,
    /// A failure that says nothing about the objects: the pass is to be done again.
    pub retry: Option<ApplyError>,
}

/// Decides one pass.
#[must_use]
pub fn step(input: &Input<'_>) -> Step {
    let mut step = Step { results: recorded(input), ..Step::default() };
    let mut all = match tasks(input) {
        Ok(tasks) => tasks,
        Err(Invalid { message, results }) => {
            step.phase = OperationPhase::Failed;
            step.message = message;
            results.into_iter().for_each(|it| put(&mut step.results, it));
            return step;
        }
    };
    if step.results.is_empty() && !dry_run(input, &all, &mut step) {
        return step;
    }
    if input.operation.dry_run {
        return step;
    }
    adopt(input, &mut all, &mut step);
    if observe(&mut all, &mut step, input) {
        // Recorded before anything else: a released hook may vanish at once, and then nobody knows how it went.
        step.message = input.state.message.clone();
        return step;
    }
    let many = is_multi_step(&all);
    let running: Vec<&Task> = all.iter().filter(|it| it.is_running() && (many || it.is_hook)).collect();
    if !running.is_empty() {
        step.message = waiting(&running, false);
        return step;
    }
    let leaving: Vec<Task> = leaving(input, &step.results);
    if !leaving.is_empty() {
        step.message = waiting(&leaving.iter().collect::<Vec<_>>(), true);
        return step;
    }
    step.cleanup.extend(all.iter().filter(|it| it.is_hook && it.is_completed()).filter_map(release));
    let (fail_hooks, all): (Vec<Task>, Vec<Task>) = all.into_iter().partition(|it| it.phase == HookType::SyncFail);
    let succeeded = deletions(&all, DeletePolicy::HookSucceeded, |it| it.is_completed() && !it.is_failed());
    let failed = deletions(&all, DeletePolicy::HookFailed, |it| it.is_completed());
    if all.iter().any(Task::is_failed) {
        step.cleanup.extend(failed);
        fail(input, &mut step, &all, fail_hooks, "one or more synchronization tasks completed unsuccessfully");
        return step;
    }
    let pending: Vec<Task> = all.into_iter().filter(Task::is_pending).collect();
    let Some(first) = pending.first() else {
        step.cleanup.extend(succeeded);
        step.phase = OperationPhase::Succeeded;
        step.message = "successfully synced (no more tasks)".to_owned();
        return step;
    };
    let (phase, wave) = (first.phase, first.wave);
    let (group, rest): (Vec<Task>, Vec<Task>) =
        pending.into_iter().partition(|it| it.phase == phase && it.wave == wave);
    if input.is_approved() || !needs_confirmation(input, &group, &mut step) {
        let hooks_in_group = group.iter().any(|it| it.is_hook);
        let remaining: Vec<&Task> = rest.iter().chain(group.iter().filter(|it| it.is_hook)).collect();
        let message = if remaining.is_empty() { String::new() } else { waiting(&remaining, false) };
        let waits = run(input, &group, &mut step);
        step.after = After::Wave {
            last: rest.is_empty() && !hooks_in_group && !waits,
            settle: !rest.is_empty(),
            succeeded,
            failed,
            has_fail_hooks: !fail_hooks.is_empty(),
            message: message.clone(),
        };
        step.message = message;
    }
    step
}

/// Decides the pass of an operation that is to end: running hooks go.
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
        let Some(live) = task.live.as_deref() else { continue };
        if task.is_running() {
            step.cleanup.extend(delete(live));
            put(&mut step.results, task.outcome(Some(ResultCode::SyncFailed), OperationPhase::Failed, "Terminated"));
        } else {
            step.cleanup.extend(hooks::release(live));
        }
    }
    step
}

fn recorded(input: &Input<'_>) -> Vec<ResourceResult> {
    input.state.sync_result.as_ref().map(|it| it.resources.clone()).unwrap_or_default()
}

/// Records a result in the place of an earlier one of the same object and phase.
fn put(results: &mut Vec<ResourceResult>, result: ResourceResult) {
    let same = |it: &&mut ResourceResult| {
        it.group == result.group
            && it.kind == result.kind
            && it.namespace == result.namespace
            && it.name == result.name
            && it.sync_phase == result.sync_phase
    };
    match results.iter_mut().find(same) {
        Some(place) => *place = result,
        None => results.push(result),
    }
}

/// Tries everything without writing; whether the pass may go on.
fn dry_run(input: &Input<'_>, tasks: &[Task], step: &mut Step) -> bool {
    let mut failed = Vec::new();
    for task in tasks {
        let Some(target) = &task.target else {
            if input.operation.dry_run {
                let (status, message) = prune_verdict(input, task).unwrap_or((ResultCode::Pruned, "pruned (dry run)"));
                put(&mut step.results, task.outcome(Some(status), OperationPhase::Succeeded, message));
            }
            continue;
        };
        match apply::apply(target, task.live.as_deref(), &input.operation.sync_options) {
            Ok(applied) if input.operation.dry_run => {
                let message = format!("{} (dry run)", applied.message);
                put(&mut step.results, task.outcome(Some(ResultCode::Synced), OperationPhase::Succeeded, message));
            }
            Ok(_) => {}
            Err(message) => {
                failed.push(task.outcome(Some(ResultCode::SyncFailed), OperationPhase::Failed, message));
            }
        }
    }
    if !failed.is_empty() {
        failed.into_iter().for_each(|it| put(&mut step.results, it));
        step.phase = OperationPhase::Failed;
        step.message = "one or more objects failed to apply (dry run)".to_owned();
        return false;
    }
    if input.operation.has_option("FailOnSharedResource=true") {
        let shared = input.comparison.conditions.iter().find(|it| it.kind == ConditionType::SharedResourceWarning);
        if let Some(shared) = shared {
            step.phase = OperationPhase::Failed;
            step.message = format!("Shared resource found: {}", shared.message);
            return false;
        }
    }
    if input.operation.dry_run {
        step.phase = OperationPhase::Succeeded;
        step.message = "successfully synced (no more tasks)".to_owned();
    }
    true
}

fn is_multi_step(tasks: &[Task]) -> bool {
    let step = |it: &Task| (it.phase, it.wave);
    tasks.iter().any(|it| step(it) != step(&tasks[0]))
}

/// `waiting for completion of hook batch/Job/migrate and 2 more hooks`.
fn waiting(tasks: &[&Task], deletion: bool) -> String {
    let hook = tasks.iter().find(|it| it.is_hook);
    let Some(first) = hook.or_else(|| tasks.first()) else { return String::new() };
    let (reason, more) = match (deletion, hook.is_some()) {
        (true, hook) => ("deletion of", if hook { "hooks" } else { "resources" }),
        (false, true) => ("completion of hook", "hooks"),
        (false, false) => ("healthy state of", "resources"),
    };
    let rest = tasks.len() - 1;
    let tail = if rest > 0 { format!(" and {rest} more {more}") } else { String::new() };
    format!("waiting for {reason} {}{tail}", first.label())
}

/// The operation failed: SyncFail hooks run, and when they are done (or there are none) it ends.
fn fail(input: &Input<'_>, step: &mut Step, all: &[Task], fail_hooks: Vec<Task>, what: &str) {
    let reasons = |tasks: &[Task]| {
        let list: Vec<&str> =
            tasks.iter().filter(|it| it.is_failed()).map(Task::message).filter(|it| !it.is_empty()).collect();
        list.join(",")
    };
    let with = |what: &str, reasons: String| {
        if reasons.is_empty() { what.to_owned() } else { format!("{what}, reason: {reasons}") }
    };
    let mut message = with(what, reasons(all));
    if fail_hooks.iter().all(Task::is_completed) {
        if fail_hooks.iter().any(Task::is_failed) {
            message.push('\n');
            message.push_str(&with("one or more SyncFail hooks failed", reasons(&fail_hooks)));
        }
        step.cleanup.extend(deletions(&fail_hooks, DeletePolicy::HookSucceeded, |it| !it.is_failed()));
        step.cleanup.extend(deletions(&fail_hooks, DeletePolicy::HookFailed, Task::is_failed));
        step.phase = OperationPhase::Failed;
        step.message = message;
        return;
    }
    let pending: Vec<Task> = fail_hooks.into_iter().filter(Task::is_pending).collect();
    step.message = waiting(&pending.iter().collect::<Vec<_>>(), false);
    run(input, &pending, step);
}
