//! Promotions: one attempt to bring one Freight to one Stage.

use std::{collections::BTreeMap, fmt};

use argo_core::{Column, Resource, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FreightCollection, FreightOrigin, FreightReference, GROUP, VERSION, kind, wire};

kind! {
    /// One attempt to bring one Freight to one Stage.
    pub struct Promotion {
        /// What is to be done; immutable.
        pub spec: PromotionSpec,
        /// How far it is.
        pub status: PromotionStatus,
    }
}

wire! {
    /// What a [`Promotion`] does.
    pub struct PromotionSpec {
        /// The Stage.
        pub stage: String,
        /// Name of the Freight.
        pub freight: String,
        /// Instead of a name: the Freight that automatic promotion would take from here. Resolved at admission.
        pub origin: Option<FreightOrigin>,
        /// Variables for all steps.
        pub vars: Vec<Variable>,
        /// The steps, copied from the Stage with tasks written out.
        pub steps: Vec<PromotionStep>,
    }
}

wire! {
    /// A named text that expressions read as `vars.<name>`.
    pub struct Variable {
        /// Its name.
        pub name: String,
        /// Its value; may hold expressions.
        pub value: String,
    }
}

wire! {
    /// One step.
    pub struct PromotionStep {
        /// The kind of step. A step has either this or `task`.
        pub uses: String,
        /// A task whose steps stand here; only in templates.
        pub task: Option<PromotionTaskReference>,
        /// Alias under which its output is found; `step-N` by default.
        #[serde(rename = "as")]
        pub alias: String,
        /// Runs only if this expression is true.
        #[serde(rename = "if")]
        pub condition: String,
        /// Its failure does not fail the promotion.
        pub continue_on_error: bool,
        /// How often and how long to try.
        pub retry: Option<StepRetry>,
        /// Variables of this step.
        pub vars: Vec<Variable>,
        /// Its settings; strings may hold expressions.
        pub config: Option<Value>,
    }
}

wire! {
    /// Points at a PromotionTask or ClusterPromotionTask.
    pub struct PromotionTaskReference {
        /// Its name.
        pub name: String,
        /// `PromotionTask` (default) or `ClusterPromotionTask`.
        pub kind: String,
    }
}

wire! {
    /// How often and how long to try a step.
    pub struct StepRetry {
        /// Go duration; absent means the step's own default, `0s` unlimited.
        pub timeout: Option<String>,
        /// Errors in a row before it fails; absent or 0 means the step's own default.
        pub error_threshold: i64,
    }
}

/// Where a promotion is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PromotionPhase {
    /// Seen by nobody yet.
    #[default]
    #[serde(rename = "")]
    New,
    /// Waits for its turn.
    Pending,
    /// Its steps run.
    Running,
    /// Ended well.
    Succeeded,
    /// A step said no.
    Failed,
    /// Something went wrong on the way.
    Errored,
    /// Ended by somebody.
    Aborted,
}

impl PromotionPhase {
    /// Whether it has ended.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Errored | Self::Aborted)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "",
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Errored => "Errored",
            Self::Aborted => "Aborted",
        }
    }
}

impl fmt::Display for PromotionPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a step went. Ordered from best to worst: the worst decides the promotion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StepStatus {
    /// Did not start.
    #[default]
    #[serde(rename = "")]
    NotStarted,
    /// Ended well.
    Succeeded,
    /// Had nothing to do.
    Skipped,
    /// Under way.
    Running,
    /// Ended by somebody.
    Aborted,
    /// Said no.
    Failed,
    /// Could not be carried out.
    Errored,
}

impl StepStatus {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "",
            Self::Succeeded => "Succeeded",
            Self::Skipped => "Skipped",
            Self::Running => "Running",
            Self::Aborted => "Aborted",
            Self::Failed => "Failed",
            Self::Errored => "Errored",
        }
    }
}

wire! {
    /// What is known of a step's execution.
    pub struct StepExecutionMetadata {
        /// The step's alias.
        pub alias: String,
        /// When it started; absent when it was skipped.
        pub started_at: Option<Time>,
        /// When it ended.
        pub finished_at: Option<Time>,
        /// Errors so far.
        pub error_count: i64,
        /// How it went.
        pub status: StepStatus,
        /// Why.
        pub message: String,
        /// Its failure does not fail the promotion.
        pub continue_on_error: bool,
    }
}

wire! {
    /// A health check that a step asks for after the promotion.
    pub struct HealthCheckStep {
        /// The kind of check.
        pub uses: String,
        /// What it checks.
        pub config: Option<Value>,
    }
}

wire! {
    /// How far a [`Promotion`] is.
    pub struct PromotionStatus {
        /// Where it is.
        pub phase: PromotionPhase,
        /// Why.
        pub message: String,
        /// The Freight.
        pub freight: Option<FreightReference>,
        /// The Freight of all origins that the Stage will hold.
        pub freight_collection: Option<FreightCollection>,
        /// What is to be checked afterwards.
        pub health_checks: Vec<HealthCheckStep>,
        /// When the first step started.
        pub started_at: Option<Time>,
        /// When it ended.
        pub finished_at: Option<Time>,
        /// The step it is at, from 0.
        pub current_step: i64,
        /// How each step went.
        pub step_execution_metadata: Vec<StepExecutionMetadata>,
        /// Outputs by alias.
        pub state: BTreeMap<String, Value>,
        /// The last refresh token handled.
        pub last_handled_refresh: String,
    }
}

impl Resource for Promotion {
    const GROUP: &'static str = GROUP;
    const VERSION: &'static str = VERSION;
    const KIND: &'static str = "Promotion";
    const PLURAL: &'static str = "promotions";
    const SHORT_NAMES: &'static [&'static str] = &["promo", "promos"];
    const STATUS_SUBRESOURCE: bool = true;
    const REQUIRED: &'static [&'static str] = &["spec"];
    const COLUMNS: &'static [Column] = &[
        Column::text("Shard", ".metadata.labels.kargo\\.akuity\\.io/shard"),
        Column::text("Stage", ".spec.stage"),
        Column::text("Freight", ".spec.freight"),
        Column::text("Phase", ".status.phase"),
        Column::date("Age", ".metadata.creationTimestamp"),
    ];
}
