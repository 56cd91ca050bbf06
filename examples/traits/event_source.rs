//! Your own `EventSource`: watches the size of a folder and tells when it grows, with a sensor that
//! logs it, on the embedded Kubernetes.
//!
//! cargo run --example event_source

use std::{path::Path, sync::Arc, time::Duration};

use argo_core::{
    Gvk,
    runtime::{Context, Shutdown},
};
use argo_embedded::Cluster;
use argo_events::{
    Controller,
    sources::{EventSource, Feed, SourceError},
};
use async_trait::async_trait;
use serde_json::{Value, json};

/// `spec.folder.<event>: {path, interval}`.
#[derive(Debug)]
struct FolderSource;

fn size(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter_map(|it| it.metadata().ok()).map(|it| it.len()).sum()
}

#[async_trait]
impl EventSource for FolderSource {
    fn kind(&self) -> &'static str {
        "folder"
    }

    fn validate(&self, config: &Value) -> Result<(), String> {
        match config["path"].as_str() {
            Some(_) => Ok(()),
            None => Err("path must be set: the folder to watch".into()),
        }
    }

    async fn run(&self, config: &Value, feed: &Feed) -> Result<(), SourceError> {
        let path = config["path"].as_str().unwrap_or_default().to_owned();
        let mut last = size(Path::new(&path));
        feed.ready();
        while !feed.sleep(Duration::from_millis(50)).await {
            let now = size(Path::new(&path));
            if now > last {
                feed.publish(json!({"path": path, "before": last, "now": now})).await?;
            }
            last = now;
        }
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    argo_examples::install_tls();
    let folder = tempfile::tempdir()?;
    let cluster = Cluster::new();
    cluster.install_crds(&argo_events::api::crds())?;
    let context = Context::from(cluster.client());
    let stop = Shutdown::new();
    let controller = Controller::builder(context.clone()).source(FolderSource).build()?;
    let running = tokio::spawn(controller.run(stop.clone()));

    cluster.apply_yaml(&format!(
        "
apiVersion: argoproj.io/v1alpha1
kind: EventBus
metadata: {{name: default, namespace: default}}
spec: {{jetstream: {{version: latest}}}}
---
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {{name: disk, namespace: default}}
spec:
  folder:
    uploads: {{path: {}}}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: uploads, namespace: default}}
spec:
  dependencies:
  - {{name: grown, eventSourceName: disk, eventName: uploads}}
  triggers:
  - template:
      name: remember
      k8s:
        operation: create
        source:
          resource:
            apiVersion: v1
            kind: ConfigMap
            metadata: {{name: upload, namespace: default}}
            data: {{size: ''}}
        parameters:
        - src: {{dependencyName: grown, dataKey: now}}
          dest: data.size
",
        folder.path().display()
    ))?;

    let config_maps = context.cache(Gvk::new("", "v1", "ConfigMap"));
    let mut events = config_maps.subscribe();
    // Grow until the sensor, which starts in the background, has seen it once.
    let writer = Arc::new(folder);
    let grow = {
        let folder = writer.clone();
        async move {
            for i in 0.. {
                let _ = std::fs::write(folder.path().join(format!("file-{i}")), "some bytes");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    };
    let seen = async {
        while let Some(event) = events.recv().await {
            if let Some(object) = event.new.filter(|it| it.name() == "upload") {
                return Ok(object.text("/data/size").to_owned());
            }
        }
        Err(anyhow::anyhow!("the cluster went away"))
    };
    let size = tokio::select! {
        () = grow => anyhow::bail!("unreachable: it grows for ever"),
        size = tokio::time::timeout(Duration::from_secs(20), seen) => size??,
    };
    println!("the folder grew; the sensor made a ConfigMap with size {size}");
    stop.cancel();
    running.await?;
    Ok(())
}
