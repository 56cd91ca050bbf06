//! The stock `kubectl argo rollouts` plugin against the controller, over HTTPS: on an API server in the
//! process, or on the one of `KUBECONFIG` when `ARGO_ROLLOUTS_PLUGIN_CLUSTER` is set. Skips unless
//! `KUBECTL_ARGO_ROLLOUTS` names the plugin.

use std::{path::PathBuf, process::Output, time::Duration};

use argo_core::{
    Clock,
    runtime::{Context, Shutdown},
};
use argo_embedded::{Cluster, simulator::SimulatorConfig};
use argo_rollouts::{Controller, api, metrics::Scripted};
use serde_json::json;
use tokio::process::Command;

const MANIFESTS: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop, namespace: NAMESPACE}
spec:
  replicas: 2
  revisionHistoryLimit: 3
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {nodeSelector: NODES, containers: [{name: shop, image: "shop:v1"}]}
  strategy: {canary: {steps: [{setWeight: 50}, {pause: {}}, {analysis: {templates: [{templateName: errors}]}}, {pause: {}}]}}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: errors, namespace: NAMESPACE}
spec: {metrics: [{name: errors, interval: 1s, count: 2, provider: {plugin: {test/scripted: {}}}}]}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: endless, namespace: NAMESPACE}
spec: {metrics: [{name: errors, interval: 1s, provider: {plugin: {test/scripted: {}}}}]}
---
apiVersion: argoproj.io/v1alpha1
kind: Experiment
metadata: {name: compare, namespace: NAMESPACE}
spec:
  templates:
  - name: only
    selector: {matchLabels: {app: compare}}
    template: {metadata: {labels: {app: compare}}, spec: {nodeSelector: NODES, containers: [{name: c, image: "shop:v1"}]}}
  analyses: [{name: endless, templateName: endless}]
"#;

struct Stage {
    plugin: PathBuf,
    kubeconfig: PathBuf,
    namespace: &'static str,
    shutdown: Shutdown,
    _keep: Option<(Cluster, argo_embedded::Serving)>,
}

impl Stage {
    async fn run(&self, line: &str) -> Output {
        let mut command = Command::new(&self.plugin);
        command.args(line.split_whitespace()).args(["-n", self.namespace]).env("KUBECONFIG", &self.kubeconfig);
        tokio::time::timeout(Duration::from_secs(60), command.output()).await.expect("in time").expect("runs")
    }

    /// What a command says; it must succeed.
    async fn says(&self, line: &str) -> String {
        let output = self.run(line).await;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{line}: {text}");
        plain(&text)
    }

    /// Waits until `get` shows all of these.
    async fn shows(&self, line: &str, wanted: &[&str]) -> String {
        let mut text = String::new();
        for _ in 0..120 {
            text = self.says(line).await;
            let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
            if wanted.iter().all(|it| plain.contains(it)) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("{line} does not show {wanted:?}:\n{text}");
    }
}

/// The text without colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    first + &parts.map(|it| it.split_once('m').map_or(it, |(_, rest)| rest)).collect::<String>()
}

async fn begin(plugin: PathBuf) -> Stage {
    let folder = std::env::temp_dir().join(format!("rollouts-plugin-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("made");
    let (client, kubeconfig, namespace, keep) = if std::env::var_os("ARGO_ROLLOUTS_PLUGIN_CLUSTER").is_some() {
        let kubeconfig = PathBuf::from(std::env::var_os("KUBECONFIG").expect("KUBECONFIG is set"));
        let config = kube::Config::infer().await.expect("a cluster");
        (kube::Client::try_from(config).expect("a client"), kubeconfig, "rollouts-plugin", None)
    } else {
        let simulator = SimulatorConfig::default();
        let cluster = Cluster::builder().clock(Clock::system()).simulator(simulator).build().expect("in memory");
        cluster.install_crds(&api::crds()).expect("valid");
        let serving = cluster.serve(([127, 0, 0, 1], 0).into()).await.expect("a port");
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, serving.kubeconfig()).expect("written");
        (cluster.client(), kubeconfig, "default", Some((cluster, serving)))
    };
    let context = Context::builder(client.clone()).namespace(namespace).build();
    let nodes = if keep.is_some() { "{}" } else { "{type: fake}" };
    let manifests = MANIFESTS.replace("NAMESPACE", namespace).replace("NODES", nodes);
    if keep.is_none() {
        let made = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        apply(&context, made).await;
    }
    let metrics = Scripted::new().metric("errors", [0.0]);
    let controller =
        Controller::builder(context.clone()).metric_provider("test/scripted", metrics).build().expect("valid");
    let shutdown = Shutdown::new();
    tokio::spawn(controller.run(shutdown.clone()));
    for document in argo_lang::yaml::decode_all(&manifests).expect("YAML") {
        apply(&context, document).await;
    }
    Stage { plugin, kubeconfig, namespace, shutdown, _keep: keep }
}

async fn apply(context: &Context, object: serde_json::Value) {
    let change = argo_core::Change::apply(argo_core::Object::from_value(object), "test");
    context.applier().apply(&change).await.expect("applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stock_plugin_sees_and_steers() {
    let Some(plugin) = std::env::var_os("KUBECTL_ARGO_ROLLOUTS").map(PathBuf::from) else {
        println!("skipped: set KUBECTL_ARGO_ROLLOUTS to the kubectl-argo-rollouts plugin");
        return;
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stage = begin(plugin).await;
    stage
        .shows("get rollout shop", &["Status: ✔ Healthy", "Step: 4/4", "SetWeight: 100", "ActualWeight: 100", "stable"])
        .await;
    assert!(stage.says("status shop --timeout 20s").await.contains("Healthy"));
    assert!(stage.says("list rollouts").await.contains("shop"));

    // An update, step by step.
    assert!(stage.says("set image shop shop=shop:v2").await.contains("rollout \"shop\" image updated"));
    let wanted = [
        "Status: ॥ Paused",
        "Message: CanaryPauseStep",
        "Step: 1/4",
        "SetWeight: 50",
        "ActualWeight: 50",
        "canary",
        "# revision:2",
    ];
    stage.shows("get rollout shop", &wanted).await;
    assert!(stage.says("status shop --watch=false").await.contains("Paused - CanaryPauseStep"));
    assert!(stage.says("promote shop").await.contains("rollout 'shop' promoted"));
    stage
        .shows("get rollout shop", &["Message: CanaryPauseStep", "Step: 3/4", "AnalysisRun ✔ Successful", "✔ 2"])
        .await;
    assert!(stage.says("promote shop").await.contains("promoted"));
    stage.shows("get rollout shop", &["Status: ✔ Healthy", "Images: shop:v2 (stable)"]).await;

    // Given up, tried again, and forced.
    stage.says("set image shop shop=shop:v3").await;
    stage.shows("get rollout shop", &["Message: CanaryPauseStep", "Step: 1/4"]).await;
    assert!(stage.says("abort shop").await.contains("rollout 'shop' aborted"));
    stage
        .shows(
            "get rollout shop",
            &["Status: ✖ Degraded", "Message: RolloutAborted: Rollout aborted update to revision 3"],
        )
        .await;
    let output = stage.run("status shop --watch=false").await;
    assert!(!output.status.success(), "degraded is a failure");
    assert!(stage.says("retry rollout shop").await.contains("rollout 'shop' retried"));
    stage.shows("get rollout shop", &["Message: CanaryPauseStep", "Step: 1/4"]).await;
    assert!(stage.says("promote shop --full").await.contains("rollout 'shop' fully promoted"));
    stage.shows("get rollout shop", &["Status: ✔ Healthy", "Images: shop:v3 (stable)"]).await;

    // Back, paused by hand, and on.
    assert!(stage.says("undo shop --to-revision 2").await.contains("rollout 'shop' undo"));
    stage.shows("get rollout shop", &["Message: CanaryPauseStep", "shop:v2 (canary)"]).await;
    assert!(stage.says("promote shop --full").await.contains("fully promoted"));
    stage.shows("get rollout shop", &["Status: ✔ Healthy", "Images: shop:v2 (stable)"]).await;
    assert!(stage.says("pause shop").await.contains("rollout 'shop' paused"));
    stage.shows("get rollout shop", &["Status: ॥ Paused", "Message: manually paused"]).await;
    assert!(stage.says("promote shop").await.contains("promoted"));
    stage.shows("get rollout shop", &["Status: ✔ Healthy"]).await;
    assert!(stage.says("restart shop").await.contains("rollout 'shop' restarts in 0s"));
    stage.shows("get rollout shop", &["Status: ✔ Healthy", "Ready: 2"]).await;

    // Experiments and runs.
    stage
        .shows("get experiment compare", &["Status: ◌ Running", "compare-only", "compare-endless", "AnalysisRun"])
        .await;
    assert!(stage.says("list experiments").await.contains("compare"));
    assert!(
        stage.says("terminate analysisrun compare-endless").await.contains("analysisRun 'compare-endless' terminated")
    );
    stage.shows("get experiment compare", &["✔ Successful"]).await;
    // The stock plugin says "retried" here, too.
    assert!(stage.says("terminate experiment compare").await.contains("experiment 'compare' retried"));
    stage.shows("get experiment compare", &["Status: ✔ Successful"]).await;
    assert!(stage.says("retry experiment compare").await.contains("experiment 'compare' retried"));

    // Checked without a cluster.
    let file = std::env::temp_dir().join(format!("rollouts-lint-{}.yaml", std::process::id()));
    let rollout = MANIFESTS.split("---").next().expect("one").replace("NAMESPACE", "x").replace("NODES", "{}");
    std::fs::write(&file, rollout).expect("written");
    stage.says(&format!("lint -f {}", file.display())).await;
    std::fs::remove_file(&file).expect("removed");
    stage.shutdown.cancel();
}
