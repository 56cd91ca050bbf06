//! The phase of a Rollout, and its words.

use crate::api::{CanaryStep, RolloutSpec, RolloutStatus, names};

/// Phase and message, by the first rule that applies.
#[must_use]
pub fn phase_of(spec: &RolloutSpec, status: &RolloutStatus) -> (&'static str, String) {
    for condition in &status.conditions {
        if condition.kind == names::condition::INVALID_SPEC {
            let message = format!("{}: {}", names::condition::INVALID_SPEC, condition.message);
            return (names::phase::DEGRADED, message);
        }
        if [names::reason::ABORTED, names::reason::TIMED_OUT].contains(&condition.reason.as_str()) {
            return (names::phase::DEGRADED, format!("{}: {}", condition.reason, condition.message));
        }
    }
    if spec.paused {
        return (names::phase::PAUSED, "manually paused".to_owned());
    }
    if let Some(pause) = status.pause_conditions.first() {
        return (names::phase::PAUSED, pause.reason.clone());
    }
    let progressing = |message: &str| (names::phase::PROGRESSING, message.to_owned());
    if spec.restart_at.is_some() && spec.restart_at != status.restarted_at {
        return progressing("rollout is restarting");
    }
    if status.updated_replicas < spec.replicas() {
        return progressing("more replicas need to be updated");
    }
    if status.available_replicas < status.updated_replicas {
        return progressing("updated replicas are still becoming available");
    }
    let promoted = !status.stable_rs.is_empty() && status.stable_rs == status.current_pod_hash;
    if spec.strategy.blue_green.is_some() {
        let active = &status.blue_green.active_selector;
        if active.is_empty() || *active != status.current_pod_hash {
            return progressing("active service cutover pending");
        }
        if !promoted {
            let analysed = spec.strategy.blue_green.as_ref().is_none_or(|it| it.post_promotion_analysis.is_none());
            let run = status.blue_green.post_promotion_analysis_run_status.as_ref();
            return progressing(if analysed || run.is_some_and(|it| it.phase.is_complete()) {
                "waiting for post-promotion verification to complete"
            } else {
                "waiting for analysis to complete"
            });
        }
    } else if let Some(canary) = &spec.strategy.canary {
        if canary.traffic_routing.is_none() && status.replicas > status.updated_replicas {
            return progressing("old replicas are pending termination");
        }
        if !promoted {
            return progressing("waiting for all steps to complete");
        }
    }
    (names::phase::HEALTHY, String::new())
}

/// A step in words, as events and clients show it: `setWeight: 20`, `pause: 10s`.
#[must_use]
pub fn step_text(step: &CanaryStep) -> String {
    if let Some(weight) = step.set_weight {
        return format!("setWeight: {weight}");
    }
    if let Some(pause) = &step.pause {
        return pause.duration.as_ref().map_or_else(|| "pause".to_owned(), |it| format!("pause: {it}"));
    }
    if step.experiment.is_some() {
        return "experiment".to_owned();
    }
    if step.analysis.is_some() {
        return "analysis".to_owned();
    }
    if let Some(scale) = &step.set_canary_scale {
        if let Some(weight) = scale.weight {
            return format!("setCanaryScale{{weight: {weight}}}");
        }
        if scale.match_traffic_weight {
            return "setCanaryScale{matchTrafficWeight: true}".to_owned();
        }
        if let Some(replicas) = scale.replicas {
            return format!("setCanaryScale{{replicas: {replicas}}}");
        }
    }
    let plugin = step.plugin.as_ref().map(|it| it.get("name").and_then(|it| it.as_str()).unwrap_or_default());
    let header = step.set_header_route.as_ref().map(|it| it.name.as_str());
    let mirror = step.set_mirror_route.as_ref().map(|it| it.name.as_str());
    for (kind, name) in [("plugin", plugin), ("setHeaderRoute", header), ("setMirrorRoute", mirror)] {
        if let Some(name) = name {
            return format!("{kind}: {name}");
        }
    }
    "invalid".to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_read_as_upstream_prints_them() {
        for (step, text) in [
            (json!({"setWeight": 20}), "setWeight: 20"),
            (json!({"pause": {}}), "pause"),
            (json!({"pause": {"duration": "10s"}}), "pause: 10s"),
            (json!({"pause": {"duration": 10}}), "pause: 10"),
            (json!({"analysis": {}}), "analysis"),
            (json!({"setCanaryScale": {"weight": 20}}), "setCanaryScale{weight: 20}"),
            (json!({"setCanaryScale": {"matchTrafficWeight": true}}), "setCanaryScale{matchTrafficWeight: true}"),
            (json!({"plugin": {"name": "a/b"}}), "plugin: a/b"),
            (json!({}), "invalid"),
        ] {
            assert_eq!(step_text(&serde_json::from_value(step).unwrap()), text);
        }
    }
}
