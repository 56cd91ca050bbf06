//! What must hold whatever happens: schedules of slow and failing pods, metrics, users and a failing
//! API server, over every strategy, each write held against the rules of [`audit`].

use std::time::Duration;

use argo_rollouts::testing::{Act, ApiFault, Report, Scenario, Simulation, simulate};
use proptest::prelude::*;

use crate::support::audit::{self, Promise};

const SERVICES: &str = r"
---
apiVersion: v1
kind: Service
metadata: {name: canary}
spec: {selector: {app: web}}
---
apiVersion: v1
kind: Service
metadata: {name: stable}
spec: {selector: {app: web}}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: check}
spec:
  metrics:
  - {name: m, interval: 20s, count: 3, failureLimit: 1, successCondition: 'result < 5', failureCondition: 'result > 6', provider: {web: {url: 'http://x'}}}
";

/// How a rollout is to go, without what happens to it.
#[derive(Debug, Clone)]
enum Strategy_ {
    Plain { surge: i64, unavailable: i64, steps: Vec<String> },
    Routed { dynamic: bool, ping_pong: bool, steps: Vec<String> },
    BlueGreen { auto: bool, preview: Option<i64>, pre: bool, post: bool },
    InPlace { stateful: bool, parallel: bool, unavailable: i64, steps: Vec<String> },
}

/// What happens to it.
#[derive(Debug, Clone)]
struct Schedule {
    replicas: i64,
    /// Seconds until pods of the images 1 to 3 are ready; absent means never.
    ready: [Option<u64>; 3],
    /// Of the one metric.
    values: Vec<u8>,
    dip: (u64, u64),
    acts: Vec<(u64, Act)>,
    windows: Vec<(u64, u64, ApiFault)>,
    at_writes: Vec<(u64, ApiFault)>,
    deadline_aborts: bool,
}

impl Strategy_ {
    fn yaml(&self) -> String {
        match self {
            Self::Plain { surge, unavailable, steps } => format!(
                "canary: {{canaryService: canary, stableService: stable, maxSurge: {surge}, maxUnavailable: {unavailable}, steps: [{}]}}",
                steps.join(", ")
            ),
            Self::Routed { dynamic, ping_pong, steps } => {
                let (services, router) = if *ping_pong {
                    (
                        "pingPong: {pingService: canary, pongService: stable}",
                        "alb: {ingress: web, servicePort: 80, rootService: root}",
                    )
                } else {
                    ("canaryService: canary, stableService: stable", "smi: {}")
                };
                format!(
                    "canary: {{{services}, dynamicStableScale: {dynamic}, trafficRouting: {{{router}}}, steps: [{}]}}",
                    steps.join(", ")
                )
            }
            Self::InPlace { unavailable, steps, .. } => {
                format!("canary: {{maxUnavailable: {unavailable}, steps: [{}]}}", steps.join(", "))
            }
            Self::BlueGreen { auto, preview, pre, post } => {
                let preview = preview.map(|it| format!(", previewReplicaCount: {it}")).unwrap_or_default();
                let analysis = |name: &str, on: bool| {
                    if on { format!(", {name}: {{templates: [{{templateName: check}}]}}") } else { String::new() }
                };
                let (pre, post) = (analysis("prePromotionAnalysis", *pre), analysis("postPromotionAnalysis", *post));
                format!(
                    "blueGreen: {{activeService: stable, previewService: canary, autoPromotionEnabled: {auto}{preview}{pre}{post}}}"
                )
            }
        }
    }

    fn promise(&self, schedule: &Schedule) -> Promise {
        let stale = schedule.windows.iter().any(|it| it.2 == ApiFault::StaleReads);
        let sees_truth = !stale;
        match self {
            Self::Plain { surge, unavailable, .. } => {
                Promise { surge: Some(*surge), unavailable: Some(*unavailable), sees_truth }
            }
            // Beside a router both versions run whole; capacity is what their traffic needs.
            Self::InPlace { unavailable, .. } => Promise { surge: None, unavailable: Some(*unavailable), sees_truth },
            Self::Routed { .. } | Self::BlueGreen { .. } => Promise { sees_truth, ..Promise::default() },
        }
    }
}

impl Schedule {
    /// A Rollout of a workload whose pods are replaced in place.
    fn in_place(&self, stateful: bool, parallel: bool, strategy: &str) -> String {
        let kind = if stateful { "StatefulSet" } else { "DaemonSet" };
        let replicas = if stateful { format!("replicas: {}", self.replicas) } else { String::new() };
        let policy = if stateful && parallel { "podManagementPolicy: Parallel" } else { "" };
        format!(
            r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: web}}
spec:
  {replicas}
  progressDeadlineSeconds: 120
  progressDeadlineAbort: {}
  workloadRef: {{apiVersion: apps/v1, kind: {kind}, name: web}}
  strategy: {{{strategy}}}
---
apiVersion: apps/v1
kind: {kind}
metadata: {{name: web}}
spec:
  {replicas}
  {policy}
  selector: {{matchLabels: {{app: web}}}}
  template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: "web:0"}}]}}}}
{SERVICES}"#,
            self.deadline_aborts,
        )
    }

    /// A DaemonSet has as many pods as there are nodes.
    fn acts<'s>(&'s self, strategy: &Strategy_) -> impl Iterator<Item = &'s (u64, Act)> {
        let sized = !matches!(strategy, Strategy_::InPlace { stateful: false, .. });
        self.acts.iter().filter(move |(_, act)| sized || !matches!(act, Act::Scale(_)))
    }

    fn run(&self, strategy: &Strategy_) -> Report {
        let yaml = format!(
            r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: web}}
spec:
  replicas: {}
  progressDeadlineSeconds: 120
  progressDeadlineAbort: {}
  selector: {{matchLabels: {{app: web}}}}
  template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: "web:0"}}]}}}}
  strategy: {{{}}}
{SERVICES}"#,
            self.replicas,
            self.deadline_aborts,
            strategy.yaml(),
        );
        let yaml = match strategy {
            Strategy_::InPlace { stateful, parallel, .. } => self.in_place(*stateful, *parallel, &strategy.yaml()),
            _ => yaml,
        };
        let seconds = Duration::from_secs;
        let nodes = usize::try_from(self.replicas).expect("few");
        let mut simulation = Simulation::rollout(yaml).nodes(nodes).image("web:1").metric("m", self.values.clone());
        simulation = simulation.metric_dip("m", seconds(self.dip.0), seconds(self.dip.1), 9);
        for (image, ready) in (1..).zip(self.ready) {
            let image = format!("web:{image}");
            simulation = match ready {
                Some(ready) => simulation.image_ready_in(image, seconds(ready)),
                None => simulation.never_ready(image),
            };
        }
        for (at, act) in self.acts(strategy) {
            simulation = simulation.at(seconds(*at), act.clone());
        }
        for (at, lasts, fault) in &self.windows {
            simulation = simulation.api_fault(seconds(*at), seconds(*lasts), *fault);
        }
        for (write, fault) in &self.at_writes {
            simulation = simulation.api_fault_at_write(*write, *fault);
        }
        simulation.run().unwrap_or_else(|error| panic!("{error}"))
    }
}

fn step() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0_i64..=100).prop_map(|it| format!("{{setWeight: {it}}}")),
        2 => (1_u64..90).prop_map(|it| format!("{{pause: {{duration: {it}s}}}}")),
        1 => Just("{pause: {}}".to_owned()),
        2 => Just("{analysis: {templates: [{templateName: check}]}}".to_owned()),
    ]
}

fn steps() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(step(), 0..6)
}

fn strategy() -> impl Strategy<Value = Strategy_> {
    prop_oneof![
        (0_i64..4, 0_i64..4, steps()).prop_map(|(surge, unavailable, steps)| Strategy_::Plain {
            surge,
            unavailable: if surge == 0 { unavailable.max(1) } else { unavailable },
            steps
        }),
        (any::<bool>(), any::<bool>(), steps()).prop_map(|(dynamic, ping_pong, steps)| Strategy_::Routed {
            dynamic,
            ping_pong,
            steps
        }),
        (any::<bool>(), any::<bool>(), 0_i64..4, steps()).prop_map(|(stateful, parallel, unavailable, steps)| {
            Strategy_::InPlace { stateful, parallel, unavailable, steps }
        }),
        (any::<bool>(), prop::option::of(1_i64..3), any::<bool>(), any::<bool>())
            .prop_map(|(auto, preview, pre, post)| Strategy_::BlueGreen { auto, preview, pre, post }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let fails = (0_u8..3, 1_usize..4, prop::option::weighted(0.8, 1_u64..100)).prop_map(|(image, count, lasts)| {
        Act::PodsFail { image: format!("web:{image}"), count, lasts: lasts.map(Duration::from_secs) }
    });
    prop_oneof![
        3 => Just(Act::Promote),
        1 => Just(Act::PromoteFull),
        2 => Just(Act::Abort),
        2 => Just(Act::Retry),
        1 => Just(Act::Pause),
        1 => Just(Act::Resume),
        2 => (0_u8..4).prop_map(|it| Act::Image(format!("web:{it}"))),
        1 => (1_i64..12).prop_map(Act::Scale),
        2 => fails,
    ]
}

fn fault(stale: bool) -> impl Strategy<Value = ApiFault> {
    let mut faults = vec![ApiFault::Conflict, ApiFault::Throttled, ApiFault::Unavailable, ApiFault::LostAnswer];
    if stale {
        faults.extend([ApiFault::StaleReads; 3]);
    }
    prop::sample::select(faults)
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let ready = prop::option::weighted(0.93, 0_u64..60);
    (
        1_i64..12,
        [ready.clone(), ready.clone(), ready],
        prop::collection::vec(0_u8..10, 1..5),
        (0_u64..300, 0_u64..60),
        prop::collection::vec((0_u64..400, act()), 0..6),
        prop::collection::vec((0_u64..300, 1_u64..90, fault(true)), 0..3),
        prop::collection::vec((1_u64..60, fault(false)), 0..6),
        any::<bool>(),
    )
        .prop_map(|(replicas, ready, values, dip, acts, windows, at_writes, deadline_aborts)| Schedule {
            replicas,
            ready,
            values,
            dip,
            acts,
            windows,
            at_writes,
            deadline_aborts,
        })
}

/// More by `PROPTEST_CASES`; failures are told with their input, none are kept in files.
fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(40);
    ProptestConfig { failure_persistence: None, max_shrink_iters: 2000, cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    /// No write of the controller breaks a rule, and however it went it ends Healthy, Paused or
    /// Degraded and says why.
    #[test]
    fn no_schedule_makes_the_controller_break_a_rule(strategy in strategy(), schedule in schedule()) {
        let report = schedule.run(&strategy);
        let breaches = audit::breaches(&report, strategy.promise(&schedule));
        prop_assert!(breaches.is_empty(), "{:#?}\n{}", breaches, report);
    }
}

fn shop(steps: &str) -> String {
    format!(
        r#"
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: web}}
spec:
  replicas: 4
  selector: {{matchLabels: {{app: web}}}}
  template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: "web:0"}}]}}}}
  strategy: {{canary: {{canaryService: canary, stableService: stable, analysis: {{templates: [{{templateName: watch}}]}}, steps: [{steps}]}}}}
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {{name: watch}}
spec: {{metrics: [{{name: m, interval: 1m, successCondition: 'result < 5', provider: {{web: {{url: 'http://x'}}}}}}]}}
{SERVICES}"#
    )
}

#[test]
fn a_scenario_is_a_document_and_its_timeline_a_picture() {
    let scenario = Scenario::from_yaml(
        r#"
image: web:1
pods: {readyIn: 10s, images: {"web:1": 40s, "web:9": never}}
metrics: {m: {values: [1], dips: [{at: 7m, for: 2m, value: 9}]}}
events:
- {at: 2m, act: podsFail, image: "web:1", count: 1, for: 30s}
- {at: 3m, act: scale, replicas: 8}
api: [{at: 415, for: 20s, fault: unavailable}]
"#,
    );
    let scenario = scenario.expect("a scenario");
    let report = simulate(&shop("{setWeight: 25}, {pause: {duration: 20m}}"), &scenario).expect("it runs");
    let aborted = report.first("RolloutAborted").expect("it is given up").at;
    assert!((Duration::from_secs(420)..Duration::from_secs(540)).contains(&aborted), "{report}");
    assert!(report.first("ApiFault").is_some(), "{report}");
    let at = |seconds: u64| {
        let samples = report.samples();
        samples.into_iter().rev().find(|it| it.at <= Duration::from_secs(seconds)).expect("a sample")
    };
    assert_eq!((at(60).old, at(60).new, at(60).canary_percent), (3, 1, 25), "{report}");
    assert_eq!((at(125).new, at(155).new), (0, 1), "a pod fails for half a minute\n{report}");
    assert_eq!((at(600).old, at(600).new, at(600).phase.as_str()), (8, 0, "Degraded"), "{report}");
    let svg = report.svg();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    for text in ["Degraded", "available pods", "somebody scales to 8", "5m00s"] {
        assert!(svg.contains(text), "{text} in {svg}");
    }
    assert_eq!(svg.matches("<polygon").count(), 3, "{svg}");
    assert!(!svg.contains("NaN"), "{svg}");
}

#[test]
fn a_scenario_that_is_none_says_what_is_wrong() {
    let error = |yaml: &str| {
        let scenario = Scenario::from_yaml(yaml).and_then(|it| it.of(shop("{setWeight: 25}")).map(drop));
        scenario.expect_err(yaml).to_string()
    };
    for (yaml, word) in [
        ("{imagee: x}", "imagee"),
        ("{events: [{at: soon, act: abort}]}", "soon"),
        ("{events: [{at: 1m, act: explode}]}", "explode"),
        ("{events: [{at: 1m, act: scale}]}", "replicas"),
        ("{events: [{at: -5s, act: abort}]}", "-5s"),
        ("{pods: {images: {\"web:1\": often}}}", "web:1"),
        ("{api: [{at: 1, for: 2, fault: fire}]}", "fire"),
        ("{image: [}", "scenario does not parse"),
    ] {
        assert!(error(yaml).contains(word), "{yaml}: {}", error(yaml));
    }
}
