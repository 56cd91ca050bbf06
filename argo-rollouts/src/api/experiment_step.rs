//! The `experiment` step of a canary.

use serde::{Deserialize, Serialize};

use super::{DryRun, Extra, LabelSelector, RolloutAnalysisArgument, RunMetadata, TemplateService, is_false};

/// Runs ReplicaSets side by side as a step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutExperimentStep {
    /// The ReplicaSets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<RolloutExperimentTemplate>,
    /// How long it runs; Go duration. Absent runs until its analyses end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// The analyses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub analyses: Vec<RolloutExperimentAnalysis>,
    /// Metrics that are measured but do not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<DryRun>,
    /// Labels and annotations of the runs.
    #[serde(skip_serializing_if = "RunMetadata::is_empty")]
    pub analysis_run_metadata: RunMetadata,
    /// Seconds that the ReplicaSets stay after the end; 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_seconds: Option<i64>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One ReplicaSet of the step, made from one of the Rollout's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutExperimentTemplate {
    /// Name, once per step.
    pub name: String,
    /// `canary` or `stable`: whose pods it runs.
    pub spec_ref: String,
    /// Pods; 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// Labels and annotations of the pods.
    #[serde(skip_serializing_if = "RunMetadata::is_empty")]
    pub metadata: RunMetadata,
    /// Which pods are its own, instead of the ReplicaSet's selector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Share of the traffic; asks for a Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// Asks for a Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<TemplateService>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An analysis of the step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutExperimentAnalysis {
    /// Name, once per step.
    pub name: String,
    /// The template.
    pub template_name: String,
    /// A ClusterAnalysisTemplate.
    #[serde(skip_serializing_if = "is_false")]
    pub cluster_scope: bool,
    /// Arguments of the template.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<RolloutAnalysisArgument>,
    /// The step is done as soon as all analyses with this mark ended well.
    #[serde(skip_serializing_if = "is_false")]
    pub required_for_completion: bool,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}
