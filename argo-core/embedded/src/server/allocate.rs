//! What the server adds to objects of built-in kinds and nobody owns: addresses, ports, selectors of jobs, first statuses.

use serde_json::{Value, json};

use super::Call;
use super::defaults::put;
use super::meta::{self, set_path};
use super::state::State;

/// Fills in what admission and storage of kube-apiserver fill in. `live` is the object being replaced.
pub(super) fn apply(state: &mut State, call: &Call<'_>, object: &mut Value, live: Option<&Value>) {
    match (call.def.group(), call.def.resource()) {
        ("", "pods") if live.is_none() => pod(object),
        ("", "pods") => {
            let class = live.and_then(|live| live.pointer("/status/qosClass")).cloned();
            if let Some(class) = class {
                put(object, &["status", "qosClass"], class);
            }
        }
        ("apps", "daemonsets") => super::defaults::daemon_set(object, live),
        ("", "services") => service(state, object, live),
        ("", "namespaces") if live.is_none() => {
            put(object, &["spec", "finalizers"], json!(["kubernetes"]));
            put(object, &["status", "phase"], json!("Active"));
        }
        ("", "persistentvolumeclaims") if live.is_none() => put(object, &["status", "phase"], json!("Pending")),
        ("batch", "jobs") if live.is_none() => job_selector(object),
        _ => {}
    }
}

fn pod(object: &mut Value) {
    if let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) {
        put(spec, &["serviceAccountName"], json!("default"));
        let account = spec.get("serviceAccountName").cloned().unwrap_or_default();
        put(spec, &["serviceAccount"], account);
        put(spec, &["priority"], json!(0));
        put(spec, &["preemptionPolicy"], json!("PreemptLowerPriority"));
        let lost = |key: &str| json!({ "key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 });
        put(spec, &["tolerations"], json!([lost("not-ready"), lost("unreachable")]));
    }
    put(object, &["status", "phase"], json!("Pending"));
    let class = quality_of_service(object);
    put(object, &["status", "qosClass"], json!(class));
}

/// Guaranteed, Burstable or BestEffort, by requests and limits of cpu and memory.
fn quality_of_service(pod: &Value) -> &'static str {
    let containers: Vec<&Value> = ["containers", "initContainers"]
        .iter()
        .filter_map(|list| pod.pointer(&format!("/spec/{list}"))?.as_array())
        .flatten()
        .collect();
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

fn service(state: &mut State, object: &mut Value, live: Option<&Value>) {
    put(object, &["status", "loadBalancer"], json!({}));
    let kind = meta::text(object, "/spec/type").to_owned();
    if kind == "ExternalName" {
        return;
    }
    put(object, &["spec", "ipFamilyPolicy"], json!("SingleStack"));
    put(object, &["spec", "ipFamilies"], json!(["IPv4"]));
    if meta::text(object, "/spec/clusterIP").is_empty() {
        let address =
            live.map(|live| meta::text(live, "/spec/clusterIP").to_owned()).filter(|address| !address.is_empty());
        let address = address.unwrap_or_else(|| {
            let number = state.ids.number(60_000) + 257;
            format!("10.96.{}.{}", (number / 250) % 256, number % 250 + 1)
        });
        set_path(object, &["spec".to_owned(), "clusterIP".to_owned()], json!(address));
    }
    let address = object.pointer("/spec/clusterIP").cloned().unwrap_or_default();
    put(object, &["spec", "clusterIPs"], json!([address]));
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        for port in object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if port.get("nodePort").is_none() {
                let number = 30_000 + state.ids.number(2_768);
                put(port, &["nodePort"], json!(number));
            }
        }
    }
}

/// The selector of a job is made from its uid, which is drawn after defaulting.
fn job_selector(object: &mut Value) {
    if object.pointer("/spec/selector").is_some() || object.pointer("/spec/manualSelector") == Some(&Value::Bool(true))
    {
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
        set_path(
            object,
            &["spec", "template", "metadata", "labels", label].map(str::to_owned),
            Value::from(value.as_str()),
        );
    }
    set_path(
        object,
        &["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"].map(str::to_owned),
        Value::from(uid),
    );
    let labels = object.pointer("/spec/template/metadata/labels").cloned().unwrap_or_default();
    put(object, &["metadata", "labels"], labels);
}
