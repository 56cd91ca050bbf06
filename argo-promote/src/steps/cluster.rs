//! What steps may do to objects of the cluster.

use std::fmt;

use argo_core::{ApplyError, Change, Gvk, Note, Object, ObjectRef};

use super::StepError;

/// Objects of the cluster, for steps.
#[async_trait::async_trait]
pub trait StepCluster: Send + Sync + fmt::Debug {
    /// One object, as it is now; `None` when it does not exist.
    ///
    /// # Errors
    /// When the kind is not served or the API server does not answer.
    async fn get(&self, target: &ObjectRef) -> Result<Option<Object>, StepError>;

    /// All objects of a kind in a namespace.
    ///
    /// # Errors
    /// When the kind is not served or the API server does not answer.
    async fn list(&self, gvk: &Gvk, namespace: &str) -> Result<Vec<Object>, StepError>;

    /// Carries out a change.
    ///
    /// # Errors
    /// As [`argo_core::ClusterApplier::apply`].
    async fn apply(&self, change: &Change) -> Result<Option<Object>, ApplyError>;

    /// Records an event.
    async fn note(&self, regarding: &Object, note: &Note);
}
