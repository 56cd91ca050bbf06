//! [`SensorRunner`]: the triggers of one Sensor, each with a subscription of its own.

use std::{collections::BTreeMap, fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use argo_core::{Plan, runtime::Shutdown};
use futures::FutureExt;
use parking_lot::Mutex;
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
};
use tracing::Instrument;

use super::{Services, fire, limiter::Limiter, source::Changed};
use crate::{
    bus::{BusError, Channel, Delivery, Group, Subject, Subscription},
    engine::{
        firing::Firing,
        sensor::{Compiled, Effect, Machine, TriggerState},
    },
    triggers::Triggers,
};

/// First and largest delay before a trigger whose bus is away subscribes again.
const RESUBSCRIBE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// How many firings of a trigger without `atLeastOnce` run at once.
const DETACHED: usize = 64;

/// Whether a trigger runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerHealth {
    /// It is not subscribed yet: events that are published now may pass it by.
    Starting,
    /// It does.
    Running,
    /// It does not, and why.
    Failed(String),
}

/// Trigger name → whether it runs.
pub type SensorHealth = BTreeMap<String, TriggerHealth>;

/// The running triggers of one Sensor. Dropping it stops them without waiting.
pub struct SensorRunner {
    stop: Shutdown,
    tasks: Vec<JoinHandle<()>>,
    health: Arc<Mutex<SensorHealth>>,
}

impl SensorRunner {
    /// Starts every trigger that can run. `changed` is called whenever [`SensorRunner::health`] changed.
    #[must_use]
    pub fn start(
        sensor: Compiled,
        services: &Services,
        triggers: &Triggers,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let stop = Shutdown::new();
        let broken = sensor.broken.iter().map(|(name, it)| (name.clone(), TriggerHealth::Failed(it.clone())));
        let starting = sensor.triggers.iter().map(|it| (it.name().to_owned(), TriggerHealth::Starting));
        let health: Arc<Mutex<SensorHealth>> = Arc::new(Mutex::new(broken.chain(starting).collect()));
        let changed: Changed = Arc::new(changed);
        let channel = Channel::new(&sensor.namespace, &sensor.bus);
        let names: Vec<String> = sensor.triggers.iter().map(|it| it.name().to_owned()).collect();
        let mut tasks = Vec::new();
        let span = if sensor.logging_fields.is_empty() {
            tracing::Span::none()
        } else {
            tracing::info_span!("sensor", loggingFields = ?sensor.logging_fields)
        };
        for machine in sensor.triggers {
            let worker = Worker {
                group: Group {
                    channel: channel.clone(),
                    sensor: sensor.name.clone(),
                    trigger: machine.name().to_owned(),
                },
                limiter: Mutex::new(Limiter::new(machine.trigger().rate_limit.as_ref())),
                machine: Arc::new(machine),
                services: services.clone(),
                triggers: triggers.clone(),
                stop: stop.clone(),
                permits: Arc::new(Semaphore::new(DETACHED)),
                health: health.clone(),
                changed: changed.clone(),
            };
            tasks.push(tokio::spawn(worker.run().instrument(span.clone())));
        }
        tasks.push(tokio::spawn(tidy(services.clone(), channel, sensor.name.clone(), names)));
        tracing::info!(sensorName = sensor.name, "Sensor started.");
        Self { stop, tasks, health }
    }

    /// Whether the triggers run.
    #[must_use]
    pub fn health(&self) -> SensorHealth {
        self.health.lock().clone()
    }

    /// Stops: firings under way end, nothing new begins, and what is not acknowledged stays on the bus.
    pub async fn stop(mut self) {
        self.stop.cancel();
        for task in std::mem::take(&mut self.tasks) {
            let _ = task.await;
        }
    }
}

impl Drop for SensorRunner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for SensorRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SensorRunner").field("triggers", &self.tasks.len()).finish_non_exhaustive()
    }
}

/// Forgets the groups of triggers that the Sensor no longer has.
async fn tidy(services: Services, channel: Channel, sensor: String, names: Vec<String>) {
    let groups = match services.bus.groups(&channel, &sensor).await {
        Ok(groups) => groups,
        Err(error) => {
            tracing::debug!(sensorName = sensor, %error, "groups of former triggers are left for the next start");
            return;
        }
    };
    for group in groups.into_iter().filter(|it| !names.contains(&it.trigger)) {
        if let Err(error) = services.bus.forget(&group).await {
            tracing::debug!(sensorName = sensor, %error, "a former trigger's group is left for the next start");
        }
    }
}

struct Worker {
    group: Group,
    machine: Arc<Machine>,
    services: Services,
    triggers: Triggers,
    stop: Shutdown,
    permits: Arc<Semaphore>,
    limiter: Mutex<Limiter>,
    health: Arc<Mutex<SensorHealth>>,
    changed: Changed,
}

impl Worker {
    async fn run(self) {
        let mut detached = JoinSet::new();
        let mut delay = RESUBSCRIBE.0;
        while !self.stop.is_cancelled() {
            let session = AssertUnwindSafe(self.session(&mut detached, &mut delay)).catch_unwind().await;
            let message = match session {
                Ok(Ok(())) => break,
                Ok(Err(BusError::Superseded { .. })) => break,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "the trigger panicked".to_owned(),
            };
            tracing::warn!(
                sensorName = self.group.sensor,
                triggerName = self.group.trigger,
                error = message,
                "trigger failed"
            );
            self.tell(TriggerHealth::Failed(message));
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = self.services.clock.sleep(delay) => {}
            }
            delay = (delay * 2).min(RESUBSCRIBE.1);
        }
        while detached.join_next().await.is_some() {}
    }

    fn tell(&self, now: TriggerHealth) {
        let before = self.health.lock().insert(self.group.trigger.clone(), now.clone());
        if before.as_ref() != Some(&now) {
            (self.changed)();
        }
    }

    /// From one subscription to its end: the stop, or an error of the bus.
    async fn session(&self, detached: &mut JoinSet<()>, delay: &mut Duration) -> Result<(), BusError> {
        let subjects = self.machine.subjects().map(|(source, event)| Subject::new(source, event)).collect();
        let mut subscription = self.services.bus.subscribe(&self.group, &subjects).await?;
        let stored: TriggerState =
            subscription.state().and_then(|it| serde_json::from_value(it.clone()).ok()).unwrap_or_default();
        let mut state = self.machine.adopt(stored.clone(), self.services.clock.now());
        if state != stored {
            subscription.commit(None, Some(json(&state))).await?;
        }
        self.tell(TriggerHealth::Running);
        *delay = RESUBSCRIBE.0;
        let mut wake = self.machine.reset(&state, self.services.clock.now()).wake;
        loop {
            let reset = async {
                match wake {
                    Some(at) => self.services.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let delivery = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                () = reset => None,
                it = subscription.next() => Some(it?),
            };
            let now = self.services.clock.now();
            let plan = match &delivery {
                Some(delivery) => self.machine.step(&state, &delivery.event, now),
                None => self.machine.reset(&state, now),
            };
            wake = plan.wake;
            match delivery {
                Some(delivery) => {
                    if !self.carry_out(&mut state, plan, &delivery, &mut *subscription, detached).await? {
                        return Ok(());
                    }
                }
                None => {
                    if let Some(next) = plan.status {
                        subscription.commit(None, Some(json(&next))).await?;
                        state = next;
                    }
                }
            }
            while detached.try_join_next().is_some() {}
        }
    }

    /// False when the stop came before everything was done: the event stays on the bus.
    async fn carry_out(
        &self,
        state: &mut TriggerState,
        plan: Plan<TriggerState, Effect>,
        delivery: &Delivery,
        subscription: &mut dyn Subscription,
        detached: &mut JoinSet<()>,
    ) -> Result<bool, BusError> {
        let mut later = Vec::new();
        let (sensor, trigger) = (&self.group.sensor, &self.group.trigger);
        for effect in plan.effects() {
            match effect {
                Effect::Dropped { dependency, reason } => tracing::warn!(
                    sensorName = sensor,
                    triggerName = trigger,
                    dependencyName = dependency,
                    eventID = delivery.event.id,
                    reason,
                    "event dropped: a filter could not be evaluated"
                ),
                Effect::Fire(firing) => {
                    let slot = self.limiter.lock().take(self.services.clock.now());
                    tokio::select! {
                        () = self.stop.cancelled() => return Ok(false),
                        () = self.services.clock.sleep_until(slot) => {}
                    }
                    if self.machine.trigger().at_least_once {
                        let done = self.fire(firing.clone()).await;
                        if !done && self.stop.is_cancelled() {
                            return Ok(false);
                        }
                    } else {
                        later.push(firing.clone());
                    }
                }
                Effect::Ack => {
                    subscription.commit(Some(delivery.sequence), plan.status.as_ref().map(json)).await?;
                }
            }
        }
        if let Some(next) = plan.status {
            *state = next;
        }
        for firing in later {
            // Bounded: past the limit the next event waits on the bus, where it is kept.
            let Ok(permit) = self.permits.clone().acquire_owned().await else { continue };
            let (services, triggers, machine) = (self.services.clone(), self.triggers.clone(), self.machine.clone());
            let stop = self.stop.clone();
            let work = async move {
                let _ = fire(&services, &triggers, machine.trigger(), &firing, &stop).await;
                drop(permit);
            };
            detached.spawn(work.in_current_span());
        }
        Ok(true)
    }

    /// True when it was carried out.
    async fn fire(&self, firing: Firing) -> bool {
        fire(&self.services, &self.triggers, self.machine.trigger(), &firing, &self.stop).await.is_ok()
    }
}

fn json(state: &TriggerState) -> serde_json::Value {
    // A map of strings and events: encoding can not fail.
    serde_json::to_value(state).unwrap_or_default()
}
