//! What was asked for: the top-level `operation`.

use serde::{Deserialize, Serialize};

use super::{Extra, Info, Retry, Source, is_false, is_zero};

/// An operation. Setting it on an Application starts it; it vanishes when it is complete.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Operation {
    /// A synchronisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncOperation>,
    /// Who asked.
    #[serde(skip_serializing_if = "InitiatedBy::is_empty")]
    pub initiated_by: InitiatedBy,
    /// For people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
    /// How it is tried again.
    #[serde(skip_serializing_if = "Retry::is_empty")]
    pub retry: Retry,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Retry {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Who asked for an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InitiatedBy {
    /// A user's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// The controller itself.
    #[serde(skip_serializing_if = "is_false")]
    pub automated: bool,
}

impl InitiatedBy {
    /// Whether nobody is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A synchronisation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncOperation {
    /// Revision to synchronise to; empty means the source's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// Revisions, one a source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    /// Deletes what is no longer in the sources.
    #[serde(skip_serializing_if = "is_false")]
    pub prune: bool,
    /// Changes nothing.
    #[serde(skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// With or without hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_strategy: Option<SyncStrategy>,
    /// Only these objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<SyncResource>,
    /// Another source than the spec's (rollback).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Other sources than the spec's (rollback).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Manifests in place of the sources'.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<String>,
    /// `Key=value` options; the controller reads them only here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sync_options: Vec<String>,
    /// How many self-heals in a row this is.
    #[serde(skip_serializing_if = "is_zero")]
    pub auto_heal_attempts_count: i64,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl SyncOperation {
    /// Whether the strategy leaves hooks out.
    #[must_use]
    pub fn skips_hooks(&self) -> bool {
        !self.resources.is_empty() || self.sync_strategy.as_ref().is_some_and(|it| it.apply.is_some())
    }

    /// Whether conflicting objects are deleted and created again.
    #[must_use]
    pub fn forces(&self) -> bool {
        self.sync_strategy.as_ref().is_some_and(|it| {
            it.apply.as_ref().is_some_and(|it| it.force) || it.hook.as_ref().is_some_and(|it| it.force)
        })
    }

    /// Whether an option (`Key=value`) is set.
    #[must_use]
    pub fn has_option(&self, option: &str) -> bool {
        self.sync_options.iter().any(|it| it.trim() == option)
    }
}

/// With or without hooks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncStrategy {
    /// Without hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply: Option<StrategyApply>,
    /// With hooks; the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<StrategyHook>,
}

/// Without hooks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StrategyApply {
    /// Deletes and creates again what conflicts.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

/// With hooks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StrategyHook {
    /// Deletes and creates again what conflicts.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
}

/// An object that a synchronisation is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncResource {
    /// Group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; empty for any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}
