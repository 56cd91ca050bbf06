//! 3scale kinds that are more than their conditions.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule, suspended};

pub(super) const KINDS: &[Entry] = &[
    ("apps.3scale.net", "APIManager", Rule::Code(manager)),
    ("capabilities.3scale.net", "Application", Rule::Code(application)),
    ("capabilities.3scale.net", "DeveloperUser", Rule::Code(developer_user)),
    ("capabilities.3scale.net", "Tenant", Rule::Code(tenant)),
];

fn manager(object: Look<'_>) -> Judged {
    let available = "3scale APIManager is available";
    let deployments = object.path("status.deployments");
    let told = |name: &str| deployments.get(name).present();
    if told("ready") && !told("starting") && !told("stopped") {
        return healthy(available);
    }
    for condition in object.conditions().filter(|it| it.get("type").is("Available")) {
        if condition.get("status").is("True") {
            return healthy(available);
        }
        let reason = condition.get("reason");
        if reason.present() && !reason.is("") {
            return degraded(format!("3scale APIManager is degraded: {}", reason.text()?));
        }
    }
    progressing("Waiting for 3scale APIManager status...")
}

fn is_id(value: Look<'_>) -> bool {
    value.float().is_some_and(|it| it > 0.0)
}

fn application(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.get("state").is("suspended") {
        return suspended("3scale Application is suspended");
    }
    for condition in object.conditions().filter(|it| it.get("type").is("Ready")) {
        if condition.get("status").is("True") {
            return healthy("3scale Application is ready");
        }
        if !is_id(status.get("adminId")) {
            return degraded(condition.get("message").or("3scale Application is not ready"));
        }
    }
    progressing("Waiting for 3scale Application status...")
}

fn developer_user(object: Look<'_>) -> Judged {
    if object.path("status.developerUserState").is("suspended") {
        return suspended("3scale Developer user is waiting for admin approval");
    }
    for condition in object.conditions().filter(|it| it.get("status").is("True")) {
        let default = match condition.get("type").str() {
            Some("Ready") => return healthy("3scale DeveloperUser is ready"),
            Some("Invalid") => "3scale DeveloperUser configuration is invalid",
            Some("Orphan") => "3scale DeveloperUser references non-existing resources",
            Some("Failed") => "3scale DeveloperUser synchronization failed",
            _ => continue,
        };
        return degraded(condition.get("message").or(default));
    }
    progressing("Waiting for 3scale DeveloperUser status...")
}

fn tenant(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let ready = object.conditions().any(|it| it.has("Ready", "True"));
    if ready && is_id(status.get("tenantId")) && is_id(status.get("adminId")) {
        return healthy("3scale Tenant is ready");
    }
    let failed = |it: &Look<'_>| it.get("type").is("Ready") && !it.get("status").is("True");
    match object.conditions().find(failed) {
        Some(condition) => degraded(condition.get("message").or("3scale Tenant is degraded")),
        None => progressing("Waiting for 3scale Tenant status..."),
    }
}
