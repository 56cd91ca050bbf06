//! The git steps and the git subscriber on real repositories.

use std::sync::Arc;

use argo_core::{
    ApplyError, Change, Gvk, Note, Object, ObjectRef, Timestamp,
    git::{Author, GitRepos, GitReposConfig},
};
use argo_promote::{
    api::RepoSubscription,
    steps::{Folder, NoCredentials, Registry, StepCluster, StepContext, StepError, StepOutcome, StepResult, Workspace},
    subscriptions::{Discovered, Discovery, GitSubscriber, Subscriber},
};
use serde_json::{Value, json};

use crate::fixtures::{Repo, git};

#[derive(Debug)]
struct NoCluster;

#[async_trait::async_trait]
impl StepCluster for NoCluster {
    async fn get(&self, _: &ObjectRef) -> Result<Option<Object>, StepError> {
        Ok(None)
    }
    async fn list(&self, _: &Gvk, _: &str) -> Result<Vec<Object>, StepError> {
        Ok(Vec::new())
    }
    async fn apply(&self, _: &Change) -> Result<Option<Object>, ApplyError> {
        Ok(None)
    }
    async fn note(&self, _: &Object, _: &Note) {}
}

struct Bench {
    repo: Repo,
    root: tempfile::TempDir,
    folder: Folder,
    steps: Registry,
}

const VALUES: &str = "# the image\nimage:\n  tag: \"1.0\"   # set by promotions\nreplicas: 2\n";

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let repos = GitRepos::new(GitReposConfig::new(root.path().join("git")));
        let folder = Workspace::new(root.path().join("work")).folder("uid");
        folder.create().unwrap();
        let repo = Repo::new(&[("dev/values.yaml", VALUES)]);
        Self { repo, root, folder, steps: Registry::built_in().with_git(Arc::new(repos)) }
    }

    async fn run(&self, kind: &str, config: Value) -> StepResult {
        let context = StepContext {
            project: "p",
            stage: "dev",
            promotion: "promo",
            alias: kind,
            config: &config,
            earlier_output: None,
            freight: &[],
            actor: "",
            folder: &self.folder,
            cluster: &NoCluster,
            credentials: &NoCredentials,
            author: &Author { name: "Kargo".into(), email: "no-reply@kargo.io".into() },
            ui_base_url: "",
            now: Timestamp::UNIX_EPOCH,
        };
        self.steps.get(kind).expect("registered").run(&context).await
    }

    async fn output(&self, kind: &str, config: Value) -> Value {
        match self.run(kind, config).await {
            Ok(StepOutcome::Succeeded { output, .. }) => output.unwrap_or_default(),
            other => panic!("{kind}: {other:?}"),
        }
    }

    async fn clone(&self) -> Value {
        self.output("git-clone", json!({"repoURL": self.repo.url(), "checkout": [{"branch": "main", "path": "./src"}]}))
            .await
    }

    async fn edit(&self, tag: &str) -> Value {
        let updates = json!([{"key": "image.tag", "value": tag}]);
        self.output("yaml-update", json!({"path": "./src/dev/values.yaml", "updates": updates})).await
    }
}

#[tokio::test]
async fn a_change_is_cloned_edited_committed_and_pushed() {
    let bench = Bench::new();
    let cloned = bench.clone().await;
    assert_eq!(cloned, json!({"commits": {"./src": bench.repo.head()}}));
    let edited = bench.edit("1.1").await;
    assert_eq!(edited["commitMessage"], "Updated ./src/dev/values.yaml\n\n- image.tag: \"1.1\"");
    let commit = bench.output("git-commit", json!({"path": "./src", "message": "dev: 1.1"})).await;
    let pushed = bench.output("git-push", json!({"path": "./src"})).await;
    assert_eq!(pushed, json!({"branch": "main", "commit": commit["commit"]}));
    assert_eq!(bench.repo.head(), commit["commit"].as_str().unwrap());
    assert_eq!(bench.repo.file("dev/values.yaml"), VALUES.replace("\"1.0\"", "\"1.1\"").trim_end());
    assert_eq!(bench.repo.subjects(), ["Kargo: dev: 1.1", "Dev: first"]);
}

#[tokio::test]
async fn every_step_may_be_repeated() {
    let bench = Bench::new();
    bench.clone().await;
    bench.clone().await;
    bench.edit("1.1").await;
    bench.edit("1.1").await;
    let config = json!({"path": "./src", "message": "dev: 1.1"});
    let first = bench.output("git-commit", config.clone()).await;
    // After a crash the repeat says what the first would have said: a later `if` on its status must not skip the push.
    assert_eq!(bench.output("git-commit", config).await, first);
    for _ in 0..2 {
        let pushed = bench.output("git-push", json!({"path": "./src"})).await;
        assert_eq!(pushed["commit"], first["commit"]);
    }
    assert_eq!(bench.repo.subjects().len(), 2);
}

#[tokio::test]
async fn nothing_to_commit_is_skipped_with_the_head_as_output() {
    let bench = Bench::new();
    bench.clone().await;
    let result = bench.run("git-commit", json!({"path": "./src", "message": "x"})).await;
    let Ok(StepOutcome::Skipped { output, .. }) = result else { panic!("{result:?}") };
    assert_eq!(output, Some(json!({"commit": bench.repo.head()})));
}

#[tokio::test]
async fn a_remote_that_moved_is_integrated_and_a_conflict_is_a_failure() {
    let bench = Bench::new();
    bench.clone().await;
    bench.edit("1.1").await;
    bench.output("git-commit", json!({"path": "./src", "message": "dev: 1.1"})).await;
    bench.repo.commit("other", &[("prod/values.yaml", "a: 1\n")]);
    bench.output("git-push", json!({"path": "./src"})).await;
    assert_eq!(bench.repo.subjects(), ["Kargo: dev: 1.1", "Dev: other", "Dev: first"]);

    let bench = Bench::new();
    bench.clone().await;
    bench.edit("1.1").await;
    bench.output("git-commit", json!({"path": "./src", "message": "dev: 1.1"})).await;
    bench.repo.commit("clash", &[("dev/values.yaml", &VALUES.replace("1.0", "9.9"))]);
    let error = bench.run("git-push", json!({"path": "./src"})).await.unwrap_err();
    assert!(error.terminal, "{error}");
}

#[tokio::test]
async fn generated_branches_and_clearing() {
    let bench = Bench::new();
    bench.clone().await;
    bench.output("git-clear", json!({"path": "./src"})).await;
    bench.output("copy", json!({"inPath": "./src/.git/HEAD", "outPath": "./src/new/file"})).await;
    bench.output("git-commit", json!({"path": "./src", "message": "cleared"})).await;
    let pushed = bench.output("git-push", json!({"path": "./src", "generateTargetBranch": true})).await;
    assert_eq!(pushed["branch"], "kargo/promotion/promo");
    let files = git(&bench.repo.path(), &["ls-tree", "-r", "--name-only", "kargo/promotion/promo"]);
    assert_eq!(files, "new/file");
    assert_eq!(bench.repo.subjects(), ["Dev: first"], "main is as it was");
}

#[tokio::test]
async fn bad_settings_and_paths_are_failures_for_good() {
    let bench = Bench::new();
    bench.clone().await;
    for (kind, config) in [
        ("git-clone", json!({"repoURL": bench.repo.url(), "checkout": [{"path": "../out"}]})),
        ("git-clone", json!({"repoURL": bench.repo.url(), "checkout": [{"path": "a", "branch": "b", "tag": "c"}]})),
        ("git-clone", json!({"repoURL": bench.repo.url(), "checkout": [{"path": "x"}], "novel": 1})),
        ("git-commit", json!({"path": "./elsewhere", "message": "x"})),
        ("git-commit", json!({"path": "./src"})),
        ("copy", json!({"inPath": "./src", "outPath": "./src/deeper"})),
        ("yaml-update", json!({"path": "./src/nope.yaml", "updates": [{"key": "a", "value": 1}]})),
        ("yaml-update", json!({"path": "/../../etc/passwd", "updates": [{"key": "a", "value": 1}]})),
        ("fail", json!({"message": "stop"})),
    ] {
        let error = bench.run(kind, config.clone()).await.expect_err(kind);
        assert!(error.terminal, "{kind} {config}: {error}");
    }
    let gone =
        json!({"repoURL": format!("file://{}/gone.git", bench.root.path().display()), "checkout": [{"path": "y"}]});
    let error = bench.run("git-clone", gone).await.unwrap_err();
    assert!(!error.terminal, "a repository may come: {error}");
}

#[tokio::test]
async fn commits_and_tags_are_discovered() {
    let bench = Bench::new();
    let first = bench.repo.head();
    let second = bench.repo.commit("docs", &[("docs/a.md", "x")]);
    for (tag, commit) in [("v1.0.0", &first), ("v1.1.0", &second), ("nightly", &second)] {
        git(&bench.repo.path(), &["tag", tag, commit]);
    }
    let source = Arc::new(GitRepos::new(GitReposConfig::new(bench.root.path().join("git"))));
    let subscriber = GitSubscriber::new(source);
    let find = async |extra: Value, previous: Option<&argo_promote::api::GitDiscovery>| {
        let mut body = json!({"repoURL": bench.repo.url()});
        argo_merge::merge_patch::apply(&mut body, &extra);
        let subscription = RepoSubscription::parse(0, &json!({"git": body})).unwrap();
        let request = Discovery { project: "p", subscription: &subscription, previous, credentials: &NoCredentials };
        match subscriber.discover(&request).await.unwrap() {
            Discovered::Git(found) => found,
            other => panic!("{other:?}"),
        }
    };
    let found = find(json!({"branch": "main"}), None).await;
    let ids: Vec<&str> = found.commits.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, [&second, &first]);
    assert_eq!(found.commits[0].subject, "docs");
    assert_eq!(found.observed_refs.as_ref().unwrap().branch_head, second);
    let only = find(json!({"includePaths": ["dev"]}), None).await;
    assert_eq!(only.commits.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), [&first]);
    let filtered = find(json!({"expressionFilter": "subject == 'docs'"}), None).await;
    assert_eq!(filtered.commits.len(), 1);
    let tags = find(json!({"commitSelectionStrategy": "SemVer", "semverConstraint": "^1.0.0"}), None).await;
    assert_eq!(tags.commits.iter().map(|it| it.tag.as_str()).collect::<Vec<_>>(), ["v1.1.0", "v1.0.0"]);
    // Nothing moved: what was found stands, without looking again.
    let mut known = found.clone();
    known.commits[0].subject = "remembered".into();
    assert_eq!(find(json!({"branch": "main"}), Some(&known)).await, known);
}
