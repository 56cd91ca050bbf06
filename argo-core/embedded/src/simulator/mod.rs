//! Controllers, scheduler and kubelet of a cluster, simulated: what users deploy comes up, rolls, crashes and goes, by script.
//!
//! ```text
//!             changes                 passes (pure)                    writes
//!  store ───────────────► World ───► deployment, replicaset, pods … ───────────► API server
//!    ▲  one wake-up for all ▲                  │ wake                               │
//!    └──────────────────────┴── clock ◄────────┘                                    │
//!    └──────────────────────────────────────────────────────────────────────────────┘
//! ```
//! Every controller is a function of the world and the time to writes and the time to look again; one task runs them, in order, through the
//! same API server as everybody else. Nothing polls and nothing sleeps but for the next such time on the cluster's clock: under a virtual
//! clock a progress deadline of ten minutes costs nothing, and the same inputs give the same names, uids and times.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
//! use argo_core::clock::Clock;
//! use argo_embedded::{Cluster, simulator::SimulatorConfig};
//!
//! let clock = Clock::virtual_at("2026-01-01T00:00:00Z".parse().unwrap());
//! let cluster = Cluster::builder().clock(clock).simulator(SimulatorConfig::default()).build().unwrap();
//! cluster.apply_yaml("
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: web, namespace: default}
//! spec:
//!   replicas: 2
//!   selector: {matchLabels: {app: web}}
//!   template:
//!     metadata: {labels: {app: web}}
//!     spec: {containers: [{name: web, image: 'web:1'}]}
//! ").unwrap();
//! cluster.simulator().unwrap().settled().await;
//! let web = cluster.direct("test").get("deployments.apps", "default", "web").unwrap();
//! assert_eq!(web["status"]["availableReplicas"], 2);
//! # });
//! ```

mod autoscaler;
mod budget;
mod config;
mod cronjob;
mod daemonset;
mod deployment;
mod engine;
mod events;
mod garbage;
mod job;
mod kinds;
mod pass;
mod pods;
mod read;
mod replicaset;
mod revision;
mod script;
mod service;
mod shell;
mod statefulset;
mod world;

pub use autoscaler::MetricValue;
pub use config::{SimulatedNode, SimulatorConfig};
pub(crate) use script::glob;
pub use script::{Behaviour, Exit, PodRule, PodScript, PullError, Readiness};
pub use shell::Simulator;
