use std::time::Duration;

use argo_embedded::simulator::{Behaviour, PodRule, PodScript, SimulatedNode, SimulatorConfig};
use serde_json::{Value, json};

use super::{World, condition, world};

fn stateful(replicas: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "default"},
        "spec": {
            "replicas": replicas, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "main", "image": image}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}],
        },
    })
}

fn daemon(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "main", "image": image}]}},
        },
    })
}

fn images(world: &World) -> Vec<String> {
    world
        .list("pods", "")
        .iter()
        .map(|pod| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned())
        .collect()
}

fn slow() -> SimulatorConfig {
    SimulatorConfig::scripted(
        PodScript::new().with(PodRule::any(), Behaviour::running().ready_after(Duration::from_secs(10))),
    )
}

#[tokio::test(start_paused = true)]
async fn stateful_pods_come_one_after_the_other_with_their_claims() {
    let world = world(slow());
    world.apply(stateful(3, "db:1")).await;
    assert_eq!(world.names("pods"), ["db-0"]);
    world.wait(11).await;
    assert_eq!(world.names("pods"), ["db-0", "db-1"]);
    world.wait(30).await;
    assert_eq!(world.names("pods"), ["db-0", "db-1", "db-2"]);
    assert_eq!(world.names("persistentvolumeclaims"), ["data-db-0", "data-db-1", "data-db-2"]);
    let set = world.get("statefulsets.apps", "db");
    assert_eq!(
        (set["status"]["readyReplicas"].as_i64(), set["status"]["currentReplicas"].as_i64()),
        (Some(3), Some(3))
    );
    assert_eq!(world.get("pods", "db-1")["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"], "db-1");
    assert_eq!(world.get("persistentvolumeclaims", "data-db-0")["status"]["phase"], "Bound");
}

#[tokio::test(start_paused = true)]
async fn stateful_updates_go_from_the_last_to_the_first() {
    let world = world(slow());
    world.apply(stateful(3, "db:1")).await;
    world.wait(60).await;
    world.apply(stateful(3, "db:2")).await;
    world.wait(2).await;
    assert_eq!(images(&world), ["db:1", "db:1", "db:2"]);
    let set = world.get("statefulsets.apps", "db");
    assert_ne!(set["status"]["currentRevision"], set["status"]["updateRevision"]);
    world.wait(60).await;
    assert_eq!(images(&world), ["db:2", "db:2", "db:2"]);
    let set = world.get("statefulsets.apps", "db");
    assert_eq!(set["status"]["currentRevision"], set["status"]["updateRevision"]);
    assert_eq!(world.names("controllerrevisions.apps").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_partition_holds_the_first_pods_back() {
    let world = world(SimulatorConfig::default());
    world.apply(stateful(3, "db:1")).await;
    let mut next = stateful(3, "db:2");
    next["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    world.apply(next.clone()).await;
    world.wait(60).await;
    assert_eq!(images(&world), ["db:1", "db:1", "db:2"]);
    // Above every ordinal it holds them all, and what is lost comes back as it was.
    next["spec"]["template"]["spec"]["containers"][0]["image"] = json!("db:3");
    next["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = json!(i32::MAX);
    world.apply(next).await;
    world.wait(60).await;
    assert_eq!(images(&world), ["db:1", "db:1", "db:2"]);
}

#[tokio::test(start_paused = true)]
async fn stateful_pods_go_from_the_last_and_keep_their_claims() {
    let world = world(SimulatorConfig::default());
    world.apply(stateful(3, "db:1")).await;
    world.apply(stateful(1, "db:1")).await;
    world.wait(5).await;
    assert_eq!(world.names("pods"), ["db-0"]);
    assert_eq!(world.names("persistentvolumeclaims").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn parallel_stateful_pods_come_together() {
    let world = world(slow());
    let mut set = stateful(3, "db:1");
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    world.apply(set).await;
    assert_eq!(world.names("pods").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_runs_on_every_node_that_takes_it() {
    let tainted =
        SimulatedNode { taints: vec![json!({"key": "gpu", "effect": "NoSchedule"})], ..SimulatedNode::new("c") };
    let world = world(SimulatorConfig::default().nodes([SimulatedNode::new("a"), SimulatedNode::new("b"), tainted]));
    world.apply(daemon("agent:1")).await;
    let mut nodes: Vec<String> =
        world.list("pods", "").iter().map(|pod| pod["spec"]["nodeName"].as_str().unwrap().to_owned()).collect();
    nodes.sort();
    assert_eq!(nodes, ["a", "b"]);
    let set = world.get("daemonsets.apps", "agent");
    assert_eq!(
        (set["status"]["desiredNumberScheduled"].as_i64(), set["status"]["numberAvailable"].as_i64()),
        (Some(2), Some(2))
    );
}

#[tokio::test(start_paused = true)]
async fn a_daemon_is_updated_node_by_node() {
    let world = world(slow());
    world.apply(daemon("agent:1")).await;
    world.wait(15).await;
    world.apply(daemon("agent:2")).await;
    world.wait(2).await;
    assert_eq!(images(&world).iter().filter(|image| *image == "agent:2").count(), 1);
    world.wait(60).await;
    assert_eq!(images(&world), ["agent:2", "agent:2", "agent:2"]);
    assert_eq!(world.get("daemonsets.apps", "agent")["status"]["updatedNumberScheduled"], 3);
}

#[tokio::test(start_paused = true)]
async fn claims_go_with_whom_the_policy_says() {
    let world = world(SimulatorConfig::default());
    let mut set = stateful(3, "db:1");
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    set["spec"]["volumeClaimTemplates"] = json!([claim]);
    set["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenDeleted": "Retain", "whenScaled": "Delete"});
    world.apply(set).await;
    assert_eq!(world.names("persistentvolumeclaims"), ["data-db-0", "data-db-1", "data-db-2"]);
    world.patch("statefulsets.apps", "db", json!({"spec": {"replicas": 1}})).await;
    assert_eq!(world.names("persistentvolumeclaims"), ["data-db-0"], "the others went with their pods");
    world
        .patch(
            "statefulsets.apps",
            "db",
            json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}}),
        )
        .await;
    let claim = world.get("persistentvolumeclaims", "data-db-0");
    assert_eq!(claim["metadata"]["ownerReferences"][0]["kind"], "StatefulSet");
    world.delete("statefulsets.apps", "db", "Background").await;
    assert!(world.names("persistentvolumeclaims").is_empty());
}

#[tokio::test(start_paused = true)]
async fn several_stateful_pods_may_be_down_at_a_time() {
    let world =
        world(SimulatorConfig::default().default_behaviour(Behaviour::running().ready_after(Duration::from_secs(5))));
    let mut set = stateful(4, "db:1");
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    set["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}});
    world.apply(set.clone()).await;
    world.wait(10).await;
    set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("db:2");
    world.apply(set).await;
    let ready =
        |world: &super::World| world.get("statefulsets.apps", "db")["status"]["readyReplicas"].as_i64().unwrap_or(0);
    assert_eq!(ready(&world), 2, "two of four are replaced at a time");
    world.wait(6).await;
    assert_eq!(ready(&world), 2, "then the other two");
    world.wait(6).await;
    let status = world.get("statefulsets.apps", "db")["status"].clone();
    assert_eq!((&status["readyReplicas"], &status["updatedReplicas"]), (&json!(4), &json!(4)));
    assert_eq!(status["currentRevision"], status["updateRevision"]);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_is_replaced_beside_the_old_one_with_surge() {
    let world =
        world(SimulatorConfig::default().default_behaviour(Behaviour::running().ready_after(Duration::from_secs(5))));
    let mut set = daemon("agent:1");
    set["spec"]["updateStrategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    world.apply(set.clone()).await;
    world.wait(10).await;
    let generation = |world: &super::World, generation: &str| {
        world.list("pods", &format!("pod-template-generation={generation}")).len()
    };
    assert_eq!(generation(&world, "1"), 3);
    set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("agent:2");
    world.apply(set).await;
    let mut most = 0;
    for _ in 0..40 {
        let pods = world.list("pods", "");
        let ready = pods.iter().filter(|pod| condition(pod, "Ready")["status"] == "True").count();
        assert!(ready >= 3, "every node is served all the time");
        most = most.max(pods.len());
        world.wait(1).await;
    }
    assert_eq!((most, generation(&world, "1"), generation(&world, "2")), (4, 0, 3), "one more than nodes at a time");
    let status = world.get("daemonsets.apps", "agent")["status"].clone();
    assert_eq!((&status["updatedNumberScheduled"], &status["numberAvailable"]), (&json!(3), &json!(3)));
}
