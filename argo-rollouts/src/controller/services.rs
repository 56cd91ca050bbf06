//! Services that no Rollout steers any more get their own selector back.

use std::sync::Arc;

use argo_core::{
    ObjectKey,
    runtime::{Cache, Context, Outcome, Reconcile, ReconcileResult},
};

use crate::{api::names, engine};

/// Name of the controller.
pub(super) const NAME: &str = "rollouts-services";

pub(super) struct Services {
    pub(super) context: Context,
    pub(super) services: Arc<Cache>,
    pub(super) rollouts: Arc<Cache>,
}

#[async_trait::async_trait]
impl Reconcile for Services {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let Some(service) = self.services.get(key) else {
            return Ok(Outcome::DONE);
        };
        let Some(owner) = service.annotation(names::MANAGED_BY) else {
            return Ok(Outcome::DONE);
        };
        let rollout = self.rollouts.get(&ObjectKey::new(service.namespace(), owner));
        if let Some(change) = engine::release_service(&service, rollout.as_deref()) {
            self.context.apply(NAME, key, &change).await?;
        }
        Ok(Outcome::DONE)
    }
}
