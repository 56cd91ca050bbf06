//! Everything that was written in a simulation, by whom.

use std::{sync::Arc, time::Duration};

use argo_core::Object;

use crate::engine::RouteTraffic;

/// Who wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Author {
    /// The controllers of this crate.
    Controller,
    /// What stands for the rest of the cluster: pods, and the status of ReplicaSets.
    #[default]
    Cluster,
    /// An [`Act`](super::Act).
    User,
}

/// One write.
#[derive(Debug, Clone)]
pub struct Written {
    /// Since the change.
    pub at: Duration,
    /// Who wrote.
    pub by: Author,
    /// What changed.
    pub what: What,
}

/// What a write changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum What {
    /// An object: absent before when it was made, absent after when it was deleted.
    Object {
        /// As it was.
        before: Option<Arc<Object>>,
        /// As it is now.
        after: Option<Arc<Object>>,
    },
    /// Where requests go.
    Traffic(Arc<RouteTraffic>),
}
