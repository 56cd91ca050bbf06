//! Room for more important pods: which less important ones have to go.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use argo_core::time::{Timestamp, rfc3339};
use serde_json::{Value, json};

use super::filter::{Refusal, refusal};
use super::{View, priority, told};
use crate::simulator::kinds::{BUDGETS, PODS};
use crate::simulator::pass::{Pass, Write};
use crate::simulator::read::{count, is_deleting, labels, list, name, namespace, selects, text, time, with_condition};
use crate::simulator::world::World;

/// Who goes, and from where.
pub(super) struct Victims<'a> {
    pub(super) node: String,
    pub(super) pods: Vec<&'a Value>,
}

/// The victims, if sending some away helps; and what the message says of it.
pub(super) fn choose<'a>(
    world: &World,
    pod: &Value,
    view: &View<'a>,
    refusals: &[Option<Refusal>],
) -> (Option<Victims<'a>>, String) {
    let said = |why: &str| format!("preemption: {why}");
    if text(pod, "/spec/preemptionPolicy") == "Never" {
        return (None, said("not eligible due to preemptionPolicy=Never."));
    }
    let promised = text(pod, "/status/nominatedNodeName");
    let leaving = view.sites.iter().any(|site| {
        name(site.node) == promised
            && site.pods.iter().any(|other| is_deleting(other) && priority(other) < priority(pod))
    });
    if leaving {
        return (None, said("not eligible due to a terminating pod on the nominated node."));
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut found: Vec<Victims<'a>> = Vec::new();
    for (at, refusal) in refusals.iter().enumerate() {
        let crowded = refusal.as_ref().is_some_and(|refusal| refusal.crowded);
        match crowded.then(|| victims(pod, view, at)).flatten() {
            Some(victims) => found.push(victims),
            None => {
                let why = if crowded {
                    "No preemption victims found for incoming pod"
                } else {
                    "Preemption is not helpful for scheduling"
                };
                *reasons.entry(why.to_owned()).or_default() += 1;
            }
        }
    }
    // Fewest broken budgets, least important victims, fewest of them, the youngest; then by name.
    let cheapest = found.into_iter().min_by_key(|victims| {
        let pods = &victims.pods;
        let broken = pods.iter().filter(|victim| is_protected(world, victim)).count();
        let highest = pods.iter().map(|victim| priority(victim)).max();
        let sum: i64 = pods.iter().map(|victim| priority(victim).saturating_add(i64::from(i32::MAX))).sum();
        let eldest = pods.iter().filter_map(|victim| time(victim, "/status/startTime")).min();
        (broken, highest, sum, pods.len(), Reverse(eldest), victims.node.clone())
    });
    let total = view.sites.len();
    (cheapest, said(&format!("0/{total} nodes are available: {}.", told(&reasons))))
}

/// Whom the pod would drive away from one node: all that are less important, but for those beside whom there is room.
fn victims<'a>(pod: &Value, view: &View<'a>, at: usize) -> Option<Victims<'a>> {
    let mut without = view.clone();
    let (mut lesser, rest): (Vec<&Value>, Vec<&Value>) =
        view.sites[at].pods.iter().copied().partition(|other| priority(other) < priority(pod));
    if lesser.is_empty() {
        return None;
    }
    without.sites[at].pods = rest;
    let fits = |view: &View<'_>| refusal(pod, &view.sites[at], view).is_none();
    if !fits(&without) {
        return None;
    }
    // The most important, and the longest there, are spared first.
    lesser.sort_by_key(|other| (Reverse(priority(other)), time(other, "/status/startTime"), name(other).to_owned()));
    let mut pods = Vec::new();
    for other in lesser {
        without.sites[at].pods.push(other);
        if !fits(&without) {
            without.sites[at].pods.pop();
            pods.push(other);
        }
    }
    Some(Victims { node: name(view.sites[at].node).to_owned(), pods })
}

fn is_protected(world: &World, victim: &Value) -> bool {
    world.within(&BUDGETS, namespace(victim)).any(|budget| {
        selects(budget.pointer("/spec/selector"), labels(victim)) && count(budget, "/status/disruptionsAllowed") <= 0
    })
}

/// Deletes a victim, which says why.
pub(super) fn send_away(victim: &Value, now: Timestamp, pass: &mut Pass) {
    if is_deleting(victim) {
        return;
    }
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
        "message": "default-scheduler: preempting to accommodate a higher priority pod",
    });
    let mut object = victim.clone();
    object["status"]["conditions"] =
        Value::Array(with_condition(list(victim, "/status/conditions").to_vec(), condition, &rfc3339(now)));
    pass.write(Write::Status { kind: &PODS, object });
    pass.write(Write::delete(&PODS, victim));
}
