//! Puts pods on nodes: selectors, affinity to nodes, taints, and what fits.

use std::collections::BTreeMap;

use argo_core::time::{Timestamp, rfc3339};
use serde_json::{Value, json};

use crate::simulator::kinds::{NODES, PODS};
use crate::simulator::pass::{Pass, Write};
use crate::simulator::read::{
    expression_holds, flag, is_deleting, label, list, name, namespace, phase, text, with_condition,
};
use crate::simulator::world::{Place, World};

/// Finds a node for a pod that has none: the one with the fewest pods of those that will take it.
pub(in crate::simulator) fn schedule(world: &World, pod: &Value, now: Timestamp) -> Pass {
    let mut pass = Pass::default();
    if !text(pod, "/spec/nodeName").is_empty() || is_deleting(pod) || !list(pod, "/spec/schedulingGates").is_empty() {
        return pass;
    }
    let scheduler = text(pod, "/spec/schedulerName");
    if !matches!(scheduler, "" | "default-scheduler") {
        return pass;
    }
    let mut used: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for other in world.all(&PODS).filter(|other| !matches!(phase(other), "Succeeded" | "Failed")) {
        used.entry(text(other, "/spec/nodeName")).or_default().push(other);
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut best: Option<(usize, &str)> = None;
    let mut nodes = 0;
    for node in world.all(&NODES) {
        nodes += 1;
        let there = used.get(name(node)).map_or(&[][..], Vec::as_slice);
        match refusal(pod, node, there) {
            Some(reason) => *reasons.entry(reason).or_default() += 1,
            None if best.is_none_or(|(fewest, _)| there.len() < fewest) => best = Some((there.len(), name(node))),
            None => {}
        }
    }
    if let Some((_, node)) = best {
        pass.write(Write::Bind { pod: Place::of(&PODS, namespace(pod), name(pod)), node: node.to_owned() });
        return pass;
    }
    let why: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let message = if nodes == 0 {
        "no nodes available to schedule pods".to_owned()
    } else {
        format!("0/{nodes} nodes are available: {}.", why.join(", "))
    };
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
    let mut status = pod.get("status").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
    let conditions = list(pod, "/status/conditions").to_vec();
    status["phase"] = json!("Pending");
    status["conditions"] = Value::Array(with_condition(conditions, condition, &rfc3339(now)));
    pass.status(&PODS, pod, status);
    pass
}

/// Whether a node takes a pod of a DaemonSet, which does not care what else is there.
pub(in crate::simulator) fn admits(pod: &Value, node: &Value) -> bool {
    selected(pod, node) && tolerated(pod, node).is_none()
}

fn refusal(pod: &Value, node: &Value, there: &[&Value]) -> Option<String> {
    if flag(node, "/spec/unschedulable") && !tolerates(pod, "node.kubernetes.io/unschedulable", "", "NoSchedule") {
        return Some("node(s) were unschedulable".to_owned());
    }
    if let Some(taint) = tolerated(pod, node) {
        return Some(format!("node(s) had untolerated taint {{{taint}}}"));
    }
    if !selected(pod, node) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    let room = |resource: &str| node.pointer(&format!("/status/allocatable/{resource}")).and_then(quantity);
    if room("pods").is_some_and(|room| there.len() >= usize::try_from(room / 1000).unwrap_or(usize::MAX)) {
        return Some("Too many pods".to_owned());
    }
    for resource in ["cpu", "memory"] {
        let asked = requests(pod, resource);
        let taken: i128 = there.iter().map(|other| requests(other, resource)).sum();
        if asked > 0 && room(resource).is_some_and(|room| taken + asked > room) {
            return Some(format!("Insufficient {resource}"));
        }
    }
    anti_affinity(pod, there).then(|| "node(s) didn't match pod anti-affinity rules".to_owned())
}

/// Whether a pod on the node (the topology is always the node here) is one the pod must not be with.
fn anti_affinity(pod: &Value, there: &[&Value]) -> bool {
    let terms = list(pod, "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution");
    terms.iter().any(|term| {
        let selector = term.get("labelSelector");
        text(term, "/topologyKey") == "kubernetes.io/hostname"
            && there.iter().any(|other| {
                namespace(other) == namespace(pod)
                    && crate::simulator::read::selects(selector, crate::simulator::read::labels(other))
            })
    })
}

fn selected(pod: &Value, node: &Value) -> bool {
    let wanted = pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
    if !wanted.into_iter().flatten().all(|(key, value)| label(node, key) == value.as_str()) {
        return false;
    }
    let terms =
        list(pod, "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    terms.is_empty()
        || terms.iter().any(|term| {
            let (labels, fields) = (list(term, "/matchExpressions"), list(term, "/matchFields"));
            (!labels.is_empty() || !fields.is_empty())
                && labels.iter().all(|it| expression_holds(it, label(node, text(it, "/key"))))
                && fields.iter().all(|it| text(it, "/key") == "metadata.name" && expression_holds(it, Some(name(node))))
        })
}

/// The first taint that keeps the pod away.
fn tolerated(pod: &Value, node: &Value) -> Option<String> {
    list(node, "/spec/taints").iter().find_map(|taint| {
        let (key, value, effect) = (text(taint, "/key"), text(taint, "/value"), text(taint, "/effect"));
        let keeps_away = matches!(effect, "NoSchedule" | "NoExecute") && !tolerates(pod, key, value, effect);
        keeps_away.then(|| format!("{key}: {value}"))
    })
}

fn tolerates(pod: &Value, key: &str, value: &str, effect: &str) -> bool {
    list(pod, "/spec/tolerations").iter().any(|toleration| {
        let (its_key, operator) = (text(toleration, "/key"), text(toleration, "/operator"));
        let its_effect = text(toleration, "/effect");
        (its_effect.is_empty() || its_effect == effect)
            && match operator {
                "Exists" => its_key.is_empty() || its_key == key,
                _ => its_key == key && text(toleration, "/value") == value,
            }
    })
}

/// What a pod asks for, in thousandths.
fn requests(pod: &Value, resource: &str) -> i128 {
    let of = |container: &Value| {
        container.pointer(&format!("/resources/requests/{resource}")).and_then(quantity).unwrap_or(0)
    };
    let main: i128 = list(pod, "/spec/containers").iter().map(of).sum();
    let init = list(pod, "/spec/initContainers").iter().map(of).max().unwrap_or(0);
    main.max(init)
}

/// A Kubernetes quantity in thousandths.
pub(in crate::simulator) fn quantity(value: &Value) -> Option<i128> {
    let text = match value {
        Value::Number(number) => return number.as_i64().map(|it| i128::from(it) * 1000),
        Value::String(text) => text.as_str(),
        _ => return None,
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut thousandths: i128 = whole.parse::<i64>().ok().map(i128::from)? * 1000;
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    thousandths += digits.parse::<i128>().ok()?;
    let factor: i128 = match suffix {
        "" => 1,
        "m" => return Some(thousandths / 1000),
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    Some(thousandths * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_in_thousandths() {
        for (text, thousandths) in [("1", 1000), ("100m", 100), ("0.5", 500), ("1Ki", 1_024_000), ("2k", 2_000_000)] {
            assert_eq!(quantity(&json!(text)), Some(thousandths), "{text}");
        }
        assert_eq!(quantity(&json!("nonsense")), None);
    }
}
