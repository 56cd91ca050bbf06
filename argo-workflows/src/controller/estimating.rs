//! Finds the run that estimates are made from: the newest of the same template that succeeded, else the archive's.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use argo_core::{Object, runtime::Cache};

use super::persisting::Persisting;
use crate::{
    api::{LABEL_CLUSTER_WORKFLOW_TEMPLATE, LABEL_CRON_WORKFLOW, LABEL_PHASE, LABEL_WORKFLOW_TEMPLATE, Workflow},
    engine::{Baseline, baseline_label},
};

/// Index of the workflows that succeeded, by namespace, label and value.
const INDEX: &str = "succeeded";

/// Runs that were read, so that the many workflows of a template read theirs once.
#[derive(Default)]
pub(super) struct Estimates(Mutex<BTreeMap<String, (String, Arc<Baseline>)>>);

impl Estimates {
    /// Indexes the workflows.
    pub(super) fn index(workflows: &Cache) {
        workflows.add_index(INDEX, |object| {
            if object.label(LABEL_PHASE) != Some("Succeeded") {
                return Vec::new();
            }
            let labels = [LABEL_WORKFLOW_TEMPLATE, LABEL_CLUSTER_WORKFLOW_TEMPLATE, LABEL_CRON_WORKFLOW];
            let namespace = object.namespace().unwrap_or_default();
            labels.into_iter().filter_map(|it| Some(key(namespace, it, object.label(it)?))).collect()
        });
    }

    /// The run that `workflow` is compared with. One that can not be read is none: an estimate stops nobody.
    pub(super) async fn of(
        &self,
        workflows: &Cache,
        stores: &Persisting,
        workflow: &Workflow,
    ) -> Option<Arc<Baseline>> {
        let (label, value) = baseline_label(workflow)?;
        let key = key(workflow.namespace(), label, value);
        let created = |it: &Arc<Object>| it.text("/metadata/creationTimestamp").to_owned();
        let newest = workflows.indexed(INDEX, &key).into_iter().max_by_key(|it| (created(it), it.name().to_owned()));
        let Some(newest) = newest else {
            let archive = stores.stores.archive.as_ref()?;
            let found = archive.last_succeeded(workflow.namespace(), (label, value)).await;
            let found = found.inspect_err(|error| tracing::warn!(%error, "no estimate is made")).ok()??;
            let run: Workflow = serde_json::from_value(found).ok()?;
            return Some(self.keep(key, run.uid(), Baseline::of(&run)));
        };
        if let Some((uid, known)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key)
            && uid == newest.uid()
        {
            return Some(known.clone());
        }
        let live = match stores.read(&newest).await {
            Ok(live) => live.ok()?,
            Err(error) => {
                tracing::warn!(%error, "no estimate is made");
                return None;
            }
        };
        Some(self.keep(key, newest.uid(), Baseline::of(&live.workflow)))
    }

    fn keep(&self, key: String, uid: &str, baseline: Baseline) -> Arc<Baseline> {
        let baseline = Arc::new(baseline);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key, (uid.to_owned(), baseline.clone()));
        baseline
    }
}

fn key(namespace: &str, label: &str, value: &str) -> String {
    format!("{namespace}/{label}={value}")
}
