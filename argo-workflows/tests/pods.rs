//! Steps as Pods, on the embedded Kubernetes: what becomes of pods is played by the tests.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Change, Gvk, Object, ObjectKey, Patch, Resource as _,
    runtime::{Context, Shutdown},
};
use argo_embedded::Cluster;
use argo_workflows::{
    Controller,
    api::{Workflow, crds},
    executor::{PodsExecutor, pods::PodConfig},
};
use serde_json::{Value, json};

/// A cluster with a controller on it.
struct World {
    _cluster: Cluster,
    context: Context,
    running: Option<(Shutdown, tokio::task::JoinHandle<()>, Context)>,
    /// What each controller told at its end.
    metrics: Vec<String>,
}

impl World {
    async fn new() -> Self {
        let cluster = Cluster::new();
        cluster.install_crds(&crds()).unwrap();
        let context = Context::builder(cluster.client()).build();
        let mut world = Self { _cluster: cluster, context, running: None, metrics: Vec::new() };
        world.start();
        world
    }

    /// A controller that knows nothing but what is in the cluster.
    fn start(&mut self) {
        let shutdown = Shutdown::new();
        let context = Context::builder(self.context.client().clone()).shutdown(shutdown.clone()).build();
        let executor = PodsExecutor::new(context.clone(), PodConfig { restarts: Some(1), ..PodConfig::default() });
        let controller = Controller::builder(context.clone()).executor(Arc::new(executor)).build().unwrap();
        self.running = Some((shutdown.clone(), tokio::spawn(controller.run(shutdown)), context));
    }

    async fn stop(&mut self) {
        if let Some((shutdown, running, context)) = self.running.take() {
            self.metrics.push(context.metrics().text());
            shutdown.cancel();
            running.await.unwrap();
        }
    }

    async fn submit(&self, name: &str, spec: Value) -> Object {
        let object = Object::new(&Workflow::gvk(), Some("default"), name).with(&["spec"], spec);
        self.context.applier().apply(&Change::create(object)).await.unwrap().unwrap()
    }

    /// Waits until an object is so.
    async fn until(&self, gvk: Gvk, name: &str, holds: impl Fn(&Object) -> bool) -> Arc<Object> {
        let cache = self.context.cache(gvk);
        cache.synced().await;
        let key = ObjectKey::new(Some("default"), name);
        let found = async {
            loop {
                match cache.get(&key).filter(|it| holds(it)) {
                    Some(found) => return found,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(60), found).await;
        found.unwrap_or_else(|_| panic!("{name} does not get there: {:?}", cache.get(&key)))
    }

    async fn pod(&self, name: &str) -> Arc<Object> {
        self.until(pod_kind(), name, |_| true).await
    }

    async fn delete(&self, object: &Object) {
        self.context.applier().apply(&Change::delete(object)).await.unwrap();
    }

    async fn set_status(&self, pod: &Object, status: Value) {
        let change = Change::Patch {
            target: pod.reference(),
            patch: Patch::merge(json!({"status": status})),
            subresource: Some("status".to_owned()),
            resource_version: None,
        };
        self.context.applier().apply(&change).await.unwrap();
    }

    /// A pod whose containers ended well, with its report.
    async fn succeed(&self, pod: &Object) {
        let node = pod.annotation("workflows.argoproj.io/node-id").unwrap();
        let report = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTaskResult",
            "metadata": {
                "name": node, "namespace": "default", "ownerReferences": pod.pointer("/metadata/ownerReferences"),
                "labels": {
                    "workflows.argoproj.io/workflow": pod.label("workflows.argoproj.io/workflow"),
                    "workflows.argoproj.io/report-outputs-completed": "true",
                },
            },
            "outputs": {},
        });
        self.context.applier().apply(&Change::create(Object::from_value(report))).await.unwrap();
        let ended = |name: &str| json!({"name": name, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        let status = json!({"phase": "Succeeded", "containerStatuses": [ended("wait"), ended("main")]});
        self.set_status(pod, status).await;
    }

    async fn phase(&self, name: &str, phase: &str) -> Arc<Object> {
        self.until(Workflow::gvk(), name, |it| it.text("/status/phase") == phase).await
    }
}

fn pod_kind() -> Gvk {
    Gvk::new("", "v1", "Pod")
}

fn one() -> Value {
    json!({"entrypoint": "main", "templates": [{"name": "main", "container": {"image": "busybox", "command": ["true"]}}]})
}

fn node(workflow: &Object, field: &str) -> String {
    let name = workflow.name();
    workflow.text(&format!("/status/nodes/{name}/{field}")).to_owned()
}

#[tokio::test]
async fn a_pod_that_ended_well_ends_its_step_and_leaves_the_watch() {
    let mut world = World::new().await;
    world.submit("wf", one()).await;
    let pod = world.pod("wf").await;
    world
        .set_status(
            &pod,
            json!({"phase": "Running", "containerStatuses": [{"name": "main", "state": {"running": {}}}]}),
        )
        .await;
    world.until(Workflow::gvk(), "wf", |it| node(it, "phase") == "Running").await;
    world.succeed(&pod).await;
    world.phase("wf", "Succeeded").await;
    world.until(pod_kind(), "wf", |it| it.label("workflows.argoproj.io/completed") == Some("true")).await;
    world.stop().await;
}

#[tokio::test]
async fn a_pod_that_vanishes_is_an_error_and_so_it_is_when_nobody_looked() {
    let mut world = World::new().await;
    for away in [false, true] {
        let name = if away { "unseen" } else { "seen" };
        world.submit(name, one()).await;
        let pod = world.pod(name).await;
        world
            .set_status(
                &pod,
                json!({"phase": "Running", "containerStatuses": [{"name": "main", "state": {"running": {}}}]}),
            )
            .await;
        world.until(Workflow::gvk(), name, |it| node(it, "phase") == "Running").await;
        if away {
            world.stop().await;
        }
        world.delete(&pod).await;
        if away {
            world.start();
        }
        let ended = world.phase(name, "Error").await;
        assert_eq!(node(&ended, "message"), "pod deleted");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_pod_that_is_deleted_before_it_ran_is_made_again_and_one_that_ran_unseen_is_told_of_as_running() {
    let mut world = World::new().await;
    world.submit("wf", one()).await;
    let first = world.pod("wf").await;
    world.until(Workflow::gvk(), "wf", |it| node(it, "phase") == "Pending").await;
    world.delete(&first).await;
    let again = world.until(pod_kind(), "wf", |it| it.uid() != first.uid()).await;
    world.succeed(&again).await;
    world.phase("wf", "Succeeded").await;
    world.stop().await;
    let events = world.context.list(&Gvk::new("", "v1", "Event"), Some("default"), None).await.unwrap();
    let mut of_nodes: Vec<&str> =
        events.iter().map(|it| it.text("/reason")).filter(|it| it.starts_with("WorkflowNode")).collect();
    of_nodes.sort_unstable();
    assert_eq!(of_nodes, ["WorkflowNodeRunning", "WorkflowNodeSucceeded"]);
}

#[tokio::test]
async fn a_pod_that_is_evicted_before_its_work_began_is_made_again_as_often_as_that_may_be() {
    let mut world = World::new().await;
    world.submit("wf", one()).await;
    let first = world.pod("wf").await;
    let main = json!({"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}});
    let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "The node had condition: [DiskPressure].", "containerStatuses": [main]});
    world.set_status(&first, evicted.clone()).await;
    let second = world.until(pod_kind(), "wf", |it| it.uid() != first.uid()).await;
    let waits = world.until(Workflow::gvk(), "wf", |it| node(it, "phase") == "Pending").await;
    assert_eq!(node(&waits, "message"), "Pod auto-restarting due to Evicted: The node had condition: [DiskPressure].");
    assert_eq!(node(&waits, "restartingPodUID"), first.uid());
    assert_eq!(waits.integer("/status/nodes/wf/failedPodRestarts"), Some(1));
    // Known from status alone: the next controller counts on.
    world.stop().await;
    world.set_status(&second, evicted).await;
    world.start();
    let ended = world.phase("wf", "Failed").await;
    assert_eq!(node(&ended, "message"), "The node had condition: [DiskPressure].");
    assert_eq!(ended.integer("/status/nodes/wf/failedPodRestarts"), Some(1));
    assert_eq!(world.pod("wf").await.uid(), second.uid());
    world.stop().await;
    let told = world.metrics.join("\n");
    assert!(
        told.contains("pod_restarts_total{condition=\"DiskPressure\",namespace=\"default\",reason=\"Evicted\"} 1"),
        "{told}"
    );
}

#[tokio::test]
async fn what_a_pod_waits_for_stands_in_its_node_and_a_limit_ends_it() {
    let mut world = World::new().await;
    let mut spec = one();
    spec["templates"][0]["pendingTimeout"] = "2s".into();
    world.submit("wf", spec).await;
    let pod = world.pod("wf").await;
    let waiting = json!({"reason": "ImagePullBackOff", "message": "Back-off pulling image \"busybox\""});
    world
        .set_status(
            &pod,
            json!({"phase": "Pending", "containerStatuses": [{"name": "main", "state": {"waiting": waiting}}]}),
        )
        .await;
    world
        .until(Workflow::gvk(), "wf", |it| {
            node(it, "message") == "ImagePullBackOff: Back-off pulling image \"busybox\""
        })
        .await;
    let ended = world.phase("wf", "Failed").await;
    assert_eq!(node(&ended, "message"), "timeout");
    world.stop().await;
}

#[tokio::test]
async fn a_controller_that_was_away_finds_what_its_pods_came_to() {
    let mut world = World::new().await;
    world.submit("wf", one()).await;
    let pod = world.pod("wf").await;
    world.stop().await;
    world.succeed(&pod).await;
    world.start();
    let ended = world.phase("wf", "Succeeded").await;
    assert_eq!(world.pod("wf").await.uid(), pod.uid(), "no pod twice: {ended:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_pod_of_an_earlier_workflow_of_the_name_is_waited_for_and_not_taken() {
    let mut world = World::new().await;
    world.stop().await;
    let foreign = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "wf", "namespace": "default", "finalizers": ["example.com/stays"], "labels": {"workflows.argoproj.io/workflow": "wf", "workflows.argoproj.io/completed": "false"}},
        "spec": {"containers": [{"name": "main", "image": "x"}]},
    });
    let earlier = world.context.applier().apply(&Change::create(Object::from_value(foreign))).await.unwrap().unwrap();
    world.start();
    let workflow = world.submit("wf", one()).await;
    world.phase("wf", "Running").await;
    let free = Change::merge(earlier.reference(), json!({"metadata": {"finalizers": null}}));
    world.context.applier().apply(&free).await.unwrap();
    world.delete(&earlier).await;
    let own = world.until(pod_kind(), "wf", |it| it.is_controlled_by(workflow.uid())).await;
    world.succeed(&own).await;
    world.phase("wf", "Succeeded").await;
    world.stop().await;
}
