//! What the API server fills in for built-in kinds.
//!
//! A field that left a manifest and stands in the cluster with its default is no difference: taking it out brings it
//! back. Both sides of a comparison go through this, so nothing has to be complete to be right; what is missing here
//! shows up as a difference that a synchronisation does not end.

use serde_json::{Map, Value, json};

/// Fills in defaults of a built-in kind.
pub fn fill(value: &mut Value) {
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let group = api_version.split_once('/').map_or("", |it| it.0);
    match (group, kind.as_str()) {
        ("", "Secret") => set(value, "type", json!("Opaque")),
        ("", "Service") => spec(value, service),
        ("", "Pod") => spec(value, pod),
        ("", "PersistentVolumeClaim") => spec(value, |it| set(it, "volumeMode", json!("Filesystem"))),
        ("", "ReplicationController") | ("apps", "ReplicaSet") => spec(value, |it| {
            set(it, "replicas", json!(1));
            template(it);
        }),
        ("apps", "Deployment") => spec(value, deployment),
        ("apps", "StatefulSet") => spec(value, stateful_set),
        ("apps", "DaemonSet") => spec(value, daemon_set),
        ("batch", "Job") => spec(value, job),
        ("batch", "CronJob") => spec(value, cron_job),
        ("autoscaling", "HorizontalPodAutoscaler") => spec(value, |it| set(it, "minReplicas", json!(1))),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => binding(value),
        ("networking.k8s.io", "NetworkPolicy") => spec(value, network_policy),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration") => {
            webhooks(value, kind == "MutatingWebhookConfiguration", api_version.ends_with("v1beta1"));
        }
        _ => {}
    }
}

/// Sets a member that is absent.
fn set(value: &mut Value, key: &str, default: Value) {
    if let Some(map) = value.as_object_mut()
        && map.get(key).is_none_or(Value::is_null)
    {
        map.insert(key.to_owned(), default);
    }
}

fn spec(value: &mut Value, fill: impl FnOnce(&mut Value)) {
    if let Some(spec) = value.get_mut("spec").filter(|it| it.is_object()) {
        fill(spec);
    }
}

fn each(value: &mut Value, list: &str, fill: impl FnMut(&mut Value)) {
    value.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().for_each(fill);
}

fn inner(value: &mut Value, key: &str, fill: impl FnOnce(&mut Value)) {
    if let Some(inner) = value.get_mut(key).filter(|it| it.is_object()) {
        fill(inner);
    }
}

fn service(spec: &mut Value) {
    set(spec, "type", json!("ClusterIP"));
    set(spec, "sessionAffinity", json!("None"));
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind != "ExternalName" {
        set(spec, "internalTrafficPolicy", json!("Cluster"));
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        set(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
    each(spec, "ports", |port| {
        set(port, "protocol", json!("TCP"));
        if let Some(number) = port.get("port").cloned() {
            set(port, "targetPort", number);
        }
    });
}

fn template(spec: &mut Value) {
    inner(spec, "template", |it| inner(it, "spec", pod));
}

fn pod(spec: &mut Value) {
    set(spec, "restartPolicy", json!("Always"));
    set(spec, "dnsPolicy", json!("ClusterFirst"));
    set(spec, "schedulerName", json!("default-scheduler"));
    set(spec, "terminationGracePeriodSeconds", json!(30));
    let account = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount")).cloned();
    if let Some(account) = account.filter(|it| it.as_str().is_some_and(|it| !it.is_empty())) {
        set(spec, "serviceAccount", account.clone());
        set(spec, "serviceAccountName", account);
    }
    for list in ["initContainers", "containers"] {
        each(spec, list, container);
    }
    each(spec, "volumes", |volume| {
        for source in ["secret", "configMap", "projected", "downwardAPI"] {
            inner(volume, source, |it| set(it, "defaultMode", json!(420)));
        }
        inner(volume, "hostPath", |it| set(it, "type", json!("")));
    });
}

fn container(container: &mut Value) {
    set(container, "terminationMessagePath", json!("/dev/termination-log"));
    set(container, "terminationMessagePolicy", json!("File"));
    if let Some(image) = container.get("image").and_then(Value::as_str) {
        let name = image.rsplit('/').next().unwrap_or_default();
        let latest = !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
        set(container, "imagePullPolicy", json!(if latest { "Always" } else { "IfNotPresent" }));
    }
    each(container, "ports", |it| set(it, "protocol", json!("TCP")));
    each(container, "env", |it| {
        inner(it, "valueFrom", |it| inner(it, "fieldRef", |it| set(it, "apiVersion", json!("v1"))));
    });
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        inner(container, name, |probe| {
            for (key, default) in
                [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
            {
                set(probe, key, json!(default));
            }
            inner(probe, "httpGet", http_get);
        });
    }
    inner(container, "lifecycle", |it| {
        for hook in ["postStart", "preStop"] {
            inner(it, hook, |it| inner(it, "httpGet", http_get));
        }
    });
    // Limits stand for requests that are not given.
    let limits = container.pointer("/resources/limits").and_then(Value::as_object).cloned();
    if let Some(limits) = limits
        && let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut)
    {
        let requests = resources.entry("requests").or_insert_with(|| Value::Object(Map::new()));
        for (key, limit) in limits {
            set(requests, &key, limit);
        }
    }
}

fn http_get(action: &mut Value) {
    set(action, "path", json!("/"));
    set(action, "scheme", json!("HTTP"));
}

fn rolling(strategy: &mut Value, defaults: &[(&str, Value)]) {
    set(strategy, "type", json!("RollingUpdate"));
    if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate") {
        set(strategy, "rollingUpdate", json!({}));
        inner(strategy, "rollingUpdate", |it| {
            for (key, default) in defaults {
                set(it, key, default.clone());
            }
        });
    }
}

fn deployment(spec: &mut Value) {
    set(spec, "replicas", json!(1));
    set(spec, "revisionHistoryLimit", json!(10));
    set(spec, "progressDeadlineSeconds", json!(600));
    set(spec, "strategy", json!({}));
    inner(spec, "strategy", |it| rolling(it, &[("maxSurge", json!("25%")), ("maxUnavailable", json!("25%"))]));
    template(spec);
}

fn stateful_set(spec: &mut Value) {
    set(spec, "replicas", json!(1));
    set(spec, "revisionHistoryLimit", json!(10));
    set(spec, "podManagementPolicy", json!("OrderedReady"));
    set(spec, "updateStrategy", json!({}));
    inner(spec, "updateStrategy", |it| rolling(it, &[("partition", json!(0))]));
    template(spec);
}

fn daemon_set(spec: &mut Value) {
    set(spec, "revisionHistoryLimit", json!(10));
    set(spec, "updateStrategy", json!({}));
    inner(spec, "updateStrategy", |it| rolling(it, &[("maxSurge", json!(0)), ("maxUnavailable", json!(1))]));
    template(spec);
}

fn job(spec: &mut Value) {
    if spec.get("completions").is_none() && spec.get("parallelism").is_none() {
        set(spec, "completions", json!(1));
    }
    for (key, default) in
        [("parallelism", json!(1)), ("backoffLimit", json!(6)), ("completionMode", json!("NonIndexed"))]
    {
        set(spec, key, default);
    }
    set(spec, "suspend", json!(false));
    template(spec);
}

fn cron_job(spec: &mut Value) {
    for (key, default) in [
        ("concurrencyPolicy", json!("Allow")),
        ("suspend", json!(false)),
        ("successfulJobsHistoryLimit", json!(3)),
        ("failedJobsHistoryLimit", json!(1)),
    ] {
        set(spec, key, default);
    }
    inner(spec, "jobTemplate", |it| inner(it, "spec", template));
}

fn binding(value: &mut Value) {
    let group = json!("rbac.authorization.k8s.io");
    inner(value, "roleRef", |it| set(it, "apiGroup", group.clone()));
    each(value, "subjects", |it| {
        if matches!(it.get("kind").and_then(Value::as_str), Some("User" | "Group")) {
            set(it, "apiGroup", group.clone());
        }
    });
}

fn network_policy(spec: &mut Value) {
    let has_egress = spec.get("egress").and_then(Value::as_array).is_some_and(|it| !it.is_empty());
    set(spec, "policyTypes", if has_egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
}

fn webhooks(value: &mut Value, mutating: bool, beta: bool) {
    each(value, "webhooks", |hook| {
        set(hook, "failurePolicy", json!(if beta { "Ignore" } else { "Fail" }));
        set(hook, "matchPolicy", json!(if beta { "Exact" } else { "Equivalent" }));
        set(hook, "timeoutSeconds", json!(if beta { 30 } else { 10 }));
        if beta {
            set(hook, "sideEffects", json!("Unknown"));
            set(hook, "admissionReviewVersions", json!(["v1beta1"]));
        }
        if mutating {
            set(hook, "reinvocationPolicy", json!("Never"));
        }
        set(hook, "namespaceSelector", json!({}));
        set(hook, "objectSelector", json!({}));
        each(hook, "rules", |it| set(it, "scope", json!("*")));
        inner(hook, "clientConfig", |it| inner(it, "service", |it| set(it, "port", json!(443))));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_stays_and_filling_twice_changes_nothing() {
        let objects = [
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 3, "strategy": {"type": "Recreate"},
                "template": {"spec": {"containers": [{"name": "a", "image": "reg:5000/a:1", "resources": {"limits": {"cpu": "1"}},
                    "livenessProbe": {"httpGet": {"port": 1}, "periodSeconds": 5}}]}}}}),
            json!({"apiVersion": "v1", "kind": "Service", "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}),
            json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {"restartPolicy": "Never"}}}}),
            json!({"apiVersion": "example.com/v1", "kind": "Service", "spec": {}}),
        ];
        for object in objects {
            let mut once = object.clone();
            fill(&mut once);
            let mut twice = once.clone();
            fill(&mut twice);
            assert_eq!(once, twice);
            let patch = argo_merge::merge_patch::diff(&once, &object);
            let only_removes = |it: &Value| match it {
                Value::Null => true,
                Value::Object(map) => map.values().all(|it| it.is_null() || it.is_object()),
                _ => false,
            };
            assert!(only_removes(&patch) || once["spec"].get("ports").is_some(), "{patch}");
        }
        let mut container_image = json!({"name": "a", "image": "reg:5000/a"});
        container(&mut container_image);
        assert_eq!(container_image["imagePullPolicy"], "Always", "a port is no tag");
    }

    #[test]
    fn filled_in_fields_are_the_api_servers() {
        let mut service = json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}});
        fill(&mut service);
        assert_eq!(service["spec"]["ports"][0], json!({"port": 80, "protocol": "TCP", "targetPort": 80}));
        let mut deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}});
        fill(&mut deployment);
        let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}});
        assert_eq!(deployment["spec"]["strategy"], rolling);
        let mut own =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"strategy": {"type": "Recreate"}}});
        fill(&mut own);
        assert_eq!(own["spec"]["strategy"], json!({"type": "Recreate"}));
    }
}
