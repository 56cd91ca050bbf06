//! The controller runtime: one layer over `kube` used by every controller here.
//!
//! ```text
//!   watch ─> Cache ─ events ─> Queue ─ key ─> Reconcile ─ Plan ─> Context::apply ─> API
//!              └──────────── reads ───────────────┘
//! ```
//!
//! [`Context`] holds what controllers share: client, clock, [`Caches`], applier, metrics. A
//! [`Controller`] feeds keys from caches through a [`Queue`] with per-key backoff into a
//! [`Reconcile`]; a key is never worked on twice at once, nor before the caches show the
//! controller's own last writes.

pub mod api;
mod cache;
mod context;
mod controller;
mod lease;
mod mapper;
mod metrics;
mod query;
mod queue;
mod requests;
mod serve;

pub use cache::{Cache, CacheEvent, Caches, Subscription};
pub use context::{Builder, Context};
pub use controller::{Controller, Outcome, Reconcile, ReconcileResult};
pub use lease::{Elector, LeadLost, LeaseConfig};
pub use mapper::{Mapper, MapperError};
pub use metrics::Metrics;
pub use query::{Query, Trim};
pub use queue::{Backoff, Queue};
pub use requests::{Request, Requests};
pub use serve::{HealthServer, ServeError};
pub use tokio_util::sync::CancellationToken as Shutdown;
