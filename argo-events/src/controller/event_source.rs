//! EventSource: runs its events.

use std::{collections::BTreeMap, sync::Arc};

use argo_core::{
    Object, ObjectKey, Timestamp,
    runtime::{Cache, Context, Outcome, Queue, Reconcile, ReconcileResult},
};
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use super::{Controller, finalizer, write};
use crate::{
    api::{self, ConditionStatus, Status},
    engine::validate::{self, names},
    plane::{Services, SourceHealth, SourceRunner},
    sources::{Listening, Sources},
    triggers::Triggers,
};

pub(super) const NAME: &str = "eventsource-controller";

pub(super) struct Reconciler {
    pub(super) context: Context,
    pub(super) services: Services,
    pub(super) triggers: Triggers,
    pub(super) workers: usize,
    sources: Sources,
    buses: Arc<Cache>,
    objects: Arc<Cache>,
    queue: Arc<Mutex<Option<Arc<Queue>>>>,
    running: AsyncMutex<BTreeMap<ObjectKey, SourceRunner>>,
}

impl Reconciler {
    pub(super) fn new(controller: Controller, buses: Arc<Cache>, objects: Arc<Cache>) -> Self {
        Self {
            context: controller.context,
            services: controller.services,
            triggers: controller.triggers,
            workers: controller.workers,
            sources: controller.sources,
            buses,
            objects,
            queue: Arc::default(),
            running: AsyncMutex::default(),
        }
    }

    /// Where changes of health go.
    pub(super) fn attach(&self, queue: Arc<Queue>) {
        *self.queue.lock() = Some(queue);
    }

    pub(super) async fn stop(&self) {
        let running = std::mem::take(&mut *self.running.lock().await);
        futures::future::join_all(running.into_values().map(SourceRunner::stop)).await;
    }

    async fn end(&self, key: &ObjectKey) {
        let runner = self.running.lock().await.remove(key);
        if let Some(runner) = runner {
            runner.stop().await;
        }
    }

    /// Runs what the object says; how its events are.
    async fn start(&self, key: &ObjectKey, object: &api::EventSource) -> SourceHealth {
        let mut running = self.running.lock().await;
        let runner = running.entry(key.clone()).or_insert_with(|| {
            let (queue, key) = (self.queue.clone(), key.clone());
            let changed = move || {
                if let Some(queue) = &*queue.lock() {
                    queue.add(key.clone());
                }
            };
            SourceRunner::new(self.services.clone(), self.sources.clone(), changed)
        });
        runner.update(object);
        runner.health()
    }

    async fn judge(&self, key: &ObjectKey, object: &Object, status: &mut Status, now: Timestamp) {
        use ConditionStatus::{False, True, Unknown};
        let decoded = object.decode::<api::EventSource>().map_err(|it| it.to_string());
        let checked = decoded.and_then(|it| {
            validate::event_source(object.name(), &it.spec, &|event| self.sources.validate(event)).map(|()| it)
        });
        let decoded = match checked {
            Ok(decoded) => decoded,
            Err(message) => {
                self.end(key).await;
                status.set(names::SOURCES_PROVIDED, False, names::INVALID_EVENT_SOURCE, &message, now);
                status.set(names::DEPLOYED, Unknown, "", "", now);
                return;
            }
        };
        status.set(names::SOURCES_PROVIDED, True, "", "", now);
        let bus = ObjectKey::new(object.namespace(), decoded.spec.bus());
        if let Err((reason, message)) = write::bus_ready(&self.buses, &bus) {
            self.end(key).await;
            status.set(names::DEPLOYED, False, reason, &message, now);
            return;
        }
        let health = self.start(key, &decoded).await;
        deployed(status, &health, now);
    }
}

/// Condition `Deployed` from how the events are: one that failed makes it false, and names itself.
fn deployed(status: &mut Status, health: &SourceHealth, now: Timestamp) {
    use ConditionStatus::{False, True, Unknown};
    let mut problems = Vec::new();
    let mut reason = names::SOURCE_FAILED;
    for (event, listening) in health {
        if let Listening::Failed { listen, message } = listening {
            problems.push(format!("{event}: {message}"));
            if *listen {
                reason = names::LISTEN_FAILED;
            }
        }
    }
    if !problems.is_empty() {
        status.set(names::DEPLOYED, False, reason, &problems.join("; "), now);
    } else if health.values().any(|it| *it == Listening::Starting) {
        let waiting = health.iter().filter(|(_, it)| **it == Listening::Starting).map(|(event, _)| event.as_str());
        let message = format!("starting: {}", waiting.collect::<Vec<_>>().join(", "));
        status.set(names::DEPLOYED, Unknown, "", &message, now);
    } else {
        status.set(names::DEPLOYED, True, names::SUCCEEDED, "all events are listened for", now);
    }
}

#[async_trait::async_trait]
impl Reconcile for Reconciler {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let Some(object) = self.objects.get(key) else {
            self.end(key).await;
            return Ok(Outcome::DONE);
        };
        if object.is_deleting() {
            self.end(key).await;
            write::remove_finalizer(&self.context, NAME, &object, finalizer::EVENT_SOURCE).await?;
            return Ok(Outcome::DONE);
        }
        write::add_finalizer(&self.context, NAME, &object, finalizer::EVENT_SOURCE).await?;
        let now = self.context.now();
        let mut status = write::current(&object, &[names::SOURCES_PROVIDED, names::DEPLOYED], now);
        self.judge(key, &object, &mut status, now).await;
        write::write_status(&self.context, NAME, &object, &status).await?;
        Ok(Outcome::DONE)
    }

    async fn failed(&self, key: &ObjectKey, message: &str) {
        if let Some(object) = self.objects.get(key) {
            let now = self.context.now();
            let mut status = write::current(&object, &[names::SOURCES_PROVIDED, names::DEPLOYED], now);
            status.set(names::DEPLOYED, ConditionStatus::False, names::SOURCE_FAILED, message, now);
            if let Err(error) = write::write_status(&self.context, NAME, &object, &status).await {
                tracing::warn!(eventSourceName = %key, %error, message, "EventSource");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_shows_on_the_source_that_wants_it() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut status = Status::default();
        let failed = Listening::Failed { listen: true, message: "can not listen on 0.0.0.0:1".into() };
        let health = SourceHealth::from([("a".into(), Listening::Yes), ("b".into(), failed)]);
        deployed(&mut status, &health, now);
        let condition = status.condition(names::DEPLOYED).unwrap();
        assert_eq!((condition.status, condition.reason.as_str()), (ConditionStatus::False, names::LISTEN_FAILED));
        assert_eq!(condition.message, "b: can not listen on 0.0.0.0:1");
        deployed(&mut status, &SourceHealth::from([("a".into(), Listening::Yes)]), now);
        assert!(status.is_ready());
    }
}
