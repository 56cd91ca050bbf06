//! What several groups of tests need.

pub(crate) mod audit;
mod in_place;
