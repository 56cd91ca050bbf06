//! Knative and KServe.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule, suspended};

pub(super) const KINDS: &[Entry] = &[
    ("operator.knative.dev", "KnativeEventing", Rule::Code(eventing)),
    ("operator.knative.dev", "KnativeServing", Rule::Code(serving)),
    ("serving.knative.dev", "Service", Rule::Code(service)),
    ("serving.kserve.io", "InferenceService", Rule::Code(inference)),
];

fn eventing(object: Look<'_>) -> Judged {
    operator(object, "KnativeEventing", &["Ready", "InstallSucceeded"], &["Ready"])
}

fn serving(object: Look<'_>) -> Judged {
    let good = &["Ready", "InstallSucceeded", "DependenciesInstalled", "DeploymentsAvailable"];
    operator(object, "KnativeServing", good, &["Ready", "DeploymentsAvailable"])
}

fn operator(object: Look<'_>, name: &str, good: &[&str], needed: &[&str]) -> Judged {
    if object.path("status.conditions").absent() {
        return progressing(format!("Waiting for {name}"));
    }
    let (mut met, mut unmet) = (0, 0);
    let mut message = String::new();
    for (place, condition) in object.conditions().enumerate() {
        let (kind, status) = (condition.get("type"), condition.get("status"));
        message = format!("{message}{}: {} | {}\n", place + 1, kind.text()?, status.text()?);
        if status.is("True") && kind.is_one(good) {
            met += 1;
        } else if (status.is("False") && kind.is_one(needed)) || status.is("Unknown") {
            unmet += 1;
        }
    }
    if unmet > 0 {
        progressing(message)
    } else if met == good.len() {
        healthy(format!("{name} is healthy."))
    } else {
        degraded(message)
    }
}

/// The field after a separator, where it says something.
fn tail(separator: &str, field: Look<'_>, end: &str) -> Result<String, Unjudged> {
    if field.absent() || field.is("") { Ok(String::new()) } else { Ok(format!("{separator}{}{end}", field.text()?)) }
}

fn service(object: Look<'_>) -> Judged {
    if object.path("status.conditions").absent() {
        return progressing("Waiting for status update.");
    }
    let (mut met, mut failed, mut open) = (0, false, false);
    let mut message = String::new();
    for condition in object.conditions() {
        let (kind, status) = (condition.get("type"), condition.get("status"));
        if status.is("True") && kind.is_one(&["ConfigurationsReady", "RoutesReady", "Ready"]) {
            met += 1;
        } else if status.is_one(&["False", "Unknown"]) {
            message = format!(
                "{message}{} is {}{}{}\n",
                kind.text()?,
                status.text()?,
                tail(", since ", condition.get("reason"), ".")?,
                tail(" ", condition.get("message"), "")?
            );
            failed |= status.is("False");
            open |= status.is("Unknown");
        }
    }
    match (failed, open) {
        (true, _) => degraded(message),
        (false, false) if met == 3 => healthy("Knative Service is healthy."),
        _ => progressing(message),
    }
}

fn inference(object: Look<'_>) -> Judged {
    let transition = object.path("status.modelStatus");
    let mut message = String::new();
    let (mut loads, mut failed) = (false, false);
    if transition.present() && !transition.get("transitionStatus").is("UpToDate") {
        loads = transition.get("transitionStatus").is("InProgress");
        failed = !loads;
        message = format!("0: transitionStatus | {}", transition.get("transitionStatus").text()?);
    }
    if object.path("status.conditions").absent() {
        return progressing("Waiting for InferenceService to report status...");
    }
    let mut all_met = true;
    for (place, condition) in object.conditions().enumerate() {
        let (kind, status) = (condition.get("type"), condition.get("status"));
        if condition.has("Stopped", "True") {
            return suspended("InferenceService is Stopped");
        }
        all_met &= !(status.is("Unknown") || (status.is("False") && !kind.is("Stopped")));
        if !status.is("True") && !kind.is("Stopped") {
            message = format!(
                "{message} | {}: {} | {}{}{}",
                place + 1,
                kind.text()?,
                status.text()?,
                tail(" | ", condition.get("reason"), "")?,
                tail(" | ", condition.get("message"), "")?
            );
        }
    }
    if failed {
        degraded(message)
    } else if all_met && !loads {
        healthy("InferenceService is healthy.")
    } else {
        progressing(message)
    }
}
