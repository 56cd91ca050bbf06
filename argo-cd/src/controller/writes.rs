//! Writes to the cluster of an Application.

use argo_core::{Category, Change, ClusterApplier, Failure, Object, ObjectKey, runtime::Context};

use super::NAME;

/// Settings ask for another user, and the applier can not be one.
#[derive(Debug, thiserror::Error)]
#[error("impersonation of {0} is asked for, and the applier of this cluster can not act as another user")]
pub(super) struct NoImpersonation(pub(super) String);

impl Failure for NoImpersonation {
    fn category(&self) -> Category {
        Category::Forbidden
    }
}

/// A deleted object is not waited for in the caches: it may never show the version that the answer carried.
pub(super) async fn write(
    there: &Context,
    applier: &dyn ClusterApplier,
    key: &ObjectKey,
    change: &Change,
) -> Result<Option<Object>, argo_core::ApplyError> {
    match change {
        Change::Delete { .. } => applier.apply(change).await,
        _ => there.apply_through(applier, NAME, key, change).await,
    }
}

/// Whether the Application has outgrown what the API server takes.
pub(super) fn is_too_large(error: &argo_core::ApplyError) -> bool {
    error.category == Category::LimitExceeded || error.message.contains("request is too large")
}
