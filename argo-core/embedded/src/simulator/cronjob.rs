//! CronJobs: a Job at every time of the schedule.

use std::sync::Arc;
use std::time::Duration;

use argo_core::time::{Timestamp, after, rfc3339};
use argo_lang::cron::Schedule;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::kinds::{CRON_JOBS, JOBS};
use super::pass::{Pass, Write};
use super::read::{condition_is, flag, int, is_deleting, list, name, namespace, owner_reference, text, time, uid};
use super::world::World;

const SCHEDULED_AT: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

pub(super) fn pass(world: &World, cron: &Value, now: Timestamp) -> Pass {
    let mut pass = Pass::default();
    if is_deleting(cron) {
        return pass;
    }
    let jobs = world.controlled(&JOBS, cron);
    let (finished, active): (Vec<Arc<Value>>, Vec<Arc<Value>>) =
        jobs.into_iter().partition(|job| condition_is(job, "Complete", "True") || condition_is(job, "Failed", "True"));
    trim(cron, &finished, &mut pass);
    let mut status = cron.get("status").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
    let last_success = finished.iter().filter_map(|job| time(job, "/status/completionTime")).max();
    if let Some(at) = last_success.max(time(cron, "/status/lastSuccessfulTime")) {
        status["lastSuccessfulTime"] = json!(rfc3339(at));
    }
    let mut running: Vec<Value> = active.iter().map(|job| reference(job)).collect();
    for known in list(cron, "/status/active") {
        let Some(job) = finished.iter().find(|job| uid(job) == text(known, "/uid")) else { continue };
        let end = if condition_is(job, "Complete", "True") { "Complete" } else { "Failed" };
        pass.note(false, "SawCompletedJob", format!("Saw completed job: {}, condition: {end}", name(job)));
    }

    let zone = Some(text(cron, "/spec/timeZone")).filter(|it| !it.is_empty()).map_or(Ok(TimeZone::UTC), TimeZone::get);
    if let (Ok(schedule), Ok(zone), false) =
        (Schedule::parse(text(cron, "/spec/schedule")), zone, flag(cron, "/spec/suspend"))
    {
        let since =
            time(cron, "/status/lastScheduleTime").or_else(|| time(cron, "/metadata/creationTimestamp")).unwrap_or(now);
        if let Some(due) = due(&schedule, &zone, since, now) {
            let late = int(cron, "/spec/startingDeadlineSeconds")
                .is_some_and(|seconds| after(due, Duration::from_secs(seconds.unsigned_abs())) < now);
            let policy = text(cron, "/spec/concurrencyPolicy");
            if policy == "Forbid" && !active.is_empty() {
                // The change of the running Job leads back here.
            } else if !late {
                if policy == "Replace" {
                    active.iter().for_each(|job| pass.write(Write::delete(&JOBS, job)));
                    running.clear();
                }
                let job_name = format!("{}-{}", name(cron), due.as_second() / 60);
                if world.find(&JOBS, namespace(cron), &job_name).is_none() {
                    pass.write(Write::Create { kind: &JOBS, object: job(cron, &job_name, due) });
                }
                status["lastScheduleTime"] = json!(rfc3339(due));
            } else {
                pass.note(
                    true,
                    "MissSchedule",
                    format!("Missed scheduled time to start a job: {}", due.strftime("%a, %d %b %Y %H:%M:%S %z")),
                );
                status["lastScheduleTime"] = json!(rfc3339(due));
            }
        }
        if let Some(next) = schedule.next(now, &zone) {
            pass.wake_at(next);
        }
    }
    if running.is_empty() {
        if let Some(members) = status.as_object_mut() {
            members.remove("active");
        }
    } else {
        status["active"] = Value::Array(running);
    }
    pass.status(&CRON_JOBS, cron, status);
    pass
}

/// The last time of the schedule after `since` that has come; earlier ones were missed.
fn due(schedule: &Schedule, zone: &TimeZone, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    if let Some(last) = schedule.previous(now, zone) {
        return (last > since).then_some(last);
    }
    // `@every` has no past: walk, but not for ever.
    let mut due = None;
    let mut at = since;
    for _ in 0..10_000 {
        match schedule.next(at, zone) {
            Some(next) if next <= now => {
                due = Some(next);
                at = next;
            }
            _ => break,
        }
    }
    due
}

fn job(cron: &Value, job_name: &str, at: Timestamp) -> Value {
    let template = &cron["spec"]["jobTemplate"];
    let mut metadata = json!({
        "name": job_name,
        "namespace": namespace(cron),
        "ownerReferences": [owner_reference(cron, CRON_JOBS.api_version, CRON_JOBS.kind)],
        "annotations": {},
    });
    for member in ["labels", "annotations"] {
        if let Some(value) = template.pointer(&format!("/metadata/{member}")).filter(|it| !it.is_null()) {
            metadata[member] = value.clone();
        }
    }
    metadata["annotations"][SCHEDULED_AT] = json!(rfc3339(at));
    json!({"apiVersion": JOBS.api_version, "kind": JOBS.kind, "metadata": metadata, "spec": template["spec"]})
}

fn reference(job: &Value) -> Value {
    json!({
        "apiVersion": JOBS.api_version, "kind": JOBS.kind, "name": name(job), "namespace": namespace(job), "uid": uid(job),
        "resourceVersion": text(job, "/metadata/resourceVersion"),
    })
}

/// Deletes finished Jobs beyond the history limits, oldest first.
fn trim(cron: &Value, finished: &[Arc<Value>], pass: &mut Pass) {
    for (kind, field, default) in
        [("Complete", "successfulJobsHistoryLimit", 3), ("Failed", "failedJobsHistoryLimit", 1)]
    {
        let limit = usize::try_from(int(cron, &format!("/spec/{field}")).unwrap_or(default)).unwrap_or(0);
        let mut ended: Vec<&Arc<Value>> =
            finished.iter().filter(|job| condition_is(job, kind, "True") && !is_deleting(job)).collect();
        ended.sort_by_key(|job| (text(job, "/status/startTime").to_owned(), name(job).to_owned()));
        for job in ended.iter().take(ended.len().saturating_sub(limit)) {
            pass.write(Write::delete(&JOBS, job));
        }
    }
}
