//! Warehouses: look when it is due, keep what was found, make Freight.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Failure, ObjectKey,
    runtime::{Controller, Outcome, Reconcile, ReconcileResult},
    time,
};

use super::{carry::Carrier, shared::Shared};
use crate::{
    admission::validate_warehouse,
    api::Warehouse,
    engine::warehouse::{self, Due},
};

const NAME: &str = "kargo-warehouses";
/// After the first failure; doubled by each one more.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const LAST_RETRY: Duration = Duration::from_secs(300);

struct Warehouses(Arc<Shared>);

pub(super) fn controller(shared: &Arc<Shared>) -> Controller {
    Controller::new(NAME, shared.context.clone(), Arc::new(Warehouses(shared.clone())))
        .primary(shared.warehouses.clone())
}

#[async_trait::async_trait]
impl Reconcile for Warehouses {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let shared = &self.0;
        let carrier = Carrier { context: &shared.context, controller: NAME, key };
        let Some(read) = shared.warehouses.get(key).filter(|it| !it.is_deleting()) else {
            shared.waits.forget(key);
            return Ok(Outcome::DONE);
        };
        let warehouse: Warehouse = match read.decode() {
            Ok(warehouse) => warehouse,
            Err(error) => {
                carrier.undecodable(&read, &error.to_string()).await?;
                return Ok(Outcome::DONE);
            }
        };
        if !shared.is_mine(&warehouse.spec.shard) {
            return Ok(Outcome::DONE);
        }
        let now = shared.now();
        if let Some(until) = shared.waits.until(key, read.resource_version(), now) {
            return Ok(Outcome::wake_at(until));
        }
        if let Due::At(at) = warehouse::due(&warehouse, shared.settings.least_interval, now) {
            return Ok(Outcome::wake_at(at));
        }
        let mut read = (*read).clone();
        let mut warehouse = warehouse;
        if let Some(status) = warehouse::begin(&warehouse, now) {
            read = carrier.status(&read, &status).await?;
            warehouse.status = status;
        }
        let found = match validate_warehouse(&warehouse) {
            Ok(()) => match shared.subscribers.discover(&warehouse, shared.credentials.as_ref()).await {
                Ok(found) => Ok(found),
                Err(error) => Err((error.to_string(), error.retry_after(), error.is_transient())),
            },
            Err(error) => Err((error.to_string(), None, false)),
        };
        let now = shared.now();
        let found = match found {
            Ok(found) => found,
            Err((message, retry_after, transient)) => {
                tracing::info!(warehouse = %key, message, "discovery failed");
                let written = carrier.status(&read, &warehouse::failed(&warehouse, &message, now)).await?;
                let failures = shared.waits.failed(key);
                let backoff = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LAST_RETRY);
                // What only a change of the spec can mend is looked at again all the same, at the slowest pace.
                let wait = if transient { retry_after.map_or(backoff, |it| it.max(backoff)) } else { LAST_RETRY };
                let until = time::after(now, wait);
                shared.waits.set_after_failure(key, written.resource_version(), until, failures);
                return Ok(Outcome::wake_at(until));
            }
        };
        let known = shared.freight(key.namespace());
        let plan = warehouse::discovered(&warehouse, found, &known, now);
        for change in plan.changes() {
            carrier.change(change).await?;
        }
        if let Some(status) = plan.status {
            read = carrier.status(&read, &status).await?;
            warehouse.status = status;
        }
        carrier.notes(&read, &plan.notes).await;
        shared.waits.forget(key);
        match warehouse::due(&warehouse, shared.settings.least_interval, shared.now()) {
            Due::Now => Ok(Outcome::wake_at(shared.now())),
            Due::At(at) => Ok(Outcome::wake_at(at)),
        }
    }

    async fn failed(&self, key: &ObjectKey, message: &str) {
        let shared = &self.0;
        let carrier = Carrier { context: &shared.context, controller: NAME, key };
        let Some(read) = shared.warehouses.get(key) else { return };
        let Ok(warehouse) = read.decode::<Warehouse>() else { return };
        let status = warehouse::failed(&warehouse, message, shared.now());
        if let Err(error) = carrier.status(&read, &status).await {
            tracing::warn!(warehouse = %key, %error, "could not show a failure");
        }
    }
}
