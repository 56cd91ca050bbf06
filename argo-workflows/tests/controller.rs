//! The controller on the embedded Kubernetes.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Change, Clock, Object, ObjectKey, Resource,
    runtime::{Context, Shutdown},
};
use argo_embedded::Cluster;
use argo_workflows::{
    api::{Workflow, crds},
    controller::Controller,
    executor::{Executor, ProcessExecutor, ScriptedExecutor, scripted::Script},
};
use serde_json::{Value, json};

struct World {
    cluster: Cluster,
    context: Context,
}

fn world(clock: Clock) -> World {
    let cluster = Cluster::builder().clock(clock.clone()).build().unwrap();
    cluster.install_crds(&crds()).unwrap();
    let context = Context::builder(cluster.client()).clock(clock).build();
    World { cluster, context }
}

fn start(context: &Context, executor: Arc<dyn Executor>) -> (Shutdown, tokio::task::JoinHandle<()>) {
    let shutdown = Shutdown::new();
    let controller = Controller::builder(context.clone()).executor(executor).build().unwrap();
    let running = tokio::spawn(controller.run(shutdown.clone()));
    (shutdown, running)
}

async fn until(context: &Context, name: &str, holds: impl Fn(&Object) -> bool) -> Object {
    let cache = context.cache_of::<Workflow>();
    let mut events = cache.subscribe();
    let watch = async {
        loop {
            let event = events.recv().await.expect("the cache goes on");
            if let Some(object) = event.new.filter(|it| it.name() == name && holds(it)) {
                return (*object).clone();
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), watch).await;
    found.unwrap_or_else(|_| {
        panic!("{name} does not get there: {:?}", cache.get(&ObjectKey::new(Some("default"), name)))
    })
}

fn ended(object: &Object) -> bool {
    object.label("workflows.argoproj.io/completed") == Some("true")
}

async fn create(context: &Context, name: &str, spec: Value) {
    let object = Object::new(&Workflow::gvk(), Some("default"), name).with(&["spec"], spec);
    context.applier().apply(&Change::create(object)).await.unwrap();
}

fn build_test() -> Value {
    json!({
        "entrypoint": "build-test",
        "templates": [
            {"name": "build-test", "dag": {"tasks": [
                {"name": "checkout", "template": "run-step", "arguments": {"parameters": [{"name": "cmd", "value": "printf 'build:\\n\\techo built > out\\ntest:\\n\\tgrep built out\\n' > Makefile"}]}},
                {"name": "build", "template": "run-step", "dependencies": ["checkout"], "arguments": {"parameters": [{"name": "cmd", "value": "make build"}]}},
                {"name": "test", "template": "run-step", "dependencies": ["build"], "arguments": {"parameters": [{"name": "cmd", "value": "make test"}]}},
                {"name": "publish", "template": "publish", "dependencies": ["test"]},
            ]}},
            {"name": "run-step", "inputs": {"parameters": [{"name": "cmd"}]},
                "container": {"image": "golang:1.22", "command": ["sh", "-c"], "args": ["{{inputs.parameters.cmd}}"]}},
            {"name": "publish", "outputs": {"parameters": [{"name": "tag", "valueFrom": {"path": "tag"}, "globalName": "tag"}]},
                "script": {"image": "any", "command": ["sh"], "source": "echo v-{{workflow.name}} > tag"}},
        ],
    })
}

#[tokio::test]
async fn a_build_really_runs() {
    let world = world(Clock::system());
    let root = tempfile::tempdir().unwrap();
    let executor = Arc::new(ProcessExecutor::open(root.path()).unwrap());
    let (shutdown, running) = start(&world.context, executor);
    create(&world.context, "build-1", build_test()).await;
    let object = until(&world.context, "build-1", ended).await;
    assert_eq!(object.text("/status/phase"), "Succeeded", "{object:?}");
    assert_eq!(object.text("/status/outputs/parameters/0/value"), "v-build-1");
    assert_eq!(object.text("/status/progress"), "4/4");
    let text = object.value().to_string();
    assert!(!text.contains("null"), "absent stays absent: {text}");
    shutdown.cancel();
    running.await.unwrap();
    drop(world.cluster);
}

#[tokio::test]
async fn a_controller_that_starts_again_goes_on_where_the_last_one_was() {
    let world = world(Clock::system());
    let root = tempfile::tempdir().unwrap();
    let mut spec = build_test();
    spec["templates"][0]["dag"]["tasks"][0]["arguments"]["parameters"][0]["value"] =
        "echo once >> count; sleep 1; printf 'build:\\n\\techo built > out\\ntest:\\n\\tgrep built out\\n' > Makefile"
            .into();
    let mut config = argo_workflows::executor::process::Config::new(root.path()).keep();
    config.kill_on_shutdown = false;
    let executor = Arc::new(config.clone().open().unwrap());
    let (shutdown, running) = start(&world.context, executor);
    create(&world.context, "build-2", spec).await;
    until(&world.context, "build-2", |it| {
        it.value().to_string().contains("\"Running\",\"startedAt\"") || it.text("/status/phase") == "Running"
    })
    .await;
    // Killed, not stopped: nothing is said to anybody.
    running.abort();
    drop(shutdown);
    let executor = Arc::new(config.open().unwrap());
    let (shutdown, running) = start(&world.context, executor.clone());
    let object = until(&world.context, "build-2", ended).await;
    assert_eq!(object.text("/status/phase"), "Succeeded", "{object:?}");
    let count = root.path().join(object.uid()).join("workspace/count");
    assert_eq!(std::fs::read_to_string(count).unwrap(), "once\n");
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn scripted_steps_run_in_virtual_time() {
    let world = world(Clock::virtual_at("2026-01-01T00:00:00Z".parse().unwrap()));
    let executor = Arc::new(ScriptedExecutor::new().on("test", Script::exits(2)));
    let (shutdown, running) = start(&world.context, executor.clone());
    create(&world.context, "scripted", build_test()).await;
    let object = until(&world.context, "scripted", ended).await;
    assert_eq!(object.text("/status/phase"), "Failed");
    assert_eq!(executor.started().len(), 3);
    create(
        &world.context,
        "waits",
        json!({"entrypoint": "w", "templates": [{"name": "w", "suspend": {"duration": "50s"}}]}),
    )
    .await;
    let object = until(&world.context, "waits", ended).await;
    assert_eq!(object.text("/status/phase"), "Succeeded");
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bad_objects_end_with_a_message_and_do_not_stop_the_others() {
    let world = world(Clock::virtual_at("2026-01-01T00:00:00Z".parse().unwrap()));
    let (shutdown, running) = start(&world.context, Arc::new(ScriptedExecutor::new()));
    create(&world.context, "bad", json!({"entrypoint": ["no"], "templates": 7})).await;
    create(
        &world.context,
        "missing",
        json!({"entrypoint": "main", "templates": [{"name": "main", "steps": [[{"name": "a", "template": "gone"}]]}]}),
    )
    .await;
    create(&world.context, "good", build_test()).await;
    let object = until(&world.context, "bad", ended).await;
    assert_eq!(object.text("/status/phase"), "Failed");
    assert!(object.text("/status/message").starts_with("cannot unmarshall spec: "), "{object:?}");
    let object = until(&world.context, "missing", ended).await;
    assert_eq!(
        object.text("/status/message"),
        "invalid spec: templates.main.steps[0].a template name 'gone' undefined"
    );
    let object = until(&world.context, "good", ended).await;
    assert_eq!(object.text("/status/phase"), "Succeeded");
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cron_workflow_makes_workflows_on_time_and_counts_them() {
    let world = world(Clock::virtual_at("2026-01-01T00:00:00Z".parse().unwrap()));
    let (shutdown, running) = start(&world.context, Arc::new(ScriptedExecutor::new()));
    let cron = Object::new(&argo_workflows::api::CronWorkflow::gvk(), Some("default"), "c")
        .with(&["spec"], json!({"schedules": ["@every 10s"], "workflowSpec": build_test()}));
    world.context.applier().apply(&Change::create(cron)).await.unwrap();
    let at: argo_core::Timestamp = "2026-01-01T00:00:20Z".parse().unwrap();
    let object = until(&world.context, &format!("c-{}", at.as_second()), ended).await;
    assert_eq!(object.text("/status/phase"), "Succeeded");
    assert_eq!(object.controller().unwrap().name, "c");
    let crons = world.context.cache_of::<argo_workflows::api::CronWorkflow>();
    let mut events = crons.subscribe();
    let counted = async {
        while let Some(event) = events.recv().await {
            if event.new.is_some_and(|it| it.integer("/status/succeeded") == Some(2)) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), counted).await.expect("both are counted");
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn terminating_and_deleting_leave_no_process_behind() {
    let world = world(Clock::system());
    let root = tempfile::tempdir().unwrap();
    let executor = Arc::new(ProcessExecutor::open(root.path()).unwrap());
    let (shutdown, running) = start(&world.context, executor.clone());
    let sleeper = json!({"entrypoint": "s", "templates": [{"name": "s", "container": {"image": "any", "command": ["sh", "-c", "echo $$ > pid; sleep 1000"]}}]});
    for (name, delete) in [("terminated", false), ("deleted", true)] {
        create(&world.context, name, sleeper.clone()).await;
        let object = until(&world.context, name, |it| it.text("/status/conditions/0/status") == "True").await;
        let pid = root.path().join(object.uid()).join("workspace/pid");
        let pid = loop {
            match std::fs::read_to_string(&pid) {
                Ok(text) if text.ends_with('\n') => break text,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let change = if delete {
            Change::delete(&object)
        } else {
            Change::merge(object.reference(), json!({"spec": {"shutdown": "Terminate"}}))
        };
        world.context.applier().apply(&change).await.unwrap();
        let process = std::path::PathBuf::from(format!("/proc/{}", pid.trim()));
        let gone = async {
            while process.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), gone).await.expect("the process ends");
        if !delete {
            let object = until(&world.context, name, ended).await;
            assert_eq!(object.text("/status/message"), "Stopped with strategy 'Terminate'");
        }
    }
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn locks_and_places_pass_from_workflow_to_workflow_and_over_a_restart() {
    use argo_core::Gvk;
    use argo_workflows::engine::AdmissionLimits;
    let world = world(Clock::system());
    let limits = Object::new(&Gvk::new("", "v1", "ConfigMap"), Some("default"), "limits");
    let limits = limits.with(&["data"], json!({"one": "1"}));
    world.context.applier().apply(&Change::create(limits.clone())).await.unwrap();
    let long = |hours: u64| Script::succeeds().after(Duration::from_secs(hours * 3600));
    let executor = Arc::new(ScriptedExecutor::new().on("a", long(1)).otherwise(move |_| long(1000)));
    let run = |limits: AdmissionLimits| {
        let shutdown = Shutdown::new();
        let builder = Controller::builder(world.context.clone()).executor(executor.clone());
        let running = tokio::spawn(builder.parallelism(limits).build().unwrap().run(shutdown.clone()));
        (shutdown, running)
    };
    let spec = || {
        json!({
            "entrypoint": "main",
            "synchronization": {"semaphores": [{"configMapKeyRef": {"name": "limits", "key": "one"}}]},
            "templates": [{"name": "main", "container": {"image": "x", "command": ["x"]}}],
        })
    };
    let (shutdown, running) = run(AdmissionLimits { total: 2, ..AdmissionLimits::default() });
    create(&world.context, "a", spec()).await;
    until(&world.context, "a", |it| it.text("/status/phase") == "Running").await;
    create(&world.context, "b", spec()).await;
    let waits = |it: &Object| it.text("/status/message").starts_with("Waiting for default/ConfigMap/limits/one lock");
    until(&world.context, "b", waits).await;
    create(&world.context, "c", spec()).await;
    until(&world.context, "c", |it| it.text("/status/message").contains("too many workflows")).await;
    shutdown.cancel();
    running.await.unwrap();
    // The next one knows from the statuses who holds and who waits.
    let (shutdown, running) = run(AdmissionLimits { total: 2, ..AdmissionLimits::default() });
    executor.advance(world.context.now() + Duration::from_secs(3700));
    until(&world.context, "a", ended).await;
    until(&world.context, "b", |it| it.text("/status/phase") == "Running").await;
    until(&world.context, "c", waits).await;
    // A raised limit lets the next one in.
    let raised = limits.clone().with(&["data", "one"], "2");
    let change = Change::merge_between(&limits, &raised).unwrap();
    world.context.applier().apply(&change).await.unwrap();
    until(&world.context, "c", |it| it.text("/status/phase") == "Running").await;
    shutdown.cancel();
    running.await.unwrap();
    drop(world.cluster);
}

#[tokio::test]
async fn the_configuration_is_followed_and_only_as_many_ended_workflows_stay_as_it_says() {
    use argo_core::Gvk;
    let world = world(Clock::system());
    let config = |text: &str| {
        let object = Object::new(&Gvk::new("", "v1", "ConfigMap"), Some("default"), "workflow-controller-configmap");
        object.with(&["data"], json!({"config": text}))
    };
    let first = config(
        "parallelism: 1\nretentionPolicy: {completed: 1}\nworkflowDefaults: {metadata: {labels: {from: defaults}}, spec: {}}",
    );
    world.context.applier().apply(&Change::create(first.clone())).await.unwrap();
    let long = |hours: u64| Script::succeeds().after(Duration::from_secs(hours * 3600));
    let executor = Arc::new(ScriptedExecutor::new().on("a", long(1)).on("b", long(1)).otherwise(move |_| long(1000)));
    let shutdown = Shutdown::new();
    let builder = Controller::builder(world.context.clone()).executor(executor.clone());
    let builder = builder.config_map("default", "workflow-controller-configmap");
    let running = tokio::spawn(builder.build().unwrap().run(shutdown.clone()));
    let spec = || json!({"entrypoint": "main", "templates": [{"name": "main", "container": {"image": "x", "command": ["x"]}}]});
    create(&world.context, "a", spec()).await;
    let object = until(&world.context, "a", |it| it.text("/status/phase") == "Running").await;
    assert_eq!(object.label("from"), Some("defaults"));
    create(&world.context, "b", spec()).await;
    until(&world.context, "b", |it| it.text("/status/message").contains("too many workflows")).await;
    // What can not be used changes nothing; what can is in force at once.
    for (text, phase) in
        [("parallelism: 2\nnope: 1", "Pending"), ("parallelism: 2\nretentionPolicy: {completed: 1}", "Running")]
    {
        let change = Change::merge_between(&first, &config(text)).unwrap();
        let Change::Patch { target, patch, .. } = change else { unreachable!("a difference is a patch") };
        world.context.applier().apply(&Change::merge(target, patch.body)).await.unwrap();
        until(&world.context, "b", |it| it.text("/status/phase") == phase).await;
    }
    executor.advance(world.context.now() + Duration::from_secs(3700));
    let gone = async {
        let cache = world.context.cache_of::<Workflow>();
        while cache.list().len() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("one of the two ended workflows stays");
    shutdown.cancel();
    running.await.unwrap();
    drop(world.cluster);
}
