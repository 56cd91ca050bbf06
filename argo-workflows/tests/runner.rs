//! Tests of the crate from outside.

mod conformance;
mod controller;
mod cron;
mod engine;
mod features;
mod invariants;
mod operations;
mod process;
mod synchronization;
