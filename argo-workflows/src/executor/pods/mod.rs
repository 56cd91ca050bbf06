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
pub mod garbage;
mod gc;
pub mod observe;
mod repository;
pub mod spec;

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
        LABEL_COMPLETED, LABEL_CONFIGMAP_TYPE, LABEL_WORKFLOW, NodePhase, Template, Workflow, WorkflowArtifactGCTask,
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
    repositories: AsyncMutex<repository::Memo>,
    tasks: Arc<Cache>,
    garbage: Arc<Cache>,
    /// ConfigMaps that hold plugins, where plugins are looked for.
    plugins: Option<Arc<Cache>>,
}

#[derive(Default)]
struct State {
    steps: BTreeMap<WorkflowId, BTreeMap<String, Known>>,
    /// Workflows that nobody asks for any more, while their pods are still on the watch.
    released: BTreeSet<WorkflowId>,
    /// Templates of nodes by the uid of their pods.
    templates: BTreeMap<String, Arc<Template>>,
    /// Uids of pods that are done with.
    cleaned: BTreeSet<String>,
    /// Workflows whose agent was made.
    agents: BTreeSet<WorkflowId>,
    wake: Option<Wake>,
}

/// What is remembered of a step beside what the watch shows.
#[derive(Debug, Clone)]
enum Known {
    /// Its pod was made.
    Made,
    /// It is over: what was seen stays so.
    Finished(StepResult),
    /// Its pod was there and is gone.
    Lost(String),
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
        let inner = Inner {
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
            repositories: AsyncMutex::default(),
        };
        let this = Self(Arc::new(inner));
        this.follow();
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
                if let Some(pod) = event.object() {
                    this.announce(pod);
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
                    this.announce(&report);
                }
            }
        });
        let mut workflows = self.0.workflows.subscribe();
        let this = self.clone();
        tokio::spawn(async move {
            while let Some(event) = workflows.recv().await {
                match event.new {
                    Some(workflow) => {
                        this.clean(&workflow).await;
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

    /// A pod is no longer on the watch: deleted, or labelled as completed.
    fn gone(&self, pod: &Object) {
        let (Some(id), Some(node)) = (owner(pod), node_of(pod)) else { return };
        let now = self.0.context.now();
        let last = self.read(pod, now).state;
        let mut state = self.0.state.lock();
        state.templates.remove(pod.uid());
        let cleaned = state.cleaned.remove(pod.uid());
        if state.released.contains(&id) {
            return;
        }
        let known = state.steps.entry(id).or_default();
        match (known.get(&node), last) {
            (Some(Known::Finished(_)), _) => {}
            (_, StepState::Finished(result)) => drop(known.insert(node, Known::Finished(result))),
            _ if cleaned => {}
            // Labelled as completed by somebody else, it is over for its workflow, too.
            _ => drop(known.insert(node, Known::Lost("pod deleted".to_owned()))),
        }
    }

    fn forget(&self, workflow: Option<&Object>) {
        let Some(workflow) = workflow else { return };
        let id = WorkflowId { key: workflow.key(), uid: workflow.uid().to_owned() };
        self.0.state.lock().released.remove(&id);
    }

    /// The template of a pod's node, as the pod itself carries it.
    fn template(&self, pod: &Object) -> Arc<Template> {
        if let Some(known) = self.0.state.lock().templates.get(pod.uid()) {
            return known.clone();
        }
        let containers =
            ["/spec/initContainers", "/spec/containers"].into_iter().filter_map(|it| pod.pointer(it)?.as_array());
        let env = containers.flatten().filter_map(|it| it.get("env")?.as_array()).flatten();
        let mut texts = env.filter(|it| it["name"] == "ARGO_TEMPLATE").filter_map(|it| it["value"].as_str());
        let template: Option<Template> = texts.find_map(|it| serde_json::from_str(it).ok());
        let template = Arc::new(template.unwrap_or_default());
        self.0.state.lock().templates.insert(pod.uid().to_owned(), template.clone());
        template
    }

    fn read(&self, pod: &Object, now: Timestamp) -> observe::Observed {
        let template = self.template(pod);
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

    fn remember(&self, workflow: &WorkflowId, node: &str, known: Known) {
        let wake = {
            let mut state = self.0.state.lock();
            state.steps.entry(workflow.clone()).or_default().insert(node.to_owned(), known);
            state.wake.clone()
        };
        if let Some(wake) = wake {
            wake(&workflow.key);
        }
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
                self.remember(workflow, &step.node_id, Known::Finished(StepResult::error(message)));
                return Ok(());
            }
        };
        let built = match spec::build(step, &self.0.config, repository.as_ref(), now) {
            Ok(built) => built,
            Err(message) => {
                self.remember(workflow, &step.node_id, Known::Finished(StepResult::error(message)));
                return Ok(());
            }
        };
        for object in built.config_map.into_iter().chain([built.pod]) {
            let created = self.apply(&step.node_id, &Change::create(Object::from_value(object))).await;
            match created {
                Ok(()) => {}
                Err(error) if error.category == Category::AlreadyExists => {}
                Err(error) if error.is_transient() || error.message.contains("exceeded quota") => return Err(error),
                Err(error) => {
                    self.remember(workflow, &step.node_id, Known::Finished(StepResult::error(error.message)));
                    return Ok(());
                }
            }
        }
        // A pod that came and went before this line is known as lost already.
        let mut state = self.0.state.lock();
        state.steps.entry(workflow.clone()).or_default().entry(step.node_id.clone()).or_insert(Known::Made);
        Ok(())
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
        let known = self.0.state.lock().steps.get(&workflow).is_some_and(|it| it.contains_key(&step.node_id));
        if known || self.pods_of(&workflow).iter().any(|it| node_of(it).as_deref() == Some(&step.node_id)) {
            return Ok(());
        }
        if agent::is_task(step) {
            return self.start_task(&workflow, step).await;
        }
        let status = self.0.workflows.get(&step.workflow).filter(|it| it.uid() == workflow.uid);
        let phase = status
            .as_ref()
            .and_then(|it| it.value().pointer("/status/nodes")?.get(&step.node_id)?.get("phase")?.as_str());
        if phase == Some(NodePhase::Running.as_str()) {
            // It ran, says the status, and its pod is not there.
            self.remember(&workflow, &step.node_id, Known::Lost("pod deleted".to_owned()));
            return Ok(());
        }
        self.make(&workflow, step, now).await
    }

    async fn stop(&self, workflow: &WorkflowId, node_id: &str) -> Result<(), ExecutorError> {
        if self.stop_task(workflow, node_id).await? {
            return Ok(());
        }
        let pods = self.pods_of(workflow);
        let Some(pod) = pods.iter().find(|it| node_of(it).as_deref() == Some(node_id)) else { return Ok(()) };
        let change = match pod.text("/status/phase") {
            "Succeeded" | "Failed" => return Ok(()),
            "Running" => {
                if pod.integer("/spec/activeDeadlineSeconds") == Some(1) {
                    return Ok(());
                }
                // The kubelet ends its containers, politely first; the pod and its logs stay.
                let body = json!({"spec": {"activeDeadlineSeconds": 1}});
                let target = pod.reference();
                Change::Patch { target, patch: Patch::merge(body), subresource: None, resource_version: None }
            }
            _ => Change::delete(pod),
        };
        match self.apply(node_id, &change).await {
            Err(error) if error.category == Category::NotFound => Ok(()),
            other => other,
        }
    }

    fn observe(&self, workflow: &WorkflowId) -> BTreeMap<String, StepState> {
        let now = self.0.context.now();
        let mut wake_at: Option<Timestamp> = None;
        let seen: Vec<(String, observe::Observed)> =
            self.pods_of(workflow).iter().filter_map(|pod| Some((node_of(pod)?, self.read(pod, now)))).collect();
        let tasks = self.tasks(workflow);
        let mut state = self.0.state.lock();
        if state.released.contains(workflow) {
            return BTreeMap::new();
        }
        let known = state.steps.entry(workflow.clone()).or_default();
        let mut all = BTreeMap::new();
        for (node, observed) in seen {
            if let Some(at) = observed.wake {
                wake_at = Some(wake_at.map_or(at, |it| it.min(at)));
            }
            match (known.get(&node), observed.state) {
                (Some(Known::Finished(result)), _) => drop(all.insert(node, StepState::Finished(result.clone()))),
                (_, StepState::Finished(result)) => {
                    known.insert(node.clone(), Known::Finished(result.clone()));
                    all.insert(node, StepState::Finished(result));
                }
                (_, other) => {
                    known.insert(node.clone(), Known::Made);
                    all.insert(node, other);
                }
            }
        }
        for (node, state) in tasks {
            match (known.get(&node), state) {
                (Some(Known::Finished(_)), _) => {}
                (_, StepState::Finished(result)) => drop(known.insert(node, Known::Finished(result))),
                (_, other) => drop(all.insert(node, other)),
            }
        }
        for (node, known) in known.iter() {
            all.entry(node.clone()).or_insert_with(|| match known {
                Known::Made => StepState::Pending(String::new()),
                Known::Finished(result) => StepState::Finished(result.clone()),
                Known::Lost(message) => StepState::Lost(message.clone()),
            });
        }
        if known.is_empty() {
            state.steps.remove(workflow);
        }
        if let (Some(at), Some(wake)) = (wake_at, state.wake.clone()) {
            let (clock, key) = (self.0.context.clock().clone(), workflow.key.clone());
            tokio::spawn(async move {
                clock.sleep(argo_core::time::between(now, at)).await;
                wake(&key);
            });
        }
        all
    }

    fn workflows(&self, key: &ObjectKey) -> Vec<WorkflowId> {
        let pods = self.0.pods.indexed(BY_WORKFLOW, &format!("{}/{}", key.namespace(), key.name));
        let state = self.0.state.lock();
        let mut all: BTreeSet<WorkflowId> = pods.iter().filter_map(|it| owner(it)).collect();
        all.extend(state.steps.keys().filter(|it| it.key == *key).cloned());
        all.retain(|it| !state.released.contains(it));
        all.into_iter().collect()
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
