//! Keptn.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule};

pub(super) const KINDS: &[Entry] = &[
    ("lifecycle.keptn.sh", "KeptnAppVersion", Rule::Named("KeptnAppVersion", by_status)),
    ("lifecycle.keptn.sh", "KeptnEvaluation", Rule::Named("KeptnEvaluation", evaluation)),
    ("lifecycle.keptn.sh", "KeptnTask", Rule::Named("KeptnTask", by_status)),
    ("lifecycle.keptn.sh", "KeptnWorkloadInstance", Rule::Named("KeptnWorkloadInstance", by_status)),
    ("lifecycle.keptn.sh", "KeptnWorkloadVersion", Rule::Named("KeptnWorkloadVersion", by_status)),
    ("metrics.keptn.sh", "Analysis", Rule::Code(analysis)),
    ("metrics.keptn.sh", "KeptnMetric", Rule::Code(metric)),
];

fn by_status(object: Look<'_>, kind: &'static str) -> Judged {
    outcome(object.get("status").at("status")?, kind)
}

fn evaluation(object: Look<'_>, kind: &'static str) -> Judged {
    outcome(object.get("status").at("overallStatus")?, kind)
}

fn outcome(status: Look<'_>, kind: &str) -> Judged {
    match status.str() {
        Some("Succeeded") => healthy(format!("{kind} is healthy")),
        Some("Failed") => degraded(format!("{kind} is degraded")),
        _ => progressing(format!("{kind} is progressing")),
    }
}

fn analysis(object: Look<'_>) -> Judged {
    let pass = object.get("status").at("pass")?;
    if pass.is_bool(true) {
        healthy("Analysis is healthy")
    } else if object.path("status.warning").is_bool(true) {
        healthy("Analysis is healthy with warnings")
    } else if pass.is_bool(false) {
        degraded("Analysis is degraded")
    } else {
        progressing("Analysis is progressing")
    }
}

fn metric(object: Look<'_>) -> Judged {
    let error = object.get("status").at("errMsg")?;
    if error.present() && !error.is("") {
        degraded("KeptnMetric is degraded")
    } else if object.path("status.value").present() {
        healthy("KeptnMetric is healthy")
    } else {
        progressing("KeptnMetric is progressing")
    }
}
