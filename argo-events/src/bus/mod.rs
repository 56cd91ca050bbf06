//! [`EventBus`]: carries events from sources to sensors, at least once.
//!
//! | implementation | keeps accepted events over |
//! |---|---|
//! | [`MemoryBus`] | nothing: for tests, and where losing events in a crash is acceptable |
//! | [`FileBus`] | `kill -9` and power failure: an append-only journal, synced before an event counts as accepted |
//!
//! An event goes to every [`Group`] (a trigger of a sensor) that had subscribed to its subject when
//! it was published. Groups are remembered: a sensor that is away finds its events when it comes back.

mod file;
mod log;
mod memory;

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use argo_core::{Category, Failure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::Event;

pub use file::FileBus;
pub use memory::MemoryBus;

/// One bus of a namespace: what an EventBus object names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Channel {
    /// Namespace.
    pub namespace: String,
    /// Name of the EventBus.
    pub bus: String,
}

/// What an event is about: an event of an EventSource on a channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// Name of the EventSource.
    pub source: String,
    /// Name of the event in it.
    pub event: String,
}

/// Who consumes: a trigger of a Sensor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group {
    /// The channel.
    pub channel: Channel,
    /// Name of the Sensor.
    pub sensor: String,
    /// Name of the trigger.
    pub trigger: String,
}

/// Whether an event was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It is on the bus.
    Accepted,
    /// An event with this id was accepted within the window for duplicates: nothing was added.
    Duplicate,
}

/// An event as it is handed to a group.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Place of the event on the bus.
    pub sequence: u64,
    /// The event.
    pub event: Arc<Event>,
}

/// What the bus holds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Events of one channel that some group has yet to acknowledge; 50 000 by default, as upstream's `maxMsgs`.
    /// Beyond that publishing fails (upstream drops the oldest), so that nothing accepted is lost.
    pub events: usize,
    /// Bytes of one event on the wire; 1 MiB by default, as upstream's `maxPayload`.
    pub event_bytes: usize,
    /// How long an id is remembered to recognise duplicates; 300 s by default, as upstream's `duplicates`.
    pub duplicates: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { events: 50_000, event_bytes: 1 << 20, duplicates: Duration::from_secs(300) }
    }
}

/// What went wrong on the bus.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// Too many events wait for their sensors.
    #[error("the event bus holds {limit} events that sensors have yet to acknowledge")]
    Full {
        /// The limit.
        limit: usize,
    },
    /// The event is too large.
    #[error("event {id} has {bytes} bytes, more than the {limit} that the event bus takes")]
    TooLarge {
        /// Id of the event.
        id: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The journal can not be written or read.
    #[error("event bus journal {path}: {message}")]
    Journal {
        /// The file.
        path: String,
        /// What the system said.
        message: String,
    },
    /// The journal holds what this bus never wrote.
    #[error("event bus journal {path} is damaged at byte {offset}: {message}; move it away to start with an empty bus")]
    Corrupt {
        /// The file.
        path: String,
        /// Where.
        offset: u64,
        /// What is wrong.
        message: String,
    },
    /// Another process has the journal open.
    #[error("event bus journal {path} is in use by another process")]
    Locked {
        /// The file.
        path: String,
    },
    /// The group has a newer subscription, or was forgotten.
    #[error("the subscription of {sensor}/{trigger} was replaced")]
    Superseded {
        /// The sensor.
        sensor: String,
        /// The trigger.
        trigger: String,
    },
    /// The bus is away.
    #[error("event bus: {0}")]
    Unavailable(String),
}

impl Failure for BusError {
    fn category(&self) -> Category {
        match self {
            Self::Full { .. } => Category::Throttled,
            Self::TooLarge { .. } => Category::LimitExceeded,
            Self::Journal { .. } | Self::Locked { .. } | Self::Unavailable(_) => Category::Unavailable,
            Self::Corrupt { .. } => Category::Internal,
            Self::Superseded { .. } => Category::Conflict,
        }
    }
}

/// Carries events.
#[async_trait::async_trait]
pub trait EventBus: Send + Sync + fmt::Debug + 'static {
    /// Takes an event. When this returns `Accepted`, every group subscribed to its subject will be
    /// handed the event until it acknowledges it; a durable bus keeps that promise over crashes.
    /// An id that was accepted on the same channel shortly before is a duplicate and changes nothing.
    ///
    /// # Errors
    /// Nothing was accepted; the caller may try again with the same id.
    async fn publish(&self, channel: &Channel, event: &Event) -> Result<Published, BusError>;

    /// Subscribes a group, anew or again. A subject that is new to the group brings events from now
    /// on; for others the group goes on where it was. Earlier subscriptions of the group end.
    ///
    /// # Errors
    /// When the bus is away.
    async fn subscribe(&self, group: &Group, subjects: &BTreeSet<Subject>) -> Result<Box<dyn Subscription>, BusError>;

    /// The groups of a sensor that the bus remembers, running or not.
    ///
    /// # Errors
    /// When the bus is away.
    async fn groups(&self, channel: &Channel, sensor: &str) -> Result<Vec<Group>, BusError>;

    /// Forgets a group with its state and its events.
    ///
    /// # Errors
    /// When the bus is away.
    async fn forget(&self, group: &Group) -> Result<(), BusError>;
}

/// The events of one group, one after the other.
#[async_trait::async_trait]
pub trait Subscription: Send + fmt::Debug {
    /// What the group last committed.
    fn state(&self) -> Option<&Value>;

    /// Waits for the oldest event that is not acknowledged: the same again until it is. Dropping the
    /// future loses nothing.
    ///
    /// # Errors
    /// When the bus is away or the subscription was replaced.
    async fn next(&mut self) -> Result<Delivery, BusError>;

    /// Acknowledges everything up to `sequence` (nothing when absent) and replaces the group's state
    /// (keeps it when absent), both or neither.
    ///
    /// # Errors
    /// Nothing was committed.
    async fn commit(&mut self, sequence: Option<u64>, state: Option<Value>) -> Result<(), BusError>;
}

impl Channel {
    /// A bus of a namespace.
    pub fn new(namespace: impl Into<String>, bus: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), bus: bus.into() }
    }
}

impl Subject {
    /// An event of an EventSource.
    pub fn new(source: impl Into<String>, event: impl Into<String>) -> Self {
        Self { source: source.into(), event: event.into() }
    }
}
