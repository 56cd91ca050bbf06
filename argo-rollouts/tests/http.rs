//! The providers over real HTTP.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use argo_core::Timestamp;
use argo_rollouts::{
    api::{AnalysisPhase, AnalysisRun, Measurement, SecretKeyRef},
    engine::analysis::{Measure, MeasureAction, Observation},
    metrics::Providers,
};
use axum::{
    Json, Router,
    extract::Query,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use serde_json::{Value, json};

async fn prometheus(Query(query): Query<BTreeMap<String, String>>) -> (StatusCode, Json<Value>) {
    let vector = |values: &[&str]| {
        let result: Vec<Value> = values.iter().map(|it| json!({"metric": {}, "value": [1.0, it]})).collect();
        (
            StatusCode::OK,
            Json(json!({"status": "success", "data": {"resultType": "vector", "result": result}, "warnings": ["w"]})),
        )
    };
    match query.get("query").map(String::as_str) {
        Some("errors{hash=\"abc\"}") => vector(&["0.25", "3"]),
        Some("nothing") => vector(&[]),
        Some("nan") => vector(&["NaN"]),
        _ => {
            (StatusCode::BAD_REQUEST, Json(json!({"status": "error", "errorType": "bad_data", "error": "parse error"})))
        }
    }
}

async fn serve() -> SocketAddr {
    let web = |headers: HeaderMap| async move {
        let token = headers.get("authorization").and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        Json(json!({"data": {"ok": true, "list": [1, 2.5]}, "token": token}))
    };
    let app = Router::new()
        .route("/prom/api/v1/query", get(prometheus))
        .route("/web", get(web))
        .route("/echo", post(|Json(body): Json<Value>| async move { Json(body) }))
        .route("/text", get(|| async { "all good" }))
        .route("/down", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route("/slow", get(|| async { tokio::time::sleep(Duration::from_secs(60)).await }));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn measure(metric: Value, args: Value, secrets: &BTreeMap<SecretKeyRef, String>) -> Observation {
    let run: AnalysisRun =
        serde_json::from_value(json!({"spec": {"args": args, "metrics": [metric]}})).expect("decodes");
    let measure = Measure { metric: run.spec.metrics[0].clone(), action: MeasureAction::Run };
    Providers::builtin().carry_out(&run, &measure, secrets, Timestamp::UNIX_EPOCH).await
}

async fn plain(metric: Value) -> Measurement {
    measure(metric, json!([{"name": "hash", "value": "abc"}]), &BTreeMap::new()).await.measurement
}

fn seen(measurement: &Measurement) -> (AnalysisPhase, &str, &str) {
    (measurement.phase, &measurement.value, &measurement.message)
}

#[tokio::test]
async fn prometheus_is_asked_and_judged() {
    let address = serve().await;
    let metric = |query: &str, condition: &str| {
        json!({"name": "m", "successCondition": condition,
            "provider": {"prometheus": {"address": format!("http://{address}/prom/"), "query": query}}})
    };
    let args = json!([{"name": "hash", "value": "abc"}]);
    let observation =
        measure(metric("errors{hash=\"{{args.hash}}\"}", "result[0] < 0.5"), args, &BTreeMap::new()).await;
    assert_eq!(seen(&observation.measurement), (AnalysisPhase::Successful, "[0.25,3]", ""));
    assert_eq!(observation.measurement.metadata["warnings"], "\"w\"");
    assert_eq!(observation.metadata["ResolvedPrometheusQuery"], "errors{hash=\"abc\"}");
    let nan = plain(metric("nan", "result[0] < 0.5")).await;
    assert_eq!(seen(&nan), (AnalysisPhase::Failed, "[NaN]", ""));
    let nothing = plain(metric("nothing", "result[0] < 0.5")).await;
    assert_eq!(nothing.phase, AnalysisPhase::Error);
    assert!(nothing.message.ends_with("no data returned from the metric provider"), "{}", nothing.message);
    let wrong = plain(metric("((", "true")).await;
    assert_eq!(seen(&wrong), (AnalysisPhase::Error, "", "bad_data: parse error"));
}

#[tokio::test]
async fn web_is_asked_and_looked_into() {
    let address = serve().await;
    let metric = |path: &str, json_path: &str, condition: &str| {
        json!({"name": "m", "successCondition": condition,
            "provider": {"web": {"url": format!("http://{address}{path}"), "jsonPath": json_path, "timeoutSeconds": 1}}})
    };
    let good = plain(metric("/web", "{$.data}", "result.ok && result.list[1] == 2.5")).await;
    assert_eq!(seen(&good), (AnalysisPhase::Successful, "{\"list\":[1,2.5],\"ok\":true}", ""));
    let text = plain(metric("/text", "", "result == 'all good'")).await;
    assert_eq!(seen(&text), (AnalysisPhase::Successful, "all good", ""));
    let down = plain(metric("/down", "", "true")).await;
    assert_eq!(seen(&down), (AnalysisPhase::Error, "", "received non 2xx response code: 503"));
    let nowhere = plain(metric("/web", "{$.none}", "true")).await;
    assert!(nowhere.message.starts_with("Could not find JSONPath in body: "), "{}", nowhere.message);
    let slow = plain(metric("/slow", "", "true")).await;
    assert_eq!(slow.phase, AnalysisPhase::Error);
    assert!(slow.message.contains("timed out"), "{}", slow.message);
    let mut body = metric("/echo", "{$.n}", "result == 3");
    body["provider"]["web"]["jsonBody"] = json!({"n": 3});
    let refused = plain(body.clone()).await;
    assert_eq!(refused.message, "Body/JSONBody can only be used with POST or PUT WebMetric Method types");
    body["provider"]["web"]["method"] = json!("POST");
    assert_eq!(seen(&plain(body).await), (AnalysisPhase::Successful, "3", ""));
}

#[tokio::test]
async fn a_secret_reaches_the_endpoint_and_nothing_else() {
    let address = serve().await;
    let metric = json!({"name": "m", "successCondition": "result == 'Bearer s3cret'", "provider": {"web": {
        "url": format!("http://{address}/web"), "jsonPath": "{$.token}",
        "headers": [{"key": "Authorization", "value": "Bearer {{args.token}}"}]}}});
    let args = json!([{"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);
    let secrets = BTreeMap::from([(SecretKeyRef { name: "s".into(), key: "k".into() }, "s3cret".to_owned())]);
    let observation = measure(metric, args, &secrets).await;
    assert_eq!(observation.measurement.phase, AnalysisPhase::Successful);
    assert_eq!(observation.measurement.value, "\"Bearer *****\"");
    assert!(!format!("{observation:?}").contains("s3cret"));
}

#[tokio::test]
async fn what_nobody_listens_on_is_an_error_of_the_measurement() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let metric = json!({"name": "m", "provider": {"web": {"url": format!("http://{address}/")}}});
    let measurement = plain(metric).await;
    assert_eq!(measurement.phase, AnalysisPhase::Error);
    assert!(measurement.message.starts_with("request failed"), "{}", measurement.message);
    let unknown = plain(json!({"name": "m", "provider": {"plugin": {"acme/x": {}}}})).await;
    assert_eq!(unknown.message, "no metric provider is registered under the name \"acme/x\"");
}
