//! What must hold of every workflow.

use std::{collections::BTreeMap, time::Duration};

use argo_core::Action;
use argo_workflows::{
    api::{NodePhase, NodeStatus, Workflow, WorkflowPhase},
    engine::{Effect, StepState},
    executor::{Executor, scripted::Script},
    testing::Run,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A task of a random graph.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    dependencies: Vec<usize>,
    code: i32,
    seconds: u64,
    kind: u8,
}

pub(crate) fn tasks() -> impl Strategy<Value = Vec<Task>> {
    let task = (
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        prop::sample::select(vec![0, 0, 0, 1]),
        0_u64..4,
        0_u8..8,
    );
    prop::collection::vec(task, 1..9).prop_map(|list| {
        let task = |i: usize, (dependencies, code, seconds, kind): (Vec<prop::sample::Index>, i32, u64, u8)| {
            let mut before: Vec<usize> =
                if i == 0 { vec![] } else { dependencies.iter().map(|it| it.index(i)).collect() };
            before.sort_unstable();
            before.dedup();
            Task { dependencies: before, code, seconds, kind }
        };
        list.into_iter().enumerate().map(|(i, it)| task(i, it)).collect()
    })
}

pub(crate) fn run(tasks: &[Task]) -> Run {
    let mut json = Vec::new();
    for (i, task) in tasks.iter().enumerate() {
        let mut it = json!({"name": format!("t{i}"), "template": "run"});
        let names: Vec<String> = task.dependencies.iter().map(|it| format!("t{it}")).collect();
        if !names.is_empty() {
            it["dependencies"] = json!(names);
        }
        match task.kind {
            0 => it["when"] = "1 == 2".into(),
            1 => it["withItems"] = json!(["a", "b"]),
            2 => it["template"] = "retried".into(),
            3 => it["template"] = "nested".into(),
            4 if !names.is_empty() => {
                it.as_object_mut().unwrap().remove("dependencies");
                it["depends"] = names.iter().map(|it| format!("{it}.Failed")).collect::<Vec<_>>().join(" || ").into();
            }
            5 => it["onExit"] = "run".into(),
            _ => {}
        }
        json.push(it);
    }
    let container = json!({"image": "busybox", "command": ["x"]});
    let mut run = Run::value(json!({
        "metadata": {"name": "wf"},
        "spec": {"entrypoint": "main", "templates": [
            {"name": "main", "dag": {"tasks": json}},
            {"name": "run", "container": container},
            {"name": "retried", "retryStrategy": {"limit": 2, "backoff": {"duration": "3"}}, "container": container},
            {"name": "nested", "steps": [[{"name": "x", "template": "run"}], [{"name": "y", "template": "retried"}]]},
        ]},
    }));
    for (i, task) in tasks.iter().enumerate() {
        run = run.on(&format!("t{i}"), Script::exits(task.code).after(Duration::from_secs(task.seconds)));
    }
    run
}

/// The graph without times.
fn graph(workflow: &Workflow) -> Value {
    let mut json = serde_json::to_value(&workflow.status).unwrap();
    for gone in ["startedAt", "finishedAt"] {
        json.as_object_mut().unwrap().remove(gone);
        for node in json["nodes"].as_object_mut().into_iter().flatten() {
            node.1.as_object_mut().unwrap().remove(gone);
        }
    }
    for (_, node) in json["nodes"].as_object_mut().into_iter().flatten() {
        // Edges are a set: siblings are linked as they come up.
        if let Some(children) = node["children"].as_array_mut() {
            children.sort_by_key(ToString::to_string);
        }
        node["outputs"] = Value::Null;
    }
    json
}

fn rank(phase: NodePhase) -> u8 {
    match phase {
        NodePhase::Pending => 0,
        NodePhase::Running => 1,
        _ => 2,
    }
}

fn assert_forward(before: &BTreeMap<String, NodeStatus>, after: &BTreeMap<String, NodeStatus>) {
    for (id, old) in before {
        let new = &after[id];
        assert!(rank(new.phase()) >= rank(old.phase()), "{}: {} after {}", new.name, new.phase(), old.phase());
        if rank(old.phase()) == 2 {
            assert_eq!(old.phase(), new.phase(), "{}", new.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_graphs_end_and_no_node_goes_back(tasks in tasks()) {
        let mut run = run(&tasks);
        for _ in 0..1000 {
            let before = run.workflow.status.nodes.clone();
            let changed = run.pass();
            assert_forward(&before, &run.workflow.status.nodes);
            if !changed && (run.is_over() || !run.wait()) {
                break;
            }
        }
        prop_assert!(run.is_over(), "{}", run.tree());
        let open = run.workflow.status.nodes.values().filter(|it| !it.is_fulfilled()).count();
        prop_assert_eq!(open, 0, "{}", run.tree());
        let mut started = run.executor.started();
        let count = started.len();
        started.sort();
        started.dedup();
        prop_assert_eq!(started.len(), count, "every step is started once");
    }

    #[test]
    fn a_pass_applied_to_its_own_result_plans_nothing(tasks in tasks()) {
        let mut run = run(&tasks);
        for _ in 0..1000 {
            let mut steps = run.executor.observe(&run.id());
            let plan = run.plan_with(&steps);
            if let Some(change) = &plan.status {
                run.write(change);
            }
            for action in &plan.actions {
                let Action::Effect(effect) = action else { continue };
                match effect {
                    Effect::Start(step) => { steps.insert(step.node_id.clone(), StepState::Pending(String::new())); }
                    Effect::Stop { node_id } => { steps.remove(node_id); }
                    Effect::Release => steps.clear(),
                    Effect::Ensure(_) | Effect::Collect(_) | Effect::Emit(_) | Effect::Claim(_) | Effect::Disclaim { .. } => {}
                }
            }
            let again = run.plan_with(&steps);
            prop_assert!(again.is_empty(), "{again}{:?}\nafter\n{plan}", again.status);
            for action in &plan.actions {
                if let Action::Effect(effect) = action {
                    run.carry_out(effect);
                }
            }
            if plan.is_empty() && run.plan().is_empty() && (run.is_over() || !run.wait()) {
                break;
            }
        }
        prop_assert!(run.is_over());
    }

    #[test]
    fn a_kill_at_any_write_ends_in_the_same_graph(tasks in tasks(), kills in prop::collection::vec(0_u8..5, 1..40)) {
        let calm = run(&tasks).finish();
        let mut run = run(&tasks);
        let mut kills = kills.into_iter();
        for _ in 0..2000 {
            let plan = run.plan();
            // 0: killed before the write; 1: after it; 2: after the first effect; else carried out whole.
            let kill = kills.next().unwrap_or(4);
            if kill > 0 && let Some(change) = &plan.status {
                run.write(change);
            }
            let effects = match kill { 0 | 1 => 0, 2 => 1, _ => usize::MAX };
            for effect in plan.effects().take(effects) {
                run.carry_out(effect);
            }
            if run.plan().is_empty() && (run.is_over() || !run.wait()) {
                break;
            }
        }
        prop_assert_eq!(graph(&calm.workflow), graph(&run.workflow));
    }

    #[test]
    fn the_written_patch_gives_what_the_change_gives(tasks in tasks()) {
        let mut run = run(&tasks);
        let mut json = serde_json::to_value(&run.workflow).unwrap();
        for _ in 0..1000 {
            let plan = run.plan();
            if let Some(change) = &plan.status {
                argo_merge::merge_patch::apply(&mut json, &change.merge_patch(&run.workflow).unwrap());
                run.write(change);
                prop_assert_eq!(&serde_json::to_value(&run.workflow).unwrap(), &json);
            }
            plan.effects().for_each(|it| run.carry_out(it));
            if plan.is_empty() && (run.is_over() || !run.wait()) {
                break;
            }
        }
        prop_assert!(run.is_over());
    }
}

#[test]
fn what_a_pass_writes_grows_with_what_happened_not_with_the_graph() {
    let tasks: Vec<Value> = (0..2000)
        .map(|i| json!({"name": format!("t{i}"), "template": "run", "dependencies": if i < 10 { json!([]) } else { json!([format!("t{}", i - 10)]) }}))
        .collect();
    let mut run = Run::value(json!({
        "metadata": {"name": "wf"},
        "spec": {"entrypoint": "main", "templates": [
            {"name": "main", "dag": {"tasks": tasks}},
            {"name": "run", "container": {"image": "busybox", "command": ["x"]}},
        ]},
    }))
    .with(
        argo_workflows::executor::ScriptedExecutor::new()
            .otherwise(|_| Script::succeeds().after(Duration::from_secs(1))),
    );
    let mut largest = 0;
    for _ in 0..60 {
        let plan = run.plan();
        if run.passes > 2
            && let Some(change) = &plan.status
        {
            largest = largest.max(change.nodes.len());
        }
        if !run.pass() && !run.wait() {
            break;
        }
    }
    assert!(run.workflow.status.nodes.len() > 100);
    // Ten end, ten begin, and the ten before get their edges.
    assert!(largest <= 30, "{largest}");
    assert_eq!(run.status(), WorkflowPhase::Running);
}

/// More than 200 nodes: loops, attempts, locks, hooks, exit handlers, a cache, a claim.
fn large() -> Run {
    let items: Vec<String> = (0..24).map(|it| format!("i{it}")).collect();
    let mut run = Run::value(json!({
        "metadata": {"name": "wf"},
        "spec": {"entrypoint": "main", "onExit": "run", "volumeClaimTemplates": [{"metadata": {"name": "work"}, "spec": {}}],
            "synchronization": {"mutexes": [{"name": "one"}]}, "templates": [
            {"name": "main", "dag": {"tasks": [
                {"name": "many", "template": "pair", "withItems": items, "hooks": {
                    "exit": {"template": "run"},
                    "bad": {"template": "run", "expression": "tasks.many.status == 'Failed'"},
                }},
                {"name": "cached", "template": "cached"},
                {"name": "last", "template": "locked", "depends": "many && cached"},
            ]}},
            {"name": "pair", "steps": [[{"name": "a", "template": "locked"}, {"name": "b", "template": "retried"}], [{"name": "c", "template": "run"}]]},
            {"name": "locked", "container": {"image": "x"},
             "synchronization": {"semaphores": [{"configMapKeyRef": {"name": "limits", "key": "five"}}]}},
            {"name": "retried", "retryStrategy": {"limit": 2, "backoff": {"duration": "3"}}, "container": {"image": "x"}},
            {"name": "cached", "memoize": {"key": "k", "cache": {"configMap": {"name": "c"}}}, "container": {"image": "x"}},
            {"name": "run", "container": {"image": "x"}},
        ]},
    }))
    .with(
        argo_workflows::executor::ScriptedExecutor::new()
            .with("retried", |step| Script::exits(i32::from(step.node_name.ends_with("(0)"))).after(Duration::from_secs(1)))
            .otherwise(|_| Script::succeeds().after(Duration::from_secs(2))),
    );
    run.catalog.config_maps.insert("limits".into(), [("five".to_owned(), "5".to_owned())].into());
    run
}

#[test]
fn a_controller_killed_at_every_single_write_ends_in_the_same_graph_and_does_nothing_twice() {
    let calm = large().finish();
    assert_eq!(calm.status(), WorkflowPhase::Succeeded, "{}", calm.tree());
    assert!(calm.workflow.status.nodes.len() > 200, "{}", calm.workflow.status.nodes.len());
    let mut run = large();
    let mut kills = 0;
    loop {
        // Every plan is made by a controller that knows nothing but the statuses, and dies after one write.
        let plan = run.plan();
        let mut writes = plan.effects().filter(|it| matches!(it, Effect::Ensure(_)));
        if plan.status.is_some() {
            // First what must be there before, once in vain and once again: it is written twice, and is one.
            writes.by_ref().for_each(|it| run.carry_out(it));
            let again = run.plan();
            again.effects().filter(|it| matches!(it, Effect::Ensure(_))).for_each(|it| run.carry_out(it));
            run.write(again.status.as_ref().unwrap());
        } else if let Some(effect) = plan.effects().next() {
            run.carry_out(effect);
        } else if run.is_over() || !run.wait() {
            break;
        } else {
            continue;
        }
        kills += 1;
        assert!(kills < 10_000, "it does not end:\n{}", run.tree());
    }
    assert!(kills > 200, "{kills}");
    // The order in which waiters get their turn is the same; only times differ.
    assert_eq!(graph(&calm.workflow), graph(&run.workflow));
    let mut started = run.executor.started();
    let count = started.len();
    started.sort();
    started.dedup();
    assert_eq!(started.len(), count, "every step is started once");
    assert_eq!(run.objects.len(), calm.objects.len());
    println!("killed {kills} times over {} nodes", run.workflow.status.nodes.len());
}

#[test]
#[ignore = "measures (prints how long a pass takes)"]
fn the_cost_of_a_pass() {
    for count in [1_000_usize, 10_000, 50_000] {
        let tasks: Vec<Value> = (0..count)
            .map(|i| json!({"name": format!("t{i}"), "template": "run", "dependencies": if i < 10 { json!([]) } else { json!([format!("t{}", i - 10)]) }}))
            .collect();
        let mut run = Run::value(json!({
            "metadata": {"name": "wf"},
            "spec": {"entrypoint": "main", "templates": [
                {"name": "main", "dag": {"tasks": tasks}},
                {"name": "run", "container": {"image": "busybox", "command": ["x"]}},
            ]},
        }));
        // All but the last ten have ended.
        run.pass();
        let root = run.workflow.status.nodes["wf"].clone();
        let pod = run.node("wf.t0").unwrap().clone();
        for i in 0..count - 10 {
            let mut node = pod.clone();
            node.name = format!("wf.t{i}");
            node.id = argo_workflows::engine::node_id("wf", &node.name);
            node.display_name = format!("t{i}");
            node.phase = Some(NodePhase::Succeeded);
            node.progress = Some("1/1".into());
            if i + 10 < count {
                node.children = vec![argo_workflows::engine::node_id("wf", &format!("wf.t{}", i + 10))];
            }
            run.workflow.status.nodes.insert(node.id.clone(), node);
        }
        run.workflow.status.nodes.insert("wf".into(), root);
        let steps = BTreeMap::new();
        drop(run.plan_with(&steps));
        let start = std::time::Instant::now();
        let plan = run.plan_with(&steps);
        let nodes = plan.status.as_ref().map_or(0, |it| it.nodes.len());
        println!("{count} nodes: a pass that starts ten steps takes {:?} and writes {nodes} nodes", start.elapsed());
        assert!(nodes < 40);
    }
}
