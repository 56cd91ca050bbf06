//! `podGC`: which pods go when.

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;

use crate::{
    api::{NodePhase, WorkflowPhase, WorkflowSpec},
    config::{Config, LabelSelector},
};

/// What is to be done with the pod of a step that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodGc {
    /// It stays, labelled as completed.
    Keep,
    /// It goes after this long.
    Delete(Duration),
}

/// Decides about the pod of a node in `phase`; `labels` are the pod's, `workflow` is where the workflow is.
/// The delay is the workflow's own, or else the configuration's.
#[must_use]
pub fn pod_gc<'l>(
    spec: &WorkflowSpec,
    config: &Config,
    phase: NodePhase,
    workflow: WorkflowPhase,
    labels: impl Fn(&str) -> Option<&'l str>,
) -> PodGc {
    let Some(gc) = spec.extra.get("podGC").filter(|it| it.is_object()) else { return PodGc::Keep };
    let strategy = gc.get("strategy").and_then(Value::as_str).unwrap_or_default();
    let is_due = match strategy {
        "OnPodCompletion" => phase.is_completed(),
        "OnPodSuccess" => phase == NodePhase::Succeeded,
        "OnWorkflowCompletion" => workflow.is_completed(),
        "OnWorkflowSuccess" => workflow == WorkflowPhase::Succeeded,
        _ => false,
    };
    if !is_due || !gc.get("labelSelector").is_none_or(|it| selects(it, &labels)) {
        return PodGc::Keep;
    }
    let delay = gc.get("deleteDelayDuration").and_then(Value::as_str).and_then(|it| {
        let parsed = argo_lang::duration::parse_or_seconds(it).ok()?;
        Duration::try_from(parsed).ok()
    });
    PodGc::Delete(delay.unwrap_or_else(|| config.pod_gc_delay()))
}

/// Whether a label selector matches; one that can not be read matches nothing.
fn selects<'l>(selector: &Value, labels: &impl Fn(&str) -> Option<&'l str>) -> bool {
    LabelSelector::deserialize(selector).is_ok_and(|it| it.matches_by(labels))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_go_by_strategy_selector_and_delay() {
        let of = |gc: Value| -> WorkflowSpec { serde_json::from_value(json!({"podGC": gc})).unwrap() };
        let labels = |key: &str| (key == "app").then_some("a");
        let decide = |gc: Value, phase, workflow| pod_gc(&of(gc), &Config::default(), phase, workflow, labels);
        use NodePhase::{Failed, Succeeded};
        use WorkflowPhase::Running;
        let five = PodGc::Delete(Duration::from_secs(5));
        assert_eq!(decide(json!(null), Succeeded, Running), PodGc::Keep);
        assert_eq!(decide(json!({"strategy": "OnPodCompletion"}), Failed, Running), five);
        assert_eq!(decide(json!({"strategy": "OnPodSuccess"}), Failed, Running), PodGc::Keep);
        assert_eq!(decide(json!({"strategy": "OnWorkflowSuccess"}), Succeeded, Running), PodGc::Keep);
        assert_eq!(decide(json!({"strategy": "OnWorkflowSuccess"}), Failed, WorkflowPhase::Succeeded), five);
        let gc = json!({"strategy": "OnPodSuccess", "deleteDelayDuration": "1m", "labelSelector": {"matchLabels": {"app": "a"}}});
        assert_eq!(decide(gc, Succeeded, Running), PodGc::Delete(Duration::from_secs(60)));
        let gc = json!({"strategy": "OnPodSuccess", "labelSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}});
        assert_eq!(decide(gc, Succeeded, Running), PodGc::Keep);
    }
}
