//! Kargo as a library: warehouses, freight, stages and promotions as one queue state machine, steps behind a trait.
//!
//! ```text
//! Warehouse ─ discovers ─> Freight ─ Promotion ─> Stage ─ health, verification ─> verified Freight ─> next Stage
//! ```
//! Three ways in:
//! - **decide**: [`engine`] takes values and returns plans; no cluster, no clock;
//! - **admit**: [`admission`] names, completes and checks objects as upstream's webhooks do;
//! - **run**: `controller` (feature `controller`) on any Kubernetes, wire-compatible with `kargo.akuity.io/v1alpha1`.
//!
//! # Extending
//! A kind of step is a [`steps::StepRunner`]; a kind of subscription is a [`subscriptions::Subscriber`]. Built-in ones
//! are registered the same way.
//!
//! # Features
//! - `controller` (default): the controllers.
//! - `git` (default): git subscriptions and steps on the default git source.
//! - `image` (default): image subscriptions from OCI registries.
//! - `http` (default): the `http` step.
//! - `testing`: scripted subscribers and steps, promotions in memory.
//!
//! # Example
//! ```no_run
//! # #[cfg(feature = "controller")]
//! # async fn f(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use argo_core::runtime::Shutdown;
//! let controller = argo_promote::Controller::builder(client).folder("/var/lib/argo-promote").build()?;
//! controller.run(Shutdown::new()).await;
//! # Ok(()) }
//! ```

pub mod admission;
pub mod api;
#[cfg(feature = "controller")]
pub mod controller;
pub mod engine;
pub mod steps;
pub mod subscriptions;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(any(feature = "http", feature = "image"))]
mod tls;

pub use api::crds;
#[cfg(feature = "controller")]
pub use controller::Controller;
