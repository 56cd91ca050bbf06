//! ReplicaSets: as many pods as wanted.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use argo_core::time::{Timestamp, rfc3339};
use serde_json::{Value, json};

use super::kinds::{PODS, REPLICA_SETS};
use super::pass::{Pass, Write};
use super::read::{
    adopted, annotation, availability, controller_uid, count, generation, int, is_active, is_deleting, is_ready, label,
    labels, list, name, namespace, owner_reference, phase, ready_since, released, selects, text, time, uid,
    with_condition,
};
use super::world::World;

/// Lower goes first when pods have to go.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The condition that tells of pods that could not be created.
const REPLICA_FAILURE: &str = "ReplicaFailure";

/// The most pods created or deleted in one pass, as upstream's burst.
const BURST: i64 = 500;

/// `failure` says why pods could not be created at the last try.
pub(super) fn pass(world: &World, set: &Value, failure: Option<&str>, now: Timestamp) -> Pass {
    let mut pass = Pass::default();
    let selector = set.pointer("/spec/selector");
    let owner = owner_reference(set, REPLICA_SETS.api_version, REPLICA_SETS.kind);
    let mut pods = Vec::new();
    for pod in world.within(&PODS, namespace(set)) {
        let controller = controller_uid(pod);
        let matches = selects(selector, labels(pod));
        if controller == uid(set) {
            if matches || is_deleting(set) {
                pods.push(pod.clone());
            } else if !is_deleting(pod) {
                pass.write(Write::Update { kind: &PODS, object: released(pod, uid(set)) });
            }
        } else if controller.is_empty() && matches && !is_deleting(set) && is_active(pod) {
            pass.write(Write::Update { kind: &PODS, object: adopted(pod, &owner) });
            pods.push(pod.clone());
        }
    }
    let active: Vec<Arc<Value>> = pods.into_iter().filter(|pod| is_active(pod)).collect();
    if !is_deleting(set) {
        scale(set, &active, &owner, now, &mut pass);
    }
    status(set, &active, failure, now, &mut pass);
    pass
}

fn scale(set: &Value, active: &[Arc<Value>], owner: &Value, now: Timestamp, pass: &mut Pass) {
    let wanted = int(set, "/spec/replicas").unwrap_or(1);
    let have = i64::try_from(active.len()).unwrap_or(i64::MAX);
    for _ in 0..(wanted - have).clamp(0, BURST) {
        pass.write(Write::Create { kind: &PODS, object: pod_of(set, "/spec/template", owner) });
    }
    if have > wanted {
        let excess = usize::try_from((have - wanted).min(BURST)).unwrap_or(0);
        let mut victims = active.to_vec();
        let mut per_node: BTreeMap<&str, i64> = BTreeMap::new();
        for pod in active {
            *per_node.entry(text(pod, "/spec/nodeName")).or_default() += 1;
        }
        let crowd = |pod: &Value| per_node.get(text(pod, "/spec/nodeName")).copied().unwrap_or(0);
        victims.sort_by(|a, b| deletion_order(a, b, &crowd, now));
        for pod in &victims[..excess] {
            pass.write(Write::delete(&PODS, pod));
        }
    }
}

/// A new pod out of a template, named by the server.
pub(super) fn pod_of(owner_object: &Value, template: &str, owner: &Value) -> Value {
    let template = owner_object.pointer(template).unwrap_or(&Value::Null);
    let mut metadata = json!({
        "generateName": format!("{}-", name(owner_object)),
        "namespace": namespace(owner_object),
        "ownerReferences": [owner],
    });
    for member in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.pointer(&format!("/metadata/{member}")).filter(|value| !value.is_null()) {
            metadata[member] = value.clone();
        }
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec").cloned().unwrap_or_else(|| json!({}))})
}

/// Which pod goes first: unassigned, pending, not ready, cheap, crowded, ready for the shortest time, restarted most, youngest.
fn deletion_order(a: &Value, b: &Value, crowd: &impl Fn(&Value) -> i64, now: Timestamp) -> Ordering {
    let assigned = |pod: &Value| !text(pod, "/spec/nodeName").is_empty();
    let stage = |pod: &Value| match phase(pod) {
        "Running" => 2,
        "Unknown" => 1,
        _ => 0,
    };
    let cost = |pod: &Value| annotation(pod, DELETION_COST).and_then(|cost| cost.parse::<i64>().ok()).unwrap_or(0);
    let restarts = |pod: &Value| {
        list(pod, "/status/containerStatuses").iter().map(|it| count(it, "/restartCount")).max().unwrap_or(0)
    };
    let ready = |pod: &Value| ready_since(pod).unwrap_or(now);
    let created = |pod: &Value| time(pod, "/metadata/creationTimestamp").unwrap_or(now);
    assigned(a)
        .cmp(&assigned(b))
        .then_with(|| stage(a).cmp(&stage(b)))
        .then_with(|| is_ready(a).cmp(&is_ready(b)))
        .then_with(|| cost(a).cmp(&cost(b)))
        .then_with(|| crowd(b).cmp(&crowd(a)))
        .then_with(|| ready(b).cmp(&ready(a)))
        .then_with(|| restarts(b).cmp(&restarts(a)))
        .then_with(|| created(b).cmp(&created(a)))
        .then_with(|| name(b).cmp(name(a)))
}

fn status(set: &Value, active: &[Arc<Value>], failure: Option<&str>, now: Timestamp, pass: &mut Pass) {
    let min_ready = count(set, "/spec/minReadySeconds");
    let template = set.pointer("/spec/template/metadata/labels").and_then(Value::as_object);
    let labeled = active.iter().filter(|pod| {
        template.is_none_or(|wanted| wanted.iter().all(|(key, value)| label(pod, key) == value.as_str()))
    });
    let mut available = 0;
    for pod in active {
        match availability(pod, min_ready, now) {
            Ok(()) => available += 1,
            Err(Some(at)) => pass.wake_at(at),
            Err(None) => {}
        }
    }
    let (replicas, labeled, ready) = (active.len(), labeled.count(), active.iter().filter(|pod| is_ready(pod)).count());
    let mut status = json!({"replicas": replicas, "observedGeneration": generation(set)});
    for (field, number) in
        [("fullyLabeledReplicas", labeled), ("readyReplicas", ready), ("availableReplicas", available)]
    {
        if number > 0 {
            status[field] = json!(number);
        }
    }
    let mut conditions = list(set, "/status/conditions").to_vec();
    conditions.retain(|condition| failure.is_some() || text(condition, "/type") != REPLICA_FAILURE);
    if let Some(message) = failure {
        let condition =
            json!({"type": REPLICA_FAILURE, "status": "True", "reason": "FailedCreate", "message": message});
        conditions = with_condition(conditions, condition, &rfc3339(now));
    }
    if !conditions.is_empty() {
        status["conditions"] = Value::Array(conditions);
    }
    pass.status(&REPLICA_SETS, set, status);
}
