//! A simulation under way.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argo_core::{Action, Change, Note, Object, ObjectRef, Timestamp, time};
use serde_json::{Value, json};

use super::{
    act::Act,
    faults::{ApiFault, Faults},
    in_place,
    journal::Author,
    report::{Entry, Report},
    simulation::{Dips, Simulation, SimulationError},
    traffic::Traffic,
};
use crate::{
    api::{AnalysisRun, Measurement, Rollout, RolloutStatus, names},
    engine::{
        self, Effect, World,
        analysis::{self, MeasureAction, Observation},
    },
    metrics::MetricRequest,
    routers::Routers,
};

/// How many passes without time going by are taken for a loop that does not end.
const PASSES: usize = 1000;

/// A simulation under way.
pub(super) struct Run {
    simulation: Simulation,
    rollout: ObjectRef,
    entries: Vec<Entry>,
    writes: u64,
    wake: Option<Timestamp>,
    /// When a pass that failed is made again.
    retry: Option<Timestamp>,
    /// What the last pass that failed met.
    fault: Option<ApiFault>,
    /// Hash of what was stable before the change.
    baseline: String,
    /// The fewest pods available at any time since the change.
    least: i64,
    /// The fewest pods available to each Service.
    served: BTreeMap<String, i64>,
    traffic: Traffic,
}

/// How a write ended for the controller.
#[derive(PartialEq, Eq)]
enum Answer {
    Done,
    /// It goes on no further in this pass.
    Failed,
}

impl Run {
    /// A simulation whose manifests are loaded.
    pub(super) fn new(simulation: Simulation, rollout: ObjectRef) -> Self {
        Self {
            simulation,
            rollout,
            entries: Vec::new(),
            writes: 0,
            wake: None,
            retry: None,
            fault: None,
            baseline: String::new(),
            least: i64::MAX,
            served: BTreeMap::new(),
            traffic: Traffic::default(),
        }
    }

    /// Deploys the first image.
    pub(super) fn baseline(&mut self) -> Result<(), SimulationError> {
        self.until_rest(&mut Vec::new())?;
        let status = self.status();
        if status.phase != names::phase::HEALTHY {
            return Err(SimulationError::Baseline { phase: status.phase, message: status.message });
        }
        // A whole minute on, so that what came before does not share a second with what comes.
        let start = time::after(self.now(), Duration::from_secs(60));
        (self.simulation.cluster.now, self.simulation.cluster.begin) = (start, start);
        self.simulation.cluster.journal.clear();
        self.writes = 0;
        self.entries.clear();
        self.baseline = status.stable_rs;
        self.least = i64::MAX;
        self.served.clear();
        self.traffic.forget_overload();
        Ok(())
    }

    /// From here on things go wrong.
    pub(super) fn change(&mut self, killed_at: Option<u64>, faults: Faults, dips: Dips) {
        self.simulation.killed_at = killed_at;
        self.simulation.faults = faults;
        self.simulation.dips = dips;
    }

    fn now(&self) -> Timestamp {
        self.simulation.cluster.now
    }

    /// Since the change.
    fn since(&self) -> Duration {
        time::between(self.simulation.cluster.begin, self.now())
    }

    /// Passes and time until nothing happens by itself any more. Acts are in order of time.
    pub(super) fn until_rest(&mut self, acts: &mut Vec<(Duration, Act)>) -> Result<(), SimulationError> {
        let begin = self.simulation.cluster.begin;
        let end = time::after(begin, self.simulation.horizon);
        loop {
            self.settle()?;
            let waits = [
                self.wake,
                self.retry,
                self.simulation.cluster.next_ready(),
                acts.first().map(|it| time::after(begin, it.0)),
                self.simulation.faults.ends(self.since()).map(|it| time::after(begin, it)),
            ];
            let Some(next) = waits.into_iter().flatten().min().filter(|it| *it <= end) else {
                return Ok(());
            };
            self.simulation.cluster.now = self.now().max(next);
            while acts.first().is_some_and(|it| it.0 <= self.since()) {
                let (_, act) = acts.remove(0);
                self.act(&act);
            }
        }
    }

    /// Passes until one changes nothing.
    fn settle(&mut self) -> Result<(), SimulationError> {
        for _ in 0..PASSES {
            (self.wake, self.retry) = (None, None);
            let mut changed = self.simulation.cluster.settle();
            self.watch_capacity();
            changed |= self.pass();
            for run in self.simulation.cluster.of_kind("AnalysisRun") {
                changed |= self.measure(&run);
            }
            if self.retry.is_none() {
                self.simulation.faults.succeeded();
                self.fault = None;
            }
            if !changed {
                return Ok(());
            }
        }
        let told = self.entries.len().saturating_sub(8);
        let last = self.entries[told..].iter().map(|it| it.message.clone()).collect();
        Err(SimulationError::Restless { at: self.since(), last })
    }

    /// Remembers the lowest points.
    fn watch_capacity(&mut self) {
        let cluster = &self.simulation.cluster;
        let sets = cluster.of_kind("ReplicaSet");
        let available = |it: &Arc<Object>| it.integer("/status/availableReplicas").unwrap_or_default();
        let alone = cluster.of_kind("Pod").iter().filter(|it| in_place::is_ready(it)).count();
        let alone = i64::try_from(alone).unwrap_or(i64::MAX);
        self.least = self.least.min(sets.iter().map(available).sum::<i64>().saturating_add(alone));
        for service in cluster.of_kind("Service") {
            let hash = service.text("/spec/selector/rollouts-pod-template-hash");
            if hash.is_empty() {
                continue;
            }
            let selected = sets.iter().filter(|it| it.label(names::POD_TEMPLATE_HASH) == Some(hash));
            let served = selected.map(available).sum();
            let least = self.served.entry(service.name().to_owned()).or_insert(served);
            *least = served.min(*least);
        }
        let replicas = cluster.get(&self.rollout).and_then(|it| it.integer("/spec/replicas")).unwrap_or(1);
        let of =
            |hash: &str| sets.iter().filter(|it| it.label(names::POD_TEMPLATE_HASH) == Some(hash)).map(available).sum();
        self.traffic.note(replicas, of);
    }

    /// What the controller sees.
    fn world(&mut self) -> Option<World> {
        let since = self.since();
        let (cluster, faults) = (&self.simulation.cluster, &mut self.simulation.faults);
        let mut seen = |kind: &str| faults.seen(kind, since, cluster.of_kind(kind));
        let rollout = seen("Rollout").into_iter().find(|it| it.reference() == self.rollout)?;
        let mut world = World::new(rollout);
        world.replica_sets = seen("ReplicaSet");
        world.services = seen("Service");
        world.analysis_runs = seen("AnalysisRun");
        world.templates = seen("AnalysisTemplate");
        world.cluster_templates = seen("ClusterAnalysisTemplate");
        world.routers = Routers::builtin().names().cloned().collect();
        let typed = world.rollout.decode::<Rollout>().ok();
        if let Some(target) = typed.as_ref().and_then(engine::workload_of) {
            // Read when they are looked at, never from a cache.
            world.workload = cluster.get(&target).cloned();
            (world.pods, world.revisions) = (cluster.of_kind("Pod"), cluster.of_kind("ControllerRevision"));
        }
        world.routes_in_place =
            typed.and_then(|it| engine::carried_traffic(&it)).map(|(carried, _)| self.traffic.flows_as(&carried));
        world.routed_hashes = self.traffic.hashes().collect();
        Some(world)
    }

    /// One pass over the Rollout; whether it wrote anything.
    fn pass(&mut self) -> bool {
        let Some(world) = self.world() else { return false };
        let plan = engine::reconcile(&world, self.now());
        let status = plan.status.as_ref().and_then(|it| engine::status_change(&world.rollout, it));
        let before = self.simulation.cluster.journal.len();
        for action in plan.actions.iter().chain(status.map(Action::Change).iter()) {
            let answer = match action {
                Action::Change(change) => self.write(change),
                Action::Effect(Effect::Route(traffic)) => self.route(traffic),
                // A rollout with a plugin that is not there is refused before.
                Action::Effect(_) => Answer::Done,
            };
            if answer == Answer::Failed {
                return self.simulation.cluster.journal.len() != before;
            }
        }
        plan.notes.iter().for_each(|it| self.record(it));
        self.wake_at(plan.wake);
        self.simulation.cluster.journal.len() != before
    }

    /// One pass over an AnalysisRun; whether it wrote anything.
    fn measure(&mut self, run: &Arc<Object>) -> bool {
        let now = self.now();
        let mut plan = analysis::reconcile(run, &[], now);
        if plan.effects().next().is_some()
            && let Ok(typed) = run.decode::<AnalysisRun>()
        {
            let observations: Vec<Observation> = plan
                .effects()
                .filter(|it| !matches!(it.action, MeasureAction::GarbageCollect(_)))
                .map(|it| {
                    let metric = analysis::resolve(&it.metric, &typed.spec.args, &Default::default());
                    let metric = metric.unwrap_or_else(|_| it.metric.clone());
                    let request = MetricRequest { run: &typed, metric: &metric, settings: &Value::Null, now };
                    Observation::new(&metric.name, self.measurement(&request))
                })
                .collect();
            plan = analysis::reconcile(run, &observations, now);
        }
        let before = self.simulation.cluster.journal.len();
        let status = plan.status.as_ref().and_then(|it| analysis::status_change(run, it));
        for change in plan.changes().cloned().chain(status) {
            if self.write(&change) == Answer::Failed {
                return self.simulation.cluster.journal.len() != before;
            }
        }
        plan.notes.iter().for_each(|it| self.record(it));
        self.wake_at(plan.wake);
        self.simulation.cluster.journal.len() != before
    }

    /// What a metric measures now: as it was said for this time, or else the next of its values.
    fn measurement(&self, request: &MetricRequest<'_>) -> Measurement {
        let since = self.since();
        let mut dips = self.simulation.dips.get(&request.metric.name).into_iter().flatten();
        let dip = dips.rfind(|(from, lasts, _)| *from <= since && since < *from + *lasts);
        match dip {
            Some((.., value)) => crate::metrics::scripted(request, value),
            None => self.simulation.metrics.next(request),
        }
    }

    fn write(&mut self, change: &Change) -> Answer {
        let answer = self.attempt(|run| run.simulation.cluster.apply(Author::Controller, change));
        if answer == Answer::Done {
            self.simulation.faults.wrote(change);
        }
        answer
    }

    fn route(&mut self, traffic: &engine::RouteTraffic) -> Answer {
        if self.traffic.flows_as(traffic) {
            return Answer::Done;
        }
        self.attempt(|run| {
            run.traffic.route(traffic);
            run.simulation.cluster.note_traffic(traffic);
            true
        })
    }

    /// Counts a write and does it, as far as the API server lets it.
    fn attempt(&mut self, write: impl Fn(&mut Self) -> bool) -> Answer {
        self.writes += 1;
        if self.simulation.killed_at == Some(self.writes) {
            write(self);
            return Answer::Failed;
        }
        let fault = self.simulation.faults.of_write(self.since(), self.writes);
        let fault = match fault {
            None if write(self) => return Answer::Done,
            // It decided on what is no longer so.
            None => ApiFault::Conflict,
            Some(fault) => fault,
        };
        if fault == ApiFault::LostAnswer {
            write(self);
        }
        let retry = time::after(self.now(), self.simulation.faults.failed());
        self.retry = self.retry.into_iter().chain([retry]).min();
        if self.fault != Some(fault) {
            self.fault = Some(fault);
            self.record(&Note::warning("ApiFault", fault.to_string()));
        }
        Answer::Failed
    }

    fn wake_at(&mut self, at: Option<Timestamp>) {
        let now = self.now();
        let at = at.filter(|it| *it > now);
        self.wake = self.wake.into_iter().chain(at).min();
    }

    fn status(&self) -> RolloutStatus {
        let rollout = self.simulation.cluster.get(&self.rollout);
        let status = rollout.and_then(|it| it.get("status").cloned()).unwrap_or_else(|| json!({}));
        serde_json::from_value(status).unwrap_or_default()
    }

    pub(super) fn act(&mut self, act: &Act) {
        let status = self.status();
        let Some(rollout) = self.simulation.cluster.get(&self.rollout).cloned() else { return };
        if let Act::PodsFail { image, count, lasts } = act {
            self.simulation.cluster.fail_pods(image, *count, *lasts);
        }
        // The template of a workload that is referred to stands there.
        let workload = rollout.decode::<Rollout>().ok().and_then(|it| engine::workload_of(&it));
        let workload = workload.filter(|_| matches!(act, Act::Image(_)));
        let target = workload.and_then(|it| self.simulation.cluster.get(&it).cloned()).unwrap_or(rollout);
        if let Some(body) = act.patch(&target, &status) {
            self.simulation.cluster.apply(Author::User, &Change::merge(target.reference(), body));
        }
        self.record(&Note::normal("Act", act.to_string()));
    }

    fn record(&mut self, note: &Note) {
        let status = self.status();
        let (mut old, mut new) = (0, 0);
        for set in self.simulation.cluster.of_kind("ReplicaSet") {
            let available = set.integer("/status/availableReplicas").unwrap_or_default();
            if self.baseline.is_empty() || set.label(names::POD_TEMPLATE_HASH) == Some(&self.baseline) {
                old += available;
            } else {
                new += available;
            }
        }
        for pod in self.simulation.cluster.of_kind("Pod").iter().filter(|it| in_place::is_ready(it)) {
            let of_old = self.baseline.is_empty() || in_place::hash_of(pod) == self.baseline;
            *(if of_old { &mut old } else { &mut new }) += 1;
        }
        let total = old + new;
        let routed = self.traffic.share_of_others(&self.baseline);
        self.entries.push(Entry {
            at: self.since(),
            step: status.current_step_index.unwrap_or_default(),
            canary_percent: routed.unwrap_or(if total == 0 { 0 } else { new * 100 / total }),
            old,
            new,
            phase: status.phase,
            reason: note.reason.clone(),
            message: note.message.clone(),
        });
    }

    pub(super) fn report(self) -> Report {
        let status = self.status();
        let cluster = self.simulation.cluster;
        let rollout = cluster.get(&self.rollout);
        let steps = rollout.and_then(|it| it.pointer("/spec/strategy/canary/steps")?.as_array().map(Vec::len));
        let kinds = ["AnalysisRun", "DaemonSet", "Pod", "ReplicaSet", "Rollout", "Service", "StatefulSet"];
        let objects = kinds.iter().flat_map(|it| cluster.of_kind(it)).map(|it| (*it).clone()).collect();
        let took = self.entries.last().map_or(Duration::ZERO, |it| it.at);
        Report {
            name: self.rollout.name.clone(),
            baseline: self.baseline,
            entries: self.entries,
            status,
            took,
            objects,
            steps: steps.unwrap_or_default(),
            writes: self.writes,
            least_available: self.least,
            least_served: self.served,
            overload: self.traffic.overload(),
            journal: cluster.journal,
        }
    }
}
