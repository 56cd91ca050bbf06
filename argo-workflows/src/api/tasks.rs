//! Kinds between the controller and those that work for it: [`WorkflowTaskSet`], [`WorkflowTaskResult`],
//! [`WorkflowArtifactGCTask`].

use std::collections::BTreeMap;

use argo_core::{ObjectMeta, Resource};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    node::NodePhase,
    params::{Artifact, Outputs},
    template::Template,
};

/// What the agent of a workflow is to do (HTTP calls, plugins), and how far it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowTaskSet {
    /// `argoproj.io/v1alpha1`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// `WorkflowTaskSet`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Metadata; named as the workflow.
    pub metadata: ObjectMeta,
    /// The work.
    pub spec: WorkflowTaskSetSpec,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<WorkflowTaskSetStatus>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Resource for WorkflowTaskSet {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "WorkflowTaskSet";
    const PLURAL: &'static str = "workflowtasksets";
    const SHORT_NAMES: &'static [&'static str] = &["wfts"];
    const STATUS_SUBRESOURCE: bool = true;
    const REQUIRED: &'static [&'static str] = &["metadata", "spec"];
}

/// Work for an agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowTaskSetSpec {
    /// Templates by node id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub tasks: BTreeMap<String, Template>,
}

/// What came of the work of an agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowTaskSetStatus {
    /// Results by node id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub nodes: BTreeMap<String, NodeResult>,
}

/// How far a node's work is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeResult {
    /// Phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<NodePhase>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What it gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// `done/all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
}

/// What the executor in a pod reports of its step; named as the node's id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowTaskResult {
    /// `argoproj.io/v1alpha1`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// `WorkflowTaskResult`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Metadata; the label `workflows.argoproj.io/report-outputs-completed` says whether it is whole.
    pub metadata: ObjectMeta,
    /// What is reported.
    #[serde(flatten)]
    pub result: NodeResult,
}

impl Resource for WorkflowTaskResult {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "WorkflowTaskResult";
    const PLURAL: &'static str = "workflowtaskresults";
    const REQUIRED: &'static [&'static str] = &["metadata"];
    const FIELDS: &'static [&'static str] = &["outputs"];
}

/// Artifacts for a pod to delete, and which of them are gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowArtifactGCTask {
    /// `argoproj.io/v1alpha1`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// `WorkflowArtifactGCTask`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// The artifacts.
    pub spec: ArtifactGcSpec,
    /// What became of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ArtifactGcStatus>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Resource for WorkflowArtifactGCTask {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "WorkflowArtifactGCTask";
    const PLURAL: &'static str = "workflowartifactgctasks";
    const SHORT_NAMES: &'static [&'static str] = &["wfat"];
    const STATUS_SUBRESOURCE: bool = true;
    const REQUIRED: &'static [&'static str] = &["metadata", "spec"];
}

/// Artifacts to delete.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtifactGcSpec {
    /// By the id of the node that made them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub artifacts_by_node: BTreeMap<String, ArtifactNodeSpec>,
}

/// Artifacts of one node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtifactNodeSpec {
    /// Where those are that give only a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_location: Option<Value>,
    /// The artifacts by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub artifacts: BTreeMap<String, Artifact>,
}

/// What became of artifacts to delete.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtifactGcStatus {
    /// By the id of the node that made them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub artifact_results_by_node: BTreeMap<String, ArtifactResultNodeStatus>,
}

/// What became of the artifacts of one node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtifactResultNodeStatus {
    /// By name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub artifact_results: BTreeMap<String, ArtifactResult>,
}

/// What became of one artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtifactResult {
    /// Its name.
    pub name: String,
    /// Whether it is gone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub success: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
