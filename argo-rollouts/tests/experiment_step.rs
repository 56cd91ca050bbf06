//! The `experiment` step of a canary, on a Kubernetes API in the process, in virtual time.

use std::time::Duration;

use argo_core::{
    Clock,
    runtime::{Context, Shutdown},
};
use argo_embedded::{Cluster, ListFilter, simulator::SimulatorConfig};
use argo_rollouts::{Controller, api, metrics::Scripted};
use serde_json::{Value, json};

const MANIFESTS: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop, namespace: default, labels: {team: web}}
spec:
  replicas: 4
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "shop:v1", ports: [{containerPort: 8080}]}]}
  strategy:
    canary:
      steps:
      - experiment:
          duration: 1m
          templates:
          - {name: baseline, specRef: stable, replicas: 1, metadata: {labels: {side: baseline}}}
          - {name: canary, specRef: canary, metadata: {annotations: {side: canary}}}
          analyses:
          - {name: errors, templateName: errors, args: [{name: hash, valueFrom: {podTemplateHashValue: Latest}}]}
      - setWeight: 50
      - pause: {}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: errors, namespace: default}
spec:
  args: [{name: hash}]
  metrics: [{name: errors, successCondition: "result < 0.05", failureCondition: "result > 0.5",
    provider: {plugin: {test/scripted: {hash: "{{args.hash}}"}}}}]
"#;

struct Stage {
    cluster: Cluster,
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<()>,
}

impl Stage {
    async fn begin(errors: f64) -> Self {
        let clock = Clock::virtual_at("2026-01-01T00:00:00Z".parse().expect("time"));
        let cluster = Cluster::builder().clock(clock).simulator(SimulatorConfig::default()).build().expect("in memory");
        cluster.install_crds(&api::crds()).expect("valid");
        let context = Context::builder(cluster.client()).clock(cluster.clock().clone()).build();
        let metrics = Scripted::new().metric("errors", [errors]);
        let controller = Controller::builder(context).metric_provider("test/scripted", metrics).build().expect("valid");
        let shutdown = Shutdown::new();
        let task = tokio::spawn(controller.run(shutdown.clone()));
        cluster.apply_yaml(MANIFESTS).expect("applied");
        let stage = Self { cluster, shutdown, task };
        stage.wait(60).await;
        assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
        assert_eq!(stage.names("experiments.argoproj.io").len(), 0, "the first version runs no experiment");
        stage.cluster.apply_yaml(&MANIFESTS.replace("shop:v1", "shop:v2")).expect("applied");
        stage
    }

    async fn wait(&self, seconds: u64) {
        self.cluster.clock().sleep(Duration::from_secs(seconds)).await;
    }

    fn status(&self) -> Value {
        self.cluster.direct("test").get("rollouts.argoproj.io", "default", "shop").expect("there")["status"].clone()
    }

    fn names(&self, resource: &str) -> Vec<(String, Value)> {
        let list = self.cluster.direct("test").list(resource, "default", &ListFilter::default()).expect("listed");
        let name = |it: &Value| it["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        list.items.iter().map(|it| (name(it), Value::clone(it))).collect()
    }

    fn patch_status(&self, body: Value) {
        let direct = self.cluster.direct("test");
        direct.merge_patch("rollouts.argoproj.io/status", "default", "shop", body).expect("patched");
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.task.await.expect("ends");
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_experiment_lets_the_steps_go_on() {
    let stage = Stage::begin(0.01).await;
    stage.wait(30).await;
    let status = stage.status();
    let hash = status["currentPodHash"].as_str().expect("a hash").to_owned();
    let name = format!("shop-{hash}-2-0");
    assert_eq!(status["canary"]["currentExperiment"], json!(name), "{status:#}");
    let experiments = stage.names("experiments.argoproj.io");
    let (found, ex) = &experiments[0];
    assert_eq!((found, &ex["status"]["phase"]), (&name, &json!("Running")), "{ex:#}");
    assert_eq!(ex["metadata"]["labels"], json!({"team": "web", "rollouts-pod-template-hash": hash}));
    assert_eq!(ex["metadata"]["annotations"], json!({"rollout.argoproj.io/revision": "2"}));
    let templates = &ex["spec"]["templates"];
    assert_eq!(templates[0]["template"]["spec"]["containers"][0]["image"], "shop:v1");
    assert_eq!(templates[0]["selector"]["matchLabels"]["side"], "baseline");
    assert_eq!(templates[1]["template"]["spec"]["containers"][0]["image"], "shop:v2");
    assert_eq!(templates[1]["template"]["metadata"]["annotations"]["side"], "canary");
    assert_eq!(ex["spec"]["analyses"][0]["args"], json!([{"name": "hash", "value": hash}]));
    // Its pods are not the rollout's.
    assert_eq!((&status["replicas"], &status["availableReplicas"]), (&json!(4), &json!(4)), "{status:#}");
    assert_eq!(stage.names("pods").len(), 6);
    stage.wait(120).await;
    let status = stage.status();
    assert_eq!((&status["message"], &status["currentStepIndex"]), (&json!("CanaryPauseStep"), &json!(2)), "{status:#}");
    assert!(status["canary"].get("currentExperiment").is_none(), "{status:#}");
    assert_eq!(stage.names("pods").len(), 4);
    stage.patch_status(json!({"status": {"pauseConditions": null}}));
    stage.wait(60).await;
    assert_eq!(stage.status()["phase"], "Healthy");
    assert_eq!(stage.names("experiments.argoproj.io").len(), 1, "kept as history");
    let mark = stage.cluster.journal().mark();
    stage.wait(3600).await;
    assert_eq!(stage.cluster.journal().writes_since(mark), []);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_experiment_aborts_and_a_retry_runs_another() {
    let stage = Stage::begin(0.9).await;
    stage.wait(90).await;
    let status = stage.status();
    assert_eq!((&status["abort"], &status["phase"]), (&json!(true), &json!("Degraded")), "{status:#}");
    let message = status["message"].as_str().unwrap_or_default();
    let why = "RolloutAborted: Rollout aborted update to revision 2: Experiment analysis phase is error/failed: Metric \"errors\" assessed Failed";
    assert!(message.starts_with(why), "{message}");
    assert_eq!(stage.names("experiments.argoproj.io").len(), 1);
    stage.patch_status(json!({"status": {"abort": false}}));
    stage.wait(90).await;
    let names: Vec<_> = stage.names("experiments.argoproj.io").into_iter().map(|it| it.0).collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&format!("{}-1", names[0])), "{names:?}");
    assert_eq!(stage.status()["abort"], true);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_undecided_experiment_pauses_until_somebody_asks_for_another() {
    let stage = Stage::begin(0.2).await;
    stage.wait(90).await;
    let status = stage.status();
    assert_eq!(
        (&status["phase"], &status["message"]),
        (&json!("Paused"), &json!("InconclusiveExperiment")),
        "{status:#}"
    );
    stage.wait(600).await;
    assert_eq!(stage.names("experiments.argoproj.io").len(), 1);
    stage.patch_status(json!({"status": {"pauseConditions": null}}));
    stage.wait(90).await;
    assert_eq!(stage.names("experiments.argoproj.io").len(), 2);
    assert_eq!(stage.status()["message"], "InconclusiveExperiment");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_abort_and_another_version_end_the_experiment() {
    let stage = Stage::begin(0.01).await;
    stage.wait(30).await;
    stage.patch_status(json!({"status": {"abort": true}}));
    stage.wait(60).await;
    let experiments = stage.names("experiments.argoproj.io");
    assert_eq!(
        (&experiments[0].1["spec"]["terminate"], &experiments[0].1["status"]["phase"]),
        (&json!(true), &json!("Successful"))
    );
    assert!(stage.status()["canary"].get("currentExperiment").is_none());
    stage.cluster.apply_yaml(&MANIFESTS.replace("shop:v1", "shop:v3")).expect("applied");
    stage.wait(30).await;
    let running: Vec<_> =
        stage.names("experiments.argoproj.io").into_iter().filter(|it| it.1["status"]["phase"] == "Running").collect();
    assert_eq!(running.len(), 1);
    assert_eq!(stage.status()["canary"]["currentExperiment"], json!(running[0].0));
    stage.end().await;
}
