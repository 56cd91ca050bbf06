//! The languages that manifests are written in, read exactly as Go reads them.
//!
//! Every language is a module with a small typed API: compile once, evaluate often, errors with a position, bounds on
//! size, depth and steps. Nothing here does I/O or reads a clock.

pub mod cron;
pub mod duration;
pub mod expr;
pub mod fmt;
pub mod gofloat;
pub mod gojson;
pub mod govaluate;
pub mod regexp;
pub mod semver;
pub mod tags;
pub mod text_template;
pub mod time;
pub mod yaml;
