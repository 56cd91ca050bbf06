//! What people see of a Pod: the state that `kubectl get pods` prints, containers, requests.

use std::collections::{BTreeMap, BTreeSet};

use argo_core::Object;
use argo_lang::quantity::Quantity;
use serde_json::Value;

use crate::api::InfoItem;

/// Images of its containers, each once.
pub(super) fn images(pod: &Object) -> BTreeSet<String> {
    let containers = list(pod, "/spec/initContainers").chain(list(pod, "/spec/containers"));
    containers.map(|it| text(it, "/image").to_owned()).collect()
}

pub(super) fn info(pod: &Object) -> Vec<InfoItem> {
    let State { reason, ready, total, restarts } = state(pod);
    let mut info = Vec::new();
    let mut add = |name: &str, value: String| info.push(InfoItem { name: name.to_owned(), value });
    if !reason.is_empty() {
        add("Status Reason", reason);
    }
    add("Node", pod.text("/spec/nodeName").to_owned());
    add("Containers", format!("{ready}/{total}"));
    if restarts > 0 {
        add("Restart Count", restarts.to_string());
    }
    if !is_over(pod) {
        let requests = requests(pod);
        for name in ["cpu", "memory"] {
            add(name, requests.get(name).copied().unwrap_or_default().to_string());
        }
    }
    info
}

/// Whether it has run to its end.
pub(super) fn is_over(pod: &Object) -> bool {
    matches!(pod.text("/status/phase"), "Failed" | "Succeeded")
}

struct State {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
}

fn state(pod: &Object) -> State {
    let phase = pod.text("/status/phase");
    let own = pod.text("/status/reason");
    let mut reason = if own.is_empty() { phase } else { own }.to_owned();
    let condition = |kind: &str| list(pod, "/status/conditions").find(|it| text(it, "/type") == kind);
    if condition("PodScheduled").is_some_and(|it| text(it, "/reason") == "SchedulingGated") {
        "SchedulingGated".clone_into(&mut reason);
    }
    let sidecars: BTreeSet<&str> = list(pod, "/spec/initContainers")
        .filter(|it| text(it, "/restartPolicy") == "Always")
        .map(|it| text(it, "/name"))
        .collect();
    let mut state =
        State { reason, ready: 0, total: list(pod, "/spec/containers").count() + sidecars.len(), restarts: 0 };
    let begins = initialise(pod, &sidecars, &mut state);
    if !begins || condition("Initialized").is_some_and(|it| text(it, "/status") == "True") {
        run(pod, &mut state);
    }
    if pod.is_deleting() && own == "NodeLost" {
        "Unknown".clone_into(&mut state.reason);
    } else if pod.is_deleting() && !is_over(pod) {
        "Terminating".clone_into(&mut state.reason);
    }
    state
}

/// Reads the init containers; whether one is still at it, or failed.
fn initialise(pod: &Object, sidecars: &BTreeSet<&str>, state: &mut State) -> bool {
    let count = list(pod, "/spec/initContainers").count();
    for (i, it) in list(pod, "/status/initContainerStatuses").enumerate() {
        state.restarts += it.get("restartCount").and_then(Value::as_i64).unwrap_or_default();
        let terminated = it.pointer("/state/terminated");
        let code = terminated.and_then(|it| it.get("exitCode")).and_then(Value::as_i64).unwrap_or_default();
        if terminated.is_some() && code == 0 {
            continue;
        }
        if sidecars.contains(text(it, "/name")) && is(it, "started") {
            state.ready += usize::from(is(it, "ready"));
            continue;
        }
        let waiting = text(it, "/state/waiting/reason");
        state.reason = if terminated.is_some() {
            format!("Init:{}", ended(it))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{i}/{count}")
        };
        return true;
    }
    false
}

fn run(pod: &Object, state: &mut State) {
    let mut running = false;
    let statuses: Vec<&Value> = list(pod, "/status/containerStatuses").collect();
    for it in statuses.into_iter().rev() {
        state.restarts += it.get("restartCount").and_then(Value::as_i64).unwrap_or_default();
        let waiting = text(it, "/state/waiting/reason");
        if !waiting.is_empty() {
            waiting.clone_into(&mut state.reason);
        } else if it.pointer("/state/terminated").is_some() {
            state.reason = ended(it);
        } else if is(it, "ready") && it.pointer("/state/running").is_some() {
            running = true;
            state.ready += 1;
        }
    }
    if state.reason == "Completed" && running {
        "Running".clone_into(&mut state.reason);
    }
}

/// How a container ended.
fn ended(status: &Value) -> String {
    let reason = text(status, "/state/terminated/reason");
    let number = |field: &str| status.pointer(&format!("/state/terminated/{field}")).and_then(Value::as_i64);
    match number("signal").filter(|it| *it != 0) {
        _ if !reason.is_empty() => reason.to_owned(),
        Some(signal) => format!("Signal:{signal}"),
        None => format!("ExitCode:{}", number("exitCode").unwrap_or_default()),
    }
}

/// What a Pod asks of its machine, in thousandths: the sum of its containers, or what its greediest init container
/// needs, and the overhead.
pub(super) fn requests(pod: &Object) -> BTreeMap<String, i64> {
    let statuses: BTreeMap<&str, &Value> = list(pod, "/status/containerStatuses")
        .chain(list(pod, "/status/initContainerStatuses"))
        .filter_map(|it| Some((text(it, "/name"), it.pointer("/resources/requests")?)))
        .collect();
    let of = |container: &Value| {
        let mut wanted = milli(container.pointer("/resources/requests"));
        if let Some(actual) = statuses.get(text(container, "/name")) {
            // A Pod that is resized counts with the larger of the two.
            for (name, value) in milli(Some(*actual)) {
                let it = wanted.entry(name).or_default();
                *it = value.max(*it);
            }
        }
        wanted
    };
    let mut total = BTreeMap::new();
    for container in list(pod, "/spec/containers") {
        add(&mut total, &of(container));
    }
    let mut sidecars = BTreeMap::new();
    let mut greediest: BTreeMap<String, i64> = BTreeMap::new();
    for container in list(pod, "/spec/initContainers") {
        let mut needs = of(container);
        if text(container, "/restartPolicy") == "Always" {
            add(&mut total, &needs);
            add(&mut sidecars, &needs);
            needs = sidecars.clone();
        } else {
            add(&mut needs, &sidecars);
        }
        most(&mut greediest, &needs);
    }
    most(&mut total, &greediest);
    add(&mut total, &milli(pod.pointer("/spec/overhead")));
    total
}

fn add(to: &mut BTreeMap<String, i64>, more: &BTreeMap<String, i64>) {
    for (name, value) in more {
        let it = to.entry(name.clone()).or_default();
        *it = it.saturating_add(*value);
    }
}

fn most(to: &mut BTreeMap<String, i64>, other: &BTreeMap<String, i64>) {
    for (name, value) in other {
        let it = to.entry(name.clone()).or_default();
        *it = (*it).max(*value);
    }
}

/// Quantities in thousandths.
pub(super) fn milli(list: Option<&Value>) -> BTreeMap<String, i64> {
    let entries = list.and_then(Value::as_object).into_iter().flatten();
    let read = |value: &Value| match value {
        Value::String(text) => Quantity::parse(text).ok().map(Quantity::milli_value),
        other => other.as_i64().map(|it| it.saturating_mul(1000)),
    };
    entries.filter_map(|(name, value)| Some((name.clone(), read(value)?))).collect()
}

fn list<'a>(object: &'a Object, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn is(value: &Value, field: &str) -> bool {
    value.get(field).and_then(Value::as_bool).unwrap_or_default()
}
