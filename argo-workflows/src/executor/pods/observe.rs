//! What a Pod and its WorkflowTaskResult say of a step: pure.
//!
//! Source of the rules: `assessNodeStatus` and `inferFailedReason` of upstream's controller (v4.1.2).

use argo_core::{Object, Timestamp};
use serde_json::Value;

use super::spec::{INIT, WAIT};
use crate::{
    api::{NodePhase, Outputs, Template, WorkflowTaskResult},
    engine::{ContainerResult, LiveStep, StepResult, StepState},
    exec::outputs::{MAIN, main_containers},
};

/// Label of a task result: whether everything is in it.
pub const LABEL_OUTPUTS_COMPLETED: &str = "workflows.argoproj.io/report-outputs-completed";
/// How long a pod that is over is waited for to have its outputs reported: 10 s. Its executor reports
/// before it ends, so that only a slow watch lies in between.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// What is known of a step, and when to look again without anything having changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Its state.
    pub state: StepState,
    /// Look again no later than.
    pub wake: Option<Timestamp>,
}

/// Reads a pod. `template` is that of its node.
#[must_use]
pub fn observe(pod: &Object, report: Option<&WorkflowTaskResult>, template: &Template, now: Timestamp) -> Observed {
    let state = |state| Observed { state, wake: None };
    let mains = main_containers(template);
    let statuses = Statuses::of(pod);
    match pod.text("/status/phase") {
        "" | "Pending" => state(StepState::Pending(pending_reason(pod, &statuses))),
        "Running" | "Unknown" => {
            if template.daemon != Some(true)
                && let Some(result) = early(pod, report, template, &statuses, &mains, now)
            {
                return state(StepState::Finished(result));
            }
            let ready = !statuses.containers.is_empty() && statuses.containers.iter().all(|it| it.ready);
            state(StepState::Live(LiveStep {
                ready,
                pod_ip: some(pod.text("/status/podIP")),
                host: some(pod.text("/spec/nodeName")),
                progress: report.and_then(|it| it.result.progress.clone()),
                ..LiveStep::default()
            }))
        }
        "Succeeded" => {
            let phase = if template.daemon == Some(true) { NodePhase::Failed } else { NodePhase::Succeeded };
            over(pod, report, &statuses, &mains, phase, String::new(), now)
        }
        "Failed" => {
            let (phase, message) = inferred(pod, &statuses, &mains);
            over(pod, report, &statuses, &mains, phase, message, now)
        }
        other => {
            state(StepState::Finished(StepResult::error(format!("Unexpected pod phase for {}: {other}", pod.name()))))
        }
    }
}

/// Whether the kubelet ends a pod within a second, as its own deadline has come.
pub(super) fn ends_by_itself(pod: &Object, now: Timestamp) -> bool {
    let Some(seconds) = pod.integer("/spec/activeDeadlineSeconds") else { return false };
    let began = argo_core::time::parse(pod.text("/status/startTime")).ok();
    seconds == 1 || began.is_some_and(|it| now.as_second() - it.as_second() >= seconds - 1)
}

/// A result before the kubelet has said that the pod is over: the executor has reported everything, the
/// main container ended well, and nothing else in the pod can change that.
fn early(
    pod: &Object,
    report: Option<&WorkflowTaskResult>,
    template: &Template,
    statuses: &Statuses,
    mains: &[String],
    now: Timestamp,
) -> Option<StepResult> {
    let report = report.filter(|it| is_complete(it))?;
    let outputs = report.result.outputs.as_ref()?;
    let alone =
        mains == [MAIN] && template.extra.get("sidecars").is_none_or(|it| it.as_array().is_some_and(Vec::is_empty));
    if !alone || outputs.exit_code.as_deref() != Some("0") || report.result.phase.is_some() {
        return None;
    }
    let mut result = StepResult { phase: NodePhase::Succeeded, exit_code: Some(0), ..StepResult::default() };
    fill(&mut result, pod, Some(report), statuses, mains, now);
    Some(result)
}

fn over(
    pod: &Object,
    report: Option<&WorkflowTaskResult>,
    statuses: &Statuses,
    mains: &[String],
    phase: NodePhase,
    message: String,
    now: Timestamp,
) -> Observed {
    let wait = statuses.containers.iter().find(|it| it.name == WAIT);
    let reports = wait.is_none_or(|it| it.code == Some(0)) && !(phase.is_failed() && wait.is_none());
    let ended = statuses.containers.iter().filter_map(|it| it.finished).max();
    if reports && !report.is_some_and(is_complete) {
        let until = argo_core::time::after(ended.unwrap_or(now), PATIENCE);
        if now < until {
            let live = LiveStep { host: some(pod.text("/spec/nodeName")), ..LiveStep::default() };
            return Observed { state: StepState::Live(live), wake: Some(until) };
        }
    }
    let mut result = StepResult { phase, message, finished_at: ended, ..StepResult::default() };
    fill(&mut result, pod, report, statuses, mains, now);
    Observed { state: StepState::Finished(result), wake: None }
}

fn is_complete(report: &WorkflowTaskResult) -> bool {
    report.metadata.labels.get(LABEL_OUTPUTS_COMPLETED).map(String::as_str) == Some("true")
}

fn fill(
    result: &mut StepResult,
    pod: &Object,
    report: Option<&WorkflowTaskResult>,
    statuses: &Statuses,
    mains: &[String],
    now: Timestamp,
) {
    result.host = some(pod.text("/spec/nodeName"));
    result.resources = super::resources::used(pod, now);
    result.is_reported = report.is_some_and(is_complete);
    if let Some(main) = statuses.containers.iter().find(|it| it.name == MAIN)
        && main.code.is_some()
    {
        result.exit_code = main.code;
    }
    if mains != [MAIN] {
        for it in statuses.containers.iter().filter(|it| mains.contains(&it.name)) {
            let text = it.code.filter(|it| *it != 0);
            let message = text.map(|code| format!("{}: {} (exit code {code}): {}", it.name, it.reason, it.message));
            let container = ContainerResult { exit_code: it.code, message: message.unwrap_or_default() };
            result.containers.insert(it.name.clone(), container);
        }
    }
    let Some(report) = report else { return };
    result.progress.clone_from(&report.result.progress);
    let Some(Outputs { parameters, artifacts, result: output, .. }) = &report.result.outputs else { return };
    for it in parameters {
        if let Some(value) = &it.value {
            result.parameters.insert(it.name.clone(), value.as_str().to_owned());
        }
    }
    result.artifacts.clone_from(artifacts);
    result.result.clone_from(output);
}

/// Phase and message of a pod that failed.
fn inferred(pod: &Object, statuses: &Statuses, mains: &[String]) -> (NodePhase, String) {
    let message = pod.text("/status/message");
    if !message.is_empty() {
        return (NodePhase::Failed, message.to_owned());
    }
    let is_main = |name: &str| mains.iter().any(|it| it == name);
    let order = |it: &&Status| {
        if is_main(&it.name) {
            1
        } else if it.name == WAIT {
            2
        } else {
            3
        }
    };
    let mut containers: Vec<&Status> = statuses.containers.iter().collect();
    containers.sort_by_key(order);
    let all: Vec<&Status> = statuses.inits.iter().chain(containers).collect();
    if all.is_empty() {
        let namespace = pod.namespace().unwrap_or_default();
        return (NodePhase::Failed, format!("can't find failed message for pod {} namespace {namespace}", pod.name()));
    }
    let (mut main, mut wait) = (false, false);
    for it in all {
        if let Some((reason, message)) = &it.waiting {
            let text = format!("Pod failed before {} container starts due to {reason}: {message}", it.name);
            return (NodePhase::Error, text);
        }
        match it.code {
            None => {}
            Some(0) => {
                main |= is_main(&it.name);
                wait |= it.name == WAIT;
            }
            Some(code) => {
                let mut text = format!("{}: {} (exit code {code})", it.name, it.reason);
                if !it.message.is_empty() {
                    text = format!("{text}: {}", it.message);
                }
                let around = it.name == INIT || it.name == WAIT;
                if around {
                    return (NodePhase::Error, text);
                }
                // Sidecars are ended by signals.
                if is_main(&it.name) || !matches!(code, 137 | 143) {
                    return (NodePhase::Failed, text);
                }
            }
        }
    }
    match (main, wait) {
        (true, true) => (NodePhase::Succeeded, String::new()),
        (true, false) => (NodePhase::Failed, "pod failed: wait container did not complete successfully".to_owned()),
        (false, true) => (NodePhase::Failed, "pod failed: main container did not complete successfully".to_owned()),
        (false, false) => {
            (NodePhase::Failed, "pod failed: neither main nor wait container completed successfully".to_owned())
        }
    }
}

fn pending_reason(pod: &Object, statuses: &Statuses) -> String {
    let join = |reason: &str, message: &str| {
        if message.is_empty() { reason.to_owned() } else { format!("{reason}: {message}") }
    };
    // An image of the executor that can not be pulled is worth knowing, too; upstream looks past it.
    let ordinary =
        |it: &&Status| it.waiting.as_ref().is_some_and(|it| it.0 != "PodInitializing" || statuses.inits.is_empty());
    let waiting = statuses
        .inits
        .iter()
        .filter(|it| it.waiting.as_ref().is_some_and(|it| it.0.contains("Image") || it.0.contains("Error")));
    if let Some((reason, message)) =
        waiting.chain(statuses.containers.iter().filter(ordinary)).find_map(|it| it.waiting.as_ref())
    {
        return join(reason, message);
    }
    if let Some((reason, message)) = statuses.containers.iter().find_map(|it| it.waiting.as_ref()) {
        return join(reason, message);
    }
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let text = |it: &Value, field: &str| it.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    conditions
        .filter(|it| text(it, "reason") == "Unschedulable")
        .map(|it| join("Unschedulable", &text(it, "message")))
        .next()
        .unwrap_or_default()
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

struct Statuses {
    inits: Vec<Status>,
    containers: Vec<Status>,
}

struct Status {
    name: String,
    ready: bool,
    waiting: Option<(String, String)>,
    code: Option<i32>,
    reason: String,
    message: String,
    finished: Option<Timestamp>,
}

impl Statuses {
    fn of(pod: &Object) -> Self {
        let list = |pointer: &str| {
            let all = pod.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
            all.map(Status::of).collect::<Vec<_>>()
        };
        Self { inits: list("/status/initContainerStatuses"), containers: list("/status/containerStatuses") }
    }
}

impl Status {
    fn of(value: &Value) -> Self {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let waiting = value.pointer("/state/waiting").filter(|it| it.is_object());
        let code = value.pointer("/state/terminated/exitCode").and_then(Value::as_i64);
        Self {
            name: text("/name"),
            ready: value.get("ready") == Some(&Value::Bool(true)),
            waiting: waiting.map(|_| (text("/state/waiting/reason"), text("/state/waiting/message"))),
            code: code.and_then(|it| i32::try_from(it).ok()),
            reason: text("/state/terminated/reason"),
            message: text("/state/terminated/message"),
            finished: argo_core::time::parse(&text("/state/terminated/finishedAt")).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn ended(name: &str, code: i32, reason: &str, message: &str) -> Value {
        json!({"name": name, "state": {"terminated": {"exitCode": code, "reason": reason, "message": message, "finishedAt": "1970-01-01T00:00:10Z"}}})
    }

    fn pod(phase: &str, inits: Value, containers: Value) -> Object {
        Object::from_value(json!({"metadata": {"name": "p", "namespace": "n"}, "spec": {"nodeName": "host"},
            "status": {"phase": phase, "initContainerStatuses": inits, "containerStatuses": containers}}))
    }

    fn report(whole: bool, outputs: Value) -> WorkflowTaskResult {
        let label = if whole { "true" } else { "false" };
        serde_json::from_value(
            json!({"metadata": {"name": "x", "labels": {LABEL_OUTPUTS_COMPLETED: label}}, "outputs": outputs}),
        )
        .unwrap()
    }

    fn state(pod: &Object, report: Option<&WorkflowTaskResult>) -> StepState {
        observe(pod, report, &Template::default(), at(15)).state
    }

    fn failure(inits: Value, containers: Value) -> (NodePhase, String) {
        match state(&pod("Failed", inits, containers), Some(&report(true, json!({})))) {
            StepState::Finished(it) => (it.phase, it.message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pod_whose_own_deadline_has_come_is_left_to_its_kubelet() {
        let pod = |seconds: Value, began: &str| {
            Object::from_value(json!({"spec": {"activeDeadlineSeconds": seconds}, "status": {"startTime": began}}))
        };
        assert!(ends_by_itself(&pod(json!(5), "1970-01-01T00:00:10Z"), at(14)));
        assert!(!ends_by_itself(&pod(json!(5), "1970-01-01T00:00:10Z"), at(13)));
        assert!(!ends_by_itself(&pod(json!(5), ""), at(100)));
        assert!(ends_by_itself(&pod(json!(1), ""), at(0)));
        assert!(!ends_by_itself(&pod(Value::Null, "1970-01-01T00:00:10Z"), at(100)));
    }

    #[test]
    fn failures_are_told_in_upstreams_words() {
        let ok = |name: &str| ended(name, 0, "Completed", "");
        assert_eq!(
            failure(json!([]), json!([ok("wait"), ended("main", 137, "OOMKilled", "")])),
            (NodePhase::Failed, "main: OOMKilled (exit code 137)".to_owned())
        );
        assert_eq!(
            failure(json!([]), json!([ended("wait", 64, "Error", "no space left on device"), ok("main")])),
            (NodePhase::Error, "wait: Error (exit code 64): no space left on device".to_owned())
        );
        assert_eq!(
            failure(json!([ended("init", 64, "Error", "artifact a failed to load: timeout")]), json!([])),
            (NodePhase::Error, "init: Error (exit code 64): artifact a failed to load: timeout".to_owned())
        );
        assert_eq!(
            failure(json!([]), json!([ok("wait"), ok("main"), ended("side", 143, "Error", "")])),
            (NodePhase::Succeeded, String::new())
        );
        assert_eq!(
            failure(json!([]), json!([ok("wait"), ok("main"), ended("side", 2, "Error", "")])).1,
            "side: Error (exit code 2)"
        );
        assert_eq!(
            failure(json!([]), json!([ok("main")])).1,
            "pod failed: wait container did not complete successfully"
        );
        let waiting =
            json!({"name": "main", "state": {"waiting": {"reason": "CreateContainerError", "message": "no"}}});
        assert_eq!(
            failure(json!([]), json!([waiting])),
            (NodePhase::Error, "Pod failed before main container starts due to CreateContainerError: no".to_owned())
        );
        let mut evicted = pod("Failed", json!([]), json!([]));
        evicted.set(&["status", "message"], "The node was low on resource: memory.");
        let StepState::Finished(it) = state(&evicted, None) else { panic!() };
        assert_eq!((it.phase, it.message.as_str()), (NodePhase::Failed, "The node was low on resource: memory."));
    }

    #[test]
    fn what_a_pod_waits_for_is_told() {
        let waiting = |reason: &str, message: &str| json!([{"name": "main", "state": {"waiting": {"reason": reason, "message": message}}}]);
        let it = pod("Pending", json!([]), waiting("ImagePullBackOff", "Back-off pulling image \"x\""));
        assert_eq!(state(&it, None), StepState::Pending("ImagePullBackOff: Back-off pulling image \"x\"".into()));
        let mut it = pod("Pending", json!([]), json!([]));
        it.set(&["status", "conditions"], json!([{"reason": "Unschedulable", "message": "0/3 nodes are available"}]));
        assert_eq!(state(&it, None), StepState::Pending("Unschedulable: 0/3 nodes are available".into()));
    }

    #[test]
    fn a_pod_that_is_over_waits_for_its_report_but_not_for_ever() {
        let it =
            pod("Succeeded", json!([]), json!([ended("wait", 0, "Completed", ""), ended("main", 0, "Completed", "")]));
        let template = Template::default();
        let early = observe(&it, Some(&report(false, json!({}))), &template, at(15));
        assert!(matches!(early.state, StepState::Live(_)));
        assert_eq!(early.wake, Some(at(20)));
        let late = observe(&it, None, &template, at(20));
        assert!(matches!(late.state, StepState::Finished(it) if it.phase == NodePhase::Succeeded));
        let outputs = json!({"parameters": [{"name": "p", "value": "v"}], "result": "r"});
        let StepState::Finished(done) = state(&it, Some(&report(true, outputs))) else { panic!() };
        assert_eq!((done.parameters["p"].as_str(), done.result.as_deref(), done.exit_code), ("v", Some("r"), Some(0)));
        assert_eq!(done.host.as_deref(), Some("host"));
    }

    #[test]
    fn a_whole_report_of_success_ends_a_step_before_its_pod() {
        let it = pod("Running", json!([]), json!([{"name": "main", "state": {"running": {}}}]));
        let done = report(true, json!({"exitCode": "0"}));
        assert!(matches!(state(&it, Some(&done)), StepState::Finished(it) if it.exit_code == Some(0)));
        assert!(matches!(state(&it, Some(&report(false, json!({"exitCode": "0"})))), StepState::Live(_)));
        assert!(matches!(state(&it, Some(&report(true, json!({"exitCode": "1"})))), StepState::Live(_)));
        let sidecar: Template = serde_json::from_value(json!({"sidecars": [{"name": "s"}]})).unwrap();
        assert!(matches!(observe(&it, Some(&done), &sidecar, at(0)).state, StepState::Live(_)));
    }
}
