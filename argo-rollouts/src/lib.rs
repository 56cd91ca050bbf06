//! Argo Rollouts as a library: canary and analysis as a pure state machine, metric providers and
//! traffic routers behind traits.
//!
//! Three ways in:
//! - **Decide**: [`engine::reconcile`] and [`engine::analysis::reconcile`] are functions from values
//!   to a [`Plan`](argo_core::Plan); no cluster, no clock.
//! - **Run**: `Controller` (feature `controller`) on any Kubernetes, compatible with
//!   `kubectl argo rollouts`.
//! - **Test**: [`testing::Simulation`] (feature `testing`) rolls out in virtual time.
//!
//! What a rollout would do, as a test of three statements:
//! ```
//! use argo_rollouts::testing::Simulation;
//!
//! const ROLLOUT: &str = r#"
//! apiVersion: argoproj.io/v1alpha1
//! kind: Rollout
//! metadata: {name: shop}
//! spec:
//!   replicas: 10
//!   selector: {matchLabels: {app: shop}}
//!   template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: shop, image: "shop:v1"}]}}
//!   strategy:
//!     canary:
//!       analysis: {templates: [{templateName: error-rate}]}
//!       steps: [{setWeight: 20}, {pause: {duration: 5m}}, {setWeight: 50}, {pause: {duration: 5m}}]
//! ---
//! apiVersion: argoproj.io/v1alpha1
//! kind: AnalysisTemplate
//! metadata: {name: error-rate}
//! spec:
//!   metrics: [{name: error-rate, interval: 1m, successCondition: "result < 0.05", provider: {prometheus: {query: errors}}}]
//! "#;
//!
//! // The third measurement is bad: the update is given up before it reaches half of the users.
//! let report = Simulation::rollout(ROLLOUT).image("shop:v2").metric("error-rate", [0.01, 0.02, 0.30]).run()?;
//! assert_eq!(report.phase(), "Degraded", "{report}");
//! assert!(report.is_aborted() && report.most_exposed() == 20);
//! # Ok::<(), argo_rollouts::testing::SimulationError>(())
//! ```
//!
//! # Features
//! - `controller` (default): the controller on a Kubernetes API.
//! - `http` (default): the metric providers over HTTP: Prometheus, Web and the vendors.
//! - `testing` (default): simulations for users' own tests; pure, without further dependencies.

pub mod api;
#[cfg(feature = "controller")]
mod controller;
pub mod engine;
pub mod metrics;
pub mod notifications;
pub mod routers;
pub mod steps;
#[cfg(feature = "testing")]
pub mod testing;

pub use api::crds;
#[cfg(feature = "controller")]
pub use controller::{BuildError, Builder, Controller, Workers};
pub use engine::{LintError, lint};
