//! Triggers of a Sensor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Backoff, BasicAuth, ConditionsReset, ConfigMapKeySelector, SecretKeySelector};

/// What a sensor does once its conditions hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trigger {
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<TriggerTemplate>,
    /// Values of the events put into the template.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<TriggerParameter>,
    /// When it counts as a success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<TriggerPolicy>,
    /// How to try again; one attempt when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_strategy: Option<Backoff>,
    /// How often at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Whether events are acknowledged only after the trigger ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_least_once: bool,
    /// What to do with the events when all attempts failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dlq_trigger: Option<Box<Trigger>>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Name, conditions, and the configuration of one trigger type under its key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TriggerTemplate {
    /// Unique in the Sensor.
    pub name: String,
    /// Boolean expression over dependency names; all of them when absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub conditions: String,
    /// When saved events are forgotten.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions_reset: Vec<ConditionsReset>,
    /// Trigger type → its configuration, decoded by the implementation after the parameters were
    /// put in; and fields this type does not know.
    #[serde(flatten)]
    pub kinds: BTreeMap<String, Value>,
}

/// Puts a value of an event somewhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TriggerParameter {
    /// Where the value comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src: Option<TriggerParameterSource>,
    /// Where it goes: an sjson path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dest: String,
    /// `overwrite` (default), `append` or `prepend`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub operation: String,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Where a parameter's value comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TriggerParameterSource {
    /// Which dependency's event.
    pub dependency_name: String,
    /// gjson path in the event's attributes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub context_key: String,
    /// Go template over the event's attributes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub context_template: String,
    /// gjson path in the payload.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data_key: String,
    /// Go template over the payload.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data_template: String,
    /// Used when nothing else gives a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Keeps numbers, booleans and objects what they are instead of making them text.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub use_raw_data: bool,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// When a trigger counts as a success.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TriggerPolicy {
    /// Labels that the object must get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k8s: Option<K8sPolicy>,
    /// HTTP status codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusPolicy>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Waits for labels on the object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct K8sPolicy {
    /// All of these.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How long and how often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// Whether running out of it is a failure.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub error_on_backoff_timeout: bool,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Which HTTP status codes are a success.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatusPolicy {
    /// These.
    pub allow: Vec<u16>,
}

/// At most so many firings per unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RateLimit {
    /// `Second` (default), `Minute` or `Hour`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// How many.
    pub requests_per_unit: i32,
}

/// Where an object comes from; the first that is given counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtifactLocation {
    /// YAML text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline: Option<String>,
    /// A key of a ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configmap: Option<ConfigMapSource>,
    /// The object itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Value>,
    /// s3, file, url, git and what this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A key of a ConfigMap.
pub type ConfigMapSource = ConfigMapKeySelector;

/// `k8s`: changes an object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct K8sTrigger {
    /// The object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<ArtifactLocation>,
    /// `create` (default), `update`, `patch` or `delete`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub operation: String,
    /// Values of the events put into the object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<TriggerParameter>,
    /// Content type of the patch; JSON merge patch by default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub patch_strategy: String,
    /// `update` changes what is in the cluster instead of merging `source` into it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub live_object: bool,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// `argoWorkflow`: what `argo <operation>` does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArgoWorkflowTrigger {
    /// The workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<ArtifactLocation>,
    /// `submit`, `submit-from`, `resubmit`, `resume`, `retry`, `suspend`, `terminate` or `stop`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub operation: String,
    /// Values of the events put into the workflow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<TriggerParameter>,
    /// Arguments of the command.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// `http`: sends a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpTrigger {
    /// Address.
    pub url: String,
    /// Body, built from values of the events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub payload: Vec<TriggerParameter>,
    /// TLS settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Value>,
    /// `POST` by default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// Values of the events put into this trigger.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<TriggerParameter>,
    /// Seconds; 60 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Basic authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// Headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Headers from Secrets and ConfigMaps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secure_headers: Vec<SecureHeader>,
    /// Headers from events; `dest` is the name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dynamic_headers: Vec<TriggerParameter>,
    /// Host header.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A header whose value is not in the manifest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecureHeader {
    /// Name of the header.
    pub name: String,
    /// Where its value is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

/// A key of a Secret or a ConfigMap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueFrom {
    /// Of a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeySelector>,
    /// Of a ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeySelector>,
}

/// `log`: writes the events into the log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogTrigger {
    /// Not more often than every so many seconds; each time when 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<u64>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Trigger types in the order in which upstream looks for them: the first that is given counts.
pub(crate) const TRIGGER_KINDS: &[&str] = &[
    "k8s",
    "argoWorkflow",
    "http",
    "awsLambda",
    "azureEventHubs",
    "azureServiceBus",
    "kafka",
    "pulsar",
    "nats",
    "slack",
    "openWhisk",
    "custom",
    "log",
    "email",
];

impl TriggerTemplate {
    /// The type that counts, and its configuration: upstream's types in upstream's order, then any
    /// of `others` (a vendor's).
    #[must_use]
    pub fn kind<'a>(&'a self, others: &[&str]) -> Option<(&'a str, &'a Value)> {
        TRIGGER_KINDS.iter().chain(others).find_map(|kind| {
            let (kind, config) = self.kinds.get_key_value(*kind)?;
            (!config.is_null()).then_some((kind.as_str(), config))
        })
    }
}

impl Trigger {
    /// Name of the template; empty when there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.template.as_ref().map(|it| it.name.as_str()).unwrap_or_default()
    }
}
