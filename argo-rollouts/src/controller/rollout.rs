//! One pass over a Rollout on a Kubernetes API.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Action, ApplyError, BoxFailure, Category, Change, Failure, Gvk, Note, Object, ObjectKey, Plan, Resource, Timestamp,
    runtime::{Cache, Context, Outcome, Query, Reconcile, ReconcileResult},
    time,
};

use super::{
    counts::Counts, events::Events, is_ours, metrics::Counted, notifications::Notifications, routes::Routes, views,
};
use crate::{
    api::{
        AnalysisRun, AnalysisTemplate, ClusterAnalysisTemplate, Experiment, LabelSelector, Rollout, RolloutStatus,
        names,
    },
    engine::{self, Effect, World},
    steps::StepPlugins,
};

/// Name of the controller.
pub(super) const NAME: &str = "rollouts";

/// The kind, as metrics name it.
const KIND: &str = "rollout";

/// How soon a write that the API server refused is decided anew.
const REFUSED_RETRY: Duration = Duration::from_secs(20);

/// Where a pass reads from.
pub(super) struct Caches {
    pub(super) rollouts: Arc<Cache>,
    pub(super) sets: Arc<Cache>,
    pub(super) services: Arc<Cache>,
    pub(super) runs: Arc<Cache>,
    pub(super) experiments: Arc<Cache>,
    pub(super) templates: Arc<Cache>,
    pub(super) cluster_templates: Arc<Cache>,
}

impl Caches {
    pub(super) fn open(context: &Context) -> Self {
        // Every ReplicaSet of ours has the label; those of Deployments need no memory here.
        let sets =
            Query::of(Gvk::new("apps", "v1", "ReplicaSet"), context.namespace()).labelled(names::POD_TEMPLATE_HASH);
        Self {
            rollouts: context.cache_of::<Rollout>(),
            sets: context.caches().open(sets),
            services: context.cache(Gvk::new("", "v1", "Service")),
            runs: context.cache_of::<AnalysisRun>(),
            experiments: context.cache_of::<Experiment>(),
            templates: context.cache_of::<AnalysisTemplate>(),
            // Cluster-scoped: never in the context's one namespace.
            cluster_templates: context.caches().open(Query::of(ClusterAnalysisTemplate::gvk(), None)),
        }
    }
}

pub(super) struct Rollouts {
    pub(super) context: Context,
    pub(super) events: Events,
    pub(super) counts: Counts,
    pub(super) caches: Arc<Caches>,
    pub(super) routes: Arc<Routes>,
    pub(super) steps: StepPlugins,
    pub(super) instance: Option<String>,
    pub(super) counted: Counted,
    pub(super) resync: Option<Duration>,
    pub(super) notifications: Notifications,
}

#[async_trait::async_trait]
impl Reconcile for Rollouts {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let started = self.context.now();
        let Some(rollout) = self.caches.rollouts.get(key) else {
            self.counted.gone(KIND, key, started);
            self.routes.release(key, None).await?;
            return Ok(Outcome::DONE);
        };
        if !is_ours(&rollout, self.instance.as_deref()) {
            return Ok(Outcome::DONE);
        }
        if let Err(until) = self.routes.fresh(key) {
            return Ok(Outcome::wake_at(until));
        }
        let result = self.pass(key, rollout).await;
        let now = self.context.now();
        self.counted.pass(KIND, key, time::between(started, now), result.is_err());
        let resync = self.resync.map(|it| time::after(now, it));
        Ok(Outcome { wake: result?.wake.into_iter().chain(resync).min() })
    }

    async fn failed(&self, key: &ObjectKey, message: &str) {
        tracing::warn!(%key, message, "reconcile failed");
        let Some(rollout) = self.caches.rollouts.get(key) else { return };
        let note = Note::warning("ReconciliationError", format!("Reconciliation failed with error: {message}"));
        self.note(key, &rollout, &note).await;
        let status = rollout.get("status").cloned().unwrap_or_else(|| serde_json::json!({}));
        let Ok(old) = serde_json::from_value::<RolloutStatus>(status) else { return };
        let status = engine::failed_status(&old, message, self.context.now());
        if let Some(change) = engine::status_change(&rollout, &status)
            && let Err(error) = self.context.apply(NAME, key, &change).await
        {
            tracing::debug!(%key, %error, "the failure is not on the status");
        }
    }
}

impl Rollouts {
    async fn pass(&self, key: &ObjectKey, rollout: Arc<Object>) -> ReconcileResult {
        self.routes.release(key, Some(&rollout)).await?;
        let (mut world, found, mut again) = self.observe(key, &rollout).await?;
        let now = self.context.now();
        let plan = self.decide(&mut world, now).await;
        for action in &plan.actions {
            match action {
                Action::Change(change) => {
                    if let Some(outcome) = self.change(key, &rollout, change).await? {
                        return Ok(outcome);
                    }
                }
                // Called while it was decided.
                Action::Effect(Effect::Step(_)) => {}
                Action::Effect(Effect::Route(traffic)) => {
                    let mut notes = Vec::new();
                    let left = self.routes.route(key, &world, traffic, &mut notes).await;
                    for note in &notes {
                        self.note(key, &rollout, note).await;
                    }
                    again = again.into_iter().chain(left?).min();
                }
            }
        }
        let old = rollout.decode::<Rollout>().ok().map(|it| it.status);
        let both = old.as_ref().zip(plan.status.as_ref());
        let later = match both.is_some_and(|(old, next)| engine::differ_in_counts_only(old, next)) {
            true => self.counts.later(key, now),
            false => None,
        };
        let status = plan.status.as_ref().filter(|_| later.is_none());
        if let Some(change) = status.and_then(|it| engine::status_change(&rollout, it)) {
            self.context.apply(NAME, key, &change).await?;
            self.counts.wrote(key, now);
            // Told once: a status that was not written is decided again.
            let ended = both.and_then(|(old, next)| engine::finished(old, next, now));
            ended.iter().for_each(|it| self.counted.finished(it));
        }
        for note in found.iter().chain(&plan.notes) {
            self.note(key, &rollout, note).await;
        }
        self.notifications.changed(key, &rollout).await;
        Ok(plan.wake.into_iter().chain(again).chain(later).min().into())
    }

    /// Decides; step plugins that are asked for are called, and then it is decided with their answers.
    async fn decide(&self, world: &mut World, now: Timestamp) -> Plan<RolloutStatus, Effect> {
        let plan = engine::reconcile(world, now);
        let calls: Vec<_> = plan
            .effects()
            .filter_map(|it| match it {
                Effect::Step(call) => Some(call.clone()),
                Effect::Route(_) => None,
            })
            .collect();
        if calls.is_empty() {
            return plan;
        }
        for call in calls {
            let answer = self.steps.call(&world.rollout, &call).await;
            world.step_answers.push((call, answer));
        }
        engine::reconcile(world, now)
    }

    async fn note(&self, key: &ObjectKey, rollout: &Arc<Object>, note: &Note) {
        self.counted.event(key, note);
        self.events.say(key, rollout, note).await;
        self.notifications.happened(key, rollout, note).await;
    }

    /// What the pass sees, what there is to say about that, and when to look again at the latest.
    async fn observe(
        &self,
        key: &ObjectKey,
        rollout: &Arc<Object>,
    ) -> Result<(World, Vec<Note>, Option<Timestamp>), BoxFailure> {
        let namespace = rollout.namespace().unwrap_or_default();
        let mut world = World::new(rollout.clone());
        views::fill(&self.caches, rollout, &mut world);
        world.step_plugins = self.steps.names();
        if restart_is_due(rollout) || marks_pods(rollout) {
            let pods = self.context.list(&Gvk::new("", "v1", "Pod"), Some(namespace), None).await?;
            world.pods = pods.into_iter().map(Arc::new).collect();
        }
        world.workload = self.routes.workload(key, rollout).await;
        self.observe_in_place(rollout, &mut world).await?;
        let mut notes = Vec::new();
        let again = self.routes.look(key, &mut world, &mut notes).await;
        if let Err(error) = self.routes.verify_targets(&mut world, &mut notes).await {
            for note in &notes {
                self.note(key, rollout, note).await;
            }
            return Err(error);
        }
        Ok((world, notes, again))
    }

    /// What a pass sees of a workload whose pods are replaced in place: itself, its pods and revisions, as they are now.
    /// Pods that are deleted for a template of which a cache has yet to hear would come back, and be deleted, without end.
    async fn observe_in_place(&self, rollout: &Object, world: &mut World) -> Result<(), BoxFailure> {
        let Some(workload) = world.workload.clone() else { return Ok(()) };
        if !rollout.decode::<Rollout>().is_ok_and(|it| engine::workloads::is_in_place(&it)) {
            return Ok(());
        }
        world.workload = self.context.get(&workload.reference()).await?.map(Arc::new);
        let Some(workload) = world.workload.clone() else { return Ok(()) };
        let selector = workload.pointer("/spec/selector").cloned().unwrap_or_default();
        let selector = serde_json::from_value::<LabelSelector>(selector).map(|it| it.to_text()).unwrap_or_default();
        let labels = Some(selector.as_str()).filter(|it| !it.is_empty());
        let namespace = workload.namespace();
        let (pods, revisions) = (Gvk::new("", "v1", "Pod"), Gvk::new("apps", "v1", "ControllerRevision"));
        let pods = self.context.list(&pods, namespace, labels).await?;
        let revisions = self.context.list(&revisions, namespace, labels).await?;
        world.pods = pods.into_iter().map(Arc::new).collect();
        world.revisions = revisions.into_iter().map(Arc::new).collect();
        Ok(())
    }

    /// Writes; says how the pass ends if it does not go on.
    async fn change(
        &self,
        key: &ObjectKey,
        rollout: &Arc<Object>,
        change: &Change,
    ) -> Result<Option<Outcome>, BoxFailure> {
        let error = match self.context.apply(NAME, key, change).await {
            Ok(_) => return Ok(None),
            Err(error) => error,
        };
        match (change, error.category()) {
            // A disruption budget does not allow it now; the next pass asks again.
            (Change::Evict { .. }, Category::Throttled) => Ok(None),
            // It went on its own.
            (Change::Patch { target, .. }, Category::NotFound) if target.gvk.kind == "Pod" => Ok(None),
            // Somebody else has that name: the next pass takes another.
            (Change::Create { object }, Category::AlreadyExists) => {
                if object.gvk().kind == "ReplicaSet" {
                    let mut status = rollout.decode::<Rollout>()?.status;
                    status.collision_count = Some(status.collision_count.unwrap_or_default() + 1);
                    if let Some(change) = engine::status_change(rollout, &status) {
                        self.context.apply(NAME, key, &change).await?;
                    }
                }
                Ok(Some(Outcome::wake_at(time::after(self.context.now(), Duration::from_secs(1)))))
            }
            (Change::Create { object }, _) if !error.is_transient() && object.gvk().kind == "ReplicaSet" => {
                self.say_not_created(key, rollout, object, &error).await?;
                Ok(Some(Outcome::wake_at(time::after(self.context.now(), REFUSED_RETRY))))
            }
            _ => Err(error.into()),
        }
    }

    async fn say_not_created(
        &self,
        key: &ObjectKey,
        rollout: &Arc<Object>,
        set: &Object,
        error: &ApplyError,
    ) -> Result<(), BoxFailure> {
        let message = format!("Failed to create new replica set \"{}\": {}", set.name(), error.message);
        let typed: Rollout = rollout.decode()?;
        let status = engine::not_created_status(&typed, &message, self.context.now());
        if let Some(change) = engine::status_change(rollout, &status) {
            self.context.apply(NAME, key, &change).await?;
            self.note(key, rollout, &Note::warning(names::reason::NOT_CREATED, message)).await;
        }
        Ok(())
    }
}

/// Whether pods carry metadata of their role.
fn marks_pods(rollout: &Object) -> bool {
    let fields =
        ["canary/canaryMetadata", "canary/stableMetadata", "blueGreen/previewMetadata", "blueGreen/activeMetadata"];
    fields.iter().any(|it| rollout.pointer(&format!("/spec/strategy/{it}")).is_some())
}

fn restart_is_due(rollout: &Object) -> bool {
    let asked = rollout.text("/spec/restartAt");
    !asked.is_empty() && asked != rollout.text("/status/restartedAt")
}
