//! How an operation goes: `status.operationState`.

use argo_core::Time;
use serde::{Deserialize, Serialize};

use super::{Extra, ManagedNamespaceMetadata, Operation, Source, is_zero};

/// How an operation goes. Running with `finishedAt` set means: waiting for its next attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationState {
    /// What was asked for.
    pub operation: Operation,
    /// Where it stands.
    pub phase: OperationPhase,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_result: Option<SyncResult>,
    /// When it began.
    pub started_at: Time,
    /// When it, or its last attempt, ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Attempts after the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry_count: i64,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl OperationState {
    /// Whether it is over.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.phase.is_completed()
    }
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OperationPhase {
    /// Under way.
    #[default]
    Running,
    /// Asked to end.
    Terminating,
    /// It did not do what it should.
    Failed,
    /// It could not be carried out.
    Error,
    /// Done.
    Succeeded,
}

impl OperationPhase {
    /// Whether it is over.
    #[must_use]
    pub fn is_completed(self) -> bool {
        matches!(self, Self::Failed | Self::Error | Self::Succeeded)
    }

    /// Whether it is over and did not succeed.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }

    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Terminating => "Terminating",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Succeeded => "Succeeded",
        }
    }
}

/// What a synchronisation did. The objects keep the order in which they were first recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncResult {
    /// Results by object and phase.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceResult>,
    /// The commit, pinned on the first pass.
    pub revision: String,
    /// The commits, one a source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    /// The source, frozen on the first pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The sources, frozen on the first pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// What the namespace was labelled with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_namespace_metadata: Option<ManagedNamespaceMetadata>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What was done with one object in one phase.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceResult {
    /// Group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// What came of it; absent for hooks that are under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ResultCode>,
    /// What the API server, or the rule that applied, said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Kind of hook; absent for other objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_type: Option<HookType>,
    /// Where the hook (or the object's health) stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_phase: Option<OperationPhase>,
    /// The phase it ran in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_phase: Option<HookType>,
    /// Its container images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What came of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ResultCode {
    /// Applied.
    Synced,
    /// Not applied.
    SyncFailed,
    /// Deleted.
    Pruned,
    /// Would have been deleted.
    PruneSkipped,
}

/// Kinds of hooks; the first four are also the phases of a synchronisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HookType {
    /// Before anything else.
    PreSync,
    /// With the other objects.
    Sync,
    /// After everything is healthy.
    PostSync,
    /// When it failed.
    SyncFail,
    /// Before a cascade deletion.
    PreDelete,
    /// After a cascade deletion.
    PostDelete,
    /// Never applied.
    Skip,
}

impl HookType {
    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreSync => "PreSync",
            Self::Sync => "Sync",
            Self::PostSync => "PostSync",
            Self::SyncFail => "SyncFail",
            Self::PreDelete => "PreDelete",
            Self::PostDelete => "PostDelete",
            Self::Skip => "Skip",
        }
    }

    /// From the annotation's text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "PreSync" => Self::PreSync,
            "Sync" => Self::Sync,
            "PostSync" => Self::PostSync,
            "SyncFail" => Self::SyncFail,
            "PreDelete" => Self::PreDelete,
            "PostDelete" => Self::PostDelete,
            "Skip" => Self::Skip,
            _ => return None,
        })
    }
}
