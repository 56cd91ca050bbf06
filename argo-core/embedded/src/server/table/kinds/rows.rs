//! The rows that take more than a line: pods, jobs, services, nodes, events, quotas, autoscalers.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::super::cells::{age, containers, flag, items, labels, name, number, row, selector, strings, text, text_or};
use super::super::{age_of, human};
use crate::server::meta;

/// How many metrics of an autoscaler are shown.
const METRICS_SHOWN: usize = 2;

pub(super) fn pod(o: &Value, now: Timestamp) -> Vec<Value> {
    let Shown { reason, ready, restarts, last_restart, sidecars } = shown(o);
    let total = items(o, "/spec/containers").len() + sidecars;
    let restarts = match last_restart {
        Some(at) if restarts > 0 => format!("{restarts} ({} ago)", age_of(at, now)),
        _ => restarts.to_string(),
    };
    let gates = items(o, "/spec/readinessGates");
    let open = gates.iter().filter(|gate| condition(o, meta::text(gate, "/conditionType")) == Some("True")).count();
    let gates = if gates.is_empty() { "<none>".to_owned() } else { format!("{open}/{}", gates.len()) };
    row([
        name(o),
        Value::from(format!("{ready}/{total}")),
        Value::from(reason),
        Value::from(restarts),
        age(o, now),
        text(o, "/status/podIP").into(),
        text(o, "/spec/nodeName").into(),
        text(o, "/status/nominatedNodeName").into(),
        gates.into(),
    ])
}

/// The status of a condition.
fn condition<'a>(o: &'a Value, kind: &str) -> Option<&'a str> {
    let conditions = items(o, "/status/conditions");
    conditions.iter().find(|it| meta::text(it, "/type") == kind).map(|it| meta::text(it, "/status"))
}

/// What a pod's row is made of.
struct Shown<'a> {
    /// The word in the STATUS column: the phase, or what a container waits for or ended with.
    reason: String,
    ready: usize,
    restarts: i64,
    last_restart: Option<&'a str>,
    /// Init containers that run beside the others.
    sidecars: usize,
}

/// Restarts, and when the last one was.
#[derive(Default)]
struct Restarts<'a> {
    count: i64,
    last: Option<&'a str>,
}

impl<'a> Restarts<'a> {
    fn add(&mut self, status: &'a Value) {
        self.count += number(status, "/restartCount");
        let at = meta::text(status, "/lastState/terminated/finishedAt");
        if !at.is_empty() {
            self.last = self.last.max(Some(at));
        }
    }
}

fn ended(status: &Value) -> String {
    match (meta::text(status, "/state/terminated/reason"), number(status, "/state/terminated/signal")) {
        ("", 0) => format!("ExitCode:{}", number(status, "/state/terminated/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (why, _) => why.to_owned(),
    }
}

fn shown(o: &Value) -> Shown<'_> {
    let phase = meta::text(o, "/status/phase");
    let mut reason = text_or(o, "/status/reason", phase);
    let gated =
        |it: &&Value| meta::text(it, "/type") == "PodScheduled" && meta::text(it, "/reason") == "SchedulingGated";
    if items(o, "/status/conditions").iter().find(gated).is_some() {
        reason = "SchedulingGated".to_owned();
    }
    let sidecars: BTreeSet<&str> = items(o, "/spec/initContainers")
        .iter()
        .filter(|container| meta::text(container, "/restartPolicy") == "Always")
        .map(|container| meta::text(container, "/name"))
        .collect();
    let (mut all, mut lasting) = (Restarts::default(), Restarts::default());
    let mut ready = 0;
    let mut initializing = false;
    for (index, status) in items(o, "/status/initContainerStatuses").iter().enumerate() {
        let sidecar = sidecars.contains(meta::text(status, "/name"));
        all.add(status);
        if sidecar {
            lasting.add(status);
        }
        let waiting = meta::text(status, "/state/waiting/reason");
        if status.pointer("/state/terminated").is_some() && number(status, "/state/terminated/exitCode") == 0 {
            continue;
        }
        if sidecar && flag(status, "/started") {
            ready += usize::from(flag(status, "/ready"));
            continue;
        }
        reason = if status.pointer("/state/terminated").is_some() {
            format!("Init:{}", ended(status))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{index}/{}", items(o, "/spec/initContainers").len())
        };
        initializing = true;
        break;
    }
    if !initializing || condition(o, "Initialized") == Some("True") {
        let mut running = false;
        for status in items(o, "/status/containerStatuses").iter().rev() {
            lasting.add(status);
            let waiting = meta::text(status, "/state/waiting/reason");
            if !waiting.is_empty() {
                reason = waiting.to_owned();
            } else if status.pointer("/state/terminated").is_some() {
                reason = ended(status);
            } else if flag(status, "/ready") && status.pointer("/state/running").is_some() {
                running = true;
                ready += 1;
            }
        }
        if reason == "Completed" && running {
            reason = if condition(o, "Ready") == Some("True") { "Running" } else { "NotReady" }.to_owned();
        }
        all = lasting;
    }
    if meta::is_deleting(o) {
        if meta::text(o, "/status/reason") == "NodeLost" {
            reason = "Unknown".to_owned();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            reason = "Terminating".to_owned();
        }
    }
    Shown { reason, ready, restarts: all.count, last_restart: all.last, sidecars: sidecars.len() }
}

pub(super) fn job(o: &Value, now: Timestamp) -> Vec<Value> {
    let done = |kind: &str| {
        items(o, "/status/conditions")
            .iter()
            .any(|condition| meta::text(condition, "/type") == kind && meta::text(condition, "/status") == "True")
    };
    let status = match () {
        () if done("Complete") => "Complete",
        () if done("Failed") => "Failed",
        () if meta::is_deleting(o) => "Terminating",
        () if done("Suspended") => "Suspended",
        () if done("FailureTarget") => "FailureTarget",
        () if done("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    };
    let succeeded = number(o, "/status/succeeded");
    let completions = match o.pointer("/spec/completions").and_then(Value::as_i64) {
        Some(completions) => format!("{succeeded}/{completions}"),
        None => match number(o, "/spec/parallelism") {
            parallelism if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
            _ => format!("{succeeded}/1"),
        },
    };
    let start = meta::text(o, "/status/startTime").parse::<Timestamp>().ok();
    let end = meta::text(o, "/status/completionTime").parse::<Timestamp>().unwrap_or(now);
    let duration = start.map_or_else(String::new, |start| human(end.as_second() - start.as_second()));
    let [names, images] = containers(o, "/spec/template/spec");
    row([
        name(o),
        status.into(),
        completions.into(),
        duration.into(),
        age(o, now),
        names,
        images,
        selector(o, "/spec/selector"),
    ])
}

pub(super) fn service(o: &Value, now: Timestamp) -> Vec<Value> {
    let ports: Vec<String> = items(o, "/spec/ports")
        .iter()
        .map(|port| match number(port, "/nodePort") {
            0 => format!("{}/{}", number(port, "/port"), meta::text(port, "/protocol")),
            node => format!("{}:{node}/{}", number(port, "/port"), meta::text(port, "/protocol")),
        })
        .collect();
    let given = strings(o, "/spec/externalIPs").join(",");
    let external = match meta::text(o, "/spec/type") {
        "ExternalName" => meta::text(o, "/spec/externalName").to_owned(),
        "LoadBalancer" => match (load_balancer(o), given) {
            (balanced, given) if balanced.is_empty() && given.is_empty() => "<pending>".to_owned(),
            (balanced, given) if balanced.is_empty() || given.is_empty() => format!("{balanced}{given}"),
            (balanced, given) => format!("{balanced},{given}"),
        },
        "ClusterIP" | "NodePort" if given.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => given,
        _ => "<unknown>".to_owned(),
    };
    row([
        name(o),
        meta::text(o, "/spec/type").into(),
        strings(o, "/spec/clusterIPs").first().copied().unwrap_or("<none>").into(),
        external.into(),
        if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") }.into(),
        age(o, now),
        labels(o, "/spec/selector"),
    ])
}

/// The addresses or names that a load balancer gave.
pub(super) fn load_balancer(o: &Value) -> String {
    let addresses: BTreeSet<&str> = items(o, "/status/loadBalancer/ingress")
        .iter()
        .map(|it| match meta::text(it, "/ip") {
            "" => meta::text(it, "/hostname"),
            ip => ip,
        })
        .collect();
    addresses.into_iter().collect::<Vec<_>>().join(",")
}

pub(super) fn event(o: &Value, now: Timestamp) -> Vec<Value> {
    let first = |pointers: &[&str]| {
        pointers.iter().map(|pointer| meta::text(o, pointer)).find(|text| !text.is_empty()).unwrap_or_default()
    };
    let begun = age_of(first(&["/firstTimestamp", "/deprecatedFirstTimestamp", "/eventTime"]), now);
    let seen = match first(&["/series/lastObservedTime", "/lastTimestamp", "/deprecatedLastTimestamp"]) {
        "" => begun.clone(),
        at => age_of(at, now),
    };
    let kind = first(&["/involvedObject/kind", "/regarding/kind"]).to_lowercase();
    let object = match first(&["/involvedObject/name", "/regarding/name"]) {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let component =
        first(&["/source/component", "/deprecatedSource/component", "/reportingComponent", "/reportingController"]);
    let host = first(&["/source/host", "/deprecatedSource/host", "/reportingInstance"]);
    let source = if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") };
    let count = [number(o, "/series/count"), number(o, "/count"), number(o, "/deprecatedCount"), 1]
        .into_iter()
        .find(|count| *count > 0)
        .unwrap_or(1);
    row([
        seen.into(),
        meta::text(o, "/type").into(),
        meta::text(o, "/reason").into(),
        object.into(),
        first(&["/involvedObject/fieldPath", "/regarding/fieldPath"]).into(),
        source.into(),
        first(&["/message", "/note"]).trim().into(),
        begun.into(),
        count.into(),
        name(o),
    ])
}

pub(super) fn node(o: &Value, now: Timestamp) -> Vec<Value> {
    let mut status = match condition(o, "Ready") {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if flag(o, "/spec/unschedulable") {
        status.push_str(",SchedulingDisabled");
    }
    let roles: BTreeSet<&str> = o
        .pointer("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    let roles = roles.into_iter().collect::<Vec<_>>().join(",");
    let address = |kind: &str| {
        let found = items(o, "/status/addresses").iter().find(|it| meta::text(it, "/type") == kind);
        Value::from(found.map_or("<none>", |it| meta::text(it, "/address")))
    };
    let info = |field: &str| Value::from(text_or(o, &format!("/status/nodeInfo/{field}"), "<unknown>"));
    row([
        name(o),
        status.into(),
        if roles.is_empty() { "<none>".to_owned() } else { roles }.into(),
        age(o, now),
        meta::text(o, "/status/nodeInfo/kubeletVersion").into(),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ])
}

pub(super) fn quota(o: &Value, now: Timestamp) -> Vec<Value> {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    let hard: BTreeMap<&String, &Value> =
        o.pointer("/status/hard").and_then(Value::as_object).into_iter().flatten().collect();
    for (resource, hard) in hard {
        let used = o.pointer("/status/used").and_then(|used| used.get(resource)).and_then(Value::as_str).unwrap_or("0");
        let shown = format!("{resource}: {used}/{}", hard.as_str().unwrap_or("0"));
        if resource.starts_with("limits.") { &mut limits } else { &mut requests }.push(shown);
    }
    row([name(o), requests.join(", ").into(), limits.join(", ").into(), age(o, now)])
}

pub(super) fn autoscaler(o: &Value, now: Timestamp) -> Vec<Value> {
    let reference =
        format!("{}/{}", meta::text(o, "/spec/scaleTargetRef/kind"), meta::text(o, "/spec/scaleTargetRef/name"));
    let statuses = items(o, "/status/currentMetrics");
    let metrics: Vec<String> = items(o, "/spec/metrics")
        .iter()
        .enumerate()
        .map(|(index, spec)| metric(spec, statuses.get(index).unwrap_or(&Value::Null)))
        .collect();
    let targets = match metrics.len() {
        0 => "<none>".to_owned(),
        count if count > METRICS_SHOWN => {
            format!("{} + {} more...", metrics[..METRICS_SHOWN].join(", "), count - METRICS_SHOWN)
        }
        _ => metrics.join(", "),
    };
    row([
        name(o),
        reference.into(),
        targets.into(),
        text_or(o, "/spec/minReplicas", "<unset>").into(),
        number(o, "/spec/maxReplicas").into(),
        number(o, "/status/currentReplicas").into(),
        age(o, now),
    ])
}

/// What a metric is, and what it should be.
fn metric(spec: &Value, status: &Value) -> String {
    let (part, named) = match meta::text(spec, "/type") {
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "External" => ("external", false),
        _ => return "<unknown type>".to_owned(),
    };
    let target = |field: &str| spec.pointer(&format!("/{part}/target/{field}"));
    let current = |field: &str| text_or(status, &format!("/{part}/current/{field}"), "<unknown>");
    let shown = |field: &str| text_or(spec, &format!("/{part}/target/{field}"), "0");
    let averaged = target("averageValue").is_some();
    let text = match (named, averaged) {
        (true, true) => format!("{}/{}", current("averageValue"), shown("averageValue")),
        (true, false) => {
            let percent = |number: String| if number.starts_with('<') { number } else { format!("{number}%") };
            let wanted = text_or(spec, &format!("/{part}/target/averageUtilization"), "<auto>");
            format!("{}/{}", percent(current("averageUtilization")), percent(wanted))
        }
        (false, true) if part == "pods" => format!("{}/{}", current("averageValue"), shown("averageValue")),
        (false, true) => format!("{}/{} (avg)", current("averageValue"), shown("averageValue")),
        (false, false) => format!("{}/{}", current("value"), shown("value")),
    };
    if named { format!("{}: {text}", meta::text(spec, &format!("/{part}/name"))) } else { text }
}
