//! The rows that take more than a line: pods, jobs, services, events.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{age, containers, items, name, number, row, selector, text};
use super::{age_of, human};
use crate::server::meta;

pub(super) fn pod(o: &Value, now: Timestamp) -> Vec<Value> {
    let statuses = items(o, "/status/containerStatuses");
    let total = items(o, "/spec/containers").len();
    let ready = statuses.iter().filter(|status| status.get("ready") == Some(&Value::Bool(true))).count();
    let restarts: i64 = statuses.iter().map(|status| number(status, "/restartCount")).sum();
    let last = statuses
        .iter()
        .map(|status| meta::text(status, "/lastState/terminated/finishedAt"))
        .filter(|at| !at.is_empty())
        .max();
    let restarts_text = match last {
        Some(at) if restarts > 0 => format!("{restarts} ({} ago)", age_of(at, now)),
        _ => restarts.to_string(),
    };
    row([
        name(o),
        Value::from(format!("{ready}/{total}")),
        Value::from(pod_status(o)),
        Value::from(restarts_text),
        age(o, now),
        text(o, "/status/podIP").into(),
        text(o, "/spec/nodeName").into(),
        text(o, "/status/nominatedNodeName").into(),
        "<none>".into(),
    ])
}

/// The word in the STATUS column: the phase, or what a container waits for or ended with.
fn pod_status(o: &Value) -> String {
    let phase = meta::text(o, "/status/phase");
    let mut reason = if meta::text(o, "/status/reason").is_empty() {
        phase.to_owned()
    } else {
        meta::text(o, "/status/reason").to_owned()
    };
    let ended = |status: &Value| {
        let why = meta::text(status, "/state/terminated/reason");
        let signal = number(status, "/state/terminated/signal");
        match why {
            "" if signal != 0 => format!("Signal:{signal}"),
            "" => format!("ExitCode:{}", number(status, "/state/terminated/exitCode")),
            why => why.to_owned(),
        }
    };
    let total = items(o, "/spec/initContainers").len();
    let mut initializing = false;
    for (index, status) in items(o, "/status/initContainerStatuses").iter().enumerate() {
        let waiting = meta::text(status, "/state/waiting/reason");
        if status.pointer("/state/terminated").is_some() {
            if number(status, "/state/terminated/exitCode") == 0 {
                continue;
            }
            reason = format!("Init:{}", ended(status));
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            reason = format!("Init:{waiting}");
        } else {
            reason = format!("Init:{index}/{total}");
        }
        initializing = true;
        break;
    }
    if !initializing {
        let mut running = false;
        for status in items(o, "/status/containerStatuses").iter().rev() {
            let waiting = meta::text(status, "/state/waiting/reason");
            if !waiting.is_empty() {
                reason = waiting.to_owned();
            } else if status.pointer("/state/terminated").is_some() {
                reason = ended(status);
            } else if status.get("ready") == Some(&Value::Bool(true)) && status.pointer("/state/running").is_some() {
                running = true;
            }
        }
        if reason == "Completed" && running {
            reason = "Running".to_owned();
        }
    }
    if meta::is_deleting(o) && !matches!(phase, "Succeeded" | "Failed") {
        reason = "Terminating".to_owned();
    }
    reason
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
    let external = match meta::text(o, "/spec/type") {
        "ExternalName" => text(o, "/spec/externalName"),
        "LoadBalancer" => {
            let addresses: Vec<&str> =
                items(o, "/status/loadBalancer/ingress")
                    .iter()
                    .map(|it| {
                        if meta::text(it, "/ip").is_empty() {
                            meta::text(it, "/hostname")
                        } else {
                            meta::text(it, "/ip")
                        }
                    })
                    .collect();
            if addresses.is_empty() { "<pending>".to_owned() } else { addresses.join(",") }
        }
        _ => "<none>".to_owned(),
    };
    row([
        name(o),
        text(o, "/spec/type").into(),
        text(o, "/spec/clusterIP").into(),
        external.into(),
        if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") }.into(),
        age(o, now),
        selector(o, "/spec/selector"),
    ])
}

pub(super) fn event(o: &Value, now: Timestamp) -> Vec<Value> {
    let first = |pointers: &[&str]| {
        pointers
            .iter()
            .map(|pointer| meta::text(o, pointer))
            .find(|text| !text.is_empty())
            .unwrap_or_default()
            .to_owned()
    };
    let seen = first(&[
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/deprecatedLastTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ]);
    let kind = first(&["/involvedObject/kind", "/regarding/kind"]).to_lowercase();
    let object = first(&["/involvedObject/name", "/regarding/name"]);
    let count = [number(o, "/series/count"), number(o, "/count"), number(o, "/deprecatedCount"), 1]
        .into_iter()
        .find(|count| *count > 0)
        .unwrap_or(1);
    row([
        age_of(&seen, now).into(),
        text(o, "/type").into(),
        text(o, "/reason").into(),
        format!("{kind}/{object}").into(),
        first(&["/message", "/note"]).trim().into(),
        count.into(),
        name(o),
    ])
}
