use std::time::Duration;

use argo_embedded::simulator::{Behaviour, PodRule, PodScript, SimulatedNode, SimulatorConfig};
use argo_embedded::{DeleteParams, Direct};
use serde_json::{Value, json};

use super::{World, condition, pod, world};

fn container(world: &World, name: &str) -> Value {
    world.get("pods", name)["status"]["containerStatuses"][0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_pod_goes_from_pending_to_ready_by_the_script() {
    let slow = Behaviour::running()
        .pulled_after(Duration::from_secs(3))
        .started_after(Duration::from_secs(2))
        .ready_after(Duration::from_secs(10));
    let world = world(SimulatorConfig::scripted(PodScript::new().with(PodRule::any(), slow)));
    world.apply(pod("p", json!({}))).await;
    let phase = |world: &World| world.get("pods", "p")["status"]["phase"].clone();
    assert_eq!(phase(&world), "Pending");
    assert_eq!(container(&world, "p")["state"]["waiting"]["reason"], "ContainerCreating");
    world.wait(5).await;
    assert_eq!(phase(&world), "Running");
    assert_eq!(condition(&world.get("pods", "p"), "Ready")["reason"], "ContainersNotReady");
    world.wait(10).await;
    assert_eq!(condition(&world.get("pods", "p"), "Ready")["status"], "True");
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_backs_off_further_each_time() {
    let world = world(SimulatorConfig::scripted(
        PodScript::new().with(PodRule::any(), Behaviour::exits(Duration::from_secs(1), 3).log("boom")),
    ));
    world.apply(pod("p", json!({}))).await;
    world.wait(2).await;
    let status = container(&world, "p");
    assert_eq!(status["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 3);
    assert_eq!(status["restartCount"], 0);
    // Crashes at 1; starts at 11, crashes at 12; starts at 32, crashes at 33; starts at 73.
    world.wait(10).await;
    assert_eq!(container(&world, "p")["restartCount"], 1);
    world.wait(21).await;
    assert_eq!(container(&world, "p")["restartCount"], 2);
    world.wait(35).await;
    assert_eq!(container(&world, "p")["restartCount"], 2);
    world.wait(10).await;
    assert_eq!(container(&world, "p")["restartCount"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_container_may_crash_only_so_often() {
    let world = world(SimulatorConfig::scripted(
        PodScript::new().with(PodRule::any(), Behaviour::exits(Duration::from_secs(1), 1).only(2)),
    ));
    world.apply(pod("p", json!({}))).await;
    world.wait(120).await;
    let status = container(&world, "p");
    assert_eq!((status["restartCount"].as_i64(), status["ready"].as_bool()), (Some(2), Some(true)));
}

#[tokio::test(start_paused = true)]
async fn a_failing_liveness_probe_restarts_the_container() {
    let world = world(SimulatorConfig::scripted(
        PodScript::new().with(PodRule::any(), Behaviour::running().unhealthy_after(Duration::from_secs(30))),
    ));
    world.apply(pod("p", json!({}))).await;
    world.wait(45).await;
    let status = container(&world, "p");
    assert_eq!(
        (status["restartCount"].as_i64(), status["lastState"]["terminated"]["exitCode"].as_i64()),
        (Some(1), Some(137))
    );
}

#[tokio::test(start_paused = true)]
async fn pods_that_are_not_restarted_end_with_their_exit_code() {
    let world = world(SimulatorConfig::scripted(
        PodScript::new().with(PodRule::image("bad"), Behaviour::exits(Duration::from_secs(1), 7).message("no")),
    ));
    world.apply(pod("good", json!({"restartPolicy": "Never"}))).await;
    world.apply(pod("bad", json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": "bad"}]}))).await;
    world.wait(2).await;
    assert_eq!(world.get("pods", "good")["status"]["phase"], "Succeeded");
    assert_eq!(condition(&world.get("pods", "good"), "Ready")["reason"], "PodCompleted");
    assert_eq!(world.get("pods", "bad")["status"]["phase"], "Failed");
    let ended = container(&world, "bad")["state"]["terminated"].clone();
    assert_eq!(
        (ended["exitCode"].as_i64(), ended["reason"].as_str(), ended["message"].as_str()),
        (Some(7), Some("Error"), Some("no"))
    );
}

#[tokio::test(start_paused = true)]
async fn init_containers_run_one_after_the_other() {
    let script = PodScript::new().with(PodRule::image("init:*"), Behaviour::exits(Duration::from_secs(5), 0));
    let world = world(SimulatorConfig::scripted(script));
    let init = json!([{"name": "one", "image": "init:1"}, {"name": "two", "image": "init:2"}]);
    world.apply(pod("p", json!({"initContainers": init}))).await;
    world.wait(6).await;
    let status = world.get("pods", "p")["status"].clone();
    assert_eq!(status["phase"], "Pending");
    assert_eq!(status["initContainerStatuses"][0]["state"]["terminated"]["reason"], "Completed");
    assert!(status["initContainerStatuses"][1]["state"].get("running").is_some());
    assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["reason"], "PodInitializing");
    world.wait(5).await;
    assert_eq!(world.get("pods", "p")["status"]["phase"], "Running");
}

#[tokio::test(start_paused = true)]
async fn a_failed_init_container_fails_a_pod_that_is_not_restarted() {
    let script = PodScript::new().with(PodRule::image("init"), Behaviour::exits(Duration::from_secs(1), 1));
    let world = world(SimulatorConfig::scripted(script));
    world
        .apply(pod("p", json!({"restartPolicy": "Never", "initContainers": [{"name": "one", "image": "init"}]})))
        .await;
    world.wait(2).await;
    assert_eq!(world.get("pods", "p")["status"]["phase"], "Failed");
}

#[tokio::test(start_paused = true)]
async fn deletion_waits_for_the_containers_but_not_beyond_the_grace_period() {
    let script = PodScript::new()
        .with(PodRule::pod("quick"), Behaviour::running().stops_after(Duration::from_secs(3)))
        .with(PodRule::pod("stubborn"), Behaviour::running().stops_after(Duration::from_secs(1000)));
    let world = world(SimulatorConfig::scripted(script));
    for name in ["quick", "stubborn"] {
        world.apply(pod(name, json!({"terminationGracePeriodSeconds": 20}))).await;
        world.delete("pods", name, "Background").await;
        assert!(world.get("pods", name)["metadata"].get("deletionTimestamp").is_some());
    }
    world.wait(4).await;
    assert_eq!(world.names("pods"), ["stubborn"]);
    world.wait(17).await;
    assert!(world.names("pods").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_forced_deletion_does_not_wait() {
    let world = world(SimulatorConfig::scripted(
        PodScript::new().with(PodRule::any(), Behaviour::running().stops_after(Duration::from_secs(10))),
    ));
    world.apply(pod("p", json!({}))).await;
    let direct: &Direct = &world.direct;
    direct.delete("pods", "default", "p", &DeleteParams { grace: Some(0), ..DeleteParams::default() }).unwrap();
    assert!(world.find("pods", "p").is_none());
}

#[tokio::test(start_paused = true)]
async fn pods_are_put_where_they_may_be() {
    let nodes = [
        SimulatedNode::new("a").label("zone", "one"),
        SimulatedNode {
            taints: vec![json!({"key": "gpu", "value": "yes", "effect": "NoSchedule"})],
            ..SimulatedNode::new("b").label("zone", "two")
        },
    ];
    let world = world(SimulatorConfig::default().nodes(nodes));
    world.apply(pod("one", json!({"nodeSelector": {"zone": "one"}}))).await;
    world.apply(pod("two", json!({"nodeSelector": {"zone": "two"}}))).await;
    let tolerant = json!({"nodeSelector": {"zone": "two"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]});
    world.apply(pod("tolerant", tolerant)).await;
    assert_eq!(world.get("pods", "one")["spec"]["nodeName"], "a");
    assert_eq!(world.get("pods", "tolerant")["spec"]["nodeName"], "b");
    let two = world.get("pods", "two");
    assert_eq!(two["status"]["phase"], "Pending");
    assert_eq!(condition(&two, "PodScheduled")["reason"], "Unschedulable");
    assert_eq!(
        condition(&two, "PodScheduled")["message"],
        "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {gpu: yes}. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_node_takes_no_more_until_there_is_room() {
    let world = world(SimulatorConfig::default().nodes([SimulatedNode::new("a").allocatable("cpu", "1")]));
    let asks = json!({"containers": [{"name": "main", "image": "web:1", "resources": {"requests": {"cpu": "600m"}}}]});
    world.apply(pod("one", asks.clone())).await;
    world.apply(pod("two", asks)).await;
    assert_eq!(
        condition(&world.get("pods", "two"), "PodScheduled")["message"],
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    );
    world.delete("pods", "one", "Background").await;
    assert_eq!(world.get("pods", "two")["status"]["phase"], "Running");
}

#[tokio::test(start_paused = true)]
async fn an_active_deadline_fails_the_pod() {
    let world = world(SimulatorConfig::default());
    world.apply(pod("p", json!({"activeDeadlineSeconds": 30}))).await;
    world.wait(31).await;
    let status = world.get("pods", "p")["status"].clone();
    assert_eq!((status["phase"].as_str(), status["reason"].as_str()), (Some("Failed"), Some("DeadlineExceeded")));
}

#[tokio::test(start_paused = true)]
async fn a_taint_drives_pods_away_once_they_no_longer_tolerate_it() {
    let world = world(SimulatorConfig::default().nodes([SimulatedNode::new("a")]));
    world.apply(pod("leaves", json!({}))).await;
    let patience = json!([{"key": "sick", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}]);
    world.apply(pod("waits", json!({"tolerations": patience}))).await;
    world.apply(pod("stays", json!({"tolerations": [{"operator": "Exists"}]}))).await;
    let taint = json!({"spec": {"taints": [{"key": "sick", "effect": "NoExecute", "timeAdded": super::START}]}});
    world.direct.merge_patch("nodes", "", "a", taint).unwrap();
    world.simulator.settled().await;
    assert_eq!(world.names("pods"), ["stays", "waits"]);
    world.wait(61).await;
    assert_eq!(world.names("pods"), ["stays"]);
}

#[tokio::test(start_paused = true)]
async fn pods_of_a_lost_node_are_made_anew_elsewhere() {
    let world = world(SimulatorConfig::default().nodes([SimulatedNode::new("a"), SimulatedNode::new("b")]));
    world.apply(super::deployment("web", 4, "web:1")).await;
    world.direct.delete("nodes", "", "a", &DeleteParams::default()).unwrap();
    world.simulator.settled().await;
    let pods = world.list("pods", "");
    assert_eq!(pods.len(), 4);
    assert!(pods.iter().all(|pod| pod["spec"]["nodeName"] == "b" && pod["status"]["phase"] == "Running"));
}

#[tokio::test(start_paused = true)]
async fn a_readiness_probe_is_not_made_before_its_delay() {
    let world = world(SimulatorConfig::default());
    let probe = json!({"httpGet": {"path": "/", "port": 80}, "initialDelaySeconds": 20});
    world.apply(pod("p", json!({"containers": [{"name": "main", "image": "web:1", "readinessProbe": probe}]}))).await;
    world.wait(19).await;
    assert_eq!(container(&world, "p")["ready"], false);
    world.wait(2).await;
    assert_eq!(container(&world, "p")["ready"], true);
}
