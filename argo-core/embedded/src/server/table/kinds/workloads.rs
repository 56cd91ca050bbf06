//! Pods, what makes them, and what scales and protects them.

use serde_json::Value;

use super::super::age_of;
use super::super::cells::{age, containers, items, labels, name, number, ratio, row, selector, size, text, text_or};
use super::{Cells, rows};
use crate::server::meta;

pub(super) fn cells(group: &str, resource: &str) -> Option<Cells> {
    Some(match (group, resource) {
        ("", "pods") => rows::pod,
        ("", "podtemplates") => |o, _| {
            let [names, images] = containers(o, "/template/spec");
            row([name(o), names, images, labels(o, "/template/metadata/labels")])
        },
        ("apps", "deployments") => |o, now| {
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
        ("apps", "replicasets") => |o, now| replicas(o, now, selector(o, "/spec/selector")),
        ("", "replicationcontrollers") => |o, now| replicas(o, now, labels(o, "/spec/selector")),
        ("apps", "statefulsets") => |o, now| {
            let [names, images] = containers(o, "/spec/template/spec");
            let ready = ratio(number(o, "/status/readyReplicas"), number(o, "/spec/replicas"));
            row([name(o), ready, age(o, now), names, images])
        },
        ("apps", "daemonsets") => |o, now| {
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
            let nodes = labels(o, "/spec/template/spec/nodeSelector");
            cells.extend([nodes, age(o, now), names, images, selector(o, "/spec/selector")]);
            cells
        },
        ("apps", "controllerrevisions") => |o, now| {
            let owner = items(o, "/metadata/ownerReferences")
                .iter()
                .find(|owner| owner.get("controller") == Some(&Value::Bool(true)));
            let owner = owner.map_or_else(
                || "<none>".to_owned(),
                |owner| {
                    let group = meta::text(owner, "/apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
                    let dot = if group.is_empty() { "" } else { "." };
                    let kind = meta::text(owner, "/kind").to_lowercase();
                    format!("{kind}{dot}{group}/{}", meta::text(owner, "/name"))
                },
            );
            row([name(o), owner.into(), number(o, "/revision").into(), age(o, now)])
        },
        ("batch", "jobs") => rows::job,
        ("batch", "cronjobs") => |o, now| {
            let [names, images] = containers(o, "/spec/jobTemplate/spec/template/spec");
            let last = meta::text(o, "/status/lastScheduleTime");
            let last = if last.is_empty() { "<none>".to_owned() } else { age_of(last, now) };
            let suspend = text_or(o, "/spec/suspend", "<unset>").replace("true", "True").replace("false", "False");
            row([
                name(o),
                text(o, "/spec/schedule").into(),
                text(o, "/spec/timeZone").into(),
                suspend.into(),
                size(o, "/status/active").into(),
                last.into(),
                age(o, now),
                names,
                images,
                selector(o, "/spec/jobTemplate/spec/selector"),
            ])
        },
        ("policy", "poddisruptionbudgets") => |o, now| {
            row([
                name(o),
                text_or(o, "/spec/minAvailable", "N/A").into(),
                text_or(o, "/spec/maxUnavailable", "N/A").into(),
                number(o, "/status/disruptionsAllowed").into(),
                age(o, now),
            ])
        },
        ("autoscaling", "horizontalpodautoscalers") => rows::autoscaler,
        _ => return None,
    })
}

fn replicas(o: &Value, now: jiff::Timestamp, selector: Value) -> Vec<Value> {
    let [names, images] = containers(o, "/spec/template/spec");
    row([
        name(o),
        number(o, "/spec/replicas").into(),
        number(o, "/status/replicas").into(),
        number(o, "/status/readyReplicas").into(),
        age(o, now),
        names,
        images,
        selector,
    ])
}
