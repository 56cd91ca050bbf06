//! Your own `ClusterApplier`: every change is written to a journal first, deletions wait for a second
//! pair of eyes, and the rest goes to a cluster, here the embedded one.
//!
//! cargo run --example cluster_applier

use std::sync::Arc;

use argo_core::{ApplyError, Category, Change, ClusterApplier, Gvk, Note, Object, runtime::Context};
use argo_embedded::Cluster;
use async_trait::async_trait;
use parking_lot::Mutex;

/// Journals, holds back deletions, passes everything else on.
#[derive(Debug)]
struct FourEyes {
    inner: Arc<dyn ClusterApplier>,
    journal: Mutex<Vec<String>>,
}

#[async_trait]
impl ClusterApplier for FourEyes {
    async fn apply(&self, change: &Change) -> Result<Option<Object>, ApplyError> {
        self.journal.lock().push(change.to_string());
        match change {
            Change::Delete { .. } => {
                Err(ApplyError::new(change, Category::Forbidden, "waits for somebody else's approval"))
            }
            _ => self.inner.apply(change).await,
        }
    }

    async fn note(&self, regarding: &Object, note: &Note) {
        self.inner.note(regarding, note).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cluster = Cluster::new();
    let plain = Context::from(cluster.client());
    let applier = Arc::new(FourEyes { inner: plain.applier().clone(), journal: Mutex::default() });
    let context = Context::builder(cluster.client()).applier(applier.clone()).build();

    let config = Object::new(&Gvk::new("", "v1", "ConfigMap"), Some("default"), "web").with(&["data", "color"], "blue");
    let key = config.key();
    let live = context.apply("example", &key, &Change::create(config)).await?.expect("it was created");
    let next = live.clone().with(&["data", "color"], "green");
    if let Some(change) = Change::merge_between(&live, &next) {
        context.apply("example", &key, &change).await?;
    }
    let refused = context.apply("example", &key, &Change::delete(&live)).await.expect_err("deletions wait");

    for line in applier.journal.lock().iter() {
        println!("{line}");
    }
    println!("{refused}");
    let now = context.get(&live.reference()).await?.expect("it is still there");
    anyhow::ensure!(now.text("/data/color") == "green");
    Ok(())
}
