//! Canaries in virtual time, without a cluster.

use std::time::Duration;

use argo_rollouts::testing::{Act, Report, Simulation, What};

const MINUTE: Duration = Duration::from_secs(60);

fn shop(steps: &str, extra: &str) -> String {
    format!(
        r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: shop}}
spec:
  replicas: 10
  selector: {{matchLabels: {{app: shop}}}}
  template: {{metadata: {{labels: {{app: shop}}}}, spec: {{containers: [{{name: shop, image: "shop:v1"}}]}}}}
  strategy:
    canary:
      {extra}
      steps: {steps}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{name: error-rate}}
spec:
  args: [{{name: hash}}]
  metrics:
  - {{name: error-rate, interval: 10s, count: 3, successCondition: "result < 0.05", provider: {{web: {{url: "http://x/{{{{args.hash}}}}"}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: canary}}
spec: {{selector: {{app: shop}}, ports: [{{port: 80}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: stable}}
spec: {{selector: {{app: shop}}, ports: [{{port: 80}}]}}
"#
    )
}

const ANALYSIS: &str = "analysis: {templates: [{templateName: error-rate}], args: [{name: hash, valueFrom: {podTemplateHashValue: Latest}}]}";

fn run(simulation: Simulation) -> Report {
    let report = simulation.run().expect("it runs");
    println!("{report}");
    report
}

fn events(report: &Report) -> Vec<&str> {
    report.entries().iter().map(|it| it.reason.as_str()).collect()
}

#[test]
fn a_canary_goes_through_its_steps_and_is_promoted() {
    let yaml = shop("[{setWeight: 20}, {pause: {duration: 1m}}, {setWeight: 50}, {pause: {duration: 2m}}]", "");
    let report = run(Simulation::rollout(yaml).image("shop:v2"));
    assert_eq!((report.phase(), report.message()), ("Healthy", ""));
    assert_eq!(report.status().current_step_index, Some(4));
    assert_eq!(report.status().stable_rs, report.status().current_pod_hash);
    assert!(report.took() >= 3 * MINUTE && report.took() < 5 * MINUTE, "{:?}", report.took());
    let done = report.first("RolloutCompleted").expect("completed");
    assert!(done.message.ends_with("Completed all 4 canary steps"), "{}", done.message);
}

#[test]
fn a_bad_metric_gives_the_update_up_and_leaves_all_on_stable() {
    let yaml = shop(
        &format!("[{{setWeight: 20}}, {{{ANALYSIS}}}, {{setWeight: 50}}, {{pause: {{}}}}]"),
        "canaryService: canary\n      stableService: stable",
    );
    let report = run(Simulation::rollout(yaml).image("shop:v2").metric("error-rate", [0.01, 0.3]));
    assert_eq!(report.phase(), "Degraded");
    assert_eq!(
        report.message(),
        "RolloutAborted: Rollout aborted update to revision 2: Step-based analysis phase error/failed: \
         Metric \"error-rate\" assessed Failed due to failed (1) > failureLimit (0)"
    );
    assert!(report.is_aborted());
    assert_eq!(report.most_exposed(), 20);
    let status = report.status();
    assert_eq!((status.updated_replicas, status.available_replicas, status.replicas), (0, 10, 10));
    for service in report.objects().iter().filter(|it| it.gvk().kind == "Service") {
        assert_eq!(service.text("/spec/selector/rollouts-pod-template-hash"), status.stable_rs, "{}", service.name());
    }
}

#[test]
fn services_never_select_a_version_without_pods() {
    let services = "canaryService: canary\n      stableService: stable";
    let yaml = shop("[{setWeight: 20}, {pause: {duration: 1m}}, {setWeight: 50}, {pause: {duration: 1m}}]", services);
    let report = run(Simulation::rollout(yaml.clone()).image("shop:v2"));
    assert_eq!(report.phase(), "Healthy");
    // Stable gives way to the canary, but not to nothing; the canary Service moves when there is a pod.
    assert!(report.least_served("stable") >= Some(1) && report.least_served("canary") >= Some(1), "{report}");
    let aborted = run(Simulation::rollout(yaml).image("shop:v2").at(MINUTE, Act::Abort));
    assert!(aborted.least_served("stable") >= Some(5) && aborted.least_served("canary") >= Some(1), "{aborted}");
}

#[test]
fn background_analysis_watches_all_steps() {
    let yaml = shop(
        "[{setWeight: 20}, {pause: {duration: 1m}}, {setWeight: 50}, {pause: {duration: 1m}}]",
        "analysis: {templates: [{templateName: forever}]}",
    ) + r#"
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: forever}
spec: {metrics: [{name: rate, interval: 10s, failureLimit: 2, successCondition: "result < 1", provider: {web: {url: "http://x"}}}]}
"#;
    let good = run(Simulation::rollout(yaml.clone()).image("shop:v2").metric("rate", [0]));
    assert_eq!(good.phase(), "Healthy");
    let ended = good.objects().iter().find(|it| it.gvk().kind == "AnalysisRun").expect("a run");
    assert_eq!(ended.text("/status/phase"), "Successful");
    assert_eq!(ended.text("/status/message"), "Run Terminated");
    let bad = run(Simulation::rollout(yaml).image("shop:v2").metric("rate", [0, 0, 5, 5, 5]));
    assert!(bad.message().contains("Background analysis phase error/failed: Metric \"rate\" assessed Failed due to failed (3) > failureLimit (2)"), "{}", bad.message());
}

#[test]
fn an_open_pause_waits_for_somebody() {
    let yaml = shop("[{setWeight: 10}, {pause: {}}, {setWeight: 60}, {pause: {}}]", "");
    let waiting = run(Simulation::rollout(yaml.clone()).image("shop:v2"));
    assert_eq!((waiting.phase(), waiting.message()), ("Paused", "CanaryPauseStep"));
    assert_eq!(waiting.status().current_step_index, Some(1));
    let report = run(Simulation::rollout(yaml.clone())
        .image("shop:v2")
        .at(10 * MINUTE, Act::Promote)
        .at(20 * MINUTE, Act::Promote));
    assert_eq!(report.phase(), "Healthy");
    assert!(report.took() >= 20 * MINUTE);
    let full = run(Simulation::rollout(yaml).image("shop:v2").at(MINUTE, Act::PromoteFull));
    assert_eq!(full.phase(), "Healthy");
    assert!(full.first("RolloutCompleted").unwrap().message.ends_with("Full promotion requested"));
    assert!(!full.status().promote_full);
}

#[test]
fn a_retry_after_an_abort_starts_at_the_first_step_with_a_new_analysis() {
    let yaml = shop(&format!("[{{setWeight: 20}}, {{{ANALYSIS}}}]"), "");
    let report = run(Simulation::rollout(yaml)
        .image("shop:v2")
        .metric("error-rate", [0.01])
        .at(MINUTE / 4, Act::Abort)
        .at(5 * MINUTE, Act::Retry));
    assert_eq!(report.phase(), "Healthy");
    let names: Vec<_> =
        report.objects().iter().filter(|it| it.gvk().kind == "AnalysisRun").map(|it| it.name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[1].ends_with("-2-1.1"), "{names:?}");
}

#[test]
fn an_inconclusive_analysis_pauses_and_is_run_again_when_resumed() {
    let yaml = shop("[{setWeight: 20}, {analysis: {templates: [{templateName: unsure}]}}]", "")
        + r#"
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: unsure}
spec: {metrics: [{name: rate, successCondition: "result < 1", failureCondition: "result > 5", provider: {web: {url: "http://x"}}}]}
"#;
    let report = run(Simulation::rollout(yaml.clone()).image("shop:v2").metric("rate", [3]));
    assert_eq!((report.phase(), report.message()), ("Paused", "InconclusiveAnalysisRun"));
    let resumed = run(Simulation::rollout(yaml).image("shop:v2").metric("rate", [3]).at(MINUTE, Act::Promote));
    assert_eq!((resumed.phase(), resumed.message()), ("Paused", "InconclusiveAnalysisRun"));
    let runs = resumed.objects().iter().filter(|it| it.gvk().kind == "AnalysisRun").count();
    assert!(runs >= 2, "a new run was made");
}

#[test]
fn going_back_to_stable_leaves_the_steps_out() {
    let yaml = shop("[{setWeight: 50}, {pause: {}}]", "");
    let report = run(Simulation::rollout(yaml).image("shop:v2").at(MINUTE, Act::Image("shop:v1".into())));
    assert_eq!(report.phase(), "Healthy");
    assert!(events(&report).contains(&"SkipSteps"));
    assert!(report.took() < 2 * MINUTE);
    assert_eq!(report.status().updated_replicas, 10);
}

#[test]
fn a_change_of_mind_in_the_middle_takes_the_first_canary_away() {
    let yaml = shop("[{setWeight: 50}, {pause: {duration: 5m}}]", "");
    let report = run(Simulation::rollout(yaml).image("shop:v2").at(MINUTE, Act::Image("shop:v3".into())));
    assert_eq!(report.phase(), "Healthy");
    let sizes: Vec<_> = report
        .objects()
        .iter()
        .filter(|it| it.gvk().kind == "ReplicaSet")
        .map(|it| (it.text("/spec/template/spec/containers/0/image").to_owned(), it.integer("/spec/replicas")))
        .collect();
    for (image, size) in sizes {
        assert_eq!(size, Some(if image == "shop:v3" { 10 } else { 0 }), "{image}");
    }
}

#[test]
fn an_update_that_gets_no_pods_ready_runs_out_of_time() {
    let yaml = shop("[{setWeight: 20}]", "").replace("replicas: 10", "replicas: 10\n  progressDeadlineSeconds: 60");
    let report = run(Simulation::rollout(yaml.clone()).image("shop:v2").never_ready("shop:v2"));
    assert_eq!(report.phase(), "Degraded");
    assert!(report.message().starts_with("ProgressDeadlineExceeded: ReplicaSet \"shop-"), "{}", report.message());
    let yaml =
        yaml.replace("progressDeadlineSeconds: 60", "progressDeadlineSeconds: 60\n  progressDeadlineAbort: true");
    let report = run(Simulation::rollout(yaml).image("shop:v2").never_ready("shop:v2"));
    assert!(report.is_aborted());
    assert_eq!(report.status().available_replicas, 10);
}

#[test]
fn a_paused_rollout_makes_its_replica_set_and_waits() {
    let yaml = shop("[{setWeight: 20}]", "");
    let report = run(Simulation::rollout(yaml).at(Duration::ZERO, Act::Pause).at(MINUTE, Act::Image("shop:v2".into())));
    assert_eq!((report.phase(), report.message()), ("Paused", "manually paused"));
    assert_eq!(report.most_exposed(), 0);
}

#[test]
fn scaling_in_the_middle_keeps_the_weight() {
    let yaml = shop("[{setWeight: 20}, {pause: {}}]", "");
    let report = run(Simulation::rollout(yaml).image("shop:v2").at(MINUTE, Act::Scale(20)));
    assert_eq!(report.phase(), "Paused");
    assert_eq!((report.status().updated_replicas, report.status().replicas), (4, 20));
}

#[test]
fn a_missing_template_is_said_and_nothing_moves() {
    let yaml = shop("[{setWeight: 20}, {analysis: {templates: [{templateName: none}]}}]", "");
    let error = Simulation::rollout(yaml).image("shop:v2").run().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("AnalysisTemplate 'none' not found"), "{text}");
}

#[test]
fn a_pause_is_whole_from_its_first_write() {
    let yaml = shop("[{setWeight: 20}, {pause: {}}, {setWeight: 50}, {pause: {duration: 1m}}]", "");
    let report = run(Simulation::rollout(yaml).image("shop:v2").at(5 * MINUTE, Act::Promote));
    let mut paused = Vec::new();
    for written in report.journal() {
        let What::Object { after: Some(object), .. } = &written.what else { continue };
        if object.gvk().kind != "Rollout" || object.text("/status/phase") != "Paused" {
            continue;
        }
        let step = object.integer("/status/currentStepIndex").unwrap_or_default();
        paused.push(step);
        let by_hand = !object.text("/status/duration/manualPauseStartedAt").is_empty();
        assert_eq!(by_hand, step == 1, "only somebody ends the first: {:#}", object.value()["status"]);
        let conditions = object.value()["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let is = |kind: &str, reason: &str| conditions.iter().any(|it| it["type"] == kind && it["reason"] == reason);
        assert!(is("Paused", "RolloutPaused") && is("Progressing", "RolloutPaused"), "{conditions:#?}");
    }
    paused.dedup();
    assert_eq!(paused, [1, 3]);
    assert_eq!(report.status().phase, "Healthy");
}
