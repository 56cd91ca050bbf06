//! Events that submit workflows, attempts that avoid machines, and what is said of a workflow out of time.

use std::{collections::BTreeMap, sync::Arc};

use argo_workflows::{
    api::{Workflow, WorkflowEventBinding, WorkflowSpec},
    engine::{Catalog, DispatchError, Effect, Event, StepResult, dispatch},
    executor::{ScriptedExecutor, scripted::Script},
    testing::Run,
};
use serde_json::{Value, json};

fn binding(selector: &str, submit: Value) -> WorkflowEventBinding {
    let object = json!({
        "metadata": {"name": "on-push", "namespace": "ci"},
        "spec": {"event": {"selector": selector}, "submit": submit},
    });
    serde_json::from_value(object).unwrap()
}

fn send(binding: &WorkflowEventBinding, payload: Value) -> Result<Option<Workflow>, DispatchError> {
    let mut catalog = Catalog::default();
    let template: WorkflowSpec = serde_json::from_value(json!({
        "entrypoint": "a", "templates": [{"name": "a", "container": {"image": "x"}}],
        "workflowMetadata": {"labels": {"team": "blue", "own": "template"}},
    }))
    .unwrap();
    catalog.templates.insert("build".into(), Arc::new(template));
    let headers = BTreeMap::from([
        ("X-GitHub-Event".to_owned(), vec!["push".to_owned()]),
        ("Authorization".to_owned(), vec!["hush".to_owned()]),
    ]);
    let event = Event { namespace: "ci", discriminator: "github", headers: &headers, payload: &payload };
    dispatch(binding, &event, &catalog, Some("one"), "x7k2p")
}

#[test]
fn an_event_that_matches_submits_its_template_with_what_it_brought() {
    let it = binding(
        "discriminator == 'github' && metadata['x-github-event'] == ['push'] && payload.branch in ['main']",
        json!({
            "workflowTemplateRef": {"name": "build"},
            "metadata": {"generateName": "payload.repo + '-'", "labels": {"own": "sprig.upper(payload.branch)"},
                "annotations": {"by": "payload.who.name"}},
            "arguments": {"parameters": [
                {"name": "commit", "valueFrom": {"event": "payload.commit"}},
                {"name": "files", "valueFrom": {"event": "payload.files"}},
                {"name": "count", "valueFrom": {"event": "len(payload.files)"}}]},
        }),
    );
    let payload = json!({"repo": "web", "branch": "main", "commit": "abc", "files": ["a", "b"], "who": {"name": "me"}});
    let workflow = send(&it, payload).unwrap().unwrap();
    let json = serde_json::to_value(&workflow).unwrap();
    assert_eq!(
        json,
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
            "metadata": {"name": "web-x7k2p", "generateName": "web-", "namespace": "ci",
                "labels": {"team": "blue", "own": "MAIN", "workflows.argoproj.io/workflow-template": "build",
                    "workflows.argoproj.io/controller-instanceid": "one",
                    "workflows.argoproj.io/workflow-event-binding": "on-push"},
                "annotations": {"by": "me"}},
            "spec": {"workflowTemplateRef": {"name": "build"}, "arguments": {"parameters": [
                {"name": "commit", "value": "abc"}, {"name": "files", "value": "[\"a\",\"b\"]"},
                {"name": "count", "value": "2"}]}},
        })
    );
}

#[test]
fn an_event_that_does_not_match_submits_nothing() {
    let submit = json!({"workflowTemplateRef": {"name": "build"}});
    assert_eq!(send(&binding("payload.branch == 'main'", submit.clone()), json!({"branch": "dev"})), Ok(None));
    assert_eq!(send(&binding("true", Value::Null), json!({})), Ok(None));
    // Credentials are not told to anybody.
    let it = binding("'authorization' in metadata", submit.clone());
    assert_eq!(send(&it, json!({})), Ok(None));
    let named = send(&binding("true", submit), json!({})).unwrap().unwrap();
    assert_eq!(named.name(), "build-x7k2p");
}

#[test]
fn what_can_not_be_evaluated_is_said_in_upstreams_words() {
    let submit = |more: Value| {
        let mut it = json!({"workflowTemplateRef": {"name": "build"}});
        it.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        it
    };
    let of = |selector: &str, it: Value| send(&binding(selector, it), json!({"n": 1})).unwrap_err().to_string();
    let starts = |text: String, with: &str| assert!(text.starts_with(with), "{text}");
    starts(of("garbage!!!", submit(json!({}))), "failed to evaluate workflow template expression: ");
    starts(of("payload.n", submit(json!({}))), "failed to evaluate workflow template expression: unable to cast");
    assert_eq!(
        of("true", json!({"workflowTemplateRef": {"name": "none", "clusterScope": true}})),
        "failed to get workflow template: clusterworkflowtemplates.argoproj.io \"none\" not found"
    );
    let parameter = |it: Value| submit(json!({"arguments": {"parameters": [it]}}));
    assert_eq!(
        of("true", parameter(json!({"name": "p", "value": "x"}))),
        "malformed workflow template parameter \"p\": valueFrom is nil"
    );
    starts(
        of("true", parameter(json!({"name": "p", "valueFrom": {"event": "nothing.here"}}))),
        "failed to evaluate workflow template parameter \"p\" expression: ",
    );
    let metadata = |it: Value| submit(json!({"metadata": it}));
    starts(
        of("true", metadata(json!({"name": "payload.n"}))),
        "workflow name expression must evaluate to a string, not 1",
    );
    starts(
        of("true", metadata(json!({"labels": {"a": "((" }}))),
        "failed to evaluate workflow label \"a\" expression: ",
    );
}

/// Machines that a pass keeps the attempts it starts away from, by node.
fn avoided(run: &Run) -> Vec<(String, Vec<String>)> {
    let plan = run.plan();
    let starts = plan.effects().filter_map(|it| match it {
        Effect::Start(step) => Some((step.node_name.clone(), step.avoid_hosts.clone())),
        _ => None,
    });
    starts.collect()
}

#[test]
fn further_attempts_avoid_machines_where_earlier_ones_failed() {
    for (affinity, hosts) in [("affinity: {nodeAntiAffinity: {}}, ", vec!["n0", "n1"]), ("", vec![])] {
        let manifest = format!(
            "metadata: {{name: wf}}\nspec:\n  entrypoint: a\n  templates:\n  - name: a\n    retryStrategy: {{{affinity}limit: 5}}\n    container: {{image: x, command: [x]}}\n"
        );
        let fails = |it: &argo_workflows::engine::StepRequest| {
            let number = it.node_name.split(['(', ')']).nth(1).unwrap();
            Script::ends(StepResult {
                host: Some(format!("n{}", number.parse::<u32>().unwrap() % 2)),
                ..StepResult::exited(1)
            })
        };
        let mut run = Run::yaml(&manifest).with(ScriptedExecutor::new().with("a", fails));
        for _ in 0..20 {
            let starts = avoided(&run);
            if starts.iter().any(|it| it.0 == "wf(3)") {
                assert_eq!(starts, [("wf(3)".to_owned(), hosts.iter().map(|it| (*it).to_owned()).collect())]);
                break;
            }
            run.pass();
        }
        assert!(run.node("wf(2)").is_some());
    }
}

#[test]
fn a_workflow_that_ran_out_of_time_says_so_once() {
    let manifest = "metadata: {name: wf}\nspec:\n  entrypoint: a\n  activeDeadlineSeconds: 5\n  templates: [{name: a, container: {image: x, command: [x]}}]\n";
    let script = Script::succeeds().after(std::time::Duration::from_secs(60));
    let mut run = Run::yaml(manifest).on("a", script);
    let mut told = 0;
    for _ in 0..20 {
        told += run.plan().notes.iter().filter(|it| it.reason == "WorkflowTimedOut").count();
        if !run.pass() && (run.is_over() || !run.wait()) {
            break;
        }
    }
    assert_eq!((told, run.status().as_str()), (1, "Failed"));
}
