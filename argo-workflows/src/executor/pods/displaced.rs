//! Pods that fail before their work begins, for reasons outside of it: pure.
//!
//! Source of the rules: `analyzePodForRestart` of upstream's controller (v4.1.2).

use argo_core::Object;
use serde_json::Value;

use crate::{
    api::{NodePhase, Template},
    engine::{Displaced, StepResult},
    exec::outputs::main_containers,
};

/// Reasons of the kubelet that say nothing of the work.
const REASONS: [&str; 4] = ["Evicted", "NodeShutdown", "NodeAffinity", "UnexpectedAdmissionError"];

/// What is to be done about a pod that failed so; `None` where it did not. `template` is that of its node.
pub(super) fn displaced(pod: &Object, template: &Template, limit: u32) -> Option<Displaced> {
    let (reason, message) = (pod.text("/status/reason"), pod.text("/status/message"));
    if pod.text("/status/phase") != "Failed" || !REASONS.contains(&reason) {
        return None;
    }
    let mains = main_containers(template);
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
    let began = statuses.into_iter().flatten().filter(|it| mains.iter().any(|name| it["name"] == **name)).any(|it| {
        let is_set = |pointer: &str| it.pointer(pointer).is_some_and(|it| !it.is_null());
        is_set("/state/running") || is_set("/lastState/running") || is_set("/state/terminated/startedAt")
    });
    (!began).then(|| Displaced {
        pod_uid: pod.uid().to_owned(),
        cause: format!("{reason}: {message}"),
        limit,
        result: StepResult { phase: NodePhase::Failed, message: message.to_owned(), ..StepResult::default() },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(reason: &str, main: &Value) -> Object {
        Object::from_value(
            json!({"metadata": {"name": "p", "uid": "u"}, "status": {"phase": "Failed", "reason": reason,
            "message": "low", "containerStatuses": [{"name": "wait", "state": {"terminated": {"startedAt": "x"}}}, {"name": "main", "state": main}]}}),
        )
    }

    #[test]
    fn only_pods_whose_work_never_began_are_displaced() {
        let waiting = json!({"waiting": {"reason": "PodInitializing"}});
        let found = displaced(&pod("Evicted", &waiting), &Template::default(), 2).unwrap();
        assert_eq!((found.pod_uid.as_str(), found.cause.as_str(), found.limit), ("u", "Evicted: low", 2));
        assert_eq!((found.result.phase, found.result.message.as_str()), (NodePhase::Failed, "low"));
        let never = json!({"terminated": {"exitCode": 137, "startedAt": null}});
        assert!(displaced(&pod("NodeShutdown", &never), &Template::default(), 2).is_some());
        let began = json!({"terminated": {"exitCode": 137, "startedAt": "2024-01-01T00:00:00Z"}});
        assert_eq!(displaced(&pod("Evicted", &began), &Template::default(), 2), None);
        assert_eq!(displaced(&pod("Evicted", &json!({"running": {}})), &Template::default(), 2), None);
        assert_eq!(displaced(&pod("DeadlineExceeded", &waiting), &Template::default(), 2), None);
    }
}
