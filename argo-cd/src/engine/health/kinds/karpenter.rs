//! Karpenter: node claims from launch to ready.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule, suspended};

pub(super) const KINDS: &[Entry] = &[("karpenter.sh", "NodeClaim", Rule::Code(claim))];

fn claim(object: Look<'_>) -> Judged {
    let generation = object.at("metadata")?.get("generation");
    let observed = object.path("status.observedGeneration");
    if generation.present() && observed.present() && !generation.same(observed) {
        return progressing("Waiting for NodeClaim spec to be reconciled");
    }
    let holds = |kind: &str| object.conditions().find(|it| it.has(kind, "True"));
    if let Some(condition) = holds("Disrupting") {
        return suspended(condition.get("message").message());
    }
    for condition in object.conditions().filter(|it| it.get("type").is("Ready")) {
        let message = condition.get("message").message();
        match condition.get("status").str() {
            Some("True") => return healthy(message),
            Some("False") => return degraded(message),
            _ => {}
        }
    }
    let stages = [
        ("Initialized", "Node initialized, waiting for Ready"),
        ("Registered", "Node registered, waiting for initialization"),
        ("Launched", "Node launched, waiting for registration"),
    ];
    let reached = stages.iter().find(|(kind, _)| holds(kind).is_some());
    progressing(reached.map_or("Waiting for NodeClaim to be launched", |it| it.1))
}
