//! The controller: watches and caches in, plans out.
//!
//! ```text
//!   Rollout ─┬─ ReplicaSets (owned) ─┐
//!            ├─ AnalysisRuns (owned) ┤
//!            ├─ Experiments (owned) ─┼─> World ─> engine ─> Plan ─> applier, routers
//!            └─ Services, templates ─┘
//!   Experiment ─> engine ─> ReplicaSets, Services, AnalysisRuns
//!   AnalysisRun ─> engine ─> measurements by providers ─> engine ─> status
//!   Service ─> released when no Rollout steers it any more
//! ```

mod analysis;
mod experiment;
mod rollout;
mod services;

use std::sync::Arc;

use argo_core::{
    Category, Failure, Gvk, Resource,
    runtime::{self, CacheEvent, Context, Shutdown},
};

use crate::{
    api::{AnalysisRun, AnalysisTemplate, ClusterAnalysisTemplate, Experiment, Rollout, names},
    metrics::{MetricProvider, Providers},
    routers::{Routers, TrafficRouter},
};

/// Rollouts, AnalysisRuns and their Services on a Kubernetes API.
///
/// # Example
/// ```no_run
/// # async fn run(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use argo_core::runtime::Shutdown;
/// let controller = argo_rollouts::Controller::builder(client).build()?;
/// controller.run(Shutdown::new()).await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Controller {
    context: Context,
    providers: Providers,
    routers: Routers,
    instance: Option<String>,
    workers: usize,
}

/// Builds a [`Controller`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    context: Context,
    providers: Providers,
    routers: Routers,
    instance: Option<String>,
    workers: usize,
}

/// A controller that can not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No worker would work.
    #[error("workers must be at least 1")]
    NoWorkers,
    /// The instance id is no label value.
    #[error("instance id {0:?} is no label value: at most 63 letters, digits, '-', '_' or '.'")]
    InstanceId(String),
}

impl Failure for BuildError {
    fn category(&self) -> Category {
        Category::Invalid
    }
}

impl Builder {
    /// Another provider of metrics, under the name that metrics use. Replaces one of that name.
    pub fn metric_provider(mut self, name: impl Into<String>, provider: impl MetricProvider + 'static) -> Self {
        self.providers.register(name, Arc::new(provider));
        self
    }

    /// All providers, instead of the built-in ones.
    pub fn metric_providers(mut self, providers: Providers) -> Self {
        self.providers = providers;
        self
    }

    /// A traffic router, under the name that Rollouts use.
    pub fn traffic_router(mut self, name: impl Into<String>, router: Arc<dyn TrafficRouter>) -> Self {
        self.routers.register(name, router);
        self
    }

    /// Handles only objects labelled with this instance; by default only those without the label.
    pub fn instance_id(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// How many Rollouts (and three times as many AnalysisRuns) are worked on at once; 10.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// The controller.
    ///
    /// # Errors
    /// When a setting makes no sense.
    pub fn build(self) -> Result<Controller, BuildError> {
        if self.workers == 0 {
            return Err(BuildError::NoWorkers);
        }
        if let Some(instance) = &self.instance {
            let fits = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
            if instance.is_empty() || instance.len() > 63 || !instance.chars().all(fits) {
                return Err(BuildError::InstanceId(instance.clone()));
            }
        }
        let Self { context, providers, routers, instance, workers } = self;
        Ok(Controller { context, providers, routers, instance, workers })
    }
}

impl Controller {
    /// A controller on a client, or on a context that it shares with others.
    pub fn builder(context: impl Into<Context>) -> Builder {
        Builder {
            context: context.into(),
            providers: Providers::builtin(),
            routers: Routers::default(),
            instance: None,
            workers: 10,
        }
    }

    /// Runs until `shutdown` (or the context's); passes under way finish.
    pub async fn run(self, shutdown: Shutdown) {
        let context = &self.context;
        let rollouts = context.cache_of::<Rollout>();
        let runs = context.cache_of::<AnalysisRun>();
        let templates = context.cache_of::<AnalysisTemplate>();
        // Cluster-scoped: never in the context's one namespace.
        let cluster_templates = context.caches().open(runtime::Query::of(ClusterAnalysisTemplate::gvk(), None));
        let sets = context.cache(Gvk::new("apps", "v1", "ReplicaSet"));
        let services = context.cache(Gvk::new("", "v1", "Service"));

        let experiments = context.cache_of::<Experiment>();

        let caches = Arc::new(rollout::Caches {
            rollouts: rollouts.clone(),
            sets: sets.clone(),
            services: services.clone(),
            runs: runs.clone(),
            templates: templates.clone(),
            cluster_templates: cluster_templates.clone(),
            experiments: experiments.clone(),
        });
        let of_rollout = rollout::Rollouts {
            context: context.clone(),
            caches: caches.clone(),
            routers: self.routers,
            instance: self.instance.clone(),
        };
        let named = |rollouts: &Arc<runtime::Cache>| {
            let rollouts = rollouts.clone();
            move |event: &CacheEvent| rollout::that_name(&rollouts, event)
        };
        let rollout_controller = runtime::Controller::new(rollout::NAME, context.clone(), Arc::new(of_rollout))
            .workers(self.workers)
            .primary(rollouts.clone())
            .owns(sets.clone(), Rollout::KIND)
            .owns(runs.clone(), Rollout::KIND)
            .owns(experiments.clone(), Rollout::KIND)
            .watches(services.clone(), named(&rollouts))
            .watches(templates, named(&rollouts))
            .watches(cluster_templates, named(&rollouts));

        let of_experiment =
            experiment::Experiments { context: context.clone(), caches, instance: self.instance.clone() };
        let experiment_controller =
            runtime::Controller::new(experiment::NAME, context.clone(), Arc::new(of_experiment))
                .workers(self.workers)
                .primary(experiments)
                .owns(sets, Experiment::KIND)
                .owns(runs.clone(), Experiment::KIND)
                .owns(services.clone(), Experiment::KIND);

        let of_run = analysis::AnalysisRuns {
            context: context.clone(),
            runs: runs.clone(),
            providers: self.providers,
            instance: self.instance,
        };
        let run_controller = runtime::Controller::new(analysis::NAME, context.clone(), Arc::new(of_run))
            .workers(self.workers * 3)
            .primary(runs);

        let of_service =
            services::Services { context: context.clone(), services: services.clone(), rollouts: rollouts.clone() };
        let steered = services.clone();
        let service_controller = runtime::Controller::new(services::NAME, context.clone(), Arc::new(of_service))
            .workers(self.workers)
            .primary(services)
            .watches(rollouts, move |event| services::steered_by(&steered, event));

        futures::join!(
            rollout_controller.run(shutdown.clone()),
            experiment_controller.run(shutdown.clone()),
            run_controller.run(shutdown.clone()),
            service_controller.run(shutdown),
        );
    }
}

/// Whether an object is this instance's to handle.
fn is_ours(object: &argo_core::Object, instance: Option<&str>) -> bool {
    object.label(names::INSTANCE_ID) == instance
}
