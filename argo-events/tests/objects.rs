//! What `k8s` and `argoWorkflow` triggers do to the objects of a cluster.

use std::sync::Arc;

use argo_core::{Object, Timestamp, runtime::Shutdown};
use argo_events::{
    api::{Event, Trigger},
    bus::{Channel, EventBus, Group, MemoryBus, Subject, Subscription},
    engine::firing::{Events, Firing},
    plane::{Services, SourceRunner, fire},
    secrets::KubeSecrets,
    sources::Sources,
    triggers::Triggers,
};
use serde_json::{Value, json};

use crate::support::{World, clock};

fn services(world: &World) -> Services {
    let secrets = Arc::new(KubeSecrets::new(world.context.clone()));
    Services::new(clock(), Arc::new(MemoryBus::new(clock())), secrets).context(world.context.clone())
}

/// Fires a trigger with one event, whose payload is `{"v": value}`.
async fn run(world: &World, kind: &str, config: Value, value: &str, more: Value) -> Result<(), String> {
    let mut trigger = json!({"template": {"name": "t", kind: config}});
    trigger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let trigger: Trigger = serde_json::from_value(trigger).unwrap();
    let triggers = Triggers::builtin();
    triggers.validate(trigger.template.as_ref().unwrap())?;
    let event = Event::new(value, "src", "e", "webhook", Timestamp::UNIX_EPOCH, &json!({"v": value}));
    let events = Events::from([("d".to_owned(), event)]);
    let firing = Firing { namespace: "ci".into(), sensor: "s".into(), trigger: "t".into(), events };
    fire(&services(world), &triggers, &trigger, &firing, &Shutdown::new()).await.map_err(|it| it.to_string())
}

fn object(world: &World, kind: &str, name: &str) -> Option<Object> {
    let all = world.cluster.dump();
    let found = all.iter().find(|it| it["kind"] == kind && it["metadata"]["name"] == name)?;
    Some(Object::from_value((**found).clone()))
}

fn map(operation: &str, data: Value, more: Value) -> Value {
    let mut config = json!({
        "operation": operation,
        "source": {"resource": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data}},
        "parameters": [{"src": {"dependencyName": "d", "dataKey": "v"}, "dest": "data.v"}],
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

#[tokio::test]
async fn objects_are_created_once_updated_patched_and_deleted() {
    let world = World::new();
    let none = || json!({});
    run(&world, "k8s", map("create", json!({"a": "1"}), none()), "one", none()).await.unwrap();
    let made = object(&world, "ConfigMap", "m").unwrap();
    assert_eq!((made.namespace(), made.text("/data/v")), (Some("ci"), "one"));
    assert_eq!(made.label("events.argoproj.io/trigger"), Some("t"));
    // The same firing again is done already; another one meets an object that is not its own.
    run(&world, "k8s", map("create", json!({"a": "1"}), none()), "one", none()).await.unwrap();
    let error = run(&world, "k8s", map("create", json!({"a": "1"}), none()), "two", none()).await.unwrap_err();
    assert!(error.contains("already exists"), "{error}");

    run(&world, "k8s", map("update", json!({"b": "2"}), none()), "three", none()).await.unwrap();
    let updated = object(&world, "ConfigMap", "m").unwrap();
    assert_eq!(updated.get("data"), Some(&json!({"a": "1", "b": "2", "v": "three"})));
    let live = json!({"liveObject": true,
        "parameters": [{"src": {"dependencyName": "d", "dataKey": "v"}, "dest": "data.a", "operation": "append"}]});
    run(&world, "k8s", map("update", json!({"b": "9"}), live), "x", none()).await.unwrap();
    assert_eq!(
        object(&world, "ConfigMap", "m").unwrap().get("data"),
        Some(&json!({"a": "1x", "b": "2", "v": "three"}))
    );

    let strategic = json!({"patchStrategy": "application/strategic-merge-patch+json"});
    run(&world, "k8s", map("patch", json!({"c": "3"}), strategic), "four", none()).await.unwrap();
    let apply = json!({"patchStrategy": "application/apply-patch+yaml"});
    run(&world, "k8s", map("patch", json!({"e": "5"}), apply), "five", none()).await.unwrap();
    let patched = object(&world, "ConfigMap", "m").unwrap();
    assert_eq!(patched.get("data"), Some(&json!({"a": "1x", "b": "2", "c": "3", "e": "5", "v": "five"})));
    assert_eq!(patched.uid(), made.uid());

    run(&world, "k8s", map("delete", json!({}), none()), "six", none()).await.unwrap();
    assert!(object(&world, "ConfigMap", "m").is_none());
    run(&world, "k8s", map("delete", json!({}), none()), "six", none()).await.unwrap();
    run(&world, "k8s", map("patch", json!({"n": "1"}), none()), "seven", none()).await.unwrap();
    assert_eq!(object(&world, "ConfigMap", "m").unwrap().text("/data/v"), "seven", "an absent object is made");
    let bad = json!({"patchStrategy": "x"});
    assert_eq!(
        run(&world, "k8s", map("patch", json!({}), bad), "", none()).await.unwrap_err(),
        "unknown patch strategy type x"
    );
}

#[tokio::test]
async fn sources_are_inline_or_in_a_config_map_and_files_are_refused() {
    let world = World::new();
    world.apply(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: templates, namespace: ci}, \
         data: {a: \"{apiVersion: v1, kind: ConfigMap, metadata: {name: from-map}}\"}}",
    );
    let config = |source: Value| json!({"operation": "create", "source": source});
    run(&world, "k8s", config(json!({"configmap": {"name": "templates", "key": "a"}})), "1", json!({})).await.unwrap();
    assert!(object(&world, "ConfigMap", "from-map").is_some());
    let inline = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: in-}\n";
    run(&world, "k8s", config(json!({"inline": inline})), "1", json!({})).await.unwrap();
    assert!(
        world.cluster.dump().iter().any(|it| it["metadata"]["name"].as_str().is_some_and(|it| it.starts_with("in-")))
    );
    for (source, reason) in [
        (json!({"file": {"path": "/etc/passwd"}}), "refused"),
        (json!({"git": {"url": "x"}}), "not supported yet"),
        (json!({}), "needs one of"),
        (json!({"inline": "- a list"}), "not an object"),
        (json!({"inline": "{kind: ConfigMap}"}), "no apiVersion"),
    ] {
        let error = run(&world, "k8s", config(source), "1", json!({})).await.unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn workflows_are_submitted_from_templates_stopped_and_suspended() {
    let world = World::new();
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "cronworkflows.argoproj.io"},
        "spec": {"group": "argoproj.io", "scope": "Namespaced",
            "names": {"kind": "CronWorkflow", "listKind": "CronWorkflowList", "plural": "cronworkflows", "singular": "cronworkflow"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    });
    world.cluster.install_crds(&[crd]).unwrap();
    world.apply(
        "{apiVersion: argoproj.io/v1alpha1, kind: CronWorkflow, metadata: {name: nightly, namespace: ci}, \
         spec: {workflowMetadata: {labels: {a: b}}, workflowSpec: {entrypoint: main}}}",
    );
    let config = |operation: &str, kind: &str, name: &str, args: Value| {
        json!({"operation": operation, "args": args, "source": {"resource":
            {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": name}}}})
    };
    let none = || json!({});
    let args = json!(["-p", "x=1", "--wait"]);
    run(&world, "argoWorkflow", config("submit-from", "WorkflowTemplate", "build", args), "1", none()).await.unwrap();
    run(&world, "argoWorkflow", config("submit-from", "CronWorkflow", "nightly", json!([])), "1", none())
        .await
        .unwrap();
    let workflows = world.workflows().await;
    let find = |prefix: &str| workflows.iter().find(|it| it.name().starts_with(prefix)).unwrap();
    let build = find("build-");
    assert_eq!(
        build.get("spec"),
        Some(
            &json!({"workflowTemplateRef": {"name": "build"}, "arguments": {"parameters": [{"name": "x", "value": "1"}]}})
        )
    );
    let nightly = find("nightly-");
    assert_eq!((nightly.get("spec"), nightly.label("a")), (Some(&json!({"entrypoint": "main"})), Some("b")));

    let name = nightly.name();
    run(&world, "argoWorkflow", config("suspend", "Workflow", name, json!([])), "1", none()).await.unwrap();
    run(&world, "argoWorkflow", config("stop", "Workflow", name, json!([])), "1", none()).await.unwrap();
    let stopped = object(&world, "Workflow", name).unwrap();
    assert_eq!(stopped.get("spec"), Some(&json!({"entrypoint": "main", "suspend": true, "shutdown": "Stop"})));
    let error =
        run(&world, "argoWorkflow", config("submit-from", "Pod", "x", json!([])), "1", none()).await.unwrap_err();
    assert!(error.starts_with("invalid kind Pod"), "{error}");
    let error = run(&world, "argoWorkflow", config("submit", "Workflow", "x", json!(["--nope"])), "1", none()).await;
    assert_eq!(error.unwrap_err(), "argument \"--nope\" is not supported");
}

#[tokio::test]
async fn a_policy_waits_for_labels_of_the_object() {
    let world = World::new();
    let policy = |value: &str| {
        json!({"policy": {"k8s": {"labels": {"done": value}, "errorOnBackoffTimeout": true,
            "backoff": {"duration": 1_000_000, "steps": 2000, "jitter": 0}}}})
    };
    let label = async {
        loop {
            if object(&world, "ConfigMap", "m").is_some() {
                let target = argo_core::ObjectRef::new(argo_core::Gvk::new("", "v1", "ConfigMap"), Some("ci"), "m");
                let change = argo_core::Change::merge(target, json!({"metadata": {"labels": {"done": "yes"}}}));
                world.context.applier().apply(&change).await.unwrap();
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    let (fired, ()) = tokio::join!(run(&world, "k8s", map("create", json!({}), json!({})), "1", policy("yes")), label);
    fired.unwrap();
    let mut never = policy("never");
    never["policy"]["k8s"]["backoff"]["steps"] = json!(2);
    let error = run(&world, "k8s", map("patch", json!({}), json!({})), "1", never).await.unwrap_err();
    assert_eq!(error, "policy: v1 ConfigMap ci/m did not get the labels in time");
}

#[tokio::test(start_paused = true)]
async fn a_calendar_that_remembers_makes_up_for_what_it_missed() {
    let start: Timestamp = "2026-01-01T00:00:30Z".parse().unwrap();
    let clock = argo_core::Clock::virtual_at(start);
    let cluster = argo_embedded::Cluster::builder().clock(clock.clone()).build().unwrap();
    cluster.apply_yaml("{apiVersion: v1, kind: Namespace, metadata: {name: ci}}").unwrap();
    let context = argo_core::runtime::Context::builder(cluster.client()).clock(clock.clone()).build();
    let bus = MemoryBus::new(clock.clone());
    let group = Group { channel: Channel::new("ci", "default"), sensor: "s".into(), trigger: "t".into() };
    let mut subscription = bus.subscribe(&group, &[Subject::new("cal", "tick")].into()).await.unwrap();
    let secrets = Arc::new(KubeSecrets::new(context.clone()));
    let services = Services::new(clock.clone(), Arc::new(bus), secrets).context(context);
    let object = json!({"metadata": {"name": "cal", "namespace": "ci"}, "spec": {"calendar": {"tick": {
        "schedule": "* * * * *",
        "persistence": {"catchup": {"enabled": true, "maxDuration": "2m30s"}, "configMap": {"name": "last", "createIfNotExist": true}},
    }}}});
    let object = serde_json::from_value(object).unwrap();
    let mut runner = SourceRunner::new(services.clone(), Sources::builtin(), || {});
    runner.update(&object);
    let time = async |subscription: &mut Box<dyn Subscription>| {
        let delivery = subscription.next().await.unwrap();
        subscription.commit(Some(delivery.sequence), None).await.unwrap();
        delivery.event.payload()["eventTime"].as_str().unwrap().to_owned()
    };
    assert_eq!(time(&mut subscription).await, "2026-01-01 00:01:00 +0000 UTC");
    // Long enough for the run to be written down, not for another.
    clock.sleep(std::time::Duration::from_secs(5)).await;
    runner.stop().await;
    let stored =
        cluster.dump().iter().find(|it| it["kind"] == "ConfigMap" && it["metadata"]["name"] == "last").cloned();
    assert!(stored.unwrap()["data"]["cal.tick"].as_str().unwrap().contains("00:01:00"));
    clock.sleep(std::time::Duration::from_secs(5 * 60)).await;
    // 00:06:05: of the five missed runs those of the last two and a half minutes are made up for.
    let mut runner = SourceRunner::new(services, Sources::builtin(), || {});
    runner.update(&object);
    let mut times = Vec::new();
    for _ in 0..4 {
        times.push(time(&mut subscription).await[11..19].to_owned());
    }
    assert_eq!(times, ["00:04:00", "00:05:00", "00:06:00", "00:07:00"]);
    runner.stop().await;
}
