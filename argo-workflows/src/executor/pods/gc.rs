//! What becomes of pods that are over.

use argo_core::{Category, Change, Object};
use serde_json::Value;

use super::{PodsExecutor, completed, node_of, spec::ANNOTATION_POD_GC, text};
use crate::{
    api::WorkflowPhase,
    engine::StepState,
    executor::{ExecutorError, WorkflowId},
};

/// What is done with a pod that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is labelled as completed and stays.
    Stays,
    /// It is labelled, and deleted after this long.
    Deleted(std::time::Duration),
}

/// The fate of a pod that is over. `ended` is the phase of its workflow where that is over, too.
pub(super) fn fate(pod: &Object, selected: bool, ended: Option<WorkflowPhase>) -> Fate {
    let annotation = pod.annotation(ANNOTATION_POD_GC).unwrap_or_default();
    let (strategy, delay) = annotation.split_once('/').unwrap_or((annotation, ""));
    let succeeded = pod.text("/status/phase") == "Succeeded";
    let deleted = selected
        && match strategy {
            "OnPodCompletion" => true,
            "OnPodSuccess" => succeeded,
            "OnWorkflowCompletion" => ended.is_some(),
            "OnWorkflowSuccess" => ended == Some(WorkflowPhase::Succeeded),
            _ => false,
        };
    if !deleted {
        return Fate::Stays;
    }
    let delay = argo_lang::duration::parse_or_seconds(delay).ok().and_then(|it| it.try_into().ok());
    Fate::Deleted(delay.unwrap_or(std::time::Duration::from_secs(5)))
}

/// Whether the strategy waits for the end of the workflow.
fn waits_for_workflow(pod: &Object) -> bool {
    pod.annotation(ANNOTATION_POD_GC).is_some_and(|it| it.starts_with("OnWorkflow"))
}

/// Whether `podGC.labelSelector` takes a pod.
fn selects(selector: Option<&Value>, pod: &Object) -> bool {
    let Some(selector) = selector else { return true };
    let labels = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let equal = labels.into_iter().all(|(key, value)| pod.label(key) == value.as_str());
    let expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    let met = expressions.into_iter().all(|it| {
        let own = text(it, "key").and_then(|it| pod.label(it));
        let values: Vec<&str> =
            it.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        match text(it, "operator").unwrap_or_default() {
            "In" => own.is_some_and(|it| values.contains(&it)),
            "NotIn" => own.is_none_or(|it| !values.contains(&it)),
            "Exists" => own.is_some(),
            "DoesNotExist" => own.is_none(),
            _ => false,
        }
    });
    equal && met
}

impl PodsExecutor {
    /// Deals with the pods whose nodes are fulfilled in the status that was written: their outputs are
    /// read, nobody needs them on the watch.
    pub(super) async fn clean(&self, workflow: &Object) {
        let id = WorkflowId { key: workflow.key(), uid: workflow.uid().to_owned() };
        let nodes = workflow.pointer("/status/nodes").and_then(Value::as_object);
        for pod in self.pods_of(&id) {
            let node = node_of(&pod).unwrap_or_default();
            let phase = nodes.and_then(|it| it.get(&node)).and_then(|it| text(it, "phase"));
            let fulfilled = matches!(phase, Some("Succeeded" | "Failed" | "Error"));
            let over = matches!(pod.text("/status/phase"), "Succeeded" | "Failed");
            if !fulfilled || !over || waits_for_workflow(&pod) {
                continue;
            }
            let selector = workflow.pointer("/spec/podGC/labelSelector");
            if let Err(error) = self.end(&pod, fate(&pod, selects(selector, &pod), None)).await {
                tracing::warn!(pod = %pod.key(), %error, "a pod that is over can not be cleaned up; tried again with the next change");
            }
        }
    }

    /// Deals with everything that is left of a workflow that is over.
    pub(super) async fn finish(&self, id: &WorkflowId) -> Result<(), ExecutorError> {
        let workflow = self.0.workflows.get(&id.key).filter(|it| it.uid() == id.uid);
        let ended = workflow.as_ref().map(|it| match it.text("/status/phase") {
            "Succeeded" => WorkflowPhase::Succeeded,
            "Failed" => WorkflowPhase::Failed,
            _ => WorkflowPhase::Error,
        });
        let selector = workflow.as_ref().and_then(|it| it.pointer("/spec/podGC/labelSelector").cloned());
        for pod in self.pods_of(id) {
            let fate = fate(&pod, selects(selector.as_ref(), &pod), ended.or(Some(WorkflowPhase::Error)));
            self.end(&pod, fate).await?;
        }
        for report in self.0.reports.owned_by(&id.uid) {
            match self.apply(report.name(), &Change::delete(&report)).await {
                Err(error) if error.category != Category::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    async fn end(&self, pod: &Object, fate: Fate) -> Result<(), ExecutorError> {
        // What it gave is remembered first: the watch shows it no longer.
        if let (Some(id), Some(node)) = (super::owner(pod), node_of(pod))
            && let StepState::Finished(result) = self.read(pod, self.0.context.now()).state
        {
            let mut state = self.0.state.lock();
            let known = state.steps.entry(id).or_default();
            known.entry(node).or_insert(super::Known::Finished(result));
        }
        if !self.0.state.lock().cleaned.insert(pod.uid().to_owned()) {
            return Ok(());
        }
        let labelled = match self.apply(pod.name(), &completed(pod)).await {
            Err(error) if error.category != Category::NotFound => Err(error),
            _ => Ok(()),
        };
        if labelled.is_err() {
            self.0.state.lock().cleaned.remove(pod.uid());
            return labelled;
        }
        if let Fate::Deleted(delay) = fate {
            let (this, pod) = (self.clone(), pod.clone());
            tokio::spawn(async move {
                this.0.context.clock().sleep(delay).await;
                if let Err(error) = this.apply(pod.name(), &Change::delete(&pod)).await
                    && error.category != Category::NotFound
                {
                    tracing::warn!(pod = %pod.key(), %error, "a pod that is over can not be deleted");
                }
            });
        }
        Ok(())
    }
}
