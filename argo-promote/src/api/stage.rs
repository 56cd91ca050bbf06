//! Stages: places that Freight is promoted to.

use std::collections::BTreeMap;

use argo_core::{Column, Resource, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Condition, FreightOrigin, FreightReference, GROUP, PromotionStatus, PromotionStep, VERSION, Variable, kind, wire,
};

kind! {
    /// A place that Freight is promoted to.
    pub struct Stage {
        /// What is wanted.
        pub spec: StageSpec,
        /// What is.
        pub status: StageStatus,
    }
}

wire! {
    /// What a [`Stage`] takes and how.
    pub struct StageSpec {
        /// The controller shard that looks after it.
        pub shard: String,
        /// Variables for promotions and verification.
        pub vars: Vec<Variable>,
        /// What Freight it takes; origins are unique.
        pub requested_freight: Vec<FreightRequest>,
        /// How it is brought here. Without steps this is a control-flow Stage.
        pub promotion_template: Option<PromotionTemplate>,
        /// How it is checked afterwards.
        pub verification: Option<Verification>,
    }
}

wire! {
    /// Freight of one origin that a Stage takes.
    pub struct FreightRequest {
        /// The Warehouse.
        pub origin: FreightOrigin,
        /// By which way it comes.
        pub sources: FreightSources,
    }
}

wire! {
    /// By which way Freight comes to a Stage.
    pub struct FreightSources {
        /// Straight from the Warehouse.
        pub direct: bool,
        /// Once verified in these Stages.
        pub stages: Vec<String>,
        /// How long it must have been there, as a Go duration.
        pub required_soak_time: Option<String>,
        /// Verified in all of `stages`, or in any one.
        pub availability_strategy: AvailabilityStrategy,
        /// What automatic promotion takes.
        pub auto_promotion_options: Option<AutoPromotionOptions>,
    }
}

/// How many upstream Stages must have verified Freight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AvailabilityStrategy {
    /// Not said: as `OneOf`.
    #[default]
    #[serde(rename = "")]
    Default,
    /// Every one.
    All,
    /// Any one.
    OneOf,
}

wire! {
    /// What automatic promotion takes.
    pub struct AutoPromotionOptions {
        /// The rule.
        pub selection_policy: SelectionPolicy,
    }
}

/// Which available Freight automatic promotion takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelectionPolicy {
    /// The one discovered last.
    #[default]
    NewestFreight,
    /// The one that the upstream Stage holds.
    MatchUpstream,
}

wire! {
    /// How Freight is brought to a Stage.
    pub struct PromotionTemplate {
        /// The steps.
        pub spec: PromotionTemplateSpec,
    }
}

wire! {
    /// The steps of a [`PromotionTemplate`].
    pub struct PromotionTemplateSpec {
        /// Variables for all steps.
        pub vars: Vec<Variable>,
        /// The steps.
        pub steps: Vec<PromotionStep>,
    }
}

wire! {
    /// How Freight is checked in a Stage.
    pub struct Verification {
        /// AnalysisTemplates to run.
        pub analysis_templates: Vec<AnalysisTemplateReference>,
        /// What the AnalysisRun carries besides.
        pub analysis_run_metadata: Option<AnalysisRunMetadata>,
        /// Arguments.
        pub args: Vec<AnalysisRunArgument>,
    }
}

wire! {
    /// Points at an AnalysisTemplate.
    pub struct AnalysisTemplateReference {
        /// Its name.
        pub name: String,
        /// `AnalysisTemplate` (default) or `ClusterAnalysisTemplate`.
        pub kind: String,
    }
}

wire! {
    /// Labels and annotations for an AnalysisRun; values may hold expressions.
    pub struct AnalysisRunMetadata {
        /// Labels.
        pub labels: BTreeMap<String, String>,
        /// Annotations.
        pub annotations: BTreeMap<String, String>,
    }
}

wire! {
    /// An argument of an AnalysisRun.
    pub struct AnalysisRunArgument {
        /// Its name.
        pub name: String,
        /// Its value; may hold expressions.
        pub value: String,
    }
}

wire! {
    /// Freight of several origins that a Stage holds together.
    pub struct FreightCollection {
        /// Hex SHA-1 of the sorted names.
        pub id: String,
        /// Freight by origin.
        #[serde(rename = "items")]
        pub freight: BTreeMap<String, FreightReference>,
        /// Verifications, newest first.
        pub verification_history: Vec<VerificationInfo>,
    }
}

wire! {
    /// One verification.
    pub struct VerificationInfo {
        /// Its id.
        pub id: String,
        /// Who asked for it.
        pub actor: String,
        /// When it started.
        pub start_time: Option<Time>,
        /// Where it is.
        pub phase: VerificationPhase,
        /// Why.
        pub message: String,
        /// The AnalysisRun that does it.
        pub analysis_run: Option<AnalysisRunReference>,
        /// When it ended.
        pub finish_time: Option<Time>,
    }
}

wire! {
    /// Points at an AnalysisRun.
    pub struct AnalysisRunReference {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub name: String,
        /// Its phase.
        pub phase: String,
    }
}

/// Where a verification is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum VerificationPhase {
    /// Not said.
    #[default]
    #[serde(rename = "")]
    New,
    /// Not started.
    Pending,
    /// Under way.
    Running,
    /// Good.
    Successful,
    /// Bad.
    Failed,
    /// Could not be carried out.
    Error,
    /// Ended by somebody.
    Aborted,
    /// Neither good nor bad.
    Inconclusive,
}

impl VerificationPhase {
    /// Whether it has ended.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Successful | Self::Failed | Self::Error | Self::Aborted | Self::Inconclusive)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "",
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Aborted => "Aborted",
            Self::Inconclusive => "Inconclusive",
        }
    }
}

/// How a Stage is, from best to worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HealthState {
    /// Good.
    #[default]
    Healthy,
    /// Nothing to check.
    NotApplicable,
    /// On its way.
    Progressing,
    /// Not known.
    Unknown,
    /// Bad.
    Unhealthy,
}

impl HealthState {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::NotApplicable => "NotApplicable",
            Self::Progressing => "Progressing",
            Self::Unknown => "Unknown",
            Self::Unhealthy => "Unhealthy",
        }
    }
}

/// How a Stage is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Health {
    /// The worst of all checks.
    pub status: HealthState,
    /// What is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<String>,
    /// What was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// What each check found, as an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

wire! {
    /// A promotion as a Stage remembers it.
    pub struct PromotionReference {
        /// Its name.
        pub name: String,
        /// The Freight.
        pub freight: Option<FreightReference>,
        /// How far it was.
        pub status: Option<PromotionStatus>,
        /// When it ended.
        pub finished_at: Option<Time>,
    }
}

wire! {
    /// Why automatic promotion of an origin is paused.
    pub struct AutoPromotionHold {
        /// What was promoted by hand.
        pub freight_name: String,
        /// Its origin.
        pub origin: Option<FreightOrigin>,
        /// By which promotion.
        pub promotion_name: String,
        /// By whom.
        pub actor: String,
        /// When.
        pub created_at: Option<Time>,
    }
}

wire! {
    /// State of a [`Stage`].
    pub struct StageStatus {
        /// Ready, Reconciling, Healthy, Promoting, Verified.
        pub conditions: Vec<Condition>,
        /// The last refresh token handled.
        pub last_handled_refresh: String,
        /// What it held, newest first, ten at most.
        pub freight_history: Vec<FreightCollection>,
        /// What it holds, in a word.
        pub freight_summary: String,
        /// How it is.
        pub health: Option<Health>,
        /// The generation that was last found ready.
        pub observed_generation: i64,
        /// The promotion whose turn it is.
        pub current_promotion: Option<PromotionReference>,
        /// The promotion that ended last.
        pub last_promotion: Option<PromotionReference>,
        /// Whether a policy lets it take Freight on its own.
        pub auto_promotion_enabled: bool,
        /// What steps remember about it.
        pub metadata: BTreeMap<String, Value>,
        /// Origins whose automatic promotion is paused.
        pub auto_promotion_holds: BTreeMap<String, AutoPromotionHold>,
        /// The same with what promotions under way will add.
        pub effective_auto_promotion_holds: BTreeMap<String, AutoPromotionHold>,
    }
}

impl Stage {
    /// The steps of its template.
    #[must_use]
    pub fn steps(&self) -> &[PromotionStep] {
        self.spec.promotion_template.as_ref().map_or(&[], |it| &it.spec.steps)
    }

    /// Whether it only forwards Freight: it has no steps.
    #[must_use]
    pub fn is_control_flow(&self) -> bool {
        self.steps().is_empty()
    }

    /// The request for Freight of an origin.
    #[must_use]
    pub fn request(&self, origin: &FreightOrigin) -> Option<&FreightRequest> {
        self.spec.requested_freight.iter().find(|it| it.origin.kind == origin.kind && it.origin.name == origin.name)
    }

    /// What it holds now.
    #[must_use]
    pub fn current_freight(&self) -> Option<&FreightCollection> {
        self.status.freight_history.first()
    }
}

impl Resource for Stage {
    const GROUP: &'static str = GROUP;
    const VERSION: &'static str = VERSION;
    const KIND: &'static str = "Stage";
    const PLURAL: &'static str = "stages";
    const STATUS_SUBRESOURCE: bool = true;
    const REQUIRED: &'static [&'static str] = &["spec"];
    const COLUMNS: &'static [Column] = &[
        Column::text("Shard", ".spec.shard"),
        Column::text("Current Freight", ".status.freightSummary"),
        Column::text("Health", ".status.health.status"),
        Column::text("Ready", ".status.conditions[?(@.type==\"Ready\")].status"),
        Column::text("Status", ".status.conditions[?(@.type==\"Ready\")].message"),
        Column::date("Age", ".metadata.creationTimestamp"),
    ];
}
