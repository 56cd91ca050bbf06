//! One binary for all tests of this crate.

#![recursion_limit = "256"]

mod access;
mod admission;
mod client;
mod controllers;
mod definitions;
mod differential;
mod https;
mod kubectl;
mod linear;
mod policies;
mod proxy;
mod simulator;
mod snapshot;
mod store;
mod streams;
mod support;
mod watches;
mod ws;
