//! Blue-green in virtual time, without a cluster.

use std::time::Duration;

use argo_rollouts::testing::{Act, Report, Simulation};

const MINUTE: Duration = Duration::from_secs(60);

fn shop(settings: &str) -> String {
    format!(
        r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: shop}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: shop}}}}
  template: {{metadata: {{labels: {{app: shop}}}}, spec: {{containers: [{{name: shop, image: "shop:v1"}}]}}}}
  strategy: {{blueGreen: {{activeService: active, previewService: preview{settings}}}}}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{name: smoke}}
spec: {{metrics: [{{name: smoke, interval: 10s, count: 2, successCondition: "result < 1", provider: {{web: {{url: "http://x"}}}}}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: active}}
spec: {{selector: {{app: shop}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: preview}}
spec: {{selector: {{app: shop}}}}
"#
    )
}

fn run(simulation: Simulation) -> Report {
    let report = simulation.run().expect("it runs");
    println!("{report}");
    report
}

/// Image and size of every ReplicaSet, and the image that a Service selects.
fn image_of(report: &Report, service: &str) -> String {
    let find = |kind: &str, test: &dyn Fn(&argo_core::Object) -> bool| {
        report.objects().iter().find(|it| it.gvk().kind == kind && test(it)).cloned()
    };
    let service = find("Service", &|it| it.name() == service).expect("the service");
    let hash = service.text("/spec/selector/rollouts-pod-template-hash").to_owned();
    let set = find("ReplicaSet", &|it| it.label("rollouts-pod-template-hash") == Some(&hash)).expect("its pods");
    set.text("/spec/template/spec/containers/0/image").to_owned()
}

fn sizes(report: &Report) -> Vec<(String, i64)> {
    let sets = report.objects().iter().filter(|it| it.gvk().kind == "ReplicaSet");
    let mut sizes: Vec<_> = sets
        .map(|it| {
            (it.text("/spec/template/spec/containers/0/image").to_owned(), it.integer("/spec/replicas").unwrap_or(-1))
        })
        .collect();
    sizes.sort();
    sizes
}

#[test]
fn the_switch_comes_when_all_new_pods_are_there_and_old_ones_stay_for_a_while() {
    let report = run(Simulation::rollout(shop("")).image("shop:v2"));
    assert_eq!((report.phase(), report.message()), ("Healthy", ""));
    assert_eq!((image_of(&report, "active"), image_of(&report, "preview")), ("shop:v2".into(), "shop:v2".into()));
    assert_eq!(report.least_available(), 3);
    assert_eq!(sizes(&report), [("shop:v1".into(), 0), ("shop:v2".into(), 3)]);
    assert!(report.took() >= Duration::from_secs(35), "5 s to get ready and 30 s of delay: {:?}", report.took());
    assert!(report.first("RolloutCompleted").unwrap().message.ends_with("Completed blue-green update"));
}

#[test]
fn without_auto_promotion_somebody_decides() {
    let waiting = run(Simulation::rollout(shop(", autoPromotionEnabled: false")).image("shop:v2"));
    assert_eq!((waiting.phase(), waiting.message()), ("Paused", "BlueGreenPause"));
    assert_eq!((image_of(&waiting, "active"), image_of(&waiting, "preview")), ("shop:v1".into(), "shop:v2".into()));
    let yaml = shop(", autoPromotionEnabled: false");
    let report = run(Simulation::rollout(yaml.clone()).image("shop:v2").at(10 * MINUTE, Act::Promote));
    assert_eq!((report.phase(), image_of(&report, "active")), ("Healthy", "shop:v2".into()));
    let aborted = run(Simulation::rollout(yaml).image("shop:v2").at(MINUTE, Act::Abort));
    assert_eq!((aborted.phase(), image_of(&aborted, "active")), ("Degraded", "shop:v1".into()));
    assert_eq!(sizes(&aborted), [("shop:v1".into(), 3), ("shop:v2".into(), 0)]);
}

#[test]
fn an_abort_after_the_switch_leaves_users_where_pods_serve() {
    let yaml = shop(", postPromotionAnalysis: {templates: [{templateName: smoke}]}");
    let seconds = Duration::from_secs;
    // The metric is neither good nor bad until somebody aborts; before that stable's pods fail.
    let of = |lasts| {
        let fails = Act::PodsFail { image: "shop:v1".into(), count: 3, lasts };
        let simulation = Simulation::rollout(yaml.clone()).image("shop:v2").metric("smoke", [0]);
        run(simulation.at(seconds(6), fails).at(seconds(7), Act::Abort))
    };
    let gone = of(None);
    assert_eq!((gone.phase(), image_of(&gone, "active")), ("Degraded", "shop:v2".into()), "{gone}");
    let back = of(Some(seconds(40)));
    assert_eq!((back.phase(), image_of(&back, "active")), ("Degraded", "shop:v1".into()), "{back}");
}

#[test]
fn auto_promotion_seconds_end_the_pause() {
    let report = run(Simulation::rollout(shop(", autoPromotionSeconds: 120")).image("shop:v2"));
    assert_eq!(report.phase(), "Healthy");
    let switched = report.entries().iter().find(|it| it.message.contains("service 'active'")).expect("switched");
    assert_eq!(switched.at, Duration::from_secs(125));
}

#[test]
fn a_preview_of_its_own_size_grows_before_the_switch() {
    let yaml = shop(", autoPromotionEnabled: false, previewReplicaCount: 1");
    let waiting = run(Simulation::rollout(yaml.clone()).image("shop:v2"));
    assert_eq!(sizes(&waiting), [("shop:v1".into(), 3), ("shop:v2".into(), 1)]);
    let report = run(Simulation::rollout(yaml).image("shop:v2").at(MINUTE, Act::Promote));
    assert_eq!((report.phase(), image_of(&report, "active")), ("Healthy", "shop:v2".into()));
    assert_eq!(report.least_available(), 3);
}

#[test]
fn analysis_guards_the_switch_from_both_sides() {
    for side in ["prePromotionAnalysis", "postPromotionAnalysis"] {
        let yaml = shop(&format!(", {side}: {{templates: [{{templateName: smoke}}]}}"));
        let good = run(Simulation::rollout(yaml.clone()).image("shop:v2").metric("smoke", [0]));
        assert_eq!((good.phase(), image_of(&good, "active")), ("Healthy", "shop:v2".into()), "{side}");
        let bad = run(Simulation::rollout(yaml).image("shop:v2").metric("smoke", [0, 7]));
        assert_eq!((bad.phase(), image_of(&bad, "active")), ("Degraded", "shop:v1".into()), "{side}");
        assert!(bad.message().contains("promotion analysis phase error/failed: Metric \"smoke\" assessed Failed"));
        assert_eq!(sizes(&bad), [("shop:v1".into(), 3), ("shop:v2".into(), 0)]);
    }
}

#[test]
fn going_back_while_the_old_pods_are_there_is_immediate() {
    let yaml = shop(", autoPromotionEnabled: false, scaleDownDelaySeconds: 3600");
    let report = run(Simulation::rollout(yaml)
        .image("shop:v2")
        .at(MINUTE, Act::Promote)
        .at(10 * MINUTE, Act::Image("shop:v1".into())));
    assert_eq!((report.phase(), image_of(&report, "active")), ("Healthy", "shop:v1".into()));
    let back = report.entries().iter().rfind(|it| it.message.contains("service 'active'")).expect("switched");
    assert_eq!(back.at, 10 * MINUTE);
}

#[test]
fn a_kill_at_any_write_ends_in_the_same_state() {
    let yaml = shop(", autoPromotionSeconds: 60, prePromotionAnalysis: {templates: [{templateName: smoke}]}");
    let simulation = || Simulation::rollout(yaml.clone()).image("shop:v2").metric("smoke", [0]);
    let whole = run(simulation());
    for write in 1..=whole.writes() {
        let killed = simulation().killed_at_write(write).run().expect("it runs");
        assert_eq!((killed.phase(), sizes(&killed)), (whole.phase(), sizes(&whole)), "at {write}\n{killed}");
        assert_eq!(image_of(&killed, "active"), "shop:v2");
    }
}
