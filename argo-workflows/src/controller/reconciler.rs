//! One look at one workflow: read it, decide, carry out, remember.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use argo_core::{
    Category, ObjectKey,
    runtime::{Cache, Context, Outcome, Queue, Reconcile, ReconcileResult},
};

use super::{
    counting::Counting,
    estimating::Estimates,
    memo::{Memo, Undecodable},
    persisting::Persisting,
    references::ClusterReferences,
    repository::{Repositories, Resolved},
    settings::Settings,
    shared::Shared,
};
use crate::{
    api::{FINALIZER_ARTIFACT_GC, LABEL_COMPLETED, LABEL_CONTROLLER_INSTANCE_ID, WorkflowPhase},
    engine::{GarbageState, StepState},
    executor::{Executor, WorkflowId},
};

pub(super) struct Reconciler {
    pub(super) context: Context,
    pub(super) workflows: Arc<Cache>,
    pub(super) references: Arc<ClusterReferences>,
    pub(super) executor: Arc<dyn Executor>,
    pub(super) memo: Memo,
    pub(super) instance_id: Option<String>,
    pub(super) shared: Shared,
    pub(super) settings: Arc<Settings>,
    pub(super) repositories: Repositories,
    pub(super) counting: Arc<Counting>,
    /// Namespace of the controller's own ConfigMaps.
    pub(super) namespace: Option<String>,
    pub(super) queue: Arc<OnceLock<Arc<Queue>>>,
    pub(super) persisting: Persisting,
    pub(super) estimates: Estimates,
    /// Something was claimed of the database, or given up.
    pub(super) locks_changed: Arc<tokio::sync::Notify>,
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
        if live.baseline.is_none() && !live.workflow.status.phase.is_completed() {
            live.baseline = Some(self.estimates.of(&self.workflows, &self.persisting, &live.workflow).await);
        }
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

/// What was seen of a workflow beside the object.
pub(super) struct Seen {
    pub(super) steps: BTreeMap<String, StepState>,
    pub(super) garbage: Option<BTreeMap<String, GarbageState>>,
    pub(super) repository: Option<Resolved>,
}
