//! The default [`GitSource`] and [`GitWriter`].

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::{
    Author, Commit, CommitOptions, GitError, GitSource, GitWriter, LogQuery, PushOptions, RemoteRefs, Repository,
    cli::{Cli, local},
    is_commit_id,
    read::Mirror,
};
use crate::files::{FileTree, Limits};

/// Where mirrors live and which program to run.
#[derive(Debug, Clone)]
pub struct GitReposConfig {
    /// Folder of the mirrors; made when it is not there.
    pub root: PathBuf,
    /// The git program; `git` by default.
    pub program: String,
    /// Longest time for one command; 90 s by default.
    pub timeout: Duration,
}

impl GitReposConfig {
    /// Mirrors in `root`, everything else by default.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), program: "git".to_owned(), timeout: Duration::from_secs(90) }
    }
}

/// Bare mirrors, one per URL and credentials: fetched by the `git` program when a commit is missing,
/// read in process. Clones share the mirrors.
///
/// # Example
/// ```no_run
/// # async fn f() -> Result<(), argo_core::git::GitError> {
/// use argo_core::{files::Limits, git::{GitRepos, GitReposConfig, GitSource, Repository}};
/// let git = GitRepos::new(GitReposConfig::new("/var/cache/argo/git"));
/// let repository = Repository::new("https://git.example/shop/config.git");
/// let commit = git.resolve(&repository, "main").await?;
/// let files = git.tree(&repository, &commit, "stages/dev", Limits::default()).await?;
/// # let _ = files; Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct GitRepos {
    cli: Cli,
    root: Arc<Path>,
    /// One writer per mirror.
    locks: Arc<Mutex<BTreeMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>>,
}

impl GitRepos {
    /// Uses the mirrors below `config.root`.
    #[must_use]
    pub fn new(config: GitReposConfig) -> Self {
        Self {
            cli: Cli { program: config.program, timeout: config.timeout },
            root: config.root.into(),
            locks: Arc::default(),
        }
    }

    fn mirror_path(&self, repository: &Repository) -> PathBuf {
        let mut hash = Sha256::new();
        hash.update(repository.url.as_bytes());
        hash.update([0]);
        // Who may not read a repository must not find it in another's mirror.
        match &repository.credentials {
            Some(super::Credentials::Basic { username, password }) => hash.update(format!("{username}\0{password}")),
            Some(super::Credentials::Ssh { private_key }) => hash.update(private_key),
            None => {}
        }
        self.root.join(hex::encode(&hash.finalize()[..16]))
    }

    /// Makes sure that a commit is in the mirror; returns the mirror's path and the commit's full id.
    async fn ensure(&self, repository: &Repository, commit: &str) -> Result<(PathBuf, String), GitError> {
        let path = self.mirror_path(repository);
        if let Some(found) = self.find(repository, &path, commit).await? {
            return Ok((path, found));
        }
        let lock = self.locks.lock().entry(path.clone()).or_default().clone();
        let _held = lock.lock().await;
        if let Some(found) = self.find(repository, &path, commit).await? {
            return Ok((path, found));
        }
        if !path.join("HEAD").exists() {
            tokio::fs::create_dir_all(&path).await.map_err(|it| local(&path, &it))?;
            self.cli.local(&path, &[], &["init", "--quiet", "--bare", "."]).await?;
        }
        let all = [
            "fetch",
            "--quiet",
            "--force",
            "--prune",
            "--no-auto-maintenance",
            "--",
            &repository.url,
            "+refs/heads/*:refs/heads/*",
            "+refs/tags/*:refs/tags/*",
        ];
        self.cli.remote(repository, Some(&path), &all).await?;
        if let Some(found) = self.find(repository, &path, commit).await? {
            return Ok((path, found));
        }
        if is_commit_id(commit) {
            // Not on any branch: some servers hand out single commits.
            let one = ["fetch", "--quiet", "--", &repository.url, commit];
            if self.cli.remote_output(repository, Some(&path), &one).await?.success
                && let Some(found) = self.find(repository, &path, commit).await?
            {
                return Ok((path, found));
            }
        }
        Err(GitError::NoRevision { repository: repository.to_string(), revision: commit.to_owned() })
    }

    async fn find(&self, repository: &Repository, path: &Path, commit: &str) -> Result<Option<String>, GitError> {
        if !path.join("HEAD").exists() {
            return Ok(None);
        }
        let commit = commit.to_owned();
        self.read(repository, path, move |it| Ok(it.find(&commit))).await
    }

    async fn read<T: Send + 'static>(
        &self,
        repository: &Repository,
        path: &Path,
        read: impl FnOnce(&Mirror) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let url = repository.to_string();
        let path = path.to_owned();
        let broken = GitError::Local { path: path.display().to_string(), message: "reading was interrupted".into() };
        let result = tokio::task::spawn_blocking(move || read(&Mirror::open(&path, &url)?)).await;
        result.unwrap_or(Err(broken))
    }
}

#[async_trait::async_trait]
impl GitSource for GitRepos {
    async fn refs(&self, repository: &Repository) -> Result<RemoteRefs, GitError> {
        let text = self.cli.remote(repository, None, &["ls-remote", "--symref", "--", &repository.url]).await?;
        Ok(parse_refs(&text))
    }

    async fn resolve(&self, repository: &Repository, revision: &str) -> Result<String, GitError> {
        if is_commit_id(revision) {
            return Ok(revision.to_ascii_lowercase());
        }
        let refs = self.refs(repository).await?;
        if let Some(commit) = refs.resolve(revision) {
            return Ok(commit.to_owned());
        }
        let shortened = (7..40).contains(&revision.len()) && revision.bytes().all(|it| it.is_ascii_hexdigit());
        if shortened {
            return self.ensure(repository, revision).await.map(|(_, commit)| commit);
        }
        Err(GitError::NoRevision { repository: repository.to_string(), revision: revision.to_owned() })
    }

    async fn tree(
        &self,
        repository: &Repository,
        commit: &str,
        path: &str,
        limits: Limits,
    ) -> Result<FileTree, GitError> {
        let (mirror, commit) = self.ensure(repository, commit).await?;
        let path = path.to_owned();
        self.read(repository, &mirror, move |it| it.tree(&commit, &path, limits)).await
    }

    async fn tree_id(&self, repository: &Repository, commit: &str, path: &str) -> Result<Option<String>, GitError> {
        let (mirror, commit) = self.ensure(repository, commit).await?;
        let path = path.to_owned();
        self.read(repository, &mirror, move |it| it.tree_id(&commit, &path)).await
    }

    async fn log(&self, repository: &Repository, commit: &str, query: LogQuery) -> Result<Vec<Commit>, GitError> {
        let (mirror, commit) = self.ensure(repository, commit).await?;
        self.read(repository, &mirror, move |it| it.log(&commit, query)).await
    }

    async fn changed_paths(&self, repository: &Repository, commit: &str) -> Result<Vec<String>, GitError> {
        let (mirror, commit) = self.ensure(repository, commit).await?;
        self.read(repository, &mirror, move |it| it.changed_paths(&commit)).await
    }
}

#[async_trait::async_trait]
impl GitWriter for GitRepos {
    async fn checkout(
        &self,
        repository: &Repository,
        revision: &str,
        create: bool,
        folder: &Path,
    ) -> Result<String, GitError> {
        tokio::fs::create_dir_all(folder).await.map_err(|it| local(folder, &it))?;
        let mut entries = tokio::fs::read_dir(folder).await.map_err(|it| local(folder, &it))?;
        if entries.next_entry().await.map_err(|it| local(folder, &it))?.is_some() {
            return Err(GitError::Local {
                path: folder.display().to_string(),
                message: "the folder is not empty".into(),
            });
        }
        self.cli
            .remote(repository, Some(folder), &["clone", "--quiet", "--no-checkout", "--", &repository.url, "."])
            .await?;
        if revision.is_empty() {
            self.cli.local(folder, &[], &["checkout", "--quiet", "HEAD"]).await?;
            return self.head(folder).await;
        }
        let known = |name: String| async move {
            let args = ["rev-parse", "--quiet", "--verify", "--end-of-options", &name];
            self.cli.local_output(folder, &[], &args).await.map(|it| it.success)
        };
        if known(format!("refs/remotes/origin/{revision}")).await? {
            let upstream = format!("refs/remotes/origin/{revision}");
            self.cli.local(folder, &[], &["checkout", "--quiet", "-B", revision, &upstream]).await?;
        } else if known(format!("{revision}^{{commit}}")).await? {
            self.cli.local(folder, &[], &["checkout", "--quiet", "--detach", revision]).await?;
        } else if create {
            self.cli.local(folder, &[], &["checkout", "--quiet", "--orphan", revision]).await?;
            self.cli.local(folder, &[], &["rm", "-rfq", "--ignore-unmatch", "."]).await?;
            return Ok(String::new());
        } else {
            return Err(GitError::NoRevision { repository: repository.to_string(), revision: revision.to_owned() });
        }
        self.head(folder).await
    }

    async fn commit(&self, folder: &Path, options: &CommitOptions) -> Result<Option<String>, GitError> {
        self.cli.local(folder, &[], &["add", "--all", "."]).await?;
        let staged = self.cli.local(folder, &[], &["status", "--porcelain", "--untracked-files=no"]).await?;
        if staged.trim().is_empty() {
            return Ok(None);
        }
        let env = identity(&options.author);
        self.cli.local(folder, &env, &["commit", "--quiet", "--no-verify", "-m", &options.message]).await?;
        self.head(folder).await.map(Some)
    }

    async fn push(&self, repository: &Repository, folder: &Path, options: &PushOptions) -> Result<String, GitError> {
        let branch = match &options.branch {
            Some(branch) => branch.clone(),
            None => {
                self.cli.local(folder, &[], &["symbolic-ref", "--quiet", "--short", "HEAD"]).await?.trim().to_owned()
            }
        };
        let target = format!("HEAD:refs/heads/{branch}");
        let mut args = vec!["push", "--quiet"];
        if options.force {
            args.push("--force");
        }
        args.extend(["--", &repository.url, &target]);
        let mut left = options.attempts.max(1);
        loop {
            let output = self.cli.remote_output(repository, Some(folder), &args).await?;
            if output.success {
                return self.head(folder).await;
            }
            left -= 1;
            let moved = ["fetch first", "non-fast-forward", "cannot lock ref", "failed to update ref"];
            if left == 0 || !moved.iter().any(|it| output.stderr.contains(it)) {
                let message = output.stderr.trim().replace('\n', "; ");
                return Err(GitError::Rejected { repository: repository.to_string(), message });
            }
            self.cli.remote(repository, Some(folder), &["fetch", "--quiet", "--", &repository.url, &branch]).await?;
            let nobody = Author { name: "argo".into(), email: "argo@localhost".into() };
            let rebased =
                self.cli.local_output(folder, &identity(&nobody)[2..], &["rebase", "--quiet", "FETCH_HEAD"]).await?;
            if !rebased.success {
                self.cli.local(folder, &[], &["rebase", "--abort"]).await?;
                let message = format!("the commits conflict with what {branch} has now");
                return Err(GitError::Rejected { repository: repository.to_string(), message });
            }
        }
    }

    async fn head(&self, folder: &Path) -> Result<String, GitError> {
        Ok(self.cli.local(folder, &[], &["rev-parse", "HEAD"]).await?.trim().to_owned())
    }
}

fn identity(author: &Author) -> [(&'static str, &str); 4] {
    [
        ("GIT_AUTHOR_NAME", &author.name),
        ("GIT_AUTHOR_EMAIL", &author.email),
        ("GIT_COMMITTER_NAME", &author.name),
        ("GIT_COMMITTER_EMAIL", &author.email),
    ]
}

/// Reads what `git ls-remote --symref` prints. A peeled tag (`^{}`) stands for its commit.
fn parse_refs(text: &str) -> RemoteRefs {
    let mut refs = RemoteRefs::default();
    let mut head = None;
    for line in text.lines() {
        let Some((left, name)) = line.split_once('\t') else { continue };
        if let Some(target) = left.strip_prefix("ref: ") {
            if name == "HEAD" {
                refs.head = Some(target.to_owned());
            }
        } else if name == "HEAD" {
            head = Some(left.to_owned());
        } else if let Some(tag) = name.strip_suffix("^{}") {
            refs.refs.insert(tag.to_owned(), left.to_owned());
        } else {
            refs.refs.insert(name.to_owned(), left.to_owned());
        }
    }
    if let (None, Some(commit)) = (&refs.head, head) {
        // A detached HEAD: known by its commit only.
        refs.head = Some("HEAD".to_owned());
        refs.refs.insert("HEAD".to_owned(), commit);
    }
    refs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peeled_tags_stand_for_their_commit() {
        let refs = parse_refs(
            "ref: refs/heads/main\tHEAD\n1\tHEAD\n1\trefs/heads/main\n2\trefs/tags/v1\n1\trefs/tags/v1^{}\n",
        );
        assert_eq!(refs.head.as_deref(), Some("refs/heads/main"));
        assert_eq!(refs.tags().collect::<Vec<_>>(), [("v1", "1")]);
        assert_eq!(refs.resolve("HEAD"), Some("1"));
    }
}
