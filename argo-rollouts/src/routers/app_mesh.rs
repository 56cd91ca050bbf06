//! App Mesh: weights in a VirtualRouter, pods in two VirtualNodes.

use argo_core::{Gvk, Object, ObjectRef};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ObjectRouter, RouteError, RouteRequest, Seen, json as at};
use crate::api::names;

/// Splits by the VirtualRouter behind a VirtualService.
#[derive(Debug, Clone)]
pub struct AppMesh {
    /// Version of `appmesh.k8s.aws`.
    pub version: String,
}

impl Default for AppMesh {
    /// `v1beta2`.
    fn default() -> Self {
        Self { version: "v1beta2".to_owned() }
    }
}

/// `trafficRouting.appMesh`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    virtual_service: VirtualService,
    virtual_node_group: NodeGroup,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct VirtualService {
    name: String,
    routes: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeGroup {
    canary_virtual_node_ref: Node,
    stable_virtual_node_ref: Node,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Node {
    name: String,
}

/// What a VirtualNode selects when there are no pods for it: two selectors must never be equal.
const NO_CANARY: &str = "canary-hash";
const NO_STABLE: &str = "stable-hash";

const KINDS: [&str; 4] = ["httpRoute", "tcpRoute", "http2Route", "grpcRoute"];

impl AppMesh {
    fn reference(&self, kind: &str, namespace: &str, name: &str) -> ObjectRef {
        ObjectRef::new(Gvk::new("appmesh.k8s.aws", self.version.clone(), kind), Some(namespace), name)
    }
}

impl ObjectRouter for AppMesh {
    fn route(&self, request: &RouteRequest<'_>, seen: &mut Seen) -> Result<(), RouteError> {
        let settings: Settings = at::settings("appMesh", request.settings)?;
        if request.traffic.weight_first {
            self.set_weights(request, &settings, seen)?;
            seen.commit();
        }
        let nodes = &settings.virtual_node_group;
        let traffic = request.traffic;
        let stable = if traffic.stable_hash.is_empty() { NO_STABLE } else { &traffic.stable_hash };
        let same = traffic.canary_hash.is_empty() || traffic.canary_hash == stable;
        let canary = if same { NO_CANARY } else { &traffic.canary_hash };
        for (node, hash) in [(&nodes.stable_virtual_node_ref, stable), (&nodes.canary_virtual_node_ref, canary)] {
            let target = self.reference("VirtualNode", request.namespace(), &node.name);
            seen.edit(&target, |object| {
                object.set(&["spec", "podSelector", "matchLabels", names::POD_TEMPLATE_HASH], hash);
                Ok(())
            })?;
        }
        self.set_weights(request, &settings, seen)
    }
}

impl AppMesh {
    fn set_weights(&self, request: &RouteRequest<'_>, settings: &Settings, seen: &mut Seen) -> Result<(), RouteError> {
        let service =
            seen.need(&self.reference("VirtualService", request.namespace(), &settings.virtual_service.name))?;
        let router = service.pointer("/spec/provider/virtualRouter/virtualRouterRef").cloned();
        let router =
            router.ok_or_else(|| RouteError::object("Virtual-service is not associated with virtual-router"))?;
        let namespace = match at::text(&router, "namespace") {
            "" => service.namespace().unwrap_or_else(|| request.namespace()).to_owned(),
            namespace => namespace.to_owned(),
        };
        let target = self.reference("VirtualRouter", &namespace, at::text(&router, "name"));
        seen.edit(&target, |object| set(object, request, settings))
    }
}

fn set(object: &mut Object, request: &RouteRequest<'_>, settings: &Settings) -> Result<(), RouteError> {
    let name = object.name().to_owned();
    let wrong = |path: String, text: &str| RouteError::object(format!("{path}: Invalid value: \"{name}\": {text}"));
    const FORM: &str = "not well-formed";
    let routes = at::list_mut(object, "/spec/routes");
    let routes = routes.ok_or_else(|| wrong("spec.routes".to_owned(), "No routes found"))?;
    let group = &settings.virtual_node_group;
    for (index, route) in routes.iter_mut().enumerate() {
        let path = format!("spec.routes[{index}]");
        let Some(own) = route.get("name").and_then(Value::as_str) else {
            return Err(wrong(format!("{path}.name"), FORM));
        };
        let wanted = &settings.virtual_service.routes;
        if !wanted.is_empty() && !wanted.iter().any(|it| it == own) {
            continue;
        }
        let Some(kind) = KINDS.iter().find(|it| route.get(**it).is_some_and(Value::is_object)) else {
            return Err(wrong(path, FORM));
        };
        let targets = route.pointer_mut(&format!("/{kind}/action/weightedTargets")).and_then(Value::as_array_mut);
        let Some(targets) = targets else {
            return Err(wrong(format!("{path}.{kind}.action.weightedTargets"), FORM));
        };
        for target in targets {
            let node = target.get("virtualNodeRef").cloned().unwrap_or_default();
            let namespace = match at::text(&node, "namespace") {
                "" => request.namespace(),
                namespace => namespace,
            };
            if namespace != request.namespace() {
                continue;
            }
            let node = at::text(&node, "name");
            if node == group.stable_virtual_node_ref.name {
                target["weight"] = json!(100 - request.traffic.weight);
            } else if node == group.canary_virtual_node_ref.name {
                target["weight"] = json!(request.traffic.weight);
            }
        }
    }
    Ok(())
}
