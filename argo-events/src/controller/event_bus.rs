//! EventBus: says which can carry events.

use std::sync::Arc;

use argo_core::{
    Category, Failure, ObjectKey,
    runtime::{Cache, Context, Outcome, Reconcile, ReconcileResult},
};

use super::{finalizer, write};
use crate::{
    api::{self, BusKind, ConditionStatus, Status},
    engine::validate::{self, names},
};

pub(super) const NAME: &str = "eventbus-controller";

pub(super) struct Reconciler {
    pub(super) context: Context,
    pub(super) buses: Arc<Cache>,
    pub(super) sources: Arc<Cache>,
    pub(super) sensors: Arc<Cache>,
}

/// A bus that is still used can not go.
#[derive(Debug, thiserror::Error)]
#[error("can not delete an EventBus with {count} {kind} connected")]
struct InUse {
    count: usize,
    kind: &'static str,
}

impl Failure for InUse {
    fn category(&self) -> Category {
        Category::Conflict
    }

    fn is_transient(&self) -> bool {
        // The one that goes brings the bus up again.
        false
    }
}

#[async_trait::async_trait]
impl Reconcile for Reconciler {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let Some(object) = self.buses.get(key) else {
            return Ok(Outcome::DONE);
        };
        if object.is_deleting() {
            for (cache, kind) in [(&self.sources, "EventSources"), (&self.sensors, "Sensors")] {
                cache.synced().await;
                let count = write::users(cache, key).len();
                if count > 0 {
                    return Err(InUse { count, kind }.into());
                }
            }
            write::remove_finalizer(&self.context, NAME, &object, finalizer::EVENT_BUS).await?;
            return Ok(Outcome::DONE);
        }
        write::add_finalizer(&self.context, NAME, &object, finalizer::EVENT_BUS).await?;
        let now = self.context.now();
        let mut status = write::current(&object, &[names::CONFIGURED, names::DEPLOYED], now);
        match object.decode::<api::EventBus>().map_err(|it| it.to_string()).and_then(|it| validate::event_bus(&it.spec))
        {
            Ok(kind) => judge(&mut status, kind, now),
            Err(message) => {
                status.set(names::CONFIGURED, ConditionStatus::False, names::INVALID_SPEC, &message, now);
                status.set(names::DEPLOYED, ConditionStatus::Unknown, "", "", now);
            }
        }
        write::write_status(&self.context, NAME, &object, &status).await?;
        Ok(Outcome::DONE)
    }

    async fn failed(&self, key: &ObjectKey, message: &str) {
        tracing::warn!(eventBusName = %key, message, "EventBus");
    }
}

fn judge(status: &mut Status, kind: BusKind, now: argo_core::Timestamp) {
    use ConditionStatus::{False, True};
    status.set(names::CONFIGURED, True, "", "", now);
    match kind {
        BusKind::JetStream => status.set(names::DEPLOYED, True, names::SUCCEEDED, "JetStream is deployed", now),
        BusKind::NatsNative => status.set(names::DEPLOYED, True, names::SUCCEEDED, "NATS is deployed", now),
        BusKind::Kafka | BusKind::JetStreamExotic | BusKind::NatsExotic => {
            let message =
                "events travel in the controller's process: a bus outside of it is not supported yet, use jetstream";
            status.set(names::DEPLOYED, False, names::NOT_SUPPORTED, message, now);
        }
    }
}
