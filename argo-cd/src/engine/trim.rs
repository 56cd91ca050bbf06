//! What is kept of live objects in view. Roots of Applications are kept whole, as they are compared; of everything else
//! only what health, trees and networks read. Whoever needs the rest asks for the object
//! ([`Effect::Fetch`](super::Effect::Fetch)).

use argo_core::Object;
use serde_json::{Map, Value};

use super::tracking::Tracking;
use crate::api::names;

/// Whether an object in view is whole, but for the owners of its fields.
#[must_use]
pub fn is_whole(object: &Object, tracking: &Tracking) -> bool {
    tracking.root_of(object).is_some()
}

/// Leaves out what nobody reads of an object in view. Owners of fields stay where a server-side apply of ours made them:
/// such objects are compared by them.
pub fn trim(object: &mut Object, tracking: &Tracking) {
    let whole = is_whole(object, tracking);
    if !(whole && is_applied(object)) {
        object.remove(&["metadata", "managedFields"]);
    }
    if whole {
        return;
    }
    object.remove(&["metadata", "annotations", names::LAST_APPLIED]);
    let gvk = object.gvk();
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "ConfigMap" | "Secret") => {
            for field in ["data", "binaryData", "stringData"] {
                object.remove(&[field]);
            }
        }
        ("", "Pod") => pod(object),
        ("", "Node") => {
            object.remove(&["status", "images"]);
        }
        ("", "Endpoints") => {
            object.remove(&["subsets"]);
        }
        ("discovery.k8s.io", "EndpointSlice") => {
            object.remove(&["endpoints"]);
        }
        ("apps", "ControllerRevision") => {
            object.remove(&["data"]);
        }
        ("apps" | "batch", _) => {
            object.remove(&["spec", "template"]);
            object.remove(&["spec", "jobTemplate"]);
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            if let Some(versions) = object.value_mut().pointer_mut("/spec/versions").and_then(Value::as_array_mut) {
                versions.iter_mut().filter_map(Value::as_object_mut).for_each(|it| {
                    it.remove("schema");
                });
            }
        }
        _ => {}
    }
}

/// Whether a server-side apply of ours owns fields.
fn is_applied(object: &Object) -> bool {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let ours = |it: &Value| it["manager"] == names::FIELD_MANAGER && it["operation"] == "Apply";
    entries.into_iter().flatten().any(ours)
}

fn pod(object: &mut Object) {
    const SPEC: [&str; 7] =
        ["containers", "initContainers", "nodeName", "overhead", "restartPolicy", "schedulingGates", "readinessGates"];
    const CONTAINER: [&str; 4] = ["name", "image", "resources", "restartPolicy"];
    let Some(spec) = object.value_mut().get_mut("spec").and_then(Value::as_object_mut) else { return };
    let keep = |map: &mut Map<String, Value>, fields: &[&str]| map.retain(|key, _| fields.contains(&key.as_str()));
    keep(spec, &SPEC);
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        containers.filter_map(Value::as_object_mut).for_each(|it| keep(it, &CONTAINER));
    }
}

#[cfg(test)]
mod tests {
    use argo_core::Gvk;
    use serde_json::json;

    use super::*;

    fn trimmed(value: Value) -> Value {
        let mut object = Object::from_value(value);
        trim(&mut object, &Tracking::default());
        object.into_value()
    }

    #[test]
    fn roots_stay_and_the_rest_keeps_what_is_shown_of_it() {
        let tracking = Tracking::default();
        let mut root = Object::new(&Gvk::new("", "v1", "ConfigMap"), Some("n"), "a").with(&["data", "a"], "1");
        tracking.track(&mut root, "shop", "n").unwrap();
        assert_eq!(trimmed(root.value().clone()), *root.value());
        let stranger = trimmed(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"},
            "metadata": {"name": "a", "labels": {"a": "b"}, "annotations": {names::LAST_APPLIED: "{}", "c": "d"}}}));
        assert_eq!(stranger["metadata"], json!({"name": "a", "labels": {"a": "b"}, "annotations": {"c": "d"}}));
        assert!(stranger.get("data").is_none());
        let pod = trimmed(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {"nodeName": "x", "volumes": [{}], "containers": [{"name": "c", "image": "i", "env": [{}]}]},
            "status": {"phase": "Running"}}));
        assert_eq!(pod["spec"], json!({"nodeName": "x", "containers": [{"name": "c", "image": "i"}]}));
        assert_eq!(pod["status"], json!({"phase": "Running"}));
        let set = trimmed(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "r"},
            "spec": {"replicas": 1, "template": {}}}));
        assert_eq!(set["spec"], json!({"replicas": 1}));
    }

    #[test]
    fn owners_of_fields_stay_where_they_are_compared() {
        let managed = |operation: &str, manager: &str| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a",
                "annotations": {names::TRACKING_ID: "shop:/ConfigMap:n/a"},
                "managedFields": [{"manager": manager, "operation": operation}]}})
        };
        let kept = |it: Value| trimmed(it).pointer("/metadata/managedFields").is_some();
        assert!(kept(managed("Apply", names::FIELD_MANAGER)));
        assert!(!kept(managed("Update", names::FIELD_MANAGER)) && !kept(managed("Apply", "somebody")));
    }
}
