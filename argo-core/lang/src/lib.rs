//! The languages that manifests are written in, read exactly as Go reads them.
//!
//! Every language is a module with a small typed API: compile once, evaluate often, errors with a position, bounds on
//! size, depth and steps. Nothing here does I/O or reads a clock.
//!
//! Features, off by default: `lua` adds the `lua` module and needs a C compiler; `crypto` adds what makes keys,
//! certificates and password hashes in templates (`genCA`, `bcrypt`, `encryptAES` …).

mod codecs;
pub mod cron;
pub mod duration;
pub mod expr;
pub mod fmt;
pub mod gitignore;
pub mod gjson;
pub mod glob;
pub mod gofloat;
pub mod gojson;
pub mod govaluate;
#[cfg(test)]
mod grammar;
pub mod int_or_string;
pub mod jq;
pub mod json_pointer;
pub mod jsonpath;
#[cfg(feature = "lua")]
#[cfg_attr(docsrs, doc(cfg(feature = "lua")))]
pub mod lua;
pub mod names;
pub mod position;
pub mod quantity;
mod random;
pub mod regexp;
pub mod semver;
pub mod tags;
pub mod text_template;
pub mod time;
pub mod yaml;
