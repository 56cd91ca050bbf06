//! One pass over a workflow.

use std::rc::Rc;

use argo_core::{Change, Note, Object, Plan, Resource, Time, Timestamp, time};

use super::{
    artifact_gc, claims,
    compile::{CompileError, Compiled, References},
    estimate::Baseline,
    hooks::EXIT,
    ledger::Ledger,
    metrics,
    names::{hook_name, on_exit_name},
    pass::{Halt, Origin, Pass},
    scope,
    step::{Effect, StepState},
    synchronization::Refused,
    template::Call,
    validate,
    vars::Scope,
    world::{StatusChange, World},
};
use crate::api::{
    ANNOTATION_POD_NAME_FORMAT, ARCHIVING_PENDING, CONDITION_COMPLETED, CONDITION_POD_RUNNING, Condition,
    LABEL_ARCHIVING_STATUS, LABEL_CLUSTER_WORKFLOW_TEMPLATE, LABEL_COMPLETED, LABEL_PHASE, LABEL_WORKFLOW_TEMPLATE,
    LifecycleHook, NodePhase, NodeStatus, SHUTDOWN_TERMINATE, SynchronizationStatus, Workflow, WorkflowPhase,
    WorkflowStep,
};

/// Message of a workflow that has no place to run.
pub(crate) const POSTPONED: &str =
    "Workflow processing has been postponed because too many workflows are already running";

/// A plan of this engine.
pub type WorkflowPlan = Plan<StatusChange, Effect>;

/// Compiles and reconciles in one go. Controllers keep the [`Compiled`] and call [`reconcile`].
#[must_use]
pub fn reconcile_fresh(world: &World<'_>, now: Timestamp) -> WorkflowPlan {
    match Compiled::new(world.workflow, world.references) {
        Ok(compiled) => reconcile(world, &compiled, now),
        Err(error) => refuse(world, &error, now),
    }
}

/// The plan for a workflow whose spec can not be compiled: it ends, and says why.
#[must_use]
pub fn refuse(world: &World<'_>, error: &CompileError, now: Timestamp) -> WorkflowPlan {
    let phase = match error {
        CompileError::NoTemplate { .. } => WorkflowPhase::Error,
        _ => WorkflowPhase::Failed,
    };
    refuse_as(world, phase, &error.to_string(), now)
}

/// Ends a workflow that did not start.
#[must_use]
pub fn refuse_as(world: &World<'_>, phase: WorkflowPhase, message: &str, now: Timestamp) -> WorkflowPlan {
    let mut plan = WorkflowPlan::default();
    if world.workflow.status.phase.is_completed() {
        return plan;
    }
    let mut change = StatusChange { progress: Some("0/0".to_owned()), ..StatusChange::default() };
    enter(&mut change, world.workflow, WorkflowPhase::Running, now);
    complete(&mut change, &mut plan, world, phase, message, now);
    plan.status = Some(change);
    plan
}

/// Checks a workflow as `argo lint` does, without running it.
///
/// # Errors
/// The first thing that is wrong, in upstream's words.
pub fn lint(workflow: &Workflow, references: &dyn References) -> Result<(), String> {
    let compiled = Compiled::new(workflow, references).map_err(|it| it.to_string())?;
    let subject = validate::Subject { spec: &compiled.spec, metadata: &workflow.metadata, references };
    let options = validate::Options { values: false, is_template: false, lint: true, strict: false };
    validate::workflow(&subject, options)
}

/// One pass: takes in what the executor reports, walks the templates from the entrypoint, and says
/// what changes, which steps to start or stop, and when to look again.
///
/// Applied to its own result, a pass plans nothing. The cost of a pass grows with what is under way:
/// steps and graphs that have ended are not walked again.
#[must_use]
pub fn reconcile(world: &World<'_>, compiled: &Compiled, now: Timestamp) -> WorkflowPlan {
    reconcile_with(world, compiled, &mut Ledger::default(), now)
}

/// As [`reconcile`], and to the same plan, at a cost that grows with what changed since the pass that left the
/// ledger, not with the graph. See [`Ledger`] for when it must be dropped.
#[must_use]
pub fn reconcile_with(world: &World<'_>, compiled: &Compiled, ledger: &mut Ledger, now: Timestamp) -> WorkflowPlan {
    let workflow = world.workflow;
    if workflow.metadata.deletion_timestamp.is_some() {
        return leave(world, compiled, now);
    }
    if workflow.status.phase.is_completed() {
        return after_completion(world, compiled, now);
    }
    let mut plan = WorkflowPlan::default();
    let mut change = StatusChange::default();
    let mut pass = Pass::new(*world, compiled, std::mem::take(ledger), now);
    let is_first = pass.is_first();
    if is_first {
        let subject =
            validate::Subject { spec: &compiled.spec, metadata: &workflow.metadata, references: world.references };
        let options = validate::Options { values: true, is_template: false, lint: false, strict: false };
        if let Err(message) = validate::workflow(&subject, options) {
            return refuse_as(world, WorkflowPhase::Failed, &format!("invalid spec: {message}"), now);
        }
        if !world.admitted && pass.shutdown() != Some(SHUTDOWN_TERMINATE) {
            return pend(world, POSTPONED, None);
        }
    }
    if let Some(wanted) = &compiled.spec.synchronization {
        pass.locks.begin_walk();
        match pass.take_workflow_locks(wanted) {
            Ok(()) => {}
            Err(Refused::Error(message)) => {
                let message = format!("Failed to acquire the synchronization lock. {message}");
                return refuse_as(world, WorkflowPhase::Failed, &message, now);
            }
            Err(Refused::Waiting { message, .. }) if is_first => {
                if pass.shutdown() == Some(SHUTDOWN_TERMINATE) {
                    let message = format!("Stopped with strategy '{SHUTDOWN_TERMINATE}'");
                    return refuse_as(world, WorkflowPhase::Failed, &message, now);
                }
                return pend(world, &message, Some(pass));
            }
            // It runs: a lock that its spec names since is not waited for.
            Err(Refused::Waiting { .. }) => {}
        }
    }
    if is_first {
        begin(&mut change, &mut plan, &mut pass);
    } else {
        pass.observe();
    }
    if is_first && let Some(budget) = claims::disruption_budget(workflow, &compiled.spec) {
        plan.effect(Effect::Ensure(Box::new(budget)));
    }
    let (mut ended, mut walked) = (None, false);
    match pass.claims() {
        Ok(Some(made)) => {
            made.create.into_iter().for_each(|it| plan.effect(Effect::Ensure(Box::new(it))));
            change.persistent_volume_claims = Some(made.volumes);
        }
        Ok(None) => {}
        Err(message) => ended = Some((WorkflowPhase::Error, message)),
    }
    if let Some(reason) = world.claims.and_then(|it| it.lost(&format!("{}/{}", workflow.namespace(), workflow.name())))
    {
        let message = format!("Failed to re-establish synchronization lock at controller startup: {reason}");
        ended = Some((WorkflowPhase::Failed, message));
    }
    let ended = if ended.is_some() {
        ended
    } else if compiled.spec.suspend == Some(true) && pass.shutdown().is_none() {
        None
    } else {
        pass.locks.begin_walk();
        if !pass.may_execute(false) || pass.is_past_deadline(false) {
            // Whoever is under way is ended one by one.
            pass.ledger.children.clear();
        }
        pass.find_dirty();
        walked = true;
        walk(&mut pass)
    };
    if !walked {
        pass.ledger.children.clear();
    }
    if ended.is_some() && pass.has_daemons() {
        pass.kill_daemons(None);
    }
    if let Some(running) = pass.ledger.pod_running(&pass.nodes) {
        set_condition(&mut change, workflow, CONDITION_POD_RUNNING, if running { "True" } else { "False" });
    }
    if let Some(deadline) = pass.deadline.filter(|it| *it > now) {
        pass.wake_at(deadline);
    }
    pass.sum_progress();
    let progress = pass.progress();
    if workflow.status.progress.as_deref() != Some(progress.as_str()) {
        change.progress = Some(progress);
    }
    change.resources_duration = pass.resources();
    if pass.outputs.is_some() && pass.outputs != workflow.status.outputs {
        change.outputs = pass.outputs.take();
    }
    change.stored_templates = std::mem::take(&mut pass.stored);
    artifact_gc::guard(&mut change, world, compiled, is_first);
    plan.wake = pass.wake;
    for kept in pass.memoize() {
        plan.effect(Effect::Ensure(Box::new(kept)));
    }
    if ended.is_some() {
        pass.locks.release("");
    }
    for effect in pass.take_effects() {
        plan.effect(effect);
    }
    let counted = metrics::emit(&mut pass, &mut change, is_first, ended.as_ref().map(|it| it.0));
    if !counted.is_empty() {
        plan.effect(Effect::Emit(counted));
    }
    node_notes(&pass, &mut plan);
    if ended.is_some() && pass.is_past_deadline(false) {
        plan.note(Note::warning("WorkflowTimedOut", "Workflow timed out"));
    }
    if ended.is_none() {
        pass.ledger.absorb(&pass.nodes);
        *ledger = std::mem::take(&mut pass.ledger);
    }
    (change.nodes, change.synchronization) = pass.into_changes(ended.is_some());
    if let Some((phase, message)) = ended {
        complete(&mut change, &mut plan, world, phase, &message, now);
        let claims = change.persistent_volume_claims.as_ref().unwrap_or(&workflow.status.persistent_volume_claims);
        let (gone, claims_gone) = claims::cleaned_up(workflow, &compiled.spec, claims, phase);
        gone.into_iter().for_each(|it| plan.effect(Effect::Ensure(Box::new(it))));
        if claims_gone {
            change.persistent_volume_claims = Some(Vec::new());
        }
        plan.wake = None;
        if !world.steps.values().any(StepState::is_active) {
            plan.effect(Effect::Release);
        }
        if let Some(due) = ttl(compiled, phase, now) {
            plan.wake_at(due);
        }
    }
    plan.status = Some(change).filter(|it| !it.is_empty());
    plan
}

/// The plan of a workflow that waits before its first step: for a place, or for its own locks.
fn pend(world: &World<'_>, message: &str, pass: Option<Pass<'_>>) -> WorkflowPlan {
    let workflow = world.workflow;
    let mut change = StatusChange::default();
    if workflow.status.phase != WorkflowPhase::Pending {
        change.phase = Some(WorkflowPhase::Pending);
        change.labels.insert(LABEL_PHASE.to_owned(), WorkflowPhase::Pending.as_str().to_owned());
        if workflow.metadata.label(LABEL_COMPLETED).is_none() {
            change.labels.insert(LABEL_COMPLETED.to_owned(), "false".to_owned());
        }
    }
    if workflow.status.message.as_deref() != Some(message) {
        change.message = Some(message.to_owned());
    }
    let mut plan = WorkflowPlan::default();
    if let Some(mut pass) = pass {
        pass.take_effects().into_iter().for_each(|it| plan.effect(it));
        change.synchronization = pass.into_changes(false).1;
    }
    plan.status = Some(change).filter(|it| !it.is_empty());
    plan
}

/// The events of nodes that went on, as upstream words them.
fn node_notes(pass: &Pass<'_>, plan: &mut WorkflowPlan) {
    for (before, node) in pass.nodes.changes() {
        let phase = node.phase();
        if before.map(NodeStatus::phase) == Some(phase) || !(phase == NodePhase::Running || phase.is_completed()) {
            continue;
        }
        // One that ended before it was seen running ran all the same.
        let was_seen = before.is_some_and(|it| it.phase() != NodePhase::Pending);
        if phase.is_completed() && !was_seen {
            plan.note(node_note(node, NodePhase::Running));
        }
        plan.note(node_note(node, phase));
    }
}

/// The event of a node in a phase.
fn node_note(node: &NodeStatus, phase: NodePhase) -> Note {
    let mut message = format!("{phase} node {}", node.name);
    if !node.message().is_empty() {
        message = format!("{message}: {}", node.message());
    }
    let reason = format!("WorkflowNode{phase}");
    let mut note = if phase.is_failed() { Note::warning(reason, message) } else { Note::normal(reason, message) };
    let kind = serde_json::to_value(&node.kind).ok().and_then(|it| Some(it.as_str()?.to_owned()));
    let started = node.started_at.map(|it| it.to_string());
    for (key, value) in [
        ("workflows.argoproj.io/node-name", Some(node.name.clone())),
        ("workflows.argoproj.io/node-id", Some(node.id.clone())),
        ("workflows.argoproj.io/node-type", kind),
        ("workflows.argoproj.io/node-start-time", started),
    ] {
        if let Some(value) = value {
            note.annotations.insert(key.to_owned(), value);
        }
    }
    note
}

/// Walks the templates. Returns phase and message once everything has ended.
fn walk(pass: &mut Pass<'_>) -> Option<(WorkflowPhase, String)> {
    let spec = pass.compiled.spec.clone();
    let step = WorkflowStep { template: spec.entrypoint.clone(), ..WorkflowStep::default() };
    let name = pass.name.clone();
    let resolved = resolved_arguments(pass);
    let call = Call {
        name: name.clone(),
        step: &step,
        arguments: resolved.as_ref(),
        absent: &[],
        boundary: None,
        origin: Origin::Local,
        on_exit: false,
        flag: None,
        step_variable: None,
    };
    let halted = match pass.execute(&call) {
        Err(Halt::Error(message)) => Some(format!("error in entry template execution: {message}")),
        Err(Halt::Depth) => Some("error in entry template execution: Maximum recursion depth exceeded".to_owned()),
        Err(Halt::Parallelism) | Ok(_) => None,
    };
    if let Some(message) = halted {
        return Some((WorkflowPhase::Error, message));
    }
    let root = pass.nodes.get(&name).filter(|it| it.is_fulfilled()).cloned();
    let status = match &root {
        None => WorkflowPhase::Running,
        Some(root) => phase_of(root),
    };
    publish_status(pass, status);
    let mut waiting = root.is_none();
    for (hook_id, hook) in spec.hooks.iter().flatten().filter(|(name, _)| *name != EXIT) {
        match pass.run_workflow_hook(hook, &hook_name(&name, hook_id), false) {
            Ok(done) => waiting |= !done,
            Err(message) => return Some((WorkflowPhase::Error, format!("error in hook {hook_id}: {message}"))),
        }
    }
    let root = root.filter(|_| !waiting)?;
    if pass.refused.contains(&name) {
        return Some((WorkflowPhase::Error, format!("error in entry template execution: {}", root.message())));
    }
    let exit = exit_hook(&spec.hooks, spec.on_exit.as_deref());
    let mut phase = status;
    let mut message = root.message().to_owned();
    if phase != WorkflowPhase::Succeeded
        && let Some(strategy) = pass.shutdown()
    {
        message = format!("Stopped with strategy '{strategy}'");
    }
    if phase == WorkflowPhase::Succeeded {
        message = String::new();
    }
    let exit_name = on_exit_name(&name);
    // One that began is walked to its end, even where it is terminated.
    if let Some(exit) = exit.filter(|_| pass.may_execute(true) || pass.named(&exit_name).is_some()) {
        match pass.run_workflow_hook(&exit, &exit_name, true) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return Some((WorkflowPhase::Error, format!("error in exit template execution : {error}"))),
        }
        if let Some(node) = pass.named(&exit_name).filter(|_| pass.refused.contains(&exit_name)) {
            let message = format!("error in exit template execution : {}", node.message());
            return Some((WorkflowPhase::Error, message));
        }
        // A failed exit handler makes a failure of a success.
        if let Some(node) = pass.named(&exit_name).filter(|it| it.phase().is_failed())
            && phase == WorkflowPhase::Succeeded
        {
            phase = phase_of(node);
            message = node.message().to_owned();
        }
    }
    Some((phase, message))
}

/// The entrypoint's arguments with the globals in place.
fn resolved_arguments(pass: &Pass<'_>) -> Option<crate::api::Arguments> {
    let arguments = pass.compiled.spec.arguments.as_ref()?;
    let mut arguments = arguments.clone();
    for it in &mut arguments.parameters {
        if let Some(Some(value)) = pass.globals.get(&format!("workflow.parameters.{}", it.name)) {
            it.value = Some(value.as_str().into());
        }
    }
    Some(arguments)
}

fn exit_hook(
    hooks: &Option<std::collections::BTreeMap<String, LifecycleHook>>,
    on_exit: Option<&str>,
) -> Option<LifecycleHook> {
    let hook = hooks.as_ref().and_then(|it| it.get(EXIT)).cloned();
    hook.or_else(|| {
        let template = on_exit.filter(|it| !it.is_empty())?;
        Some(LifecycleHook { template: Some(template.to_owned()), ..LifecycleHook::default() })
    })
}

fn publish_status(pass: &mut Pass<'_>, status: WorkflowPhase) {
    let failures = status.is_completed().then(|| scope::failures(pass));
    let globals: &mut Scope = Rc::make_mut(&mut pass.globals);
    globals.set("workflow.status", status.as_str());
    if let Some(failures) = failures {
        globals.set("workflow.failures", failures);
    }
}

/// What a workflow comes to when its root node came to this.
fn phase_of(node: &NodeStatus) -> WorkflowPhase {
    match node.phase() {
        NodePhase::Failed => WorkflowPhase::Failed,
        NodePhase::Error => WorkflowPhase::Error,
        _ => WorkflowPhase::Succeeded,
    }
}

fn begin(change: &mut StatusChange, plan: &mut WorkflowPlan, pass: &mut Pass<'_>) {
    let workflow = pass.world.workflow;
    enter(change, workflow, WorkflowPhase::Running, pass.now);
    if workflow.metadata.annotation(ANNOTATION_POD_NAME_FORMAT).is_none() {
        change.annotations.insert(ANNOTATION_POD_NAME_FORMAT.to_owned(), "v2".to_owned());
    }
    change.estimated_duration = pass.world.baseline.and_then(Baseline::workflow);
    if workflow.status.artifact_repository_ref.is_none() {
        change.artifact_repository_ref = pass.world.repository.cloned();
    }
    if let Some(spec) = &pass.compiled.stored {
        change.stored_workflow_template_spec = Some(Box::new((**spec).clone()));
    }
    if let Some(defaults) = &pass.compiled.defaults {
        let (own, given) = (&workflow.metadata, &defaults.metadata);
        let missing = |has: bool, (key, it): (&String, &String)| (!has).then(|| (key.clone(), it.clone()));
        let labels = given.labels.iter().filter_map(|it| missing(own.labels.contains_key(it.0), it));
        change.labels.extend(labels);
        let annotations = given.annotations.iter().filter_map(|it| missing(own.annotations.contains_key(it.0), it));
        change.annotations.extend(annotations);
    }
    if let Some(reference) = &workflow.spec.workflow_template_ref {
        let cluster = reference.cluster_scope == Some(true);
        let label = if cluster { LABEL_CLUSTER_WORKFLOW_TEMPLATE } else { LABEL_WORKFLOW_TEMPLATE };
        change.labels.insert(label.to_owned(), reference.name.clone());
    }
    if let Some(metadata) = &pass.compiled.spec.workflow_metadata {
        let text = |it: &crate::api::AnyString| {
            pass.globals.render(it.as_str(), super::vars::How::Keep).unwrap_or_else(|_| it.0.clone())
        };
        change.labels.extend(metadata.labels.iter().flatten().map(|(key, it)| (key.clone(), text(it))));
        change.annotations.extend(metadata.annotations.iter().flatten().map(|(key, it)| (key.clone(), text(it))));
        for (key, from) in metadata.labels_from.iter().flatten() {
            match pass.globals.eval(&from.expression) {
                Ok(value) => {
                    change.labels.insert(key.clone(), crate::api::AnyString::of(&value).0);
                }
                Err(error) => plan.note(Note::warning("WorkflowFailed", format!("label {key}: {error}"))),
            }
        }
    }
    plan.note(Note::normal("WorkflowRunning", "Workflow Running"));
    // Steps of this pass know them already.
    let globals: &mut Scope = Rc::make_mut(&mut pass.globals);
    for (field, map) in [("labels", &change.labels), ("annotations", &change.annotations)] {
        map.iter().for_each(|(key, it)| globals.set(format!("workflow.{field}.{key}"), it));
    }
}

fn enter(change: &mut StatusChange, workflow: &Workflow, phase: WorkflowPhase, now: Timestamp) {
    change.phase = Some(phase);
    change.labels.insert(LABEL_PHASE.to_owned(), phase.as_str().to_owned());
    if workflow.metadata.label(LABEL_COMPLETED).is_none() {
        change.labels.insert(LABEL_COMPLETED.to_owned(), "false".to_owned());
    }
    if workflow.status.started_at.is_none() {
        change.started_at = Some(now.into());
    }
    if phase == WorkflowPhase::Running && workflow.status.message.is_some() {
        // What it waited for is past.
        change.message = Some(String::new());
    }
}

fn complete(
    change: &mut StatusChange,
    plan: &mut WorkflowPlan,
    world: &World<'_>,
    phase: WorkflowPhase,
    message: &str,
    now: Timestamp,
) {
    let workflow = world.workflow;
    change.phase = Some(phase);
    change.finished_at = Some(now.into());
    if workflow.status.message.as_deref().unwrap_or_default() != message {
        change.message = Some(message.to_owned());
    } else {
        change.message = None;
    }
    if workflow.status.synchronization.is_some() {
        // Nothing is held by what is over.
        change.synchronization = Some(SynchronizationStatus::default());
    } else {
        change.synchronization = None;
    }
    change.labels.insert(LABEL_PHASE.to_owned(), phase.as_str().to_owned());
    change.labels.insert(LABEL_COMPLETED.to_owned(), "true".to_owned());
    if let Some(selector) = world.archives {
        let mut labels = workflow.metadata.labels.clone();
        labels.extend(change.labels.clone());
        if selector.matches(&labels) {
            change.labels.insert(LABEL_ARCHIVING_STATUS.to_owned(), ARCHIVING_PENDING.to_owned());
        }
    }
    set_condition(change, workflow, CONDITION_COMPLETED, "True");
    plan.note(match phase {
        WorkflowPhase::Succeeded => Note::normal("WorkflowSucceeded", "Workflow completed"),
        _ => Note::warning("WorkflowFailed", message),
    });
}

fn set_condition(change: &mut StatusChange, workflow: &Workflow, kind: &str, status: &str) {
    put_condition(change, workflow, Condition { kind: kind.to_owned(), status: status.to_owned(), message: None });
}

pub(crate) fn set_condition_message(
    change: &mut StatusChange,
    workflow: &Workflow,
    kind: &str,
    status: &str,
    message: &str,
) {
    let message = Some(message.to_owned());
    put_condition(change, workflow, Condition { kind: kind.to_owned(), status: status.to_owned(), message });
}

fn put_condition(change: &mut StatusChange, workflow: &Workflow, condition: Condition) {
    let mut all = change.conditions.take().unwrap_or_else(|| workflow.status.conditions.clone());
    match all.iter_mut().find(|it| it.kind == condition.kind) {
        Some(it) => *it = condition,
        None => all.push(condition),
    }
    change.conditions = (all != workflow.status.conditions).then_some(all);
}

/// When a workflow that ended at `finished` is to be deleted.
fn ttl(compiled: &Compiled, phase: WorkflowPhase, finished: Timestamp) -> Option<Timestamp> {
    let strategy = compiled.spec.ttl_strategy?;
    let own = match phase {
        WorkflowPhase::Succeeded => strategy.seconds_after_success,
        WorkflowPhase::Failed => strategy.seconds_after_failure,
        _ => None,
    };
    let seconds = own.or(strategy.seconds_after_completion)?;
    Some(time::after(finished, std::time::Duration::from_secs(seconds.max(0).unsigned_abs())))
}

/// A workflow that is to go, and stays until its artifacts are gone: steps that still run are stopped first.
fn leave(world: &World<'_>, compiled: &Compiled, now: Timestamp) -> WorkflowPlan {
    let mut plan = WorkflowPlan::default();
    for (id, _) in world.steps.iter().filter(|(_, state)| state.is_active()) {
        plan.effect(Effect::Stop { node_id: id.clone() });
    }
    if !plan.actions.is_empty() {
        return plan;
    }
    artifact_gc::collect(world, compiled, &mut plan, now);
    if !world.steps.is_empty() {
        plan.effect(Effect::Release);
    }
    plan
}

/// Steps that still run are stopped, then the executor forgets them; in the end the workflow goes.
fn after_completion(world: &World<'_>, compiled: &Compiled, now: Timestamp) -> WorkflowPlan {
    let mut plan = WorkflowPlan::default();
    let active = world.steps.iter().filter(|(_, state)| state.is_active());
    for (id, _) in active {
        plan.effect(Effect::Stop { node_id: id.clone() });
    }
    if !world.steps.is_empty() && plan.actions.is_empty() {
        plan.effect(Effect::Release);
    }
    if plan.actions.is_empty() || world.steps.values().all(|it| !it.is_active()) {
        artifact_gc::collect(world, compiled, &mut plan, now);
    }
    let status = &world.workflow.status;
    let finished = status.finished_at.map_or(now, Time::timestamp);
    if world.archives.is_some() && world.workflow.metadata.label(LABEL_ARCHIVING_STATUS) == Some(ARCHIVING_PENDING) {
        // It does not go before it is archived, whose write brings it up again.
        return plan;
    }
    match ttl(compiled, status.phase, finished) {
        Some(due) if due <= now => {
            let workflow = world.workflow;
            let mut object = Object::new(&Workflow::gvk(), Some(workflow.namespace()), workflow.name());
            object.set(&["metadata", "uid"], workflow.uid());
            plan.push(Change::delete(&object));
        }
        Some(due) => plan.wake_at(due),
        None => {}
    }
    plan
}
