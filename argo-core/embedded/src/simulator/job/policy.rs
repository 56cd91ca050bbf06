//! What the policies of a Job say: of a pod that failed, and of the indexes that succeeded.

use std::collections::BTreeSet;

use serde_json::Value;

use super::indexes;
use crate::simulator::read::{count, int, is_deleting, list, name, namespace, phase, text};

/// What the failure of a pod means to its Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It counts towards the back-off limit.
    Count,
    /// It does not count; the pod is replaced.
    Ignore,
    /// The Job fails, with this message.
    FailJob(String),
    /// The index of the pod fails.
    FailIndex,
}

/// Whether a Job replaces only pods that have failed entirely, and not those that are on their way out.
pub(super) fn replaces_failed_only(job: &Value) -> bool {
    match text(job, "/spec/podReplacementPolicy") {
        "" => job.pointer("/spec/podFailurePolicy").is_some_and(|it| !it.is_null()),
        policy => policy == "Failed",
    }
}

/// Whether a pod counts as failed: one on its way out too, unless the Job waits for its end.
pub(super) fn is_failed(job: &Value, pod: &Value) -> bool {
    phase(pod) == "Failed" || (!replaces_failed_only(job) && is_deleting(pod) && phase(pod) != "Succeeded")
}

/// What the first rule of `podFailurePolicy` that fits says of a failed pod.
pub(super) fn verdict(job: &Value, pod: &Value) -> Verdict {
    for (at, rule) in list(job, "/spec/podFailurePolicy/rules").iter().enumerate() {
        let action = text(rule, "/action");
        let place = format!("{}/{}", namespace(pod), name(pod));
        let message = if let Some(container) = exit_that_fits(rule, pod) {
            let (container, code) = (text(container, "/name"), count(container, "/state/terminated/exitCode"));
            format!(
                "Container {container} for pod {place} failed with exit code {code} matching {action} rule at index {at}"
            )
        } else if let Some(condition) = condition_that_fits(rule, pod) {
            format!("Pod {place} has condition {condition} matching {action} rule at index {at}")
        } else {
            continue;
        };
        return match action {
            "Ignore" => Verdict::Ignore,
            "FailJob" => Verdict::FailJob(message),
            "FailIndex" if int(job, "/spec/backoffLimitPerIndex").is_some() => Verdict::FailIndex,
            "Count" => Verdict::Count,
            _ => continue,
        };
    }
    Verdict::Count
}

/// The container whose exit code a rule is about.
fn exit_that_fits<'a>(rule: &Value, pod: &'a Value) -> Option<&'a Value> {
    let wanted = rule.get("onExitCodes").filter(|it| !it.is_null())?;
    let container = text(wanted, "/containerName");
    let listed = |code: i64| list(wanted, "/values").iter().any(|value| value.as_i64() == Some(code));
    let all = list(pod, "/status/containerStatuses").iter().chain(list(pod, "/status/initContainerStatuses"));
    all.filter(|status| container.is_empty() || text(status, "/name") == container).find(|status| {
        let code = int(status, "/state/terminated/exitCode").unwrap_or(0);
        code != 0
            && match text(wanted, "/operator") {
                "In" => listed(code),
                "NotIn" => !listed(code),
                _ => false,
            }
    })
}

/// The type of the condition of a pod that a rule is about.
fn condition_that_fits<'a>(rule: &'a Value, pod: &Value) -> Option<&'a str> {
    let patterns = list(rule, "/onPodConditions").iter();
    let mut types = patterns.filter_map(|pattern| {
        let status = Some(text(pattern, "/status")).filter(|it| !it.is_empty()).unwrap_or("True");
        let has = list(pod, "/status/conditions")
            .iter()
            .any(|it| text(it, "/type") == text(pattern, "/type") && text(it, "/status") == status);
        has.then(|| text(pattern, "/type"))
    });
    types.next()
}

/// The message of the first rule of `successPolicy` that the succeeded indexes fulfil.
pub(super) fn success(job: &Value, succeeded: &BTreeSet<i64>, completions: i64) -> Option<String> {
    let rules = list(job, "/spec/successPolicy/rules");
    let at = rules.iter().position(|rule| {
        let enough = int(rule, "/succeededCount");
        match text(rule, "/succeededIndexes") {
            "" => enough.is_some_and(|enough| super::count_of(succeeded.len()) >= enough),
            wanted => {
                let wanted = indexes::read(wanted, completions);
                let there = super::count_of(wanted.intersection(succeeded).count());
                !wanted.is_empty() && there >= enough.unwrap_or_else(|| super::count_of(wanted.len()))
            }
        }
    })?;
    Some(format!("Matched rules at index {at}"))
}
