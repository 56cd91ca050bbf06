//! Quotas: resources and the scopes they are counted in.

use super::super::place::Place;
use super::super::pod;

const SCOPES: [&str; 7] = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];
const KNOWN: [&str; 20] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
    "",
];

fn is_known(name: &str) -> bool {
    KNOWN.contains(&name) || name.starts_with("hugepages-") || name.starts_with("requests.hugepages-")
}

/// Whether a resource is counted in a scope.
fn counts(scope: &str, name: &str) -> bool {
    let compute = ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
    match scope {
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        scope if SCOPES.contains(&scope) => name == "pods" || compute.contains(&name),
        _ => true,
    }
}

fn amounts(amounts: &Place<'_, '_>) {
    for (name, place) in amounts.entries() {
        pod::resource_name(&place, name);
        if !name.contains('/') && !is_known(name) {
            place.wrong(name, "must be a standard resource for quota");
        }
        if let Some(quantity) = place.quantity() {
            pod::amount(&place, name, quantity);
        }
    }
}

pub(in super::super) fn quota(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    let spec = object.at("spec");
    let hard = spec.at("hard");
    amounts(&hard);
    let names: Vec<&str> = hard.entries().map(|(name, _)| name).filter(|name| is_known(name)).collect();
    let scopes = spec.at("scopes");
    let given = scopes.texts();
    for scope in &given {
        if !SCOPES.contains(scope) {
            scopes.invalid("unsupported scope");
        }
        for _ in names.iter().filter(|name| !counts(scope, name)) {
            scopes.invalid("unsupported scope applied to resource");
        }
    }
    conflicts(&scopes, &given, &scopes);
    let selected = spec.at("scopeSelector.matchExpressions");
    selector(&selected, &names);
    let named: Vec<&str> = selected.list().iter().filter_map(|it| it.get("scopeName")?.as_str()).collect();
    conflicts(&selected, &named, &scopes);
    if let Some(live) = live {
        let sorted = |mut list: Vec<&str>| {
            list.sort_unstable();
            list.dedup();
            list.join(",")
        };
        if sorted(live.at("spec.scopes").texts()) != sorted(given) {
            scopes.invalid("field is immutable");
        }
    }
}

fn conflicts(place: &Place<'_, '_>, given: &[&str], shown: &Place<'_, '_>) {
    for pair in [["BestEffort", "NotBestEffort"], ["NotTerminating", "Terminating"]] {
        if pair.iter().all(|scope| given.contains(scope)) {
            place.wrong(shown.value().clone(), "conflicting scopes");
        }
    }
}

/// Scopes by requirements, which are named without their indexes.
fn selector(all: &Place<'_, '_>, names: &[&str]) {
    for requirement in all.items() {
        let (scope, operator) = (requirement.at("scopeName").text(), requirement.at("operator").text());
        if !SCOPES.contains(&scope) {
            all.at("scopeName").wrong(scope, "unsupported scope");
        }
        for _ in names.iter().filter(|name| !counts(scope, name)) {
            all.invalid("unsupported scope applied to resource");
        }
        let plain = SCOPES.contains(&scope) && !matches!(scope, "PriorityClass" | "VolumeAttributesClass");
        if plain && operator != "Exists" {
            all.at("operator").wrong(operator, "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
        }
        let values = requirement.at("values");
        match operator {
            "In" | "NotIn" => {
                if values.is_empty() {
                    let why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                    all.at("values").required(why);
                }
            }
            "Exists" | "DoesNotExist" => {
                if !values.is_empty() {
                    let why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                    all.at("values").wrong(values.value().clone(), why);
                }
            }
            _ => all.at("operator").wrong(operator, "not a valid selector operator"),
        }
    }
}

pub(in super::super) fn quota_status(object: &Place<'_, '_>) {
    amounts(&object.at("status.hard"));
    amounts(&object.at("status.used"));
}
