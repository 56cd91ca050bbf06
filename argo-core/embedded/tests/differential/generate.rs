//! Operations that every kind must answer alike, made for each of them.

use serde_json::{Value, json};

/// A kind: path of its collection, group and version, kind, a minimal object without metadata, and whether it has a status.
struct Kind {
    collection: String,
    api_version: String,
    kind: &'static str,
    minimal: Value,
    status: bool,
}

fn kinds(namespace: &str) -> Vec<Kind> {
    let pod = || json!({ "containers": [{ "name": "c", "image": "i" }] });
    let template = || json!({ "metadata": { "labels": { "a": "b" } }, "spec": pod() });
    let workload = || json!({ "spec": { "selector": { "matchLabels": { "a": "b" } }, "template": template() } });
    let job = || json!({ "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "c", "image": "i" }] } } });
    let namespaced = |group: &str, plural: &str, kind: &'static str, minimal: Value, status: bool| {
        let base = if group.contains('/') { format!("/apis/{group}") } else { format!("/api/{group}") };
        let collection = format!("{base}/namespaces/{namespace}/{plural}");
        Kind { collection, api_version: group.to_owned(), kind, minimal, status }
    };
    let rbac = "rbac.authorization.k8s.io/v1";
    let reference = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r" });
    vec![
        namespaced("v1", "configmaps", "ConfigMap", json!({ "data": { "k": "v" } }), false),
        namespaced("v1", "secrets", "Secret", json!({ "data": { "k": "dg==" } }), false),
        namespaced("v1", "services", "Service", json!({ "spec": { "ports": [{ "port": 80 }] } }), true),
        namespaced("v1", "serviceaccounts", "ServiceAccount", json!({}), false),
        namespaced(
            "v1",
            "pods",
            "Pod",
            json!({ "spec": { "automountServiceAccountToken": false, "containers": [{ "name": "c", "image": "i" }] } }),
            true,
        ),
        namespaced(
            "v1",
            "persistentvolumeclaims",
            "PersistentVolumeClaim",
            json!({ "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }),
            true,
        ),
        namespaced(
            "v1",
            "resourcequotas",
            "ResourceQuota",
            json!({ "spec": { "hard": { "count/cronjobs.batch": "7" } } }),
            true,
        ),
        namespaced(
            "v1",
            "limitranges",
            "LimitRange",
            json!({ "spec": { "limits": [{ "type": "PersistentVolumeClaim", "max": { "storage": "9Gi" } }] } }),
            false,
        ),
        namespaced("v1", "endpoints", "Endpoints", json!({}), false),
        namespaced("v1", "podtemplates", "PodTemplate", json!({ "template": template() }), false),
        namespaced(
            "v1",
            "replicationcontrollers",
            "ReplicationController",
            json!({ "spec": { "selector": { "a": "b" }, "template": template() } }),
            true,
        ),
        namespaced("apps/v1", "deployments", "Deployment", workload(), true),
        namespaced("apps/v1", "replicasets", "ReplicaSet", workload(), true),
        namespaced("apps/v1", "statefulsets", "StatefulSet", workload(), true),
        namespaced("apps/v1", "daemonsets", "DaemonSet", workload(), true),
        namespaced(
            "apps/v1",
            "controllerrevisions",
            "ControllerRevision",
            json!({ "revision": 1, "data": { "x": 1 } }),
            false,
        ),
        namespaced("batch/v1", "jobs", "Job", json!({ "spec": job() }), true),
        namespaced(
            "batch/v1",
            "cronjobs",
            "CronJob",
            json!({ "spec": { "schedule": "@daily", "jobTemplate": { "spec": job() } } }),
            true,
        ),
        namespaced(
            "policy/v1",
            "poddisruptionbudgets",
            "PodDisruptionBudget",
            json!({ "spec": { "maxUnavailable": 1 } }),
            true,
        ),
        namespaced(
            "autoscaling/v2",
            "horizontalpodautoscalers",
            "HorizontalPodAutoscaler",
            json!({ "spec": { "maxReplicas": 2, "scaleTargetRef": { "kind": "Deployment", "name": "d", "apiVersion": "apps/v1" } } }),
            true,
        ),
        namespaced(
            "networking.k8s.io/v1",
            "ingresses",
            "Ingress",
            json!({ "spec": { "defaultBackend": { "service": { "name": "s", "port": { "number": 80 } } } } }),
            true,
        ),
        namespaced(
            "networking.k8s.io/v1",
            "networkpolicies",
            "NetworkPolicy",
            json!({ "spec": { "podSelector": {} } }),
            false,
        ),
        namespaced("coordination.k8s.io/v1", "leases", "Lease", json!({ "spec": { "holderIdentity": "h" } }), false),
        namespaced(
            "discovery.k8s.io/v1",
            "endpointslices",
            "EndpointSlice",
            json!({ "addressType": "IPv4", "endpoints": [{ "addresses": ["10.0.0.1"] }] }),
            false,
        ),
        namespaced(
            rbac,
            "roles",
            "Role",
            json!({ "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }] }),
            false,
        ),
        namespaced(rbac, "rolebindings", "RoleBinding", json!({ "roleRef": reference }), false),
    ]
}

/// The operations, with a namespace of their own.
pub(crate) fn operations(namespace: &str) -> Vec<Value> {
    let mut all = vec![
        json!(["POST", "/api/v1/namespaces", { "metadata": { "name": namespace } }]),
        json!(["POST", "serviceaccounts", { "metadata": { "name": "default" } }]),
    ];
    for kind in kinds(namespace) {
        all.extend(of_kind(&kind));
    }
    all
}

fn of_kind(kind: &Kind) -> Vec<Value> {
    let at = |rest: &str| format!("{}{rest}", kind.collection);
    let made = |more: Value| {
        let mut object = kind.minimal.clone();
        object["apiVersion"] = json!(kind.api_version);
        object["kind"] = json!(kind.kind);
        for (field, value) in more.as_object().expect("fields") {
            object[field] = value.clone();
        }
        object
    };
    let named = |name: &str| made(json!({ "metadata": { "name": name } }));
    let typed = |more: Value| {
        let mut object = json!({ "apiVersion": kind.api_version, "kind": kind.kind });
        for (field, value) in more.as_object().expect("fields") {
            object[field] = value.clone();
        }
        object
    };
    let mut all = vec![
        json!(["GET", at("")]),
        json!(["GET", at("/none")]),
        json!(["DELETE", at("/none")]),
        json!(["PUT", at("/none"), named("none")]),
        json!(["PATCH:merge", at("/none"), {}]),
        json!(["PATCH:json", at("/none"), []]),
        json!(["PATCH:strategic", at("/none"), {}]),
        json!(["PUT", at(""), {}]),
        json!(["PATCH:merge", at(""), {}]),
        json!(["POST", at("/none"), {}]),
        json!(["GET", at("/none/nothing")]),
        json!(["GET", at(""), null, { "accept": "text/plain" }]),
        json!(["GET", at(""), null, { "accept": "application/xml, application/json" }]),
        json!(["POST", at(""), {}]),
        json!(["POST", at(""), typed(json!({ "metadata": { "name": "empty" } }))]),
        json!(["POST", at(""), typed(json!({ "metadata": { "name": "null" }, "spec": null }))]),
        json!(["POST", at(""), named("Bad_Name!")]),
        json!(["POST", at(""), made(json!({ "metadata": { "name": "x", "labels": { "l": 1 } } }))]),
        json!([
            "POST",
            at(""),
            made(json!({ "metadata": { "name": "x", "labels": { "": "v", "a/b/c": "v", "ok": "-" } } }))
        ]),
        json!(["POST", at(""), made(json!({ "metadata": { "name": "x", "namespace": "elsewhere" } }))]),
        json!(["POST", at(""), made(json!({ "metadata": { "name": "x" }, "apiVersion": "wrong/v7" }))]),
        json!(["POST", at(""), made(json!({ "metadata": { "name": "x" }, "kind": "Wrong" }))]),
        json!(["POST:text", at(""), "text"]),
        json!(["POST:yaml", at("?dryRun=All"), format!("{}\n", named("as-yaml"))]),
        json!([
            "POST",
            at("?dryRun=All&fieldValidation=Strict"),
            made(json!({ "metadata": { "name": "x", "colour": 1 }, "colour": 2 }))
        ]),
        json!([
            "POST",
            at("?dryRun=All&fieldValidation=Warn"),
            made(json!({ "metadata": { "name": "x", "colour": 1 }, "colour": 2 }))
        ]),
        json!([
            "POST",
            at("?dryRun=All&fieldValidation=Ignore"),
            made(json!({ "metadata": { "name": "x", "colour": 1 }, "colour": 2 }))
        ]),
        json!(["POST", at("?dryRun=All&fieldValidation=Sometimes"), named("x")]),
        json!(["POST", at("?dryRun=All&fieldManager=a%07b"), named("x")]),
        json!(["POST", at(""), named("one")]),
        json!(["POST", at(""), named("one")]),
        json!(["GET", at("/one")]),
        json!(["GET:partial", at("/one")]),
        json!(["GET:partials", at("?labelSelector=none")]),
        json!(["GET:table", at("/one")]),
        json!(["GET:table", at("?fieldSelector=metadata.name=one&includeObject=None")]),
        json!(["GET", at("?fieldSelector=metadata.nothing=x")]),
        json!(["GET", at("?labelSelector=a,,b")]),
        json!(["PATCH:merge", at("/one"), { "metadata": { "labels": { "x": "y" } } }]),
        json!(["PATCH:merge", at("/one"), { "metadata": { "labels": { "x": "y" } } }]),
        json!(["PATCH:merge", at("/one"), { "metadata": { "finalizers": ["bad!"] } }]),
        json!(["PATCH:strategic", at("/one"), { "metadata": { "labels": { "$patch": "replace", "z": "z" } } }]),
        json!(["PATCH:json", at("/one"), [{ "op": "test", "path": "/metadata/name", "value": "two" }]]),
        json!(["PATCH:json", at("/one"), [{ "op": "add", "path": "/metadata/annotations", "value": { "a": "b" } }]]),
        json!([
            "PATCH:apply",
            at("/one?fieldManager=m&dryRun=All"),
            typed(json!({ "metadata": { "name": "one", "labels": { "x": "other" } } }))
        ]),
        json!([
            "PATCH:apply",
            at("/one?fieldManager=m&dryRun=All"),
            typed(json!({ "metadata": { "name": "one", "colour": "red" } }))
        ]),
        json!([
            "PATCH:apply",
            at("/one?fieldManager=m"),
            typed(json!({ "metadata": { "name": "one", "labels": { "mine": "x" } } }))
        ]),
        json!(["PATCH:text", at("/one"), "x"]),
        json!(["PUT", at("/one"), made(json!({ "metadata": { "name": "two" } }))]),
        json!(["PUT", at("/one"), made(json!({ "metadata": { "name": "one", "resourceVersion": "1" } }))]),
        json!(["PUT", at("/one"), made(json!({ "metadata": { "name": "one", "resourceVersion": "x" } }))]),
        json!(["DELETE", at("/one"), { "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "uid": "x" } }]),
        json!(["DELETE", at("/one?dryRun=All&propagationPolicy=Orphan")]),
        json!(["DELETE", at("/one?propagationPolicy=Wrong")]),
        json!(["DELETE", at("?labelSelector=mine%3Dnothing")]),
    ];
    if kind.kind == "Service" {
        // A server without controllers is late with the answer to a service that is not even valid.
        all.retain(|operation| operation[0] != "POST" || operation[2].pointer("/spec/ports").is_some());
    }
    all.push(json!(["GET", at("/one/status")]));
    if kind.status {
        all.push(json!([
            "PUT",
            at("/one/status"),
            made(json!({ "metadata": { "name": "one", "labels": { "through": "status" } } }))
        ]));
        all.push(json!(["PATCH:merge", at("/one/status"), { "status": "text" }]));
        all.push(json!([
            "PATCH:apply",
            at("/one/status?fieldManager=s"),
            typed(json!({ "metadata": { "name": "one" }, "status": {} }))
        ]));
    }
    all.push(json!(["DELETE", at("/one?gracePeriodSeconds=0")]));
    all
}
