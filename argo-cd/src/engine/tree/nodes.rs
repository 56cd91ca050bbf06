//! From objects to nodes.

use argo_core::{Object, Time};

use super::{Node, hosts, network, orphans::orphan_nodes, pods};
use crate::{
    api::{
        AppProjectSpec, ApplicationTree, Destination, HealthState, InfoItem, ResourceHealth, ResourceNode, ResourceRef,
        names,
    },
    engine::{
        compare::Managed,
        health::{self, Rules},
        key::ResourceKey,
        live::LiveView,
    },
};

/// The reference of an object.
pub(super) fn reference(object: &Object) -> ResourceRef {
    let gvk = object.gvk();
    ResourceRef {
        group: gvk.group,
        version: gvk.version,
        kind: gvk.kind,
        namespace: object.namespace().unwrap_or_default().to_owned(),
        name: object.name().to_owned(),
        uid: object.uid().to_owned(),
    }
}

/// An object as a node, with what is above it.
#[must_use]
pub fn resource_node(object: &Object, parent: Option<&Object>, rules: Rules<'_>) -> ResourceNode {
    let gvk = object.gvk();
    let is_pod = gvk.group.is_empty() && gvk.kind == "Pod";
    let mut info = Vec::new();
    if let Some(revision) = revision(object) {
        info.push(InfoItem { name: "Revision".to_owned(), value: format!("Rev:{revision}") });
    }
    for label in &rules.settings.custom_labels {
        if let Some(value) = object.label(label) {
            info.push(InfoItem { name: label.clone(), value: value.to_owned() });
        }
    }
    if is_pod {
        info.extend(pods::info(object));
    }
    if gvk.group == "argoproj.io"
        && gvk.kind == "Application"
        && let Some(url) = object.annotation(names::MANAGED_BY_URL)
    {
        info.push(InfoItem { name: "managed-by-url".to_owned(), value: url.to_owned() });
    }
    let parent_ref = parent.map(|it| ResourceRef { version: String::new(), ..reference(it) });
    ResourceNode {
        reference: reference(object),
        parent_refs: parent_ref.into_iter().collect(),
        info,
        networking_info: network::networking(object),
        resource_version: object.resource_version().to_owned(),
        images: if is_pod { pods::images(object).into_iter().collect() } else { Vec::new() },
        health: health::of(object, rules.settings, rules.now),
        created_at: object.created_at().map(Time::new),
    }
}

fn revision(object: &Object) -> Option<i64> {
    let of = |name: &str| object.annotation(name);
    let noted = of("deployment.kubernetes.io/revision").or_else(|| of("rollout.argoproj.io/revision"));
    let revision = match noted {
        Some(text) => text.parse().ok()?,
        None => object.integer("/revision")?,
    };
    Some(revision).filter(|it| *it > 0)
}

/// The whole tree of an Application: `below` is what [`super::tree`] gave for `managed`, `orphans` what nobody manages.
#[must_use]
pub fn resource_tree(
    managed: &[Managed],
    below: &[Node],
    orphans: &[std::sync::Arc<Object>],
    project: &AppProjectSpec,
    destination: &Destination,
    live: &dyn LiveView,
    rules: Rules<'_>,
) -> ApplicationTree {
    let missing = managed.iter().filter(|it| it.live.is_none()).filter_map(|it| {
        let target = it.target.as_ref()?;
        Some(ResourceNode {
            reference: ResourceRef { uid: String::new(), ..reference(target) },
            health: Some(ResourceHealth { status: HealthState::Missing, message: String::new() }),
            ..ResourceNode::default()
        })
    });
    let permitted = |object: &Object| {
        let key = ResourceKey::of(object);
        project.permits(&key, !key.namespace.is_empty(), destination)
    };
    let there = below
        .iter()
        .filter(|it| permitted(&it.object))
        .map(|it| resource_node(&it.object, it.parent.as_deref(), rules));
    ApplicationTree {
        nodes: missing.chain(there).collect(),
        orphaned_nodes: orphan_nodes(orphans, live, rules, permitted),
        hosts: hosts::hosts(below, live, rules.settings),
        shards_count: 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::settings::Settings;

    fn rules(settings: &Settings) -> Rules<'_> {
        Rules { settings, now: argo_core::Timestamp::UNIX_EPOCH }
    }

    fn vectors(text: &str) -> impl Iterator<Item = Value> {
        text.lines().map(|it| serde_json::from_str(it).unwrap())
    }

    #[test]
    fn pods_show_what_upstreams_do() {
        let mut count = 0;
        for case in vectors(include_str!("../../../tests/data/tree/pods.jsonl")) {
            let node = resource_node(&Object::from_value(case["object"].clone()), None, rules(&Settings::default()));
            let info: Vec<Value> = node.info.iter().map(|it| json!([it.name, it.value])).collect();
            assert_eq!(Value::from(info), case["info"], "{}", case["name"]);
            count += 1;
        }
        assert_eq!(count, 17);
    }

    #[test]
    fn networks_are_what_upstreams_are() {
        let mut count = 0;
        for case in vectors(include_str!("../../../tests/data/tree/networks.jsonl")) {
            let node = resource_node(&Object::from_value(case["object"].clone()), None, rules(&Settings::default()));
            let found = serde_json::to_value(node.networking_info.unwrap_or_default()).unwrap();
            assert_eq!(found, case["networking"], "{}", case["name"]);
            count += 1;
        }
        assert_eq!(count, 24);
    }

    #[test]
    fn a_node_has_its_parent_revision_and_labels() {
        let set =
            Object::from_value(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-1",
            "namespace": "n", "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"tier": "front", "other": "x"}, "annotations": {"deployment.kubernetes.io/revision": "3"}},
            "spec": {"replicas": 0}}));
        let parent = Object::from_value(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "n", "uid": "p"}}));
        let settings = Settings { custom_labels: vec!["tier".into(), "team".into()], ..Settings::default() };
        let node = serde_json::to_value(resource_node(&set, Some(&parent), rules(&settings))).unwrap();
        assert_eq!(
            node,
            json!({"group": "apps", "version": "v1", "kind": "ReplicaSet", "namespace": "n", "name": "web-1", "uid": "u",
                "parentRefs": [{"group": "apps", "kind": "Deployment", "namespace": "n", "name": "web", "uid": "p"}],
                "info": [{"name": "Revision", "value": "Rev:3"}, {"name": "tier", "value": "front"}],
                "resourceVersion": "7", "health": {"status": "Healthy"}, "createdAt": "2026-01-01T00:00:00Z"})
        );
    }
}
