//! exec, port-forward and logs in process: the protocols spoken by hand, over the connection that the tower service hands over.

use std::time::Duration;

use argo_core::clock::Clock;
use argo_embedded::simulator::{Behaviour, PodRule, PodScript, SimulatorConfig};
use argo_embedded::streams::{ExecAnswer, PortAnswer};
use argo_embedded::{ClientOptions, Cluster};
use futures::{AsyncBufReadExt, TryStreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::Service;

use crate::support::*;

async fn world(script: PodScript) -> Cluster {
    let clock = Clock::virtual_at("2025-01-01T00:00:00Z".parse().expect("a moment"));
    let cluster =
        Cluster::builder().clock(clock).simulator(SimulatorConfig::scripted(script)).build().expect("in memory");
    cluster.direct("test").create(pod("a", None)).expect("created");
    cluster.simulator().expect("simulated").settled().await;
    cluster
}

async fn connect(cluster: &Cluster, path: &str, protocols: &str) -> Result<(String, TokioIo<Upgraded>), Value> {
    let (_, session) = cluster.client_with(ClientOptions::named("test"));
    let request = http::Request::builder()
        .uri(format!("/api/v1/namespaces/default/pods/a/{path}"))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", protocols)
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .expect("a request");
    let response = cluster.service("test", session).call(request).await.expect("an answer");
    if response.status() != 101 {
        let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("a body").to_bytes();
        return Err(serde_json::from_slice(&body).expect("a status"));
    }
    assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let protocol = response.headers()["sec-websocket-protocol"].to_str().expect("text").to_owned();
    Ok((protocol, TokioIo::new(hyper::upgrade::on(response).await.expect("a connection"))))
}

async fn send(connection: &mut TokioIo<Upgraded>, message: &[u8]) {
    let length = u8::try_from(message.len()).expect("short");
    // A mask of zeros is a mask.
    let frame = [&[0x82, 0x80 | length, 0, 0, 0, 0], message].concat();
    connection.write_all(&frame).await.expect("sent");
}

/// The messages until the server closes.
async fn receive(connection: &mut TokioIo<Upgraded>) -> Vec<(u8, String)> {
    let mut messages = Vec::new();
    loop {
        let head = connection.read_u16().await.expect("a frame");
        let length = match head & 0x7f {
            126 => usize::from(connection.read_u16().await.expect("a length")),
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        connection.read_exact(&mut payload).await.expect("a payload");
        if head >> 8 == 0x88 {
            return messages;
        }
        if payload.len() > 1 {
            messages.push((payload[0], String::from_utf8_lossy(&payload[1..]).into_owned()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn commands_get_their_input_and_end_with_their_code() {
    let cluster = world(PodScript::new()).await;
    cluster.streams().on_exec(PodRule::any(), "cat", ExecAnswer::Echo).on_exec(
        PodRule::pod("a"),
        "fail *",
        ExecAnswer::fails(3, "no\n"),
    );
    let (protocol, mut cat) =
        connect(&cluster, "exec?command=cat&stdin=true&stdout=true", "v5.channel.k8s.io, v4.channel.k8s.io")
            .await
            .expect("open");
    assert_eq!(protocol, "v5.channel.k8s.io");
    send(&mut cat, b"\x00typed").await;
    send(&mut cat, &[255, 0]).await;
    let ended = json!({ "metadata": {}, "status": "Success" }).to_string();
    assert_eq!(receive(&mut cat).await, [(1, "typed".to_owned()), (3, ended)]);

    let (_, mut fail) =
        connect(&cluster, "exec?command=fail&command=now&stderr=true", "v4.channel.k8s.io").await.expect("open");
    let messages = receive(&mut fail).await;
    assert_eq!(messages[0], (2, "no\n".to_owned()));
    let status: Value = serde_json::from_str(&messages[1].1).expect("a status");
    assert_eq!(status["details"]["causes"][0], json!({ "reason": "ExitCode", "message": "3" }));

    let refused = |path: &'static str, protocols: &'static str| {
        let cluster = cluster.clone();
        async move { connect(&cluster, path, protocols).await.map(|_| ()).expect_err("refused") }
    };
    let why = refused("exec?command=cat", "v5.channel.k8s.io").await;
    assert_eq!(why["message"], "you must specify at least 1 of stdin, stdout, stderr");
    let why = refused("exec?stdout=true", "v5.channel.k8s.io").await;
    assert_eq!(why["message"], "you must specify at least 1 command for the container");
    assert_eq!(refused("exec?command=cat&stdout=true&container=b", "v5.channel.k8s.io").await["code"], 400);
    assert_eq!(refused("exec?command=cat&stdout=true", "v9.channel.k8s.io").await["code"], 403);
}

#[tokio::test(start_paused = true)]
async fn ports_are_pairs_of_channels() {
    let cluster = world(PodScript::new()).await;
    cluster.streams().on_port(PodRule::any(), 80, PortAnswer::Sends("served".to_owned()));
    let (_, mut connection) =
        connect(&cluster, "portforward?ports=80,81", "v5.channel.k8s.io, v4.channel.k8s.io").await.expect("open");
    let mut messages = receive(&mut connection).await;
    messages.sort();
    let ports: Vec<(u8, String)> =
        [(0, "P\0"), (1, "P\0"), (2, "Q\0"), (3, "Q\0")].map(|(channel, port)| (channel, port.to_owned())).to_vec();
    assert!(ports.iter().all(|port| messages.contains(port)), "{messages:?}");
    assert!(messages.contains(&(0, "served".to_owned())));
    assert!(messages.iter().any(|(channel, text)| *channel == 3 && text.contains("connection refused")));
}

#[tokio::test(start_paused = true)]
async fn each_start_of_a_container_has_a_log_of_its_own_and_a_followed_one_ends_with_it() {
    let crash = Behaviour::exits(Duration::from_secs(5), 1).log("attempt");
    let cluster = world(PodScript::new().with(PodRule::any(), crash)).await;
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    let previous = LogParams { previous: true, ..LogParams::default() };
    let none = status_of(pods.logs("a", &previous).await.expect_err("there is none"));
    assert_eq!(none.message, "previous terminated container \"main\" in pod \"a\" not found");

    let follow = LogParams { follow: true, timestamps: true, ..LogParams::default() };
    let mut lines = pods.log_stream("a", &follow).await.expect("a stream").lines();
    assert_eq!(lines.try_next().await.expect("a line").as_deref(), Some("2025-01-01T00:00:00.000000000Z attempt"));
    assert_eq!(lines.try_next().await.expect("the end"), None);
    let now = cluster.clock().now();
    assert_eq!(now.to_string(), "2025-01-01T00:00:05Z", "it ended with the container, not with the pod");

    cluster.clock().sleep(Duration::from_secs(12)).await;
    cluster.simulator().expect("simulated").settled().await;
    assert_eq!(pods.logs("a", &previous).await.expect("a log"), "attempt\n");
    let recent = LogParams { since_seconds: Some(1), ..LogParams::default() };
    assert_eq!(pods.logs("a", &recent).await.expect("a log"), "");
}
