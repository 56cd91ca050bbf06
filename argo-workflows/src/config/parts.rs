//! The parts of a [`super::Config`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whether Events tell of nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NodeEvents {
    /// They do by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether they are sent as if by the pod.
    pub send_as_pod: bool,
}

impl NodeEvents {
    /// Whether there are any.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled != Some(false)
    }
}

/// Whether Events tell of workflows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct WorkflowEvents {
    /// They do by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl WorkflowEvents {
    /// Whether there are any.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled != Some(false)
    }
}

/// A kubeconfig for the pods' executors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct KubeConfig {
    /// Secret it stands in.
    pub secret_name: String,
    /// Key of the secret.
    pub secret_key: String,
    /// Name of the volume; `kubeconfig` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_name: Option<String>,
    /// Where it is mounted; `/kube/config` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_path: Option<String>,
}

/// How fast pods may be made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ResourceRateLimit {
    /// Pods a second.
    pub limit: f64,
    /// Pods at once.
    pub burst: u32,
}

/// Which pod specs are logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PodSpecLogStrategy {
    /// Those of pods that failed.
    pub failed_pod: bool,
    /// All.
    pub all_pods: bool,
}

/// Which workflows may be submitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct WorkflowRestrictions {
    /// `Strict`: only those that refer to a WorkflowTemplate; `Secure`: and whose spec does not change then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_referencing: Option<String>,
}

/// What an image runs by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Image {
    /// Its entrypoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Its command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
}

/// How many ended workflows are kept; 0 means all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RetentionPolicy {
    /// That succeeded.
    pub completed: usize,
    /// That failed.
    pub failed: usize,
    /// That ended with an error.
    pub errored: usize,
}

/// A link that the UI shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Link {
    /// Its text.
    pub name: String,
    /// Where it is shown: `workflow`, `pod`, …
    pub scope: String,
    /// Its address; `http` or `https`.
    pub url: String,
    /// Whether it opens elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// An artifact driver that is a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ArtifactDriver {
    /// Its name.
    pub name: String,
    /// Image of its container.
    pub image: String,
    /// Seconds to wait for it; 5 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_timeout_seconds: Option<u32>,
}

/// Whether pods that never began are made again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FailedPodRestart {
    /// Whether they are.
    pub enabled: bool,
    /// How often; 3 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_restarts: Option<u32>,
}

/// Pods without init container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct InitlessPod {
    /// Whether pods have none.
    pub enabled: bool,
}

/// An endpoint of metrics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// On by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Leaves old samples out of messages.
    pub disable_legacy: bool,
    /// How long a metric of a workflow is kept, as a Go duration.
    #[serde(rename = "metricsTTL", skip_serializing_if = "Option::is_none")]
    pub metrics_ttl: Option<String>,
    /// Path; `/metrics` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Port; 9090 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whether errors are left out.
    pub ignore_errors: bool,
    /// Whether it speaks plain HTTP; TLS by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secure: Option<bool>,
    /// Changes of single metrics, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub modifiers: BTreeMap<String, Value>,
    /// `Cumulative` (default) or `Delta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temporality: Option<String>,
}
