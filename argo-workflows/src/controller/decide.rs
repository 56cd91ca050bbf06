//! What a pass over a workflow needs beside its object, and the pass.

use std::collections::BTreeSet;

use argo_core::{Gvk, Object, ObjectKey, error::BoxFailure, runtime::Query};

use super::{
    memo::Live,
    reconciler::{Reconciler, Seen},
    repository::Resolved,
    shared,
};
use crate::{
    api::WorkflowPhase,
    config::LabelSelector,
    engine::{Claims, Ledger, StatusChange, WorkflowPlan, World, reconcile_with, refuse, refuse_as},
};

/// What a pass came to.
pub(super) struct Decided {
    pub(super) plan: WorkflowPlan,
    /// Workflows to look at again, where it was about locks or places.
    pub(super) woken: Option<BTreeSet<String>>,
    /// A semaphore's ConfigMap was asked for and those are not watched yet.
    pub(super) needs_config_maps: bool,
}

impl Reconciler {
    /// The artifact repository of a workflow that has not begun.
    pub(super) async fn repository(
        &self,
        key: &ObjectKey,
        object: &Object,
        live: &Live,
    ) -> Result<Option<Resolved>, BoxFailure> {
        let status = &live.workflow.status;
        if status.started_at.is_some() || status.artifact_repository_ref.is_some() || object.is_deleting() {
            return Ok(None);
        }
        let references = self.references.within(key.namespace(), self.settings.defaults());
        let Ok(compiled) = self.memo.compiled(key, object, live, &references) else { return Ok(None) };
        let (config, own) = (self.settings.config(), self.namespace.as_deref());
        let default = config.artifact_repository.as_ref();
        self.repositories.resolve(&self.context, &compiled, key.namespace(), own, default).await.map(Some)
    }

    /// One pass. Where locks or places come in, the tables are read and brought up to date in one go.
    pub(super) fn decide(&self, key: &ObjectKey, object: &Object, live: &mut Live, seen: &Seen) -> Decided {
        let references = self.references.within(key.namespace(), self.settings.defaults());
        let now = self.context.now();
        let compiled = self.memo.compiled(key, object, live, &references);
        let baseline = live.baseline.clone().flatten();
        let (workflow, ledger) = (&live.workflow, &mut live.ledger);
        let mut world = World::new(workflow, &seen.steps, &references);
        world.garbage = seen.garbage.as_ref();
        world.metrics = Some(&self.counting.custom);
        world.baseline = baseline.as_deref();
        let config = self.settings.config();
        let everything = LabelSelector::default();
        if self.persisting.stores.archive.is_some() {
            let selector = config.persistence.as_ref().and_then(|it| it.archive_label_selector.as_ref());
            world.archives = Some(selector.unwrap_or(&everything));
        }
        let has_database = self.persisting.stores.locks.is_some();
        world.claims = has_database.then_some(Claims::none());
        let alone = |plan: WorkflowPlan| Decided { plan, woken: None, needs_config_maps: false };
        match &seen.repository {
            None => {}
            Some(Resolved::Found(found)) => world.repository = Some(found),
            Some(Resolved::Missing(message)) => return alone(refuse_as(&world, WorkflowPhase::Error, message, now)),
        }
        let compiled = match compiled {
            Ok(compiled) => compiled,
            Err(error) => {
                return Decided { plan: refuse(&world, &error, now), woken: None, needs_config_maps: false };
            }
        };
        if ledger.is_fresh() {
            self.counting.take_up(&world, &compiled, now);
        }
        if object.is_deleting() {
            return alone(reconcile_with(&world, &compiled, ledger, now));
        }
        let is_shared = |plan: &WorkflowPlan| {
            workflow.status.synchronization.is_some()
                || plan.status.as_ref().is_some_and(|it| it.synchronization.is_some())
        };
        if self.shared.is_unlimited() && !compiled.uses_locks() {
            let plan = reconcile_with(&world, &compiled, ledger, now);
            let needs_config_maps = references.missed_config_maps();
            // Templates of other resources may name locks, too.
            if !is_shared(&plan) && !needs_config_maps {
                return Decided { plan, woken: None, needs_config_maps };
            }
            // That plan is not carried out.
            *ledger = Ledger::default();
            if !is_shared(&plan) {
                return Decided { plan, woken: None, needs_config_maps };
            }
        }
        let mut state = self.shared.enter(&self.workflows, self.instance_id.as_deref());
        let admitted = state.admission.admits(workflow);
        world.claims = has_database.then_some(&state.claims);
        let plan = reconcile_with(&world.with_locks(&state.locks).admitted(admitted), &compiled, ledger, now);
        if references.missed_config_maps() {
            *ledger = Ledger::default();
            return Decided { plan, woken: None, needs_config_maps: true };
        }
        let next =
            plan.status.as_ref().map_or_else(|| StatusChange::default().outline(workflow), |it| it.outline(workflow));
        let woken = state.observe(&next);
        Decided { plan, woken: Some(woken), needs_config_maps: false }
    }

    /// Changes what is asked of the database, and has it asked.
    pub(super) fn claims(&self, change: impl FnOnce(&mut Claims) -> bool) {
        let mut state = self.shared.enter(&self.workflows, self.instance_id.as_deref());
        if change(&mut state.claims) {
            self.locks_changed.notify_one();
        }
    }

    pub(super) fn wake(&self, workflows: &BTreeSet<String>) {
        let Some(queue) = self.queue.get() else { return };
        workflows.iter().for_each(|it| queue.add(shared::key_of(it)));
    }

    /// Watches every ConfigMap from now on: a semaphore may have its limit in any.
    pub(super) async fn open_config_maps(&self) {
        let mut changes = None;
        let cache = self.references.all_config_maps.get_or_init(|| {
            let query = Query::of(Gvk::new("", "v1", "ConfigMap"), self.context.namespace());
            let cache = self.context.caches().open(query);
            changes = Some(cache.subscribe());
            cache
        });
        cache.synced().await;
        let (Some(mut changes), Some(queue)) = (changes, self.queue.get().cloned()) else { return };
        let shared = self.shared.clone();
        tokio::spawn(async move {
            while let Some(change) = changes.recv().await {
                shared.waiting_for(&change.key).iter().for_each(|it| queue.add(shared::key_of(it)));
            }
        });
    }
}
