//! Rules of the engine, each by a workflow in virtual time.

use std::time::Duration;

use argo_workflows::{
    api::WorkflowPhase,
    engine::{StepRequest, StepResult},
    executor::scripted::{Script, ScriptedExecutor},
    testing::Run,
};

/// A workflow with these templates, entered at `main`; `run` is a container that takes `cmd`.
fn workflow(templates: &str) -> Run {
    Run::yaml(&format!(
        r#"
metadata: {{name: wf}}
spec:
  entrypoint: main
  templates:
  - name: run
    inputs: {{parameters: [{{name: cmd, value: "true"}}]}}
    container: {{image: busybox, command: [sh, -c], args: ["{{{{inputs.parameters.cmd}}}}"]}}
{templates}"#
    ))
}

#[test]
fn a_task_waits_for_its_dependencies_and_gets_their_results() {
    let run = workflow(
        r#"
  - name: main
    dag:
      tasks:
      - {name: a, template: run}
      - name: b
        dependencies: [a]
        template: run
        arguments: {parameters: [{name: cmd, value: "echo {{tasks.a.outputs.result}} {{tasks.a.status}}"}]}
"#,
    )
    .on("a", Script::ends(StepResult::succeeded().result("hello")))
    .finish();
    assert_eq!(run.status(), WorkflowPhase::Succeeded);
    assert_eq!(run.input("wf.b", "cmd"), Some("echo hello Succeeded"));
    assert_eq!(run.executor.started(), ["wf.a", "wf.b"]);
}

#[test]
fn a_result_is_only_captured_where_somebody_reads_it() {
    let run = workflow("  - {name: main, steps: [[{name: a, template: run}]]}")
        .on("a", Script::ends(StepResult::succeeded().result("unread")))
        .finish();
    assert_eq!(run.node("wf[0].a").unwrap().outputs.as_ref().unwrap().result, None);
}

#[test]
fn depends_sees_results_of_tasks() {
    let run = workflow(
        r#"
  - name: main
    dag:
      tasks:
      - {name: bad, template: run}
      - {name: good, template: run}
      - {name: on-fail, template: run, depends: "bad.Failed && good"}
      - {name: never, template: run, depends: "bad.Succeeded || good.Failed"}
      - {name: not, template: run, depends: "!(bad.Succeeded) && (good.Succeeded || never.Omitted)"}
"#,
    )
    .on("bad", Script::exits(1))
    .finish();
    assert_eq!(run.phase("wf.on-fail"), "Succeeded");
    assert_eq!(run.phase("wf.never"), "Omitted");
    assert_eq!(run.node("wf.never").unwrap().message(), "omitted: depends condition not met");
    assert_eq!(run.phase("wf.not"), "Succeeded");
    // `bad` failed, but nobody asked for it: the targets are `on-fail` and `not`.
    assert_eq!(run.status(), WorkflowPhase::Succeeded);
}

#[test]
fn with_fail_fast_a_branch_that_is_under_way_goes_on_to_its_end() {
    let templates = |fail_fast: &str| {
        format!(
            r#"
  - name: main
    dag:
      {fail_fast}
      tasks:
      - {{name: bad, template: run}}
      - {{name: slow, template: run}}
      - {{name: after, template: run, dependencies: [slow]}}
"#
        )
    };
    for fail_fast in ["", "failFast: false"] {
        let run = workflow(&templates(fail_fast))
            .on("bad", Script::exits(1))
            .on("slow", Script::succeeds().after(Duration::from_secs(60)))
            .finish();
        assert_eq!((run.status(), run.phase("wf.after")), (WorkflowPhase::Failed, "Succeeded"), "{fail_fast}");
    }
}

#[test]
fn only_what_the_target_needs_is_run() {
    let run = workflow(
        r#"
  - name: main
    dag:
      target: b
      tasks:
      - {name: a, template: run}
      - {name: b, template: run, dependencies: [a]}
      - {name: c, template: run, dependencies: [b]}
"#,
    )
    .finish();
    assert_eq!(run.executor.started(), ["wf.a", "wf.b"]);
    assert_eq!(run.phase("wf.c"), "-");
}

#[test]
fn groups_of_steps_run_one_after_another() {
    let run = workflow(
        r#"
  - name: main
    steps:
    - - {name: a, template: run}
      - {name: b, template: run}
    - - {name: c, template: run}
"#,
    );
    let run = run.on("b", Script::succeeds().after(Duration::from_secs(5))).run_for(Duration::from_secs(4));
    assert_eq!((run.phase("wf[0].a"), run.phase("wf[0].b"), run.phase("wf[1].c")), ("Succeeded", "Running", "-"));
    let run = run.finish();
    assert_eq!(run.status(), WorkflowPhase::Succeeded);
    let id = |name: &str| run.node(name).unwrap().id.clone();
    assert_eq!(run.node("wf").unwrap().outbound_nodes, [id("wf[1].c")]);
    assert_eq!(run.node("wf[0].a").unwrap().children, [id("wf[1]")]);
    assert_eq!(run.node("wf[0].b").unwrap().children, [id("wf[1]")]);
    assert_eq!(run.workflow.status.progress.as_deref(), Some("3/3"));
}

#[test]
fn a_failed_step_fails_its_group_unless_it_may_go_on() {
    let templates = |extra: &str| {
        format!(
            "  - name: main\n    steps:\n    - - {{name: a, template: run{extra}}}\n    - - {{name: b, template: run}}\n"
        )
    };
    let run = workflow(&templates("")).on("a", Script::exits(3)).finish();
    let a = run.node("wf[0].a").unwrap();
    assert_eq!(a.message(), "main: Error (exit code 3)");
    assert_eq!(run.message(), format!("child '{}' failed", a.id));
    assert_eq!(run.phase("wf[1].b"), "-");
    let run = workflow(&templates(", continueOn: {failed: true}")).on("a", Script::exits(3)).finish();
    assert_eq!((run.status(), run.phase("wf[1].b")), (WorkflowPhase::Succeeded, "Succeeded"));
}

#[test]
fn when_decides_and_says_so() {
    let run = workflow(
        r#"
  - name: main
    steps:
    - - {name: flip, template: run}
    - - {name: heads, template: run, when: "{{steps.flip.outputs.result}} == heads"}
      - {name: tails, template: run, when: "{{steps.flip.outputs.result}} == tails"}
"#,
    )
    .on("flip", Script::ends(StepResult::succeeded().result("heads")))
    .finish();
    assert_eq!((run.phase("wf[1].heads"), run.phase("wf[1].tails")), ("Succeeded", "Skipped"));
    assert_eq!(run.node("wf[1].tails").unwrap().message(), "when 'heads == tails' evaluated false");
    let run = workflow("  - {name: main, steps: [[{name: a, template: run, when: '1 +'}]]}").finish();
    assert_eq!((run.phase("wf[0].a"), run.phase("wf[0]"), run.status()), ("Error", "Error", WorkflowPhase::Failed));
}

#[test]
fn loops_expand_and_their_outputs_come_back_in_order() {
    let run = Run::yaml(
        r#"
metadata: {name: wf}
spec:
  entrypoint: main
  templates:
  - name: main
    dag:
      tasks:
      - name: each
        template: double
        arguments: {parameters: [{name: num, value: "{{item.num}}"}]}
        withItems: [{num: 3}, {num: 1}]
      - name: sum
        template: print
        dependencies: [each]
        arguments: {parameters: [{name: num, value: "{{tasks.each.outputs.parameters.out}} {{tasks.each.outputs.result}}"}]}
      - {name: none, template: print, arguments: {parameters: [{name: num, value: x}]}, withParam: "[]"}
  - name: double
    inputs: {parameters: [{name: num}]}
    outputs: {parameters: [{name: out, valueFrom: {path: out}}]}
    container: {image: busybox, command: ["true"]}
  - name: print
    inputs: {parameters: [{name: num}]}
    container: {image: busybox, command: ["true"]}
"#,
    )
    .with(ScriptedExecutor::new().with("double", |step: &StepRequest| {
        let n = step.template.input_parameters()[0].effective().unwrap().parse::<u64>().unwrap();
        // Later items end first: order is that of the items.
        Script::ends(StepResult::succeeded().parameter("out", (n * 2).to_string()).result(n.to_string()))
            .after(Duration::from_secs(n))
    }))
    .finish();
    assert_eq!(run.input("wf.sum", "num"), Some(r#"["6","2"] [3,1]"#));
    assert_eq!(run.phase("wf.each(0:num:3)"), "Succeeded");
    assert_eq!(run.node("wf.none").unwrap().message(), "Skipped, empty params");
    insta::assert_snapshot!(run.tree(), @r"
    wf DAG Succeeded
      each TaskGroup Succeeded
      each(0:num:3) Pod Succeeded
      each(1:num:1) Pod Succeeded
      none Skipped Skipped: Skipped, empty params
      sum Pod Succeeded
    ");
}

#[test]
fn an_empty_loop_in_steps_leaves_a_node_that_says_so() {
    let run = workflow(
        r#"
  - name: main
    steps:
    - - {name: none, template: run, withParam: "[]"}
    - - {name: b, template: run}
"#,
    )
    .finish();
    assert_eq!(run.status(), WorkflowPhase::Succeeded);
    let none = run.node("wf[0].none").unwrap();
    assert_eq!((run.phase("wf[0].none"), none.message()), ("Skipped", "Skipped, empty params"));
    assert_eq!(run.node("wf[0]").unwrap().children, std::slice::from_ref(&none.id));
    assert_eq!(none.children, [run.node("wf[1]").unwrap().id.clone()]);
}

#[test]
fn a_retry_makes_attempts_until_one_succeeds() {
    let run = Run::yaml(
        r#"
metadata: {name: wf}
spec:
  entrypoint: flaky
  templates:
  - name: flaky
    retryStrategy: {limit: "5", backoff: {duration: "10", factor: 2, cap: "15"}}
    container: {image: busybox, command: [sh, -c], args: ["attempt {{retries}}, was {{lastRetry.exitCode}}"]}
"#,
    )
    .on("wf(0)", Script::exits(7))
    .on("wf(1)", Script::exits(8))
    .run_for(Duration::from_secs(9));
    assert_eq!(run.node("wf").unwrap().message(), "Backoff for 10 seconds");
    let started = run.now;
    let run = run.finish();
    // 10 s after the first attempt, then 15 (20 capped).
    assert_eq!(run.now.duration_since(started).as_secs(), 1 + 15);
    assert_eq!(run.phase("wf(2)"), "Succeeded");
    assert_eq!(run.node("wf").unwrap().outputs, run.node("wf(2)").unwrap().outputs);
    assert_eq!(run.status(), WorkflowPhase::Succeeded);
}

#[test]
fn a_retry_ends_by_limit_policy_and_expression() {
    let flaky = |strategy: &str| {
        let manifest = format!(
            "metadata: {{name: wf}}\nspec:\n  entrypoint: flaky\n  templates:\n  - name: flaky\n    retryStrategy: {strategy}\n    container: {{image: busybox, command: [x]}}\n"
        );
        Run::yaml(&manifest).with(ScriptedExecutor::new().otherwise(|_| Script::exits(2))).finish()
    };
    let run = flaky("{limit: 2}");
    assert_eq!((run.message(), run.executor.started().len()), ("No more retries left", 3));
    let run = flaky("{limit: 2, retryPolicy: OnError}");
    assert_eq!((run.message(), run.executor.started().len()), ("main: Error (exit code 2)", 1));
    let run = flaky("{limit: 9, expression: \"asInt(lastRetry.exitCode) == 2 && asInt(retries) < 1\"}");
    assert_eq!((run.message(), run.executor.started().len()), ("retryStrategy.expression evaluated to false", 2));
    let run = flaky("{limit: 9, backoff: {factor: 2}}");
    assert_eq!((run.status(), run.message()), (WorkflowPhase::Error, "no base duration specified for retryStrategy"));
}

#[test]
fn the_exit_handler_runs_after_everything_and_can_spoil_a_success() {
    let templates = r#"
  - {name: main, steps: [[{name: a, template: run}]]}
  - name: bye
    steps:
    - - {name: tell, template: run, arguments: {parameters: [{name: cmd, value: "{{workflow.status}} {{workflow.name}}"}]}}
"#;
    let exit = |run: Run| {
        let mut run = run;
        run.workflow.spec.on_exit = Some("bye".into());
        run
    };
    let run = exit(workflow(templates)).on("a", Script::exits(1)).finish();
    assert_eq!(run.input("wf.onExit[0].tell", "cmd"), Some("Failed wf"));
    assert_eq!(run.status(), WorkflowPhase::Failed);
    let run = exit(workflow(templates)).on("tell", Script::exits(1)).finish();
    assert_eq!(run.status(), WorkflowPhase::Failed);
    assert!(run.node("wf.onExit").unwrap().node_flag.unwrap().hooked);
}

#[test]
fn hooks_of_steps_and_of_the_workflow_run_when_their_expression_holds() {
    let mut run = workflow(
        r#"
  - name: main
    steps:
    - - name: a
        template: run
        hooks:
          exit: {template: run, arguments: {parameters: [{name: cmd, value: "{{steps.a.status}}"}]}}
          running: {template: run, expression: 'steps["a"].status == "Running"'}
          never: {template: run, expression: 'steps["a"].status == "Error"'}
"#,
    );
    run.workflow.spec.hooks = serde_json::from_value(serde_json::json!({
        "failed": {"template": "run", "expression": "workflow.status == 'Failed'"},
    }))
    .unwrap();
    let run = run.with(ScriptedExecutor::new().on("wf[0].a", Script::exits(1).after(Duration::from_secs(3)))).finish();
    assert_eq!(run.input("wf[0].a.onExit", "cmd"), Some("Failed"));
    assert_eq!(run.phase("wf[0].a.hooks.running"), "Succeeded");
    assert_eq!(run.phase("wf[0].a.hooks.never"), "-");
    assert_eq!(run.phase("wf.hooks.failed"), "Succeeded");
}

#[test]
fn a_suspended_step_waits_for_its_duration_or_for_a_person() {
    let templates = |suspend: &str| {
        format!(
            "  - {{name: main, steps: [[{{name: wait, template: wait}}], [{{name: go, template: run}}]]}}\n  - {{name: wait, suspend: {suspend}}}\n"
        )
    };
    let run = workflow(&templates("{duration: 1h}")).finish();
    assert_eq!(run.status(), WorkflowPhase::Succeeded);
    assert_eq!(run.now.as_second() - run.workflow.status.started_at.unwrap().timestamp().as_second(), 3600);
    let mut run = workflow(&templates("{}")).finish();
    assert_eq!((run.status(), run.phase("wf[0].wait")), (WorkflowPhase::Running, "Running"));
    // What `argo resume` writes.
    let id = run.node("wf[0].wait").unwrap().id.clone();
    let node = run.workflow.status.nodes.get_mut(&id).unwrap();
    node.phase = serde_json::from_str("\"Succeeded\"").unwrap();
    node.finished_at = Some(run.now.into());
    assert_eq!(run.finish().phase("wf[1].go"), "Succeeded");
}

#[test]
fn terminate_ends_everything_and_stop_leaves_the_exit_handler() {
    for (shutdown, handler) in [("Terminate", "-"), ("Stop", "Succeeded")] {
        let mut run = workflow("  - {name: main, steps: [[{name: a, template: run}], [{name: b, template: run}]]}");
        run.workflow.spec.on_exit = Some("run".into());
        let mut run = run.on("a", Script::succeeds().after(Duration::from_secs(600))).run_for(Duration::from_secs(1));
        run.workflow.spec.shutdown = Some(shutdown.into());
        let run = run.finish();
        assert_eq!(run.status(), WorkflowPhase::Failed);
        assert_eq!(run.message(), format!("Stopped with strategy '{shutdown}'"));
        assert_eq!(run.node("wf[0].a").unwrap().message(), format!("workflow shutdown with strategy:  {shutdown}"));
        assert_eq!(run.phase("wf.onExit"), handler);
        assert_eq!(run.phase("wf[1].b"), "-");
    }
}

#[test]
fn an_exit_handler_that_is_terminated_fails_with_its_groups_and_so_does_the_workflow() {
    let mut run = workflow(
        r#"
  - {name: main, steps: [[{name: a, template: run}]]}
  - {name: bye, steps: [[{name: long, template: run}]]}
"#,
    );
    run.workflow.spec.on_exit = Some("bye".into());
    let mut run = run.on("long", Script::succeeds().after(Duration::from_secs(600))).run_for(Duration::from_secs(60));
    assert_eq!((run.phase("wf"), run.phase("wf.onExit")), ("Succeeded", "Running"));
    run.workflow.spec.shutdown = Some("Terminate".into());
    let run = run.finish();
    assert_eq!(run.status(), WorkflowPhase::Failed);
    assert_eq!((run.phase("wf.onExit"), run.phase("wf.onExit[0]")), ("Failed", "Failed"));
}

#[test]
fn deadlines_end_steps_and_workflows() {
    let slow = Script::succeeds().after(Duration::from_secs(600));
    let mut run = workflow("  - {name: main, steps: [[{name: a, template: run}]]}").on("a", slow.clone());
    run.workflow.spec.active_deadline_seconds = Some(30.into());
    let run = run.finish();
    assert_eq!(
        (run.status(), run.node("wf[0].a").unwrap().message()),
        (WorkflowPhase::Failed, "Step exceeded its deadline")
    );
    let run = Run::yaml(
        "metadata: {name: wf}\nspec:\n  entrypoint: a\n  templates:\n  - {name: a, timeout: 20s, container: {image: x, command: [x]}}",
    )
    .on("a", slow)
    .finish();
    assert_eq!(run.message(), "Step exceeded its deadline");
}

#[test]
fn parallelism_limits_what_runs_at_once() {
    let step = Script::succeeds().after(Duration::from_secs(10));
    let list = "withSequence: {count: 5}";
    let mut run =
        workflow(&format!("  - {{name: main, steps: [[{{name: a, template: run, {list}}}]]}}")).on("a", step.clone());
    run.workflow.spec.parallelism = Some(2);
    let run = run.run_for(Duration::from_secs(15));
    assert_eq!(run.executor.started().len(), 4);
    let run = run.finish();
    assert_eq!((run.status(), run.executor.started().len()), (WorkflowPhase::Succeeded, 5));
    let run =
        workflow(&format!("  - {{name: main, parallelism: 1, dag: {{tasks: [{{name: a, template: run, {list}}}]}}}}"))
            .on("a", step)
            .run_for(Duration::from_secs(15));
    assert_eq!(run.executor.started().len(), 2);
}

#[test]
fn outputs_of_groups_and_global_outputs_travel() {
    let run = Run::yaml(
        r#"
metadata: {name: wf}
spec:
  entrypoint: main
  arguments: {parameters: [{name: who, value: "{{workflow.name}}!"}]}
  templates:
  - name: main
    steps:
    - - {name: inner, template: inner}
    - - name: use
        template: print
        arguments: {parameters: [{name: x, value: "{{steps.inner.outputs.parameters.o}} {{workflow.outputs.parameters.g}} {{workflow.parameters.who}}"}]}
  - name: inner
    outputs: {parameters: [{name: o, valueFrom: {parameter: "{{tasks.make.outputs.parameters.p}}"}}]}
    dag: {tasks: [{name: make, template: make}]}
  - name: make
    outputs: {parameters: [{name: p, valueFrom: {path: p}, globalName: g}]}
    container: {image: busybox, command: [x]}
  - name: print
    inputs: {parameters: [{name: x}]}
    container: {image: busybox, command: [x], args: ["{{=inputs.parameters.x + '.'}}"]}
"#,
    )
    .on("make", Script::ends(StepResult::succeeded().parameter("p", "1")))
    .finish();
    assert_eq!(run.input("wf[1].use", "x"), Some("1 1 wf!"));
    assert_eq!(run.output("wf[0].inner", "o"), Some("1"));
    assert_eq!(run.workflow.status.outputs.as_ref().unwrap().parameters[0].effective(), Some("1"));
}

#[test]
fn templates_of_workflow_templates_are_stored_when_used() {
    let template = r#"
kind: WorkflowTemplate
metadata: {name: lib}
spec:
  entrypoint: outer
  templates:
  - {name: outer, steps: [[{name: x, template: inner}]]}
  - {name: inner, container: {image: busybox, command: [x]}}
"#;
    let run = Run::yaml(
        "metadata: {name: wf}\nspec:\n  entrypoint: main\n  templates:\n  - {name: main, steps: [[{name: a, templateRef: {name: lib, template: outer}}]]}",
    )
    .template(template)
    .finish();
    assert_eq!(run.status(), WorkflowPhase::Succeeded);
    assert!(run.workflow.status.stored_templates.contains_key("namespaced/lib/inner"));
    assert_eq!(run.node("wf[0].a[0].x").unwrap().template_scope.as_deref(), Some("namespaced/lib"));
    let run = Run::yaml("metadata: {name: wf}\nspec: {workflowTemplateRef: {name: lib}}").template(template).finish();
    assert_eq!(run.status(), WorkflowPhase::Succeeded);
    assert_eq!(run.workflow.metadata.label("workflows.argoproj.io/workflow-template"), Some("lib"));
    let run = Run::yaml("metadata: {name: wf}\nspec: {workflowTemplateRef: {name: nope}}").finish();
    assert_eq!(run.message(), "workflowtemplates.argoproj.io \"nope\" not found");
}

#[test]
fn a_finished_workflow_is_deleted_when_its_time_to_live_is_over() {
    let mut run = workflow("  - {name: main, steps: [[{name: a, template: run}]]}");
    run.workflow.spec.ttl_strategy =
        serde_json::from_str(r#"{"secondsAfterCompletion": 100, "secondsAfterSuccess": 50}"#).unwrap();
    let mut run = run.finish();
    assert!(!run.is_deleted());
    let ended = run.now;
    run.settle();
    assert!(run.wait());
    run.settle();
    assert!(run.is_deleted());
    assert_eq!(run.now.duration_since(ended).as_secs(), 50);
}

#[test]
fn specs_that_can_not_run_say_why() {
    let refused = |templates: &str| workflow(templates).finish().message().to_owned();
    assert_eq!(
        refused("  - {name: main, steps: [[{name: a, template: nope}]]}"),
        "invalid spec: templates.main.steps[0].a template name 'nope' undefined"
    );
    assert_eq!(
        refused(
            "  - name: main\n    dag: {tasks: [{name: a, template: run, dependencies: [b]}, {name: b, template: run, dependencies: [a]}]}"
        ),
        "invalid spec: templates.main sorting failed: graph with cycle"
    );
    assert_eq!(
        refused("  - {name: main, dag: {tasks: [{name: a, template: run, dependencies: [x]}]}}"),
        "invalid spec: templates.main sorting failed: invalid dependency x"
    );
    assert_eq!(
        refused(
            "  - {name: main, steps: [[{name: a, template: t}]]}\n  - {name: t, inputs: {parameters: [{name: p}]}, suspend: {}}"
        ),
        "invalid spec: templates.main.steps[0].a templates.t inputs.parameters.p was not supplied"
    );
    assert_eq!(
        refused("  - {name: main, steps: [[{name: a, template: run, withItem: [1]}]]}"),
        "invalid spec: templates.main.steps[0].a json: unknown field \"withItem\""
    );
    assert_eq!(
        Run::yaml("metadata: {name: wf}\nspec: {templates: []}").finish().message(),
        "invalid spec: spec.entrypoint is required"
    );
}

#[test]
fn a_template_that_calls_itself_without_end_is_stopped() {
    let run = workflow("  - {name: main, steps: [[{name: a, template: main}]]}").finish();
    assert!(run.status().is_completed());
    assert!(run.workflow.status.nodes.values().any(|it| it.message().contains("Maximum recursion depth exceeded")));
}

#[test]
fn labels_and_conditions_are_those_that_clients_read() {
    let run = workflow("  - {name: main, steps: [[{name: a, template: run}]]}").finish();
    assert_eq!(run.workflow.metadata.label("workflows.argoproj.io/phase"), Some("Succeeded"));
    assert_eq!(run.workflow.metadata.label("workflows.argoproj.io/completed"), Some("true"));
    assert_eq!(run.workflow.status.condition("Completed"), Some("True"));
    assert_eq!(run.workflow.status.condition("PodRunning"), Some("False"));
    assert!(run.mermaid().contains("wf --> "));
    assert!(run.dot().starts_with("digraph"));
    let picture = run.svg();
    assert_eq!(picture.matches("<rect").count(), run.workflow.status.nodes.len(), "{picture}");
    assert_eq!(picture.matches("<line").count(), 2, "{picture}");
}

#[test]
fn an_artifact_is_chosen_by_an_expression() {
    use argo_workflows::api::Artifact;
    let run = |coin: &str| {
        let artifact = |key: &str| {
            let json = serde_json::json!({"name": "result", "path": "/r", "s3": {"key": key}});
            StepResult { artifacts: vec![serde_json::from_value::<Artifact>(json).unwrap()], ..StepResult::succeeded() }
        };
        workflow(
            r#"
  - name: main
    steps:
    - - {name: flip, template: run}
    - - {name: heads, template: side, when: '{{steps.flip.outputs.result}} == heads'}
      - {name: tails, template: side, when: '{{steps.flip.outputs.result}} == tails'}
    - - name: use
        template: use
        arguments:
          artifacts:
          - name: in
            fromExpression: "steps.flip.outputs.result == 'heads' ? steps.heads.outputs.artifacts.result : steps.tails.outputs.artifacts.result"
    outputs:
      artifacts:
      - name: stage
        fromExpression: "steps['flip'].outputs.result == 'heads' ? steps['heads'].outputs.artifacts.result : steps['tails'].outputs.artifacts.result"
  - {name: side, outputs: {artifacts: [{name: result, path: /r}]}, container: {image: x}}
  - {name: use, inputs: {artifacts: [{name: in, path: /in}]}, container: {image: x}}
"#,
        )
        .on("flip", Script::ends(StepResult::succeeded().result(coin)))
        .on("heads", Script::ends(artifact("h")))
        .on("tails", Script::ends(artifact("t")))
        .finish()
    };
    for (coin, key) in [("heads", "h"), ("tails", "t")] {
        let run = run(coin);
        assert_eq!(run.status(), WorkflowPhase::Succeeded, "{}", run.tree());
        let given = &run.node("wf[2].use").unwrap().inputs.as_ref().unwrap().artifacts[0];
        assert_eq!((given.name.as_str(), &given.extra["s3"]["key"]), ("in", &serde_json::json!(key)));
        let stage = &run.node("wf").unwrap().outputs.as_ref().unwrap().artifacts[0];
        assert_eq!((stage.name.as_str(), &stage.extra["s3"]["key"]), ("stage", &serde_json::json!(key)));
    }
}
