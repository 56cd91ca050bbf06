//! All tests of the crate, in one binary.

mod json_patch;
mod merge_patch;
mod properties;
mod schema;
mod strategic;
mod structured;
mod support;
mod upstream;
