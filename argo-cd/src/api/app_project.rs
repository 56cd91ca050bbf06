//! AppProject.

use std::collections::BTreeMap;

use argo_core::{ObjectMeta, Resource};
use serde::{Deserialize, Serialize};

use super::{Extra, is_false, is_zero};

/// What Applications may do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppProject {
    /// `argoproj.io/v1alpha1`.
    #[serde(default)]
    pub api_version: String,
    /// `AppProject`.
    #[serde(default)]
    pub kind: String,
    /// Metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What is permitted.
    #[serde(default)]
    pub spec: AppProjectSpec,
    /// Tokens by role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<AppProjectStatus>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Resource for AppProject {
    const GROUP: &'static str = "argoproj.io";
    const VERSION: &'static str = "v1alpha1";
    const KIND: &'static str = "AppProject";
    const PLURAL: &'static str = "appprojects";
    const SHORT_NAMES: &'static [&'static str] = &["appproj", "appprojs"];
    const REQUIRED: &'static [&'static str] = &["metadata", "spec"];
}

/// What is permitted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppProjectSpec {
    /// For people; at most 255 characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Repositories: globs, `!` denies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_repos: Vec<String>,
    /// Clusters and namespaces: globs, `!` denies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<ProjectDestination>,
    /// Namespaces of Applications beside the controller's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_namespaces: Vec<String>,
    /// Cluster-scoped kinds that are permitted; none when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_resource_whitelist: Vec<GroupKindPattern>,
    /// Cluster-scoped kinds that are forbidden.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_resource_blacklist: Vec<GroupKindPattern>,
    /// Namespaced kinds that are permitted: all when absent, none when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_resource_whitelist: Option<Vec<GroupKindPattern>>,
    /// Namespaced kinds that are forbidden.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespace_resource_blacklist: Vec<GroupKindPattern>,
    /// Roles of the API.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<ProjectRole>,
    /// Watches objects that nobody manages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphaned_resources: Option<OrphanedResources>,
    /// When synchronisation may happen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sync_windows: Vec<SyncWindow>,
    /// Keys that commits must be signed with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signature_keys: Vec<SignatureKey>,
    /// How commits are verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_integrity: Option<SourceIntegrity>,
    /// Only clusters of this project.
    #[serde(skip_serializing_if = "is_false")]
    pub permit_only_project_scoped_clusters: bool,
    /// Whom to act as.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub destination_service_accounts: Vec<DestinationServiceAccount>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A cluster and a namespace: globs, `!` denies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectDestination {
    /// URL of the API server.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// Name of the cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// Group, kind and name as patterns of Go's `filepath.Match`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupKindPattern {
    /// Group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Name; empty for all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A role of the API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectRole {
    /// Name.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Casbin policies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Groups of the identity provider.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Tokens that were given out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jwt_tokens: Vec<JwtToken>,
}

/// A token that was given out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JwtToken {
    /// Issued at, in Unix seconds.
    pub iat: i64,
    /// Expires at, in Unix seconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub exp: i64,
    /// Id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
}

/// Watches objects that nobody manages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrphanedResources {
    /// Makes them a condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warn: Option<bool>,
    /// What does not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<OrphanedResourceKey>,
}

/// Globs of objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrphanedResourceKey {
    /// Group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// When synchronisation may happen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncWindow {
    /// `allow` or `deny`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Cron, five fields.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub schedule: String,
    /// Go duration.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub duration: String,
    /// Globs of Applications.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<String>,
    /// Globs of namespaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Globs of clusters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// Whether people may synchronise nevertheless.
    #[serde(skip_serializing_if = "is_false")]
    pub manual_sync: bool,
    /// Time zone; UTC when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub time_zone: String,
    /// All of applications, namespaces and clusters must match.
    #[serde(skip_serializing_if = "is_false")]
    pub and_operator: bool,
    /// What has begun may end after the window.
    #[serde(skip_serializing_if = "is_false")]
    pub sync_overrun: bool,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A key that commits must be signed with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignatureKey {
    /// Id of the key.
    #[serde(rename = "keyID")]
    pub key_id: String,
}

/// How commits are verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceIntegrity {
    /// For git.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<SourceIntegrityGit>,
}

/// How git commits are verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceIntegrityGit {
    /// By repository.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<SourceIntegrityGitPolicy>,
}

/// How the commits of some repositories are verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceIntegrityGitPolicy {
    /// Which repositories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repos: Vec<SourceIntegrityRepo>,
    /// Signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpg: Option<SourceIntegrityGpg>,
}

/// A repository, a glob.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceIntegrityRepo {
    /// URL.
    pub url: String,
}

/// Signatures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceIntegrityGpg {
    /// `none`, `head` or `strict`.
    pub mode: String,
    /// Ids of keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// Whom to act as in a destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DestinationServiceAccount {
    /// URL of the API server, a glob.
    pub server: String,
    /// Namespace, a glob.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `name` or `namespace:name`.
    pub default_service_account: String,
}

/// Tokens by role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppProjectStatus {
    /// Tokens by role.
    #[serde(rename = "jwtTokensByRole", skip_serializing_if = "BTreeMap::is_empty")]
    pub jwt_tokens_by_role: BTreeMap<String, JwtTokens>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JwtTokens {
    /// Tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<JwtToken>,
}
