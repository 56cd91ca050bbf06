//! Puts pods on nodes: where they may be, where they would rather be, and who has to make room.
//!
//! ```text
//! pod ─► filter: which nodes take it ─► score: which it likes best ─► bind
//!            └─ none ─► preempt: whom to send away for it ─► nominated, and tried again once they are gone
//! ```

mod filter;
mod preempt;
mod quantity;
mod score;

use std::collections::BTreeMap;
use std::sync::Arc;

use argo_core::time::{Timestamp, rfc3339};
use serde_json::{Value, json};

use crate::simulator::kinds::{NODES, PODS};
use crate::simulator::pass::{Pass, Write};
use crate::simulator::read::{count, is_deleting, list, name, namespace, phase, text, uid, with_condition};
use crate::simulator::world::{Place, World};
use filter::Refusal;
pub(in crate::simulator) use filter::admits;
pub(in crate::simulator) use quantity::quantity;

/// A node with the pods on it.
#[derive(Clone, Debug)]
struct Site<'a> {
    node: &'a Value,
    pods: Vec<&'a Value>,
}

/// Everything the scheduler looks at.
#[derive(Clone, Debug)]
struct View<'a> {
    sites: Vec<Site<'a>>,
}

impl<'a> View<'a> {
    /// All nodes; a pod that was promised room on one counts as being there, for pods that are not more important.
    fn of(world: &'a World, pod: &Value) -> Self {
        let mut by_node: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for other in world.all(&PODS).map(Arc::as_ref).filter(|it| !matches!(phase(it), "Succeeded" | "Failed")) {
            let bound = text(other, "/spec/nodeName");
            let promised = text(other, "/status/nominatedNodeName");
            if !bound.is_empty() {
                by_node.entry(bound).or_default().push(other);
            } else if !promised.is_empty() && uid(other) != uid(pod) && priority(other) >= priority(pod) {
                by_node.entry(promised).or_default().push(other);
            }
        }
        let sites = world.all(&NODES).filter(|node| !is_deleting(node));
        Self { sites: sites.map(|node| Site { node, pods: by_node.remove(name(node)).unwrap_or_default() }).collect() }
    }
}

fn priority(pod: &Value) -> i64 {
    count(pod, "/spec/priority")
}

/// Finds a node for a pod that has none.
pub(in crate::simulator) fn schedule(world: &World, pod: &Value, now: Timestamp) -> Pass {
    let mut pass = Pass::default();
    if !text(pod, "/spec/nodeName").is_empty() || is_deleting(pod) || !list(pod, "/spec/schedulingGates").is_empty() {
        return pass;
    }
    let scheduler = text(pod, "/spec/schedulerName");
    if !matches!(scheduler, "" | "default-scheduler") {
        return pass;
    }
    let view = View::of(world, pod);
    let mut refusals: Vec<Option<Refusal>> = Vec::new();
    for site in &view.sites {
        refusals.push(filter::refusal(pod, site, &view));
    }
    let open: Vec<&Site<'_>> =
        view.sites.iter().zip(&refusals).filter(|(_, refusal)| refusal.is_none()).map(|(site, _)| site).collect();
    if let Some(site) = score::best(pod, &open, &view) {
        let place = Place::of(&PODS, namespace(pod), name(pod));
        pass.write(Write::Bind { pod: place, node: name(site.node).to_owned() });
        return pass;
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for refusal in refusals.iter().flatten() {
        *reasons.entry(refusal.reason.clone()).or_default() += 1;
    }
    let total = view.sites.len();
    let mut status = pod.get("status").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
    let message = if total == 0 {
        "no nodes available to schedule pods".to_owned()
    } else {
        let (victims, preemption) = preempt::choose(world, pod, &view, &refusals);
        if let Some(victims) = victims {
            for victim in victims.pods {
                preempt::send_away(victim, now, &mut pass);
            }
            status["nominatedNodeName"] = json!(victims.node);
        }
        format!("0/{total} nodes are available: {}. no new claims to deallocate, {preemption}", told(&reasons))
    };
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
    let conditions = list(pod, "/status/conditions").to_vec();
    status["phase"] = json!("Pending");
    status["conditions"] = Value::Array(with_condition(conditions, condition, &rfc3339(now)));
    pass.status(&PODS, pod, status);
    pass
}

/// Reasons with the number of nodes each holds for, in order of the text.
fn told(reasons: &BTreeMap<String, usize>) -> String {
    let mut texts: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    texts.sort();
    texts.join(", ")
}
