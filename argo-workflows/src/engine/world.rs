//! What a pass sees and what it changes.

use std::collections::BTreeMap;

use argo_core::{Change, Object, Patch, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    artifact_gc::GarbageState,
    compile::References,
    estimate::Baseline,
    metrics::MetricSink,
    step::StepState,
    synchronization::{Claims, Locks},
};
use crate::{
    api::{
        ArtGcStatus, Condition, NodeStatus, Outputs, SynchronizationStatus, Template, Workflow, WorkflowPhase,
        WorkflowSpec,
    },
    config::LabelSelector,
};

/// What a pass sees.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The workflow as it was read.
    pub workflow: &'a Workflow,
    /// What the executor knows of its steps, by node id.
    pub steps: &'a BTreeMap<String, StepState>,
    /// Templates and ConfigMaps of the cluster.
    pub references: &'a dyn References,
    /// Who holds and awaits which lock, over all workflows.
    pub locks: &'a Locks,
    /// Locks of the database, as far as they were asked for; `None` where there is no database.
    pub claims: Option<&'a Claims>,
    /// A run that estimates are made from.
    pub baseline: Option<&'a Baseline>,
    /// Which workflows are archived when they are over; `None` where nobody does that.
    pub archives: Option<&'a LabelSelector>,
    /// How far the deletion of its artifacts is, by request; `None` where nobody deletes artifacts.
    pub garbage: Option<&'a BTreeMap<String, GarbageState>>,
    /// Which metrics there are, where somebody counts.
    pub metrics: Option<&'a dyn MetricSink>,
    /// Where artifacts go that do not say it themselves (an ArtifactRepositoryRefStatus); put into the status
    /// of a workflow that begins.
    pub repository: Option<&'a Value>,
    /// Whether the workflow may run, given how many others do; asked only of one that has not begun.
    pub admitted: bool,
}

impl<'a> World<'a> {
    /// A world without other workflows.
    #[must_use]
    pub fn new(workflow: &'a Workflow, steps: &'a BTreeMap<String, StepState>, references: &'a dyn References) -> Self {
        Self {
            workflow,
            steps,
            references,
            locks: Locks::none(),
            claims: None,
            archives: None,
            baseline: None,
            garbage: None,
            metrics: None,
            repository: None,
            admitted: true,
        }
    }

    /// With the locks of the other workflows.
    #[must_use]
    pub fn with_locks(mut self, locks: &'a Locks) -> Self {
        self.locks = locks;
        self
    }

    /// With somebody who deletes artifacts, and how far he is.
    #[must_use]
    pub fn with_garbage(mut self, garbage: &'a BTreeMap<String, GarbageState>) -> Self {
        self.garbage = Some(garbage);
        self
    }

    /// With an artifact repository.
    #[must_use]
    pub fn with_repository(mut self, repository: Option<&'a Value>) -> Self {
        self.repository = repository;
        self
    }

    /// With or without a place to run.
    #[must_use]
    pub fn admitted(mut self, admitted: bool) -> Self {
        self.admitted = admitted;
        self
    }
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("workflow", &self.workflow.name())
            .field("steps", self.steps)
            .finish_non_exhaustive()
    }
}

/// What a pass changes of a workflow: only what differs from what was read, so that its size, and
/// that of the write, grow with what happened and not with the graph.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatusChange {
    /// New phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<WorkflowPhase>,
    /// When it first ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// New message; empty text clears it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Seconds that it will take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_duration: Option<i64>,
    /// What its pods have used up, all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources_duration: Option<BTreeMap<String, i64>>,
    /// `done/all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Nodes that are new or changed, whole, by id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<String, NodeStatus>,
    /// Templates used for the first time.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stored_templates: BTreeMap<String, Template>,
    /// The spec that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_workflow_template_spec: Option<Box<WorkflowSpec>>,
    /// Global outputs, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// Conditions, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,
    /// What it holds and waits for; an empty value removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronization: Option<SynchronizationStatus>,
    /// Volumes of the claims made for it, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claims: Option<Vec<Value>>,
    /// Where artifacts go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_repository_ref: Option<Value>,
    /// How far the deletion of artifacts is, all of it.
    #[serde(rename = "artifactGCStatus", skip_serializing_if = "Option::is_none")]
    pub artifact_gc_status: Option<ArtGcStatus>,
    /// Finalizers of the workflow, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finalizers: Option<Vec<String>>,
    /// Labels of the workflow to set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the workflow to set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl StatusChange {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes `workflow`, as the write would.
    pub fn apply_to(&self, workflow: &mut Workflow) {
        let status = &mut workflow.status;
        if let Some(phase) = self.phase {
            status.phase = phase;
        }
        status.started_at = self.started_at.or(status.started_at);
        status.finished_at = self.finished_at.or(status.finished_at);
        status.estimated_duration = self.estimated_duration.or(status.estimated_duration);
        if let Some(used) = &self.resources_duration {
            status.resources_duration.clone_from(used);
        }
        if let Some(message) = &self.message {
            status.message = (!message.is_empty()).then(|| message.clone());
        }
        if let Some(progress) = &self.progress {
            status.progress = Some(progress.clone());
        }
        for (id, node) in &self.nodes {
            status.nodes.insert(id.clone(), node.clone());
        }
        for (key, template) in &self.stored_templates {
            status.stored_templates.insert(key.clone(), template.clone());
        }
        if let Some(spec) = &self.stored_workflow_template_spec {
            status.stored_workflow_template_spec = Some((**spec).clone());
        }
        if let Some(outputs) = &self.outputs {
            status.outputs = Some(outputs.clone());
        }
        if let Some(conditions) = &self.conditions {
            status.conditions.clone_from(conditions);
        }
        if let Some(claims) = &self.persistent_volume_claims {
            status.persistent_volume_claims.clone_from(claims);
        }
        if let Some(locks) = &self.synchronization {
            status.synchronization = Some(locks.clone()).filter(|it| *it != SynchronizationStatus::default());
        }
        if self.artifact_repository_ref.is_some() {
            status.artifact_repository_ref.clone_from(&self.artifact_repository_ref);
        }
        if self.artifact_gc_status.is_some() {
            status.artifact_gc_status.clone_from(&self.artifact_gc_status);
        }
        if let Some(finalizers) = &self.finalizers {
            workflow.metadata.finalizers.clone_from(finalizers);
        }
        workflow.metadata.labels.extend(self.labels.clone());
        workflow.metadata.annotations.extend(self.annotations.clone());
    }

    /// What the tables over all workflows need to know of `workflow` as it is after this change: who it is, its
    /// phase and priority, what it holds and waits for. Much less than the whole.
    #[must_use]
    pub fn outline(&self, workflow: &Workflow) -> Workflow {
        let mut outline = Workflow { metadata: workflow.metadata.clone(), ..Workflow::default() };
        let stored =
            workflow.status.stored_workflow_template_spec.as_ref().or(self.stored_workflow_template_spec.as_deref());
        outline.spec.priority = stored.unwrap_or(&workflow.spec).priority;
        outline.status.phase = self.phase.unwrap_or(workflow.status.phase);
        outline.status.started_at = self.started_at.or(workflow.status.started_at);
        outline.status.synchronization = match &self.synchronization {
            Some(locks) => Some(locks.clone()).filter(|it| *it != SynchronizationStatus::default()),
            None => workflow.status.synchronization.clone(),
        };
        outline
    }

    /// The merge patch of this change against `read`.
    ///
    /// # Errors
    /// When a value has no JSON form.
    pub fn merge_patch(&self, read: &Workflow) -> Result<Value, serde_json::Error> {
        let mut status = Map::new();
        let mut set = |key: &str, value: Value| {
            if !value.is_null() {
                status.insert(key.to_owned(), value);
            }
        };
        set("phase", serde_json::to_value(self.phase)?);
        set("startedAt", serde_json::to_value(self.started_at)?);
        set("finishedAt", serde_json::to_value(self.finished_at)?);
        set("estimatedDuration", serde_json::to_value(self.estimated_duration)?);
        set("resourcesDuration", serde_json::to_value(&self.resources_duration)?);
        set("progress", serde_json::to_value(&self.progress)?);
        set("outputs", serde_json::to_value(&self.outputs)?);
        set("conditions", serde_json::to_value(&self.conditions)?);
        set("persistentVolumeClaims", serde_json::to_value(&self.persistent_volume_claims)?);
        set("artifactRepositoryRef", serde_json::to_value(&self.artifact_repository_ref)?);
        if let Some(gc) = &self.artifact_gc_status {
            let old = read.status.artifact_gc_status.as_ref().map(serde_json::to_value).transpose()?;
            let new = serde_json::to_value(gc)?;
            set("artifactGCStatus", old.map_or_else(|| new.clone(), |old| argo_merge::merge_patch::diff(&old, &new)));
        }
        set("storedWorkflowTemplateSpec", serde_json::to_value(&self.stored_workflow_template_spec)?);
        if !self.stored_templates.is_empty() {
            set("storedTemplates", serde_json::to_value(&self.stored_templates)?);
        }
        let mut nodes = Map::new();
        for (id, node) in &self.nodes {
            let new = serde_json::to_value(node)?;
            let patch = match read.status.nodes.get(id) {
                Some(old) => argo_merge::merge_patch::diff(&serde_json::to_value(old)?, &new),
                None => new,
            };
            nodes.insert(id.clone(), patch);
        }
        if !nodes.is_empty() {
            set("nodes", nodes.into());
        }
        if let Some(message) = &self.message {
            // A cleared message goes away: null removes in a merge patch.
            status.insert("message".into(), if message.is_empty() { Value::Null } else { message.clone().into() });
        }
        if let Some(locks) = &self.synchronization {
            let new =
                if *locks == SynchronizationStatus::default() { Value::Null } else { serde_json::to_value(locks)? };
            let patch = match (&read.status.synchronization, new) {
                (Some(old), new @ Value::Object(_)) => argo_merge::merge_patch::diff(&serde_json::to_value(old)?, &new),
                (_, new) => new,
            };
            status.insert("synchronization".into(), patch);
        }
        let mut patch = Map::new();
        if !status.is_empty() {
            patch.insert("status".into(), status.into());
        }
        let mut meta = Map::new();
        if !self.labels.is_empty() {
            meta.insert("labels".into(), json!(self.labels));
        }
        if !self.annotations.is_empty() {
            meta.insert("annotations".into(), json!(self.annotations));
        }
        if let Some(finalizers) = &self.finalizers {
            // An empty list is no list.
            let list = if finalizers.is_empty() { Value::Null } else { json!(finalizers) };
            meta.insert("finalizers".into(), list);
        }
        if !meta.is_empty() {
            patch.insert("metadata".into(), meta.into());
        }
        Ok(patch.into())
    }

    /// The write of this change on `object`, guarded by the version `read` was read at.
    ///
    /// # Errors
    /// When a value has no JSON form.
    pub fn change(&self, object: &Object, read: &Workflow) -> Result<Change, serde_json::Error> {
        let version = object.resource_version();
        Ok(Change::Patch {
            target: object.reference(),
            patch: Patch::merge(self.merge_patch(read)?),
            subresource: None,
            resource_version: (!version.is_empty()).then(|| version.to_owned()),
        })
    }
}
