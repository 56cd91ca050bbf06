//! When artifacts are deleted, and how far that is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Artifact, WorkflowSpec};

/// Artifacts go when the workflow ends.
pub const ON_WORKFLOW_COMPLETION: &str = "OnWorkflowCompletion";
/// Artifacts go when the workflow is deleted.
pub const ON_WORKFLOW_DELETION: &str = "OnWorkflowDeletion";
/// Artifacts stay.
pub const NEVER: &str = "Never";
/// Finalizer of workflows whose artifacts are to be deleted.
pub const FINALIZER_ARTIFACT_GC: &str = "workflows.argoproj.io/artifact-gc";

/// When artifacts are deleted, and by whom.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtifactGc {
    /// `OnWorkflowCompletion`, `OnWorkflowDeletion` or `Never`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub strategy: String,
    /// Labels and annotations of the pod that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_metadata: Option<PodMetadata>,
    /// ServiceAccount of that pod.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_account_name: String,
    /// Of a workflow: the finalizer goes even where an artifact could not be deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force_finalizer_removal: bool,
    /// Of a workflow: a strategic merge patch of the pod that does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_spec_patch: Option<String>,
}

/// Labels and annotations of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodMetadata {
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub annotations: BTreeMap<String, String>,
}

/// How far the deletion of artifacts is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtGcStatus {
    /// Strategies whose deletion was begun.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub strategies_processed: BTreeMap<String, bool>,
    /// Pods whose results were taken in.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub pods_recouped: BTreeMap<String, bool>,
    /// No artifact is to be deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub not_specified: bool,
}

fn read(value: Option<&Value>) -> ArtifactGc {
    value.and_then(|it| serde_json::from_value(it.clone()).ok()).unwrap_or_default()
}

impl WorkflowSpec {
    /// When artifacts are deleted that do not say so themselves.
    #[must_use]
    pub fn artifact_gc(&self) -> ArtifactGc {
        read(self.extra.get("artifactGC"))
    }
}

impl Artifact {
    /// When it is deleted; without strategy its workflow says so.
    #[must_use]
    pub fn artifact_gc(&self) -> ArtifactGc {
        read(self.extra.get("artifactGC"))
    }

    /// Whether it was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.extra.get("deleted") == Some(&Value::Bool(true))
    }
}
