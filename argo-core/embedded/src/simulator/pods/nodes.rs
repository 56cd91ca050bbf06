//! Nodes that drive their pods away, or are no more.

use std::time::Duration;

use argo_core::time::{Timestamp, after};
use serde_json::Value;

use crate::simulator::kinds::PODS;
use crate::simulator::pass::{Pass, Write};
use crate::simulator::read::{int, is_deleting, list, name, phase, text, time};
use crate::simulator::world::World;

/// Deletes the pods that do not tolerate a `NoExecute` taint, at once or after the seconds they tolerate it.
pub(in crate::simulator) fn evict(world: &World, node: &Value, now: Timestamp) -> Pass {
    let mut pass = Pass::default();
    let taints: Vec<&Value> =
        list(node, "/spec/taints").iter().filter(|taint| text(taint, "/effect") == "NoExecute").collect();
    if taints.is_empty() {
        return pass;
    }
    let here = world.all(&PODS).filter(|pod| text(pod, "/spec/nodeName") == name(node));
    for pod in here.filter(|pod| !is_deleting(pod) && !matches!(phase(pod), "Succeeded" | "Failed")) {
        let ends: Vec<Option<Timestamp>> = taints.iter().filter_map(|taint| tolerated_until(pod, taint, now)).collect();
        match ends.iter().flatten().min() {
            _ if ends.contains(&None) => pass.write(Write::delete(&PODS, pod)),
            Some(at) if *at <= now => pass.write(Write::delete(&PODS, pod)),
            Some(at) => pass.wake_at(*at),
            None => {}
        }
    }
    pass
}

/// How long a pod stays with a taint: nothing for ever, `None` not at all.
fn tolerated_until(pod: &Value, taint: &Value, now: Timestamp) -> Option<Option<Timestamp>> {
    let matching = list(pod, "/spec/tolerations").iter().filter(|toleration| {
        let (key, effect) = (text(toleration, "/key"), text(toleration, "/effect"));
        let same_value =
            text(toleration, "/operator") == "Exists" || text(toleration, "/value") == text(taint, "/value");
        (effect.is_empty() || effect == "NoExecute") && (key.is_empty() || key == text(taint, "/key")) && same_value
    });
    let mut seconds: Vec<Option<i64>> = matching.map(|toleration| int(toleration, "/tolerationSeconds")).collect();
    seconds.sort();
    match seconds.first() {
        None => Some(None),
        Some(None) if seconds.iter().all(Option::is_none) => None,
        _ => {
            let shortest = seconds.into_iter().flatten().min().unwrap_or(0);
            let since = time(taint, "/timeAdded").unwrap_or(now);
            Some(Some(after(since, Duration::from_secs(shortest.max(0).unsigned_abs()))))
        }
    }
}

/// The pods of a node that is gone go without grace: nobody is there to stop them.
pub(in crate::simulator) fn lost(world: &World, node: &str) -> Pass {
    let mut pass = Pass::default();
    for pod in world.all(&PODS).filter(|pod| text(pod, "/spec/nodeName") == node) {
        let mut delete = Write::delete(&PODS, pod);
        if let Write::Delete { grace, propagation, .. } = &mut delete {
            *grace = Some(0);
            *propagation = None;
        }
        pass.write(delete);
    }
    pass
}
