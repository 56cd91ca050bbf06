//! How many requests a whole update takes: each is there for something that somebody sees.

use std::collections::BTreeMap;

use argo_embedded::simulator::SimulatorConfig;
use argo_embedded::{Cluster, Verb};
use serde_json::{Value, json};

use argo_core::{
    Clock,
    runtime::{Context, Shutdown},
};
use argo_rollouts::{Controller, api};

/// What the controller asked while a Rollout went from one image to the next, as `verb resource`, and the reasons of the
/// events in order.
async fn update(manifest: &str) -> (BTreeMap<String, usize>, Vec<String>) {
    let clock = Clock::virtual_at("2026-01-01T00:00:00Z".parse().expect("time"));
    let cluster = Cluster::builder().clock(clock).simulator(SimulatorConfig::default()).build().expect("in memory");
    cluster.install_crds(&api::crds()).expect("valid");
    let context = Context::builder(cluster.client()).clock(cluster.clock().clone()).build();
    let shutdown = Shutdown::new();
    let task = tokio::spawn(Controller::builder(context).build().expect("valid").run(shutdown.clone()));
    cluster.apply_yaml(manifest).expect("applied");
    let direct = cluster.direct("user");
    let wait = || cluster.clock().sleep(std::time::Duration::from_secs(60));
    let healthy = || {
        let rollout = direct.get("rollouts.argoproj.io", "default", "shop").expect("there");
        assert_eq!(rollout["status"]["phase"], "Healthy", "{:#}", rollout["status"]);
        rollout["status"]["currentPodHash"].clone()
    };
    wait().await;
    let first = healthy();

    let mark = cluster.journal().mark();
    let body = json!({"spec": {"template": {"spec": {"containers": [{"name": "shop", "image": "shop:v2"}]}}}});
    direct.merge_patch("rollouts.argoproj.io", "default", "shop", body).expect("patched");
    wait().await;
    assert_ne!(healthy(), first);
    let mut counts = BTreeMap::new();
    // The client of the controller has no name; the simulated parts of the cluster and the user have one.
    for entry in cluster.journal().since(mark).iter().filter(|it| it.caller.client.is_empty()) {
        assert!(entry.code < 300, "{entry:?}");
        *counts.entry(format!("{:?} {}", entry.verb, entry.resource)).or_default() += 1;
    }
    let entries = cluster.journal().since(mark);
    assert!(entries.iter().all(|it| it.verb != Verb::List || !it.caller.client.is_empty()), "nothing is listed again");
    let events = direct.list("events", "default", &Default::default()).expect("listed").items;
    let mut events: Vec<&Value> =
        events.iter().map(|it| &**it).filter(|it| it["involvedObject"]["name"] == "shop").collect();
    events.sort_by_key(|it| it["metadata"]["resourceVersion"].as_str().and_then(|it| it.parse::<u64>().ok()));
    let reasons: Vec<String> = events.iter().filter_map(|it| Some(it["reason"].as_str()?.to_owned())).collect();
    let second = reasons.iter().rposition(|it| it == "RolloutUpdated").expect("updated");
    shutdown.cancel();
    task.await.expect("ends");
    (counts, reasons[second..].to_vec())
}

fn counts<const N: usize>(of: [(&str, usize); N]) -> BTreeMap<String, usize> {
    of.into_iter().map(|(asked, count)| (asked.to_owned(), count)).collect()
}

fn rollout(strategy: &str) -> String {
    format!(
        r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: shop, namespace: default}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: shop}}}}
  template: {{metadata: {{labels: {{app: shop}}}}, spec: {{containers: [{{name: shop, image: "shop:v1"}}]}}}}
  strategy: {strategy}
"#
    )
}

#[tokio::test(start_paused = true)]
async fn a_canary_with_a_step_and_a_pause_takes_twenty_four() {
    let (asked, events) = update(&rollout("{canary: {steps: [{setWeight: 50}, {pause: {duration: 1}}]}}")).await;
    let expected = counts([
        ("Create replicasets", 1),
        // The revision.
        ("Patch rollouts", 1),
        // Either up, then either to its end.
        ("Patch replicasets", 4),
        // It begins; the counts when the canary is there; paused; resumed; promoted; healthy.
        ("Patch rollouts/status", 6),
        ("Create events", 12),
    ]);
    assert_eq!(asked, expected);
    assert_eq!(
        events,
        [
            "RolloutUpdated",
            "NewReplicaSetCreated",
            "RolloutNotCompleted",
            "ScalingReplicaSet",
            "ScalingReplicaSet",
            "RolloutStepCompleted",
            "RolloutPaused",
            "RolloutStepCompleted",
            "RolloutResumed",
            "ScalingReplicaSet",
            "ScalingReplicaSet",
            "RolloutCompleted"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_blue_green_update_takes_eighteen() {
    let services = ["active", "preview"].map(|name| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
             spec: {{selector: {{app: shop}}, ports: [{{port: 80}}]}}\n"
        )
    });
    let strategy = "{blueGreen: {activeService: active, previewService: preview, scaleDownDelaySeconds: 5}}";
    let (asked, events) = update(&format!("{}{}", rollout(strategy), services.concat())).await;
    let expected = counts([
        ("Create replicasets", 1),
        ("Patch rollouts", 1),
        ("Patch services", 2),
        // Up; the old one's deadline; down.
        ("Patch replicasets", 3),
        // It begins; switched and promoted; the old pods are gone.
        ("Patch rollouts/status", 3),
        ("Create events", 8),
    ]);
    assert_eq!(asked, expected);
    assert_eq!(
        events,
        [
            "RolloutUpdated",
            "NewReplicaSetCreated",
            "SwitchService",
            "RolloutNotCompleted",
            "ScalingReplicaSet",
            "SwitchService",
            "RolloutCompleted",
            "ScalingReplicaSet"
        ]
    );
}
