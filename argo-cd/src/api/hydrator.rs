//! Rendered manifests kept in a branch.

use argo_core::Time;
use serde::{Deserialize, Serialize};

use super::{Directory, Extra, Helm, Kustomize, Plugin, Source};

/// Renders a dry source into a branch that is then synchronised.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceHydrator {
    /// What is rendered.
    pub dry_source: DrySource,
    /// Where the result is read from.
    pub sync_source: SyncSource,
    /// Where the result is written to, if elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hydrate_to: Option<HydrateTo>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl SourceHydrator {
    /// The source that is hydrated: the dry one as a source of its own.
    #[must_use]
    pub fn effective_dry_source(&self) -> Source {
        let dry = self.dry_source.clone();
        Source {
            repo_url: dry.repo_url,
            target_revision: dry.target_revision,
            path: dry.path,
            helm: dry.helm,
            kustomize: dry.kustomize,
            directory: dry.directory,
            plugin: dry.plugin,
            ..Source::default()
        }
    }

    /// The source that is synchronised.
    #[must_use]
    pub fn effective_source(&self) -> Source {
        let sync = &self.sync_source;
        let repo = if sync.repo_url.is_empty() { &self.dry_source.repo_url } else { &sync.repo_url };
        Source {
            repo_url: repo.clone(),
            path: sync.path.clone(),
            target_revision: sync.target_branch.clone(),
            ..Source::default()
        }
    }
}

/// What is rendered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DrySource {
    /// Repository.
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// Revision.
    pub target_revision: String,
    /// Folder.
    pub path: String,
    /// Helm's options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm: Option<Helm>,
    /// Kustomize's options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<Kustomize>,
    /// Options of plain directories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<Directory>,
    /// A plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Plugin>,
}

/// Where the rendered manifests are read from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncSource {
    /// Repository; the dry source's when empty.
    #[serde(rename = "repoURL", skip_serializing_if = "String::is_empty")]
    pub repo_url: String,
    /// Branch.
    pub target_branch: String,
    /// Folder.
    pub path: String,
}

/// Where the rendered manifests are written to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HydrateTo {
    /// Branch.
    pub target_branch: String,
}

/// How hydration goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HydratorStatus {
    /// The one under way, or the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_operation: Option<HydrateOperation>,
    /// The last one that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_successful_operation: Option<SuccessfulHydrateOperation>,
    /// The dry commit that was last looked at.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_compared_dry_revision: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One hydration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HydrateOperation {
    /// Hydrating, Hydrated or Failed.
    pub phase: String,
    /// A sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// The commit rendered.
    #[serde(rename = "drySHA", skip_serializing_if = "String::is_empty")]
    pub dry_sha: String,
    /// The commit made.
    #[serde(rename = "hydratedSHA", skip_serializing_if = "String::is_empty")]
    pub hydrated_sha: String,
    /// What it was asked to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_hydrator: Option<SourceHydrator>,
}

/// A hydration that succeeded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SuccessfulHydrateOperation {
    /// The commit rendered.
    #[serde(rename = "drySHA", skip_serializing_if = "String::is_empty")]
    pub dry_sha: String,
    /// The commit made.
    #[serde(rename = "hydratedSHA", skip_serializing_if = "String::is_empty")]
    pub hydrated_sha: String,
    /// What it was asked to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_hydrator: Option<SourceHydrator>,
}
