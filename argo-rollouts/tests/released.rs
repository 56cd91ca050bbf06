//! What routers and load balancers hold when a Rollout goes, and before it goes on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use argo_core::{
    BoxFailure,
    runtime::{Context, Requests, Shutdown},
};
use argo_embedded::DeleteParams;
use argo_rollouts::{
    Controller,
    routers::{LoadBalancer, LoadBalancers, TargetGroup, VerifiedAlb},
};
use serde_json::{Value, json};

use crate::traffic::{Stage, crd, rollout};

const RULES: &str = "destinationrules.networking.istio.io";

const RULE: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: vs, namespace: default}
spec: {http: [{route: [{destination: {host: web, subset: stable}, weight: 100}, {destination: {host: web, subset: canary}, weight: 0}]}]}
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: rule, namespace: default}
spec: {host: web, subsets: [{name: stable, labels: {app: shop}}, {name: canary, labels: {app: shop}}]}
"#;

const ROUTED: &str = "{trafficRouting: {istio: {virtualService: {name: vs}, \
                      destinationRule: {name: rule, stableSubsetName: stable, canarySubsetName: canary}}}, steps: [{setWeight: 50}, {pause: {}}]}";

fn istio() -> Vec<Value> {
    ["VirtualService", "DestinationRule"].map(|it| crd("networking.istio.io", "v1alpha3", it)).into()
}

fn subsets(stage: &Stage) -> Value {
    stage.get(RULES, "rule")["spec"]["subsets"].clone()
}

fn is_marked(stage: &Stage) -> bool {
    stage.get(RULES, "rule").pointer("/metadata/annotations/argo-rollouts.argoproj.io~1managed-by-rollouts").is_some()
}

fn free() -> Value {
    json!([{"name": "stable", "labels": {"app": "shop"}}, {"name": "canary", "labels": {"app": "shop"}}])
}

#[tokio::test(start_paused = true)]
async fn a_destination_rule_is_let_go_when_routing_is_taken_out_or_the_rollout_is_deleted() {
    let stage = Stage::begin(&istio());
    stage.apply(RULE);
    stage.apply(&rollout(ROUTED));
    stage.wait(60).await;
    assert!(is_marked(&stage) && subsets(&stage) != free(), "{}", subsets(&stage));
    stage.patch("rollouts.argoproj.io", "shop", json!({"spec": {"strategy": {"canary": {"trafficRouting": null}}}}));
    stage.wait(30).await;
    assert!(!is_marked(&stage));
    assert_eq!(subsets(&stage), free());

    stage.apply(&rollout(ROUTED));
    stage.wait(60).await;
    assert!(is_marked(&stage));
    let direct = stage.cluster.direct("test");
    direct.delete("rollouts.argoproj.io", "default", "shop", &DeleteParams::default()).expect("deleted");
    stage.wait(30).await;
    assert!(!is_marked(&stage));
    assert_eq!(subsets(&stage), free());
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_under_upstreams_name() {
    let requests = Requests::default();
    let stage = Stage::begin(&[]);
    let client = requests.counting(stage.cluster.client());
    let context = Context::builder(client).clock(stage.cluster.clock().clone()).build();
    let controller = Controller::builder(context.clone()).instance_id("counted").count_requests(requests.clone());
    let shutdown = Shutdown::new();
    let task = tokio::spawn(controller.build().expect("valid").run(shutdown.clone()));
    stage.apply(&rollout("{}").replace(
        "{name: shop, namespace: default}",
        "{name: counted, namespace: default, labels: {argo-rollouts.argoproj.io/controller-instance-id: counted}}",
    ));
    stage.wait(60).await;
    let text = context.metrics().text();
    let count = |labels: &str| {
        let series = format!("controller_clientset_k8s_request_total{{{labels}}} ");
        let line = text.lines().find_map(|it| it.strip_prefix(&series)).unwrap_or_else(|| panic!("{series}\n{text}"));
        line.parse::<u64>().expect("a number")
    };
    let created = r#"kind="replicasets",name="N/A",namespace="default",status_code="201",verb="Create""#;
    assert_eq!(count(created), 1);
    let patched = r#"kind="rollouts",name="counted",namespace="default",status_code="200",verb="Patch""#;
    assert!(count(patched) > 0 && requests.total() > count(patched));
    shutdown.cancel();
    task.await.expect("ends");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_starts_lets_go_of_what_went_while_nobody_watched() {
    let stage = Stage::begin(&istio());
    stage.apply(RULE);
    stage.apply(&rollout(ROUTED));
    stage.wait(60).await;
    let cluster = stage.cluster.clone();
    stage.end().await;
    let direct = cluster.direct("test");
    direct.delete("rollouts.argoproj.io", "default", "shop", &DeleteParams::default()).expect("deleted");
    let context = Context::builder(cluster.client()).clock(cluster.clock().clone()).build();
    let shutdown = Shutdown::new();
    let task = tokio::spawn(Controller::builder(context).build().expect("valid").run(shutdown.clone()));
    cluster.clock().sleep(std::time::Duration::from_secs(30)).await;
    let rule = direct.get(RULES, "default", "rule").expect("there");
    assert_eq!(rule["spec"]["subsets"], free(), "{rule:#}");
    shutdown.cancel();
    task.await.expect("ends");
}

#[tokio::test(start_paused = true)]
async fn istios_objects_may_be_on_another_cluster() {
    let mesh = Stage::begin(&istio());
    mesh.apply(RULE);
    let context = Context::builder(mesh.cluster.client()).clock(mesh.cluster.clock().clone()).build();
    let stage = Stage::with(&[], |it| it.istio_cluster(context));
    stage.apply(&rollout(ROUTED));
    for image in ["shop:v1", "shop:v2"] {
        stage.image(image);
        // Each cluster has a clock of its own, and both are of this one thread.
        stage.wait(60).await;
    }
    let status = stage.status();
    assert_eq!(status["phase"], "Paused", "{status:#}");
    assert!(is_marked(&mesh) && subsets(&mesh) != free(), "{}", subsets(&mesh));
    let service = mesh.get("virtualservices.networking.istio.io", "vs");
    assert_eq!(service["spec"]["http"][0]["route"][1]["weight"], 50, "{service:#}");
    stage.end().await;
    mesh.end().await;
}

/// AWS, which knows the pods from some time on.
#[derive(Debug, Clone, Default)]
struct Aws {
    knows: Arc<AtomicBool>,
    cluster: Arc<std::sync::OnceLock<argo_embedded::Cluster>>,
}

#[async_trait::async_trait]
impl LoadBalancers for Aws {
    async fn by_dns_name(&self, _: &str) -> Result<Option<LoadBalancer>, BoxFailure> {
        Ok(None)
    }

    async fn target_groups(&self, _: &str) -> Result<Vec<TargetGroup>, BoxFailure> {
        Ok(Vec::new())
    }

    async fn registered(&self, group: &str) -> Result<Vec<String>, BoxFailure> {
        assert_eq!(group, "arn:web");
        let cluster = self.cluster.get().filter(|_| self.knows.load(Ordering::Acquire));
        let Some(cluster) = cluster else { return Ok(Vec::new()) };
        let endpoints = cluster.direct("aws").get("endpoints", "default", "web").expect("there");
        let addresses = endpoints["subsets"].as_array().into_iter().flatten();
        let addresses = addresses.filter_map(|it| it["addresses"].as_array()).flatten();
        Ok(addresses.map(|it| format!("{}:8080", it["ip"].as_str().unwrap_or_default())).collect())
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_version_is_stable_only_when_aws_knows_its_pods() {
    let aws = Aws::default();
    let alb = VerifiedAlb::new(Arc::new(aws.clone()));
    let bindings = [crd("elbv2.k8s.aws", "v1beta1", "TargetGroupBinding")];
    let stage = Stage::with(&bindings, |it| it.verify_target_groups(alb, "elbv2.k8s.aws/v1beta1"));
    assert!(aws.cluster.set(stage.cluster.clone()).is_ok());
    stage.apply(RULE.split("---").next().expect("the Service"));
    stage.apply(
        "apiVersion: elbv2.k8s.aws/v1beta1\nkind: TargetGroupBinding\nmetadata: {name: b, namespace: default}\n\
         spec: {targetType: ip, targetGroupARN: 'arn:web', serviceRef: {name: web, port: 80}}\n",
    );
    let manifest = rollout("{}").replace("strategy: {canary: {}}", "strategy: {blueGreen: {activeService: web}}");
    stage.apply(&manifest);
    aws.knows.store(true, Ordering::Release);
    stage.wait(60).await;
    assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
    let before = stage.status()["stableRS"].clone();
    aws.knows.store(false, Ordering::Release);
    stage.image("shop:v2");
    stage.wait(120).await;
    let status = stage.status();
    assert_eq!(status["blueGreen"]["activeSelector"], status["currentPodHash"], "{status:#}");
    assert_eq!(status["stableRS"], before, "{status:#}");
    assert_eq!(stage.list("pods").len(), 8, "the old pods stay");
    let said = |reason: &str| stage.list("events").iter().filter(|it| it["reason"] == reason).count();
    assert!(said("TargetGroupUnverified") > 0);
    aws.knows.store(true, Ordering::Release);
    stage.wait(120).await;
    let status = stage.status();
    assert_eq!((&status["phase"], &status["stableRS"]), (&json!("Healthy"), &status["currentPodHash"]), "{status:#}");
    assert!(said("TargetGroupVerified") > 0);
    assert_eq!(stage.list("pods").len(), 4);
    stage.end().await;
}
