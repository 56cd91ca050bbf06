//! One cluster: the way in, its views, and whether it answers.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use argo_core::{
    Change, Gvk, Object, ObjectRef,
    apply::WriteOptions,
    runtime::{Context, Queue, Shutdown},
};
use serde_json::json;
use tokio::sync::OnceCell;

use super::{ClusterConnector, ClusterInfo, ClusterInfos, ConnectError, Connection};
use crate::{
    api::names,
    controller::{
        metrics::AppMetrics,
        views::{SharedUpdates, ViewError, Views},
    },
    engine::{Cluster, DryRun, KindScope, tracking::Tracking},
};

/// Wait between two looks at a cluster.
const PROBE: Duration = Duration::from_secs(10);
/// How long a cluster may take to say its version.
const PROBE_LIMIT: Duration = Duration::from_secs(15);

pub(in crate::controller) struct Handle {
    pub(in crate::controller) cluster: Cluster,
    pub(super) tracking: Tracking,
    updates: SharedUpdates,
    home: Context,
    connector: Arc<dyn ClusterConnector>,
    link: OnceCell<Link>,
    stop: Shutdown,
    connection: RwLock<Connection>,
    queue: Arc<OnceLock<Arc<Queue>>>,
}

/// The way in.
pub(in crate::controller) struct Link {
    pub(in crate::controller) context: Context,
    pub(in crate::controller) views: Arc<Views>,
}

/// A cluster can not be looked at.
#[derive(Debug, thiserror::Error)]
pub(in crate::controller) enum HandleError {
    #[error("failed to get cluster info for {server:?}: error synchronizing cache state : {source}")]
    Connect { server: String, source: ConnectError },
    #[error("failed to get cluster info for {server:?}: error synchronizing cache state : {message}")]
    Down { server: String, message: String },
    #[error("failed to get cluster info for {server:?}: error synchronizing cache state : {source}")]
    View { server: String, source: Box<ViewError> },
}

impl Handle {
    pub(super) fn new(
        cluster: Cluster,
        tracking: Tracking,
        updates: SharedUpdates,
        home: Context,
        connector: Arc<dyn ClusterConnector>,
        queue: Arc<OnceLock<Arc<Queue>>>,
        stop: Shutdown,
    ) -> Self {
        Self {
            cluster,
            tracking,
            updates,
            home,
            connector,
            link: OnceCell::new(),
            stop,
            connection: RwLock::default(),
            queue,
        }
    }

    /// The way in, made when it is first needed. The own cluster is the controller's own client.
    pub(in crate::controller) async fn link(&self, namespace: &str) -> Result<&Link, HandleError> {
        let made = self.link.get_or_try_init(|| async {
            let context =
                if self.cluster.is_own() && self.cluster.config == crate::engine::clusters::ClusterConfig::default() {
                    self.home.clone()
                } else {
                    self.connector.connect(&self.cluster, &self.home).await?
                };
            let views = Arc::new(Views::new(
                context.clone(),
                namespace.to_owned(),
                self.cluster.clone(),
                self.tracking.clone(),
                self.updates.clone(),
                self.queue.clone(),
                self.stop.clone(),
            ));
            Ok(Link { context, views })
        });
        made.await.map_err(|source| HandleError::Connect { server: self.cluster.server.clone(), source })
    }

    /// The way in, if it is there.
    pub(in crate::controller) fn opened(&self) -> Option<&Link> {
        self.link.get()
    }

    fn connection(&self) -> Connection {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fails at once while the cluster is known not to answer: nobody waits for it.
    fn reachable(&self) -> Result<(), HandleError> {
        match self.connection() {
            Connection::Failed(message) => Err(HandleError::Down { server: self.cluster.server.clone(), message }),
            _ => Ok(()),
        }
    }

    pub(in crate::controller) async fn discover(&self, namespace: &str, gvk: &Gvk) -> Result<KindScope, HandleError> {
        self.reachable()?;
        let views = &self.link(namespace).await?.views;
        views.discover(gvk).await.map_err(|source| self.view_error(source.into()))
    }

    pub(in crate::controller) async fn observe(
        &self,
        namespace: &str,
        gvk: &Gvk,
        scope: KindScope,
    ) -> Result<(), HandleError> {
        self.reachable()?;
        let views = &self.link(namespace).await?.views;
        views.observe(gvk, scope).await.map_err(|source| self.view_error(source))
    }

    pub(in crate::controller) async fn fetch(
        &self,
        namespace: &str,
        it: &ObjectRef,
    ) -> Result<Option<Arc<Object>>, HandleError> {
        self.reachable()?;
        let link = self.link(namespace).await?;
        let found = link.context.get(it).await.map_err(|source| self.view_error(source.into()))?;
        Ok(found.map(Arc::new))
    }

    /// What a server-side apply would make of an object; the inner error is the API server's about this object.
    pub(in crate::controller) async fn dry_run(
        &self,
        namespace: &str,
        it: &DryRun,
    ) -> Result<Result<Arc<Object>, String>, HandleError> {
        self.reachable()?;
        let link = self.link(namespace).await?;
        let change = Change::apply(it.target.clone(), names::FIELD_MANAGER);
        Ok(match link.context.applier().apply_with(&change, WriteOptions::DRY_RUN).await {
            Ok(Some(object)) => Ok(Arc::new(object)),
            Ok(None) => Err("the API server gave no object".to_owned()),
            Err(error) => Err(error.message),
        })
    }

    pub(in crate::controller) async fn catalog(&self, namespace: &str) -> Result<Arc<BTreeSet<Gvk>>, HandleError> {
        self.reachable()?;
        let views = &self.link(namespace).await?.views;
        views.catalog().await.map_err(|source| self.view_error(source))
    }

    fn view_error(&self, source: ViewError) -> HandleError {
        HandleError::View { server: self.cluster.server.clone(), source: Box::new(source) }
    }

    /// Asks the cluster for its version every ten seconds, and writes down how it is.
    pub(super) async fn probe(
        self: Arc<Self>,
        namespace: String,
        infos: ClusterInfos,
        metrics: Arc<AppMetrics>,
        count: impl Fn(&Cluster) -> usize,
    ) {
        loop {
            let answer = self.ask(&namespace).await;
            let now = self.home.now();
            let (connection, version) = match answer {
                Ok(version) => (Connection::Successful, version),
                Err(message) => (Connection::Failed(message), String::new()),
            };
            let before = {
                let mut place = self.connection.write().unwrap_or_else(PoisonError::into_inner);
                std::mem::replace(&mut *place, connection.clone())
            };
            let changed = std::mem::discriminant(&before) != std::mem::discriminant(&connection);
            if changed && before != Connection::Unknown {
                tracing::info!(
                    server = self.cluster.server,
                    state = connection.as_str(),
                    "the cluster's connection changed"
                );
                self.wake();
            }
            let (kinds, objects) = self.opened().map(|it| it.views.size()).unwrap_or_default();
            if !version.is_empty() {
                self.label(&version, &namespace).await;
            }
            let info = ClusterInfo {
                server: self.cluster.server.clone(),
                name: self.cluster.name.clone(),
                connection,
                attempted_at: Some(now),
                server_version: version,
                applications: count(&self.cluster),
                kinds,
                objects,
            };
            metrics.cluster(&info);
            infos.put(info);
            tokio::select! {
                () = self.stop.cancelled() => {
                    metrics.forget_cluster(&self.cluster.server);
                    return infos.remove(&self.cluster.server);
                }
                () = self.home.clock().sleep(PROBE) => {}
            }
        }
    }

    async fn ask(&self, namespace: &str) -> Result<String, String> {
        let link = self.link(namespace).await.map_err(|it| match it {
            HandleError::Connect { source, .. } => source.message,
            other => other.to_string(),
        })?;
        tokio::select! {
            answer = link.context.client().apiserver_version() => match answer {
                Ok(info) => Ok(info.git_version),
                Err(error) => Err(argo_core::apply::kube_error(&error).1),
            },
            () = self.home.clock().sleep(PROBE_LIMIT) => Err(format!("no answer within {PROBE_LIMIT:?}")),
        }
    }

    /// Every Application that goes here is looked at again.
    fn wake(&self) {
        let (Some(queue), Some(link)) = (self.queue.get(), self.opened()) else { return };
        link.views.applications().into_iter().for_each(|it| queue.add(it));
    }

    /// Writes the version on the Secret that asked for it.
    async fn label(&self, version: &str, namespace: &str) {
        let known = self.cluster.labels.get(names::KUBERNETES_VERSION).map(String::as_str);
        if !self.cluster.auto_label || self.cluster.secret.is_empty() || known == Some(version) {
            return;
        }
        let target = ObjectRef::new(Gvk::new("", "v1", "Secret"), Some(namespace), &self.cluster.secret);
        let change = Change::merge(target, json!({"metadata": {"labels": {names::KUBERNETES_VERSION: version}}}));
        if let Err(error) = self.home.applier().apply(&change).await {
            tracing::warn!(%error, "the version could not be written on the cluster's secret");
        }
    }

    pub(super) fn end(&self) {
        self.stop.cancel();
    }
}
