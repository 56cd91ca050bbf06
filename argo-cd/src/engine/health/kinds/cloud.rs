//! Clouds: Config Connector, Google's certificates, SAP's services, Keiko's roles, spot deployments, Ansible Tower.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule, suspended};

pub(super) const KINDS: &[Entry] = &[
    ("*.cnrm.cloud.google.com", "*", Rule::Code(config_connector)),
    ("iammanager.keikoproj.io", "Iamrole", Rule::Code(iam_role)),
    ("networking.gke.io", "ManagedCertificate", Rule::Code(managed_certificate)),
    ("services.cloud.sap.com", "ServiceBinding", Rule::Code(sap)),
    ("services.cloud.sap.com", "ServiceInstance", Rule::Code(sap)),
    ("spot.io", "SpotDeployment", Rule::Code(spot_deployment)),
    ("tower.ansible.com", "AnsibleJob", Rule::Code(ansible_job)),
];

fn config_connector(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let kind = object.get("kind");
    let observed = status.get("observedGeneration");
    if status.present() && (observed.absent() || observed.same(object.at("metadata")?.get("generation"))) {
        if kind.is_one(&["ConfigConnector", "ConfigConnectorContext"]) && status.get("healthy").present() {
            let kind = kind.message();
            return if status.get("healthy").is_bool(true) {
                healthy(format!("{kind} is healthy"))
            } else {
                degraded(format!("{kind} is not healthy"))
            };
        }
        for condition in object.conditions() {
            let message = condition.get("message").message();
            match condition.get("reason").str() {
                Some("UpToDate") if condition.get("status").is("True") => return healthy(message),
                Some("UpdateFailed" | "DependencyNotFound") => return degraded(message),
                Some("DependencyNotReady") => return suspended(message),
                _ => {}
            }
        }
    }
    progressing("Update in progress")
}

fn iam_role(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let field = |name: &'static str| -> Result<String, Unjudged> {
        let value = status.get(name);
        if value.truthy() { value.text() } else { Ok("<none>".to_owned()) }
    };
    match status.get("state").str() {
        Some("Ready") => healthy(format!(
            "Role '{}' exists with ARN '{}' and ID '{}'.",
            field("roleName")?,
            field("roleARN")?,
            field("roleID")?
        )),
        Some("Error" | "RolesMaxLimitReached" | "PolicyNotAllowed" | "RoleNameNotAvailable") => {
            let retries = status.get("retryCount");
            let mut message = "Failed to reconcile the Iamrole ".to_owned();
            if retries.present() && retries.number()? > 0.0 {
                message = format!("{message}(retry {}) ", retries.text()?);
            }
            message = format!(
                "{message}for role '{}' with ARN '{}' and ID '{}'.",
                field("roleName")?,
                field("roleARN")?,
                field("roleID")?
            );
            let error = status.get("errorDescription");
            if error.present() {
                message = format!("{message} Reconciliation error was: {}", error.text()?);
            }
            degraded(message)
        }
        _ => progressing("Waiting for Iamrole to be reconciled"),
    }
}

fn managed_certificate(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.get("domainStatus").list().any(|it| it.get("status").is("FailedNotVisible")) {
        return degraded("At least one certificate has failed to be provisioned");
    }
    if status.get("certificateStatus").is("Active") {
        return healthy("All certificates are active");
    }
    progressing("At least one certificate is still being provisioned")
}

fn sap(object: Look<'_>) -> Judged {
    let metadata = object.get("metadata");
    if metadata.at("deletionTimestamp")?.truthy() {
        return progressing("Resource is being deleted");
    }
    if object.path("status.conditions").absent() {
        return progressing("Waiting for status");
    }
    for condition in object.conditions() {
        let (observed, generation) = (condition.get("observedGeneration"), metadata.get("generation"));
        if observed.truthy() && generation.truthy() && !observed.same(generation) {
            return progressing("Waiting for spec update to be observed");
        }
        if condition.has("Succeeded", "False") || condition.has("Failed", "True") {
            return degraded(condition.get("message").message());
        }
    }
    healthy("Ready to use")
}

fn spot_deployment(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.get("conditions").absent() {
        return Err(Unjudged::Silent);
    }
    for condition in object.conditions() {
        let kind = condition.get("type");
        let stuck = condition.get("reason").is_one(&["RolloutAborted", "ProgressDeadlineExceeded"]);
        if kind.is("InvalidSpec") || (kind.is("Progressing") && stuck) {
            return degraded(condition.get("message").message());
        }
        if condition.has("Paused", "True") {
            return suspended("Rollout is paused");
        }
    }
    if status.get("phase").is("Progressing") {
        return progressing("Waiting for rollout to finish steps");
    }
    healthy("")
}

fn ansible_job(object: Look<'_>) -> Judged {
    let result = object.path("status.ansibleJobResult");
    let status = result.get("status").message();
    let message = || Ok(format!("{status} job - {}", result.get("url").text()?));
    match status.as_str() {
        "successful" => healthy(message()?),
        "failed" | "error" | "canceled" => degraded(message()?),
        "new" | "pending" | "waiting" | "running" => progressing(message()?),
        _ => progressing("Waiting for AnsibleJob"),
    }
}
