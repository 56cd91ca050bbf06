//! Your own `GitSource`: a folder on this machine is a repository with one branch.
//!
//! cargo run --example git_source

use std::path::PathBuf;

use argo_core::{
    FileTree,
    files::Limits,
    git::{Commit, GitError, GitSource, LogQuery, RemoteRefs, Repository},
};
use async_trait::async_trait;
use sha2::{Digest, Sha256};

/// Every folder below a root is a repository; its "commit" is a digest of its content.
#[derive(Debug)]
struct Folders {
    root: PathBuf,
}

impl Folders {
    fn read(&self, repository: &Repository) -> Result<(String, FileTree), GitError> {
        let folder = self.root.join(&repository.url);
        let entries = std::fs::read_dir(&folder)
            .map_err(|error| GitError::NotFound { repository: repository.to_string(), message: error.to_string() })?;
        let mut tree = FileTree::new();
        for entry in entries.flatten().filter(|it| it.path().is_file()) {
            let content = std::fs::read(entry.path()).unwrap_or_default();
            tree.insert(&entry.file_name().to_string_lossy(), content);
        }
        let mut digest = Sha256::new();
        for (path, content) in tree.iter() {
            digest.update(path);
            digest.update(content);
        }
        Ok((hex::encode(&digest.finalize()[..20]), tree))
    }
}

#[async_trait]
impl GitSource for Folders {
    async fn refs(&self, repository: &Repository) -> Result<RemoteRefs, GitError> {
        let (commit, _) = self.read(repository)?;
        let head = "refs/heads/main".to_owned();
        Ok(RemoteRefs { head: Some(head.clone()), refs: [(head, commit)].into() })
    }

    async fn resolve(&self, repository: &Repository, revision: &str) -> Result<String, GitError> {
        let refs = self.refs(repository).await?;
        refs.resolve(revision)
            .map(str::to_owned)
            .ok_or_else(|| GitError::NoRevision { repository: repository.to_string(), revision: revision.to_owned() })
    }

    async fn tree(&self, repository: &Repository, _: &str, _: &str, _: Limits) -> Result<FileTree, GitError> {
        self.read(repository).map(|(_, tree)| tree)
    }

    async fn log(&self, _: &Repository, _: &str, _: LogQuery) -> Result<Vec<Commit>, GitError> {
        Ok(Vec::new())
    }

    async fn changed_paths(&self, repository: &Repository, _: &str) -> Result<Vec<String>, GitError> {
        let (_, tree) = self.read(repository)?;
        Ok(tree.iter().map(|(path, _)| path.to_owned()).collect())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    std::fs::create_dir(root.path().join("shop"))?;
    std::fs::write(root.path().join("shop/web.yaml"), "kind: ConfigMap\n")?;

    let source = Folders { root: root.path().to_owned() };
    let shop = Repository::new("shop");
    let before = source.resolve(&shop, "main").await?;
    std::fs::write(root.path().join("shop/api.yaml"), "kind: Service\n")?;
    let after = source.resolve(&shop, "HEAD").await?;
    anyhow::ensure!(before != after, "a changed folder is a new commit");
    for (path, _) in source.tree(&shop, &after, "", Limits::default()).await?.iter() {
        println!("{after}: {path}");
    }
    let missing = source.resolve(&Repository::new("gone"), "main").await;
    println!("{}", missing.expect_err("there is no such folder"));
    Ok(())
}
