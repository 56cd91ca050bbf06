//! CronWorkflows.

use std::time::Duration;

use argo_core::{Change, Object, Timestamp};
use argo_workflows::{
    api::CronWorkflow,
    engine::{CronPlan, CronWorld, reconcile_cron},
};
use serde_json::{Value, json};

/// A CronWorkflow, the workflows it made, and a clock.
struct Cron {
    cron: CronWorkflow,
    workflows: Vec<Object>,
    now: Timestamp,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Cron {
    fn new(mut spec: Value) -> Self {
        spec["workflowSpec"] = json!({"entrypoint": "main", "templates": [{"name": "main", "suspend": {}}]});
        let cron = serde_json::from_value(json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow",
            "metadata": {"name": "c", "namespace": "default", "uid": "u", "creationTimestamp": "2026-01-01T00:00:30Z"},
            "spec": spec,
        }));
        Self { cron: cron.unwrap(), workflows: vec![], now: at("2026-01-01T00:00:30Z") }
    }

    fn plan(&self) -> CronPlan {
        let workflows: Vec<&Object> = self.workflows.iter().collect();
        reconcile_cron(&CronWorld { cron: &self.cron, workflows: &workflows }, self.now)
    }

    /// Passes at `time` until nothing changes.
    fn pass(&mut self, time: &str) -> Option<Timestamp> {
        self.now = at(time);
        for _ in 0..10 {
            let plan = self.plan();
            for change in plan.changes() {
                match change {
                    Change::Create { object } => self.workflows.push(object.clone()),
                    Change::Delete { target, .. } => self.workflows.retain(|it| it.name() != target.name),
                    Change::Patch { target, patch, .. } if target.gvk.kind == "Workflow" => {
                        let it = self.workflows.iter_mut().find(|it| it.name() == target.name).unwrap();
                        argo_merge::merge_patch::apply(it.value_mut(), &patch.body);
                    }
                    Change::Patch { patch, .. } => {
                        let mut json = serde_json::to_value(&self.cron).unwrap();
                        argo_merge::merge_patch::apply(&mut json, &patch.body);
                        self.cron = serde_json::from_value(json).unwrap();
                    }
                    other => panic!("{other}"),
                }
            }
            if let Some(status) = &plan.status {
                self.cron.status = Some(status.clone());
            }
            if plan.is_empty() {
                return plan.wake;
            }
        }
        panic!("does not come to rest");
    }

    fn end(&mut self, i: usize, phase: &str) {
        self.workflows[i].set(&["status", "phase"], phase);
        self.workflows[i].set(&["status", "finishedAt"], argo_core::time::rfc3339(self.now));
    }

    fn names(&self) -> Vec<&str> {
        self.workflows.iter().map(Object::name).collect()
    }
}

#[test]
fn a_workflow_is_made_for_each_time_and_named_after_it() {
    let mut cron = Cron::new(json!({"schedules": ["*/5 * * * *"]}));
    assert_eq!(cron.pass("2026-01-01T00:00:30Z"), Some(at("2026-01-01T00:05:00Z")));
    assert!(cron.workflows.is_empty());
    cron.pass("2026-01-01T00:05:00Z");
    assert_eq!(cron.names(), [format!("c-{}", at("2026-01-01T00:05:00Z").as_second())]);
    let workflow = &cron.workflows[0];
    assert_eq!(workflow.annotation("workflows.argoproj.io/scheduled-time"), Some("2026-01-01T00:05:00Z"));
    assert_eq!(workflow.label("workflows.argoproj.io/cron-workflow"), Some("c"));
    assert!(workflow.is_controlled_by("u"));
    assert_eq!(cron.cron.status.as_ref().unwrap().active.len(), 1);
    cron.end(0, "Succeeded");
    cron.pass("2026-01-01T00:06:00Z");
    let status = cron.cron.status.as_ref().unwrap();
    assert_eq!((status.active.len(), status.succeeded, status.failed), (0, Some(1), None));
}

#[test]
fn a_missed_time_is_run_only_within_the_deadline() {
    let mut cron = Cron::new(json!({"schedules": ["0 * * * *"]}));
    cron.pass("2026-01-01T00:00:30Z");
    cron.pass("2026-01-01T01:10:00Z");
    assert!(cron.workflows.is_empty());
    let mut cron = Cron::new(json!({"schedules": ["0 * * * *"], "startingDeadlineSeconds": 1200}));
    cron.pass("2026-01-01T00:00:30Z");
    cron.pass("2026-01-01T02:10:00Z");
    assert_eq!(cron.names(), [format!("c-{}", at("2026-01-01T02:00:00Z").as_second())]);
}

#[test]
fn concurrency_policies_wait_or_replace() {
    let made = |policy: &str| {
        let mut cron = Cron::new(json!({"schedules": ["* * * * *"], "concurrencyPolicy": policy}));
        cron.pass("2026-01-01T00:01:00Z");
        cron.pass("2026-01-01T00:02:00Z");
        (cron.workflows.len(), cron.workflows[0].text("/spec/shutdown").to_owned())
    };
    assert_eq!(made("Allow"), (2, String::new()));
    assert_eq!(made("Forbid"), (1, String::new()));
    assert_eq!(made("Replace"), (2, "Terminate".to_owned()));
}

#[test]
fn suspended_stopped_or_unwilling_ones_make_nothing() {
    for spec in [
        json!({"schedules": ["* * * * *"], "suspend": true}),
        json!({"schedules": ["* * * * *"], "when": "1 == 2"}),
        json!({"schedules": ["* * * * *"], "stopStrategy": {"expression": "cronworkflow.succeeded >= 0"}}),
        json!({"schedules": ["not a schedule"]}),
    ] {
        let mut cron = Cron::new(spec.clone());
        cron.pass("2026-01-01T00:01:00Z");
        assert!(cron.workflows.is_empty(), "{spec}");
    }
    let mut cron = Cron::new(json!({"schedules": ["not a schedule"]}));
    cron.pass("2026-01-01T00:01:00Z");
    assert_eq!(cron.cron.status.as_ref().unwrap().conditions[0].kind, "SpecError");
}

#[test]
fn history_is_kept_within_its_limits() {
    let mut cron = Cron::new(json!({"schedules": ["* * * * *"], "successfulJobsHistoryLimit": 1}));
    for minute in 1..4 {
        cron.pass(&format!("2026-01-01T00:0{minute}:00Z"));
        let last = cron.workflows.len() - 1;
        cron.end(last, "Succeeded");
    }
    cron.pass("2026-01-01T00:03:30Z");
    assert_eq!(cron.names(), [format!("c-{}", at("2026-01-01T00:03:00Z").as_second())]);
    assert_eq!(cron.cron.status.as_ref().unwrap().succeeded, Some(3));
}

#[test]
fn every_counts_from_the_last_run() {
    let mut cron = Cron::new(json!({"schedules": ["@every 90s"]}));
    let first = cron.pass("2026-01-01T00:00:30Z").unwrap();
    assert_eq!(first, at("2026-01-01T00:02:00Z"));
    cron.pass("2026-01-01T00:02:00Z");
    assert_eq!(cron.workflows.len(), 1);
    let next = cron.plan().wake.unwrap();
    assert_eq!(next.duration_since(first), jiff_duration(Duration::from_secs(90)));
}

fn jiff_duration(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap()
}

#[test]
fn workflows_belong_to_the_controller_and_the_maker_of_their_cron_workflow() {
    let labels = json!({"workflows.argoproj.io/cron-workflow": "other", "own": "a"});
    let mut cron = Cron::new(json!({"schedules": ["* * * * *"], "workflowMetadata": {"labels": labels}}));
    let instance = "workflows.argoproj.io/controller-instanceid";
    for (key, value) in [(instance, "blue"), ("workflows.argoproj.io/creator", "me"), ("team", "x")] {
        cron.cron.metadata.labels.insert(key.to_owned(), value.to_owned());
    }
    cron.pass("2026-01-01T00:01:00Z");
    let made = &cron.workflows[0];
    assert_eq!((made.label(instance), made.label("workflows.argoproj.io/creator")), (Some("blue"), Some("me")));
    assert_eq!((made.label("team"), made.label("own")), (None, Some("a")));
}
