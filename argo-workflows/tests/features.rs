//! Daemons, container sets, memoization, claims and budgets, each by a workflow in virtual time.

use std::{collections::BTreeMap, time::Duration};

use argo_workflows::{
    api::WorkflowPhase,
    engine::{CacheData, ContainerResult, References, StepResult},
    executor::scripted::{Script, ScriptedExecutor},
    testing::Run,
};
use serde_json::json;

fn long() -> Script {
    Script::succeeds().after(Duration::from_secs(100_000))
}

const SERVER: &str = r"
metadata: {name: wf}
spec:
  entrypoint: main
  templates:
  - name: main
    steps:
    - - {name: server, template: server}
    - - name: client
        template: run
        arguments: {parameters: [{name: cmd, value: 'curl {{steps.server.ip}}'}]}
  - {name: server, daemon: true, container: {image: nginx}}
  - name: run
    inputs: {parameters: [{name: cmd}]}
    container: {image: curl, args: ['{{inputs.parameters.cmd}}']}
";

#[test]
fn a_daemon_is_done_when_it_is_ready_and_ends_with_its_steps() {
    use argo_workflows::engine::{LiveStep, StepState};
    let mut run = Run::yaml(SERVER).on("server", long()).on("client", Script::succeeds().after(Duration::from_secs(5)));
    run.pass();
    let server = run.node("wf[0].server").unwrap().id.clone();
    let live = |ready: bool| {
        let step = LiveStep { ready, pod_ip: Some("10.0.0.7".into()), host: Some("n1".into()), ..LiveStep::default() };
        BTreeMap::from([(server.clone(), StepState::Live(step))])
    };
    let plan = run.plan_with(&live(false));
    assert!(plan.is_empty(), "not before it is ready: {plan}");
    let plan = run.plan_with(&live(true));
    run.write(plan.status.as_ref().unwrap());
    plan.effects().for_each(|it| run.carry_out(it));
    let node = run.node("wf[0].server").unwrap();
    assert_eq!(
        (node.phase().as_str(), node.is_daemoned(), node.pod_ip.as_deref()),
        ("Running", true, Some("10.0.0.7"))
    );
    assert_eq!(run.input("wf[1].client", "cmd"), Some("curl 10.0.0.7"));
    let run = run.finish();
    assert_eq!((run.status(), run.phase("wf[0].server")), (WorkflowPhase::Succeeded, "Succeeded"));
    assert!(!run.node("wf[0].server").unwrap().is_daemoned());
    assert_eq!(run.executor.next_due(), None, "the daemon was stopped");
}

#[test]
fn a_daemon_that_ends_by_itself_has_failed() {
    let run = Run::yaml(SERVER)
        .on("server", Script::succeeds().after(Duration::from_secs(3)))
        .on("client", long())
        .run_for(Duration::from_secs(10));
    assert_eq!(run.phase("wf[0].server"), "Failed");
}

#[test]
fn a_daemon_of_a_dag_with_attempts_starts_again_when_it_fails() {
    let run = Run::yaml(
        r"
metadata: {name: wf}
spec:
  entrypoint: main
  templates:
  - name: main
    dag:
      tasks:
      - {name: server, template: server}
      - {name: client, template: run, dependencies: [server]}
  - {name: server, daemon: true, retryStrategy: {limit: 3}, container: {image: nginx}}
  - {name: run, container: {image: curl}}
",
    )
    .on("wf.server(0)", Script::exits(1).after(Duration::from_secs(3)))
    .on("wf.server(1)", long())
    .on("client", Script::succeeds().after(Duration::from_secs(60)))
    .finish();
    assert_eq!(run.executor.started(), ["wf.server(0)", "wf.client", "wf.server(1)"]);
    assert_eq!(
        (run.status(), run.phase("wf.server"), run.phase("wf.server(0)")),
        (WorkflowPhase::Succeeded, "Succeeded", "Failed")
    );
}

#[test]
fn the_containers_of_a_set_are_nodes_that_end_as_they_ended() {
    let set = r"
metadata: {name: wf}
spec:
  entrypoint: main
  templates:
  - name: main
    dag:
      tasks:
      - {name: set, template: set}
      - {name: after, template: run, depends: set.Failed}
  - name: set
    containerSet:
      containers:
      - {name: a, image: x}
      - {name: b, image: x, dependencies: [a]}
      - {name: c, image: x, dependencies: [a]}
  - {name: run, container: {image: x}}
";
    let mut result = StepResult::exited(1);
    let ended = |code, message: &str| ContainerResult { exit_code: Some(code), message: message.to_owned() };
    result.containers = [
        ("a".to_owned(), ended(0, "")),
        ("b".to_owned(), ended(64, "b: Error (exit code 64): no")),
        ("c".to_owned(), ended(1, "c")),
    ]
    .into();
    let run = Run::yaml(set).on("set", Script::ends(result)).finish();
    let phases = ["a", "b", "c"].map(|it| run.phase(&format!("wf.set.{it}")));
    assert_eq!(phases, ["Succeeded", "Error", "Failed"]);
    assert_eq!(run.node("wf.set.b").unwrap().message(), "b: Error (exit code 64): no");
    let id = |name: &str| run.node(name).unwrap().id.clone();
    assert_eq!(run.node("wf.set").unwrap().children, [id("wf.set.a")]);
    assert_eq!(run.node("wf.set.a").unwrap().children, [id("wf.set.b"), id("wf.set.c")]);
    for last in ["b", "c"] {
        assert_eq!(
            run.node(&format!("wf.set.{last}")).unwrap().children,
            [id("wf.after")],
            "what comes after hangs below"
        );
    }
}

fn memoized(max_age: &str) -> Run {
    Run::yaml(&format!(
        r"
metadata: {{name: wf}}
spec:
  entrypoint: main
  arguments: {{parameters: [{{name: version, value: v1}}]}}
  templates:
  - name: main
    steps: [[{{name: build, template: build, arguments: {{parameters: [{{name: v, value: '{{{{workflow.parameters.version}}}}'}}]}}}}]]
    outputs: {{parameters: [{{name: tag, valueFrom: {{parameter: '{{{{steps.build.outputs.parameters.tag}}}}'}}}}]}}
  - name: build
    inputs: {{parameters: [{{name: v}}]}}
    memoize: {{key: 'build-{{{{inputs.parameters.v}}}}', maxAge: '{max_age}', cache: {{configMap: {{name: builds}}}}}}
    outputs: {{parameters: [{{name: tag, valueFrom: {{path: /tag}}}}]}}
    container: {{image: make}}
"
    ))
    .on("build", Script::ends(StepResult::succeeded().parameter("tag", "t-1")))
}

#[test]
fn outputs_are_kept_and_stand_in_for_a_run_until_they_are_too_old() {
    let first = memoized("1h").finish();
    assert_eq!(first.output("wf", "tag"), Some("t-1"));
    let node = serde_json::to_value(first.node("wf[0].build").unwrap()).unwrap();
    assert_eq!(node["memoizationStatus"], json!({"hit": false, "key": "build-v1", "cacheName": "builds"}));
    let entry: serde_json::Value = serde_json::from_str(&first.catalog.caches["builds"]["build-v1"]).unwrap();
    assert_eq!(entry["nodeID"], node["id"]);
    assert_eq!(entry["outputs"]["parameters"][0]["value"], "t-1");
    let again = |age: u64| {
        let mut run = memoized("1h");
        run.catalog.caches.clone_from(&first.catalog.caches);
        run.now += Duration::from_secs(age);
        run.finish()
    };
    let hit = again(3600);
    assert_eq!((hit.output("wf", "tag"), hit.executor.started().len()), (Some("t-1"), 0));
    let node = hit.node("wf[0].build").unwrap();
    assert!(node.memoization_status.as_ref().unwrap().hit);
    assert!(hit.catalog.caches["builds"]["build-v1"].contains("lastHitTimestamp"));
    assert_eq!(again(3601).executor.started(), ["wf[0].build"]);
}

#[test]
fn a_step_whose_twin_ended_in_the_same_pass_takes_its_outputs() {
    let run = Run::yaml(
        r#"
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: wf}
spec:
  entrypoint: main
  templates:
  - {name: main, steps: [[{name: a, template: twin}], [{name: b, template: twin}]]}
  - name: twin
    memoize: {key: twin, maxAge: 10s, cache: {configMap: {name: twins}}}
    steps: [[{name: run, template: run}]]
  - {name: run, container: {image: busybox, command: ["true"]}}
"#,
    )
    .finish();
    assert_eq!(run.executor.started(), ["wf[0].a[0].run"]);
    assert!(run.node("wf[1].b").unwrap().memoization_status.as_ref().unwrap().hit);
}

#[test]
fn a_failed_run_is_not_remembered_and_a_foreign_config_map_is_refused() {
    let failed = memoized("").on("build", Script::exits(1)).finish();
    assert!(failed.catalog.caches.is_empty());
    #[derive(Debug)]
    struct Foreign;
    impl References for Foreign {
        fn workflow_template(&self, _: &str, _: bool) -> Option<std::sync::Arc<argo_workflows::api::WorkflowSpec>> {
            None
        }
        fn parameters(&self, _: &str) -> Option<BTreeMap<String, String>> {
            None
        }
        fn cache(&self, _: &str) -> Option<CacheData> {
            Some(CacheData { kind: None, data: BTreeMap::new() })
        }
    }
    let run = memoized("");
    let steps = BTreeMap::new();
    let world = argo_workflows::engine::World::new(&run.workflow, &steps, &Foreign);
    let plan = argo_workflows::engine::reconcile_fresh(&world, run.now);
    let text = serde_json::to_string(&plan.status).unwrap();
    assert!(
        text.contains(
            "memoization configmap doesn't have workflows.argoproj.io/configmap-type label, refusing to use it"
        ),
        "{text}"
    );
}

#[test]
fn a_memoized_graph_is_not_walked() {
    let manifest = r"
metadata: {name: wf}
spec:
  entrypoint: main
  templates:
  - name: main
    steps: [[{name: inner, template: inner}], [{name: after, template: run}]]
  - name: inner
    memoize: {key: inner, cache: {configMap: {name: c}}}
    steps: [[{name: a, template: run}]]
  - {name: run, container: {image: x}}
";
    let first = Run::yaml(manifest).finish();
    assert_eq!(first.executor.started(), ["wf[0].inner[0].a", "wf[1].after"]);
    let mut second = Run::yaml(manifest);
    second.catalog.caches = first.catalog.caches;
    let second = second.finish();
    assert_eq!(second.executor.started(), ["wf[1].after"]);
    let children = &second.node("wf[0].inner").unwrap().children;
    assert_eq!(children, &[second.node("wf[1]").unwrap().id.clone()]);
}

const CLAIMS: &str = r"
metadata: {name: wf}
spec:
  entrypoint: main
  podDisruptionBudget: {minAvailable: 1}
  volumeClaimTemplates:
  - metadata: {name: work}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
  templates:
  - {name: main, container: {image: x}}
";

#[test]
fn claims_and_a_budget_come_before_the_first_step_and_go_with_success() {
    let mut run = Run::yaml(CLAIMS).on("wf", Script::succeeds().after(Duration::from_secs(5)));
    assert!(run.settle());
    let claim = run.objects["PersistentVolumeClaim/wf-work"].value();
    assert_eq!(claim["spec"]["accessModes"], json!(["ReadWriteOnce"]));
    assert_eq!(claim["metadata"]["ownerReferences"][0]["name"], "wf");
    assert_eq!(claim["metadata"]["labels"]["workflows.argoproj.io/workflow"], "wf");
    let budget = run.objects["PodDisruptionBudget/wf"].value();
    assert_eq!(budget["spec"]["selector"]["matchLabels"], json!({"workflows.argoproj.io/workflow": "wf"}));
    let volumes = json!([{"name": "work", "persistentVolumeClaim": {"claimName": "wf-work"}}]);
    assert_eq!(json!(run.workflow.status.persistent_volume_claims), volumes);
    let done = run.finish();
    assert!(done.objects.is_empty() && done.workflow.status.persistent_volume_claims.is_empty());
    let failed = Run::yaml(CLAIMS).on("wf", Script::exits(1)).finish();
    assert_eq!(failed.objects.keys().collect::<Vec<_>>(), ["PersistentVolumeClaim/wf-work"], "a retry finds its work");
    let mut all = Run::yaml(CLAIMS).on("wf", Script::exits(1));
    all.workflow.spec.volume_claim_gc = Some(json!({"strategy": "OnWorkflowCompletion"}));
    assert!(all.finish().objects.is_empty());
}

#[test]
fn who_waits_too_long_for_a_place_has_timed_out() {
    use argo_workflows::engine::StepState;
    let mut run = Run::yaml(
        "{metadata: {name: wf}, spec: {entrypoint: main, templates: [{name: main, pendingTimeout: 10s, container: {image: x}}]}}",
    )
    .with(ScriptedExecutor::new().otherwise(|_| long()));
    run.pass();
    let pending = BTreeMap::from([("wf".to_owned(), StepState::Pending("Unschedulable".into()))]);
    let plan = run.plan_with(&pending);
    run.write(plan.status.as_ref().unwrap());
    run.now = run.plan_with(&pending).wake.expect("it names when to look again");
    run.write(run.plan_with(&pending).status.as_ref().unwrap());
    assert_eq!((run.phase("wf"), run.node("wf").unwrap().message()), ("Failed", "timeout"));
}

#[test]
fn defaults_stand_under_the_workflow_and_its_template_and_stay_as_they_were_when_it_began() {
    let mut run = Run::yaml(
        "{metadata: {name: wf, labels: {own: mine}}, spec: {entrypoint: main, templates: [{name: main, container: {image: x}}]}}",
    )
    .on("wf", Script::succeeds().after(Duration::from_secs(5)));
    let defaults = |seconds: i64| {
        let json = json!({
            "metadata": {"labels": {"own": "theirs", "team": "a"}, "annotations": {"note": "n"}},
            "spec": {"entrypoint": "other", "ttlStrategy": {"secondsAfterCompletion": seconds}, "priority": 4},
        });
        Some(std::sync::Arc::new(serde_json::from_value(json).unwrap()))
    };
    run.catalog.defaults = defaults(60);
    assert!(run.settle());
    let spec = run.workflow.status.stored_workflow_template_spec.clone().unwrap();
    assert_eq!((spec.entrypoint.as_deref(), spec.priority), (Some("main"), Some(4)));
    let meta = &run.workflow.metadata;
    assert_eq!((meta.label("own"), meta.label("team"), meta.annotation("note")), (Some("mine"), Some("a"), Some("n")));
    run.catalog.defaults = defaults(1);
    let end = run.finish();
    assert_eq!(end.status(), WorkflowPhase::Succeeded);
    let end = end.run_for(Duration::from_secs(2));
    assert!(!end.is_deleted());
}

#[test]
fn groups_tell_how_much_of_what_is_in_them_is_done() {
    let run = Run::yaml(
        r"
metadata: {name: wf}
spec:
  entrypoint: main
  templates:
  - name: main
    dag:
      tasks:
      - {name: a, template: inner, withItems: [x.y, z]}
      - {name: b, template: run, dependencies: [a]}
  - name: inner
    steps: [[{name: one, template: run}, {name: two, template: run}]]
  - {name: run, container: {image: x}}
",
    )
    .on("two", Script::exits(1))
    .finish();
    let progress = |name: &str| run.node(name).unwrap().progress.as_deref().unwrap_or("-");
    let expected = [
        ("wf", "2/4"),
        ("wf.a", "2/4"),
        ("wf.a(0:x.y)", "1/2"),
        ("wf.a(0:x.y)[0]", "1/2"),
        ("wf.a(1:z)[0].two", "0/1"),
    ];
    for (name, it) in expected {
        assert_eq!(progress(name), it, "{name}");
    }
}

#[test]
fn who_was_resumed_is_done_whole_and_a_shutdown_reaches_who_is_suspended() {
    use argo_workflows::engine::operations::{resume, stop, suspend};
    let manifest = "{metadata: {name: wf}, spec: {entrypoint: main, templates: [{name: main, suspend: {}}]}}";
    let mut run = Run::yaml(manifest).run_for(Duration::from_secs(1));
    run.workflow = resume(&run.workflow, None, None, run.now).unwrap();
    // As clients do that know nothing of progress.
    run.workflow.status.nodes.get_mut("wf").unwrap().progress = Some("0/1".into());
    let run = run.finish();
    assert_eq!(
        (run.node("wf").unwrap().progress.as_deref(), run.workflow.status.progress.as_deref()),
        (Some("1/1"), Some("1/1"))
    );
    let mut run = Run::yaml(manifest).run_for(Duration::from_secs(1));
    run.workflow = suspend(&run.workflow).unwrap();
    run.workflow = stop(&run.workflow, None, None, run.now).unwrap();
    let run = run.finish();
    assert_eq!((run.status(), run.message()), (WorkflowPhase::Failed, "Stopped with strategy 'Stop'"));
}

#[test]
fn a_daemon_of_a_workflow_that_is_stopped_ends_well() {
    use argo_workflows::engine::{LiveStep, StepState};
    let mut run = Run::yaml(SERVER).on("server", long()).on("client", long());
    run.pass();
    let server = run.node("wf[0].server").unwrap().id.clone();
    let live = StepState::Live(LiveStep { ready: true, pod_ip: Some("10.0.0.7".into()), ..LiveStep::default() });
    let plan = run.plan_with(&BTreeMap::from([(server, live)]));
    run.write(plan.status.as_ref().unwrap());
    plan.effects().for_each(|it| run.carry_out(it));
    run.workflow.spec.shutdown = Some("Stop".to_owned());
    let run = run.finish();
    assert_eq!(
        (run.status(), run.phase("wf[0].server"), run.phase("wf[1].client")),
        (WorkflowPhase::Failed, "Succeeded", "Failed")
    );
}

#[test]
fn steps_that_wait_for_nothing_more_end_with_their_group() {
    let run = Run::yaml(
        r"
metadata: {name: wf}
spec:
  entrypoint: main
  templates:
  - name: main
    parallelism: 2
    failFast: true
    steps: [[{name: a, template: a}, {name: b, template: b}]]
  - {name: a, container: {image: x}}
  - {name: b, container: {image: x}}
",
    )
    .on("a", Script::exits(1))
    .on("b", Script::succeeds().after(Duration::from_secs(5)))
    .finish();
    assert_eq!((run.phase("wf"), run.phase("wf[0]"), run.phase("wf[0].b")), ("Failed", "Failed", "Succeeded"));
    assert_eq!(run.node("wf").unwrap().message(), "template has failed or errored children and failFast enabled");
}

#[test]
fn globals_know_what_config_maps_and_the_metadata_of_templates_say() {
    let run = Run::yaml(
        r"
metadata: {name: wf}
spec:
  entrypoint: main
  arguments:
    parameters:
    - {name: there, valueFrom: {configMapKeyRef: {name: settings, key: a}}}
    - {name: away, valueFrom: {default: fallback, configMapKeyRef: {name: none, key: a}}}
  workflowMetadata: {labels: {team: red}}
  templates:
  - name: main
    steps: [[{name: a, template: a, arguments: {parameters: [{name: p, value: '{{workflow.parameters.there}} {{workflow.parameters.away}} {{workflow.labels.team}}'}]}}]]
  - {name: a, inputs: {parameters: [{name: p}]}, container: {image: x}}
",
    );
    let mut run = run.on("a", Script::succeeds());
    run.catalog.config_maps.insert("settings".to_owned(), BTreeMap::from([("a".to_owned(), "found".to_owned())]));
    let run = run.finish();
    assert_eq!(run.input("wf[0].a", "p"), Some("found fallback red"));
}

#[test]
fn what_can_not_even_begin_is_told_of_by_its_workflow() {
    use argo_workflows::engine::StepResult;
    let manifest = "{metadata: {name: wf}, spec: {entrypoint: main, onExit: bye, templates: [{name: main, container: {image: x}}, {name: bye, container: {image: x}}]}}";
    let refused = || Script::ends(StepResult::refused("volume 'foo' not found in workflow spec"));
    let run = Run::yaml(manifest).on("wf", refused()).finish();
    let told = "error in entry template execution: volume 'foo' not found in workflow spec";
    assert_eq!((run.status(), run.message(), run.phase("wf.onExit")), (WorkflowPhase::Error, told, "-"));
    let run = Run::yaml(manifest).on("wf", Script::succeeds()).on("wf.onExit", refused()).finish();
    let told = "error in exit template execution : volume 'foo' not found in workflow spec";
    assert_eq!((run.status(), run.message()), (WorkflowPhase::Error, told));
}
