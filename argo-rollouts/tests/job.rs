//! Measurements by Jobs, on a Kubernetes API in the process, in virtual time.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Clock,
    runtime::{Context, Shutdown},
};
use argo_embedded::{
    Cluster, ListFilter,
    simulator::{Behaviour, PodRule, SimulatorConfig},
};
use argo_rollouts::{Controller, api};
use serde_json::{Value, json};

struct Stage {
    cluster: Cluster,
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<()>,
}

impl Stage {
    fn begin() -> Self {
        let clock = Clock::virtual_at("2026-01-01T00:00:00Z".parse().expect("time"));
        let cluster = Cluster::builder().clock(clock).simulator(SimulatorConfig::default()).build().expect("in memory");
        cluster.install_crds(&api::crds()).expect("valid");
        let simulator = cluster.simulator().expect("one");
        simulator.script(PodRule::image("good"), Behaviour::exits(Duration::from_secs(5), 0));
        simulator.script(PodRule::image("bad"), Behaviour::exits(Duration::from_secs(5), 1));
        simulator.script(PodRule::image("slow"), Behaviour::exits(Duration::from_secs(3000), 0));
        simulator.script(PodRule::image("nowhere"), Behaviour::image_error("not found"));
        let context = Context::builder(cluster.client()).clock(cluster.clock().clone()).build();
        let controller = Controller::builder(context).build().expect("valid");
        let shutdown = Shutdown::new();
        let task = tokio::spawn(controller.run(shutdown.clone()));
        Self { cluster, shutdown, task }
    }

    fn run(&self, name: &str, image: &str, extra: Value) {
        let mut metric = json!({"name": "check", "provider": {"job": {
            "metadata": {"labels": {"team": "web"}, "annotations": {"why": "because"}},
            "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never",
                "containers": [{"name": "c", "image": image}]}}}}}});
        for (key, value) in extra.as_object().expect("an object") {
            metric[key] = value.clone();
        }
        let run = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
            "metadata": {"name": name, "namespace": "default"}, "spec": {"metrics": [metric]}});
        self.cluster.apply_yaml(&run.to_string()).expect("applied");
    }

    async fn wait(&self, seconds: u64) {
        self.cluster.clock().sleep(Duration::from_secs(seconds)).await;
    }

    fn get(&self, name: &str) -> Value {
        Value::clone(&self.cluster.direct("test").get("analysisruns.argoproj.io", "default", name).expect("there"))
    }

    fn jobs(&self) -> Vec<Arc<Value>> {
        self.cluster.direct("test").list("jobs.batch", "default", &ListFilter::default()).expect("listed").items
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.task.await.expect("ends");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_completes_is_good_and_one_that_fails_is_bad() {
    let stage = Stage::begin();
    stage.run("good", "good", json!({}));
    stage.run("bad", "bad", json!({}));
    stage.wait(2).await;
    assert_eq!(stage.get("good")["status"]["phase"], "Running");
    stage.wait(20).await;
    let good = stage.get("good");
    assert_eq!(good["status"]["phase"], "Successful", "{:#}", good["status"]);
    assert_eq!(stage.get("bad")["status"]["phase"], "Failed");
    let uid = good["metadata"]["uid"].as_str().expect("a uid");
    let measurement = &good["status"]["metricResults"][0]["measurements"][0];
    assert_eq!(measurement["metadata"], json!({"job-name": format!("{uid}.check.1"), "job-namespace": "default"}));
    let jobs = stage.jobs();
    let job = jobs.iter().find(|it| it["metadata"]["name"] == json!(format!("{uid}.check.1"))).expect("its job");
    assert_eq!(job["metadata"]["labels"], json!({"team": "web", "analysisrun.argoproj.io/uid": uid}));
    assert_eq!(
        job["metadata"]["annotations"],
        json!({"why": "because", "analysisrun.argoproj.io/name": "good", "analysisrun.argoproj.io/namespace": "default",
            "analysisrun.argoproj.io/metric-name": "check"})
    );
    assert_eq!(job["metadata"]["ownerReferences"][0]["kind"], "AnalysisRun");
    assert_eq!(job["spec"]["template"]["metadata"]["labels"]["analysisrun.argoproj.io/uid"], uid);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_nowhere_decides_nothing() {
    let stage = Stage::begin();
    stage.run("lost", "nowhere", json!({}));
    stage.wait(60).await;
    let status = stage.get("lost")["status"].clone();
    assert_eq!(status["phase"], "Inconclusive", "{status:#}");
    let message = status["metricResults"][0]["measurements"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("container c has terminal error ("), "{message}");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_ended_takes_its_job_with_it() {
    let stage = Stage::begin();
    stage.run("slow", "slow", json!({}));
    stage.wait(100).await;
    assert_eq!((stage.get("slow")["status"]["phase"].clone(), stage.jobs().len()), (json!("Running"), 1));
    let direct = stage.cluster.direct("test");
    let body = json!({"spec": {"terminate": true}});
    direct.merge_patch("analysisruns.argoproj.io", "default", "slow", body).expect("patched");
    stage.wait(60).await;
    let status = stage.get("slow")["status"].clone();
    let measurement = &status["metricResults"][0]["measurements"][0];
    assert_eq!((&measurement["phase"], &measurement["message"]), (&json!("Inconclusive"), &json!("Metric Terminated")));
    assert_eq!(stage.jobs().len(), 0);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn jobs_of_forgotten_measurements_go() {
    let stage = Stage::begin();
    stage.run("often", "good", json!({"interval": "10s", "count": 14}));
    stage.wait(600).await;
    let status = stage.get("often")["status"].clone();
    assert_eq!(
        (&status["phase"], &status["metricResults"][0]["count"]),
        (&json!("Successful"), &json!(14)),
        "{status:#}"
    );
    assert_eq!(stage.jobs().len(), 10);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_without_a_template_is_an_error_that_says_so() {
    let stage = Stage::begin();
    stage.run("empty", "good", json!({"consecutiveErrorLimit": 0, "provider": {"job": {"spec": {}}}}));
    stage.wait(60).await;
    let status = stage.get("empty")["status"].clone();
    assert_eq!(status["phase"], "Error", "{status:#}");
    assert!(status["message"].as_str().is_some_and(|it| it.contains("the job's spec has no template")), "{status:#}");
    stage.end().await;
}
