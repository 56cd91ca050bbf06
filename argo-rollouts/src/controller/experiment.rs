//! One pass over an Experiment on a Kubernetes API.

use std::{sync::Arc, time::Duration};

use argo_core::{
    BoxFailure, Category, Change, Failure, Note, Object, ObjectKey,
    runtime::{Context, Outcome, Reconcile, ReconcileResult},
    time,
};

use super::{is_ours, metrics::Counted, rollout::Caches};
use crate::{
    api::{ExperimentStatus, names},
    engine::experiment::{self, World},
};

/// The kind, as metrics name it.
const KIND: &str = "experiment";

/// Name of the controller.
pub(super) const NAME: &str = "rollouts-experiments";

/// How soon a name that somebody else has is decided anew.
const TAKEN_RETRY: Duration = Duration::from_secs(1);

pub(super) struct Experiments {
    pub(super) context: Context,
    pub(super) caches: Arc<Caches>,
    pub(super) instance: Option<String>,
    pub(super) counted: Counted,
}

#[async_trait::async_trait]
impl Reconcile for Experiments {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let started = self.context.now();
        let Some(object) = self.caches.experiments.get(key) else {
            self.counted.gone(KIND, key, started);
            return Ok(Outcome::DONE);
        };
        if !is_ours(&object, self.instance.as_deref()) {
            return Ok(Outcome::DONE);
        }
        let result = self.pass(key, object).await;
        self.counted.pass(KIND, key, time::between(started, self.context.now()), result.is_err());
        result
    }

    async fn failed(&self, key: &ObjectKey, message: &str) {
        tracing::warn!(%key, message, "reconcile failed");
        let Some(object) = self.caches.experiments.get(key) else { return };
        let Some(status) = experiment::failed_status(&object, message) else { return };
        if let Err(error) = self.write(key, &object, &status).await {
            tracing::debug!(%key, %error, "the failure is not on the status");
        }
    }
}

impl Experiments {
    async fn pass(&self, key: &ObjectKey, object: Arc<Object>) -> ReconcileResult {
        let world = self.observe(&object);
        let plan = experiment::reconcile(&world, self.context.now());
        for change in plan.changes() {
            if let Some(outcome) = self.change(key, &world, change).await? {
                return Ok(outcome);
            }
        }
        if let Some(status) = &plan.status {
            self.write(key, &object, status).await?;
        }
        for note in &plan.notes {
            self.context.note(&object, note).await;
        }
        Ok(plan.wake.into())
    }

    fn observe(&self, object: &Arc<Object>) -> World {
        let namespace = object.namespace().unwrap_or_default();
        let caches = &self.caches;
        World {
            experiment: object.clone(),
            replica_sets: caches.sets.in_namespace(namespace),
            services: caches.services.in_namespace(namespace),
            analysis_runs: caches.runs.in_namespace(namespace),
            templates: caches.templates.in_namespace(namespace),
            cluster_templates: caches.cluster_templates.list(),
        }
    }

    /// Writes; says how the pass ends if it does not go on.
    async fn change(&self, key: &ObjectKey, world: &World, change: &Change) -> Result<Option<Outcome>, BoxFailure> {
        let error = match self.context.apply(NAME, key, change).await {
            Ok(_) => return Ok(None),
            Err(error) => error,
        };
        let Change::Create { object } = change else { return Err(error.into()) };
        let taken = error.category() == Category::AlreadyExists;
        if taken && object.gvk().kind != "ReplicaSet" {
            // Somebody else has that name: the next pass sees it.
            return Ok(Some(Outcome::wake_at(time::after(self.context.now(), TAKEN_RETRY))));
        }
        if error.is_transient() && !taken {
            return Err(error.into());
        }
        let message = match taken {
            true => format!("replicasets.apps \"{}\" already exists", object.name()),
            false => error.message.clone(),
        };
        let Some(status) = experiment::refused_status(world, object, &message) else {
            return Err(error.into());
        };
        if object.gvk().kind == "ReplicaSet" {
            let message = format!("Failed to create new replica set \"{}\": {}", object.name(), message);
            self.context.note(&world.experiment, &Note::warning(names::reason::NOT_CREATED, message)).await;
        }
        self.write(key, &world.experiment, &status).await?;
        Ok(Some(Outcome::DONE))
    }

    async fn write(&self, key: &ObjectKey, object: &Object, status: &ExperimentStatus) -> Result<(), BoxFailure> {
        if let Some(change) = experiment::status_change(object, status) {
            self.context.apply(NAME, key, &change).await?;
        }
        Ok(())
    }
}
