//! Grafana's operator.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule, verdict};
use crate::api::HealthState;

pub(super) const KINDS: &[Entry] = &[
    ("grafana.integreatly.org", "Grafana", Rule::Code(grafana)),
    ("grafana.integreatly.org", "GrafanaDashboard", Rule::Code(dashboard)),
    ("grafana.integreatly.org", "GrafanaFolder", Rule::Code(dashboard)),
    ("grafana.integreatly.org", "GrafanaDatasource", Rule::Code(data_source)),
];

fn grafana(object: Look<'_>) -> Judged {
    let (stage, status) = (object.path("status.stage"), object.path("status.stageStatus"));
    if status.absent() {
        return progressing("Waiting for Grafana status info");
    }
    if status.is("failed") {
        return degraded(format!("Failed at stage {}", stage.text()?));
    }
    if stage.is("complete") && status.is("success") {
        return healthy("");
    }
    progressing(stage.message())
}

fn dashboard(object: Look<'_>) -> Judged {
    let mut state = HealthState::Progressing;
    let mut message = String::new();
    for condition in object.conditions().filter(|it| it.get("status").present()) {
        if !message.is_empty() {
            message.push_str(", ");
        }
        message.push_str(&why(condition)?);
        match condition.get("status").str() {
            Some("False") => return degraded(message),
            Some("True") => state = HealthState::Healthy,
            _ => {}
        }
    }
    verdict(state, message)
}

fn why(condition: Look<'_>) -> Result<String, Unjudged> {
    let (reason, kind, message) = (condition.get("reason"), condition.get("type"), condition.get("message"));
    Ok(match (reason.present(), kind.present(), message.present()) {
        (false, ..) => String::new(),
        (true, false, _) => reason.text()?,
        (true, true, false) => format!("{} for {}", reason.text()?, kind.text()?),
        (true, true, true) => format!("{} for {} because {}", reason.text()?, kind.text()?, message.text()?),
    })
}

fn data_source(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.absent() || status.get("uid").is("") {
        return progressing("");
    }
    if status.get("NoMatchingInstances").truthy() {
        return degraded("can't find matching grafana instance");
    }
    healthy("")
}
