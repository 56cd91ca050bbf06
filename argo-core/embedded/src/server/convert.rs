//! Between the stored form of an object and the served versions. Custom resources convert by name only (`None`); of the built-in kinds
//! two have forms that differ: events (core and events.k8s.io) and horizontal pod autoscalers (v1 and v2).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::resources::ResourceDef;

/// The object as it is stored.
pub(crate) fn to_storage(def: &ResourceDef, version: usize, mut object: Value) -> Value {
    if def.served != def.stored {
        return event_to_core(object);
    }
    let name = &def.versions[version].name;
    if *name == def.storage_version {
        return object;
    }
    if is_autoscaler(def) {
        object = autoscaler_to_v2(object);
    }
    object["apiVersion"] = Value::from(group_version(def, &def.storage_version));
    // What the stored version does not know is lost: no webhook carries it over.
    let stored = def.versions.iter().find(|version| version.name == def.storage_version);
    if let Some(custom) = stored.and_then(|version| version.custom.as_ref()) {
        // The fields are those of a valid object; what cannot be read is refused where it comes from.
        let _ = custom.prune(&mut object);
        custom.default(&mut object);
    }
    object
}

/// The object as a served version shows it; shared if nothing changes.
pub(crate) fn from_storage(def: &ResourceDef, version: usize, object: &Arc<Value>) -> Arc<Value> {
    if def.served != def.stored {
        return Arc::new(event_from_core((**object).clone()));
    }
    if object.get("apiVersion").and_then(Value::as_str).is_some_and(|it| def.is_api_version(version, it)) {
        return object.clone();
    }
    let wanted = def.api_version(version);
    let mut object = (**object).clone();
    if is_autoscaler(def) && def.versions[version].name == "v1" {
        object = autoscaler_to_v1(object);
        crate::schema::fill("autoscaling", "v1", &def.kind, &mut object);
    }
    object["apiVersion"] = Value::from(wanted);
    Arc::new(object)
}

fn group_version(def: &ResourceDef, version: &str) -> String {
    if def.group().is_empty() { version.to_owned() } else { format!("{}/{version}", def.group()) }
}

fn is_autoscaler(def: &ResourceDef) -> bool {
    def.group() == "autoscaling" && def.kind == "HorizontalPodAutoscaler"
}

/// Field names of events.k8s.io/v1 and of core/v1.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

fn rename(object: &mut Value, from: &str, to: &str) {
    if let Some(root) = object.as_object_mut()
        && let Some(value) = root.remove(from)
    {
        root.insert(to.to_owned(), value);
    }
}

fn event_to_core(mut object: Value) -> Value {
    for (events, core) in EVENT_FIELDS {
        rename(&mut object, events, core);
    }
    object["apiVersion"] = Value::from("v1");
    object
}

fn event_from_core(mut object: Value) -> Value {
    for (events, core) in EVENT_FIELDS {
        rename(&mut object, core, events);
    }
    if let Some(root) = object.as_object_mut() {
        root.retain(|field, value| {
            !(matches!(field.as_str(), "reportingController" | "reportingInstance") && *value == "")
        });
    }
    object["apiVersion"] = Value::from("events.k8s.io/v1");
    object
}

fn autoscaler_to_v2(mut object: Value) -> Value {
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
        && let Some(target) = spec.remove("targetCPUUtilizationPercentage")
    {
        spec.insert("metrics".to_owned(), json!([{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": target } } }]));
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut)
        && let Some(current) = status.remove("currentCPUUtilizationPercentage")
    {
        status.insert("currentMetrics".to_owned(), json!([{ "type": "Resource", "resource": { "name": "cpu", "current": { "averageUtilization": current } } }]));
    }
    object
}

fn autoscaler_to_v1(mut object: Value) -> Value {
    let cpu = |metrics: Option<&Value>, kind: &str| {
        metrics
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .find(|metric| metric.pointer("/resource/name").and_then(Value::as_str) == Some("cpu"))
            .and_then(|metric| metric.pointer(&format!("/resource/{kind}/averageUtilization")).cloned())
    };
    let replace = |part: Option<&mut Map<String, Value>>, from: &str, kind: &str, to: &str| {
        if let Some(part) = part {
            let value = cpu(part.get(from), kind);
            part.remove(from);
            if let Some(value) = value {
                part.insert(to.to_owned(), value);
            }
        }
    };
    replace(
        object.get_mut("spec").and_then(Value::as_object_mut),
        "metrics",
        "target",
        "targetCPUUtilizationPercentage",
    );
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("conditions");
    }
    replace(
        object.get_mut("status").and_then(Value::as_object_mut),
        "currentMetrics",
        "current",
        "currentCPUUtilizationPercentage",
    );
    object
}
