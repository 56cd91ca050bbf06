//! OpenShift and the Operator Lifecycle Manager.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule, unknown};

pub(super) const KINDS: &[Entry] = &[
    ("apps.openshift.io", "DeploymentConfig", Rule::Code(deployment_config)),
    ("ocs.openshift.io", "StorageCluster", Rule::Code(storage_cluster)),
    ("operators.coreos.com", "Subscription", Rule::Code(subscription)),
    ("route.openshift.io", "Route", Rule::Code(route)),
];

fn deployment_config(object: Look<'_>) -> Judged {
    let waiting = "replication controller is waiting for pods to run";
    let status = object.get("status");
    if status.get("conditions").absent() || status.get("replicas").absent() {
        return progressing(waiting);
    }
    let counts = |it: &Look<'_>| {
        let rolled = it.get("type").is("Progressing") && it.get("reason").is("NewReplicationControllerAvailable");
        (it.get("type").is("Available") || rolled) && it.get("status").is("True")
    };
    let met = object.conditions().filter(counts).count();
    if met == 2 || status.get("replicas").is_number(0.0) {
        healthy("replication controller successfully rolled out")
    } else if met == 1 {
        progressing(waiting)
    } else {
        degraded("Deployment config is degraded")
    }
}

fn storage_cluster(object: Look<'_>) -> Judged {
    let last = |kind: &str| {
        let found = object.conditions().filter(|it| it.has(kind, "True")).last();
        found.map(|it| it.get("message").message())
    };
    if let Some(message) = last("Degraded") {
        return degraded(message);
    }
    if let Some(message) = last("Progressing") {
        return progressing(message);
    }
    match last("Available") {
        Some(message) => healthy(message),
        None => unknown("StorageCluster is in an unknown state."),
    }
}

fn subscription(object: Look<'_>) -> Judged {
    let status = object.get("status");
    if status.get("conditions").absent() {
        return progressing("An install plan for a subscription is pending installation");
    }
    let awaits = |it: Look<'_>| it.has("InstallPlanPending", "True") && it.get("reason").is("RequiresApproval");
    let by_hand = object.path("spec.installPlanApproval").is("Manual")
        && object.conditions().any(awaits)
        && status.get("installedCSV").present();
    let (mut failures, mut pending) = (0, 0);
    let mut message = String::new();
    for (place, condition) in object.conditions().enumerate() {
        let kind = condition.get("type");
        if by_hand && kind.is("InstallPlanPending") {
            continue;
        }
        let holds = condition.get("status").is("True");
        message = format!("{message}{}: {} | {}\n", place + 1, kind.text()?, condition.get("status").text()?);
        if kind.is("InstallPlanPending") && holds {
            pending += 1;
        } else {
            let missing = kind.is("InstallPlanMissing") && !condition.get("reason").is("ReferencedInstallPlanNotFound");
            let failing = &["CatalogSourcesUnhealthy", "InstallPlanFailed", "ResolutionFailed"];
            failures += usize::from(missing || (kind.is_one(failing) && holds));
        }
    }
    let state = status.get("state");
    if state.absent() {
        pending += 1;
        message.push_str(".status.state not yet known\n");
    } else if state.is("UpgradePending") && by_hand {
        message
            .push_str(".status.state is 'UpgradePending' (manual InstallPlan approval pending; treated as healthy)\n");
    } else {
        pending += usize::from(state.is_one(&["", "UpgradeAvailable", "UpgradePending"]));
        failures += usize::from(state.is("UpgradeFailed"));
        message = format!("{message}.status.state is '{}'\n", state.text()?);
    }
    match (failures, pending) {
        (0, 0) => healthy(message),
        (0, _) => progressing(message),
        _ => degraded(message),
    }
}

fn route(object: Look<'_>) -> Judged {
    let waiting = "Route is still getting admitted";
    let ingress = object.path("status.ingress");
    if ingress.absent() {
        return progressing(waiting);
    }
    let (mut rules, mut admitted, mut refused) = (0, 0, 0);
    for rule in ingress.list() {
        rules += 1;
        for condition in rule.get("conditions").items()? {
            admitted += usize::from(condition.has("Admitted", "True"));
            refused += usize::from(condition.has("Admitted", "False"));
        }
    }
    if admitted == rules {
        healthy("Route is healthy")
    } else if refused > 0 {
        degraded("Route is degraded")
    } else {
        progressing(waiting)
    }
}
