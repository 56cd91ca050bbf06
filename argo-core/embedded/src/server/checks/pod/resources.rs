//! Requests, limits and claims of containers and pods.

use argo_lang::quantity::Quantity;
use serde_json::Value;

use super::super::super::names;
use super::super::place::Place;
use super::environment::resource_name;

/// Resources that have a name without a domain.
const STANDARD: [&str; 19] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
];
/// Resources that are counted.
const COUNTED: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

pub(super) fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name)
        || name == "services.loadbalancers"
        || is_huge(name)
        || name.starts_with("requests.hugepages-")
}

fn is_huge(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Without a domain, or of Kubernetes' own.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && names::qualified_name_problems(&format!("requests.{name}")).is_empty()
}

/// More may be asked for than there is.
fn may_overcommit(name: &str) -> bool {
    is_native(name) && !is_huge(name)
}

/// An amount of a resource.
pub(in super::super) fn amount(place: &Place<'_, '_>, name: &str, amount: Quantity) {
    if amount < Quantity::ZERO {
        place.wrong(amount.to_string(), "must be greater than or equal to 0");
    }
    if (COUNTED.contains(&name) || is_extended(name)) && amount.milli_value() % 1000 != 0 {
        place.wrong(amount.to_string(), "must be an integer");
    }
}

pub(in super::super) fn container_name(place: &Place<'_, '_>, name: &str) {
    resource_name(place, name);
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !is_huge(name) {
            place.wrong(name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        place.wrong(name, "doesn't follow extended resource name standard");
    }
}

fn pod_name(place: &Place<'_, '_>, name: &str) {
    if resource_name(place, name) && !matches!(name, "cpu" | "memory") && !is_huge(name) {
        place.unsupported(name, &["cpu", "hugepages-", "memory"]);
    }
}

/// Resources of a container.
pub(super) fn of_container(resources: &Place<'_, '_>, claims: &[&str]) {
    requirements(resources, container_name);
    claimed(&resources.at("claims"), claims);
}

/// What a pod costs besides its containers.
pub(super) fn overhead(overhead: &Place<'_, '_>) {
    if overhead.is_set() {
        let path = overhead.path();
        let limits = serde_json::json!({ "limits": overhead.value() });
        let found = super::super::place::Found::default();
        requirements(&Place::root(&limits, &path, &found), container_name);
        found.into_causes().into_iter().for_each(|cause| overhead.add(cause));
    }
}

fn requirements(resources: &Place<'_, '_>, name_rule: fn(&Place<'_, '_>, &str)) {
    let (limits, requests) = (resources.at("limits"), resources.at("requests"));
    let (mut huge, mut base) = (false, false);
    let mut look = |name: &str, place: &Place<'_, '_>, quantity: Quantity| {
        name_rule(place, name);
        amount(place, name, quantity);
        if is_huge(name) {
            huge = true;
            let page = Quantity::parse(name.trim_start_matches("hugepages-")).map_or(0, Quantity::value);
            if page == 0 || quantity.value() % page != 0 {
                place.wrong(quantity.to_string(), &format!("{quantity} is not positive integer multiple of {name}"));
            }
        }
        base |= matches!(name, "cpu" | "memory");
    };
    for (name, limit) in limits.entries() {
        if let Some(quantity) = limit.quantity() {
            look(name, &limit, quantity);
        }
    }
    for (name, request) in requests.entries() {
        let Some(quantity) = request.quantity() else { continue };
        look(name, &request, quantity);
        match limits.key(name).quantity() {
            Some(limit) if quantity != limit && !may_overcommit(name) => {
                requests.wrong(quantity.to_string(), &format!("must be equal to {name} limit of {limit}"));
            }
            Some(limit) if quantity > limit => {
                requests.wrong(quantity.to_string(), &format!("must be less than or equal to {name} limit of {limit}"));
            }
            None if !may_overcommit(name) => {
                limits.required("Limit must be set for non overcommitable resources");
            }
            _ => {}
        }
    }
    if huge && !base {
        resources.forbidden("HugePages require cpu or memory");
    }
}

fn claimed(claims: &Place<'_, '_>, known: &[&str]) {
    let mut seen: Vec<String> = Vec::new();
    for claim in claims.items() {
        let (name, request) = (claim.at("name").text(), claim.at("request"));
        if name.is_empty() {
            claim.required("");
            continue;
        }
        let key = if request.is_empty() { name.to_owned() } else { format!("{name}/{}", request.text()) };
        if !request.is_empty() {
            request.label();
        }
        if seen.iter().any(|other| other == name) {
            claim.duplicate(name);
        } else if seen.contains(&key) {
            claim.duplicate(key.as_str());
        } else if request.is_empty() && seen.iter().any(|other| other.split('/').next() == Some(name)) {
            claim.duplicate(name);
        }
        seen.push(key);
        if !known.contains(&name) {
            let mut sorted = known.to_vec();
            sorted.sort_unstable();
            let which =
                if known.is_empty() { " which is empty".to_owned() } else { format!(": {}", sorted.join(", ")) };
            let mut cause = super::super::super::status::Cause::not_found(claim.path(), &Value::from(name));
            cause.message.push_str(&format!(": must be one of the names in pod.spec.resourceClaims{which}"));
            claim.add(cause);
        }
    }
}

/// Resources of a pod as a whole: what its containers ask for is within them.
pub(super) fn of_pod(spec: &Place<'_, '_>) {
    let resources = spec.at("resources");
    if !resources.is_set() {
        return;
    }
    if spec.at("os.name").text() == "windows" {
        return resources.forbidden("may not be set for a windows pod");
    }
    if resources.has("claims") {
        resources.at("claims").forbidden("claims may not be set for Resources at pod-level");
    }
    requirements(&resources, pod_name);
    let containers = spec.at("containers");
    let sum = |side: &str, name: &str| {
        let amounts = containers.items().filter_map(|it| it.at("resources").at(side).key(name).quantity());
        amounts.fold(Quantity::ZERO, |sum, amount| sum + amount)
    };
    for (name, request) in resources.at("requests").entries() {
        let all = sum("requests", name);
        if let Some(given) = request.quantity().filter(|given| all > *given) {
            let why = format!("must be greater than or equal to aggregate container requests of {all}");
            request.wrong(given.to_string(), &why);
        }
    }
    for (name, limit) in resources.at("limits").entries() {
        let Some(given) = limit.quantity() else { continue };
        let all = sum("limits", name);
        if is_huge(name) && all > given {
            let why = format!("must be greater than or equal to aggregate container limits of {all}");
            limit.wrong(given.to_string(), &why);
        }
        for (index, container) in containers.items().enumerate() {
            let of_container = container.at("resources.limits");
            if let Some(inner) = of_container.key(name).quantity().filter(|inner| *inner > given) {
                let path = format!("{}.containers[{index}][{name}].limits", resources.path());
                let place = resources.elsewhere(&Value::Null, &path);
                place.wrong(inner.to_string(), &format!("must be less than or equal to pod limits of {given}"));
            }
        }
    }
}
