//! LimitRange: defaults for the resources of containers, and bounds on those of containers, pods and claims.

use std::collections::BTreeMap;
use std::sync::Arc;

use argo_lang::quantity::Quantity;
use serde_json::{Value, json};

use super::review::Attempted;
use crate::server::meta;
use crate::server::state::State;
use crate::server::status::ApiError;
use crate::store::GroupResource;

type Amounts = BTreeMap<String, Quantity>;

/// Amounts by resource below a pointer.
pub(super) fn amounts(object: &Value, pointer: &str) -> Amounts {
    let fields = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    fields.filter_map(|(resource, amount)| Some((resource.clone(), parse(amount)?))).collect()
}

pub(super) fn parse(amount: &Value) -> Option<Quantity> {
    match amount {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => number.as_i64().map(Quantity::of),
        _ => None,
    }
}

/// Adds amounts up.
pub(super) fn add(to: &mut Amounts, more: &Amounts) {
    for (resource, amount) in more {
        let sum = to.get(resource).map_or(*amount, |it| *it + *amount);
        to.insert(resource.clone(), sum);
    }
}

/// Takes the larger of each.
fn widen(to: &mut Amounts, other: &Amounts) {
    for (resource, amount) in other {
        if to.get(resource).is_none_or(|it| it < amount) {
            to.insert(resource.clone(), *amount);
        }
    }
}

/// What a pod asks for as a whole: the sum of its containers, or its greediest init container.
pub(super) fn pod_amounts(pod: &Value, side: &str) -> Amounts {
    let list = |field: &str| pod.pointer(&format!("/spec/{field}")).and_then(Value::as_array).into_iter().flatten();
    let of = |container: &Value| amounts(container, &format!("/resources/{side}"));
    let mut total = Amounts::new();
    for container in list("containers") {
        add(&mut total, &of(container));
    }
    let mut lasting = Amounts::new();
    let mut init = Amounts::new();
    for container in list("initContainers") {
        let mut now = lasting.clone();
        add(&mut now, &of(container));
        if meta::text(container, "/restartPolicy") == "Always" {
            lasting = now.clone();
        }
        widen(&mut init, &now);
    }
    add(&mut total, &lasting);
    widen(&mut total, &init);
    total
}

// === impl State ===

impl State {
    fn limit_ranges(&self, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let Some(namespace) = namespace else { return Vec::new() };
        let resource = GroupResource::new("", "limitranges");
        self.store.objects(&resource, Some(namespace)).map(|(_, object)| object.clone()).collect()
    }

    /// Fills in the resources that containers of a new pod leave open.
    pub(super) fn apply_limits(&self, attempted: &Attempted<'_>, object: &mut Value) {
        let def = &attempted.call.def;
        if attempted.operation != "CREATE" || !def.group().is_empty() || def.resource() != "pods" {
            return;
        }
        for range in self.limit_ranges(attempted.call.namespace) {
            let (mut requests, mut limits) = (Amounts::new(), Amounts::new());
            for item in items(&range).filter(|item| meta::text(item, "/type") == "Container") {
                requests.extend(amounts(item, "/defaultRequest"));
                limits.extend(amounts(item, "/default"));
            }
            let mut notes = Vec::new();
            for (list, kind) in [("containers", "container"), ("initContainers", "init container")] {
                let containers = object.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
                for container in containers.into_iter().flatten() {
                    for (side, word, defaults) in [("requests", "request", &requests), ("limits", "limit", &limits)] {
                        let set = complete(container, side, defaults);
                        if !set.is_empty() {
                            notes.push(format!(
                                "{} {word} for {kind} {}",
                                set.join(", "),
                                meta::text(container, "/name")
                            ));
                        }
                    }
                }
            }
            if !notes.is_empty() {
                object["metadata"]["annotations"]["kubernetes.io/limit-ranger"] =
                    json!(format!("LimitRanger plugin set: {}", notes.join("; ")));
            }
        }
    }

    /// Refuses what is out of bounds.
    pub(super) fn check_limits(&self, attempted: &Attempted<'_>) -> Result<(), ApiError> {
        let def = &attempted.call.def;
        let Some(object) = attempted.object.filter(|_| def.group().is_empty() && attempted.call.subresource.is_none())
        else {
            return Ok(());
        };
        let pod = def.resource() == "pods" && attempted.operation == "CREATE";
        let claim = def.resource() == "persistentvolumeclaims";
        if !pod && !claim {
            return Ok(());
        }
        for range in self.limit_ranges(attempted.call.namespace) {
            let mut broken = Vec::new();
            for item in items(&range) {
                match meta::text(item, "/type") {
                    "Container" if pod => {
                        for list in ["containers", "initContainers"] {
                            let containers = object.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
                            for container in containers.into_iter().flatten() {
                                let of = |side: &str| amounts(container, &format!("/resources/{side}"));
                                bounds(item, &of("requests"), &of("limits"), &mut broken);
                            }
                        }
                    }
                    "Pod" if pod => {
                        bounds(item, &pod_amounts(object, "requests"), &pod_amounts(object, "limits"), &mut broken);
                    }
                    "PersistentVolumeClaim" if claim => {
                        let requests = amounts(object, "/spec/resources/requests");
                        bounds(item, &requests, &requests, &mut broken);
                    }
                    _ => {}
                }
            }
            if !broken.is_empty() {
                let why = if broken.len() == 1 { broken.remove(0) } else { format!("[{}]", broken.join(", ")) };
                return Err(ApiError::forbidden(&def.served, &attempted.name(), &why));
            }
        }
        Ok(())
    }
}

fn items(range: &Value) -> impl Iterator<Item = &Value> {
    range.pointer("/spec/limits").and_then(Value::as_array).into_iter().flatten()
}

/// Sets what a container leaves open; which resources that were.
fn complete(container: &mut Value, side: &str, defaults: &Amounts) -> Vec<String> {
    let mut set = Vec::new();
    for (resource, amount) in defaults {
        // A limit of the container's own is its request too.
        let place = &mut container["resources"];
        let own = place.get("limits").and_then(|limits| limits.get(resource)).cloned();
        if place.get(side).is_some_and(|amounts| amounts.get(resource).is_some()) {
            continue;
        }
        if side == "requests" && own.is_some() {
            place[side][resource] = own.unwrap_or_default();
            continue;
        }
        place[side][resource] = json!(amount.to_string());
        set.push(resource.clone());
    }
    set
}

fn bounds(item: &Value, requests: &Amounts, limits: &Amounts, broken: &mut Vec<String>) {
    let kind = meta::text(item, "/type");
    let claim = kind == "PersistentVolumeClaim";
    for (resource, least) in amounts(item, "/min") {
        let limit = limits.get(&resource).filter(|limit| !claim && **limit < least);
        match (requests.get(&resource), limit) {
            (None, _) => {
                broken.push(format!("minimum {resource} usage per {kind} is {least}.  No request is specified"))
            }
            (Some(request), _) if *request < least => {
                broken.push(format!("minimum {resource} usage per {kind} is {least}, but request is {request}"));
            }
            (_, Some(limit)) => {
                broken.push(format!("minimum {resource} usage per {kind} is {least}, but limit is {limit}"));
            }
            _ => {}
        }
    }
    for (resource, most) in amounts(item, "/max") {
        let word = if claim { "request" } else { "limit" };
        let request = requests.get(&resource).filter(|request| !claim && **request > most);
        match (limits.get(&resource), request) {
            (None, _) => broken.push(format!("maximum {resource} usage per {kind} is {most}.  No {word} is specified")),
            (Some(limit), _) if *limit > most => {
                broken.push(format!("maximum {resource} usage per {kind} is {most}, but {word} is {limit}"));
            }
            (_, Some(request)) => {
                broken.push(format!("maximum {resource} usage per {kind} is {most}, but request is {request}"));
            }
            _ => {}
        }
    }
    for (resource, most) in amounts(item, "/maxLimitRequestRatio") {
        if let (Some(request), Some(limit)) = (requests.get(&resource), limits.get(&resource)) {
            let ratio = limit.as_f64() / request.as_f64();
            if ratio > most.as_f64() {
                broken.push(format!(
                    "{resource} max limit to request ratio per {kind} is {most}, but provided ratio is {ratio:.6}"
                ));
            }
        }
    }
}
