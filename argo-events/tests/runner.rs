//! One binary for all integration tests.

mod controllers;
mod delivery;
mod file_bus;
mod http_trigger;
mod objects;
mod server;
mod support;
mod wire;
