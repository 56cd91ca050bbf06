//! Locks: what a workflow or template asks for, and what of it a workflow holds and waits for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::params::ConfigMapKeyRef;

/// Locks that must be held, all of them, while a workflow or a template runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Synchronization {
    /// Locks with several places.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub semaphores: Vec<SemaphoreRef>,
    /// Locks with one place.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub mutexes: Vec<Mutex>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A lock with one place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mutex {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace of the lock; the workflow's by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Whether it lives in the database that several controllers share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A lock with as many places as a ConfigMap or the database says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SemaphoreRef {
    /// Where the number of places stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyRef>,
    /// Key of a semaphore in the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseKey>,
    /// Namespace of the lock; the workflow's by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A semaphore of the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DatabaseKey {
    /// Its key.
    pub key: String,
}

/// The locks of a workflow, as `status.synchronization` tells them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SynchronizationStatus {
    /// Semaphores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semaphore: Option<SemaphoreStatus>,
    /// Mutexes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutex: Option<MutexStatus>,
}

/// The semaphores of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SemaphoreStatus {
    /// Those held.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub holding: Vec<SemaphoreHolding>,
    /// Those waited for, with who holds them now.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub waiting: Vec<SemaphoreHolding>,
}

/// A semaphore and holders of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SemaphoreHolding {
    /// `<namespace>/ConfigMap/<name>/<key>`.
    pub semaphore: String,
    /// `<namespace>/<workflow>`, for a template followed by `/<node id>`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub holders: Vec<String>,
}

/// The mutexes of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MutexStatus {
    /// Those held.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub holding: Vec<MutexHolding>,
    /// Those waited for, with who holds them now.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub waiting: Vec<MutexHolding>,
}

/// A mutex and its holder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MutexHolding {
    /// `<namespace>/Mutex/<name>`.
    pub mutex: String,
    /// `<namespace>/<workflow>`, for a template followed by `/<node id>`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub holder: String,
}

impl SynchronizationStatus {
    /// Whether nothing is held and nothing waited for.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let semaphores = self.semaphore.iter().flat_map(|it| it.holding.iter().chain(&it.waiting));
        self.mutex.as_ref().is_none_or(|it| it.holding.is_empty() && it.waiting.is_empty())
            && semaphores.into_iter().next().is_none()
    }

    /// Every `(lock, holder)` that is held.
    pub fn held(&self) -> impl Iterator<Item = (&str, &str)> {
        let semaphores = self.semaphore.iter().flat_map(|it| &it.holding);
        let semaphores =
            semaphores.flat_map(|it| it.holders.iter().map(|holder| (it.semaphore.as_str(), holder.as_str())));
        let mutexes = self.mutex.iter().flat_map(|it| &it.holding).map(|it| (it.mutex.as_str(), it.holder.as_str()));
        semaphores.chain(mutexes)
    }

    /// Every lock that is waited for.
    pub fn awaited(&self) -> impl Iterator<Item = &str> {
        let semaphores = self.semaphore.iter().flat_map(|it| &it.waiting).map(|it| it.semaphore.as_str());
        semaphores.chain(self.mutex.iter().flat_map(|it| &it.waiting).map(|it| it.mutex.as_str()))
    }
}

/// What a node waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSynchronizationStatus {
    /// The lock.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub waiting: String,
}
