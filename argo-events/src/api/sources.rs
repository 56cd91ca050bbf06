//! Configurations of the event source types that are built in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EventSourceFilter, SecretKeySelector};

/// Where and how a webhook is served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookContext {
    /// Path, matched exactly.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub endpoint: String,
    /// HTTP method that is accepted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// Port, as text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub port: String,
    /// Address under which the world reaches it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// Certificate for TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cert_secret: Option<SecretKeySelector>,
    /// Key for TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_key_secret: Option<SecretKeySelector>,
    /// Copied into every payload.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Bearer token that callers must show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_secret: Option<SecretKeySelector>,
    /// Largest body in bytes; 1 MiB when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_payload_size: Option<i64>,
}

/// `webhook`: any HTTP request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebhookConfig {
    /// Where it is served.
    #[serde(flatten)]
    pub context: WebhookContext,
    /// Which events pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<EventSourceFilter>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// `github`: signed webhooks of GitHub.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GithubConfig {
    /// Where it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookContext>,
    /// Deprecated: owner of `repository`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Deprecated: one repository.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub repository: String,
    /// Repositories by owner.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<OwnedRepositories>,
    /// Whole organizations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<String>,
    /// Events that the hooks subscribe to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Secret that signs the deliveries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<SecretKeySelector>,
    /// Token for managing hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_token: Option<SecretKeySelector>,
    /// App for managing hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github_app: Option<Value>,
    /// Address of an own GitHub.
    #[serde(rename = "githubBaseURL", skip_serializing_if = "String::is_empty")]
    pub github_base_url: String,
    /// Upload address of an own GitHub.
    #[serde(rename = "githubUploadURL", skip_serializing_if = "String::is_empty")]
    pub github_upload_url: String,
    /// Copied into every payload.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Which events pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<EventSourceFilter>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Repositories of one owner.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnedRepositories {
    /// Owner.
    pub owner: String,
    /// Names.
    pub names: Vec<String>,
}

/// `calendar`: a cron schedule or an interval.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CalendarConfig {
    /// Five cron fields; wins over `interval`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub schedule: String,
    /// Go duration between two events.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub interval: String,
    /// `EXDATE:20060102T150405Z[,…]`: days without events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclusion_dates: Vec<String>,
    /// IANA time zone; UTC when absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timezone: String,
    /// Copied into every payload.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Remembers the last event over restarts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<PersistenceConfig>,
    /// Which events pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<EventSourceFilter>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Where a calendar remembers its last event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistenceConfig {
    /// What to do about missed events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catchup: Option<CatchupConfig>,
    /// The ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<PersistenceConfigMap>,
}

/// Whether missed events are made up for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CatchupConfig {
    /// Whether.
    pub enabled: bool,
    /// Not older than this Go duration.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub max_duration: String,
}

/// A ConfigMap to remember in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistenceConfigMap {
    /// Name.
    pub name: String,
    /// Whether to make it.
    pub create_if_not_exist: bool,
}

/// `resource`: changes of Kubernetes objects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceConfig {
    /// Namespace; all when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// API group; empty for the core group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Plural.
    pub resource: String,
    /// `ADD`, `UPDATE`, `DELETE`; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub event_types: Vec<String>,
    /// Which objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<ResourceFilter>,
    /// Copied into every payload.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Which objects a `resource` source tells of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceFilter {
    /// Prefix of the name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Labels, asked of the server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Selector>,
    /// Fields of the object by gjson path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Selector>,
    /// Created at or before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<argo_core::Time>,
    /// Only what happens after the source started.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub after_start: bool,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// One comparison.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// Label or path.
    pub key: String,
    /// Operator; equality when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub operation: String,
    /// What to compare with.
    pub value: String,
}
