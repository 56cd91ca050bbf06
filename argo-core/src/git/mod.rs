//! Git as two traits: [`GitSource`] reads, [`GitWriter`] writes.
//!
//! | implementation | how |
//! |---|---|
//! | `GitRepos` (feature `git`) | a bare mirror per URL; the `git` program for the network and for writing, gix for reading |
//! | `MemoryGit` (feature `testing`) | repositories as values |

#[cfg(feature = "git")]
mod cli;
mod error;
#[cfg(feature = "testing")]
mod memory;
#[cfg(feature = "git")]
mod read;
#[cfg(feature = "git")]
mod repos;
mod types;

use std::{fmt, path::Path};

use crate::files::{FileTree, Limits};

pub use error::GitError;
#[cfg(feature = "testing")]
pub use memory::MemoryGit;
#[cfg(feature = "git")]
pub use repos::{GitRepos, GitReposConfig};
pub use types::{
    Author, Commit, CommitOptions, Credentials, LogQuery, PushOptions, Ref, RemoteRefs, Repository, is_commit_id,
};

/// Reads repositories. Implementations are cheap to share and safe to call concurrently.
#[async_trait::async_trait]
pub trait GitSource: Send + Sync + fmt::Debug {
    /// The references of the remote, without fetching (`git ls-remote`).
    ///
    /// # Errors
    /// When the repository is away, gone or refuses the credentials.
    async fn refs(&self, repository: &Repository) -> Result<RemoteRefs, GitError>;

    /// Resolves a branch, tag, full reference, `HEAD` (or empty text) or commit id to a commit id of
    /// 40 hex digits. Asks the remote: what a moved branch points at now.
    ///
    /// # Errors
    /// [`GitError::NoRevision`] when nothing has that name.
    async fn resolve(&self, repository: &Repository, revision: &str) -> Result<String, GitError>;

    /// The files below `path` (empty for all) at a commit, paths relative to the root of the repository.
    ///
    /// # Errors
    /// When the commit is not there, or a limit is passed.
    async fn tree(
        &self,
        repository: &Repository,
        commit: &str,
        path: &str,
        limits: Limits,
    ) -> Result<FileTree, GitError>;

    /// An id of everything below `path` at a commit, which is the same wherever the content is: what was made of a folder
    /// holds for every commit that has the same. `None` where there is no such id, or no such folder.
    ///
    /// # Errors
    /// When the commit is not there.
    async fn tree_id(&self, repository: &Repository, commit: &str, path: &str) -> Result<Option<String>, GitError> {
        let _ = (repository, commit, path);
        Ok(None)
    }

    /// Commits that lead up to `commit`, newest first.
    ///
    /// # Errors
    /// When the commit is not there.
    async fn log(&self, repository: &Repository, commit: &str, query: LogQuery) -> Result<Vec<Commit>, GitError>;

    /// Paths that a commit changed against its first parent, in order (renames count as both paths).
    ///
    /// # Errors
    /// When the commit is not there.
    async fn changed_paths(&self, repository: &Repository, commit: &str) -> Result<Vec<String>, GitError>;
}

/// Writes repositories through working trees.
#[async_trait::async_trait]
pub trait GitWriter: Send + Sync + fmt::Debug {
    /// Makes a working tree of `revision` (empty for the default branch) in `folder`, which must be
    /// empty or absent. Returns the commit id. With `create` a branch that does not exist is made,
    /// without history.
    ///
    /// # Errors
    /// When the repository or the revision is not there, or the folder is not empty.
    async fn checkout(
        &self,
        repository: &Repository,
        revision: &str,
        create: bool,
        folder: &Path,
    ) -> Result<String, GitError>;

    /// Commits everything changed in a working tree; `None` when nothing is.
    ///
    /// # Errors
    /// When `folder` is no working tree, or the disk is full.
    async fn commit(&self, folder: &Path, options: &CommitOptions) -> Result<Option<String>, GitError>;

    /// Pushes the current commit of a working tree. When the remote branch has moved, the commits are
    /// rebased on it and pushed again, up to `options.attempts`. Returns the commit id pushed.
    ///
    /// # Errors
    /// [`GitError::Rejected`] when the remote refuses or the rebase conflicts.
    async fn push(&self, repository: &Repository, folder: &Path, options: &PushOptions) -> Result<String, GitError>;

    /// The commit id that a working tree stands on.
    ///
    /// # Errors
    /// When `folder` is no working tree.
    async fn head(&self, folder: &Path) -> Result<String, GitError>;
}
