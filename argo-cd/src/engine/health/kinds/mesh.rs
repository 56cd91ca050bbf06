//! Meshes, canaries, service discovery, functions.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule, suspended, unknown, verdict};
use crate::api::HealthState;

pub(super) const KINDS: &[Entry] = &[
    ("core.spinkube.dev", "SpinApp", Rule::Code(spin_app)),
    ("flagger.app", "Canary", Rule::Code(canary)),
    ("install.istio.io", "IstioOperator", Rule::Code(istio)),
    ("openfaas.com", "Function", Rule::Code(function)),
    ("proclaim.dogmatiq.io", "DNSSDServiceInstance", Rule::Code(dns_sd)),
];

fn spin_app(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if !status.truthy() {
        return progressing("Waiting for status to be available");
    }
    let (mut available, mut available_message, mut moves) = (false, String::new(), None);
    for condition in object.conditions() {
        let message = condition.get("message");
        let holds = condition.get("status").is("True");
        if condition.get("type").is("Progressing") {
            let text = message.str().unwrap_or_default().to_lowercase();
            let gave_up = condition.get("reason").is("ProgressDeadlineExceeded")
                || text.contains("timeout")
                || text.contains("failed");
            if condition.get("status").is("False") && gave_up {
                return degraded(message.or("Application deployment has failed"));
            }
            if holds {
                moves = Some(message.or("Application progress status"));
            }
        } else if condition.get("type").is("Available") {
            available = holds;
            available_message = message.or("Application is not available");
        }
    }
    let ready = status.get("readyReplicas").number_or(0.0)?;
    let wanted = object.get("spec").at("replicas")?.number_or(1.0)?;
    if !available {
        return degraded(available_message);
    }
    if ready < wanted {
        return progressing(format!("Waiting for replicas to be ready ({ready}/{wanted})"));
    }
    match moves {
        Some(message) => progressing(message),
        None => healthy(format!("Application is healthy with {ready}/{wanted} replicas ready")),
    }
}

fn canary(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.absent() {
        return unknown("No status");
    }
    let weight = status.get("canaryWeight");
    let number = weight.float().or_else(|| weight.str()?.trim().parse().ok());
    let mut parts = Vec::new();
    if number.ok_or(super::Unjudged::Number("nil"))? > 0.0 {
        parts.push(format!("Canary Weight: {} %", weight.text()?));
    }
    for condition in status.get("conditions").items()? {
        parts.push(condition.get("message").text()?);
    }
    let phase = status.get("phase");
    let state = match phase.str() {
        Some("Failed") => HealthState::Degraded,
        Some("Progressing" | "Finalising" | "Promoting") => HealthState::Progressing,
        Some("Succeeded" | "Initialized") => HealthState::Healthy,
        _ => HealthState::Unknown,
    };
    const SEPARATOR: &str = " --- ";
    verdict(state, format!("{}{SEPARATOR}{}", phase.text()?, parts.join(SEPARATOR)))
}

/// States are words, or numbers in older versions.
fn istio(object: Look<'_>) -> Judged {
    let status = object.path("status.status");
    let is = |number: f64, word: &str| status.is(word) || status.is_number(number);
    if is(0.0, "NONE") {
        unknown("Component is not present.")
    } else if is(1.0, "UPDATING") {
        progressing("Component is being updated to a different version.")
    } else if is(2.0, "RECONCILING") {
        progressing("Controller has started but not yet completed reconciliation loop for the component.")
    } else if is(3.0, "HEALTHY") {
        healthy("Component is healthy.")
    } else if is(4.0, "ERROR") {
        degraded("Component is in an error state.")
    } else {
        progressing("Waiting for Istio Control Plane")
    }
}

fn function(object: Look<'_>) -> Judged {
    for condition in object.conditions() {
        let message = condition.get("message").message();
        if condition.has("Ready", "False") || condition.has("Stalled", "True") {
            return degraded(message);
        }
        if condition.has("Ready", "True") {
            let replicas = object.path("status.replicas").number_or(0.0)?;
            return if replicas > 0.0 { healthy(message) } else { suspended("No replicas available") };
        }
    }
    progressing("Waiting for Function")
}

fn dns_sd(object: Look<'_>) -> Judged {
    let last = |kind: &str| object.conditions().filter(|it| it.get("type").is(kind)).last();
    let message = |it: Option<Look<'_>>| it.map(|it| it.get("message").message()).unwrap_or_default();
    let (adopted, advertised, found) = (last("Adopted"), last("Advertised"), last("Discoverable"));
    let fails = |it: Option<Look<'_>>, reasons: &[&str]| it.is_some_and(|it| it.get("reason").is_one(reasons));
    if adopted.is_some_and(|it| it.get("status").is("False")) {
        degraded(message(adopted))
    } else if fails(advertised, &["AdvertiseError", "UnadvertiseError"]) {
        degraded(message(advertised))
    } else if fails(found, &["DiscoveryError"]) {
        unknown(message(found))
    } else if found.is_some_and(|it| it.get("status").is("True")) {
        healthy(message(found))
    } else {
        progressing(message(found))
    }
}
