//! [`AnalysisRun`]: metrics being measured.

use std::{collections::BTreeMap, fmt};

use argo_core::{Column, ObjectMeta, Resource, Time};
use serde::{Deserialize, Serialize};

use super::{Argument, DryRun, Extra, MeasurementRetention, Metric, is_false, is_zero};

/// Metrics being measured. Its status is no subresource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisRun {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `AnalysisRun`.
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What to measure.
    pub spec: AnalysisRunSpec,
    /// What was measured.
    #[serde(skip_serializing_if = "AnalysisRunStatus::is_empty")]
    pub status: AnalysisRunStatus,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What to measure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisRunSpec {
    /// The metrics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// What `{{args.name}}` stands for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Argument>,
    /// Stops it.
    #[serde(skip_serializing_if = "is_false")]
    pub terminate: bool,
    /// Metrics that are measured but do not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<DryRun>,
    /// How many measurements are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurement_retention: Vec<MeasurementRetention>,
    /// When a finished run goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_strategy: Option<TtlStrategy>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// When a finished run goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TtlStrategy {
    /// Seconds after any end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_completion: Option<i64>,
    /// Seconds after a failure; goes before the general one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_failure: Option<i64>,
    /// Seconds after success; goes before the general one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_success: Option<i64>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Phase of a run, a metric or a measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AnalysisPhase {
    /// Not looked at yet.
    #[default]
    #[serde(rename = "")]
    New,
    /// About to be measured.
    Pending,
    /// Being measured.
    Running,
    /// Good.
    Successful,
    /// Bad.
    Failed,
    /// Could not be measured.
    Error,
    /// Neither good nor bad.
    Inconclusive,
    /// A phase this version does not know; taken as running.
    #[serde(other)]
    Unknown,
}

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisRunStatus {
    /// The verdict.
    #[serde(skip_serializing_if = "AnalysisPhase::is_new")]
    pub phase: AnalysisPhase,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Per metric.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metric_results: Vec<MetricResult>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Time>,
    /// Metrics that count, by phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_summary: Option<RunSummary>,
    /// Metrics that do not count, by phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run_summary: Option<RunSummary>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Metrics by phase.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunSummary {
    /// All.
    #[serde(skip_serializing_if = "is_zero")]
    pub count: i64,
    /// Good.
    #[serde(skip_serializing_if = "is_zero")]
    pub successful: i64,
    /// Bad.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: i64,
    /// Neither.
    #[serde(skip_serializing_if = "is_zero")]
    pub inconclusive: i64,
    /// Not measured.
    #[serde(skip_serializing_if = "is_zero")]
    pub error: i64,
}

/// A metric's measurements and verdict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricResult {
    /// The metric.
    pub name: String,
    /// The verdict.
    pub phase: AnalysisPhase,
    /// The last measurements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurements: Vec<Measurement>,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Measurements that ended without error.
    #[serde(skip_serializing_if = "is_zero")]
    pub count: i64,
    /// Good ones.
    #[serde(skip_serializing_if = "is_zero")]
    pub successful: i64,
    /// Bad ones.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: i64,
    /// Neither.
    #[serde(skip_serializing_if = "is_zero")]
    pub inconclusive: i64,
    /// Errors.
    #[serde(skip_serializing_if = "is_zero")]
    pub error: i64,
    /// Errors since the last that was none.
    #[serde(skip_serializing_if = "is_zero")]
    pub consecutive_error: i64,
    /// Good ones since the last that was not.
    #[serde(skip_serializing_if = "is_zero")]
    pub consecutive_success: i64,
    /// Does not count.
    #[serde(skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// What the provider says of the metric.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One measurement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Measurement {
    /// The verdict.
    pub phase: AnalysisPhase,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// The value, as text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What the provider keeps of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// When to look at it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_at: Option<Time>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl AnalysisPhase {
    /// Whether it is a verdict.
    #[must_use]
    pub fn is_complete(self) -> bool {
        matches!(self, Self::Successful | Self::Failed | Self::Error | Self::Inconclusive)
    }

    /// Whether nobody looked at it yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        *self == Self::New
    }

    /// How bad it is: `Successful < Running < Pending < Inconclusive < Error < Failed`.
    #[must_use]
    pub fn severity(self) -> u8 {
        match self {
            Self::Successful => 1,
            Self::New | Self::Running | Self::Unknown => 2,
            Self::Pending => 3,
            Self::Inconclusive => 4,
            Self::Error => 5,
            Self::Failed => 6,
        }
    }

    /// As it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "",
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Inconclusive => "Inconclusive",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for AnalysisPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AnalysisRunStatus {
    /// Whether nobody looked at it yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The result of a metric.
    #[must_use]
    pub fn result(&self, metric: &str) -> Option<&MetricResult> {
        self.metric_results.iter().find(|it| it.name == metric)
    }
}

impl Resource for AnalysisRun {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "AnalysisRun";
    const PLURAL: &'static str = "analysisruns";
    const SHORT_NAMES: &'static [&'static str] = &["ar"];
    const COLUMNS: &'static [Column] =
        &[Column::text("Status", ".status.phase"), Column::date("Age", ".metadata.creationTimestamp")];
    const REQUIRED: &'static [&'static str] = &["spec"];
}
