//! Everything that is tested from outside.

mod analysis;
mod blue_green;
mod canary;
#[cfg(feature = "controller")]
mod details;
#[cfg(feature = "controller")]
mod embedded;
#[cfg(feature = "controller")]
mod experiment;
#[cfg(feature = "controller")]
mod experiment_step;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "controller")]
mod job;
#[cfg(feature = "controller")]
mod notifications;
#[cfg(feature = "controller")]
mod plugin;
#[cfg(all(feature = "controller", feature = "http"))]
mod prometheus;
mod properties;
#[cfg(feature = "http")]
mod providers;
#[cfg(feature = "controller")]
mod released;
mod replicas;
#[cfg(feature = "controller")]
mod requests;
mod routers;
mod safety;
mod support;
mod tables;
#[cfg(feature = "controller")]
mod traffic;
mod validation;
#[cfg(feature = "controller")]
mod workloads;
