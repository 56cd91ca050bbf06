//! Properties of rolling updates.

use std::time::Duration;

use argo_embedded::simulator::{Behaviour, PodRule, PodScript, SimulatorConfig};
use argo_embedded::{ListFilter, WatchKind};
use proptest::prelude::*;
use serde_json::json;

use super::{condition, deployment, world};

#[derive(Clone, Debug)]
struct Case {
    replicas: i64,
    surge: i64,
    unavailable: i64,
    ready: u64,
    stop: u64,
    flaky: bool,
}

fn case() -> impl Strategy<Value = Case> {
    (1..8i64, 0..4i64, 0..4i64, 0..20u64, 0..8u64, any::<bool>())
        .prop_filter("one of them must let the rollout move", |(_, surge, unavailable, ..)| surge + unavailable > 0)
        .prop_map(|(replicas, surge, unavailable, ready, stop, flaky)| Case {
            replicas,
            surge,
            unavailable,
            ready,
            stop,
            flaky,
        })
}

/// Rolls from one image to another and watches every pod on the way.
async fn roll(case: &Case) {
    let mut new =
        Behaviour::running().ready_after(Duration::from_secs(case.ready)).stops_after(Duration::from_secs(case.stop));
    if case.flaky {
        let exit = Behaviour::exits(Duration::from_secs(2), 1).only(1).exit;
        new.exit = exit;
    }
    let script = PodScript::new()
        .with(PodRule::image("web:2"), new)
        .with(PodRule::image("web:1"), Behaviour::running().stops_after(Duration::from_secs(case.stop)));
    let world = world(SimulatorConfig::scripted(script));
    let object = |image: &str| {
        let mut web = deployment("web", case.replicas, image);
        web["spec"]["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": case.surge, "maxUnavailable": case.unavailable}});
        web
    };
    world.apply(object("web:1")).await;
    world.wait(1).await;
    let revision = world.cluster.revision();
    world.apply(object("web:2")).await;
    world.wait(3600).await;

    let web = world.get("deployments.apps", "web");
    assert_eq!(web["status"]["updatedReplicas"], case.replicas, "{case:?} {}", web["status"]);
    assert_eq!(web["status"]["availableReplicas"], case.replicas);
    assert_eq!(web["status"]["replicas"], case.replicas);

    // Replay every change of every pod: how many served, how many were wanted, at each moment.
    let mut pods = std::collections::BTreeMap::new();
    let mut watch = world.direct.watch("pods", "default", &ListFilter::default(), Some(1)).expect("a watch");
    let mut started = false;
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), watch.next()).await {
        let event = event.expect("an event");
        let name = event.object["metadata"]["name"].as_str().expect("a name").to_owned();
        if event.kind == WatchKind::Deleted {
            pods.remove(&name);
        } else {
            let going = event.object["metadata"].get("deletionTimestamp").is_some();
            pods.insert(name, (condition(&event.object, "Ready")["status"] == "True" && !going, going));
        }
        let at: u64 = event.object["metadata"]["resourceVersion"].as_str().and_then(|it| it.parse().ok()).unwrap_or(0);
        started = started || at > revision;
        if started && !case.flaky {
            let available = i64::try_from(pods.values().filter(|(serves, _)| *serves).count()).expect("few pods");
            let least = case.replicas - case.unavailable.min(case.replicas);
            assert!(available >= least, "{available} of at least {least} pods serve at {at}: {case:?}");
            let alive = i64::try_from(pods.values().filter(|(_, going)| !going).count()).expect("few pods");
            assert!(
                alive <= case.replicas + case.surge,
                "{alive} pods of at most {} at {at}: {case:?}",
                case.replicas + case.surge
            );
        }
    }
    assert!(started, "the rollout was watched");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_rollout_ends_and_never_leaves_its_bounds(case in case()) {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime").block_on(roll(&case));
    }
}
