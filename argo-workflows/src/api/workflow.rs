//! [`Workflow`].

use std::{collections::BTreeMap, fmt};

use argo_core::{Column, ObjectMeta, Resource, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    garbage::ArtGcStatus,
    node::NodeStatus,
    params::{Arguments, Outputs},
    scalar::{AnyString, IntOrString},
    synchronization::{Synchronization, SynchronizationStatus},
    template::{LifecycleHook, RetryStrategy, Template},
};

/// A run of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Workflow {
    /// `argoproj.io/v1alpha1`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// `Workflow`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What to run.
    pub spec: WorkflowSpec,
    /// How far it is.
    #[serde(skip_serializing_if = "WorkflowStatus::is_unset")]
    pub status: WorkflowStatus,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Workflow {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// Its uid.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }
}

impl Resource for Workflow {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "Workflow";
    const PLURAL: &'static str = "workflows";
    const SHORT_NAMES: &'static [&'static str] = &["wf"];
    const COLUMNS: &'static [Column] = &[
        Column {
            name: "Status",
            kind: "string",
            path: ".status.phase",
            priority: 0,
            description: "Status of the workflow",
        },
        Column {
            name: "Age",
            kind: "date",
            path: ".status.startedAt",
            priority: 0,
            description: "When the workflow was started",
        },
        Column {
            name: "Message",
            kind: "string",
            path: ".status.message",
            priority: 0,
            description: "Human readable message indicating details about why the workflow is in this condition.",
        },
    ];
    const REQUIRED: &'static [&'static str] = &["metadata", "spec"];
}

/// What to run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowSpec {
    /// Templates by name.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub templates: Vec<Template>,
    /// Template to start with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<String>,
    /// `workflow.parameters` and the entrypoint's arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Arguments>,
    /// ServiceAccount of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Most steps that run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<i64>,
    /// Starts nothing new while true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Template to run at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_exit: Option<String>,
    /// Templates to run at points of its life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<BTreeMap<String, LifecycleHook>>,
    /// When it is deleted after its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_strategy: Option<TtlStrategy>,
    /// Seconds it may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<IntOrString>,
    /// Higher goes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// `Stop` or `Terminate`: ends it early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<String>,
    /// Takes the spec from a WorkflowTemplate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_template_ref: Option<WorkflowTemplateRef>,
    /// For every template without its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_strategy: Option<RetryStrategy>,
    /// Merged under every template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_defaults: Option<Value>,
    /// Labels and annotations of the workflow itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_metadata: Option<WorkflowMetadata>,
    /// Locks to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronization: Option<Synchronization>,
    /// Claims made for the workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_claim_templates: Option<Vec<Value>>,
    /// When claims go: `strategy` is `OnWorkflowSuccess` (default) or `OnWorkflowCompletion`.
    #[serde(rename = "volumeClaimGC", skip_serializing_if = "Option::is_none")]
    pub volume_claim_gc: Option<Value>,
    /// How many pods may be evicted: the spec of a PodDisruptionBudget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_disruption_budget: Option<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// When a finished workflow is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TtlStrategy {
    /// Seconds after any end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_completion: Option<i64>,
    /// Seconds after success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_success: Option<i64>,
    /// Seconds after failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_failure: Option<i64>,
}

/// A WorkflowTemplate to take the spec from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowTemplateRef {
    /// Its name.
    pub name: String,
    /// Whether it is a ClusterWorkflowTemplate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_scope: Option<bool>,
}

/// Labels and annotations of the workflow itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowMetadata {
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, AnyString>>,
    /// Annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, AnyString>>,
    /// Labels as expr expressions over the globals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels_from: Option<BTreeMap<String, LabelValueFrom>>,
}

/// A label's value as an expression.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelValueFrom {
    /// The expr expression.
    pub expression: String,
}

/// Phase of a workflow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WorkflowPhase {
    /// Not looked at yet.
    #[default]
    #[serde(rename = "")]
    Unset,
    /// Waits for a lock or a place.
    Pending,
    /// Under way.
    Running,
    /// Done well.
    Succeeded,
    /// The work failed.
    Failed,
    /// It could not be done.
    Error,
}

impl WorkflowPhase {
    /// Whether it is an end.
    #[must_use]
    pub fn is_completed(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Error)
    }

    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "",
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Error => "Error",
        }
    }

    fn is_unset(&self) -> bool {
        *self == Self::Unset
    }
}

impl fmt::Display for WorkflowPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowStatus {
    /// Phase.
    #[serde(skip_serializing_if = "WorkflowPhase::is_unset")]
    pub phase: WorkflowPhase,
    /// When it first ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Seconds that it will take, as far as an earlier run tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_duration: Option<i64>,
    /// What its pods have used up: seconds times the unit of each resource.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub resources_duration: BTreeMap<String, i64>,
    /// `done/all` over the leaf nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Nodes by id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub nodes: BTreeMap<String, NodeStatus>,
    /// Templates of WorkflowTemplates as they were when first used.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub stored_templates: BTreeMap<String, Template>,
    /// The spec that runs, where it comes from a WorkflowTemplate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_workflow_template_spec: Option<WorkflowSpec>,
    /// Global outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub conditions: Vec<Condition>,
    /// Locks it holds and waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronization: Option<SynchronizationStatus>,
    /// Where artifacts go that do not say it themselves, as it was found when the workflow began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_repository_ref: Option<Value>,
    /// How far the deletion of artifacts is.
    #[serde(rename = "artifactGCStatus", skip_serializing_if = "Option::is_none")]
    pub artifact_gc_status: Option<ArtGcStatus>,
    /// Volumes of the claims made from `volumeClaimTemplates`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub persistent_volume_claims: Vec<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl WorkflowStatus {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_unset(&self) -> bool {
        self.phase == WorkflowPhase::Unset
            && self.started_at.is_none()
            && self.message.is_none()
            && self.nodes.is_empty()
            && self.conditions.is_empty()
            && *self == Self::default()
    }

    /// A node by its name.
    #[must_use]
    pub fn node_named(&self, name: &str) -> Option<&NodeStatus> {
        self.nodes.values().find(|it| it.name == name)
    }

    /// Status of a condition.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&str> {
        self.conditions.iter().find(|it| it.kind == kind).map(|it| it.status.as_str())
    }
}

/// A condition of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// `Completed`, `PodRunning`, `SpecWarning`, `SpecError`, `MetricsError`, `ArtifactGCError`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
