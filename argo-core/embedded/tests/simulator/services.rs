use std::time::Duration;

use argo_embedded::simulator::{Behaviour, PodRule, PodScript, SimulatorConfig};
use serde_json::{Value, json};

use super::{World, deployment, world};

fn service(selector: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": selector}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    })
}

fn app(replicas: i64) -> Value {
    let mut web = deployment("web", replicas, "web:1");
    web["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([{"name": "http", "containerPort": 8080}]);
    web
}

fn slice(world: &World) -> Value {
    let slices = world.list("endpointslices.discovery.k8s.io", "kubernetes.io/service-name=web");
    assert_eq!(slices.len(), 1);
    (*slices[0]).clone()
}

#[tokio::test(start_paused = true)]
async fn a_service_knows_its_ready_pods() {
    let script = PodScript::new().with(PodRule::any(), Behaviour::running().ready_after(Duration::from_secs(5)));
    let world = world(SimulatorConfig::scripted(script));
    world.apply(service("web")).await;
    world.apply(app(2)).await;
    let ready = |world: &World| {
        slice(world)["endpoints"].as_array().unwrap().iter().filter(|it| it["conditions"]["ready"] == true).count()
    };
    assert_eq!((slice(&world)["endpoints"].as_array().unwrap().len(), ready(&world)), (2, 0));
    world.wait(6).await;
    assert_eq!(ready(&world), 2);
    assert_eq!(slice(&world)["ports"][0]["port"], 8080);
    let endpoints = world.get("endpoints", "web");
    assert_eq!(endpoints["subsets"][0]["addresses"].as_array().unwrap().len(), 2);
    assert_eq!(endpoints["subsets"][0]["addresses"][0]["targetRef"]["kind"], "Pod");
}

#[tokio::test(start_paused = true)]
async fn a_changed_selector_changes_the_endpoints() {
    let world = world(SimulatorConfig::default());
    world.apply(service("web")).await;
    world.apply(app(2)).await;
    world.patch("services", "web", json!({"spec": {"selector": {"app": "other"}}})).await;
    assert!(slice(&world)["endpoints"].as_array().is_none_or(Vec::is_empty));
}

#[tokio::test(start_paused = true)]
async fn endpoints_go_with_their_service() {
    let world = world(SimulatorConfig::default());
    world.apply(service("web")).await;
    world.apply(app(1)).await;
    world.delete("services", "web", "Background").await;
    assert!(world.find("endpoints", "web").is_none());
    assert!(world.list("endpointslices.discovery.k8s.io", "kubernetes.io/service-name=web").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_budget_counts_what_may_go() {
    let world = world(SimulatorConfig::default());
    world.apply(app(4)).await;
    let budget = |spec: Value| json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": "default"}, "spec": spec});
    world.apply(budget(json!({"minAvailable": "75%", "selector": {"matchLabels": {"app": "web"}}}))).await;
    let status = world.get("poddisruptionbudgets.policy", "web")["status"].clone();
    let field = |name: &str| status[name].as_i64();
    assert_eq!(
        (field("disruptionsAllowed"), field("currentHealthy"), field("desiredHealthy"), field("expectedPods")),
        (Some(1), Some(4), Some(3), Some(4))
    );
    world.simulator.script(PodRule::image("web:1"), Behaviour::running().never_ready());
    world.simulator.settled().await;
    assert_eq!(world.get("poddisruptionbudgets.policy", "web")["status"]["disruptionsAllowed"], 0);
}
