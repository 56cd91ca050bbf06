//! Notifications: who is told what, when something happens to an object.
//!
//! ```text
//!   ConfigMap + Secret ──> Config (services, templates, triggers, subscriptions for all)
//!   annotations + Config ──> destinations by trigger
//!   trigger + object ──> conditions that hold ──> templates ──> Notification ──> Notifier
//! ```
//!
//! It knows no Rollouts: what is in the variables of conditions and templates, and when triggers are asked, is the
//! caller's. Texts, keys and annotations are those of upstream's notifications-engine. No error, and no `Debug`,
//! holds a value of the Secret.

mod config;
#[cfg(feature = "http")]
mod http;
mod request;
mod state;
mod subscriptions;
mod templates;
mod triggers;

use std::fmt;

use serde_json::Value;

pub use config::{Condition, Config, ConfigError, ServiceConfig};
#[cfg(feature = "http")]
pub use http::HttpNotifier;
pub use request::{Accept, Request};
pub use state::State;
pub use subscriptions::{Destinations, destinations};
pub use templates::{Variables, render};
pub use triggers::{Outcome, run};

/// What annotations for notifications begin with.
pub const ANNOTATIONS: &str = "notifications.argoproj.io/";

/// The annotation that remembers what was told.
pub const NOTIFIED: &str = "notified.notifications.argoproj.io";

/// Whom to tell, by which service.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// Name of the service in the configuration.
    pub service: String,
    /// A channel, an address, or nothing.
    pub recipient: String,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.recipient)
    }
}

/// What templates came to: `message`, and what each kind of service takes beside it (`webhook`, `slack`, `teams` …).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Notification(pub serde_json::Map<String, Value>);

impl Notification {
    /// The plain text.
    #[must_use]
    pub fn message(&self) -> &str {
        self.0.get("message").and_then(Value::as_str).unwrap_or_default()
    }

    /// What a kind of service takes, under a name.
    #[must_use]
    pub fn text(&self, service: &str, field: &str) -> &str {
        self.0.get(service).and_then(|it| it.get(field)).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Why nothing was told. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The trigger is subscribed to, but nowhere described.
    #[error("trigger '{0}' is not configured")]
    UnknownTrigger(String),
    /// A trigger sends a template that does not exist.
    #[error("template '{0}' is not supported")]
    UnknownTemplate(String),
    /// A destination's service is not in the configuration.
    #[error("notification service '{0}' is not supported")]
    UnknownService(String),
    /// The service is of a kind that is not known here.
    #[error("service type '{0}' is not supported")]
    UnknownKind(String),
    /// A template can not be filled in.
    #[error("template '{name}': {message}")]
    Template {
        /// The template.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// The service's configuration or the notification lacks something.
    #[error("service '{service}': {message}")]
    Service {
        /// Name of the service.
        service: String,
        /// What is wrong, and where.
        message: String,
    },
}

impl argo_core::Failure for NotifyError {
    fn category(&self) -> argo_core::Category {
        argo_core::Category::Invalid
    }
}

/// Tells people something.
///
/// Contract: gives up after a time of its own (the built-in one after 10 s); an error says why, and holds neither a
/// secret nor an address that may hold one. What is told may be told twice when the controller was stopped in between.
#[async_trait::async_trait]
pub trait Notifier: Send + Sync + fmt::Debug {
    /// Tells `notification` to a destination, by the service's configuration (absent when the configuration does not
    /// speak of this service: a notifier that is registered by name may need none).
    async fn send(
        &self,
        notification: &Notification,
        to: &Destination,
        service: Option<&ServiceConfig>,
    ) -> Result<(), String>;
}
