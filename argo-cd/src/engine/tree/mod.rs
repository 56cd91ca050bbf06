//! What hangs below managed objects.
//!
//! | file | what |
//! |---|---|
//! | `owners` | who belongs to whom: ownerReferences, and owners that are inferred |
//! | `nodes` | from objects to nodes: what people see of each |
//! | `pods` | of Pods: state, containers, requests |
//! | `network` | of Services, Ingresses, routes and gateways: where traffic comes from and goes to |
//! | `orphans` | objects of the destination namespace that nobody manages |
//! | `hosts` | the machines that Pods run on |

mod hosts;
mod network;
mod nodes;
mod orphans;
mod owners;
mod pods;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use argo_core::Object;

pub use nodes::{resource_node, resource_tree};
pub use orphans::{is_orphan_exempt, message as orphan_message, orphans};
pub use owners::{child_kinds, children, descendant_kinds};

use super::{compare::Managed, live::LiveView};
use crate::api::Summary;

/// Deepest chain of owners that is followed.
const MAX_DEPTH: usize = 10;

/// One object of the tree.
#[derive(Debug, Clone)]
pub struct Node {
    /// The object.
    pub object: Arc<Object>,
    /// Distance from a managed object; 0 for managed ones.
    pub depth: usize,
    /// The object above it that it was found by; absent for managed ones.
    pub parent: Option<Arc<Object>>,
}

/// Managed objects and what they own, parents before children, each once.
#[must_use]
pub fn tree(managed: &[Managed], live: &dyn LiveView) -> Vec<Node> {
    below(managed.iter().filter_map(|it| it.live.clone()), live)
}

/// Objects and what they own, parents before children, each once.
pub fn below(roots: impl IntoIterator<Item = Arc<Object>>, live: &dyn LiveView) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut seen = BTreeSet::new();
    let mut work: Vec<Node> = roots.into_iter().map(|object| Node { object, depth: 0, parent: None }).collect();
    work.reverse();
    while let Some(node) = work.pop() {
        let uid = node.object.uid().to_owned();
        if uid.is_empty() || !seen.insert(uid) {
            continue;
        }
        if node.depth < MAX_DEPTH {
            for gvk in child_kinds(&node.object.gvk()).iter().rev() {
                for object in children(&node.object, gvk, live).into_iter().rev() {
                    work.push(Node { object, depth: node.depth + 1, parent: Some(node.object.clone()) });
                }
            }
        }
        nodes.push(node);
    }
    nodes
}

/// URLs and images of a tree, and the links of the Application itself.
#[must_use]
pub fn summary(nodes: &[Node], app: &Object) -> Summary {
    let mut images = BTreeSet::new();
    let mut urls: BTreeSet<String> = network::links(app).collect();
    let mut applications = false;
    for Node { object, .. } in nodes {
        let gvk = object.gvk();
        if gvk.group.is_empty() && gvk.kind == "Pod" {
            images.extend(pods::images(object));
        }
        applications |= gvk.group == "argoproj.io" && gvk.kind == "Application";
        if let Some(info) = network::networking(object) {
            urls.extend(info.external_urls);
        }
    }
    Summary {
        external_urls: urls.into_iter().collect(),
        images: images.into_iter().collect(),
        is_app_of_apps: applications,
        extra: BTreeMap::default(),
    }
}

#[cfg(test)]
mod tests {
    use argo_core::Gvk;
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::live::MemoryLive;

    fn object(api: &str, kind: &str, name: &str, owner: &str, more: Value) -> Object {
        let mut it = json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "n",
            "uid": format!("{kind}-{name}")}});
        if !owner.is_empty() {
            it["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "K", "name": owner, "uid": owner}]);
        }
        let mut it = Object::from_value(it);
        for (key, value) in more.as_object().into_iter().flatten() {
            it.set(&[key], value.clone());
        }
        it
    }

    fn names(live: &MemoryLive, roots: &[(&str, &str, &str)]) -> Vec<String> {
        let find = |(api, kind, name): &(&str, &str, &str)| {
            let gvk = Gvk::from_api_version(api, kind);
            live.get(&argo_core::ObjectRef::new(gvk, Some("n"), name)).unwrap()
        };
        below(roots.iter().map(find), live).iter().map(|it| format!("{} {}", it.depth, it.object.name())).collect()
    }

    #[test]
    fn objects_hang_below_their_owners_each_once() {
        let pod = |image: &str| json!({"spec": {"containers": [{"name": "a", "image": image}]}});
        let mut live = MemoryLive::default();
        live.put(object("apps/v1", "Deployment", "web", "", json!({})));
        live.put(object("apps/v1", "ReplicaSet", "web-1", "Deployment-web", json!({})));
        live.put(object("v1", "Pod", "web-1-a", "ReplicaSet-web-1", pod("web:1")));
        live.put(object("v1", "Pod", "stranger", "other", pod("x:1")));
        assert_eq!(names(&live, &[("apps/v1", "Deployment", "web")]), ["0 web", "1 web-1", "2 web-1-a"]);
        // A child that is managed itself stands where it was met first.
        let both = [("apps/v1", "Deployment", "web"), ("apps/v1", "ReplicaSet", "web-1")];
        assert_eq!(names(&live, &both), ["0 web", "1 web-1", "2 web-1-a"]);
    }

    #[test]
    fn owners_are_inferred_where_kubernetes_names_none() {
        let mut live = MemoryLive::default();
        live.put(object("v1", "Service", "web", "", json!({})));
        live.put(object("v1", "Endpoints", "web", "", json!({})));
        live.put(object("v1", "Endpoints", "other", "", json!({})));
        live.put(object("discovery.k8s.io/v1", "EndpointSlice", "web-abc", "Service-web", json!({})));
        live.put(object(
            "apps/v1",
            "StatefulSet",
            "db",
            "",
            json!({"spec": {"volumeClaimTemplates": [
            {"metadata": {"name": "data"}}]}}),
        ));
        for claim in ["data-db-0", "data-db-12", "data-db-x", "data-other-0", "logs-db-0"] {
            live.put(object("v1", "PersistentVolumeClaim", claim, "", json!({})));
        }
        live.put(object("v1", "ServiceAccount", "bot", "", json!({})));
        let mut token = object("v1", "Secret", "bot-token", "", json!({"type": "kubernetes.io/service-account-token"}));
        token.set_annotation("kubernetes.io/service-account.name", "bot");
        token.set_annotation("kubernetes.io/service-account.uid", "ServiceAccount-bot");
        live.put(token);
        live.put(object("operators.coreos.com/v1", "OperatorGroup", "og", "", json!({})));
        let mut version = object("operators.coreos.com/v1alpha1", "ClusterServiceVersion", "csv", "", json!({}));
        version.set_annotation("olm.operatorGroup", "og");
        live.put(version);
        assert_eq!(names(&live, &[("v1", "Service", "web")]), ["0 web", "1 web", "1 web-abc"]);
        assert_eq!(names(&live, &[("apps/v1", "StatefulSet", "db")]), ["0 db", "1 data-db-0", "1 data-db-12"]);
        assert_eq!(names(&live, &[("v1", "ServiceAccount", "bot")]), ["0 bot", "1 bot-token"]);
        assert_eq!(names(&live, &[("operators.coreos.com/v1", "OperatorGroup", "og")]), ["0 og", "1 csv"]);
    }

    #[test]
    fn a_summary_has_images_of_pods_and_every_link() {
        let mut live = MemoryLive::default();
        let spec =
            json!({"spec": {"containers": [{"image": "b"}, {"image": "a"}], "initContainers": [{"image": "i"}]}});
        live.put(object("v1", "Pod", "p", "", spec));
        let mut child = object("argoproj.io/v1alpha1", "Application", "child", "", json!({}));
        child.set_annotation("link.argocd.argoproj.io/wiki", "Wiki|https://wiki/x");
        child.set_annotation("link.argocd.argoproj.io/bad", "javascript:alert(1)");
        live.put(child);
        let mut app = Object::from_value(json!({}));
        app.set_annotation("link.argocd.argoproj.io/own", "https://own");
        let roots = live.iter().cloned().collect::<Vec<_>>();
        let summary = summary(&below(roots, &live), &app);
        assert_eq!(summary.images, ["a", "b", "i"]);
        assert_eq!(summary.external_urls, ["Wiki|https://wiki/x", "https://own"]);
        assert!(summary.is_app_of_apps);
    }
}
