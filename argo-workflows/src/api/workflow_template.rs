//! [`WorkflowTemplate`] and [`ClusterWorkflowTemplate`].

use std::collections::BTreeMap;

use argo_core::{ObjectMeta, Resource, resource::Scope};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::workflow::WorkflowSpec;

/// Templates to refer to, in a namespace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowTemplate {
    /// `argoproj.io/v1alpha1`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// `WorkflowTemplate`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// As of a workflow.
    pub spec: WorkflowSpec,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Resource for WorkflowTemplate {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "WorkflowTemplate";
    const PLURAL: &'static str = "workflowtemplates";
    const SHORT_NAMES: &'static [&'static str] = &["wftmpl"];
    const REQUIRED: &'static [&'static str] = &["metadata", "spec"];
    const FIELDS: &'static [&'static str] = &["spec"];
}

/// Templates to refer to, from everywhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterWorkflowTemplate {
    /// `argoproj.io/v1alpha1`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// `ClusterWorkflowTemplate`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// As of a workflow.
    pub spec: WorkflowSpec,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Resource for ClusterWorkflowTemplate {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "ClusterWorkflowTemplate";
    const PLURAL: &'static str = "clusterworkflowtemplates";
    const SHORT_NAMES: &'static [&'static str] = &["clusterwftmpl", "cwft"];
    const SCOPE: Scope = Scope::Cluster;
    const REQUIRED: &'static [&'static str] = &["metadata", "spec"];
    const FIELDS: &'static [&'static str] = &["spec"];
}
