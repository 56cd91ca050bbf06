//! Pods' metadata and affinity, workloads of others, plugin steps and durations, on a Kubernetes API
//! in the process.

use std::sync::Arc;

use argo_rollouts::steps::{Scripted, StepAnswer, StepOperation};
use serde_json::{Value, json};

use crate::traffic::{Stage, rollout};

/// Labels and annotations of all pods of an image, without repeats.
fn marks(stage: &Stage, image: &str) -> Vec<(Value, Value)> {
    let mut marks: Vec<_> = stage
        .list("pods")
        .iter()
        .filter(|it| it["spec"]["containers"][0]["image"] == image && it["metadata"]["deletionTimestamp"].is_null())
        .map(|it| (it["metadata"]["labels"]["role"].clone(), it["metadata"]["annotations"]["note"].clone()))
        .collect();
    marks.dedup();
    marks
}

#[tokio::test(start_paused = true)]
async fn pods_carry_the_metadata_of_their_role_without_a_restart() {
    let stage = Stage::begin(&[]);
    stage.apply(&rollout(
        "{canaryMetadata: {labels: {role: canary}, annotations: {note: new}}, stableMetadata: {labels: {role: stable}}, \
         steps: [{setWeight: 50}, {pause: {}}]}",
    ));
    stage.wait(60).await;
    assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
    assert_eq!(marks(&stage, "shop:v1"), [(json!("stable"), json!(null))]);
    stage.image("shop:v2");
    stage.wait(60).await;
    assert_eq!(marks(&stage, "shop:v2"), [(json!("canary"), json!("new"))]);
    assert_eq!(marks(&stage, "shop:v1"), [(json!("stable"), json!(null))]);
    let names = |stage: &Stage| {
        let pods = stage.list("pods");
        let new = pods.iter().filter(|it| it["spec"]["containers"][0]["image"] == "shop:v2");
        new.map(|it| it["metadata"]["name"].to_string()).collect::<Vec<_>>()
    };
    let before = names(&stage);
    let hash = stage.status()["currentPodHash"].clone();
    stage.promote();
    stage.wait(60).await;
    assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
    assert_eq!(marks(&stage, "shop:v2"), [(json!("stable"), json!(null))]);
    assert!(before.iter().all(|it| names(&stage).contains(it)), "nothing was restarted");
    assert_eq!(stage.status()["currentPodHash"], hash);
    let mark = stage.cluster.journal().mark();
    stage.wait(3600).await;
    assert_eq!(stage.cluster.journal().writes_since(mark), []);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn new_pods_stay_away_from_stable_ones_and_templates_stay_the_same() {
    let stage = Stage::begin(&[]);
    stage.apply(&rollout(
        "{antiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: {weight: 20}}, steps: [{setWeight: 50}, {pause: {}}]}",
    ));
    stage.wait(60).await;
    let first = stage.status()["stableRS"].clone();
    stage.image("shop:v2");
    stage.wait(60).await;
    let sets = stage.list("replicasets.apps");
    let new =
        sets.iter().find(|it| it["spec"]["template"]["spec"]["containers"][0]["image"] == "shop:v2").expect("made");
    let rules = &new["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"];
    assert_eq!(rules[0]["weight"], 20);
    let term = &rules[0]["podAffinityTerm"];
    assert_eq!(term["labelSelector"]["matchExpressions"][0]["values"], json!([first]));
    assert_eq!((&term["topologyKey"], &term["namespaces"]), (&json!("kubernetes.io/hostname"), &json!(["default"])));
    stage.promote();
    stage.wait(60).await;
    assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
    // Back and forth: the ReplicaSets are found again, none is made.
    stage.image("shop:v1");
    stage.wait(30).await;
    assert_eq!(stage.list("replicasets.apps").len(), 2);
    stage.end().await;
}

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: old, namespace: default}
spec:
  replicas: 4
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "shop:v1", ports: [{containerPort: 8080}]}]}
"#;

fn by_reference(scale_down: &str) -> String {
    format!(
        r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: shop, namespace: default}}
spec:
  replicas: 4
  workloadRef: {{apiVersion: apps/v1, kind: Deployment, name: old, scaleDown: {scale_down}}}
  strategy: {{canary: {{steps: [{{setWeight: 25}}, {{pause: {{}}}}]}}}}
"#
    )
}

#[tokio::test(start_paused = true)]
async fn a_deployment_lends_its_template_and_goes_as_the_rollout_comes() {
    for (scale_down, left) in [("never", 4), ("onsuccess", 0), ("progressively", 0)] {
        let stage = Stage::begin(&[]);
        stage.apply(DEPLOYMENT);
        stage.wait(30).await;
        stage.apply(&by_reference(scale_down));
        stage.wait(120).await;
        assert_eq!(stage.status()["phase"], "Healthy", "{scale_down}: {:#}", stage.status());
        assert_eq!(stage.get("deployments.apps", "old")["spec"]["replicas"], left, "{scale_down}");
        let ro = stage.get("rollouts.argoproj.io", "shop");
        assert!(ro["spec"].get("template").is_none() && ro["spec"].get("selector").is_none(), "never written back");
        assert_eq!(
            ro["metadata"]["annotations"]["rollout.argoproj.io/workload-generation"],
            ro["status"]["workloadObservedGeneration"]
        );
        // A new image of the Deployment is rolled out by the Rollout.
        let containers = json!([{"name": "shop", "image": "shop:v2", "ports": [{"containerPort": 8080}]}]);
        stage.patch("deployments.apps", "old", json!({"spec": {"template": {"spec": {"containers": containers}}}}));
        stage.wait(60).await;
        assert_eq!(stage.status()["message"], "CanaryPauseStep", "{:#}", stage.status());
        assert_eq!(stage.status()["updatedReplicas"], 1);
        stage.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_is_missing_or_of_another_kind_is_said() {
    for (change, words) in [
        ("name: old", "deployments.apps \\\"old\\\" not found"),
        ("name: old, kind: Job", "workload of type apps/Job is not supported"),
    ] {
        let stage = Stage::begin(&[]);
        let yaml = by_reference("never").replace("kind: Deployment, name: old", change);
        let yaml =
            if change.contains("Job") { yaml } else { yaml.replace("name: old,", "kind: Deployment, name: old,") };
        stage.apply(&yaml);
        stage.wait(30).await;
        let message = stage.status()["message"].to_string();
        assert!(message.contains(words), "{message}");
        if !change.contains("Job") {
            stage.apply(DEPLOYMENT);
            stage.wait(60).await;
            assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
        }
        stage.end().await;
    }
}

fn answer(phase: &str) -> StepAnswer {
    StepAnswer {
        phase: phase.into(),
        message: "because".into(),
        status: Some(json!({"seen": phase})),
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_plugin_is_called_until_it_is_done() {
    let plugin = Arc::new(Scripted::new([answer("Running"), answer("Error"), answer("Successful")]));
    let stage = Stage::with(&[], |it| it.step_plugin("acme/check", plugin.clone()));
    stage.apply(&rollout("{steps: [{plugin: {name: acme/check, config: {a: 1}}}, {setWeight: 50}, {pause: {}}]}"));
    stage.wait(60).await;
    assert_eq!((stage.status()["phase"].clone(), plugin.calls().len()), (json!("Healthy"), 0));
    stage.image("shop:v2");
    stage.wait(10).await;
    let status = stage.status()["canary"]["stepPluginStatuses"][0].clone();
    assert_eq!(
        (&status["phase"], &status["backoff"], &status["executions"]),
        (&json!("Running"), &json!("30s"), &json!(1))
    );
    assert_eq!((&status["operation"], &status["status"]), (&json!("Run"), &json!({"seen": "Running"})));
    stage.wait(30).await;
    let status = stage.status()["canary"]["stepPluginStatuses"][0].clone();
    assert_eq!(
        (&status["phase"], &status["status"]),
        (&json!("Error"), &json!({"seen": "Running"})),
        "an error is not remembered"
    );
    stage.wait(60).await;
    let calls = plugin.calls();
    assert_eq!(
        (calls.len(), &calls[1].status, &calls[1].config),
        (3, &Some(json!({"seen": "Running"})), &json!({"a": 1}))
    );
    assert_eq!(stage.status()["currentStepIndex"], 2, "{:#}", stage.status());
    // Given up: what it did is undone.
    stage.patch("rollouts.argoproj.io/status", "shop", json!({"status": {"abort": true}}));
    stage.wait(10).await;
    let last = plugin.calls().pop().map(|it| it.operation);
    assert_eq!(last, Some(StepOperation::Abort));
    let statuses = stage.status()["canary"]["stepPluginStatuses"].clone();
    assert_eq!((&statuses[1]["operation"], &statuses[1]["phase"]), (&json!("Abort"), &json!("Successful")));
    let mark = stage.cluster.journal().mark();
    stage.wait(3600).await;
    assert_eq!(stage.cluster.journal().writes_since(mark), []);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_step_plugin_that_fails_aborts_the_update() {
    let plugin = Arc::new(Scripted::new([answer("Failed")]));
    let stage = Stage::with(&[], |it| it.step_plugin("acme/check", plugin));
    stage.apply(&rollout("{steps: [{plugin: {name: acme/check}}, {setWeight: 50}]}"));
    stage.wait(60).await;
    stage.image("shop:v2");
    stage.wait(30).await;
    let status = stage.status();
    assert_eq!(
        status["message"],
        "RolloutAborted: Rollout aborted update to revision 2: Step Plugin 1 (acme/check) failed: because"
    );
    stage.patch(
        "rollouts.argoproj.io",
        "shop",
        json!({"spec": {"strategy": {"canary": {"steps": [{"plugin": {"name": "acme/none"}}]}}}}),
    );
    stage.wait(30).await;
    let conditions = stage.status()["conditions"].to_string();
    assert!(conditions.contains("no step plugin is registered under this name"), "{conditions}");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_image_and_a_new_size_at_once_in_a_pause_go_all_the_way() {
    let stage = Stage::begin(&[]);
    stage.apply(&rollout("{steps: [{setWeight: 25}, {pause: {duration: 60}}, {setWeight: 50}]}"));
    stage.wait(60).await;
    stage.image("shop:v2");
    stage.wait(10).await;
    assert_eq!(stage.status()["phase"], "Paused", "{:#}", stage.status());
    let template = json!({"spec": {"containers": [{"name": "shop", "image": "shop:v3"}]}});
    stage.patch("rollouts.argoproj.io", "shop", json!({"spec": {"replicas": 6, "template": template}}));
    stage.wait(10).await;
    assert_eq!(stage.status()["phase"], "Paused", "the pause of the third version: {:#}", stage.status());
    stage.wait(90).await;
    let status = stage.status();
    assert_eq!(status["phase"], "Healthy", "{status:#}");
    assert_eq!((&status["updatedReplicas"], &status["replicas"]), (&json!(6), &json!(6)));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_status_says_how_long_it_took_and_how_it_ended() {
    let stage = Stage::begin(&[]);
    stage.apply(&rollout("{steps: [{setWeight: 50}, {pause: {}}, {pause: {duration: 60}}]}"));
    stage.wait(60).await;
    assert_eq!(stage.status()["duration"]["completionStatus"], "Promoted", "{:#}", stage.status());
    stage.image("shop:v2");
    stage.wait(300).await;
    let duration = stage.status()["duration"].clone();
    assert!(duration["manualPauseStartedAt"].is_string() && duration["finishedAt"].is_null(), "{duration:#}");
    stage.promote();
    stage.wait(120).await;
    let duration = stage.status()["duration"].clone();
    let waited = duration["totalManualPauseDurationSeconds"].as_i64().unwrap_or_default();
    assert!((280..=300).contains(&waited), "{duration:#}");
    assert!(duration["finishedAt"].is_string() && duration["completionStatus"] == "Promoted", "{duration:#}");
    stage.image("shop:v3");
    stage.wait(60).await;
    stage.patch("rollouts.argoproj.io/status", "shop", json!({"status": {"abort": true}}));
    stage.wait(30).await;
    assert_eq!(stage.status()["duration"]["completionStatus"], "Aborted");
    stage.patch("rollouts.argoproj.io/status", "shop", json!({"status": {"abort": false}}));
    stage.wait(60).await;
    assert!(stage.status()["duration"]["finishedAt"].is_null(), "{:#}", stage.status()["duration"]);
    stage.patch("rollouts.argoproj.io/status", "shop", json!({"status": {"promoteFull": true}}));
    stage.wait(60).await;
    assert_eq!(stage.status()["duration"]["completionStatus"], "FastPromoted");
    stage.end().await;
}
