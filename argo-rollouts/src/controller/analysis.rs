//! One pass over an AnalysisRun on a Kubernetes API.

use std::{collections::BTreeMap, sync::Arc};

use argo_core::{
    BoxFailure, Failure, Gvk, Object, ObjectKey, ObjectRef,
    runtime::{Cache, Context, Outcome, Reconcile, ReconcileResult},
    time,
};
use base64::Engine;
use futures::future::join_all;

use super::{is_ours, metrics::Counted};
use crate::{
    api::{AnalysisRun, SecretKeyRef},
    engine::analysis::{self, ArgumentError, MeasureAction},
    metrics::Providers,
};

/// The kind, as metrics name it.
const KIND: &str = "analysis_run";

/// Name of the controller.
pub(super) const NAME: &str = "rollouts-analysis";

pub(super) struct AnalysisRuns {
    pub(super) context: Context,
    pub(super) runs: Arc<Cache>,
    pub(super) providers: Providers,
    pub(super) instance: Option<String>,
    pub(super) counted: Counted,
}

#[async_trait::async_trait]
impl Reconcile for AnalysisRuns {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let started = self.context.now();
        let Some(run) = self.runs.get(key) else {
            self.counted.gone(KIND, key, started);
            return Ok(Outcome::DONE);
        };
        if !is_ours(&run, self.instance.as_deref()) {
            return Ok(Outcome::DONE);
        }
        let result = self.pass(key, run).await;
        self.counted.pass(KIND, key, time::between(started, self.context.now()), result.is_err());
        result
    }

    async fn failed(&self, key: &ObjectKey, message: &str) {
        tracing::warn!(%key, message, "reconcile failed");
        let Some(run) = self.runs.get(key) else { return };
        let status = analysis::failed_status(&run, message, self.context.now());
        if let Some(change) = status.and_then(|it| analysis::status_change(&run, &it))
            && let Err(error) = self.context.apply(NAME, key, &change).await
        {
            tracing::debug!(%key, %error, "the failure is not on the status");
        }
    }
}

impl AnalysisRuns {
    async fn pass(&self, key: &ObjectKey, run: Arc<Object>) -> ReconcileResult {
        let mut plan = analysis::reconcile(&run, &[], self.context.now());
        let measures: Vec<_> = plan.effects().cloned().collect();
        if !measures.is_empty() {
            let typed: AnalysisRun = run.decode()?;
            plan = match self.secrets(&typed).await? {
                Ok(secrets) => {
                    let now = self.context.now();
                    let taken = measures.iter().map(|it| self.providers.carry_out(&typed, it, &secrets, now));
                    let observations = join_all(taken).await;
                    analysis::reconcile(&run, &observations, self.context.now())
                }
                Err(error) => analysis::fail(&typed, &error, self.context.now()),
            };
            for measure in plan.effects() {
                if matches!(measure.action, MeasureAction::GarbageCollect(_)) {
                    let nothing = BTreeMap::new();
                    self.providers.carry_out(&typed, measure, &nothing, self.context.now()).await;
                }
            }
        }
        for change in plan.changes() {
            self.context.apply(NAME, key, change).await?;
        }
        if let Some(change) = plan.status.as_ref().and_then(|it| analysis::status_change(&run, it)) {
            self.context.apply(NAME, key, &change).await?;
        }
        for note in &plan.notes {
            self.context.note(&run, note).await;
        }
        Ok(plan.wake.into())
    }

    /// Values of the run's secret arguments, read past the caches: Secrets are not watched.
    async fn secrets(
        &self,
        run: &AnalysisRun,
    ) -> Result<Result<BTreeMap<SecretKeyRef, String>, ArgumentError>, BoxFailure> {
        let mut secrets = BTreeMap::new();
        let keys = run.spec.args.iter().filter_map(|it| it.value_from.as_ref()?.secret_key_ref.clone());
        for key in keys {
            if secrets.contains_key(&key) {
                continue;
            }
            let target = ObjectRef::new(Gvk::new("", "v1", "Secret"), run.metadata.namespace.as_deref(), &key.name);
            let secret = match self.context.get(&target).await {
                Ok(Some(secret)) => secret,
                Ok(None) => return Ok(Err(ArgumentError::SecretMissing(key.name))),
                Err(error) if error.is_transient() => return Err(error.into()),
                Err(error) => {
                    return Ok(Err(ArgumentError::SecretUnreadable { name: key.name, category: error.category() }));
                }
            };
            match value(&secret, &key.key) {
                Some(value) => secrets.insert(key, value),
                None => return Ok(Err(ArgumentError::SecretKey { name: key.name, key: key.key })),
            };
        }
        Ok(Ok(secrets))
    }
}

fn value(secret: &Object, key: &str) -> Option<String> {
    let encoded = secret.get("data")?.get(key)?.as_str()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
