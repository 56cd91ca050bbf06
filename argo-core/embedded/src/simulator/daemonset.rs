//! DaemonSets: a pod on every node that takes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use argo_core::time::Timestamp;
use serde_json::{Value, json};

use super::kinds::{DAEMON_SETS, NODES, PODS};
use super::pass::{Pass, Write};
use super::pods;
use super::read::{
    annotation, availability, count, generation, is_deleting, is_ready, label, list, name, owner_reference, phase,
    portion, text,
};
use super::replicaset::pod_of;
use super::revision::{History, REVISION_HASH};
use super::world::World;

/// Counts the templates: on the DaemonSet as the server keeps it, and on its pods.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";
const POD_TEMPLATE_GENERATION: &str = "pod-template-generation";

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
    let mut template = pod_of(set, "/spec/template", &owner);
    if let Some(generation) = annotation(set, TEMPLATE_GENERATION) {
        template["metadata"]["labels"][POD_TEMPLATE_GENERATION] = json!(generation);
    }
    let probe = for_node(template.clone(), "", &hash);
    let nodes: Vec<&Arc<Value>> = world.all(&NODES).filter(|node| !is_deleting(node)).collect();
    let wanted: Vec<&str> = nodes.iter().filter(|node| pods::admits(&probe, node)).map(|node| name(node)).collect();
    let desired = i64::try_from(wanted.len()).unwrap_or(i64::MAX);
    let active = !is_deleting(set);
    let mut rolling = Rolling::of(set, desired);
    let (mut current, mut ready, mut available, mut updated) = (0_i64, 0_i64, 0_i64, 0_i64);
    let create = |node: &str| Write::Create { kind: &PODS, object: for_node(template.clone(), node, &hash) };
    for node in &wanted {
        let mut there: Vec<Arc<Value>> = per_node.remove(*node).unwrap_or_default();
        there.sort_by_key(|pod| (text(pod, "/metadata/creationTimestamp").to_owned(), name(pod).to_owned()));
        let (ended, alive): (Vec<_>, Vec<_>) =
            there.iter().cloned().partition(|pod| matches!(phase(pod), "Failed" | "Succeeded"));
        let Some(pod) = alive.first() else {
            if active {
                pass.writes.extend(ended.iter().filter(|pod| !is_deleting(pod)).map(|pod| Write::delete(&PODS, pod)));
                if there.is_empty() {
                    pass.write(create(node));
                }
            }
            rolling.lacking += 1;
            continue;
        };
        let state = |pod: &Arc<Value>, pass: &mut Pass| match availability(pod, min_ready, now) {
            Ok(()) => !is_deleting(pod),
            Err(at) => {
                at.into_iter().for_each(|at| pass.wake_at(at));
                false
            }
        };
        current += 1;
        ready += i64::from(is_ready(pod));
        available += i64::from(state(pod, &mut pass));
        updated += i64::from(label(pod, REVISION_HASH) == Some(hash.as_str()));
        // At most one pod of each revision stays, and with no surge at most one at all.
        let staying = alive.iter().filter(|pod| !is_deleting(pod));
        let (new, old): (Vec<_>, Vec<_>) =
            staying.cloned().partition(|pod| label(pod, REVISION_HASH) == Some(hash.as_str()));
        let mut excess: Vec<Arc<Value>> = new.iter().skip(1).chain(old.iter().skip(1)).cloned().collect();
        match (new.first(), old.first()) {
            (Some(new), Some(old)) if rolling.surge > 0 => {
                if state(new, &mut pass) || !is_ready(old) {
                    excess.push(old.clone());
                } else {
                    rolling.surged += 1;
                }
            }
            (Some(_), Some(_)) => excess.extend(alive.iter().skip(1).filter(|pod| !is_deleting(pod)).cloned()),
            (None, Some(old)) if rolling.surge > 0 => {
                let serves = state(old, &mut pass);
                rolling.candidates.push((serves, (*node).to_owned(), old.clone()));
            }
            (None, Some(old)) => {
                let serves = state(old, &mut pass);
                rolling.lacking += i64::from(!serves);
                rolling.candidates.push((serves, (*node).to_owned(), old.clone()));
            }
            (Some(new), None) => rolling.lacking += i64::from(!state(new, &mut pass)),
            (None, None) => rolling.lacking += 1,
        }
        if active {
            excess.dedup_by(|a, b| name(a) == name(b));
            pass.writes.extend(excess.iter().map(|pod| Write::delete(&PODS, pod)));
        }
    }
    // Pods on nodes that no longer take them.
    let misscheduled = per_node.values().map(Vec::len).sum::<usize>();
    if active {
        for pod in per_node.values().flatten().filter(|pod| !is_deleting(pod)) {
            pass.write(Write::delete(&PODS, pod));
        }
        rolling.roll(create, &mut pass);
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

/// How far an update may go now.
#[derive(Debug, Default)]
struct Rolling {
    /// Nothing is replaced but what is deleted by hand.
    on_delete: bool,
    /// How many nodes may do without, and how many may have two.
    unavailable: i64,
    surge: i64,
    /// Nodes that do without already, and that have two.
    lacking: i64,
    surged: i64,
    /// Whether it serves, its node, and a pod of an old revision.
    candidates: Vec<(bool, String, Arc<Value>)>,
}

impl Rolling {
    fn of(set: &Value, desired: i64) -> Self {
        let bound = |field: &str| {
            portion(set.pointer(&format!("/spec/updateStrategy/rollingUpdate/{field}")), desired, true).unwrap_or(0)
        };
        let on_delete = text(set, "/spec/updateStrategy/type") == "OnDelete";
        let (unavailable, surge) = (bound("maxUnavailable"), bound("maxSurge"));
        // One of them must let the update go on.
        let unavailable = if unavailable == 0 && surge == 0 { 1 } else { unavailable };
        Self { on_delete, unavailable, surge, ..Self::default() }
    }

    /// Replaces old pods: with surge by a second pod on the node, else by deletion. Those that do not serve are free.
    fn roll(mut self, create: impl Fn(&str) -> Write, pass: &mut Pass) {
        if self.on_delete {
            return;
        }
        self.candidates.sort_by_key(|(serves, _, pod)| (*serves, name(pod).to_owned()));
        let mut room = if self.surge > 0 { self.surge - self.surged } else { self.unavailable - self.lacking };
        for (serves, node, pod) in &self.candidates {
            if *serves {
                if room <= 0 {
                    break;
                }
                room -= 1;
            }
            pass.write(if self.surge > 0 { create(node) } else { Write::delete(&PODS, pod) });
        }
    }
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
