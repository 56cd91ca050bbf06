//! The vendors' providers against a local server: what they ask, and what they make of the answers.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use argo_core::Timestamp;
use argo_rollouts::{
    api::{AnalysisPhase, AnalysisRun, Measurement},
    engine::analysis::{Measure, MeasureAction, Observation},
    metrics::{AwsCredentials, CloudWatch, Providers, Secrets},
};
use axum::{Router, body::Bytes, http::Request, http::StatusCode, routing::any};
use serde_json::{Value, json};

/// What a server was asked: method, path with query, some headers, body.
#[derive(Debug, Clone)]
struct Asked {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers requests in order; the last answer stays.
    async fn answering(answers: Vec<(u16, String)>) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let log = asked.clone();
        let handler = move |request: Request<axum::body::Body>| {
            let (log, answers) = (log.clone(), answers.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
                let headers = parts.headers.iter();
                let headers =
                    headers.map(|(k, v)| (k.to_string(), v.to_str().unwrap_or_default().to_owned())).collect();
                let mut log = log.lock().expect("no panic");
                let answer = answers.get(log.len()).or_else(|| answers.last()).cloned().expect("an answer");
                log.push(Asked {
                    line: format!("{} {}", parts.method, parts.uri),
                    headers,
                    body: String::from_utf8_lossy(&body).into_owned(),
                });
                (StatusCode::from_u16(answer.0).expect("a status"), answer.1)
            }
        };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let app = Router::new().fallback(any(handler));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, asked }
    }

    async fn json(answer: Value) -> Self {
        Self::answering(vec![(200, answer.to_string())]).await
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

type Data = BTreeMap<String, BTreeMap<String, String>>;

fn secrets(name: &str, values: &[(&str, &str)]) -> Data {
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    BTreeMap::from([(name.to_owned(), values)])
}

fn at() -> Timestamp {
    "2026-01-01T00:10:00Z".parse().expect("a time")
}

async fn act(providers: &Providers, provider: Value, condition: &str, action: MeasureAction) -> Observation {
    let metric = json!({"name": "m", "interval": "1m", "successCondition": condition, "provider": provider});
    let run = json!({"metadata": {"name": "r", "namespace": "ns"}, "spec": {"metrics": [metric]},
        "status": {"startedAt": "2026-01-01T00:00:00Z"}});
    let run: AnalysisRun = serde_json::from_value(run).expect("decodes");
    let measure = Measure { metric: run.spec.metrics[0].clone(), action };
    providers.carry_out(&run, &measure, &BTreeMap::new(), at()).await
}

async fn measure(data: Data, provider: Value, condition: &str) -> Measurement {
    let mut providers = Providers::builtin();
    let secrets: Arc<dyn Secrets> = Arc::new(data);
    providers.with_secrets(&secrets);
    act(&providers, provider, condition, MeasureAction::Run).await.measurement
}

fn seen(measurement: &Measurement) -> (AnalysisPhase, &str, &str) {
    (measurement.phase, &measurement.value, &measurement.message)
}

fn datadog(server: &Server) -> Data {
    let address = format!("http://{}", server.address);
    secrets("datadog", &[("address", &address), ("api-key", "api-hush"), ("app-key", "app-hush")])
}

#[tokio::test]
async fn datadog_is_asked_by_its_first_version() {
    let answer = json!({"status": "ok", "series": [{"pointlist": [[1598867910000.0, 0.002], [1598867925000.0, 0.0006121374442560891]]}]});
    let server = Server::json(answer).await;
    let provider =
        json!({"datadog": {"apiVersion": "v1", "interval": "10m", "query": "avg:kubernetes.cpu.user.total{*}"}});
    let measurement = measure(datadog(&server), provider.clone(), "result < 0.001").await;
    assert_eq!(seen(&measurement), (AnalysisPhase::Successful, "0.0006121374442560891", ""));
    let asked = &server.asked()[0];
    assert_eq!(
        asked.line,
        "GET /api/v1/query?from=1767225600&query=avg%3Akubernetes.cpu.user.total%7B*%7D&to=1767226200"
    );
    let header = |name: &str| asked.headers.get(name).map(String::as_str);
    assert_eq!((header("dd-api-key"), header("dd-application-key")), (Some("api-hush"), Some("app-hush")));
    for (condition, phase) in
        [("default(result, 0) < 0.05", AnalysisPhase::Successful), ("result < 0.05", AnalysisPhase::Error)]
    {
        let server = Server::json(json!({"status": "ok", "series": []})).await;
        let empty = measure(datadog(&server), provider.clone(), condition).await;
        assert_eq!(empty.phase, phase, "{empty:?}");
    }
    let server = Server::answering(vec![(401, "{\"errors\": [\"No authorized hash api-hush.\"]}".to_owned())]).await;
    let refused = measure(datadog(&server), provider, "true").await;
    let message = "received authentication error response code: 401 {\"errors\": [\"No authorized hash *****.\"]}";
    assert_eq!(seen(&refused), (AnalysisPhase::Error, "", message));
}

#[tokio::test]
async fn datadog_is_asked_by_its_second_version() {
    let columns = |columns: Value| json!({"data": {"attributes": {"columns": columns}}});
    let server = Server::json(columns(json!([{"name": "a", "type": "number", "values": [0.0006]}]))).await;
    let provider = json!({"datadog": {"apiVersion": "v2", "interval": "5m", "queries": {"a": "sum:x{*}", "b": "sum:y{*}"}, "formula": "a / b"}});
    let measurement = measure(datadog(&server), provider, "result < 0.001").await;
    assert_eq!(seen(&measurement), (AnalysisPhase::Successful, "0.0006", ""));
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "POST /api/v2/query/scalar");
    let query =
        |name: &str, query: &str| json!({"aggregator": "last", "data_source": "metrics", "name": name, "query": query});
    let wanted = json!({"data": {"type": "scalar_request", "attributes": {"from": 1767225900000_i64, "to": 1767226200000_i64,
        "queries": [query("a", "sum:x{*}"), query("b", "sum:y{*}")], "formulas": [{"formula": "a / b"}]}}});
    assert_eq!(serde_json::from_str::<Value>(&asked.body).expect("JSON"), wanted);
    let grouped = columns(json!([{"name": "region", "type": "group", "values": [["us"], ["eu"], ["ap"]]},
        {"name": "a", "type": "number", "values": [1.5, null, 3]}]));
    let server = Server::json(grouped).await;
    let provider = json!({"datadog": {"apiVersion": "v2", "query": "sum:x{*} by {region}", "aggregator": "avg"}});
    let measurement = measure(datadog(&server), provider, "all(result, # < 5)").await;
    assert_eq!(seen(&measurement), (AnalysisPhase::Successful, "[1.5,3]", ""));
    assert_eq!(measurement.metadata["groups"], r#"[{"name":"us","value":1.5},{"name":"ap","value":3.0}]"#);
    assert!(server.asked()[0].body.contains(r#""aggregator":"avg""#));
}

#[tokio::test]
async fn datadog_settings_that_contradict_are_refused() {
    let server = Server::json(json!({})).await;
    for (settings, message) in [
        (json!({"apiVersion": "v2"}), "Must have either a query or queries. Please review the Analysis Template."),
        (
            json!({"apiVersion": "v2", "query": "a", "queries": {"a": "b"}}),
            "Cannot have both a query and queries. Please review the Analysis Template.",
        ),
        (
            json!({"apiVersion": "v1", "queries": {"a": "b"}}),
            "Query is empty. API Version v1 only supports using the query parameter in your Analysis Template.",
        ),
        (
            json!({"apiVersion": "v2", "query": "a", "formula": "a"}),
            "Formula are only valid when queries are set. Please review the Analysis Template.",
        ),
        (
            json!({"apiVersion": "v2", "queries": {"a": "b", "c": "d"}}),
            "When multiple queries are provided you must include a formula.",
        ),
        (
            json!({"apiVersion": "v1", "query": "a", "aggregator": "sum"}),
            "Aggregator is not supported in v1. Please review the Analysis Template.",
        ),
        (json!({"query": "a", "secretRef": {"name": "other"}}), "API or App token not found"),
        (
            json!({"query": "a", "secretRef": {"namespaced": true}}),
            "secret name is required for namespaced credentials",
        ),
    ] {
        let measurement = measure(datadog(&server), json!({"datadog": settings}), "true").await;
        assert_eq!(seen(&measurement), (AnalysisPhase::Error, "", message));
    }
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn new_relic_is_asked_over_nerdgraph() {
    let results = |results: Value| json!({"data": {"actor": {"account": {"nrql": {"results": results}}}}});
    let data = |server: &Server| {
        let url = format!("http://{}/graphql", server.address);
        secrets("newrelic", &[("personal-api-key", "hush"), ("account-id", "123"), ("base-url-nerdgraph", &url)])
    };
    let provider = json!({"newRelic": {"query": "FROM Transaction SELECT count(*)", "timeout": 7}});
    let server = Server::json(results(json!([{"count": 10}]))).await;
    let measurement = measure(data(&server), provider.clone(), "result.count < 20").await;
    assert_eq!(seen(&measurement), (AnalysisPhase::Successful, r#"{"count":10}"#, ""));
    let asked = &server.asked()[0];
    assert_eq!((asked.line.as_str(), asked.headers["api-key"].as_str()), ("POST /graphql", "hush"));
    let body: Value = serde_json::from_str(&asked.body).expect("JSON");
    assert_eq!(body["variables"], json!({"query": "FROM Transaction SELECT count(*)", "accountId": 123, "timeout": 7}));
    let server = Server::json(results(json!([{"count": 10}, {"count": 20}]))).await;
    let many = measure(data(&server), provider.clone(), "result[1].count == 20").await;
    assert_eq!(seen(&many), (AnalysisPhase::Successful, r#"[{"count":10},{"count":20}]"#, ""));
    for (answer, message) in [
        (results(json!([])), "no results returned from NRQL query"),
        (results(json!([{}])), "no results returned from NRQL query"),
        (json!({"errors": [{"message": "bad query"}]}), "graphql: bad query"),
    ] {
        let server = Server::json(answer).await;
        assert_eq!(measure(data(&server), provider.clone(), "true").await.message, message);
    }
    let none = measure(Data::new(), provider.clone(), "true").await;
    assert_eq!(none.message, "secrets \"newrelic\" not found");
    let half = measure(secrets("newrelic", &[("account-id", "1")]), provider, "true").await;
    assert_eq!(half.message, "account ID or personal API key not found");
}

#[tokio::test]
async fn wavefront_takes_the_nearest_point() {
    let now = at().as_second();
    let answer = json!({"timeseries": [{"data": [[now - 60, 9.0], [now - 5, 0.1234]]}], "warnings": "slow"});
    let server = Server::json(answer).await;
    let address = format!("http://{}", server.address);
    let data = secrets("wavefront-api-tokens", &[(&address, "hush")]);
    let provider = json!({"wavefront": {"address": address, "query": "ts(x)"}});
    let measurement = measure(data.clone(), provider.clone(), "result < 1").await;
    assert_eq!(seen(&measurement), (AnalysisPhase::Successful, "0.12", ""));
    let metadata = |key: &str| measurement.metadata[key].as_str();
    assert_eq!((metadata("drift"), metadata("warnings")), ("-5", "slow"));
    assert_eq!(metadata("timestamps"), (now - 5).to_string());
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "GET /api/v2/chart/api?q=ts%28x%29&s=1767226200000&e=1767226200000&g=s&p=1&i=true");
    assert_eq!(asked.headers["authorization"], "Bearer hush");
    let elsewhere = json!({"wavefront": {"address": "other", "query": "ts(x)"}});
    assert_eq!(measure(data, elsewhere, "true").await.message, "API token not found");
    let server = Server::json(json!({"timeseries": []})).await;
    let address = format!("http://{}", server.address);
    let data = secrets("wavefront-api-tokens", &[(&address, "hush")]);
    let none = measure(data, json!({"wavefront": {"address": address, "query": "ts(x)"}}), "true").await;
    assert_eq!(none.message, "No TimeSeries found in response from Wavefront");
}

#[tokio::test]
async fn cloud_watch_is_asked_with_a_signature() {
    let server = Server::json(json!({"MetricDataResults": [{"Id": "rate", "Values": [0.5, 2]}], "Messages": []})).await;
    let credentials = AwsCredentials { id: "AKID".into(), secret: "hush".into(), token: Some("session".into()) };
    let mut providers = Providers::builtin();
    let cloud_watch = CloudWatch::at(format!("http://{}", server.address), "eu-west-1", credentials);
    providers.register("cloudWatch", Arc::new(cloud_watch));
    let provider = json!({"cloudWatch": {"interval": "30m", "metricDataQueries": [
        {"id": "rate", "expression": "errors / requests"},
        {"id": "errors", "returnData": false, "metricStat": {"period": "300", "stat": "Sum", "unit": "Count",
            "metric": {"namespace": "app", "metricName": "errors", "dimensions": [{"name": "svc", "value": "web"}]}}}]}});
    let observation = act(&providers, provider, "result[0].Values[0] < 1", MeasureAction::Run).await;
    assert_eq!(seen(&observation.measurement), (AnalysisPhase::Successful, "[[0.5 2]]", ""));
    let asked = &server.asked()[0];
    assert_eq!(asked.headers["x-amz-target"], "GraniteServiceVersion20100801.GetMetricData");
    assert_eq!(
        (asked.headers["x-amz-date"].as_str(), asked.headers["x-amz-security-token"].as_str()),
        ("20260101T001000Z", "session")
    );
    assert!(asked.headers["authorization"].starts_with(
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/monitoring/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature="
    ));
    let wanted = json!({"StartTime": 1767224400, "EndTime": 1767226200, "MetricDataQueries": [
        {"Id": "rate", "Expression": "errors / requests"},
        {"Id": "errors", "ReturnData": false, "MetricStat": {"Period": 300, "Stat": "Sum", "Unit": "Count", "Metric": {
            "Namespace": "app", "MetricName": "errors", "Dimensions": [{"Name": "svc", "Value": "web"}]}}}]});
    assert_eq!(serde_json::from_str::<Value>(&asked.body).expect("JSON"), wanted);
}

#[tokio::test]
async fn graphite_gives_the_points_of_the_first_target() {
    let answer = json!([{"target": "sum", "datapoints": [[0.5, 1], [null, 2], ["3", 3]]}, {"target": "other", "datapoints": [[9, 1]]}]);
    let server = Server::json(answer).await;
    let provider = |server: &Server| json!({"graphite": {"address": format!("http://{}/g/", server.address), "query": "target=sum(\n  a.*,\n 'x')&from=-10min"}});
    let measurement = measure(Data::new(), provider(&server), "all(result, # < 5)").await;
    assert_eq!(seen(&measurement), (AnalysisPhase::Successful, "[0.500000,3.000000]", ""));
    assert_eq!(server.asked()[0].line, "GET /g/render?target=sum%28a.*%2C%27x%27%29&from=-10min&format=json");
    let server = Server::json(json!([])).await;
    assert_eq!(measure(Data::new(), provider(&server), "true").await.message, "no values found");
    let server = Server::answering(vec![(500, "boom".to_owned())]).await;
    assert_eq!(measure(Data::new(), provider(&server), "true").await.message, "error response: boom");
    let nowhere = json!({"graphite": {"address": "", "query": "x"}});
    assert_eq!(measure(Data::new(), nowhere, "true").await.message, "Graphite address  is not a valid URL");
}

#[tokio::test]
async fn influxdb_is_asked_in_flux() {
    let csv = "#datatype,string,long,double\r\n#group,false,false,false\r\n#default,_result,,\r\n,result,table,_value\r\n,,0,0.5\r\n,,0,2\r\n\r\n";
    let server = Server::answering(vec![(200, csv.to_owned())]).await;
    let data = |server: &Server| {
        let address = format!("http://{}", server.address);
        secrets("influxdb", &[("address", &address), ("authToken", "hush"), ("org", "my org")])
    };
    let provider = json!({"influxdb": {"query": "from(bucket: \"b\")"}});
    let measurement = measure(data(&server), provider.clone(), "result[0] < 1").await;
    assert_eq!(seen(&measurement), (AnalysisPhase::Successful, "[0.5 2]", ""));
    let asked = &server.asked()[0];
    assert_eq!(
        (asked.line.as_str(), asked.headers["authorization"].as_str()),
        ("POST /api/v2/query?org=my+org", "Token hush")
    );
    assert!(asked.body.contains(r#""query":"from(bucket: \"b\")""#), "{}", asked.body);
    let server = Server::answering(vec![(200, "\r\n".to_owned())]).await;
    assert_eq!(measure(data(&server), provider.clone(), "true").await.message, "no results returned from flux query");
    let server = Server::answering(vec![(401, "{\"message\":\"no hush\"}".to_owned())]).await;
    let refused = measure(data(&server), provider.clone(), "true").await;
    assert_eq!(refused.message, "received non 2xx response code: 401 {\"message\":\"no *****\"}");
    let half = measure(secrets("influxdb", &[("org", "o")]), provider, "true").await;
    assert_eq!(half.message, "authToken, org, or address not found");
}

#[tokio::test]
async fn skywalking_gets_its_duration() {
    let server = Server::json(json!({"data": {"sla": {"values": [{"value": 9900}]}}})).await;
    let provider = json!({"skywalking": {"address": format!("http://{}", server.address), "interval": "5m", "query": "query q($duration: Duration!) {}"}});
    let measurement = measure(Data::new(), provider.clone(), "all(result.sla.values, {asFloat(.value) >= 9000})").await;
    assert_eq!(seen(&measurement), (AnalysisPhase::Successful, r#"{"sla":{"values":[{"value":9900}]}}"#, ""));
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "POST /graphql");
    let body: Value = serde_json::from_str(&asked.body).expect("JSON");
    assert_eq!(
        body["variables"]["duration"],
        json!({"start": "2026-01-01 0005", "end": "2026-01-01 0010", "step": "MINUTE"})
    );
}

#[tokio::test]
async fn kayenta_is_begun_and_looked_after() {
    let score =
        |score: f64| json!({"complete": true, "result": {"judgeResult": {"score": {"score": score}}}}).to_string();
    let answers = vec![
        (200, json!([{"id": "1-2-3", "name": "my-config"}]).to_string()),
        (200, json!({"canaryExecutionId": "exec-1"}).to_string()),
        (200, json!({"complete": false}).to_string()),
        (200, score(95.7)),
    ];
    let server = Server::answering(answers).await;
    let provider = json!({"kayenta": {"address": format!("http://{}", server.address), "application": "shop",
        "canaryConfigName": "my-config", "metricsAccountName": "wf", "configurationAccountName": "gcs", "storageAccountName": "store",
        "threshold": {"pass": 90, "marginal": 75}, "scopes": [{"name": "default",
            "controlScope": {"scope": "app=base", "region": "eu", "step": 60},
            "experimentScope": {"scope": "app=canary", "region": "eu", "step": 60}}]}});
    let providers = Providers::builtin();
    let begun = act(&providers, provider.clone(), "", MeasureAction::Run).await.measurement;
    assert_eq!(
        (begun.phase, begun.metadata["canaryExecutionId"].as_str()),
        (AnalysisPhase::Running, "exec-1"),
        "{begun:?}"
    );
    let asked = server.asked();
    assert_eq!(asked[0].line, "GET /canaryConfig?application=shop&configurationAccountName=store");
    assert_eq!(
        asked[1].line,
        "POST /canary/1-2-3?application=shop&metricsAccountName=wf&configurationAccountName=gcs&storageAccountName=store"
    );
    let scope = |scope: &str| json!({"scope": scope, "location": "eu", "step": 60, "start": "2026-01-01T00:09:00Z", "end": "2026-01-01T00:10:00Z"});
    let wanted = json!({"scopes": {"default": {"controlScope": scope("app=base"), "experimentScope": scope("app=canary")}},
        "thresholds": {"pass": 90, "marginal": 75}});
    assert_eq!(serde_json::from_str::<Value>(&asked[1].body).expect("JSON"), wanted);
    let later = act(&providers, provider.clone(), "", MeasureAction::Resume(begun)).await.measurement;
    assert_eq!(later.phase, AnalysisPhase::Running);
    let done = act(&providers, provider.clone(), "", MeasureAction::Resume(later)).await.measurement;
    assert_eq!(seen(&done), (AnalysisPhase::Successful, "95", ""));
    assert_eq!(server.asked()[3].line, "GET /canary/exec-1");
    for (value, phase) in [(80.0, AnalysisPhase::Inconclusive), (10.0, AnalysisPhase::Failed)] {
        let server = Server::answering(vec![(200, score(value))]).await;
        let mut provider = provider.clone();
        provider["kayenta"]["address"] = json!(format!("http://{}", server.address));
        let begun = Measurement {
            metadata: BTreeMap::from([("canaryExecutionId".to_owned(), "e".to_owned())]),
            ..Default::default()
        };
        assert_eq!(act(&providers, provider, "", MeasureAction::Resume(begun)).await.measurement.phase, phase);
    }
}

#[tokio::test]
async fn prometheus_is_asked_over_a_range_and_with_credentials() {
    let answer =
        json!({"status": "success", "data": {"resultType": "matrix", "result": [{"values": [[1, "1"], [2, "2"]]}]}});
    let server = Server::json(answer.clone()).await;
    let address = format!("http://{}", server.address);
    let provider = json!({"prometheus": {"address": address, "query": "up",
        "rangeQuery": {"start": "now() - duration(\"5m\")", "end": "now()", "step": "1m30s"},
        "authentication": {"basicAuth": {"username": "me", "password": "hush"}}}});
    let measurement = measure(Data::new(), provider, "len(result) == 2").await;
    assert_eq!(seen(&measurement), (AnalysisPhase::Successful, "[1,2]", ""));
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "GET /api/v1/query_range?query=up&start=1767225900&end=1767226200&step=90");
    assert_eq!(asked.headers["authorization"], "Basic bWU6aHVzaA==");
    let token = json!({"access_token": "tok", "token_type": "Bearer", "expires_in": 3600});
    let server = Server::answering(vec![(200, token.to_string()), (200, answer.to_string())]).await;
    let address = format!("http://{}", server.address);
    let oauth2 =
        json!({"tokenUrl": format!("{address}/token"), "clientId": "id", "clientSecret": "hush", "scopes": ["a", "b"]});
    let provider = |oauth2: &Value| json!({"prometheus": {"address": address, "query": "up", "authentication": {"oauth2": oauth2}}});
    let mut providers = Providers::builtin();
    let secrets: Arc<dyn Secrets> = Arc::new(Data::new());
    providers.with_secrets(&secrets);
    for _ in 0..2 {
        let measurement = act(&providers, provider(&oauth2), "len(result) == 2", MeasureAction::Run).await.measurement;
        assert_eq!(measurement.phase, AnalysisPhase::Successful, "{measurement:?}");
    }
    let asked = server.asked();
    assert_eq!((asked.len(), asked[0].line.as_str()), (3, "POST /token"), "the token is asked for once");
    assert_eq!(asked[0].body, "grant_type=client_credentials&scope=a+b");
    assert_eq!(asked[1].headers["authorization"], "Bearer tok");
    let half = provider(&json!({"tokenUrl": "http://x", "clientId": "id"}));
    let refused = measure(Data::new(), half, "true").await;
    assert_eq!(refused.message, "missing mandatory parameter in metric for OAuth2 setup");
    for (basic, missing) in [(json!({"username": "me"}), "password"), (json!({"password": "hush"}), "username")] {
        let provider = json!({"prometheus": {"address": "http://127.0.0.1:1", "query": "up", "authentication": {"basicAuth": basic}}});
        let refused = measure(Data::new(), provider, "true").await;
        assert_eq!(refused.message, format!("missing mandatory parameter in metric for basic auth setup: {missing}"));
    }
    let late = json!({"prometheus": {"address": "http://127.0.0.1:1", "query": "up", "rangeQuery": {"start": "5", "end": "now()", "step": "1m"}}});
    assert!(measure(Data::new(), late, "true").await.message.starts_with("failed to parse rangeQuery.start as time"));
}

#[tokio::test]
async fn web_endpoints_are_asked_with_tokens() {
    let token = json!({"access_token": "tok"}).to_string();
    let server = Server::answering(vec![(200, token), (200, "{\"ok\": true}".to_owned())]).await;
    let address = format!("http://{}", server.address);
    let provider = json!({"web": {"url": format!("{address}/data"), "jsonPath": "{$.ok}", "authentication": {"oauth2": {
        "tokenUrl": format!("{address}/token"), "clientId": "id", "clientSecret": "hush"}}}});
    let measurement = measure(Data::new(), provider.clone(), "result").await;
    assert_eq!(seen(&measurement), (AnalysisPhase::Successful, "true", ""));
    assert_eq!(server.asked()[1].headers["authorization"], "Bearer tok");
    let server = Server::answering(vec![(403, "no hush".to_owned())]).await;
    let mut provider = provider;
    provider["web"]["authentication"]["oauth2"]["tokenUrl"] = json!(format!("http://{}/token", server.address));
    assert_eq!(measure(Data::new(), provider, "result").await.message, "oauth2: cannot fetch token: 403");
}

/// Whatever a server answers, the measurement is an error that says something and no secret.
#[tokio::test]
async fn nonsense_is_an_error_and_never_a_secret() {
    let garbage = [
        (200, "garbage hush".to_owned()),
        (200, String::new()),
        (200, "null".to_owned()),
        (500, "hush".to_owned()),
        (401, "hush".to_owned()),
    ];
    for answer in garbage {
        let server = Server::answering(vec![answer.clone()]).await;
        let address = format!("http://{}", server.address);
        let mut data = secrets("datadog", &[("address", &address), ("api-key", "hush"), ("app-key", "hush")]);
        data.extend(secrets("influxdb", &[("address", &address), ("authToken", "hush"), ("org", "o")]));
        data.extend(secrets(
            "newrelic",
            &[("personal-api-key", "hush"), ("account-id", "1"), ("base-url-nerdgraph", &address)],
        ));
        data.extend(secrets("wavefront-api-tokens", &[(&address, "hush")]));
        for provider in [
            json!({"datadog": {"apiVersion": "v1", "query": "q"}}),
            json!({"datadog": {"apiVersion": "v2", "query": "q"}}),
            json!({"newRelic": {"query": "q"}}),
            json!({"wavefront": {"address": address, "query": "q"}}),
            json!({"influxdb": {"query": "q"}}),
            json!({"skywalking": {"address": address, "query": "q", "interval": "5m"}}),
            json!({"kayenta": {"address": address}}),
            json!({"prometheus": {"address": address, "query": "q"}}),
        ] {
            let measurement = measure(data.clone(), provider.clone(), "result > 0").await;
            assert_eq!(measurement.phase, AnalysisPhase::Error, "{provider} {answer:?} {measurement:?}");
            assert!(!measurement.message.is_empty(), "{provider} {answer:?}");
            let leaks = measurement.message.contains("hush") && !provider.to_string().contains("skywalking");
            assert!(!leaks, "{provider} {answer:?} {}", measurement.message);
        }
    }
}
