//! `git-clone`, `git-clear`, `git-commit` and `git-push`.

use std::{collections::BTreeMap, fmt, fs, path::Path, sync::Arc};

use argo_core::{
    Failure,
    git::{Author, CommitOptions, GitError, GitWriter, PushOptions, Repository},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use super::{
    CredentialKind, StepContext, StepError, StepOutcome, StepResult, StepRunner, blocking, config::AuthorConfig,
};
use crate::engine::urls::normalize_git;

/// What `git-clone` leaves behind for the other steps, by the place of the working tree.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Checkout {
    url: String,
    insecure: bool,
    author: Option<(String, String)>,
    /// The alias of the step that made it.
    by: String,
}

fn checkout_key(path: &Path) -> String {
    format!("checkout {}", path.display())
}

fn checkout_at(context: &StepContext<'_>, path: &Path, shown: &str) -> Result<Checkout, StepError> {
    let found = context.folder.recall(&checkout_key(path)).and_then(|it| serde_json::from_value(it).ok());
    found.ok_or_else(|| StepError::failed(format!("{shown:?} is not a working tree made by git-clone")))
}

async fn repository(context: &StepContext<'_>, url: &str, insecure: bool) -> Repository {
    let found = context.credentials.find(context.project, CredentialKind::Git, url).await;
    Repository { url: url.to_owned(), credentials: found.map(super::UserPassword::for_git), insecure }
}

fn git_error(error: &GitError) -> StepError {
    StepError { retry_after: error.retry_after(), ..StepError::retryable(error.to_string()) }
}

// === git-clone ===

/// Makes working trees of a repository.
pub struct GitClone(Arc<dyn GitWriter>);

impl GitClone {
    /// On this implementation.
    #[must_use]
    pub fn new(git: Arc<dyn GitWriter>) -> Self {
        Self(git)
    }
}

impl fmt::Debug for GitClone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GitClone")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CloneConfig {
    #[serde(rename = "repoURL")]
    repo_url: String,
    checkout: Vec<CheckoutConfig>,
    #[serde(default)]
    author: Option<AuthorConfig>,
    #[serde(default, rename = "insecureSkipTLSVerify")]
    insecure: bool,
    #[serde(default)]
    recurse_submodules: bool,
    /// Only how much is fetched at first: the result is the same.
    #[serde(default, rename = "blobless")]
    _blobless: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CheckoutConfig {
    path: String,
    #[serde(default, rename = "as")]
    alias: String,
    #[serde(default)]
    branch: String,
    #[serde(default)]
    commit: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    create: bool,
    #[serde(default)]
    sparse: Vec<String>,
}

#[async_trait::async_trait]
impl StepRunner for GitClone {
    fn kind(&self) -> &str {
        "git-clone"
    }

    async fn run(&self, context: &StepContext<'_>) -> StepResult {
        let config: CloneConfig = context.parse(self.kind())?;
        let invalid = |it: &str| StepError::failed(format!("invalid git-clone config: {it}"));
        if config.checkout.is_empty() {
            return Err(invalid("checkout: at least one is required"));
        }
        if config.recurse_submodules {
            return Err(invalid("recurseSubmodules is not supported"));
        }
        if config.author.as_ref().is_some_and(|it| it.signing_key.as_ref().is_some_and(|it| !it.is_empty())) {
            return Err(invalid("author.signingKey is not supported"));
        }
        let repository = repository(context, &config.repo_url, config.insecure).await;
        let mut commits = Map::new();
        for (index, wanted) in config.checkout.iter().enumerate() {
            if !wanted.sparse.is_empty() {
                return Err(invalid("checkout.sparse is not supported"));
            }
            let named: Vec<&String> =
                [&wanted.branch, &wanted.commit, &wanted.tag].into_iter().filter(|it| !it.is_empty()).collect();
            if named.len() > 1 {
                return Err(invalid("checkout: only one of branch, commit and tag may be set"));
            }
            let revision = match (&wanted.branch, &wanted.tag) {
                (branch, _) if !branch.is_empty() => branch.clone(),
                (_, tag) if !tag.is_empty() => format!("refs/tags/{tag}"),
                _ => wanted.commit.clone(),
            };
            let place = context.folder.resolve(&wanted.path)?;
            let key = checkout_key(&place);
            let by = format!("{}/{index}", context.alias);
            let known: Option<Checkout> = context.folder.recall(&key).and_then(|it| serde_json::from_value(it).ok());
            let own = known.is_some_and(|it| it.by == by) && place.is_dir();
            let commit = if own {
                // Made before a crash and whole: what later steps did in it is kept.
                self.0.head(&place).await.map_err(|it| git_error(&it))?
            } else {
                if place.exists() && fs::read_dir(&place).is_ok_and(|mut it| it.next().is_some()) {
                    return Err(StepError::failed(format!("checkout path {:?} already exists", wanted.path)));
                }
                let fresh = context.folder.fresh(&by.replace('/', "-"))?;
                let commit = self
                    .0
                    .checkout(&repository, &revision, wanted.create, &fresh)
                    .await
                    .map_err(|it| git_error(&it))?;
                let record = Checkout {
                    url: config.repo_url.clone(),
                    insecure: config.insecure,
                    author: config.author.as_ref().map(|it| (it.name.clone(), it.email.clone())),
                    by,
                };
                let disk = |it: std::io::Error| StepError::retryable(format!("{:?}: {it}", wanted.path));
                if let Some(parent) = place.parent() {
                    fs::create_dir_all(parent).map_err(disk)?;
                }
                // The record goes first: a tree without it is never taken for whole, one with it is only used when it is there.
                context.folder.remember(&key, serde_json::to_value(record).unwrap_or_default())?;
                let _ = fs::remove_dir(&place);
                fs::rename(&fresh, &place).map_err(disk)?;
                commit
            };
            let name = if wanted.alias.is_empty() { &wanted.path } else { &wanted.alias };
            commits.insert(name.clone(), Value::String(commit));
        }
        Ok(StepOutcome::output(json!({"commits": commits})))
    }
}

// === git-clear ===

/// Removes everything in a working tree but `.git`.
#[derive(Debug, Clone, Copy, Default)]
pub struct GitClear;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClearConfig {
    path: String,
}

#[async_trait::async_trait]
impl StepRunner for GitClear {
    fn kind(&self) -> &str {
        "git-clear"
    }

    async fn run(&self, context: &StepContext<'_>) -> StepResult {
        let config: ClearConfig = context.parse(self.kind())?;
        let place = context.folder.resolve(&config.path)?;
        checkout_at(context, &place, &config.path)?;
        blocking(move || {
            let wrong = |it: std::io::Error| StepError::retryable(format!("error clearing {:?}: {it}", config.path));
            for entry in fs::read_dir(&place).map_err(wrong)? {
                let entry = entry.map_err(wrong)?;
                if entry.file_name() == ".git" {
                    continue;
                }
                let is_folder = entry.file_type().map_err(wrong)?.is_dir();
                if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) }
                    .map_err(wrong)?;
            }
            Ok(StepOutcome::done())
        })
        .await
    }
}

// === git-commit ===

/// Commits what is changed in a working tree.
pub struct GitCommit(Arc<dyn GitWriter>);

impl GitCommit {
    /// On this implementation.
    #[must_use]
    pub fn new(git: Arc<dyn GitWriter>) -> Self {
        Self(git)
    }
}

impl fmt::Debug for GitCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GitCommit")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CommitConfig {
    path: String,
    message: String,
    #[serde(default)]
    author: Option<AuthorConfig>,
}

#[async_trait::async_trait]
impl StepRunner for GitCommit {
    fn kind(&self) -> &str {
        "git-commit"
    }

    async fn run(&self, context: &StepContext<'_>) -> StepResult {
        let config: CommitConfig = context.parse(self.kind())?;
        let place = context.folder.resolve(&config.path)?;
        let checkout = checkout_at(context, &place, &config.path)?;
        let author = match (&config.author, &checkout.author) {
            (Some(it), _) => Author { name: it.name.clone(), email: it.email.clone() },
            (None, Some((name, email))) => Author { name: name.clone(), email: email.clone() },
            (None, None) => context.author.clone(),
        };
        // Where the tree stood before this step first ran tells after a crash whether the commit is already made.
        let key = format!("commit {}", context.alias);
        let before = match context.folder.recall(&key) {
            Some(it) => it,
            None => {
                let head = self.0.head(&place).await.map(Value::String).unwrap_or_default();
                context.folder.remember(&key, head.clone())?;
                head
            }
        };
        let options = CommitOptions { message: config.message, author };
        let made = self.0.commit(&place, &options).await.map_err(|it| git_error(&it))?;
        let head = match made {
            Some(commit) => commit,
            None => self.0.head(&place).await.map_err(|it| git_error(&it))?,
        };
        let output = json!({"commit": head});
        if before == Value::String(head) {
            return Ok(StepOutcome::Skipped {
                output: Some(output),
                message: "there was nothing to commit".to_owned(),
            });
        }
        Ok(StepOutcome::output(output))
    }
}

// === git-push ===

/// Whose turn it is, by repository and branch.
type Turns = BTreeMap<(String, String), Arc<Mutex<()>>>;

/// Pushes what is committed in a working tree.
pub struct GitPush {
    git: Arc<dyn GitWriter>,
    /// Pushes to one branch go one after the other: each would only make the other rebase.
    branches: Mutex<Turns>,
}

impl GitPush {
    /// On this implementation.
    #[must_use]
    pub fn new(git: Arc<dyn GitWriter>) -> Self {
        Self { git, branches: Mutex::default() }
    }
}

impl fmt::Debug for GitPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GitPush")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PushConfig {
    path: String,
    #[serde(default)]
    target_branch: String,
    #[serde(default)]
    generate_target_branch: bool,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    max_attempts: Option<u32>,
    #[serde(default)]
    provider: String,
}

#[async_trait::async_trait]
impl StepRunner for GitPush {
    fn kind(&self) -> &str {
        "git-push"
    }

    async fn run(&self, context: &StepContext<'_>) -> StepResult {
        let config: PushConfig = context.parse(self.kind())?;
        let invalid = |it: &str| StepError::failed(format!("invalid git-push config: {it}"));
        if !config.tag.is_empty() {
            return Err(invalid("tag is not supported"));
        }
        if config.generate_target_branch && !config.target_branch.is_empty() {
            return Err(invalid("only one of targetBranch and generateTargetBranch may be set"));
        }
        let place = context.folder.resolve(&config.path)?;
        let checkout = checkout_at(context, &place, &config.path)?;
        let branch = if config.generate_target_branch {
            Some(format!("kargo/promotion/{}", context.promotion))
        } else {
            Some(config.target_branch.clone()).filter(|it| !it.is_empty())
        };
        let options = PushOptions {
            branch: branch.clone(),
            force: config.force || config.generate_target_branch,
            attempts: config.max_attempts.unwrap_or(10).max(1),
        };
        let repository = repository(context, &checkout.url, checkout.insecure).await;
        let branch = branch.or_else(|| current_branch(&place)).unwrap_or_default();
        let turn = {
            let mut branches = self.branches.lock().await;
            // Those that nobody waits for any more go.
            branches.retain(|_, it| Arc::strong_count(it) > 1);
            branches.entry((normalize_git(&checkout.url), branch.clone())).or_default().clone()
        };
        let _turn = turn.lock().await;
        let commit = match self.git.push(&repository, &place, &options).await {
            Ok(commit) => commit,
            Err(error @ GitError::Rejected { .. }) => {
                return Err(StepError::failed(format!("error pushing commits to remote: {error}")));
            }
            Err(error) => return Err(git_error(&error)),
        };
        let mut output = json!({"branch": branch, "commit": commit});
        if let Some(url) = commit_url(&checkout.url, &config.provider, &commit) {
            output["commitURL"] = json!(url);
        }
        Ok(StepOutcome::output(output))
    }
}

/// The branch that a working tree is on.
fn current_branch(place: &Path) -> Option<String> {
    let git = place.join(".git");
    let folder = match fs::read_to_string(&git) {
        Ok(text) => place.join(text.trim().strip_prefix("gitdir: ")?),
        Err(_) => git,
    };
    let head = fs::read_to_string(folder.join("HEAD")).ok()?;
    head.trim().strip_prefix("ref: refs/heads/").map(str::to_owned)
}

/// The page of a commit, at hosts whose pages are known.
fn commit_url(url: &str, provider: &str, commit: &str) -> Option<String> {
    let normal = normalize_git(url);
    let rest = normal
        .strip_prefix("https://")
        .or_else(|| normal.strip_prefix("http://"))
        .or_else(|| normal.strip_prefix("ssh://git@"))?;
    let host = rest.split('/').next()?;
    let known = |name: &str, guess: bool| provider == name || (provider.is_empty() && guess);
    if known("github", host.contains("github") || host.ends_with(".ghe.com")) || known("gitea", host.contains("gitea"))
    {
        Some(format!("https://{rest}/commit/{commit}"))
    } else if known("gitlab", host.contains("gitlab")) {
        Some(format!("https://{rest}/-/commit/{commit}"))
    } else if known("bitbucket", host == "bitbucket.org") {
        Some(format!("https://{rest}/commits/{commit}"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_commits_are_known_for_some_hosts() {
        let url = |repo: &str, provider: &str| commit_url(repo, provider, "c1");
        assert_eq!(url("https://github.com/a/b.git", ""), Some("https://github.com/a/b/commit/c1".into()));
        assert_eq!(url("git@gitlab.com:a/b.git", ""), Some("https://gitlab.com/a/b/-/commit/c1".into()));
        assert_eq!(url("https://git.corp/a/b", "gitea"), Some("https://git.corp/a/b/commit/c1".into()));
        assert_eq!(url("https://git.corp/a/b", ""), None);
        assert_eq!(url("file:///tmp/x.git", ""), None);
    }
}
