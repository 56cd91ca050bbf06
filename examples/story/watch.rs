//! Waiting for what must come true, and showing what happens meanwhile.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail};
use argo_core::{
    Gvk, Object, ObjectKey,
    runtime::{Cache, Context},
};

use crate::{report::Report, summary};

/// Wall time after which an expectation counts as broken.
const PATIENCE: Duration = Duration::from_secs(120);

/// Expectations about one cluster.
#[derive(Clone)]
pub(crate) struct Watch {
    context: Context,
}

impl Watch {
    pub(crate) fn new(context: Context) -> Self {
        Self { context }
    }

    fn cache(&self, gvk: &Gvk) -> Arc<Cache> {
        self.context.cache(gvk.clone())
    }

    /// Waits until some object of a kind fits; fails with what was seen last.
    pub(crate) async fn until(&self, what: &str, gvk: &Gvk, fits: impl Fn(&Object) -> bool) -> Result<Arc<Object>> {
        self.until_within(what, gvk, PATIENCE, fits).await
    }

    pub(crate) async fn until_within(
        &self,
        what: &str,
        gvk: &Gvk,
        patience: Duration,
        fits: impl Fn(&Object) -> bool,
    ) -> Result<Arc<Object>> {
        let cache = self.cache(gvk);
        let mut events = cache.subscribe();
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let event = tokio::time::timeout_at(deadline, events.recv()).await;
            match event {
                Ok(Some(event)) => {
                    if let Some(object) = event.new.filter(|it| fits(it)) {
                        return Ok(object);
                    }
                }
                Ok(None) => bail!("the cluster went away while waiting for {what}"),
                Err(_) => {
                    let seen: Vec<_> =
                        cache.list().iter().map(|it| format!("  {}: {}", it.key(), summary::of(it))).collect();
                    bail!("not within {patience:?}: {what}; {} in the cluster:\n{}", gvk.kind, seen.join("\n"));
                }
            }
        }
    }

    /// As [`Watch::until`], for one object by name.
    pub(crate) async fn object(
        &self,
        what: &str,
        gvk: &Gvk,
        key: &ObjectKey,
        fits: impl Fn(&Object) -> bool,
    ) -> Result<Arc<Object>> {
        self.until(what, gvk, |it| it.key() == *key && fits(it)).await
    }

    /// Objects of a kind that are there now.
    pub(crate) async fn now(&self, gvk: &Gvk) -> Vec<Arc<Object>> {
        let cache = self.cache(gvk);
        cache.synced().await;
        cache.list()
    }

    /// Shows every change of these kinds in the report, until the context shuts down.
    pub(crate) fn show(&self, report: &Report, kinds: &[Gvk]) {
        for gvk in kinds {
            let cache = self.cache(gvk);
            let (report, shutdown, kind) = (report.clone(), self.context.shutdown().clone(), gvk.kind.clone());
            tokio::spawn(async move {
                let mut events = cache.subscribe();
                loop {
                    let event = tokio::select! {
                        () = shutdown.cancelled() => return,
                        event = events.recv() => event,
                    };
                    let Some(event) = event else { return };
                    let name = format!("{kind} {}", event.key);
                    match &event.new {
                        Some(object) => report.object(&name, &summary::of(object)),
                        None => report.forget(&name),
                    }
                }
            });
        }
    }
}
