//! What hangs below managed objects: owned objects, images, URLs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use argo_core::{Gvk, Object};
use serde_json::Value;

use super::{compare::Managed, live::LiveView, normalize};
use crate::api::{Summary, names};

/// Deepest chain of owners that is followed.
const MAX_DEPTH: usize = 10;

/// The kinds of objects that controllers make below a kind, directly or further down.
#[must_use]
pub fn child_kinds(gvk: &Gvk) -> Vec<Gvk> {
    let pod = || Gvk::new("", "v1", "Pod");
    let replica_set = || Gvk::new("apps", "v1", "ReplicaSet");
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps", "Deployment") => vec![replica_set(), pod()],
        ("apps", "ReplicaSet" | "StatefulSet" | "DaemonSet") | ("batch", "Job") => vec![pod()],
        ("batch", "CronJob") => vec![Gvk::new("batch", "v1", "Job"), pod()],
        ("argoproj.io", "Rollout") => {
            vec![replica_set(), pod(), Gvk::new("argoproj.io", "v1alpha1", "AnalysisRun")]
        }
        ("argoproj.io", "CronWorkflow") => vec![Gvk::new("argoproj.io", "v1alpha1", "Workflow")],
        _ => vec![],
    }
}

/// One object of the tree.
#[derive(Debug, Clone)]
pub struct Node {
    /// The object.
    pub object: Arc<Object>,
    /// Distance from a managed object; 0 for managed ones.
    pub depth: usize,
}

/// Managed objects and what they own, parents before children.
#[must_use]
pub fn tree(managed: &[Managed], live: &dyn LiveView) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut seen = BTreeSet::new();
    let mut work: Vec<(Node, Arc<Vec<Gvk>>)> = Vec::new();
    for root in managed.iter().rev().filter_map(|it| it.live.as_ref()) {
        let kinds = Arc::new(child_kinds(&root.gvk()));
        work.push((Node { object: root.clone(), depth: 0 }, kinds));
    }
    while let Some((node, kinds)) = work.pop() {
        let uid = node.object.uid().to_owned();
        if uid.is_empty() || !seen.insert(uid.clone()) {
            continue;
        }
        if node.depth < MAX_DEPTH {
            for gvk in kinds.iter().rev() {
                for child in live.owned_by(gvk, &uid).into_iter().rev() {
                    work.push((Node { object: child, depth: node.depth + 1 }, kinds.clone()));
                }
            }
        }
        nodes.push(node);
    }
    nodes
}

/// URLs and images of a tree.
#[must_use]
pub fn summary(nodes: &[Node], own_name: (&str, &str)) -> Summary {
    let mut images = BTreeSet::new();
    let mut urls = BTreeSet::new();
    let mut applications = false;
    for Node { object, depth } in nodes {
        let gvk = object.gvk();
        if gvk.group.is_empty() && gvk.kind == "Pod" {
            images.extend(normalize::images(object));
        }
        if *depth == 0 && gvk.group == "argoproj.io" && gvk.kind == "Application" {
            applications |= (object.namespace().unwrap_or_default(), object.name()) != own_name;
        }
        urls.extend(external_urls(object));
    }
    Summary {
        external_urls: urls.into_iter().collect(),
        images: images.into_iter().collect(),
        is_app_of_apps: applications,
        extra: BTreeMap::default(),
    }
}

fn external_urls(object: &Object) -> Vec<String> {
    let mut urls: Vec<String> = object
        .annotations()
        .filter(|(key, _)| key.starts_with(names::LINK_PREFIX))
        .map(|(_, value)| value.split_once('|').map_or(value, |(_, url)| url).to_owned())
        .collect();
    if object.text("/kind") == "Ingress" {
        let tls: BTreeSet<&str> =
            list(object.pointer("/spec/tls")).flat_map(|it| list(it.get("hosts"))).filter_map(Value::as_str).collect();
        for rule in list(object.pointer("/spec/rules")) {
            let Some(host) = rule.get("host").and_then(Value::as_str) else { continue };
            let scheme = if tls.contains(host) { "https" } else { "http" };
            for path in list(rule.pointer("/http/paths")) {
                let path = path.get("path").and_then(Value::as_str).unwrap_or_default();
                let path = path.trim_end_matches('*').trim_end_matches('/');
                urls.push(format!("{scheme}://{host}{path}"));
            }
        }
    }
    urls
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::{diff, ignored::Ignored, key::ResourceKey, live::MemoryLive};

    #[test]
    fn images_are_those_of_pods_below_managed_objects() {
        let object = |api: &str, kind: &str, name: &str, owner: &str, spec: Value| {
            Object::from_value(json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "n",
                "uid": name, "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": owner, "uid": owner}]},
                "spec": spec}))
        };
        let pod = |image: &str| json!({"containers": [{"name": "a", "image": image}]});
        let mut live = MemoryLive::default();
        let web = object("apps/v1", "Deployment", "web", "nobody", json!({"template": {"spec": pod("web:2")}}));
        live.put(web.clone());
        live.put(object("apps/v1", "ReplicaSet", "web-1", "web", json!({})));
        live.put(object("v1", "Pod", "web-1-a", "web-1", pod("web:1")));
        live.put(object("v1", "Pod", "stranger", "other", pod("x:1")));
        let managed = Managed {
            key: ResourceKey::of(&web),
            target: None,
            diff: diff::diff(None, Some(&web), &Ignored::default()).unwrap(),
            live: Some(Arc::new(web)),
            status: Default::default(),
        };
        let nodes = tree(&[managed], &live);
        let names: Vec<_> = nodes.iter().map(|it| it.object.name()).collect();
        assert_eq!(names, ["web", "web-1", "web-1-a"]);
        assert_eq!(summary(&nodes, ("", "")).images, ["web:1"]);
    }

    #[test]
    fn ingresses_and_links_are_urls() {
        let ingress = Object::from_value(json!({"kind": "Ingress", "metadata": {"uid": "u",
            "annotations": {"link.argocd.argoproj.io/wiki": "Wiki|https://wiki/x"}}, "spec": {
            "tls": [{"hosts": ["a.b"]}], "rules": [{"host": "a.b", "http": {"paths": [{"path": "/shop/*"}]}}]}}));
        assert_eq!(external_urls(&ingress), ["https://wiki/x", "https://a.b/shop"]);
    }
}
