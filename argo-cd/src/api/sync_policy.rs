//! When and how to synchronise.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Extra, is_false, is_zero};

/// When and how to synchronise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncPolicy {
    /// Synchronises on its own. Present and empty is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automated: Option<Automated>,
    /// `Key=value` options.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sync_options: Vec<String>,
    /// How failed synchronisations are tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Labels and annotations of the namespace that `CreateNamespace=true` makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_namespace_metadata: Option<ManagedNamespaceMetadata>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl SyncPolicy {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// The automated policy, if it is on.
    #[must_use]
    pub fn enabled(&self) -> Option<&Automated> {
        self.automated.as_ref().filter(|it| it.enabled != Some(false))
    }
}

/// Synchronisation without being asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Automated {
    /// Deletes what is no longer in the sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune: Option<bool>,
    /// Puts back what was changed in the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_heal: Option<bool>,
    /// Lets a synchronisation delete everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_empty: Option<bool>,
    /// Off with `false`; on when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Automated {
    /// Whether it prunes.
    #[must_use]
    pub fn prunes(&self) -> bool {
        self.prune == Some(true)
    }

    /// Whether it heals.
    #[must_use]
    pub fn heals(&self) -> bool {
        self.self_heal == Some(true)
    }

    /// Whether it may delete everything.
    #[must_use]
    pub fn allows_empty(&self) -> bool {
        self.allow_empty == Some(true)
    }
}

/// How failed operations are tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Retry {
    /// Attempts after the first; negative for no limit, 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub limit: i64,
    /// Waits between attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<RetryBackoff>,
    /// Attempts take the newest revision.
    #[serde(skip_serializing_if = "is_false")]
    pub refresh: bool,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Waits between attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryBackoff {
    /// First wait as a Go duration or bare seconds; 5 s when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub duration: String,
    /// Growth; 2 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<i64>,
    /// Longest wait; 3 m when empty, 0 for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub max_duration: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Labels and annotations of the destination namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ManagedNamespaceMetadata {
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}
