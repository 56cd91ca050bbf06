//! Repositories as values, for tests.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use sha1::{Digest, Sha1};

use super::{Author, Commit, GitError, GitSource, LogQuery, RemoteRefs, Repository};
use crate::{
    files::{FileTree, Limits},
    time::Timestamp,
};

/// A scripted [`GitSource`]: commits are made by the test. Clones share the repositories.
///
/// # Example
/// ```
/// use argo_core::{FileTree, git::MemoryGit};
/// let git = MemoryGit::default();
/// let commit = git.commit("https://git/config", "main", "first", FileTree::new().with("a.yaml", "a: 1"));
/// assert_eq!(commit.len(), 40);
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryGit(Arc<Mutex<BTreeMap<String, Repo>>>);

#[derive(Debug, Default)]
struct Repo {
    refs: RemoteRefs,
    commits: BTreeMap<String, (Commit, FileTree)>,
    away: Option<String>,
}

impl MemoryGit {
    /// Commits a whole tree to a branch, made if it is not there; the first branch is the default one.
    /// Ids depend on the content, the message and the parent only.
    pub fn commit(&self, url: &str, branch: &str, message: &str, files: FileTree) -> String {
        let mut repos = self.0.lock();
        let repo = repos.entry(url.to_owned()).or_default();
        let name = format!("refs/heads/{branch}");
        let parent = repo.refs.refs.get(&name).cloned();
        let mut hash = Sha1::new();
        hash.update(parent.as_deref().unwrap_or_default());
        hash.update(message);
        for (path, content) in files.iter() {
            hash.update(path);
            hash.update([0]);
            hash.update(content);
        }
        let id = hex::encode(hash.finalize());
        let author = Author { name: "test".into(), email: "test@example.com".into() };
        let number = i64::try_from(repo.commits.len()).unwrap_or_default();
        let commit = Commit {
            id: id.clone(),
            parents: parent.into_iter().collect(),
            author: author.clone(),
            committer: author,
            committed_at: Timestamp::from_second(1_767_225_600 + number).unwrap_or_default(),
            message: message.to_owned(),
        };
        repo.commits.insert(id.clone(), (commit, files));
        repo.refs.head.get_or_insert_with(|| name.clone());
        repo.refs.refs.insert(name, id.clone());
        id
    }

    /// Puts a tag on a commit.
    pub fn tag(&self, url: &str, tag: &str, commit: &str) {
        let mut repos = self.0.lock();
        let repo = repos.entry(url.to_owned()).or_default();
        repo.refs.refs.insert(format!("refs/tags/{tag}"), commit.to_owned());
    }

    /// Makes a repository answer every call with this failure until it is back (`None`).
    pub fn set_away(&self, url: &str, message: Option<&str>) {
        self.0.lock().entry(url.to_owned()).or_default().away = message.map(str::to_owned);
    }

    /// Removes a repository.
    pub fn remove(&self, url: &str) {
        self.0.lock().remove(url);
    }

    fn with<T>(&self, repository: &Repository, read: impl FnOnce(&Repo) -> Result<T, GitError>) -> Result<T, GitError> {
        let repos = self.0.lock();
        let Some(repo) = repos.get(&repository.url) else {
            return Err(GitError::NotFound {
                repository: repository.to_string(),
                message: "no such repository".into(),
            });
        };
        match &repo.away {
            Some(message) => {
                Err(GitError::Unavailable { repository: repository.to_string(), message: message.clone() })
            }
            None => read(repo),
        }
    }

    fn at<T>(
        &self,
        repository: &Repository,
        commit: &str,
        read: impl FnOnce(&Repo, &Commit, &FileTree) -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        self.with(repository, |repo| match repo.commits.get(commit) {
            Some((found, files)) => read(repo, found, files),
            None => Err(GitError::NoRevision { repository: repository.to_string(), revision: commit.to_owned() }),
        })
    }
}

#[async_trait::async_trait]
impl GitSource for MemoryGit {
    async fn refs(&self, repository: &Repository) -> Result<RemoteRefs, GitError> {
        self.with(repository, |repo| Ok(repo.refs.clone()))
    }

    async fn resolve(&self, repository: &Repository, revision: &str) -> Result<String, GitError> {
        self.with(repository, |repo| {
            let by_id = repo.commits.contains_key(revision).then(|| revision.to_owned());
            by_id.or_else(|| repo.refs.resolve(revision).map(str::to_owned)).ok_or_else(|| GitError::NoRevision {
                repository: repository.to_string(),
                revision: revision.to_owned(),
            })
        })
    }

    async fn tree(
        &self,
        repository: &Repository,
        commit: &str,
        path: &str,
        limits: Limits,
    ) -> Result<FileTree, GitError> {
        self.at(repository, commit, |_, _, files| {
            let mut tree = FileTree::new();
            for (path, content) in files.below(path) {
                if content.len() as u64 > limits.file {
                    let what = "size of a file".to_owned();
                    let repository = repository.to_string();
                    return Err(GitError::TooLarge {
                        repository,
                        revision: commit.to_owned(),
                        what,
                        limit: limits.file,
                    });
                }
                tree.insert(path, content);
            }
            Ok(tree)
        })
    }

    async fn log(&self, repository: &Repository, commit: &str, query: LogQuery) -> Result<Vec<Commit>, GitError> {
        self.at(repository, commit, |repo, found, _| {
            let line = std::iter::successors(Some(found), |it| repo.commits.get(it.parents.first()?).map(|(it, _)| it));
            Ok(line.skip(query.skip).take(query.limit).cloned().collect())
        })
    }

    async fn changed_paths(&self, repository: &Repository, commit: &str) -> Result<Vec<String>, GitError> {
        self.at(repository, commit, |repo, found, files| {
            let empty = FileTree::new();
            let parent = found.parents.first().and_then(|it| repo.commits.get(it)).map_or(&empty, |(_, files)| files);
            let mut paths: Vec<String> = files
                .iter()
                .filter(|(path, content)| parent.get(path) != Some(content))
                .map(|(path, _)| path.to_owned())
                .collect();
            paths.extend(parent.iter().filter(|(path, _)| files.get(path).is_none()).map(|(path, _)| path.to_owned()));
            paths.sort();
            Ok(paths)
        })
    }
}
