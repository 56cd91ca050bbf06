//! One pass: observe, decide, write.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argo_core::{
    Category, Change, Failure, Object, ObjectKey, Resource, Timestamp,
    runtime::{Cache, Context, Outcome, Queue, Reconcile, ReconcileResult, Shutdown},
    time,
};
use serde_json::{Value, json};

use super::{NAME, views::Views};
use crate::{
    api::{AppProject, Application, Condition, ConditionType, names},
    engine::{self, Conclusion, Effect, Pass, Seen, Settings, World, conditions, sync::Outcome as Written},
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
    settings: Settings,
    source: Arc<dyn ManifestSource>,
    caches: Caches,
    views: Arc<Views>,
    /// When the next wave of an Application may begin. Losing this in a crash only shortens a pause.
    settled: Mutex<BTreeMap<ObjectKey, Timestamp>>,
}

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
        settings: Settings,
        source: Arc<dyn ManifestSource>,
        caches: Caches,
        stop: Shutdown,
    ) -> Self {
        let views = Arc::new(Views::new(context.clone(), settings.namespace.clone(), stop));
        Self { context, settings, source, caches, views, settled: Mutex::default() }
    }

    pub(super) fn feed(&self, queue: Arc<Queue>) {
        self.views.feed(queue);
    }

    fn project(&self, app: &Object) -> Option<AppProject> {
        let name = app.text("/spec/project");
        let name = if name.is_empty() { names::DEFAULT_PROJECT } else { name };
        let object = self.caches.projects.get(&ObjectKey::new(Some(&self.settings.namespace), name))?;
        match object.decode() {
            Ok(project) => Some(project),
            Err(error) => {
                tracing::warn!(%error, "a project that does not decode permits nothing");
                None
            }
        }
    }

    async fn observe(&self, effect: &Effect, project: &str, seen: &mut Seen) -> Result<(), argo_core::BoxFailure> {
        match effect {
            Effect::Resolve(request) => {
                let repository = self.repository(&request.source.repo_url, project);
                let answer = self.source.resolve(&repository, &request.source, &request.revision).await;
                seen.put_revision(request, answer.map_err(|it| it.to_string()));
            }
            Effect::Render(request) => {
                let repository = self.repository(&request.source.repo_url, project);
                let answer = self.source.manifests(&repository, &request.source, &request.revision, request.hard).await;
                seen.put_manifests(request, answer.map_err(|it| it.to_string()));
            }
            Effect::Discover(gvk) => {
                let scope = self.views.discover(gvk).await?;
                seen.kinds.insert(gvk.clone(), scope);
            }
            Effect::Observe(gvk) => {
                self.views.observe(gvk).await?;
                seen.observed.insert(gvk.clone());
            }
        }
        Ok(())
    }

    fn repository(&self, url: &str, project: &str) -> argo_core::git::Repository {
        let secrets = self.caches.secrets.list();
        repositories::find(url, project, secrets.iter().map(|it| &**it))
    }

    async fn carry_out(&self, key: &ObjectKey, app: Arc<Object>, pass: Pass) -> ReconcileResult {
        let own = app.reference();
        let mut own_object = app;
        let mut outcomes = Vec::new();
        let mut failed_run = None;
        for (i, change) in pass.plan.changes().enumerate() {
            let run = pass.run_of(i);
            if failed_run.is_some_and(|it| run > it) {
                outcomes.push(Written::Skipped);
                continue;
            }
            tracing::debug!(%key, %change, "write");
            match self.write(key, change).await {
                Ok(written) => {
                    if let Some(written) = written.filter(|it| it.reference() == own) {
                        own_object = Arc::new(written);
                    }
                    outcomes.push(Written::Done);
                }
                Err(error) => {
                    failed_run = Some(run);
                    outcomes.push(Written::Failed(error));
                }
            }
        }
        let Conclusion { cleanup, edits, notes, wake, settle, retry } = pass.finish(outcomes);
        for change in &cleanup {
            match self.write(key, change).await {
                Ok(_) => {}
                Err(error) if error.category == Category::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(change) = edits.change(&own_object) {
            self.context.apply(NAME, key, &change).await?;
        }
        for note in &notes {
            self.context.note(&own_object, note).await;
        }
        let mut wake = wake;
        let mut earlier = |at: Timestamp| wake = Some(wake.map_or(at, |it| it.min(at)));
        if settle {
            let at = time::after(self.context.now(), self.settings.wave_delay);
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

    /// A deleted object is not waited for in the caches: it may never show the version that the answer carried.
    async fn write(&self, key: &ObjectKey, change: &Change) -> Result<Option<Object>, argo_core::ApplyError> {
        match change {
            Change::Delete { .. } => self.context.applier().apply(change).await,
            _ => self.context.apply(NAME, key, change).await,
        }
    }
}

#[async_trait::async_trait]
impl Reconcile for Reconciler {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let Some(app) = self.caches.apps.get(key) else {
            self.settled.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
            return Ok(Outcome::DONE);
        };
        let mut seen = Seen::default();
        let project_name = app.text("/spec/project").to_owned();
        let now = self.context.now();
        for _ in 0..MAX_ROUNDS {
            let project = self.project(&app);
            let settled_at = self.settled.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied();
            let world = World {
                app: &app,
                project: project.as_ref(),
                live: &*self.views,
                seen: &seen,
                settings: &self.settings,
                now,
                settled_at,
            };
            let pass = engine::pass(&world)?;
            if !pass.is_asking() {
                return Box::pin(self.carry_out(key, app, pass)).await;
            }
            for effect in pass.plan.effects() {
                self.observe(effect, &project_name, &mut seen).await?;
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
