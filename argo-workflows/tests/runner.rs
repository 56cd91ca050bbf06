//! Tests of the crate from outside.

#[cfg(feature = "exec")]
mod agent;
mod conformance;
mod controller;
mod cron;
mod databases;
mod engine;
mod events;
mod features;
mod garbage;
mod invariants;
mod metrics;
mod operations;
mod persist;
mod pods;
mod process;
#[cfg(feature = "exec")]
mod server;
mod status;
#[cfg(feature = "exec")]
mod stores;
mod synchronization;
