//! What the three reconcilers share: finalizers, status, and who uses which bus.

use std::sync::Arc;

use argo_core::{
    ApplyError, Change, Object, ObjectKey, Timestamp,
    runtime::{Cache, CacheEvent, Context},
};
use serde_json::Value;

use crate::{
    api::{ConditionStatus, DEFAULT_EVENT_BUS, Status},
    engine::validate::names,
};

/// The bus that an EventSource or Sensor names.
pub(super) fn bus_name(object: &Object) -> &str {
    let name = object.text("/spec/eventBusName");
    if name.is_empty() { DEFAULT_EVENT_BUS } else { name }
}

/// An EventSource or Sensor brings up its bus (which waits for it to go before it goes itself).
pub(super) fn bus_of(event: &CacheEvent) -> Vec<ObjectKey> {
    let objects = [&event.old, &event.new].into_iter().flatten();
    objects.map(|it| ObjectKey::new(it.namespace(), bus_name(it))).collect()
}

/// A bus brings up the objects of `cache` that name it.
pub(super) fn users_of(cache: Arc<Cache>) -> impl Fn(&CacheEvent) -> Vec<ObjectKey> + Send + Sync + 'static {
    move |event| users(&cache, &event.key)
}

/// The objects of `cache` that name a bus.
pub(super) fn users(cache: &Cache, bus: &ObjectKey) -> Vec<ObjectKey> {
    let objects = cache.in_namespace(bus.namespace());
    objects.iter().filter(|it| bus_name(it) == bus.name).map(|it| it.key()).collect()
}

/// Adds a finalizer if it is missing.
pub(super) async fn add_finalizer(
    context: &Context,
    controller: &str,
    object: &Object,
    finalizer: &str,
) -> Result<(), ApplyError> {
    if object.has_finalizer(finalizer) {
        return Ok(());
    }
    let mut wanted = object.clone();
    let list: Vec<Value> = object.finalizers().chain([finalizer]).map(Value::from).collect();
    wanted.set(&["metadata", "finalizers"], list);
    change(context, controller, object, Change::merge_between(object, &wanted)).await
}

/// Removes a finalizer if it is there.
pub(super) async fn remove_finalizer(
    context: &Context,
    controller: &str,
    object: &Object,
    finalizer: &str,
) -> Result<(), ApplyError> {
    if !object.has_finalizer(finalizer) {
        return Ok(());
    }
    let mut wanted = object.clone();
    let list: Vec<Value> = object.finalizers().filter(|it| *it != finalizer).map(Value::from).collect();
    wanted.set(&["metadata", "finalizers"], list);
    change(context, controller, object, Change::merge_between(object, &wanted)).await
}

/// Writes conditions, if they differ from what the object has.
pub(super) async fn write_status(
    context: &Context,
    controller: &str,
    object: &Object,
    status: &Status,
) -> Result<(), ApplyError> {
    let mut wanted = object.clone();
    let conditions = serde_json::to_value(&status.conditions).unwrap_or_default();
    wanted.set(&["status", "conditions"], conditions);
    change(context, controller, object, Change::subresource_between(object, &wanted, "status")).await
}

async fn change(
    context: &Context,
    controller: &str,
    object: &Object,
    change: Option<Change>,
) -> Result<(), ApplyError> {
    match change {
        Some(change) => context.apply(controller, &object.key(), &change).await.map(|_| ()),
        None => Ok(()),
    }
}

/// The status as it is, with every condition of `kinds` present: those that are new are Unknown.
pub(super) fn current(object: &Object, kinds: &[&str], now: Timestamp) -> Status {
    let mut status: Status =
        object.get("status").and_then(|it| serde_json::from_value(it.clone()).ok()).unwrap_or_default();
    for kind in kinds {
        if status.condition(kind).is_none() {
            status.set(kind, ConditionStatus::Unknown, "", "", now);
        }
    }
    status
}

/// Whether a bus can carry events, as the condition of who uses it tells.
pub(super) fn bus_ready(buses: &Cache, key: &ObjectKey) -> Result<(), (&'static str, String)> {
    let Some(bus) = buses.get(key) else {
        return Err((names::EVENT_BUS_NOT_FOUND, format!("The EventBus {} does not exist.", key.name)));
    };
    let status: Status = bus.get("status").and_then(|it| serde_json::from_value(it.clone()).ok()).unwrap_or_default();
    if status.is_ready() {
        return Ok(());
    }
    Err((names::EVENT_BUS_NOT_READY, format!("EventBus {} is not ready.", key.name)))
}
