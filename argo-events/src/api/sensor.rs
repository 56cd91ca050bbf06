//! Sensor.

use std::collections::BTreeMap;

use argo_core::{ObjectMeta, Resource};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DEFAULT_EVENT_BUS, Status, Trigger};

/// Waits for events and runs triggers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sensor {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `Sensor`.
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: SensorSpec,
    /// What is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Dependencies and triggers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SensorSpec {
    /// Events that are waited for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// What is done then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<Trigger>,
    /// Pod fields; kept, unused in the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Value>,
    /// The bus; `default` when absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub event_bus_name: String,
    /// Replicas; kept, unused in the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Added to every log line of the sensor.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub logging_fields: BTreeMap<String, String>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// One event that is waited for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dependency {
    /// Name in conditions and parameters.
    pub name: String,
    /// Name of the EventSource.
    pub event_source_name: String,
    /// Name of the event in it.
    pub event_name: String,
    /// Which events count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<DependencyFilter>,
    /// Changes the payload first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transform: Option<DependencyTransformer>,
    /// How the kinds of filters are combined: `and` (default) or `or`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filters_logical_operator: String,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Filters of a dependency.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DependencyFilter {
    /// A daily window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeFilter>,
    /// Attributes of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<EventContext>,
    /// Values in the payload.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<DataFilter>,
    /// Expressions over values in the payload.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exprs: Vec<ExprFilter>,
    /// How `data` is combined: `and` (default) or `or`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub data_logical_operator: String,
    /// How `exprs` is combined: `and` (default) or `or`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expr_logical_operator: String,
    /// A Lua script.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub script: String,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// `[start, stop)` of a day; over midnight when stop is before start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TimeFilter {
    /// `HH:MM:SS`
    pub start: String,
    /// `HH:MM:SS`
    pub stop: String,
    /// IANA time zone; UTC when absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timezone: String,
}

/// Attributes of an event; empty ones do not count. id, time and specversion are never compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", default)]
pub struct EventContext {
    /// Type of the source.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Name of the event.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Name of the EventSource.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Content type.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub datacontenttype: String,
    /// What this type does not know or compare.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Compares one value of the payload.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataFilter {
    /// gjson path.
    pub path: String,
    /// `bool`, `number` or `string`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One of these; regular expressions when `type` is `string`.
    pub value: Vec<String>,
    /// `=` (default), `!=`, `>`, `>=`, `<`, `<=`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comparator: String,
    /// Go template that the value goes through first, as `.Input`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub template: String,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A govaluate expression over values of the payload.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExprFilter {
    /// The expression.
    pub expr: String,
    /// Its variables.
    pub fields: Vec<PayloadField>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A variable taken from the payload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PayloadField {
    /// gjson path.
    pub path: String,
    /// Name in the expression.
    pub name: String,
}

/// Changes the payload before filters see it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DependencyTransformer {
    /// jq.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jq: String,
    /// Lua.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub script: String,
}

/// When events that were saved for a trigger are forgotten.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConditionsReset {
    /// By a schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_time: Option<ConditionsResetByTime>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A cron schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConditionsResetByTime {
    /// Five fields.
    pub cron: String,
    /// IANA time zone; UTC when absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timezone: String,
}

impl SensorSpec {
    /// The bus it listens on.
    #[must_use]
    pub fn bus(&self) -> &str {
        if self.event_bus_name.is_empty() { DEFAULT_EVENT_BUS } else { &self.event_bus_name }
    }
}

impl Resource for Sensor {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "Sensor";
    const PLURAL: &'static str = "sensors";
    const SHORT_NAMES: &'static [&'static str] = &["sn"];
    const STATUS_SUBRESOURCE: bool = true;
    const REQUIRED: &'static [&'static str] = &["spec"];
}
