//! The writes of one wave.

use argo_core::{Change, Object, Propagation};

use super::{Input, Record, Step, Write, put};
use crate::{
    api::{OperationPhase, ResultCode},
    engine::{
        options::{self, DeletePolicy},
        sync::{
            apply::{self, Applied},
            hooks, migrate,
            tasks::Task,
        },
    },
};

pub(super) fn release(task: &Task) -> Option<Change> {
    hooks::release(task.live.as_deref()?)
}

/// Lets an object go: releases it if it is a hook, and deletes it.
pub(super) fn delete(live: &Object) -> Vec<Change> {
    let mut changes: Vec<Change> = hooks::release(live).into_iter().collect();
    if !live.is_deleting() {
        changes.push(Change::delete_with(live, Propagation::Background));
    }
    changes
}

pub(super) fn deletions(tasks: &[Task], policy: DeletePolicy, which: impl Fn(&Task) -> bool) -> Vec<Change> {
    let hooks = tasks.iter().filter(|it| it.is_hook && which(it));
    let due = hooks.filter(|it| it.target.as_ref().is_some_and(|it| options::delete_policies(it).contains(&policy)));
    due.filter_map(|it| it.live.as_deref())
        .filter(|it| !it.is_deleting())
        .map(|it| Change::delete_with(it, Propagation::Background))
        .collect()
}

/// Why a deletion is not made, if it is not.
pub(in crate::engine::sync) fn prune_verdict(input: &Input<'_>, task: &Task) -> Option<(ResultCode, &'static str)> {
    if !input.operation.prune {
        return Some((ResultCode::PruneSkipped, "ignored (requires pruning)"));
    }
    let keep = task.live.as_deref().is_some_and(|it| options::sync_option(it, "Prune=false"))
        || input.operation.has_option("Prune=false");
    keep.then_some((ResultCode::PruneSkipped, "ignored (no prune)"))
}

pub(super) fn needs_confirmation(input: &Input<'_>, group: &[Task], step: &mut Step) -> bool {
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
pub(super) fn run(input: &Input<'_>, group: &[Task], step: &mut Step) -> bool {
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
    let before: Vec<Change> = group.iter().filter_map(|it| first(input, it)).collect();
    if !before.is_empty() {
        run += 1;
        let write = |it| Write { change: Some(it), run, record: None, forced: None };
        step.writes.extend(before.into_iter().map(write));
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

/// What has to be done before an object can be applied: fields are handed over to a server-side apply, what can not be changed
/// goes.
fn first(input: &Input<'_>, task: &Task) -> Option<Change> {
    let (target, live) = (task.target.as_ref()?, task.live.as_deref()?);
    if let Some(change) = apply::displaced(target, Some(live), &input.operation.sync_options) {
        return Some(change);
    }
    let on = |name| options::option_is_on(Some(target), &input.operation.sync_options, name);
    if task.is_prune() || !on("ServerSideApply") {
        return None;
    }
    migrate::migration(live, input.migrates?)
}

pub(in crate::engine::sync) fn write(input: &Input<'_>, task: &Task, target: &Object, run: usize) -> Write {
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

pub(in crate::engine::sync) fn propagation(input: &Input<'_>) -> Propagation {
    let option = |value: &str| input.operation.has_option(&format!("PrunePropagationPolicy={value}"));
    if option("background") {
        Propagation::Background
    } else if option("orphan") {
        Propagation::Orphan
    } else {
        Propagation::Foreground
    }
}
