//! EventSource.

use std::collections::BTreeMap;

use argo_core::{ObjectMeta, Resource};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DEFAULT_EVENT_BUS, Status};

/// Listens to the outside world and publishes what happens there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventSource {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `EventSource`.
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: EventSourceSpec,
    /// What is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Common fields, and one map of events per type of source. The maps stay as they were written:
/// each implementation of the `sources` room decodes its own, and a vendor's type is no different
/// from a built-in one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventSourceSpec {
    /// The bus; `default` when absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub event_bus_name: String,
    /// Pod fields; kept, unused in the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Value>,
    /// Service to make; kept, unused in the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Value>,
    /// Replicas; kept, unused in the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Type of source → name of the event → its configuration; and fields this type does not know.
    #[serde(flatten)]
    pub sources: BTreeMap<String, Value>,
}

/// One event of an EventSource.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceEvent {
    /// Type of the source as spelled in the spec.
    pub kind: String,
    /// Name of the event.
    pub name: String,
    /// Its configuration.
    pub config: Value,
}

impl EventSourceSpec {
    /// The bus it publishes on.
    #[must_use]
    pub fn bus(&self) -> &str {
        if self.event_bus_name.is_empty() { DEFAULT_EVENT_BUS } else { &self.event_bus_name }
    }

    /// Every event, in order of types and names. Fields that are not maps of objects are none.
    #[must_use]
    pub fn events(&self) -> Vec<SourceEvent> {
        let maps = self.sources.iter().filter_map(|(kind, map)| Some((kind, map.as_object()?)));
        maps.flat_map(|(kind, map)| {
            let events = map.iter().filter(|(_, config)| config.is_object());
            events.map(|(name, config)| SourceEvent { kind: kind.clone(), name: name.clone(), config: config.clone() })
        })
        .collect()
    }
}

impl Resource for EventSource {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "EventSource";
    const PLURAL: &'static str = "eventsources";
    const SHORT_NAMES: &'static [&'static str] = &["es"];
    const STATUS_SUBRESOURCE: bool = true;
    const REQUIRED: &'static [&'static str] = &["spec"];
}
