//! Counting pods exactly once: a pod carries a finalizer until its end is in the status of its Job.
//!
//! ```text
//! pod ends ──► uid in status.uncountedTerminatedPods ──► its finalizer goes ──► the uid goes, the count goes up
//! ```
//! A pass ends between any two of these, and the next one goes on from there. For pods of an index that succeeded `completedIndexes` is
//! memory enough.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::indexes::index;
use super::policy::{Verdict, is_failed, verdict};
use crate::simulator::kinds::PODS;
use crate::simulator::pass::{Pass, Write};
use crate::simulator::read::{count, list, name, namespace, phase, text, uid};
use crate::simulator::world::Place;

pub(super) const FINALIZER: &str = "batch.kubernetes.io/job-tracking";

/// What has been counted, and what is to be.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// `status.succeeded` (not of indexed Jobs) and `status.failed` to be.
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    /// `status.uncountedTerminatedPods` to be.
    pub(super) open_succeeded: Vec<String>,
    pub(super) open_failed: Vec<String>,
    /// Pods that need their finalizer no longer.
    pub(super) release: Vec<Arc<Value>>,
}

/// How a Job's pods stand, before anything is decided.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// All that succeeded and failed so far, counted or not.
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    /// Why the Job is to fail, if a failed pod says so.
    pub(super) fail_job: Option<String>,
}

pub(super) fn is_tracked(pod: &Value) -> bool {
    list(pod, "/metadata/finalizers").iter().any(|it| it == FINALIZER)
}

fn uids(job: &Value, field: &str) -> Vec<String> {
    let list = list(job, &format!("/status/uncountedTerminatedPods/{field}"));
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Ends {
    pub(super) fn of(job: &Value, pods: &[Arc<Value>]) -> Self {
        let (open_succeeded, open_failed) = (uids(job, "succeeded"), uids(job, "failed"));
        let mut ends = Self {
            succeeded: count(job, "/status/succeeded") + super::count_of(open_succeeded.len()),
            failed: count(job, "/status/failed") + super::count_of(open_failed.len()),
            fail_job: None,
        };
        for pod in pods {
            let failed = is_failed(job, pod);
            let verdict = if failed { verdict(job, pod) } else { Verdict::Count };
            if let Verdict::FailJob(message) = &verdict {
                ends.fail_job.get_or_insert_with(|| message.clone());
            }
            let new = is_tracked(pod) && !open_succeeded.iter().chain(&open_failed).any(|it| it == uid(pod));
            if new && phase(pod) == "Succeeded" {
                ends.succeeded += 1;
            } else if new && failed && verdict != Verdict::Ignore {
                ends.failed += 1;
            }
        }
        ends
    }
}

impl Tally {
    /// `finishing`: the Job is decided, so whatever has not ended counts as failed. `completed`: the indexes in the status so far.
    /// `held`: pods that stay as they are until they are replaced.
    pub(super) fn of(
        job: &Value,
        pods: &[Arc<Value>],
        finishing: bool,
        completed: Option<&BTreeSet<i64>>,
        held: &BTreeSet<String>,
    ) -> Self {
        let mut tally = Self {
            succeeded: count(job, "/status/succeeded"),
            failed: count(job, "/status/failed"),
            ..Self::default()
        };
        let tracked = |wanted: &str| pods.iter().find(|pod| uid(pod) == wanted && is_tracked(pod));
        for wanted in uids(job, "succeeded") {
            match tracked(&wanted) {
                Some(pod) => {
                    tally.release.push(pod.clone());
                    tally.open_succeeded.push(wanted);
                }
                None => tally.succeeded += 1,
            }
        }
        for wanted in uids(job, "failed") {
            match tracked(&wanted) {
                Some(pod) => {
                    tally.release.push(pod.clone());
                    tally.open_failed.push(wanted);
                }
                None => tally.failed += 1,
            }
        }
        for pod in pods.iter().filter(|pod| is_tracked(pod)) {
            let open = tally.open_succeeded.iter().chain(&tally.open_failed).any(|it| it == uid(pod));
            if open || held.contains(uid(pod)) {
                continue;
            }
            if phase(pod) == "Succeeded" {
                match (completed, index(pod)) {
                    (None, _) => tally.open_succeeded.push(uid(pod).to_owned()),
                    (Some(completed), Some(index)) if !completed.contains(&index) => {}
                    (Some(_), _) => tally.release.push(pod.clone()),
                }
            } else if is_failed(job, pod) || finishing {
                if is_failed(job, pod) && verdict(job, pod) == Verdict::Ignore {
                    tally.release.push(pod.clone());
                } else {
                    tally.open_failed.push(uid(pod).to_owned());
                }
            }
        }
        tally
    }

    /// Whether everything is counted.
    pub(super) fn is_closed(&self) -> bool {
        self.open_succeeded.is_empty() && self.open_failed.is_empty() && self.release.is_empty()
    }

    /// `status.uncountedTerminatedPods`.
    pub(super) fn open(&self) -> Value {
        let mut open = json!({});
        for (field, uids) in [("succeeded", &self.open_succeeded), ("failed", &self.open_failed)] {
            if !uids.is_empty() {
                open[field] = json!(uids);
            }
        }
        open
    }
}

/// Takes the finalizer off a pod.
pub(super) fn release(pod: &Value, pass: &mut Pass) {
    let kept: Vec<&Value> = list(pod, "/metadata/finalizers").iter().filter(|it| *it != FINALIZER).collect();
    let finalizers = if kept.is_empty() { Value::Null } else { json!(kept) };
    pass.write(Write::Patch {
        place: Place::of(&PODS, namespace(pod), name(pod)),
        api_version: PODS.api_version.to_owned(),
        patch: json!({"metadata": {
            "uid": uid(pod), "resourceVersion": text(pod, "/metadata/resourceVersion"), "finalizers": finalizers,
        }}),
    });
}
