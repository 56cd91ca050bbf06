//! Horizontal pod autoscalers on scripted metrics.

mod behavior;
mod readings;

use std::collections::BTreeMap;
use std::time::Duration;

use argo_core::time::{Timestamp, after, rfc3339};
use serde_json::{Value, json};

use super::kinds::AUTOSCALERS;
use super::pass::{Pass, Write};
use super::read::{count, generation, int, is_deleting, list, name, namespace, text, uid, with_condition};
use super::world::World;
use behavior::{Bounds, Past};

/// How often an autoscaler looks.
const PERIOD: Duration = Duration::from_secs(15);

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

/// What was recommended and done in the past, by uid: it holds changes back.
#[derive(Debug, Default)]
pub(super) struct Autoscaler {
    past: BTreeMap<String, Past>,
    /// When each was last looked at: a change of the object itself is no reason to look earlier.
    looked: BTreeMap<String, Timestamp>,
}

impl Metrics {
    pub(super) fn set(&mut self, namespace: &str, autoscaler: &str, metric: &str, value: MetricValue) {
        self.0.insert((namespace.to_owned(), autoscaler.to_owned(), metric.to_owned()), value);
    }

    fn get(&self, autoscaler: &Value, metric: &str) -> Option<MetricValue> {
        self.0.get(&(namespace(autoscaler).to_owned(), name(autoscaler).to_owned(), metric.to_owned())).copied()
    }
}

impl Autoscaler {
    pub(super) fn forget(&mut self, uid: &str) {
        self.past.remove(uid);
        self.looked.remove(uid);
    }

    pub(super) fn pass(&mut self, world: &World, scaler: &Value, metrics: &Metrics, now: Timestamp) -> Pass {
        let mut pass = Pass::default();
        if is_deleting(scaler) {
            return pass;
        }
        if let Some(next) = self.looked.get(uid(scaler)).map(|at| after(*at, PERIOD)).filter(|next| *next > now) {
            pass.wake_at(next);
            return pass;
        }
        self.looked.insert(uid(scaler).to_owned(), now);
        pass.wake_at(after(now, PERIOD));
        let stamp = rfc3339(now);
        let mut conditions = list(scaler, "/status/conditions").to_vec();
        let mut put = |kind: &str, status: bool, reason: &str, message: String| {
            let status = if status { "True" } else { "False" };
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
            put("AbleToScale", false, "FailedGetScale", message);
            status["conditions"] = Value::Array(conditions);
            status["currentReplicas"] = json!(0);
            status["desiredReplicas"] = json!(0);
            pass.status(&AUTOSCALERS, scaler, status);
            return pass;
        };
        let got = "the HPA controller was able to get the target's current scale";
        put("AbleToScale", true, "SucceededGetScale", got.into());
        let current = int(&target, "/spec/replicas").unwrap_or(1);
        let (least, most) = (int(scaler, "/spec/minReplicas").unwrap_or(1), count(scaler, "/spec/maxReplicas"));
        let past = self.past.entry(uid(scaler).to_owned()).or_insert_with(|| Past::new(current, now));
        let mut desired = current;
        let mut why = String::new();
        if current == 0 && least != 0 {
            let disabled = "scaling is disabled since the replica count of the target is zero";
            put("ScalingActive", false, "ScalingDisabled", disabled.into());
        } else if current > most {
            desired = most;
            why = "Current number of replicas above Spec.MaxReplicas".to_owned();
        } else if current < least {
            desired = least;
            why = "Current number of replicas below Spec.MinReplicas".to_owned();
        } else {
            let readings = readings::of(world, scaler, &target, metrics, current);
            match readings.iter().reduce(|a, b| if b.replicas > a.replicas { b } else { a }) {
                None => {
                    put(
                        "ScalingActive",
                        false,
                        "FailedGetResourceMetric",
                        "no metrics are known for the target".into(),
                    );
                }
                Some(highest) => {
                    let found = "the HPA was able to successfully calculate a replica count from";
                    put("ScalingActive", true, "ValidMetricFound", format!("{found} {}", highest.name));
                    why = match highest.replicas.cmp(&current) {
                        std::cmp::Ordering::Greater => format!("{} above target", highest.name),
                        _ => "All metrics below target".to_owned(),
                    };
                    let bounds = Bounds { current, least, most };
                    let verdict = past.normalized(scaler, bounds, highest.replicas, now);
                    desired = verdict.replicas;
                    put("AbleToScale", true, verdict.stabilized.0, verdict.stabilized.1.into());
                    put("ScalingLimited", verdict.limited, verdict.limit.0, verdict.limit.1.into());
                }
            }
            if !readings.is_empty() {
                status["currentMetrics"] = Value::Array(readings.into_iter().map(|reading| reading.current).collect());
            }
        }
        if desired != current {
            let done = format!("the HPA controller was able to update the target scale to {desired}");
            put("AbleToScale", true, "SucceededRescale", done);
            past.scaled(scaler, desired - current, now);
            pass.write(Write::Scale { place, api_version: api_version.to_owned(), replicas: desired, why });
            status["lastScaleTime"] = json!(stamp);
        }
        status["currentReplicas"] = json!(current);
        status["desiredReplicas"] = json!(desired);
        status["conditions"] = Value::Array(conditions);
        pass.status(&AUTOSCALERS, scaler, status);
        pass
    }
}
