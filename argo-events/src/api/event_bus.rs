//! EventBus.

use std::collections::BTreeMap;

use argo_core::{ObjectMeta, Resource};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Status;

/// Where events of a namespace travel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventBus {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `EventBus`.
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: EventBusSpec,
    /// What is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<EventBusStatus>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Exactly one of the four is to be given; with several the order is nats, jetstream, kafka, jetstreamExotic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventBusSpec {
    /// NATS streaming (STAN), deprecated upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats: Option<NatsBus>,
    /// A JetStream that the controller provides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jetstream: Option<JetStreamBus>,
    /// A Kafka that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<Value>,
    /// A JetStream that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jetstream_exotic: Option<Value>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// STAN: one of the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NatsBus {
    /// Provided by the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<Value>,
    /// One that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exotic: Option<Value>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// JetStream, provided by the controller.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JetStreamBus {
    /// Version, required.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// How many servers; 3 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Persistence, pod fields, settings: kept as they are.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Conditions, and the configuration that pods read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventBusStatus {
    /// The conditions.
    #[serde(flatten)]
    pub status: Status,
}

/// Which of the four an EventBus is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusKind {
    /// `nats.native`
    NatsNative,
    /// `nats.exotic`
    NatsExotic,
    /// `jetstream`
    JetStream,
    /// `kafka`
    Kafka,
    /// `jetstreamExotic`
    JetStreamExotic,
}

impl Resource for EventBus {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "EventBus";
    const PLURAL: &'static str = "eventbus";
    const SHORT_NAMES: &'static [&'static str] = &["eb"];
    const STATUS_SUBRESOURCE: bool = true;
    const REQUIRED: &'static [&'static str] = &["spec"];
}
