//! [`Simulation`]: a rollout from one image to the next, in virtual time.

use std::{collections::BTreeMap, time::Duration};

use argo_core::{Object, ObjectRef};
use serde_json::Value;

use super::{
    act::Act,
    cluster::Cluster,
    faults::{ApiFault, Faults},
    journal::Author,
    report::Report,
    run::Run,
};
use crate::metrics::Scripted;

/// How long a simulation goes on at most, by default: a week.
const HORIZON: Duration = Duration::from_secs(7 * 24 * 3600);

/// What metrics measure at a time: from, how long, value.
pub(super) type Dips = BTreeMap<String, Vec<(Duration, Duration, Value)>>;

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
    pub(super) metrics: Scripted,
    /// What a metric measures at a time: from, how long, value.
    pub(super) dips: Dips,
    acts: Vec<(Duration, Act)>,
    pub(super) cluster: Cluster,
    pub(super) horizon: Duration,
    pub(super) faults: Faults,
    /// Loses the rest of the plan at this write, as a process that is killed does.
    pub(super) killed_at: Option<u64>,
}

/// Why a simulation can not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// A manifest can not be read.
    #[error("manifest does not parse: {0}")]
    Manifest(String),
    /// A scenario can not be read.
    #[error("scenario does not parse: {0}")]
    Scenario(String),
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
    #[error("the engine does not come to rest at {at:?}; at last: {}", last.join("; "))]
    Restless {
        /// Since the change.
        at: Duration,
        /// What was told last.
        last: Vec<String>,
    },
}

impl Simulation {
    /// A Rollout, and with it whatever else the YAML holds (Services, AnalysisTemplates).
    pub fn rollout(yaml: impl Into<String>) -> Self {
        Self {
            manifests: vec![yaml.into()],
            image: None,
            metrics: Scripted::new(),
            dips: Dips::new(),
            acts: Vec::new(),
            cluster: Cluster::with_pods_ready_in(Duration::from_secs(5)),
            horizon: HORIZON,
            faults: Faults::default(),
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

    /// How many nodes there are, each with a pod of every DaemonSet; 10.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.cluster.nodes = nodes;
        self
    }

    /// How soon pods of an image are ready.
    #[must_use]
    pub fn image_ready_in(mut self, image: impl Into<String>, delay: Duration) -> Self {
        self.cluster.readiness.insert(image.into(), Some(delay));
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

    /// Within a time of the simulation a metric measures this instead, whatever its values say: "the
    /// error rate rises at minute 7, for two minutes".
    #[must_use]
    pub fn metric_dip(
        mut self,
        name: impl Into<String>,
        from: Duration,
        lasts: Duration,
        value: impl Into<Value>,
    ) -> Self {
        self.dips.entry(name.into()).or_default().push((from, lasts, value.into()));
        self
    }

    /// For a time the API server fails like this.
    #[must_use]
    pub fn api_fault(mut self, from: Duration, lasts: Duration, fault: ApiFault) -> Self {
        self.faults.windows.push((from, lasts, fault));
        self
    }

    /// The controller's `write`-th write (from 1, tries count) since the change meets this fault.
    #[must_use]
    pub fn api_fault_at_write(mut self, write: u64, fault: ApiFault) -> Self {
        self.faults.at_writes.insert(write, fault);
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
        let rollout = self.load()?;
        let mut acts = std::mem::take(&mut self.acts);
        acts.sort_by_key(|it| it.0);
        let (killed_at, faults) = (self.killed_at.take(), std::mem::take(&mut self.faults));
        let (image, dips) = (self.image.clone(), std::mem::take(&mut self.dips));
        let mut run = Run::new(self, rollout);
        run.baseline()?;
        run.change(killed_at, faults, dips);
        if let Some(image) = image {
            run.act(&Act::Image(image));
        }
        run.until_rest(&mut acts)?;
        Ok(run.report())
    }

    fn load(&mut self) -> Result<ObjectRef, SimulationError> {
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
                self.cluster.put(Author::User, object);
            }
        }
        rollout.ok_or(SimulationError::NoRollout)
    }
}
