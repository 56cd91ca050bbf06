//! Which cached objects belong to which Rollouts, without looking at all of them: a namespace may hold thousands.

use std::{collections::BTreeMap, sync::Arc};

use argo_core::{
    Object, ObjectKey,
    runtime::{Cache, CacheEvent},
};
use serde_json::Value;

use super::rollout::Caches;
use crate::{api::names, engine::World};

/// Index of Rollouts by the names that they speak of: `namespace/name`, and `/name` for objects elsewhere.
const NAMES: &str = "rollouts-names";
/// Index of ReplicaSets that nobody controls, by namespace.
const ORPHANS: &str = "rollouts-orphans";
/// Index of Services by the Rollout that steers them, as `namespace/name`.
const STEERED: &str = "rollouts-steered";

/// Adds the indexes that this module reads.
pub(super) fn index(caches: &Caches) {
    caches.rollouts.add_index(NAMES, |rollout| {
        let namespace = rollout.namespace().unwrap_or_default();
        names_of(rollout).iter().flat_map(|it| [format!("{namespace}/{it}"), format!("/{it}")]).collect()
    });
    let orphan = |set: &Object| set.namespace().filter(|_| set.controller().is_none()).map(str::to_owned);
    caches.sets.add_index(ORPHANS, move |set| orphan(set).into_iter().collect());
    caches.services.add_index(STEERED, |service| {
        let owner = service.annotation(names::MANAGED_BY);
        owner.map(|it| format!("{}/{it}", service.namespace().unwrap_or_default())).into_iter().collect()
    });
}

/// Every text in how a Rollout rolls out and routes: those that name objects are among them.
fn names_of(rollout: &Object) -> Vec<String> {
    let mut found = Vec::new();
    let workload = rollout.pointer("/spec/workloadRef/name");
    for value in rollout.pointer("/spec/strategy").into_iter().chain(workload) {
        texts(value, &mut found);
    }
    // Istio's VirtualServices may be named with their namespace.
    let longer: Vec<String> = found.iter().filter_map(|it| elsewhere(it)).collect();
    found.extend(longer);
    found.sort();
    found.dedup();
    found
}

/// `name` of `name.namespace` and `name.namespace.cluster.local`.
fn elsewhere(text: &str) -> Option<String> {
    let text = text.strip_suffix(".cluster.local").unwrap_or(text);
    text.rsplit_once('.').map(|(name, _)| name.to_owned())
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        // No name is longer.
        Value::String(text) if (1..=253 + 80).contains(&text.len()) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|it| texts(it, found)),
        Value::Object(fields) => fields.values().for_each(|it| texts(it, found)),
        _ => {}
    }
}

/// The Rollouts that speak of the object of an event: those of its namespace, or all where it has none. A name that
/// only happens to stand there costs one idle pass.
pub(super) fn that_name(rollouts: &Cache, event: &CacheEvent) -> Vec<ObjectKey> {
    let found = rollouts.indexed(NAMES, &format!("{}/{}", event.key.namespace(), event.key.name));
    found.iter().map(|it| it.key()).collect()
}

/// The Rollouts of any namespace that speak of an object by its name.
pub(super) fn that_name_anywhere(rollouts: &Cache, name: &str) -> Vec<ObjectKey> {
    rollouts.indexed(NAMES, &format!("/{name}")).iter().map(|it| it.key()).collect()
}

/// The Services that a Rollout steers.
pub(super) fn steered(services: &Cache, rollout: &ObjectKey) -> Vec<ObjectKey> {
    let found = services.indexed(STEERED, &format!("{}/{}", rollout.namespace(), rollout.name));
    found.iter().map(|it| it.key()).collect()
}

/// Puts into a world what a pass may look at: what the Rollout owns, could adopt, names, or would collide with.
pub(super) fn fill(caches: &Caches, rollout: &Object, world: &mut World) {
    let namespace = rollout.namespace().unwrap_or_default();
    // What is made for a Rollout begins with its name.
    let prefix = format!("{}-", rollout.name());
    let of = |cache: &Cache, more: Vec<Arc<Object>>| -> Vec<Arc<Object>> {
        let all = cache.named(namespace, &prefix).into_iter().chain(cache.owned_by(rollout.uid())).chain(more);
        all.map(|it| (it.key(), it)).collect::<BTreeMap<_, _>>().into_values().collect()
    };
    world.replica_sets = of(&caches.sets, caches.sets.indexed(ORPHANS, namespace));
    world.analysis_runs = of(&caches.runs, Vec::new());
    world.experiments = of(&caches.experiments, Vec::new());
    let services = names_of(rollout).into_iter().map(|it| ObjectKey::new(Some(namespace), &it));
    world.services = services.filter_map(|it| caches.services.get(&it)).collect();
    world.templates = caches.templates.in_namespace(namespace);
    world.cluster_templates = caches.cluster_templates.list();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_object_that_a_rollout_names_brings_it_up() {
        let rollout = Object::from_value(json!({"metadata": {"name": "shop", "namespace": "n"}, "spec": {
        "workloadRef": {"kind": "Deployment", "name": "workload"},
        "strategy": {"canary": {
            "stableService": "stable", "pingPong": {"pingService": "ping"},
            "trafficRouting": {
                "istio": {"virtualServices": [{"name": "vs.mesh.cluster.local"}], "destinationRule": {"name": "rule"}},
                "nginx": {"stableIngress": "web"}, "plugins": {"x/y": {"httpRoutes": [{"name": "route"}]}},
            },
            "steps": [{"setWeight": 20}, {"analysis": {"templates": [{"templateName": "errors"}]}}],
        }}}}));
        let names = names_of(&rollout);
        for name in ["workload", "stable", "ping", "vs", "rule", "web", "route", "errors"] {
            assert!(names.contains(&name.to_owned()), "{name}: {names:?}");
        }
        assert!(!names.contains(&"shop".to_owned()));
    }
}
