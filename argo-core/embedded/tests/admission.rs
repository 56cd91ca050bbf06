//! Webhooks: in the process and over HTTPS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argo_embedded::{Cluster, WebhookService};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::support::*;

type Judge = dyn Fn(&Value) -> Result<Value, String> + Send + Sync;

/// A service that answers each request with what a closure makes of it.
struct Service(Box<Judge>, Arc<AtomicUsize>);

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Service")
    }
}

impl WebhookService for Service {
    fn review(&self, _: &str, review: &Value) -> Result<Value, String> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let mut response = (self.0)(&review["request"])?;
        response["uid"] = review["request"]["uid"].clone();
        Ok(json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response }))
    }
}

/// A cluster with a service `default/hooks`, and how often it was called.
fn world(judge: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static) -> (Cluster, Arc<AtomicUsize>) {
    let cluster = Cluster::new();
    let calls = Arc::new(AtomicUsize::new(0));
    cluster.webhook_service("default", "hooks", Service(Box::new(judge), calls.clone()));
    (cluster, calls)
}

fn configuration(kind: &str, webhooks: Value) -> Value {
    let defaults = json!({
        "name": "hook.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": { "service": { "namespace": "default", "name": "hooks", "path": "/hook" } },
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE", "DELETE"], "resources": ["configmaps"] }],
    });
    let mut object = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": { "name": "hooks" }, "webhooks": webhooks,
    });
    for webhook in object["webhooks"].as_array_mut().expect("webhooks") {
        for (field, value) in defaults.as_object().expect("fields") {
            if webhook.get(field).is_none() {
                webhook[field] = value.clone();
            }
        }
    }
    object
}

fn patch(operations: Value) -> Value {
    json!({ "allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(operations.to_string()) })
}

#[tokio::test]
async fn mutating_webhooks_change_objects_once_each_and_again_where_they_ask_to() {
    let (cluster, calls) = world(|request| {
        let labels = request.pointer("/object/metadata/labels");
        let count = labels.and_then(Value::as_object).map_or(0, serde_json::Map::len);
        let value = count.to_string();
        Ok(match labels {
            None => patch(json!([{ "op": "add", "path": "/metadata/labels", "value": { "l0": value } }])),
            Some(_) => patch(json!([{ "op": "add", "path": format!("/metadata/labels/l{count}"), "value": value }])),
        })
    });
    let hooks = json!([
        { "name": "a.example.com", "reinvocationPolicy": "IfNeeded" },
        { "name": "b.example.com" },
        { "name": "c.example.com", "matchConditions": [{ "name": "never", "expression": "object.metadata.name == 'other'" }] },
        { "name": "d.example.com", "objectSelector": { "matchLabels": { "absent": "yes" } } },
    ]);
    cluster.direct("test").apply(configuration("MutatingWebhookConfiguration", hooks)).expect("applied");
    let maps = config_maps(&cluster);
    let created = maps.create(&PostParams::default(), &config_map("m", json!({}))).await.expect("created");
    let labels: Vec<String> = created.metadata.labels.expect("labels").into_keys().collect();
    assert_eq!(labels, ["l0", "l1", "l2"], "first, second, and the first again");
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    // Writers in the process pass through the same webhooks.
    let direct = cluster.direct("test").create(serde_json::to_value(config_map("n", json!({}))).expect("json"));
    assert_eq!(direct.expect("created")["metadata"]["labels"]["l2"], "2");
}

#[tokio::test]
async fn validating_webhooks_refuse_in_the_words_of_the_real_server() {
    let (cluster, calls) = world(|request| {
        assert_eq!(request["userInfo"]["username"], "kubernetes-admin");
        Ok(match (request["operation"].as_str(), request["name"].as_str()) {
            (Some("DELETE"), _) => {
                json!({ "allowed": false, "status": { "code": 403, "reason": "Forbidden", "message": "kept" } })
            }
            (_, Some("bad")) => json!({ "allowed": false, "status": { "message": "too bad" } }),
            (_, Some("silent")) => json!({ "allowed": false }),
            (_, Some("broken")) => return Err("it broke".to_owned()),
            _ => json!({ "allowed": true, "warnings": ["mind the gap"] }),
        })
    });
    cluster
        .direct("test")
        .apply(configuration("ValidatingWebhookConfiguration", json!([{ "sideEffects": "None" }])))
        .expect("applied");
    let maps = config_maps(&cluster);
    let create = |name: &'static str| {
        let maps = maps.clone();
        async move { maps.create(&PostParams::default(), &config_map(name, json!({}))).await }
    };
    create("good").await.expect("allowed");
    for (name, code, message) in [
        ("bad", 400, "admission webhook \"hook.example.com\" denied the request: too bad"),
        ("silent", 400, "admission webhook \"hook.example.com\" denied the request without explanation"),
        (
            "broken",
            500,
            "Internal error occurred: failed calling webhook \"hook.example.com\": failed to call webhook: it broke",
        ),
    ] {
        let status = status_of(create(name).await.expect_err("refused"));
        assert_eq!((status.code, status.message.as_str()), (code, message));
        assert!(maps.get_opt(name).await.expect("read").is_none(), "nothing was stored");
    }
    let kept = status_of(maps.delete("good", &DeleteParams::default()).await.expect_err("refused"));
    assert_eq!((kept.code, kept.reason.as_str()), (403, "Forbidden"));
    let before = calls.load(Ordering::SeqCst);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    maps.create(&dry, &config_map("dry", json!({}))).await.expect("no side effects");
    assert_eq!(calls.load(Ordering::SeqCst), before + 1);
    cluster
        .direct("test")
        .apply(configuration(
            "ValidatingWebhookConfiguration",
            json!([{ "sideEffects": "None", "failurePolicy": "Ignore" }]),
        ))
        .expect("applied");
    create("broken").await.expect("failures are ignored");
}

/// Serves one review after another over HTTPS; where, and who vouches for it.
async fn https(judge: fn(&Value) -> Value) -> (String, String) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let certificate = params.self_signed(&key).expect("a certificate");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("a configuration");
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let answer = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| async move {
                let body = http_body_util::BodyExt::collect(request.into_body()).await.expect("a body").to_bytes();
                let review: Value = serde_json::from_slice(&body).expect("a review");
                let mut response = judge(&review["request"]);
                response["uid"] = review["request"]["uid"].clone();
                let review =
                    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
                Ok::<_, std::convert::Infallible>(http::Response::new(review.to_string()))
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(hyper_util::rt::TokioIo::new(stream), answer)
                .await;
        }
    });
    (format!("https://localhost:{port}/judge"), STANDARD.encode(certificate.pem()))
}

#[tokio::test]
async fn webhooks_are_called_over_https_with_their_own_authority() {
    let (url, authority) =
        https(|request| json!({ "allowed": request["name"] != "bad", "status": { "message": "no" } })).await;
    let cluster = Cluster::new();
    let client = |authority: &str| json!([{ "clientConfig": { "url": url, "caBundle": authority } }]);
    let direct = cluster.direct("test");
    direct.apply(configuration("ValidatingWebhookConfiguration", client(&authority))).expect("applied");
    let maps: Api<ConfigMap> = config_maps(&cluster);
    maps.create(&PostParams::default(), &config_map("good", json!({}))).await.expect("allowed");
    let bad = status_of(maps.create(&PostParams::default(), &config_map("bad", json!({}))).await.expect_err("denied"));
    assert_eq!(bad.message, "admission webhook \"hook.example.com\" denied the request: no");

    let (_, other) = https(|_| json!({ "allowed": true })).await;
    direct.apply(configuration("ValidatingWebhookConfiguration", client(&other))).expect("applied");
    let stranger =
        status_of(maps.create(&PostParams::default(), &config_map("b", json!({}))).await.expect_err("failed"));
    assert!(stranger.message.contains("tls: failed to verify certificate"), "{}", stranger.message);
}
