//! [`MemoryBus`], and what it shares with the durable bus.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use argo_core::Clock;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;

use super::{
    BusError, Channel, Delivery, EventBus, Group, Limits, Published, Subject, Subscription,
    log::{Log, Record, published},
};
use crate::api::Event;

/// A bus in this process's memory. Clones share it.
#[derive(Clone)]
pub struct MemoryBus {
    pub(super) shared: Arc<Shared>,
}

/// A log with its listeners.
pub(super) struct Shared {
    pub(super) clock: Clock,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    log: Log,
    /// Which subscription of a group is the current one.
    epochs: BTreeMap<Group, u64>,
}

impl MemoryBus {
    /// An empty bus.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::with_limits(clock, Limits::default())
    }

    /// An empty bus with other limits.
    #[must_use]
    pub fn with_limits(clock: Clock, limits: Limits) -> Self {
        Self { shared: Arc::new(Shared::new(clock, Log::new(limits))) }
    }

    /// How many events wait to be acknowledged.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.with(|log| log.len())
    }
}

impl Shared {
    pub(super) fn new(clock: Clock, log: Log) -> Self {
        Self { clock, state: Mutex::new(State { log, epochs: BTreeMap::new() }), changed: Notify::new() }
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Log) -> T) -> T {
        work(&mut self.state.lock().log)
    }

    /// Makes a change and wakes whoever waits.
    pub(super) fn apply(&self, record: Record) {
        self.state.lock().log.apply(record);
        self.changed.notify_waiters();
    }

    /// Starts a subscription: its epoch.
    pub(super) fn begin(&self, group: &Group) -> u64 {
        let mut state = self.state.lock();
        let epoch = state.epochs.entry(group.clone()).or_default();
        *epoch += 1;
        let epoch = *epoch;
        drop(state);
        self.changed.notify_waiters();
        epoch
    }

    pub(super) fn check(&self, group: &Group, epoch: u64) -> Result<(), BusError> {
        let state = self.state.lock();
        if state.epochs.get(group) == Some(&epoch) && state.log.knows(group) {
            return Ok(());
        }
        Err(BusError::Superseded { sensor: group.sensor.clone(), trigger: group.trigger.clone() })
    }

    pub(super) async fn next(&self, group: &Group, epoch: u64) -> Result<Delivery, BusError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            self.check(group, epoch)?;
            if let Some(delivery) = self.with(|log| log.first(group)) {
                return Ok(delivery);
            }
            changed.await;
        }
    }
}

#[async_trait::async_trait]
impl EventBus for MemoryBus {
    async fn publish(&self, channel: &Channel, event: &Event) -> Result<Published, BusError> {
        let now = self.shared.clock.now();
        let record = self.shared.with(|log| {
            let record = log.offer(channel, event, now)?;
            if let Some(record) = &record {
                log.apply(record.clone());
            }
            Ok::<_, BusError>(record)
        })?;
        self.shared.changed.notify_waiters();
        Ok(published(&record))
    }

    async fn subscribe(&self, group: &Group, subjects: &BTreeSet<Subject>) -> Result<Box<dyn Subscription>, BusError> {
        self.shared.apply(Record::Subscribe { group: group.clone(), subjects: subjects.clone() });
        let epoch = self.shared.begin(group);
        let state = self.shared.with(|log| log.state(group));
        Ok(Box::new(Member { shared: self.shared.clone(), group: group.clone(), epoch, state }))
    }

    async fn groups(&self, channel: &Channel, sensor: &str) -> Result<Vec<Group>, BusError> {
        Ok(self.shared.with(|log| log.groups(channel, sensor)))
    }

    async fn forget(&self, group: &Group) -> Result<(), BusError> {
        self.shared.apply(Record::Forget { group: group.clone() });
        Ok(())
    }
}

struct Member {
    shared: Arc<Shared>,
    group: Group,
    epoch: u64,
    state: Option<Value>,
}

#[async_trait::async_trait]
impl Subscription for Member {
    fn state(&self) -> Option<&Value> {
        self.state.as_ref()
    }

    async fn next(&mut self) -> Result<Delivery, BusError> {
        self.shared.next(&self.group, self.epoch).await
    }

    async fn commit(&mut self, sequence: Option<u64>, state: Option<Value>) -> Result<(), BusError> {
        self.shared.check(&self.group, self.epoch)?;
        self.shared.apply(Record::Commit { group: self.group.clone(), sequence, state: state.clone() });
        self.state = state.or_else(|| self.state.take());
        Ok(())
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("group", &self.group).finish_non_exhaustive()
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryBus({} waiting)", self.waiting())
    }
}
