//! One pass: observe, decide, write.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argo_core::{
    Category, Change, Failure, Object, ObjectKey, Resource, Timestamp,
    runtime::{Cache, Context, Outcome, Reconcile, ReconcileResult},
    time,
};
use serde_json::{Value, json};

use super::{
    NAME,
    clusters::Registry,
    live_settings::LiveSettings,
    metrics::AppMetrics,
    observe::unseen,
    trees::Trees,
    writes::{NoImpersonation, is_too_large, write},
};
use crate::{
    api::{AppProject, Application, Condition, ConditionType, Destination, names},
    engine::{
        self, Cluster, Conclusion, LiveView, Memo, MemoryLive, Pass, Seen, World, conditions, project,
        sync::Outcome as Written, tracking,
    },
    sources::{ManifestSource, repositories},
};

/// How often a pass may ask before it is taken for a bug.
const MAX_ROUNDS: usize = 32;
/// Wait before a pass whose circumstances were against it and give no hint.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Caches {
    pub(super) apps: Arc<Cache>,
    pub(super) projects: Arc<Cache>,
    pub(super) secrets: Arc<Cache>,
}

pub(super) struct Reconciler {
    context: Context,
    settings: Arc<LiveSettings>,
    pub(super) source: Arc<dyn ManifestSource>,
    pub(super) caches: Caches,
    pub(super) clusters: Arc<Registry>,
    trees: Option<Trees>,
    metrics: Arc<AppMetrics>,
    /// When the next wave of an Application may begin. Losing this in a crash only shortens a pause.
    settled: Mutex<BTreeMap<ObjectKey, Timestamp>>,
    /// The ends of operations that metrics have counted.
    counted: Mutex<BTreeMap<ObjectKey, Timestamp>>,
    /// What the last comparison of an Application found equal.
    memos: Mutex<BTreeMap<ObjectKey, Arc<Memo>>>,
    started: Timestamp,
}

/// Wait after a status that was too large: it does not shrink by itself.
const AFTER_TOO_LARGE: Duration = Duration::from_secs(120);
/// What stands on an Application whose status is too large.
const TOO_LARGE: &str = "Application status exceeds the Kubernetes resource size limit and could not be persisted. The \
    displayed status may be stale. Reduce the number of managed resources, set ApplyOutOfSyncOnly=true, lower \
    spec.revisionHistoryLimit, or split the Application.";

/// The engine asked for ever new things.
#[derive(Debug, thiserror::Error)]
#[error("internal error: the pass did not end after {MAX_ROUNDS} observations")]
struct Endless;

impl Failure for Endless {
    fn category(&self) -> Category {
        Category::Internal
    }
}

impl Reconciler {
    pub(super) fn new(
        context: Context,
        settings: Arc<LiveSettings>,
        source: Arc<dyn ManifestSource>,
        caches: Caches,
        clusters: Arc<Registry>,
        trees: Option<Trees>,
        metrics: Arc<AppMetrics>,
    ) -> Self {
        let started = context.now();
        let counted = Mutex::default();
        Self {
            counted,
            started,
            context,
            settings,
            source,
            caches,
            clusters,
            trees,
            metrics,
            settled: Mutex::default(),
            memos: Mutex::default(),
        }
    }

    fn project(&self, app: &Object) -> Option<AppProject> {
        let name = app.text("/spec/project");
        let name = if name.is_empty() { names::DEFAULT_PROJECT } else { name };
        let object = self.caches.projects.get(&ObjectKey::new(Some(self.clusters.namespace()), name))?;
        let project = decoded(&object)?;
        let find = |name: &str| {
            let found = self.caches.projects.get(&ObjectKey::new(Some(self.clusters.namespace()), name))?;
            decoded(&found)
        };
        let settings = self.settings.current();
        let project = project::with_globals(&project, &settings.global_projects, find);
        let secrets = self.caches.secrets.list();
        let own = repositories::of_project(name, secrets.iter().map(|it| &**it));
        Some(project::with_scoped(project, own, self.clusters.clusters().iter()))
    }

    /// Shows what a pass left behind, as far as it is seen yet.
    fn measure(&self, key: &ObjectKey, before: &Object, cluster: Option<&Cluster>, began: Timestamp) {
        let server = cluster.map(|it| it.server.as_str()).unwrap_or_default();
        self.metrics.reconciled(key, server, time::between(began, self.context.now()));
        let Ok(app) = before.decode::<Application>() else { return };
        // Operations end in one write: it is counted when the pass after it sees it for the first time.
        if let Some(state) =
            app.status.as_ref().and_then(|it| it.operation_state.as_ref()).filter(|it| it.is_completed())
            && let Some(end) = state.finished_at
        {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            let known = counted.insert(key.clone(), end.timestamp());
            if known != Some(end.timestamp()) && end.timestamp() >= self.started {
                self.metrics.synced(key, app.spec.project_name(), server, state);
            }
        }
        self.metrics.show(key, &app, cluster);
    }

    /// Makes a pass's changes on its cluster, and what they come to at home.
    async fn carry_out(&self, key: &ObjectKey, app: Arc<Object>, pass: Pass, there: &Context) -> ReconcileResult {
        let own = app.reference();
        let mut own_object = app;
        let applier = match &pass.act_as {
            None => there.applier().clone(),
            Some(user) => there.applier().impersonating(user).ok_or_else(|| NoImpersonation(user.clone()))?,
        };
        let mut outcomes = Vec::new();
        let mut failed_run = None;
        for (i, change) in pass.plan.changes().enumerate() {
            let run = pass.run_of(i);
            if failed_run.is_some_and(|it| run > it) {
                outcomes.push(Written::Skipped);
                continue;
            }
            tracing::debug!(%key, %change, "write");
            match write(there, &*applier, key, change).await {
                Ok(written) => {
                    // An Application that manages itself has changed under the pass. One of the same name elsewhere has
                    // another uid.
                    if let Some(written) = written.filter(|it| it.reference() == own && it.uid() == own_object.uid()) {
                        own_object = Arc::new(written);
                    }
                    outcomes.push(Written::Done);
                }
                Err(error) => {
                    failed_run = failed_run.or_else(|| pass.ends_after(i, &error));
                    outcomes.push(Written::Failed(error));
                }
            }
        }
        let Conclusion { cleanup, edits, notes, wake, settle, retry } = pass.finish(outcomes);
        for change in &cleanup {
            match write(there, &*applier, key, change).await {
                Ok(_) => {}
                Err(error) if error.category == Category::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(change) = edits.change(&own_object) {
            match self.context.apply(NAME, key, &change).await {
                Ok(_) => {}
                Err(error) if is_too_large(&error) => {
                    self.failed(key, TOO_LARGE).await;
                    return Ok(Outcome::wake_at(time::after(self.context.now(), AFTER_TOO_LARGE)));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let settings = self.settings.current();
        let wanted = |reason: &String| settings.events.as_ref().is_none_or(|it| it.contains(reason));
        for note in notes.iter().filter(|it| wanted(&it.reason)) {
            self.context.note(&own_object, note).await;
        }
        let mut wake = wake;
        let mut earlier = |at: Timestamp| wake = Some(wake.map_or(at, |it| it.min(at)));
        if settle {
            let at = time::after(self.context.now(), self.settings.current().wave_delay);
            self.settled.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), at);
            earlier(at);
        }
        if let Some(error) = retry {
            if error.is_transient() {
                return Err(error.into());
            }
            earlier(time::after(self.context.now(), RETRY));
        }
        Ok(Outcome { wake })
    }
}

fn decoded(object: &Object) -> Option<AppProject> {
    match object.decode() {
        Ok(project) => Some(project),
        Err(error) => {
            tracing::warn!(%error, "a project that does not decode permits nothing");
            None
        }
    }
}

#[async_trait::async_trait]
impl Reconcile for Reconciler {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let Some(app) = self.caches.apps.get(key) else {
            self.settled.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
            if let Some(trees) = &self.trees {
                trees.remove(key);
            }
            self.metrics.forget(key);
            self.memos.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
            self.counted.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
            return Ok(Outcome::DONE);
        };
        let mut seen = Seen::default();
        let project_name = app.text("/spec/project").to_owned();
        let now = self.context.now();
        let settings = self.settings.current();
        let clusters = self.clusters.clusters();
        let text = |pointer: &str| app.text(pointer).to_owned();
        let destination = Destination {
            server: text("/spec/destination/server"),
            name: text("/spec/destination/name"),
            ..Destination::default()
        };
        // A destination that names no cluster is the engine's to speak of.
        let cluster = clusters.of(&destination).ok();
        if cluster.as_ref().is_some_and(|it| !self.clusters.works_on(it)) {
            return Ok(Outcome::DONE);
        }
        let handle = cluster.as_ref().map(|it| self.clusters.handle(it));
        let link = match &handle {
            Some(handle) => match handle.link(self.clusters.namespace()).await {
                Ok(link) => Some(link),
                Err(error) => {
                    unseen(&mut seen, &error);
                    None
                }
            },
            None => None,
        };
        if let Some(link) = link
            && let Err(until) = link.context.fresh(NAME, key)
        {
            // The watch event that shows the write brings the key back.
            return Ok(Outcome::wake_at(until));
        }
        let memo = self.memos.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        let nothing = MemoryLive::default();
        let live: &dyn LiveView = link.map_or(&nothing, |it| &*it.views);
        for _ in 0..MAX_ROUNDS {
            let project = self.project(&app);
            let is_application = |instance: &str| {
                let (namespace, name) = tracking::app_of_instance(instance, self.clusters.namespace());
                self.caches.apps.get(&ObjectKey::new(Some(namespace), name)).is_some()
            };
            let settled_at = self.settled.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied();
            let world = World {
                app: &app,
                project: project.as_ref(),
                live,
                seen: &seen,
                settings: &settings,
                clusters: &clusters,
                is_application: &is_application,
                now,
                settled_at,
                memo: memo.as_deref(),
            };
            let mut pass = engine::pass(&world)?;
            if !pass.is_asking() {
                if let Some(memo) = pass.memo.take() {
                    self.memos.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), Arc::new(memo));
                }
                if let Some(link) = link {
                    let watches = seen.catalog.is_some();
                    let namespace = app.text("/spec/destination/namespace");
                    link.views.watch_orphans(key, watches.then_some(namespace));
                }
                if let Some(trees) = &self.trees {
                    trees.put(key, pass.tree.as_deref());
                }
                if seen.catalog.is_some() {
                    self.metrics.orphaned(key, &project_name, pass.orphans);
                }
                let there = link.map_or(&self.context, |it| &it.context);
                let before = app.clone();
                let result = Box::pin(self.carry_out(key, app, pass, there)).await;
                self.measure(key, &before, cluster.as_ref(), now);
                return result;
            }
            for effect in pass.plan.effects() {
                self.observe(effect, &project_name, handle.as_deref(), &mut seen).await;
            }
        }
        Err(Endless.into())
    }

    /// What went wrong for good becomes a condition, so that it is seen where people look.
    async fn failed(&self, key: &ObjectKey, message: &str) {
        tracing::warn!(%key, message, "the Application could not be worked on");
        let Some(app) = self.caches.apps.get(key) else { return };
        let list = app.pointer("/status/conditions").cloned().unwrap_or_else(|| json!([]));
        let old: Vec<Condition> = serde_json::from_value(list).unwrap_or_default();
        let new = vec![conditions::condition(ConditionType::UnknownError, message)];
        let next = conditions::set(&old, new, &[ConditionType::UnknownError], self.context.now());
        if next == old {
            return;
        }
        let body = json!({"status": {"conditions": serde_json::to_value(&next).unwrap_or(Value::Null)}});
        let target = argo_core::ObjectRef::new(Application::gvk(), key.namespace.as_deref(), &key.name);
        if let Err(error) = self.context.apply(NAME, key, &Change::merge(target, body)).await {
            tracing::warn!(%key, %error, "the condition could not be written");
        }
    }
}
