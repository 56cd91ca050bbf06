//! [`Experiment`]: short-lived ReplicaSets side by side.

use argo_core::{Column, ObjectMeta, Resource, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AnalysisPhase, Condition, Extra, is_false};

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
    pub templates: Vec<Value>,
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
    pub analyses: Vec<Value>,
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
    pub template_statuses: Vec<Value>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Per analysis.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub analysis_runs: Vec<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ExperimentStatus {
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
