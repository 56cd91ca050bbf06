//! [`Simulation`]: a rollout from one image to the next, in virtual time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argo_core::{Action, Change, Note, Object, ObjectRef, Timestamp, time};
use serde_json::{Value, json};

use super::{
    cluster::Cluster,
    report::{Entry, Report},
    traffic::Traffic,
};
use crate::{
    api::{AnalysisRun, Rollout, RolloutStatus, names},
    engine::{
        self, Effect, World,
        analysis::{self, MeasureAction, Observation},
    },
    metrics::{MetricRequest, Scripted},
    routers::Routers,
};

/// How long a simulation goes on at most, by default: a week.
const HORIZON: Duration = Duration::from_secs(7 * 24 * 3600);

/// How many passes without time going by are taken for a loop that does not end.
const PASSES: usize = 2000;

/// A rollout of one Rollout from its image to another, with scripted metrics, in virtual time and
/// without a cluster: the same engine that runs in the controller, on pods that are numbers. Traffic
/// flows as it is routed to, whatever the router, at once.
///
/// # Example
/// ```
/// # use argo_rollouts::testing::Simulation;
/// # const ROLLOUT: &str = r#"
/// # apiVersion: argoproj.io/v1alpha1
/// # kind: Rollout
/// # metadata: {name: web}
/// # spec:
/// #   replicas: 5
/// #   selector: {matchLabels: {app: web}}
/// #   template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:1"}]}}
/// #   strategy: {canary: {steps: [{setWeight: 20}, {pause: {duration: 1m}}]}}
/// # "#;
/// let report = Simulation::rollout(ROLLOUT).image("web:2").run()?;
/// assert_eq!(report.phase(), "Healthy");
/// println!("{report}");
/// # Ok::<(), argo_rollouts::testing::SimulationError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Simulation {
    manifests: Vec<String>,
    image: Option<String>,
    metrics: Scripted,
    acts: Vec<(Duration, Act)>,
    cluster: Cluster,
    horizon: Duration,
    /// Loses the rest of the plan at this write, as a process that is killed does.
    killed_at: Option<u64>,
}

/// What somebody does while the rollout runs: the patches that `kubectl argo rollouts` makes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Ends the pause, or leaves the step out.
    Promote,
    /// Leaves out everything that is left.
    PromoteFull,
    /// Gives up.
    Abort,
    /// Tries again.
    Retry,
    /// Sets `spec.paused`.
    Pause,
    /// Takes `spec.paused` away.
    Resume,
    /// Another image.
    Image(String),
    /// Another number of pods.
    Scale(i64),
}

/// Why a simulation can not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// A manifest can not be read.
    #[error("manifest does not parse: {0}")]
    Manifest(String),
    /// No Rollout is among the manifests.
    #[error("no Rollout among the manifests")]
    NoRollout,
    /// The first image does not become healthy, so there is nothing to roll out from.
    #[error("the first image does not become healthy: {phase}: {message}")]
    Baseline {
        /// The phase it stays in.
        phase: String,
        /// Why.
        message: String,
    },
    /// Passes follow each other without end.
    #[error("the engine does not come to rest at {0:?}")]
    Restless(Duration),
}

impl Simulation {
    /// A Rollout, and with it whatever else the YAML holds (Services, AnalysisTemplates).
    pub fn rollout(yaml: impl Into<String>) -> Self {
        Self {
            manifests: vec![yaml.into()],
            image: None,
            metrics: Scripted::new(),
            acts: Vec::new(),
            cluster: Cluster::with_pods_ready_in(Duration::from_secs(5)),
            horizon: HORIZON,
            killed_at: None,
        }
    }

    /// More manifests.
    #[must_use]
    pub fn with(mut self, yaml: impl Into<String>) -> Self {
        self.manifests.push(yaml.into());
        self
    }

    /// The image to roll out to.
    #[must_use]
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// What a metric measures, whatever its provider: one value after the other, the last one over and over.
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>, values: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        self.metrics = self.metrics.metric(name, values);
        self
    }

    /// How soon pods are ready; 5 s.
    #[must_use]
    pub fn ready_in(mut self, delay: Duration) -> Self {
        self.cluster.ready_in = delay;
        self
    }

    /// Pods of this image never become ready.
    #[must_use]
    pub fn never_ready(mut self, image: impl Into<String>) -> Self {
        self.cluster.readiness.insert(image.into(), None);
        self
    }

    /// What somebody does, some time after the change of the image.
    #[must_use]
    pub fn at(mut self, after: Duration, act: Act) -> Self {
        self.acts.push((after, act));
        self
    }

    /// How long to look at most; a week.
    #[must_use]
    pub fn horizon(mut self, horizon: Duration) -> Self {
        self.horizon = horizon;
        self
    }

    /// The controller dies right after its `write`-th write (from 1) since the change and starts again.
    #[must_use]
    pub fn killed_at_write(mut self, write: u64) -> Self {
        self.killed_at = Some(write);
        self
    }

    /// Deploys the first image, changes it, and looks until nothing more would happen by itself.
    ///
    /// # Errors
    /// When manifests do not parse, or the first image does not become healthy.
    pub fn run(mut self) -> Result<Report, SimulationError> {
        let mut start = Timestamp::UNIX_EPOCH;
        let rollout = self.load(start)?;
        let mut acts = std::mem::take(&mut self.acts);
        let killed_at = self.killed_at.take();
        let mut run = Run {
            simulation: self,
            rollout,
            now: start,
            begin: start,
            entries: Vec::new(),
            writes: 0,
            wake: None,
            baseline: String::new(),
            least: i64::MAX,
            served: BTreeMap::new(),
            traffic: Traffic::default(),
        };
        run.until_rest(&mut Vec::new())?;
        let status = run.status();
        if status.phase != names::phase::HEALTHY {
            return Err(SimulationError::Baseline { phase: status.phase, message: status.message });
        }
        // A whole minute on, so that what came before does not share a second with what comes.
        start = time::after(run.now, Duration::from_secs(60));
        (run.now, run.begin, run.writes) = (start, start, 0);
        run.entries.clear();
        run.baseline = status.stable_rs;
        run.least = i64::MAX;
        run.served.clear();
        run.traffic.forget_overload();
        run.simulation.killed_at = killed_at;
        acts.sort_by_key(|it| it.0);
        if let Some(image) = run.simulation.image.clone() {
            run.act(&Act::Image(image));
        }
        let mut acts: Vec<(Timestamp, Act)> = acts.into_iter().map(|(it, act)| (time::after(start, it), act)).collect();
        run.until_rest(&mut acts)?;
        Ok(run.report())
    }

    fn load(&mut self, now: Timestamp) -> Result<ObjectRef, SimulationError> {
        let mut rollout = None;
        for manifest in &self.manifests {
            let documents =
                argo_lang::yaml::decode_all(manifest).map_err(|it| SimulationError::Manifest(it.to_string()))?;
            for document in documents.into_iter().filter(Value::is_object) {
                let mut object = Object::from_value(document);
                if object.namespace().is_none() && object.gvk().kind != "ClusterAnalysisTemplate" {
                    object.set(&["metadata", "namespace"], "default");
                }
                if object.gvk().kind == "Rollout" {
                    rollout = Some(object.reference());
                }
                self.cluster.put(object, now);
            }
        }
        rollout.ok_or(SimulationError::NoRollout)
    }
}

/// A simulation under way.
struct Run {
    simulation: Simulation,
    rollout: ObjectRef,
    now: Timestamp,
    begin: Timestamp,
    entries: Vec<Entry>,
    writes: u64,
    wake: Option<Timestamp>,
    /// Hash of what was stable before the change.
    baseline: String,
    /// The fewest pods available at any time since the change.
    least: i64,
    /// The fewest pods available to each Service.
    served: BTreeMap<String, i64>,
    traffic: Traffic,
}

impl Run {
    /// Passes and time until nothing happens by itself any more.
    fn until_rest(&mut self, acts: &mut Vec<(Timestamp, Act)>) -> Result<(), SimulationError> {
        let end = time::after(self.begin, self.simulation.horizon);
        loop {
            self.settle()?;
            let next = [self.wake, self.simulation.cluster.next_ready(self.now), acts.first().map(|it| it.0)];
            let Some(next) = next.into_iter().flatten().min().filter(|it| *it <= end) else {
                return Ok(());
            };
            self.now = self.now.max(next);
            while acts.first().is_some_and(|it| it.0 <= self.now) {
                let (_, act) = acts.remove(0);
                self.act(&act);
            }
        }
    }

    /// Passes until one changes nothing.
    fn settle(&mut self) -> Result<(), SimulationError> {
        for _ in 0..PASSES {
            self.wake = None;
            let mut changed = self.simulation.cluster.settle(self.now);
            self.watch_capacity();
            changed |= self.pass();
            for run in self.simulation.cluster.of_kind("AnalysisRun") {
                changed |= self.measure(&run);
            }
            if !changed {
                return Ok(());
            }
        }
        Err(SimulationError::Restless(time::between(self.begin, self.now)))
    }

    /// Remembers the lowest points.
    fn watch_capacity(&mut self) {
        let cluster = &self.simulation.cluster;
        let sets = cluster.of_kind("ReplicaSet");
        let available = |it: &Arc<Object>| it.integer("/status/availableReplicas").unwrap_or_default();
        self.least = self.least.min(sets.iter().map(available).sum());
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

    fn world(&self) -> Option<World> {
        let cluster = &self.simulation.cluster;
        let mut world = World::new(cluster.get(&self.rollout)?.clone());
        world.replica_sets = cluster.of_kind("ReplicaSet");
        world.services = cluster.of_kind("Service");
        world.analysis_runs = cluster.of_kind("AnalysisRun");
        world.templates = cluster.of_kind("AnalysisTemplate");
        world.cluster_templates = cluster.of_kind("ClusterAnalysisTemplate");
        world.routers = Routers::builtin().names().cloned().collect();
        let typed = world.rollout.decode::<Rollout>().ok();
        world.routes_in_place =
            typed.and_then(|it| engine::carried_traffic(&it)).map(|(carried, _)| self.traffic.flows_as(&carried));
        world.routed_hashes = self.traffic.hashes().collect();
        Some(world)
    }

    /// One pass over the Rollout; whether it wrote anything.
    fn pass(&mut self) -> bool {
        let Some(world) = self.world() else { return false };
        let plan = engine::reconcile(&world, self.now);
        let status = plan.status.as_ref().and_then(|it| engine::status_change(&world.rollout, it));
        let (mut changed, mut lives) = (false, true);
        for action in plan.actions.iter().chain(status.map(Action::Change).iter()) {
            match action {
                Action::Change(change) => {
                    changed = true;
                    lives = self.write(std::slice::from_ref(change));
                }
                Action::Effect(Effect::Route(traffic)) => {
                    if self.traffic.route(traffic) {
                        changed = true;
                        lives = self.wrote();
                    }
                }
                // A rollout with a plugin that is not there is refused before.
                Action::Effect(_) => {}
            }
            if !lives {
                break;
            }
        }
        if lives {
            plan.notes.iter().for_each(|it| self.record(it));
        }
        self.wake_at(plan.wake);
        changed
    }

    /// One pass over an AnalysisRun; whether it wrote anything.
    fn measure(&mut self, run: &Arc<Object>) -> bool {
        let mut plan = analysis::reconcile(run, &[], self.now);
        if plan.effects().next().is_some()
            && let Ok(typed) = run.decode::<AnalysisRun>()
        {
            let observations: Vec<Observation> = plan
                .effects()
                .filter(|it| !matches!(it.action, MeasureAction::GarbageCollect(_)))
                .map(|it| {
                    let metric = analysis::resolve(&it.metric, &typed.spec.args, &Default::default());
                    let metric = metric.unwrap_or_else(|_| it.metric.clone());
                    let request = MetricRequest { run: &typed, metric: &metric, settings: &Value::Null, now: self.now };
                    Observation::new(&metric.name, self.simulation.metrics.next(&request))
                })
                .collect();
            plan = analysis::reconcile(run, &observations, self.now);
        }
        let mut writes: Vec<Change> = plan.changes().cloned().collect();
        writes.extend(plan.status.as_ref().and_then(|it| analysis::status_change(run, it)));
        let changed = !writes.is_empty();
        if self.write(&writes) {
            plan.notes.iter().for_each(|it| self.record(it));
        }
        self.wake_at(plan.wake);
        changed
    }

    /// Writes in order; false when it was killed on the way.
    fn write(&mut self, writes: &[Change]) -> bool {
        for change in writes {
            self.simulation.cluster.apply(change, self.now);
            if !self.wrote() {
                return false;
            }
        }
        true
    }

    /// Counts a write; false when it is the last before the controller dies.
    fn wrote(&mut self) -> bool {
        self.writes += 1;
        self.simulation.killed_at != Some(self.writes)
    }

    fn wake_at(&mut self, at: Option<Timestamp>) {
        let at = at.filter(|it| *it > self.now);
        self.wake = self.wake.into_iter().chain(at).min();
    }

    fn status(&self) -> RolloutStatus {
        let rollout = self.simulation.cluster.get(&self.rollout);
        let status = rollout.and_then(|it| it.get("status").cloned()).unwrap_or_else(|| json!({}));
        serde_json::from_value(status).unwrap_or_default()
    }

    fn act(&mut self, act: &Act) {
        let status = self.status();
        let rollout = self.simulation.cluster.get(&self.rollout).cloned();
        let Some(rollout) = rollout else { return };
        let body = match act {
            Act::Promote if rollout.pointer("/spec/paused") == Some(&json!(true)) => json!({"spec": {"paused": false}}),
            Act::Promote if !status.pause_conditions.is_empty() => json!({"status": {"pauseConditions": null}}),
            Act::Promote => {
                let next = status.current_step_index.unwrap_or_default() + 1;
                json!({"status": {"pauseConditions": null, "currentStepIndex": next}})
            }
            Act::PromoteFull => json!({"status": {"promoteFull": true}}),
            Act::Abort => json!({"status": {"abort": true}}),
            Act::Retry => json!({"status": {"abort": false}}),
            Act::Pause => json!({"spec": {"paused": true}}),
            Act::Resume => json!({"spec": {"paused": false}}),
            Act::Scale(replicas) => json!({"spec": {"replicas": replicas}}),
            Act::Image(image) => {
                let mut containers = rollout.pointer("/spec/template/spec/containers").cloned().unwrap_or_default();
                containers[0]["image"] = json!(image);
                json!({"spec": {"template": {"spec": {"containers": containers}}}})
            }
        };
        self.simulation.cluster.merge(&self.rollout, body, self.now);
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
        let total = old + new;
        let routed = self.traffic.share_of_others(&self.baseline);
        self.entries.push(Entry {
            at: time::between(self.begin, self.now),
            step: status.current_step_index.unwrap_or_default(),
            canary_percent: routed.unwrap_or(if total == 0 { 0 } else { new * 100 / total }),
            old,
            new,
            phase: status.phase,
            reason: note.reason.clone(),
            message: note.message.clone(),
        });
    }

    fn report(self) -> Report {
        let status = self.status();
        let rollout = self.simulation.cluster.get(&self.rollout);
        let steps = rollout.and_then(|it| it.pointer("/spec/strategy/canary/steps")?.as_array().map(Vec::len));
        let kinds = ["AnalysisRun", "ReplicaSet", "Rollout", "Service"];
        let objects = kinds.iter().flat_map(|it| self.simulation.cluster.of_kind(it)).map(|it| (*it).clone()).collect();
        let took = self.entries.last().map_or(Duration::ZERO, |it| it.at);
        Report {
            entries: self.entries,
            status,
            took,
            objects,
            steps: steps.unwrap_or_default(),
            writes: self.writes,
            least_available: self.least,
            least_served: self.served,
            overload: self.traffic.overload(),
        }
    }
}

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Promote => f.write_str("somebody promotes"),
            Self::PromoteFull => f.write_str("somebody promotes in full"),
            Self::Abort => f.write_str("somebody aborts"),
            Self::Retry => f.write_str("somebody retries"),
            Self::Pause => f.write_str("somebody pauses"),
            Self::Resume => f.write_str("somebody resumes"),
            Self::Image(image) => write!(f, "somebody sets the image to {image}"),
            Self::Scale(replicas) => write!(f, "somebody scales to {replicas}"),
        }
    }
}
