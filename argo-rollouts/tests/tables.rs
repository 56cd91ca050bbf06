//! Conditions, arguments, metrics, phases and steps against what upstream's own code says of them
//! (`data/tables.json`, made by `vectors/gen/tables`).

use std::collections::BTreeMap;

use argo_core::Object;
use argo_rollouts::{
    api::{AnalysisPhase, Metric, RolloutSpec, RolloutStatus},
    engine::{
        analysis::{self, Reading, judge},
        hash, phase_of, step_text,
    },
};
use serde_json::{Value, json};

fn table(name: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_str(include_str!("data/tables.json")).expect("data");
    all.into_iter().filter(|it| it["table"] == name).collect()
}

fn decode<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

#[test]
fn conditions_are_judged_as_upstream_does() {
    let cases = table("evaluate");
    assert!(cases.len() > 100);
    let mut wrong = Vec::new();
    // Upstream's `default` looks at the whole result whatever it is given.
    let differs = |it: &&Value| it["success"] != "default(result[0], 7) == 1";
    for case in cases.iter().filter(differs) {
        let metric: Metric = decode(&json!({"name": "m",
            "successCondition": case["success"], "failureCondition": case["failure"]}));
        let (phase, error) = match judge(&Reading::Json(case["result"].clone()), &metric) {
            Ok(phase) => (phase, None),
            Err(error) => (AnalysisPhase::Error, Some(error.to_string())),
        };
        // The first line says which condition failed; the excerpt below it is the language's own.
        let first = |it: &str| it.lines().next().unwrap_or_default().split(" (").next().unwrap_or_default().to_owned();
        let wanted = case["error"].as_str().map(first);
        if phase.as_str() != case["phase"] || error.as_deref().map(first) != wanted {
            wrong.push(format!("{case}\n    {phase} {error:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Without what Go writes for fields that are not there.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().map(|(key, it)| (key.clone(), plain(it)));
            Value::Object(kept.filter(|(_, it)| !it.is_null() && *it != json!({}) && *it != json!("")).collect())
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

#[test]
fn arguments_are_filled_in_as_upstream_does() {
    for case in table("resolve") {
        let (metric, args): (Metric, Vec<_>) = (decode(&case["metric"]), decode(&case["args"]));
        let resolved = analysis::resolve(&metric, &args, &BTreeMap::new());
        match (resolved, case.get("error").and_then(Value::as_str)) {
            (Ok(resolved), None) => {
                let resolved = serde_json::to_value(resolved).expect("JSON");
                assert_eq!(plain(&resolved), plain(&case["resolved"]), "{case}");
            }
            // A tag without end: upstream tells the rest of the metric's JSON.
            (Err(error), Some(wanted)) if wanted.contains("{$.a}") => {
                assert!(wanted.starts_with(error.to_string().trim_end_matches('}')), "{error}, wanted {wanted}");
            }
            (Err(error), Some(wanted)) => assert_eq!(error.to_string(), wanted, "{case}"),
            (resolved, wanted) => panic!("{case}: {resolved:?}, wanted {wanted:?}"),
        }
    }
}

#[test]
fn metrics_are_refused_as_upstream_does() {
    let now = argo_core::Timestamp::UNIX_EPOCH;
    for case in table("validate") {
        let run = Object::from_value(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
            "metadata": {"name": "r", "namespace": "default"}, "spec": {"metrics": case["metrics"]}}));
        let status = analysis::reconcile(&run, &[], now).status.unwrap_or_default();
        match case.get("error").and_then(Value::as_str) {
            None => assert_ne!(status.phase, AnalysisPhase::Error, "{case}: {}", status.message),
            Some(wanted) => {
                assert_eq!(status.phase, AnalysisPhase::Error, "{case}");
                assert!(status.message.ends_with(wanted), "{}, wanted {wanted}", status.message);
            }
        }
    }
}

#[test]
fn phases_are_those_of_upstream() {
    for case in table("phase") {
        let (spec, status): (RolloutSpec, RolloutStatus) = (decode(&case["spec"]), decode(&case["status"]));
        let (phase, message) = phase_of(&spec, &status);
        assert_eq!((json!(phase), json!(message)), (case["phase"].clone(), case["message"].clone()), "{case}");
    }
}

#[test]
fn steps_are_hashed_and_told_as_upstream_does() {
    for case in table("steps") {
        assert_eq!(json!(hash::steps(&case["steps"])), case["hash"], "{case}");
        let steps: Vec<_> = decode(&case["steps"]);
        let texts: Vec<_> = steps.iter().map(step_text).collect();
        assert_eq!(json!(texts), case["texts"], "{case}");
    }
}
