//! The application controller: watches, observes, lets the engine decide, writes.
//!
//! ```text
//!  Applications, AppProjects, repository Secrets ─┐
//!  every managed kind (opened when first used) ───┼─> queue ─> engine::pass ─ effects ─> sources, discovery, watches
//!                                                 │                 └ changes ─> applier ─> finish ─> status
//!  objects that Applications own, at any depth ───┘
//! ```

mod builder;
mod clusters;
mod heartbeat;
mod live_settings;
mod metrics;
mod observe;
mod project;
mod reconcile;
mod trees;
mod views;
mod writes;

use std::{fmt, sync::Arc};

use argo_core::runtime::{self, Cache, CacheEvent, Context, Query, Shutdown};
use argo_core::{Gvk, ObjectKey};

pub use builder::{BuildError, Builder};
pub use clusters::{ClusterConnector, ClusterInfo, ClusterInfos, ConnectError, Connection, KubeConnector};
pub use heartbeat::{HeartbeatError, heartbeat};
pub use trees::Trees;

use crate::{
    api::{AppProject, Application, names},
    engine::{Settings, sharding::Place},
    sources::ManifestSource,
};
use clusters::Registry;
use live_settings::LiveSettings;
use metrics::AppMetrics;
use reconcile::Reconciler;

/// Name of the controller in logs and metrics.
pub const NAME: &str = "argocd-application-controller";

/// Keeps Applications as their sources say.
///
/// # Example
/// ```no_run
/// # use std::sync::Arc;
/// # use argo_core::runtime::Shutdown;
/// # async fn run(client: kube::Client, git: Arc<dyn argo_core::git::GitSource>) -> Result<(), argo_cd::controller::BuildError> {
/// argo_cd::Controller::builder(client).git(git).build()?.run(Shutdown::new()).await;
/// # Ok(())
/// # }
/// ```
pub struct Controller {
    context: Context,
    settings: Settings,
    source: Arc<dyn ManifestSource>,
    workers: usize,
    connector: Arc<dyn ClusterConnector>,
    place: Place,
    infos: ClusterInfos,
    trees: Option<Trees>,
}

impl Controller {
    /// A controller on this client or context.
    pub fn builder(context: impl Into<Context>) -> Builder {
        Builder::new(context.into())
    }

    /// Runs until `shutdown` or the context's: lets passes under way finish.
    pub async fn run(self, shutdown: Shutdown) {
        let Self { context, settings, source, workers, connector, place, infos, trees } = self;
        let namespace = settings.namespace.clone();
        let apps = context.cache_of::<Application>();
        let projects = context.caches().open(Query::resource::<AppProject>(Some(&settings.namespace)));
        let secrets = context.caches().open(
            Query::of(Gvk::new("", "v1", "Secret"), Some(&settings.namespace))
                .labelled(format!("{} in (repository,repo-creds,cluster)", names::SECRET_TYPE)),
        );
        let stop = shutdown.child_token();
        let live = Arc::new(LiveSettings::open(&context, settings));
        let metrics = Arc::new(AppMetrics::register(context.metrics()));
        let registry = Arc::new(Registry::new(
            context.clone(),
            connector,
            namespace.clone(),
            place,
            infos,
            metrics.clone(),
            apps.clone(),
            stop.clone(),
        ));
        let reconciler = Arc::new(Reconciler::new(
            context.clone(),
            live.clone(),
            source,
            reconcile::Caches { apps: apps.clone(), projects: projects.clone(), secrets: secrets.clone() },
            registry.clone(),
            trees,
            metrics,
        ));
        let reload = {
            let (live, registry, secrets) = (live.clone(), registry.clone(), secrets.clone());
            move || {
                let changed = live.reload();
                registry.reload(&secrets, &live.current());
                changed
            }
        };
        let mut controller = runtime::Controller::new(NAME, context.clone(), reconciler.clone())
            .workers(workers)
            .primary(apps.clone())
            .watches(projects.clone(), users(apps.clone(), namespace.clone()))
            .watches(secrets.clone(), {
                let (reload, apps) = (reload.clone(), apps.clone());
                move |_| {
                    reload();
                    everyone(&apps)
                }
            });
        let [config, params] = live.caches();
        for map in [config.clone(), params.clone()] {
            let (reload, apps) = (reload.clone(), apps.clone());
            controller = controller.watches(map, move |_| if reload() { everyone(&apps) } else { Vec::new() });
        }
        registry.feed(controller.queue());
        let default_project = project::ensure_default(&context, &namespace, &stop);
        let releases = project::release(&context, &namespace, projects, apps, shutdown.clone());
        let work = async {
            // Nothing is judged by settings or clusters that are yet to be read.
            let read = futures::future::join3(config.synced(), params.synced(), secrets.synced());
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = context.shutdown().cancelled() => {}
                _ = read => {
                    reload();
                    controller.run(shutdown.clone()).await;
                }
            }
        };
        futures::future::join3(work, default_project, releases).await;
        stop.cancel();
    }
}

/// A project brings up the Applications that use it.
fn users(apps: Arc<Cache>, namespace: String) -> impl Fn(&CacheEvent) -> Vec<ObjectKey> + Send + Sync {
    move |event| {
        if event.key.namespace() != namespace {
            return Vec::new();
        }
        let uses = |project: &str| {
            project == event.key.name || (project.is_empty() && event.key.name == names::DEFAULT_PROJECT)
        };
        apps.list().iter().filter(|it| uses(it.text("/spec/project"))).map(|it| it.key()).collect()
    }
}

/// New credentials may make any Application work that could not be compared.
fn everyone(apps: &Cache) -> Vec<ObjectKey> {
    apps.list().iter().map(|it| it.key()).collect()
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller")
            .field("settings", &self.settings)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
