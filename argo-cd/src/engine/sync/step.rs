//! One pass of a synchronisation.

use argo_core::{ApplyError, Category, Change, Object, Propagation};

use super::{
    Input,
    apply::{self, Applied},
    hooks,
    tasks::{Invalid, Task, tasks},
};
use crate::{
    api::{HookType, OperationPhase, ResourceResult, ResultCode},
    engine::options::{self, DeletePolicy},
};

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

/// Whether a failure comes from circumstances rather than from the object.
fn is_passing(error: &ApplyError) -> bool {
    error.category.is_transient() || error.category == Category::AlreadyExists
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
        let shared =
            input.comparison.conditions.iter().find(|it| it.kind == crate::api::ConditionType::SharedResourceWarning);
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

/// Hooks that this attempt made and did not live to record.
fn adopt(input: &Input<'_>, tasks: &mut [Task], step: &mut Step) {
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
fn observe(tasks: &mut [Task], step: &mut Step, input: &Input<'_>) -> bool {
    let mut hook_completed = false;
    for task in tasks.iter_mut().filter(|it| it.is_running()) {
        let Some(result) = task.result.clone() else { continue };
        let Some(live) = task.live.clone() else {
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

fn hook_phase(task: &Task, live: &Object, input: &Input<'_>) -> (OperationPhase, Option<String>) {
    use crate::api::HealthState as H;
    // A hook that is going away says nothing more of how it went.
    let Some(health) = crate::engine::health::of(live, input.settings) else {
        return (OperationPhase::Succeeded, Some(format!("{} created", task.key.name)));
    };
    let message = Some(health.message).filter(|it| !it.is_empty());
    match health.status {
        H::Unknown | H::Degraded => (OperationPhase::Failed, message),
        H::Healthy => (OperationPhase::Succeeded, message),
        H::Progressing | H::Suspended | H::Missing => (OperationPhase::Running, message),
    }
}

fn object_phase(live: &Object, input: &Input<'_>) -> (OperationPhase, Option<String>) {
    use crate::api::HealthState as H;
    match crate::engine::health::of(live, input.settings) {
        None => (OperationPhase::Succeeded, None),
        Some(health) => match health.status {
            H::Healthy => (OperationPhase::Succeeded, None),
            H::Degraded => (OperationPhase::Failed, Some(health.message).filter(|it| !it.is_empty())),
            _ => (OperationPhase::Running, None),
        },
    }
}

fn is_multi_step(tasks: &[Task]) -> bool {
    let step = |it: &Task| (it.phase, it.wave);
    tasks.iter().any(|it| step(it) != step(&tasks[0]))
}

/// Objects that were deleted in this attempt and are still there.
fn leaving(input: &Input<'_>, results: &[ResourceResult]) -> Vec<Task> {
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

/// `waiting for completion of hook batch/Job/migrate and 2 more hooks`.
fn waiting(tasks: &[&Task], deletion: bool) -> String {
    let hook = tasks.iter().find(|it| it.is_hook);
    let Some(first) = hook.or(tasks.first()) else { return String::new() };
    let (reason, more) = match (deletion, hook.is_some()) {
        (true, hook) => ("deletion of", if hook { "hooks" } else { "resources" }),
        (false, true) => ("completion of hook", "hooks"),
        (false, false) => ("healthy state of", "resources"),
    };
    let rest = tasks.len() - 1;
    let tail = if rest > 0 { format!(" and {rest} more {more}") } else { String::new() };
    format!("waiting for {reason} {}{tail}", first.label())
}

fn release(task: &Task) -> Option<Change> {
    hooks::release(task.live.as_deref()?)
}

/// Lets an object go: releases it if it is a hook, and deletes it.
fn delete(live: &Object) -> Vec<Change> {
    let mut changes: Vec<Change> = hooks::release(live).into_iter().collect();
    if !live.is_deleting() {
        changes.push(Change::delete_with(live, Propagation::Background));
    }
    changes
}

fn deletions(tasks: &[Task], policy: DeletePolicy, which: impl Fn(&Task) -> bool) -> Vec<Change> {
    let hooks = tasks.iter().filter(|it| it.is_hook && which(it));
    let due = hooks.filter(|it| it.target.as_ref().is_some_and(|it| options::delete_policies(it).contains(&policy)));
    due.filter_map(|it| it.live.as_deref())
        .filter(|it| !it.is_deleting())
        .map(|it| Change::delete_with(it, Propagation::Background))
        .collect()
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

/// Why a deletion is not made, if it is not.
fn prune_verdict(input: &Input<'_>, task: &Task) -> Option<(ResultCode, &'static str)> {
    if !input.operation.prune {
        return Some((ResultCode::PruneSkipped, "ignored (requires pruning)"));
    }
    let keep = task.live.as_deref().is_some_and(|it| options::sync_option(it, "Prune=false"))
        || input.operation.has_option("Prune=false");
    keep.then_some((ResultCode::PruneSkipped, "ignored (no prune)"))
}

fn needs_confirmation(input: &Input<'_>, group: &[Task], step: &mut Step) -> bool {
    let confirm: Vec<&Task> = group
        .iter()
        .filter(|it| it.is_prune() && prune_verdict(input, it).is_none())
        .filter(|it| {
            it.live.as_deref().is_some_and(|it| options::sync_option(it, "Prune=confirm"))
                || input.operation.has_option("Prune=confirm")
        })
        .collect();
    let Some(first) = confirm.first() else { return false };
    let rest = confirm.len() - 1;
    let tail = if rest > 0 { format!(" and {rest} more resources") } else { String::new() };
    step.message = format!("waiting for pruning confirmation of {}{tail}", first.label());
    true
}

/// Adds the writes of a group: deletions, then hooks that are in the way, then everything by kind. Whether something has
/// to be waited for before the rest can be created.
fn run(input: &Input<'_>, group: &[Task], step: &mut Step) -> bool {
    let mut run = 0;
    for task in group.iter().filter(|it| it.is_prune()) {
        if let Some((status, message)) = prune_verdict(input, task) {
            put(&mut step.results, task.outcome(Some(status), OperationPhase::Succeeded, message));
            continue;
        }
        let Some(live) = task.live.as_deref() else { continue };
        let record = Record { success: task.outcome(Some(ResultCode::Pruned), OperationPhase::Succeeded, "pruned") };
        let change = (!live.is_deleting()).then(|| Change::delete_with(live, propagation(input)));
        step.writes.push(Write { change, run, record: Some(record), forced: None });
    }
    let in_the_way: Vec<&Task> = group
        .iter()
        .filter(|it| it.is_hook && it.live.is_some())
        .filter(|it| {
            it.target
                .as_ref()
                .is_some_and(|it| options::delete_policies(it).contains(&DeletePolicy::BeforeHookCreation))
        })
        .collect();
    if !in_the_way.is_empty() {
        run += 1;
        for live in in_the_way.iter().filter_map(|it| it.live.as_deref()) {
            let changes = delete(live);
            step.writes.extend(changes.into_iter().map(|it| Write {
                change: Some(it),
                run,
                record: None,
                forced: None,
            }));
        }
        return true;
    }
    let mut kind = None;
    for task in group.iter().filter(|it| !it.is_prune()) {
        let Some(target) = &task.target else { continue };
        if kind.as_ref() != Some(&task.key.kind) {
            run += 1;
            kind = Some(task.key.kind.clone());
        }
        step.writes.push(write(input, task, target, run));
    }
    false
}

fn write(input: &Input<'_>, task: &Task, target: &Object, run: usize) -> Write {
    let options = &input.operation.sync_options;
    match apply::apply(target, task.live.as_deref(), options) {
        Ok(Applied { change, message }) => {
            let success = task.outcome(Some(ResultCode::Synced), OperationPhase::Running, message);
            let forces = input.operation.forces() || options::sync_option(target, "Force=true");
            let live = task.live.as_deref().filter(|_| forces);
            Write { change, run, record: Some(Record { success }), forced: live.map(Change::delete) }
        }
        // The dry run of the first pass found this; a live object that changed since may bring it up again.
        Err(message) => {
            let success = task.outcome(Some(ResultCode::SyncFailed), OperationPhase::Failed, message);
            Write { change: None, run, record: Some(Record { success }), forced: None }
        }
    }
}

fn propagation(input: &Input<'_>) -> Propagation {
    let option = |value: &str| input.operation.has_option(&format!("PrunePropagationPolicy={value}"));
    if option("background") {
        Propagation::Background
    } else if option("orphan") {
        Propagation::Orphan
    } else {
        Propagation::Foreground
    }
}
