//! Argo Workflows as a library: a pure engine, executors behind a trait, a thin controller.

pub mod api;
#[cfg(feature = "controller")]
pub mod controller;
pub mod engine;
pub mod executor;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
