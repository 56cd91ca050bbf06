//! Sends operations.

use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use kube::config::KubeConfigOptions;
use serde_json::{Value, json};

/// The server that `KUBECONFIG` names, without retries.
pub(crate) async fn real() -> Client {
    let mut config = kube::Config::from_kubeconfig(&KubeConfigOptions::default()).await.expect("a kubeconfig");
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

pub(crate) async fn delete_namespace(client: &Client, namespace: &str) -> Value {
    send(client, "DELETE", "", &format!("/api/v1/namespaces/{namespace}"), &Value::Null, &Value::Null).await
}

/// The whole answer to one operation.
pub(crate) async fn run(client: &Client, namespace: &str, operation: &Value) -> Value {
    let method = operation[0].as_str().expect("a method");
    let (method, form) = method.split_once(':').unwrap_or((method, ""));
    let path = path(operation[1].as_str().expect("a path"), namespace);
    let (body, options) = (operation.get(2).unwrap_or(&Value::Null), operation.get(3).unwrap_or(&Value::Null));
    if method == "WAIT" {
        for _ in 0..100 {
            if send(client, "GET", "", &path, &Value::Null, options).await["code"] == 200 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        return Value::Null;
    }
    send(client, method, form, &path, body, options).await
}

fn path(short: &str, namespace: &str) -> String {
    let (group, rest) = match short.split_once(':') {
        _ if short.starts_with('/') => return short.to_owned(),
        Some((group, rest)) if !group.contains('/') => (group, rest),
        _ => ("", short),
    };
    let base = match group {
        "" => "/api/v1".to_owned(),
        "apps" | "batch" | "policy" => format!("/apis/{group}/v1"),
        "hpa" => "/apis/autoscaling/v2".to_owned(),
        "net" => "/apis/networking.k8s.io/v1".to_owned(),
        "rbac" => "/apis/rbac.authorization.k8s.io/v1".to_owned(),
        "lease" => "/apis/coordination.k8s.io/v1".to_owned(),
        "w" => format!("/apis/{namespace}.example.com/v1"),
        "w2" => format!("/apis/{namespace}.example.com/v2"),
        other => panic!("no group {other}"),
    };
    format!("{base}/namespaces/{namespace}/{rest}")
}

async fn send(client: &Client, method: &str, form: &str, path: &str, body: &Value, options: &Value) -> Value {
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
        "partials" => "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        _ => "application/json",
    };
    let text = |name: &str, otherwise: &str| options[name].as_str().unwrap_or(otherwise).to_owned();
    let mut body = body.clone();
    if let Some(size) = options["fill"].as_u64() {
        body["data"] = json!({ "fill": "x".repeat(usize::try_from(size).expect("a size")) });
    }
    let body = match body {
        Value::Null => Vec::new(),
        Value::String(text) => text.into_bytes(),
        other => other.to_string().into_bytes(),
    };
    let mut request = http::Request::builder()
        .method(method)
        .uri(path.replace(' ', "%20").replace('<', "%3C").replace('>', "%3E"))
        .header("content-type", text("type", content_type))
        .header("accept", text("accept", accept))
        .header("user-agent", "differential/1");
    if let Some(user) = options["as"].as_str() {
        request = request.header("impersonate-user", user);
    }
    for group in options["groups"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        request = request.header("impersonate-group", group);
    }
    if let Some(uid) = options["uid"].as_str() {
        request = request.header("impersonate-uid", uid);
    }
    for (key, values) in options["extra"].as_object().into_iter().flatten() {
        for value in values.as_array().into_iter().flatten().filter_map(Value::as_str) {
            request = request.header(format!("impersonate-extra-{key}"), value);
        }
    }
    let response = client.send(request.body(Body::from(body)).expect("a request")).await.expect("an answer");
    let code = response.status().as_u16();
    let warnings: Vec<String> = response
        .headers()
        .get_all("warning")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned)
        .collect();
    // Watches end by themselves, after the timeout they ask for.
    let body = response.into_body().collect();
    let body = tokio::time::timeout(std::time::Duration::from_secs(10), body).await.expect("an end").expect("a body");
    let bytes = body.to_bytes();
    let body =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned()));
    let mut answer = json!({ "code": code, "body": body });
    if !warnings.is_empty() {
        answer["warnings"] = json!(warnings);
    }
    answer
}
