//! The controller: watches workflows, asks the engine, writes what it changes, and hands steps to the
//! executor, whose outcomes bring the workflow up again.
//!
//! ```text
//! Workflow ──watch──> queue ─> engine::reconcile ─> 1. status (one merge patch, guarded by version)
//! Executor ──wake───────┘                           2. start / stop steps   3. deletes   4. events
//! ```

mod compressed;
mod counting;
mod cron;
mod database_locks;
mod memo;
mod persisting;
mod references;
mod repository;
mod settings;
mod shared;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, OnceLock},
};

use argo_core::{
    Action, Category, Change, Failure, Gvk, Note, Object, ObjectKey, Resource,
    error::BoxFailure,
    runtime::{Cache, Context, Outcome, Query, Queue, Reconcile, ReconcileResult, Shutdown},
};
use futures::StreamExt;
use serde_json::json;

use self::{
    counting::Counting,
    database_locks::Keeper,
    memo::{Live, Memo, Undecodable},
    persisting::Persisting,
    references::ClusterReferences,
    repository::{Repositories, Resolved},
    settings::Settings,
    shared::Shared,
};
use crate::{
    api::{
        ClusterWorkflowTemplate, CronWorkflow, FINALIZER_ARTIFACT_GC, LABEL_COMPLETED, LABEL_CONFIGMAP_TYPE,
        LABEL_CONTROLLER_INSTANCE_ID, LABEL_PHASE, Workflow, WorkflowPhase, WorkflowTemplate,
    },
    config::{Config, LabelSelector},
    engine::{
        AdmissionLimits, Claims, Effect, Ended, GarbageState, Ledger, StatusChange, StepState, WorkflowPlan, World,
        expired, reconcile_with, refuse, refuse_as,
    },
    executor::{Executor, WorkflowId},
    persist::Stores,
};

/// Most steps of a workflow that are started at the same time.
const STARTS: usize = 16;

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
}

/// Builds a [`Controller`].
#[must_use]
pub struct Builder {
    context: Context,
    executor: Option<Arc<dyn Executor>>,
    workers: usize,
    config: Config,
    config_map: Option<ObjectKey>,
    stores: Stores,
}

/// Why a controller could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Nobody is there to carry out steps.
    #[error("an executor is required: Controller::builder(client).executor(...)")]
    NoExecutor,
}

impl Builder {
    /// Who carries out the steps. Required.
    pub fn executor(mut self, executor: Arc<dyn Executor>) -> Self {
        self.executor = Some(executor);
        self
    }

    /// How many workflows are worked on at once; 8 by default.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Runs only workflows labelled with this instance id; by default only those without one.
    pub fn instance_id(mut self, id: impl Into<String>) -> Self {
        self.config.instance_id = Some(id.into());
        self
    }

    /// Most workflows that run at once; without limit by default. Others stay Pending and begin by
    /// priority and age.
    pub fn parallelism(mut self, limits: AdmissionLimits) -> Self {
        self.config.parallelism = limits.total;
        self.config.namespace_parallelism = limits.namespace;
        self
    }

    /// The configuration; upstream's defaults by default.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Follows the configuration that stands in this ConfigMap, as it changes; one that can not be used changes
    /// nothing. `instanceID` and `namespace` are read when the controller starts.
    pub fn config_map(mut self, namespace: &str, name: &str) -> Self {
        self.config_map = Some(ObjectKey::new(Some(namespace), name));
        self
    }

    /// Databases for what does not stay in the cluster; none by default.
    pub fn stores(mut self, stores: Stores) -> Self {
        self.stores = stores;
        self
    }

    /// The controller.
    ///
    /// # Errors
    /// Without an executor.
    pub fn build(self) -> Result<Controller, BuildError> {
        let executor = self.executor.ok_or(BuildError::NoExecutor)?;
        Ok(Controller {
            context: self.context,
            executor,
            workers: self.workers,
            config: self.config,
            config_map: self.config_map,
            stores: self.stores,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("executor", &self.executor).finish_non_exhaustive()
    }
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
        let namespaces = context.namespace().is_none().then(|| {
            let query = Query::of(Gvk::new("", "v1", "Namespace"), None);
            context.caches().open(query.labelled(settings::LABEL_PARALLELISM))
        });
        let shared = Shared::new(settings.config().limits(Default::default()));
        let workflows = context.cache_of::<Workflow>();
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
        };
        let cron = argo_core::runtime::Controller::new(cron::NAME, context.clone(), Arc::new(cron))
            .primary(crons)
            .owns(workflows.clone(), CronWorkflow::KIND);
        let may_read = may_read_cluster_templates(&context).await;
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
        counting.serve(&counted, scraped, self.executor.pods(), queue.clone(), cron.queue(), ttl);
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

/// Whether ClusterWorkflowTemplates can be waited for: who looks at one namespace may have no rights beyond it.
async fn may_read_cluster_templates(context: &Context) -> bool {
    if context.namespace().is_none() {
        return true;
    }
    match context.list(&ClusterWorkflowTemplate::gvk(), None, None).await {
        Err(error) if error.category() == Category::Forbidden => {
            tracing::info!("ClusterWorkflowTemplates can not be read: workflows can not refer to them");
            false
        }
        _ => true,
    }
}

struct Reconciler {
    context: Context,
    workflows: Arc<Cache>,
    references: Arc<ClusterReferences>,
    executor: Arc<dyn Executor>,
    memo: Memo,
    instance_id: Option<String>,
    shared: Shared,
    settings: Arc<Settings>,
    repositories: Repositories,
    counting: Arc<Counting>,
    /// Namespace of the controller's own ConfigMaps.
    namespace: Option<String>,
    queue: Arc<OnceLock<Arc<Queue>>>,
    persisting: Persisting,
    /// Something was claimed of the database, or given up.
    locks_changed: Arc<tokio::sync::Notify>,
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

#[async_trait::async_trait]
impl Reconcile for Reconciler {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let object = self.workflows.get(key);
        let uid = object.as_ref().map(|it| it.uid().to_owned()).unwrap_or_default();
        // Steps of a workflow that is gone, or of an earlier one of this name.
        for other in self.executor.workflows(key).into_iter().filter(|it| it.uid != uid) {
            self.abandon(&other).await?;
        }
        let Some(object) = object else {
            self.memo.forget(key);
            self.wake(&self.shared.forget(key));
            self.locks_changed.notify_one();
            return Ok(Outcome::DONE);
        };
        let begun = std::time::Instant::now();
        if object.label(LABEL_CONTROLLER_INSTANCE_ID) != self.instance_id.as_deref() {
            return Ok(Outcome::DONE);
        }
        let id = WorkflowId { key: key.clone(), uid };
        let finalizers = object.pointer("/metadata/finalizers").and_then(|it| it.as_array());
        let is_guarded = finalizers.is_some_and(|it| it.iter().any(|it| it == FINALIZER_ARTIFACT_GC));
        let is_guarded = is_guarded && self.executor.collects_garbage();
        if object.is_deleting() {
            self.wake(&self.shared.forget(key));
            if !is_guarded {
                self.abandon(&id).await?;
                return Ok(Outcome::DONE);
            }
        }
        if !object.is_deleting() {
            self.persisting.archive(&self.context, &object).await?;
        }
        let steps = self.executor.observe(&id);
        let settled = object.label(LABEL_COMPLETED) == Some("true") && steps.is_empty();
        if settled
            && !is_guarded
            && object.pointer("/spec/ttlStrategy").is_none()
            && object.pointer("/spec/workflowTemplateRef").is_none()
        {
            self.memo.forget(key);
            return Ok(Outcome::DONE);
        }
        let live = match self.memo.take(key, &object) {
            Some(live) => Ok(live),
            None => self.persisting.read(&object).await?,
        };
        let mut live = match live {
            Ok(live) => live,
            Err(Undecodable::Object(error)) => {
                let message = format!("cannot unmarshall spec: {error}");
                self.end(&object, WorkflowPhase::Failed, &message).await?;
                return Ok(Outcome::DONE);
            }
            Err(Undecodable::Nodes(error)) => return Err(error.into()),
        };
        let repository = self.repository(key, &object, &live).await?;
        let seen =
            Seen { steps, garbage: self.executor.collects_garbage().then(|| self.executor.garbage(&id)), repository };
        let mut decided = self.decide(key, &object, &mut live, &seen);
        if decided.needs_config_maps {
            self.open_config_maps().await;
            decided = self.decide(key, &object, &mut live, &seen);
        }
        let plan = decided.plan;
        let change = match &plan.status {
            Some(status) => match self.persisting.write(&mut live, status, &object, self.context.now()).await {
                Err(error) if error.category() == Category::LimitExceeded => {
                    self.end(&object, WorkflowPhase::Error, &error.to_string()).await?;
                    return Ok(Outcome::DONE);
                }
                other => Some(other?),
            },
            None => None,
        };
        let outcome = self.carry_out(&id, &object, &plan, change).await;
        if let Some(woken) = decided.woken {
            if outcome.as_ref().is_err_and(|it| it.category() == Category::Conflict) {
                // Nothing was written: what the pass took is not held.
                let mut state = self.shared.enter(&self.workflows, self.instance_id.as_deref());
                self.wake(&state.observe(&live.workflow));
            }
            self.wake(&woken);
        }
        let written = outcome?;
        self.counting.counted.operation(begun.elapsed().as_secs_f64());
        if let Some(status) = &plan.status {
            self.counting.written(&live.workflow, status, self.context.now());
            status.apply_to(&mut live.workflow);
        }
        if !live.workflow.status.phase.is_completed() {
            let nodes = &live.workflow.status.nodes;
            let over = |id: &str| nodes.get(id).is_some_and(|it| it.phase().is_fulfilled());
            let over: Vec<&str> =
                seen.steps.iter().filter(|(id, it)| !it.is_active() && over(id)).map(|(id, _)| id.as_str()).collect();
            if !over.is_empty() {
                self.executor.settle(&id, &over);
            }
            let live = match &written {
                Some(written) => live.at(written),
                None => live,
            };
            self.memo.keep(key, live);
        }
        Ok(plan.wake.into())
    }

    async fn failed(&self, key: &ObjectKey, message: &str) {
        tracing::warn!(%key, message, "the workflow can not be worked on");
        self.counting.counted.error("OperationPanic");
        let Some(object) = self.workflows.get(key) else { return };
        if let Err(error) = self.end(&object, WorkflowPhase::Error, message).await {
            tracing::warn!(%key, %error, "the failure could not be written");
        }
    }
}

/// Whether a ConfigMap is made.
fn is_cache(change: &Change) -> bool {
    matches!(change, Change::Create { object } if object.gvk().kind == "ConfigMap")
}

/// What was seen of a workflow beside the object.
struct Seen {
    steps: BTreeMap<String, StepState>,
    garbage: Option<BTreeMap<String, GarbageState>>,
    repository: Option<Resolved>,
}

/// What a pass came to.
struct Decided {
    plan: WorkflowPlan,
    /// Workflows to look at again, where it was about locks or places.
    woken: Option<BTreeSet<String>>,
    /// A semaphore's ConfigMap was asked for and those are not watched yet.
    needs_config_maps: bool,
}

impl Reconciler {
    /// The artifact repository of a workflow that has not begun.
    async fn repository(&self, key: &ObjectKey, object: &Object, live: &Live) -> Result<Option<Resolved>, BoxFailure> {
        let status = &live.workflow.status;
        if status.started_at.is_some() || status.artifact_repository_ref.is_some() || object.is_deleting() {
            return Ok(None);
        }
        let references = self.references.within(key.namespace(), self.settings.defaults());
        let Ok(compiled) = self.memo.compiled(key, object, live, &references) else { return Ok(None) };
        let (config, own) = (self.settings.config(), self.namespace.as_deref());
        let default = config.artifact_repository.as_ref();
        self.repositories.resolve(&self.context, &compiled, key.namespace(), own, default).await.map(Some)
    }

    /// One pass. Where locks or places come in, the tables are read and brought up to date in one go.
    fn decide(&self, key: &ObjectKey, object: &Object, live: &mut Live, seen: &Seen) -> Decided {
        let references = self.references.within(key.namespace(), self.settings.defaults());
        let now = self.context.now();
        let compiled = self.memo.compiled(key, object, live, &references);
        let (workflow, ledger) = (&live.workflow, &mut live.ledger);
        let mut world = World::new(workflow, &seen.steps, &references);
        world.garbage = seen.garbage.as_ref();
        world.metrics = Some(&self.counting.custom);
        let config = self.settings.config();
        let everything = LabelSelector::default();
        if self.persisting.stores.archive.is_some() {
            let selector = config.persistence.as_ref().and_then(|it| it.archive_label_selector.as_ref());
            world.archives = Some(selector.unwrap_or(&everything));
        }
        let has_database = self.persisting.stores.locks.is_some();
        world.claims = has_database.then_some(Claims::none());
        let alone = |plan: WorkflowPlan| Decided { plan, woken: None, needs_config_maps: false };
        match &seen.repository {
            None => {}
            Some(Resolved::Found(found)) => world.repository = Some(found),
            Some(Resolved::Missing(message)) => return alone(refuse_as(&world, WorkflowPhase::Error, message, now)),
        }
        let compiled = match compiled {
            Ok(compiled) => compiled,
            Err(error) => {
                return Decided { plan: refuse(&world, &error, now), woken: None, needs_config_maps: false };
            }
        };
        if ledger.is_fresh() {
            self.counting.take_up(&world, &compiled, now);
        }
        if object.is_deleting() {
            return alone(reconcile_with(&world, &compiled, ledger, now));
        }
        let is_shared = |plan: &WorkflowPlan| {
            workflow.status.synchronization.is_some()
                || plan.status.as_ref().is_some_and(|it| it.synchronization.is_some())
        };
        if self.shared.is_unlimited() && !compiled.uses_locks() {
            let plan = reconcile_with(&world, &compiled, ledger, now);
            let needs_config_maps = references.missed_config_maps();
            // Templates of other resources may name locks, too.
            if !is_shared(&plan) && !needs_config_maps {
                return Decided { plan, woken: None, needs_config_maps };
            }
            // That plan is not carried out.
            *ledger = Ledger::default();
            if !is_shared(&plan) {
                return Decided { plan, woken: None, needs_config_maps };
            }
        }
        let mut state = self.shared.enter(&self.workflows, self.instance_id.as_deref());
        let admitted = state.admission.admits(workflow);
        world.claims = has_database.then_some(&state.claims);
        let plan = reconcile_with(&world.with_locks(&state.locks).admitted(admitted), &compiled, ledger, now);
        if references.missed_config_maps() {
            *ledger = Ledger::default();
            return Decided { plan, woken: None, needs_config_maps: true };
        }
        let next =
            plan.status.as_ref().map_or_else(|| StatusChange::default().outline(workflow), |it| it.outline(workflow));
        let woken = state.observe(&next);
        Decided { plan, woken: Some(woken), needs_config_maps: false }
    }

    /// Changes what is asked of the database, and has it asked.
    fn claims(&self, change: impl FnOnce(&mut Claims) -> bool) {
        let mut state = self.shared.enter(&self.workflows, self.instance_id.as_deref());
        if change(&mut state.claims) {
            self.locks_changed.notify_one();
        }
    }

    fn wake(&self, workflows: &BTreeSet<String>) {
        let Some(queue) = self.queue.get() else { return };
        workflows.iter().for_each(|it| queue.add(shared::key_of(it)));
    }

    /// Watches every ConfigMap from now on: a semaphore may have its limit in any.
    async fn open_config_maps(&self) {
        let mut changes = None;
        let cache = self.references.all_config_maps.get_or_init(|| {
            let query = Query::of(Gvk::new("", "v1", "ConfigMap"), self.context.namespace());
            let cache = self.context.caches().open(query);
            changes = Some(cache.subscribe());
            cache
        });
        cache.synced().await;
        let (Some(mut changes), Some(queue)) = (changes, self.queue.get().cloned()) else { return };
        let shared = self.shared.clone();
        tokio::spawn(async move {
            while let Some(change) = changes.recv().await {
                shared.waiting_for(&change.key).iter().for_each(|it| queue.add(shared::key_of(it)));
            }
        });
    }

    /// Does what was planned. Returns the version that the workflow has then, where it was written.
    async fn carry_out(
        &self,
        id: &WorkflowId,
        object: &Object,
        plan: &WorkflowPlan,
        change: Option<Change>,
    ) -> Result<Option<String>, BoxFailure> {
        for effect in plan.effects() {
            let Effect::Ensure(change) = effect else { continue };
            match self.context.apply(NAME, &id.key, change).await {
                // It is gone already.
                Err(error) if error.category() == Category::NotFound && matches!(**change, Change::Delete { .. }) => {}
                // Another workflow made the cache in the meantime.
                Err(error) if error.category() == Category::AlreadyExists && is_cache(change) => {
                    let Change::Create { object } = &**change else { return Err(error.into()) };
                    let data = json!({"data": object.get("data")});
                    self.context.apply(NAME, &id.key, &Change::merge(object.reference(), data)).await?;
                }
                other => drop(other?),
            }
        }
        let mut version = None;
        if let Some(change) = &change {
            // First: what is written is found again after a crash, and effects are repeated until seen.
            let written = self.context.apply(NAME, &id.key, change).await?;
            version = Some(written.map(|it| it.resource_version().to_owned()).unwrap_or_default());
        }
        let mut starts = Vec::new();
        for effect in plan.effects() {
            if let Effect::Start(step) = effect {
                starts.push(self.executor.start(step, self.context.now()));
            }
        }
        // Each to its end: one that fails leaves none half done.
        let started: Vec<_> = futures::stream::iter(starts).buffered(STARTS).collect().await;
        started.into_iter().collect::<Result<(), _>>()?;
        for action in &plan.actions {
            match action {
                Action::Effect(Effect::Start(_)) => {}
                Action::Effect(Effect::Stop { node_id }) => self.executor.stop(id, node_id).await?,
                Action::Effect(Effect::Ensure(_)) => {}
                Action::Effect(Effect::Emit(list)) => {
                    let now = self.context.now();
                    for it in list {
                        if let Err(error) = self.counting.custom.count(&id.uid, it, now) {
                            tracing::warn!(key = %id.key, error, "a metric is not counted");
                        }
                    }
                }
                Action::Effect(Effect::Claim(claim)) => self.claims(|it| it.put((**claim).clone())),
                Action::Effect(Effect::Disclaim { holder }) => self.claims(|it| {
                    it.remove(holder);
                    true
                }),
                Action::Effect(Effect::Collect(request)) => self.executor.collect_garbage(request).await?,
                Action::Effect(Effect::Release) => self.executor.release(id).await?,
                Action::Change(change) => {
                    self.context.apply(NAME, &id.key, change).await?;
                }
            }
        }
        for note in self.spoken(&plan.notes) {
            self.context.note(object, note).await;
        }
        if plan.status.as_ref().and_then(|it| it.phase).is_some_and(WorkflowPhase::is_completed) {
            self.retain(&id.key).await?;
        }
        Ok(version)
    }

    /// The events that the configuration lets through.
    fn spoken<'n>(&self, notes: &'n [Note]) -> impl Iterator<Item = &'n Note> {
        let config = self.settings.config();
        notes.iter().filter(move |it| match it.reason.starts_with("WorkflowNode") {
            true => config.node_events.is_enabled(),
            false => config.workflow_events.is_enabled(),
        })
    }

    /// Deletes the oldest of the ended workflows where there are more than are to be kept.
    async fn retain(&self, by: &ObjectKey) -> Result<(), BoxFailure> {
        let Some(policy) = self.settings.config().retention_policy else { return Ok(()) };
        let objects = self.workflows.list();
        let ended = objects.iter().filter(|it| {
            it.label(LABEL_COMPLETED) == Some("true")
                && it.label(LABEL_CONTROLLER_INSTANCE_ID) == self.instance_id.as_deref()
                && !it.is_deleting()
        });
        let ended = ended.filter_map(|it| {
            let phase = serde_json::from_value(it.pointer("/status/phase")?.clone()).ok()?;
            let finished = it.text("/status/finishedAt").parse().ok()?;
            Some(Ended { key: it.key(), phase, finished })
        });
        for key in expired(&policy, ended) {
            let Some(object) = self.workflows.get(&key) else { continue };
            match self.context.apply(NAME, by, &Change::delete(&object)).await {
                Err(error) if error.category() == Category::NotFound => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    /// Stops the steps of a workflow that nobody waits for, then forgets them.
    async fn abandon(&self, id: &WorkflowId) -> Result<(), BoxFailure> {
        let steps = self.executor.observe(id);
        let mut active = false;
        for (node, _) in steps.iter().filter(|(_, it)| it.is_active()) {
            active = true;
            self.executor.stop(id, node).await?;
        }
        // The end of the last step brings the key back.
        if !active {
            self.executor.release(id).await?;
        }
        Ok(())
    }

    /// Ends a workflow that the engine can not work on.
    async fn end(&self, object: &Object, phase: WorkflowPhase, message: &str) -> Result<(), BoxFailure> {
        let now = self.context.now();
        let is = object.text("/status/phase");
        if matches!(is, "Succeeded" | "Failed" | "Error") {
            return Ok(());
        }
        let mut to = object.clone();
        to.set_label(LABEL_PHASE, phase.as_str());
        to.set_label(LABEL_COMPLETED, "true");
        to.set(&["status", "phase"], phase.as_str());
        to.set(&["status", "message"], message);
        to.set(&["status", "finishedAt"], argo_core::time::rfc3339(now));
        if object.pointer("/status/startedAt").is_none() {
            to.set(&["status", "startedAt"], argo_core::time::rfc3339(now));
        }
        let mut conditions =
            object.pointer("/status/conditions").and_then(|it| it.as_array()).cloned().unwrap_or_default();
        conditions.retain(|it| it["type"] != crate::api::CONDITION_COMPLETED);
        conditions.push(json!({"type": crate::api::CONDITION_COMPLETED, "status": "True"}));
        to.set(&["status", "conditions"], conditions);
        if let Some(change) = Change::merge_between(object, &to) {
            self.context.apply(NAME, &object.key(), &change).await?;
        }
        Ok(())
    }
}
