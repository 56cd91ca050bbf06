use std::time::Duration;

use argo_embedded::simulator::{Behaviour, PodRule, PodScript, SimulatorConfig};
use serde_json::json;

use super::{World, condition, deployment, world};

fn sizes(world: &World) -> Vec<(String, i64)> {
    let mut sets: Vec<(String, i64)> = world
        .list("replicasets.apps", "")
        .iter()
        .map(|set| {
            (
                set["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned(),
                set["spec"]["replicas"].as_i64().unwrap(),
            )
        })
        .collect();
    sets.sort();
    sets
}

#[tokio::test(start_paused = true)]
async fn a_deployment_comes_up_through_a_replica_set() {
    let world = world(SimulatorConfig::default());
    world.apply(deployment("web", 3, "web:1")).await;
    let web = world.get("deployments.apps", "web");
    assert_eq!(web["status"]["availableReplicas"], 3, "{}", web["status"]);
    assert_eq!(web["status"]["observedGeneration"], 1);
    assert_eq!(web["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    assert_eq!(condition(&web, "Available")["status"], "True");
    assert_eq!(condition(&web, "Progressing")["reason"], "NewReplicaSetAvailable");
    let sets = world.list("replicasets.apps", "");
    let hash = sets[0]["metadata"]["labels"]["pod-template-hash"].as_str().unwrap();
    assert_eq!(sets[0]["metadata"]["name"], format!("web-{hash}"));
    assert_eq!(sets[0]["metadata"]["ownerReferences"][0]["name"], "web");
    let pods = world.list("pods", &format!("pod-template-hash={hash}"));
    assert_eq!(pods.len(), 3);
    assert!(pods.iter().all(|pod| condition(pod, "Ready")["status"] == "True" && pod["status"]["podIP"].is_string()));
    assert_eq!(world.elapsed(), 0, "nothing had to be waited for");
}

#[tokio::test(start_paused = true)]
async fn a_rollout_goes_step_by_step_and_keeps_the_old_set() {
    let script = PodScript::new().with(PodRule::any(), Behaviour::running().ready_after(Duration::from_secs(10)));
    let world = world(SimulatorConfig::scripted(script));
    world.apply(deployment("web", 4, "web:1")).await;
    world.wait(10).await;
    world.apply(deployment("web", 4, "web:2")).await;
    // A quarter up, a quarter down.
    assert_eq!(sizes(&world), [("web:1".to_owned(), 3), ("web:2".to_owned(), 2)]);
    let web = world.get("deployments.apps", "web");
    assert_eq!(condition(&web, "Progressing")["reason"], "ReplicaSetUpdated");
    world.wait(60).await;
    assert_eq!(sizes(&world), [("web:1".to_owned(), 0), ("web:2".to_owned(), 4)]);
    let web = world.get("deployments.apps", "web");
    assert_eq!(web["status"]["updatedReplicas"], 4);
    assert_eq!(web["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
    assert_eq!(condition(&web, "Progressing")["reason"], "NewReplicaSetAvailable");
}

#[tokio::test(start_paused = true)]
async fn going_back_takes_the_old_replica_set_with_a_new_revision() {
    let world = world(SimulatorConfig::default());
    for image in ["web:1", "web:2", "web:1"] {
        world.apply(deployment("web", 2, image)).await;
    }
    assert_eq!(sizes(&world), [("web:1".to_owned(), 2), ("web:2".to_owned(), 0)]);
    assert_eq!(
        world.get("deployments.apps", "web")["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "3"
    );
}

#[tokio::test(start_paused = true)]
async fn the_progress_deadline_passes_in_no_time() {
    let script = PodScript::new().with(PodRule::image("web:broken"), Behaviour::running().never_ready());
    let world = world(SimulatorConfig::scripted(script));
    world.apply(deployment("web", 3, "web:1")).await;
    world.apply(deployment("web", 3, "web:broken")).await;
    world.wait(590).await;
    assert_eq!(condition(&world.get("deployments.apps", "web"), "Progressing")["status"], "True");
    world.wait(20).await;
    let web = world.get("deployments.apps", "web");
    assert_eq!(condition(&web, "Progressing")["reason"], "ProgressDeadlineExceeded");
    assert_eq!(condition(&web, "Progressing")["status"], "False");
    // Three quarters of three, rounded up, still serve.
    assert_eq!(web["status"]["availableReplicas"], 3);
    assert_eq!(condition(&web, "Available")["status"], "True");
}

#[tokio::test(start_paused = true)]
async fn a_broken_image_heals_with_the_script() {
    let script = PodScript::new().with(PodRule::image("web:1"), Behaviour::image_error("manifest unknown"));
    let world = world(SimulatorConfig::scripted(script));
    world.apply(deployment("web", 1, "web:1")).await;
    let waiting = |world: &World| {
        world.list("pods", "")[0]["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].clone()
    };
    assert_eq!(waiting(&world), "ErrImagePull");
    world.wait(15).await;
    assert_eq!(waiting(&world), "ImagePullBackOff");
    world.simulator.unscript(&PodRule::image("web:1"));
    world.simulator.settled().await;
    assert_eq!(world.get("deployments.apps", "web")["status"]["availableReplicas"], 1);
}

#[tokio::test(start_paused = true)]
async fn min_ready_seconds_hold_availability_back() {
    let world = world(SimulatorConfig::default());
    let mut web = deployment("web", 2, "web:1");
    web["spec"]["minReadySeconds"] = json!(30);
    world.apply(web).await;
    let status = |world: &World| world.get("deployments.apps", "web")["status"].clone();
    assert_eq!(
        (status(&world)["readyReplicas"].as_i64(), status(&world)["availableReplicas"].as_i64()),
        (Some(2), None)
    );
    world.wait(31).await;
    assert_eq!(status(&world)["availableReplicas"], 2);
}

#[tokio::test(start_paused = true)]
async fn recreate_ends_the_old_pods_first() {
    let script =
        PodScript::new().with(PodRule::image("web:1"), Behaviour::running().stops_after(Duration::from_secs(5)));
    let world = world(SimulatorConfig::scripted(script));
    let recreate = |image: &str| {
        let mut web = deployment("web", 2, image);
        web["spec"]["strategy"] = json!({"type": "Recreate"});
        web
    };
    world.apply(recreate("web:1")).await;
    assert_eq!(world.list("pods", "").len(), 2);
    world.apply(recreate("web:2")).await;
    assert_eq!(sizes(&world), [("web:1".to_owned(), 0)], "the new set waits until the old pods are gone");
    world.wait(6).await;
    assert_eq!(sizes(&world), [("web:1".to_owned(), 0), ("web:2".to_owned(), 2)]);
    assert_eq!(world.get("deployments.apps", "web")["status"]["availableReplicas"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_paused_deployment_only_scales() {
    let world = world(SimulatorConfig::default());
    world.apply(deployment("web", 2, "web:1")).await;
    let mut paused = deployment("web", 4, "web:2");
    paused["spec"]["paused"] = json!(true);
    world.apply(paused).await;
    assert_eq!(sizes(&world), [("web:1".to_owned(), 4)]);
    assert_eq!(condition(&world.get("deployments.apps", "web"), "Progressing")["reason"], "DeploymentPaused");
    world.patch("deployments.apps", "web", json!({"spec": {"paused": false}})).await;
    assert_eq!(sizes(&world), [("web:1".to_owned(), 0), ("web:2".to_owned(), 4)]);
}

#[tokio::test(start_paused = true)]
async fn scaling_amid_a_rollout_is_proportional() {
    let script = PodScript::new().with(PodRule::image("web:2"), Behaviour::running().never_ready());
    let world = world(SimulatorConfig::scripted(script));
    world.apply(deployment("web", 10, "web:1")).await;
    world.apply(deployment("web", 10, "web:2")).await;
    assert_eq!(sizes(&world), [("web:1".to_owned(), 8), ("web:2".to_owned(), 5)]);
    world.apply(deployment("web", 20, "web:2")).await;
    let total: i64 = sizes(&world).iter().map(|(_, size)| size).sum();
    assert_eq!(total, 25, "{:?}", sizes(&world));
    assert_eq!(sizes(&world), [("web:1".to_owned(), 15), ("web:2".to_owned(), 10)]);
}

#[tokio::test(start_paused = true)]
async fn old_replica_sets_beyond_the_limit_go() {
    let world = world(SimulatorConfig::default());
    for number in 1..=5 {
        let mut web = deployment("web", 1, &format!("web:{number}"));
        web["spec"]["revisionHistoryLimit"] = json!(2);
        world.apply(web).await;
    }
    let images: Vec<String> = sizes(&world).into_iter().map(|(image, _)| image).collect();
    assert_eq!(images, ["web:3", "web:4", "web:5"]);
}

#[tokio::test(start_paused = true)]
async fn a_converged_cluster_is_quiet() {
    let world = world(SimulatorConfig::default());
    world.apply(deployment("web", 3, "web:1")).await;
    let mark = world.cluster.journal().mark();
    world.wait(3600).await;
    let writes = world.cluster.journal().writes_since(mark);
    assert!(writes.is_empty(), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn the_same_inputs_give_the_same_cluster() {
    let mut dumps = Vec::new();
    for _ in 0..2 {
        let world = world(SimulatorConfig::default());
        world.apply(deployment("web", 3, "web:1")).await;
        world.wait(5).await;
        world.apply(deployment("web", 3, "web:2")).await;
        world.wait(5).await;
        dumps.push(world.cluster.dump());
    }
    assert_eq!(dumps[0], dumps[1]);
}
