//! Everything that is tested from outside.

mod analysis;
mod blue_green;
mod canary;
#[cfg(feature = "controller")]
mod embedded;
#[cfg(feature = "http")]
mod http;
mod properties;
mod replicas;
