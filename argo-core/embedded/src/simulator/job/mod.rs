//! Jobs: pods that are to succeed so many times.

mod indexes;
mod pods;
mod policy;
mod tracking;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use argo_core::time::{Timestamp, after, rfc3339};
use serde_json::{Value, json};

use super::kinds::{JOBS, PODS};
use super::pass::{Pass, Write};
use super::read::{
    condition_is, controller_of, count, flag, int, is_active, is_deleting, is_ready, list, phase, text, time, uid,
    with_condition,
};
use super::world::{Place, World};
use pods::Plan;
use tracking::{Ends, Tally, is_tracked, release};

/// A set of completion indexes.
type Indexes = BTreeSet<i64>;

/// The end of a Job: decided at first, terminal once all its pods are gone and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    complete: bool,
    reason: String,
    message: String,
}

impl End {
    fn failed(reason: &str, message: impl Into<String>) -> Self {
        Self { complete: false, reason: reason.to_owned(), message: message.into() }
    }

    fn complete(reason: &str, message: impl Into<String>) -> Self {
        Self { complete: true, reason: reason.to_owned(), message: message.into() }
    }

    /// The types of the condition that tells of the decision, and of the one that is terminal.
    fn types(&self) -> (&'static str, &'static str) {
        if self.complete { ("SuccessCriteriaMet", "Complete") } else { ("FailureTarget", "Failed") }
    }

    /// What was decided earlier.
    fn decided(job: &Value) -> Option<Self> {
        let decided = |kind: &str| {
            list(job, "/status/conditions").iter().find(|it| text(it, "/type") == kind && text(it, "/status") == "True")
        };
        let read = |it: &Value, complete| Self {
            complete,
            reason: text(it, "/reason").to_owned(),
            message: text(it, "/message").to_owned(),
        };
        let met = decided("SuccessCriteriaMet").map(|it| read(it, true));
        met.or_else(|| decided("FailureTarget").map(|it| read(it, false)))
    }
}

pub(super) fn pass(world: &World, job: &Value, now: Timestamp) -> Pass {
    let mut pass = Pass::default();
    let pods = world.controlled(&PODS, job);
    if is_finished(job) || is_deleting(job) {
        pods.iter().filter(|pod| is_tracked(pod)).for_each(|pod| release(pod, &mut pass));
        if is_finished(job) {
            expire(job, now, &mut pass);
        }
        return pass;
    }
    let stamp = rfc3339(now);
    let active: Vec<Arc<Value>> = pods.iter().filter(|pod| is_active(pod)).cloned().collect();
    let ends = Ends::of(job, &pods);
    let suspended = flag(job, "/spec/suspend");
    let mut status = job.get("status").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
    if !suspended && text(&status, "/startTime").is_empty() {
        status["startTime"] = json!(stamp);
    }
    let plan = Plan::of(job, &pods, &ends);
    let mut end = End::decided(job)
        .or_else(|| ends.fail_job.clone().map(|message| End::failed("PodFailurePolicy", message)))
        .or_else(|| overrun(job, &active, ends.failed, &status, suspended, now, &mut pass))
        .or_else(|| plan.end(job));

    let mut running = count_of(active.len());
    let mut stopping = end.is_some();
    if let Some(wanted) = int(job, "/spec/completions") {
        if end.is_none() && plan.succeeded >= wanted && active.is_empty() {
            end = Some(End::complete("CompletionsReached", "Reached expected number of succeeded pods"));
        }
    } else if end.is_none() && plan.succeeded > 0 && active.is_empty() {
        end = Some(End::complete("CompletionsReached", "Reached expected number of succeeded pods"));
    }
    let mut conditions = list(job, "/status/conditions").to_vec();
    let mut put = |condition: Value| conditions = with_condition(std::mem::take(&mut conditions), condition, &stamp);
    if end.is_none() && suspended {
        stopping = true;
        put(json!({"type": "Suspended", "status": "True", "reason": "JobSuspended", "message": "Job suspended"}));
        if let Some(members) = status.as_object_mut() {
            members.remove("startTime");
        }
        // Who is told to stop by the Job does not count as failed.
        active.iter().filter(|pod| is_tracked(pod)).for_each(|pod| release(pod, &mut pass));
    } else if end.is_none() {
        if condition_is(job, "Suspended", "True") {
            put(json!({"type": "Suspended", "status": "False", "reason": "JobResumed", "message": "Job resumed"}));
            status["startTime"] = json!(stamp);
        }
        running += plan.scale(job, &pods, &active, now, &mut pass);
    }
    if stopping {
        active.iter().for_each(|pod| pass.write(Write::delete(&PODS, pod)));
        running = 0;
    }
    let tally = Tally::of(job, &pods, end.is_some(), plan.completed_before(), &plan.held(end.is_some()));
    tally.release.iter().for_each(|pod| release(pod, &mut pass));

    let unfinished = |pod: &Value| !matches!(phase(pod), "Succeeded" | "Failed");
    status["ready"] = json!(if stopping { 0 } else { active.iter().filter(|pod| is_ready(pod)).count() });
    status["terminating"] = json!(pods.iter().filter(|pod| is_deleting(pod) && unfinished(pod)).count());
    status["uncountedTerminatedPods"] = tally.open();
    let succeeded = plan.succeeded_indexes().map_or(tally.succeeded, |indexes| count_of(indexes.len()));
    for (field, number) in [("active", running), ("succeeded", succeeded), ("failed", tally.failed)] {
        if number > 0 {
            status[field] = json!(number);
        } else if let Some(members) = status.as_object_mut() {
            members.remove(field);
        }
    }
    plan.tell(&mut status);
    if let Some(end) = end {
        let (decided, terminal) = end.types();
        let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": end.reason, "message": end.message, "lastProbeTime": stamp});
        if !conditions.iter().any(|it| text(it, "/type") == decided) {
            conditions = with_condition(conditions, condition(decided), &stamp);
        }
        if tally.is_closed() && !pods.iter().any(|pod| unfinished(pod)) && plan.is_told(job) {
            conditions = with_condition(conditions, condition(terminal), &stamp);
            if end.complete {
                status["completionTime"] = json!(stamp);
            }
        }
    }
    if !conditions.is_empty() {
        status["conditions"] = Value::Array(conditions);
    }
    if is_finished(&json!({"status": status})) {
        expire(&json!({"metadata": job["metadata"], "spec": job["spec"], "status": status}), now, &mut pass);
    }
    pass.status(&JOBS, job, status);
    pass
}

/// The pods of a Job that is gone need their finalizers no longer.
pub(super) fn orphaned(world: &World, place: &Place) -> Pass {
    let mut pass = Pass::default();
    for pod in world.within(&PODS, &place.key.namespace).filter(|pod| is_tracked(pod)) {
        let owner = controller_of(pod)
            .filter(|owner| text(owner, "/kind") == JOBS.kind && text(owner, "/name") == place.key.name);
        if owner.is_some_and(|owner| world.by_uid(text(owner, "/uid")).is_none()) {
            release(pod, &mut pass);
        }
    }
    pass
}

/// Whether the Job has failed too often, or taken too long.
fn overrun(
    job: &Value,
    active: &[Arc<Value>],
    failed: i64,
    status: &Value,
    suspended: bool,
    now: Timestamp,
    pass: &mut Pass,
) -> Option<End> {
    let limit = int(job, "/spec/backoffLimit").unwrap_or(6);
    let in_place = text(job, "/spec/template/spec/restartPolicy") == "OnFailure";
    let restarts: i64 = active.iter().map(|pod| restarts(pod)).sum();
    if failed > limit || (in_place && if limit == 0 { restarts > 0 } else { restarts >= limit }) {
        return Some(End::failed("BackoffLimitExceeded", "Job has reached the specified backoff limit"));
    }
    let seconds = int(job, "/spec/activeDeadlineSeconds").filter(|_| !suspended)?;
    let deadline = after(time(status, "/startTime")?, Duration::from_secs(seconds.unsigned_abs()));
    if deadline <= now {
        return Some(End::failed("DeadlineExceeded", "Job was active longer than specified deadline"));
    }
    pass.wake_at(deadline);
    None
}

fn count_of(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn is_finished(job: &Value) -> bool {
    condition_is(job, "Complete", "True") || condition_is(job, "Failed", "True")
}

fn restarts(pod: &Value) -> i64 {
    list(pod, "/status/containerStatuses")
        .iter()
        .chain(list(pod, "/status/initContainerStatuses"))
        .map(|it| count(it, "/restartCount"))
        .sum()
}

/// Deletes a finished Job when its time to live is over.
fn expire(job: &Value, now: Timestamp, pass: &mut Pass) {
    let Some(seconds) = int(job, "/spec/ttlSecondsAfterFinished") else { return };
    if is_deleting(job) {
        return;
    }
    let ended = list(job, "/status/conditions")
        .iter()
        .filter(|it| matches!(text(it, "/type"), "Complete" | "Failed"))
        .find_map(|it| time(it, "/lastTransitionTime"));
    let at = after(ended.unwrap_or(now), Duration::from_secs(seconds.unsigned_abs()));
    if at <= now && !uid(job).is_empty() {
        pass.write(Write::delete(&JOBS, job));
    } else {
        pass.wake_at(at);
    }
}
