//! One line on each object, from what its status says.

use argo_core::Object;
use serde_json::Value;

/// What an object's status says, in a few words.
pub(crate) fn of(object: &Object) -> String {
    let text = |pointer: &str| object.text(pointer).to_owned();
    let words = match object.gvk().kind.as_str() {
        "Application" => {
            vec![
                text("/status/sync/status"),
                text("/status/health/status"),
                prefixed("operation", object.text("/status/operationState/phase")),
            ]
        }
        "Workflow" => {
            let nodes = object.pointer("/status/nodes").and_then(Value::as_object);
            let done = nodes.map(|it| it.values().filter(|it| it["phase"] == "Succeeded").count()).unwrap_or_default();
            let progress = nodes.map(|it| format!("{done}/{} nodes", it.len())).unwrap_or_default();
            vec![text("/status/phase"), progress, text("/status/message")]
        }
        "Rollout" => {
            let image = object.text("/spec/template/spec/containers/0/image");
            let tag = image.rsplit_once(':').map(|it| it.1).unwrap_or_default();
            let steps = object
                .pointer("/spec/strategy/canary/steps")
                .and_then(Value::as_array)
                .map(Vec::len)
                .unwrap_or_default();
            let step =
                object.integer("/status/currentStepIndex").map(|it| format!("step {it}/{steps}")).unwrap_or_default();
            let pods = format!(
                "{} of {} pods new",
                object.integer("/status/updatedReplicas").unwrap_or_default(),
                object.integer("/status/replicas").unwrap_or_default()
            );
            vec![text("/status/phase"), tag.to_owned(), step, pods, text("/status/message")]
        }
        "AnalysisRun" => vec![text("/status/phase"), text("/status/message")],
        "Promotion" => {
            let steps = object.pointer("/spec/steps").and_then(Value::as_array).map(Vec::len).unwrap_or_default();
            let step = object.integer("/status/currentStep").unwrap_or_default() + 1;
            vec![text("/status/phase"), format!("step {step}/{steps}"), text("/status/message")]
        }
        "Stage" => vec![text("/status/health/status"), text("/status/freightSummary")],
        "Freight" => {
            let stages = |field: &str| {
                let map = object.pointer(&format!("/status/{field}")).and_then(Value::as_object);
                map.map(|it| it.keys().cloned().collect::<Vec<_>>().join(",")).unwrap_or_default()
            };
            let tag = object.text("/images/0/tag").to_owned();
            vec![
                tag,
                prefixed("in", &stages("currentlyIn")),
                prefixed("verified in", &stages("verifiedIn")),
                prefixed("approved for", &stages("approvedFor")),
            ]
        }
        _ => {
            let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
            let conditions = conditions.into_iter().flatten();
            conditions
                .map(|it| {
                    format!("{}={}", it["type"].as_str().unwrap_or_default(), it["status"].as_str().unwrap_or_default())
                })
                .collect()
        }
    };
    words.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("  ")
}

fn prefixed(word: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{word} {text}") }
}

/// Whether a condition of a type has this status.
pub(crate) fn condition(object: &Object, kind: &str, status: &str) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|it| it["type"] == kind && it["status"] == status)
}
