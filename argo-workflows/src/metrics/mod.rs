//! Counts what workflows ask for, and what the controller does: in Prometheus' text form, under upstream's names.

mod built_in;
mod custom;
mod text;

pub use built_in::Counted;
#[cfg(feature = "controller")]
pub(crate) use built_in::{Gauges, write_requests};
pub use custom::Custom;

/// What every name begins with.
pub const PREFIX: &str = "argo_workflows_";
