//! Argo Events as a library: event sources, buses, sensors and triggers behind traits, with at-least-once delivery.
//!
//! ```text
//!   EventSource ──CloudEvent──> EventBus ──> Sensor (filters, conditions) ──> Trigger
//! ```
//!
//! | room | what | I/O |
//! |---|---|---|
//! | [`api`] | wire types of EventBus, EventSource, Sensor; [`api::Event`] | none |
//! | [`engine`] | filters, conditions, parameters, the state machine of a trigger | none |
//! | `sources` | trait [`sources::EventSource`]: `webhook`, `github`, `calendar`, `resource` | yes |
//! | `bus` | trait [`bus::EventBus`]: in memory, in a file | yes |
//! | `triggers` | trait [`triggers::Trigger`]: `k8s`, `argoWorkflow`, `http`, `log` | yes |
//! | `plane` | runs sources and sensors, with or without Kubernetes | yes |
//! | `controller` | [`Controller`]: runs what the objects in a cluster say | yes |
//! | `testing` | feeds events to a sensor in a test; scripted sources, buses and triggers | none |
//!
//! # At least once
//! A webhook is answered 200 once its event is on the bus; with [`bus::FileBus`] that is: on the disk.
//! A trigger with `atLeastOnce: true` acknowledges an event after it was carried out, so a crash
//! delivers the event again, and what the trigger creates is named after its events, so that the
//! second delivery finds the object of the first. Without `atLeastOnce` the event is acknowledged
//! first, as upstream does: a crash may lose that firing.
//!
//! # Features
//! - `controller` (default): the controllers on a Kubernetes API.
//! - `webhook`, `github`, `calendar`, `resource` (default): one event source type each.
//! - `http` (default): the `http` trigger.
//! - `lua` (default): scripts in filters and transformations; needs a C compiler.
//! - `run`: buses and runners; the features above turn it on.
//! - `testing`: scripted sources, buses and triggers.

pub mod api;
#[cfg(feature = "run")]
pub mod bus;
#[cfg(feature = "controller")]
pub mod controller;
pub mod engine;
#[cfg(feature = "run")]
pub mod plane;
#[cfg(feature = "run")]
pub mod secrets;
#[cfg(feature = "run")]
pub mod sources;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "run")]
pub mod triggers;

pub use api::crds;
#[cfg(feature = "controller")]
pub use controller::Controller;
