//! Worlds in one line.

use std::{net::Ipv4Addr, time::Duration};

use argo_core::{
    Clock, Object, ObjectRef,
    runtime::{Context, Shutdown},
};
use argo_embedded::Cluster;
use argo_events::{
    Controller,
    bus::EventBus,
    controller::Builder,
    sources::server::{Listen, WebhookServer},
};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::task::JoinHandle;

/// Tests that touch sockets wait at most this long for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster with the CRDs, a Workflow CRD stand-in, a ready bus object, and a running controller.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) context: Context,
    pub(crate) server: WebhookServer,
    shutdown: Shutdown,
    running: Option<JoinHandle<()>>,
}

pub(crate) const BUS: &str = "
apiVersion: argoproj.io/v1alpha1
kind: EventBus
metadata: {name: default, namespace: ci}
spec: {jetstream: {version: latest}}
";

impl World {
    /// A cluster without a controller yet.
    pub(crate) fn new() -> Self {
        let cluster = Cluster::new();
        cluster.install_crds(&argo_events::crds()).unwrap();
        cluster.install_crds(&[workflow_crd()]).unwrap();
        cluster.apply_yaml("{apiVersion: v1, kind: Namespace, metadata: {name: ci}}").unwrap();
        let context = Context::builder(cluster.client()).build();
        let server = WebhookServer::new(Listen::Free(Ipv4Addr::LOCALHOST.into()));
        Self { cluster, context, server, shutdown: Shutdown::new(), running: None }
    }

    /// Runs a controller on it.
    pub(crate) fn start(&mut self, bus: impl EventBus, change: impl FnOnce(Builder) -> Builder) {
        self.shutdown = Shutdown::new();
        let builder = Controller::builder(self.context.clone()).bus(bus).server(self.server.clone());
        let controller = change(builder).build().unwrap();
        self.running = Some(tokio::spawn(controller.run(self.shutdown.clone())));
    }

    /// Stops it and waits.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        if let Some(running) = self.running.take() {
            running.await.unwrap();
        }
    }

    pub(crate) fn apply(&self, yaml: &str) {
        self.cluster.apply_yaml(yaml).unwrap();
    }

    /// Waits until an object is as it should be.
    pub(crate) async fn until(&self, kind: &str, name: &str, what: impl Fn(&Object) -> bool) -> Object {
        let target = ObjectRef::new(argo_core::Gvk::from_api_version("argoproj.io/v1alpha1", kind), Some("ci"), name);
        let cache = self.context.cache(target.gvk.clone());
        cache.synced().await;
        let mut events = cache.subscribe();
        let wait = async {
            loop {
                let event = events.recv().await.unwrap();
                if let Some(object) = event.new.filter(|it| it.name() == name && what(it)) {
                    return (*object).clone();
                }
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(object) => object,
            Err(_) => panic!("{kind} {name} is {:?}", self.context.get(&target).await),
        }
    }

    /// Waits until an object's conditions are all true.
    pub(crate) async fn until_ready(&self, kind: &str, name: &str) -> Object {
        self.until(kind, name, |it| conditions(it).iter().all(|it| it.1 == "True") && !conditions(it).is_empty()).await
    }

    pub(crate) async fn workflows(&self) -> Vec<Object> {
        self.list("Workflow").await
    }

    pub(crate) async fn list(&self, kind: &str) -> Vec<Object> {
        let gvk = argo_core::Gvk::from_api_version("argoproj.io/v1alpha1", kind);
        self.context.list(&gvk, Some("ci"), None).await.unwrap()
    }

    /// Waits for so many Workflows.
    pub(crate) async fn until_workflows(&self, count: usize) -> Vec<Object> {
        let gvk = argo_core::Gvk::from_api_version("argoproj.io/v1alpha1", "Workflow");
        let cache = self.context.cache(gvk);
        cache.synced().await;
        let mut events = cache.subscribe();
        let wait = async {
            while cache.list().len() < count {
                events.recv().await.unwrap();
            }
        };
        assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{} workflows", cache.list().len());
        self.workflows().await
    }

    pub(crate) fn url(&self, port: u16, path: &str) -> String {
        format!("http://{}{path}", self.server.addresses()[&port])
    }
}

/// `(type, status, reason, message)` of each condition.
pub(crate) fn conditions(object: &Object) -> Vec<(String, String, String, String)> {
    let list = object.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |it: &Value, field: &str| it[field].as_str().unwrap_or_default().to_owned();
    list.iter().map(|it| (text(it, "type"), text(it, "status"), text(it, "reason"), text(it, "message"))).collect()
}

pub(crate) fn condition(object: &Object, kind: &str) -> (String, String, String) {
    let found = conditions(object).into_iter().find(|it| it.0 == kind);
    found.map(|(_, status, reason, message)| (status, reason, message)).unwrap_or_default()
}

fn workflow_crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "workflows.argoproj.io"},
        "spec": {"group": "argoproj.io", "scope": "Namespaced",
            "names": {"kind": "Workflow", "listKind": "WorkflowList", "plural": "workflows", "singular": "workflow"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    })
}

/// As GitHub signs.
pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// An HTTP client of its own.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Posts a push as GitHub does: status and text of the answer.
pub(crate) async fn push(url: &str, secret: &str, delivery: &str, body: &Value) -> (u16, String) {
    let body = body.to_string();
    let request = client()
        .post(url)
        .header("Content-Type", "application/json")
        .header("X-GitHub-Event", "push")
        .header("X-GitHub-Delivery", delivery)
        .header("X-Hub-Signature-256", sign(secret, body.as_bytes()))
        .body(body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

pub(crate) fn clock() -> Clock {
    Clock::system()
}
