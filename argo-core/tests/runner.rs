//! One test binary for the crate.

mod git;
mod invariants;
mod runtime;
