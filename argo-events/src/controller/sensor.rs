//! Sensor: runs its triggers.

use std::{collections::BTreeMap, sync::Arc};

use argo_core::{
    Object, ObjectKey, Timestamp,
    runtime::{Cache, Context, Outcome, Queue, Reconcile, ReconcileResult},
};
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use super::{event_source, finalizer, write};
use crate::{
    api::{self, ConditionStatus, SensorSpec, Status},
    bus::{BusError, Channel},
    engine::{
        sensor::Compiled,
        validate::{self, names},
    },
    plane::{SensorHealth, SensorRunner, Services, TriggerHealth},
    triggers::Triggers,
};

pub(super) const NAME: &str = "sensor-controller";
const KINDS: &[&str] = &[names::DEPENDENCIES_PROVIDED, names::TRIGGERS_PROVIDED, names::DEPLOYED];

pub(super) struct Reconciler {
    context: Context,
    services: Services,
    triggers: Triggers,
    buses: Arc<Cache>,
    objects: Arc<Cache>,
    queue: Arc<Mutex<Option<Arc<Queue>>>>,
    running: AsyncMutex<BTreeMap<ObjectKey, Running>>,
}

struct Running {
    spec: SensorSpec,
    runner: SensorRunner,
}

impl Reconciler {
    pub(super) fn new(other: &event_source::Reconciler, buses: Arc<Cache>, objects: Arc<Cache>) -> Self {
        Self {
            context: other.context.clone(),
            services: other.services.clone(),
            triggers: other.triggers.clone(),
            buses,
            objects,
            queue: Arc::default(),
            running: AsyncMutex::default(),
        }
    }

    pub(super) fn attach(&self, queue: Arc<Queue>) {
        *self.queue.lock() = Some(queue);
    }

    pub(super) async fn stop(&self) {
        let running = std::mem::take(&mut *self.running.lock().await);
        futures::future::join_all(running.into_values().map(|it| it.runner.stop())).await;
    }

    async fn end(&self, key: &ObjectKey) {
        let running = self.running.lock().await.remove(key);
        if let Some(running) = running {
            running.runner.stop().await;
        }
    }

    /// Forgets what a bus keeps for a Sensor.
    async fn forget(&self, channel: &Channel, sensor: &str) -> Result<(), BusError> {
        for group in self.services.bus.groups(channel, sensor).await? {
            self.services.bus.forget(&group).await?;
        }
        Ok(())
    }

    /// Runs what the object says, if it does not already; which triggers do not run.
    async fn start(&self, key: &ObjectKey, sensor: &api::Sensor) -> SensorHealth {
        if let Some(running) = self.running.lock().await.get(key)
            && running.spec == sensor.spec
        {
            return running.runner.health();
        }
        // The old one ends first: a firing under way is not begun a second time beside it.
        let old = self.running.lock().await.remove(key);
        if let Some(old) = old {
            old.runner.stop().await;
            if old.spec.bus() != sensor.spec.bus() {
                // It listens elsewhere now: what the old bus keeps for it is for nobody.
                let channel = Channel::new(key.namespace(), old.spec.bus());
                if let Err(error) = self.forget(&channel, &key.name).await {
                    tracing::warn!(sensorName = %key, %error, "its groups stay on the former bus");
                }
            }
        }
        let (queue, own) = (self.queue.clone(), key.clone());
        let changed = move || {
            if let Some(queue) = &*queue.lock() {
                queue.add(own.clone());
            }
        };
        let runner = SensorRunner::start(Compiled::new(sensor), &self.services, &self.triggers, changed);
        let health = runner.health();
        self.running.lock().await.insert(key.clone(), Running { spec: sensor.spec.clone(), runner });
        health
    }

    async fn judge(&self, key: &ObjectKey, object: &Object, status: &mut Status, now: Timestamp) {
        use ConditionStatus::{False, True, Unknown};
        let sensor = match object.decode::<api::Sensor>() {
            Ok(sensor) => sensor,
            Err(error) => {
                self.end(key).await;
                let message = error.to_string();
                status.set(names::DEPENDENCIES_PROVIDED, False, names::INVALID_DEPENDENCIES, &message, now);
                status.set(names::TRIGGERS_PROVIDED, Unknown, "", "", now);
                status.set(names::DEPLOYED, Unknown, "", "", now);
                return;
            }
        };
        let bus = ObjectKey::new(object.namespace(), sensor.spec.bus());
        if let Err((reason, message)) = write::bus_ready(&self.buses, &bus) {
            self.end(key).await;
            status.set(names::DEPLOYED, False, reason, &message, now);
            return;
        }
        if let Err(invalid) = validate::sensor(&sensor.spec, &|template| self.triggers.validate(template)) {
            self.end(key).await;
            let dependencies = if invalid.condition == names::DEPENDENCIES_PROVIDED { Unknown } else { True };
            status.set(names::DEPENDENCIES_PROVIDED, dependencies, "", "", now);
            status.set(names::TRIGGERS_PROVIDED, Unknown, "", "", now);
            status.set(names::DEPLOYED, Unknown, "", "", now);
            status.set(invalid.condition, False, invalid.reason, &invalid.message, now);
            return;
        }
        status.set(names::DEPENDENCIES_PROVIDED, True, "", "", now);
        status.set(names::TRIGGERS_PROVIDED, True, "", "", now);
        let health = self.start(key, &sensor).await;
        deployed(status, &health, now);
    }
}

/// Condition `Deployed` from how the triggers are: one that failed makes it false, and names itself.
fn deployed(status: &mut Status, health: &SensorHealth, now: Timestamp) {
    use ConditionStatus::{False, True, Unknown};
    let problems = health.iter().filter_map(|(trigger, it)| match it {
        TriggerHealth::Failed(message) => Some(format!("{trigger}: {message}")),
        _ => None,
    });
    let problems: Vec<String> = problems.collect();
    if !problems.is_empty() {
        status.set(names::DEPLOYED, False, names::TRIGGER_FAILED, &problems.join("; "), now);
    } else if health.values().any(|it| *it == TriggerHealth::Starting) {
        status.set(names::DEPLOYED, Unknown, "", "starting", now);
    } else {
        status.set(names::DEPLOYED, True, names::SUCCEEDED, "all triggers run", now);
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
            let channel = Channel::new(key.namespace(), write::bus_name(&object));
            self.forget(&channel, &key.name).await?;
            write::remove_finalizer(&self.context, NAME, &object, finalizer::SENSOR).await?;
            return Ok(Outcome::DONE);
        }
        write::add_finalizer(&self.context, NAME, &object, finalizer::SENSOR).await?;
        let now = self.context.now();
        let mut status = write::current(&object, KINDS, now);
        self.judge(key, &object, &mut status, now).await;
        write::write_status(&self.context, NAME, &object, &status).await?;
        Ok(Outcome::DONE)
    }

    async fn failed(&self, key: &ObjectKey, message: &str) {
        if let Some(object) = self.objects.get(key) {
            let now = self.context.now();
            let mut status = write::current(&object, KINDS, now);
            status.set(names::DEPLOYED, ConditionStatus::False, names::TRIGGER_FAILED, message, now);
            if let Err(error) = write::write_status(&self.context, NAME, &object, &status).await {
                tracing::warn!(sensorName = %key, %error, message, "Sensor");
            }
        }
    }
}
