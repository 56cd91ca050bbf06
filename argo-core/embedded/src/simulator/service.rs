//! Services: their EndpointSlices and Endpoints.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::kinds::{ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES};
use super::pass::{Pass, Write};
use super::read::{
    flag, is_deleting, is_ready, label, labels, list, map_selects, name, namespace, owner_reference, phase, text, uid,
};
use super::world::{Place, World};

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const SLICE_MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const SLICE_MANAGER: &str = "endpointslice-controller.k8s.io";
const ENDPOINTS_MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const ENDPOINTS_MANAGER: &str = "endpoint-controller";

/// Endpoints per slice.
const SLICE_SIZE: usize = 100;

pub(super) fn pass(world: &World, place: &Place) -> Pass {
    let mut pass = Pass::default();
    let (space, service_name) = (place.key.namespace.as_str(), place.key.name.as_str());
    let ours = |endpoints: &Value| label(endpoints, ENDPOINTS_MANAGED_BY) == Some(ENDPOINTS_MANAGER);
    let endpoints = world.find(&ENDPOINTS, space, service_name).filter(|it| ours(it));
    let Some(service) = world.at(place).filter(|service| !is_deleting(service)) else {
        // Slices go with their owner; Endpoints have none.
        if let Some(endpoints) = endpoints {
            pass.write(Write::delete(&ENDPOINTS, endpoints));
        }
        return pass;
    };
    let Some(selector) = service.pointer("/spec/selector").and_then(Value::as_object).filter(|it| !it.is_empty())
    else {
        return pass;
    };
    if text(service, "/spec/type") == "ExternalName" {
        return pass;
    }
    let pods: Vec<&Arc<Value>> = world
        .within(&PODS, space)
        .filter(|pod| {
            map_selects(selector, labels(pod))
                && !text(pod, "/status/podIP").is_empty()
                && !matches!(phase(pod), "Succeeded" | "Failed")
        })
        .collect();
    slices(world, service, &pods, &mut pass);
    legacy(world, service, &pods, &mut pass);
    pass
}

/// The ports of a Service as a pod has them.
fn ports(service: &Value, pod: Option<&Value>) -> Vec<Value> {
    let mut ports = Vec::new();
    for port in list(service, "/spec/ports") {
        let protocol = Some(text(port, "/protocol")).filter(|it| !it.is_empty()).unwrap_or("TCP");
        let target = port.get("targetPort").filter(|it| !it.is_null()).or_else(|| port.get("port"));
        let number = match target {
            Some(Value::String(wanted)) => {
                let all = pod
                    .map_or(&[][..], |pod| list(pod, "/spec/containers"))
                    .iter()
                    .flat_map(|container| list(container, "/ports"));
                let mut named = all.filter(|it| {
                    text(it, "/name") == wanted && matches!(text(it, "/protocol"), "" | "TCP") == (protocol == "TCP")
                });
                named.next().and_then(|it| it.get("containerPort")).cloned()
            }
            other => other.cloned(),
        };
        if let Some(number) = number {
            let mut entry = json!({"name": text(port, "/name"), "port": number, "protocol": protocol});
            if let Some(application) = port.get("appProtocol").filter(|it| !it.is_null()) {
                entry["appProtocol"] = application.clone();
            }
            ports.push(entry);
        }
    }
    ports
}

fn target(pod: &Value) -> Value {
    json!({"kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": uid(pod)})
}

fn serves(service: &Value, pod: &Value) -> bool {
    is_ready(pod) || flag(service, "/spec/publishNotReadyAddresses")
}

fn slices(world: &World, service: &Value, pods: &[&Arc<Value>], pass: &mut Pass) {
    let mut groups: BTreeMap<String, (Vec<Value>, Vec<Value>)> = BTreeMap::new();
    for pod in pods {
        let ports = ports(service, Some(pod));
        let terminating = is_deleting(pod);
        let serving = serves(service, pod);
        let mut endpoint = json!({
            "addresses": [text(pod, "/status/podIP")],
            "conditions": {"ready": serving && !terminating, "serving": serving, "terminating": terminating},
            "targetRef": target(pod),
        });
        if !text(pod, "/spec/nodeName").is_empty() {
            endpoint["nodeName"] = json!(text(pod, "/spec/nodeName"));
        }
        if !text(pod, "/spec/hostname").is_empty() && text(pod, "/spec/subdomain") == name(service) {
            endpoint["hostname"] = json!(text(pod, "/spec/hostname"));
        }
        groups.entry(json!(ports).to_string()).or_insert_with(|| (ports, Vec::new())).1.push(endpoint);
    }
    let mut wanted: Vec<(Vec<Value>, Vec<Value>)> = groups
        .into_values()
        .flat_map(|(ports, endpoints)| {
            endpoints.chunks(SLICE_SIZE).map(|chunk| (ports.clone(), chunk.to_vec())).collect::<Vec<_>>()
        })
        .collect();
    if wanted.is_empty() {
        wanted.push((ports(service, None), Vec::new()));
    }
    let mut labels: Map<String, Value> = labels(service).cloned().unwrap_or_default();
    labels.insert(SERVICE_NAME.into(), json!(name(service)));
    labels.insert(SLICE_MANAGED_BY.into(), json!(SLICE_MANAGER));
    if text(service, "/spec/clusterIP") == "None" {
        labels.insert("service.kubernetes.io/headless".into(), json!(""));
    }
    let existing: Vec<&Arc<Value>> = world
        .within(&ENDPOINT_SLICES, namespace(service))
        .filter(|slice| {
            label(slice, SERVICE_NAME) == Some(name(service))
                && label(slice, SLICE_MANAGED_BY) == Some(SLICE_MANAGER)
                && !is_deleting(slice)
        })
        .collect();
    for (at, (ports, endpoints)) in wanted.iter().enumerate() {
        match existing.get(at) {
            Some(slice) => {
                let mut next = (***slice).clone();
                next["ports"] = json!(ports);
                next["endpoints"] = json!(endpoints);
                next["metadata"]["labels"] = Value::Object(labels.clone());
                let absent = |member: &str| {
                    slice.get(member).is_none_or(|it| it.is_null() || it.as_array().is_some_and(Vec::is_empty))
                };
                for (member, empty) in [("ports", ports.is_empty()), ("endpoints", endpoints.is_empty())] {
                    if empty && absent(member) {
                        match slice.get(member) {
                            Some(kept) => next[member] = kept.clone(),
                            None => drop(next.as_object_mut().and_then(|it| it.remove(member))),
                        }
                    }
                }
                if next != ***slice {
                    pass.write(Write::Update { kind: &ENDPOINT_SLICES, object: next });
                }
            }
            None => pass.write(Write::Create {
                kind: &ENDPOINT_SLICES,
                object: json!({
                    "apiVersion": ENDPOINT_SLICES.api_version,
                    "kind": ENDPOINT_SLICES.kind,
                    "metadata": {
                        "generateName": format!("{}-", name(service)),
                        "namespace": namespace(service),
                        "labels": labels,
                        "ownerReferences": [owner_reference(service, SERVICES.api_version, SERVICES.kind)],
                    },
                    "addressType": "IPv4",
                    "ports": ports,
                    "endpoints": endpoints,
                }),
            }),
        }
    }
    for slice in existing.iter().skip(wanted.len()) {
        pass.write(Write::delete(&ENDPOINT_SLICES, slice));
    }
}

fn legacy(world: &World, service: &Value, pods: &[&Arc<Value>], pass: &mut Pass) {
    #[derive(Default)]
    struct Subset {
        ports: Vec<Value>,
        ready: Vec<Value>,
        not_ready: Vec<Value>,
    }
    let mut groups: BTreeMap<String, Subset> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !is_deleting(pod)) {
        let ports = ports(service, Some(pod));
        let mut address = json!({"ip": text(pod, "/status/podIP"), "targetRef": target(pod)});
        if !text(pod, "/spec/nodeName").is_empty() {
            address["nodeName"] = json!(text(pod, "/spec/nodeName"));
        }
        let group = groups.entry(json!(ports).to_string()).or_default();
        group.ports = ports;
        if serves(service, pod) { group.ready.push(address) } else { group.not_ready.push(address) }
    }
    let subsets: Vec<Value> = groups
        .into_values()
        .map(|Subset { ports, ready, not_ready }| {
            let mut subset = json!({"ports": ports});
            for port in subset["ports"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
                if port.get("name").is_some_and(|it| it == "") {
                    port.remove("name");
                }
            }
            for (member, addresses) in [("addresses", ready), ("notReadyAddresses", not_ready)] {
                if !addresses.is_empty() {
                    subset[member] = json!(addresses);
                }
            }
            subset
        })
        .collect();
    let mut labels: Map<String, Value> = labels(service).cloned().unwrap_or_default();
    labels.insert(ENDPOINTS_MANAGED_BY.into(), json!(ENDPOINTS_MANAGER));
    match world.find(&ENDPOINTS, namespace(service), name(service)) {
        Some(existing) => {
            let mut next = (**existing).clone();
            next["metadata"]["labels"] = Value::Object(labels);
            if subsets.is_empty() {
                if let Some(root) = next.as_object_mut() {
                    root.remove("subsets");
                }
            } else {
                next["subsets"] = json!(subsets);
            }
            if next != **existing {
                pass.write(Write::Update { kind: &ENDPOINTS, object: next });
            }
        }
        None => {
            let mut object = json!({
                "apiVersion": "v1",
                "kind": "Endpoints",
                "metadata": {"name": name(service), "namespace": namespace(service), "labels": labels},
            });
            if !subsets.is_empty() {
                object["subsets"] = json!(subsets);
            }
            pass.write(Write::Create { kind: &ENDPOINTS, object });
        }
    }
}
