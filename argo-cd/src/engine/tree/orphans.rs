//! Objects of the destination namespace that nobody manages.

use std::{collections::BTreeSet, sync::Arc};

use argo_core::{Gvk, Object};

use super::{below, nodes::resource_node};
use crate::{
    api::{OrphanedResources, ResourceNode},
    engine::{health::Rules, key::ResourceKey, live::LiveView, project::glob},
};

/// Whether an object never counts as an orphan: what Kubernetes makes in every namespace, and what the project ignores.
#[must_use]
pub fn is_orphan_exempt(key: &ResourceKey, rules: &OrphanedResources) -> bool {
    let core = key.group.is_empty();
    let made = match (key.kind.as_str(), key.name.as_str()) {
        ("Service", "kubernetes") => key.namespace == "default",
        ("ServiceAccount", "default") | ("ConfigMap", "kube-root-ca.crt") => true,
        _ => false,
    };
    let matches = |pattern: &str, text: &str| pattern.is_empty() || glob(pattern, text, false);
    core && made
        || rules.ignore.iter().any(|it| {
            // A group that is not given is the core group, not every group.
            matches(&it.kind, &key.kind) && glob(&it.group, &key.group, false) && matches(&it.name, &key.name)
        })
}

/// The orphans among the objects of `kinds` in a namespace: objects without an owner that no Application in `known`
/// manages.
#[must_use]
pub fn orphans(
    kinds: &BTreeSet<Gvk>,
    namespace: &str,
    rules: &OrphanedResources,
    live: &dyn LiveView,
    is_permitted: impl Fn(&ResourceKey) -> bool,
    is_managed: impl Fn(&Object) -> bool,
) -> Vec<Arc<Object>> {
    if namespace.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for gvk in kinds {
        for object in live.in_namespace(gvk, namespace) {
            let key = ResourceKey::of(&object);
            let owned = !object.owner_references().is_empty() || has_inferred_owner(&object, live);
            if owned || is_managed(&object) || is_orphan_exempt(&key, rules) || !is_permitted(&key) {
                continue;
            }
            // One object in two versions is one.
            if seen.insert(object.uid().to_owned()) {
                found.push(object);
            }
        }
    }
    found.sort_by_cached_key(|it| ResourceKey::of(it));
    found
}

/// Objects whose owner is known without being named.
fn has_inferred_owner(object: &Object, live: &dyn LiveView) -> bool {
    let gvk = object.gvk();
    let core = |kind: &str| Gvk::new("", "v1", kind);
    let namespace = object.namespace().unwrap_or_default();
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Endpoints") => {
            live.get(&argo_core::ObjectRef::new(core("Service"), Some(namespace), object.name())).is_some()
        }
        ("", "Secret") => object.text("/type") == "kubernetes.io/service-account-token",
        ("", "PersistentVolumeClaim") => {
            let sets = live.in_namespace(&Gvk::new("apps", "v1", "StatefulSet"), namespace);
            sets.iter().any(|set| super::children(set, &gvk, live).iter().any(|it| it.uid() == object.uid()))
        }
        _ => false,
    }
}

/// Orphans and what they own, as nodes.
pub(super) fn orphan_nodes(
    orphans: &[Arc<Object>],
    live: &dyn LiveView,
    rules: Rules<'_>,
    is_permitted: impl Fn(&Object) -> bool,
) -> Vec<ResourceNode> {
    let found = below(orphans.iter().cloned(), live);
    let mut nodes: Vec<ResourceNode> = found
        .iter()
        .filter(|it| is_permitted(&it.object))
        .map(|it| resource_node(&it.object, it.parent.as_deref(), rules))
        .collect();
    nodes.sort_by(|a, b| a.reference.cmp(&b.reference));
    nodes
}

/// The warning, if there is anything to warn of.
#[must_use]
pub fn message(count: usize, rules: &OrphanedResources) -> Option<String> {
    (count > 0 && rules.warn == Some(true)).then(|| format!("Application has {count} orphaned resources"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::{live::MemoryLive, tracking::Tracking};

    fn put(live: &mut MemoryLive, api: &str, kind: &str, name: &str) {
        live.put(Object::from_value(json!({"apiVersion": api, "kind": kind,
            "metadata": {"name": name, "namespace": "n", "uid": format!("{kind}-{name}")}})));
    }

    #[test]
    fn only_ownerless_strangers_that_nobody_exempts_are_orphans() {
        let mut live = MemoryLive::default();
        for (kind, name) in [
            ("ConfigMap", "kube-root-ca.crt"),
            ("ConfigMap", "left"),
            ("ConfigMap", "ignored-1"),
            ("ServiceAccount", "default"),
            ("Service", "web"),
            ("Endpoints", "web"),
            ("Service", "kubernetes"),
        ] {
            put(&mut live, "v1", kind, name);
        }
        put(&mut live, "apps/v1", "Deployment", "forbidden");
        let mut managed = Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "managed", "namespace": "n", "uid": "m"}}));
        Tracking::default().track(&mut managed, "app", "n").unwrap();
        live.put(managed);
        live.put(Object::from_value(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n",
            "uid": "p", "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "x"}]}}),
        ));
        let rules: OrphanedResources =
            serde_json::from_value(json!({"warn": true, "ignore": [{"kind": "ConfigMap", "name": "ignored-*"}]}))
                .unwrap();
        let found = orphans(
            &live.kinds(),
            "n",
            &rules,
            &live,
            |it| it.kind != "Deployment",
            |it| Tracking::default().tracked_by(it).is_some(),
        );
        let names: Vec<_> = found.iter().map(|it| it.name()).collect();
        assert_eq!(names, ["left", "kubernetes", "web"], "the service `kubernetes` is exempt in `default` alone");
        assert_eq!(message(3, &rules).as_deref(), Some("Application has 3 orphaned resources"));
        assert_eq!(message(3, &OrphanedResources::default()), None);
    }
}
