//! [`SourceRunner`]: the events of one EventSource, each in a task of its own.

use std::{collections::BTreeMap, fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use argo_core::{Failure, runtime::Shutdown};
use futures::FutureExt;
use tokio::{sync::watch, task::JoinHandle};

use super::Services;
use crate::{
    api::{EventSource, SourceEvent},
    bus::Channel,
    sources::{self, Feed, Listening, SourceError, Sources},
};

/// First and largest delay before a source that failed is started again.
const RESTART: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// Called whenever health changed.
pub(crate) type Changed = Arc<dyn Fn() + Send + Sync>;

/// Event name → whether it listens.
pub type SourceHealth = BTreeMap<String, Listening>;

/// The running events of one EventSource. Dropping it stops them.
pub struct SourceRunner {
    services: Services,
    sources: Sources,
    changed: Changed,
    running: BTreeMap<String, Running>,
}

struct Running {
    event: SourceEvent,
    channel: Channel,
    stop: Shutdown,
    listening: Arc<watch::Sender<Listening>>,
    task: JoinHandle<()>,
}

impl SourceRunner {
    /// Nothing runs yet. `changed` is called whenever [`SourceRunner::health`] changed.
    #[must_use]
    pub fn new(services: Services, sources: Sources, changed: impl Fn() + Send + Sync + 'static) -> Self {
        Self { services, sources, changed: Arc::new(changed), running: BTreeMap::new() }
    }

    /// Runs what the object says: events that are gone stop, new ones start, changed ones are
    /// replaced, and those that stayed the same are not disturbed.
    pub fn update(&mut self, object: &EventSource) {
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let name = object.metadata.name.clone().unwrap_or_default();
        let channel = Channel::new(&namespace, object.spec.bus());
        let wanted: BTreeMap<String, SourceEvent> =
            object.spec.events().into_iter().map(|it| (it.name.clone(), it)).collect();
        self.running.retain(|name, running| {
            let stays = wanted.contains_key(name);
            if !stays {
                running.stop.cancel();
            }
            stays
        });
        for (event_name, event) in wanted {
            let same = |it: &Running| it.event == event && it.channel == channel && !it.task.is_finished();
            if self.running.get(&event_name).is_some_and(same) {
                continue;
            }
            let Some(source) = self.sources.get(&event.kind).cloned() else { continue };
            let stop = Shutdown::new();
            let listening = Arc::new(watch::Sender::new(Listening::Starting));
            let feed = Feed {
                namespace: namespace.clone(),
                source: name.clone(),
                event: event_name.clone(),
                kind: source.kind(),
                channel: channel.clone(),
                filter: None,
                services: self.services.clone(),
                stop: stop.clone(),
                listening: listening.clone(),
            };
            let task = tokio::spawn(run(source, event.clone(), feed, self.changed.clone()));
            let running = Running { event, channel: channel.clone(), stop, listening, task };
            // The new one takes its endpoint over before the old one lets go of it.
            if let Some(old) = self.running.insert(event_name, running) {
                old.stop.cancel();
            }
        }
    }

    /// Whether the events listen.
    #[must_use]
    pub fn health(&self) -> SourceHealth {
        self.running.iter().map(|(name, it)| (name.clone(), it.listening.borrow().clone())).collect()
    }

    /// Stops everything and waits until it has ended.
    pub async fn stop(mut self) {
        let running = std::mem::take(&mut self.running);
        for it in running.values() {
            it.stop.cancel();
        }
        for (_, it) in running {
            let _ = it.task.await;
        }
    }
}

impl Drop for SourceRunner {
    fn drop(&mut self) {
        for it in self.running.values() {
            it.stop.cancel();
        }
    }
}

async fn run(source: Arc<dyn sources::EventSource>, event: SourceEvent, mut feed: Feed, changed: Changed) {
    let told = tokio::spawn({
        let (mut listening, changed, stop) = (feed.listening.subscribe(), changed.clone(), feed.stop.clone());
        async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    it = listening.changed() => if it.is_err() { return },
                }
                changed();
            }
        }
    });
    let mut delay = RESTART.0;
    let _counted = Counted::new(&feed);
    loop {
        let began = feed.now();
        let result = match sources::filter(&event.config) {
            Err(message) if source.filters_by_expression() => Err(SourceError::Config(message)),
            filter => {
                let filter = filter.ok().flatten().filter(|_| source.filters_by_expression());
                feed.filter = filter.map(Arc::new);
                // One that panics is one that failed: the others go on.
                let ran = AssertUnwindSafe(source.run(&event.config, &feed)).catch_unwind().await;
                ran.unwrap_or_else(|_| Err(SourceError::Unavailable("the source panicked".to_owned())))
            }
        };
        if feed.stop.is_cancelled() {
            break;
        }
        let error = result.err().unwrap_or_else(|| SourceError::Unavailable("the source ended".to_owned()));
        tracing::warn!(eventSourceName = feed.source, eventName = feed.event, %error, "event source failed");
        let listen = matches!(error, SourceError::Listen { .. } | SourceError::EndpointTaken { .. });
        let failed = Listening::Failed { listen, message: error.to_string() };
        feed.listening.send_if_modified(|it| std::mem::replace(it, failed.clone()) != failed);
        if !error.is_transient() {
            // Only another configuration helps, and that starts another task.
            feed.stopped().await;
            break;
        }
        if argo_core::time::between(began, feed.now()) > RESTART.1 {
            delay = RESTART.0;
        }
        if feed.sleep(delay).await {
            break;
        }
        delay = (delay * 2).min(RESTART.1);
    }
    told.abort();
}

/// Counts an event as running while it lives.
struct Counted(Services, String, String);

impl Counted {
    fn new(feed: &Feed) -> Self {
        feed.services.metrics.running(&feed.namespace, &feed.source, 1);
        Self(feed.services.clone(), feed.namespace.clone(), feed.source.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.metrics.running(&self.1, &self.2, -1);
    }
}

impl fmt::Debug for SourceRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.health()).finish()
    }
}
