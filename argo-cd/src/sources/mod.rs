//! Where manifests come from: [`ManifestSource`] and its implementation over git.
//!
//! | implementation | how |
//! |---|---|
//! | [`GitManifests`] | a [`GitSource`](argo_core::git::GitSource) for files, [`Renderers`](argo_render::Renderers) for manifests, a cache by commit and folder |

mod flights;
mod git;
pub mod repositories;

use std::{fmt, sync::Arc};

use argo_core::{Category, Failure, git::Repository};

use crate::{api::Source, engine::Manifests};

pub use git::{GitManifests, RevisionMetadata};

/// Makes manifests from sources. Implementations are cheap to share and safe to call concurrently.
///
/// Contract: a commit once resolved gives the same manifests for ever, so they may be cached; a revision may move, so it
/// may not.
#[async_trait::async_trait]
pub trait ManifestSource: Send + Sync + fmt::Debug {
    /// The commit (or chart version) that a revision of a source stands for at the time; an empty one is the default branch.
    ///
    /// # Errors
    /// When the repository is away or has no such revision.
    async fn resolve(&self, repository: &Repository, source: &Source, revision: &str) -> Result<String, SourceError>;

    /// The manifests of a source at a commit. With `hard`, past every cache.
    ///
    /// # Errors
    /// When the repository is away, the folder is not there, or a manifest is broken.
    async fn manifests(
        &self,
        repository: &Repository,
        source: &Source,
        revision: &str,
        hard: bool,
    ) -> Result<Arc<Manifests>, SourceError>;
}

/// Manifests could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The repository.
    #[error(transparent)]
    Git(#[from] argo_core::git::GitError),
    /// The files.
    #[error(transparent)]
    Render(#[from] argo_render::RenderError),
    /// The repository, as several asked for it at once were told.
    #[error(transparent)]
    Shared(std::sync::Arc<argo_core::git::GitError>),
    /// A link leads out of the repository: what it stands for is not known, so nothing is.
    #[error("repository contains out-of-bounds symlinks. file: {file}")]
    OutsideLink {
        /// The link.
        file: String,
    },
    /// No tag satisfies a constraint.
    #[error("no tag of {repository} satisfies '{constraint}'")]
    NoTag {
        /// The repository.
        repository: String,
        /// The constraint.
        constraint: String,
    },
    /// A kind of source that nothing here can read.
    #[error("{what} sources are not supported by this controller: {repository}")]
    NotSupported {
        /// What it is.
        what: &'static str,
        /// The repository.
        repository: String,
    },
}

impl Failure for SourceError {
    fn category(&self) -> Category {
        match self {
            Self::Git(error) => error.category(),
            Self::Shared(error) => error.category(),
            Self::OutsideLink { .. } => Category::Invalid,
            Self::Render(error) => error.category(),
            Self::NoTag { .. } => Category::NotFound,
            Self::NotSupported { .. } => Category::Invalid,
        }
    }
}
