//! AnalysisRuns: what measurements come to, without a cluster.

use argo_core::{Object, Plan, Timestamp};
use argo_rollouts::{
    api::{AnalysisPhase, AnalysisRunStatus, Measurement},
    engine::analysis::{self, Measure, MeasureAction, Observation},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("in range")
}

fn run(spec: Value) -> Object {
    Object::from_value(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
        "metadata": {"name": "r", "namespace": "n", "uid": "u"}, "spec": spec}))
}

fn measured(phase: AnalysisPhase, message: &str) -> Measurement {
    Measurement { phase, message: message.to_owned(), ..Default::default() }
}

/// Lets a run go on, with these verdicts of its measurements one after the other (the last one over
/// and over), until it is complete or nothing is due; the times of the measurements.
fn play(object: &mut Object, metric: &str, verdicts: &[AnalysisPhase]) -> Vec<i64> {
    let (mut now, mut taken) = (at(0), Vec::new());
    for _ in 0..200 {
        let mut plan = analysis::reconcile(object, &[], now);
        if plan.effects().next().is_some() {
            let verdict = verdicts[taken.len().min(verdicts.len() - 1)];
            taken.push(now.as_second() - at(0).as_second());
            plan = analysis::reconcile(object, &[Observation::new(metric, measured(verdict, "why"))], now);
        }
        if let Some(status) = &plan.status {
            object.set(&["status"], serde_json::to_value(status).expect("encodes"));
        }
        match plan.wake {
            Some(wake) => now = wake.max(now),
            None => return taken,
        }
    }
    panic!("it goes on without end: {:#}", object.value());
}

fn status(object: &Object) -> AnalysisRunStatus {
    serde_json::from_value(object.get("status").cloned().unwrap_or_default()).expect("decodes")
}

use AnalysisPhase::{Error, Failed, Inconclusive, Successful};

/// A metric's settings, verdicts, and what they come to.
#[test]
fn verdicts_follow_the_limits() {
    for (metric, verdicts, phase, message, times) in [
        (json!({}), vec![Successful], Successful, "", vec![0]),
        (
            json!({}),
            vec![Failed],
            Failed,
            "Metric \"m\" assessed Failed due to failed (1) > failureLimit (0): \"Error Message: why\"",
            vec![0],
        ),
        (json!({"count": 3, "interval": "10s"}), vec![Successful], Successful, "", vec![0, 10, 20]),
        (
            json!({"count": 3, "interval": "10s", "failureLimit": 1}),
            vec![Failed, Successful, Failed],
            Failed,
            "Metric \"m\" assessed Failed due to failed (2) > failureLimit (1): \"Error Message: why\"",
            vec![0, 10, 20],
        ),
        (
            json!({"count": 2, "interval": "1m", "inconclusiveLimit": 0}),
            vec![Inconclusive],
            Inconclusive,
            "Metric \"m\" assessed Inconclusive due to inconclusive (1) > inconclusiveLimit (0): \"Error Message: why\"",
            vec![0],
        ),
        // Errors are tried again after 10 s and do not count as measurements.
        (
            json!({"count": 1, "interval": "1m"}),
            vec![Error],
            Error,
            "Metric \"m\" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): \"Error Message: why\"",
            vec![0, 10, 20, 30, 40],
        ),
        (json!({"consecutiveErrorLimit": 1}), vec![Error, Successful], Successful, "", vec![0, 10]),
        (
            json!({"interval": "5s", "consecutiveSuccessLimit": 2, "failureLimit": -1}),
            vec![Failed, Successful],
            Successful,
            "",
            vec![0, 5, 10],
        ),
        (
            json!({"interval": "5s", "count": 3, "consecutiveSuccessLimit": 2, "failureLimit": 1}),
            vec![Successful, Failed, Successful],
            Inconclusive,
            "",
            vec![0, 5, 10],
        ),
        (
            json!({"interval": "5s", "count": 2, "consecutiveSuccessLimit": 2, "failureLimit": -1}),
            vec![Successful, Failed],
            Failed,
            "",
            vec![0, 5],
        ),
        (json!({"initialDelay": "30s"}), vec![Successful], Successful, "", vec![30]),
        (json!({"count": "2", "interval": "{{args.every}}"}), vec![Successful], Successful, "", vec![0, 7]),
    ] {
        let mut metric = metric;
        metric["name"] = json!("m");
        metric["provider"] = json!({"web": {"url": "http://x"}});
        let mut object = run(json!({"metrics": [metric], "args": [{"name": "every", "value": "7s"}]}));
        let taken = play(&mut object, "m", &verdicts);
        let status = status(&object);
        assert_eq!((status.phase, status.message.as_str(), taken), (phase, message, times), "{metric}");
        assert!(status.completed_at.is_some());
    }
}

#[test]
fn a_run_without_count_goes_on_until_it_is_told_to_end() {
    let mut object = run(json!({"metrics": [{"name": "m", "interval": "10s", "provider": {"web": {"url": "x"}}}]}));
    let plan = analysis::reconcile(&object, &[Observation::new("m", measured(Successful, ""))], at(0));
    object.set(&["status"], serde_json::to_value(plan.status).expect("encodes"));
    assert_eq!(plan.wake, Some(at(10)));
    assert_eq!(status(&object).phase, AnalysisPhase::Running);
    object.set(&["spec", "terminate"], true);
    let plan = analysis::reconcile(&object, &[], at(3));
    let ended = plan.status.expect("ends");
    assert_eq!((ended.phase, ended.message.as_str()), (Successful, "Run Terminated"));
}

#[test]
fn a_metric_that_fails_ends_the_others() {
    let object = run(json!({"metrics": [
        {"name": "a", "provider": {"web": {"url": "x"}}},
        {"name": "b", "interval": "1m", "provider": {"web": {"url": "x"}}}]}));
    let seen = [Observation::new("a", measured(Failed, "")), Observation::new("b", measured(Successful, ""))];
    let mut object = object;
    let plan = analysis::reconcile(&object, &seen, at(0));
    object.set(&["status"], serde_json::to_value(plan.status).expect("encodes"));
    let plan = analysis::reconcile(&object, &[], plan.wake.expect("looks again"));
    let ended = plan.status.expect("ends");
    assert_eq!((ended.phase, ended.result("b").map(|it| it.phase)), (Failed, Some(Successful)));
    let summary = ended.run_summary.expect("a summary");
    assert_eq!((summary.count, summary.failed, summary.successful), (2, 1, 1));
}

#[test]
fn a_dry_run_does_not_count() {
    let mut object =
        run(json!({"dryRun": [{"metricName": "m.*"}], "metrics": [{"name": "m", "provider": {"web": {"url": "x"}}}]}));
    play(&mut object, "m", &[Failed]);
    let status = status(&object);
    assert_eq!((status.phase, status.message.as_str()), (Successful, ""));
    let result = status.result("m").expect("a result");
    assert!(result.dry_run);
    assert_eq!(result.message, "Metric assessed Failed due to failed (1) > failureLimit (0)");
    assert_eq!(status.dry_run_summary.map(|it| it.failed), Some(1));
}

#[test]
fn a_measurement_that_takes_long_is_looked_after() {
    let mut object = run(json!({"metrics": [{"name": "m", "provider": {"web": {"url": "x"}}}]}));
    let begun = Measurement { phase: AnalysisPhase::Running, resume_at: Some(at(30).into()), ..Default::default() };
    let plan = analysis::reconcile(&object, &[Observation::new("m", begun)], at(0));
    assert_eq!(plan.wake, Some(at(30)));
    object.set(&["status"], serde_json::to_value(plan.status).expect("encodes"));
    let none: Vec<Measure> = analysis::reconcile(&object, &[], at(10)).effects().cloned().collect();
    assert_eq!(none, []);
    let due: Vec<_> = analysis::reconcile(&object, &[], at(30)).effects().map(|it| it.action.clone()).collect();
    assert!(matches!(due.as_slice(), [MeasureAction::Resume(_)]), "{due:?}");
    object.set(&["spec", "terminate"], true);
    let due: Vec<_> = analysis::reconcile(&object, &[], at(10)).effects().map(|it| it.action.clone()).collect();
    assert!(matches!(due.as_slice(), [MeasureAction::Terminate(_)]), "{due:?}");
}

#[test]
fn old_measurements_are_forgotten() {
    let metrics = json!([{"name": "m", "interval": "1s", "count": 25, "provider": {"web": {"url": "x"}}}]);
    let mut object = run(json!({"metrics": metrics}));
    play(&mut object, "m", &[Successful]);
    let result = status(&object).result("m").cloned().expect("a result");
    assert_eq!((result.count, result.measurements.len()), (25, 10));
    let mut object = run(json!({"metrics": metrics, "measurementRetention": [{"metricName": "m", "limit": 15}]}));
    play(&mut object, "m", &[Successful]);
    assert_eq!(status(&object).result("m").map(|it| it.measurements.len()), Some(15));
}

#[test]
fn a_finished_run_goes_when_its_time_is_over() {
    let mut object = run(json!({"ttlStrategy": {"secondsAfterCompletion": 100, "secondsAfterFailure": 10},
        "metrics": [{"name": "m", "provider": {"web": {"url": "x"}}}]}));
    play(&mut object, "m", &[Failed]);
    let plan: Plan<_, _> = analysis::reconcile(&object, &[], at(5));
    assert_eq!((plan.wake, plan.actions.len()), (Some(at(10)), 0));
    let plan = analysis::reconcile(&object, &[], at(10));
    assert_eq!(plan.changes().map(|it| it.verb()).collect::<Vec<_>>(), ["delete"]);
}

#[test]
fn what_can_not_be_measured_is_said_at_once() {
    for (spec, message) in [
        (json!({"metrics": []}), "Analysis spec invalid: no metrics specified"),
        (
            json!({"metrics": [{"name": "m", "successCondition": "{{args.x}}", "provider": {"web": {}}}]}),
            "Unable to resolve metric arguments: failed to resolve {{args.x}}",
        ),
        (
            json!({"dryRun": [{"metricName": "z"}], "metrics": [{"name": "m", "provider": {"web": {}}}]}),
            "Analysis spec invalid: dryRun[0]: Rule didn't match any metric name(s)",
        ),
    ] {
        let plan = analysis::reconcile(&run(spec), &[], at(0));
        let status = plan.status.expect("a status");
        assert_eq!((status.phase, status.message.as_str()), (Error, message));
    }
    let plan = analysis::reconcile(&run(json!({"metrics": "many"})), &[], at(0));
    assert!(plan.status.expect("a status").message.starts_with("Analysis spec invalid: "));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A pass over its own result at the same time writes nothing and measures nothing anew.
    #[test]
    fn passes_are_idempotent(verdicts in prop::collection::vec(0_u8..4, 1..8), count in 1_i64..6, limit in 0_i64..3) {
        let phases = [Successful, Failed, Error, Inconclusive];
        let verdicts: Vec<_> = verdicts.iter().map(|it| phases[usize::from(*it)]).collect();
        let count = count.max(limit);
        let mut object = run(json!({"metrics": [{"name": "m", "interval": "10s", "count": count, "failureLimit": limit,
            "inconclusiveLimit": limit.min(count), "provider": {"web": {"url": "x"}}}]}));
        let mut now = at(0);
        for step in 0..60 {
            let mut plan = analysis::reconcile(&object, &[], now);
            if plan.effects().next().is_some() {
                let verdict = verdicts[step % verdicts.len()];
                plan = analysis::reconcile(&object, &[Observation::new("m", measured(verdict, ""))], now);
            }
            if let Some(status) = &plan.status {
                object.set(&["status"], serde_json::to_value(status).expect("encodes"));
                let again = analysis::reconcile(&object, &[], now);
                prop_assert!(again.status.is_none() || status.phase == AnalysisPhase::Running, "{:?}", again);
                prop_assert!(again.effects().next().is_none());
            }
            let Some(wake) = plan.wake else { break };
            now = wake.max(now);
        }
        prop_assert!(status(&object).phase.is_complete());
    }
}
