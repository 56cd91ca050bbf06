//! Verdicts on manifests: upstream's linter's, and its validation's words.

use std::{collections::BTreeMap, path::PathBuf};

use argo_rollouts::{api, lint};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Verdict {
    ok: bool,
    output: String,
}

fn conformance() -> Option<PathBuf> {
    let dir = std::env::var_os("ARGO_CONFORMANCE")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance"), PathBuf::from);
    if dir.join("manifests/rollouts-lint.json").is_file() {
        return Some(dir.join("manifests"));
    }
    println!("skipped: no manifests at {}; set ARGO_CONFORMANCE to the conformance data", dir.display());
    None
}

/// The reason that upstream gives.
fn reason(output: &str) -> &str {
    output.rsplit_once("Error: ").map_or(output, |it| it.1)
}

#[test]
fn manifests_get_the_linters_verdict_and_reason() {
    let Some(dir) = conformance() else { return };
    let text = std::fs::read_to_string(dir.join("rollouts-lint.json")).expect("verdicts");
    let verdicts: BTreeMap<String, Verdict> = serde_json::from_str(&text).expect("verdicts");
    assert_eq!(verdicts.len(), 151);
    let mut wrong = Vec::new();
    for (file, verdict) in &verdicts {
        let text = std::fs::read_to_string(dir.join(file)).expect("a manifest");
        let errors = lint(&text);
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        let yaml = reason(&verdict.output).starts_with("yaml: ");
        // What a YAML parser says of its own trouble is its own; the verdict is not.
        if errors.is_empty() != verdict.ok || !yaml && first != reason(&verdict.output) {
            wrong.push(format!("{file}:\n  got    {first}\n  wanted {}", reason(&verdict.output)));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), verdicts.len(), wrong.join("\n"));
}

#[test]
fn manifests_survive_a_round_trip() {
    let Some(dir) = conformance() else { return };
    let text = std::fs::read_to_string(dir.join("rollouts-lint.json")).expect("verdicts");
    let verdicts: BTreeMap<String, Value> = serde_json::from_str(&text).expect("verdicts");
    let mut count = 0;
    for file in verdicts.keys() {
        let text = std::fs::read_to_string(dir.join(file)).expect("a manifest");
        let Ok(documents) = argo_lang::yaml::decode_all(&text) else { continue };
        for document in documents.into_iter().filter(|it| it["apiVersion"] == "argoproj.io/v1alpha1") {
            let back = match document["kind"].as_str() {
                Some("Rollout") => again::<api::Rollout>(&document),
                Some("AnalysisTemplate") => again::<api::AnalysisTemplate>(&document),
                Some("ClusterAnalysisTemplate") => again::<api::ClusterAnalysisTemplate>(&document),
                Some("AnalysisRun") => again::<api::AnalysisRun>(&document),
                Some("Experiment") => again::<api::Experiment>(&document),
                _ => continue,
            };
            count += 1;
            assert_eq!(bare(&back), bare(&document), "{file}");
        }
    }
    assert!(count > 140, "{count}");
}

fn again<T: serde::de::DeserializeOwned + serde::Serialize>(document: &Value) -> Value {
    let typed: T = serde_json::from_value(document.clone()).expect("decodes");
    serde_json::to_value(typed).expect("encodes")
}

/// Zeros, nulls and what is empty do not count.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map.iter().map(|(key, it)| (key.clone(), bare(it)));
            let empty =
                |it: &Value| it.is_null() || [json!({}), json!([]), json!(""), json!(0), json!(false)].contains(it);
            fields.filter(|(_, it)| !empty(it)).collect()
        }
        Value::Array(items) => items.iter().map(bare).collect(),
        other => other.clone(),
    }
}

const BASE: &str = r#"{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "r"}, "spec": {
    "selector": {"matchLabels": {"app": "a"}},
    "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    "strategy": {"canary": {}}}}"#;

fn first(change: Value) -> String {
    let mut rollout: Value = serde_json::from_str(BASE).expect("JSON");
    merge(&mut rollout["spec"], change);
    lint(&rollout.to_string()).first().map(ToString::to_string).unwrap_or_default()
}

fn merge(target: &mut Value, change: Value) {
    match change {
        Value::Object(fields) => {
            if !target.is_object() {
                *target = json!({});
            }
            fields.into_iter().for_each(|(key, it)| merge(&mut target[key.as_str()], it));
        }
        other => *target = other,
    }
}

/// Changes of a Rollout that is good, and upstream's words for what is wrong then.
#[test]
fn what_is_wrong_is_said_in_upstreams_words() {
    let routed = |routing: Value| json!({"stableService": "s", "canaryService": "c", "trafficRouting": routing});
    let canary = |canary: Value| json!({"strategy": {"canary": canary}});
    let steps = |steps: Value, routing: Value| {
        let mut it = routed(routing);
        it["steps"] = steps;
        json!({"strategy": {"canary": it}})
    };
    let managed = json!([{"name": "h"}]);
    for (change, wanted) in [
        (json!({}), ""),
        (json!({"replicas": -1}), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (
            json!({"minReadySeconds": 600}),
            "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
        ),
        (
            json!({"selector": {"matchLabels": {"app": "b"}}}),
            "spec.template.metadata.labels: Invalid value: {\"app\":\"a\"}: `selector` does not match template `labels`",
        ),
        (
            json!({"workloadRef": {"kind": "Deployment"}}),
            "spec.template: Internal error: template must be empty for workload reference rollout",
        ),
        (
            json!({"strategy": {"blueGreen": {"activeService": "a"}}}),
            "spec.strategy.strategy: Invalid value: \"blueGreen: true canary: true\": Multiple Strategies can not be listed",
        ),
        (
            json!({"strategy": {"canary": null}}),
            "spec.strategy.strategy: Required value: Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'",
        ),
        (
            json!({"strategy": {"canary": null, "blueGreen": {"activeService": "a", "previewService": "a"}}}),
            "spec.strategy.activeService: Invalid value: \"a\": This rollout uses the same service for the active and preview services, but two different services are required.",
        ),
        (
            json!({"revisionHistoryLimit": 1, "strategy": {"canary": null, "blueGreen": {"activeService": "a", "scaleDownDelayRevisionLimit": 2}}}),
            "spec.strategy.scaleDownDelayRevisionLimit: Invalid value: 2: This rollout's revision history limit can not be smaller than the rollout's scale down limit",
        ),
        (
            canary(json!({"maxSurge": 0, "maxUnavailable": "0%"})),
            "spec.strategy.maxSurge: Invalid value: 0: MaxSurge and MaxUnavailable both can not be zero",
        ),
        (
            canary(json!({"stableService": "s", "canaryService": "s"})),
            "spec.strategy.stableService: Invalid value: \"s\": This rollout uses the same service for the stable and canary services, but two different services are required.",
        ),
        (
            canary(json!({"trafficRouting": {"smi": {}}})),
            "spec.strategy.stableService: Invalid value: \"\": Canary service and Stable service must to be set to use Traffic Routing",
        ),
        (
            canary(
                json!({"trafficRouting": {"istio": {"destinationRule": {"name": "d"}, "virtualService": {"name": "v"}}}}),
            ),
            "",
        ),
        (
            canary(json!({"scaleDownDelaySeconds": 3})),
            "spec.strategy.scaleDownDelaySeconds: Invalid value: 3: Canary scaleDownDelaySeconds can only be used with traffic routing",
        ),
        (
            canary(json!({"dynamicStableScale": true})),
            "spec.strategy.dynamicStableScale: Invalid value: true: Canary dynamicStableScale can only be used with traffic routing",
        ),
        (
            canary(
                json!({"stableService": "s", "canaryService": "c", "dynamicStableScale": true, "scaleDownDelaySeconds": 3, "trafficRouting": {"smi": {}}}),
            ),
            "spec.strategy.dynamicStableScale: Invalid value: true: Canary dynamicStableScale cannot be used with scaleDownDelaySeconds",
        ),
        (
            canary(routed(json!({"maxTrafficWeight": 50, "smi": {}}))),
            "spec.strategy.trafficRouting.maxTrafficWeight: Invalid value: 50: Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins",
        ),
        (
            canary(
                json!({"pingPong": {"pingService": "a", "pongService": "a"}, "trafficRouting": {"alb": {"rootService": "r"}}}),
            ),
            "spec.strategy.pingPong.pingService: Invalid value: \"a\": This rollout uses the same service for the ping and pong services, but two different services are required.",
        ),
        (
            canary(json!({"pingPong": {"pingService": "a", "pongService": "b"}, "trafficRouting": {"alb": {}}})),
            "spec.strategy.trafficRouting.alb.rootService: Invalid value: \"\": Root service field is required for the configuration with ALB and ping-pong feature enabled",
        ),
        (
            canary(json!({"pingPong": {"pingService": "a", "pongService": "b"}, "trafficRouting": {"smi": {}}})),
            "spec.strategy.trafficRouting.alb: Invalid value: null: Ping-pong feature works with the ALB, Istio, and plugin-based traffic routers only",
        ),
        (
            canary(json!({"antiAffinity": {}})),
            "spec.strategy.antiAffinity: Invalid value: \"antiAffinity.PreferredDuringSchedulingIgnoredDuringExecution: false antiAffinity.RequiredDuringSchedulingIgnoredDuringExecution: false\": AntiAffinity must have exactly one strategy listed",
        ),
        (
            canary(json!({"antiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 0}}})),
            "spec.strategy.antiAffinity.weight: Invalid value: 0: AntiAffinity weight must be between 1-100",
        ),
        (
            canary(json!({"steps": [{}]})),
            "spec.strategy.steps[0]: Invalid value: \"step.Experiment: true step.Pause: true step.SetWeight: true step.Analysis: true step.SetCanaryScale: true step.SetHeaderRoute: true step.SetMirrorRoute: true step.Plugin: true\": Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause",
        ),
        (
            canary(json!({"steps": [{"setWeight": 5, "pause": {}}]})),
            "spec.strategy.steps[0]: Invalid value: \"step.Experiment: false step.Pause: true step.SetWeight: true step.Analysis: false\": Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause",
        ),
        (
            canary(json!({"steps": [{"setWeight": 101}]})),
            "spec.strategy.steps[0].setWeight: Invalid value: 101: SetWeight needs to be between 0 and 100",
        ),
        (
            canary(json!({"steps": [{"pause": {"duration": "abc"}}]})),
            "spec.strategy.steps[0].pause.duration: Invalid value: -1: Duration needs to be greater than 0",
        ),
        (
            canary(json!({"steps": [{"setCanaryScale": {"replicas": 1}}]})),
            "spec.strategy.trafficRouting: Required value: SetCanaryScale requires TrafficRouting to be set",
        ),
        (
            canary(
                json!({"steps": [{"experiment": {"templates": [{"name": "a", "specRef": "canary", "weight": 5}]}}]}),
            ),
            "spec.strategy.steps[0].experiment.templates[0].weight: Invalid value: 5: Experiment template weight cannot be set unless TrafficRouting is enabled",
        ),
        (
            steps(json!([{"setHeaderRoute": {"name": "h"}}]), json!({"smi": {}})),
            "spec.strategy.steps[0].setHeaderRoute: Invalid value: {\"name\":\"h\"}: SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix",
        ),
        (
            steps(json!([{"setMirrorRoute": {"name": "h"}}]), json!({"alb": {}, "managedRoutes": managed})),
            "spec.strategy.steps[0].setMirrorRoute: Invalid value: {\"name\":\"h\"}: SetMirrorRoute requires TrafficRouting, supports Istio and Plugins",
        ),
        (
            steps(json!([{"setHeaderRoute": {"name": "x"}}]), json!({"istio": {}, "managedRoutes": managed})),
            "spec.strategy.steps[0].setHeaderRoute: Invalid value: \"x\": Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes",
        ),
        (
            steps(json!([{"setHeaderRoute": {"name": "x"}}]), json!({"istio": {}})),
            "spec.strategy.trafficRouting.managedRoutes: Required value: Rollout has missing field 'spec.strategy.canary.trafficRouting.managedRoutes'",
        ),
        (
            steps(
                json!([{"setHeaderRoute": {"name": "h", "match": [{"headerName": "a", "headerValue": {"exact": "x", "regex": "y"}}]}}]),
                json!({"istio": {}, "managedRoutes": managed}),
            ),
            "spec.strategy.steps[0].setHeaderRoute.match[0]: Invalid value: {\"exact\":\"x\",\"regex\":\"y\"}: StringMatch match value must have exactly one of the following: exact, regex, prefix",
        ),
        (
            steps(
                json!([{"setHeaderRoute": {"name": "h", "match": [{"headerName": "a", "headerValue": {"prefix": "x"}}]}}]),
                json!({"alb": {}, "managedRoutes": managed}),
            ),
            "spec.strategy.steps[0].setHeaderRoute.match[0]: Invalid value: {\"prefix\":\"x\"}: SetHeaderRoute match value invalid. ALB supports 'exact' value only",
        ),
        (
            json!({"strategy": {"canary": {"typo": 1}}}),
            "error unmarshaling JSON: while decoding JSON: json: unknown field \"typo\"",
        ),
    ] {
        assert_eq!(first(change.clone()), wanted, "{change}");
    }
}
