//! One pass of a synchronisation.

mod finish;
mod observe;
mod run;
mod terminate;
mod words;

use argo_core::{ApplyError, Change};

use super::{
    Input, apply,
    tasks::{Invalid, Task, tasks},
};
use crate::{
    api::{ConditionType, OperationPhase, ResourceResult, ResultCode},
    engine::{key::ResourceKey, options::DeletePolicy},
};

pub use finish::{ends_run, finish};
use observe::{adopt, leaving, observe};
use run::{deletions, in_the_way, release, run, unconfirmed};
pub(super) use run::{propagation, prune_verdict, write};
pub use terminate::terminate;
use words::{because, waiting};

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
    Wave(Box<Wave>),
}

/// A wave whose writes are under way.
#[derive(Debug, Clone, PartialEq)]
struct Wave {
    /// Its tasks, as they were before the writes.
    group: Vec<Task>,
    /// Hooks that run if it fails.
    fail_hooks: Vec<Task>,
    /// What a person has to confirm.
    unconfirmed: Vec<ResourceKey>,
    /// Nothing else is to be done once these are applied.
    last: bool,
    /// Whether a wave follows, which is to wait a little.
    settle: bool,
    /// Something has to go before the rest can be created.
    waits: bool,
    /// Hooks to delete when the operation succeeds.
    succeeded: Vec<Change>,
    /// Hooks to delete when it fails.
    failed: Vec<Change>,
}

/// One write with what it means.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The write; absent when the cluster is already as it should be.
    pub change: Option<Change>,
    /// Writes of one run are independent. What fails for want of the API server ends the pass before the next run, and so
    /// does any failure of the first one, which deletes; what the API server refuses leaves the other runs alone.
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
    let unconfirmed = unconfirmed(input, &all);
    let say = |tasks: &[&Task], deletion| waiting(tasks, deletion, &unconfirmed);
    let many = is_multi_step(&all);
    let running: Vec<&Task> = all.iter().filter(|it| it.is_running() && (many || it.is_hook)).collect();
    if !running.is_empty() {
        step.message = say(&running, false);
        // What could not be applied calls these at once; what ended badly waits for the others to end.
        let alarms: Vec<Task> = all.iter().filter(|it| it.is_fail_hook() && it.is_pending()).cloned().collect();
        if !alarms.is_empty() && all.iter().any(|it| !it.is_fail_hook() && it.is_refused()) {
            run(input, &alarms, &mut step);
            let both: Vec<&Task> = running.into_iter().chain(&alarms).collect();
            step.message = say(&both, false);
        }
        return step;
    }
    let leaving: Vec<Task> = leaving(input, &step.results);
    if !leaving.is_empty() {
        step.message = say(&leaving.iter().collect::<Vec<_>>(), true);
        return step;
    }
    step.cleanup.extend(all.iter().filter(|it| it.is_hook && it.is_completed()).filter_map(release));
    let succeeded = deletions(&all, DeletePolicy::HookSucceeded);
    let failed = deletions(&all, DeletePolicy::HookFailed);
    let (fail_hooks, all): (Vec<Task>, Vec<Task>) = all.into_iter().partition(Task::is_fail_hook);
    if all.iter().any(Task::is_failed) {
        let pending: Vec<&Task> = fail_hooks.iter().filter(|it| it.is_pending()).collect();
        let goes =
            |it: &Task| failed.iter().any(|gone| it.live.as_ref().is_some_and(|it| it.reference() == gone.target()));
        if pending.iter().any(|it| goes(it)) {
            // What goes is what runs next.
            step.message = say(&pending, false);
            step.cleanup.extend(failed);
            return step;
        }
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
    if group.iter().any(|it| it.is_prune() && unconfirmed.contains(&it.key)) {
        step.cleanup.extend(group.iter().filter(|it| it.is_hook).filter_map(release));
        step.message = say(&in_the_way(&group, |_| true), true);
        return step;
    }
    let waits = run(input, &group, &mut step);
    step.message = say(&group.iter().collect::<Vec<_>>(), false);
    let last = rest.is_empty() && !waits && !group.iter().any(|it| it.is_hook);
    let settle = !rest.is_empty();
    step.after = After::Wave(Box::new(Wave { group, fail_hooks, unconfirmed, last, settle, waits, succeeded, failed }));
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

/// The operation failed: SyncFail hooks run, and when they are done (or there are none) it ends.
fn fail(input: &Input<'_>, step: &mut Step, all: &[Task], fail_hooks: Vec<Task>, what: &str) {
    let mut message = because(what, all);
    if fail_hooks.iter().all(Task::is_completed) {
        if fail_hooks.iter().any(Task::is_refused) {
            message.push('\n');
            message.push_str(&because("one or more SyncFail hooks failed", &fail_hooks));
        }
        step.phase = OperationPhase::Failed;
        step.message = message;
        return;
    }
    let pending: Vec<Task> = fail_hooks.into_iter().filter(|it| !it.is_completed() && !it.is_running()).collect();
    step.message = waiting(&pending.iter().collect::<Vec<_>>(), false, &[]);
    run(input, &pending, step);
}
