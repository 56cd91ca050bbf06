//! Metrics of workflows, and of the controller.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Change, Clock, Object, ObjectKey, Resource,
    runtime::{Context, Requests, Shutdown},
};
use argo_embedded::Cluster;
use argo_workflows::{
    api::{Workflow, crds},
    controller::Controller,
    engine::StepResult,
    executor::{ScriptedExecutor, scripted::Script},
    testing::Run,
};
use serde_json::json;

fn text(run: &Run) -> String {
    let mut out = String::new();
    run.metrics.write(&mut out, run.now);
    out
}

fn condition(run: &Run) -> Option<String> {
    let all = &run.workflow.status.conditions;
    all.iter().find(|it| it.kind == "MetricsError").and_then(|it| it.message.clone())
}

const TRIES: &str = r#"
metadata: {name: wf}
spec:
  entrypoint: main
  metrics:
    prometheus:
    - {name: wf_status, help: "how it ended", labels: [{key: status, value: "{{workflow.status}}"}], counter: {value: "1"}}
    - {name: wf_running, help: "how long it runs", gauge: {realtime: true, value: "{{workflow.duration}}"}}
  templates:
  - name: main
    steps:
    - - {name: flip, template: flip, withItems: [1, 2, 3], continueOn: {failed: true}}
    # Somebody must read the result for it to be kept.
    - - {name: end, template: end, arguments: {parameters: [{name: r, value: "{{steps.flip.outputs.result}}"}]}}
  - name: end
    inputs: {parameters: [{name: r}]}
    container: {image: x, command: [x]}
  - name: flip
    metrics:
      prometheus:
      - {name: flips, help: "flips by result", labels: [{key: result, value: "{{outputs.result}}"}], when: "{{status}} == Succeeded", counter: {value: "2"}}
      - {name: level, help: "a level", gauge: {value: "{{outputs.result}}", operation: Add}}
      - {name: took, help: "how long it took", histogram: {buckets: [1, "2.5", 10], value: "{{duration}}"}}
    script: {image: x, command: [x], source: x}
"#;

#[test]
fn steps_and_the_workflow_are_counted_once() {
    let executor = ScriptedExecutor::new().with("flip", |it| {
        let number = it.node_name.split(['(', ':']).nth(1).unwrap().parse::<u64>().unwrap() + 1;
        let result = StepResult { result: Some(number.to_string()), ..StepResult::succeeded() };
        Script::ends(if number == 3 {
            StepResult { result: Some("3".into()), ..StepResult::exited(1) }
        } else {
            result
        })
        .after(Duration::from_secs(2 * number))
    });
    let run = Run::yaml(TRIES).with(executor).finish();
    let out = text(&run);
    assert_eq!(condition(&run), None, "{out}");
    for line in [
        "# HELP argo_workflows_flips flips by result",
        "# TYPE argo_workflows_flips counter",
        "argo_workflows_flips{result=\"1\"} 2",
        "argo_workflows_flips{result=\"2\"} 2",
        "argo_workflows_level 6",
        "argo_workflows_took_bucket{le=\"1\"} 0",
        "argo_workflows_took_bucket{le=\"2.5\"} 1",
        "argo_workflows_took_bucket{le=\"10\"} 3",
        "argo_workflows_took_bucket{le=\"+Inf\"} 3",
        "argo_workflows_took_sum 12",
        "argo_workflows_took_count 3",
        "argo_workflows_wf_status{status=\"Succeeded\"} 1",
        "# TYPE argo_workflows_wf_running gauge",
        "argo_workflows_wf_running 6",
    ] {
        assert!(out.lines().any(|it| it == line), "{line} is not in\n{out}");
    }
    assert!(!out.contains("result=\"3\""), "it did not succeed:\n{out}");
}

#[test]
fn a_realtime_gauge_goes_on_until_its_node_ends() {
    let manifest = r#"
metadata: {name: wf}
spec:
  entrypoint: slow
  templates:
  - name: slow
    metrics: {prometheus: [{name: running, help: h, labels: [{key: of, value: "{{workflow.name}}"}], gauge: {realtime: true, value: "{{duration}}"}}]}
    container: {image: x, command: [x]}
"#;
    let script = Script::succeeds().after(Duration::from_secs(60));
    let run = Run::yaml(manifest).on("slow", script).run_for(Duration::from_secs(20));
    assert!(text(&run).contains("argo_workflows_running{of=\"wf\"} 20\n"), "{}", text(&run));
    let mut run = run.finish();
    run.now += Duration::from_secs(100);
    assert!(text(&run).contains("argo_workflows_running{of=\"wf\"} 60\n"), "{}", text(&run));
    run.metrics.expire(Duration::from_secs(10), run.now);
    assert_eq!(text(&run), "");
}

#[test]
fn attempts_are_counted_and_the_last_one_through_its_retry_node() {
    let manifest = r#"
metadata: {name: wf}
spec:
  entrypoint: flaky
  templates:
  - name: flaky
    retryStrategy: {limit: 5}
    metrics: {prometheus: [{name: runs, help: h, labels: [{key: status, value: "{{status}}"}, {key: code, value: "{{exitCode}}"}], counter: {value: "1"}}]}
    container: {image: x, command: [x]}
"#;
    let executor = ScriptedExecutor::new()
        .with("flaky", |it| if it.node_name.ends_with("(2)") { Script::succeeds() } else { Script::exits(7) });
    let run = Run::yaml(manifest).with(executor).finish();
    let out = text(&run);
    assert!(out.contains("argo_workflows_runs{code=\"7\",status=\"Failed\"} 2\n"), "{out}");
    assert!(out.contains("argo_workflows_runs{code=\"0\",status=\"Succeeded\"} 1\n"), "{out}");
    assert_eq!(out.lines().count(), 4, "{out}");
}

#[test]
fn what_can_not_be_counted_is_a_condition() {
    let of = |metric: &str| {
        let manifest = format!(
            "metadata: {{name: wf}}\nspec:\n  entrypoint: a\n  metrics: {{prometheus: [{metric}]}}\n  templates: [{{name: a, container: {{image: x, command: [x]}}}}]\n"
        );
        let run = Run::yaml(&manifest).finish();
        assert_eq!(run.status().as_str(), "Succeeded", "a metric spoils nothing");
        condition(&run).unwrap_or_default()
    };
    for (metric, message) in [
        ("{name: a, counter: {value: '1'}}", "metric 'a' must contain a help string under 'help: ' field"),
        (
            "{name: a-b, help: h, counter: {value: '1'}}",
            "could not construct metric 'a-b': metric name is invalid: names may only contain alphanumeric characters or '_'",
        ),
        (
            "{name: a, help: h, counter: {value: many}}",
            "could not construct metric 'a': strconv.ParseFloat: parsing \"many\": invalid syntax",
        ),
        ("{name: a, help: h}", "could not construct metric 'a': invalid metric spec"),
        (
            "{name: a, help: h, gauge: {realtime: true, value: '1'}}",
            "real time metrics can only be used with metric variables",
        ),
        (
            "{name: a, help: h, gauge: {realtime: true, value: '{{status}}'}}",
            "'status' is not available as a real time metric",
        ),
        ("{name: a, help: h, counter: {value: '1'}}, {name: a, help: other, counter: {value: '1'}}", ""),
    ] {
        assert_eq!(of(metric), message, "{metric}");
    }
    let unresolved = of("{name: a, help: h, counter: {value: '{{nothing.here}}'}}");
    assert!(unresolved.starts_with("unable to substitute parameters for metric 'a':"), "{unresolved}");
}

#[test]
fn a_name_keeps_its_help_and_type() {
    let manifest = |metric: &str| {
        format!(
            "metadata: {{name: wf}}\nspec:\n  entrypoint: a\n  metrics: {{prometheus: [{metric}]}}\n  templates: [{{name: a, container: {{image: x, command: [x]}}}}]\n"
        )
    };
    let first = Run::yaml(&manifest("{name: a, help: h, counter: {value: '1'}}")).finish();
    for (metric, message) in [
        (
            "{name: a, help: other, counter: {value: '1'}}",
            "could not construct metric 'a': help for metric a is already set to h, it cannot be changed",
        ),
        (
            "{name: a, help: h, gauge: {value: '1'}}",
            "could not construct metric 'a': found existing counter for custom metric a of type gauge",
        ),
    ] {
        let next = Run::yaml(&manifest(metric));
        let emission = argo_workflows::engine::Emission {
            name: "a".into(),
            help: "h".into(),
            labels: Default::default(),
            value: argo_workflows::engine::Measure::Count(1.0),
        };
        next.metrics.count("other", &emission, next.now).unwrap();
        let next = next.finish();
        assert_eq!(condition(&next).as_deref(), Some(message));
    }
    assert!(text(&first).contains("argo_workflows_a 1\n"));
}

#[tokio::test(start_paused = true)]
async fn the_controller_tells_its_own_metrics_and_those_of_workflows() {
    let clock = Clock::virtual_at("2026-01-01T00:00:00Z".parse().unwrap());
    let cluster = Cluster::builder().clock(clock.clone()).build().unwrap();
    cluster.install_crds(&crds()).unwrap();
    let requests = Requests::default();
    let context = Context::builder(requests.counting(cluster.client())).clock(clock).build();
    let shutdown = Shutdown::new();
    let executor = ScriptedExecutor::new().on("bad", Script::exits(1));
    let controller = Controller::builder(context.clone()).executor(Arc::new(executor)).count_requests(requests);
    let controller = controller.build().unwrap();
    let running = tokio::spawn(controller.run(shutdown.clone()));
    let template = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate",
        "metadata": {"name": "shared", "namespace": "default"},
        "spec": {"entrypoint": "good", "templates": [{"name": "good", "container": {"image": "x", "command": ["x"]}}]}});
    context.applier().apply(&Change::create(Object::from_value(template))).await.unwrap();
    let workflows = context.cache_of::<Workflow>();
    let metrics = json!({"prometheus": [{"name": "ended", "help": "ends", "counter": {"value": "1"}}]});
    for (name, spec) in [
        ("one", json!({"workflowTemplateRef": {"name": "shared"}})),
        (
            "two",
            json!({"entrypoint": "bad", "metrics": metrics,
            "templates": [{"name": "bad", "container": {"image": "x", "command": ["x"]}}]}),
        ),
    ] {
        let object = Object::new(&Workflow::gvk(), Some("default"), name).with(&["spec"], spec);
        context.applier().apply(&Change::create(object)).await.unwrap();
        let key = ObjectKey::new(Some("default"), name);
        let ended = |it: Arc<Object>| it.label("workflows.argoproj.io/completed") == Some("true");
        let patience = async {
            while !workflows.get(&key).is_some_and(ended) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // Counted after it is written.
            while !context.metrics().text().contains("phase=\"Failed\"") && name == "two" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(600), patience).await.unwrap();
    }
    for name in ["holds", "waits"] {
        let spec = json!({"entrypoint": "main", "synchronization": {"mutexes": [{"name": "m"}]},
            "templates": [{"name": "main", "suspend": {}}]});
        let object = Object::new(&Workflow::gvk(), Some("default"), name).with(&["spec"], spec);
        context.applier().apply(&Change::create(object)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let text = context.metrics().text();
    for line in [
        "argo_workflows_gauge{phase=\"Failed\"} 1",
        "argo_workflows_gauge{phase=\"Succeeded\"} 1",
        "argo_workflows_gauge{phase=\"Running\"} 1",
        "argo_workflows_total_count{namespace=\"default\",phase=\"Running\"} 3",
        "argo_workflows_total_count{namespace=\"default\",phase=\"Failed\"} 1",
        "argo_workflows_workflowtemplate_triggered_total{cluster_scope=\"false\",name=\"shared\",namespace=\"default\",phase=\"Succeeded\"} 1",
        "argo_workflows_workflowtemplate_runtime_count{cluster_scope=\"false\",name=\"shared\",namespace=\"default\"} 1",
        "argo_workflows_queue_depth_gauge{queue_name=\"workflow_queue\"} 0",
        "argo_workflows_locks_held{lock_name=\"m\",namespace=\"default\",storage=\"configmap\",type=\"mutex\"} 1",
        "argo_workflows_locks_pending{lock_name=\"m\",namespace=\"default\",storage=\"configmap\",type=\"mutex\"} 1",
        "argo_workflows_locks_taken_total{lock_name=\"m\",namespace=\"default\",storage=\"configmap\",type=\"mutex\"} 1",
        "argo_workflows_pods_total_count{namespace=\"default\",phase=\"Failed\"} 1",
        "argo_workflows_pods_total_count{namespace=\"default\",phase=\"Succeeded\"} 1",
        "argo_workflows_k8s_request_total{kind=\"workflows\",status_code=\"200\",verb=\"Watch\"} 1",
        "argo_workflows_is_leader 1",
        "argo_workflows_ended 1",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("argo_workflows_operation_duration_seconds_count "));
    shutdown.cancel();
    running.await.unwrap();
    drop(cluster);
}
