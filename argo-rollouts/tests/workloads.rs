//! StatefulSets and DaemonSets delivered progressively, on a Kubernetes API in the process.

use std::{collections::BTreeMap, sync::Arc};

use argo_embedded::simulator::{Behaviour, PodRule, SimulatedNode, SimulatorConfig};
use serde_json::{Value, json};

use crate::traffic::Stage;

/// A StatefulSet or DaemonSet of the first image.
fn workload(kind: &str) -> String {
    let replicas = if kind == "StatefulSet" { "replicas: 10, serviceName: db, " } else { "" };
    format!(
        r#"
apiVersion: apps/v1
kind: {kind}
metadata: {{name: db, namespace: default}}
spec: {{{replicas}selector: {{matchLabels: {{app: db}}}}, template: {{metadata: {{labels: {{app: db}}}}, spec: {{containers: [{{name: db, image: "db:1"}}]}}}}}}
"#
    )
}

fn rollout(kind: &str, strategy: &str) -> String {
    format!(
        r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: shop, namespace: default}}
spec:
  workloadRef: {{apiVersion: apps/v1, kind: {kind}, name: db}}
  progressDeadlineSeconds: 3600
  strategy: {{canary: {strategy}}}
"#
    )
}

fn resource(kind: &str) -> &'static str {
    if kind == "StatefulSet" { "statefulsets.apps" } else { "daemonsets.apps" }
}

/// Ten nodes.
fn stage() -> Stage {
    let nodes = (0..10).map(|number| SimulatedNode::new(format!("node-{number}")));
    Stage::on(SimulatorConfig::default().nodes(nodes), &[], |it| it)
}

fn image(stage: &Stage, kind: &str, image: &str) {
    let containers = json!([{"name": "db", "image": image}]);
    stage.patch(resource(kind), "db", json!({"spec": {"template": {"spec": {"containers": containers}}}}));
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True")
}

/// Pods that are ready, by image.
fn ready(stage: &Stage) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for pod in stage.list("pods").iter().filter(|it| is_ready(it)) {
        *count.entry(pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    count
}

fn counts(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
    pairs.iter().map(|(image, count)| ((*image).to_owned(), *count)).collect()
}

fn steer(stage: &Stage, body: Value) {
    stage.patch("rollouts.argoproj.io/status", "shop", json!({"status": body}));
}

fn partition(stage: &Stage) -> i64 {
    stage.get("statefulsets.apps", "db")["spec"]["updateStrategy"]["rollingUpdate"]["partition"].as_i64().expect("set")
}

async fn begin(stage: &Stage, kind: &str, strategy: &str) {
    stage.apply(&workload(kind));
    stage.wait(60).await;
    stage.apply(&rollout(kind, strategy));
    stage.wait(60).await;
    assert_eq!(stage.status()["phase"], "Healthy", "{kind}: {:#}", stage.status());
    assert_eq!(ready(stage), counts(&[("db:1", 10)]), "{kind}: nothing was restarted");
}

const STEPS: &str = "{steps: [{setWeight: 20}, {pause: {}}, {setWeight: 50}, {pause: {}}]}";

#[tokio::test(start_paused = true)]
async fn an_update_goes_pod_by_pod_as_the_steps_say_and_comes_to_rest() {
    for kind in ["StatefulSet", "DaemonSet"] {
        let stage = stage();
        begin(&stage, kind, STEPS).await;
        let before = stage.get("rollouts.argoproj.io", "shop");
        assert!(before["spec"].get("replicas").is_none() && before["spec"].get("template").is_none(), "{before:#}");
        image(&stage, kind, "db:2");
        stage.wait(120).await;
        let status = stage.status();
        assert_eq!((&status["phase"], &status["message"]), (&json!("Paused"), &json!("CanaryPauseStep")), "{status:#}");
        assert_eq!(ready(&stage), counts(&[("db:1", 8), ("db:2", 2)]), "{kind}");
        assert_eq!((&status["replicas"], &status["updatedReplicas"]), (&json!(10), &json!(2)));
        if kind == "StatefulSet" {
            let new = |it: &&Arc<Value>| it["spec"]["containers"][0]["image"] == "db:2";
            let pods = stage.list("pods");
            let names: Vec<&str> = pods.iter().filter(new).filter_map(|it| it["metadata"]["name"].as_str()).collect();
            assert_eq!(names, ["db-8", "db-9"]);
            assert_eq!(partition(&stage), i64::from(i32::MAX), "the gate is shut while it is paused");
        }
        stage.promote();
        stage.wait(120).await;
        assert_eq!(ready(&stage), counts(&[("db:1", 5), ("db:2", 5)]), "{kind}");
        stage.promote();
        stage.wait(240).await;
        let status = stage.status();
        assert_eq!(status["phase"], "Healthy", "{kind}: {status:#}");
        assert_eq!(ready(&stage), counts(&[("db:2", 10)]), "{kind}");
        assert_eq!(status["stableRS"], status["currentPodHash"]);
        assert_eq!(
            stage.get("rollouts.argoproj.io", "shop")["metadata"]["annotations"]["rollout.argoproj.io/revision"],
            "2"
        );
        let mark = stage.cluster.journal().mark();
        stage.wait(3600).await;
        assert_eq!(stage.cluster.journal().writes_since(mark), [], "{kind}");
        stage.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_brings_everybody_back_also_from_pods_that_never_come_up_and_a_retry_goes_on() {
    for kind in ["StatefulSet", "DaemonSet"] {
        let stage = stage();
        begin(&stage, kind, STEPS).await;
        let simulator = stage.cluster.simulator().expect("simulated");
        simulator.script(PodRule::image("db:2"), Behaviour::running().never_ready());
        image(&stage, kind, "db:2");
        stage.wait(120).await;
        assert_eq!(stage.status()["phase"], "Progressing", "{kind}: {:#}", stage.status());
        assert!(ready(&stage)["db:1"] >= 7, "{kind}: {:?}", ready(&stage));
        steer(&stage, json!({"abort": true}));
        stage.wait(120).await;
        let status = stage.status();
        assert_eq!((&status["phase"], &status["abort"]), (&json!("Degraded"), &json!(true)), "{kind}: {status:#}");
        assert_eq!(ready(&stage), counts(&[("db:1", 10)]), "{kind}");
        assert_ne!(status["stableRS"], status["currentPodHash"], "what was given up is told");
        let mark = stage.cluster.journal().mark();
        stage.wait(600).await;
        assert_eq!(stage.cluster.journal().writes_since(mark), [], "{kind}");
        simulator.script(PodRule::image("db:2"), Behaviour::running());
        steer(&stage, json!({"abort": false}));
        stage.wait(120).await;
        assert_eq!(ready(&stage), counts(&[("db:1", 8), ("db:2", 2)]), "{kind}: {:#}", stage.status());
        // The old template again: steps are skipped.
        image(&stage, kind, "db:1");
        stage.wait(240).await;
        assert_eq!(stage.status()["phase"], "Healthy", "{kind}: {:#}", stage.status());
        assert_eq!(ready(&stage), counts(&[("db:1", 10)]), "{kind}");
        stage.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_template_in_the_middle_begins_anew_and_gets_no_more_than_its_own_steps_give() {
    for kind in ["StatefulSet", "DaemonSet"] {
        let stage = stage();
        begin(&stage, kind, "{steps: [{setWeight: 10}, {pause: {}}, {setWeight: 50}, {pause: {}}]}").await;
        image(&stage, kind, "db:2");
        stage.wait(120).await;
        stage.promote();
        stage.wait(120).await;
        assert_eq!(ready(&stage), counts(&[("db:1", 5), ("db:2", 5)]), "{kind}");
        image(&stage, kind, "db:3");
        let mut most = 0;
        for _ in 0..240 {
            stage.wait(1).await;
            let third = stage.list("pods").iter().filter(|it| it["spec"]["containers"][0]["image"] == "db:3").count();
            most = most.max(third);
            let up: usize = ready(&stage).values().sum();
            assert!(up >= 7, "{kind}: {:?}", ready(&stage));
        }
        assert_eq!(most, 1, "{kind}: no more than the step gives");
        assert_eq!(ready(&stage), counts(&[("db:1", 9), ("db:3", 1)]), "{kind}: {:#}", stage.status());
        stage.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_that_grows_or_loses_pods_in_the_middle_gets_stable_ones() {
    let stage = stage();
    begin(&stage, "StatefulSet", STEPS).await;
    image(&stage, "StatefulSet", "db:2");
    stage.wait(120).await;
    assert_eq!(ready(&stage), counts(&[("db:1", 8), ("db:2", 2)]));
    // A client scales the Rollout, as an autoscaler does: the share stays.
    stage.patch("rollouts.argoproj.io", "shop", json!({"spec": {"replicas": 20}}));
    stage.wait(300).await;
    assert_eq!(ready(&stage), counts(&[("db:1", 16), ("db:2", 4)]), "{:#}", stage.status());
    stage.cluster.direct("test").delete("pods", "default", "db-3", &Default::default()).expect("deleted");
    stage.wait(60).await;
    assert_eq!(ready(&stage), counts(&[("db:1", 16), ("db:2", 4)]));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn all_of_the_weight_can_be_taken_back_while_steps_are_left() {
    for (kind, old) in [("StatefulSet", 1), ("DaemonSet", 0)] {
        let stage = stage();
        begin(&stage, kind, "{steps: [{setWeight: 100}, {pause: {}}]}").await;
        image(&stage, kind, "db:2");
        stage.wait(240).await;
        let all = if old == 0 { counts(&[("db:2", 10)]) } else { counts(&[("db:1", 1), ("db:2", 9)]) };
        assert_eq!((&stage.status()["phase"], ready(&stage)), (&json!("Paused"), all), "{kind}: {:#}", stage.status());
        steer(&stage, json!({"abort": true}));
        stage.wait(240).await;
        assert_eq!((&stage.status()["phase"], ready(&stage)), (&json!("Degraded"), counts(&[("db:1", 10)])), "{kind}");
        steer(&stage, json!({"abort": false}));
        stage.wait(240).await;
        stage.promote();
        stage.wait(240).await;
        assert_eq!((&stage.status()["phase"], ready(&stage)), (&json!("Healthy"), counts(&[("db:2", 10)])), "{kind}");
        stage.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_done_in_place_is_refused() {
    for (kind, strategy, word) in [
        ("StatefulSet", "{canaryService: one, stableService: two, trafficRouting: {smi: {}}}", "trafficRouting"),
        ("DaemonSet", "{canaryMetadata: {labels: {a: b}}}", "canaryMetadata"),
    ] {
        let stage = stage();
        stage.apply(&workload(kind));
        stage.apply(&rollout(kind, strategy));
        stage.wait(30).await;
        let message = stage.status()["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.starts_with("InvalidSpec") && message.contains(word) && message.contains(kind), "{message}");
        stage.end().await;
    }
}
