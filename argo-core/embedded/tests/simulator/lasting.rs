//! What outlives the process, what is refused, and how much it takes.

use std::time::Duration;

use argo_core::clock::Clock;
use argo_embedded::simulator::{Behaviour, PodRule, PodScript, SimulatorConfig};
use argo_embedded::{Admission, AdmissionRequest, Cluster, ListFilter};
use serde_json::{Value, json};

use super::{START, condition, deployment, pod, world};

#[tokio::test(start_paused = true)]
async fn a_restarted_process_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cluster");
    let clock = Clock::virtual_at(START.parse().unwrap());
    let script = PodScript::new().with(PodRule::pod("crash"), Behaviour::exits(Duration::from_secs(1), 1));
    let open = || {
        let config = SimulatorConfig::scripted(script.clone());
        Cluster::builder().clock(clock.clone()).persist(&path).simulator(config).build().unwrap()
    };
    let first = open();
    let direct = first.direct("test");
    direct.apply(deployment("web", 3, "web:1")).unwrap();
    direct.apply(pod("crash", json!({}))).unwrap();
    first.simulator().unwrap().settled().await;
    clock.sleep(Duration::from_secs(2)).await;
    first.simulator().unwrap().settled().await;
    let before: Vec<_> = direct.list("pods", "default", &ListFilter::default()).unwrap().items;
    assert_eq!(before.len(), 4);
    drop((first, direct));
    // The task of the first process ends at its next turn.
    tokio::task::yield_now().await;

    let second = open();
    second.simulator().unwrap().settled().await;
    let direct = second.direct("test");
    let after: Vec<_> = direct.list("pods", "default", &ListFilter::default()).unwrap().items;
    assert_eq!(after, before, "nothing is done twice");
    clock.sleep(Duration::from_secs(30)).await;
    second.simulator().unwrap().settled().await;
    let crash = direct.get("pods", "default", "crash").unwrap();
    assert!(crash["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap() >= 1);
    assert_eq!(direct.get("deployments.apps", "default", "web").unwrap()["status"]["availableReplicas"], 3);
}

#[derive(Debug)]
struct NoSecondVersion;

impl Admission for NoSecondVersion {
    fn name(&self) -> &str {
        "policy.example.com"
    }

    fn admit(&self, request: &AdmissionRequest<'_>, object: &mut Value) -> Result<(), String> {
        let image = object.pointer("/spec/containers/0/image").and_then(Value::as_str);
        if request.resource == "pods" && image == Some("web:2") { Err("web:2 is not allowed".into()) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn pods_that_are_refused_show_as_a_replica_failure() {
    let clock = Clock::virtual_at(START.parse().unwrap());
    let cluster = Cluster::builder()
        .clock(clock)
        .admission(NoSecondVersion)
        .simulator(SimulatorConfig::default())
        .build()
        .unwrap();
    let (direct, simulator) = (cluster.direct("test"), cluster.simulator().unwrap());
    direct.apply(deployment("web", 2, "web:2")).unwrap();
    simulator.settled().await;
    let web = direct.get("deployments.apps", "default", "web").unwrap();
    let failure = condition(&web, "ReplicaFailure");
    assert_eq!(failure["reason"], "FailedCreate");
    assert!(failure["message"].as_str().unwrap().contains("web:2 is not allowed"), "{failure}");
    direct.apply(deployment("web", 2, "web:1")).unwrap();
    simulator.settled().await;
    let web = direct.get("deployments.apps", "default", "web").unwrap();
    assert_eq!(web["status"]["availableReplicas"], 2);
}

#[tokio::test(start_paused = true)]
async fn logs_are_those_of_the_script() {
    let script = PodScript::new().with(PodRule::any(), Behaviour::running().log("listening on 80").log("ready"));
    let world = world(SimulatorConfig::scripted(script));
    world.apply(pod("p", json!({}))).await;
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::default_namespaced(world.cluster.client());
    assert_eq!(pods.logs("p", &kube::api::LogParams::default()).await.unwrap(), "listening on 80\nready\n");
}

#[tokio::test(start_paused = true)]
async fn a_large_deployment_takes_few_writes() {
    let mut config = SimulatorConfig::default();
    for node in &mut config.nodes {
        *node = node.clone().allocatable("pods", "1000");
    }
    let world = world(config);
    let mark = world.cluster.journal().mark();
    world.apply(deployment("web", 300, "web:1")).await;
    assert_eq!(world.get("deployments.apps", "web")["status"]["availableReplicas"], 300);
    // Per pod: created, bound, running. Beyond that, a handful.
    let writes = world.cluster.journal().writes_since(mark).len();
    assert!(writes <= 3 * 300 + 40, "{writes} writes");
}

#[tokio::test(start_paused = true)]
async fn events_tell_what_happened_when_asked_for() {
    let script = PodScript::new().with(PodRule::image("web:2"), Behaviour::exits(Duration::from_secs(1), 1));
    let world = world(SimulatorConfig::scripted(script).events());
    world.apply(deployment("web", 1, "web:1")).await;
    world.apply(deployment("web", 1, "web:2")).await;
    world.wait(120).await;
    let events = world.list("events", "");
    let of = |reason: &str| {
        events
            .iter()
            .filter(|it| it["reason"] == reason)
            .map(|it| it["message"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // The new pod is ready for a moment before it crashes: enough for the old one to go.
    let scaled: Vec<bool> =
        of("ScalingReplicaSet").iter().map(|it| it.starts_with("Scaled up replica set web-")).collect();
    assert_eq!(scaled.iter().filter(|up| **up).count(), 2);
    assert!(
        of("ScalingReplicaSet")
            .iter()
            .any(|it| it.starts_with("Scaled down replica set web-") && it.ends_with(" from 1 to 0"))
    );
    assert_eq!(of("Scheduled").len(), 2);
    assert_eq!(of("SuccessfulCreate").len(), 2);
    let back_off = events.iter().find(|it| it["reason"] == "BackOff").unwrap();
    assert_eq!(
        (back_off["type"].as_str(), back_off["involvedObject"]["kind"].as_str()),
        (Some("Warning"), Some("Pod"))
    );
    assert!(back_off["count"].as_i64().unwrap() > 1, "the same event counts up");
}

fn told(world: &super::World, about: &str) -> Vec<String> {
    let filter = ListFilter { fields: format!("involvedObject.name={about}"), ..ListFilter::default() };
    let events = world.direct.list("events", "default", &filter).expect("a list").items;
    events
        .iter()
        .map(|event| format!("{} {}", event["reason"].as_str().unwrap(), event["message"].as_str().unwrap()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn probes_ends_and_schedules_are_told_of() {
    let script = PodScript::new().with(
        PodRule::pod("sick"),
        Behaviour::running().ready_after(Duration::from_secs(5)).unhealthy_after(Duration::from_secs(20)),
    );
    let world = world(SimulatorConfig::scripted(script).events());
    let probe = json!({"httpGet": {"path": "/", "port": 80}});
    let container = json!({"name": "main", "image": "web:1", "readinessProbe": probe, "livenessProbe": probe, "lifecycle": {"preStop": {"sleep": {"seconds": 7}}}});
    world.apply(super::pod("sick", json!({"containers": [container]}))).await;
    world.wait(35).await;
    let events = told(&world, "sick");
    for expected in [
        "Unhealthy Readiness probe failed: HTTP probe failed with statuscode: 503",
        "Unhealthy Liveness probe failed: HTTP probe failed with statuscode: 503",
        "Killing Container main failed liveness probe, will be restarted",
    ] {
        assert!(events.iter().any(|event| event == expected), "{expected}: {events:?}");
    }
    world.direct.delete("pods", "default", "sick", &Default::default()).expect("deleted");
    world.wait(6).await;
    assert!(world.find("pods", "sick").is_some(), "its hook sleeps");
    world.wait(2).await;
    assert!(world.find("pods", "sick").is_none());
    assert!(told(&world, "sick").iter().any(|event| event == "Killing Stopping container main"));

    let template = json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "task:1"}]}}}});
    let spec = json!({"schedule": "*/10 * * * *", "jobTemplate": template, "successfulJobsHistoryLimit": 0});
    world
        .apply(json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c", "namespace": "default"}, "spec": spec}))
        .await;
    world.wait(700).await;
    let reasons: Vec<String> =
        told(&world, "c").iter().map(|event| event.split(' ').next().unwrap().to_owned()).collect();
    for expected in ["SuccessfulCreate", "SawCompletedJob", "SuccessfulDelete"] {
        assert!(reasons.iter().any(|reason| reason == expected), "{expected}: {reasons:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_is_added_to_look_at_the_others() {
    let script = PodScript::new()
        .with(PodRule::any().container("debug"), Behaviour::exits(Duration::from_secs(3), 0).log("looked"));
    let world = world(SimulatorConfig::scripted(script));
    world.apply(super::pod("web", json!({}))).await;
    let debug = json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "tools:1", "targetContainerName": "main"}]}});
    world.patch("pods/ephemeralcontainers", "web", debug).await;
    let state =
        |world: &super::World| world.get("pods", "web")["status"]["ephemeralContainerStatuses"][0]["state"].clone();
    assert!(state(&world).get("running").is_some(), "{}", state(&world));
    world.wait(4).await;
    assert_eq!(state(&world)["terminated"]["exitCode"], 0, "it is not restarted");
    assert_eq!(world.get("pods", "web")["status"]["phase"], "Running");
    let gone = json!({"spec": {"ephemeralContainers": []}});
    let refused = world.direct.merge_patch("pods/ephemeralcontainers", "default", "web", gone).expect_err("it stays");
    assert!(
        refused.message.contains("existing ephemeral containers \"debug\" may not be removed"),
        "{}",
        refused.message
    );
}
