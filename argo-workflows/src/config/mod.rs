//! [`Config`]: the controller's configuration, as upstream's ConfigMap `workflow-controller-configmap` holds it.

mod parts;
mod persistence;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use parts::{
    ArtifactDriver, FailedPodRestart, Image, InitlessPod, KubeConfig, Link, MetricsConfig, NodeEvents,
    PodSpecLogStrategy, ResourceRateLimit, RetentionPolicy, WorkflowEvents, WorkflowRestrictions,
};
pub use persistence::{
    LabelOperator, LabelRequirement, LabelSelector, Persistence, Postgresql, SecretKey, Sqlite, SyncConfig,
};

use crate::{
    api::{TtlStrategy, Workflow},
    engine::AdmissionLimits,
};

/// Name of the ConfigMap that upstream's manifests use.
pub const CONFIG_MAP: &str = "workflow-controller-configmap";

/// The controller's configuration. Every key is optional; a key that is not listed here is refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Config {
    /// Whether Events tell of nodes; they do by default.
    pub node_events: NodeEvents,
    /// Whether Events tell of workflows; they do by default.
    pub workflow_events: WorkflowEvents,
    /// Merged into the executor's containers: image, resources, environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executor: Option<Value>,
    /// Merged under every main container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_container: Option<Value>,
    /// A kubeconfig for the pods' executors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_config: Option<KubeConfig>,
    /// Where artifacts go that say nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_repository: Option<Value>,
    /// The only namespace that is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Only workflows labelled with this id are run; by default those without one.
    #[serde(rename = "instanceID", skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// The metrics endpoint.
    pub metrics_config: MetricsConfig,
    /// The telemetry endpoint.
    pub telemetry_config: MetricsConfig,
    /// Most workflows that run at once; 0 (default) means without limit.
    pub parallelism: usize,
    /// Most workflows of one namespace that run at once; 0 (default) means without limit.
    pub namespace_parallelism: usize,
    /// How fast pods may be made; without limit by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_rate_limit: Option<ResourceRateLimit>,
    /// The database for nodes and the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Box<Persistence>>,
    /// Links that the UI shows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Columns that the UI shows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Value>,
    /// Merged under every workflow, and under the WorkflowTemplate that it refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_defaults: Option<Box<Workflow>>,
    /// Which pod specs are logged; none by default.
    pub pod_spec_log_strategy: PodSpecLogStrategy,
    /// Seconds that a pod gets to end in.
    #[serde(rename = "podGCGracePeriodSeconds", skip_serializing_if = "Option::is_none")]
    pub pod_gc_grace_period_seconds: Option<i64>,
    /// How long a pod stays before `podGC` deletes it, as a Go duration; 5 seconds by default.
    #[serde(rename = "podGCDeleteDelayDuration", skip_serializing_if = "Option::is_none")]
    pub pod_gc_delete_delay_duration: Option<String>,
    /// Which workflows may be submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_restrictions: Option<WorkflowRestrictions>,
    /// How long the controller waits before it begins, as a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<String>,
    /// Entrypoint and command of images, for containers that give none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, Image>,
    /// How many ended workflows are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_policy: Option<RetentionPolicy>,
    /// Colour of the UI's navigation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nav_color: Option<String>,
    /// Single sign-on of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sso: Option<Value>,
    /// The database for locks that several controllers share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronization: Option<Box<SyncConfig>>,
    /// Artifact drivers that are plugins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifact_drivers: Vec<ArtifactDriver>,
    /// Whether pods that never began are made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_pod_restart: Option<FailedPodRestart>,
    /// Whether somebody else makes the agent's pods.
    pub disable_agent_pod_creation: bool,
    /// Pods without init container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initless_pod: Option<InitlessPod>,
}

/// Why a configuration is refused. Whoever runs keeps the last good one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// `config` holds everything, or every key stands for itself.
    #[error("if you have an item in your config map named 'config', you must only have one item")]
    TwoForms,
    /// A key holds no YAML.
    #[error("key '{key}' of the configuration is no YAML: {message}")]
    Yaml {
        /// The key.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// A key is not known, or its value has the wrong form.
    #[error("the configuration can not be used: {0}")]
    Invalid(String),
}

impl Config {
    /// Reads a ConfigMap's data: one YAML text under `config`, or one key each.
    ///
    /// # Errors
    /// When there is a key that does not exist, or a value that can not be read.
    pub fn from_config_map(data: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let yaml = |key: &str, text: &str| {
            let failed = |message: String| ConfigError::Yaml { key: key.to_owned(), message };
            argo_lang::yaml::decode(text).map_err(|it| failed(it.to_string()))
        };
        let value = match data.get("config") {
            Some(_) if data.len() != 1 => return Err(ConfigError::TwoForms),
            Some(text) => yaml("config", text)?,
            None => {
                let read = data.iter().map(|(key, text)| Ok((key.clone(), yaml(key, text)?)));
                Value::Object(read.collect::<Result<_, ConfigError>>()?)
            }
        };
        if value.is_null() {
            return Ok(Self::default());
        }
        let config: Self = serde_json::from_value(value).map_err(|it| ConfigError::Invalid(it.to_string()))?;
        for (key, text) in [
            ("podGCDeleteDelayDuration", &config.pod_gc_delete_delay_duration),
            ("initialDelay", &config.initial_delay),
        ] {
            if let Some(text) = text
                && argo_lang::duration::parse(text).is_err()
            {
                return Err(ConfigError::Invalid(format!("{key}: '{text}' is no duration such as 5s or 1m30s")));
            }
        }
        if let Some(Err(message)) = config.persistence.as_ref().map(|it| it.archive_ttl()) {
            return Err(ConfigError::Invalid(message));
        }
        for link in &config.links {
            let scheme = link.url.split_once("://").map(|it| it.0);
            if !matches!(scheme, Some("http" | "https")) {
                return Err(ConfigError::Invalid(format!("protocol {} is not allowed", scheme.unwrap_or_default())));
            }
        }
        Ok(config)
    }

    /// How many workflows may run at once; `namespaces` are the limits of single ones.
    #[must_use]
    pub fn limits(&self, namespaces: BTreeMap<String, usize>) -> AdmissionLimits {
        AdmissionLimits { total: self.parallelism, namespace: self.namespace_parallelism, namespaces }
    }

    /// When ended workflows go that do not say so themselves.
    #[must_use]
    pub fn default_ttl(&self) -> Option<TtlStrategy> {
        self.workflow_defaults.as_ref()?.spec.ttl_strategy
    }

    /// How long a pod stays before `podGC` deletes it.
    #[must_use]
    pub fn pod_gc_delay(&self) -> std::time::Duration {
        let given = self.pod_gc_delete_delay_duration.as_deref();
        let parsed = given.and_then(|it| argo_lang::duration::parse(it).ok()).and_then(|it| it.try_into().ok());
        parsed.unwrap_or(std::time::Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter().map(|(key, it)| ((*key).to_owned(), (*it).to_owned())).collect()
    }

    #[test]
    fn both_forms_give_the_same() {
        let whole = data(&[(
            "config",
            "parallelism: 7\ninstanceID: a\nnodeEvents: {enabled: false}\nimages:\n  x: {cmd: [run]}\nworkflowDefaults: {spec: {priority: 3}}\n",
        )]);
        let parts = data(&[
            ("parallelism", "7"),
            ("instanceID", "a"),
            ("nodeEvents", "enabled: false\n"),
            ("images", "x:\n  cmd: [run]\n"),
            ("workflowDefaults", "spec:\n  priority: 3"),
        ]);
        let config = Config::from_config_map(&whole).unwrap();
        assert_eq!(config, Config::from_config_map(&parts).unwrap());
        assert_eq!((config.parallelism, config.node_events.is_enabled()), (7, false));
        assert_eq!(config.workflow_defaults.unwrap().spec.priority, Some(3));
        assert_eq!(Config::from_config_map(&BTreeMap::new()).unwrap(), Config::default());
        assert_eq!(Config::default().pod_gc_delay().as_secs(), 5);
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        let refused = |list: &[(&str, &str)]| Config::from_config_map(&data(list)).unwrap_err().to_string();
        assert!(refused(&[("config", "paralelism: 1")]).contains("unknown field `paralelism`"));
        assert!(refused(&[("config", "{}"), ("parallelism", "1")]).contains("you must only have one item"));
        assert!(refused(&[("parallelism", "many")]).contains("invalid type"));
        assert!(refused(&[("podGCDeleteDelayDuration", "soon")]).contains("is no duration"));
        assert!(
            refused(&[("links", "[{name: x, scope: workflow, url: 'javascript:alert(1)'}]")]).contains("not allowed")
        );
    }
}
