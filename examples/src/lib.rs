//! What the examples share: fixtures, and the five controllers put together the way the binaries run them.

pub mod applications;
pub mod controllers;
pub mod fixtures;
pub mod flags;
pub mod log;
pub mod rollouts;
pub mod run;

/// Makes ring the TLS implementation of this process. Binaries call it first; twice does no harm.
pub fn install_tls() {
    // An error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
