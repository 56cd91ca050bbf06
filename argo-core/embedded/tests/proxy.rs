//! `proxy` of pods, services and nodes, and a kubelet's own port.

use argo_core::clock::Clock;
use argo_embedded::simulator::{PodRule, PodScript, SimulatorConfig};
use argo_embedded::streams::PortAnswer;
use argo_embedded::{ClientOptions, Cluster};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::Service;

use crate::support::*;

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
const MOVED: &str = "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

async fn world() -> Cluster {
    let clock = Clock::virtual_at("2025-01-01T00:00:00Z".parse().expect("a moment"));
    let config = SimulatorConfig::scripted(PodScript::new());
    let cluster = Cluster::builder().clock(clock).simulator(config).build().expect("in memory");
    let direct = cluster.direct("test");
    let mut web = pod("web", None);
    web["metadata"]["labels"] = json!({ "app": "web" });
    web["spec"]["containers"][0]["ports"] = json!([{ "containerPort": 8080 }]);
    web["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "250m", "memory": "64Mi" } });
    direct.create(web).expect("made");
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "default" },
        "spec": { "selector": { "app": "web" }, "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }] } });
    direct.create(service).expect("made");
    cluster.simulator().expect("simulated").settled().await;
    cluster.streams().on_port(PodRule::any(), 8080, PortAnswer::Replies(PAGE.to_owned())).on_port(
        PodRule::any(),
        8081,
        PortAnswer::Replies(MOVED.to_owned()),
    );
    cluster
}

/// Code, `Location`, and body.
async fn get(cluster: &Cluster, path: &str) -> (u16, String, String) {
    let (_, session) = cluster.client_with(ClientOptions::named("test"));
    let request = http::Request::builder()
        .uri(path)
        .header("accept", "text/html")
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .expect("a request");
    let response = cluster.service("test", session).call(request).await.expect("an answer");
    let location = response.headers().get("location").map_or("", |it| it.to_str().expect("text")).to_owned();
    let code = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (code, location, String::from_utf8_lossy(&body).into_owned())
}

fn message(body: &str) -> String {
    let status: Value = serde_json::from_str(body).expect("a status");
    status["message"].as_str().expect("a message").to_owned()
}

#[tokio::test(start_paused = true)]
async fn requests_go_on_to_pods_and_services() {
    let cluster = world().await;
    let space = "/api/v1/namespaces/default";
    for path in [
        "pods/web/proxy/",
        "pods/web:8080/proxy/a/b?c=d",
        "pods/http:web:8080/proxy/",
        "services/web/proxy/",
        "services/web:80/proxy/",
        "services/web:http/proxy/",
    ] {
        assert_eq!(get(&cluster, &format!("{space}/{path}")).await, (200, String::new(), "hello".to_owned()), "{path}");
    }
    let (code, location, _) = get(&cluster, &format!("{space}/pods/web/proxy?a=b")).await;
    assert_eq!((code, location), (301, format!("{space}/pods/web/proxy/?a=b")));
    let (code, location, _) = get(&cluster, &format!("{space}/pods/web:8081/proxy/x")).await;
    assert_eq!((code, location), (302, format!("{space}/pods/web:8081/proxy/login")));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_is_told_of() {
    let cluster = world().await;
    let space = "/api/v1/namespaces/default";
    let (code, _, body) = get(&cluster, &format!("{space}/pods/web:9/proxy/")).await;
    assert_eq!(code, 503);
    let ip = cluster.direct("test").get("pods", "default", "web").expect("the pod")["status"]["podIP"].clone();
    let ip = ip.as_str().expect("an address").to_owned();
    assert_eq!(message(&body), format!("error trying to reach service: dial tcp {ip}:9: connect: connection refused"));
    let (code, _, body) = get(&cluster, &format!("{space}/services/web:81/proxy/")).await;
    assert_eq!((code, message(&body)), (503, "no service port 81 found for service \"web\"".to_owned()));
    let (code, _, body) = get(&cluster, &format!("{space}/services/web:none/proxy/")).await;
    assert_eq!((code, message(&body)), (503, "no endpoints available for service \"web:none\"".to_owned()));
    assert_eq!(get(&cluster, &format!("{space}/pods/none/proxy/")).await.0, 404);
    let (code, _, body) = get(&cluster, &format!("{space}/pods/ftp:web:80/proxy/")).await;
    assert_eq!((code, message(&body)), (400, "invalid pod request \"ftp:web:80\"".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn nodes_answer_as_kubelets() {
    let cluster = world().await;
    cluster.append_log("default", "web", "main", "a line\n");
    let pod = cluster.direct("test").get("pods", "default", "web").expect("the pod");
    let node = pod["spec"]["nodeName"].as_str().expect("scheduled");
    let base = format!("/api/v1/nodes/{node}/proxy");
    assert_eq!(get(&cluster, &format!("{base}/healthz")).await.2, "ok");
    assert_eq!(get(&cluster, &format!("{base}/containerLogs/default/web/main")).await.2, "a line\n");
    assert_eq!(get(&cluster, &format!("{base}/containerLogs/default/none/main")).await.0, 404);
    let pods: Value = serde_json::from_str(&get(&cluster, &format!("{base}/pods")).await.2).expect("a list");
    assert_eq!(pods["items"][0]["metadata"]["name"], "web");
    let stats: Value = serde_json::from_str(&get(&cluster, &format!("{base}/stats/summary")).await.2).expect("stats");
    assert_eq!(stats["node"]["cpu"]["usageNanoCores"], 250_000_000);
    assert_eq!(stats["pods"][0]["memory"]["workingSetBytes"], 64 << 20);
    assert_eq!(get(&cluster, &format!("{base}/none")).await, (404, String::new(), "404 page not found\n".to_owned()));
    assert_eq!(get(&cluster, "/api/v1/nodes/none/proxy/healthz").await.0, 404);
}
