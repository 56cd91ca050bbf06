//! What the server adds to objects of built-in kinds and nobody owns: addresses, ports, selectors of jobs, first statuses.

use serde_json::{Value, json};

use super::Call;
use super::defaults::put;
use super::meta;
use super::state::State;
use super::status::ApiError;

/// Fills in what admission and storage of kube-apiserver fill in. `live` is the object being replaced.
///
/// # Errors
/// A service asks for addresses that the cluster has not.
pub(super) fn apply(
    state: &mut State,
    call: &Call<'_>,
    object: &mut Value,
    live: Option<&Value>,
) -> Result<(), ApiError> {
    if matches!(call.subresource, None | Some("ephemeralcontainers" | "resize")) {
        super::gates::drop_fields(call.def.group(), call.def.resource(), object);
    }
    match (call.def.group(), call.def.resource()) {
        ("", "pods") if live.is_none() => pod(object, call),
        ("", "pods") => {
            let class = live.and_then(|live| live.pointer("/status/qosClass")).cloned();
            if let Some(class) = class {
                put(object, &["status", "qosClass"], class);
            }
        }
        ("apps", "daemonsets") => super::defaults::daemon_set(object, live),
        ("", "services") if call.subresource.is_none() => {
            super::services::normalize(object, live);
            let causes = super::checks::addresses(object, live.is_none());
            if !causes.is_empty() {
                return Err(ApiError::invalid("", "Service", meta::name(object), &causes));
            }
            super::services::allocate(state, object, live);
        }
        ("", "namespaces") if live.is_none() => {
            put(object, &["spec", "finalizers"], json!(["kubernetes"]));
            put(object, &["status", "phase"], json!("Active"));
        }
        ("", "persistentvolumeclaims") if live.is_none() => {
            data_sources(object);
            put(object, &["status", "phase"], json!("Pending"));
        }
        ("batch", "jobs") if live.is_none() => job_selector(object),
        _ => {}
    }
    Ok(())
}

fn pod(object: &mut Value, call: &Call<'_>) {
    if let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) {
        put(spec, &["serviceAccountName"], json!("default"));
        let account = spec.get("serviceAccountName").cloned().unwrap_or_default();
        put(spec, &["serviceAccount"], account);
        put(spec, &["priority"], json!(0));
        put(spec, &["preemptionPolicy"], json!("PreemptLowerPriority"));
        tolerate_lost_nodes(spec);
        if spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|grace| grace < 0) {
            spec["terminationGracePeriodSeconds"] = json!(1);
        }
    }
    put(object, &["status", "phase"], json!("Pending"));
    let class = quality_of_service(object);
    put(object, &["status", "qosClass"], json!(class));
    if object.pointer("/spec/schedulingGates").and_then(Value::as_array).is_some_and(|gates| !gates.is_empty()) {
        let condition = json!({
            "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": meta::timestamp_text(call.now),
            "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates",
        });
        put(object, &["status", "conditions"], json!([condition]));
    }
}

/// A node may be lost for five minutes, unless the pod says otherwise.
fn tolerate_lost_nodes(spec: &mut Value) {
    let mut all = spec.get("tolerations").and_then(Value::as_array).cloned().unwrap_or_default();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = all.iter().any(|toleration| {
            matches!(meta::text(toleration, "/effect"), "" | "NoExecute")
                && (meta::text(toleration, "/key").is_empty() || meta::text(toleration, "/key") == key)
        });
        if !tolerated {
            all.push(json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 }));
        }
    }
    spec["tolerations"] = json!(all);
}

/// Guaranteed, Burstable or BestEffort, by requests and limits of cpu and memory.
pub(super) fn quality_of_service(pod: &Value) -> &'static str {
    let whole = pod.pointer("/spec/resources").filter(|resources| {
        ["requests", "limits"].iter().any(|side| resources.get(side).is_some_and(|amounts| amounts != &json!({})))
    });
    let whole = whole.map(|resources| json!({ "resources": resources }));
    let containers: Vec<&Value> = ["containers", "initContainers"]
        .iter()
        .filter_map(|list| pod.pointer(&format!("/spec/{list}"))?.as_array())
        .flatten()
        .collect();
    let containers = whole.as_ref().map_or(containers, |whole| vec![whole]);
    let quantity = |container: &Value, side: &str, resource: &str| {
        container.pointer(&format!("/resources/{side}/{resource}")).cloned()
    };
    let any = containers.iter().any(|container| {
        ["requests", "limits"]
            .iter()
            .any(|side| ["cpu", "memory"].iter().any(|resource| quantity(container, side, resource).is_some()))
    });
    if !any {
        return "BestEffort";
    }
    let guaranteed = containers.iter().all(|container| {
        ["cpu", "memory"].iter().all(|resource| {
            let limit = quantity(container, "limits", resource);
            limit.is_some() && quantity(container, "requests", resource).is_none_or(|request| Some(request) == limit)
        })
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

/// The selector of a job is made from its uid, which is drawn after defaulting.
fn job_selector(object: &mut Value) {
    if object.pointer("/spec/manualSelector") == Some(&Value::Bool(true)) {
        return;
    }
    let (uid, name) = (meta::uid(object).to_owned(), meta::name(object).to_owned());
    let labels = [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ];
    for (label, value) in labels {
        put(object, &["spec", "template", "metadata", "labels", label], Value::from(value.as_str()));
    }
    put(object, &["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"], Value::from(uid));
}

/// What follows from the spec once admission has had its say.
pub(super) fn admitted(call: &Call<'_>, object: &mut Value) {
    if call.def.group().is_empty() && call.def.resource() == "pods" && object["status"].is_object() {
        object["status"]["qosClass"] = json!(quality_of_service(object));
    }
}

/// A job without labels has those of its pods, as soon as it is read again.
pub(super) fn label_job(call: &Call<'_>, object: &mut Value) {
    if call.def.builtin && call.def.group() == "batch" && call.def.resource() == "jobs" {
        let labels = object.pointer("/spec/template/metadata/labels").cloned();
        if let Some(labels) = labels {
            put(object, &["metadata", "labels"], labels);
        }
    }
}

/// Sources of claims of other kinds than these are for references alone.
fn data_sources(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let known = |source: &Value| {
        let (group, kind) = (meta::text(source, "/apiGroup"), meta::text(source, "/kind"));
        matches!((group, kind), ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot"))
    };
    if spec.get("dataSource").is_some_and(|source| !known(source)) {
        spec.remove("dataSource");
    }
    let (source, reference) = (spec.get("dataSource").cloned(), spec.get("dataSourceRef").cloned());
    match (source, reference) {
        (Some(source), None) => {
            spec.insert("dataSourceRef".to_owned(), source);
        }
        (None, Some(reference)) if known(&reference) && meta::text(&reference, "/namespace").is_empty() => {
            spec.insert("dataSource".to_owned(), reference);
        }
        _ => {}
    }
}
