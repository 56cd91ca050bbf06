//! cargo bench -p argo-benches
//!
//! Each benchmark answers a question that users ask.

use argo_core::{Gvk, Object, Plan};
use argo_embedded::Cluster;
use argo_rollouts::testing::Simulation;
use divan::{Bencher, black_box};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

const ROLLOUT: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  replicas: 10
  selector: {matchLabels: {app: shop}}
  template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: shop, image: "shop:v1"}]}}
  strategy:
    canary:
      analysis: {templates: [{templateName: error-rate}]}
      steps: [{setWeight: 20}, {pause: {duration: 1h}}, {setWeight: 50}, {pause: {duration: 1h}}]
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: error-rate}
spec:
  metrics: [{name: error-rate, interval: 1m, successCondition: "result < 0.05", provider: {prometheus: {query: errors}}}]
"#;

/// How long does a two-hour canary with a measurement a minute take to simulate?
#[divan::bench]
fn simulate_a_two_hour_canary() {
    let report = Simulation::rollout(ROLLOUT).image("shop:v2").metric("error-rate", [0.01]).run();
    black_box(report.expect("it rolls out").phase());
}

/// How long until there is a Kubernetes to test against?
#[divan::bench]
fn start_a_cluster(bencher: Bencher) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _guard = runtime.enter();
    bencher.bench_local(|| black_box(Cluster::new()));
}

/// How many objects a second does the embedded API take?
#[divan::bench]
fn create_a_thousand_config_maps(bencher: Bencher) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _guard = runtime.enter();
    bencher.counter(1000_usize).with_inputs(Cluster::new).bench_local_values(|cluster| {
        let direct = cluster.direct("bench");
        for i in 0..1000 {
            let name = format!("config-{i}");
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": {"a": "b"}});
            direct.create(object).expect("it is created");
        }
        cluster
    });
}

/// What does it cost to see that a large object has not changed?
#[divan::bench(args = [10, 1000])]
fn diff_an_unchanged_object(bencher: Bencher, fields: usize) {
    let mut object = Object::new(&Gvk::new("", "v1", "ConfigMap"), Some("default"), "large");
    for i in 0..fields {
        object.set(&["data", &format!("key-{i}")], format!("value {i}"));
    }
    let other = object.clone();
    bencher
        .counter(fields)
        .bench(|| argo_merge::merge_patch::diff(black_box(object.value()), black_box(other.value())));
}

/// What does an empty plan cost?
#[divan::bench]
fn an_empty_plan() -> bool {
    black_box(Plan::<()>::default()).is_empty()
}
