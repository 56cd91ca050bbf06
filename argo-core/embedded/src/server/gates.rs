//! Fields of pods that belong to features which are off in a cluster as it comes: they are dropped, as if never said.

use serde_json::{Value, json};

/// Drops such fields of the pods in an object of a built-in kind.
pub(super) fn drop_fields(group: &str, resource: &str, object: &mut Value) {
    let path = match (group, resource) {
        ("", "pods") => "/spec",
        ("", "podtemplates") => "/template/spec",
        ("", "replicationcontrollers") | ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") => {
            "/spec/template/spec"
        }
        ("batch", "jobs") => "/spec/template/spec",
        ("batch", "cronjobs") => "/spec/jobTemplate/spec/template/spec",
        ("coordination.k8s.io", "leases") => {
            if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
                spec.remove("strategy");
                spec.remove("preferredHolder");
            }
            return;
        }
        _ => return,
    };
    let Some(spec) = object.pointer_mut(path).filter(|spec| spec.is_object()) else { return };
    images(spec);
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("hostnameOverride");
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            restarts(container, list);
            let Some(fields) = container.as_object_mut() else { continue };
            if let Some(lifecycle) = fields.get_mut("lifecycle").and_then(Value::as_object_mut) {
                let signal = lifecycle.remove("stopSignal").is_some();
                if signal && lifecycle.is_empty() {
                    fields.remove("lifecycle");
                }
            }
            for variable in fields.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(from) = variable.get_mut("valueFrom").and_then(Value::as_object_mut) {
                    from.remove("fileKeyRef");
                }
            }
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        for source in volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(fields) = source.as_object_mut() {
                fields.remove("clusterTrustBundle");
                fields.remove("podCertificate");
            }
        }
    }
}

/// Restart policies of single containers, but for sidecars.
fn restarts(container: &mut Value, list: &str) {
    let Some(fields) = container.as_object_mut() else { return };
    fields.remove("restartPolicyRules");
    if list != "initContainers" || fields.get("restartPolicy").is_some_and(|policy| policy != "Always") {
        fields.remove("restartPolicy");
    }
}

/// Volumes out of images, and their mounts.
fn images(spec: &mut Value) {
    let of_image = |volume: &Value| volume.get("image").is_some();
    let names: Vec<Value> = spec
        .get("volumes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|volume| of_image(volume))
        .filter_map(|volume| volume.get("name").cloned())
        .collect();
    if names.is_empty() {
        return;
    }
    let Some(fields) = spec.as_object_mut() else { return };
    let keep = |fields: &mut serde_json::Map<String, Value>, list: &str, kept: &dyn Fn(&Value) -> bool| {
        if let Some(items) = fields.get_mut(list).and_then(Value::as_array_mut) {
            items.retain(|item| kept(item));
            if items.is_empty() {
                fields.remove(list);
            }
        }
    };
    keep(fields, "volumes", &|volume| !of_image(volume));
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in fields.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(container) = container.as_object_mut() {
                keep(container, "volumeMounts", &|mount| !names.contains(mount.get("name").unwrap_or(&json!(null))));
            }
        }
    }
}
