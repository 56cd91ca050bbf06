//! Artifacts that are deleted: by strategy, by group, and what happens where one can not be.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Change, Gvk, Object, ObjectKey, Resource,
    runtime::{Context, Shutdown},
};
use argo_embedded::Cluster;
use argo_workflows::{
    api::{Artifact, FINALIZER_ARTIFACT_GC, NodePhase, Workflow, crds},
    controller::Controller,
    engine::{Effect, StepResult},
    executor::{Executor, ScriptedExecutor, process::Config, scripted::Script},
    testing::Run,
};
use serde_json::{Value, json};

/// A step that gives three artifacts: one without strategy, one that stays, one that goes with the workflow.
fn manifest(gc: &str) -> String {
    format!(
        r#"
metadata: {{name: wf}}
spec:
  entrypoint: make
  artifactGC: {gc}
  templates:
  - name: make
    container: {{image: x, command: [x]}}
    outputs:
      artifacts:
      - {{name: plain, path: /a, s3: {{key: a}}}}
      - {{name: kept, path: /b, s3: {{key: b}}, artifactGC: {{strategy: Never}}}}
      - {{name: late, path: /c, s3: {{key: c}}, artifactGC: {{strategy: OnWorkflowDeletion}}}}
"#
    )
}

fn made(step: &argo_workflows::engine::StepRequest) -> Script {
    let artifacts = step.template.outputs.iter().flat_map(|it| it.artifacts.clone()).collect();
    Script::ends(StepResult { artifacts, ..StepResult::succeeded() })
}

fn run(gc: &str) -> Run {
    Run::yaml(&manifest(gc)).with(ScriptedExecutor::new().with("make", made))
}

fn is_guarded(run: &Run) -> bool {
    run.workflow.metadata.finalizers.iter().any(|it| it == FINALIZER_ARTIFACT_GC)
}

fn gc_status(run: &Run) -> Value {
    serde_json::to_value(&run.workflow.status).unwrap()["artifactGCStatus"].clone()
}

#[test]
fn each_artifact_goes_when_its_strategy_says_so() {
    let mut run = run("{strategy: OnWorkflowCompletion}").finish();
    assert_eq!(run.executor.deleted(), ["plain"]);
    assert!(is_guarded(&run), "one is to go with the workflow");
    let artifacts = run.node("wf").unwrap().outputs.clone().unwrap().artifacts;
    let deleted: Vec<(&str, bool)> = artifacts.iter().map(|it| (it.name.as_str(), it.is_deleted())).collect();
    assert_eq!(deleted, [("plain", true), ("kept", false), ("late", false)]);
    run.delete();
    assert_eq!(run.executor.deleted(), ["plain", "late"]);
    assert!(!is_guarded(&run) && run.is_deleted());
    let pods: Vec<String> = gc_status(&run)["podsRecouped"]
        .as_object()
        .unwrap()
        .keys()
        .map(|it| it.rsplit_once('-').unwrap().0.to_owned())
        .collect();
    assert_eq!(pods, ["wf-artgc-wfcomp", "wf-artgc-wfdel"]);
}

#[test]
fn without_a_strategy_nothing_goes_and_nothing_keeps_the_workflow() {
    let manifest = manifest("{}").replace(", artifactGC: {strategy: OnWorkflowDeletion}", "");
    let run = Run::yaml(&manifest).with(ScriptedExecutor::new().with("make", made)).finish();
    assert!(run.executor.deleted().is_empty() && !is_guarded(&run));
    assert_eq!(gc_status(&run), json!({"notSpecified": true}));
}

#[test]
fn what_can_not_be_deleted_keeps_the_workflow_unless_it_is_forced() {
    for (force, gone) in [(false, false), (true, true)] {
        let mut run = run(&format!("{{strategy: OnWorkflowDeletion, forceFinalizerRemoval: {force}}}"));
        let fails = |_: &str, it: &Artifact| if it.name == "late" { Err("no way".to_owned()) } else { Ok(()) };
        run.executor = std::mem::take(&mut run.executor).deletes(fails);
        let mut run = run.finish();
        assert!(run.executor.deleted().is_empty());
        run.delete();
        assert_eq!(run.executor.deleted(), ["plain"]);
        assert_eq!(run.is_deleted(), gone);
        let condition = run.workflow.status.conditions.iter().find(|it| it.kind == "ArtifactGCError").unwrap();
        let message = condition.message.as_deref().unwrap();
        assert!(message.starts_with("no way (artifactGCTask: wf-artgc-wfdel-"), "{message}");
        assert!(!run.plan().actions.iter().any(|it| matches!(it, argo_core::Action::Effect(_))), "it was tried");
    }
}

#[test]
fn artifacts_are_grouped_by_what_their_deletion_needs() {
    let manifest = manifest("{strategy: OnWorkflowCompletion, serviceAccountName: all, podSpecPatch: 'priority: 1'}")
        .replace(
            "{strategy: OnWorkflowDeletion}",
            "{strategy: OnWorkflowCompletion, serviceAccountName: own, podMetadata: {labels: {a: b}}}",
        )
        .replace("{strategy: Never}", "{podMetadata: {labels: {a: b}}}");
    let mut run = Run::yaml(&manifest).with(ScriptedExecutor::new().with("make", made));
    while !run.workflow.status.phase.is_completed() {
        run.pass();
    }
    let mut requests = Vec::new();
    for effect in run.plan().effects() {
        if let Effect::Collect(it) = effect {
            let names: Vec<String> =
                it.spec.artifacts_by_node.values().flat_map(|it| it.artifacts.keys().cloned()).collect();
            requests.push((it.service_account.clone(), it.metadata.labels.len(), names));
            assert_eq!(it.pod_spec_patch.as_deref(), Some("priority: 1"));
        }
    }
    requests.sort();
    assert_eq!(
        requests,
        [
            ("all".to_owned(), 0, vec!["plain".to_owned()]),
            ("all".to_owned(), 1, vec!["kept".to_owned()]),
            ("own".to_owned(), 1, vec!["late".to_owned()]),
        ]
    );
}

#[test]
fn a_template_of_another_resource_brings_the_finalizer_when_it_is_used() {
    let run = Run::yaml(
        "metadata: {name: wf}\nspec:\n  entrypoint: main\n  templates:\n  - name: main\n    steps:\n    - - {name: a, templateRef: {name: other, template: make}}\n",
    )
    .template(
        "kind: WorkflowTemplate\nmetadata: {name: other}\nspec:\n  templates:\n  - name: make\n    container: {image: x, command: [x]}\n    outputs: {artifacts: [{name: late, path: /c, s3: {key: c}, artifactGC: {strategy: OnWorkflowDeletion}}]}\n",
    )
    .with(ScriptedExecutor::new().with("make", made))
    .finish();
    assert!(is_guarded(&run));
    assert_eq!(gc_status(&run), json!({"strategiesProcessed": {"OnWorkflowCompletion": true}}));
}

#[test]
fn the_repository_is_kept_in_the_status() {
    let mut run = run("{}");
    let reference = json!({"default": true, "artifactRepository": {"s3": {"bucket": "b"}}});
    run.repository = Some(reference.clone());
    run.settle();
    let status = serde_json::to_value(&run.workflow.status).unwrap();
    assert_eq!(status["artifactRepositoryRef"], reference);
}

async fn world() -> (Cluster, Context) {
    let cluster = Cluster::new();
    cluster.install_crds(&crds()).unwrap();
    let context = Context::builder(cluster.client()).build();
    (cluster, context)
}

async fn until(context: &Context, gvk: Gvk, name: &str, holds: impl Fn(Option<&Object>) -> bool) {
    let cache = context.cache(gvk);
    cache.synced().await;
    let key = ObjectKey::new(Some("default"), name);
    let patience = async {
        while !holds(cache.get(&key).as_deref()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), patience).await;
    assert!(found.is_ok(), "{name} does not get there: {:?}", cache.get(&key));
}

async fn submit(context: &Context, name: &str, spec: Value) {
    let object = Object::new(&Workflow::gvk(), Some("default"), name).with(&["spec"], spec);
    context.applier().apply(&Change::create(object)).await.unwrap();
}

fn start(context: &Context, executor: Arc<dyn Executor>) -> (Shutdown, tokio::task::JoinHandle<()>) {
    let shutdown = Shutdown::new();
    let builder = Controller::builder(context.clone()).executor(executor).config_map("argo", "none");
    (shutdown.clone(), tokio::spawn(builder.build().unwrap().run(shutdown)))
}

#[tokio::test]
async fn files_of_processes_are_deleted_before_the_workflow_goes() {
    let (cluster, context) = world().await;
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let executor = Config::new(dir.path().join("steps")).artifacts(&store, "b").open().unwrap();
    let (shutdown, running) = start(&context, Arc::new(executor));
    let spec = json!({"entrypoint": "make", "artifactGC": {"strategy": "OnWorkflowDeletion"}, "templates": [
        {"name": "make", "container": {"image": "x", "command": ["sh", "-c", "echo one > one; echo two > two"]},
            "outputs": {"artifacts": [
                {"name": "one", "path": "one", "archive": {"none": {}}, "s3": {"key": "one"}},
                {"name": "two", "path": "two", "archive": {"none": {}}, "s3": {"key": "two"},
                    "artifactGC": {"strategy": "Never"}}]}}]});
    submit(&context, "wf", spec).await;
    until(&context, Workflow::gvk(), "wf", |it| it.is_some_and(|it| it.text("/status/phase") == "Succeeded")).await;
    assert!(store.join("s3/b/one").exists() && store.join("s3/b/two").exists());
    let workflow = context.cache_of::<Workflow>();
    workflow.synced().await;
    let workflow = workflow.get(&ObjectKey::new(Some("default"), "wf")).unwrap();
    assert_eq!(workflow.pointer("/status/artifactRepositoryRef"), Some(&json!({"default": true})));
    context.applier().apply(&Change::delete(&workflow)).await.unwrap();
    until(&context, Workflow::gvk(), "wf", |it| it.is_none()).await;
    assert!(!store.join("s3/b/one").exists() && store.join("s3/b/two").exists());
    shutdown.cancel();
    running.await.unwrap();
    drop(cluster);
}

#[tokio::test]
async fn a_repository_is_found_by_its_config_map_or_the_workflow_says_why_not() {
    let (cluster, context) = world().await;
    let map = Object::from_value(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "artifact-repositories", "namespace": "default",
            "annotations": {"workflows.argoproj.io/default-artifact-repository": "main"}},
        "data": {"main": "s3: {bucket: b, endpoint: e}", "broken": ": {"},
    }));
    context.applier().apply(&Change::create(map)).await.unwrap();
    let (shutdown, running) = start(&context, Arc::new(ScriptedExecutor::new()));
    let spec = |reference: Value| {
        let mut spec =
            json!({"entrypoint": "a", "templates": [{"name": "a", "container": {"image": "x", "command": ["x"]}}]});
        if !reference.is_null() {
            spec["artifactRepositoryRef"] = reference;
        }
        spec
    };
    submit(&context, "plain", spec(Value::Null)).await;
    submit(&context, "none", spec(json!({"configMap": "nowhere", "key": "k"}))).await;
    submit(&context, "broken", spec(json!({"key": "broken"}))).await;
    let found = json!({"configMap": "artifact-repositories", "key": "main", "namespace": "default",
        "artifactRepository": {"s3": {"bucket": "b", "endpoint": "e"}}});
    until(&context, Workflow::gvk(), "plain", |it| {
        it.is_some_and(|it| it.pointer("/status/artifactRepositoryRef") == Some(&found))
    })
    .await;
    for (name, message) in [
        ("none", "failed to find any artifact repository for artifact repository ref \"nowhere#k\""),
        ("broken", "failed to unmarshall config map key \"broken\""),
    ] {
        until(&context, Workflow::gvk(), name, |it| {
            it.is_some_and(|it| it.text("/status/phase") == "Error" && it.text("/status/message").contains(message))
        })
        .await;
    }
    shutdown.cancel();
    running.await.unwrap();
    drop(cluster);
}

/// Pods that delete artifacts, as the kubelet would run them.
#[cfg(feature = "exec")]
async fn run_deleters(context: Context, store: std::path::PathBuf) {
    use argo_workflows::exec::{
        artifacts::{Drivers, FolderDriver},
        run::garbage::delete_tasks,
    };

    let drivers = Drivers::local().with("s3", Arc::new(FolderDriver::new(store)));
    let pods = context.cache(Gvk::new("", "v1", "Pod"));
    let mut events = pods.subscribe();
    while let Some(event) = events.recv().await {
        let (None, Some(pod)) = (&event.old, &event.new) else { continue };
        if pod.label("workflows.argoproj.io/component") != Some("artifact-gc") {
            continue;
        }
        let env = pod.pointer("/spec/containers/0/env").and_then(Value::as_array).unwrap();
        let hash = env.iter().find(|it| it["name"] == "ARGO_ARTIFACT_POD_NAME").unwrap()["value"].as_str().unwrap();
        delete_tasks(context.client().clone(), "default", hash, &drivers).await.unwrap();
        let change = Change::Patch {
            target: pod.reference(),
            patch: argo_core::Patch::merge(json!({"status": {"phase": "Succeeded"}})),
            subresource: Some("status".to_owned()),
            resource_version: None,
        };
        context.applier().apply(&change).await.unwrap();
    }
}

#[cfg(feature = "exec")]
#[tokio::test]
async fn a_pod_deletes_what_its_task_names() {
    use argo_workflows::{
        api::WorkflowArtifactGCTask,
        executor::{
            PodsExecutor,
            pods::{ArtifactRepository, PodConfig},
        },
    };

    let (cluster, context) = world().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("s3/b")).unwrap();
    std::fs::write(dir.path().join("s3/b/one"), "x").unwrap();
    let repository = ArtifactRepository::read(&json!({"s3": {"bucket": "b", "endpoint": "e"}}));
    let executor = PodsExecutor::new(context.clone(), PodConfig { repository, ..PodConfig::default() });
    // A workflow that is over already.
    let workflow: Object = Object::from_value(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
        "metadata": {"name": "wf", "namespace": "default", "finalizers": [FINALIZER_ARTIFACT_GC],
            "labels": {"workflows.argoproj.io/completed": "true"}},
        "spec": {"entrypoint": "make", "artifactGC": {"strategy": "OnWorkflowCompletion"},
            "templates": [{"name": "make", "container": {"image": "x", "command": ["x"]}}]},
        "status": {"phase": NodePhase::Succeeded, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:00Z",
            "nodes": {"wf": {"id": "wf", "name": "wf", "displayName": "wf", "type": "Pod", "phase": "Succeeded",
                "templateName": "make", "templateScope": "local/wf",
                "outputs": {"artifacts": [{"name": "one", "s3": {"key": "one"}}]}}}},
    }));
    context.applier().apply(&Change::create(workflow)).await.unwrap();
    let deleters = tokio::spawn(run_deleters(context.clone(), dir.path().to_owned()));
    let (shutdown, running) = start(&context, Arc::new(executor));
    until(&context, Workflow::gvk(), "wf", |it| {
        it.is_some_and(|it| {
            it.pointer("/status/nodes/wf/outputs/artifacts/0/deleted") == Some(&json!(true))
                && it.pointer("/metadata/finalizers").is_none()
        })
    })
    .await;
    assert!(!dir.path().join("s3/b/one").exists());
    // The task was good: it goes.
    let tasks = context.cache_of::<WorkflowArtifactGCTask>();
    tasks.synced().await;
    let gone = async {
        while !tasks.list().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the task goes");
    shutdown.cancel();
    running.await.unwrap();
    deleters.abort();
    drop(cluster);
}
