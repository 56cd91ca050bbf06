//! What holds for every rollout: capacity, aborts, kills, repetition.

use std::{collections::BTreeMap, time::Duration};

use argo_rollouts::testing::{Act, Report, Simulation};
use proptest::prelude::*;

/// A rollout as a property test makes it up.
#[derive(Debug, Clone)]
struct Case {
    replicas: i64,
    surge: i64,
    unavailable: i64,
    steps: Vec<String>,
    /// Of the one metric of the analysis step.
    values: Vec<u8>,
    acts: Vec<(u64, Act)>,
    never_ready: bool,
}

impl Case {
    fn simulation(&self) -> Simulation {
        let unavailable = if self.surge == 0 { self.unavailable.max(1) } else { self.unavailable };
        let yaml = format!(
            r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: web}}
spec:
  replicas: {}
  progressDeadlineSeconds: 120
  selector: {{matchLabels: {{app: web}}}}
  template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: "web:1"}}]}}}}
  strategy:
    canary:
      maxSurge: {}
      maxUnavailable: {unavailable}
      canaryService: canary
      stableService: stable
      steps: [{}]
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{name: check}}
spec: {{metrics: [{{name: m, interval: 20s, count: 3, failureLimit: 1, successCondition: "result < 5", failureCondition: "result > 6", provider: {{web: {{url: "http://x"}}}}}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: canary}}
spec: {{selector: {{app: web}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: stable}}
spec: {{selector: {{app: web}}}}
"#,
            self.replicas,
            self.surge,
            self.steps.join(", ")
        );
        let mut simulation = Simulation::rollout(yaml).image("web:2").metric("m", self.values.clone());
        if self.never_ready {
            simulation = simulation.never_ready("web:2");
        }
        for (at, act) in &self.acts {
            simulation = simulation.at(Duration::from_secs(*at), act.clone());
        }
        simulation
    }

    fn least(&self) -> i64 {
        let unavailable = if self.surge == 0 { self.unavailable.max(1) } else { self.unavailable };
        self.replicas - unavailable.min(self.replicas)
    }
}

/// Failures are told with their input; none are kept in files.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

fn step() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0_i64..=100).prop_map(|it| format!("{{setWeight: {it}}}")),
        2 => (0_u64..90).prop_map(|it| format!("{{pause: {{duration: {it}s}}}}")),
        1 => Just("{pause: {}}".to_owned()),
        2 => Just("{analysis: {templates: [{templateName: check}]}}".to_owned()),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => Just(Act::Promote),
        1 => Just(Act::PromoteFull),
        2 => Just(Act::Abort),
        2 => Just(Act::Retry),
        1 => Just(Act::Pause),
        1 => Just(Act::Resume),
        1 => (1_u8..4).prop_map(|it| Act::Image(format!("web:{it}"))),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let acts = prop::collection::vec((1_u64..400, act()), 0..5);
    let steps = prop::collection::vec(step(), 0..6);
    let values = prop::collection::vec(0_u8..10, 1..5);
    (1_i64..12, 0_i64..4, 0_i64..4, steps, values, acts, prop::bool::weighted(0.1)).prop_map(
        |(replicas, surge, unavailable, steps, values, acts, never_ready)| Case {
            replicas,
            surge,
            unavailable,
            steps,
            values,
            acts,
            never_ready,
        },
    )
}

/// What a rollout came to, without times, versions and uids.
fn outcome(report: &Report) -> BTreeMap<String, String> {
    let status = report.status();
    let mut outcome = BTreeMap::from([
        ("phase".to_owned(), status.phase.clone()),
        ("message".to_owned(), status.message.clone()),
        ("abort".to_owned(), status.abort.to_string()),
        ("step".to_owned(), format!("{:?}", status.current_step_index)),
        ("stable".to_owned(), status.stable_rs.clone()),
        ("current".to_owned(), status.current_pod_hash.clone()),
        ("pauses".to_owned(), status.pause_conditions.iter().map(|it| it.reason.as_str()).collect()),
    ]);
    for object in report.objects() {
        let text = match object.gvk().kind.as_str() {
            "ReplicaSet" => object.pointer("/spec/replicas").map(ToString::to_string).unwrap_or_default(),
            "Service" => object.text("/spec/selector/rollouts-pod-template-hash").to_owned(),
            // A run that is given up at the instant of a measurement may have that or not.
            "AnalysisRun"
                if status.abort || object.label("rollouts-pod-template-hash") != Some(&status.current_pod_hash) =>
            {
                ["Failed", "Successful", "Error", "Inconclusive"].contains(&object.text("/status/phase")).to_string()
            }
            "AnalysisRun" => object.text("/status/phase").to_owned(),
            _ => continue,
        };
        outcome.insert(format!("{} {}", object.gvk().kind, object.name()), text);
    }
    outcome
}

proptest! {
    #![proptest_config(cases(96))]

    /// Whatever is done to it: it comes to rest (a pass over its own result writes nothing), and
    /// never are fewer pods available than the spec allows.
    #[test]
    fn capacity_holds_and_everything_comes_to_rest(case in case()) {
        let report = case.simulation().run().expect("it comes to rest");
        prop_assert!(report.least_available() >= case.least(), "{} of at least {}\n{report}", report.least_available(), case.least());
        // Nobody serves users beside what the status says.
        if report.phase() == "Healthy" {
            prop_assert_eq!(report.status().updated_replicas, case.replicas);
            prop_assert_eq!(report.status().replicas, case.replicas);
        }
    }

    /// An abort ends with all pods of the stable template, and none of another.
    #[test]
    fn an_abort_ends_on_stable(mut case in case(), at in 1_u64..300) {
        case.acts = vec![(at, Act::Abort)];
        let report = case.simulation().run().expect("it comes to rest");
        if report.is_aborted() {
            let stable = report.status().stable_rs.clone();
            for set in report.objects().iter().filter(|it| it.gvk().kind == "ReplicaSet") {
                let wanted = if set.label("rollouts-pod-template-hash") == Some(&stable) { case.replicas } else { 0 };
                prop_assert_eq!(set.integer("/spec/replicas"), Some(wanted), "{}", report);
            }
            for service in report.objects().iter().filter(|it| it.gvk().kind == "Service") {
                prop_assert_eq!(service.text("/spec/selector/rollouts-pod-template-hash"), &stable);
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(6))]

    /// A controller that is killed after any one write ends where one that lives ends.
    #[test]
    fn a_kill_at_any_write_ends_in_the_same_state(case in case()) {
        let whole = case.simulation().run().expect("it comes to rest");
        let wanted = outcome(&whole);
        for write in 1..=whole.writes().min(60) {
            let killed = case.simulation().killed_at_write(write).run().expect("it comes to rest");
            prop_assert_eq!(&outcome(&killed), &wanted, "killed at write {}\n{}\n{}", write, whole, killed);
        }
    }
}

#[test]
fn the_same_rollout_gives_the_same_report() {
    let case = Case {
        replicas: 7,
        surge: 1,
        unavailable: 1,
        steps: ["{setWeight: 30}", "{pause: {duration: 10s}}", "{analysis: {templates: [{templateName: check}]}}"]
            .map(String::from)
            .into(),
        values: vec![1, 5, 9],
        acts: vec![],
        never_ready: false,
    };
    let text = |case: &Case| case.simulation().run().expect("it runs").to_string();
    assert_eq!(text(&case), text(&case));
}

/// A rollout whose traffic a router carries, by weights that grow.
fn routed(replicas: i64, weights: &[i64], wait: u64, dynamic: bool, ping_pong: bool) -> Simulation {
    let services = if ping_pong {
        "pingPong: {pingService: canary, pongService: stable}"
    } else {
        "canaryService: canary\n      stableService: stable"
    };
    // Few routers know ping-pong.
    let router = if ping_pong { "alb: {ingress: web, servicePort: 80, rootService: root}" } else { "smi: {}" };
    let steps: Vec<_> =
        weights.iter().map(|it| format!("{{setWeight: {it}}}, {{pause: {{duration: {wait}s}}}}")).collect();
    Simulation::rollout(format!(
        r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: "web:1"}}]}}}}
  strategy:
    canary:
      {services}
      dynamicStableScale: {dynamic}
      trafficRouting: {{{router}}}
      steps: [{}]
---
apiVersion: v1
kind: Service
metadata: {{name: canary}}
spec: {{selector: {{app: web}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: stable}}
spec: {{selector: {{app: web}}}}
"#,
        steps.join(", ")
    ))
    .image("web:2")
}

#[test]
fn a_report_speaks_of_routed_traffic() {
    let report = routed(10, &[20, 60], 30, true, false).at(Duration::from_secs(50), Act::Abort).run().expect("it runs");
    assert_eq!((report.most_exposed(), report.overload()), (60, 0), "{report}");
    assert!(report.is_aborted(), "{report}");
    assert_eq!(report.entries().last().map(|it| it.canary_percent), Some(0), "{report}");
    let report = routed(10, &[20, 60], 30, false, true).run().expect("it runs");
    assert_eq!((report.phase(), report.most_exposed(), report.overload()), ("Healthy", 100, 0), "{report}");
}

#[test]
fn a_step_that_is_skipped_before_its_pods_are_there_gives_them_no_traffic_yet() {
    let simulation = routed(9, &[1, 12, 23, 34], 37, false, false);
    let report = simulation.at(Duration::from_secs(43), Act::Promote).run().expect("it runs");
    assert_eq!((report.phase(), report.overload()), ("Healthy", 0), "{report}");
}

#[test]
fn a_retry_keeps_pods_for_the_traffic_that_an_abort_has_not_taken_away_yet() {
    let simulation = routed(3, &[0, 34], 21, true, false).at(Duration::from_secs(49), Act::Abort);
    let report = simulation.at(Duration::from_secs(53), Act::Retry).run().expect("it runs");
    assert_eq!((report.phase(), report.overload()), ("Healthy", 0), "{report}");
}

proptest! {
    #![proptest_config(cases(64))]

    /// No version ever gets more of the traffic than its available pods can serve, and what is aborted
    /// gets none.
    #[test]
    fn traffic_follows_the_pods(
        replicas in 1_i64..12,
        mut weights in prop::collection::vec(0_i64..=100, 0..5),
        wait in 0_u64..60,
        dynamic: bool,
        ping_pong: bool,
        acts in prop::collection::vec((1_u64..300, prop_oneof![
            2 => Just(Act::Promote), 1 => Just(Act::PromoteFull), 2 => Just(Act::Abort), 2 => Just(Act::Retry),
        ]), 0..4),
    ) {
        weights.sort_unstable();
        let mut simulation = routed(replicas, &weights, wait, dynamic, ping_pong);
        for (at, act) in &acts {
            simulation = simulation.at(Duration::from_secs(*at), act.clone());
        }
        let report = simulation.run().expect("it comes to rest");
        prop_assert_eq!(report.overload(), 0, "{}", report);
        if report.is_aborted() {
            let canary = report.status().canary.weights.as_ref().map(|it| it.canary.weight);
            prop_assert_eq!(canary.unwrap_or_default(), 0, "{}", report);
        } else {
            prop_assert_eq!(report.phase(), "Healthy", "{}", report);
        }
    }
}
