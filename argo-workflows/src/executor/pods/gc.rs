//! What becomes of pods that are over.

use argo_core::{Category, Change, Object};
use futures::StreamExt;
use serde_json::Value;

use super::{PodsExecutor, completed, spec::ANNOTATION_POD_GC, steps::TOGETHER, text};
use crate::{
    api::{LABEL_WORKFLOW, WorkflowPhase},
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
pub(super) fn waits_for_workflow(pod: &Object) -> bool {
    pod.annotation(ANNOTATION_POD_GC).is_some_and(|it| it.starts_with("OnWorkflow"))
}

/// Whether `podGC.labelSelector` takes a pod.
pub(super) fn selects(selector: Option<&Value>, pod: &Object) -> bool {
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
    /// Deals with everything that is left of a workflow that is over.
    pub(super) async fn finish(&self, id: &WorkflowId) -> Result<(), ExecutorError> {
        let workflow = self.0.workflows.get(&id.key).filter(|it| it.uid() == id.uid);
        let ended = workflow.as_ref().map(|it| match it.text("/status/phase") {
            "Succeeded" => WorkflowPhase::Succeeded,
            "Failed" => WorkflowPhase::Failed,
            _ => WorkflowPhase::Error,
        });
        let selector = workflow.as_ref().and_then(|it| it.pointer("/spec/podGC/labelSelector").cloned());
        let selector = selector.as_ref();
        let ended = ended.or(Some(WorkflowPhase::Error));
        let pods = futures::stream::iter(self.pods_of(id));
        let pods = pods.map(|pod| async move {
            let fate = fate(&pod, selects(selector, &pod), ended);
            self.end(&pod, fate).await
        });
        let all: Vec<_> = pods.buffer_unordered(TOGETHER).collect().await;
        all.into_iter().collect::<Result<(), _>>()?;
        self.drop_reports(id).await
    }

    /// Deletes what the executors of a workflow's pods reported: in one request where they are several.
    async fn drop_reports(&self, id: &WorkflowId) -> Result<(), ExecutorError> {
        let reports = self.0.reports.owned_by(&id.uid);
        if reports.len() > 1 && self.drop_all_reports(id).await {
            return Ok(());
        }
        let gone = futures::stream::iter(reports).map(|report| async move {
            match self.apply(report.name(), &Change::delete(&report)).await {
                Err(error) if error.category != Category::NotFound => Err(error),
                _ => Ok(()),
            }
        });
        let all: Vec<_> = gone.buffer_unordered(TOGETHER).collect().await;
        all.into_iter().collect()
    }

    /// Whether they could be deleted together, which is a right of its own.
    async fn drop_all_reports(&self, id: &WorkflowId) -> bool {
        let namespace = id.key.namespace();
        let label = format!("{LABEL_WORKFLOW}={}", id.key.name).replace('/', "%2F").replace('=', "%3D");
        let path =
            format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflowtaskresults?labelSelector={label}");
        let Ok(request) = http::Request::delete(path).body(Vec::new()) else { return false };
        match self.0.context.client().request_text(request).await {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(workflow = %id.key, %error, "reports are deleted one by one");
                false
            }
        }
    }

    pub(super) async fn end(&self, pod: &Object, fate: Fate) -> Result<(), ExecutorError> {
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
