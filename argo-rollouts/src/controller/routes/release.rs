//! Objects that routers marked, and that stay when their Rollout goes or routes otherwise.

use std::{sync::Arc, time::Duration};

use argo_core::{
    BoxFailure, Category, Change, Failure, Gvk, Object, ObjectKey,
    runtime::{Cache, CacheEvent},
};

use super::{NAME, Routes};
use crate::routers::Routers;

/// How soon a kind that could not be listed is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// The Rollouts whose marks the object of an event has: they may be gone, which nobody else would tell.
pub(super) fn marked_by(routers: &Routers, gvk: &Gvk, event: &CacheEvent) -> Vec<ObjectKey> {
    let Some(object) = event.object() else { return Vec::new() };
    let of_kind = routers.iter().filter(|(_, it)| it.marks().as_ref() == Some(gvk));
    let names = of_kind.flat_map(|(_, it)| it.marked_by(object));
    names.map(|it| ObjectKey::new(event.key.namespace.as_deref(), &it)).collect()
}

impl Routes {
    /// Takes the mark of a Rollout off objects that it does not route by any more; `rollout` is absent when it is gone.
    ///
    /// # Errors
    /// When the API server refuses.
    pub(in crate::controller) async fn release(
        &self,
        key: &ObjectKey,
        rollout: Option<&Object>,
    ) -> Result<(), BoxFailure> {
        let routing = rollout.and_then(|it| it.pointer("/spec/strategy/canary/trafficRouting"));
        for (name, router) in self.routers.iter() {
            let Some(cache) = router.marks().and_then(|it| self.opened(&it)) else { continue };
            let settings = routing.and_then(|it| it.get(name)).filter(|it| !it.is_null());
            for object in cache.in_namespace(key.namespace()) {
                if !router.marked_by(&object).contains(&key.name) {
                    continue;
                }
                let free = match router.released(&object, &key.name, settings) {
                    Ok(free) => free,
                    Err(error) => {
                        // What can not be read is not known to be let go.
                        tracing::debug!(%key, object = object.name(), %error, "not released");
                        None
                    }
                };
                let Some(change) = free.and_then(|it| Change::merge_between(&object, &it)) else { continue };
                match self.context_of(&change.target().gvk).apply(NAME, key, &change).await {
                    Err(error) if error.category() != Category::NotFound => return Err(error.into()),
                    _ => tracing::info!(%key, object = object.name(), "let go of what the Rollout routed by"),
                }
            }
        }
        Ok(())
    }

    /// Looks once for marks of Rollouts that went while nobody watched. Where there are any the kind is watched
    /// from then on, and its first events bring those Rollouts up.
    pub(in crate::controller) async fn recall(self: Arc<Self>) {
        for (name, router) in self.routers.iter() {
            let Some(gvk) = router.marks() else { continue };
            let context = self.context_of(&gvk).clone();
            loop {
                let listed = context.list(&gvk, context.namespace(), None).await;
                match listed {
                    Ok(objects) if objects.iter().any(|it| !router.marked_by(it).is_empty()) => drop(self.cache(&gvk)),
                    Err(error) if error.is_transient() => {
                        tokio::select! {
                            () = self.shutdown.cancelled() => return,
                            () = context.clock().sleep(RETRY) => continue,
                        }
                    }
                    Err(error) => tracing::debug!(router = name, %error, "nothing can be marked"),
                    Ok(_) => {}
                }
                break;
            }
        }
    }

    /// The cache of a kind, if it is watched.
    fn opened(&self, gvk: &Gvk) -> Option<Arc<Cache>> {
        self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(gvk).cloned()
    }
}
