//! Kubernetes inside the process: an API server, a workload simulator, faults and a journal, for tests, simulations and embedding.
//!
//! | to | call |
//! |---|---|
//! | make one | [`Cluster::new`], [`Cluster::builder`]; [`Cluster::open`] for one that lasts |
//! | run controllers on it | [`Cluster::client`]: a stock `kube::Client`, also under paused time |
//! | reach it with kubectl | [`Cluster::serve`] and [`Serving::kubeconfig`] |
//! | seed and inspect it | [`Cluster::apply_yaml`], [`Cluster::install_crds`], [`Cluster::direct`], [`Cluster::dump`] |
//! | fill it from files, go back | [`Cluster::apply_directory`]; [`Cluster::snapshot`], [`Cluster::restore`] |
//! | run workloads on it | [`ClusterBuilder::simulator`]: Deployments, Jobs, pods by script, garbage collection |
//! | break it | [`Cluster::faults`], [`ClientOptions::cut_after_writes`], [`Cluster::compact`] |
//! | see who did what | [`Cluster::journal`] |
//!
//! ```text
//!  kube::Client ── tower ──┐
//!  kubectl ─────── https ──┼──► server ──► store ──► disk
//!  simulator ───── direct ─┘      │  └── watches, woken per resource
//!                        faults, journal
//! ```

mod builder;
mod cel;
mod cluster;
mod crd;
mod faces;
pub mod faults;
mod fields;
pub mod journal;
mod jsonpath;
mod persist;
pub mod process;
mod resources;
mod schema;
mod server;
mod session;
pub mod simulator;
mod snapshot;
pub mod store;
pub mod streams;
mod yaml;

pub use builder::ClusterBuilder;
pub use cluster::Cluster;
pub use faces::{
    DeleteParams, Direct, List, ListFilter, LocalService, ServeError, Serving, Watch, WatchEvent, WatchKind,
};
pub use persist::PersistError;
pub use server::{
    Admission, AdmissionRequest, ApiError, Caller, Cause, Disconnected, PodSecurityExemptions, ResponseBody, Verb,
    WebhookService,
};
pub use session::{ClientOptions, Session};
pub use snapshot::Snapshot;
