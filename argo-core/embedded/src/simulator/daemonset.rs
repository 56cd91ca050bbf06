//! DaemonSets: a pod on every node that takes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use argo_core::time::Timestamp;
use serde_json::{Value, json};

use super::kinds::{DAEMON_SETS, NODES, PODS};
use super::pass::{Pass, Write};
use super::pods;
use super::read::{
    availability, count, generation, is_deleting, is_ready, label, list, name, owner_reference, phase, portion, text,
};
use super::replicaset::pod_of;
use super::revision::{History, REVISION_HASH};
use super::world::World;

/// The taints that DaemonSets do not mind.
const TOLERATED: [&str; 6] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
];

pub(super) fn pass(world: &World, set: &Value, now: Timestamp) -> Pass {
    let mut pass = Pass::default();
    let history = History::of(world, &DAEMON_SETS, set, &mut pass);
    let hash = history.update.rsplit('-').next().unwrap_or_default().to_owned();
    let owner = owner_reference(set, DAEMON_SETS.api_version, DAEMON_SETS.kind);
    let mut per_node: BTreeMap<String, Vec<Arc<Value>>> = BTreeMap::new();
    for pod in world.controlled(&PODS, set) {
        per_node.entry(target_node(&pod).to_owned()).or_default().push(pod);
    }
    let min_ready = count(set, "/spec/minReadySeconds");
    let template = pod_of(set, "/spec/template", &owner);
    let probe = for_node(template.clone(), "", &hash);
    let nodes: Vec<&Arc<Value>> = world.all(&NODES).filter(|node| !is_deleting(node)).collect();
    let wanted: Vec<&str> = nodes.iter().filter(|node| pods::admits(&probe, node)).map(|node| name(node)).collect();
    let active = !is_deleting(set);
    let (mut current, mut ready, mut available, mut updated) = (0_i64, 0_i64, 0_i64, 0_i64);
    let mut old = Vec::new();
    for node in &wanted {
        let mut there: Vec<Arc<Value>> = per_node.remove(*node).unwrap_or_default();
        there.sort_by_key(|pod| (text(pod, "/metadata/creationTimestamp").to_owned(), name(pod).to_owned()));
        let ended = there
            .iter()
            .filter(|pod| matches!(phase(pod), "Failed" | "Succeeded") && !is_deleting(pod))
            .cloned()
            .collect::<Vec<_>>();
        let mut alive = there.iter().filter(|pod| !matches!(phase(pod), "Failed" | "Succeeded"));
        let Some(pod) = alive.next() else {
            if active {
                pass.writes.extend(ended.iter().map(|pod| Write::delete(&PODS, pod)));
                if there.is_empty() {
                    pass.write(Write::Create { kind: &PODS, object: for_node(template.clone(), node, &hash) });
                }
            }
            continue;
        };
        if active {
            pass.writes.extend(alive.filter(|pod| !is_deleting(pod)).map(|pod| Write::delete(&PODS, pod)));
        }
        current += 1;
        ready += i64::from(is_ready(pod));
        match availability(pod, min_ready, now) {
            Ok(()) => available += i64::from(!is_deleting(pod)),
            Err(Some(at)) => pass.wake_at(at),
            Err(None) => {}
        }
        if label(pod, REVISION_HASH) == Some(hash.as_str()) {
            updated += 1;
        } else if !is_deleting(pod) {
            old.push(pod.clone());
        }
    }
    // Pods on nodes that no longer take them.
    let misscheduled = per_node.values().map(Vec::len).sum::<usize>();
    let desired = i64::try_from(wanted.len()).unwrap_or(i64::MAX);
    if active {
        for pod in per_node.values().flatten().filter(|pod| !is_deleting(pod)) {
            pass.write(Write::delete(&PODS, pod));
        }
        if text(set, "/spec/updateStrategy/type") != "OnDelete" {
            let one = json!(1);
            let may =
                portion(set.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable").or(Some(&one)), desired, true)
                    .unwrap_or(1)
                    .max(1);
            let mut room = may - (desired - available);
            // Those that do not serve anyway go first and take no room.
            old.sort_by_key(|pod| (is_ready(pod), name(pod).to_owned()));
            for pod in old {
                if availability(&pod, min_ready, now).is_ok() {
                    if room <= 0 {
                        break;
                    }
                    room -= 1;
                }
                pass.write(Write::delete(&PODS, &pod));
            }
        }
        history.trim(set, &|_| false, &mut pass);
    }
    let mut status = json!({
        "currentNumberScheduled": current,
        "numberMisscheduled": misscheduled,
        "desiredNumberScheduled": desired,
        "numberReady": ready,
        "observedGeneration": generation(set),
    });
    for (field, number) in [
        ("updatedNumberScheduled", updated),
        ("numberAvailable", available),
        ("numberUnavailable", (desired - available).max(0)),
    ] {
        if number > 0 {
            status[field] = json!(number);
        }
    }
    pass.status(&DAEMON_SETS, set, status);
    pass
}

/// The node a pod of a DaemonSet is for, also before it is there.
fn target_node(pod: &Value) -> &str {
    let node = text(pod, "/spec/nodeName");
    if !node.is_empty() {
        return node;
    }
    let terms =
        list(pod, "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    let mut fields = terms.iter().flat_map(|term| list(term, "/matchFields"));
    fields
        .find(|field| text(field, "/key") == "metadata.name")
        .and_then(|field| list(field, "/values").first())
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn for_node(mut pod: Value, node: &str, hash: &str) -> Value {
    pod["metadata"]["labels"][REVISION_HASH] = json!(hash);
    let mut tolerations = list(&pod, "/spec/tolerations").to_vec();
    tolerations.extend(TOLERATED.iter().map(|key| {
        let effect =
            if key.ends_with("not-ready") || key.ends_with("unreachable") { "NoExecute" } else { "NoSchedule" };
        json!({"key": key, "operator": "Exists", "effect": effect})
    }));
    pod["spec"]["tolerations"] = Value::Array(tolerations);
    if !node.is_empty() {
        let field = json!({"key": "metadata.name", "operator": "In", "values": [node]});
        let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
        match pod.pointer_mut(required).and_then(Value::as_array_mut).filter(|terms| !terms.is_empty()) {
            Some(terms) => terms.iter_mut().for_each(|term| term["matchFields"] = json!([field])),
            None => {
                pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
                    json!({"nodeSelectorTerms": [{"matchFields": [field]}]});
            }
        }
    }
    pod
}
