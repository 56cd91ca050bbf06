//! [`Experiment`]: short-lived ReplicaSets side by side.

use std::fmt;

use argo_core::{Column, ObjectMeta, Resource, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AnalysisPhase, Argument, Condition, DryRun, Extra, LabelSelector, MeasurementRetention, RunMetadata, is_false,
};

/// Seconds without progress after which an experiment fails, by default.
pub(crate) const PROGRESS_DEADLINE: i64 = 600;

/// Short-lived ReplicaSets side by side, measured and taken away. Its status is no subresource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Experiment {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `Experiment`.
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ExperimentSpec,
    /// What is.
    #[serde(skip_serializing_if = "ExperimentStatus::is_empty")]
    pub status: ExperimentStatus,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentSpec {
    /// The ReplicaSets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<ExperimentTemplate>,
    /// How long it runs; Go duration. Absent runs until its analyses end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Seconds without progress after which it fails; 600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline_seconds: Option<i64>,
    /// Stops it.
    #[serde(skip_serializing_if = "is_false")]
    pub terminate: bool,
    /// The analyses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub analyses: Vec<ExperimentAnalysis>,
    /// Seconds that the ReplicaSets stay after the end; 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_seconds: Option<i64>,
    /// Metrics that are measured but do not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<DryRun>,
    /// How many measurements are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurement_retention: Vec<MeasurementRetention>,
    /// Labels and annotations of the runs.
    #[serde(skip_serializing_if = "RunMetadata::is_empty")]
    pub analysis_run_metadata: RunMetadata,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One ReplicaSet of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentTemplate {
    /// Name, once per experiment.
    pub name: String,
    /// Pods; 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// Seconds a pod must be ready to count as available; 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_ready_seconds: Option<i64>,
    /// Which pods are its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// The pod template.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub template: Value,
    /// Asks for a Service over its pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<TemplateService>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ExperimentTemplate {
    /// Pods; 1 when nothing is said.
    #[must_use]
    pub fn replicas(&self) -> i64 {
        self.replicas.unwrap_or(1)
    }
}

/// A Service over the pods of a template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateService {
    /// Its name; that of the ReplicaSet when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// An analysis of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentAnalysis {
    /// Name, once per experiment.
    pub name: String,
    /// The template.
    pub template_name: String,
    /// A ClusterAnalysisTemplate.
    #[serde(skip_serializing_if = "is_false")]
    pub cluster_scope: bool,
    /// Arguments of the template.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Argument>,
    /// The experiment ends well as soon as all analyses with this mark did.
    #[serde(skip_serializing_if = "is_false")]
    pub required_for_completion: bool,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentStatus {
    /// The verdict.
    #[serde(skip_serializing_if = "AnalysisPhase::is_new")]
    pub phase: AnalysisPhase,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When all ReplicaSets were available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_at: Option<Time>,
    /// Per ReplicaSet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub template_statuses: Vec<TemplateStatus>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Per analysis.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub analysis_runs: Vec<ExperimentAnalysisStatus>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where a ReplicaSet of an experiment stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TemplatePhase {
    /// Not looked at yet.
    #[default]
    #[serde(rename = "")]
    New,
    /// Its pods are not all available.
    Progressing,
    /// All its pods are available.
    Running,
    /// It ran to its end.
    Successful,
    /// Its pods were not available in time.
    Failed,
    /// It could not be made.
    Error,
}

impl TemplatePhase {
    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "",
            Self::Progressing => "Progressing",
            Self::Running => "Running",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Error => "Error",
        }
    }

    /// Whether it stays as it is.
    #[must_use]
    pub fn is_complete(self) -> bool {
        matches!(self, Self::Successful | Self::Failed | Self::Error)
    }

    fn is_new(&self) -> bool {
        *self == Self::New
    }
}

impl fmt::Display for TemplatePhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One ReplicaSet of an experiment in short.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateStatus {
    /// The template.
    pub name: String,
    /// Pods.
    pub replicas: i64,
    /// Pods of this template.
    pub updated_replicas: i64,
    /// Pods that are ready.
    pub ready_replicas: i64,
    /// Pods that are available.
    pub available_replicas: i64,
    /// How often its name was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collision_count: Option<i64>,
    /// Where it stands.
    #[serde(rename = "status", skip_serializing_if = "TemplatePhase::is_new")]
    pub phase: TemplatePhase,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Since when nothing moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// Its Service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_name: String,
    /// Hash that its Service selects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod_template_hash: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One analysis of an experiment in short.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentAnalysisStatus {
    /// The analysis.
    pub name: String,
    /// Its run; empty before there is one.
    pub analysis_run: String,
    /// Where it stands.
    pub phase: AnalysisPhase,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ExperimentStatus {
    /// The status of a template.
    #[must_use]
    pub fn template(&self, name: &str) -> Option<&TemplateStatus> {
        self.template_statuses.iter().find(|it| it.name == name)
    }

    /// The status of an analysis.
    #[must_use]
    pub fn analysis(&self, name: &str) -> Option<&ExperimentAnalysisStatus> {
        self.analysis_runs.iter().find(|it| it.name == name)
    }

    /// The condition of a type.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|it| it.kind == kind)
    }

    /// Whether nobody looked at it yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Resource for Experiment {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "Experiment";
    const PLURAL: &'static str = "experiments";
    const SHORT_NAMES: &'static [&'static str] = &["exp"];
    const COLUMNS: &'static [Column] =
        &[Column::text("Status", ".status.phase"), Column::date("Age", ".metadata.creationTimestamp")];
    const REQUIRED: &'static [&'static str] = &["spec"];
}
