//! Monitoring, secrets, identity, networks: operators with rules of their own.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule, suspended};

pub(super) const KINDS: &[Entry] = &[
    ("datadoghq.com", "DatadogMetric", Rule::Code(datadog_metric)),
    ("external-secrets.io", "ClusterExternalSecret", Rule::Code(cluster_external_secret)),
    ("k8s.keycloak.org", "Keycloak", Rule::Code(keycloak)),
    ("kubernetes-client.io", "ExternalSecret", Rule::Code(external_secret)),
    ("monitoring.coreos.com", "Prometheus", Rule::Code(prometheus)),
    ("nmstate.io", "NodeNetworkConfigurationPolicy", Rule::Code(network_policy)),
    ("opentelemetry.io", "OpenTelemetryCollector", Rule::Code(collector)),
    ("operator.victoriametrics.com", "*", Rule::Code(victoria)),
];

fn datadog_metric(object: Look<'_>) -> Judged {
    if let Some(error) = object.conditions().find(|it| it.has("Error", "True")) {
        let message = error.get("message").or("DatadogMetric reported an error");
        let reason = error.get("reason").message();
        return degraded(if reason.is_empty() { message } else { format!("{reason}: {message}") });
    }
    if let Some(invalid) = object.conditions().find(|it| it.has("Valid", "False")) {
        return degraded(invalid.get("message").or("DatadogMetric is not valid"));
    }
    healthy("DatadogMetric is healthy")
}

/// The last condition is the one that holds.
fn cluster_external_secret(object: Look<'_>) -> Judged {
    let conditions = object.path("status.conditions");
    let waiting = "Waiting for ClusterExternalSecret";
    if conditions.absent() {
        return progressing(waiting);
    }
    let last = conditions.nth(conditions.length().wrapping_sub(1));
    let kind = last.at("type")?;
    let message = last.get("message").message();
    match (kind.str(), last.get("status").is("True")) {
        (Some("Ready"), true) => healthy(message),
        (Some("PartiallyReady" | "NotReady"), true) => degraded(message),
        _ => progressing(waiting),
    }
}

/// The oldest condition that says something decides; those without a time come last.
fn keycloak(object: Look<'_>) -> Judged {
    if object.path("status.conditions").absent() {
        return progressing("Waiting for Keycloak status conditions to exist");
    }
    let mut conditions: Vec<Look<'_>> = object.conditions().collect();
    conditions.sort_by_key(|it| {
        let time = it.get("lastTransitionTime").str();
        (time.is_none(), time)
    });
    for condition in conditions {
        if condition.has("Ready", "True") {
            return healthy("");
        }
        if condition.has("HasErrors", "True") {
            return degraded(format!("Has Errors: {}", condition.get("message").text()?));
        }
    }
    progressing("")
}

fn external_secret(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let waiting = "Waiting for ExternalSecret.";
    if status.absent() {
        return progressing(waiting);
    }
    match status.get("status").str() {
        Some("SUCCESS") => healthy("Fetched ExternalSecret."),
        Some(text) if text.starts_with("ERROR") => degraded(text.replace("ERROR, ", "")),
        Some(_) => progressing(waiting),
        None => Err(Unjudged::Index { found: "nil", key: "find" }),
    }
}

fn prometheus(object: Look<'_>) -> Judged {
    let Some(available) = object.conditions().filter(|it| it.get("type").is("Available")).last() else {
        return progressing("Waiting for initialization");
    };
    if available.get("status").is("True") {
        return healthy("All instances are available");
    }
    let reason = available.get("reason");
    let message = available.get("message").or(reason.str().unwrap_or_default());
    if reason.is("SomePodsNotReady") { progressing(message) } else { degraded(message) }
}

fn network_policy(object: Look<'_>) -> Judged {
    for condition in object.conditions().filter(|it| it.get("status").is("True")) {
        let (reason, text) = (condition.get("reason"), condition.get("message"));
        let message = if text.present() && !text.is("") {
            format!("{}: {}", reason.text()?, text.text()?)
        } else {
            reason.message()
        };
        match condition.get("type").str() {
            Some("Available") => return healthy(message),
            Some("Degraded") => return degraded(message),
            Some("Progressing") => return progressing(message),
            Some("Ignored") => return suspended(message),
            _ => {}
        }
    }
    progressing("Waiting for policy to be applied")
}

fn collector(object: Look<'_>) -> Judged {
    if object.get("status").absent() {
        return progressing("Waiting for OpenTelemetry Collector status");
    }
    let replicas = object.path("status.scale.statusReplicas");
    if replicas.absent() {
        return if object.get("spec").at("mode")?.is("sidecar") {
            healthy("Collector is running in sidecar mode")
        } else {
            progressing("Scale status not available")
        };
    }
    let text = replicas.text()?;
    match ratio(&text) {
        None => progressing(format!("Unable to parse replica status: {text}")),
        Some((0, 0)) if object.path("spec.mode").is("daemonset") => healthy("DaemonSet has no eligible nodes (0/0)"),
        Some((0, _)) => degraded("No replicas are ready"),
        Some((ready, total)) if ready == total => healthy("All replicas are ready"),
        Some(_) => progressing("Replicas are starting up"),
    }
}

/// The first `N/M` of a text.
fn ratio(text: &str) -> Option<(u64, u64)> {
    text.match_indices('/').find_map(|(place, _)| {
        let before = &text[..place];
        let digits = before.len() - before.trim_end_matches(|it: char| it.is_ascii_digit()).len();
        let after = &text[place + 1..];
        let end = after.find(|it: char| !it.is_ascii_digit()).unwrap_or(after.len());
        Some((before[before.len() - digits..].parse().ok()?, after[..end].parse().ok()?))
    })
}

fn victoria(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let waiting = "Waiting for the operator to reconcile";
    let (generation, observed) = (object.path("metadata.generation"), status.get("observedGeneration"));
    if status.absent() || (generation.present() && observed.present() && !generation.same(observed)) {
        return progressing(waiting);
    }
    let reason = |default: &str| match status.get("reason").message() {
        told if told.is_empty() => default.to_owned(),
        told => told,
    };
    match status.get("updateStatus").str() {
        Some("operational") => healthy("All components are operational"),
        Some("expanding") => progressing(reason("Reconciliation in progress")),
        Some("paused") => suspended(reason("Reconciliation is paused")),
        Some("failed") => degraded(reason("Reconciliation failed")),
        _ => progressing("Waiting for the operator to report status"),
    }
}
