//! Artifacts that are to be deleted: when, by whom, and what came of it.
//!
//! The finalizer keeps a workflow until its artifacts are gone. Artifacts are grouped by what their deletion
//! needs (ServiceAccount and pod metadata): one task a group and strategy, asked for until it is known.

use std::collections::{BTreeMap, BTreeSet};

use argo_core::{Note, ObjectKey, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    compile::Compiled,
    ledger::Ledger,
    names::fnv32a,
    pass::Pass,
    step::Effect,
    workflow::{WorkflowPlan, set_condition_message},
    world::{StatusChange, World},
};
use crate::api::{
    ArtGcStatus, Artifact, ArtifactGc, ArtifactGcSpec, ArtifactResultNodeStatus, CONDITION_ARTIFACT_GC_ERROR,
    FINALIZER_ARTIFACT_GC, LABEL_COMPLETED, NEVER, NodeType, ON_WORKFLOW_COMPLETION, ON_WORKFLOW_DELETION, PodMetadata,
    Template, WorkflowSpec,
};

/// Artifacts to delete in one go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GarbageRequest {
    /// Name of the pod that does it; asking for the same name twice is asking once.
    pub name: String,
    /// The strategy that is carried out.
    pub strategy: String,
    /// ServiceAccount that may do it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_account: String,
    /// Labels and annotations of the pod.
    pub metadata: PodMetadata,
    /// A strategic merge patch of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_spec_patch: Option<String>,
    /// The artifacts.
    pub spec: ArtifactGcSpec,
    /// The workflow's artifact repository, as its status has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<Value>,
    /// Namespace of the workflow.
    pub namespace: String,
    /// Name of the workflow.
    pub workflow: String,
    /// Uid of the workflow.
    pub workflow_uid: String,
}

impl GarbageRequest {
    /// Namespace and name of the workflow.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(Some(self.namespace.as_str()).filter(|it| !it.is_empty()), &self.workflow)
    }
}

/// How far a request is.
#[derive(Debug, Clone, PartialEq)]
pub enum GarbageState {
    /// Under way.
    Running,
    /// Over.
    Finished(GarbageResult),
}

/// What came of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GarbageResult {
    /// The pod itself failed.
    pub failed: bool,
    /// Results by node.
    pub nodes: BTreeMap<String, ArtifactResultNodeStatus>,
}

/// The strategy of an artifact: its own, or else its workflow's.
fn strategy(spec: &ArtifactGc, artifact: &Artifact) -> String {
    let own = artifact.artifact_gc().strategy;
    let all = if own.is_empty() { spec.strategy.clone() } else { own };
    if all.is_empty() { NEVER.to_owned() } else { all }
}

/// What the deletion of an artifact needs: a ServiceAccount, and labels and annotations of its pod.
fn needs(spec: &ArtifactGc, artifact: &Artifact) -> (String, PodMetadata) {
    let own = artifact.artifact_gc();
    let account = [&own, spec].into_iter().map(|it| &it.service_account_name).find(|it| !it.is_empty());
    let mut metadata = spec.pod_metadata.clone().unwrap_or_default();
    let more = own.pod_metadata.clone().unwrap_or_default();
    metadata.labels.extend(more.labels);
    metadata.annotations.extend(more.annotations);
    (account.cloned().unwrap_or_default(), metadata)
}

/// What went wrong: for people, and for the condition.
#[derive(Default)]
struct Told {
    condition: Option<String>,
    events: Vec<String>,
}

/// Whether artifacts of these templates are to be deleted one day.
pub(crate) fn is_wanted<'t>(spec: &WorkflowSpec, mut templates: impl Iterator<Item = &'t Template>) -> bool {
    let gc = spec.artifact_gc();
    templates.any(|it| it.outputs.iter().flat_map(|it| &it.artifacts).any(|it| strategy(&gc, it) != NEVER))
}

/// Adds the finalizer to a workflow that begins, or that uses a template of another resource for the first
/// time, where artifacts are to be deleted.
pub(crate) fn guard(change: &mut StatusChange, world: &World<'_>, compiled: &Compiled, is_first: bool) {
    if world.garbage.is_none() {
        return;
    }
    let (meta, status) = (&world.workflow.metadata, &world.workflow.status);
    let is_guarded = meta.finalizers.iter().any(|it| it == FINALIZER_ARTIFACT_GC);
    if is_guarded || !is_first && change.stored_templates.is_empty() {
        return;
    }
    let own = compiled.spec.templates.iter().filter(|_| is_first);
    let wanted = is_wanted(&compiled.spec, own.chain(change.stored_templates.values()));
    if wanted {
        let mut finalizers = meta.finalizers.clone();
        finalizers.push(FINALIZER_ARTIFACT_GC.to_owned());
        change.finalizers = Some(finalizers);
    }
    let mut gc = status.artifact_gc_status.clone().unwrap_or_default();
    gc.not_specified = !wanted;
    if Some(&gc) != status.artifact_gc_status.as_ref() {
        change.artifact_gc_status = Some(gc);
    }
}

/// Whether a workflow's artifacts are still to be deleted.
pub(crate) fn is_guarded(world: &World<'_>) -> bool {
    world.garbage.is_some() && world.workflow.metadata.finalizers.iter().any(|it| it == FINALIZER_ARTIFACT_GC)
}

/// Deletes what may go now of a workflow that is over or to be deleted, takes results in, and takes the
/// finalizer away in the end.
pub(crate) fn collect(world: &World<'_>, compiled: &Compiled, plan: &mut WorkflowPlan, now: Timestamp) {
    let Some(states) = world.garbage.filter(|_| is_guarded(world)) else { return };
    let workflow = world.workflow;
    let is_deleting = workflow.metadata.deletion_timestamp.is_some();
    let is_over = is_deleting || workflow.metadata.label(LABEL_COMPLETED) == Some("true");
    let gc = compiled.spec.artifact_gc();
    let mut status = workflow.status.artifact_gc_status.clone().unwrap_or_default();
    let mut change = StatusChange::default();
    let mut told = Told::default();
    for (of, ready) in [(ON_WORKFLOW_COMPLETION, is_over), (ON_WORKFLOW_DELETION, is_deleting)] {
        if !ready {
            continue;
        }
        for request in requests(world, compiled, &gc, of, now) {
            if status.pods_recouped.get(&request.name) == Some(&true) {
                continue;
            }
            match states.get(&request.name) {
                None => plan.effect(Effect::Collect(Box::new(request))),
                Some(GarbageState::Running) => {}
                Some(GarbageState::Finished(result)) => {
                    take_in(&mut change, world, &request, result, &mut told);
                    status.pods_recouped.insert(request.name, true);
                }
            }
        }
        status.strategies_processed.insert(of.to_owned(), true);
    }
    for event in told.events {
        plan.note(Note::warning("ArtifactGCFailed", event));
    }
    if let Some(condition) = told.condition {
        set_condition_message(&mut change, workflow, CONDITION_ARTIFACT_GC_ERROR, "True", &condition);
    }
    if is_done(world, &change, &gc, &status) {
        let rest = workflow.metadata.finalizers.iter().filter(|it| *it != FINALIZER_ARTIFACT_GC);
        change.finalizers = Some(rest.cloned().collect());
    }
    if Some(&status) != workflow.status.artifact_gc_status.as_ref() {
        change.artifact_gc_status = Some(status);
    }
    if !change.is_empty() {
        plan.status = Some(change);
    }
}

/// Output artifacts of the steps, with the ids of their nodes.
fn artifacts<'w>(world: &World<'w>) -> impl Iterator<Item = (&'w String, &'w Artifact)> {
    let nodes = world.workflow.status.nodes.iter().filter(|(_, it)| it.kind == NodeType::Pod);
    nodes.flat_map(|(id, it)| it.outputs.iter().flat_map(|it| &it.artifacts).map(move |it| (id, it)))
}

/// What is to be deleted under one strategy, a request a group.
fn requests(world: &World<'_>, compiled: &Compiled, gc: &ArtifactGc, of: &str, now: Timestamp) -> Vec<GarbageRequest> {
    let workflow = world.workflow;
    let mut groups: BTreeMap<String, GarbageRequest> = BTreeMap::new();
    let mut pass = None;
    for (node_id, artifact) in artifacts(world) {
        if artifact.is_deleted() || strategy(gc, artifact) != of {
            continue;
        }
        let (account, metadata) = needs(gc, artifact);
        let name = pod_name(workflow.name(), of, &account, &metadata);
        let request = groups.entry(name.clone()).or_insert_with(|| GarbageRequest {
            name,
            strategy: of.to_owned(),
            service_account: account,
            metadata,
            pod_spec_patch: gc.pod_spec_patch.clone(),
            spec: ArtifactGcSpec::default(),
            repository: repository(world).cloned(),
            namespace: workflow.namespace().to_owned(),
            workflow: workflow.name().to_owned(),
            workflow_uid: workflow.uid().to_owned(),
        });
        let entry = request.spec.artifacts_by_node.entry(node_id.clone()).or_default();
        if entry.archive_location.is_none() {
            let pass = pass.get_or_insert_with(|| Pass::new(*world, compiled, Ledger::default(), now));
            let template = workflow.status.nodes.get(node_id).and_then(|it| pass.template_of(it).ok());
            entry.archive_location =
                template.and_then(|it| it.1.template.extra.get("archiveLocation").filter(|it| it.is_object()).cloned());
        }
        entry.artifacts.insert(artifact.name.clone(), artifact.clone());
    }
    groups.into_values().collect()
}

/// The artifact repository in a workflow's status.
pub(crate) fn repository<'w>(world: &World<'w>) -> Option<&'w Value> {
    let own = world.workflow.status.artifact_repository_ref.as_ref().or(world.repository);
    own.and_then(|it| it.get("artifactRepository")).filter(|it| it.is_object())
}

/// `<workflow>-artgc-<strategy>-<hash of what the pod needs>`.
fn pod_name(workflow: &str, strategy: &str, account: &str, metadata: &PodMetadata) -> String {
    let mut text = account.to_owned();
    for (key, value) in metadata.labels.iter().chain(&metadata.annotations) {
        text.push_str(key);
        text.push_str(value);
    }
    let short = if strategy == ON_WORKFLOW_COMPLETION { "wfcomp" } else { "wfdel" };
    format!("{workflow}-artgc-{short}-{}", fnv32a(&text))
}

/// Marks what is deleted, and says what is not.
fn take_in(
    change: &mut StatusChange,
    world: &World<'_>,
    request: &GarbageRequest,
    result: &GarbageResult,
    told: &mut Told,
) {
    let (of, name) = (&request.strategy, &request.name);
    if result.failed {
        let message = format!(
            "Artifact Garbage Collection failed for strategy {of}, pod {name} exited with non-zero exit code: check pod logs for more information"
        );
        told.condition = Some(message.clone());
        told.events.push(message);
    }
    let mut is_told = false;
    for (id, results) in &result.nodes {
        let Some(node) = world.workflow.status.nodes.get(id) else { continue };
        let node = change.nodes.entry(id.clone()).or_insert_with(|| node.clone());
        for artifact in node.outputs.iter_mut().flat_map(|it| &mut it.artifacts) {
            let Some(one) = results.artifact_results.get(&artifact.name) else { continue };
            if one.success {
                artifact.extra.insert("deleted".to_owned(), true.into());
            }
            let Some(error) = &one.error else { continue };
            told.condition = Some(format!("{error} (artifactGCTask: {name}-0)"));
            // One event tells enough.
            if !std::mem::replace(&mut is_told, true) {
                told.events.push(format!("Artifact Garbage Collection failed for strategy {of}, err:{error}"));
            }
        }
    }
}

/// Whether nothing is left to do: everything is gone, or was tried where that is enough.
fn is_done(world: &World<'_>, change: &StatusChange, gc: &ArtifactGc, status: &ArtGcStatus) -> bool {
    let mut left = BTreeSet::new();
    for (id, artifact) in artifacts(world) {
        let of = strategy(gc, artifact);
        let changed = change.nodes.get(id).and_then(|it| it.outputs.as_ref());
        let gone = changed.and_then(|it| it.artifacts.iter().find(|it| it.name == artifact.name));
        if of == NEVER || artifact.is_deleted() || gone.is_some_and(Artifact::is_deleted) {
            continue;
        }
        let (account, metadata) = needs(gc, artifact);
        left.insert(pod_name(world.workflow.name(), &of, &account, &metadata));
    }
    left.is_empty() || gc.force_finalizer_removal && left.iter().all(|it| status.pods_recouped.get(it) == Some(&true))
}
