//! Experiments on a Kubernetes API in the process, in virtual time.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Clock,
    runtime::{Context, Shutdown},
};
use argo_embedded::{
    ClientOptions, Cluster, ListFilter,
    simulator::{Behaviour, PodRule, SimulatorConfig},
};
use argo_rollouts::{Controller, api, metrics::Scripted};
use serde_json::{Value, json};

const TEMPLATES: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: compare, namespace: default}
spec:
  args: [{name: hash}, {name: until, value: ""}]
  metrics:
  - {name: errors, interval: 10s, count: 3, successCondition: "result < 0.05", failureCondition: "result > 0.5",
     provider: {plugin: {test/scripted: {hash: "{{args.hash}}", until: "{{args.until}}"}}}}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: endless, namespace: default}
spec: {metrics: [{name: slow, interval: 10s, provider: {plugin: {test/scripted: {}}}}]}
"#;

fn experiment(spec: Value) -> Value {
    let mut experiment = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Experiment",
        "metadata": {"name": "compare", "namespace": "default"}, "spec": {"templates": [template("old"), template("new")]}});
    for (key, value) in spec.as_object().expect("an object") {
        experiment["spec"][key] = value.clone();
    }
    experiment
}

fn template(name: &str) -> Value {
    json!({"name": name, "replicas": 2, "selector": {"matchLabels": {"app": "shop", "side": name}},
        "template": {"metadata": {"labels": {"app": "shop", "side": name}},
            "spec": {"containers": [{"name": "shop", "image": format!("shop:{name}"), "ports": [{"containerPort": 8080, "name": "http"}]}]}}})
}

fn analysis(template: &str, extra: Value) -> Value {
    let mut analysis = json!({"name": template, "templateName": template});
    for (key, value) in extra.as_object().expect("an object") {
        analysis[key] = value.clone();
    }
    analysis
}

fn compare() -> Value {
    analysis("compare", json!({"args": [{"name": "hash", "value": "{{templates.new.podTemplateHash}}"}]}))
}

struct Stage {
    cluster: Cluster,
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<()>,
}

fn cluster() -> Cluster {
    let clock = Clock::virtual_at("2026-01-01T00:00:00Z".parse().expect("time"));
    let cluster = Cluster::builder().clock(clock).simulator(SimulatorConfig::default()).build().expect("in memory");
    cluster.install_crds(&api::crds()).expect("valid");
    cluster.apply_yaml(TEMPLATES).expect("applied");
    cluster
}

fn start(cluster: &Cluster, client: kube::Client, metrics: Scripted) -> (Shutdown, tokio::task::JoinHandle<()>) {
    let context = Context::builder(client).clock(cluster.clock().clone()).build();
    let controller = Controller::builder(context).metric_provider("test/scripted", metrics).build().expect("valid");
    let shutdown = Shutdown::new();
    let task = tokio::spawn(controller.run(shutdown.clone()));
    (shutdown, task)
}

fn metrics(errors: f64) -> Scripted {
    Scripted::new().metric("errors", [errors]).metric("slow", [0.0])
}

impl Stage {
    fn begin(metrics: Scripted) -> Self {
        let cluster = cluster();
        let (shutdown, task) = start(&cluster, cluster.client(), metrics);
        Self { cluster, shutdown, task }
    }

    fn apply(&self, object: &Value) {
        self.cluster.apply_yaml(&object.to_string()).expect("applied");
    }

    async fn wait(&self, seconds: u64) {
        self.cluster.clock().sleep(Duration::from_secs(seconds)).await;
    }

    fn get(&self, resource: &str, name: &str) -> Value {
        Value::clone(&self.cluster.direct("test").get(resource, "default", name).expect("there"))
    }

    fn list(&self, resource: &str) -> Vec<Arc<Value>> {
        self.cluster.direct("test").list(resource, "default", &ListFilter::default()).expect("listed").items
    }

    fn patch(&self, resource: &str, name: &str, body: Value) {
        self.cluster.direct("test").merge_patch(resource, "default", name, body).expect("patched");
    }

    fn status(&self) -> Value {
        self.get("experiments.argoproj.io", "compare")["status"].clone()
    }

    /// Phase, message, and the phases of templates and analyses.
    fn verdict(&self) -> (String, String, Vec<String>) {
        let status = self.status();
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let templates = status["templateStatuses"].as_array().cloned().unwrap_or_default();
        let runs = status["analysisRuns"].as_array().cloned().unwrap_or_default();
        let parts = templates.iter().map(|it| text(&it["status"])).chain(runs.iter().map(|it| text(&it["phase"])));
        (text(&status["phase"]), text(&status["message"]), parts.collect())
    }

    fn sizes(&self) -> Vec<i64> {
        self.list("replicasets.apps").iter().map(|it| it["spec"]["replicas"].as_i64().unwrap_or(-1)).collect()
    }

    fn events(&self) -> Vec<String> {
        let events = self.list("events");
        events.iter().map(|it| format!("{}: {}", it["reason"], it["message"])).collect()
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.task.await.expect("ends");
    }
}

fn verdict(phase: &str, message: &str, parts: &[&str]) -> (String, String, Vec<String>) {
    (phase.to_owned(), message.to_owned(), parts.iter().map(|it| (*it).to_owned()).collect())
}

#[tokio::test(start_paused = true)]
async fn it_runs_its_time_is_measured_and_taken_away_after_a_while() {
    let stage = Stage::begin(metrics(0.01));
    let mut analysis = compare();
    let until = json!({"name": "until", "value": "{{ experiment.finishedAt }}"});
    analysis["args"].as_array_mut().expect("a list").push(until);
    let mut with_service = experiment(json!({"duration": "5m", "analyses": [analysis]}));
    with_service["spec"]["templates"][1]["service"] = json!({"name": "shop-new"});
    stage.apply(&with_service);
    stage.wait(60).await;
    assert_eq!(stage.verdict(), verdict("Running", "", &["Running", "Running", "Successful"]), "{:#}", stage.status());
    assert_eq!(stage.sizes(), [2, 2]);
    let run = stage.get("analysisruns.argoproj.io", "compare-compare");
    let hash = stage.get("replicasets.apps", "compare-new")["metadata"]["labels"]["rollouts-pod-template-hash"].clone();
    assert_eq!(run["spec"]["args"][0], json!({"name": "hash", "value": hash}));
    assert_eq!(run["metadata"]["ownerReferences"][0]["kind"], "Experiment");
    let available = stage.status()["availableAt"].as_str().expect("available").to_owned();
    let over = argo_core::time::after(argo_core::time::parse(&available).expect("a time"), Duration::from_secs(300));
    assert_eq!(run["spec"]["args"][1]["value"], argo_core::time::rfc3339(over));
    let service = stage.get("services", "shop-new");
    assert_eq!(service["spec"]["selector"]["rollouts-pod-template-hash"], hash);
    assert_eq!(service["spec"]["ports"][0]["targetPort"], 8080);
    assert_eq!(stage.status()["templateStatuses"][1]["serviceName"], "shop-new");
    stage.wait(255).await;
    // Over, but its pods stay for 30 seconds.
    assert_eq!(stage.verdict(), verdict("Successful", "", &["Successful", "Successful", "Successful"]));
    assert_eq!(stage.sizes(), [2, 2]);
    stage.wait(60).await;
    assert_eq!(stage.sizes(), [0, 0]);
    assert_eq!(stage.list("pods").len(), 0);
    assert!(stage.list("services").iter().all(|it| it["metadata"]["name"] != "shop-new"));
    let status = stage.status();
    assert_eq!(status["templateStatuses"][0]["replicas"], 0, "{status:#}");
    assert_eq!(status["conditions"][0]["reason"], "ExperimentCompleted", "{status:#}");
    let events = stage.events().join("\n");
    for wanted in [
        "\"ExperimentRunning\": \"Experiment transitioned from Pending -> Running\"",
        "\"TemplateSuccessful\": \"Template 'new' transitioned from Running -> Successful\"",
        "\"ScalingReplicaSet\": \"Scaled up ReplicaSet compare-new from 0 to 2\"",
        "\"AnalysisRunSuccessful\": \"AnalysisRun 'compare' transitioned from Running -> Successful\"",
    ] {
        assert!(events.contains(wanted), "{wanted}\n{events}");
    }
    let mark = stage.cluster.journal().mark();
    stage.wait(3600).await;
    assert_eq!(stage.cluster.journal().writes_since(mark), []);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn pods_that_do_not_come_fail_it() {
    let stage = Stage::begin(metrics(0.01));
    let simulator = stage.cluster.simulator().expect("one");
    simulator.script(PodRule::image("shop:new"), Behaviour::running().never_ready());
    stage.apply(&experiment(json!({"duration": "5m", "progressDeadlineSeconds": 60, "analyses": [compare()]})));
    stage.wait(50).await;
    assert_eq!(stage.verdict(), verdict("Pending", "", &["Running", "Progressing", ""]));
    stage.wait(30).await;
    let message = "Template 'new' exceeded its progressDeadlineSeconds (60)";
    stage.wait(60).await;
    assert_eq!(stage.verdict(), verdict("Failed", message, &["Successful", "Failed", ""]), "{:#}", stage.status());
    assert_eq!(stage.sizes(), [0, 0]);
    assert_eq!(stage.list("analysisruns.argoproj.io").len(), 0);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_analysis_ends_it_and_the_other_analyses() {
    for (errors, phase) in [(0.9, "Failed"), (0.2, "Inconclusive")] {
        let stage = Stage::begin(metrics(errors));
        stage.apply(&experiment(json!({"analyses": [compare(), analysis("endless", json!({}))]})));
        stage.wait(60).await;
        let (got, message, parts) = stage.verdict();
        assert_eq!((got.as_str(), parts[2].as_str(), parts[3].as_str()), (phase, phase, "Successful"));
        assert!(message.starts_with(&format!("Metric \"errors\" assessed {phase} due to")), "{message}");
        let other = stage.get("analysisruns.argoproj.io", "compare-endless");
        assert_eq!((&other["spec"]["terminate"], &other["status"]["phase"]), (&json!(true), &json!("Successful")));
        assert_eq!(stage.sizes(), [0, 0]);
        stage.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_the_required_analyses_did() {
    let stage = Stage::begin(metrics(0.01));
    let mut required = compare();
    required["requiredForCompletion"] = json!(true);
    stage.apply(&experiment(
        json!({"analyses": [required, analysis("endless", json!({}))], "scaleDownDelaySeconds": 0}),
    ));
    stage.wait(60).await;
    let parts = ["Successful", "Successful", "Successful", "Successful"];
    assert_eq!(
        stage.verdict(),
        verdict("Successful", "Required AnalysisRuns completed", &parts),
        "{:#}",
        stage.status()
    );
    assert_eq!(stage.sizes(), [0, 0]);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_ends_it_and_tries_it_again() {
    let stage = Stage::begin(metrics(0.01));
    stage.apply(&experiment(json!({"analyses": [analysis("endless", json!({}))]})));
    stage.wait(600).await;
    assert_eq!(stage.verdict(), verdict("Running", "", &["Running", "Running", "Running"]));
    stage.patch("experiments.argoproj.io", "compare", json!({"spec": {"terminate": true}}));
    stage.wait(10).await;
    assert_eq!(stage.verdict(), verdict("Successful", "", &["Successful", "Successful", "Successful"]));
    assert_eq!(stage.sizes(), [2, 2]);
    stage.wait(60).await;
    assert_eq!(stage.sizes(), [0, 0]);
    // As `kubectl argo rollouts retry experiment` does.
    stage.patch("experiments.argoproj.io", "compare", json!({"spec": {"terminate": null}, "status": null}));
    stage.wait(60).await;
    assert_eq!(stage.verdict(), verdict("Running", "", &["Running", "Running", "Running"]), "{:#}", stage.status());
    assert_eq!(stage.sizes(), [2, 2]);
    assert_eq!(stage.status()["analysisRuns"][0]["analysisRun"], "compare-endless.1");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_is_told_on_the_status() {
    let stage = Stage::begin(metrics(0.01));
    stage.apply(&experiment(json!({"analyses": [analysis("nowhere", json!({}))]})));
    stage.wait(60).await;
    let missing = "AnalysisTemplate verification failed for analysis 'nowhere': analysistemplate.argoproj.io \"nowhere\" not found";
    assert_eq!(
        stage.verdict(),
        verdict("Error", missing, &["Successful", "Successful", "Error"]),
        "{:#}",
        stage.status()
    );
    stage.end().await;

    let stage = Stage::begin(metrics(0.01));
    stage.apply(&json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "compare-new", "namespace": "default"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}},
            "spec": {"containers": [{"name": "x", "image": "x:1"}]}}}}));
    stage.apply(&experiment(json!({})));
    stage.wait(60).await;
    let (phase, message, _) = stage.verdict();
    assert_eq!(
        (phase.as_str(), message.as_str()),
        ("Error", "Failed to create ReplicaSet for template 'new': replicasets.apps \"compare-new\" already exists")
    );
    assert_eq!(stage.get("replicasets.apps", "compare-new")["spec"]["replicas"], 1);
    stage.end().await;

    let stage = Stage::begin(metrics(0.01));
    let mut twice = experiment(json!({}));
    twice["spec"]["templates"][1]["name"] = json!("old");
    stage.apply(&twice);
    stage.wait(10).await;
    let condition = stage.status()["conditions"][0].clone();
    assert_eq!(
        (&condition["type"], &condition["message"]),
        (&json!("InvalidSpec"), &json!("Experiment compare has repeated template name 'old' in templates"))
    );
    stage.apply(&experiment(json!({})));
    stage.wait(30).await;
    assert_eq!(stage.verdict(), verdict("Running", "", &["Running", "Running"]));
    assert!(!stage.status().to_string().contains("InvalidSpec"));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_decode_says_so() {
    let stage = Stage::begin(metrics(0.01));
    stage.apply(&experiment(json!({"progressDeadlineSeconds": "soon"})));
    stage.wait(30).await;
    let condition = stage.status()["conditions"][0].clone();
    assert_eq!(condition["type"], "InvalidSpec");
    assert!(condition["message"].as_str().is_some_and(|it| it.contains("soon")), "{condition:#}");
    stage.end().await;
}

fn outcome(cluster: &Cluster) -> Vec<String> {
    let direct = cluster.direct("test");
    let get = |resource: &str| direct.list(resource, "default", &ListFilter::default()).expect("listed").items;
    let mut lines = Vec::new();
    for (resource, field) in [
        ("experiments.argoproj.io", "/status/phase"),
        ("replicasets.apps", "/spec/replicas"),
        ("analysisruns.argoproj.io", "/status/metricResults/0/count"),
        ("services", "/spec/selector/rollouts-pod-template-hash"),
    ] {
        lines.extend(get(resource).iter().map(|it| format!("{} {:?}", it["metadata"]["name"], it.pointer(field))));
    }
    lines
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_is_killed_at_any_write_is_taken_up_by_the_next() {
    let mut experiment = experiment(json!({"duration": "2m", "analyses": [compare()]}));
    experiment["spec"]["templates"][0]["service"] = json!({});
    let run = |kill: Option<(u64, bool)>| {
        let experiment = experiment.to_string();
        async move {
            let cluster = cluster();
            let mut options = ClientOptions::named("doomed").cut_after_writes(kill.map_or(u64::MAX, |it| it.0));
            if kill.is_some_and(|it| it.1) {
                options = options.lose_last_answer();
            }
            let (client, session) = cluster.client_with(options);
            let (_, doomed) = start(&cluster, client, metrics(0.01));
            cluster.apply_yaml(&experiment).expect("applied");
            for _ in 0..40 {
                cluster.clock().sleep(Duration::from_secs(5)).await;
                if session.is_cut() {
                    break;
                }
            }
            doomed.abort();
            let (shutdown, task) = start(&cluster, cluster.client(), metrics(0.01));
            cluster.clock().sleep(Duration::from_secs(400)).await;
            shutdown.cancel();
            task.await.expect("ends");
            (session.is_cut(), outcome(&cluster))
        }
    };
    let (_, wanted) = run(None).await;
    assert_eq!(wanted[0], "\"compare\" Some(String(\"Successful\"))", "{wanted:#?}");
    for lost in [false, true] {
        for write in (1..80).step_by(if lost { 11 } else { 7 }) {
            let (cut, got) = run(Some((write, lost))).await;
            assert_eq!(got, wanted, "killed at write {write}, answer lost: {lost}");
            if !cut {
                break;
            }
        }
    }
}
