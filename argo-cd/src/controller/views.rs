//! Live objects of a cluster by kind: watches that are opened when a kind is first used.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use argo_core::{
    Category, Failure, Gvk, Object, ObjectKey, ObjectRef, Timestamp,
    runtime::{Cache, CacheEvent, Context, MapperError, Query, Queue, Shutdown, Trim, api::ReadError},
    time,
};

use crate::engine::{Cluster, KindScope, LiveView, tracking, tracking::Tracking, trim, updates::Updates};

/// Name of the index by Application.
const BY_APP: &str = "argocd-tracked-by";
/// Deepest chain of owners that an event climbs.
const MAX_DEPTH: usize = 10;
/// How long a first list may take before the pass is tried again.
const SYNC_LIMIT: Duration = Duration::from_secs(60);
/// How long what the server serves is taken for granted.
const CATALOG: Duration = Duration::from_secs(600);
/// How long nobody waits for a list again that did not arrive in time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which changes of live objects count, as the settings are now.
pub(super) type SharedUpdates = Arc<RwLock<Arc<Updates>>>;

/// The kinds in view.
pub(super) struct Views {
    context: Context,
    namespace: String,
    cluster: Cluster,
    tracking: Tracking,
    updates: SharedUpdates,
    stop: Shutdown,
    queue: Arc<OnceLock<Arc<Queue>>>,
    open: Mutex<BTreeMap<Gvk, Vec<Arc<Cache>>>>,
    late: Mutex<BTreeMap<Gvk, Timestamp>>,
    catalog: Mutex<Option<(Timestamp, Arc<BTreeSet<Gvk>>)>>,
    /// Applications that want to hear of objects without an owner, by namespace.
    watchers: Mutex<BTreeMap<String, BTreeSet<ObjectKey>>>,
}

/// A kind can not be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum ViewError {
    /// The first list has not arrived.
    #[error("the list of {0} has not arrived")]
    NotSynced(Gvk),
    /// One object can not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not known whether the kind is served.
    #[error(transparent)]
    Mapper(#[from] MapperError),
}

impl Failure for ViewError {
    fn category(&self) -> Category {
        match self {
            Self::NotSynced(_) => Category::Timeout,
            Self::Read(error) => error.category(),
            Self::Mapper(error) => error.category(),
        }
    }
}

impl Views {
    pub(super) fn new(
        context: Context,
        namespace: String,
        cluster: Cluster,
        tracking: Tracking,
        updates: SharedUpdates,
        queue: Arc<OnceLock<Arc<Queue>>>,
        stop: Shutdown,
    ) -> Self {
        Self {
            context,
            namespace,
            cluster,
            tracking,
            updates,
            stop,
            queue,
            open: Mutex::default(),
            late: Mutex::default(),
            catalog: Mutex::default(),
            watchers: Mutex::default(),
        }
    }

    /// Whether a kind is served, and its scope.
    pub(super) async fn discover(&self, gvk: &Gvk) -> Result<KindScope, MapperError> {
        match self.context.mapper().is_namespaced(gvk).await {
            Ok(true) => Ok(KindScope::Namespaced),
            Ok(false) => Ok(KindScope::Cluster),
            Err(MapperError::NoMatch(_)) => Ok(KindScope::NotServed),
            Err(error) => Err(error),
        }
    }

    /// Brings a kind into view: waits for its first list, and lets its events bring up Applications from then on.
    pub(super) async fn observe(self: &Arc<Self>, gvk: &Gvk, scope: KindScope) -> Result<(), ViewError> {
        let caches = self.caches(gvk, scope);
        if caches.iter().all(|it| it.is_synced()) {
            return Ok(());
        }
        let now = self.context.now();
        let not_synced = || Err(ViewError::NotSynced(gvk.clone()));
        if self.late().get(gvk).is_some_and(|at| *at > now) {
            return not_synced();
        }
        let synced = futures::future::join_all(caches.iter().map(|it| it.synced()));
        tokio::select! {
            _ = synced => Ok(()),
            () = self.stop.cancelled() => not_synced(),
            () = self.context.clock().sleep(SYNC_LIMIT) => {
                self.late().insert(gvk.clone(), time::after(self.context.now(), PATIENCE));
                not_synced()
            }
        }
    }

    fn late(&self) -> std::sync::MutexGuard<'_, BTreeMap<Gvk, Timestamp>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a kind is looked at: everywhere, or in each of the cluster's namespaces.
    fn scopes(&self, scope: KindScope) -> Vec<Option<String>> {
        if self.cluster.namespaces.is_empty() {
            return vec![self.context.namespace().map(str::to_owned)];
        }
        match scope {
            KindScope::Cluster if self.cluster.cluster_resources => vec![None],
            KindScope::Cluster => vec![],
            _ => self.cluster.namespaces.iter().cloned().map(Some).collect(),
        }
    }

    fn caches(self: &Arc<Self>, gvk: &Gvk, scope: KindScope) -> Vec<Arc<Cache>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(caches) = open.get(gvk) {
            return caches.clone();
        }
        let caches: Vec<Arc<Cache>> = self
            .scopes(scope)
            .iter()
            .map(|namespace| {
                // Marks are read as objects come in: each way to read them has caches of its own.
                let tracking = self.tracking.clone();
                let trim = Trim::new(format!("{tracking:?}"), move |it| trim::trim(it, &tracking));
                let cache = self.context.caches().open(Query::of(gvk.clone(), namespace.as_deref()).trimmed(trim));
                let tracking = self.tracking.clone();
                cache.add_index(BY_APP, move |it| tracking.root_of(it).into_iter().collect());
                cache
            })
            .collect();
        open.insert(gvk.clone(), caches.clone());
        drop(open);
        for cache in &caches {
            let views = self.clone();
            let mut events = cache.subscribe();
            tokio::spawn(async move {
                loop {
                    let event = tokio::select! {
                        () = views.stop.cancelled() => return,
                        event = events.recv() => event,
                    };
                    let Some(event) = event else { return };
                    views.bring_up(&event);
                }
            });
        }
        caches
    }

    /// The Applications that an event matters to.
    fn bring_up(&self, event: &CacheEvent) {
        let Some(queue) = self.queue.get() else { return };
        if let (Some(old), Some(new)) = (&event.old, &event.new) {
            let updates = self.updates.read().unwrap_or_else(PoisonError::into_inner).clone();
            if updates.ignore(old, new, self.context.now()) {
                tracing::debug!(
                    object = %new.reference(),
                    "Ignoring change of object because none of the watched resource fields have changed"
                );
                return;
            }
        }
        for object in [&event.old, &event.new].into_iter().flatten() {
            if object.owner_references().is_empty()
                && self.tracking.tracked_by(object).is_none()
                && let Some(namespace) = object.namespace()
            {
                let watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
                watchers.get(namespace).into_iter().flatten().for_each(|it| queue.add(it.clone()));
            }
            if let Some(key) = self.application_of(object, 0) {
                // An Application that manages itself is brought up by its own watch.
                let own = object.text("/kind") == "Application" && object.key() == key;
                if !own {
                    queue.add(key);
                }
            }
        }
    }

    fn application_of(&self, object: &Object, depth: usize) -> Option<ObjectKey> {
        if let Some(instance) = self.tracking.root_of(object) {
            let (namespace, name) = tracking::app_of_instance(&instance, &self.namespace);
            return Some(ObjectKey::new(Some(namespace), name));
        }
        if depth >= MAX_DEPTH {
            return None;
        }
        object.owner_references().into_iter().find_map(|owner| {
            let gvk = Gvk::from_api_version(&owner.api_version, &owner.kind);
            let namespaced = ObjectKey::new(object.namespace(), &owner.name);
            let global = ObjectKey::new(None, &owner.name);
            let found = self.opened(&gvk).iter().find_map(|it| it.get(&namespaced).or_else(|| it.get(&global)))?;
            self.application_of(&found, depth + 1)
        })
    }

    fn opened(&self, gvk: &Gvk) -> Vec<Arc<Cache>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(gvk).cloned().unwrap_or_default()
    }

    /// An Application wants to hear of objects of a namespace that nobody owns, or not any more.
    pub(super) fn watch_orphans(&self, key: &ObjectKey, namespace: Option<&str>) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|of, keys| {
            if namespace != Some(of) {
                keys.remove(key);
            }
            !keys.is_empty()
        });
        if let Some(namespace) = namespace {
            watchers.entry(namespace.to_owned()).or_default().insert(key.clone());
        }
    }

    /// Every kind of namespaced objects that can be listed and watched, each in the version that the server prefers.
    pub(super) async fn catalog(&self) -> Result<Arc<BTreeSet<Gvk>>, ViewError> {
        let now = self.context.now();
        if let Some((until, known)) = &*self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
            && *until > now
        {
            return Ok(known.clone());
        }
        let found = Arc::new(self.context.mapper().namespaced_kinds().await?);
        let until = time::after(now, CATALOG);
        *self.catalog.lock().unwrap_or_else(PoisonError::into_inner) = Some((until, found.clone()));
        Ok(found)
    }

    /// How many kinds and objects are in view.
    pub(super) fn size(&self) -> (usize, usize) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        (open.len(), open.values().flatten().map(|it| it.len()).sum())
    }

    /// The Applications that have objects here.
    pub(super) fn applications(&self) -> BTreeSet<ObjectKey> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let instances: BTreeSet<String> = open.values().flatten().flat_map(|it| it.index_values(BY_APP)).collect();
        let key = |it: &String| {
            let (namespace, name) = tracking::app_of_instance(it, &self.namespace);
            ObjectKey::new(Some(namespace), name)
        };
        instances.iter().map(key).collect()
    }
}

impl LiveView for Views {
    fn get(&self, reference: &ObjectRef) -> Option<Arc<Object>> {
        self.opened(&reference.gvk).iter().find_map(|it| it.get(&reference.key()))
    }

    fn tracked(&self, gvk: &Gvk, instance: &str) -> Vec<Arc<Object>> {
        self.opened(gvk).iter().flat_map(|it| it.indexed(BY_APP, instance)).collect()
    }

    fn is_whole(&self, object: &Object) -> bool {
        trim::is_whole(object, &self.tracking)
    }

    fn in_namespace(&self, gvk: &Gvk, namespace: &str) -> Vec<Arc<Object>> {
        self.opened(gvk).iter().flat_map(|it| it.in_namespace(namespace)).collect()
    }

    fn all(&self, gvk: &Gvk) -> Vec<Arc<Object>> {
        self.opened(gvk).iter().flat_map(|it| it.list()).collect()
    }

    fn owned_by(&self, gvk: &Gvk, uid: &str) -> Vec<Arc<Object>> {
        self.opened(gvk).iter().flat_map(|it| it.owned_by(uid)).collect()
    }
}
