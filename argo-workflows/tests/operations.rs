//! What clients do to workflows.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use argo_workflows::{
    api::{NodePhase, Workflow, WorkflowPhase},
    engine::operations::{
        OperationError, Resubmit, Retry, SetValues, resubmit, resume, retry, set, stop, suspend, terminate,
    },
    executor::scripted::{Script, ScriptedExecutor},
    testing::Run,
};
use proptest::prelude::*;

use crate::invariants::{run, tasks};

/// Goes on with a workflow that a client changed; every step succeeds unless the script says otherwise.
fn go_on(workflow: Workflow, before: &Run, executor: ScriptedExecutor) -> Run {
    let mut run = Run::value(serde_json::to_value(&workflow).unwrap()).with(executor);
    run.now = before.now;
    run
}

/// Every edge leads to a node, every node but the roots is led to, and no way leads back.
fn assert_graph(workflow: &Workflow) {
    let nodes = &workflow.status.nodes;
    let mut led_to = BTreeSet::new();
    for node in nodes.values() {
        assert_eq!(nodes[&node.id].name, node.name);
        for it in node.children.iter().chain(&node.outbound_nodes) {
            assert!(nodes.contains_key(it), "{} leads to {it}, which is not there", node.name);
        }
        led_to.extend(node.children.iter().cloned());
        if let Some(boundary) = &node.boundary_id {
            assert!(nodes.contains_key(boundary), "{} is in {boundary}, which is not there", node.name);
        }
    }
    for node in nodes.values().filter(|it| it.name != workflow.name() && !it.name.ends_with(".onExit")) {
        assert!(led_to.contains(&node.id), "nothing leads to {}", node.name);
    }
    // Taking out whoever has no way in, again and again, leaves nothing.
    let mut count: BTreeMap<&str, usize> = nodes.keys().map(|it| (it.as_str(), 0)).collect();
    nodes.values().flat_map(|it| &it.children).for_each(|it| *count.get_mut(it.as_str()).unwrap() += 1);
    let mut open: Vec<&str> = count.iter().filter(|it| *it.1 == 0).map(|it| *it.0).collect();
    let mut seen = 0;
    while let Some(id) = open.pop() {
        seen += 1;
        for child in &nodes[id].children {
            let left = count.get_mut(child.as_str()).unwrap();
            *left -= 1;
            if *left == 0 {
                open.push(child);
            }
        }
    }
    assert_eq!(seen, nodes.len(), "the edges lead in a circle");
}

const PIPELINE: &str = r"
metadata: {name: wf, labels: {team: x, workflows.argoproj.io/creator: me}}
spec:
  entrypoint: main
  arguments: {parameters: [{name: v, value: one}]}
  onExit: run
  templates:
  - name: main
    dag:
      tasks:
      - {name: build, template: run}
      - {name: test, template: tests, dependencies: [build]}
      - {name: publish, template: run, dependencies: [test]}
  - name: tests
    steps:
    - - {name: unit, template: run}
      - {name: slow, template: twice}
    - - {name: report, template: run}
  - {name: twice, retryStrategy: {limit: 1}, container: {image: x}}
  - {name: run, container: {image: x}}
";

#[test]
fn a_retry_runs_what_failed_and_what_comes_after_it() {
    let failed = Run::yaml(PIPELINE).on("twice", Script::exits(1)).finish();
    assert_eq!(failed.status(), WorkflowPhase::Failed);
    let retried = retry(&failed.workflow, &Retry::default(), failed.now).unwrap();
    assert_graph(&retried.workflow);
    let mut pods = retried.pods.clone();
    pods.sort();
    assert_eq!(pods.len(), 3, "both attempts and the exit handler: {pods:?}");
    assert_eq!(retried.workflow.status.phase, WorkflowPhase::Unset);
    assert_eq!(retried.workflow.metadata.label("workflows.argoproj.io/completed"), None);
    assert_eq!(retried.workflow.status.condition("Completed"), Some("False"));
    let again = go_on(retried.workflow, &failed, ScriptedExecutor::new()).finish();
    assert_eq!(again.status(), WorkflowPhase::Succeeded, "{}", again.tree());
    let started = ["wf.test[0].slow(0)", "wf.test[1].report", "wf.publish", "wf.onExit"];
    assert_eq!(again.executor.started(), started);
    assert_eq!(again.workflow.status.progress.as_deref(), Some("6/6"));
}

#[test]
fn a_success_is_retried_only_in_part_and_on_purpose() {
    let done = Run::yaml(PIPELINE).finish();
    let error = retry(&done.workflow, &Retry::default(), done.now).unwrap_err();
    assert_eq!(error, OperationError::RetrySucceeded);
    let how = Retry {
        restart_successful: true,
        selector: Some("displayName=report".into()),
        parameters: vec!["v=two".into()],
    };
    let retried = retry(&done.workflow, &how, done.now).unwrap();
    assert_graph(&retried.workflow);
    let parameter = &retried.workflow.spec.arguments.as_ref().unwrap().parameters[0];
    assert_eq!(parameter.value.as_ref().unwrap().as_str(), "two");
    let again = go_on(retried.workflow, &done, ScriptedExecutor::new()).finish();
    assert_eq!(again.executor.started(), ["wf.test[1].report", "wf.publish", "wf.onExit"]);
    let running =
        Run::yaml(PIPELINE).on("build", Script::succeeds().after(Duration::from_secs(9))).run_for(Duration::ZERO);
    let error = retry(&running.workflow, &Retry::default(), running.now).unwrap_err();
    assert_eq!(error.to_string(), "Cannot retry a workflow in phase Running");
}

#[test]
fn a_memoized_resubmission_takes_over_what_succeeded() {
    let failed = Run::yaml(PIPELINE).on("twice", Script::exits(1)).finish();
    let how = Resubmit { memoized: Some("abcde".into()), parameters: Vec::new() };
    let next = resubmit(&failed.workflow, &how, failed.now).unwrap();
    assert_eq!(next.name(), "wf-abcde");
    assert_eq!(next.metadata.label("workflows.argoproj.io/resubmitted-from-workflow"), Some("wf"));
    assert_eq!((next.metadata.label("team"), next.metadata.label("workflows.argoproj.io/creator")), (Some("x"), None));
    assert_graph(&next);
    let again = go_on(next, &failed, ScriptedExecutor::new()).finish();
    assert_eq!(again.status(), WorkflowPhase::Succeeded, "{}", again.tree());
    assert_eq!(again.phase("wf-abcde.build"), "Skipped");
    assert_eq!(
        again.node("wf-abcde.build").unwrap().message(),
        format!("original pod: {}", failed.node("wf.build").unwrap().id)
    );
    assert!(!again.executor.started().iter().any(|it| it.ends_with("build") || it.ends_with("unit")));
    let plain = resubmit(&failed.workflow, &Resubmit::default(), failed.now).unwrap();
    assert_eq!((plain.metadata.name, plain.metadata.generate_name.as_deref()), (None, Some("wf-")));
    assert!(plain.status.is_unset());
    let done = Run::yaml(PIPELINE).finish();
    assert_eq!(resubmit(&done.workflow, &how, done.now).unwrap_err(), OperationError::Memoized);
}

const APPROVAL: &str = r"
metadata: {name: wf}
spec:
  entrypoint: main
  templates:
  - name: main
    steps:
    - - {name: approve, template: approve}
    - - {name: go, template: run, when: '{{steps.approve.outputs.parameters.answer}} == yes'}
  - name: approve
    suspend: {}
    outputs: {parameters: [{name: answer, globalName: answer, valueFrom: {supplied: {}}}]}
  - {name: run, container: {image: x}}
";

#[test]
fn people_answer_waiting_nodes() {
    let waiting = Run::yaml(APPROVAL).run_for(Duration::from_secs(1));
    let now = waiting.now;
    let error = resume(&waiting.workflow, None, None, now).unwrap_err();
    assert_eq!(error.to_string(), "raw output parameter 'answer' has not been set and does not have a default value");
    let values = |name: &str, value: &str| SetValues {
        parameters: [(name.to_owned(), value.to_owned())].into(),
        ..SetValues::default()
    };
    let error = set(&waiting.workflow, "displayName=approve", &values("nope", "x"), now).unwrap_err();
    assert_eq!(error.to_string(), "node is not expecting output parameter 'nope'");
    let error = set(&waiting.workflow, "displayName=other", &values("answer", "x"), now).unwrap_err();
    assert!(error.to_string().ends_with("no suspend nodes matching nodeFieldSelector: displayName=other"));
    let answered = set(&waiting.workflow, "displayName=approve,phase=Running", &values("answer", "yes"), now).unwrap();
    assert_eq!(answered.status.outputs.as_ref().unwrap().parameter("answer").unwrap().effective(), Some("yes"));
    let resumed = resume(&answered, Some("displayName=approve"), Some("fine"), now).unwrap();
    let run = go_on(resumed, &waiting, ScriptedExecutor::new()).finish();
    assert_eq!((run.status(), run.phase("wf[1].go")), (WorkflowPhase::Succeeded, "Succeeded"));
    assert_eq!(run.node("wf[0].approve").unwrap().message(), "fine");
    let refused = stop(&waiting.workflow, Some("templateName=approve"), Some("no"), now).unwrap();
    let run = go_on(refused, &waiting, ScriptedExecutor::new()).finish();
    assert_eq!((run.status(), run.phase("wf[0].approve")), (WorkflowPhase::Failed, "Failed"));
}

#[test]
fn what_has_ended_is_not_suspended_or_shut_down() {
    let done = Run::yaml(PIPELINE).finish();
    assert_eq!(suspend(&done.workflow).unwrap_err().to_string(), "cannot suspend completed workflows");
    let error = terminate(&done.workflow).unwrap_err().to_string();
    assert_eq!(error, "cannot shutdown a completed workflow: workflow: \"wf\", namespace: \"default\"");
    let running =
        Run::yaml(PIPELINE).on("build", Script::succeeds().after(Duration::from_secs(9))).run_for(Duration::ZERO);
    assert_eq!(suspend(&running.workflow).unwrap().spec.suspend, Some(true));
    assert_eq!(stop(&running.workflow, None, None, running.now).unwrap().spec.shutdown.as_deref(), Some("Stop"));
    assert_eq!(terminate(&running.workflow).unwrap().spec.shutdown.as_deref(), Some("Terminate"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn retry_and_resubmit_keep_the_graph_a_graph(tasks in tasks(), well in any::<bool>()) {
        let done = run(&tasks).finish();
        if done.status() == WorkflowPhase::Succeeded {
            return Ok(());
        }
        let worked: BTreeSet<String> = done.workflow.status.nodes.values()
            .filter(|it| it.phase() == NodePhase::Succeeded).map(|it| it.name.clone()).collect();
        let executor = || if well { ScriptedExecutor::new() } else { ScriptedExecutor::new().otherwise(|_| Script::exits(1)) };
        let retried = retry(&done.workflow, &Retry::default(), done.now).unwrap();
        assert_graph(&retried.workflow);
        let kept: BTreeSet<String> = retried.workflow.status.nodes.values()
            .filter(|it| it.phase() == NodePhase::Succeeded).map(|it| it.name.clone()).collect();
        prop_assert!(kept.is_subset(&worked));
        let again = go_on(retried.workflow, &done, executor()).finish();
        prop_assert!(again.is_over(), "{}", again.tree());
        assert_graph(&again.workflow);
        prop_assert!(again.executor.started().iter().all(|it| !kept.contains(it)), "what is kept does not run again");
        let how = Resubmit { memoized: Some("again".into()), parameters: Vec::new() };
        let next = resubmit(&done.workflow, &how, done.now).unwrap();
        assert_graph(&next);
        let again = go_on(next, &done, executor()).finish();
        prop_assert!(again.is_over(), "{}", again.tree());
        assert_graph(&again.workflow);
    }
}
