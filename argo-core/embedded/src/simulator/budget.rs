//! Disruption budgets: how many pods may go.

use std::sync::Arc;

use argo_core::time::{Timestamp, rfc3339};
use serde_json::{Value, json};

use super::kinds::{BUDGETS, PODS};
use super::pass::Pass;
use super::read::{
    controller_of, generation, int, is_deleting, is_ready, labels, list, namespace, phase, portion, selects, text,
    with_condition,
};
use super::world::World;

pub(super) fn pass(world: &World, budget: &Value, now: Timestamp) -> Pass {
    let mut pass = Pass::default();
    if is_deleting(budget) {
        return pass;
    }
    let selector = budget.pointer("/spec/selector");
    // An empty selector is all pods of the namespace here.
    let all = selector.and_then(Value::as_object).is_some_and(serde_json::Map::is_empty);
    let pods: Vec<&Arc<Value>> = world
        .within(&PODS, namespace(budget))
        .filter(|pod| (all || selects(selector, labels(pod))) && !matches!(phase(pod), "Succeeded" | "Failed"))
        .collect();
    let healthy =
        i64::try_from(pods.iter().filter(|pod| is_ready(pod) && !is_deleting(pod)).count()).unwrap_or(i64::MAX);
    let count = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    let expected = expected(world, &pods).max(0);
    let (expected, desired) = match (budget.pointer("/spec/maxUnavailable"), budget.pointer("/spec/minAvailable")) {
        (Some(value), _) if !value.is_null() => {
            let may = portion(Some(value), expected, true).unwrap_or(0);
            (expected, (expected - may).max(0))
        }
        (_, Some(Value::String(percent))) => (expected, portion(Some(&json!(percent)), expected, true).unwrap_or(0)),
        (_, Some(number)) => (count, number.as_i64().unwrap_or(0)),
        _ => (count, 0),
    };
    let allowed = if expected <= 0 { 0 } else { (healthy - desired).max(0) };
    let stamp = rfc3339(now);
    let reason = if allowed > 0 { "SufficientPods" } else { "InsufficientPods" };
    let condition = json!({
        "type": "DisruptionAllowed", "status": if allowed > 0 { "True" } else { "False" }, "reason": reason, "message": "",
        "observedGeneration": generation(budget),
    });
    let mut status = json!({
        "observedGeneration": generation(budget),
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "conditions": with_condition(list(budget, "/status/conditions").to_vec(), condition, &stamp),
    });
    // Evictions under way count until the pod is seen to go.
    if let Some(disrupted) = budget.pointer("/status/disruptedPods").and_then(Value::as_object) {
        let still = |name: &str| pods.iter().any(|pod| super::read::name(pod) == name && !is_deleting(pod));
        let kept: serde_json::Map<String, Value> =
            disrupted.iter().filter(|(name, _)| still(name)).map(|(name, at)| (name.clone(), at.clone())).collect();
        if !kept.is_empty() {
            status["disruptedPods"] = Value::Object(kept);
        }
    }
    pass.status(&BUDGETS, budget, status);
    pass
}

/// How many pods the controllers of these pods want.
fn expected(world: &World, pods: &[&Arc<Value>]) -> i64 {
    let mut seen = std::collections::BTreeSet::new();
    let mut sum = 0;
    for pod in pods {
        let Some(owner) = controller_of(pod) else {
            sum += 1;
            continue;
        };
        let Some((_, mut owner)) = world.by_uid(text(owner, "/uid")) else {
            sum += 1;
            continue;
        };
        // A Deployment (or whatever scales the set) has the last word.
        if let Some((_, above)) = controller_of(owner).and_then(|above| world.by_uid(text(above, "/uid")))
            && int(above, "/spec/replicas").is_some()
        {
            owner = above;
        }
        if seen.insert(text(owner, "/metadata/uid").to_owned()) {
            sum += int(owner, "/spec/replicas")
                .unwrap_or_else(|| int(owner, "/status/desiredNumberScheduled").unwrap_or(1));
        }
    }
    sum
}
