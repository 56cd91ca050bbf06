//! Rollouts that route traffic, on a Kubernetes API in the process: the routers' objects are real.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Clock,
    runtime::{Context, Shutdown},
};
use argo_embedded::{Cluster, ListFilter, simulator::SimulatorConfig};
use argo_rollouts::{Builder, Controller, api};
use serde_json::{Value, json};

pub(crate) fn crd(group: &str, version: &str, kind: &str) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": version, "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
}

fn istio() -> Vec<Value> {
    ["VirtualService", "DestinationRule"].map(|it| crd("networking.istio.io", "v1alpha3", it)).into()
}

const SERVICES: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: stable, namespace: default}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: canary, namespace: default}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: vs, namespace: default}
spec: {http: [{name: primary, route: [{destination: {host: stable}, weight: 100}, {destination: {host: canary}, weight: 0}]}]}
"#;

pub(crate) fn rollout(canary: &str) -> String {
    format!(
        r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: shop, namespace: default}}
spec:
  replicas: 4
  selector: {{matchLabels: {{app: shop}}}}
  template:
    metadata: {{labels: {{app: shop}}}}
    spec: {{containers: [{{name: shop, image: "shop:v1", ports: [{{containerPort: 8080}}]}}]}}
  strategy: {{canary: {canary}}}
"#
    )
}

pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<()>,
}

impl Stage {
    pub(crate) fn begin(crds: &[Value]) -> Self {
        Self::with(crds, |it| it)
    }

    /// A stage whose controller is built in a certain way.
    pub(crate) fn with(crds: &[Value], build: impl FnOnce(Builder) -> Builder) -> Self {
        Self::on(SimulatorConfig::default(), crds, build)
    }

    /// A stage with certain nodes and pods.
    pub(crate) fn on(simulator: SimulatorConfig, crds: &[Value], build: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = Clock::virtual_at("2026-01-01T00:00:00Z".parse().expect("time"));
        let cluster = Cluster::builder().clock(clock).simulator(simulator).build().expect("in memory");
        cluster.install_crds(&api::crds()).expect("valid");
        cluster.install_crds(crds).expect("valid");
        let context = Context::builder(cluster.client()).clock(cluster.clock().clone()).build();
        let shutdown = Shutdown::new();
        let controller = build(Controller::builder(context)).build().expect("valid");
        let task = tokio::spawn(controller.run(shutdown.clone()));
        Self { cluster, shutdown, task }
    }

    pub(crate) fn apply(&self, yaml: &str) {
        self.cluster.apply_yaml(yaml).expect("applied");
    }

    pub(crate) async fn wait(&self, seconds: u64) {
        self.cluster.clock().sleep(Duration::from_secs(seconds)).await;
    }

    pub(crate) fn get(&self, resource: &str, name: &str) -> Value {
        Value::clone(&self.cluster.direct("test").get(resource, "default", name).expect("there"))
    }

    pub(crate) fn list(&self, resource: &str) -> Vec<Arc<Value>> {
        self.cluster.direct("test").list(resource, "default", &ListFilter::default()).expect("listed").items
    }

    pub(crate) fn status(&self) -> Value {
        self.get("rollouts.argoproj.io", "shop")["status"].clone()
    }

    pub(crate) fn patch(&self, resource: &str, name: &str, body: Value) {
        self.cluster.direct("test").merge_patch(resource, "default", name, body).expect("patched");
    }

    pub(crate) fn image(&self, image: &str) {
        let containers = json!([{"name": "shop", "image": image, "ports": [{"containerPort": 8080}]}]);
        self.patch("rollouts.argoproj.io", "shop", json!({"spec": {"template": {"spec": {"containers": containers}}}}));
    }

    pub(crate) fn promote(&self) {
        self.patch("rollouts.argoproj.io/status", "shop", json!({"status": {"pauseConditions": null}}));
    }

    /// Weights of stable and canary in the named route of the VirtualService.
    fn weights(&self, route: &str) -> (Value, Value) {
        let vs = self.get("virtualservices.networking.istio.io", "vs");
        let routes = vs["spec"]["http"].as_array().cloned().unwrap_or_default();
        let route = routes.iter().find(|it| it["name"] == route).cloned().unwrap_or_default();
        (route["route"][0]["weight"].clone(), route["route"][1]["weight"].clone())
    }

    fn routes(&self) -> Vec<String> {
        let vs = self.get("virtualservices.networking.istio.io", "vs");
        let routes = vs["spec"]["http"].as_array().cloned().unwrap_or_default();
        routes.iter().map(|it| it["name"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        self.task.await.expect("ends");
    }
}

#[tokio::test(start_paused = true)]
async fn a_virtual_service_carries_weights_and_header_routes_and_is_mended() {
    let stage = Stage::begin(&istio());
    stage.apply(SERVICES);
    stage.apply(&rollout(
        "{stableService: stable, canaryService: canary, trafficRouting: {managedRoutes: [{name: testers}, {name: copy}], \
         istio: {virtualService: {name: vs, routes: [primary]}}}, steps: [{setCanaryScale: {replicas: 1}}, \
         {setHeaderRoute: {name: testers, match: [{headerName: who, headerValue: {exact: me}}]}}, {pause: {}}, \
         {setWeight: 25}, {setMirrorRoute: {name: copy, percentage: 10, match: [{path: {prefix: /}}]}}, {pause: {}}]}",
    ));
    stage.wait(60).await;
    assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
    assert_eq!(stage.routes(), ["primary"], "the first revision has no canary to send testers to");
    stage.image("shop:v2");
    stage.wait(60).await;
    assert_eq!(
        (stage.routes(), &stage.status()["currentStepIndex"]),
        (vec!["testers".into(), "primary".into()], &json!(2))
    );
    assert_eq!(stage.weights("primary"), (json!(100), json!(0)));
    stage.promote();
    stage.wait(60).await;
    assert_eq!(stage.routes(), ["testers", "copy", "primary"]);
    assert_eq!((stage.weights("primary"), stage.weights("copy")), ((json!(75), json!(25)), (json!(75), json!(25))));
    // Somebody applies the manifest from Git again: the weights are put back.
    let plain = json!([{"name": "primary", "route": [{"destination": {"host": "stable"}, "weight": 100},
        {"destination": {"host": "canary"}, "weight": 0}]}]);
    stage.patch("virtualservices.networking.istio.io", "vs", json!({"spec": {"http": plain}}));
    stage.wait(5).await;
    assert_eq!(stage.weights("primary"), (json!(75), json!(25)));
    stage.promote();
    stage.wait(90).await;
    assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
    assert_eq!((stage.routes(), stage.weights("primary")), (vec!["primary".into()], (json!(100), json!(0))));
    let mark = stage.cluster.journal().mark();
    stage.wait(3600).await;
    assert_eq!(stage.cluster.journal().writes_since(mark), []);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn subsets_follow_the_pods_without_services() {
    let stage = Stage::begin(&istio());
    stage.apply(
        r#"
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: vs, namespace: default}
spec: {http: [{name: primary, route: [{destination: {host: shop, subset: stable}, weight: 100}, {destination: {host: shop, subset: canary}, weight: 0}]}]}
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: dr, namespace: default}
spec: {host: shop, subsets: [{name: stable, labels: {app: shop}}, {name: canary, labels: {app: shop}}]}
"#,
    );
    stage.apply(&rollout(
        "{trafficRouting: {istio: {virtualService: {name: vs}, destinationRule: {name: dr, canarySubsetName: canary, \
         stableSubsetName: stable}}}, steps: [{setWeight: 50}, {pause: {}}]}",
    ));
    stage.wait(60).await;
    let hashes = |stage: &Stage| {
        let rule = stage.get("destinationrules.networking.istio.io", "dr");
        let of = |at: usize| rule["spec"]["subsets"][at]["labels"]["rollouts-pod-template-hash"].clone();
        (of(0), of(1))
    };
    let first = stage.status()["stableRS"].clone();
    assert_eq!(hashes(&stage), (first.clone(), first.clone()));
    stage.image("shop:v2");
    stage.wait(60).await;
    let second = stage.status()["currentPodHash"].clone();
    assert_eq!((hashes(&stage), stage.weights("primary")), ((first.clone(), second.clone()), (json!(50), json!(50))));
    stage.patch("rollouts.argoproj.io/status", "shop", json!({"status": {"abort": true}}));
    stage.wait(5).await;
    assert_eq!(stage.weights("primary"), (json!(100), json!(0)));
    stage.patch("rollouts.argoproj.io/status", "shop", json!({"status": {"abort": false}}));
    stage.wait(60).await;
    stage.promote();
    stage.wait(120).await;
    assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
    assert_eq!(hashes(&stage), (second.clone(), second));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_mesh_that_comes_later_is_waited_for() {
    let stage = Stage::begin(&[]);
    stage.apply(SERVICES.split("---\napiVersion: networking").next().expect("services"));
    stage.apply(&rollout(
        "{stableService: stable, canaryService: canary, trafficRouting: {istio: {virtualService: {name: vs}}}, \
         steps: [{setWeight: 25}, {pause: {}}]}",
    ));
    stage.wait(60).await;
    let before = stage.status();
    assert_ne!(before["phase"], "Healthy", "{before:#}");
    stage.cluster.install_crds(&istio()).expect("valid");
    stage.apply(SERVICES);
    stage.wait(1200).await;
    assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
    stage.image("shop:v2");
    stage.wait(60).await;
    assert_eq!(stage.weights("primary"), (json!(75), json!(25)));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_canary_ingress_is_made_and_owned() {
    let stage = Stage::begin(&[]);
    stage.apply(SERVICES.split("---\napiVersion: networking").next().expect("services"));
    stage.apply(
        r#"
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: main, namespace: default}
spec: {rules: [{host: shop, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: stable, port: {number: 80}}}}]}}]}
"#,
    );
    stage.apply(&rollout(
        "{stableService: stable, canaryService: canary, trafficRouting: {nginx: {stableIngress: main}}, \
         steps: [{setWeight: 25}, {pause: {}}, {setWeight: 50}, {pause: {duration: 10}}]}",
    ));
    stage.wait(60).await;
    stage.image("shop:v2");
    stage.wait(60).await;
    let canary = stage.get("ingresses.networking.k8s.io", "shop-main-canary");
    assert_eq!(canary["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"], "25", "{canary:#}");
    assert_eq!(canary["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"], "canary");
    assert_eq!(canary["metadata"]["ownerReferences"][0]["name"], "shop");
    stage.promote();
    stage.wait(120).await;
    assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
    let canary = stage.get("ingresses.networking.k8s.io", "shop-main-canary");
    assert_eq!(canary["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"], "0");
    let mark = stage.cluster.journal().mark();
    stage.wait(3600).await;
    assert_eq!(stage.cluster.journal().writes_since(mark), []);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn stable_grows_before_traffic_comes_back_to_it() {
    let stage = Stage::begin(&istio());
    stage.apply(SERVICES);
    stage.apply(&rollout(
        "{stableService: stable, canaryService: canary, dynamicStableScale: true, \
         trafficRouting: {istio: {virtualService: {name: vs}}}, \
         steps: [{setWeight: 25}, {setWeight: 75}, {pause: {}}]}",
    ));
    stage.wait(60).await;
    stage.image("shop:v2");
    stage.wait(60).await;
    let sizes = |stage: &Stage| {
        let mut sizes: Vec<_> = stage
            .list("replicasets.apps")
            .iter()
            .map(|it| {
                (it["spec"]["template"]["spec"]["containers"][0]["image"].to_string(), it["spec"]["replicas"].as_i64())
            })
            .collect();
        sizes.sort();
        sizes.into_iter().map(|it| it.1.unwrap_or(-1)).collect::<Vec<_>>()
    };
    assert_eq!((sizes(&stage), stage.weights("primary")), (vec![1, 3], (json!(25), json!(75))));
    stage.patch("rollouts.argoproj.io/status", "shop", json!({"status": {"abort": true}}));
    stage.wait(120).await;
    assert_eq!((sizes(&stage), stage.weights("primary")), (vec![4, 0], (json!(100), json!(0))), "{:#}", stage.status());
    stage.patch("rollouts.argoproj.io/status", "shop", json!({"status": {"abort": false}}));
    stage.wait(60).await;
    stage.promote();
    stage.wait(60).await;
    assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
    assert_eq!(sizes(&stage), [0, 4]);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn two_services_take_turns_with_ping_pong() {
    let stage = Stage::begin(&istio());
    stage.apply(
        &SERVICES
            .replace("name: stable,", "name: ping,")
            .replace("name: canary,", "name: pong,")
            .replace("host: stable", "host: ping")
            .replace("host: canary", "host: pong"),
    );
    stage.apply(&rollout(
        "{pingPong: {pingService: ping, pongService: pong}, trafficRouting: {istio: {virtualService: {name: vs}}}, \
         steps: [{setWeight: 25}, {pause: {}}]}",
    ));
    stage.wait(60).await;
    assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
    let stable = |stage: &Stage| stage.status()["canary"]["stablePingPong"].clone();
    assert_eq!((stable(&stage), stage.weights("primary")), (json!("ping"), (json!(100), json!(0))));
    for (image, next, weights) in [("shop:v2", "pong", (75, 25)), ("shop:v3", "ping", (25, 75))] {
        stage.image(image);
        stage.wait(60).await;
        assert_eq!(stage.weights("primary"), (json!(weights.0), json!(weights.1)), "{image}");
        stage.promote();
        stage.wait(90).await;
        assert_eq!(stage.status()["phase"], "Healthy", "{:#}", stage.status());
        assert_eq!(stable(&stage), next);
        let all = if next == "ping" { (json!(100), json!(0)) } else { (json!(0), json!(100)) };
        assert_eq!(stage.weights("primary"), all, "{image}");
        let service = stage.get("services", next);
        assert_eq!(service["spec"]["selector"]["rollouts-pod-template-hash"], stage.status()["stableRS"]);
    }
    stage.end().await;
}
