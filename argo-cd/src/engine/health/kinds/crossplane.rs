//! Crossplane and Upbound: every kind of their groups, providers, stacks.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule};

pub(super) const KINDS: &[Entry] = &[
    ("*.crossplane.io", "*", Rule::Code(crossplane)),
    ("*.upbound.io", "*", Rule::Code(upbound)),
    ("pkg.crossplane.io", "Provider", Rule::Code(provider)),
    ("stacks.crossplane.io", "ClusterStackInstall", Rule::Code(stack)),
];

fn crossplane(object: Look<'_>) -> Judged {
    resource(
        object,
        &[
            "Composition",
            "CompositionRevision",
            "DeploymentRuntimeConfig",
            "ClusterProviderConfig",
            "ProviderConfig",
            "ProviderConfigUsage",
            "ControllerConfig",
        ],
        &["Ready", "Healthy", "Offered", "Established", "ValidPipeline", "RevisionHealthy"],
    )
}

fn upbound(object: Look<'_>) -> Judged {
    resource(object, &["ClusterProviderConfig", "ProviderConfig", "ProviderConfigUsage"], &["Ready"])
}

fn resource(object: Look<'_>, without_status: &[&str], good: &[&str]) -> Judged {
    let (status, kind) = (object.get("status"), object.get("kind"));
    if status.absent() || (status.is_empty() && kind.is_one(without_status)) {
        return healthy("Resource is up-to-date.");
    }
    if status.get("conditions").absent() {
        if kind.is_one(&["ProviderConfig", "ClusterProviderConfig"]) && status.get("users").present() {
            return healthy("Resource is in use.");
        }
        return progressing("Provisioning ...");
    }
    let mut is_good = false;
    for condition in object.conditions() {
        let kind = condition.get("type");
        if kind.is_one(&["LastAsyncOperation", "Synced"]) && condition.get("status").is("False") {
            return degraded(condition.get("message").message());
        }
        is_good |= kind.is_one(good) && condition.get("status").is("True");
    }
    if is_good { healthy("Resource is up-to-date.") } else { progressing("Provisioning ...") }
}

fn provider(object: Look<'_>) -> Judged {
    if object.path("status.conditions").absent() {
        return progressing("Waiting for provider to be installed");
    }
    let last = |kind: &str| object.conditions().filter(|it| it.get("type").is(kind)).last();
    let (installed, well) = (last("Installed"), last("Healthy"));
    let reason = |it: Option<Look<'_>>| match it {
        Some(condition) => condition.get("reason").text(),
        None => Err(Unjudged::Text("nil")),
    };
    let message = format!("{} {}", reason(installed)?, reason(well)?);
    let holds = |it: Option<Look<'_>>| it.is_some_and(|it| it.get("status").is("True"));
    if holds(installed) && holds(well) { healthy(message) } else { degraded(message) }
}

fn stack(object: Look<'_>) -> Judged {
    let mut message = "Waiting for stack to be installed".to_owned();
    for condition in object.path("status.conditionedStatus.conditions").list() {
        if condition.get("type").is("Ready") {
            message = condition.get("reason").message();
            if condition.get("status").is("True") {
                return healthy(message);
            }
        }
    }
    progressing(message)
}
