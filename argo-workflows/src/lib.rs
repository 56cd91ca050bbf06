//! Argo Workflows as a library: a pure engine, executors behind a trait, a thin controller.
//!
//! | to | use |
//! |---|---|
//! | read and write the objects | [`api`] |
//! | decide, without cluster, I/O or clock | [`engine::reconcile`], [`engine::lint`] |
//! | carry out steps | [`executor::Executor`]: local processes, scripts for tests, or one's own |
//! | count what workflows ask for | [`metrics::Custom`] |
//! | run workflows on a Kubernetes API | [`Controller`] |
//! | test workflows in virtual time | [`testing::Run`] |
//!
//! # Features
//! - `controller` (default): the controller on a Kubernetes API.
//! - `process` (default): steps as local processes.
//! - `pods` (default): steps as Pods.
//! - `exec`: what runs in those Pods, and its program `argo-exec`.
//! - `http`: artifacts behind URLs and in Google Cloud Storage; `http` and `plugin` templates in this process.
//! - `s3`: artifacts in S3 and in Azure Blob Storage.
//! - `artifacts`: loading and saving of what steps take and give; `process` needs it.
//! - `sqlite`, `postgres`: the archive, offloaded nodes and shared locks in a database ([`persist`]).
//! - `testing`: runs of workflows against scripted steps, for users' own tests.

pub mod api;
pub mod config;
#[cfg(feature = "controller")]
pub mod controller;
pub mod engine;
#[cfg(feature = "artifacts")]
pub mod exec;
pub mod executor;
pub mod metrics;
pub mod persist;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use api::crds;
#[cfg(feature = "controller")]
pub use controller::Controller;
