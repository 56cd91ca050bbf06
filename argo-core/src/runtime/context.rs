//! What controllers share.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{
    Cache, Caches, Mapper, Metrics, Shutdown,
    api::{self, ReadError},
};
use crate::{
    apply::{ApplyError, ClusterApplier, KubeApplier},
    clock::Clock,
    error::Category,
    object::{Gvk, Object, ObjectKey, ObjectRef},
    plan::{Change, Note},
    time::{self, Timestamp},
};

/// How long a controller waits for its own writes to show up in its caches before it goes on
/// without them (a write to an object that a policy hides, say).
const FRESHNESS_LIMIT: Duration = Duration::from_secs(10);

/// Client, clock, caches, applier and metrics in one cheap clone. Controllers built on the same
/// context share watches.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    client: kube::Client,
    clock: Clock,
    mapper: Mapper,
    caches: Caches,
    applier: Arc<dyn ClusterApplier>,
    metrics: Metrics,
    shutdown: Shutdown,
    namespace: Option<String>,
    expected: Mutex<BTreeMap<(String, ObjectKey), Vec<Expected>>>,
}

/// A write that a cache has yet to show.
struct Expected {
    cache: Arc<Cache>,
    key: ObjectKey,
    version: u64,
    until: Timestamp,
}

/// Builds a [`Context`].
#[must_use]
pub struct Builder {
    client: kube::Client,
    clock: Clock,
    namespace: Option<String>,
    manager: String,
    applier: Option<Arc<dyn ClusterApplier>>,
    metrics: Metrics,
    shutdown: Shutdown,
}

impl Builder {
    /// The clock; the machine's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Looks at one namespace only; at all by default.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Field manager and event source of the writes; `argo` by default.
    pub fn manager(mut self, manager: impl Into<String>) -> Self {
        self.manager = manager.into();
        self
    }

    /// Another applier than the kube-backed one.
    pub fn applier(mut self, applier: Arc<dyn ClusterApplier>) -> Self {
        self.applier = Some(applier);
        self
    }

    /// A registry to share.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Ends caches and controllers.
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// The context. Must be called inside a tokio runtime.
    #[must_use]
    pub fn build(self) -> Context {
        let mapper = Mapper::new(self.client.clone());
        let caches = Caches::new(self.client.clone(), mapper.clone(), self.clock.clone(), self.shutdown.clone());
        let applier = self.applier.unwrap_or_else(|| {
            Arc::new(KubeApplier::new(self.client.clone(), mapper.clone(), self.clock.clone(), self.manager))
        });
        Context(Arc::new(Inner {
            client: self.client,
            clock: self.clock,
            mapper,
            caches,
            applier,
            metrics: self.metrics,
            shutdown: self.shutdown,
            namespace: self.namespace,
            expected: Mutex::default(),
        }))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("clock", &self.clock)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl From<kube::Client> for Context {
    fn from(client: kube::Client) -> Self {
        Self::builder(client).build()
    }
}

impl Context {
    /// A context on this API server.
    pub fn builder(client: kube::Client) -> Builder {
        Builder {
            client,
            clock: Clock::system(),
            namespace: None,
            manager: "argo".to_owned(),
            applier: None,
            metrics: Metrics::default(),
            shutdown: Shutdown::new(),
        }
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &kube::Client {
        &self.0.client
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Where kinds are served.
    #[must_use]
    pub fn mapper(&self) -> &Mapper {
        &self.0.mapper
    }

    /// The shared caches.
    #[must_use]
    pub fn caches(&self) -> &Caches {
        &self.0.caches
    }

    /// Opens the cache of a kind in the context's namespace (or everywhere).
    #[must_use]
    pub fn cache(&self, gvk: Gvk) -> Arc<Cache> {
        self.0.caches.open(super::Query::of(gvk, self.namespace()))
    }

    /// Opens the cache of a wire type in the context's namespace (or everywhere).
    #[must_use]
    pub fn cache_of<R: crate::Resource>(&self) -> Arc<Cache> {
        self.cache(R::gvk())
    }

    /// The applier.
    #[must_use]
    pub fn applier(&self) -> &Arc<dyn ClusterApplier> {
        &self.0.applier
    }

    /// The metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Ends everything on this context when cancelled.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    /// The one namespace looked at, if not all.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.0.namespace.as_deref()
    }

    /// Reads one object past the caches.
    ///
    /// # Errors
    /// When the kind is not served or the API server does not answer.
    pub async fn get(&self, target: &ObjectRef) -> Result<Option<Object>, ReadError> {
        api::get(&self.0.client, &self.0.mapper, target).await
    }

    /// Lists objects past the caches.
    ///
    /// # Errors
    /// When the kind is not served or the API server does not answer.
    pub async fn list(
        &self,
        gvk: &Gvk,
        namespace: Option<&str>,
        labels: Option<&str>,
    ) -> Result<Vec<Object>, ReadError> {
        api::list(&self.0.client, &self.0.mapper, gvk, namespace, labels).await
    }

    /// Carries out one change on behalf of controller `controller`'s work on `key`. That key is not
    /// worked on again before the caches show the change.
    ///
    /// A `Create` of something that exists already and has the same managing owner counts as done:
    /// names are deterministic, so that is this controller's own work from before a crash.
    ///
    /// # Errors
    /// As [`ClusterApplier::apply`].
    pub async fn apply(
        &self,
        controller: &str,
        key: &ObjectKey,
        change: &Change,
    ) -> Result<Option<Object>, ApplyError> {
        self.apply_through(&**self.applier(), controller, key, change).await
    }

    /// As [`Context::apply`], through another applier than the context's.
    ///
    /// # Errors
    /// As [`ClusterApplier::apply`].
    pub async fn apply_through(
        &self,
        applier: &dyn ClusterApplier,
        controller: &str,
        key: &ObjectKey,
        change: &Change,
    ) -> Result<Option<Object>, ApplyError> {
        let result = match applier.apply(change).await {
            Err(error) if error.category == Category::AlreadyExists => self.own(change, error).await,
            other => other,
        };
        if let Ok(Some(object)) = &result {
            self.expect(controller, key, object);
        }
        result
    }

    /// Records an event.
    pub async fn note(&self, regarding: &Object, note: &Note) {
        self.0.applier.note(regarding, note).await;
    }

    async fn own(&self, change: &Change, error: ApplyError) -> Result<Option<Object>, ApplyError> {
        let Change::Create { object } = change else {
            return Err(error);
        };
        let owner = object.controller();
        match self.get(&object.reference()).await {
            Ok(Some(found)) if owner.is_some_and(|it| found.is_controlled_by(&it.uid)) => Ok(Some(found)),
            _ => Err(error),
        }
    }

    fn expect(&self, controller: &str, key: &ObjectKey, object: &Object) {
        let Ok(version) = object.resource_version().parse() else {
            return;
        };
        let caches = self.0.caches.covering(object);
        if caches.is_empty() {
            return;
        }
        let until = time::after(self.now(), FRESHNESS_LIMIT);
        let mut expected = self.0.expected.lock();
        let list = expected.entry((controller.to_owned(), key.clone())).or_default();
        for cache in caches {
            list.push(Expected { cache, key: object.key(), version, until });
        }
    }

    /// Whether the caches show everything that was written for `key`. A controller that works on several contexts asks
    /// the others itself; on its own one the runtime does.
    ///
    /// # Errors
    /// When to look again if no watch event comes before.
    pub fn fresh(&self, controller: &str, key: &ObjectKey) -> Result<(), Timestamp> {
        let now = self.now();
        let mut expected = self.0.expected.lock();
        let entry = (controller.to_owned(), key.clone());
        let Some(list) = expected.get_mut(&entry) else {
            return Ok(());
        };
        list.retain(|it| it.until > now && !it.is_shown());
        match list.iter().map(|it| it.until).max() {
            Some(until) => Err(until),
            None => {
                expected.remove(&entry);
                Ok(())
            }
        }
    }
}

impl Expected {
    fn is_shown(&self) -> bool {
        let Some(object) = self.cache.get(&self.key) else {
            return false;
        };
        object.resource_version().parse::<u64>().is_ok_and(|it| it >= self.version)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("clock", &self.0.clock)
            .field("namespace", &self.0.namespace)
            .field("caches", &self.0.caches)
            .finish_non_exhaustive()
    }
}
