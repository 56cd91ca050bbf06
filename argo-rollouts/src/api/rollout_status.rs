//! The status of a Rollout: the controller's only memory, and an API that clients write to.

use argo_core::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AnalysisPhase, Extra, is_false, is_zero};

/// What is. Zeros, falses and empty texts are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    /// The update was given up; all goes back to stable. Clients set it too.
    #[serde(skip_serializing_if = "is_false")]
    pub abort: bool,
    /// When it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aborted_at: Option<Time>,
    /// Why it waits; cleared by clients to resume.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pause_conditions: Vec<PauseCondition>,
    /// The controller paused it. True with no pause condition left means: a client resumed.
    #[serde(skip_serializing_if = "is_false")]
    pub controller_pause: bool,
    /// Hash of the template wanted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current_pod_hash: String,
    /// Hash of the steps.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current_step_hash: String,
    /// The step under way; the number of steps when all are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step_index: Option<i64>,
    /// Hash of the stable template.
    #[serde(rename = "stableRS", skip_serializing_if = "String::is_empty")]
    pub stable_rs: String,
    /// Pods.
    #[serde(skip_serializing_if = "is_zero")]
    pub replicas: i64,
    /// Pods of the new template.
    #[serde(skip_serializing_if = "is_zero")]
    pub updated_replicas: i64,
    /// Ready pods.
    #[serde(skip_serializing_if = "is_zero")]
    pub ready_replicas: i64,
    /// Available pods.
    #[serde(skip_serializing_if = "is_zero")]
    pub available_replicas: i64,
    /// Pods as an autoscaler counts them.
    #[serde(rename = "HPAReplicas", skip_serializing_if = "is_zero")]
    pub hpa_replicas: i64,
    /// Selector of the pods, as text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// How often the hash met another's ReplicaSet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collision_count: Option<i64>,
    /// Names of AnalysisRuns that are about to be made, by what they are for (the value of their label
    /// `rollout-type`): memory of this controller, which upstream does not have. A name stands in the fields that clients
    /// read only when its run is there.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub intended_analysis_runs: std::collections::BTreeMap<String, String>,
    /// Generation that this status speaks of; a text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub observed_generation: String,
    /// Generation of the workload that holds the template, as this status knows it; a text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub workload_observed_generation: String,
    /// Last `spec.restartAt` that was carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarted_at: Option<Time>,
    /// A client asked to skip everything that is left.
    #[serde(skip_serializing_if = "is_false")]
    pub promote_full: bool,
    /// `Healthy`, `Progressing`, `Paused` or `Degraded`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Of the canary strategy.
    #[serde(skip_serializing_if = "CanaryStatus::is_empty")]
    pub canary: CanaryStatus,
    /// Of the blue-green strategy.
    #[serde(skip_serializing_if = "BlueGreenStatus::is_empty")]
    pub blue_green: BlueGreenStatus,
    /// Load balancer and target groups of the last Ingress that was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alb: Option<AlbStatus>,
    /// Load balancer and target groups, Ingress by Ingress.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub albs: Vec<AlbStatus>,
    /// How long the update took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<DurationStatus>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Why a rollout waits, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseCondition {
    /// One of [`super::names::pause`].
    pub reason: String,
    /// Since.
    pub start_time: Time,
}

/// A condition of a Rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Last time anything of it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<Time>,
    /// Last time its status changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// One word.
    #[serde(default)]
    pub reason: String,
    /// A sentence.
    #[serde(default)]
    pub message: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Of the canary strategy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStatus {
    /// The run of the step under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step_analysis_run_status: Option<RunStatus>,
    /// The run beside the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_background_analysis_run_status: Option<RunStatus>,
    /// The experiment of the step under way.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current_experiment: String,
    /// Weights that the routers carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<TrafficWeights>,
    /// Which of the two Services is stable: `ping`, or `pong` and also when it is empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stable_ping_pong: String,
    /// What step plugins did, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub step_plugin_statuses: Vec<StepPluginStatus>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a step plugin did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StepPluginStatus {
    /// The step.
    pub index: i64,
    /// The plugin.
    pub name: String,
    /// `Running`, `Successful`, `Failed` or `Error`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it was first called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it was last called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// After which time it is called again; Go duration.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backoff: String,
    /// How often it was called.
    #[serde(skip_serializing_if = "is_zero")]
    pub executions: i64,
    /// `Run`, `Terminate` or `Abort`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub operation: String,
    /// It is switched off and counts as done.
    #[serde(skip_serializing_if = "is_false")]
    pub disabled: bool,
    /// What the plugin wants to remember.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A load balancer and its target groups.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AlbStatus {
    /// The load balancer.
    pub load_balancer: AwsResource,
    /// Pods of the canary.
    pub canary_target_group: AwsResource,
    /// Pods of stable.
    pub stable_target_group: AwsResource,
    /// The Ingress it stands for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ingress: String,
}

/// Something at AWS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AwsResource {
    /// Name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// The part of the ARN that metrics use.
    pub full_name: String,
}

/// How long an update took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DurationStatus {
    /// When the update began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout_started_at: Option<Time>,
    /// Since when it waits for somebody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manual_pause_started_at: Option<Time>,
    /// Seconds for which it waited for somebody, all pauses that are over together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_manual_pause_duration_seconds: Option<i64>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// How it ended.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub completion_status: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl DurationStatus {
    /// Whether it ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.rollout_started_at.is_some() && self.finished_at.is_some()
    }

    /// Whether it began and has not ended.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.rollout_started_at.is_some() && self.finished_at.is_none()
    }
}

/// Of the blue-green strategy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BlueGreenStatus {
    /// Hash that the preview service selects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub preview_selector: String,
    /// Hash that the active service selects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub active_selector: String,
    /// The preview was ready at its size and its pause is over: it may grow.
    #[serde(skip_serializing_if = "is_false")]
    pub scale_up_preview_check_point: bool,
    /// The run before the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_promotion_analysis_run_status: Option<RunStatus>,
    /// The run after the switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_promotion_analysis_run_status: Option<RunStatus>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An AnalysisRun in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// Name.
    pub name: String,
    /// Phase; absent before the first pass of its controller.
    #[serde(default, rename = "status")]
    pub phase: AnalysisPhase,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Weights that the routers carry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficWeights {
    /// Of the canary.
    pub canary: WeightDestination,
    /// Of stable.
    pub stable: WeightDestination,
    /// Of experiments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional: Vec<WeightDestination>,
    /// Whether the router saw them in effect; absent when it can not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where a share of the traffic goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WeightDestination {
    /// The share.
    pub weight: i64,
    /// Service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_name: String,
    /// Hash of the pods.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod_template_hash: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl RolloutStatus {
    /// The condition of a type.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|it| it.kind == kind)
    }

    /// The pause for a reason.
    #[must_use]
    pub fn pause(&self, reason: &str) -> Option<&PauseCondition> {
        self.pause_conditions.iter().find(|it| it.reason == reason)
    }

    /// The status as JSON, for a patch.
    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl CanaryStatus {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl BlueGreenStatus {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
