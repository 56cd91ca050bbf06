//! The controller: watches workflows, asks the engine, writes what it changes, and hands steps to the
//! executor, whose outcomes bring the workflow up again.
//!
//! ```text
//! Workflow ──watch──> queue ─> engine::reconcile ─> 1. status (one merge patch, guarded by version)
//! Executor ──wake───────┘                           2. start / stop steps   3. deletes   4. events
//! ```

mod builder;
mod carry_out;
mod compressed;
mod counting;
mod cron;
mod database_locks;
mod decide;
mod estimating;
mod memo;
mod persisting;
mod reconciler;
mod references;
mod repository;
mod settings;
mod shared;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use argo_core::{
    Category, Failure, Gvk, ObjectKey, Resource,
    runtime::{Context, Query, Requests, Shutdown},
};

pub use self::builder::{BuildError, Builder};
use self::{
    counting::Counting, database_locks::Keeper, estimating::Estimates, memo::Memo, persisting::Persisting,
    reconciler::Reconciler, references::ClusterReferences, repository::Repositories, settings::Settings,
    shared::Shared,
};
use crate::{
    api::{ClusterWorkflowTemplate, CronWorkflow, LABEL_CONFIGMAP_TYPE, Workflow, WorkflowTemplate},
    config::Config,
    executor::Executor,
    persist::Stores,
};

/// Name of the controller in logs and metrics.
const NAME: &str = "workflows";

/// Runs Workflows and CronWorkflows.
///
/// # Example
/// ```no_run
/// # async fn run(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use argo_core::runtime::Shutdown;
/// use argo_workflows::{controller::Controller, executor::ProcessExecutor};
///
/// let executor = ProcessExecutor::open("/var/lib/steps")?;
/// Controller::builder(client).executor(Arc::new(executor)).build()?.run(Shutdown::new()).await;
/// # Ok(())
/// # }
/// ```
pub struct Controller {
    context: Context,
    executor: Arc<dyn Executor>,
    workers: usize,
    config: Config,
    config_map: Option<ObjectKey>,
    stores: Stores,
    requests: Option<Requests>,
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("executor", &self.executor).finish_non_exhaustive()
    }
}

impl Controller {
    /// On a client, or on a context shared with other controllers.
    pub fn builder(context: impl Into<Context>) -> Builder {
        let config = Config::default();
        Builder {
            context: context.into(),
            executor: None,
            workers: 8,
            config,
            config_map: None,
            stores: Stores::default(),
            requests: None,
        }
    }

    /// Runs until `shutdown`, or that of the context; then ends what must not outlive it.
    pub async fn run(self, shutdown: Shutdown) {
        let context = self.context.clone();
        let namespace = self.config_map.as_ref().map(|it| it.namespace().to_owned());
        let settings = Arc::new(Settings::new(self.config));
        let config_map = self.config_map.map(|key| {
            let query = Query::of(Gvk::new("", "v1", "ConfigMap"), Some(key.namespace()));
            context.caches().open(query.fields(format!("metadata.name={}", key.name)))
        });
        if let Some(cache) = &config_map {
            cache.synced().await;
            settings.load(cache.list().first().map(|it| &**it));
        }
        let namespaces = may_read(&context, "Namespaces", &Gvk::new("", "v1", "Namespace")).await.then(|| {
            let query = Query::of(Gvk::new("", "v1", "Namespace"), None);
            context.caches().open(query.labelled(settings::LABEL_PARALLELISM))
        });
        let shared = Shared::new(settings.config().limits(Default::default()));
        let workflows = context.cache_of::<Workflow>();
        Estimates::index(&workflows);
        let parameters = Query::of(Gvk::new("", "v1", "ConfigMap"), context.namespace())
            .labelled(format!("{LABEL_CONFIGMAP_TYPE}=Parameter"));
        let references = Arc::new(ClusterReferences {
            templates: context.cache_of::<WorkflowTemplate>(),
            // They are in no namespace, whichever is looked at.
            cluster_templates: context.caches().open(Query::resource::<ClusterWorkflowTemplate>(None)),
            config_maps: context.caches().open(parameters),
            all_config_maps: OnceLock::new(),
        });
        let counting = Arc::new(Counting::default());
        let (queue_cell, locks_changed) = (Arc::new(OnceLock::new()), Arc::new(tokio::sync::Notify::new()));
        let reconciler = Arc::new(Reconciler {
            context: context.clone(),
            workflows: workflows.clone(),
            references: references.clone(),
            executor: self.executor.clone(),
            memo: Memo::default(),
            instance_id: settings.config().instance_id.clone(),
            shared: shared.clone(),
            settings: settings.clone(),
            repositories: Repositories::default(),
            counting: counting.clone(),
            namespace,
            queue: queue_cell.clone(),
            persisting: Persisting { stores: self.stores.clone(), settings: settings.clone() },
            estimates: Estimates::default(),
            locks_changed: locks_changed.clone(),
        });
        let housekeeper = reconciler.clone();
        let keeper = self.stores.locks.clone().map(|store| Keeper {
            store,
            shared: shared.clone(),
            workflows: workflows.clone(),
            instance_id: settings.config().instance_id.clone(),
            settings: settings.clone(),
            queue: queue_cell,
            changed: locks_changed,
        });
        let crons = context.cache_of::<CronWorkflow>();
        let cron = cron::CronReconciler {
            context: context.clone(),
            crons: crons.clone(),
            workflows: workflows.clone(),
            counting: counting.clone(),
            instance_id: settings.config().instance_id.clone(),
        };
        let cron = argo_core::runtime::Controller::new(cron::NAME, context.clone(), Arc::new(cron))
            .primary(crons)
            .owns(workflows.clone(), CronWorkflow::KIND);
        let may_read = may_read(&context, "ClusterWorkflowTemplates", &ClusterWorkflowTemplate::gvk()).await;
        let none = |_: &argo_core::runtime::CacheEvent| Vec::new();
        let (scraped, counted) = (workflows.clone(), context.clone());
        let mut controller = argo_core::runtime::Controller::new(NAME, context, reconciler.clone())
            .workers(self.workers)
            .primary(workflows)
            // Not that their changes matter: a workflow must not start before they are known.
            .watches(references.templates.clone(), none)
            .watches(references.config_maps.clone(), none);
        if may_read {
            controller = controller.watches(references.cluster_templates.clone(), none);
        }
        let queue = controller.queue();
        let _ = reconciler.queue.set(queue.clone());
        drop(reconciler);
        let ttl = settings.config().metrics_config.metrics_ttl.clone();
        let ttl = ttl.and_then(|it| argo_lang::duration::parse(&it).ok()?.try_into().ok());
        let queues = [("cron_wf_queue", cron.queue()), ("workflow_queue", queue.clone())];
        counting.serve(&counted, scraped, self.executor.pods(), queues, ttl, shared.clone());
        if let Some(requests) = self.requests {
            counted.metrics().add_source(move |out| crate::metrics::write_requests(&requests, out));
        }
        let waking = queue.clone();
        let following = settings.follow(config_map, namespaces, &shared, move |key| waking.add(key));
        let keeping = async {
            match &keeper {
                Some(keeper) => keeper.run(&housekeeper.context).await,
                None => std::future::pending().await,
            }
        };
        let house = housekeeper.persisting.keep_house(&housekeeper.context, &housekeeper.workflows);
        let following = futures::future::join3(following, keeping, house);
        self.executor.announce_to(Arc::new(move |key| queue.add(key.clone())));
        let running = futures::future::join(controller.run(shutdown.clone()), cron.run(shutdown));
        // Whoever follows the configuration has no end of its own.
        futures::pin_mut!(running, following);
        if let futures::future::Either::Right((_, running)) = futures::future::select(running, following).await {
            running.await;
        }
        self.executor.shutdown().await;
    }
}

/// Whether objects of no namespace can be waited for: who looks at one namespace may have no rights beyond it.
async fn may_read(context: &Context, what: &str, kind: &Gvk) -> bool {
    if context.namespace().is_none() {
        return true;
    }
    match context.list(kind, None, None).await {
        Err(error) if error.category() == Category::Forbidden => {
            tracing::info!("{what} can not be read: what workflows find in them is not there");
            false
        }
        _ => true,
    }
}

/// A status that has no JSON form.
#[derive(Debug, thiserror::Error)]
#[error("the status can not be written: {0}")]
struct Unwritable(#[from] serde_json::Error);

impl Failure for Unwritable {
    fn category(&self) -> Category {
        Category::Internal
    }
}
