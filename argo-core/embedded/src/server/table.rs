//! Tables: how kubectl shows objects. Custom resources by their printer columns, built-in kinds as kube-apiserver's printers do.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::meta;
use super::read::ListAnswer;
use super::selector::LabelSelector;
use crate::resources::ResourceDef;

/// What a row carries besides its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    None,
    Metadata,
    Object,
}

/// Name, type and priority of columns.
type Column = (&'static str, &'static str, i64);

/// A Status has no table.
pub(super) fn has_table(object: &Value) -> bool {
    object.get("kind").and_then(Value::as_str) != Some("Status")
}

/// Renders objects as a `meta.k8s.io/v1` Table.
pub(super) fn render(
    def: &ResourceDef,
    version: usize,
    answer: &ListAnswer,
    now: Timestamp,
    include: Include,
) -> Value {
    let (columns, cells): (Vec<Value>, RowOf) = match &def.versions[version].custom {
        Some(custom) => {
            let mut columns = vec![column("Name", "string", "name", "Name of the object.", 0)];
            columns.extend(
                custom.columns.iter().map(|it| column(&it.name, &it.kind, &it.format, &it.description, it.priority)),
            );
            let custom = custom.clone();
            let cells = move |object: &Value| {
                let mut cells = vec![Value::from(meta::name(object))];
                cells.extend(
                    custom.columns.iter().map(|column| custom_cell(object, &column.json_path, &column.kind, now)),
                );
                cells
            };
            (columns, Box::new(cells))
        }
        None => {
            let (columns, cells) = builtin(def.group(), def.resource());
            let columns = columns
                .iter()
                .map(|(name, kind, priority)| {
                    column(name, kind, if *name == "Name" { "name" } else { "" }, name, *priority)
                })
                .collect();
            (columns, Box::new(move |object| cells(object, now)))
        }
    };
    let rows: Vec<Value> = answer
        .items
        .iter()
        .map(|object: &Arc<Value>| {
            let mut row = json!({ "cells": cells(object) });
            match include {
                Include::None => {}
                Include::Object => row["object"] = (**object).clone(),
                Include::Metadata => {
                    row["object"] = json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.get("metadata") });
                }
            }
            row
        })
        .collect();
    let mut metadata = json!({ "resourceVersion": answer.revision.to_string() });
    if let Some(token) = &answer.continue_token {
        metadata["continue"] = Value::from(token.as_str());
    }
    if let Some(remaining) = answer.remaining {
        metadata["remainingItemCount"] = Value::from(remaining);
    }
    json!({ "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": columns, "rows": rows })
}

fn column(name: &str, kind: &str, format: &str, description: &str, priority: i64) -> Value {
    json!({ "name": name, "type": kind, "format": format, "description": description, "priority": priority })
}

fn custom_cell(object: &Value, path: &str, kind: &str, now: Timestamp) -> Value {
    let Some(found) = crate::jsonpath::first(object, path) else {
        return if kind == "date" { Value::from("<unknown>") } else { Value::Null };
    };
    match (kind, &found) {
        ("date", Value::String(text)) => Value::from(age_of(text, now)),
        ("integer", Value::Number(_))
        | ("number", Value::Number(_))
        | ("boolean", Value::Bool(_))
        | (_, Value::String(_)) => found,
        (_, Value::Null) => Value::Null,
        ("string", other) => Value::from(other.to_string()),
        (_, other) => Value::from(other.to_string()),
    }
}

/// The time since, in the units of kubectl: `5s`, `3m20s`, `2h`, `3d4h`, `2y`.
pub(super) fn age_of(text: &str, now: Timestamp) -> String {
    match text.parse::<Timestamp>() {
        Ok(then) => human(now.as_second() - then.as_second()),
        Err(_) => "<unknown>".to_owned(),
    }
}

pub(super) fn human(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |big: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{rest}{small}") }
    };
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(days, "d", hours % 24, "h"),
        () if days < 365 * 2 => format!("{days}d"),
        () if days < 365 * 8 => two(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

/// The cells of an object.
type RowOf = Box<dyn Fn(&Value) -> Vec<Value>>;

type Cells = fn(&Value, Timestamp) -> Vec<Value>;

fn text(object: &Value, pointer: &str) -> String {
    match object.pointer(pointer) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(value)) => value.to_string(),
        _ => "<none>".to_owned(),
    }
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn size(object: &Value, pointer: &str) -> usize {
    object
        .pointer(pointer)
        .map_or(0, |value| value.as_object().map_or_else(|| value.as_array().map_or(0, Vec::len), serde_json::Map::len))
}

fn name(object: &Value) -> Value {
    Value::from(meta::name(object))
}

fn age(object: &Value, now: Timestamp) -> Value {
    Value::from(age_of(meta::text(object, "/metadata/creationTimestamp"), now))
}

fn selector(object: &Value, pointer: &str) -> Value {
    let text = object
        .pointer(pointer)
        .and_then(LabelSelector::from_object)
        .map(|selector| selector.text())
        .unwrap_or_default();
    Value::from(if text.is_empty() { "<none>".to_owned() } else { text })
}

fn containers(object: &Value, spec: &str) -> [Value; 2] {
    let join = |field: &str| {
        items(object, &format!("{spec}/containers"))
            .iter()
            .map(|container| meta::text(container, field))
            .collect::<Vec<_>>()
            .join(",")
    };
    [Value::from(join("/name")), Value::from(join("/image"))]
}

fn row<const N: usize>(cells: [Value; N]) -> Vec<Value> {
    cells.into()
}

fn ratio(ready: i64, total: i64) -> Value {
    Value::from(format!("{ready}/{total}"))
}

const NAME: Column = ("Name", "string", 0);
const AGE: Column = ("Age", "string", 0);
const CONTAINERS: Column = ("Containers", "string", 1);
const IMAGES: Column = ("Images", "string", 1);
const SELECTOR: Column = ("Selector", "string", 1);

/// Columns and cells of a built-in resource; name and age for those without a printer of their own.
#[allow(clippy::too_many_lines)]
fn builtin(group: &str, resource: &str) -> (&'static [Column], Cells) {
    match (group, resource) {
        ("", "pods") => (
            &[
                NAME,
                ("Ready", "string", 0),
                ("Status", "string", 0),
                ("Restarts", "string", 0),
                AGE,
                ("IP", "string", 1),
                ("Node", "string", 1),
                ("Nominated Node", "string", 1),
                ("Readiness Gates", "string", 1),
            ],
            pod,
        ),
        ("apps", "deployments") => (
            &[
                NAME,
                ("Ready", "string", 0),
                ("Up-to-date", "string", 0),
                ("Available", "string", 0),
                AGE,
                CONTAINERS,
                IMAGES,
                SELECTOR,
            ],
            |o, now| {
                let [names, images] = containers(o, "/spec/template/spec");
                let ready = ratio(number(o, "/status/readyReplicas"), number(o, "/spec/replicas"));
                row([
                    name(o),
                    ready,
                    number(o, "/status/updatedReplicas").into(),
                    number(o, "/status/availableReplicas").into(),
                    age(o, now),
                    names,
                    images,
                    selector(o, "/spec/selector"),
                ])
            },
        ),
        ("apps", "replicasets") | ("", "replicationcontrollers") => (
            &[
                NAME,
                ("Desired", "integer", 0),
                ("Current", "integer", 0),
                ("Ready", "integer", 0),
                AGE,
                CONTAINERS,
                IMAGES,
                SELECTOR,
            ],
            |o, now| {
                let [names, images] = containers(o, "/spec/template/spec");
                row([
                    name(o),
                    number(o, "/spec/replicas").into(),
                    number(o, "/status/replicas").into(),
                    number(o, "/status/readyReplicas").into(),
                    age(o, now),
                    names,
                    images,
                    selector(o, "/spec/selector"),
                ])
            },
        ),
        ("apps", "statefulsets") => (&[NAME, ("Ready", "string", 0), AGE, CONTAINERS, IMAGES], |o, now| {
            let [names, images] = containers(o, "/spec/template/spec");
            row([
                name(o),
                ratio(number(o, "/status/readyReplicas"), number(o, "/spec/replicas")),
                age(o, now),
                names,
                images,
            ])
        }),
        ("apps", "daemonsets") => (
            &[
                NAME,
                ("Desired", "integer", 0),
                ("Current", "integer", 0),
                ("Ready", "integer", 0),
                ("Up-to-date", "integer", 0),
                ("Available", "integer", 0),
                ("Node Selector", "string", 0),
                AGE,
                CONTAINERS,
                IMAGES,
                SELECTOR,
            ],
            |o, now| {
                let [names, images] = containers(o, "/spec/template/spec");
                let counts = [
                    "desiredNumberScheduled",
                    "currentNumberScheduled",
                    "numberReady",
                    "updatedNumberScheduled",
                    "numberAvailable",
                ];
                let mut cells = vec![name(o)];
                cells.extend(counts.iter().map(|field| Value::from(number(o, &format!("/status/{field}")))));
                cells.extend([
                    selector(o, "/spec/template/spec/nodeSelector"),
                    age(o, now),
                    names,
                    images,
                    selector(o, "/spec/selector"),
                ]);
                cells
            },
        ),
        ("apps", "controllerrevisions") => {
            (&[NAME, ("Controller", "string", 0), ("Revision", "string", 0), AGE], |o, now| {
                let owner = items(o, "/metadata/ownerReferences")
                    .iter()
                    .find(|owner| owner.get("controller") == Some(&Value::Bool(true)));
                let owner = owner.map_or_else(
                    || "<none>".to_owned(),
                    |owner| format!("{}/{}", meta::text(owner, "/kind").to_lowercase(), meta::text(owner, "/name")),
                );
                row([name(o), owner.into(), number(o, "/revision").into(), age(o, now)])
            })
        }
        ("batch", "jobs") => (
            &[
                NAME,
                ("Status", "string", 0),
                ("Completions", "string", 0),
                ("Duration", "string", 0),
                AGE,
                CONTAINERS,
                IMAGES,
                SELECTOR,
            ],
            job,
        ),
        ("batch", "cronjobs") => (
            &[
                NAME,
                ("Schedule", "string", 0),
                ("Timezone", "string", 0),
                ("Suspend", "boolean", 0),
                ("Active", "integer", 0),
                ("Last Schedule", "string", 0),
                AGE,
                CONTAINERS,
                IMAGES,
                SELECTOR,
            ],
            |o, now| {
                let [names, images] = containers(o, "/spec/jobTemplate/spec/template/spec");
                let last = meta::text(o, "/status/lastScheduleTime");
                let last = if last.is_empty() { "<none>".to_owned() } else { age_of(last, now) };
                row([
                    name(o),
                    text(o, "/spec/schedule").into(),
                    text(o, "/spec/timeZone").into(),
                    text(o, "/spec/suspend").replace("true", "True").replace("false", "False").into(),
                    size(o, "/status/active").into(),
                    last.into(),
                    age(o, now),
                    names,
                    images,
                    selector(o, "/spec/jobTemplate/spec/selector"),
                ])
            },
        ),
        ("", "services") => (
            &[
                NAME,
                ("Type", "string", 0),
                ("Cluster-IP", "string", 0),
                ("External-IP", "string", 0),
                ("Port(s)", "string", 0),
                AGE,
                SELECTOR,
            ],
            service,
        ),
        ("", "configmaps") => (&[NAME, ("Data", "string", 0), AGE], |o, now| {
            row([name(o), (size(o, "/data") + size(o, "/binaryData")).into(), age(o, now)])
        }),
        ("", "secrets") => (&[NAME, ("Type", "string", 0), ("Data", "string", 0), AGE], |o, now| {
            row([name(o), text(o, "/type").into(), size(o, "/data").into(), age(o, now)])
        }),
        ("", "namespaces") => (&[NAME, ("Status", "string", 0), AGE], |o, now| {
            row([name(o), text(o, "/status/phase").into(), age(o, now)])
        }),
        ("", "serviceaccounts") => {
            (&[NAME, ("Secrets", "string", 0), AGE], |o, now| row([name(o), size(o, "/secrets").into(), age(o, now)]))
        }
        ("", "events") => (
            &[
                ("Last Seen", "string", 0),
                ("Type", "string", 0),
                ("Reason", "string", 0),
                ("Object", "string", 0),
                ("Message", "string", 0),
                ("Count", "integer", 1),
                ("Name", "string", 1),
            ],
            event,
        ),
        ("events.k8s.io", "events") => (
            &[
                ("Last Seen", "string", 0),
                ("Type", "string", 0),
                ("Reason", "string", 0),
                ("Object", "string", 0),
                ("Message", "string", 0),
                ("Count", "integer", 1),
                ("Name", "string", 1),
            ],
            event,
        ),
        ("", "nodes") => {
            (&[NAME, ("Status", "string", 0), ("Roles", "string", 0), AGE, ("Version", "string", 0)], |o, now| {
                let ready = items(o, "/status/conditions").iter().any(|condition| {
                    meta::text(condition, "/type") == "Ready" && meta::text(condition, "/status") == "True"
                });
                row([
                    name(o),
                    if ready { "Ready" } else { "NotReady" }.into(),
                    "<none>".into(),
                    age(o, now),
                    text(o, "/status/nodeInfo/kubeletVersion").into(),
                ])
            })
        }
        ("", "persistentvolumeclaims") => (
            &[
                NAME,
                ("Status", "string", 0),
                ("Volume", "string", 0),
                ("Capacity", "string", 0),
                ("Access Modes", "string", 0),
                ("StorageClass", "string", 0),
                AGE,
            ],
            |o, now| {
                let blank = |pointer: &str| Value::from(meta::text(o, pointer));
                row([
                    name(o),
                    text(o, "/status/phase").into(),
                    blank("/spec/volumeName"),
                    blank("/status/capacity/storage"),
                    "".into(),
                    blank("/spec/storageClassName"),
                    age(o, now),
                ])
            },
        ),
        ("", "endpoints") => (&[NAME, ("Endpoints", "string", 0), AGE], |o, now| {
            let addresses: Vec<String> = items(o, "/subsets")
                .iter()
                .flat_map(|subset| {
                    items(subset, "/addresses").iter().flat_map(move |address| {
                        items(subset, "/ports")
                            .iter()
                            .map(move |port| format!("{}:{}", meta::text(address, "/ip"), number(port, "/port")))
                    })
                })
                .collect();
            row([
                name(o),
                if addresses.is_empty() { "<none>".to_owned() } else { addresses.join(",") }.into(),
                age(o, now),
            ])
        }),
        ("discovery.k8s.io", "endpointslices") => (
            &[NAME, ("AddressType", "string", 0), ("Ports", "string", 0), ("Endpoints", "string", 0), AGE],
            |o, now| {
                let join = |list: Vec<String>| if list.is_empty() { "<unset>".to_owned() } else { list.join(",") };
                let ports = join(items(o, "/ports").iter().map(|port| text(port, "/port")).collect());
                let addresses = join(
                    items(o, "/endpoints")
                        .iter()
                        .flat_map(|endpoint| items(endpoint, "/addresses"))
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect(),
                );
                row([name(o), text(o, "/addressType").into(), ports.into(), addresses.into(), age(o, now)])
            },
        ),
        ("coordination.k8s.io", "leases") => (&[NAME, ("Holder", "string", 0), AGE], |o, now| {
            row([name(o), Value::from(meta::text(o, "/spec/holderIdentity")), age(o, now)])
        }),
        ("networking.k8s.io", "ingresses") => (
            &[
                NAME,
                ("Class", "string", 0),
                ("Hosts", "string", 0),
                ("Address", "string", 0),
                ("Ports", "string", 0),
                AGE,
            ],
            |o, now| {
                let hosts: Vec<&str> = items(o, "/spec/rules")
                    .iter()
                    .map(|rule| meta::text(rule, "/host"))
                    .filter(|host| !host.is_empty())
                    .collect();
                let addresses: Vec<&str> = items(o, "/status/loadBalancer/ingress")
                    .iter()
                    .map(|it| {
                        if meta::text(it, "/ip").is_empty() {
                            meta::text(it, "/hostname")
                        } else {
                            meta::text(it, "/ip")
                        }
                    })
                    .collect();
                let ports = if size(o, "/spec/tls") > 0 { "80, 443" } else { "80" };
                row([
                    name(o),
                    text(o, "/spec/ingressClassName").into(),
                    if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") }.into(),
                    addresses.join(",").into(),
                    ports.into(),
                    age(o, now),
                ])
            },
        ),
        ("networking.k8s.io", "networkpolicies") => (&[NAME, ("Pod-Selector", "string", 0), AGE], |o, now| {
            row([name(o), selector(o, "/spec/podSelector"), age(o, now)])
        }),
        ("policy", "poddisruptionbudgets") => (
            &[
                NAME,
                ("Min Available", "string", 0),
                ("Max Unavailable", "string", 0),
                ("Allowed Disruptions", "integer", 0),
                AGE,
            ],
            |o, now| {
                let or_na = |pointer: &str| text(o, pointer).replace("<none>", "N/A");
                row([
                    name(o),
                    or_na("/spec/minAvailable").into(),
                    or_na("/spec/maxUnavailable").into(),
                    number(o, "/status/disruptionsAllowed").into(),
                    age(o, now),
                ])
            },
        ),
        ("autoscaling", "horizontalpodautoscalers") => (
            &[
                NAME,
                ("Reference", "string", 0),
                ("Targets", "string", 0),
                ("MinPods", "string", 0),
                ("MaxPods", "string", 0),
                ("Replicas", "string", 0),
                AGE,
            ],
            |o, now| {
                let reference = format!(
                    "{}/{}",
                    meta::text(o, "/spec/scaleTargetRef/kind"),
                    meta::text(o, "/spec/scaleTargetRef/name")
                );
                let targets: Vec<String> = items(o, "/spec/metrics")
                    .iter()
                    .map(|metric| {
                        let resource = meta::text(metric, "/resource/name");
                        let current = items(o, "/status/currentMetrics")
                            .iter()
                            .find(|it| meta::text(it, "/resource/name") == resource);
                        let current = current
                            .and_then(|it| it.pointer("/resource/current/averageUtilization")?.as_i64())
                            .map_or_else(|| "<unknown>".to_owned(), |it| format!("{it}%"));
                        format!("{resource}: {current}/{}%", number(metric, "/resource/target/averageUtilization"))
                    })
                    .collect();
                row([
                    name(o),
                    reference.into(),
                    if targets.is_empty() { "<none>".to_owned() } else { targets.join(", ") }.into(),
                    text(o, "/spec/minReplicas").into(),
                    text(o, "/spec/maxReplicas").into(),
                    number(o, "/status/currentReplicas").into(),
                    age(o, now),
                ])
            },
        ),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            (&[NAME, ("Role", "string", 0), AGE], |o, now| {
                row([
                    name(o),
                    format!("{}/{}", meta::text(o, "/roleRef/kind"), meta::text(o, "/roleRef/name")).into(),
                    age(o, now),
                ])
            })
        }
        ("rbac.authorization.k8s.io", _) | ("apiextensions.k8s.io", "customresourcedefinitions") => {
            (&[NAME, ("Created At", "date", 0)], |o, _| {
                row([name(o), Value::from(meta::text(o, "/metadata/creationTimestamp"))])
            })
        }
        _ => (&[NAME, AGE], |o, now| row([name(o), age(o, now)])),
    }
}

fn pod(o: &Value, now: Timestamp) -> Vec<Value> {
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

fn job(o: &Value, now: Timestamp) -> Vec<Value> {
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

fn service(o: &Value, now: Timestamp) -> Vec<Value> {
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

fn event(o: &Value, now: Timestamp) -> Vec<Value> {
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
