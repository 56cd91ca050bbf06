//! What was observed.

use argo_core::Time;
use serde::{Deserialize, Serialize};

use super::{
    Destination, Extra, HookType, HydratorStatus, IgnoreDifferences, InitiatedBy, OperationState, Source, is_false,
    is_zero,
};

/// What was observed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationStatus {
    /// Managed objects, ordered by the text `group/kind/namespace/name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceStatus>,
    /// Whether the cluster is as the sources say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncStatus>,
    /// How the objects are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthStatus>,
    /// Successful synchronisations, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<RevisionHistory>,
    /// What people should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// When revisions were last resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconciled_at: Option<Time>,
    /// The operation under way, or the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_state: Option<OperationState>,
    /// Helm, Kustomize, Directory or Plugin.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_type: String,
    /// The types of several sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_types: Vec<String>,
    /// URLs and images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// Empty when `resources[].health` is filled, `appTree` otherwise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_health_source: String,
    /// Namespace of the controller.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub controller_namespace: String,
    /// Deprecated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Time>,
    /// How hydration goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_hydrator: Option<HydratorStatus>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ApplicationStatus {
    /// The commit of the last comparison; empty when there is none.
    #[must_use]
    pub fn revision(&self) -> &str {
        self.sync.as_ref().map(|it| it.revision.as_str()).unwrap_or_default()
    }

    /// How the objects are; Unknown when nobody has looked.
    #[must_use]
    pub fn health(&self) -> HealthState {
        self.health.as_ref().map_or(HealthState::Unknown, |it| it.status)
    }

    /// Whether the cluster is as the sources say; Unknown when nobody has looked.
    #[must_use]
    pub fn sync_state(&self) -> SyncState {
        self.sync.as_ref().map_or(SyncState::Unknown, |it| it.status)
    }
}

/// Whether the cluster is as the sources say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncStatus {
    /// The verdict.
    pub status: SyncState,
    /// What was compared.
    pub compared_to: ComparedTo,
    /// The commit.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// The commits, one a source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What the cluster was compared to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComparedTo {
    /// The source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// The destination.
    pub destination: Destination,
    /// What was ignored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_differences: Vec<IgnoreDifferences>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Verdict of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SyncState {
    /// It could not be compared.
    #[default]
    Unknown,
    /// As the sources say.
    Synced,
    /// Not as the sources say.
    OutOfSync,
}

impl SyncState {
    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Synced => "Synced",
            Self::OutOfSync => "OutOfSync",
        }
    }
}

/// How an object or an Application is, from best to worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HealthState {
    /// As it should be.
    Healthy,
    /// On hold.
    Suspended,
    /// Not there yet.
    Progressing,
    /// Not in the cluster.
    Missing,
    /// It failed.
    Degraded,
    /// It could not be judged.
    #[default]
    Unknown,
}

impl HealthState {
    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
        }
    }

    /// From the text on the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "Healthy" => Self::Healthy,
            "Suspended" => Self::Suspended,
            "Progressing" => Self::Progressing,
            "Missing" => Self::Missing,
            "Degraded" => Self::Degraded,
            "Unknown" => Self::Unknown,
            _ => return None,
        })
    }
}

/// An Application's health.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthStatus {
    /// The verdict.
    pub status: HealthState,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When the verdict last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An object's health.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceHealth {
    /// The verdict.
    pub status: HealthState,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// One managed object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceStatus {
    /// Group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Verdict; absent for objects that do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<SyncState>,
    /// How it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<ResourceHealth>,
    /// A hook.
    #[serde(skip_serializing_if = "is_false")]
    pub hook: bool,
    /// No longer in the sources.
    #[serde(skip_serializing_if = "is_false")]
    pub requires_pruning: bool,
    /// A person has to agree to its deletion.
    #[serde(skip_serializing_if = "is_false")]
    pub requires_deletion_confirmation: bool,
    /// Its wave.
    #[serde(skip_serializing_if = "is_zero")]
    pub sync_wave: i64,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One successful synchronisation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RevisionHistory {
    /// Counts up from 0.
    pub id: i64,
    /// The commit.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// The commits, one a source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    /// The source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deploy_started_at: Option<Time>,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployed_at: Option<Time>,
    /// Who asked.
    #[serde(skip_serializing_if = "InitiatedBy::is_empty")]
    pub initiated_by: InitiatedBy,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What people should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// A sentence.
    #[serde(default)]
    pub message: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
}

/// Types of conditions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionType {
    /// Comparison failed.
    ComparisonError,
    /// Deletion failed.
    DeletionError,
    /// A kind that settings exclude.
    ExcludedResourceWarning,
    /// The spec is wrong.
    InvalidSpecError,
    /// Objects that nobody manages.
    OrphanedResourceWarning,
    /// One object twice.
    RepeatedResourceWarning,
    /// One object in two Applications.
    SharedResourceWarning,
    /// Automated synchronisation failed.
    SyncError,
    /// Something else failed.
    UnknownError,
    /// A type that is unknown here.
    #[serde(untagged)]
    Other(String),
}

impl ConditionType {
    /// As it is on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::ComparisonError => "ComparisonError",
            Self::DeletionError => "DeletionError",
            Self::ExcludedResourceWarning => "ExcludedResourceWarning",
            Self::InvalidSpecError => "InvalidSpecError",
            Self::OrphanedResourceWarning => "OrphanedResourceWarning",
            Self::RepeatedResourceWarning => "RepeatedResourceWarning",
            Self::SharedResourceWarning => "SharedResourceWarning",
            Self::SyncError => "SyncError",
            Self::UnknownError => "UnknownError",
            Self::Other(text) => text,
        }
    }

    /// Whether it is an error rather than a warning.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.as_str().ends_with("Error")
    }
}

/// URLs and images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// URLs of Ingresses, Services and links.
    #[serde(rename = "externalURLs", skip_serializing_if = "Vec::is_empty")]
    pub external_urls: Vec<String>,
    /// Images that pods run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Whether it manages Applications.
    #[serde(skip_serializing_if = "is_false")]
    pub is_app_of_apps: bool,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ResourceStatus {
    /// The text that `status.resources` is ordered by.
    #[must_use]
    pub fn sort_key(&self) -> String {
        format!("{}/{}/{}/{}", self.group, self.kind, self.namespace, self.name)
    }
}

/// Used by [`super::ResourceResult`]: a hook's kind is also the phase it runs in.
impl HookType {
    /// Order of the phases of a synchronisation.
    #[must_use]
    pub fn order(self) -> i64 {
        match self {
            Self::PreSync => -1,
            Self::PostSync => 1,
            Self::SyncFail => 2,
            _ => 0,
        }
    }
}
