//! The whole path on an embedded cluster: real HTTP, bus, sensor, object.

use std::time::Duration;

use argo_events::{
    bus::{FileBus, MemoryBus},
    testing::{ScriptedSource, ScriptedTrigger},
};
use serde_json::{Value, json};

use crate::support::{BUS, World, client, clock, condition, conditions, push};

const GITHUB: &str = r#"
apiVersion: v1
kind: Secret
metadata: {name: github, namespace: ci}
data: {secret: aHVudGVyMgo=}
---
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: github, namespace: ci}
spec:
  github:
    app:
      repositories: [{owner: acme, names: [app]}]
      events: [push]
      webhookSecret: {name: github, key: secret}
      webhook: {endpoint: /push, method: POST, port: "12000", maxPayloadSize: 4096}
"#;

const SENSOR: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: build, namespace: ci}
spec:
  dependencies:
  - name: push
    eventSourceName: github
    eventName: app
    filters:
      data: [{path: body.ref, type: string, value: [^refs/heads/main$]}]
      exprs: [{expr: deleted == false, fields: [{name: deleted, path: body.deleted}]}]
  triggers:
  - atLeastOnce: true
    retryStrategy: {steps: 3, duration: 10ms}
    template:
      name: build
      argoWorkflow:
        operation: submit
        source:
          resource:
            apiVersion: argoproj.io/v1alpha1
            kind: Workflow
            metadata: {generateName: build-}
            spec: {entrypoint: main, arguments: {parameters: [{name: commit}, {name: branch}]}}
        parameters:
        - {src: {dependencyName: push, dataKey: body.after}, dest: spec.arguments.parameters.0.value}
        - src: {dependencyName: push, dataTemplate: '{{ .Input.body.ref | trimPrefix "refs/heads/" }}'}
          dest: spec.arguments.parameters.1.value
        - {src: {dependencyName: push, dataKey: body.after}, dest: metadata.generateName, operation: append}
"#;

fn commit(reference: &str, after: &str) -> Value {
    json!({"ref": reference, "after": after, "deleted": false})
}

async fn story(world: &mut World) -> String {
    world.apply(BUS);
    world.apply(GITHUB);
    world.apply(SENSOR);
    for (kind, name) in [("EventBus", "default"), ("EventSource", "github"), ("Sensor", "build")] {
        world.until_ready(kind, name).await;
    }
    world.url(12000, "/push")
}

#[tokio::test]
async fn a_signed_push_becomes_a_workflow_with_its_commit() {
    let mut world = World::new();
    world.start(MemoryBus::new(clock()), |it| it);
    let url = story(&mut world).await;
    let answer = push(&url, "hunter2", "d1", &commit("refs/heads/dev", "0")).await;
    assert_eq!(answer, (200, "success".into()));
    let answer = push(&url, "hunter2", "d2", &commit("refs/heads/main", "c0ffee")).await;
    assert_eq!(answer, (200, "success".into()));
    // The same delivery once more, as after a lost answer.
    let answer = push(&url, "hunter2", "d2", &commit("refs/heads/main", "c0ffee")).await;
    assert_eq!(answer, (200, "success".into()));
    push(&url, "hunter2", "d3", &commit("refs/heads/main", "beef")).await;
    let workflows = world.until_workflows(2).await;
    assert_eq!(workflows.len(), 2);
    let first = workflows.iter().find(|it| it.name().starts_with("build-c0ffee")).unwrap();
    assert_eq!(
        first.pointer("/spec/arguments/parameters"),
        Some(&json!([{"name": "commit", "value": "c0ffee"}, {"name": "branch", "value": "main"}]))
    );
    assert_eq!(first.label("events.argoproj.io/sensor"), Some("build"));
    assert_eq!(first.label("events.argoproj.io/trigger"), Some("build"));
    assert!(first.label("events.argoproj.io/action-timestamp").is_some());
    world.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_delivery_is_answered_and_no_secret_shows() {
    let mut world = World::new();
    world.start(MemoryBus::new(clock()), |it| it);
    let url = story(&mut world).await;
    let main = commit("refs/heads/main", "1");
    let (status, text) = push(&url, "wrong", "d1", &main).await;
    assert_eq!((status, text.as_str()), (400, "payload signature check failed"));
    let unsigned = client().post(&url).header("Content-Type", "application/json").body("{}").send().await.unwrap();
    assert_eq!((unsigned.status().as_u16(), unsigned.text().await.unwrap()), (400, "missing signature".into()));
    let large = json!({"ref": "x".repeat(5000)});
    assert_eq!(push(&url, "hunter2", "d2", &large).await.0, 413);
    assert_eq!(push(&url, "hunter2", "d3", &json!([1])).await.0, 400);
    let health = client().get(world.url(12000, "/health")).send().await.unwrap();
    assert_eq!((health.status().as_u16(), health.text().await.unwrap()), (200, "OK".into()));
    assert_eq!(client().post(world.url(12000, "/nope")).send().await.unwrap().status().as_u16(), 404);
    assert!(world.workflows().await.is_empty());
    let all: Vec<String> =
        world.cluster.dump().iter().filter(|it| it["kind"] != "Secret").map(ToString::to_string).collect();
    assert!(!all.join("").contains("hunter2"));
    world.stop().await;
}

#[tokio::test]
async fn a_killed_controller_goes_on_and_makes_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    let mut world = World::new();
    let bus = FileBus::open(&path, clock()).unwrap();
    // A first life in which the trigger can not do its work: there is a Workflow of that name.
    let failing = ScriptedTrigger::default();
    world.start(bus.clone(), |it| it.trigger(failing.clone()));
    let url = story(&mut world).await;
    world.stop().await;
    bus.closed().await;

    let bus = FileBus::open(&path, clock()).unwrap();
    world.start(bus.clone(), |it| it);
    world.until_ready("EventSource", "github").await;
    // The server is back at another free port.
    let _ = url;
    let mut url = String::new();
    tokio::time::timeout(crate::support::PATIENCE, async {
        while url.is_empty() {
            tokio::task::yield_now().await;
            if world.server.addresses().contains_key(&12000) {
                url = world.url(12000, "/push");
            }
        }
    })
    .await
    .unwrap();
    push(&url, "hunter2", "d1", &commit("refs/heads/main", "c0ffee")).await;
    world.until_workflows(1).await;
    world.stop().await;
    assert_eq!(bus.waiting(), 0);
    bus.closed().await;

    // What a crash between the Workflow and the acknowledgement leaves behind: the same journal
    // without its last line.
    let journal = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = journal.lines().collect();
    let last_commit = lines.iter().rposition(|it| it.starts_with("{\"commit\"")).unwrap();
    std::fs::write(&path, lines[..last_commit].join("\n") + "\n").unwrap();
    let bus = FileBus::open(&path, clock()).unwrap();
    assert_eq!(bus.waiting(), 1, "the event is back");
    world.start(bus.clone(), |it| it);
    let drained = async {
        while bus.waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, drained).await.unwrap();
    assert_eq!(world.workflows().await.len(), 1, "the second delivery found the workflow of the first");
    world.stop().await;
}

/// Whatever write was the last, and whether or not its answer arrived: the next controller ends in
/// the same state, with one Workflow. The bus outlives the controllers, as a journal does.
#[tokio::test]
async fn killed_at_any_write_the_path_ends_the_same() {
    let sensor = SENSOR.replace("steps: 3, duration: 10ms", "steps: 1000, duration: 5ms, jitter: 0");
    let main = commit("refs/heads/main", "c0ffee");
    for writes in 0..16 {
        let bus = MemoryBus::new(clock());
        let mut options = argo_embedded::ClientOptions::named("first").cut_after_writes(writes);
        if writes % 2 == 1 {
            options = options.lose_last_answer();
        }
        let mut world = World::new();
        let (client, session) = world.cluster.client_with(options);
        world.context = argo_core::runtime::Context::builder(client).build();
        for manifest in [BUS, GITHUB, &sensor] {
            world.apply(manifest);
        }
        world.start(bus.clone(), |it| it);
        let mut sent = false;
        let life = async {
            while !session.is_cut() && world.cluster.dump().iter().all(|it| it["kind"] != "Workflow") {
                if !sent && listening(&world, &bus).await {
                    sent = push(&world.url(12000, "/push"), "hunter2", "d1", &main).await.0 == 200;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(crate::support::PATIENCE, life).await.unwrap();
        world.stop().await;
        world.context = argo_core::runtime::Context::builder(world.cluster.client()).build();
        world.start(bus.clone(), |it| it);
        for (kind, name) in [("EventBus", "default"), ("EventSource", "github"), ("Sensor", "build")] {
            world.until_ready(kind, name).await;
        }
        let settled = async {
            while !listening(&world, &bus).await {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            push(&world.url(12000, "/push"), "hunter2", "d1", &main).await;
            while bus.waiting() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(crate::support::PATIENCE, settled).await.unwrap();
        world.until_workflows(1).await;
        assert_eq!(world.workflows().await.len(), 1, "after {writes} writes");
        for (kind, name, finalizer) in [
            ("EventBus", "default", "eventbus-controller"),
            ("EventSource", "github", "eventsource-controller"),
            ("Sensor", "build", "sensor-controller"),
        ] {
            let object = world.until_ready(kind, name).await;
            assert_eq!(object.finalizers().collect::<Vec<_>>(), [finalizer]);
        }
        world.stop().await;
    }
}

async fn listening(world: &World, bus: &MemoryBus) -> bool {
    let channel = argo_events::bus::Channel::new("ci", "default");
    let groups = argo_events::bus::EventBus::groups(bus, &channel, "build").await.unwrap();
    !groups.is_empty() && world.server.addresses().contains_key(&12000)
}

#[tokio::test]
async fn a_port_in_use_is_a_condition_and_the_others_go_on() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let free = "127.0.0.1:0".parse().unwrap();
    let mut world = World::new();
    let map = [(13000, taken.local_addr().unwrap()), (13001, free)].into();
    world.server = argo_events::sources::server::WebhookServer::new(argo_events::sources::server::Listen::Map(map));
    world.start(MemoryBus::new(clock()), |it| it);
    world.apply(BUS);
    let source = |name: &str, port: u16| {
        world.apply(&format!(
            "{{apiVersion: argoproj.io/v1alpha1, kind: EventSource, metadata: {{name: {name}, namespace: ci}}, spec: \
             {{webhook: {{hook: {{endpoint: /hook, method: POST, port: \"{port}\"}}}}}}}}"
        ));
    };
    source("blocked", 13000);
    source("free", 13001);
    source("second", 13001);
    let blocked = world.until("EventSource", "blocked", |it| condition(it, "Deployed").0 == "False").await;
    let (_, reason, message) = condition(&blocked, "Deployed");
    assert_eq!(reason, "ListenFailed", "{message}");
    assert!(
        message.starts_with(&format!("hook: can not listen on 127.0.0.1:{port} (the port is in use)")),
        "{message}"
    );
    assert_eq!(condition(&blocked, "SourcesProvided").0, "True");
    // One of the two that want the same endpoint has it, the other says who.
    let deployed = |it: &argo_core::Object| ["True", "False"].contains(&condition(it, "Deployed").0.as_str());
    let states = [
        condition(&world.until("EventSource", "free", deployed).await, "Deployed"),
        condition(&world.until("EventSource", "second", deployed).await, "Deployed"),
    ];
    assert_eq!(states.iter().filter(|it| it.0 == "True").count(), 1, "{states:?}");
    let refused = states.iter().find(|it| it.0 == "False").unwrap();
    assert!(refused.2.contains("endpoint /hook on port 13001 is served for ci/"), "{refused:?}");
    drop(taken);
    world.until_ready("EventSource", "blocked").await;
    world.stop().await;
}

#[tokio::test]
async fn objects_that_can_not_work_say_so_and_harm_nobody() {
    let mut world = World::new();
    let source = ScriptedSource::default();
    let trigger = ScriptedTrigger::default();
    let (s, t) = (source.clone(), trigger.clone());
    world.start(MemoryBus::new(clock()), |it| it.source(s).trigger(t));
    world.apply(
        r#"
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: typed, namespace: ci}
spec: {eventBusName: 7}
---
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: unknown, namespace: ci}
spec: {kafka: {orders: {url: k, topic: t}}}
---
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: script, namespace: ci}
spec: {scripted: {event: {}}}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: broken, namespace: ci}
spec:
  dependencies: [{name: d, eventSourceName: script, eventName: event}]
  triggers:
  - template: {name: bad, conditions: "d && nobody", scripted: {}}
  - template: {name: good, scripted: {}}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: resubmits, namespace: ci}
spec:
  dependencies: [{name: d, eventSourceName: script, eventName: event}]
  triggers:
  - template: {name: t, argoWorkflow: {operation: resubmit, source: {resource: {kind: Workflow}}}}
---
apiVersion: argoproj.io/v1alpha1
kind: EventBus
metadata: {name: far, namespace: ci}
spec: {kafka: {url: "kafka:9092"}}
---
apiVersion: argoproj.io/v1alpha1
kind: EventBus
metadata: {name: none, namespace: ci}
spec: {}
"#,
    );
    // Without a bus nothing runs, and says why.
    let waiting = world.until("EventSource", "script", |it| condition(it, "Deployed").0 == "False").await;
    assert_eq!(condition(&waiting, "Deployed").1, "EventBusNotFound");
    world.apply(BUS);
    world.until_ready("EventSource", "script").await;
    let typed = world.until("EventSource", "typed", |it| condition(it, "SourcesProvided").0 == "False").await;
    assert!(condition(&typed, "SourcesProvided").2.contains("does not decode"), "{:?}", conditions(&typed));
    let unknown = world.until("EventSource", "unknown", |it| condition(it, "SourcesProvided").0 == "False").await;
    let (_, reason, message) = condition(&unknown, "SourcesProvided");
    assert_eq!(reason, "InvalidEventSource");
    assert!(
        message.starts_with("Invalid spec: unknown - orders: event source type \"kafka\" is not built in"),
        "{message}"
    );
    let resubmits = world.until("Sensor", "resubmits", |it| condition(it, "TriggersProvided").0 == "False").await;
    assert_eq!(
        condition(&resubmits, "TriggersProvided").2,
        "template t is invalid, operation resubmit is not supported yet (there are submit, submit-from, suspend, terminate, stop)"
    );
    let broken = world.until("Sensor", "broken", |it| condition(it, "Deployed").0 == "False").await;
    assert!(condition(&broken, "Deployed").2.contains("bad: conditions \"d && nobody\" name \"nobody\""));
    let far = world.until("EventBus", "far", |it| condition(it, "Deployed").0 == "False").await;
    assert_eq!(condition(&far, "Configured").0, "True");
    let none = world.until("EventBus", "none", |it| condition(it, "Configured").0 == "False").await;
    assert_eq!(condition(&none, "Configured").1, "InvalidSpec");
    source.push(json!({"n": 1}));
    let done = tokio::time::timeout(crate::support::PATIENCE, trigger.wait(1)).await.unwrap();
    assert_eq!(done[0].0.trigger, "good");
    world.stop().await;
}

#[tokio::test]
async fn a_bus_goes_after_those_who_use_it_and_a_sensor_takes_its_groups_along() {
    let mut world = World::new();
    let bus = MemoryBus::new(clock());
    let trigger = ScriptedTrigger::default();
    let (s, t) = (ScriptedSource::default(), trigger.clone());
    world.start(bus.clone(), |it| it.source(s).trigger(t));
    world.apply(BUS);
    world.apply(
        "{apiVersion: argoproj.io/v1alpha1, kind: Sensor, metadata: {name: s, namespace: ci}, spec: {dependencies: \
         [{name: d, eventSourceName: a, eventName: b}], triggers: [{template: {name: t, scripted: {}}}]}}",
    );
    let sensor = world.until_ready("Sensor", "s").await;
    let eventbus = world.until_ready("EventBus", "default").await;
    assert!(eventbus.has_finalizer("eventbus-controller") && sensor.has_finalizer("sensor-controller"));
    let delete = argo_core::Change::delete(&eventbus);
    world.context.applier().apply(&delete).await.unwrap();
    world.until("EventBus", "default", argo_core::Object::is_deleting).await;
    let channel = argo_events::bus::Channel::new("ci", "default");
    let groups = || argo_events::bus::EventBus::groups(&bus, &channel, "s");
    assert_eq!(groups().await.unwrap().len(), 1);
    world.context.applier().apply(&argo_core::Change::delete(&sensor)).await.unwrap();
    let gone = async {
        while !world.list("EventBus").await.is_empty() || !world.list("Sensor").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, gone).await.unwrap();
    assert!(groups().await.unwrap().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn changes_of_objects_are_events_and_a_k8s_trigger_answers_them() {
    let mut world = World::new();
    world.start(MemoryBus::new(clock()), |it| it);
    world.apply(BUS);
    world.apply(
        r#"
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: objects, namespace: ci}
spec:
  resource:
    maps:
      namespace: ci
      version: v1
      resource: configmaps
      eventTypes: [ADD, UPDATE]
      filter: {prefix: watched-, labels: [{key: tell, operation: "==", value: "yes"}]}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: copy, namespace: ci}
spec:
  dependencies: [{name: d, eventSourceName: objects, eventName: maps}]
  triggers:
  - atLeastOnce: true
    template:
      name: copy
      k8s:
        operation: patch
        source: {resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: seen}, data: {}}}
        parameters:
        - {src: {dependencyName: d, dataKey: body.data.value}, dest: data.value}
        - {src: {dependencyName: d, dataKey: type}, dest: data.what}
"#,
    );
    world.until_ready("EventSource", "objects").await;
    world.until_ready("Sensor", "copy").await;
    let seen = |value: &'static str, what: &'static str| {
        let context = world.context.clone();
        async move {
            let target = argo_core::ObjectRef::new(argo_core::Gvk::new("", "v1", "ConfigMap"), Some("ci"), "seen");
            loop {
                let found = context.get(&target).await.unwrap();
                if found.is_some_and(|it| it.text("/data/value") == value && it.text("/data/what") == what) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    let map = |name: &str, label: &str, value: &str| {
        world.apply(&format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: ci, labels: {{tell: \"{label}\"}}}}, \
             data: {{value: \"{value}\"}}}}"
        ));
    };
    map("other-1", "yes", "wrong");
    map("watched-0", "no", "wrong");
    map("watched-1", "yes", "one");
    tokio::time::timeout(crate::support::PATIENCE, seen("one", "ADD")).await.unwrap();
    map("watched-1", "yes", "two");
    tokio::time::timeout(crate::support::PATIENCE, seen("two", "UPDATE")).await.unwrap();
    world.stop().await;
}
