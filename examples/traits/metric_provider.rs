//! Your own `MetricProvider`: measures a queue, and an AnalysisRun judges it, on the embedded Kubernetes.
//!
//! cargo run --example metric_provider

use std::sync::atomic::{AtomicU32, Ordering};

use argo_core::runtime::{Context, Shutdown};
use argo_embedded::Cluster;
use argo_rollouts::{
    Controller,
    api::{AnalysisRun, Measurement},
    engine::analysis::Reading,
    metrics::{MetricProvider, MetricRequest},
};
use async_trait::async_trait;
use serde::Deserialize;

/// `provider: {plugin: {example.com/queue: {name: …}}}`: the length of a queue that is filling up.
#[derive(Debug, Default)]
struct Queue(AtomicU32);

#[derive(Deserialize)]
struct Settings {
    name: String,
}

#[async_trait]
impl MetricProvider for Queue {
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
        let settings: Settings = match request.settings() {
            Ok(settings) => settings,
            Err(measurement) => return *measurement,
        };
        let length = self.0.fetch_add(20, Ordering::Relaxed);
        println!("queue {} holds {length}", settings.name);
        request.judged(length.to_string(), &Reading::Number(length.into()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    argo_examples::install_tls();
    let cluster = Cluster::new();
    cluster.install_crds(&argo_rollouts::api::crds())?;
    let context = Context::from(cluster.client());
    let stop = Shutdown::new();
    let controller =
        Controller::builder(context.clone()).metric_provider("example.com/queue", Queue::default()).build()?;
    let running = tokio::spawn(controller.run(stop.clone()));

    cluster.apply_yaml(
        "
apiVersion: argoproj.io/v1alpha1
kind: AnalysisRun
metadata: {name: orders, namespace: default}
spec:
  metrics:
  - name: length
    interval: 100ms
    count: 5
    failureLimit: 1
    successCondition: result < 30
    provider: {plugin: {example.com/queue: {name: orders}}}
",
    )?;
    let mut events = context.cache_of::<AnalysisRun>().subscribe();
    let ended = async {
        while let Some(event) = events.recv().await {
            if let Some(run) = event.new.filter(|it| !matches!(it.text("/status/phase"), "" | "Pending" | "Running")) {
                return Ok(run);
            }
        }
        Err(anyhow::anyhow!("the cluster went away"))
    };
    let run = tokio::time::timeout(std::time::Duration::from_secs(20), ended).await??;
    println!("AnalysisRun {}: {}", run.text("/status/phase"), run.text("/status/message"));
    anyhow::ensure!(run.text("/status/phase") == "Failed", "0 and 20 pass, 40 and 60 fail");
    stop.cancel();
    running.await?;
    Ok(())
}
