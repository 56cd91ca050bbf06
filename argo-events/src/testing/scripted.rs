//! Scripted implementations of the three traits.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use argo_core::Category;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use crate::{
    api::Event,
    bus::{BusError, Channel, EventBus, Group, Published, Subject, Subscription},
    engine::firing::Firing,
    sources::{EventSource, Feed, SourceError},
    triggers::{Call, Trigger, TriggerError},
};

/// A source of type `scripted` that publishes what the test pushes. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ScriptedSource {
    queue: Arc<Mutex<VecDeque<Value>>>,
    pushed: Arc<Notify>,
}

impl ScriptedSource {
    /// Publishes a payload, now or once the source runs.
    pub fn push(&self, payload: Value) {
        self.queue.lock().push_back(payload);
        self.pushed.notify_one();
    }
}

#[async_trait::async_trait]
impl EventSource for ScriptedSource {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn validate(&self, _config: &Value) -> Result<(), String> {
        Ok(())
    }

    async fn run(&self, _config: &Value, feed: &Feed) -> Result<(), SourceError> {
        feed.ready();
        loop {
            let next = self.queue.lock().pop_front();
            match next {
                Some(payload) => {
                    feed.publish(payload).await?;
                }
                None => tokio::select! {
                    () = feed.stopped() => return Ok(()),
                    () = self.pushed.notified() => {}
                },
            }
        }
    }
}

/// A trigger of type `scripted` that remembers its firings and fails as often as it is told. Clones share it.
#[derive(Debug, Clone)]
pub struct ScriptedTrigger {
    failures: Arc<AtomicUsize>,
    done: Arc<watch::Sender<Vec<(Firing, Value)>>>,
    attempts: Arc<watch::Sender<usize>>,
}

impl Default for ScriptedTrigger {
    fn default() -> Self {
        Self {
            failures: Arc::default(),
            done: Arc::new(watch::Sender::new(Vec::new())),
            attempts: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl ScriptedTrigger {
    /// The next `count` attempts fail.
    pub fn fail(&self, count: usize) {
        self.failures.store(count, Ordering::SeqCst);
    }

    /// What was carried out so far: firings with the configuration they had.
    #[must_use]
    pub fn done(&self) -> Vec<(Firing, Value)> {
        self.done.borrow().clone()
    }

    /// How many attempts there were, failed ones included.
    #[must_use]
    pub fn attempts(&self) -> usize {
        *self.attempts.borrow()
    }

    /// Waits until `count` firings were carried out.
    pub async fn wait(&self, count: usize) -> Vec<(Firing, Value)> {
        let mut done = self.done.subscribe();
        match done.wait_for(|it| it.len() >= count).await {
            Ok(list) => list.clone(),
            // The sender lives in self.
            Err(_) => Vec::new(),
        }
    }

    /// Waits until there were `count` attempts.
    pub async fn wait_attempts(&self, count: usize) {
        let _ = self.attempts.subscribe().wait_for(|it| *it >= count).await;
    }
}

#[async_trait::async_trait]
impl Trigger for ScriptedTrigger {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn validate(&self, _config: &Value) -> Result<(), String> {
        Ok(())
    }

    async fn execute(&self, call: &Call<'_>) -> Result<(), TriggerError> {
        self.attempts.send_modify(|it| *it += 1);
        let left = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1));
        if left.is_ok() {
            return Err(TriggerError::Failed {
                message: "as the script says".to_owned(),
                category: Category::Unavailable,
            });
        }
        self.done.send_modify(|it| it.push((call.firing.clone(), call.config.clone())));
        Ok(())
    }
}

/// A bus that refuses events as often as it is told, in front of another.
#[derive(Debug, Clone)]
pub struct ScriptedBus<B> {
    inner: B,
    failures: Arc<AtomicUsize>,
}

impl<B> ScriptedBus<B> {
    /// In front of `inner`.
    pub fn new(inner: B) -> Self {
        Self { inner, failures: Arc::default() }
    }

    /// The next `count` events are refused.
    pub fn refuse(&self, count: usize) {
        self.failures.store(count, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl<B: EventBus> EventBus for ScriptedBus<B> {
    async fn publish(&self, channel: &Channel, event: &Event) -> Result<Published, BusError> {
        let left = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1));
        if left.is_ok() {
            return Err(BusError::Unavailable("as the script says".to_owned()));
        }
        self.inner.publish(channel, event).await
    }

    async fn subscribe(&self, group: &Group, subjects: &BTreeSet<Subject>) -> Result<Box<dyn Subscription>, BusError> {
        self.inner.subscribe(group, subjects).await
    }

    async fn groups(&self, channel: &Channel, sensor: &str) -> Result<Vec<Group>, BusError> {
        self.inner.groups(channel, sensor).await
    }

    async fn forget(&self, group: &Group) -> Result<(), BusError> {
        self.inner.forget(group).await
    }
}
