//! Policies: Open Cluster Management, Kyverno; Karmada's bindings.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule, verdict};
use crate::api::HealthState;

pub(super) const KINDS: &[Entry] = &[
    ("kyverno.io", "Policy", Rule::Code(kyverno)),
    ("policy.open-cluster-management.io", "CertificatePolicy", Rule::Code(certificate_policy)),
    ("policy.open-cluster-management.io", "ConfigurationPolicy", Rule::Code(configuration_policy)),
    ("policy.open-cluster-management.io", "OperatorPolicy", Rule::Code(operator_policy)),
    ("policy.open-cluster-management.io", "Policy", Rule::Code(policy)),
    ("work.karmada.io", "ClusterResourceBinding", Rule::Code(binding)),
    ("work.karmada.io", "ResourceBinding", Rule::Code(binding)),
];

const UNREPORTED: &str = "Waiting for the status to be reported";

fn kyverno(object: Look<'_>) -> Judged {
    let ready =
        |it: Look<'_>| it.has("Ready", "True") && it.get("reason").is("Succeeded") && it.get("message").is("Ready");
    if object.conditions().any(ready) {
        return healthy("Policy is ready");
    }
    progressing("Waiting for Policy to be ready")
}

fn certificate_policy(object: Look<'_>) -> Judged {
    match object.path("status.compliant") {
        it if it.absent() => progressing(UNREPORTED),
        it if it.is("Compliant") => healthy("All certificates found comply with the policy"),
        _ => degraded("At least once certificate does not comply with the policy"),
    }
}

fn configuration_policy(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.get("compliant").absent() {
        return progressing(UNREPORTED);
    }
    if !status.get("lastEvaluatedGeneration").same(object.at("metadata")?.get("generation")) {
        return progressing("Waiting for the status to be updated");
    }
    if status.get("compliancyDetails").absent() {
        return progressing("Waiting for compliance");
    }
    let mut messages = Vec::new();
    for condition in status.get("compliancyDetails").list().flat_map(|it| it.get("conditions").list()) {
        let (kind, message) = (condition.get("type"), condition.get("message"));
        if kind.present() && message.present() {
            messages.push(format!("{} - {}", kind.text()?, message.text()?));
        }
    }
    verdict(compliance(status.get("compliant")), messages.join("; "))
}

fn compliance(value: Look<'_>) -> HealthState {
    if value.is("Compliant") { HealthState::Healthy } else { HealthState::Degraded }
}

fn operator_policy(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.get("conditions").absent() {
        return progressing(UNREPORTED);
    }
    let observed = status.get("observedGeneration");
    if observed.present() && !observed.same(object.at("metadata")?.get("generation")) {
        return progressing("Waiting for the status to be updated");
    }
    let Some(condition) = object.condition("Compliant") else {
        return progressing("Waiting for the compliance condition");
    };
    let message = condition.get("message").message();
    if condition.get("status").is("True") { healthy(message) } else { degraded(message) }
}

fn policy(object: Look<'_>) -> Judged {
    if object.get("spec").at("disabled")?.truthy() {
        return healthy("Policy is disabled");
    }
    let status = object.get("status");
    let compliant = status.get("compliant");
    if compliant.absent() {
        if status.get("status").absent() && status.get("placement").length() > 0 {
            return healthy("No clusters match this policy");
        }
        return progressing(UNREPORTED);
    }
    let message = if status.get("status").present() {
        let bad = offenders(status.get("status"));
        named("clusters", bad.map(|it| Ok(it.get("clustername"))))?
    } else if status.get("details").present() {
        let bad = offenders(status.get("details"));
        named("templates", bad.map(|it| it.get("templateMeta").at("name")))?
    } else {
        String::new()
    };
    verdict(compliance(compliant), message)
}

fn offenders(list: Look<'_>) -> impl Iterator<Item = Look<'_>> {
    list.list().filter(|it| !it.get("compliant").is("Compliant"))
}

/// Those without a name are not told.
fn named<'a>(what: &str, names: impl Iterator<Item = Result<Look<'a>, Unjudged>>) -> Result<String, Unjudged> {
    let mut bad = Vec::new();
    for name in names {
        let name = name?;
        if name.present() {
            bad.push(name.text()?);
        }
    }
    Ok(if bad.is_empty() {
        format!("All {what} are compliant")
    } else {
        format!("NonCompliant {what}: {}", bad.join(", "))
    })
}

fn binding(object: Look<'_>) -> Judged {
    const SHORT: &str = "Current resource status is insufficient";
    let (status, results) = (object.get("status"), object.path("status.aggregatedStatus"));
    if status.absent() {
        return progressing(SHORT);
    }
    let clusters = object.get("spec").at("clusters")?;
    if clusters.length() == 0 || results.absent() || clusters.length() != results.length() {
        return progressing(SHORT);
    }
    let bad = |it: Look<'_>| {
        let health = it.get("health");
        health.is("Unhealthy") || (health.is("Unknown") && !it.get("applied").is_bool(true))
    };
    if results.list().any(bad) {
        return degraded("Current resource status is unhealthy");
    }
    healthy("")
}
