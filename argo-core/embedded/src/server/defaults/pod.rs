//! Defaults of pods and their templates.

use serde_json::{Value, json};

use super::super::meta;
use super::put;

pub(super) fn template(object: &mut Value, path: &[&str], restart_policy: &str) {
    let found = path.iter().try_fold(&mut *object, |value, step| value.get_mut(*step));
    if let Some(template) = found
        && let Some(spec) = template.get_mut("spec").filter(|spec| spec.is_object())
    {
        pod_spec(spec, restart_policy);
    }
}

fn pod_spec(spec: &mut Value, restart_policy: &str) {
    if !restart_policy.is_empty() {
        put(spec, &["restartPolicy"], json!(restart_policy));
    }
    put(spec, &["dnsPolicy"], json!("ClusterFirst"));
    put(spec, &["schedulerName"], json!("default-scheduler"));
    put(spec, &["securityContext"], json!({}));
    put(spec, &["terminationGracePeriodSeconds"], json!(30));
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        put(spec, &["serviceAccount"], account);
    } else if let Some(account) = spec.get("serviceAccount").cloned() {
        put(spec, &["serviceAccountName"], account);
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in spec
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .filter(|container| container.is_object())
        {
            put(container, &["terminationMessagePath"], json!("/dev/termination-log"));
            put(container, &["terminationMessagePolicy"], json!("File"));
            put(container, &["resources"], json!({}));
            let image = meta::text(container, "/image");
            let tag = image.rsplit('/').next().and_then(|name| name.split_once(':')).map(|(_, tag)| tag);
            let policy =
                if !image.contains('@') && matches!(tag, None | Some("latest")) { "Always" } else { "IfNotPresent" };
            put(container, &["imagePullPolicy"], json!(policy));
            for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                put(port, &["protocol"], json!("TCP"));
            }
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                if let Some(probe) = container.get_mut(probe) {
                    for (field, value) in
                        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
                    {
                        put(probe, &[field], json!(value));
                    }
                    request_defaults(probe);
                }
            }
            for handler in ["postStart", "preStop"] {
                if let Some(handler) = container.get_mut("lifecycle").and_then(|it| it.get_mut(handler)) {
                    request_defaults(handler);
                }
            }
            for variable in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
                if variable.pointer("/valueFrom/fieldRef").is_some() {
                    put(variable, &["valueFrom", "fieldRef", "apiVersion"], json!("v1"));
                }
            }
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        volume_defaults(volume);
        for source in ["configMap", "secret", "projected", "downwardAPI"] {
            if volume.get(source).is_some_and(Value::is_object) {
                put(volume, &[source, "defaultMode"], json!(420));
            }
        }
    }
}

/// What a probe or a handler asks for.
fn request_defaults(handler: &mut Value) {
    if handler.get("httpGet").is_some_and(Value::is_object) {
        put(handler, &["httpGet", "scheme"], json!("HTTP"));
        put(handler, &["httpGet", "path"], json!("/"));
    }
}

fn volume_defaults(volume: &mut Value) {
    if volume.as_object().is_some_and(|fields| fields.keys().all(|field| field == "name")) {
        put(volume, &["emptyDir"], json!({}));
    }
    if volume.get("hostPath").is_some() {
        put(volume, &["hostPath", "type"], json!(""));
    }
    if volume.pointer("/ephemeral/volumeClaimTemplate/spec").is_some() {
        put(volume, &["ephemeral", "volumeClaimTemplate", "spec", "volumeMode"], json!("Filesystem"));
    }
    let file = |item: &mut Value| {
        if item.get("fieldRef").is_some() {
            put(item, &["fieldRef", "apiVersion"], json!("v1"));
        }
    };
    volume.pointer_mut("/downwardAPI/items").and_then(Value::as_array_mut).into_iter().flatten().for_each(file);
    for source in volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut).into_iter().flatten() {
        source.pointer_mut("/downwardAPI/items").and_then(Value::as_array_mut).into_iter().flatten().for_each(file);
        if source.get("serviceAccountToken").is_some() {
            put(source, &["serviceAccountToken", "expirationSeconds"], json!(3600));
        }
    }
}

/// Containers of pods, unlike those of templates, ask for what they are limited to, and their ports are those of the host they share.
fn requests_and_host_ports(spec: &mut Value) {
    let host = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let limits = container.pointer("/resources/limits").and_then(Value::as_object).cloned().unwrap_or_default();
            for (resource, amount) in limits {
                put(container, &["resources", "requests", &resource], amount);
            }
            for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                if host && let Some(number) = port.get("containerPort").cloned() {
                    put(port, &["hostPort"], number);
                }
            }
        }
    }
}

pub(super) fn pod(object: &mut Value) {
    if let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) {
        pod_spec(spec, "Always");
        requests_and_host_ports(spec);
        put(spec, &["enableServiceLinks"], json!(true));
    }
    if let Some(address) = object.pointer("/status/podIP").cloned().filter(|address| address != "") {
        put(object, &["status", "podIPs"], json!([{ "ip": address }]));
    }
}
