//! How clusters are: what upstream keeps as `ClusterInfo`.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use argo_core::Timestamp;

/// Whether a cluster answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Connection {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It answers.
    Successful,
    /// It does not; what it said, or what was in the way.
    Failed(String),
}

impl Connection {
    /// As upstream spells it: `Unknown`, `Successful`, `Failed`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Successful => "Successful",
            Self::Failed(_) => "Failed",
        }
    }
}

/// How a cluster is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterInfo {
    /// URL of its API server.
    pub server: String,
    /// Its name.
    pub name: String,
    /// Whether it answers.
    pub connection: Connection,
    /// When it was asked last.
    pub attempted_at: Option<Timestamp>,
    /// Its version, `v1.35.0`; empty while unknown.
    pub server_version: String,
    /// How many Applications go to it.
    pub applications: usize,
    /// How many kinds of it are in view.
    pub kinds: usize,
    /// How many objects of it are in view.
    pub objects: usize,
}

/// How clusters are, refreshed every ten seconds; clones share it.
#[derive(Debug, Clone, Default)]
pub struct ClusterInfos(Arc<RwLock<BTreeMap<String, ClusterInfo>>>);

impl ClusterInfos {
    /// All of them, by server.
    #[must_use]
    pub fn list(&self) -> Vec<ClusterInfo> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, server: &str) -> Option<ClusterInfo> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(server).cloned()
    }

    pub(super) fn put(&self, info: ClusterInfo) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(info.server.clone(), info);
    }

    pub(super) fn remove(&self, server: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(server);
    }
}
