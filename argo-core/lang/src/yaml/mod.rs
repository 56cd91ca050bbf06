//! YAML read and written as Go's `sigs.k8s.io/yaml` does it: YAML 1.1 scalars, JSON values.
//!
//! [`decode`] and [`decode_all`] read, [`to_yaml`] prints, [`edit`] changes scalars inside YAML text and leaves the rest of the text alone.

mod decode;
pub mod edit;
mod emit;
pub(crate) mod scalar;

pub use decode::{Options, decode, decode_all, decode_all_with, decode_bytes, decode_with, text_of_bytes};
pub use emit::{to_yaml, to_yaml_pretty};

/// Why a YAML text was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum YamlError {
    /// The text is not YAML.
    #[error("yaml: line {line}: {message}")]
    Syntax {
        /// Line of the trouble, from 1.
        line: usize,
        /// Column of the trouble, from 0.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// A key stands twice in one mapping.
    #[error("yaml: unmarshal errors:\n  line {line}: key {key:?} already set in map")]
    DuplicateKey {
        /// Line of the second key, from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// The document is YAML but has no JSON form, or is against a rule of merges, tags or aliases.
    #[error("yaml: line {line}: {message}")]
    Value {
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A bound of [`Options`] was exceeded.
    #[error("yaml: {0}")]
    Limit(&'static str),
}
