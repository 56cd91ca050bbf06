//! One pass over a CronWorkflow: what is due, what has ended, what is too old.

use std::{collections::BTreeMap, time::Duration};

use argo_core::{Change, Object, Plan, Resource, Time, Timestamp, time};
use argo_lang::{cron::Schedule, govaluate};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::vars::{How, Scope};
use crate::api::{
    ANNOTATION_LAST_USED_SCHEDULE, ANNOTATION_SCHEDULED_TIME, Condition, CronWorkflow, CronWorkflowStatus,
    LABEL_CONTROLLER_INSTANCE_ID, LABEL_CRON_COMPLETED, LABEL_CRON_WORKFLOW, Workflow,
};

/// A plan for a CronWorkflow: changes of workflows first, then its own status.
pub type CronPlan = Plan<CronWorkflowStatus>;

/// How late a start may be that nobody missed: what lies between a time and the pass it wakes.
const PUNCTUAL: Duration = Duration::from_secs(10);
/// Condition of a spec that can not be read.
const SPEC_ERROR: &str = "SpecError";

/// Labels of a CronWorkflow that its workflows get: whose controller runs them, and who made it.
const PROPAGATED: [&str; 4] = [
    LABEL_CONTROLLER_INSTANCE_ID,
    "workflows.argoproj.io/creator",
    "workflows.argoproj.io/creator-email",
    "workflows.argoproj.io/creator-preferred-username",
];

/// What a pass sees.
#[derive(Debug, Clone, Copy)]
pub struct CronWorld<'a> {
    /// The CronWorkflow as it was read.
    pub cron: &'a CronWorkflow,
    /// The workflows that it owns.
    pub workflows: &'a [&'a Object],
}

/// One pass. Names of workflows follow from the time they are due, so that none is made twice.
///
/// `timezone` defaults to UTC. A time is run when the pass is not later than ten seconds, or than
/// `startingDeadlineSeconds`; of several missed times the latest is run.
#[must_use]
pub fn reconcile_cron(world: &CronWorld<'_>, now: Timestamp) -> CronPlan {
    let cron = world.cron;
    let before = cron.status.clone().unwrap_or_default();
    let mut status = before.clone();
    let mut plan = CronPlan::default();
    collect(world, &mut status);
    prune(world, &mut plan);
    match schedules(cron) {
        Err(message) => set_condition(&mut status, SPEC_ERROR, Some(message)),
        Ok((schedules, zone)) => {
            set_condition(&mut status, SPEC_ERROR, None);
            if status.phase.as_deref() != Some("Stopped") {
                status.phase = Some("Active".to_owned());
                run(world, &schedules, &zone, now, &mut status, &mut plan);
            }
        }
    }
    plan.status = (status != before).then_some(status);
    plan
}

fn schedules(cron: &CronWorkflow) -> Result<(Vec<Schedule>, TimeZone), String> {
    if cron.spec.schedules.is_empty() {
        return Err("cron workflow must have at least one schedule".to_owned());
    }
    let zone = match cron.spec.timezone.as_deref().filter(|it| !it.is_empty()) {
        Some(name) => TimeZone::get(name).map_err(|_| format!("unknown time zone {name}"))?,
        None => TimeZone::UTC,
    };
    let parse = |it: &String| Schedule::parse(it).map_err(|error| format!("cron schedule {it} is malformed: {error}"));
    Ok((cron.spec.schedules.iter().map(parse).collect::<Result<_, _>>()?, zone))
}

fn name(object: &Value) -> &str {
    object.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn phase(object: &Object) -> &str {
    object.text("/status/phase")
}

fn is_over(object: &Object) -> bool {
    matches!(phase(object), "Succeeded" | "Failed" | "Error")
}

/// What was active and has ended is counted; what is active is listed.
fn collect(world: &CronWorld<'_>, status: &mut CronWorkflowStatus) {
    for it in std::mem::take(&mut status.active) {
        match world.workflows.iter().find(|object| object.name() == name(&it)).filter(|it| is_over(it)) {
            Some(object) if phase(object) == "Succeeded" => status.succeeded = Some(status.succeeded.unwrap_or(0) + 1),
            Some(_) => status.failed = Some(status.failed.unwrap_or(0) + 1),
            None => {}
        }
    }
    for it in world.workflows.iter().filter(|it| !is_over(it)) {
        status.active.push(json!({
            "apiVersion": it.text("/apiVersion"), "kind": "Workflow", "name": it.name(),
            "namespace": it.namespace(), "uid": it.uid(),
        }));
    }
}

/// Deletes the oldest workflows beyond the history limits.
fn prune(world: &CronWorld<'_>, plan: &mut CronPlan) {
    let spec = &world.cron.spec;
    for (succeeded, limit) in
        [(true, spec.successful_jobs_history_limit.unwrap_or(3)), (false, spec.failed_jobs_history_limit.unwrap_or(1))]
    {
        let mut list: Vec<&&Object> = world
            .workflows
            .iter()
            .filter(|it| is_over(it) && (phase(it) == "Succeeded") == succeeded && !it.is_deleting())
            .collect();
        list.sort_by_key(|it| (it.text("/status/finishedAt").to_owned(), it.name().to_owned()));
        let surplus = list.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        list.into_iter().take(surplus).for_each(|it| plan.push(Change::delete(it)));
    }
}

fn run(
    world: &CronWorld<'_>,
    schedules: &[Schedule],
    zone: &TimeZone,
    now: Timestamp,
    status: &mut CronWorkflowStatus,
    plan: &mut CronPlan,
) {
    let cron = world.cron;
    let scope = scope(cron, status, now);
    if let Some(strategy) = &cron.spec.stop_strategy {
        match scope.eval_bool(&strategy.expression) {
            Ok(true) => {
                status.phase = Some("Stopped".to_owned());
                plan.push(metadata(cron, json!({"labels": {LABEL_CRON_COMPLETED: "true"}})));
                return;
            }
            Ok(false) => {}
            Err(message) => set_condition(status, SPEC_ERROR, Some(message)),
        }
    }
    let used = cron.spec.schedules.join(",");
    let last_used = cron.metadata.annotation(ANNOTATION_LAST_USED_SCHEDULE);
    if last_used != Some(used.as_str()) {
        plan.push(metadata(cron, json!({"annotations": {ANNOTATION_LAST_USED_SCHEDULE: used}})));
    }
    if cron.spec.suspend == Some(true) {
        return;
    }
    let created = cron.metadata.creation_timestamp.map_or(now, Time::timestamp);
    let since = status.last_scheduled_time.map_or(created, Time::timestamp);
    if let Some(next) = schedules.iter().filter_map(|it| next(it, zone, since, now)).min() {
        plan.wake_at(next);
    }
    let Some(due) = schedules.iter().filter_map(|it| latest(it, zone, since, now)).max() else { return };
    // Times of a schedule that has changed were not missed by anybody.
    let missed = cron.spec.starting_deadline_seconds.filter(|_| last_used.is_none_or(|it| it == used));
    let patience = missed.map_or(PUNCTUAL, |it| Duration::from_secs(it.max(0).unsigned_abs()).max(PUNCTUAL));
    if now > time::after(due, patience) {
        return;
    }
    match admitted(cron, &scope) {
        Ok(true) => {}
        Ok(false) => return,
        Err(message) => {
            set_condition(status, "SubmissionError", Some(message));
            status.failed = Some(status.failed.unwrap_or(0) + 1);
            status.last_scheduled_time = Some(due.into());
            return;
        }
    }
    match cron.spec.concurrency_policy.as_deref() {
        Some("Forbid") if !status.active.is_empty() => return,
        Some("Replace") => {
            for it in world.workflows.iter().filter(|it| !is_over(it)) {
                plan.push(Change::merge(it.reference(), json!({"spec": {"shutdown": "Terminate"}})));
            }
        }
        _ => {}
    }
    let object = child(cron, due);
    status.active.push(json!({
        "apiVersion": object.text("/apiVersion"), "kind": "Workflow", "name": object.name(), "namespace": object.namespace(),
    }));
    status.last_scheduled_time = Some(due.into());
    set_condition(status, "SubmissionError", None);
    plan.push(Change::create(object));
}

/// The latest time after `since` that has come.
fn latest(schedule: &Schedule, zone: &TimeZone, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    if let Some(at) = schedule.previous(now, zone) {
        return (at > since).then_some(at);
    }
    // `@every` counts from the last run.
    schedule.next(since, zone).filter(|it| *it <= now)
}

/// The first time that is still to come.
fn next(schedule: &Schedule, zone: &TimeZone, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    match schedule.previous(now, zone) {
        Some(_) => schedule.next(now, zone),
        None => schedule.next(since, zone).map(|it| if it > now { Some(it) } else { schedule.next(now, zone) })?,
    }
}

/// Every time of the schedules after `start`, up to `end`, in order.
pub(super) fn times(
    cron: &CronWorkflow,
    start: Timestamp,
    end: Timestamp,
    most: usize,
) -> Result<Vec<Timestamp>, String> {
    let (schedules, zone) = schedules(cron)?;
    let mut all = std::collections::BTreeSet::new();
    for schedule in &schedules {
        let mut at = start;
        while let Some(next) = schedule.next(at, &zone).filter(|it| *it <= end) {
            all.insert(next);
            at = next;
            if all.len() > most {
                return Err(format!("there are more than {most} times between {start} and {end}"));
            }
        }
    }
    Ok(all.into_iter().collect())
}

fn admitted(cron: &CronWorkflow, scope: &Scope) -> Result<bool, String> {
    let Some(when) = cron.spec.when.as_deref().filter(|it| !it.is_empty()) else { return Ok(true) };
    let text = scope.render(when, How::Keep).map_err(|it| it.to_string())?;
    let expression = govaluate::Expression::parse(&text).map_err(|it| it.to_string())?;
    expression.eval_bool(&json!({})).map_err(|it| it.to_string())
}

fn scope(cron: &CronWorkflow, status: &CronWorkflowStatus, now: Timestamp) -> Scope {
    let mut scope = Scope::at(now);
    let meta = &cron.metadata;
    scope.set("cronworkflow.name", meta.name.as_deref().unwrap_or_default());
    scope.set("cronworkflow.namespace", meta.namespace.as_deref().unwrap_or_default());
    let maps: [(&str, &BTreeMap<String, String>); 2] = [("labels", &meta.labels), ("annotations", &meta.annotations)];
    for (field, map) in maps {
        scope.set(format!("cronworkflow.{field}.json"), json!(map).to_string());
        for (key, value) in map {
            scope.set(format!("cronworkflow.{field}.{key}"), value.as_str());
        }
    }
    let last = status.last_scheduled_time.map(|it| it.to_string());
    scope.set("cronworkflow.lastScheduledTime", last.unwrap_or_default());
    // Numbers: stop strategies compare them.
    scope.set_number("cronworkflow.failed", status.failed.unwrap_or(0));
    scope.set_number("cronworkflow.succeeded", status.succeeded.unwrap_or(0));
    scope
}

fn metadata(cron: &CronWorkflow, patch: Value) -> Change {
    let meta = &cron.metadata;
    let object = Object::new(&CronWorkflow::gvk(), meta.namespace.as_deref(), meta.name.as_deref().unwrap_or_default());
    Change::merge(object.reference(), json!({"metadata": patch}))
}

/// The workflow that is due at `at`.
pub(super) fn child(cron: &CronWorkflow, at: Timestamp) -> Object {
    let meta = &cron.metadata;
    let own = meta.name.as_deref().unwrap_or_default();
    let mut object = Object::new(&Workflow::gvk(), meta.namespace.as_deref(), &format!("{own}-{}", at.as_second()));
    for (key, value) in cron.spec.workflow_metadata.iter().flat_map(|it| &it.annotations) {
        object.set_annotation(key, value);
    }
    for label in PROPAGATED {
        if let Some(value) = meta.label(label) {
            object.set_label(label, value);
        }
    }
    object.set_label(LABEL_CRON_WORKFLOW, own);
    for (key, value) in cron.spec.workflow_metadata.iter().flat_map(|it| &it.labels) {
        object.set_label(key, value);
    }
    object.set_annotation(ANNOTATION_SCHEDULED_TIME, time::rfc3339(at));
    object.set(&["spec"], serde_json::to_value(&cron.spec.workflow_spec).unwrap_or_default());
    object.set_controller(&argo_core::OwnerReference {
        api_version: CronWorkflow::gvk().api_version(),
        kind: CronWorkflow::KIND.to_owned(),
        name: own.to_owned(),
        uid: meta.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    });
    object
}

fn set_condition(status: &mut CronWorkflowStatus, kind: &str, message: Option<String>) {
    status.conditions.retain(|it| it.kind != kind);
    if let Some(message) = message {
        status.conditions.push(Condition { kind: kind.to_owned(), status: "True".to_owned(), message: Some(message) });
    }
}
