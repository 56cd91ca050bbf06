//! Worlds in one line.

use argo_embedded::Cluster;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind, Status};
use serde_json::{Value, json};

pub(crate) fn config_map(name: &str, data: Value) -> ConfigMap {
    serde_json::from_value(
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data }),
    )
    .expect("a config map")
}

pub(crate) fn config_maps(cluster: &Cluster) -> Api<ConfigMap> {
    Api::default_namespaced(cluster.client())
}

pub(crate) async fn namespace(cluster: &Cluster, name: &str) {
    let object: Namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).expect("a namespace");
    Api::<Namespace>::all(cluster.client())
        .create(&PostParams::default(), &object)
        .await
        .expect("the namespace is made");
}

pub(crate) fn dynamic(cluster: &Cluster, group: &str, version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    Api::default_namespaced_with(cluster.client(), &resource)
}

pub(crate) fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).expect("an object")
}

pub(crate) fn status_of(error: kube::Error) -> Status {
    match error {
        kube::Error::Api(status) => *status,
        other => panic!("not an answer of the API server: {other}"),
    }
}

pub(crate) fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "default", "labels": { "app": name } },
        "spec": { "selector": { "matchLabels": { "app": name } }, "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": "main", "image": "web:1" }] } } },
    })
}

pub(crate) fn pod(name: &str, node: Option<&str>) -> Value {
    let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "default" }, "spec": { "containers": [{ "name": "main", "image": "web:1" }] } });
    if let Some(node) = node {
        pod["spec"]["nodeName"] = Value::from(node);
    }
    pod
}

pub(crate) fn widgets(status: bool) -> Value {
    let subresources = if status {
        json!({ "status": {}, "scale": { "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size", "labelSelectorPath": ".status.selector" } })
    } else {
        json!({})
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "widgets.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"] },
            "versions": [
                { "name": "v1", "served": true, "storage": true, "subresources": subresources,
                  "additionalPrinterColumns": [{ "name": "Size", "type": "integer", "jsonPath": ".spec.size" }, { "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" }],
                  "selectableFields": [{ "jsonPath": ".spec.colour" }],
                  "schema": { "openAPIV3Schema": { "type": "object", "properties": {
                    "spec": { "type": "object", "required": ["size"], "properties": {
                        "size": { "type": "integer", "minimum": 1, "maximum": 10 },
                        "colour": { "type": "string", "enum": ["red", "green"], "default": "red" },
                        "name": { "type": "string", "pattern": "^[a-z]+$", "maxLength": 5 },
                        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                        "port": { "x-kubernetes-int-or-string": true },
                        "parts": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                                   "items": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string" }, "count": { "type": "integer", "default": 1 } } } } } },
                    "status": { "type": "object", "properties": { "size": { "type": "integer" }, "selector": { "type": "string" }, "note": { "type": "string" } } } } } } },
                { "name": "v1beta1", "served": true, "storage": false, "subresources": subresources,
                  "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } },
            ],
        },
    })
}
