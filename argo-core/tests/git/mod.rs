//! The same behaviour from every implementation, and what only real repositories do.

use std::{path::Path, process::Command};

use argo_core::{
    FileTree,
    files::Limits,
    git::{
        Author, CommitOptions, GitError, GitRepos, GitReposConfig, GitSource, GitWriter, LogQuery, MemoryGit,
        PushOptions, Repository,
    },
};

fn git(cwd: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(cwd)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Two commits on main (a.yaml, then dir/b.yaml), tag v1 on the first.
struct World {
    source: Box<dyn GitSource>,
    repository: Repository,
    first: String,
    second: String,
    _folder: tempfile::TempDir,
}

fn real() -> World {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir_all(work.join("dir")).unwrap();
    git(&work, &["init", "-q"]);
    std::fs::write(work.join("a.yaml"), "a: 1\n").unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-qm", "first"]);
    let first = git(&work, &["rev-parse", "HEAD"]);
    git(&work, &["tag", "-a", "v1", "-m", "one"]);
    std::fs::write(work.join("dir/b.yaml"), "b: 2\n").unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-qm", "second\n\nbody"]);
    let second = git(&work, &["rev-parse", "HEAD"]);
    git(folder.path(), &["clone", "-q", "--bare", "work", "bare.git"]);
    let repository = Repository::new(format!("file://{}", folder.path().join("bare.git").display()));
    let source = GitRepos::new(GitReposConfig::new(folder.path().join("mirrors")));
    World { source: Box::new(source), repository, first, second, _folder: folder }
}

fn scripted() -> World {
    let memory = MemoryGit::default();
    let tree = FileTree::new().with("a.yaml", "a: 1\n");
    let first = memory.commit("mem", "main", "first", tree.clone());
    memory.tag("mem", "v1", &first);
    let second = memory.commit("mem", "main", "second\n\nbody", tree.with("dir/b.yaml", "b: 2\n"));
    let folder = tempfile::tempdir().unwrap();
    World { source: Box::new(memory), repository: Repository::new("mem"), first, second, _folder: folder }
}

async fn behaves(world: World) {
    let World { source, repository, first, second, _folder } = &world;
    let refs = source.refs(repository).await.unwrap();
    assert_eq!(refs.head.as_deref(), Some("refs/heads/main"));
    assert_eq!(refs.tags().collect::<Vec<_>>(), [("v1", first.as_str())]);

    for (name, commit) in [("", second), ("HEAD", second), ("main", second), ("v1", first), (first.as_str(), first)] {
        assert_eq!(&source.resolve(repository, name).await.unwrap(), commit, "{name:?}");
    }
    let missing = source.resolve(repository, "nope").await.unwrap_err();
    assert!(missing.to_string().starts_with("unable to resolve 'nope' to a commit SHA"), "{missing}");

    let all = source.tree(repository, second, "", Limits::default()).await.unwrap();
    assert_eq!(all.iter().map(|(path, _)| path).collect::<Vec<_>>(), ["a.yaml", "dir/b.yaml"]);
    let part = source.tree(repository, second, "dir", Limits::default()).await.unwrap();
    assert_eq!(part.iter().map(|(path, _)| path).collect::<Vec<_>>(), ["dir/b.yaml"]);
    assert!(source.tree(repository, first, "dir", Limits::default()).await.unwrap().is_empty());
    let large = source.tree(repository, second, "", Limits { file: 2, ..Limits::default() }).await.unwrap_err();
    assert!(matches!(large, GitError::TooLarge { .. }), "{large}");

    let log = source.log(repository, second, LogQuery::default()).await.unwrap();
    assert_eq!(log.iter().map(|it| it.subject()).collect::<Vec<_>>(), ["second", "first"]);
    assert_eq!(log[0].parents, std::slice::from_ref(first));
    let skipped = source.log(repository, second, LogQuery { skip: 1, ..LogQuery::default() }).await.unwrap();
    assert_eq!(&skipped[0].id, first);

    assert_eq!(source.changed_paths(repository, second).await.unwrap(), ["dir/b.yaml"]);
    assert_eq!(source.changed_paths(repository, first).await.unwrap(), ["a.yaml"]);
}

#[tokio::test]
async fn repositories_on_disk_behave() {
    behaves(real()).await;
}

#[tokio::test]
async fn repositories_in_memory_behave() {
    behaves(scripted()).await;
}

#[tokio::test]
async fn a_moved_branch_is_fetched_again_and_a_missing_repository_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir_all(&work).unwrap();
    git(&work, &["init", "-q"]);
    std::fs::write(work.join("a"), "1").unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-qm", "one"]);
    let repository = Repository::new(work.to_str().unwrap());
    let source = GitRepos::new(GitReposConfig::new(folder.path().join("mirrors")));
    let one = source.resolve(&repository, "main").await.unwrap();
    assert_eq!(source.tree(&repository, &one, "", Limits::default()).await.unwrap().len(), 1);

    std::fs::write(work.join("b"), "2").unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-qm", "two"]);
    let two = source.resolve(&repository, "main").await.unwrap();
    assert_ne!(one, two);
    assert_eq!(source.tree(&repository, &two, "", Limits::default()).await.unwrap().len(), 2);

    let gone = Repository::new(format!("file://{}/gone.git", folder.path().display()));
    let error = source.refs(&gone).await.unwrap_err();
    assert!(matches!(error, GitError::NotFound { .. }), "{error}");
}

fn author() -> Author {
    Author { name: "Promoter".into(), email: "promoter@example.com".into() }
}

fn message(text: &str) -> CommitOptions {
    CommitOptions { message: text.into(), author: author() }
}

#[tokio::test]
async fn commits_are_pushed_and_rebased_when_the_branch_has_moved() {
    let world = real();
    let folder = tempfile::tempdir().unwrap();
    let git = GitRepos::new(GitReposConfig::new(folder.path().join("mirrors")));
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    for work in [&one, &two] {
        assert_eq!(git.checkout(&world.repository, "main", false, work).await.unwrap(), world.second);
    }
    assert_eq!(git.commit(&one, &message("nothing")).await.unwrap(), None);
    std::fs::write(one.join("one"), "1").unwrap();
    std::fs::write(two.join("two"), "2").unwrap();
    git.commit(&one, &message("one")).await.unwrap().unwrap();
    git.commit(&two, &message("two")).await.unwrap().unwrap();
    let first = git.push(&world.repository, &one, &PushOptions::default()).await.unwrap();
    let second = git.push(&world.repository, &two, &PushOptions::default()).await.unwrap();
    let log = git.log(&world.repository, &second, LogQuery::default()).await.unwrap();
    assert_eq!(log[0].parents, [first]);
    assert_eq!(log[0].author, author());

    // The same line from two sides can not be rebased.
    std::fs::write(one.join("a.yaml"), "a: one\n").unwrap();
    git.commit(&one, &message("conflict")).await.unwrap().unwrap();
    std::fs::write(two.join("a.yaml"), "a: two\n").unwrap();
    git.commit(&two, &message("wins")).await.unwrap().unwrap();
    git.push(&world.repository, &two, &PushOptions::default()).await.unwrap();
    let error = git.push(&world.repository, &one, &PushOptions::default()).await.unwrap_err();
    assert!(matches!(error, GitError::Rejected { .. }), "{error}");
    assert!(error.to_string().contains("conflict"), "{error}");
}

#[tokio::test]
async fn a_branch_that_is_not_there_is_made_only_on_request() {
    let world = real();
    let folder = tempfile::tempdir().unwrap();
    let git = GitRepos::new(GitReposConfig::new(folder.path().join("mirrors")));
    let error = git.checkout(&world.repository, "stage/dev", false, &folder.path().join("a")).await.unwrap_err();
    assert!(matches!(error, GitError::NoRevision { .. }), "{error}");
    let work = folder.path().join("b");
    git.checkout(&world.repository, "stage/dev", true, &work).await.unwrap();
    assert_eq!(std::fs::read_dir(&work).unwrap().count(), 1, "only .git");
    std::fs::write(work.join("m.yaml"), "x: 1").unwrap();
    let commit = git.commit(&work, &message("dev")).await.unwrap().unwrap();
    git.push(&world.repository, &work, &PushOptions::default()).await.unwrap();
    assert_eq!(git.resolve(&world.repository, "stage/dev").await.unwrap(), commit);
    let again = git.checkout(&world.repository, "stage/dev", false, &work).await.unwrap_err();
    assert!(again.to_string().contains("not empty"), "{again}");
}
