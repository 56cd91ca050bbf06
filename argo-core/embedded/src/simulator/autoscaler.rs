//! Horizontal pod autoscalers on scripted metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use argo_core::time::{Timestamp, after, between, rfc3339};
use serde_json::{Value, json};

use super::kinds::{AUTOSCALERS, PODS};
use super::pass::{Pass, Write};
use super::read::{
    count, generation, int, is_deleting, is_ready, labels, list, name, namespace, selects, text, uid, with_condition,
};
use super::world::World;

/// How often an autoscaler looks.
const PERIOD: Duration = Duration::from_secs(15);
/// How far a metric may be off its target without consequence.
const TOLERANCE: f64 = 0.1;
/// How long the highest recommendation holds before the target is scaled down, unless `behavior` says otherwise.
const DOWN_WINDOW: i64 = 300;

/// What a metric reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricValue {
    /// This much per pod, however many there are: percent for utilization.
    PerPod(f64),
    /// This much in all, shared by the ready pods.
    Total(f64),
}

/// The scripted metrics, by namespace, autoscaler and metric.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics(BTreeMap<(String, String, String), MetricValue>);

/// The recommendations of the past, which hold back scaling down.
#[derive(Debug, Default)]
pub(super) struct Autoscaler {
    past: BTreeMap<String, Vec<(Timestamp, i64)>>,
}

impl Metrics {
    pub(super) fn set(&mut self, namespace: &str, autoscaler: &str, metric: &str, value: MetricValue) {
        self.0.insert((namespace.to_owned(), autoscaler.to_owned(), metric.to_owned()), value);
    }

    fn get(&self, autoscaler: &Value, metric: &str) -> Option<MetricValue> {
        self.0.get(&(namespace(autoscaler).to_owned(), name(autoscaler).to_owned(), metric.to_owned())).copied()
    }
}

/// One metric against its target.
struct Reading {
    /// How many replicas it asks for.
    replicas: i64,
    /// As `status.currentMetrics` shows it.
    current: Value,
}

impl Autoscaler {
    pub(super) fn forget(&mut self, uid: &str) {
        self.past.remove(uid);
    }

    pub(super) fn pass(&mut self, world: &World, scaler: &Value, metrics: &Metrics, now: Timestamp) -> Pass {
        let mut pass = Pass::default();
        if is_deleting(scaler) {
            return pass;
        }
        pass.wake_at(after(now, PERIOD));
        let stamp = rfc3339(now);
        let mut conditions = list(scaler, "/status/conditions").to_vec();
        let mut put = |kind: &str, status: &str, reason: &str, message: String| {
            let condition = json!({"type": kind, "status": status, "reason": reason, "message": message});
            conditions = with_condition(std::mem::take(&mut conditions), condition, &stamp);
        };
        let reference = &scaler["spec"]["scaleTargetRef"];
        let (api_version, kind) = (text(reference, "/apiVersion"), text(reference, "/kind"));
        let target = world.named(api_version, kind, namespace(scaler), text(reference, "/name"));
        let mut status = scaler.get("status").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
        if generation(scaler) > 0 {
            status["observedGeneration"] = json!(generation(scaler));
        }
        let Some((place, target)) = target else {
            let message = format!(
                "the HPA controller was unable to get the target's current scale: {kind} {:?} not found",
                text(reference, "/name")
            );
            put("AbleToScale", "False", "FailedGetScale", message);
            status["conditions"] = Value::Array(conditions);
            status["currentReplicas"] = json!(0);
            status["desiredReplicas"] = json!(0);
            pass.status(&AUTOSCALERS, scaler, status);
            return pass;
        };
        put(
            "AbleToScale",
            "True",
            "SucceededGetScale",
            "the HPA controller was able to get the target's current scale".into(),
        );
        let current = int(&target, "/spec/replicas").unwrap_or(1);
        let (least, most) = (int(scaler, "/spec/minReplicas").unwrap_or(1), count(scaler, "/spec/maxReplicas"));
        let mut desired = current;
        if current == 0 && least != 0 {
            put(
                "ScalingActive",
                "False",
                "ScalingDisabled",
                "scaling is disabled since the replica count of the target is zero".into(),
            );
        } else {
            let readings = readings(world, scaler, &target, metrics, current);
            match readings.iter().map(|reading| reading.replicas).max() {
                None => put(
                    "ScalingActive",
                    "False",
                    "FailedGetResourceMetric",
                    "no metrics are known for the target".into(),
                ),
                Some(asked) => {
                    put(
                        "ScalingActive",
                        "True",
                        "ValidMetricFound",
                        "the HPA was able to successfully calculate a replica count".into(),
                    );
                    let stable = self.stabilized(scaler, current, asked, now);
                    desired = stable.clamp(least, most.max(least));
                    let (limited, reason) = match stable {
                        stable if stable > desired => ("True", "TooManyReplicas"),
                        stable if stable < desired => ("True", "TooFewReplicas"),
                        _ => ("False", "DesiredWithinRange"),
                    };
                    put(
                        "ScalingLimited",
                        limited,
                        reason,
                        "the desired count was held against the acceptable range".into(),
                    );
                }
            }
            if !readings.is_empty() {
                status["currentMetrics"] = Value::Array(readings.into_iter().map(|reading| reading.current).collect());
            }
        }
        if desired != current {
            pass.write(Write::Scale { place, api_version: api_version.to_owned(), replicas: desired });
            status["lastScaleTime"] = json!(stamp);
        }
        status["currentReplicas"] = json!(current);
        status["desiredReplicas"] = json!(desired);
        status["conditions"] = Value::Array(conditions);
        pass.status(&AUTOSCALERS, scaler, status);
        pass
    }

    /// The recommendation with the windows of `behavior` applied: down to the highest, up to the lowest of the window.
    fn stabilized(&mut self, scaler: &Value, current: i64, asked: i64, now: Timestamp) -> i64 {
        let window = |direction: &str, default: i64| {
            let seconds =
                int(scaler, &format!("/spec/behavior/{direction}/stabilizationWindowSeconds")).unwrap_or(default);
            Duration::from_secs(seconds.unsigned_abs())
        };
        let (down, up) = (window("scaleDown", DOWN_WINDOW), window("scaleUp", 0));
        let past = self.past.entry(uid(scaler).to_owned()).or_insert_with(|| vec![(now, current)]);
        past.retain(|(at, _)| between(*at, now) <= down.max(up));
        past.push((now, asked));
        let within = |window: Duration| {
            past.iter().filter(move |(at, _)| between(*at, now) <= window).map(|(_, replicas)| *replicas)
        };
        let floor = within(up).min().unwrap_or(asked);
        let ceiling = within(down).max().unwrap_or(asked);
        if current < floor {
            floor
        } else if current > ceiling {
            ceiling
        } else {
            current
        }
    }
}

fn readings(world: &World, scaler: &Value, target: &Value, metrics: &Metrics, current: i64) -> Vec<Reading> {
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
    Some(Reading { replicas, current: json!({"type": kind, member: body_status}) })
}

/// A number or quantity as a float.
#[allow(clippy::cast_precision_loss)] // Metrics are approximate anyway.
fn amount(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| super::pods::quantity(value).map(|thousandths| thousandths as f64 / 1000.0))
}

fn milli(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{:.0}m", value * 1000.0) }
}
