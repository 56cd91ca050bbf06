//! Fields of statuses and labels that tell of a run what is not its graph.

use std::time::Duration;

use argo_workflows::{
    engine::{Baseline, StepResult, baseline_label},
    executor::scripted::{Script, ScriptedExecutor},
    testing::Run,
};

#[test]
fn a_run_is_estimated_by_the_one_before_it() {
    const WORKFLOW: &str = r#"
metadata: {name: first, labels: {workflows.argoproj.io/cron-workflow: nightly}}
spec:
  entrypoint: main
  templates:
  - name: main
    steps: [[{name: a, template: run}], [{name: b, template: run}]]
  - {name: run, container: {image: a, command: [a]}}
"#;
    let slow = |seconds: u64| {
        ScriptedExecutor::new().otherwise(move |_| Script::succeeds().after(Duration::from_secs(seconds)))
    };
    let first = Run::yaml(WORKFLOW).with(slow(30)).finish();
    assert_eq!(first.workflow.status.estimated_duration, None);
    assert_eq!(baseline_label(&first.workflow), Some(("workflows.argoproj.io/cron-workflow", "nightly")));
    let mut second = Run::yaml(&WORKFLOW.replace("first", "second-first")).with(slow(10));
    second.baseline = Some(Baseline::of(&first.workflow));
    let second = second.finish();
    assert_eq!(second.workflow.status.estimated_duration, Some(60));
    let node = |name: &str| second.workflow.status.node_named(name).unwrap().estimated_duration;
    assert_eq!(node("second-first[0].a"), Some(30));
    assert_eq!(node("second-first[1]"), Some(30));
    assert_eq!(node("second-first"), Some(60));
}

#[test]
fn what_pods_use_up_is_summed_for_groups_and_the_workflow() {
    let run = Run::yaml(
        r#"
metadata: {name: sums}
spec:
  entrypoint: main
  templates:
  - name: main
    dag:
      tasks:
      - {name: a, template: twice}
      - {name: b, template: run, dependencies: [a]}
  - name: twice
    steps: [[{name: p, template: run}, {name: q, template: run}]]
  - {name: run, container: {image: a, command: [a]}}
"#,
    );
    let run = run.with(ScriptedExecutor::new().otherwise(|_| {
        let resources = [("cpu".to_owned(), 2), ("memory".to_owned(), 5)].into();
        Script::ends(StepResult { resources, is_reported: true, ..StepResult::succeeded() })
    }));
    let run = run.finish();
    let used = |name: &str| run.workflow.status.node_named(name).unwrap().resources_duration["cpu"];
    assert_eq!((used("sums.a[0].p"), used("sums.a"), used("sums.b"), used("sums")), (2, 4, 2, 6));
    assert_eq!(run.workflow.status.resources_duration, [("cpu".to_owned(), 6), ("memory".to_owned(), 15)].into());
    assert_eq!(run.workflow.status.node_named("sums.b").unwrap().task_result_synced, Some(true));
}

#[test]
fn metadata_of_a_workflow_template_is_merged_under_the_workflows_own() {
    let run = Run::yaml(
        r#"
metadata: {name: merged}
spec:
  workflowTemplateRef: {name: build}
  workflowMetadata: {labels: {both: workflow, own: "{{workflow.name}}"}}
"#,
    );
    let run = run.template(
        r#"
kind: WorkflowTemplate
metadata: {name: build}
spec:
  entrypoint: main
  workflowMetadata: {labels: {both: template, theirs: "{{workflow.name}}"}, annotations: {note: a}}
  templates: [{name: main, container: {image: a, command: [a]}}]
"#,
    );
    let run = run.finish();
    let label = |name: &str| run.workflow.metadata.label(name);
    assert_eq!((label("both"), label("own"), label("theirs")), (Some("workflow"), Some("merged"), Some("merged")));
    assert_eq!(run.workflow.metadata.annotation("note"), Some("a"));
}
