//! Where pods go: preferences, spreading, neighbours, priorities.

use std::time::Duration;

use argo_embedded::simulator::{Behaviour, PodRule, PodScript, SimulatedNode, SimulatorConfig};
use serde_json::{Value, json};

use super::{World, condition, pod, world};

fn zones() -> SimulatorConfig {
    let node = |name: &str, zone: &str| SimulatedNode::new(name).label("zone", zone);
    SimulatorConfig::default().nodes([node("a1", "a"), node("a2", "a"), node("b1", "b")])
}

fn small() -> SimulatorConfig {
    SimulatorConfig::default()
        .nodes([SimulatedNode::new("n").allocatable("cpu", "2"), SimulatedNode::new("m").allocatable("cpu", "2")])
}

fn node(world: &World, pod: &str) -> String {
    world.get("pods", pod)["spec"]["nodeName"].as_str().unwrap_or_default().to_owned()
}

fn asking(cpu: &str, more: Value) -> Value {
    let mut spec = more;
    spec["containers"] = json!([{"name": "main", "image": "web:1", "resources": {"requests": {"cpu": cpu}}}]);
    spec
}

fn app(name: &str) -> Value {
    json!({"matchLabels": {"app": name}})
}

#[tokio::test(start_paused = true)]
async fn preferred_nodes_are_taken_when_they_can_be() {
    let world = world(zones());
    let preference = json!({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]});
    let spec = json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": preference}]}}});
    for name in ["p", "q", "r"] {
        world.apply(pod(name, asking("6", spec.clone()))).await;
    }
    assert_eq!((node(&world, "p"), node(&world, "q")), ("b1".to_owned(), "b1".to_owned()));
    assert_ne!(node(&world, "r"), "b1", "it is full");
}

#[tokio::test(start_paused = true)]
async fn pods_keep_together_and_apart() {
    let world = world(zones());
    world.apply(pod("db", json!({"nodeName": "b1"}))).await;
    let near = |app_name: &str| json!([{"topologyKey": "zone", "labelSelector": app(app_name)}]);
    let with = json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": near("db")}}});
    world.apply(pod("cache", with)).await;
    assert_eq!(node(&world, "cache"), "b1");
    let apart =
        json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": near("db")}}});
    world.apply(pod("batch", apart)).await;
    assert!(node(&world, "batch").starts_with('a'));
    // What is there does not want the newcomer either.
    let lonely = json!({"nodeName": "b1", "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": near("noisy")}}});
    world.apply(pod("quiet", lonely)).await;
    world.apply(pod("noisy", json!({"nodeSelector": {"zone": "b"}}))).await;
    let message = condition(&world.get("pods", "noisy"), "PodScheduled")["message"].clone();
    assert_eq!(
        message,
        "0/3 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules, 2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling."
    );
    // The first of a group that keeps together has nobody to go to.
    let own = json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": near("first")}}});
    world.apply(pod("first", own)).await;
    assert!(!node(&world, "first").is_empty());
    let none = json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": near("nobody")}}});
    world.apply(pod("alone", none)).await;
    assert!(node(&world, "alone").is_empty());
}

#[tokio::test(start_paused = true)]
async fn pods_spread_over_zones() {
    let world = world(zones());
    let spread = |how: &str| json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": how, "labelSelector": {"matchLabels": {"spread": "yes"}}}]});
    for number in 0..4 {
        let mut pod = pod(&format!("p{number}"), spread("DoNotSchedule"));
        pod["metadata"]["labels"]["spread"] = json!("yes");
        world.apply(pod).await;
    }
    let mut there: Vec<String> = (0..4).map(|number| node(&world, &format!("p{number}"))).collect();
    there.sort();
    assert_eq!(there, ["a1", "a2", "b1", "b1"], "two in each zone");
    // A zone that takes no more pods stops the others, unless they only would like to.
    world.direct.merge_patch("nodes", "", "b1", json!({"spec": {"unschedulable": true}})).expect("cordoned");
    let mut strict = pod("strict", spread("DoNotSchedule"));
    strict["metadata"]["labels"]["spread"] = json!("yes");
    world.apply(strict.clone()).await;
    strict["metadata"]["name"] = json!("strict-2");
    world.apply(strict).await;
    assert!(node(&world, "strict").starts_with('a'));
    let waiting = world.get("pods", "strict-2");
    let message = condition(&waiting, "PodScheduled")["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("2 node(s) didn't match pod topology spread constraints"), "{message}");
    let mut lax = pod("lax", spread("ScheduleAnyway"));
    lax["metadata"]["labels"]["spread"] = json!("yes");
    world.apply(lax).await;
    assert!(!node(&world, "lax").is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_more_important_pod_gets_the_room() {
    let config = small();
    let script = PodScript::new().with(PodRule::any(), Behaviour::running().stops_after(Duration::from_secs(5)));
    let world = world(SimulatorConfig { script, ..config });
    for (class, value) in [("high", 1000), ("low", 10)] {
        let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": class}, "value": value});
        world.apply(class).await;
    }
    for (name, class) in [("l1", "low"), ("l2", "low"), ("h1", "high"), ("h2", "high")] {
        world.apply(pod(name, asking("1", json!({"priorityClassName": class})))).await;
    }
    assert_eq!(world.get("pods", "h1")["spec"]["priority"], 1000);
    world.apply(pod("h3", asking("1", json!({"priorityClassName": "high"})))).await;
    let h3 = world.get("pods", "h3");
    assert!(h3["spec"]["nodeName"].is_null() && h3["status"]["nominatedNodeName"].is_string(), "{}", h3["status"]);
    let victims: Vec<_> =
        world.list("pods", "").into_iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_string()).collect();
    assert!(victims.iter().all(|pod| pod["spec"]["priorityClassName"] == "low"), "only less important pods go");
    assert_eq!(condition(&victims[0], "DisruptionTarget")["reason"], "PreemptionByScheduler");
    // Somebody less important does not take the room meanwhile.
    world.apply(pod("l3", asking("1", json!({"priorityClassName": "low"})))).await;
    world.wait(10).await;
    assert!(!node(&world, "h3").is_empty(), "{}", world.get("pods", "h3")["status"]);
    assert!(world.get("pods", "h3")["status"].get("nominatedNodeName").is_none());
    assert!(node(&world, "l3").is_empty());
    let missing = world.direct.create(pod("x", json!({"priorityClassName": "nobody"}))).expect_err("no such class");
    assert_eq!(missing.message, "pods \"x\" is forbidden: no PriorityClass with name nobody was found");
    let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "polite"}, "value": 1000, "preemptionPolicy": "Never"});
    world.apply(class).await;
    world.apply(pod("polite", asking("2", json!({"priorityClassName": "polite"})))).await;
    assert!(
        condition(&world.get("pods", "polite"), "PodScheduled")["message"]
            .as_str()
            .is_some_and(|it| it.ends_with("preemption: not eligible due to preemptionPolicy=Never."))
    );
}
