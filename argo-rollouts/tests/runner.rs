//! Everything that is tested from outside.

mod canary;
#[cfg(feature = "controller")]
mod embedded;
