//! Projects: the one of Applications that name none, and those that are to go.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Category, Change, Object, ObjectKey,
    runtime::{self, Backoff, Cache, Context, Outcome, Reconcile, ReconcileResult, Shutdown},
};

use crate::{api::names, engine::project::default_project};

/// Name of the controller in logs and metrics.
const NAME: &str = "argocd-projects";

/// Lets projects that are to go stay until no Application uses them.
struct Projects {
    context: Context,
    projects: Arc<Cache>,
    apps: Arc<Cache>,
}

#[async_trait::async_trait]
impl Reconcile for Projects {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let Some(project) = self.projects.get(key) else { return Ok(Outcome::DONE) };
        let used = || self.apps.list().iter().any(|it| project_of(it) == key.name);
        if !project.is_deleting() || !project.has_finalizer(names::FINALIZER) || used() {
            return Ok(Outcome::DONE);
        }
        let rest: Vec<String> = project.finalizers().filter(|it| *it != names::FINALIZER).map(str::to_owned).collect();
        let mut released = (*project).clone();
        released.set(&["metadata", "finalizers"], rest);
        if let Some(change) = Change::merge_between(&project, &released) {
            self.context.apply(NAME, key, &change).await?;
        }
        Ok(Outcome::DONE)
    }
}

fn project_of(app: &Object) -> &str {
    match app.text("/spec/project") {
        "" => names::DEFAULT_PROJECT,
        name => name,
    }
}

/// Takes the finalizer of projects that are to go and that no Application uses any more.
pub(super) async fn release(
    context: &Context,
    namespace: &str,
    projects: Arc<Cache>,
    apps: Arc<Cache>,
    shutdown: Shutdown,
) {
    let reconcile = Arc::new(Projects { context: context.clone(), projects: projects.clone(), apps: apps.clone() });
    let namespace = namespace.to_owned();
    let controller = runtime::Controller::new(NAME, context.clone(), reconcile).workers(1).primary(projects).watches(
        apps,
        move |event| {
            let both = [&event.old, &event.new].into_iter().flatten();
            both.map(|it| ObjectKey::new(Some(&namespace), project_of(it))).collect()
        },
    );
    controller.run(shutdown).await;
}

/// Longest wait before the project is tried again.
const CAP: Duration = Duration::from_secs(30);

/// Makes the default project when it is missing, as upstream does when it starts.
pub(super) async fn ensure_default(context: &Context, namespace: &str, stop: &Shutdown) {
    let Ok(object) = Object::encode(&default_project(namespace)) else { return };
    let backoff = Backoff { base: Duration::from_millis(100), cap: CAP };
    let mut failures = 0;
    loop {
        let change = Change::create(object.clone());
        let error = match context.get(&object.reference()).await {
            Ok(Some(_)) => return,
            Ok(None) => match context.applier().apply(&change).await {
                Ok(_) => return,
                Err(error) if error.category == Category::AlreadyExists => return,
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        tracing::debug!(error, "the default project is not there yet");
        let delay = backoff.delay(failures);
        failures = failures.saturating_add(1);
        tokio::select! {
            () = stop.cancelled() => return,
            () = context.clock().sleep(delay) => {}
        }
    }
}
