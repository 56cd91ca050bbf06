//! [`Controller`]: from cache events to reconciles.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

use super::{Backoff, Cache, CacheEvent, Context, Queue, Shutdown, Subscription};
use crate::{
    error::{BoxFailure, Category, Failure},
    object::ObjectKey,
    time::Timestamp,
};
use futures::{FutureExt, future::join_all};

/// What a pass says when it went well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Look again no later than this, whatever the watches say.
    pub wake: Option<Timestamp>,
}

impl Outcome {
    /// Only a watch event brings the next pass.
    pub const DONE: Self = Self { wake: None };

    /// Look again at `at`.
    #[must_use]
    pub fn wake_at(at: Timestamp) -> Self {
        Self { wake: Some(at) }
    }
}

impl From<Option<Timestamp>> for Outcome {
    fn from(wake: Option<Timestamp>) -> Self {
        Self { wake }
    }
}

/// How a pass ended.
pub type ReconcileResult = Result<Outcome, BoxFailure>;

/// One pass over one object: observe from caches, decide, apply. Level-triggered: it is never told
/// why it was called.
#[async_trait::async_trait]
pub trait Reconcile: Send + Sync + 'static {
    /// Brings the object named `key` one pass further. An object that is gone is not an error.
    ///
    /// # Errors
    /// Transient failures are tried again with backoff; others wait for the object to change.
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult;

    /// Called when a pass panicked or failed for good, so that the object can show it as a condition.
    async fn failed(&self, key: &ObjectKey, message: &str) {
        tracing::warn!(%key, message, "reconcile failed");
    }
}

type Map = Box<dyn Fn(&CacheEvent) -> Vec<ObjectKey> + Send + Sync>;

/// Runs a [`Reconcile`] over the keys that cache events map to.
///
/// # Example
/// ```no_run
/// # use std::sync::Arc;
/// # use argo_core::{Gvk, ObjectKey, runtime::{Context, Controller, Outcome, Reconcile, ReconcileResult, Shutdown}};
/// struct Noop;
/// #[async_trait::async_trait]
/// impl Reconcile for Noop {
///     async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
///         println!("{key}");
///         Ok(Outcome::DONE)
///     }
/// }
/// # async fn run(client: kube::Client) {
/// let context = Context::from(client);
/// let config_maps = context.cache(Gvk::new("", "v1", "ConfigMap"));
/// Controller::new("noop", context, Arc::new(Noop)).primary(config_maps).run(Shutdown::new()).await;
/// # }
/// ```
pub struct Controller {
    name: &'static str,
    context: Context,
    reconcile: Arc<dyn Reconcile>,
    workers: usize,
    queue: Arc<Queue>,
    sources: Vec<(Arc<Cache>, Map)>,
}

impl Controller {
    /// A controller without sources.
    #[must_use]
    pub fn new(name: &'static str, context: Context, reconcile: Arc<dyn Reconcile>) -> Self {
        let queue = Arc::new(Queue::new(context.clock().clone(), Backoff::default()));
        Self { name, context, reconcile, workers: 4, queue, sources: Vec::new() }
    }

    /// How many keys are worked on at once; 4 by default.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Other delays for failing keys than client-go's.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.queue = Arc::new(Queue::new(self.context.clock().clone(), backoff));
        self
    }

    /// Every object of this cache is worked on under its own key.
    #[must_use]
    pub fn primary(self, cache: Arc<Cache>) -> Self {
        self.watches(cache, |event| vec![event.key.clone()])
    }

    /// An object of this cache brings up its managing owner of this kind.
    #[must_use]
    pub fn owns(self, cache: Arc<Cache>, kind: &'static str) -> Self {
        self.watches(cache, move |event| {
            let mut keys: Vec<ObjectKey> = [&event.old, &event.new]
                .into_iter()
                .flatten()
                .filter_map(|it| {
                    let owner = it.controller().filter(|owner| owner.kind == kind)?;
                    Some(ObjectKey::new(it.namespace(), &owner.name))
                })
                .collect();
            keys.dedup();
            keys
        })
    }

    /// An object of this cache brings up the keys that `map` gives.
    #[must_use]
    pub fn watches(
        mut self,
        cache: Arc<Cache>,
        map: impl Fn(&CacheEvent) -> Vec<ObjectKey> + Send + Sync + 'static,
    ) -> Self {
        self.sources.push((cache, Box::new(map)));
        self
    }

    /// The queue, for sources outside Kubernetes (webhooks, timers).
    #[must_use]
    pub fn queue(&self) -> Arc<Queue> {
        self.queue.clone()
    }

    /// Runs until `shutdown` (or the context's): waits for the caches, then works; at the end lets
    /// passes under way finish.
    pub async fn run(self, shutdown: Shutdown) {
        let stop = Shutdown::new();
        let ended = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.context.shutdown().cancelled() => {}
            }
            stop.cancel();
            self.queue.close();
        };
        let work = async {
            let synced = join_all(self.sources.iter().map(|(cache, _)| cache.synced()));
            tokio::select! {
                () = stop.cancelled() => return,
                _ = synced => {}
            }
            tracing::info!(controller = self.name, "started");
            let feeds = join_all(self.sources.iter().map(|(cache, map)| self.feed(cache.subscribe(), map, &stop)));
            let workers = join_all((0..self.workers).map(|_| self.work()));
            futures::join!(feeds, workers);
            tracing::info!(controller = self.name, "stopped");
        };
        futures::join!(ended, work);
    }

    async fn feed(&self, mut events: Subscription, map: &Map, stop: &Shutdown) {
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = events.recv() => event,
            };
            let Some(event) = event else { return };
            for key in map(&event) {
                self.queue.add(key);
            }
        }
    }

    async fn work(&self) {
        while let Some(key) = self.queue.next().await {
            match self.context.fresh(self.name, &key) {
                // The watch event that shows the write brings the key back.
                Err(until) => self.queue.add_at(key.clone(), until),
                Ok(()) => self.pass(&key).await,
            }
            self.queue.done(&key);
        }
    }

    async fn pass(&self, key: &ObjectKey) {
        let started = self.context.now();
        // Watch events stand on their own; only this pass decides when to look again.
        self.queue.clear_delay(key);
        let result = AssertUnwindSafe(self.reconcile.reconcile(key)).catch_unwind().await;
        let took = crate::time::between(started, self.context.now());
        let result = result.unwrap_or_else(|panic| Err(Panicked(message(&*panic)).into()));
        self.context.metrics().reconciled(self.name, result.as_ref().map(|it| it.wake.is_some()).map_err(|_| ()), took);
        match result {
            Ok(outcome) => {
                self.queue.succeeded(key);
                if let Some(at) = outcome.wake {
                    self.queue.add_at(key.clone(), at);
                }
            }
            Err(error) if error.is_transient() => {
                let delay = self.queue.add_failed(key.clone(), error.retry_after());
                tracing::debug!(controller = self.name, %key, %error, ?delay, "will try again");
            }
            Err(error) => {
                self.queue.succeeded(key);
                self.reconcile.failed(key, &error.to_string()).await;
            }
        }
    }
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("name", &self.name).field("workers", &self.workers).finish_non_exhaustive()
    }
}

/// A pass that panicked: a bug, shown on the object, and no reason for the others to stop.
#[derive(Debug, thiserror::Error)]
#[error("internal error: the reconcile panicked: {0}")]
struct Panicked(String);

impl Failure for Panicked {
    fn category(&self) -> Category {
        Category::Internal
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
