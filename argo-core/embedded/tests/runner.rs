//! One binary for all tests of this crate.

#![recursion_limit = "256"]

mod client;
mod controllers;
mod definitions;
mod simulator;
mod support;
mod watches;
