//! The clusters that Applications go to: which there are, which are this controller's, and the way into each.

mod connect;
mod handle;
mod info;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
};

use argo_core::runtime::{Cache, Context, Queue, Shutdown};

pub use connect::{ClusterConnector, ConnectError, KubeConnector};
pub(super) use handle::{Handle, HandleError};
pub use info::{ClusterInfo, ClusterInfos, Connection};

use super::{metrics::AppMetrics, views::SharedUpdates};
use crate::{
    api::Destination,
    engine::{
        Cluster, Clusters, Settings,
        sharding::{Place, distribute},
        tracking::Tracking,
        updates::Updates,
    },
};

pub(super) struct Registry {
    home: Context,
    connector: Arc<dyn ClusterConnector>,
    namespace: String,
    place: Place,
    infos: ClusterInfos,
    metrics: Arc<AppMetrics>,
    apps: Arc<Cache>,
    stop: Shutdown,
    queue: Arc<OnceLock<Arc<Queue>>>,
    current: RwLock<Arc<Clusters>>,
    tracking: RwLock<Tracking>,
    updates: SharedUpdates,
    shards: Mutex<Shards>,
    handles: Mutex<BTreeMap<String, Arc<Handle>>>,
}

/// The placement, with what it was computed for.
#[derive(Default)]
struct Shards {
    applications: Option<usize>,
    placed: BTreeMap<String, usize>,
}

impl Registry {
    #[allow(clippy::too_many_arguments, reason = "put together in one place")]
    pub(super) fn new(
        home: Context,
        connector: Arc<dyn ClusterConnector>,
        namespace: String,
        place: Place,
        infos: ClusterInfos,
        metrics: Arc<AppMetrics>,
        apps: Arc<Cache>,
        stop: Shutdown,
    ) -> Self {
        Self {
            home,
            connector,
            namespace,
            place,
            infos,
            metrics,
            apps,
            stop,
            queue: Arc::default(),
            current: RwLock::default(),
            tracking: RwLock::default(),
            updates: SharedUpdates::default(),
            shards: Mutex::default(),
            handles: Mutex::default(),
        }
    }

    pub(super) fn feed(&self, queue: Arc<Queue>) {
        // Set once, before the controller runs.
        let _ = self.queue.set(queue);
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn clusters(&self) -> Arc<Clusters> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the Secrets again; ways into clusters that changed or went are closed.
    pub(super) fn reload(&self, secrets: &Cache, settings: &Settings) {
        let list = secrets.list();
        let (clusters, errors) = Clusters::read(list.iter().map(|it| &**it), settings);
        for error in errors {
            tracing::warn!(%error, "a cluster is left out");
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(clusters.clone());
        let updates = Updates::of(settings).unwrap_or_else(|error| {
            tracing::warn!(%error, "every change of a live object counts");
            Updates::all(settings)
        });
        *self.updates.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(updates);
        settings.tracking.clone_into(&mut self.tracking.write().unwrap_or_else(PoisonError::into_inner));
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).applications = None;
        let all = clusters.all();
        {
            let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
            handles.retain(|server, handle| {
                let stays = handle.tracking == settings.tracking
                    && all.iter().any(|it| it.server == *server && same_way(it, &handle.cluster));
                if !stays {
                    handle.end();
                }
                stays
            });
        }
        for cluster in all.iter().filter(|it| self.works_on(it)) {
            self.handle(cluster);
        }
    }

    /// Whether this controller is to work on a cluster.
    pub(super) fn works_on(&self, cluster: &Cluster) -> bool {
        if self.place.replicas <= 1 {
            return !cluster.skipped;
        }
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let apps = self.apps.list();
        if shards.applications != Some(apps.len()) {
            let clusters = self.clusters();
            let mut loads: BTreeMap<String, i64> = BTreeMap::new();
            for app in &apps {
                *loads.entry(app.text("/spec/destination/server").to_owned()).or_default() += 1;
            }
            // The own cluster without a Secret is everybody's first.
            let listed: Vec<Cluster> = clusters.iter().cloned().collect();
            shards.placed = distribute(self.place.algorithm, self.place.replicas, &listed, &loads);
            shards.applications = Some(apps.len());
        }
        self.place.works_on(cluster, &shards.placed)
    }

    /// The cluster, its way in made when it is not there yet.
    pub(super) fn handle(&self, cluster: &Cluster) -> Arc<Handle> {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = handles.get(&cluster.server) {
            if same_way(&found.cluster, cluster) {
                return found.clone();
            }
            found.end();
        }
        let handle = Arc::new(Handle::new(
            cluster.clone(),
            self.tracking.read().unwrap_or_else(PoisonError::into_inner).clone(),
            self.updates.clone(),
            self.home.clone(),
            self.connector.clone(),
            self.queue.clone(),
            self.stop.child_token(),
        ));
        handles.insert(cluster.server.clone(), handle.clone());
        let apps = self.apps.clone();
        let count = move |cluster: &Cluster| apps.list().iter().filter(|it| goes_to(it, cluster)).count();
        let (infos, metrics) = (self.infos.clone(), self.metrics.clone());
        tokio::spawn(handle.clone().probe(self.namespace.clone(), infos, metrics, count));
        handle
    }
}

fn goes_to(app: &argo_core::Object, cluster: &Cluster) -> bool {
    let server = app.text("/spec/destination/server").trim_end_matches('/');
    let asked = Destination { server: server.to_owned(), ..Destination::default() };
    if asked.server.is_empty() {
        return app.text("/spec/destination/name") == cluster.name;
    }
    asked.server == cluster.server
}

/// Whether two clusters are reached and looked at alike.
fn same_way(a: &Cluster, b: &Cluster) -> bool {
    a.server == b.server
        && a.config == b.config
        && a.namespaces == b.namespaces
        && a.cluster_resources == b.cluster_resources
        && a.refresh_requested_at == b.refresh_requested_at
        && a.secret == b.secret
        && a.auto_label == b.auto_label
        && a.labels == b.labels
}
