//! [`PodsExecutor`]: every step is a Pod.
//!
//! ```text
//! StepRequest ─ spec::build ─> Pod ──create──> cluster ──watch──> observe ──> StepState
//!                                       executor in the pod ──> WorkflowTaskResult ──┘
//! Workflow (status written) ──watch──> pods of fulfilled nodes: labelled completed, or deleted
//! ```
//! Templates of type `http` and `plugin` are tasks of one agent a workflow ([`agent`]).
//! Nothing is kept that a restart would miss: pods are found by the workflow that owns them, and what is
//! over stays in the workflow's status.

pub mod agent;
mod config;
mod displaced;
pub mod garbage;
mod gc;
pub mod observe;
mod repository;
mod resources;
pub mod spec;
mod steps;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use argo_core::{
    Category, Change, Failure as _, Gvk, Object, ObjectKey, ObjectRef, Patch, Timestamp,
    runtime::{Cache, Context, Query},
};
use serde_json::{Value, json};
use tokio::sync::Mutex as AsyncMutex;

pub use config::{ArtifactRepository, PodConfig};

use super::{Executor, ExecutorError, Wake, WorkflowId};
use crate::{
    api::{
        LABEL_COMPLETED, LABEL_CONFIGMAP_TYPE, LABEL_WORKFLOW, Template, Workflow, WorkflowArtifactGCTask,
        WorkflowTaskResult, WorkflowTaskSet,
    },
    engine::{GarbageRequest, GarbageState, StepRequest, StepResult, StepState},
};

/// Runs steps as Pods, with upstream's executor image or our own in them.
#[derive(Clone)]
pub struct PodsExecutor(Arc<Inner>);

struct Inner {
    context: Context,
    config: PodConfig,
    pods: Arc<Cache>,
    reports: Arc<Cache>,
    workflows: Arc<Cache>,
    state: parking_lot::Mutex<State>,
    /// Templates of nodes by the uid of their pods.
    templates: parking_lot::Mutex<BTreeMap<String, Arc<Template>>>,
    repositories: AsyncMutex<repository::Memo>,
    /// Pods that are over and to be dealt with.
    tidy: tokio::sync::mpsc::UnboundedSender<Arc<Object>>,
    tasks: Arc<Cache>,
    garbage: Arc<Cache>,
    /// ConfigMaps that hold plugins, where plugins are looked for.
    plugins: Option<Arc<Cache>>,
}

#[derive(Default)]
struct State {
    steps: BTreeMap<WorkflowId, steps::Steps>,
    /// Workflows that nobody asks for any more, while their pods are still on the watch.
    released: BTreeSet<WorkflowId>,
    /// Uids of pods that are done with.
    cleaned: BTreeSet<String>,
    /// Workflows whose agent was made.
    agents: BTreeSet<WorkflowId>,
    wake: Option<Wake>,
}

impl fmt::Debug for PodsExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodsExecutor").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// Index of pods by namespace and workflow.
const BY_WORKFLOW: &str = "workflow";

impl PodsExecutor {
    /// On the cluster of this context. Must be called in a tokio runtime.
    #[must_use]
    pub fn new(context: Context, config: PodConfig) -> Self {
        let pods = Query::of(Gvk::new("", "v1", "Pod"), context.namespace());
        let pods = context.caches().open(pods.labelled(format!("{LABEL_WORKFLOW},{LABEL_COMPLETED}=false")));
        pods.add_index(BY_WORKFLOW, |pod| {
            let name = pod.label(LABEL_WORKFLOW).unwrap_or_default();
            vec![format!("{}/{name}", pod.namespace().unwrap_or_default())]
        });
        let (tidy, tidied) = tokio::sync::mpsc::unbounded_channel();
        let inner = Inner {
            tidy,
            reports: context.cache_of::<WorkflowTaskResult>(),
            workflows: context.cache_of::<Workflow>(),
            tasks: context.cache_of::<WorkflowTaskSet>(),
            garbage: context.cache_of::<WorkflowArtifactGCTask>(),
            plugins: config.executor_plugins.then(|| {
                let maps = Query::of(Gvk::new("", "v1", "ConfigMap"), context.namespace());
                let kind = agent::spec::PLUGIN_TYPE;
                context.caches().open(maps.labelled(format!("{LABEL_CONFIGMAP_TYPE}={kind}")))
            }),
            pods,
            config,
            context,
            state: parking_lot::Mutex::default(),
            templates: parking_lot::Mutex::default(),
            repositories: AsyncMutex::default(),
        };
        let this = Self(Arc::new(inner));
        this.follow();
        tokio::spawn(this.clone().tidy_up(tidied));
        this
    }

    /// Follows the watches in the background, for as long as the context lives.
    fn follow(&self) {
        let mut pods = self.0.pods.subscribe();
        let this = self.clone();
        tokio::spawn(async move {
            while let Some(event) = pods.recv().await {
                if let (Some(old), None) = (&event.old, &event.new) {
                    match owner(old).filter(|_| agent::is_agent(old)) {
                        Some(workflow) => this.agent_gone(&workflow),
                        None => this.gone(old),
                    }
                }
                // Agents, and pods that delete artifacts, have no state of a step.
                let is_step = |it: &Object| node_of(it).is_some() && !agent::is_agent(it);
                match (&event.new, event.object()) {
                    (Some(pod), _) if is_step(pod) => this.seen(pod),
                    (_, Some(pod)) if !is_step(pod) => this.announce(pod),
                    _ => {}
                }
            }
        });
        self.follow_tasks();
        self.follow_garbage();
        let mut reports = self.0.reports.subscribe();
        let this = self.clone();
        tokio::spawn(async move {
            while let Some(event) = reports.recv().await {
                if let Some(report) = event.new {
                    this.reported(&report);
                }
            }
        });
        let mut workflows = self.0.workflows.subscribe();
        let this = self.clone();
        tokio::spawn(async move {
            while let Some(event) = workflows.recv().await {
                match event.new {
                    Some(workflow) => {
                        this.clean_tasks(&workflow).await;
                        this.clean_garbage(&workflow).await;
                    }
                    None => this.forget(event.old.as_deref()),
                }
            }
        });
    }

    fn announce(&self, object: &Object) {
        let Some(name) = object.label(LABEL_WORKFLOW) else { return };
        let wake = self.0.state.lock().wake.clone();
        if let Some(wake) = wake {
            wake(&ObjectKey::new(object.namespace(), name));
        }
    }

    fn forget(&self, workflow: Option<&Object>) {
        let Some(workflow) = workflow else { return };
        let id = WorkflowId { key: workflow.key(), uid: workflow.uid().to_owned() };
        self.0.state.lock().released.remove(&id);
    }

    /// The template of a pod's node, as the pod itself carries it.
    fn template(&self, pod: &Object) -> Arc<Template> {
        if let Some(known) = self.0.templates.lock().get(pod.uid()) {
            return known.clone();
        }
        let containers =
            ["/spec/initContainers", "/spec/containers"].into_iter().filter_map(|it| pod.pointer(it)?.as_array());
        let env = containers.flatten().filter_map(|it| it.get("env")?.as_array()).flatten();
        let mut texts = env.filter(|it| it["name"] == "ARGO_TEMPLATE").filter_map(|it| it["value"].as_str());
        let template: Option<Template> = texts.find_map(|it| serde_json::from_str(it).ok());
        let template = Arc::new(template.unwrap_or_default());
        self.0.templates.lock().insert(pod.uid().to_owned(), template.clone());
        template
    }

    fn read(&self, pod: &Object, now: Timestamp) -> observe::Observed {
        let template = self.template(pod);
        if let Some(displaced) = self.0.config.restarts.and_then(|it| displaced::displaced(pod, &template, it)) {
            return observe::Observed { state: StepState::Displaced(Box::new(displaced)), wake: None };
        }
        let node = node_of(pod).unwrap_or_default();
        let report = self.0.reports.get(&ObjectKey::new(pod.namespace(), &node));
        let uid = owner(pod).map(|it| it.uid).unwrap_or_default();
        // One of an earlier workflow of the same name does not count.
        let own = |it: &Object| it.owner_references().iter().any(|it| it.uid == uid);
        let report = report.filter(|it| own(it)).and_then(|it| it.decode::<WorkflowTaskResult>().ok());
        observe::observe(pod, report.as_ref(), &template, now)
    }

    fn pods_of(&self, workflow: &WorkflowId) -> Vec<Arc<Object>> {
        let mut pods = self.0.pods.owned_by(&workflow.uid);
        pods.retain(|it| !agent::is_agent(it));
        pods
    }

    async fn apply(&self, node: &str, change: &Change) -> Result<(), ExecutorError> {
        let applied = self.0.context.applier().apply(change).await;
        applied.map(|_| ()).map_err(|error| ExecutorError {
            node: node.to_owned(),
            message: error.to_string(),
            category: error.category(),
        })
    }

    async fn make(&self, workflow: &WorkflowId, step: &StepRequest, now: Timestamp) -> Result<(), ExecutorError> {
        let repository = match self.repository(step).await {
            Ok(repository) => repository,
            Err(Unresolved::Later(error)) => return Err(error),
            Err(Unresolved::Never(message)) => {
                self.remember(workflow, &step.node_id, StepState::Finished(StepResult::refused(message)));
                return Ok(());
            }
        };
        let built = match spec::build(step, &self.0.config, repository.as_ref(), now) {
            Ok(built) => built,
            Err(message) => {
                self.remember(workflow, &step.node_id, StepState::Finished(StepResult::refused(message)));
                return Ok(());
            }
        };
        for object in built.config_map.into_iter().chain([built.pod]) {
            let object = Object::from_value(object);
            match self.apply(&step.node_id, &Change::create(object.clone())).await {
                Ok(()) => {}
                Err(error) if error.category == Category::AlreadyExists => {
                    self.check_own(workflow, step, &object).await?
                }
                // A quota forbids it now, and not for ever.
                Err(error) if error.message.contains("exceeded quota") => {
                    return Err(ExecutorError { category: Category::Throttled, ..error });
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    self.remember(workflow, &step.node_id, StepState::Finished(StepResult::refused(error.message)));
                    return Ok(());
                }
            }
        }
        self.made(workflow, &step.node_id);
        Ok(())
    }

    /// What is there already was made for this workflow, not for an earlier one of its name that is still being
    /// cleared away: that one has to go first.
    async fn check_own(&self, workflow: &WorkflowId, step: &StepRequest, object: &Object) -> Result<(), ExecutorError> {
        let later = |message: String, category| ExecutorError { node: step.node_id.clone(), message, category };
        let found = self.0.context.get(&object.reference()).await;
        let found = found.map_err(|it| later(it.to_string(), argo_core::Failure::category(&it)))?;
        let is_own = found.as_ref().is_some_and(|it| it.owner_references().iter().any(|it| it.uid == workflow.uid));
        if is_own {
            return Ok(());
        }
        let kind = object.gvk().kind;
        let message = format!("{kind} {} of an earlier workflow of this name is still there", object.name());
        Err(later(message, Category::Unavailable))
    }
}

enum Unresolved {
    Later(ExecutorError),
    Never(String),
}

/// The workflow that a pod belongs to.
fn owner(pod: &Object) -> Option<WorkflowId> {
    let owner = pod.controller().filter(|it| it.kind == "Workflow")?;
    Some(WorkflowId { key: ObjectKey::new(pod.namespace(), &owner.name), uid: owner.uid })
}

fn node_of(pod: &Object) -> Option<String> {
    pod.annotation(spec::ANNOTATION_NODE_ID).map(str::to_owned)
}

#[async_trait::async_trait]
impl Executor for PodsExecutor {
    async fn start(&self, step: &StepRequest, now: Timestamp) -> Result<(), ExecutorError> {
        let workflow = WorkflowId::of(step);
        self.0.pods.synced().await;
        if self.knows(&workflow, &step.node_id, &ObjectKey::new(Some(step.workflow.namespace()), &step.pod_name)) {
            return Ok(());
        }
        if agent::is_task(step) {
            return self.start_task(&workflow, step).await;
        }
        if step.was_running {
            // It ran, says the status, and its pod is not there.
            self.remember(&workflow, &step.node_id, StepState::Lost("pod deleted".to_owned()));
            return Ok(());
        }
        self.make(&workflow, step, now).await
    }

    async fn stop(&self, workflow: &WorkflowId, node_id: &str) -> Result<(), ExecutorError> {
        if self.stop_task(workflow, node_id).await? {
            return Ok(());
        }
        let Some(pod) = self.pod_of(workflow, node_id) else { return Ok(()) };
        let change = match pod.text("/status/phase") {
            // Another one is to follow.
            "Failed" if matches!(self.read(&pod, self.0.context.now()).state, StepState::Displaced(_)) => {
                Change::delete(&pod)
            }
            "Succeeded" | "Failed" => return Ok(()),
            "Running" => {
                if observe::ends_by_itself(&pod, self.0.context.now()) {
                    return Ok(());
                }
                // The kubelet ends its containers, politely first; the pod and its logs stay.
                let body = json!({"spec": {"activeDeadlineSeconds": 1}});
                let target = pod.reference();
                Change::Patch { target, patch: Patch::merge(body), subresource: None, resource_version: None }
            }
            _ => Change::delete(&pod),
        };
        match self.apply(node_id, &change).await {
            Err(error) if error.category == Category::NotFound => Ok(()),
            other => other,
        }
    }

    fn observe(&self, workflow: &WorkflowId) -> BTreeMap<String, StepState> {
        self.states(workflow)
    }

    fn settle(&self, workflow: &WorkflowId, nodes: &[&str]) {
        self.settle_steps(workflow, nodes);
    }

    fn workflows(&self, key: &ObjectKey) -> Vec<WorkflowId> {
        self.known_workflows(key).into_iter().collect()
    }

    async fn release(&self, workflow: &WorkflowId) -> Result<(), ExecutorError> {
        self.end_agent(workflow).await?;
        self.finish(workflow).await?;
        let mut state = self.0.state.lock();
        state.steps.remove(workflow);
        if !self.0.pods.owned_by(&workflow.uid).is_empty() {
            state.released.insert(workflow.clone());
        }
        Ok(())
    }

    fn pods(&self) -> Option<Arc<Cache>> {
        Some(self.0.pods.clone())
    }

    fn collects_garbage(&self) -> bool {
        true
    }

    async fn collect_garbage(&self, request: &GarbageRequest) -> Result<(), ExecutorError> {
        self.0.pods.synced().await;
        self.make_garbage(request).await
    }

    fn garbage(&self, workflow: &WorkflowId) -> BTreeMap<String, GarbageState> {
        self.garbage_of(workflow)
    }

    fn announce_to(&self, wake: Wake) {
        self.0.state.lock().wake = Some(wake.clone());
        let pods = self.0.pods.list();
        let keys: BTreeSet<ObjectKey> = pods.iter().filter_map(|it| owner(it)).map(|it| it.key).collect();
        keys.iter().for_each(|it| wake(it));
    }
}

/// The label that takes a pod off the watch.
fn completed(pod: &Object) -> Change {
    let body = json!({"metadata": {"labels": {LABEL_COMPLETED: "true"}}});
    Change::Patch { target: pod.reference(), patch: Patch::merge(body), subresource: None, resource_version: None }
}

/// A reference to a ConfigMap.
fn config_map(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(Gvk::new("", "v1", "ConfigMap"), Some(namespace), name)
}

/// Text of a field of a JSON object.
fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str).filter(|it| !it.is_empty())
}
