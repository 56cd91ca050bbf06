//! [`WorkflowEventBinding`].

use std::collections::BTreeMap;

use argo_core::{ObjectMeta, Resource};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{params::Arguments, workflow::WorkflowTemplateRef};

/// Submits a workflow for every event that matches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowEventBinding {
    /// `argoproj.io/v1alpha1`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// `WorkflowEventBinding`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Which events, and what to submit.
    pub spec: WorkflowEventBindingSpec,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Resource for WorkflowEventBinding {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "WorkflowEventBinding";
    const PLURAL: &'static str = "workfloweventbindings";
    const SHORT_NAMES: &'static [&'static str] = &["wfeb"];
    const REQUIRED: &'static [&'static str] = &["metadata", "spec"];
    const FIELDS: &'static [&'static str] = &["spec"];
}

/// Which events, and what to submit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowEventBindingSpec {
    /// Which events.
    pub event: EventSelector,
    /// What to submit for each; absent submits nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submit: Option<Submit>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Which events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventSelector {
    /// An expr expression over `namespace`, `discriminator`, `metadata` and `payload`.
    pub selector: String,
}

/// What to submit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Submit {
    /// The WorkflowTemplate to run.
    pub workflow_template_ref: WorkflowTemplateRef,
    /// Name, labels and annotations of the workflow; texts may be expr expressions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<ObjectMeta>,
    /// Arguments; `valueFrom.event` is an expr expression over the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Arguments>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}
