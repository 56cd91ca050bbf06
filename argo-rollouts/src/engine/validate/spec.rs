//! The spec, apart from its strategy.

use serde_json::Value;

use super::{Errors, Invalid, blue_green, canary, pod};
use crate::api::Rollout;

/// Checks the spec; `resolved` when the template of a workload stands in it.
pub(super) fn check(ro: &Rollout, resolved: bool) -> Errors {
    let spec = &ro.spec;
    let mut errors = Errors::new();
    if let Some(replicas) = spec.replicas.filter(|it| *it < 0) {
        errors.push(negative("spec.replicas", replicas));
    }
    let empty = spec.template.is_null() || spec.template == serde_json::json!({});
    let by_reference = spec.workload_ref.is_some() && !resolved;
    match &spec.selector {
        _ if by_reference => {}
        None => errors.push(Invalid::missing("spec.selector", ".spec.selector")),
        Some(selector) => {
            errors.extend(pod::labels("spec.selector.matchLabels", &selector.match_labels));
            if selector.is_empty() {
                errors.push(Invalid::value("spec.selector", selector, "empty selector is invalid for deployment"));
            }
        }
    }
    if by_reference && !empty {
        errors.push(Invalid::internal("spec.template", "template must be empty for workload reference rollout"));
    }
    let parses =
        spec.selector.as_ref().is_none_or(|it| pod::labels("spec.selector.matchLabels", &it.match_labels).is_empty());
    if !parses {
        errors.push(Invalid::value("spec.selector", &spec.selector, "invalid label selector"));
    } else if !by_reference {
        errors.extend(template(ro));
    }
    for (path, value) in [
        ("spec.minReadySeconds", spec.min_ready_seconds),
        ("spec.revisionHistoryLimit", spec.revision_history_limit),
        ("spec.progressDeadlineSeconds", spec.progress_deadline_seconds),
    ] {
        if let Some(value) = value.filter(|it| *it < 0) {
            errors.push(negative(path, value));
        }
    }
    let (ready, deadline) = (spec.min_ready_seconds.unwrap_or_default(), spec.progress_deadline_seconds.unwrap_or(600));
    if deadline <= ready {
        errors.push(Invalid::value("spec.progressDeadlineSeconds", &deadline, "must be greater than minReadySeconds"));
    }
    match (&spec.strategy.canary, &spec.strategy.blue_green) {
        (None, None) => {
            errors.push(Invalid::missing("spec.strategy.strategy", ".spec.strategy.canary or .spec.strategy.blueGreen"))
        }
        (Some(_), Some(_)) => errors.push(Invalid::value(
            "spec.strategy.strategy",
            &"blueGreen: true canary: true",
            "Multiple Strategies can not be listed",
        )),
        (Some(strategy), None) => errors.extend(canary::check(ro, strategy)),
        (None, Some(strategy)) => errors.extend(blue_green::check(ro, strategy)),
    }
    errors
}

fn negative(path: &str, value: i64) -> Invalid {
    Invalid::value(path, &value, "must be greater than or equal to 0")
}

fn template(ro: &Rollout) -> Errors {
    let labels = ro.spec.template.pointer("/metadata/labels");
    let label = |key: &str| labels.and_then(|it| it.get(key)).and_then(Value::as_str);
    let mut errors = Errors::new();
    if ro.spec.selector.as_ref().is_none_or(|it| !it.is_empty() && !it.matches(label)) {
        let text = "`selector` does not match template `labels`";
        errors.push(Invalid::value("spec.template.metadata.labels", &labels, text));
    }
    errors.extend(pod::template("spec.template", &ro.spec.template));
    errors
}
