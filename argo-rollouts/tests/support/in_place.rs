//! The rules for workloads whose pods are replaced in place.

use std::time::Duration;

use argo_core::Object;
use argo_rollouts::{
    api::{Rollout, RolloutStatus},
    engine::workloads,
};

use super::audit::{Audit, status};

fn hash(pod: &Object) -> &str {
    pod.label("controller-revision-hash").unwrap_or_default().rsplit('-').next().unwrap_or_default()
}

fn is_ready(pod: &Object) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(|it| it.as_array());
    conditions.is_some_and(|it| it.iter().any(|it| it["type"] == "Ready" && it["status"] == "True"))
}

/// Going back to stable, or told to go on without steps.
fn jumps(status: &RolloutStatus) -> bool {
    status.promote_full || status.stable_rs.is_empty() || status.current_pod_hash == status.stable_rs
}

impl Audit<'_> {
    fn places(&self) -> i64 {
        let workload = self.workload.as_ref().expect("a workload");
        if workload.gvk().kind == "DaemonSet" {
            return workload.integer("/status/desiredNumberScheduled").unwrap_or_default();
        }
        workload.integer("/spec/replicas").unwrap_or(1)
    }

    /// How many pods the steps give to the new version.
    fn granted(&self) -> i64 {
        let (status, places) = (status(&self.rollout), self.places());
        if jumps(&status) {
            return places;
        }
        if status.abort {
            return 0;
        }
        let rollout: Rollout = self.rollout.decode().expect("a Rollout");
        let steps = rollout.spec.steps();
        let at = usize::try_from(status.current_step_index.unwrap_or_default()).expect("small");
        let weight = match at < steps.len() {
            false => 100,
            true => steps[..=at].iter().rev().find_map(|it| it.set_weight).unwrap_or_default(),
        };
        workloads::share(places, weight, 100)
    }

    /// Every pod is of this version: an abort came too late.
    pub(super) fn is_all_of(&self, version: &str) -> bool {
        let stateful = self.workload.as_ref().is_some_and(|it| it.gvk().kind == "StatefulSet");
        stateful && self.pods.values().all(|it| hash(it) == version)
    }

    /// The gate of a StatefulSet opens no wider than the steps say, not while paused or aborted.
    pub(super) fn judge_gate(&mut self, at: Duration, before: &Object, after: &Object) {
        let of = |it: &Object| it.integer("/spec/updateStrategy/rollingUpdate/partition").unwrap_or_default();
        let (from, to) = (of(before), of(after));
        if to >= from {
            return;
        }
        let (granted, places) = (self.granted(), self.places());
        if places - to > granted && self.promise.sees_truth {
            self.say(at, format!("the gate opens to {to} of {places}, though {granted} are granted"));
        }
        if self.is_paused() && self.promise.sees_truth {
            self.say(at, format!("the gate opens to {to}, though paused"));
        }
    }

    /// A pod is deleted by the controller only within the budget, only where it is to be another, and not while paused.
    pub(super) fn judge_replaced(&mut self, at: Duration, pod: &Object) {
        if !self.promise.sees_truth {
            return;
        }
        let (status, places) = (status(&self.rollout), self.places());
        let up = i64::try_from(self.pods.values().filter(|it| is_ready(it)).count()).expect("few");
        let budget = self.promise.unavailable.unwrap_or_default().max(1);
        if is_ready(pod) && up - 1 < places - budget {
            self.say(at, format!("{} is deleted: {} of {places} pods are left", pod.name(), up - 1));
        }
        if self.is_paused() && status.observed_generation == self.rollout.generation().to_string() {
            self.say(at, format!("{} is deleted, though paused", pod.name()));
        }
        if hash(pod) != status.stable_rs || jumps(&status) {
            return;
        }
        // A stable pod that goes gives its place to the new version.
        let stateful = self.workload.as_ref().is_some_and(|it| it.gvk().kind == "StatefulSet");
        let stable = self.pods.values().filter(|it| hash(it) == status.stable_rs).count();
        let others = places - i64::try_from(stable).expect("few") + 1;
        if !stateful && others > self.granted() {
            self.say(
                at,
                format!("{} gives its place away: {others}, though {} are granted", pod.name(), self.granted()),
            );
        }
        if is_ready(pod) && stateful {
            self.say(at, format!("{} is stable and deleted", pod.name()));
        }
    }

    /// At the end every pod is what the status says.
    pub(super) fn in_place_ending(&mut self) {
        let (status, places, took) = (status(&self.rollout), self.places(), self.took());
        let count = |of: &dyn Fn(&Object) -> bool| i64::try_from(self.pods.values().filter(|it| of(it)).count());
        let current = count(&|it| hash(it) == status.current_pod_hash && is_ready(it)).expect("few");
        let down = count(&|it| hash(it) == status.stable_rs && !is_ready(it)).expect("few");
        let strangers = count(&|it| hash(it) != status.stable_rs).expect("few");
        if status.phase == "Healthy" && current < places {
            self.say(took, format!("Healthy with {current} of {places} pods"));
        }
        let halted = self.rollout.pointer("/spec/paused") == Some(&serde_json::json!(true));
        // While stable pods are down, new ones that serve stay: the budget is theirs.
        if status.abort && !halted && strangers > 0 && down == 0 {
            self.say(took, format!("aborted, and {strangers} pods are not stable"));
        }
    }
}
