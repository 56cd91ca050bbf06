//! The two strategies and what they are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AnalysisTemplateRef, DryRun, Extra, FieldRef, IntOrString, MeasurementRetention, RolloutExperimentStep,
    RolloutTrafficRouting, SetHeaderRoute, SetMirrorRoute, is_false,
};

/// In ordered steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStrategy {
    /// Service of the new pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_service: Option<String>,
    /// Service of the stable pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_service: Option<String>,
    /// The steps; none means replicas move under surge and unavailable limits only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<CanaryStep>,
    /// How traffic is split when not by replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_routing: Option<RolloutTrafficRouting>,
    /// Pods above `replicas` at most; 25%, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<IntOrString>,
    /// Pods missing at most; 25%, rounded down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
    /// Analysis that runs beside the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<RolloutAnalysis>,
    /// Keeps new pods off the nodes of stable ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anti_affinity: Option<AntiAffinity>,
    /// Labels and annotations of canary pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_metadata: Option<RunMetadata>,
    /// Labels and annotations of stable pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_metadata: Option<RunMetadata>,
    /// Seconds an old ReplicaSet stays after promotion; 30, with traffic routing only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_seconds: Option<i64>,
    /// Seconds the canary stays after an abort; 30, with traffic routing only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_scale_down_delay_seconds: Option<i64>,
    /// How many old ReplicaSets may stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_revision_limit: Option<i64>,
    /// Scales stable down as traffic leaves it.
    #[serde(skip_serializing_if = "is_false")]
    pub dynamic_stable_scale: bool,
    /// Pods that a ReplicaSet with any traffic has at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_pods_per_replica_set: Option<i64>,
    /// Two Services that take turns at being stable, instead of two that change their pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_pong: Option<PingPong>,
    /// How many of a step's pods must be available before it is done; all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_progress_threshold: Option<ReplicaProgressThreshold>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Both in full, then a switch of the Service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BlueGreenStrategy {
    /// Service of production; required.
    pub active_service: String,
    /// Service of the new pods before the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_service: Option<String>,
    /// Switches without asking; true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_promotion_enabled: Option<bool>,
    /// Seconds after which it switches without asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_promotion_seconds: Option<i64>,
    /// Pods missing at most during a restart; 25%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
    /// Seconds the old ReplicaSet stays after the switch; 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_seconds: Option<i64>,
    /// How many old ReplicaSets may stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_revision_limit: Option<i64>,
    /// Seconds the new ReplicaSet stays after an abort; 30, 0 for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_scale_down_delay_seconds: Option<i64>,
    /// Pods of the new ReplicaSet before the switch; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_replica_count: Option<i64>,
    /// Analysis before the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_promotion_analysis: Option<RolloutAnalysisStep>,
    /// Analysis after the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_promotion_analysis: Option<RolloutAnalysisStep>,
    /// Keeps new pods off the nodes of stable ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anti_affinity: Option<AntiAffinity>,
    /// Labels and annotations of pods before the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_metadata: Option<RunMetadata>,
    /// Labels and annotations of pods after the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_metadata: Option<RunMetadata>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Two Services that take turns at being stable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PingPong {
    /// One.
    pub ping_service: String,
    /// The other.
    pub pong_service: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How many of a step's pods must be available before it is done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaProgressThreshold {
    /// `Percent` (of the pods that the step asks for) or `Pods`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The share or the count; below 0 for all.
    pub value: i64,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Keeps new pods off the nodes of stable ones; exactly one field is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AntiAffinity {
    /// If possible.
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution", skip_serializing_if = "Option::is_none")]
    pub preferred: Option<PreferredAntiAffinity>,
    /// Always.
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution", skip_serializing_if = "Option::is_none")]
    pub required: Option<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How strongly pods are kept apart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PreferredAntiAffinity {
    /// 1 to 100.
    pub weight: i64,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One step; exactly one field is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStep {
    /// Percentage of traffic (or replicas) for the canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_weight: Option<i64>,
    /// Waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<RolloutPause>,
    /// Scales the canary apart from its traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_canary_scale: Option<SetCanaryScale>,
    /// Measures until a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<RolloutAnalysisStep>,
    /// Runs ReplicaSets side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<RolloutExperimentStep>,
    /// Routes by header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_header_route: Option<SetHeaderRoute>,
    /// Mirrors traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_mirror_route: Option<SetMirrorRoute>,
    /// A step of somebody else's making.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Waits for a time or for somebody.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutPause {
    /// Seconds as number or digits, or a Go duration (`1h30m`); absent waits for somebody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<IntOrString>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Scales the canary apart from its traffic; one field is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SetCanaryScale {
    /// Percentage of `replicas`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// A count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// Follows the traffic again.
    #[serde(skip_serializing_if = "is_false")]
    pub match_traffic_weight: bool,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Analysis of a step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutAnalysisStep {
    /// Templates whose metrics are measured together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<AnalysisTemplateRef>,
    /// Arguments of the templates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<RolloutAnalysisArgument>,
    /// Metrics that are measured but do not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<DryRun>,
    /// How many measurements are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurement_retention: Vec<MeasurementRetention>,
    /// Labels and annotations of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis_run_metadata: Option<RunMetadata>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Analysis beside the steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutAnalysis {
    /// What is measured.
    #[serde(flatten)]
    pub analysis: RolloutAnalysisStep,
    /// Step at which it starts; 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_step: Option<i64>,
}

/// Labels and annotations to add.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunMetadata {
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An argument given by the Rollout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutAnalysisArgument {
    /// Name.
    pub name: String,
    /// A fixed value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// A value found on the Rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<RolloutArgumentValueFrom>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where a Rollout finds an argument's value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutArgumentValueFrom {
    /// `Stable` or `Latest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template_hash_value: Option<String>,
    /// A field of the Rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldRef>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl RunMetadata {
    /// Whether nothing is added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl RolloutPause {
    /// Seconds to wait; `None` waits for somebody. A duration that can not be read counts as 0, as
    /// validation refuses it before.
    #[must_use]
    pub fn seconds(&self) -> Option<i64> {
        self.duration.as_ref().map(|it| duration_seconds(it).unwrap_or(0))
    }
}

/// Whole seconds of a number, a text of digits or a Go duration.
pub(crate) fn duration_seconds(duration: &IntOrString) -> Option<i64> {
    match duration {
        IntOrString::Int(it) => Some(*it),
        IntOrString::Text(text) => match text.parse() {
            Ok(seconds) => Some(seconds),
            Err(_) => argo_lang::duration::parse(text).ok().map(|it| it.as_secs()),
        },
    }
}
