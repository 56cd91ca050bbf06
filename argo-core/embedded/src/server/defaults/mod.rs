//! Defaults of the built-in kinds that users meet.

mod admission;
mod pod;

use serde_json::{Map, Value, json};

use super::Call;
use super::meta::{self, set_path};
use pod::{pod, template};

/// Fills in what kube-apiserver fills in when it decodes an object: the writer owns these fields. `live` is the object being replaced.
pub(super) fn apply(call: &Call<'_>, object: &mut Value, live: Option<&Value>) {
    match (call.def.group(), call.def.resource()) {
        ("", "pods") => pod(object),
        ("", "services") => service(object),
        ("", "namespaces") => namespace(object),
        ("", "secrets") => secret(object),
        ("", "persistentvolumeclaims") => {
            put(object, &["spec", "volumeMode"], json!("Filesystem"));
            put(object, &["status", "phase"], json!("Pending"));
        }
        ("", "podtemplates") => template(object, &["template"], "Always"),
        ("", "limitranges") => limit_range(object),
        ("", "replicationcontrollers") => {
            put(object, &["spec", "replicas"], json!(1));
            template(object, &["spec", "template"], "Always");
            let labels = object.pointer("/spec/template/metadata/labels").filter(|labels| !is_empty(labels)).cloned();
            if let Some(labels) = labels {
                if object.pointer("/spec/selector").is_none_or(is_empty) {
                    set_path(object, &["spec", "selector"].map(str::to_owned), labels.clone());
                }
                if object.pointer("/metadata/labels").is_none_or(is_empty) {
                    set_path(object, &["metadata", "labels"].map(str::to_owned), labels);
                }
            }
        }
        ("apps", "deployments") => {
            put(object, &["spec", "replicas"], json!(1));
            put(object, &["spec", "revisionHistoryLimit"], json!(10));
            put(object, &["spec", "progressDeadlineSeconds"], json!(600));
            put(object, &["spec", "strategy", "type"], json!("RollingUpdate"));
            if meta::text(object, "/spec/strategy/type") == "RollingUpdate" {
                put(object, &["spec", "strategy", "rollingUpdate", "maxUnavailable"], json!("25%"));
                put(object, &["spec", "strategy", "rollingUpdate", "maxSurge"], json!("25%"));
            }
            template(object, &["spec", "template"], "Always");
        }
        ("apps", "replicasets") => {
            put(object, &["spec", "replicas"], json!(1));
            template(object, &["spec", "template"], "Always");
        }
        ("apps", "statefulsets") => {
            put(object, &["spec", "replicas"], json!(1));
            put(object, &["spec", "revisionHistoryLimit"], json!(10));
            put(object, &["spec", "podManagementPolicy"], json!("OrderedReady"));
            put(object, &["spec", "updateStrategy", "type"], json!("RollingUpdate"));
            if meta::text(object, "/spec/updateStrategy/type") == "RollingUpdate" {
                put(object, &["spec", "updateStrategy", "rollingUpdate", "partition"], json!(0));
            }
            for field in ["whenDeleted", "whenScaled"] {
                put(object, &["spec", "persistentVolumeClaimRetentionPolicy", field], json!("Retain"));
            }
            let claims = object.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut);
            for claim in claims.into_iter().flatten() {
                put(claim, &["apiVersion"], json!("v1"));
                put(claim, &["kind"], json!("PersistentVolumeClaim"));
                put(claim, &["spec", "volumeMode"], json!("Filesystem"));
                put(claim, &["status", "phase"], json!("Pending"));
            }
            template(object, &["spec", "template"], "Always");
        }
        ("apps", "daemonsets") => {
            put(object, &["spec", "revisionHistoryLimit"], json!(10));
            put(object, &["spec", "updateStrategy", "type"], json!("RollingUpdate"));
            if meta::text(object, "/spec/updateStrategy/type") == "RollingUpdate" {
                put(object, &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"], json!(1));
                put(object, &["spec", "updateStrategy", "rollingUpdate", "maxSurge"], json!(0));
            }
            template(object, &["spec", "template"], "Always");
            // The counter is not the client's: what it leaves out is zero, until the server counts.
            put(object, &["metadata", "annotations", TEMPLATE_GENERATION], json!("0"));
        }
        ("batch", "jobs") => job(object),
        ("batch", "cronjobs") => {
            put(object, &["spec", "concurrencyPolicy"], json!("Allow"));
            put(object, &["spec", "suspend"], json!(false));
            put(object, &["spec", "successfulJobsHistoryLimit"], json!(3));
            put(object, &["spec", "failedJobsHistoryLimit"], json!(1));
            template(object, &["spec", "jobTemplate", "spec", "template"], "Always");
        }
        ("autoscaling", "horizontalpodautoscalers") => {
            autoscaler(object);
            if call.version_def().name == "v2" && object.pointer("/spec/metrics").is_none_or(is_empty) {
                let target = json!({ "type": "Utilization", "averageUtilization": 80 });
                let metrics = json!([{ "type": "Resource", "resource": { "name": "cpu", "target": target } }]);
                set_path(object, &["spec", "metrics"].map(str::to_owned), metrics);
            }
        }
        ("networking.k8s.io", "networkpolicies") => network_policy(object),
        ("admissionregistration.k8s.io", kind) => admission::apply(kind, object),
        ("discovery.k8s.io", "endpointslices") => {
            if object.get("endpoints").is_none_or(is_empty) {
                object["endpoints"] = Value::Null;
            }
            for port in object.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                put(port, &["name"], json!(""));
                put(port, &["protocol"], json!("TCP"));
            }
        }
        ("", "endpoints") => {
            for subset in object.get_mut("subsets").and_then(Value::as_array_mut).into_iter().flatten() {
                for port in subset.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                    put(port, &["protocol"], json!("TCP"));
                }
            }
        }
        ("networking.k8s.io", "ingresses") => {
            // Only where there is a backend for all else may there be no rules at all.
            let default = object.pointer("/spec/defaultBackend").is_some();
            if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
                && default
                && spec.get("rules").is_some_and(is_empty)
            {
                spec.remove("rules");
            }
        }
        ("", "nodes") => {
            let (one, all) = (object.pointer("/spec/podCIDR").cloned(), object.pointer("/spec/podCIDRs").cloned());
            match (one, all) {
                (Some(one), None) => put(object, &["spec", "podCIDRs"], json!([one])),
                (None, Some(all)) => put(object, &["spec", "podCIDR"], all.get(0).cloned().unwrap_or_default()),
                _ => {}
            }
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            if meta::text(object, "/roleRef/apiGroup").is_empty() {
                set_path(object, &["roleRef", "apiGroup"].map(str::to_owned), json!("rbac.authorization.k8s.io"));
            }
            for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
                let group = matches!(meta::text(subject, "/kind"), "User" | "Group");
                if group && subject.get("apiGroup").is_none() {
                    subject["apiGroup"] = json!("rbac.authorization.k8s.io");
                }
            }
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => crate::crd::prepare(object, live),
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        other => other.is_null(),
    }
}

fn network_policy(object: &mut Value) {
    if object.pointer("/spec/policyTypes").is_none_or(is_empty) {
        let egress = object.pointer("/spec/egress").is_some_and(|rules| !is_empty(rules));
        let types = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        set_path(object, &["spec", "policyTypes"].map(str::to_owned), types);
    }
    for rules in ["/spec/ingress", "/spec/egress"] {
        for rule in object.pointer_mut(rules).and_then(Value::as_array_mut).into_iter().flatten() {
            for port in rule.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                put(port, &["protocol"], json!("TCP"));
            }
        }
    }
}

/// Puts a value where there is none, making maps on the way.
pub(super) fn put(object: &mut Value, path: &[&str], value: Value) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut current = object;
    for step in parents {
        let Some(fields) = current.as_object_mut() else { return };
        current = fields.entry((*step).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    }
    if let Some(fields) = current.as_object_mut() {
        fields.entry((*last).to_owned()).or_insert(value);
    }
}

fn service(object: &mut Value) {
    put(object, &["spec", "type"], json!("ClusterIP"));
    put(object, &["spec", "sessionAffinity"], json!("None"));
    if meta::text(object, "/spec/sessionAffinity") == "ClientIP" {
        put(object, &["spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds"], json!(10_800));
    } else if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
        && meta_text(spec, "sessionAffinity") == "None"
    {
        spec.remove("sessionAffinityConfig");
    }
    for port in object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
        put(port, &["protocol"], json!("TCP"));
        let number = port.get("port").cloned().unwrap_or_default();
        if port.get("targetPort").is_some_and(|target| *target == 0 || target == "") {
            port["targetPort"] = number.clone();
        }
        put(port, &["targetPort"], number);
    }
    let kind = meta::text(object, "/spec/type").to_owned();
    if kind != "ExternalName" {
        put(object, &["spec", "internalTrafficPolicy"], json!("Cluster"));
    }
    let reachable = kind == "ClusterIP" && object.pointer("/spec/externalIPs").is_some_and(|list| !is_empty(list));
    if reachable || matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        put(object, &["spec", "externalTrafficPolicy"], json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        put(object, &["spec", "allocateLoadBalancerNodePorts"], json!(true));
    }
}

fn meta_text<'a>(fields: &'a Map<String, Value>, field: &str) -> &'a str {
    fields.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn namespace(object: &mut Value) {
    let name = meta::name(object).to_owned();
    set_path(object, &["metadata", "labels", "kubernetes.io/metadata.name"].map(str::to_owned), json!(name));
}

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// The counter of template changes that the DaemonSet API carries in an annotation.
pub(super) fn daemon_set(object: &mut Value, live: Option<&Value>) {
    const GENERATION: &str = TEMPLATE_GENERATION;
    let before = live.map(|live| {
        let count = live.pointer(&format!("/metadata/annotations/{GENERATION}")).and_then(Value::as_str);
        let count = count.and_then(|count| count.parse::<i64>().ok()).unwrap_or(0);
        count + i64::from(live.pointer("/spec/template") != object.pointer("/spec/template"))
    });
    let count = before.unwrap_or(1).to_string();
    set_path(object, &["metadata", "annotations", GENERATION].map(str::to_owned), Value::from(count));
}

/// What containers get unless they say otherwise: where only a limit is given, it is the request too; where only bounds are, they are both.
fn limit_range(object: &mut Value) {
    for item in object.pointer_mut("/spec/limits").and_then(Value::as_array_mut).into_iter().flatten() {
        if meta::text(item, "/type") != "Container" {
            continue;
        }
        for (to, from) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")] {
            let given = item.get(from).and_then(Value::as_object).cloned().unwrap_or_default();
            for (resource, amount) in given {
                put(item, &[to, &resource], amount);
            }
        }
    }
}

fn secret(object: &mut Value) {
    put(object, &["type"], json!("Opaque"));
    let Some(plain) = object.as_object_mut().and_then(|root| root.remove("stringData")) else { return };
    for (key, value) in plain.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        set_path(object, &["data".to_owned(), key.clone()], Value::from(encoded));
    }
}

fn autoscaler(object: &mut Value) {
    put(object, &["spec", "minReplicas"], json!(1));
    let Some(behavior) = object.pointer_mut("/spec/behavior").filter(|it| it.is_object()) else { return };
    let policy = |kind: &str, value: i64| json!({ "type": kind, "value": value, "periodSeconds": 15 });
    put(behavior, &["scaleUp", "stabilizationWindowSeconds"], json!(0));
    put(behavior, &["scaleUp", "selectPolicy"], json!("Max"));
    put(behavior, &["scaleUp", "policies"], json!([policy("Pods", 4), policy("Percent", 100)]));
    put(behavior, &["scaleDown", "selectPolicy"], json!("Max"));
    put(behavior, &["scaleDown", "policies"], json!([policy("Percent", 100)]));
}

fn job(object: &mut Value) {
    let single = object.pointer("/spec/completions").is_none() && object.pointer("/spec/parallelism").is_none();
    if single {
        put(object, &["spec", "completions"], json!(1));
    }
    put(object, &["spec", "parallelism"], json!(1));
    // A limit per index takes the place of the one for all.
    let per_index = object.pointer("/spec/backoffLimitPerIndex").is_some_and(|it| !it.is_null());
    put(object, &["spec", "backoffLimit"], json!(if per_index { i64::from(i32::MAX) } else { 6 }));
    put(object, &["spec", "completionMode"], json!("NonIndexed"));
    put(object, &["spec", "suspend"], json!(false));
    put(object, &["spec", "manualSelector"], json!(false));
    let choosy = object.pointer("/spec/podFailurePolicy").is_some_and(|it| !it.is_null());
    put(object, &["spec", "podReplacementPolicy"], json!(if choosy { "Failed" } else { "TerminatingOrFailed" }));
    for rule in object.pointer_mut("/spec/podFailurePolicy/rules").and_then(Value::as_array_mut).into_iter().flatten() {
        for pattern in rule.get_mut("onPodConditions").and_then(Value::as_array_mut).into_iter().flatten() {
            if meta::text(pattern, "/status").is_empty() {
                pattern["status"] = json!("True");
            }
        }
    }
    template(object, &["spec", "template"], "Always");
}
