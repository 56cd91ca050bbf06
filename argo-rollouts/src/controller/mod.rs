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
mod counts;
mod events;
mod experiment;
mod gauges;
mod metrics;
mod notifications;
mod rollout;
mod routes;
mod services;
mod views;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argo_core::{
    Category, Failure, Resource,
    runtime::{self, Backoff, CacheEvent, Context, Requests, Shutdown},
};

use crate::{
    api::{Experiment, Rollout, names},
    metrics::{Job, MetricProvider, OfCluster, Providers},
    notifications::Notifier,
    routers::{Routers, TrafficRouter, VerifiedAlb},
    steps::{StepPlugin, StepPlugins},
};

/// The name of the provider that needs a cluster.
const JOB: &str = "job";

/// Delays of failing objects, as upstream's.
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(1), cap: Duration::from_secs(10) };

/// How many objects of each kind are worked on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers {
    /// Rollouts; 10.
    pub rollouts: usize,
    /// Experiments; 10.
    pub experiments: usize,
    /// AnalysisRuns; 30.
    pub analyses: usize,
    /// Services; 10.
    pub services: usize,
}

impl Default for Workers {
    fn default() -> Self {
        Self { rollouts: 10, experiments: 10, analyses: 30, services: 10 }
    }
}

/// Rollouts, Experiments, AnalysisRuns and their Services on a Kubernetes API.
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
    istio: Option<Context>,
    targets: Option<routes::TargetGroups>,
    steps: StepPlugins,
    instance: Option<String>,
    workers: Workers,
    only_analysis: bool,
    resync: Option<Duration>,
    notifiers: BTreeMap<String, Arc<dyn Notifier>>,
    own_namespace: String,
}

/// Builds a [`Controller`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    context: Context,
    providers: Providers,
    routers: Routers,
    istio: Option<Context>,
    targets: Option<routes::TargetGroups>,
    steps: StepPlugins,
    instance: Option<String>,
    workers: Workers,
    only_analysis: bool,
    resync: Option<Duration>,
    notifiers: BTreeMap<String, Arc<dyn Notifier>>,
    own_namespace: String,
    requests: Option<Requests>,
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

    /// A traffic router, under the name that Rollouts use. Replaces one of that name.
    pub fn traffic_router(mut self, name: impl Into<String>, router: Arc<dyn TrafficRouter>) -> Self {
        self.routers.register(name, router);
        self
    }

    /// All traffic routers, instead of the built-in ones with upstream's default API versions.
    pub fn traffic_routers(mut self, routers: Routers) -> Self {
        self.routers = routers;
        self
    }

    /// Where Istio's objects are read and written, when that is another cluster than the Rollouts'.
    pub fn istio_cluster(mut self, context: Context) -> Self {
        self.istio = Some(context);
        self
    }

    /// Asks AWS before weights count as set and before pods that serve are taken for known: upstream's
    /// `--aws-verify-target-group`. `bindings` is the API version of TargetGroupBindings, which lead from
    /// Services to target groups; upstream's is `elbv2.k8s.aws/v1beta1`.
    pub fn verify_target_groups(mut self, alb: VerifiedAlb, bindings: &str) -> Self {
        self.targets = Some(routes::TargetGroups::new(alb.aws.clone(), bindings));
        self.routers.register("alb", Arc::new(alb));
        self
    }

    /// A step plugin, under the name that steps use. Replaces one of that name.
    pub fn step_plugin(mut self, name: impl Into<String>, plugin: Arc<dyn StepPlugin>) -> Self {
        self.steps.register(name, plugin);
        self
    }

    /// Tells by a service of this name, whatever the configuration says of it; the others over HTTP.
    pub fn notifier(mut self, service: impl Into<String>, notifier: Arc<dyn Notifier>) -> Self {
        self.notifiers.insert(service.into(), notifier);
        self
    }

    /// Handles only objects labelled with this instance; by default only those without the label.
    pub fn instance_id(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// How many objects are worked on at once.
    pub fn workers(mut self, workers: Workers) -> Self {
        self.workers = workers;
        self
    }

    /// The namespace of this controller, where providers find their Secrets and notifications their
    /// configuration; `argo-rollouts`.
    pub fn own_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.own_namespace = namespace.into();
        self
    }

    /// Tells requests to the API server as `controller_clientset_k8s_request_total`; the context's client counts
    /// them when [`Requests::counting`] made it.
    pub fn count_requests(mut self, requests: Requests) -> Self {
        self.requests = Some(requests);
        self
    }

    /// Works on AnalysisRuns only.
    pub fn only_analysis(mut self) -> Self {
        self.only_analysis = true;
        self
    }

    /// Looks at every Rollout at least this often, whatever the watches say; by default only when one
    /// of its objects changes or its time comes. Puts back what others changed at routers.
    pub fn resync(mut self, every: Duration) -> Self {
        self.resync = Some(every);
        self
    }

    /// The controller.
    ///
    /// # Errors
    /// When a setting makes no sense.
    pub fn build(self) -> Result<Controller, BuildError> {
        let Workers { rollouts, experiments, analyses, services } = self.workers;
        if [rollouts, experiments, analyses, services].contains(&0) {
            return Err(BuildError::NoWorkers);
        }
        if let Some(instance) = &self.instance {
            let fits = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
            if instance.is_empty() || instance.len() > 63 || !instance.chars().all(fits) {
                return Err(BuildError::InstanceId(instance.clone()));
            }
        }
        let Self { context, mut providers, routers, istio, targets, steps, instance, workers, .. } = self;
        let (only_analysis, resync, own_namespace) = (self.only_analysis, self.resync, self.own_namespace);
        let notifiers = self.notifiers;
        if let Some(requests) = self.requests {
            context.metrics().add_source(move |out| metrics::requests(&requests, out));
        }
        #[cfg(feature = "http")]
        {
            let of_cluster = OfCluster { context: context.clone(), namespace: own_namespace.clone() };
            let secrets: Arc<dyn crate::metrics::Secrets> = Arc::new(of_cluster);
            providers.with_secrets(&secrets);
        }
        if !providers.knows(JOB) {
            providers.register(JOB, Arc::new(Job::new(context.clone())));
        }
        Ok(Controller {
            context,
            providers,
            routers,
            istio,
            targets,
            steps,
            instance,
            workers,
            only_analysis,
            resync,
            notifiers,
            own_namespace,
        })
    }
}

impl Controller {
    /// A controller on a client, or on a context that it shares with others.
    pub fn builder(context: impl Into<Context>) -> Builder {
        Builder {
            context: context.into(),
            providers: Providers::builtin(),
            routers: Routers::builtin(),
            istio: None,
            targets: None,
            steps: StepPlugins::default(),
            instance: None,
            workers: Workers::default(),
            only_analysis: false,
            resync: None,
            notifiers: BTreeMap::new(),
            own_namespace: "argo-rollouts".to_owned(),
            requests: None,
        }
    }

    /// Runs until `shutdown` (or the context's); passes under way finish.
    pub async fn run(self, shutdown: Shutdown) {
        let context = &self.context;
        let caches = Arc::new(rollout::Caches::open(context));
        views::index(&caches);
        let counted = metrics::Counted::default();
        let (told, seen, instance, clock) = (counted.clone(), caches.clone(), self.instance.clone(), context.clone());
        context.metrics().add_source(move |out| {
            told.write(clock.now(), out);
            gauges::write(&seen, instance.as_deref(), out);
        });
        let of_run = analysis::AnalysisRuns {
            context: context.clone(),
            runs: caches.runs.clone(),
            providers: self.providers,
            instance: self.instance.clone(),
            counted: counted.clone(),
        };
        let runs = runtime::Controller::new(analysis::NAME, context.clone(), Arc::new(of_run))
            .backoff(BACKOFF)
            .workers(self.workers.analyses)
            .primary(caches.runs.clone());
        if self.only_analysis {
            return runs.run(shutdown).await;
        }
        let routes = routes::Routes::new(context.clone(), self.routers, caches.rollouts.clone(), shutdown.clone());
        let routes = Arc::new(routes.with_istio(self.istio).with_targets(self.targets));
        let (events, writer) = events::lanes();
        let of_rollout = rollout::Rollouts {
            context: context.clone(),
            events,
            counts: counts::Counts::default(),
            caches: caches.clone(),
            routes: routes.clone(),
            steps: self.steps,
            instance: self.instance.clone(),
            counted: counted.clone(),
            resync: self.resync,
            notifications: notifications::Notifications::new(
                context,
                self.own_namespace,
                self.notifiers,
                caches.clone(),
                counted.clone(),
            ),
        };
        let named = || {
            let rollouts = caches.rollouts.clone();
            move |event: &CacheEvent| views::that_name(&rollouts, event)
        };
        let rollouts = runtime::Controller::new(rollout::NAME, context.clone(), Arc::new(of_rollout))
            .backoff(BACKOFF)
            .workers(self.workers.rollouts)
            .primary(caches.rollouts.clone())
            .owns(caches.sets.clone(), Rollout::KIND)
            .owns(caches.runs.clone(), Rollout::KIND)
            .owns(caches.experiments.clone(), Rollout::KIND)
            .watches(caches.services.clone(), named())
            .watches(caches.templates.clone(), named())
            .watches(caches.cluster_templates.clone(), named());
        routes.feed(rollouts.queue());
        tokio::spawn(routes.clone().recall());

        let of_experiment = experiment::Experiments {
            context: context.clone(),
            caches: caches.clone(),
            instance: self.instance.clone(),
            counted,
        };
        let experiments = runtime::Controller::new(experiment::NAME, context.clone(), Arc::new(of_experiment))
            .backoff(BACKOFF)
            .workers(self.workers.experiments)
            .primary(caches.experiments.clone())
            .owns(caches.sets.clone(), Experiment::KIND)
            .owns(caches.runs.clone(), Experiment::KIND)
            .owns(caches.services.clone(), Experiment::KIND);

        let of_service = services::Services {
            context: context.clone(),
            services: caches.services.clone(),
            rollouts: caches.rollouts.clone(),
        };
        let steered = caches.services.clone();
        let services = runtime::Controller::new(services::NAME, context.clone(), Arc::new(of_service))
            .backoff(BACKOFF)
            .workers(self.workers.services)
            .primary(caches.services.clone())
            .watches(caches.rollouts.clone(), move |event| views::steered(&steered, &event.key));

        futures::join!(
            rollouts.run(shutdown.clone()),
            experiments.run(shutdown.clone()),
            runs.run(shutdown.clone()),
            services.run(shutdown),
            // Ends with the passes, after the last of their events.
            writer.run(context.clone()),
        );
    }
}

/// Whether an object is this instance's to handle.
fn is_ours(object: &argo_core::Object, instance: Option<&str>) -> bool {
    object.label(names::INSTANCE_ID) == instance
}
