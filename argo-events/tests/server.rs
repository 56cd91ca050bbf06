//! The `webhook` source over real HTTP.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use argo_core::Clock;
use argo_events::{
    bus::{Channel, EventBus, Group, MemoryBus, Subject, Subscription},
    plane::{Services, SourceRunner},
    secrets::FixedSecrets,
    sources::{
        Listening, Sources,
        server::{Listen, WebhookServer},
    },
    testing::ScriptedBus,
};
use serde_json::{Value, json};

use crate::support::client;

struct World {
    runner: SourceRunner,
    server: WebhookServer,
    bus: ScriptedBus<MemoryBus>,
    subscription: Box<dyn Subscription>,
}

async fn world(spec: Value, secrets: FixedSecrets) -> World {
    let clock = Clock::system();
    let bus = ScriptedBus::new(MemoryBus::new(clock.clone()));
    let server = WebhookServer::new(Listen::Free(Ipv4Addr::LOCALHOST.into()));
    let group = Group { channel: Channel::new("n", "default"), sensor: "s".into(), trigger: "t".into() };
    let names = spec["webhook"].as_object().unwrap().keys();
    let subjects = names.map(|it| Subject::new("hooks", it)).collect();
    let subscription = bus.subscribe(&group, &subjects).await.unwrap();
    let services = Services::new(clock, Arc::new(bus.clone()), Arc::new(secrets)).server(server.clone());
    let changed = Arc::new(tokio::sync::Notify::new());
    let told = changed.clone();
    let mut runner = SourceRunner::new(services, Sources::builtin(), move || told.notify_one());
    let object = json!({"metadata": {"name": "hooks", "namespace": "n"}, "spec": spec});
    runner.update(&serde_json::from_value(object).unwrap());
    let ready = async {
        while runner.health().values().any(|it| *it == Listening::Starting) {
            changed.notified().await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, ready).await.unwrap();
    World { runner, server, bus, subscription }
}

impl World {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.addresses()[&12000])
    }

    async fn payload(&mut self) -> Value {
        let delivery = self.subscription.next().await.unwrap();
        self.subscription.commit(Some(delivery.sequence), None).await.unwrap();
        delivery.event.payload()
    }
}

fn hook(method: &str, path: &str, more: Value) -> Value {
    let mut hook = json!({"endpoint": path, "method": method, "port": "12000"});
    hook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    hook
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn bodies_come_as_json_form_or_query_and_share_a_port() {
    let spec = json!({"webhook": {
        "get": hook("GET", "/get", json!({})),
        "post": hook("POST", "/post", json!({"metadata": {"team": "x"}, "filter": {"expression": "body.skip != true"}})),
        "put": hook("PUT", "/put", json!({})),
    }});
    let mut world = world(spec, FixedSecrets::default()).await;
    assert_eq!(world.server.addresses().len(), 1);
    let ok = (200, "success".to_owned());
    assert_eq!(answer(client().get(world.url("/get?a=1&b=x+y&a=2"))).await, ok);
    assert_eq!(world.payload().await["body"], json!({"a": ["1", "2"], "b": ["x y"]}));
    let json_post = client().post(world.url("/post")).header("Authorization", "Basic xyz").body(r#"{"n": 1}"#);
    assert_eq!(answer(json_post).await, ok);
    let payload = world.payload().await;
    assert_eq!((&payload["body"], &payload["metadata"]), (&json!({"n": 1}), &json!({"team": "x"})));
    assert_eq!(payload["header"]["Authorization"], json!(["*** Masked Auth Secret ***"]));
    assert_eq!(answer(client().post(world.url("/post")).body(r#"{"skip": true}"#)).await, ok, "filtered is a success");
    let form =
        client().post(world.url("/post")).header("Content-Type", "application/x-www-form-urlencoded").body("k=v");
    assert_eq!(answer(form).await, ok);
    assert_eq!(world.payload().await["body"], json!({"k": ["v"]}));
    assert_eq!(answer(client().put(world.url("/post"))).await, (400, "http method does not match".into()));
    assert_eq!(answer(client().put(world.url("/put")).body("{}")).await.0, 400);
    assert_eq!(answer(client().post(world.url("/post")).body("{nonsense")).await.0, 400);
    assert_eq!(answer(client().post(world.url("/post"))).await.0, 400);
    assert_eq!(answer(client().post(world.url("/post/"))).await.0, 404);
    world.runner.stop().await;
    assert!(world.server.addresses().is_empty(), "the port is closed with its last route");
}

#[tokio::test]
async fn tokens_sizes_and_a_bus_that_refuses_are_answered() {
    let more = json!({"authSecret": {"name": "auth", "key": "token"}, "maxPayloadSize": 20});
    let spec = json!({"webhook": {"post": hook("POST", "/post", more)}});
    let mut world = world(spec, FixedSecrets::default().with("n", "auth", "token", "hunter2\n")).await;
    let post = |token: &str, body: &str| {
        client().post(world.url("/post")).header("Authorization", token).body(body.to_owned())
    };
    let none = client().post(world.url("/post")).body("{}");
    assert_eq!(answer(none).await, (401, "Invalid Authorization Header".into()));
    assert_eq!(answer(post("Bearer hunter3", "{}")).await, (401, "Invalid Auth token".into()));
    assert_eq!(answer(post("Bearer hunter2", "{}")).await, (200, "success".into()));
    assert_eq!(answer(post("Bearer hunter2", r#"{"a": "01234567890"}"#)).await.0, 200);
    assert_eq!(answer(post("Bearer hunter2", r#"{"a": "012345678901"}"#)).await.0, 413);
    // The same without a Content-Length.
    let chunks = futures::stream::iter((0..10).map(|_| Ok::<_, std::io::Error>("[1,2,3,4,5]")));
    let chunked = client()
        .post(world.url("/post"))
        .header("Authorization", "Bearer hunter2")
        .body(reqwest::Body::wrap_stream(chunks));
    assert_eq!(answer(chunked).await.0, 413);
    assert!(!world.payload().await.to_string().contains("hunter2"));
    world.runner.stop().await;
    let _ = world.bus;
}

#[tokio::test]
async fn a_changed_source_takes_over_its_endpoint_and_a_missing_secret_is_told() {
    let spec = json!({"webhook": {"post": hook("POST", "/post", json!({}))}});
    let mut world = world(spec, FixedSecrets::default()).await;
    let before = world.server.addresses();
    let more = json!({"authSecret": {"name": "auth", "key": "token"}});
    let spec = json!({"webhook": {"post": hook("POST", "/post", json!({"metadata": {"v": "2"}})),
        "locked": hook("POST", "/locked", more)}});
    let object = json!({"metadata": {"name": "hooks", "namespace": "n"}, "spec": spec});
    world.runner.update(&serde_json::from_value(object).unwrap());
    let settled = async {
        while world.runner.health()["post"] != Listening::Yes || world.runner.health()["locked"] == Listening::Starting
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, settled).await.unwrap();
    assert_eq!(world.server.addresses(), before, "the port stayed open");
    assert_eq!(answer(client().post(world.url("/post")).body("{}")).await.0, 200);
    assert_eq!(world.payload().await["metadata"], json!({"v": "2"}));
    let Listening::Failed { message, listen } = world.runner.health()["locked"].clone() else { panic!("it listens") };
    assert_eq!((message.as_str(), listen), ("Secret n/auth, key \"token\": not found", false));
    world.runner.stop().await;
}
