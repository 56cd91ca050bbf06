//! Shared caches: one watch per kind, namespace and selector, read by every controller.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use futures::{StreamExt, pin_mut};
use kube::{
    api::{Api, ApiResource, DynamicObject},
    runtime::watcher,
};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{mpsc, watch};

use super::{Query, Shutdown, api::typed, mapper::Mapper};
use crate::{
    clock::Clock,
    object::{Gvk, Object, ObjectKey},
};

/// How long to wait before looking again for a kind that is not served, or a watch that broke.
const WATCH_RETRY: Backoff = Backoff { base: Duration::from_millis(50), cap: Duration::from_secs(30) };

use super::queue::Backoff;

/// A change of a cached object. Both sides are there so that a mapping can see what was left behind.
#[derive(Debug, Clone)]
pub struct CacheEvent {
    /// The object's key.
    pub key: ObjectKey,
    /// As it was; absent when it is new.
    pub old: Option<Arc<Object>>,
    /// As it is; absent when it is gone.
    pub new: Option<Arc<Object>>,
}

impl CacheEvent {
    /// The object as it is, or as it last was.
    #[must_use]
    pub fn object(&self) -> Option<&Arc<Object>> {
        self.new.as_ref().or(self.old.as_ref())
    }
}

/// Changes of a cache, in order. Keeps the cache alive.
#[derive(Debug)]
pub struct Subscription {
    events: mpsc::UnboundedReceiver<CacheEvent>,
    _cache: Arc<Cache>,
}

impl Subscription {
    /// The next change; waits for one. `None` once the watch has ended with its context.
    pub async fn recv(&mut self) -> Option<CacheEvent> {
        self.events.recv().await
    }
}

type Index = Arc<dyn Fn(&Object) -> Vec<String> + Send + Sync>;

/// The live objects of a [`Query`]. Objects are without `managedFields`, unless a trim keeps them.
pub struct Cache {
    query: Query,
    state: RwLock<State>,
    synced: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<ObjectKey, Arc<Object>>,
    /// Seen since the relist under way began.
    relisted: Option<BTreeSet<ObjectKey>>,
    by_owner: BTreeMap<String, BTreeSet<ObjectKey>>,
    indexes: BTreeMap<&'static str, (Index, BTreeMap<String, BTreeSet<ObjectKey>>)>,
    subscribers: Vec<mpsc::UnboundedSender<CacheEvent>>,
}

impl Cache {
    fn new(query: Query) -> Self {
        Self { query, state: RwLock::default(), synced: watch::Sender::new(false) }
    }

    /// What it holds.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// One object.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.state.read().objects.get(key).cloned()
    }

    /// All objects, in order of namespace and name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Object>> {
        self.state.read().objects.values().cloned().collect()
    }

    /// The objects of one namespace, in order of their names.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<Object>> {
        let from = ObjectKey::new(Some(namespace), "");
        let state = self.state.read();
        let range = state.objects.range(from..);
        range.take_while(|(key, _)| key.namespace() == namespace).map(|(_, it)| it.clone()).collect()
    }

    /// The objects of one namespace whose names begin with `prefix`, in order of their names.
    #[must_use]
    pub fn named(&self, namespace: &str, prefix: &str) -> Vec<Arc<Object>> {
        let state = self.state.read();
        let range = state.objects.range(ObjectKey::new(Some(namespace), prefix)..);
        let own = range.take_while(|(key, _)| key.namespace() == namespace && key.name.starts_with(prefix));
        own.map(|(_, it)| it.clone()).collect()
    }

    /// The objects that name `uid` among their owners.
    #[must_use]
    pub fn owned_by(&self, uid: &str) -> Vec<Arc<Object>> {
        let state = self.state.read();
        let keys = state.by_owner.get(uid).into_iter().flatten();
        keys.filter_map(|key| state.objects.get(key).cloned()).collect()
    }

    /// Adds a named index: each object is found under every value that `index` gives for it.
    pub fn add_index(&self, name: &'static str, index: impl Fn(&Object) -> Vec<String> + Send + Sync + 'static) {
        let index: Index = Arc::new(index);
        let mut state = self.state.write();
        let mut entries: BTreeMap<String, BTreeSet<ObjectKey>> = BTreeMap::new();
        for (key, object) in &state.objects {
            for value in index(object) {
                entries.entry(value).or_default().insert(key.clone());
            }
        }
        state.indexes.entry(name).or_insert((index, entries));
    }

    /// The objects that a named index has under `value`.
    #[must_use]
    pub fn indexed(&self, name: &str, value: &str) -> Vec<Arc<Object>> {
        let state = self.state.read();
        let keys = state.indexes.get(name).and_then(|(_, entries)| entries.get(value));
        keys.into_iter().flatten().filter_map(|key| state.objects.get(key).cloned()).collect()
    }

    /// The values that a named index has objects under.
    #[must_use]
    pub fn index_values(&self, name: &str) -> Vec<String> {
        let state = self.state.read();
        let entries = state.indexes.get(name).into_iter().flat_map(|(_, entries)| entries);
        entries.filter(|(_, keys)| !keys.is_empty()).map(|(value, _)| value.clone()).collect()
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.read().objects.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state.read().objects.is_empty()
    }

    /// Everything that is there as events of new objects, then every change: nothing between is lost.
    #[must_use]
    pub fn subscribe(self: &Arc<Self>) -> Subscription {
        let (sender, events) = mpsc::unbounded_channel();
        let mut state = self.state.write();
        for (key, object) in &state.objects {
            // The receiver is right here: it can not be gone.
            let _ = sender.send(CacheEvent { key: key.clone(), old: None, new: Some(object.clone()) });
        }
        state.subscribers.push(sender);
        Subscription { events, _cache: self.clone() }
    }

    /// Whether the first list has arrived.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// Waits for the first list.
    pub async fn synced(&self) {
        let mut receiver = self.synced.subscribe();
        // The sender lives in self: it can not be gone.
        let _ = receiver.wait_for(|it| *it).await;
    }

    fn put(&self, object: Object) {
        let key = object.key();
        let mut state = self.state.write();
        if let Some(seen) = &mut state.relisted {
            seen.insert(key.clone());
        }
        if state.objects.get(&key).is_some_and(|it| {
            it.resource_version() == object.resource_version() && !object.resource_version().is_empty()
        }) {
            return;
        }
        state.replace(key, Some(Arc::new(object)));
    }

    fn remove(&self, key: ObjectKey) {
        self.state.write().replace(key, None);
    }

    fn begin(&self) {
        self.state.write().relisted = Some(BTreeSet::new());
    }

    fn finish(&self) {
        let mut state = self.state.write();
        if let Some(seen) = state.relisted.take() {
            let gone: Vec<_> = state.objects.keys().filter(|key| !seen.contains(*key)).cloned().collect();
            for key in gone {
                state.replace(key, None);
            }
        }
        drop(state);
        self.synced.send_replace(true);
    }
}

impl State {
    fn replace(&mut self, key: ObjectKey, new: Option<Arc<Object>>) {
        let old = match &new {
            Some(object) => self.objects.insert(key.clone(), object.clone()),
            None => self.objects.remove(&key),
        };
        if old.is_none() && new.is_none() {
            return;
        }
        if let Some(old) = &old {
            for owner in old.owner_references() {
                drop_entry(&mut self.by_owner, &owner.uid, &key);
            }
            for (index, entries) in self.indexes.values_mut() {
                for value in index(old) {
                    drop_entry(entries, &value, &key);
                }
            }
        }
        if let Some(object) = &new {
            for owner in object.owner_references() {
                self.by_owner.entry(owner.uid).or_default().insert(key.clone());
            }
            for (index, entries) in self.indexes.values_mut() {
                for value in index(object) {
                    entries.entry(value).or_default().insert(key.clone());
                }
            }
        }
        let event = CacheEvent { key, old, new };
        self.subscribers.retain(|it| it.send(event.clone()).is_ok());
    }
}

fn drop_entry(entries: &mut BTreeMap<String, BTreeSet<ObjectKey>>, value: &str, key: &ObjectKey) {
    if let Some(keys) = entries.get_mut(value) {
        keys.remove(key);
        if keys.is_empty() {
            entries.remove(value);
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({}: {} objects)", self.query, self.state.read().objects.len())
    }
}

/// All caches of one client. Two controllers that ask the same query share one watch; a cache that
/// nobody holds any more stops its watch.
#[derive(Clone)]
pub struct Caches {
    client: kube::Client,
    mapper: Mapper,
    clock: Clock,
    shutdown: Shutdown,
    open: Arc<Mutex<BTreeMap<Query, Weak<Cache>>>>,
}

impl Caches {
    /// Caches of this API server, until `shutdown`.
    #[must_use]
    pub fn new(client: kube::Client, mapper: Mapper, clock: Clock, shutdown: Shutdown) -> Self {
        Self { client, mapper, clock, shutdown, open: Default::default() }
    }

    /// The cache of a query, started on first use. It fills in the background: [`Cache::synced`].
    #[must_use]
    pub fn open(&self, query: Query) -> Arc<Cache> {
        let mut open = self.open.lock();
        if let Some(cache) = open.get(&query).and_then(Weak::upgrade) {
            return cache;
        }
        let cache = Arc::new(Cache::new(query.clone()));
        open.insert(query, Arc::downgrade(&cache));
        let (held, caches) = (Arc::downgrade(&cache), self.clone());
        tokio::spawn(async move {
            run(held.clone(), caches).await;
            if let Some(cache) = held.upgrade() {
                cache.state.write().subscribers.clear();
            }
        });
        cache
    }

    /// The caches that are open now and whose query covers this object's kind and namespace.
    pub(super) fn covering(&self, object: &Object) -> Vec<Arc<Cache>> {
        let gvk = object.gvk();
        let open = self.open.lock();
        let caches = open.values().filter_map(Weak::upgrade);
        caches
            .filter(|it| {
                let query = it.query();
                query.gvk == gvk
                    && query.fields.is_none()
                    && query.labels.is_none()
                    && query.namespace.as_deref().is_none_or(|ns| object.namespace() == Some(ns))
            })
            .collect()
    }
}

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.open.lock().values().filter_map(Weak::upgrade)).finish()
    }
}

/// Keeps one cache current until nobody holds it or the shutdown comes.
async fn run(cache: Weak<Cache>, caches: Caches) {
    let Some(query) = cache.upgrade().map(|it| it.query().clone()) else {
        return;
    };
    let mut failures = 0;
    loop {
        let namespaced = tokio::select! {
            () = caches.shutdown.cancelled() => return,
            it = caches.mapper.is_namespaced(&query.gvk) => it,
        };
        match namespaced {
            Ok(_) => break,
            Err(error) => tracing::debug!(%query, %error, "waiting for the kind to be served"),
        }
        if cache.strong_count() == 0 || wait(&caches, &mut failures).await {
            return;
        }
    }
    let Ok(plural) = caches.mapper.plural(&query.gvk).await else {
        return;
    };
    let resource = ApiResource {
        group: query.gvk.group.clone(),
        version: query.gvk.version.clone(),
        api_version: query.gvk.api_version(),
        kind: query.gvk.kind.clone(),
        plural,
    };
    let api: Api<DynamicObject> = match &query.namespace {
        Some(namespace) => Api::namespaced_with(caches.client.clone(), namespace, &resource),
        None => Api::all_with(caches.client.clone(), &resource),
    };
    let config = watcher::Config {
        label_selector: query.labels.clone(),
        field_selector: query.fields.clone(),
        ..watcher::Config::default()
    };
    failures = 0;
    let events = watcher(api, config);
    pin_mut!(events);
    loop {
        let event = tokio::select! {
            () = caches.shutdown.cancelled() => return,
            event = events.next() => event,
        };
        let Some(held) = cache.upgrade() else { return };
        match event {
            Some(Ok(event)) => {
                failures = 0;
                match event {
                    watcher::Event::Init => held.begin(),
                    watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                        held.put(kept(object, &query));
                    }
                    watcher::Event::InitDone => held.finish(),
                    watcher::Event::Delete(object) => held.remove(whole(object, &query.gvk).key()),
                }
            }
            Some(Err(error)) => {
                tracing::debug!(%query, %error, "watch broke; it is taken up again");
                drop(held);
                if wait(&caches, &mut failures).await {
                    return;
                }
            }
            None => return,
        }
    }
}

/// Waits its backoff; true when the shutdown came.
async fn wait(caches: &Caches, failures: &mut u32) -> bool {
    let delay = WATCH_RETRY.delay(*failures);
    *failures = failures.saturating_add(1);
    tokio::select! {
        () = caches.shutdown.cancelled() => true,
        () = caches.clock.sleep(delay) => false,
    }
}

/// The object without what nobody reads. Who has a trim says what that is.
fn kept(mut object: DynamicObject, query: &Query) -> Object {
    match &query.trim {
        None => {
            object.metadata.managed_fields = None;
            whole(object, &query.gvk)
        }
        Some(trim) => {
            let mut object = whole(object, &query.gvk);
            trim.apply(&mut object);
            object
        }
    }
}

fn whole(object: DynamicObject, gvk: &Gvk) -> Object {
    let metadata = serde_json::to_value(&object.metadata).unwrap_or_default();
    let mut json = object.data;
    if !json.is_object() {
        json = serde_json::json!({});
    }
    json["metadata"] = metadata;
    typed(json, gvk)
}
