//! Doing what was planned.

use argo_core::{Action, Category, Change, Failure as _, Note, Object, ObjectKey, error::BoxFailure};
use futures::StreamExt;
use serde_json::json;

use super::{NAME, reconciler::Reconciler};
use crate::{
    api::{LABEL_COMPLETED, LABEL_CONTROLLER_INSTANCE_ID, LABEL_PHASE, WorkflowPhase},
    engine::{Effect, Ended, WorkflowPlan, expired},
    executor::WorkflowId,
};

/// Most steps of a workflow that are started at the same time.
const STARTS: usize = 16;

/// Whether a ConfigMap is made.
fn is_cache(change: &Change) -> bool {
    matches!(change, Change::Create { object } if object.gvk().kind == "ConfigMap")
}

/// Whether a claim of the workflow is made.
fn is_claim(change: &Change) -> bool {
    matches!(change, Change::Create { object } if object.gvk().kind == "PersistentVolumeClaim")
}

/// Whether an object goes, or is let go.
fn is_farewell(change: &Change) -> bool {
    matches!(change, Change::Delete { .. } | Change::Patch { .. })
}

impl Reconciler {
    /// Does what was planned. Returns the version that the workflow has then, where it was written.
    pub(super) async fn carry_out(
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
                Err(error) if error.category() == Category::NotFound && is_farewell(change) => {}
                // Another workflow made the cache in the meantime.
                Err(error) if error.category() == Category::AlreadyExists && is_cache(change) => {
                    let Change::Create { object } = &**change else { return Err(error.into()) };
                    let data = json!({"data": object.get("data")});
                    self.context.apply(NAME, &id.key, &Change::merge(object.reference(), data)).await?;
                }
                Err(error) if is_claim(change) && !error.is_transient() => {
                    let told = format!("{} pvc create error: {error}", id.key.name);
                    let notes =
                        [Note::normal("WorkflowRunning", "Workflow Running"), Note::warning("WorkflowFailed", told)];
                    for note in self.spoken(&notes) {
                        self.context.note(object, note).await;
                    }
                    return Err(error.into());
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
    pub(super) async fn abandon(&self, id: &WorkflowId) -> Result<(), BoxFailure> {
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
    pub(super) async fn end(&self, object: &Object, phase: WorkflowPhase, message: &str) -> Result<(), BoxFailure> {
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
