//! Which pods a Job wants: how many, of which indexes, and when after a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use argo_core::time::{Timestamp, after};
use serde_json::{Value, json};

use super::indexes::{self, INDEX, index};
use super::policy::{self, Verdict, is_failed, replaces_failed_only, verdict};
use super::tracking::{Ends, FINALIZER, is_tracked, release};
use super::{End, Indexes, count_of};
use crate::simulator::kinds::{JOBS, PODS};
use crate::simulator::pass::{Pass, Write};
use crate::simulator::read::{annotation, int, is_deleting, list, name, owner_reference, phase, text, time, uid};
use crate::simulator::replicaset::pod_of;

const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
const IGNORED_FAILURES: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// The first wait after a failed pod; doubled at each, up to ten minutes.
const FIRST_BACK_OFF: Duration = Duration::from_secs(10);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(600);
/// The most pods created in one pass, as upstream.
const BURST: i64 = 500;

/// What is done of a Job, and what is left.
#[derive(Debug)]
pub(super) struct Plan {
    /// Succeeded so far: pods, or indexes.
    pub(super) succeeded: i64,
    indexed: Option<Indexed>,
}

#[derive(Debug)]
struct Indexed {
    completions: i64,
    /// Indexes in the status as it is.
    before: Indexes,
    succeeded: Indexes,
    /// With a limit per index only.
    failed: Option<Indexes>,
    /// The last failed pod of each index that is to be tried again.
    retried: BTreeMap<i64, Arc<Value>>,
}

impl Plan {
    pub(super) fn of(job: &Value, pods: &[Arc<Value>], ends: &Ends) -> Self {
        if text(job, "/spec/completionMode") != "Indexed" {
            return Self { succeeded: ends.succeeded, indexed: None };
        }
        let completions = int(job, "/spec/completions").unwrap_or(1);
        let before = indexes::read(text(job, "/status/completedIndexes"), completions);
        let mut succeeded = before.clone();
        let valid = |pod: &Value| index(pod).filter(|index| (0..completions).contains(index));
        let ended = pods.iter().filter(|pod| is_tracked(pod) && phase(pod) == "Succeeded");
        succeeded.extend(ended.filter_map(|pod| valid(pod)));
        let mut failed = None;
        let mut retried: BTreeMap<i64, Arc<Value>> = BTreeMap::new();
        if let Some(limit) = int(job, "/spec/backoffLimitPerIndex") {
            let mut indexes = indexes::read(text(job, "/status/failedIndexes"), completions);
            // Who is stopped because all is decided does not fail his index.
            let open = End::decided(job).is_none();
            for pod in pods.iter().filter(|pod| open && is_tracked(pod) && is_failed(job, pod)) {
                let Some(index) = valid(pod).filter(|index| !succeeded.contains(index)) else { continue };
                let fails = match verdict(job, pod) {
                    Verdict::FailIndex => true,
                    Verdict::Ignore => false,
                    _ => failures(pod, FAILURES) >= limit,
                };
                if fails {
                    indexes.insert(index);
                } else if retried.get(&index).is_none_or(|other| tries(other) < tries(pod)) {
                    retried.insert(index, pod.clone());
                }
            }
            retried.retain(|index, _| !indexes.contains(index));
            // Once it is replaced it needs to be remembered no longer.
            retried.retain(|index, failed| {
                let tries = tries(failed);
                !pods.iter().any(|pod| self::index(pod) == Some(*index) && self::tries(pod) > tries)
            });
            failed = Some(indexes);
        }
        let indexed = Indexed { completions, before, succeeded, failed, retried };
        Self { succeeded: count_of(indexed.succeeded.len()), indexed: Some(indexed) }
    }

    /// The end that the indexes make.
    pub(super) fn end(&self, job: &Value) -> Option<End> {
        let indexed = self.indexed.as_ref()?;
        if let Some(failed) = &indexed.failed {
            let count = count_of(failed.len());
            if int(job, "/spec/maxFailedIndexes").is_some_and(|most| count > most) {
                let message = "Job has exceeded the specified maximal number of failed indexes";
                return Some(End::failed("MaxFailedIndexesExceeded", message));
            }
            if count > 0 && count + self.succeeded >= indexed.completions {
                return Some(End::failed("FailedIndexes", "Job has failed indexes"));
            }
        }
        let message = policy::success(job, &indexed.succeeded, indexed.completions)?;
        Some(End::complete("SuccessPolicy", message))
    }

    /// The indexes that the status knows as completed.
    pub(super) fn completed_before(&self) -> Option<&Indexes> {
        self.indexed.as_ref().map(|indexed| &indexed.before)
    }

    pub(super) fn succeeded_indexes(&self) -> Option<&Indexes> {
        self.indexed.as_ref().map(|indexed| &indexed.succeeded)
    }

    /// Pods that carry the failures of an index on: they stay as they are until they are replaced.
    pub(super) fn held(&self, finishing: bool) -> BTreeSet<String> {
        let retried = self.indexed.iter().filter(|_| !finishing).flat_map(|indexed| indexed.retried.values());
        retried.map(|pod| uid(pod).to_owned()).collect()
    }

    /// Writes the indexes down.
    pub(super) fn tell(&self, status: &mut Value) {
        let Some(indexed) = &self.indexed else { return };
        if !indexed.succeeded.is_empty() {
            status["completedIndexes"] = json!(indexes::write(&indexed.succeeded));
        }
        if let Some(failed) = &indexed.failed {
            status["failedIndexes"] = json!(indexes::write(failed));
        }
    }

    /// Whether the status knew all indexes already.
    pub(super) fn is_told(&self, job: &Value) -> bool {
        self.indexed.as_ref().is_none_or(|indexed| {
            let failed = indexes::read(text(job, "/status/failedIndexes"), indexed.completions);
            indexed.before == indexed.succeeded && indexed.failed.as_ref().is_none_or(|it| *it == failed)
        })
    }

    /// Creates the pods that are missing, once the back-off after failures is over, and deletes those that are too many. Returns the change
    /// in their number.
    pub(super) fn scale(
        &self,
        job: &Value,
        pods: &[Arc<Value>],
        active: &[Arc<Value>],
        now: Timestamp,
        pass: &mut Pass,
    ) -> i64 {
        let parallelism = int(job, "/spec/parallelism").unwrap_or(1);
        let have = count_of(active.len());
        let target = match int(job, "/spec/completions") {
            None if self.succeeded > 0 => have,
            None => parallelism,
            Some(wanted) => parallelism.min(wanted - self.succeeded).max(0),
        };
        let excess = usize::try_from(have - target).unwrap_or(0);
        if excess > 0 {
            for pod in active.iter().rev().take(excess) {
                release_and_delete(pod, pass);
            }
            return target - have;
        }
        let terminating = pods.iter().filter(|pod| is_deleting(pod) && !matches!(phase(pod), "Succeeded" | "Failed"));
        let leaving = if replaces_failed_only(job) { count_of(terminating.count()) } else { 0 };
        let missing = (target - have - leaving).clamp(0, BURST);
        let owner = owner_reference(job, JOBS.api_version, JOBS.kind);
        let mut created = 0;
        let Some(indexed) = &self.indexed else {
            if missing > 0 && !backed_off(pods, now, pass) {
                return 0;
            }
            for _ in 0..missing {
                pass.write(Write::Create { kind: &PODS, object: tracked(pod_of(job, "/spec/template", &owner)) });
                created += 1;
            }
            return created;
        };
        if indexed.failed.is_none() && missing > 0 && !backed_off(pods, now, pass) {
            return 0;
        }
        let mut taken: Indexes = active.iter().filter_map(|pod| index(pod)).collect();
        if replaces_failed_only(job) {
            taken.extend(
                pods.iter().filter(|pod| is_deleting(pod) && phase(pod) != "Failed").filter_map(|pod| index(pod)),
            );
        }
        taken.extend(indexed.succeeded.iter().chain(indexed.failed.iter().flatten()));
        for index in (0..indexed.completions).filter(|index| !taken.contains(index)) {
            if created >= missing {
                break;
            }
            let mut pod = tracked(pod_of(job, "/spec/template", &owner));
            number(&mut pod, name(job), index);
            if indexed.failed.is_some() {
                let (mut failures, mut ignored) = (0, 0);
                if let Some(last) = indexed.retried.get(&index) {
                    (failures, ignored) = (self::failures(last, FAILURES), self::failures(last, IGNORED_FAILURES));
                    match verdict(job, last) {
                        Verdict::Ignore => ignored += 1,
                        _ => failures += 1,
                    }
                    let at = after(ended_at(last).unwrap_or(now), back_off(failures + ignored));
                    if at > now {
                        pass.wake_at(at);
                        continue;
                    }
                }
                pod["metadata"]["annotations"][FAILURES] = json!(failures.to_string());
                if ignored > 0 {
                    pod["metadata"]["annotations"][IGNORED_FAILURES] = json!(ignored.to_string());
                }
            }
            pass.write(Write::Create { kind: &PODS, object: pod });
            created += 1;
        }
        created
    }
}

/// Deletes a pod that the Job wants no more: it does not count as failed.
fn release_and_delete(pod: &Value, pass: &mut Pass) {
    if is_tracked(pod) {
        release(pod, pass);
    }
    pass.write(Write::delete(&PODS, pod));
}

fn tracked(mut pod: Value) -> Value {
    match pod.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut) {
        Some(finalizers) => finalizers.push(json!(FINALIZER)),
        None => pod["metadata"]["finalizers"] = json!([FINALIZER]),
    }
    pod
}

fn failures(pod: &Value, key: &str) -> i64 {
    annotation(pod, key).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// How often an index was tried before this pod.
fn tries(pod: &Value) -> i64 {
    failures(pod, FAILURES) + failures(pod, IGNORED_FAILURES)
}

fn back_off(failures: i64) -> Duration {
    let doublings = u32::try_from(failures - 1).unwrap_or(0).min(16);
    FIRST_BACK_OFF.saturating_mul(2u32.saturating_pow(doublings)).min(LONGEST_BACK_OFF)
}

/// Whether the wait after the failures since the last success is over; if not, the pass comes back then.
fn backed_off(pods: &[Arc<Value>], now: Timestamp, pass: &mut Pass) -> bool {
    let failures: Vec<Timestamp> =
        pods.iter().filter(|pod| phase(pod) == "Failed").filter_map(|pod| ended_at(pod)).collect();
    let Some(last) = failures.iter().max() else { return true };
    let last_success = pods.iter().filter(|pod| phase(pod) == "Succeeded").filter_map(|pod| ended_at(pod)).max();
    let in_a_row = failures.iter().filter(|at| last_success.is_none_or(|success| **at > success)).count();
    if in_a_row == 0 {
        return true;
    }
    let at = after(*last, back_off(count_of(in_a_row)));
    if at > now {
        pass.wake_at(at);
    }
    at <= now
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
