//! What can go wrong when manifests are made.

use argo_core::{Category, Failure};

use crate::SourceType;

/// Manifests could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The folder does not exist at that revision.
    #[error("{path}: app path does not exist")]
    NoSuchPath {
        /// The folder.
        path: String,
    },
    /// The folder is absolute or climbs out of the repository.
    #[error("{path}: app path is absolute or leads out of the repository")]
    OutsideRepository {
        /// The folder.
        path: String,
    },
    /// Nothing here can run that tool.
    #[error("{tool} sources are not supported by this controller: no {tool} renderer is registered")]
    NotSupported {
        /// The tool.
        tool: SourceType,
    },
    /// A file is not what it should be.
    #[error("Failed to unmarshal {file:?}: {message}")]
    Manifest {
        /// The file.
        file: String,
        /// What is wrong with it.
        message: String,
    },
    /// A pattern is malformed.
    #[error("pattern {pattern:?} is malformed: {message}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        message: String,
    },
    /// More than is allowed.
    #[error("{what} is over the limit of {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
}

impl Failure for RenderError {
    fn category(&self) -> Category {
        match self {
            Self::NoSuchPath { .. } => Category::NotFound,
            Self::TooLarge { .. } => Category::LimitExceeded,
            _ => Category::Invalid,
        }
    }
}
