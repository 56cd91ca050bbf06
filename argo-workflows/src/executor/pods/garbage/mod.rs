//! Artifacts that a pod deletes: a WorkflowArtifactGCTask names them, the pod says there what came of it.

pub mod spec;

use std::collections::BTreeMap;

use argo_core::{Category, Change, Object, ObjectKey, ObjectRef, Resource as _};
use serde_json::Value;

use super::{ArtifactRepository, PodsExecutor, agent::spec::LABEL_COMPONENT, completed};
use crate::{
    api::{ArtifactGcStatus, WorkflowArtifactGCTask},
    engine::{GarbageRequest, GarbageResult, GarbageState},
    executor::{ExecutorError, WorkflowId},
};

/// Whether a pod deletes artifacts.
pub(super) fn is_garbage(pod: &Object) -> bool {
    pod.label(LABEL_COMPONENT) == Some(spec::ARTIFACT_GC)
}

impl PodsExecutor {
    /// Makes the task and the pod of a request.
    pub(super) async fn make_garbage(&self, request: &GarbageRequest) -> Result<(), ExecutorError> {
        let invalid =
            |message: String| ExecutorError { node: request.workflow.clone(), message, category: Category::Invalid };
        self.0.garbage.synced().await;
        let repository = request.repository.as_ref().and_then(ArtifactRepository::read);
        let repository = repository.or_else(|| self.0.config.repository.clone()).map(|it| it.location);
        let task = spec::task(request, repository.as_ref()).map_err(invalid)?;
        match self.apply(&request.name, &Change::create(Object::from_value(task.clone()))).await {
            Err(error) if error.category != Category::AlreadyExists => return Err(error),
            _ => {}
        }
        let name = spec::task_name(&request.name);
        let target = ObjectRef::new(WorkflowArtifactGCTask::gvk(), Some(&request.namespace), &name);
        let made = self.0.context.get(&target).await.map_err(|it| ExecutorError {
            node: request.workflow.clone(),
            message: it.to_string(),
            category: argo_core::Failure::category(&it),
        })?;
        let made = made.ok_or_else(|| ExecutorError {
            node: request.workflow.clone(),
            message: format!("WorkflowArtifactGCTask {name} is gone again"),
            category: Category::Unavailable,
        })?;
        let pod = spec::pod(request, &task, made.uid(), &self.0.config).map_err(invalid)?;
        match self.apply(&request.name, &Change::create(Object::from_value(pod))).await {
            Err(error) if error.category != Category::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// What is known of the requests of a workflow.
    pub(super) fn garbage_of(&self, workflow: &WorkflowId) -> BTreeMap<String, GarbageState> {
        let mut all = BTreeMap::new();
        for pod in self.garbage_pods(workflow) {
            let phase = pod.text("/status/phase");
            let state = if matches!(phase, "Succeeded" | "Failed") {
                let key = ObjectKey::new(pod.namespace(), &spec::task_name(pod.name()));
                let status = self.0.garbage.get(&key).and_then(|it| it.get("status").cloned());
                let status: ArtifactGcStatus =
                    status.and_then(|it| serde_json::from_value(it).ok()).unwrap_or_default();
                let nodes = status.artifact_results_by_node;
                if nodes.is_empty() && phase == "Succeeded" {
                    // What it wrote is still to be seen.
                    all.insert(pod.name().to_owned(), GarbageState::Running);
                    continue;
                }
                GarbageState::Finished(GarbageResult { failed: phase == "Failed", nodes })
            } else {
                GarbageState::Running
            };
            all.insert(pod.name().to_owned(), state);
        }
        all
    }

    fn garbage_pods(&self, workflow: &WorkflowId) -> Vec<std::sync::Arc<Object>> {
        let index = format!("{}/{}", workflow.key.namespace(), workflow.key.name);
        let mut pods = self.0.pods.indexed(super::BY_WORKFLOW, &index);
        pods.retain(|it| is_garbage(it));
        // One of an earlier workflow of this name does not count.
        pods.retain(|it| {
            let task = self.0.garbage.get(&ObjectKey::new(it.namespace(), &spec::task_name(it.name())));
            task.is_some_and(|it| it.owner_references().iter().any(|it| it.uid == workflow.uid))
        });
        pods
    }

    /// Deletes tasks whose results were taken in and good; the pods of others stay to be looked at.
    pub(super) async fn clean_garbage(&self, workflow: &Object) {
        let recouped = workflow.pointer("/status/artifactGCStatus/podsRecouped").and_then(Value::as_object);
        let id = WorkflowId { key: workflow.key(), uid: workflow.uid().to_owned() };
        for (name, state) in self.garbage_of(&id) {
            let GarbageState::Finished(result) = state else { continue };
            if recouped.and_then(|it| it.get(&name)) != Some(&Value::Bool(true)) {
                continue;
            }
            let key = ObjectKey::new(workflow.namespace(), &spec::task_name(&name));
            let is_good = !result.failed
                && result.nodes.values().flat_map(|it| it.artifact_results.values()).all(|it| it.success);
            let change = match self.0.garbage.get(&key) {
                Some(task) if is_good => Change::delete(&task),
                _ => match self.0.pods.get(&ObjectKey::new(workflow.namespace(), &name)) {
                    Some(pod) => completed(&pod),
                    None => continue,
                },
            };
            match self.apply(&name, &change).await {
                Err(error) if error.category != Category::NotFound => {
                    tracing::warn!(name, %error, "what deleted artifacts can not be cleaned up; tried again with the next change");
                }
                _ => {}
            }
        }
    }

    /// Follows the tasks in the background.
    pub(super) fn follow_garbage(&self) {
        let mut tasks = self.0.garbage.subscribe();
        let this = self.clone();
        tokio::spawn(async move {
            while let Some(event) = tasks.recv().await {
                let wake = this.0.state.lock().wake.clone();
                let (Some(task), Some(wake)) = (event.new, wake) else { continue };
                let owner = task.controller().filter(|it| it.kind == "Workflow");
                if let Some(owner) = owner {
                    wake(&ObjectKey::new(task.namespace(), &owner.name));
                }
            }
        });
    }
}
