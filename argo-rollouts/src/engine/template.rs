//! When two pod templates mean the same: defaults that the API server fills in do not count.

use serde_json::{Map, Value, json};

use super::affinity;
use crate::api::names;

/// Whether a ReplicaSet's template is that of a Rollout: equal but for the hash label, the
/// deprecated `serviceAccount`, a rule that keeps its pods off those of stable, and what the API
/// server fills in.
#[must_use]
pub fn equal(of_set: &Value, of_rollout: &Value) -> bool {
    let mut own = of_set.clone();
    affinity::remove_rule(&mut own);
    plain(&own) == plain(of_rollout)
}

fn plain(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(names::POD_TEMPLATE_HASH);
    }
    if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) {
        pod(spec);
    }
    prune(&mut template);
    template
}

fn pod(spec: &mut Map<String, Value>) {
    spec.remove("serviceAccount");
    drop_default(spec, "restartPolicy", &json!("Always"));
    drop_default(spec, "dnsPolicy", &json!("ClusterFirst"));
    drop_default(spec, "schedulerName", &json!("default-scheduler"));
    drop_default(spec, "terminationGracePeriodSeconds", &json!(30));
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec, list, container);
    }
    each(spec, "volumes", |volume| {
        for source in ["configMap", "secret", "projected", "downwardAPI"] {
            if let Some(source) = volume.get_mut(source).and_then(Value::as_object_mut) {
                drop_default(source, "defaultMode", &json!(420));
            }
        }
    });
}

fn container(container: &mut Map<String, Value>) {
    drop_default(container, "terminationMessagePath", &json!("/dev/termination-log"));
    drop_default(container, "terminationMessagePolicy", &json!("File"));
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    let latest = !name.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    drop_default(container, "imagePullPolicy", &json!(if latest { "Always" } else { "IfNotPresent" }));
    each(container, "ports", |port| drop_default(port, "protocol", &json!("TCP")));
    each(container, "env", |env| {
        if let Some(field) = env.get_mut("valueFrom").and_then(|it| it.get_mut("fieldRef")?.as_object_mut()) {
            drop_default(field, "apiVersion", &json!("v1"));
        }
    });
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(probe).and_then(Value::as_object_mut) else {
            continue;
        };
        for (field, default) in
            [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
        {
            drop_default(probe, field, &json!(default));
        }
        if let Some(get) = probe.get_mut("httpGet").and_then(Value::as_object_mut) {
            drop_default(get, "scheme", &json!("HTTP"));
        }
    }
}

fn each(map: &mut Map<String, Value>, list: &str, visit: impl Fn(&mut Map<String, Value>)) {
    let items = map.get_mut(list).and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_object_mut).for_each(visit);
}

fn drop_default(map: &mut Map<String, Value>, field: &str, default: &Value) {
    if map.get(field) == Some(default) {
        map.remove(field);
    }
}

/// Drops nulls and what is empty: `resources: {}`, `securityContext: {}`.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(prune);
            map.retain(|_, it| match it {
                Value::Null => false,
                Value::Object(map) => !map.is_empty(),
                Value::Array(items) => !items.is_empty(),
                _ => true,
            });
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_server_fills_in_does_not_count() {
        let wanted = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [
            {"name": "c", "image": "r/i:1", "ports": [{"containerPort": 80}], "readinessProbe": {"httpGet": {"path": "/"}}}]}});
        let live = json!({"metadata": {"creationTimestamp": null, "labels": {"app": "a", "rollouts-pod-template-hash": "x"}},
            "spec": {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
                "securityContext": {}, "terminationGracePeriodSeconds": 30, "containers": [
                {"name": "c", "image": "r/i:1", "imagePullPolicy": "IfNotPresent", "resources": {},
                 "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                 "ports": [{"containerPort": 80, "protocol": "TCP"}],
                 "readinessProbe": {"httpGet": {"path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10,
                    "successThreshold": 1, "failureThreshold": 3}}]}});
        assert!(equal(&live, &wanted));
        let mut other = live;
        other["spec"]["containers"][0]["image"] = json!("r/i:2");
        assert!(!equal(&other, &wanted));
    }
}
