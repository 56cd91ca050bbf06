//! A policy between plans and the cluster.

use std::{fmt, sync::Arc};

use super::{ApplyError, ClusterApplier, WriteOptions};
use crate::{
    error::Category,
    object::Object,
    plan::{Change, Note},
};

/// What a policy says of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allow,
    /// Do not; the reason becomes the error's message.
    Refuse(String),
}

/// Asks a policy before every change.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use argo_core::apply::{Guarded, Recording, Verdict};
/// use argo_core::Change;
/// let applier = Guarded::new(Arc::new(Recording::default()), |change: &Change| match change {
///     Change::Delete { target, .. } if target.gvk.kind == "Namespace" => Verdict::Refuse("namespaces stay".into()),
///     _ => Verdict::Allow,
/// });
/// # let _ = applier;
/// ```
pub struct Guarded<P> {
    inner: Arc<dyn ClusterApplier>,
    policy: Arc<P>,
}

impl<P: Fn(&Change) -> Verdict + Send + Sync> Guarded<P> {
    /// Puts `policy` before `inner`.
    pub fn new(inner: Arc<dyn ClusterApplier>, policy: P) -> Self {
        Self { inner, policy: Arc::new(policy) }
    }
}

impl<P> fmt::Debug for Guarded<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl<P: Fn(&Change) -> Verdict + Send + Sync + 'static> ClusterApplier for Guarded<P> {
    async fn apply(&self, change: &Change) -> Result<Option<Object>, ApplyError> {
        self.apply_with(change, WriteOptions::default()).await
    }

    async fn apply_with(&self, change: &Change, options: WriteOptions) -> Result<Option<Object>, ApplyError> {
        match (self.policy)(change) {
            Verdict::Allow => self.inner.apply_with(change, options).await,
            Verdict::Refuse(reason) => {
                Err(ApplyError::new(change, Category::Forbidden, format!("refused by policy: {reason}")))
            }
        }
    }

    fn impersonating(&self, user: &str) -> Option<Arc<dyn ClusterApplier>> {
        let inner = self.inner.impersonating(user)?;
        Some(Arc::new(Self { inner, policy: self.policy.clone() }))
    }

    async fn note(&self, regarding: &Object, note: &Note) {
        self.inner.note(regarding, note).await;
    }
}
