//! Reads the journal of a simulation and names every write of the controller that it must not make.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argo_core::Object;
use argo_rollouts::{
    api::{Rollout, RolloutStatus},
    engine::replicas,
    testing::{Author, Report, What, Written},
};

/// What a rollout promises.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Promise {
    /// Pods above `spec.replicas` at most, where the strategy says so.
    pub(crate) surge: Option<i64>,
    /// Pods missing at most, where the strategy says so.
    pub(crate) unavailable: Option<i64>,
    /// What the controller sees is what there is: no stale lists.
    pub(crate) sees_truth: bool,
}

/// The world as the journal tells it, write by write.
pub(super) struct Audit<'r> {
    pub(super) promise: Promise,
    report: &'r Report,
    pub(super) rollout: Arc<Object>,
    sets: BTreeMap<String, Arc<Object>>,
    /// Pods that are replaced in place, and where they stand.
    pub(super) pods: BTreeMap<String, Arc<Object>>,
    pub(super) workload: Option<Arc<Object>>,
    runs: BTreeMap<String, Arc<Object>>,
    /// Since when the pause step under way pauses.
    paused_since: Option<Duration>,
    found: Vec<String>,
}

/// Every breach of the safety rules in a report, in words.
pub(crate) fn breaches(report: &Report, promise: Promise) -> Vec<String> {
    let mut objects: Vec<Arc<Object>> = report.objects_before().into_iter().map(|it| Arc::new(it.clone())).collect();
    let rollout = objects.iter().position(|it| it.gvk().kind == "Rollout").expect("a Rollout");
    let rollout = objects.remove(rollout);
    let (sets, runs, pods) = Default::default();
    let mut audit =
        Audit { promise, report, rollout, sets, pods, workload: None, runs, paused_since: None, found: Vec::new() };
    objects.into_iter().for_each(|it| audit.see(Duration::ZERO, it));
    for written in report.journal() {
        if written.by == Author::Controller {
            audit.judge(written);
        }
        if let What::Object { before, after } = &written.what {
            match (before, after) {
                (_, Some(object)) => audit.see(written.at, object.clone()),
                (Some(object), None) => {
                    audit.sets.remove(object.name());
                    audit.pods.remove(object.name());
                }
                _ => {}
            }
        }
    }
    audit.ending();
    audit.found
}

fn size(set: &Object) -> i64 {
    set.integer("/spec/replicas").unwrap_or(1)
}

fn available(set: &Object) -> i64 {
    set.integer("/status/availableReplicas").unwrap_or_default()
}

fn hash(object: &Object) -> &str {
    object.label("rollouts-pod-template-hash").unwrap_or_default()
}

pub(super) fn status(rollout: &Object) -> RolloutStatus {
    rollout.decode::<Rollout>().expect("a Rollout").status
}

/// Names of the AnalysisRuns that clients read.
fn runs_of(status: &RolloutStatus) -> Vec<String> {
    let (canary, blue_green) = (&status.canary, &status.blue_green);
    let all = [
        &canary.current_step_analysis_run_status,
        &canary.current_background_analysis_run_status,
        &blue_green.pre_promotion_analysis_run_status,
        &blue_green.post_promotion_analysis_run_status,
    ];
    all.into_iter().flatten().map(|it| it.name.clone()).collect()
}

impl Audit<'_> {
    fn see(&mut self, at: Duration, object: Arc<Object>) {
        match object.gvk().kind.as_str() {
            "Rollout" => {
                let paused = status(&object).pause_conditions.iter().any(|it| it.reason == "CanaryPauseStep");
                self.paused_since = paused.then(|| self.paused_since.unwrap_or(at));
                self.rollout = object;
            }
            "ReplicaSet" => {
                self.sets.insert(object.name().to_owned(), object);
            }
            "Pod" => {
                self.pods.insert(object.name().to_owned(), object);
            }
            "StatefulSet" | "DaemonSet" => self.workload = Some(object),
            "AnalysisRun" => {
                self.runs.insert(object.name().to_owned(), object);
            }
            _ => {}
        }
    }

    pub(super) fn took(&self) -> Duration {
        self.report.took()
    }

    pub(super) fn say(&mut self, at: Duration, what: impl std::fmt::Display) {
        self.found.push(format!("{at:?}: {what}"));
    }

    fn judge(&mut self, written: &Written) {
        match &written.what {
            What::Object { before: Some(before), after: Some(after) } => match after.gvk().kind.as_str() {
                "ReplicaSet" => self.judge_size(written.at, before, after),
                "Rollout" => self.judge_status(written.at, before, after),
                "Service" => self.judge_switch(written.at, before, after),
                "StatefulSet" => self.judge_gate(written.at, before, after),
                _ => {}
            },
            What::Object { before: Some(before), after: None } if before.gvk().kind == "Pod" => {
                self.judge_replaced(written.at, before);
            }
            What::Traffic(traffic) => {
                let status = status(&self.rollout);
                if status.abort && status.aborted_at.is_some() && !status.promote_full {
                    let before = status.canary.weights.map_or(0, |it| it.canary.weight);
                    if traffic.weight > before && traffic.canary_hash != status.stable_rs {
                        self.say(written.at, format!("the aborted canary gets {before} -> {}", traffic.weight));
                    }
                }
            }
            _ => {}
        }
    }

    fn judge_size(&mut self, at: Duration, before: &Object, after: &Object) {
        let (from, to) = (size(before), size(after));
        if from == to {
            return;
        }
        let change = format!("{} is scaled {from} -> {to}", after.name());
        let replicas = self.rollout.integer("/spec/replicas").unwrap_or(1);
        let others = |of: fn(&Object) -> i64| -> i64 {
            self.sets.values().filter(|it| it.name() != after.name()).map(|it| of(it)).sum()
        };
        let (sizes, up) = (others(size) + to, others(available));
        if let Some(surge) = self.promise.surge.filter(|it| to > from && sizes > replicas + it) {
            self.say(at, format!("{change}: {sizes} pods, more than {replicas} + {surge}"));
        }
        if let Some(unavailable) = self.promise.unavailable.filter(|_| self.promise.sees_truth && to < from) {
            let (was, left) = (up + available(before), up + available(before).min(to));
            if left < was.min(replicas - unavailable) {
                self.say(at, format!("{change}: {left} of {was} available pods are left"));
            }
        }
        let status = status(&self.rollout);
        let aborted = status.abort && status.aborted_at.is_some() && !status.promote_full;
        if aborted && to > from && hash(after) != status.stable_rs {
            self.say(at, format!("{change}, though aborted"));
        }
        let seen = status.observed_generation == self.rollout.generation().to_string();
        let resized = before.annotation("rollout.argoproj.io/desired-replicas") != Some(&replicas.to_string());
        let first_sized = self.sets.values().any(|it| {
            size(it) > 0 && it.annotation("rollout.argoproj.io/desired-replicas") != Some(&replicas.to_string())
        });
        // Blue-green goes on to bring up the preview, to which nobody is sent.
        let canary = self.rollout.pointer("/spec/strategy/canary").is_some();
        if canary && self.is_paused() && seen && !resized && !first_sized && self.promise.sees_truth {
            self.say(at, format!("{change}, though paused"));
        }
    }

    fn judge_switch(&mut self, at: Duration, before: &Object, after: &Object) {
        let active = self.rollout.text("/spec/strategy/blueGreen/activeService").to_owned();
        let selector = "/spec/selector/rollouts-pod-template-hash";
        let (from, to) = (before.text(selector), after.text(selector));
        let status = status(&self.rollout);
        let seen = status.observed_generation == self.rollout.generation().to_string();
        if after.name() == active && from != to && to != status.stable_rs && self.is_paused() && seen {
            self.say(at, format!("users are sent from {from} to {to}, though paused"));
        }
        let served: i64 = self.sets.values().filter(|it| hash(it) == to).map(|it| available(it)).sum();
        if after.name() == active && from != to && served == 0 && self.promise.sees_truth && !from.is_empty() {
            self.say(at, format!("users are sent from {from} to {to}, which has no pods"));
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.rollout.pointer("/spec/paused") == Some(&serde_json::json!(true))
    }

    fn judge_status(&mut self, at: Duration, before: &Object, after: &Object) {
        let (old, new) = (status(before), status(after));
        let (told, tells) = (runs_of(&old), runs_of(&new));
        let missing = |it: &String| !told.contains(it) && !self.runs.contains_key(it);
        for name in tells.into_iter().filter(missing).collect::<Vec<_>>() {
            self.say(at, format!("the status names {name}, which is not there"));
        }
        let rollout: Rollout = before.decode().expect("a Rollout");
        let steps = rollout.spec.steps();
        let count = i64::try_from(steps.len()).expect("few");
        let jumps = old.promote_full
            || old.stable_rs.is_empty()
            || new.current_pod_hash == old.stable_rs
            || old.abort && self.is_all_of(&new.current_pod_hash);
        if new.stable_rs != old.stable_rs {
            let through = steps.is_empty() || old.current_step_index == Some(count) || jumps;
            if new.stable_rs != new.current_pod_hash || !through {
                self.say(at, format!("{} becomes stable at step {:?}", new.stable_rs, old.current_step_index));
            }
        }
        let (Some(from), Some(to)) = (old.current_step_index, new.current_step_index) else { return };
        if to == from || to == 0 || to == count && jumps {
            return;
        }
        if to != from + 1 {
            self.say(at, format!("step {from} -> {to}"));
        }
        let seen = old.observed_generation == before.generation().to_string();
        if self.is_paused() && seen {
            self.say(at, format!("step {from} -> {to}, though paused"));
        }
        let step = usize::try_from(from).ok().and_then(|it| steps.get(it));
        let Some(step) = step else { return };
        if let Some(why) = self.unfinished(at, &old, from, step) {
            self.say(at, format!("step {from} is left: {why}"));
        }
    }

    /// Why a step is not done.
    fn unfinished(
        &self,
        at: Duration,
        old: &RolloutStatus,
        index: i64,
        step: &argo_rollouts::api::CanaryStep,
    ) -> Option<String> {
        if let Some(pause) = &step.pause {
            let resumed = old.controller_pause && old.pause_conditions.is_empty();
            let length = pause.seconds().and_then(|it| u64::try_from(it).ok()).map(Duration::from_secs);
            // Times on the status are whole seconds.
            let end = self.paused_since.zip(length).map(|(since, length)| since + length);
            let over = end.is_some_and(|it| at + Duration::from_secs(1) > it);
            return (!resumed && !over).then(|| "the pause is not over".to_owned());
        }
        if step.analysis.is_some() {
            let good = self.runs.values().any(|it| {
                it.label("step-index") == Some(&index.to_string())
                    && hash(it) == old.current_pod_hash
                    && it.text("/status/phase") == "Successful"
            });
            return (!good).then(|| "its analysis is not successful".to_owned());
        }
        let new = self.sets.values().find(|it| hash(it) == old.current_pod_hash);
        match new {
            Some(set) if step.set_weight.is_some_and(|it| self.needs_pods(it)) && size(set) == 0 => {
                Some("the canary has no pods".to_owned())
            }
            _ => None,
        }
    }

    /// Whether a weight means pods: with few of them it may round to none.
    fn needs_pods(&self, weight: i64) -> bool {
        let replicas = self.rollout.integer("/spec/replicas").unwrap_or(1);
        match self.promise.surge {
            Some(surge) => replicas::approximate(replicas, weight, 100, surge).0 > 0,
            None => weight > 0,
        }
    }

    /// However it went: it rests, and says why.
    fn ending(&mut self) {
        let (phase, message) = (self.report.phase().to_owned(), self.report.message().to_owned());
        let took = self.report.took();
        match phase.as_str() {
            "Healthy" => {
                if self.workload.is_some() {
                    return self.in_place_ending();
                }
                let replicas = self.rollout.integer("/spec/replicas").unwrap_or(1);
                let of_new = self.sets.values().filter(|it| hash(it) == self.report.status().current_pod_hash);
                let up: i64 = of_new.map(|it| available(it)).sum();
                if up < replicas {
                    self.say(took, format!("Healthy with {up} of {replicas} pods"));
                }
            }
            "Paused" | "Degraded" if !message.is_empty() => {
                if self.workload.is_some() {
                    self.in_place_ending();
                }
            }
            _ => self.say(took, format!("it ends {phase} ({message})")),
        }
    }
}
