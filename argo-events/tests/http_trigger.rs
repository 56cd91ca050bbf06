//! The `http` trigger against a real server.

use std::sync::Arc;

use argo_core::{Clock, runtime::Shutdown};
use argo_events::{
    api::{Event, Trigger},
    bus::MemoryBus,
    engine::firing::{Events, Firing},
    plane::{Services, fire},
    secrets::FixedSecrets,
    triggers::Triggers,
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode},
};
use parking_lot::Mutex;
use serde_json::{Value, json};

type Seen = Arc<Mutex<Vec<(Method, HeaderMap, String)>>>;

async fn server(status: u16) -> (String, Seen) {
    let seen = Seen::default();
    let app = Router::new()
        .fallback(move |State(seen): State<Seen>, method: Method, headers: HeaderMap, body: Bytes| async move {
            seen.lock().push((method, headers, String::from_utf8_lossy(&body).into_owned()));
            StatusCode::from_u16(status).unwrap()
        })
        .with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, seen)
}

async fn run(trigger: Value) -> Result<(), String> {
    let clock = Clock::system();
    let secrets = FixedSecrets::default().with("n", "s", "token", "hunter2").with("n", "s", "user", "admin");
    let services = Services::new(clock.clone(), Arc::new(MemoryBus::new(clock)), Arc::new(secrets));
    let trigger: Trigger = serde_json::from_value(trigger).unwrap();
    let triggers = Triggers::builtin();
    triggers.validate(trigger.template.as_ref().unwrap())?;
    let event = Event::new("1", "src", "e", "webhook", argo_core::Timestamp::UNIX_EPOCH, &json!({"path": "x", "n": 5}));
    let firing = Firing {
        namespace: "n".into(),
        sensor: "s".into(),
        trigger: "t".into(),
        events: Events::from([("d".to_owned(), event)]),
    };
    fire(&services, &triggers, &trigger, &firing, &Shutdown::new()).await.map_err(|it| it.to_string())
}

#[tokio::test]
async fn a_request_is_built_from_events_and_secrets() {
    let (url, seen) = server(201).await;
    run(json!({"template": {"name": "t", "http": {
        "url": url, "method": "PUT",
        "payload": [{"src": {"dependencyName": "d", "dataKey": "n", "useRawData": true}, "dest": "a.n"}],
        "parameters": [{"src": {"dependencyName": "d", "dataTemplate": "/{{ .Input.path }}"}, "dest": "url", "operation": "append"}],
        "headers": {"X-Static": "s", "X-Both": "static"},
        "dynamicHeaders": [{"src": {"dependencyName": "d", "dataKey": "path"}, "dest": "X-Both"}],
        "secureHeaders": [{"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}],
    }}, "policy": {"status": {"allow": [201]}}}))
    .await
    .unwrap();
    let seen = seen.lock();
    let (method, headers, body) = &seen[0];
    assert_eq!((method, body.as_str()), (&Method::PUT, r#"{"a":{"n":5}}"#));
    assert_eq!(
        (&headers["x-both"], &headers["authorization"], &headers["x-static"]),
        (&"x".parse().unwrap(), &"hunter2".parse().unwrap(), &"s".parse().unwrap())
    );
}

#[tokio::test]
async fn a_policy_decides_what_is_a_success() {
    let (url, seen) = server(500).await;
    let trigger = |policy: Value| {
        json!({"template": {"name": "t", "http": {"url": url}}, "policy": policy,
            "retryStrategy": {"steps": 2, "duration": 1}})
    };
    run(trigger(json!({}))).await.unwrap();
    assert_eq!(seen.lock().len(), 1);
    let error = run(trigger(json!({"status": {"allow": [200, 201]}}))).await.unwrap_err();
    assert_eq!(error, "policy: http response status 500 is not allowed");
    assert_eq!(seen.lock().len(), 3, "a failed attempt is repeated");
}

#[tokio::test]
async fn errors_name_no_secret() {
    let basic = json!({"username": {"name": "s", "key": "user"}, "password": {"name": "s", "key": "token"}});
    // Nobody listens on a port that was just given back.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{free}/?key=hunter3");
    let error = run(json!({"template": {"name": "t", "http": {"url": url, "basicAuth": basic}}})).await.unwrap_err();
    assert!(error.starts_with("http request: ") && !error.contains("hunter"), "{error}");
    let missing = json!([{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "nope"}}}]);
    let error = run(json!({"template": {"name": "t", "http": {"url": url, "secureHeaders": missing}}})).await;
    assert_eq!(error.unwrap_err(), "Secret n/s, key \"nope\": not found");
    let error = run(json!({"template": {"name": "t", "http": {"url": "", "method": "POST"}}})).await;
    assert_eq!(error.unwrap_err(), "server URL is not specified");
}
