//! Pods: put on nodes by [`schedule`], lived out by [`Kubelet`].
//!
//! The kubelet keeps what a real one has in its runtime, the containers and their timers, in memory, and builds the status from it. After
//! a restart of the process it reads them back out of the status.

mod container;
mod kubelet;
mod nodes;
mod schedule;
mod status;

pub(super) use kubelet::Kubelet;
pub(super) use nodes::{evict, lost};
pub(super) use schedule::{admits, quantity, schedule};
pub(super) use status::host_address;
