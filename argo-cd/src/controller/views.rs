//! Live objects by kind: watches that are opened when a kind is first used.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use argo_core::{
    Failure, Gvk, Object, ObjectKey, ObjectRef,
    runtime::{Cache, CacheEvent, Context, MapperError, Query, Queue, Shutdown},
};

use crate::engine::{KindScope, LiveView, tracking};

/// Name of the index by Application.
const BY_APP: &str = "argocd-tracked-by";
/// Deepest chain of owners that an event climbs.
const MAX_DEPTH: usize = 10;
/// How long a first list may take before the pass is tried again.
const SYNC_LIMIT: Duration = Duration::from_secs(60);

/// The kinds in view.
pub(super) struct Views {
    context: Context,
    namespace: String,
    stop: Shutdown,
    queue: OnceLock<Arc<Queue>>,
    open: Mutex<BTreeMap<Gvk, Arc<Cache>>>,
}

impl Views {
    pub(super) fn new(context: Context, namespace: String, stop: Shutdown) -> Self {
        Self { context, namespace, stop, queue: OnceLock::new(), open: Mutex::default() }
    }

    pub(super) fn feed(&self, queue: Arc<Queue>) {
        // Set once, before the controller runs.
        let _ = self.queue.set(queue);
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
    pub(super) async fn observe(self: &Arc<Self>, gvk: &Gvk) -> Result<(), NotSynced> {
        let (cache, new) = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            match open.get(gvk) {
                Some(cache) => (cache.clone(), false),
                None => {
                    let cache = self.context.caches().open(Query::of(gvk.clone(), self.context.namespace()));
                    cache.add_index(BY_APP, |it| tracking::tracked_by(it).into_iter().collect());
                    open.insert(gvk.clone(), cache.clone());
                    (cache, true)
                }
            }
        };
        if new {
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
        tokio::select! {
            () = cache.synced() => Ok(()),
            () = self.stop.cancelled() => Err(NotSynced(gvk.clone())),
            () = self.context.clock().sleep(SYNC_LIMIT) => Err(NotSynced(gvk.clone())),
        }
    }

    /// The Applications that an event matters to.
    fn bring_up(&self, event: &CacheEvent) {
        let Some(queue) = self.queue.get() else { return };
        for object in [&event.old, &event.new].into_iter().flatten() {
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
        if let Some(instance) = tracking::tracked_by(object) {
            let (namespace, name) = tracking::app_of_instance(&instance, &self.namespace);
            return Some(ObjectKey::new(Some(namespace), name));
        }
        if depth >= MAX_DEPTH {
            return None;
        }
        object.owner_references().into_iter().find_map(|owner| {
            let gvk = Gvk::from_api_version(&owner.api_version, &owner.kind);
            let cache = self.cache(&gvk)?;
            let namespaced = ObjectKey::new(object.namespace(), &owner.name);
            let found = cache.get(&namespaced).or_else(|| cache.get(&ObjectKey::new(None, &owner.name)))?;
            self.application_of(&found, depth + 1)
        })
    }

    fn cache(&self, gvk: &Gvk) -> Option<Arc<Cache>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(gvk).cloned()
    }
}

impl LiveView for Views {
    fn get(&self, reference: &ObjectRef) -> Option<Arc<Object>> {
        self.cache(&reference.gvk)?.get(&reference.key())
    }

    fn tracked(&self, gvk: &Gvk, instance: &str) -> Vec<Arc<Object>> {
        self.cache(gvk).map(|it| it.indexed(BY_APP, instance)).unwrap_or_default()
    }

    fn owned_by(&self, gvk: &Gvk, uid: &str) -> Vec<Arc<Object>> {
        self.cache(gvk).map(|it| it.owned_by(uid)).unwrap_or_default()
    }
}

/// The first list of a kind has not arrived.
#[derive(Debug, thiserror::Error)]
#[error("Failed to load live state: the list of {0} has not arrived")]
pub(super) struct NotSynced(Gvk);

impl Failure for NotSynced {
    fn category(&self) -> argo_core::Category {
        argo_core::Category::Timeout
    }
}
