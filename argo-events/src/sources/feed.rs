//! [`Feed`]: what a running source is given.

use std::{fmt, sync::Arc, time::Duration};

use argo_core::{Timestamp, runtime::Shutdown};
use serde_json::Value;
use tokio::sync::watch;

use super::SourceError;
use crate::{
    api::Event,
    bus::{Channel, Published},
    engine::{backoff::Attempts, source_filter::SourceFilter},
    plane::Services,
};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dispatched {
    /// It is on the bus.
    Published,
    /// An event with its id is on the bus already.
    Duplicate,
    /// The filter does not let it pass (or could not be evaluated on it, which the log tells).
    Filtered,
}

/// Whether a source listens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Listening {
    /// It is being started.
    #[default]
    Starting,
    /// It does.
    Yes,
    /// It does not, and why; it is started again.
    Failed {
        /// Whether it is about an address or endpoint.
        listen: bool,
        /// Why.
        message: String,
    },
}

/// One event of an EventSource, running: where its events go, and when to stop.
#[derive(Clone)]
pub struct Feed {
    pub(crate) namespace: String,
    pub(crate) source: String,
    pub(crate) event: String,
    pub(crate) kind: &'static str,
    pub(crate) channel: Channel,
    pub(crate) filter: Option<Arc<SourceFilter>>,
    pub(crate) services: Services,
    pub(crate) stop: Shutdown,
    pub(crate) listening: Arc<watch::Sender<Listening>>,
}

impl Feed {
    /// Namespace of the EventSource.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Name of the EventSource.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Name of the event.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Clock, secrets, bus and server.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.services.clock.now()
    }

    /// Tells that the source listens.
    pub fn ready(&self) {
        self.listening.send_if_modified(|it| std::mem::replace(it, Listening::Yes) != Listening::Yes);
    }

    /// Waits until the source is to stop.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Waits; true when the source is to stop.
    pub async fn sleep(&self, duration: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => true,
            () = self.services.clock.sleep(duration) => false,
        }
    }

    /// Publishes an event with an id of its own.
    ///
    /// # Errors
    /// When the bus did not take it, after several attempts.
    pub async fn publish(&self, payload: Value) -> Result<Dispatched, SourceError> {
        self.publish_as(self.services.new_id(), self.now(), payload).await
    }

    /// Publishes an event under a given id: the same for the same happening, so that telling of it
    /// twice (after a restart, say) counts once.
    ///
    /// # Errors
    /// When the bus did not take it, after several attempts.
    pub async fn publish_as(&self, id: String, at: Timestamp, payload: Value) -> Result<Dispatched, SourceError> {
        let (source, event) = (self.source.as_str(), self.event.as_str());
        if let Some(filter) = &self.filter {
            match filter.judge(&payload) {
                Ok(true) => {}
                Ok(false) => return Ok(Dispatched::Filtered),
                Err(error) => {
                    self.services.metrics.filter_failed(&self.namespace, source, event);
                    tracing::warn!(eventSourceName = source, eventName = event, %error, "Failed to filter event");
                    return Ok(Dispatched::Filtered);
                }
            }
        }
        let message = Event::new(&id, source, event, self.kind, at, &payload);
        let mut attempts = Attempts::of(None);
        let began = self.now();
        let told = |ok| {
            let took = argo_core::time::between(began, self.now());
            self.services.metrics.sent(&self.namespace, source, event, ok, took);
        };
        loop {
            let error = match self.services.bus.publish(&self.channel, &message).await {
                Ok(published) => {
                    told(true);
                    tracing::info!(
                        eventSourceName = source,
                        eventSourceType = self.kind,
                        eventName = event,
                        eventID = id,
                        duplicate = published == Published::Duplicate,
                        "Succeeded to publish an event"
                    );
                    return Ok(match published {
                        Published::Accepted => Dispatched::Published,
                        Published::Duplicate => Dispatched::Duplicate,
                    });
                }
                Err(error) => error,
            };
            let transient = argo_core::Failure::is_transient(&error);
            match attempts.failed(self.services.random()).filter(|_| transient) {
                Some(delay) if !self.sleep(delay).await => {}
                _ => {
                    told(false);
                    tracing::warn!(eventSourceName = source, eventName = event, eventID = id, %error, "Failed to publish an event");
                    return Err(error.into());
                }
            }
        }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Feed({}/{} {})", self.namespace, self.source, self.event)
    }
}
