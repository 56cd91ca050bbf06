//! The order of one pass over a Rollout.

use argo_core::{Change, Note, Object, Plan, Timestamp, time};
use serde_json::json;

use super::{
    Effect, World, ephemeral, hash,
    pause::Pauses,
    phase, template, tolerate,
    validate::{self, Invalid},
    workload,
    workloads::{self, Version, Workload},
    world::ReplicaSet,
};
use crate::api::{
    AnalysisRun, BlueGreenStrategy, CanaryStep, CanaryStrategy, Condition, Experiment, Rollout, RolloutStatus, names,
};

/// How soon an invalid Rollout is looked at again: it may only have come before its Service.
const INVALID_RETRY: std::time::Duration = std::time::Duration::from_secs(20);

/// One pass: what was read, what was picked from it, and what was decided so far.
pub(crate) struct Pass<'w> {
    pub(crate) world: &'w World,
    pub(crate) now: Timestamp,
    pub(crate) ro: Rollout,
    /// The workload whose pods are replaced in place; absent where ReplicaSets are made.
    pub(crate) in_place: Option<Box<dyn Workload>>,
    /// Owned ReplicaSets, oldest first.
    pub(crate) sets: Vec<ReplicaSet>,
    /// The ReplicaSet of the wanted template, in `sets`.
    pub(crate) new: Option<usize>,
    /// The stable ReplicaSet, in `sets`.
    pub(crate) stable: Option<usize>,
    /// Owned AnalysisRuns, oldest first.
    pub(crate) runs: Vec<AnalysisRun>,
    /// Owned Experiments, oldest first.
    pub(crate) experiments: Vec<Experiment>,
    pub(crate) pauses: Pauses,
    pub(crate) plan: Plan<RolloutStatus, Effect>,
    /// The status under construction; begins as the one observed.
    pub(crate) next: RolloutStatus,
    /// The current runs, once decided in this pass.
    pub(crate) step_run: Option<AnalysisRun>,
    pub(crate) background_run: Option<AnalysisRun>,
    pub(crate) pre_run: Option<AnalysisRun>,
    pub(crate) post_run: Option<AnalysisRun>,
}

/// Whether a pass goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    Stop,
}

pub(super) fn run(world: &World, now: Timestamp) -> Plan<RolloutStatus, Effect> {
    let mut ro: Rollout = match world.rollout.decode() {
        Ok(ro) => ro,
        Err(error) => return undecodable(&world.rollout, &error.source.to_string(), now),
    };
    if let Some(repaired) = tolerate::repaired(&ro.spec.template) {
        ro.spec.template = repaired;
    }
    if ro.metadata.deletion_timestamp.is_some() {
        return Plan::default();
    }
    let resolved = workload::resolve(&mut ro, world);
    let mut pass = Pass::observe(world, ro, now);
    match resolved.and_then(|()| pass.advance()) {
        Ok(()) => {}
        Err(invalid) => pass.refuse(&invalid),
    }
    pass.plan
}

/// A Rollout whose fields have wrong types: said on its status, which is all that can be done.
fn undecodable(object: &Object, reason: &str, now: Timestamp) -> Plan<RolloutStatus, Effect> {
    let mut plan = Plan::default();
    let status = object.get("status").cloned().unwrap_or_else(|| json!({}));
    let Ok(old) = serde_json::from_value::<RolloutStatus>(status) else {
        plan.note(Note::warning(names::reason::INVALID_SPEC, format!("The Rollout does not decode: {reason}")));
        return plan;
    };
    let message = format!("The Rollout \"{}\" is invalid: {reason}", object.name());
    let mut next = old.clone();
    super::conditions::set_invalid(&mut next, &message, now);
    next.observed_generation = object.generation().to_string();
    next.phase = names::phase::DEGRADED.to_owned();
    next.message = format!("{}: {message}", names::condition::INVALID_SPEC);
    plan.status = (next != old).then_some(next);
    plan
}

impl<'w> Pass<'w> {
    pub(super) fn observe(world: &'w World, mut ro: Rollout, now: Timestamp) -> Self {
        let in_place = workloads::of(&ro, world, now);
        if let Some(workload) = &in_place {
            ro.spec.replicas = ro.spec.replicas.or_else(|| Some(workload.replicas()));
        }
        let uid = ro.metadata.uid.clone().unwrap_or_default();
        let own = |it: &&std::sync::Arc<Object>| !it.is_deleting() && it.is_controlled_by(&uid) && selected(&ro, it);
        let mut sets: Vec<ReplicaSet> = match &in_place {
            Some(workload) => workload.versions().iter().map(Version::counted).collect(),
            None => world.replica_sets.iter().filter(own).map(ReplicaSet::of).collect(),
        };
        sets.sort_by(|a, b| (a.age(), a.name()).cmp(&(b.age(), b.name())));
        let mut runs: Vec<AnalysisRun> = world
            .analysis_runs
            .iter()
            .filter(|it| it.is_controlled_by(&uid))
            .filter_map(|it| it.decode().ok())
            .collect();
        runs.sort_by(|a, b| {
            let key = |it: &AnalysisRun| (it.metadata.creation_timestamp, it.metadata.name.clone());
            key(a).cmp(&key(b))
        });
        let mut experiments: Vec<Experiment> =
            world.experiments.iter().filter(|it| it.is_controlled_by(&uid)).filter_map(|it| it.decode().ok()).collect();
        experiments.sort_by_cached_key(|it| (it.metadata.creation_timestamp, it.metadata.name.clone()));
        let new = match &in_place {
            Some(workload) => workload.wanted().and_then(|wanted| sets.iter().position(|it| it.hash == wanted)),
            None => find_new(&ro, &sets),
        };
        let stable_hash = &ro.status.stable_rs;
        let stable = match new {
            _ if stable_hash.is_empty() => None,
            Some(new) if sets[new].hash == *stable_hash => Some(new),
            _ => sets.iter().position(|it| it.hash == *stable_hash),
        };
        let next = ro.status.clone();
        let pauses = Pauses::default();
        let plan = Plan::default();
        let (step_run, background_run, pre_run, post_run) = (None, None, None, None);
        Self {
            world,
            now,
            ro,
            in_place,
            sets,
            new,
            stable,
            runs,
            experiments,
            pauses,
            plan,
            next,
            step_run,
            background_run,
            pre_run,
            post_run,
        }
    }

    fn advance(&mut self) -> Result<(), Invalid> {
        if self.in_place.is_none() && self.claim() == Flow::Stop {
            return Ok(());
        }
        validate::rollout(&self.ro, self.world)?;
        if self.new.is_none() {
            if self.in_place.is_some() {
                self.await_version()
            } else {
                self.create_new_set()
            }
            return Ok(());
        }
        if self.ro.status.abort && self.is_fully_promoted() {
            self.next.abort = false;
            self.next.aborted_at = None;
            self.write();
            return Ok(());
        }
        if self.ro.spec.replicas.is_none() {
            let target = self.world.rollout.reference();
            let mut spec = json!({"replicas": 1});
            // Upstream writes the whole object here, as it decoded it; without that no typed client can
            // list Rollouts beside one that is malformed.
            if let Some(repaired) = self.world.rollout.pointer("/spec/template").and_then(tolerate::repaired) {
                spec["template"]["spec"] = repaired["spec"].clone();
                if spec["template"]["spec"].get("ephemeralContainers").is_none() {
                    spec["template"]["spec"]["ephemeralContainers"] = serde_json::Value::Null;
                }
            }
            self.plan.push(Change::merge(target, json!({"spec": spec})));
            return Ok(());
        }
        if self.sync_workload_generation() == Flow::Stop || self.sync_revision() == Flow::Stop {
            return Ok(());
        }
        if self.generation_is_observed() && self.sync_paused_conditions() {
            self.finish_conditions_only();
            return Ok(());
        }
        if self.is_scaling_event() {
            if self.blue_green().is_some() {
                self.reconcile_blue_green_sets();
                self.count_active_pods();
            } else {
                self.reconcile_replica_sets();
                self.count_pods();
            }
            self.persist();
            return Ok(());
        }
        if self.blue_green().is_some() { self.blue_green_pass() } else { self.canary_pass() }
    }

    /// Says on the status why nothing is done.
    fn refuse(&mut self, invalid: &Invalid) {
        let message = format!("The Rollout \"{}\" is invalid: {invalid}", self.name());
        super::conditions::set_invalid(&mut self.next, &message, self.now);
        self.next.observed_generation = self.generation();
        let (phase, message) = phase::phase_of(&self.ro.spec, &self.next);
        (self.next.phase, self.next.message) = (phase.to_owned(), message);
        self.write();
        self.plan.wake_at(time::after(self.now, INVALID_RETRY));
    }

    /// Completes the status and plans to write it.
    pub(crate) fn persist(&mut self) {
        self.next.observed_generation = self.generation();
        self.begin_progress();
        self.evaluate_deadline_abort();
        let now = self.now;
        self.pauses.apply(&self.ro.status, &mut self.next, now);
        self.next.workload_observed_generation = self.workload_generation();
        self.calculate_conditions();
        self.follow_pause();
        let (phase, message) = phase::phase_of(&self.ro.spec, &self.next);
        (self.next.phase, self.next.message) = (phase.to_owned(), message);
        self.track_duration();
        self.note_pause_changes();
        self.write();
        self.wake_for_deadline();
    }

    /// Plans to write the status if it changed.
    pub(crate) fn write(&mut self) {
        if self.next != self.ro.status {
            self.plan.status = Some(self.next.clone());
        }
    }

    // === what is often asked ===

    pub(crate) fn name(&self) -> &str {
        self.ro.metadata.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn generation(&self) -> String {
        self.ro.metadata.generation.unwrap_or_default().to_string()
    }

    pub(crate) fn generation_is_observed(&self) -> bool {
        self.ro.status.observed_generation == self.generation()
    }

    pub(crate) fn revision(&self) -> &str {
        self.ro.metadata.annotation(names::REVISION).unwrap_or_default()
    }

    pub(crate) fn replicas(&self) -> i64 {
        self.ro.spec.replicas()
    }

    pub(crate) fn strategy(&self) -> Option<&CanaryStrategy> {
        self.ro.spec.strategy.canary.as_ref()
    }

    pub(crate) fn blue_green(&self) -> Option<&BlueGreenStrategy> {
        self.ro.spec.strategy.blue_green.as_ref()
    }

    pub(crate) fn is_routed(&self) -> bool {
        self.strategy().is_some_and(|it| it.traffic_routing.is_some())
    }

    pub(crate) fn new_set(&self) -> Option<&ReplicaSet> {
        self.new.map(|it| &self.sets[it])
    }

    pub(crate) fn stable_set(&self) -> Option<&ReplicaSet> {
        self.stable.map(|it| &self.sets[it])
    }

    /// Stable, when it is another than the new one.
    pub(crate) fn distinct_stable(&self) -> Option<&ReplicaSet> {
        if self.stable == self.new { None } else { self.stable_set() }
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = &ReplicaSet> {
        let (new, stable) = (self.new, self.stable);
        self.sets.iter().enumerate().filter(move |(at, _)| Some(*at) != new && Some(*at) != stable).map(|(_, it)| it)
    }

    pub(crate) fn current_hash(&self) -> String {
        match self.new_set() {
            Some(set) => set.hash.clone(),
            None => hash::pod_template(&self.ro.spec.template, self.ro.status.collision_count),
        }
    }

    pub(crate) fn is_fully_promoted(&self) -> bool {
        let status = &self.ro.status;
        !status.stable_rs.is_empty() && status.stable_rs == status.current_pod_hash
    }

    /// The steps done so far, and the step under way unless all are done.
    pub(crate) fn current_step(&self) -> (usize, Option<&CanaryStep>) {
        let index = usize::try_from(self.ro.status.current_step_index.unwrap_or_default()).unwrap_or_default();
        let steps = self.ro.spec.steps();
        // A client that counts on may count past the end.
        (index.min(steps.len()), steps.get(index))
    }

    /// Nothing may move: paused by hand, or an analysis could not decide.
    pub(crate) fn is_halted(&self) -> bool {
        self.ro.spec.paused || self.ro.status.pause(names::pause::INCONCLUSIVE).is_some()
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.pauses.is_aborted(&self.ro.status)
    }

    /// Going back to a template that is stable or older than stable.
    pub(crate) fn is_rollback(&self) -> bool {
        match (self.new_set(), self.stable_set()) {
            (Some(new), Some(stable)) => self.ro.status.stable_rs == new.hash || new.age() < stable.age(),
            _ => false,
        }
    }

    /// Going back by fewer revisions than `spec.rollbackWindow` allows.
    pub(crate) fn is_rollback_within_window(&self) -> bool {
        let revisions = self.ro.spec.rollback_window.as_ref().and_then(|it| it.revisions).unwrap_or_default();
        let (Some(new), Some(stable)) = (self.new_set(), self.stable_set()) else {
            return false;
        };
        if revisions <= 0 || new.age() >= stable.age() {
            return false;
        }
        let between = self.sets.iter().filter(|it| new.age() < it.age() && it.age() < stable.age()).count();
        i64::try_from(between).is_ok_and(|it| it < revisions)
    }

    pub(crate) fn is_fast_rollback(&self) -> bool {
        self.is_rollback()
            && (self.is_rollback_within_window()
                || self.new_set().is_some_and(|new| {
                    let still_there = new.deadline.is_some_and(|it| it > self.now) && self.blue_green().is_some();
                    still_there || new.hash == self.ro.status.stable_rs
                }))
    }

    /// The hash of the steps as they are now.
    pub(crate) fn step_hash(&self) -> String {
        let steps = self.world.rollout.pointer("/spec/strategy/canary/steps");
        hash::steps(steps.unwrap_or(&serde_json::Value::Null))
    }

    /// The template or the steps are not those that the status speaks of.
    pub(crate) fn is_changed(&self) -> bool {
        let status = &self.ro.status;
        if self.strategy().is_some() && status.current_step_hash != self.step_hash() {
            return true;
        }
        !status.current_pod_hash.is_empty() && status.current_pod_hash != self.current_hash()
    }

    pub(crate) fn set_condition(&mut self, kind: &str, status: &str, reason: &str, message: &str) -> bool {
        let condition = new_condition(kind, status, reason, message, self.now);
        super::conditions::set(&mut self.next, condition)
    }
}

pub(crate) fn new_condition(kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status: status.to_owned(),
        last_update_time: Some(now.into()),
        last_transition_time: Some(now.into()),
        reason: reason.to_owned(),
        message: message.to_owned(),
        extra: Default::default(),
    }
}

pub(crate) fn selected(ro: &Rollout, object: &Object) -> bool {
    ro.spec.selector.as_ref().is_some_and(|it| it.matches(|key| object.label(key)))
}

/// The ReplicaSet of the wanted template: by hash, or else by what the template means.
fn find_new(ro: &Rollout, sets: &[ReplicaSet]) -> Option<usize> {
    let wanted = hash::pod_template(&ro.spec.template, ro.status.collision_count);
    sets.iter()
        .position(|it| it.hash == wanted)
        .or_else(|| sets.iter().position(|it| template::equal(&ephemeral::own_template(&it.object), &ro.spec.template)))
}
