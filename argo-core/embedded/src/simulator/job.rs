//! Jobs: pods that are to succeed so many times.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use argo_core::time::{Timestamp, after, rfc3339};
use serde_json::{Value, json};

use super::kinds::{JOBS, PODS};
use super::pass::{Pass, Write};
use super::read::{
    annotation, condition_is, count, flag, int, is_active, is_deleting, is_ready, list, owner_reference, phase, text,
    time, uid, with_condition,
};
use super::replicaset::pod_of;
use super::world::World;

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The first wait after a failed pod; doubled at each, up to ten minutes.
const FIRST_BACK_OFF: Duration = Duration::from_secs(10);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(600);

pub(super) fn pass(world: &World, job: &Value, now: Timestamp) -> Pass {
    let mut pass = Pass::default();
    if is_finished(job) {
        expire(job, now, &mut pass);
        return pass;
    }
    let stamp = rfc3339(now);
    let pods = world.controlled(&PODS, job);
    let active: Vec<&Arc<Value>> = pods.iter().filter(|pod| is_active(pod)).collect();
    let indexed = text(job, "/spec/completionMode") == "Indexed";
    let done: BTreeSet<i64> =
        pods.iter().filter(|pod| phase(pod) == "Succeeded").filter_map(|pod| index(pod)).collect();
    let succeeded = if indexed {
        count_of(done.len())
    } else {
        count_of(pods.iter().filter(|pod| phase(pod) == "Succeeded").count())
    }
    .max(count(job, "/status/succeeded"));
    // A pod deleted before it ended counts as failed.
    let failed = count_of(pods.iter().filter(|pod| phase(pod) == "Failed").count()).max(count(job, "/status/failed"));
    let suspended = flag(job, "/spec/suspend");
    let mut status = job.get("status").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
    let mut conditions = list(job, "/status/conditions").to_vec();
    if !suspended && text(&status, "/startTime").is_empty() {
        status["startTime"] = json!(stamp);
    }
    let mut finish = |kind: &str, first: &str, reason: &str, message: String| {
        for kind in [first, kind] {
            let mut condition =
                json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastProbeTime": stamp});
            condition["lastTransitionTime"] = json!(stamp);
            conditions = with_condition(std::mem::take(&mut conditions), condition, &stamp);
        }
    };
    let started = time(&status, "/startTime");
    let deadline = int(job, "/spec/activeDeadlineSeconds")
        .zip(started)
        .map(|(seconds, at)| after(at, Duration::from_secs(seconds.unsigned_abs())));
    let limit = int(job, "/spec/backoffLimit").unwrap_or(6);
    let restarts: i64 = active.iter().map(|pod| restarts(pod)).sum();
    let in_place = text(job, "/spec/template/spec/restartPolicy") == "OnFailure";
    let completions = int(job, "/spec/completions");
    let wanted = completions.unwrap_or(1);

    let mut stop = false;
    let mut running = count_of(active.len());
    if is_deleting(job) {
        running = count_of(active.len());
    } else if failed > limit || (in_place && limit > 0 && restarts >= limit) || (in_place && limit == 0 && restarts > 0)
    {
        finish("Failed", "FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit".into());
        stop = true;
    } else if deadline.is_some_and(|at| at <= now) && !suspended {
        finish("Failed", "FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline".into());
        stop = true;
    } else if completions.map_or(succeeded > 0 && active.is_empty(), |wanted| succeeded >= wanted) {
        finish(
            "Complete",
            "SuccessCriteriaMet",
            "CompletionsReached",
            "Reached expected number of succeeded pods".into(),
        );
        status["completionTime"] = json!(stamp);
        stop = true;
    } else if suspended {
        stop = true;
        let condition =
            json!({"type": "Suspended", "status": "True", "reason": "JobSuspended", "message": "Job suspended"});
        conditions = with_condition(conditions, condition, &stamp);
        if let Some(members) = status.as_object_mut() {
            members.remove("startTime");
        }
    } else {
        if let Some(at) = deadline {
            pass.wake_at(at);
        }
        if conditions.iter().any(|it| text(it, "/type") == "Suspended" && text(it, "/status") == "True") {
            let condition =
                json!({"type": "Suspended", "status": "False", "reason": "JobResumed", "message": "Job resumed"});
            conditions = with_condition(conditions, condition, &stamp);
        }
        running += create(job, &pods, &active, &done, succeeded, wanted, completions.is_none(), now, &mut pass);
    }
    if stop {
        for pod in &active {
            pass.write(Write::delete(&PODS, pod));
        }
        running = 0;
    }
    let ready = if stop { 0 } else { count_of(active.iter().filter(|pod| is_ready(pod)).count()) };
    status["ready"] = json!(ready);
    status["terminating"] =
        json!(pods.iter().filter(|pod| is_deleting(pod) && !matches!(phase(pod), "Succeeded" | "Failed")).count());
    status["uncountedTerminatedPods"] = json!({});
    for (field, number) in [("active", running), ("succeeded", succeeded), ("failed", failed)] {
        if number > 0 {
            status[field] = json!(number);
        } else if let Some(members) = status.as_object_mut() {
            members.remove(field);
        }
    }
    if indexed && !done.is_empty() {
        status["completedIndexes"] = json!(intervals(&done));
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

fn count_of(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn is_finished(job: &Value) -> bool {
    condition_is(job, "Complete", "True") || condition_is(job, "Failed", "True")
}

fn index(pod: &Value) -> Option<i64> {
    annotation(pod, INDEX)?.parse().ok()
}

fn restarts(pod: &Value) -> i64 {
    list(pod, "/status/containerStatuses")
        .iter()
        .chain(list(pod, "/status/initContainerStatuses"))
        .map(|it| count(it, "/restartCount"))
        .sum()
}

/// Creates the pods that are missing, once the back-off after failures is over. Returns how many.
#[allow(clippy::too_many_arguments)] // One decision over all that the pass has found out.
fn create(
    job: &Value,
    pods: &[Arc<Value>],
    active: &[&Arc<Value>],
    done: &BTreeSet<i64>,
    succeeded: i64,
    wanted: i64,
    open_ended: bool,
    now: Timestamp,
    pass: &mut Pass,
) -> i64 {
    let parallelism = int(job, "/spec/parallelism").unwrap_or(1);
    let have = count_of(active.len());
    let target =
        if open_ended { if succeeded > 0 { have } else { parallelism } } else { parallelism.min(wanted - succeeded) };
    let excess = usize::try_from(have - target).unwrap_or(0);
    if excess > 0 {
        for pod in active.iter().rev().take(excess) {
            pass.write(Write::delete(&PODS, pod));
        }
        return target - have;
    }
    let failures: Vec<Timestamp> =
        pods.iter().filter(|pod| phase(pod) == "Failed").filter_map(|pod| ended_at(pod)).collect();
    if let Some(last) = failures.iter().max() {
        let last_success = pods.iter().filter(|pod| phase(pod) == "Succeeded").filter_map(|pod| ended_at(pod)).max();
        let in_a_row = failures.iter().filter(|at| last_success.is_none_or(|success| **at > success)).count();
        if in_a_row > 0 {
            let doubled =
                FIRST_BACK_OFF.saturating_mul(2u32.saturating_pow(u32::try_from(in_a_row - 1).unwrap_or(16).min(16)));
            let at = after(*last, doubled.min(LONGEST_BACK_OFF));
            if at > now && target > have {
                pass.wake_at(at);
                return 0;
            }
        }
    }
    let owner = owner_reference(job, JOBS.api_version, JOBS.kind);
    let indexed = text(job, "/spec/completionMode") == "Indexed";
    let taken: BTreeSet<i64> = active.iter().filter_map(|pod| index(pod)).chain(done.iter().copied()).collect();
    let mut free = (0..wanted).filter(|index| !taken.contains(index));
    let mut created = 0;
    for _ in have..target {
        let mut pod = pod_of(job, "/spec/template", &owner);
        if indexed {
            let Some(index) = free.next() else { break };
            number(&mut pod, super::read::name(job), index);
        }
        pass.write(Write::Create { kind: &PODS, object: pod });
        created += 1;
    }
    created
}

fn ended_at(pod: &Value) -> Option<Timestamp> {
    let finished =
        list(pod, "/status/containerStatuses").iter().filter_map(|it| time(it, "/state/terminated/finishedAt")).max();
    finished.or_else(|| time(pod, "/metadata/deletionTimestamp")).or_else(|| time(pod, "/metadata/creationTimestamp"))
}

fn number(pod: &mut Value, job: &str, index: i64) {
    let text = json!(index.to_string());
    pod["metadata"]["generateName"] = json!(format!("{job}-{index}-"));
    pod["metadata"]["annotations"][INDEX] = text.clone();
    pod["metadata"]["labels"][INDEX] = text;
    pod["spec"]["hostname"] = json!(format!("{job}-{index}"));
    for list in ["containers", "initContainers"] {
        for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let variable = json!({"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": format!("metadata.annotations['{INDEX}']")}}});
            match container.get_mut("env").and_then(Value::as_array_mut) {
                Some(env) => env.push(variable),
                None => container["env"] = json!([variable]),
            }
        }
    }
}

/// Indexes as `0-2,5`.
fn intervals(indexes: &BTreeSet<i64>) -> String {
    let mut parts: Vec<(i64, i64)> = Vec::new();
    for index in indexes {
        match parts.last_mut() {
            Some((_, end)) if *end + 1 == *index => *end = *index,
            _ => parts.push((*index, *index)),
        }
    }
    let texts: Vec<String> = parts
        .iter()
        .map(|(start, end)| if start == end { start.to_string() } else { format!("{start}-{end}") })
        .collect();
    texts.join(",")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_told_in_intervals() {
        assert_eq!(intervals(&[0, 1, 2, 5, 7, 8].into()), "0-2,5,7-8");
        assert_eq!(intervals(&BTreeSet::new()), "");
    }
}
