//! Application.

use argo_core::{Column, ObjectMeta, Resource};
use serde::{Deserialize, Serialize};

use super::{ApplicationStatus, Extra, Operation, Source, SourceHydrator, SyncPolicy};

/// What is deployed, from where, to where and how. Spec, status and operation are all written on the main resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// `argoproj.io/v1alpha1`.
    #[serde(default)]
    pub api_version: String,
    /// `Application`.
    #[serde(default)]
    pub kind: String,
    /// Metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What is wanted.
    #[serde(default)]
    pub spec: ApplicationSpec,
    /// What was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ApplicationStatus>,
    /// An operation that was asked for or is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Resource for Application {
    const GROUP: &'static str = "argoproj.io";
    const VERSION: &'static str = "v1alpha1";
    const KIND: &'static str = "Application";
    const PLURAL: &'static str = "applications";
    const SHORT_NAMES: &'static [&'static str] = &["app", "apps"];
    const COLUMNS: &'static [Column] = &[
        Column::text("Sync Status", ".status.sync.status"),
        Column::text("Health Status", ".status.health.status"),
        Column::text("Revision", ".status.sync.revision").wide(10),
        Column::text("Project", ".spec.project").wide(10),
    ];
    const REQUIRED: &'static [&'static str] = &["metadata", "spec"];
    const FIELDS: &'static [&'static str] = &["spec", "status", "operation"];
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationSpec {
    /// The project that permits it; empty means `default`.
    pub project: String,
    /// The cluster and namespace.
    pub destination: Destination,
    /// One source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Several sources; they win over `source`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Rendered manifests in a branch; wins over both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_hydrator: Option<SourceHydrator>,
    /// When and how to synchronise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_policy: Option<SyncPolicy>,
    /// Differences that do not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_differences: Vec<IgnoreDifferences>,
    /// For people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<Info>,
    /// Entries kept in `status.history`: 10 when absent, 0 keeps none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i64>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ApplicationSpec {
    /// Whether `sources` counts: a list of one still makes `revisions` and `sources` in the status.
    #[must_use]
    pub fn is_multi_source(&self) -> bool {
        self.source_hydrator.is_none() && !self.sources.is_empty()
    }

    /// The sources in effect.
    #[must_use]
    pub fn effective_sources(&self) -> Vec<Source> {
        if let Some(hydrator) = &self.source_hydrator {
            return vec![hydrator.effective_source()];
        }
        if self.sources.is_empty() { self.source.iter().cloned().collect() } else { self.sources.clone() }
    }

    /// The project in effect.
    #[must_use]
    pub fn project_name(&self) -> &str {
        if self.project.is_empty() { super::names::DEFAULT_PROJECT } else { &self.project }
    }
}

/// A cluster, by server or name, and a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Destination {
    /// URL of the API server.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// Name of the cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Namespace of objects that name none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Differences of matching objects that do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IgnoreDifferences {
    /// Group, a glob.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind, a glob.
    pub kind: String,
    /// Name; empty for all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Namespace; empty for all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Paths that are removed before the comparison.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub json_pointers: Vec<String>,
    /// jq paths that are removed before the comparison.
    #[serde(rename = "jqPathExpressions", skip_serializing_if = "Vec::is_empty")]
    pub jq_path_expressions: Vec<String>,
    /// Field managers whose fields are left to them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_fields_managers: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A line for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}
