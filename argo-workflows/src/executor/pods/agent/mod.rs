//! Templates of type `http` and `plugin`: tasks for the agent of their workflow.
//!
//! ```text
//! StepRequest ──> WorkflowTaskSet.spec.tasks ──watch──> agent's pod ──> WorkflowTaskSet.status.nodes ──┐
//!                          ^ entries of fulfilled nodes are taken out     StepState <──────────────────┘
//! ```

pub mod spec;

use std::collections::BTreeMap;

use argo_core::{Category, Change, Failure as _, Gvk, Object, ObjectKey, ObjectRef, Patch, Resource as _};
use serde_json::{Map, Value, json};

use self::spec::{Around, PluginSpec};
use super::{PodsExecutor, text};
use crate::{
    api::{LABEL_COMPLETED, NodePhase, NodeResult, TemplateType, WorkflowTaskSet},
    engine::{LiveStep, StepRequest, StepResult, StepState},
    executor::{ExecutorError, WorkflowId},
};

/// Whether a template is the agent's work.
pub(super) fn is_task(step: &StepRequest) -> bool {
    matches!(step.template.kind(), Some(TemplateType::Http | TemplateType::Plugin))
}

/// Whether a pod is an agent's.
pub(super) fn is_agent(pod: &Object) -> bool {
    pod.label(spec::LABEL_COMPONENT) == Some(spec::AGENT)
}

fn merge(target: ObjectRef, body: Value, subresource: Option<&str>) -> Change {
    Change::Patch {
        target,
        patch: Patch::merge(body),
        subresource: subresource.map(str::to_owned),
        resource_version: None,
    }
}

impl PodsExecutor {
    /// The task set of a workflow, not of an earlier one of its name.
    pub(super) fn task_set(&self, workflow: &WorkflowId) -> Option<std::sync::Arc<Object>> {
        let set = self.0.tasks.get(&workflow.key)?;
        set.owner_references().iter().any(|it| it.uid == workflow.uid).then_some(set)
    }

    fn agent_pod(&self, workflow: &WorkflowId) -> Option<std::sync::Arc<Object>> {
        self.0.pods.owned_by(&workflow.uid).into_iter().find(|it| is_agent(it))
    }

    /// Puts a task into the set, and sees to it that an agent is there.
    pub(super) async fn start_task(&self, workflow: &WorkflowId, step: &StepRequest) -> Result<(), ExecutorError> {
        self.0.tasks.synced().await;
        let set = self.task_set(workflow);
        let entry = set.as_ref().and_then(|it| it.pointer("/spec/tasks")?.get(&step.node_id));
        if entry.is_none() {
            let wanted = match spec::task_set(step, &self.0.config) {
                Ok(wanted) => wanted,
                Err(message) => return self.refuse(workflow, step, message),
            };
            let template = wanted["spec"].clone();
            let target = ObjectRef::new(WorkflowTaskSet::gvk(), Some(step.workflow.namespace()), &step.workflow.name);
            let mut made = match set {
                Some(_) => self.apply(&step.node_id, &merge(target.clone(), json!({"spec": template}), None)).await,
                None => self.apply(&step.node_id, &Change::create(Object::from_value(wanted))).await,
            };
            if made.as_ref().is_err_and(|it| it.category == Category::AlreadyExists) {
                made = self.apply(&step.node_id, &merge(target, json!({"spec": template}), None)).await;
            }
            match made {
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => return self.refuse(workflow, step, error.message),
                Ok(()) => {}
            }
        }
        let pod = self.agent_pod(workflow);
        if let Some(pod) = pod.as_ref().filter(|it| it.text("/status/phase") == "Succeeded") {
            // It took its work for done: another one goes on once it is gone.
            self.apply(&step.node_id, &Change::delete(pod)).await?;
            let message = "the agent's pod is made again".to_owned();
            return Err(ExecutorError { node: step.node_id.clone(), message, category: Category::Unavailable });
        }
        if !self.0.config.disable_agent && pod.is_none() {
            match self.make_agent(step).await {
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    let message = format!("create agent pod failed with reason:\"{}\"", error.message);
                    return self.refuse(workflow, step, message);
                }
                Ok(()) => {}
            }
        }
        self.0.state.lock().agents.insert(workflow.clone());
        self.remember(workflow, &step.node_id, StepState::Pending(String::new()));
        Ok(())
    }

    fn refuse(&self, workflow: &WorkflowId, step: &StepRequest, message: String) -> Result<(), ExecutorError> {
        self.remember(workflow, &step.node_id, StepState::Finished(StepResult::error(message)));
        Ok(())
    }

    async fn make_agent(&self, step: &StepRequest) -> Result<(), ExecutorError> {
        let invalid =
            |message: String| ExecutorError { node: step.node_id.clone(), message, category: Category::Invalid };
        let namespace = step.workflow.namespace();
        let around = Around {
            plugins: self.plugins(step).await?,
            has_ca_secret: self.find("Secret", namespace, spec::CA_SECRET, step).await?.is_some(),
        };
        let pod = spec::pod(step, &self.0.config, &around).map_err(invalid)?;
        match self.apply(&step.node_id, &Change::create(Object::from_value(pod))).await {
            Err(error) if error.category == Category::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// An object that may be missing; so does one that this controller may not read.
    async fn find(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        step: &StepRequest,
    ) -> Result<Option<Object>, ExecutorError> {
        let target = ObjectRef::new(Gvk::new("", "v1", kind), Some(namespace), name);
        match self.0.context.get(&target).await {
            Err(error) if matches!(error.category(), Category::Forbidden | Category::NotFound) => Ok(None),
            Err(error) => Err(ExecutorError {
                node: step.node_id.clone(),
                message: format!("reading {kind} {namespace}/{name}: {error}"),
                category: error.category(),
            }),
            Ok(found) => Ok(found),
        }
    }

    /// The plugins of a workflow: its own, or those of its namespace and the controller's.
    async fn plugins(&self, step: &StepRequest) -> Result<Vec<(PluginSpec, Option<String>)>, ExecutorError> {
        let config = &self.0.config;
        let invalid =
            |message: String| ExecutorError { node: step.node_id.clone(), message, category: Category::Invalid };
        let own = step.spec.extra.get("executorPlugins").filter(|it| it.as_array().is_some_and(|it| !it.is_empty()));
        let plugins = match (own, &self.0.plugins) {
            (Some(_), _) if !config.workflow_plugins => {
                return Err(invalid(
                    "workflow-level executor plugins are disabled in the controller. To enable them, set the environment variable ARGO_WORKFLOW_LEVEL_EXECUTOR_PLUGINS=true"
                        .to_owned(),
                ));
            }
            (Some(list), _) => PluginSpec::of_workflow(list).map_err(invalid)?,
            (None, None) => Vec::new(),
            (None, Some(cache)) => {
                cache.synced().await;
                let places = [config.namespace.as_deref(), Some(step.workflow.namespace())];
                let maps = cache.list();
                let of = |it: &std::sync::Arc<Object>| places.contains(&it.namespace());
                let read = maps.iter().filter(|it| of(it)).map(|it| PluginSpec::of_config_map(it));
                // One that can not be used is left out, as upstream leaves it out.
                read.filter_map(|it| it.map_err(|error| tracing::warn!(error, "a plugin is left out")).ok()).collect()
            }
        };
        let mut all = Vec::new();
        for plugin in plugins {
            let secret = match plugin.service_account() {
                Some(account) => {
                    let namespace = step.workflow.namespace();
                    let found = self.find("ServiceAccount", namespace, &account, step).await?;
                    let found = found.ok_or_else(|| invalid(format!("serviceaccounts \"{account}\" not found")))?;
                    Some(token_secret(&found))
                }
                None => None,
            };
            all.push((plugin, secret));
        }
        Ok(all)
    }

    /// What is known of the tasks of a workflow.
    pub(super) fn tasks(&self, workflow: &WorkflowId) -> BTreeMap<String, StepState> {
        let mut all = BTreeMap::new();
        let Some(set) = self.task_set(workflow) else { return all };
        let pod = self.agent_pod(workflow);
        let failure = pod.as_ref().and_then(|it| spec::failure(it));
        let ended = pod.as_ref().is_some_and(|it| it.text("/status/phase") == "Succeeded");
        let is_there = !ended && pod.is_some()
            || self.0.config.disable_agent
            || self.0.state.lock().agents.contains(workflow) && !ended;
        let results = set.pointer("/status/nodes").and_then(Value::as_object);
        let open = set.pointer("/spec/tasks").and_then(Value::as_object);
        for node in open.into_iter().chain(results).flat_map(Map::keys) {
            let result = results.and_then(|it| it.get(node)).filter(|it| it.is_object());
            let state = match result.map(result_of) {
                Some(result) if result.phase.is_fulfilled() => StepState::Finished(result),
                _ if failure.is_some() => StepState::Finished(StepResult::error(failure.clone().unwrap_or_default())),
                Some(result) if result.phase == NodePhase::Running => StepState::Live(LiveStep {
                    progress: result.progress,
                    message: Some(result.message).filter(|it| !it.is_empty()),
                    ..LiveStep::default()
                }),
                // Where the agent is gone, the task is unknown: starting it again makes a new one.
                _ if !is_there => continue,
                other => StepState::Pending(other.map(|it| it.message).unwrap_or_default()),
            };
            all.insert(node.clone(), state);
        }
        all
    }

    /// Takes tasks out of the set whose nodes are fulfilled in the status that was written.
    pub(super) async fn clean_tasks(&self, workflow: &Object) {
        let id = WorkflowId { key: workflow.key(), uid: workflow.uid().to_owned() };
        let Some(set) = self.task_set(&id) else { return };
        let nodes = workflow.pointer("/status/nodes").and_then(Value::as_object);
        let is_over = |node: &&String| {
            let phase = nodes.and_then(|it| it.get(*node)).and_then(|it| text(it, "phase"));
            matches!(phase, Some("Succeeded" | "Failed" | "Error"))
        };
        for (field, subresource) in [("status", Some("status")), ("spec", None)] {
            let inner = if field == "status" { "nodes" } else { "tasks" };
            let map = set.get(field).and_then(|it| it.get(inner)).and_then(Value::as_object);
            let gone: Map<String, Value> =
                map.into_iter().flat_map(Map::keys).filter(is_over).map(|it| (it.clone(), Value::Null)).collect();
            if gone.is_empty() {
                continue;
            }
            let body = json!({ field: { inner: gone } });
            match self.apply(set.name(), &merge(set.reference(), body, subresource)).await {
                Err(error) if error.category != Category::NotFound => {
                    tracing::warn!(set = %set.key(), %error, "tasks that are over can not be taken out; tried again with the next change");
                }
                _ => {}
            }
        }
    }

    /// Takes one task out of the set: nobody waits for it.
    pub(super) async fn stop_task(&self, workflow: &WorkflowId, node: &str) -> Result<bool, ExecutorError> {
        let Some(set) = self.task_set(workflow) else { return Ok(false) };
        if set.pointer("/spec/tasks").and_then(|it| it.get(node)).is_none() {
            return Ok(false);
        }
        let body = json!({"spec": {"tasks": {node: null}}});
        match self.apply(node, &merge(set.reference(), body, None)).await {
            Err(error) if error.category != Category::NotFound => return Err(error),
            _ => {}
        }
        self.remember(workflow, node, StepState::Finished(StepResult::exited(143)));
        Ok(true)
    }

    /// Ends the agent of a workflow that is over.
    pub(super) async fn end_agent(&self, id: &WorkflowId) -> Result<(), ExecutorError> {
        if let Some(set) = self.task_set(id)
            && set.label(LABEL_COMPLETED) != Some("true")
        {
            let body = json!({"metadata": {"labels": {LABEL_COMPLETED: "true"}}});
            match self.apply(set.name(), &merge(set.reference(), body, None)).await {
                Err(error) if error.category != Category::NotFound => return Err(error),
                _ => {}
            }
        }
        let pod = self.agent_pod(id);
        self.0.state.lock().agents.remove(id);
        if let Some(pod) = pod {
            match self.apply(pod.name(), &Change::delete(&pod)).await {
                Err(error) if error.category != Category::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// An agent's pod is gone: its open tasks are unknown from now on.
    pub(super) fn agent_gone(&self, workflow: &WorkflowId) {
        let open = self.task_set(workflow);
        let mut state = self.0.state.lock();
        state.agents.remove(workflow);
        let Some(set) = open else { return };
        if let Some(known) = state.steps.get_mut(workflow) {
            let tasks = set.pointer("/spec/tasks").and_then(Value::as_object);
            let is_task = |node: &str| tasks.is_some_and(|it| it.contains_key(node));
            known.states.retain(|node, it| !matches!(it, StepState::Pending(_)) || !is_task(node));
        }
    }

    /// Follows the task sets in the background.
    pub(super) fn follow_tasks(&self) {
        let mut sets = self.0.tasks.subscribe();
        let this = self.clone();
        tokio::spawn(async move {
            while let Some(event) = sets.recv().await {
                let wake = this.0.state.lock().wake.clone();
                if let (Some(set), Some(wake)) = (event.new, wake) {
                    wake(&ObjectKey::new(set.namespace(), set.name()));
                }
            }
        });
    }
}

/// What an agent reports of a task.
fn result_of(value: &Value) -> StepResult {
    let read = serde_json::from_value::<NodeResult>(value.clone());
    read.map_or_else(|error| StepResult::error(format!("the agent's report can not be read: {error}")), Into::into)
}

/// The Secret with the token of a ServiceAccount.
fn token_secret(account: &Object) -> String {
    let named = account.pointer("/secrets/0/name").and_then(Value::as_str);
    let named = named.or_else(|| account.annotation("workflows.argoproj.io/service-account-token.name"));
    named.map_or_else(|| format!("{}.service-account-token", account.name()), str::to_owned)
}
