//! Manifests from real git repositories on this machine.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use argo_cd::{
    api::Source,
    sources::{GitManifests, ManifestSource},
};
use argo_core::{
    FileTree,
    files::Limits,
    git::{Commit, GitError, GitRepos, GitReposConfig, GitSource, LogQuery, RemoteRefs, Repository},
};
use argo_render::{Directory, RenderError, Rendered, Renderer, Renderers, Request, SourceType};
use tempfile::TempDir;

use crate::support::config_map;

/// A repository with a working tree, and a source that counts what it costs.
struct Repo {
    folder: TempDir,
    counts: Arc<Counts>,
    manifests: GitManifests,
}

#[derive(Debug, Default)]
struct Counts {
    renders: AtomicUsize,
    asked: AtomicUsize,
}

#[derive(Debug)]
struct Counting(Arc<Counts>);

impl Renderer for Counting {
    fn render(&self, request: &Request<'_>) -> Result<Rendered, RenderError> {
        self.0.renders.fetch_add(1, Ordering::SeqCst);
        Directory.render(request)
    }
}

#[derive(Debug)]
struct Git(GitRepos, Arc<Counts>);

#[async_trait::async_trait]
impl GitSource for Git {
    async fn refs(&self, repository: &Repository) -> Result<RemoteRefs, GitError> {
        self.1.asked.fetch_add(1, Ordering::SeqCst);
        self.0.refs(repository).await
    }
    async fn resolve(&self, repository: &Repository, revision: &str) -> Result<String, GitError> {
        self.0.resolve(repository, revision).await
    }
    async fn tree(&self, repo: &Repository, commit: &str, path: &str, limits: Limits) -> Result<FileTree, GitError> {
        self.0.tree(repo, commit, path, limits).await
    }
    async fn tree_id(&self, repo: &Repository, commit: &str, path: &str) -> Result<Option<String>, GitError> {
        self.0.tree_id(repo, commit, path).await
    }
    async fn log(&self, repository: &Repository, commit: &str, query: LogQuery) -> Result<Vec<Commit>, GitError> {
        self.0.log(repository, commit, query).await
    }
    async fn changed_paths(&self, repository: &Repository, commit: &str) -> Result<Vec<String>, GitError> {
        self.0.changed_paths(repository, commit).await
    }
}

impl Repo {
    fn new(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let counts = Arc::new(Counts::default());
        let git = GitRepos::new(GitReposConfig::new(folder.path().join("mirrors")));
        let renderers = Renderers::default().with(SourceType::Directory, Arc::new(Counting(counts.clone())));
        let manifests = GitManifests::new(Arc::new(Git(git, counts.clone()))).renderers(renderers).limits(limits);
        let it = Self { folder, counts, manifests };
        std::fs::create_dir_all(it.work()).unwrap();
        it.git(&["init", "--quiet", "--initial-branch=main"]);
        it
    }

    fn work(&self) -> std::path::PathBuf {
        self.folder.path().join("work")
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.work())
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgSign=false"])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, content) in files {
            let path = self.work().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "a commit\n\nwith a body"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn repository(&self) -> Repository {
        Repository::new(format!("file://{}", self.work().display()))
    }

    fn source(&self, path: &str) -> Source {
        Source { repo_url: self.repository().url, path: path.to_owned(), ..Source::default() }
    }

    async fn render(&self, path: &str, commit: &str) -> Result<Vec<String>, String> {
        let found = self.manifests.manifests(&self.repository(), &self.source(path), commit, false).await;
        found.map(|it| it.objects.iter().map(|it| it.name().to_owned()).collect()).map_err(|it| it.to_string())
    }

    async fn resolve(&self, revision: &str) -> Result<String, String> {
        let found = self.manifests.resolve(&self.repository(), &self.source("a"), revision).await;
        found.map_err(|it| it.to_string())
    }

    fn renders(&self) -> usize {
        self.counts.renders.swap(0, Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_commit_renders_only_the_folders_that_it_changed() {
    let repo = Repo::new(Limits::default());
    let map = config_map("m", "1");
    let folders: Vec<String> = (0..40).map(|it| format!("apps/{it}")).collect();
    let files: Vec<(String, &str)> = folders.iter().map(|it| (format!("{it}/m.yaml"), map.as_str())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let first = repo.commit(&files);
    for it in &folders {
        repo.render(it, &first).await.unwrap();
    }
    assert_eq!(repo.renders(), 40);
    let second = repo.commit(&[("apps/7/m.yaml", &config_map("changed", "1")), ("README.md", "x")]);
    for it in &folders {
        repo.render(it, &second).await.unwrap();
    }
    assert_eq!(repo.renders(), 1, "one folder changed");
    assert_eq!(repo.render("apps/7", &second).await.unwrap(), ["changed"]);
    assert_eq!(repo.render("apps/7", &first).await.unwrap(), ["m"], "and the old commit is what it was");
    assert_eq!(repo.renders(), 0);
    let hard = repo.manifests.manifests(&repo.repository(), &repo.source("apps/1"), &second, true).await;
    assert!(hard.is_ok() && repo.renders() == 1, "a hard refresh goes past every cache");
}

#[tokio::test]
async fn who_asks_together_shares_one_answer_and_it_is_never_old() {
    let repo = Repo::new(Limits::default());
    let first = repo.commit(&[("a/m.yaml", &config_map("m", "1"))]);
    let all = futures::future::join_all((0..50).map(|_| repo.resolve("main"))).await;
    assert!(all.iter().all(|it| it.as_ref() == Ok(&first)));
    let asked = repo.counts.asked.swap(0, Ordering::SeqCst);
    assert!(asked <= 2, "fifty asked {asked} times");
    let second = repo.commit(&[("a/m.yaml", &config_map("m", "2"))]);
    assert_eq!(repo.resolve("main").await, Ok(second.clone()), "the push is seen at once");
    assert_eq!(repo.resolve("").await, Ok(second.clone()));
    assert_eq!(repo.resolve(&second[..8]).await, Ok(second), "a shortened id");
    let missing = repo.resolve("nope").await.unwrap_err();
    assert!(missing.starts_with("unable to resolve 'nope' to a commit SHA"), "{missing}");
}

#[tokio::test]
async fn tags_follow_constraints_and_commits_tell_who_made_them() {
    let repo = Repo::new(Limits::default());
    let one = repo.commit(&[("a/m.yaml", &config_map("m", "1"))]);
    repo.git(&["tag", "v1.2.0"]);
    repo.git(&["tag", "app-2.0.0"]);
    let two = repo.commit(&[("a/m.yaml", &config_map("m", "2"))]);
    repo.git(&["tag", "-a", "v1.10.0", "-m", "annotated"]);
    repo.git(&["tag", "v2.0.0-rc1"]);
    assert_eq!(repo.resolve("v1.2.0").await, Ok(one.clone()));
    assert_eq!(repo.resolve("^1.0.0").await, Ok(two.clone()));
    assert_eq!(repo.resolve("1.2.*").await, Ok(one.clone()));
    let mut prefixed = repo.source("a");
    prefixed.tag_prefix = "app-".into();
    assert_eq!(repo.manifests.resolve(&repo.repository(), &prefixed, "2.x").await.unwrap(), one);
    assert!(repo.resolve(">=3.0.0").await.unwrap_err().contains("no tag"));
    let metadata = repo.manifests.metadata(&repo.repository(), &two).await.unwrap();
    assert_eq!(
        (metadata.author.as_str(), metadata.message.as_str()),
        ("Ada <ada@example.com>", "a commit\n\nwith a body")
    );
    assert_eq!(metadata.tags, ["v1.10.0", "v2.0.0-rc1"]);
}

#[tokio::test]
async fn a_rewritten_branch_is_followed() {
    let repo = Repo::new(Limits::default());
    let first = repo.commit(&[("a/m.yaml", &config_map("one", "1"))]);
    let doomed = repo.commit(&[("a/m.yaml", &config_map("two", "1"))]);
    assert_eq!(repo.render("a", &doomed).await.unwrap(), ["two"]);
    repo.git(&["reset", "--quiet", "--hard", &first]);
    let rewritten = repo.commit(&[("a/m.yaml", &config_map("three", "1"))]);
    repo.git(&["reflog", "expire", "--expire=now", "--all"]);
    repo.git(&["gc", "--quiet", "--prune=now"]);
    assert_eq!(repo.resolve("main").await, Ok(rewritten.clone()));
    assert_eq!(repo.render("a", &rewritten).await.unwrap(), ["three"]);
}

/// What is wrong with one file is said of that file; nothing of the folder is taken for the whole.
#[tokio::test]
async fn bad_files_are_errors_and_no_part_is_taken_for_the_whole() {
    let repo = Repo::new(Limits { file: 1 << 20, ..Limits::default() });
    let map = config_map("m", "1");
    let names: Vec<String> = (0..500).map(|it| format!("many/{it:03}.yaml")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|it| (it.as_str(), map.as_str())).collect();
    files[321].1 = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: [";
    let large = "#".repeat((1 << 20) + 1);
    files.push(("large/a.yaml", &large));
    files.push(("linked/a.yaml", &map));
    files.push(("inside/a.yaml", &map));
    files.push(("shared/b.yaml", &map));
    for (link, target) in [("linked/out.yaml", "../../../etc/passwd"), ("inside/b.yaml", "../shared/b.yaml")] {
        let path = repo.work().join(link);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(Path::new(target), path).unwrap();
    }
    let commit = repo.commit(&files);
    let error = repo.render("many", &commit).await.unwrap_err();
    assert!(error.starts_with("Failed to unmarshal \"many/321.yaml\""), "{error}");
    assert_eq!(repo.renders(), 1);
    assert_eq!(repo.render("many", &commit).await.unwrap_err(), error);
    assert_eq!(repo.renders(), 0, "the same files fail in the same way");
    let error = repo.render("large", &commit).await.unwrap_err();
    assert!(error.contains("size of a file is over the limit of 1048576"), "{error}");
    let error = repo.render("linked", &commit).await.unwrap_err();
    assert_eq!(error, "repository contains out-of-bounds symlinks. file: linked/out.yaml");
    assert_eq!(repo.render("inside", &commit).await.unwrap(), ["m", "m"], "a link inside is the file it stands for");
    let error = repo.render("nowhere", &commit).await.unwrap_err();
    assert_eq!(error, "nowhere: app path does not exist");
    // The folder is the same, what it links to is not.
    let next = repo.commit(&[("shared/b.yaml", &config_map("other", "1"))]);
    assert_eq!(repo.render("inside", &next).await.unwrap(), ["m", "other"]);
}
