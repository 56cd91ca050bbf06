//! The writes of one wave.

use std::collections::BTreeSet;

use argo_core::{Change, Object, Propagation};

use super::{Input, Record, Step, Write, put};
use crate::{
    api::{OperationPhase, ResultCode},
    engine::{
        key::ResourceKey,
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

/// Hooks with a delete policy that are there and do not run.
pub(super) fn deletions(tasks: &[Task], policy: DeletePolicy) -> Vec<Change> {
    let hooks = tasks.iter().filter(|it| it.is_hook && !it.is_running());
    let due = hooks.filter(|it| has_policy(it, policy));
    let mut gone = BTreeSet::new();
    // A hook of several phases is one object.
    due.filter(|it| gone.insert(&it.key))
        .filter_map(|it| it.live.as_deref())
        .filter(|it| !it.is_deleting())
        .map(|it| Change::delete_with(it, Propagation::Background))
        .collect()
}

fn has_policy(task: &Task, policy: DeletePolicy) -> bool {
    task.target.as_ref().is_some_and(|it| options::delete_policies(it).contains(&policy))
}

/// Whether `Prune=value` holds for an object: its own word first, then the operation's.
fn prune_is(input: &Input<'_>, task: &Task, value: &str) -> bool {
    match task.live.as_deref().and_then(|it| options::sync_option_value(it, "Prune")) {
        Some(own) => own == value,
        None => input.operation.has_option(&format!("Prune={value}")),
    }
}

/// Why a deletion is not made, if it is not.
pub(in crate::engine::sync) fn prune_verdict(input: &Input<'_>, task: &Task) -> Option<(ResultCode, &'static str)> {
    if !input.operation.prune {
        return Some((ResultCode::PruneSkipped, "ignored (requires pruning)"));
    }
    prune_is(input, task, "false").then_some((ResultCode::PruneSkipped, "ignored (no prune)"))
}

/// What must not be deleted before somebody confirms it.
pub(super) fn unconfirmed(input: &Input<'_>, tasks: &[Task]) -> Vec<ResourceKey> {
    if input.is_approved() {
        return Vec::new();
    }
    let asked = tasks.iter().filter(|it| it.is_prune() && prune_is(input, it, "confirm"));
    asked.map(|it| it.key.clone()).collect()
}

/// What has to go before the others of a group can be made: earlier hooks, and deletions that were not made.
pub(super) fn in_the_way(group: &[Task], is_unmade: impl Fn(&Task) -> bool) -> Vec<&Task> {
    let earlier = |it: &Task| it.is_hook && it.live.is_some() && has_policy(it, DeletePolicy::BeforeHookCreation);
    group.iter().filter(|it| earlier(it) || it.is_prune() && is_unmade(it)).collect()
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
    let earlier = in_the_way(group, |_| false);
    // Earlier hooks that stay are let go of, as what is made in their place has its own reason to stay.
    step.cleanup.extend(group.iter().filter(|it| it.is_hook && !earlier.contains(it)).filter_map(release));
    if !earlier.is_empty() {
        run += 1;
        for live in earlier.iter().filter_map(|it| it.live.as_deref()) {
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
