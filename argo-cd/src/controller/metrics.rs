//! Metrics with upstream's names, of Applications and of clusters.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use argo_core::{ObjectKey, runtime::Metrics};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

use super::clusters::{ClusterInfo, Connection};
use crate::{
    api::{Application, OperationState},
    engine::{Cluster, project::normal_repo},
};

/// Labels of `argocd_app_info`.
#[derive(Clone, Debug, Default, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Info {
    namespace: String,
    name: String,
    project: String,
    autosync_enabled: String,
    repo: String,
    dest_server: String,
    dest_namespace: String,
    sync_status: String,
    health_status: String,
    operation: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct App {
    namespace: String,
    name: String,
    project: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Condition {
    namespace: String,
    name: String,
    project: String,
    condition: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Sync {
    namespace: String,
    name: String,
    project: String,
    dest_server: String,
    phase: String,
    dry_run: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Took {
    namespace: String,
    name: String,
    project: String,
    dest_server: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reconciled {
    namespace: String,
    dest_server: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Server {
    server: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Connected {
    server: String,
    k8s_version: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ClusterLabels {
    server: String,
    k8s_version: String,
    name: String,
}

type Seconds = Counter<f64, AtomicU64>;

/// What is counted.
pub(super) struct AppMetrics {
    info: Family<Info, Gauge>,
    conditions: Family<Condition, Gauge>,
    orphans: Family<App, Gauge>,
    syncs: Family<Sync, Counter>,
    took: Family<Took, Seconds>,
    reconcile: Family<Reconciled, Histogram, fn() -> Histogram>,
    cluster: Family<ClusterLabels, Gauge>,
    connection: Family<Connected, Gauge>,
    kinds: Family<Server, Gauge>,
    objects: Family<Server, Gauge>,
    /// The labels that stand for each Application now.
    shown: Mutex<BTreeMap<ObjectKey, (Info, Vec<Condition>)>>,
    clusters: Mutex<BTreeMap<String, (ClusterLabels, Connected)>>,
}

impl AppMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let buckets: fn() -> Histogram = || Histogram::new([0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0]);
        let it = Self {
            info: Family::default(),
            conditions: Family::default(),
            orphans: Family::default(),
            syncs: Family::default(),
            took: Family::default(),
            reconcile: Family::new_with_constructor(buckets),
            cluster: Family::default(),
            connection: Family::default(),
            kinds: Family::default(),
            objects: Family::default(),
            shown: Mutex::default(),
            clusters: Mutex::default(),
        };
        metrics.register("argocd_app_info", "Information about application", it.info.clone());
        metrics.register("argocd_app_condition", "Report application conditions", it.conditions.clone());
        metrics.register(
            "argocd_app_orphaned_resources_count",
            "Number of orphaned resources per application",
            it.orphans.clone(),
        );
        // Counters get `_total` at their end when they are shown.
        metrics.register("argocd_app_sync", "Number of application syncs", it.syncs.clone());
        metrics.register(
            "argocd_app_sync_duration_seconds",
            "Application sync performance in seconds total",
            it.took.clone(),
        );
        metrics.register(
            "argocd_app_reconcile",
            "Application reconciliation performance in seconds",
            it.reconcile.clone(),
        );
        metrics.register("argocd_cluster_info", "Information about cluster", it.cluster.clone());
        metrics.register(
            "argocd_cluster_connection_status",
            "The k8s cluster current connection status",
            it.connection.clone(),
        );
        metrics.register(
            "argocd_cluster_api_resources",
            "Number of monitored kubernetes API resources",
            it.kinds.clone(),
        );
        metrics.register(
            "argocd_cluster_api_resource_objects",
            "Number of k8s resource objects in the cache",
            it.objects.clone(),
        );
        it
    }

    /// An Application as it is now.
    pub(super) fn show(&self, key: &ObjectKey, app: &Application, cluster: Option<&Cluster>) {
        let status = app.status.clone().unwrap_or_default();
        let meta = &app.metadata;
        let namespace = meta.namespace.clone().unwrap_or_default();
        let name = meta.name.clone().unwrap_or_default();
        let project = app.spec.project_name().to_owned();
        let operation = if meta.deletion_timestamp.is_some() {
            "delete"
        } else if app.operation.as_ref().is_some_and(|it| it.sync.is_some()) {
            "sync"
        } else {
            ""
        };
        let automated = app.spec.sync_policy.as_ref().is_some_and(|it| it.enabled().is_some());
        let info = Info {
            namespace: namespace.clone(),
            name: name.clone(),
            project: project.clone(),
            autosync_enabled: automated.to_string(),
            repo: app.spec.effective_sources().first().map(|it| normal_repo(&it.repo_url)).unwrap_or_default(),
            dest_server: cluster.map(|it| it.server.clone()).unwrap_or_default(),
            dest_namespace: app.spec.destination.namespace.clone(),
            sync_status: status.sync_state().as_str().to_owned(),
            health_status: status.health().as_str().to_owned(),
            operation: operation.to_owned(),
        };
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        for it in &status.conditions {
            *counts.entry(it.kind.as_str()).or_default() += 1;
        }
        let conditions: Vec<(Condition, i64)> = counts
            .into_iter()
            .map(|(condition, count)| {
                let (namespace, name, project) = (namespace.clone(), name.clone(), project.clone());
                (Condition { namespace, name, project, condition: condition.to_owned() }, count)
            })
            .collect();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((old, gone)) = shown.remove(key) {
            if old != info {
                self.info.remove(&old);
            }
            gone.iter().filter(|it| conditions.iter().all(|(new, _)| new != *it)).for_each(|it| {
                self.conditions.remove(it);
            });
        }
        self.info.get_or_create(&info).set(1);
        for (labels, count) in &conditions {
            self.conditions.get_or_create(labels).set(*count);
        }
        shown.insert(key.clone(), (info, conditions.into_iter().map(|(it, _)| it).collect()));
    }

    /// An Application is gone.
    pub(super) fn forget(&self, key: &ObjectKey) {
        let Some((info, conditions)) = self.shown.lock().unwrap_or_else(PoisonError::into_inner).remove(key) else {
            return;
        };
        self.info.remove(&info);
        for it in &conditions {
            self.conditions.remove(it);
        }
        self.orphans.remove(&App { namespace: info.namespace, name: info.name, project: info.project });
    }

    /// A pass over an Application.
    pub(super) fn reconciled(&self, key: &ObjectKey, server: &str, took: Duration) {
        let labels = Reconciled { namespace: key.namespace().to_owned(), dest_server: server.to_owned() };
        self.reconcile.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// How many objects nobody manages.
    pub(super) fn orphaned(&self, key: &ObjectKey, project: &str, count: usize) {
        let (namespace, name) = (key.namespace().to_owned(), key.name.clone());
        let labels = App { namespace, name, project: project.to_owned() };
        self.orphans.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// An operation has ended.
    pub(super) fn synced(&self, key: &ObjectKey, project: &str, server: &str, state: &OperationState) {
        let (namespace, name) = (key.namespace().to_owned(), key.name.clone());
        let dry_run = state.operation.sync.as_ref().is_some_and(|it| it.dry_run).to_string();
        let phase = state.phase.as_str().to_owned();
        let (project, dest_server) = (project.to_owned(), server.to_owned());
        let took = Took {
            namespace: namespace.clone(),
            name: name.clone(),
            project: project.clone(),
            dest_server: dest_server.clone(),
        };
        self.syncs.get_or_create(&Sync { namespace, name, project, dest_server, phase, dry_run }).inc();
        if let Some(end) = state.finished_at {
            let length = argo_core::time::between(state.started_at.timestamp(), end.timestamp());
            self.took.get_or_create(&took).inc_by(length.as_secs_f64());
        }
    }

    /// How a cluster is.
    pub(super) fn cluster(&self, info: &ClusterInfo) {
        let connected = Connected { server: info.server.clone(), k8s_version: info.server_version.clone() };
        let labels = ClusterLabels {
            server: info.server.clone(),
            k8s_version: info.server_version.clone(),
            name: info.name.clone(),
        };
        self.forget_cluster(&info.server);
        self.cluster.get_or_create(&labels).set(1);
        self.connection.get_or_create(&connected).set(i64::from(info.connection == Connection::Successful));
        let server = Server { server: info.server.clone() };
        self.kinds.get_or_create(&server).set(i64::try_from(info.kinds).unwrap_or(i64::MAX));
        self.objects.get_or_create(&server).set(i64::try_from(info.objects).unwrap_or(i64::MAX));
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        clusters.insert(info.server.clone(), (labels, connected));
    }

    /// A cluster is gone.
    pub(super) fn forget_cluster(&self, server: &str) {
        let old = self.clusters.lock().unwrap_or_else(PoisonError::into_inner).remove(server);
        if let Some((labels, connected)) = old {
            self.cluster.remove(&labels);
            self.connection.remove(&connected);
            self.kinds.remove(&Server { server: server.to_owned() });
            self.objects.remove(&Server { server: server.to_owned() });
        }
    }
}

impl fmt::Debug for AppMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppMetrics")
    }
}
