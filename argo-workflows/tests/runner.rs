//! Tests of the crate from outside.

mod conformance;
mod controller;
mod engine;
mod invariants;
mod process;
