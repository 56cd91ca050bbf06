//! The controller on a Kubernetes API in the process, in virtual time.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Clock,
    runtime::{Context, Shutdown},
};
use argo_embedded::{
    ClientOptions, Cluster, DeleteParams, ListFilter,
    simulator::{Behaviour, PodRule, SimulatorConfig},
};
use argo_rollouts::{Controller, api, metrics::Scripted};
use serde_json::{Value, json};

const MANIFESTS: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop, namespace: default}
spec:
  replicas: 10
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "shop:v1", ports: [{containerPort: 8080}]}]}
  strategy:
    canary:
      canaryService: shop-canary
      stableService: shop
      steps:
      - setWeight: 20
      - pause: {duration: 1m}
      - analysis: {templates: [{templateName: error-rate}], args: [{name: hash, valueFrom: {podTemplateHashValue: Latest}}]}
      - setWeight: 50
      - pause: {duration: 1m}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: error-rate, namespace: default}
spec:
  args: [{name: hash}]
  metrics:
  - {name: error-rate, interval: 10s, count: 3, successCondition: "result < 0.05", provider: {plugin: {test/scripted: {hash: "{{args.hash}}"}}}}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop-canary, namespace: default}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
"#;

struct Stage {
    cluster: Cluster,
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<()>,
}

fn cluster() -> Cluster {
    let clock = Clock::virtual_at("2026-01-01T00:00:00Z".parse().expect("time"));
    let cluster = Cluster::builder().clock(clock).simulator(SimulatorConfig::default()).build().expect("in memory");
    cluster.install_crds(&api::crds()).expect("valid");
    cluster
}

fn start(cluster: &Cluster, client: kube::Client, metrics: Scripted) -> (Shutdown, tokio::task::JoinHandle<()>) {
    let context = Context::builder(client).clock(cluster.clock().clone()).build();
    let controller = Controller::builder(context).metric_provider("test/scripted", metrics).build().expect("valid");
    let shutdown = Shutdown::new();
    let task = tokio::spawn(controller.run(shutdown.clone()));
    (shutdown, task)
}

impl Stage {
    /// A cluster on which the first version is healthy.
    async fn begin(metrics: Scripted) -> Self {
        let cluster = cluster();
        let (shutdown, task) = start(&cluster, cluster.client(), metrics);
        cluster.apply_yaml(MANIFESTS).expect("applied");
        let stage = Self { cluster, shutdown, task };
        stage.wait(60).await;
        assert_eq!(stage.rollout()["status"]["phase"], "Healthy", "{:#}", stage.rollout()["status"]);
        stage
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

    fn rollout(&self) -> Value {
        self.get("rollouts.argoproj.io", "shop")
    }

    fn patch(&self, body: Value) {
        self.cluster.direct("test").merge_patch("rollouts.argoproj.io", "default", "shop", body).expect("patched");
    }

    fn patch_status(&self, body: Value) {
        self.cluster
            .direct("test")
            .merge_patch("rollouts.argoproj.io/status", "default", "shop", body)
            .expect("patched");
    }

    fn image(&self, image: &str) {
        let containers = json!([{"name": "shop", "image": image, "ports": [{"containerPort": 8080}]}]);
        self.patch(json!({"spec": {"template": {"spec": {"containers": containers}}}}));
    }

    /// Pods that a Service selects, by image.
    fn serving(&self, service: &str, image: &str) -> usize {
        let service = self.get("services", service);
        let selector = service["spec"]["selector"].as_object().expect("a selector").clone();
        let pods = self.list("pods");
        let of_image = |pod: &&Arc<Value>| pod["spec"]["containers"][0]["image"] == image;
        let selected =
            |pod: &&Arc<Value>| selector.iter().all(|(key, value)| pod["metadata"]["labels"].get(key) == Some(value));
        let live = |pod: &&Arc<Value>| pod["metadata"].get("deletionTimestamp").is_none();
        pods.iter().filter(of_image).filter(selected).filter(live).count()
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.task.await.expect("ends");
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_version_goes_all_the_way() {
    let stage = Stage::begin(Scripted::new().metric("error-rate", [0.01])).await;
    stage.image("shop:v2");
    stage.wait(30).await;
    let status = stage.rollout()["status"].clone();
    assert_eq!((&status["phase"], &status["message"]), (&json!("Paused"), &json!("CanaryPauseStep")), "{status:#}");
    assert_eq!((&status["updatedReplicas"], &status["replicas"]), (&json!(2), &json!(10)));
    assert_eq!((stage.serving("shop-canary", "shop:v2"), stage.serving("shop", "shop:v1")), (2, 8));
    stage.wait(90).await;
    let status = stage.rollout()["status"].clone();
    assert_eq!((&status["currentStepIndex"], &status["updatedReplicas"]), (&json!(4), &json!(5)), "{status:#}");
    stage.wait(120).await;
    let rollout = stage.rollout();
    let status = &rollout["status"];
    assert_eq!(status["phase"], "Healthy", "{status:#}");
    assert_eq!(status["observedGeneration"], json!(rollout["metadata"]["generation"].to_string()));
    assert_eq!((stage.serving("shop", "shop:v2"), stage.serving("shop", "shop:v1")), (10, 0));
    let runs = stage.list("analysisruns.argoproj.io");
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["status"]["phase"], "Successful");
    assert_eq!(runs[0]["status"]["metricResults"][0]["count"], 3);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_version_is_taken_back_and_a_good_one_after_it_goes_through() {
    let stage = Stage::begin(Scripted::new().metric("error-rate", [0.5])).await;
    stage.image("shop:v2");
    stage.wait(300).await;
    let status = stage.rollout()["status"].clone();
    assert_eq!((&status["phase"], &status["abort"]), (&json!("Degraded"), &json!(true)), "{status:#}");
    assert_eq!((stage.serving("shop", "shop:v1"), stage.serving("shop-canary", "shop:v1")), (10, 10));
    // Back to what is stable: healthy at once, without steps.
    stage.image("shop:v1");
    stage.wait(30).await;
    let status = stage.rollout()["status"].clone();
    assert_eq!(status["phase"], "Healthy", "{status:#}");
    assert!(status.get("abort").is_none());
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn clients_steer_by_patching_the_status() {
    let stage = Stage::begin(Scripted::new().metric("error-rate", [0.01])).await;
    stage.image("shop:v2");
    stage.wait(20).await;
    stage.patch_status(json!({"status": {"abort": true}}));
    stage.wait(30).await;
    assert_eq!(stage.rollout()["status"]["phase"], "Degraded");
    assert_eq!(stage.serving("shop", "shop:v1"), 10);
    stage.patch_status(json!({"status": {"abort": false}}));
    stage.wait(20).await;
    assert_eq!(stage.rollout()["status"]["message"], "CanaryPauseStep");
    stage.patch_status(json!({"status": {"promoteFull": true}}));
    stage.wait(30).await;
    let status = stage.rollout()["status"].clone();
    assert_eq!(status["phase"], "Healthy", "{status:#}");
    assert!(status.get("promoteFull").is_none());
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_version_that_never_gets_ready_takes_no_capacity_away() {
    let stage = Stage::begin(Scripted::new()).await;
    let simulator = stage.cluster.simulator().expect("one");
    simulator.script(PodRule::image("shop:v2"), Behaviour::running().never_ready());
    stage.image("shop:v2");
    for _ in 0..30 {
        stage.wait(30).await;
        let status = stage.rollout()["status"].clone();
        assert!(status["availableReplicas"].as_i64() >= Some(8), "{status:#}");
    }
    let status = stage.rollout()["status"].clone();
    assert_eq!(status["phase"], "Degraded");
    assert!(status["message"].as_str().is_some_and(|it| it.starts_with("ProgressDeadlineExceeded")), "{status:#}");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_selector_stays_as_it_is() {
    let cluster = cluster();
    cluster.apply_yaml(MANIFESTS).expect("applied");
    let change = json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}});
    let refused = cluster.direct("test").merge_patch("rollouts.argoproj.io", "default", "shop", change);
    let text = refused.expect_err("refused").to_string();
    assert!(text.contains(".spec.selector is immutable"), "{text}");
    let change = json!({"spec": {"replicas": 3, "unknown": {"stays": 1}}});
    let changed =
        cluster.direct("test").merge_patch("rollouts.argoproj.io", "default", "shop", change).expect("allowed");
    assert_eq!(changed["spec"]["unknown"]["stays"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_finished_rollout_is_left_alone() {
    let stage = Stage::begin(Scripted::new()).await;
    let mark = stage.cluster.journal().mark();
    stage.wait(3600).await;
    assert_eq!(stage.cluster.journal().writes_since(mark), []);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_is_given_back_when_the_rollout_is_deleted() {
    let stage = Stage::begin(Scripted::new()).await;
    assert!(stage.get("services", "shop")["spec"]["selector"].get("rollouts-pod-template-hash").is_some());
    stage
        .cluster
        .direct("test")
        .delete("rollouts.argoproj.io", "default", "shop", &DeleteParams::default())
        .expect("deleted");
    stage.wait(30).await;
    let service = stage.get("services", "shop");
    assert_eq!(service["spec"]["selector"], json!({"app": "shop"}));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_decode_says_so_and_others_go_on() {
    let stage = Stage::begin(Scripted::new().metric("error-rate", [0.01])).await;
    let broken = MANIFESTS
        .split("---")
        .next()
        .expect("the rollout")
        .replace("name: shop,", "name: broken,")
        .replace("replicas: 10", "replicas: 10\n  minReadySeconds: many");
    stage.cluster.apply_yaml(&broken).expect("the schema lets it in");
    stage.image("shop:v2");
    stage.wait(300).await;
    let status = stage.get("rollouts.argoproj.io", "broken")["status"].clone();
    assert_eq!(status["phase"], "Degraded", "{status:#}");
    assert!(
        status["message"].as_str().is_some_and(|it| it.contains("InvalidSpec: The Rollout \"broken\" is invalid")),
        "{status:#}"
    );
    assert_eq!(stage.rollout()["status"]["phase"], "Healthy");
    stage.end().await;
}

/// What the cluster came to, without times, versions, uids and random names.
fn outcome(cluster: &Cluster) -> Vec<String> {
    let direct = cluster.direct("test");
    let get = |resource: &str| direct.list(resource, "default", &ListFilter::default()).expect("listed").items;
    let rollout = &get("rollouts.argoproj.io")[0]["status"];
    let mut lines = vec![format!(
        "{} {} {} {} {}",
        rollout["phase"], rollout["message"], rollout["currentStepIndex"], rollout["stableRS"], rollout["abort"]
    )];
    for (resource, field) in [
        ("replicasets.apps", "/spec/replicas"),
        ("analysisruns.argoproj.io", "/status/phase"),
        ("services", "/spec/selector/rollouts-pod-template-hash"),
    ] {
        lines.extend(get(resource).iter().map(|it| format!("{} {:?}", it["metadata"]["name"], it.pointer(field))));
    }
    lines
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_is_killed_at_any_write_is_taken_up_by_the_next() {
    let metrics = || Scripted::new().metric("error-rate", [0.01, 0.01, 0.9]);
    let manifests = MANIFESTS.replace("replicas: 10", "replicas: 3").replace("setWeight: 20", "setWeight: 40");
    let wanted = {
        let cluster = cluster();
        let (shutdown, task) = start(&cluster, cluster.client(), metrics());
        cluster.apply_yaml(&manifests).expect("applied");
        cluster.clock().sleep(Duration::from_secs(60)).await;
        cluster.apply_yaml(&manifests.replace("shop:v1", "shop:v2")).expect("applied");
        cluster.clock().sleep(Duration::from_secs(600)).await;
        shutdown.cancel();
        task.await.expect("ends");
        outcome(&cluster)
    };
    assert!(wanted[0].contains("Degraded"), "{wanted:#?}");
    for lost in [false, true] {
        for write in (1..60).step_by(if lost { 11 } else { 7 }) {
            let cluster = cluster();
            let mut options = ClientOptions::named("doomed").cut_after_writes(write);
            if lost {
                options = options.lose_last_answer();
            }
            let (client, session) = cluster.client_with(options);
            let (_, doomed) = start(&cluster, client, metrics());
            cluster.apply_yaml(&manifests).expect("applied");
            cluster.clock().sleep(Duration::from_secs(60)).await;
            let mut next = None;
            for image in ["shop:v2", "shop:v2"] {
                if session.is_cut() && next.is_none() {
                    doomed.abort();
                    next = Some(start(&cluster, cluster.client(), metrics()));
                    cluster.clock().sleep(Duration::from_secs(60)).await;
                }
                cluster.apply_yaml(&manifests.replace("shop:v1", image)).expect("applied");
                cluster.clock().sleep(Duration::from_secs(600)).await;
            }
            let whole = !session.is_cut();
            doomed.abort();
            if let Some((shutdown, task)) = next {
                shutdown.cancel();
                task.await.expect("ends");
            } else if !whole {
                let (shutdown, task) = start(&cluster, cluster.client(), metrics());
                cluster.clock().sleep(Duration::from_secs(600)).await;
                shutdown.cancel();
                task.await.expect("ends");
            }
            assert_eq!(outcome(&cluster), wanted, "killed at write {write}, answer lost: {lost}");
            if whole {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_router_gets_the_weights_and_stable_stays_whole() {
    let cluster = cluster();
    let router = Arc::new(argo_rollouts::routers::Scripted::default());
    let context = Context::builder(cluster.client()).clock(cluster.clock().clone()).build();
    let controller = Controller::builder(context)
        .metric_provider("test/scripted", Scripted::new().metric("error-rate", [0.01]))
        .traffic_router("acme/mesh", router.clone())
        .build()
        .expect("valid");
    let shutdown = Shutdown::new();
    let task = tokio::spawn(controller.run(shutdown.clone()));
    let routed = "trafficRouting: {plugins: {acme/mesh: {}}}\n      steps:";
    let manifests = MANIFESTS.replacen("steps:", routed, 1);
    cluster.apply_yaml(&manifests).expect("applied");
    let stage = Stage { cluster, shutdown, task };
    stage.wait(60).await;
    assert_eq!(stage.rollout()["status"]["phase"], "Healthy", "{:#}", stage.rollout()["status"]);
    stage.image("shop:v2");
    stage.wait(30).await;
    let status = stage.rollout()["status"].clone();
    assert_eq!(status["canary"]["weights"]["canary"]["weight"], 20, "{status:#}");
    assert_eq!((&status["updatedReplicas"], &status["replicas"]), (&json!(2), &json!(12)));
    stage.wait(400).await;
    let status = stage.rollout()["status"].clone();
    assert_eq!(status["phase"], "Healthy", "{status:#}");
    assert_eq!(router.weights(), [0, 20, 50, 100, 0]);
    assert_eq!((stage.serving("shop", "shop:v2"), stage.serving("shop-canary", "shop:v2")), (10, 10));
    // The old pods stayed for 30 s, then went.
    let pods = stage.list("pods");
    assert!(pods.iter().all(|it| it["spec"]["containers"][0]["image"] == "shop:v2"));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn pods_are_replaced_when_a_restart_is_asked_for() {
    let stage = Stage::begin(Scripted::new()).await;
    let names = |stage: &Stage| {
        let pods = stage.list("pods");
        pods.iter().map(|it| it["metadata"]["name"].to_string()).collect::<std::collections::BTreeSet<_>>()
    };
    let before = names(&stage);
    stage.patch(json!({"spec": {"restartAt": argo_core::time::rfc3339(stage.cluster.clock().now())}}));
    stage.wait(900).await;
    let rollout = stage.rollout();
    assert_eq!(rollout["status"]["restartedAt"], rollout["spec"]["restartAt"], "{:#}", rollout["status"]);
    assert_eq!(rollout["status"]["phase"], "Healthy");
    assert_eq!(names(&stage).intersection(&before).count(), 0);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn secrets_are_read_for_measuring_and_never_written() {
    let cluster = cluster();
    let (shutdown, task) = start(&cluster, cluster.client(), Scripted::new().metric("error-rate", [0.01]));
    cluster
        .apply_yaml(
            r#"
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: default}
data: {key: aHVzaC1odXNo}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {name: good, namespace: default}
spec:
  args: [{name: token, valueFrom: {secretKeyRef: {name: token, key: key}}}]
  metrics: [{name: error-rate, provider: {plugin: {test/scripted: {token: "{{args.token}}"}}}}]
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {name: bad, namespace: default}
spec:
  args: [{name: token, valueFrom: {secretKeyRef: {name: token, key: other}}}]
  metrics: [{name: error-rate, provider: {plugin: {test/scripted: {token: "{{args.token}}"}}}}]
"#,
        )
        .expect("applied");
    cluster.clock().sleep(Duration::from_secs(30)).await;
    let stage = Stage { cluster, shutdown, task };
    assert_eq!(stage.get("analysisruns.argoproj.io", "good")["status"]["phase"], "Successful");
    let bad = stage.get("analysisruns.argoproj.io", "bad")["status"].clone();
    assert_eq!(bad["message"], "Unable to resolve metric arguments: key 'other' does not exist in secret 'token'");
    let everything = stage.cluster.dump().iter().map(ToString::to_string).collect::<String>();
    assert!(!everything.contains("hush-hush"));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn blue_green_switches_when_somebody_promotes() {
    let cluster = cluster();
    let (shutdown, task) = start(&cluster, cluster.client(), Scripted::new());
    let (_, services) = MANIFESTS.split_once("---\napiVersion: v1").expect("services");
    let rollout = r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop, namespace: default}
spec:
  replicas: 4
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "shop:v1", ports: [{containerPort: 8080}]}]}
  strategy: {blueGreen: {activeService: shop, previewService: shop-canary, autoPromotionEnabled: false}}
"#;
    cluster.apply_yaml(&format!("{rollout}---\napiVersion: v1{services}")).expect("applied");
    let stage = Stage { cluster, shutdown, task };
    stage.wait(60).await;
    assert_eq!(stage.rollout()["status"]["phase"], "Healthy", "{:#}", stage.rollout()["status"]);
    stage.image("shop:v2");
    stage.wait(60).await;
    assert_eq!(stage.rollout()["status"]["message"], "BlueGreenPause");
    assert_eq!((stage.serving("shop", "shop:v1"), stage.serving("shop-canary", "shop:v2")), (4, 4));
    stage.patch_status(json!({"status": {"pauseConditions": null}}));
    stage.wait(20).await;
    assert_eq!((stage.serving("shop", "shop:v1"), stage.serving("shop", "shop:v2")), (0, 4));
    stage.wait(60).await;
    let status = stage.rollout()["status"].clone();
    assert_eq!(status["phase"], "Healthy", "{status:#}");
    assert_eq!(status["selector"].as_str().map(|it| it.contains("rollouts-pod-template-hash=")), Some(true));
    assert_eq!(stage.list("pods").len(), 4);
    let mark = stage.cluster.journal().mark();
    stage.wait(3600).await;
    assert_eq!(stage.cluster.journal().writes_since(mark), []);
    stage.end().await;
}
