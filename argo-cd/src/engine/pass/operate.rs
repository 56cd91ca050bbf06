//! The operation loop.

use argo_core::{Note, Object, ObjectRef, time};

use super::{
    Ask, Pass, Subject, World,
    ask::{Sourced, sourced},
    look::compared,
    window_permits,
};
use crate::{
    api::{ApplicationStatus, Condition, Operation, OperationPhase, OperationState, Source, names},
    engine::{conditions, ignored::Ignored, operation, project, sync},
};

/// The operation loop: one pass of what was asked for.
pub(super) fn operate(
    subject: &Subject<'_>,
    world: &World<'_>,
    ask: &mut Ask<'_>,
    status: &mut ApplicationStatus,
    pass: &mut Pass,
    faults: &[Condition],
) -> Option<()> {
    let Some(operation) = subject.app.operation.clone() else { return Some(()) };
    let now = world.now;
    let running = status.operation_state.clone().filter(|it| !it.is_completed());
    let Some(mut state) = running else {
        // First the state is written, then anything is done: it names the attempt.
        let sources = operation::sources(&operation, &subject.app.spec);
        let began = match pin(ask, &operation, &sources)? {
            Ok(revisions) => operation::begin(&operation, &subject.app.spec, sources, revisions, now),
            Err(message) => {
                let state = operation::begin(&operation, &subject.app.spec, sources, vec![], now);
                let message = format!("ComparisonError: {message}");
                operation::conclude(state, OperationPhase::Error, message, now)
            }
        };
        settle_state(began, status, pass);
        return Some(());
    };
    if operation.sync.is_none() {
        let ended = operation::conclude(state, OperationPhase::Failed, "Invalid operation request".to_owned(), now);
        settle_state(ended, status, pass);
        return Some(());
    }
    let sync = state.operation.sync.clone().unwrap_or_default();
    if let Some(at) = operation::retry_at(&state) {
        if at > now {
            pass.plan.wake_at(at);
        } else {
            settle_state(operation::retry(state), status, pass);
        }
        return Some(());
    }
    let limit = world.settings.sync_timeout;
    if !limit.is_zero()
        && state.phase == OperationPhase::Running
        && time::after(state.started_at.timestamp(), limit) <= now
    {
        state.phase = OperationPhase::Terminating;
        state.message = TIMEOUT.to_owned();
        settle_state(state, status, pass);
        return Some(());
    }
    let manual = !state.operation.initiated_by.automated;
    let started = Some(state.started_at.timestamp());
    if state.phase == OperationPhase::Running && !window_permits(subject, manual, started, now) {
        state.message = BLOCKED.to_owned();
        pass.plan.wake_at(time::after(now, WINDOW_CHECK));
        settle_state(state, status, pass);
        return Some(());
    }
    let (sources, revisions) = operation::pinned(&state);
    if revisions.iter().any(String::is_empty) || revisions.is_empty() {
        let ended = match pin(ask, &state.operation, &sources)? {
            Err(message) => {
                operation::conclude(state, OperationPhase::Error, format!("ComparisonError: {message}"), now)
            }
            Ok(revisions) => {
                if let Some(result) = &mut state.sync_result {
                    if result.sources.is_empty() {
                        result.revision = revisions.into_iter().next().unwrap_or_default();
                    } else {
                        result.revisions = revisions;
                    }
                }
                state
            }
        };
        settle_state(ended, status, pass);
        return Some(());
    }
    let mut sourced = if sync.manifests.is_empty() {
        sourced(ask, &sources, Some(&revisions), &[], false)?
    } else {
        local(&sync.manifests, revisions)
    };
    let terminating = state.phase == OperationPhase::Terminating;
    if terminating {
        // What is wanted does not matter any more, only what runs.
        sourced.error = None;
    }
    let comparison = compared(subject, &sourced, None, world, ask, status)?;
    let errors: Vec<&Condition> = faults.iter().chain(&comparison.conditions).filter(|it| it.kind.is_error()).collect();
    if !errors.is_empty() && !terminating {
        let message = conditions::describe(errors);
        settle_state(operation::conclude(state, OperationPhase::Error, message, now), status, pass);
        return Some(());
    }
    if let Some(at) = world.settled_at.filter(|it| *it > now && !terminating) {
        pass.plan.wake_at(at);
        return Some(());
    }
    let home = subject.app.metadata.namespace.as_deref().unwrap_or_default();
    match project::acting_as(world.settings, subject.project, &subject.destination, home) {
        Ok(user) => pass.act_as = user,
        Err(message) if !terminating => {
            settle_state(operation::conclude(state, OperationPhase::Error, message, now), status, pass);
            return Some(());
        }
        // What runs is ended as the controller: it must not run on.
        Err(_) => {}
    }
    let lookup = |it: &ObjectRef| world.live.get(it);
    let approved = world.app.annotation(names::DELETION_APPROVED).and_then(|it| time::parse(it).ok());
    let metadata = subject.app.spec.sync_policy.as_ref().and_then(|it| it.managed_namespace_metadata.as_ref());
    // What is no jq has ended the operation above.
    let rules = &subject.app.spec.ignore_differences;
    let ignored = Ignored::of(rules, world.settings).unwrap_or_default();
    let manager = world.app.annotation(names::MIGRATION_MANAGER).unwrap_or(names::KUBECTL_MANAGER);
    let input = sync::Input {
        migrates: Some(manager).filter(|it| !it.is_empty() && !sync.has_option("ClientSideApplyMigration=false")),
        comparison: &comparison,
        state: &state,
        operation: &sync,
        instance: &subject.instance,
        destination: &subject.destination,
        project: subject.project,
        project_name: subject.app.spec.project_name(),
        kinds: &ask.seen.kinds,
        ignored: &ignored,
        namespace_metadata: metadata,
        approved_at: approved,
        now,
        lookup: &lookup,
        settings: world.settings,
    };
    if !terminating
        && !sync.dry_run
        && let Some(refusal) = refusal(&input)
    {
        settle_state(operation::conclude(state, OperationPhase::Failed, refusal, now), status, pass);
        return Some(());
    }
    let step = if terminating { sync::terminate(&input) } else { sync::step(&input) };
    for write in &step.writes {
        if let Some(change) = &write.change {
            pass.plan.push(change.clone());
            pass.runs.push(write.run);
        }
    }
    pass.step = Some(step);
    pass.draft.state = Some(state);
    Some(())
}

/// The commits of an operation's sources; an error is a sentence for people.
pub(super) fn pin(ask: &mut Ask<'_>, operation: &Operation, sources: &[Source]) -> Option<Result<Vec<String>, String>> {
    let mut revisions = Vec::new();
    for (i, source) in sources.iter().enumerate() {
        let wanted = operation::wanted_revision(operation, sources, i);
        if argo_core::git::is_commit_id(&wanted) {
            revisions.push(wanted);
            continue;
        }
        match ask.revision(source, &wanted) {
            None => {}
            Some(Ok(revision)) => revisions.push(revision),
            Some(Err(message)) => {
                return Some(Err(format!(
                    "Failed to load target state: failed to generate manifest for source {} of {}: {message}",
                    i + 1,
                    sources.len()
                )));
            }
        }
    }
    (!ask.is_waiting()).then_some(Ok(revisions))
}

/// Manifests that came with the operation.
pub(super) fn local(manifests: &[String], revisions: Vec<String>) -> Sourced {
    let mut sourced = Sourced { manifests: Vec::new(), revisions, types: Vec::new(), error: None };
    for (i, text) in manifests.iter().enumerate() {
        match serde_json::from_str(text) {
            Ok(value) => sourced.manifests.push(Object::from_value(value)),
            Err(error) => {
                sourced.error.get_or_insert_with(|| format!("Failed to unmarshal local manifest {}: {error}", i + 1));
            }
        }
    }
    sourced
}

/// Puts an operation's state into the status; one that is complete ends the operation.
pub(super) fn settle_state(state: OperationState, status: &mut ApplicationStatus, pass: &mut Pass) {
    if let Some(at) = operation::retry_at(&state) {
        pass.plan.wake_at(at);
    }
    if state.is_completed() {
        pass.draft.edits.clear_operation = true;
        pass.plan.note(completed(&state));
    }
    status.operation_state = Some(state);
}

pub(super) fn completed(state: &OperationState) -> Note {
    let revision = state.sync_result.as_ref().map(|it| it.revision.as_str()).unwrap_or_default();
    let partial = state.operation.sync.as_ref().is_some_and(|it| !it.resources.is_empty());
    let what = if partial { "Partial sync operation" } else { "Sync operation" };
    if state.phase == OperationPhase::Succeeded {
        Note::normal("OperationCompleted", format!("{what} to {revision} succeeded"))
    } else {
        Note::warning("OperationCompleted", format!("{what} to {revision} failed: {}", state.message))
    }
}

/// Message of an operation that a window holds back.
pub(super) const BLOCKED: &str = "Sync operation blocked by sync window";

/// Windows open and close on full minutes.
pub(super) const WINDOW_CHECK: std::time::Duration = std::time::Duration::from_secs(60);

/// Message of an operation that the controller's own limit ends.
pub(super) const TIMEOUT: &str = "operation is terminating due to timeout";

/// Why the policy of the installation does not let an operation begin, if it does not.
fn refusal(input: &sync::Input<'_>) -> Option<String> {
    let policy = input.settings.policy.as_ref()?;
    let begun = input.state.sync_result.as_ref().is_some_and(|it| !it.resources.is_empty());
    if begun {
        return None;
    }
    let plan = sync::SyncPlan::of(input).ok()?;
    policy.0.review(&plan).err().map(|it| it.to_string())
}
