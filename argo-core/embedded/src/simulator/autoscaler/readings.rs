//! Scripted metrics against their targets.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{MetricValue, Metrics};
use crate::simulator::kinds::PODS;
use crate::simulator::read::{is_deleting, is_ready, labels, list, namespace, selects, text};
use crate::simulator::world::World;

/// How far a metric may be off its target without consequence.
const TOLERANCE: f64 = 0.1;

/// One metric against its target.
pub(super) struct Reading {
    /// How many replicas it asks for.
    pub(super) replicas: i64,
    /// As messages name it.
    pub(super) name: String,
    /// As `status.currentMetrics` shows it.
    pub(super) current: Value,
}

pub(super) fn of(world: &World, scaler: &Value, target: &Value, metrics: &Metrics, current: i64) -> Vec<Reading> {
    let pods: Vec<&Arc<Value>> = world
        .within(&PODS, namespace(target))
        .filter(|pod| selects(target.pointer("/spec/selector"), labels(pod)) && is_ready(pod) && !is_deleting(pod))
        .collect();
    let ready = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    let default = json!([{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]);
    let specs = list(scaler, "/spec/metrics");
    let specs = if specs.is_empty() { default.as_array().map_or(&[][..], Vec::as_slice) } else { specs };
    specs.iter().filter_map(|spec| reading(scaler, spec, metrics, current, ready)).collect()
}

#[allow(clippy::cast_precision_loss)] // Replica counts are small.
fn reading(scaler: &Value, spec: &Value, metrics: &Metrics, current: i64, ready: i64) -> Option<Reading> {
    let kind = text(spec, "/type");
    let member = match kind {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        _ => return None,
    };
    let body = &spec[member];
    let metric = if member == "resource" || member == "containerResource" {
        text(body, "/name")
    } else {
        text(body, "/metric/name")
    };
    let value = metrics.get(scaler, metric)?;
    let target = &body["target"];
    let number = |field: &str| target.get(field).and_then(amount);
    let average = number("averageUtilization").or_else(|| number("averageValue"));
    let count = ready.max(1) as f64;
    let per_pod = match value {
        MetricValue::PerPod(value) => value,
        MetricValue::Total(total) => total / count,
    };
    let (ratio, shown) = match average {
        Some(wanted) => {
            let field = if target.get("averageUtilization").is_some() { "averageUtilization" } else { "averageValue" };
            let shown =
                if field == "averageUtilization" { json!(per_pod.round() as i64) } else { json!(milli(per_pod)) };
            (per_pod / wanted, json!({field: shown}))
        }
        None => {
            let total = match value {
                MetricValue::PerPod(value) => value * count,
                MetricValue::Total(total) => total,
            };
            (total / number("value")?, json!({"value": milli(total)}))
        }
    };
    let replicas = if (ratio - 1.0).abs() <= TOLERANCE { current } else { (ratio * ready.max(1) as f64).ceil() as i64 };
    let mut body_status = json!({"current": shown});
    for field in ["name", "container", "metric", "describedObject"] {
        if let Some(value) = body.get(field) {
            body_status[field] = value.clone();
        }
    }
    let utilization =
        if target.get("averageUtilization").is_some() { " utilization (percentage of request)" } else { "" };
    let name = match member {
        "resource" => format!("{metric} resource{utilization}"),
        "containerResource" => format!("{metric} container resource{utilization}"),
        "pods" => format!("pods metric {metric}"),
        "object" => format!("{} metric {metric}", text(body, "/describedObject/kind")),
        _ => format!("external metric {metric}(nil)"),
    };
    Some(Reading { replicas, name, current: json!({"type": kind, member: body_status}) })
}

/// A number or quantity as a float.
#[allow(clippy::cast_precision_loss)] // Metrics are approximate anyway.
fn amount(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| crate::simulator::pods::quantity(value).map(|thousandths| thousandths as f64 / 1000.0))
}

fn milli(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{:.0}m", value * 1000.0) }
}
