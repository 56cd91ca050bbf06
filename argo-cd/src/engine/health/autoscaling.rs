//! HorizontalPodAutoscalers.

use argo_core::Object;
use serde_json::Value;

use super::{conditions, degraded, field, healthy, progressing};
use crate::api::ResourceHealth;

const ANNOTATION: &str = "autoscaling.alpha.kubernetes.io/conditions";
const NOT_ABLE: [&str; 2] = ["FailedGetScale", "FailedUpdateScale"];
const NOT_ACTIVE: [&str; 6] = [
    "FailedGetResourceMetric",
    "FailedGetObjectMetric",
    "FailedGetPodsMetric",
    "FailedGetExternalMetric",
    "FailedComputeMetricsReplicas",
    "InvalidSelector",
];

pub(super) fn autoscaler(object: &Object) -> ResourceHealth {
    let from_annotation: Vec<Value>;
    let list: Vec<&Value> = if object.gvk().version == "v1" {
        from_annotation =
            object.annotation(ANNOTATION).and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default();
        from_annotation.iter().collect()
    } else {
        conditions(object).collect()
    };
    for condition in &list {
        let reason = field(condition, "reason");
        let bad = match field(condition, "type") {
            "AbleToScale" => NOT_ABLE.contains(&reason),
            "ScalingActive" => NOT_ACTIVE.contains(&reason),
            _ => false,
        };
        if bad {
            return degraded(field(condition, "message"));
        }
    }
    for condition in &list {
        if matches!(field(condition, "type"), "AbleToScale" | "ScalingLimited") && field(condition, "status") == "True"
        {
            return healthy(field(condition, "message"));
        }
    }
    progressing("Waiting to Autoscale")
}
