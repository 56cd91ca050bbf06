//! What can go wrong with a repository.

use crate::error::{Category, Failure};

/// An operation on a repository that failed. URLs are without user information.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// The repository does not exist, or is not visible with these credentials.
    #[error("repository {repository} not found: check the URL and the credentials ({message})")]
    NotFound {
        /// The URL.
        repository: String,
        /// What git said.
        message: String,
    },
    /// The credentials were refused.
    #[error("authentication failed for {repository}: {message}")]
    Unauthorized {
        /// The URL.
        repository: String,
        /// What git said.
        message: String,
    },
    /// The remote did not answer.
    #[error("repository {repository} is unavailable: {message}")]
    Unavailable {
        /// The URL.
        repository: String,
        /// What git said.
        message: String,
    },
    /// Nothing has that name.
    #[error("unable to resolve '{revision}' to a commit SHA in {repository}")]
    NoRevision {
        /// The URL.
        repository: String,
        /// The name asked for.
        revision: String,
    },
    /// More files or bytes than allowed.
    #[error("{repository} at {revision}: {what} is over the limit of {limit}")]
    TooLarge {
        /// The URL.
        repository: String,
        /// The commit.
        revision: String,
        /// What there is too much of.
        what: String,
        /// How much is allowed.
        limit: u64,
    },
    /// The remote refused a push, or it does not fit on what the remote has.
    #[error("push to {repository} rejected: {message}")]
    Rejected {
        /// The URL.
        repository: String,
        /// What git said.
        message: String,
    },
    /// The working tree or the mirror could not be read or written.
    #[error("{path}: {message}")]
    Local {
        /// The folder.
        path: String,
        /// What was wrong.
        message: String,
    },
}

impl Failure for GitError {
    fn category(&self) -> Category {
        match self {
            Self::NotFound { .. } | Self::NoRevision { .. } => Category::NotFound,
            Self::Unauthorized { .. } => Category::Forbidden,
            Self::Unavailable { .. } => Category::Unavailable,
            Self::TooLarge { .. } => Category::LimitExceeded,
            Self::Rejected { .. } => Category::Conflict,
            Self::Local { .. } => Category::Internal,
        }
    }

    fn is_transient(&self) -> bool {
        // A repository or a branch may appear, and a disk may be emptied, without a change here.
        !matches!(self, Self::TooLarge { .. })
    }
}
