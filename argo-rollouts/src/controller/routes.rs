//! The routers of Rollouts, and the objects that they route by.

mod release;
mod targets;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use argo_core::{
    BoxFailure, Change, Gvk, Note, Object, ObjectKey, ObjectRef, Timestamp,
    runtime::{Cache, CacheEvent, Context, Queue, Shutdown},
    time,
};

use super::{rollout::NAME, views};
use crate::{
    api::{Rollout, names::reason},
    engine::{self, RouteTraffic, World},
    routers::{Objects, RouteRequest, Routers},
};
pub(super) use targets::TargetGroups;

/// Routers, with a watch on every kind of object that one of them has read: none that nobody uses.
pub(super) struct Routes {
    context: Context,
    routers: Routers,
    rollouts: Arc<Cache>,
    /// Where changes of routed objects go, once the controller runs.
    queue: OnceLock<Arc<Queue>>,
    open: Mutex<BTreeMap<Gvk, Arc<Cache>>>,
    shutdown: Shutdown,
    /// Where Istio's objects are, if not beside the Rollouts.
    istio: Option<Context>,
    /// AWS, where it is asked about target groups.
    targets: Option<TargetGroups>,
}

impl Routes {
    pub(super) fn new(context: Context, routers: Routers, rollouts: Arc<Cache>, shutdown: Shutdown) -> Self {
        let (queue, open) = (OnceLock::new(), Mutex::default());
        Self { context, routers, rollouts, queue, open, shutdown, istio: None, targets: None }
    }

    /// Istio's objects are on another cluster.
    pub(super) fn with_istio(mut self, istio: Option<Context>) -> Self {
        self.istio = istio;
        self
    }

    /// Pods are looked for in AWS's target groups.
    pub(super) fn with_targets(mut self, targets: Option<TargetGroups>) -> Self {
        self.targets = targets;
        self
    }

    fn context_of(&self, gvk: &Gvk) -> &Context {
        self.istio.as_ref().filter(|_| gvk.group == "networking.istio.io").unwrap_or(&self.context)
    }

    /// Whether what was written on another cluster is seen.
    ///
    /// # Errors
    /// When to look again.
    pub(super) fn fresh(&self, key: &ObjectKey) -> Result<(), Timestamp> {
        self.istio.as_ref().map_or(Ok(()), |it| it.fresh(NAME, key))
    }

    /// Changes of routed objects bring up the Rollouts in this queue.
    pub(super) fn feed(&self, queue: Arc<Queue>) {
        // Set once, before any pass.
        let _ = self.queue.set(queue);
    }

    /// Looks at what the routers carry, into `world`.
    pub(super) async fn look(&self, key: &ObjectKey, world: &mut World, notes: &mut Vec<Note>) -> Option<Timestamp> {
        world.routers = self.routers.names().cloned().collect();
        world.rollout.pointer("/spec/strategy/canary/trafficRouting")?;
        let typed: Rollout = world.rollout.decode().ok()?;
        let objects = self.objects(key);
        for target in engine::routed_objects(&typed) {
            // A kind that is not served is said by the router itself.
            if let Ok(object) = objects.get(&self.routers.served(target.clone())).await {
                world.routed.insert(target, object);
            }
        }
        let (traffic, verify) = engine::carried_traffic(&typed)?;
        let routing = typed.spec.strategy.canary.as_ref().and_then(|it| it.traffic_routing.as_ref())?;
        let mut in_place = true;
        let mut verified = None;
        for (router, settings) in self.routers.of(routing) {
            let request = self.request(&world.rollout, &typed, settings, &traffic, &world.replica_sets);
            match router.is_in_place(&request, &objects).await {
                Ok(yes) => in_place &= yes,
                Err(error) => {
                    tracing::debug!(%key, %error, "what is routed can not be told");
                    in_place = false;
                }
            }
            if let Ok(hashes) = router.routed_hashes(&request, &objects).await {
                world.routed_hashes.extend(hashes);
            }
            if !verify {
                continue;
            }
            match router.verify_weight(&request, &objects).await {
                Ok(verdict) => {
                    // Verified when no router says no and at least one says yes.
                    if let Some(yes) = verdict.verified {
                        verified = Some(verified.unwrap_or(true) && yes);
                    }
                    notes.extend(verdict.notes);
                    if !verdict.albs.is_empty() {
                        world.albs.get_or_insert_default().extend(verdict.albs);
                    }
                }
                Err(error) => {
                    let message = format!("Failed to verify weight: {error}");
                    notes.push(Note::warning(reason::WEIGHT_VERIFY_ERROR, message));
                    verified = Some(false);
                }
            }
        }
        world.routes_in_place = Some(in_place);
        world.weights_verified = verified;
        objects.wake()
    }

    /// The object that holds the template of a Rollout; it is watched from then on.
    pub(super) async fn workload(&self, key: &ObjectKey, rollout: &Object) -> Option<Arc<Object>> {
        rollout.pointer("/spec/workloadRef")?;
        let target = engine::workload_of(&rollout.decode().ok()?)?;
        self.objects(key).get(&target).await.ok().flatten()
    }

    /// Brings traffic to what is wanted and says so in `notes`; when to look again, if something is
    /// left to do.
    pub(super) async fn route(
        &self,
        key: &ObjectKey,
        world: &World,
        traffic: &RouteTraffic,
        notes: &mut Vec<Note>,
    ) -> Result<Option<Timestamp>, BoxFailure> {
        let typed: Rollout = world.rollout.decode()?;
        let objects = self.objects(key);
        let routing = typed.spec.strategy.canary.as_ref().and_then(|it| it.traffic_routing.as_ref());
        for (router, settings) in routing.map(|it| self.routers.of(it)).unwrap_or_default() {
            let request = self.request(&world.rollout, &typed, settings, traffic, &world.replica_sets);
            match router.route(&request, &objects).await {
                Ok(said) => notes.extend(said),
                Err(error) => {
                    notes.push(Note::warning(reason::TRAFFIC_ERROR, error.to_string()));
                    return Err(error);
                }
            }
        }
        Ok(objects.wake())
    }

    fn request<'a>(
        &self,
        rollout: &'a Object,
        typed: &'a Rollout,
        settings: &'a serde_json::Value,
        traffic: &'a RouteTraffic,
        replica_sets: &'a [Arc<Object>],
    ) -> RouteRequest<'a> {
        RouteRequest { rollout, typed, settings, traffic, replica_sets, now: self.context.now() }
    }

    pub(super) fn objects<'a>(&'a self, key: &'a ObjectKey) -> Routed<'a> {
        Routed { routes: self, key, again: Mutex::new(None) }
    }

    /// The cache of a kind; opened on first use, and watched from then on.
    fn cache(&self, gvk: &Gvk) -> Arc<Cache> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cache) = open.get(gvk) {
            return cache.clone();
        }
        let cache = self.context_of(gvk).cache(gvk.clone());
        open.insert(gvk.clone(), cache.clone());
        if let Some(queue) = self.queue.get().cloned() {
            let (rollouts, shutdown, mut events) = (self.rollouts.clone(), self.shutdown.clone(), cache.subscribe());
            let (routers, gvk) = (self.routers.clone(), gvk.clone());
            tokio::spawn(async move {
                loop {
                    let event = tokio::select! {
                        () = shutdown.cancelled() => return,
                        event = events.recv() => event,
                    };
                    let Some(event) = event else { return };
                    let marks = release::marked_by(&routers, &gvk, &event);
                    routed_by(&rollouts, &event).into_iter().chain(marks).for_each(|it| queue.add(it));
                }
            });
        }
        cache
    }
}

/// The Rollouts that an object belongs to: those that name it in how they route, or own it.
fn routed_by(rollouts: &Cache, event: &CacheEvent) -> Vec<ObjectKey> {
    let owner = event.object().and_then(|it| it.controller()).filter(|it| it.kind == "Rollout");
    let owner = owner.map(|it| ObjectKey::new(event.key.namespace.as_deref(), &it.name));
    // It may be named from another namespace.
    views::that_name_anywhere(rollouts, &event.key.name).into_iter().chain(owner).collect()
}

/// Objects for one pass over a Rollout.
pub(super) struct Routed<'a> {
    routes: &'a Routes,
    key: &'a ObjectKey,
    again: Mutex<Option<Duration>>,
}

impl fmt::Debug for Routed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routed").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Routed<'_> {
    fn wake(&self) -> Option<Timestamp> {
        let again = *self.again.lock().unwrap_or_else(PoisonError::into_inner);
        again.map(|it| time::after(self.routes.context.now(), it))
    }
}

#[async_trait::async_trait]
impl Objects for Routed<'_> {
    async fn get(&self, target: &ObjectRef) -> Result<Option<Arc<Object>>, BoxFailure> {
        let cache = self.routes.cache(&target.gvk);
        let context = self.routes.context_of(&target.gvk);
        let covered = context.namespace().is_none_or(|it| target.namespace.as_deref() == Some(it));
        if cache.is_synced() && covered {
            return Ok(cache.get(&target.key()));
        }
        // Its kind may not be served, which the cache would wait for.
        Ok(context.get(target).await?.map(Arc::new))
    }

    async fn list(&self, gvk: &Gvk, namespace: &str, labels: &str) -> Result<Vec<Arc<Object>>, BoxFailure> {
        self.routes.cache(gvk);
        let found = self.routes.context_of(gvk).list(gvk, Some(namespace), Some(labels)).await?;
        Ok(found.into_iter().map(Arc::new).collect())
    }

    async fn apply(&self, change: &Change) -> Result<Option<Object>, BoxFailure> {
        Ok(self.routes.context_of(&change.target().gvk).apply(NAME, self.key, change).await?)
    }

    fn look_again_after(&self, delay: Duration) {
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        *again = Some(again.map_or(delay, |it| it.min(delay)));
    }
}
