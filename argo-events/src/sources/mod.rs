//! [`EventSource`]: listens to the outside world.
//!
//! | type | file | listens to |
//! |---|---|---|
//! | `webhook` | `webhook.rs` | HTTP requests |
//! | `github` | `github.rs` | signed webhooks of GitHub |
//! | `calendar` | `calendar.rs` | schedules and intervals |
//! | `resource` | `resource.rs` | changes of Kubernetes objects |

#[cfg(feature = "calendar")]
mod calendar;
mod feed;
#[cfg(feature = "github")]
mod github;
#[cfg(feature = "resource")]
mod resource;
#[cfg(feature = "webhook")]
pub mod server;
#[cfg(feature = "webhook")]
mod webhook;

use std::{collections::BTreeMap, fmt, net::SocketAddr, sync::Arc};

use argo_core::{Category, Failure};
use serde_json::Value;

use crate::{api::SourceEvent, bus::BusError, secrets::SecretError};

#[cfg(feature = "calendar")]
pub use calendar::CalendarSource;
pub use feed::{Dispatched, Feed, Listening};
#[cfg(feature = "github")]
pub use github::GithubSource;
#[cfg(feature = "resource")]
pub use resource::ResourceSource;
#[cfg(feature = "webhook")]
pub use webhook::WebhookSource;

/// A type of event source. One value serves every event of its type.
///
/// # Example
/// ```
/// use argo_events::sources::{EventSource, Feed, SourceError};
/// use serde_json::{Value, json};
///
/// #[derive(Debug)]
/// struct Heartbeat;
///
/// #[async_trait::async_trait]
/// impl EventSource for Heartbeat {
///     fn kind(&self) -> &'static str {
///         "heartbeat"
///     }
///     fn validate(&self, _config: &Value) -> Result<(), String> {
///         Ok(())
///     }
///     async fn run(&self, _config: &Value, feed: &Feed) -> Result<(), SourceError> {
///         feed.ready();
///         while !feed.sleep(std::time::Duration::from_secs(60)).await {
///             feed.publish(json!({"beat": true})).await?;
///         }
///         Ok(())
///     }
/// }
/// ```
#[async_trait::async_trait]
pub trait EventSource: Send + Sync + fmt::Debug + 'static {
    /// Key in an EventSource's spec, and type of its events.
    fn kind(&self) -> &'static str;

    /// Checks a configuration. Called often; no I/O.
    ///
    /// # Errors
    /// What is wrong, in a sentence for the one who wrote it.
    fn validate(&self, config: &Value) -> Result<(), String>;

    /// Whether the configuration's `filter.expression` is looked at before events are published.
    fn filters_by_expression(&self) -> bool {
        true
    }

    /// Listens until [`Feed::stopped`]; calls [`Feed::ready`] once it does and [`Feed::publish`] for
    /// every event. A source that answers somebody (an HTTP client, a queue) answers with success
    /// only after `publish` returned: the event is then on the bus.
    ///
    /// # Errors
    /// Why it does not listen (any more). It shows as a condition, and the source is started again
    /// with growing delays.
    async fn run(&self, config: &Value, feed: &Feed) -> Result<(), SourceError>;
}

/// Why a source does not listen, or an event was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The configuration can not work.
    #[error("{0}")]
    Config(String),
    /// The address can not be listened on.
    #[error("can not listen on {address}{}: {message}", if *.in_use { " (the port is in use)" } else { "" })]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Whether somebody else listens there.
        in_use: bool,
        /// What the system said.
        message: String,
    },
    /// Another event is served under the same port and path.
    #[error("endpoint {path} on port {port} is served for {owner} already")]
    EndpointTaken {
        /// The port.
        port: u16,
        /// The path.
        path: String,
        /// Who has it.
        owner: String,
    },
    /// A Secret or ConfigMap is missing.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The bus did not take the event.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The other side is away.
    #[error("{0}")]
    Unavailable(String),
}

impl Failure for SourceError {
    fn category(&self) -> Category {
        match self {
            Self::Config(_) => Category::Invalid,
            Self::Listen { .. } | Self::EndpointTaken { .. } => Category::Conflict,
            Self::Secret(error) => error.category(),
            Self::Bus(error) => error.category(),
            Self::Unavailable(_) => Category::Unavailable,
        }
    }

    fn is_transient(&self) -> bool {
        !matches!(self, Self::Config(_))
    }
}

/// The types that are known, by their keys.
#[derive(Debug, Clone, Default)]
pub struct Sources(BTreeMap<&'static str, Arc<dyn EventSource>>);

impl Sources {
    /// Those that are built in and need nothing but what a [`Feed`] gives.
    #[must_use]
    pub fn builtin() -> Self {
        #[allow(unused_mut)]
        let mut sources = Self::default();
        #[cfg(feature = "webhook")]
        sources.add(Arc::new(WebhookSource));
        #[cfg(feature = "github")]
        sources.add(Arc::new(GithubSource));
        #[cfg(feature = "calendar")]
        sources.add(Arc::new(CalendarSource));
        #[cfg(feature = "resource")]
        sources.add(Arc::new(ResourceSource));
        sources
    }

    /// Adds a type; one with the same key is replaced.
    pub fn add(&mut self, source: Arc<dyn EventSource>) {
        self.0.insert(source.kind(), source);
    }

    /// The type with a key.
    #[must_use]
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn EventSource>> {
        self.0.get(kind)
    }

    /// Checks one event.
    ///
    /// # Errors
    /// What is wrong; upstream's types that are not built in are told apart from unknown ones.
    pub fn validate(&self, event: &SourceEvent) -> Result<(), String> {
        let Some(source) = self.get(&event.kind) else {
            let known: Vec<&str> = self.0.keys().copied().collect();
            return Err(format!("event source type {:?} is not built in (there are {})", event.kind, known.join(", ")));
        };
        source.validate(&event.config)?;
        if source.filters_by_expression() {
            filter(&event.config)?;
        }
        Ok(())
    }
}

/// The compiled `filter.expression` of a configuration.
pub(crate) fn filter(config: &Value) -> Result<Option<crate::engine::source_filter::SourceFilter>, String> {
    let filter = match config.get("filter") {
        Some(filter) => serde_json::from_value(filter.clone()).map_err(|it| format!("filter: {it}"))?,
        None => None,
    };
    crate::engine::source_filter::SourceFilter::compile(filter.as_ref())
}

/// Decodes a configuration.
#[cfg(any(feature = "webhook", feature = "calendar", feature = "resource"))]
pub(crate) fn decode<T: serde::de::DeserializeOwned>(config: &Value) -> Result<T, String> {
    serde_json::from_value(config.clone()).map_err(|it| it.to_string())
}
