//! [`Executor`]: who carries out the steps.
//!
//! | implementation | what a step is | for |
//! |---|---|---|
//! | [`PodsExecutor`] (feature `pods`) | a Pod with upstream's executor, or ours, in it | Kubernetes |
//! | [`ProcessExecutor`] (feature `process`) | a local process | one machine, examples, CI |
//! | [`ScriptedExecutor`] | a line in a script | tests and simulations |

#[cfg(feature = "pods")]
pub mod pods;
#[cfg(feature = "process")]
pub mod process;
pub mod scripted;

use std::{collections::BTreeMap, fmt, sync::Arc};

use argo_core::{Category, Failure, ObjectKey, Timestamp};

use crate::engine::{GarbageRequest, GarbageState, StepRequest, StepState};

#[cfg(feature = "pods")]
pub use pods::PodsExecutor;
#[cfg(feature = "process")]
pub use process::ProcessExecutor;
pub use scripted::ScriptedExecutor;

/// Carries out steps. The controller calls `start` and `stop` as often as it likes, and reads the
/// result by `observe`; it never waits for a step.
///
/// Contract:
/// - `start` is idempotent by node id: a step that was started, is running or has ended is left alone.
///   A step whose process is gone without a result (the machine went down) is started again, from a
///   clean working directory.
/// - What was observed as finished stays finished, over restarts too, until `settle` or `release`.
/// - `observe` answers from memory. A step that it does not name is unknown: the engine starts it.
/// - Every change of an answer of `observe` is announced to [`Wake`].
/// - A step that the implementation can not do is [`StepState::Finished`] with phase Error and a message
///   that names the field, never silence.
#[async_trait::async_trait]
pub trait Executor: Send + Sync + fmt::Debug {
    /// Starts a step, unless it was started before. `now` is the clock's time.
    ///
    /// # Errors
    /// When it could not be tried; the controller comes back with backoff.
    async fn start(&self, step: &StepRequest, now: Timestamp) -> Result<(), ExecutorError>;

    /// Ends a step: politely first, then by force. A step that is over or unknown is left alone.
    ///
    /// # Errors
    /// When it could not be tried.
    async fn stop(&self, workflow: &WorkflowId, node_id: &str) -> Result<(), ExecutorError>;

    /// What is known of the steps of a workflow, by node id.
    fn observe(&self, workflow: &WorkflowId) -> BTreeMap<String, StepState>;

    /// These steps are over for their workflow, whose status says so and was written: they are asked for no more,
    /// so that `observe` need not name them, and what is kept of them may go. Called again with those that it
    /// still names.
    fn settle(&self, workflow: &WorkflowId, nodes: &[&str]) {
        let _ = (workflow, nodes);
    }

    /// The workflows of this name that it knows steps of.
    fn workflows(&self, key: &ObjectKey) -> Vec<WorkflowId>;

    /// Forgets the steps of a workflow that is over.
    ///
    /// # Errors
    /// When it could not be tried.
    async fn release(&self, workflow: &WorkflowId) -> Result<(), ExecutorError>;

    /// Whether it deletes artifacts. By default it does not: `artifactGC` is then without effect.
    fn collects_garbage(&self) -> bool {
        false
    }

    /// Deletes artifacts, unless it was asked before for a request of this name and workflow.
    ///
    /// # Errors
    /// When it could not be tried; the controller comes back with backoff.
    async fn collect_garbage(&self, request: &GarbageRequest) -> Result<(), ExecutorError> {
        let _ = request;
        Ok(())
    }

    /// How far requests of a workflow are, by name. One that it does not name is unknown: it is asked for
    /// again. Changes are announced to [`Wake`].
    fn garbage(&self, workflow: &WorkflowId) -> BTreeMap<String, GarbageState> {
        let _ = workflow;
        BTreeMap::new()
    }

    /// The pods of steps, where steps are pods: to be counted.
    #[cfg(feature = "controller")]
    fn pods(&self) -> Option<Arc<argo_core::runtime::Cache>> {
        None
    }

    /// Called when the controller ends: what must not outlive it is ended.
    async fn shutdown(&self) {}

    /// Where to announce that an answer of `observe` changed. Called once, before anything else.
    fn announce_to(&self, wake: Wake);
}

/// Tells the controller to look at a workflow again.
pub type Wake = Arc<dyn Fn(&ObjectKey) + Send + Sync>;

/// Names one workflow, not a later one of the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkflowId {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Uid.
    pub uid: String,
}

impl WorkflowId {
    /// The workflow of a step.
    #[must_use]
    pub fn of(step: &StepRequest) -> Self {
        Self { key: step.workflow.clone(), uid: step.workflow_uid.clone() }
    }
}

/// An executor that could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("step {node}: {message}")]
pub struct ExecutorError {
    /// Id of the node, or the workflow's name.
    pub node: String,
    /// What went wrong.
    pub message: String,
    /// The kind of failure.
    pub category: Category,
}

impl Failure for ExecutorError {
    fn category(&self) -> Category {
        self.category
    }
}

/// The template of a step as its work is to be done: a resource with `setOwnerReference` belongs to the
/// workflow.
#[cfg(feature = "process")]
pub(crate) fn owned(step: &StepRequest) -> Result<crate::api::Template, String> {
    use serde_json::{Value, json};

    let mut template = step.template.clone();
    let Some(resource) = &mut template.resource else { return Ok(template) };
    let manifest = resource.get("manifest").and_then(Value::as_str).unwrap_or_default();
    if resource.get("setOwnerReference") != Some(&Value::Bool(true)) || manifest.trim().is_empty() {
        return Ok(template);
    }
    let mut object = argo_lang::yaml::decode(manifest).map_err(|it| format!("resource.manifest: {it}"))?;
    let mut owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array).cloned().unwrap_or_default();
    owners.push(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": step.workflow.name,
        "uid": step.workflow_uid, "controller": true, "blockOwnerDeletion": true,
    }));
    if !object.get("metadata").is_some_and(Value::is_object) {
        object["metadata"] = json!({});
    }
    object["metadata"]["ownerReferences"] = owners.into();
    resource["manifest"] = object.to_string().into();
    Ok(template)
}
