//! Types shared by the three kinds.

use std::collections::BTreeMap;

use argo_core::{Time, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// A key of a Secret in the object's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretKeySelector {
    /// Name of the Secret.
    pub name: String,
    /// Key in it.
    pub key: String,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A key of a ConfigMap in the object's namespace.
pub type ConfigMapKeySelector = SecretKeySelector;

/// User name and password, both from Secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BasicAuth {
    /// The user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<SecretKeySelector>,
    /// The password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretKeySelector>,
}

/// How to try again. Absent fields mean: 1 s, factor 1.0, jitter 1, 5 steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Backoff {
    /// First delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<BackoffDuration>,
    /// What the delay is multiplied with after each try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<Number>,
    /// How much of the delay is added at random at most, as a share of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Number>,
    /// How many calls at most, the first included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<i32>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Nanoseconds or a Go duration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum BackoffDuration {
    /// Nanoseconds.
    Nanos(i64),
    /// As Go reads durations: `1m30s`.
    Text(String),
}

/// Labels and annotations to put on what is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// An expr-lang expression over the payload; events for which it is not true are dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventSourceFilter {
    /// The expression; it must give a boolean.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expression: String,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known (yet).
    Unknown,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// When `status` last changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_transition_time: Option<Time>,
    /// One word in CamelCase.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub reason: String,
    /// A sentence for people.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub message: String,
}

/// Status of an EventSource or a Sensor: conditions in order of their types, nothing else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What this type does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl SecretKeySelector {
    /// A key of a Secret or ConfigMap.
    pub fn new(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self { name: name.into(), key: key.into(), extra: BTreeMap::new() }
    }
}

impl Status {
    /// The condition of a type.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|it| it.kind == kind)
    }

    /// Ready: at least one condition, and all true.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.conditions.is_empty() && self.conditions.iter().all(|it| it.status == ConditionStatus::True)
    }

    /// Sets a condition; its transition time changes only when its status does.
    pub fn set(&mut self, kind: &str, status: ConditionStatus, reason: &str, message: &str, now: Timestamp) {
        let next = Condition {
            kind: kind.to_owned(),
            status,
            last_transition_time: Some(now.into()),
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        match self.conditions.iter_mut().find(|it| it.kind == kind) {
            Some(found) => {
                let since = if found.status == status { found.last_transition_time } else { None };
                *found = Condition { last_transition_time: since.or(next.last_transition_time), ..next };
            }
            None => self.conditions.push(next),
        }
        self.conditions.sort_by(|a, b| a.kind.cmp(&b.kind));
    }
}
