//! The same operations against this API server and a real one: the answers of the real one (kube-apiserver 1.34, without controllers) are
//! recorded beside the operations. To record them anew: `DIFFERENTIAL_KUBECONFIG=… cargo test -p argo-embedded differential`.

use std::collections::BTreeMap;

use argo_embedded::Cluster;
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use regex::Regex;
use serde_json::{Value, json};

const OPERATIONS: &str = include_str!("differential/operations.yaml");
const ANSWERS: &str = "tests/differential/answers.jsonl";

/// Known differences, by what they contain, with the reason. Everything else must be equal.
const DIFFERENCES: &[(&str, &str)] = &[
    ("json parse error", "the JSON parser's own words"),
    ("did not find expected ',' or '}'", "the YAML parser's own words"),
    ("invalid continue token", "the decoder's own words"),
    ("pod updates may not change fields", "the real one appends a diff of Go structs"),
    ("cannot change roleRef", "the real one shows the Go field names"),
    (
        "must have exactly one version marked as storage version",
        "the real one shows the Go struct, and checks what was accepted too",
    ),
    ("selfsubjectaccessreviews", "a review is not stored: nobody owns its fields"),
    ("fieldsV1.f:metadata: real {\"f:labels\"", "the real one records labels that a status update did not set"),
    ("status.size", "the real one checks the status alone, and names its fields from there"),
    (
        "customresourcedefinitions/widgets.example.com\"] .body.metadata.managedFields",
        "the controllers of the real one own the conditions",
    ),
];

fn operations() -> Vec<Value> {
    argo_lang::yaml::decode(OPERATIONS).expect("YAML").as_array().expect("a list").clone()
}

fn path(short: &str) -> String {
    let below = |base: &str, rest: &str| format!("{base}/namespaces/diff/{rest}");
    match short.split_once(':') {
        _ if short.starts_with('/') => short.to_owned(),
        Some(("apps", rest)) => below("/apis/apps/v1", rest),
        Some(("batch", rest)) => below("/apis/batch/v1", rest),
        Some(("w", rest)) => below("/apis/example.com/v1", rest),
        _ => below("/api/v1", short),
    }
}

async fn run(client: &Client, operation: &Value) -> Value {
    let method = operation[0].as_str().expect("a method");
    let (method, form) = method.split_once(':').unwrap_or((method, ""));
    let path = path(operation[1].as_str().expect("a path"));
    if method == "WAIT" {
        for _ in 0..100 {
            if send(client, "GET", "", &path, &Value::Null).await["code"] == 200 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        return Value::Null;
    }
    send(client, method, form, &path, operation.get(2).unwrap_or(&Value::Null)).await
}

async fn send(client: &Client, method: &str, form: &str, path: &str, body: &Value) -> Value {
    let content_type = match form {
        "merge" => "application/merge-patch+json",
        "json" => "application/json-patch+json",
        "strategic" => "application/strategic-merge-patch+json",
        "apply" => "application/apply-patch+yaml",
        "yaml" => "application/yaml",
        "text" => "text/plain",
        _ => "application/json",
    };
    let accept = match form {
        "table" => "application/json;as=Table;v=v1;g=meta.k8s.io",
        "partial" => "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        _ => "application/json",
    };
    let body = match body {
        Value::Null => Vec::new(),
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    };
    let request = http::Request::builder()
        .method(method)
        .uri(path.replace(' ', "%20"))
        .header("content-type", content_type)
        .header("accept", accept)
        .header("user-agent", "differential/1")
        .body(Body::from(body))
        .expect("a request");
    let response = client.send(request).await.expect("an answer");
    let code = response.status().as_u16();
    let warnings: Vec<String> = response
        .headers()
        .get_all("warning")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned)
        .collect();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    let body =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned()));
    let mut answer = json!({ "code": code, "body": body });
    if !warnings.is_empty() {
        answer["warnings"] = json!(warnings);
    }
    answer
}

/// What no two runs share: uids, times, revisions, addresses.
fn normal(answer: &Value) -> Value {
    let rules = [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
        (r#""resourceVersion":"\d+""#, r#""resourceVersion":"<rv>""#),
        (r"ResourceVersion in object meta: \d+", "ResourceVersion in object meta: <rv>"),
        (r"10\.96\.\d+\.\d+", "<ip>"),
        (r"ResourceVersion in record \(\d+\)", "ResourceVersion in record (<rv>)"),
        // The whole patched object, whose fields the real one writes in the order of its Go types.
        (r#"patch: Invalid value: \\".*?\}\\": "#, "patch: Invalid value: <object>: "),
        (r#""message":"Invalid value: \\"\{.*?\}\\": "#, r#""message":"Invalid value: <object>: "#),
        (r#""\d+m?\d*s""#, r#""<age>""#),
    ];
    let text = rules.iter().fold(answer.to_string(), |text, (pattern, replacement)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, *replacement).into_owned()
    });
    let mut value: Value = serde_json::from_str(&text).expect("still JSON");
    tidy(&mut value);
    value
}

/// Managed fields are sorted by times of whole seconds, so their order depends on how fast the machine was. Descriptions of columns are prose of the real server; nulls and absent fields mean the same; causes come in any order, some of them twice.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(causes) = fields.get_mut("causes").and_then(Value::as_array_mut) {
                causes.sort_by_key(Value::to_string);
                causes.dedup();
            }
            if let Some(message) = fields.get_mut("message")
                && let Some((head, list)) =
                    message.as_str().and_then(|text| text.strip_suffix(']')?.split_once(" is invalid: ["))
            {
                let mut parts: Vec<&str> = list.split(", ").collect();
                parts.sort_unstable();
                *message = Value::from(format!("{head} is invalid: [{}]", parts.join(", ")));
            }
            if let Some(managers) = fields.get_mut("managedFields").and_then(Value::as_array_mut) {
                managers.sort_by_key(|it| ["manager", "operation", "subresource"].map(|field| it[field].to_string()));
            }
            fields.retain(|field, value| !value.is_null() && field != "description");
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn differences(at: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: BTreeMap<&String, ()> = left.keys().chain(right.keys()).map(|key| (key, ())).collect();
            for key in keys.keys() {
                let (left, right) = (left.get(*key).unwrap_or(&Value::Null), right.get(*key).unwrap_or(&Value::Null));
                differences(&format!("{at}.{key}"), left, right, found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                differences(&format!("{at}[{index}]"), left, right, found);
            }
        }
        (left, right) if left != right => found.push(format!("{at}: real {left}, here {right}")),
        _ => {}
    }
}

#[tokio::test]
async fn answers_equal_those_of_a_real_api_server() {
    if let Ok(kubeconfig) = std::env::var("DIFFERENTIAL_KUBECONFIG") {
        record(&kubeconfig).await;
    }
    let recorded = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(ANSWERS))
        .expect("recorded answers");
    let recorded: Vec<Value> = recorded.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let operations = operations();
    assert_eq!(recorded.len(), operations.len(), "record the answers anew");
    let client = Cluster::new().client();
    let mut different = Vec::new();
    for (operation, expected) in operations.iter().zip(&recorded) {
        let actual = normal(&run(&client, operation).await);
        let mut found = Vec::new();
        differences("", &normal(expected), &actual, &mut found);
        let text = operation.to_string();
        found.retain(|line| !DIFFERENCES.iter().any(|(part, _)| format!("{text} {line}").contains(part)));
        if !found.is_empty() {
            let shown: String = text.chars().take(160).collect();
            different.push(format!("{shown}\n    {}", found.join("\n    ")));
        }
    }
    assert!(
        different.is_empty(),
        "{} of {} operations differ:\n{}",
        different.len(),
        operations.len(),
        different.join("\n")
    );
}

async fn record(kubeconfig: &str) {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a config");
    config.default_retry = false;
    let client = Client::try_from(config).expect("a client");
    let mut lines = String::new();
    for operation in operations() {
        lines.push_str(&normal(&run(&client, &operation).await).to_string());
        lines.push('\n');
    }
    let _ = send(&client, "DELETE", "", "/api/v1/namespaces/diff", &Value::Null).await;
    std::fs::write(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(ANSWERS), lines).expect("written");
}
