//! The simulator: workloads on virtual time.

mod autoscaling;
mod deployments;
mod garbage;
mod jobs;
mod lasting;
mod pods;
mod processes;
mod real;
mod rollouts;
mod scheduling;
mod services;
mod sets;

use std::sync::Arc;
use std::time::Duration;

use argo_core::clock::Clock;
use argo_core::time::{Timestamp, between};
use argo_embedded::simulator::{Simulator, SimulatorConfig};
use argo_embedded::{Cluster, DeleteParams, Direct, ListFilter};
use serde_json::{Value, json};

pub(crate) const START: &str = "2026-01-01T00:00:00Z";

/// A cluster on virtual time with its simulator.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) simulator: Simulator,
    pub(crate) direct: Direct,
}

pub(crate) fn world(config: SimulatorConfig) -> World {
    let clock = Clock::virtual_at(START.parse().expect("a time"));
    let cluster = Cluster::builder().clock(clock).simulator(config).build().expect("a cluster in memory");
    let simulator = cluster.simulator().expect("the simulator").clone();
    let direct = cluster.direct("test");
    World { cluster, simulator, direct }
}

impl World {
    pub(crate) fn now(&self) -> Timestamp {
        self.cluster.clock().now()
    }

    /// Seconds since the start.
    pub(crate) fn elapsed(&self) -> u64 {
        between(START.parse().expect("a time"), self.now()).as_secs()
    }

    /// Lets time pass, and what happens in it.
    pub(crate) async fn wait(&self, seconds: u64) {
        self.cluster.clock().sleep(Duration::from_secs(seconds)).await;
        self.simulator.settled().await;
    }

    pub(crate) async fn apply(&self, object: Value) -> Arc<Value> {
        let applied = self.direct.apply(object).expect("applied");
        self.simulator.settled().await;
        applied
    }

    pub(crate) fn get(&self, resource: &str, name: &str) -> Arc<Value> {
        self.direct.get(resource, "default", name).unwrap_or_else(|error| panic!("{resource} {name}: {error}"))
    }

    pub(crate) fn find(&self, resource: &str, name: &str) -> Option<Arc<Value>> {
        self.direct.get(resource, "default", name).ok()
    }

    pub(crate) fn list(&self, resource: &str, labels: &str) -> Vec<Arc<Value>> {
        self.direct.list(resource, "default", &ListFilter::labels(labels)).expect("a list").items
    }

    pub(crate) fn names(&self, resource: &str) -> Vec<String> {
        self.list(resource, "").iter().map(|it| it["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
    }

    pub(crate) async fn delete(&self, resource: &str, name: &str, propagation: &str) {
        let params = DeleteParams { propagation: Some(propagation.to_owned()), ..DeleteParams::default() };
        self.direct.delete(resource, "default", name, &params).expect("deleted");
        self.simulator.settled().await;
    }

    pub(crate) async fn patch(&self, resource: &str, name: &str, patch: Value) {
        self.direct.merge_patch(resource, "default", name, patch).expect("patched");
        self.simulator.settled().await;
    }
}

pub(crate) fn deployment(name: &str, replicas: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": image}]}},
        },
    })
}

pub(crate) fn pod(name: &str, spec: Value) -> Value {
    let mut spec = spec;
    if spec.get("containers").is_none() {
        spec["containers"] = json!([{"name": "main", "image": "web:1"}]);
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": {"app": name}}, "spec": spec})
}

pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    object["status"]["conditions"]
        .as_array()
        .and_then(|list| list.iter().find(|it| it["type"] == kind))
        .unwrap_or(&Value::Null)
}
