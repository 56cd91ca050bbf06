//! A real Prometheus with real series: a canary that its queries promote, and one that they take back.
//! Skips unless `PROMETHEUS` names the binary.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use argo_core::{
    Clock,
    runtime::{Context, Shutdown},
};
use argo_embedded::{Cluster, simulator::SimulatorConfig};
use argo_rollouts::{Controller, api};
use axum::{Router, routing::get};
use serde_json::Value;

const MANIFESTS: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: "shop:v1"}]}
  strategy:
    canary:
      steps:
      - setWeight: 50
      - analysis: {templates: [{templateName: errors}]}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: errors, namespace: default}
spec:
  metrics:
  - name: errors
    interval: 2s
    count: 3
    successCondition: len(result) > 0 && result[0] < 0.05
    failureCondition: len(result) > 0 && result[0] >= 0.05
    # The window of the query holds nothing from before the update by then.
    initialDelay: 12s
    provider:
      prometheus:
        address: ADDRESS
        query: sum(rate(http_requests_total{code="500"}[10s])) / sum(rate(http_requests_total[10s]))
"#;

/// An application that counts its requests, as Prometheus scrapes it.
#[derive(Default)]
struct Application {
    good: AtomicU64,
    bad: AtomicU64,
}

async fn serve(application: Arc<Application>) -> u16 {
    let metrics = move || {
        let (good, bad) = (application.good.load(Ordering::Relaxed), application.bad.load(Ordering::Relaxed));
        async move {
            format!(
                "# TYPE http_requests_total counter\nhttp_requests_total{{code=\"200\"}} {good}\n\
                 http_requests_total{{code=\"500\"}} {bad}\n"
            )
        }
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/metrics", get(metrics))).await });
    port
}

/// Prometheus in a folder of its own; it ends when this is dropped.
async fn prometheus(binary: &Path, scraped: u16, folder: &Path) -> (tokio::process::Child, String) {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = free.local_addr().expect("bound").port();
    drop(free);
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: app, static_configs: [{{targets: ['127.0.0.1:{scraped}']}}]}}]\n"
    );
    std::fs::create_dir_all(folder).expect("made");
    std::fs::write(folder.join("config.yml"), config).expect("written");
    let child = tokio::process::Command::new(binary)
        .arg(format!("--config.file={}", folder.join("config.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("Prometheus starts");
    (child, format!("http://127.0.0.1:{port}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn real_series_promote_one_version_and_take_another_back() {
    let Some(binary) = std::env::var_os("PROMETHEUS").map(PathBuf::from) else {
        println!("skipped: set PROMETHEUS to the prometheus program (Debian: apt-get install prometheus)");
        return;
    };
    let application = Arc::new(Application::default());
    let traffic = application.clone();
    let failing = Arc::new(AtomicU64::new(0));
    let share = failing.clone();
    tokio::spawn(async move {
        loop {
            let bad = share.load(Ordering::Relaxed);
            traffic.bad.fetch_add(bad, Ordering::Relaxed);
            traffic.good.fetch_add(100 - bad, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let folder = std::env::temp_dir().join(format!("rollouts-prometheus-{}", std::process::id()));
    let (_prometheus, address) = prometheus(&binary, serve(application).await, &folder).await;

    let clock = Clock::system();
    let cluster = Cluster::builder().clock(clock).simulator(SimulatorConfig::default()).build().expect("in memory");
    cluster.install_crds(&api::crds()).expect("valid");
    let context = Context::builder(cluster.client()).build();
    let shutdown = Shutdown::new();
    let controller = tokio::spawn(Controller::builder(context).build().expect("valid").run(shutdown.clone()));
    let manifests = MANIFESTS.replace("ADDRESS", &address);
    let status = || -> Value {
        let rollout = cluster.direct("test").get("rollouts.argoproj.io", "default", "shop").expect("there");
        rollout["status"].clone()
    };
    let reaches = async |phase: &str, stable: &str| {
        for _ in 0..300 {
            let now = status();
            if now["phase"] == phase && (stable.is_empty() || now["stableRS"] != stable) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("not {phase}: {:#}", status());
    };
    cluster.apply_yaml(&manifests).expect("applied");
    let first = reaches("Healthy", "").await["stableRS"].as_str().unwrap_or_default().to_owned();

    cluster.apply_yaml(&manifests.replace("shop:v1", "shop:v2")).expect("applied");
    let second = reaches("Healthy", &first).await["stableRS"].as_str().unwrap_or_default().to_owned();

    failing.store(30, Ordering::Relaxed);
    cluster.apply_yaml(&manifests.replace("shop:v1", "shop:v3")).expect("applied");
    let bad = reaches("Degraded", "").await;
    assert_eq!((&bad["abort"], bad["stableRS"].as_str()), (&true.into(), Some(second.as_str())), "{bad:#}");
    let message = bad["message"].as_str().unwrap_or_default();
    assert!(message.contains("Metric \"errors\" assessed Failed due to failed (1) > failureLimit (0)"), "{message}");
    shutdown.cancel();
    controller.await.expect("ends");
    std::fs::remove_dir_all(&folder).ok();
}
