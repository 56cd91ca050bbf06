//! What needs no cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use argo_benches::Result;
use argo_core::{Object, Timestamp};
use argo_rollouts::engine::{self, World};
use argo_rollouts::testing::Simulation;
use serde_json::json;

/// How long each is measured.
const WHILE: Duration = Duration::from_millis(500);

const SHOP: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  replicas: 10
  selector: {matchLabels: {app: shop}}
  template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: shop, image: "shop:v1"}]}}
  strategy: {canary: {steps: [{setWeight: 20}, {pause: {}}, {setWeight: 50}, {pause: {duration: 1h}}]}}
"#;

/// Prints how many decisions a second one thread makes.
pub(crate) fn decisions() -> Result<()> {
    let report = Simulation::rollout(SHOP).image("shop:v2").run()?;
    let of_kind = |kind: &str| -> Vec<Arc<Object>> {
        report.objects().iter().filter(|it| it.gvk().kind == kind).cloned().map(Arc::new).collect()
    };
    let rollout = of_kind("Rollout").pop().ok_or("no Rollout")?;
    let mut paused = World::new(rollout.clone());
    paused.replica_sets = of_kind("ReplicaSet");
    let with = |path: &[&str], value: serde_json::Value| {
        let mut world = paused.clone();
        world.rollout = Arc::new(Object::clone(&rollout).with(path, value));
        world
    };
    let resumed = with(&["status", "pauseConditions"], json!(null));
    let changed = with(&["spec", "template", "spec", "containers"], json!([{"name": "shop", "image": "shop:v3"}]));
    let mut among = paused.clone();
    for at in 0..1_000 {
        let mut other = Object::clone(&paused.replica_sets[0]);
        other.set(&["metadata", "name"], format!("other-{at}"));
        other.set(&["metadata", "ownerReferences"], json!([{"uid": format!("uid-of-{at}"), "controller": true}]));
        among.replica_sets.push(Arc::new(other));
    }
    println!("| a decision about a canary of ten pods | time | a second |");
    println!("| --- | ---: | ---: |");
    for (question, world) in [
        ("nothing to do: paused at a step", &paused),
        ("the same, with 1,000 ReplicaSets of others in view", &among),
        ("a pause that ends", &resumed),
        ("a new image: a new ReplicaSet", &changed),
    ] {
        // Warm, then as often as time is.
        let now = Timestamp::UNIX_EPOCH + Duration::from_secs(3600);
        let mut count = 0_u32;
        let mut began = Instant::now();
        for round in 0.. {
            std::hint::black_box(engine::reconcile(std::hint::black_box(world), now));
            if round == 100 {
                (count, began) = (0, Instant::now());
            }
            count += 1;
            if round > 100 && began.elapsed() > WHILE {
                break;
            }
        }
        let each = began.elapsed().as_secs_f64() / f64::from(count);
        println!("| {question} | {:.1} µs | {:.0} |", each * 1e6, 1.0 / each);
    }
    println!();
    Ok(())
}
