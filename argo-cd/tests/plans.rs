//! What a plan says is what the controller then does.

use std::sync::{Arc, Mutex};

use argo_cd::{
    api::names,
    engine::sync::{BlastRadius, PlannedKind, Policy, PolicyRef, Refusal, SyncPlan},
    testing::World,
};
use argo_core::{Change, Gvk, Object};
use serde_json::{Value, json};

/// Keeps every plan that it is shown.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<SyncPlan>>);

impl Policy for Recorder {
    fn review(&self, plan: &SyncPlan) -> Result<(), Refusal> {
        self.0.lock().unwrap().push(plan.clone());
        Ok(())
    }
}

fn map(name: &str, value: &str, annotations: &[(&str, &str)]) -> Object {
    annotated(Object::new(&Gvk::new("", "v1", "ConfigMap"), None, name).with(&["data", "key"], value), annotations)
}

fn job(name: &str, hook: &str, annotations: &[(&str, &str)]) -> Object {
    let mut job = Object::new(&Gvk::new("batch", "v1", "Job"), None, name);
    job.set_annotation(names::HOOK, hook);
    annotated(job, annotations)
}

fn annotated(mut object: Object, annotations: &[(&str, &str)]) -> Object {
    for (key, value) in annotations {
        object.set_annotation(key, *value);
    }
    object
}

/// Lets everything that waits for somebody get healthy, until nothing moves.
fn settle(world: &mut World) {
    for _ in 0..20 {
        let before = world.written.len();
        world.settle();
        for name in ["before", "during", "after"] {
            if let Some(job) = world.get("batch/v1", "Job", name) {
                let mut job = (*job).clone();
                if job.pointer("/status/conditions").is_none() {
                    job.set(&["status", "conditions"], json!([{"type": "Complete", "status": "True"}]));
                    world.put(job);
                }
            }
        }
        if world.written.len() == before {
            return;
        }
    }
}

fn operate(world: &mut World, operation: Value) {
    world.operate(json!({"sync": operation}));
    settle(world);
}

/// Writes on managed objects; hooks are created once, and come and go by their own rules.
fn done(world: &World, from: usize, plan: &SyncPlan) -> Vec<Change> {
    let is_hook =
        |change: &Change| plan.steps().any(|it| it.kind == PlannedKind::Hook && it.key.name == change.target().name);
    let counts =
        |it: &&Change| it.target().gvk.kind != "Application" && (matches!(it, Change::Create { .. }) || !is_hook(it));
    world.written[from..].iter().filter(counts).cloned().collect()
}

/// What a scenario starts from, and what is asked for.
type Scenario = (&'static str, fn(&mut World), Value);

const SCENARIOS: [fn() -> Scenario; 8] = [
    || {
        (
            "waves and hooks",
            |world| {
                world.set_objects(vec![
                    map("late", "1", &[(names::SYNC_WAVE, "5")]),
                    map("early", "1", &[(names::SYNC_WAVE, "-5")]),
                    map("plain", "1", &[]),
                    job("before", "PreSync", &[]),
                    job("during", "Sync", &[]),
                    job("after", "PostSync", &[(names::HOOK_DELETE_POLICY, "HookSucceeded")]),
                    job("never", "SyncFail", &[]),
                ]);
            },
            json!({}),
        )
    },
    || {
        (
            "a change and a removed field",
            |world| {
                world.set_objects(vec![map("a", "1", &[]).with(&["data", "gone"], "x"), map("b", "1", &[])]);
                operate(world, json!({}));
                world.set_objects(vec![map("a", "2", &[]), map("b", "1", &[])]);
            },
            json!({}),
        )
    },
    || {
        (
            "pruning by waves",
            |world| {
                world.set_objects(vec![
                    map("a", "1", &[]),
                    map("b", "1", &[(names::SYNC_WAVE, "1")]),
                    map("c", "1", &[]),
                ]);
                operate(world, json!({}));
                world.set_objects(vec![map("c", "2", &[])]);
            },
            json!({"prune": true}),
        )
    },
    || {
        (
            "no pruning",
            |world| {
                world.set_objects(vec![map("a", "1", &[]), map("b", "1", &[])]);
                operate(world, json!({}));
                world.set_objects(vec![map("a", "3", &[])]);
            },
            json!({}),
        )
    },
    || {
        (
            "an object that is never pruned",
            |world| {
                world.set_objects(vec![map("a", "1", &[]), map("kept", "1", &[(names::SYNC_OPTIONS, "Prune=false")])]);
                operate(world, json!({}));
                world.set_objects(vec![map("a", "2", &[])]);
            },
            json!({"prune": true}),
        )
    },
    || {
        (
            "some objects",
            |world| {
                world.set_objects(vec![map("a", "1", &[]), map("b", "1", &[]), job("before", "PreSync", &[])]);
            },
            json!({"resources": [{"kind": "ConfigMap", "name": "b"}]}),
        )
    },
    || {
        (
            "server-side apply and replace",
            |world| {
                world.set_objects(vec![
                    map("a", "1", &[(names::SYNC_OPTIONS, "ServerSideApply=true")]),
                    map("b", "1", &[]),
                ]);
                operate(world, json!({}));
                world.set_objects(vec![map("b", "2", &[(names::SYNC_OPTIONS, "Replace=true")]), map("c", "1", &[])]);
            },
            json!({"prune": true}),
        )
    },
    || {
        (
            "only what is out of sync",
            |world| {
                world.set_objects(vec![map("a", "1", &[]), map("b", "1", &[])]);
                operate(world, json!({}));
                world.set_objects(vec![map("a", "1", &[]), map("b", "2", &[])]);
            },
            json!({"syncOptions": ["ApplyOutOfSyncOnly=true"]}),
        )
    },
];

#[test]
fn the_controller_does_what_the_plan_said() {
    for scenario in SCENARIOS {
        let (name, prepare, operation) = scenario();
        let mut world = World::new("shop");
        prepare(&mut world);
        world.wait(300);
        settle(&mut world);
        let recorder = Arc::new(Recorder::default());
        world.settings.policy = Some(PolicyRef(recorder.clone()));
        let from = world.written.len();
        operate(&mut world, operation);
        assert_eq!(world.text("/status/operationState/phase"), "Succeeded", "{name}");
        let plans = recorder.0.lock().unwrap();
        let plan = plans.first().unwrap_or_else(|| panic!("{name}: nobody was asked"));
        let planned: Vec<Change> = plan.changes().cloned().collect();
        assert!(!planned.is_empty(), "{name}");
        let target = |it: &Change| (it.verb(), it.target());
        let done = done(&world, from, plan);
        assert_eq!(
            done.iter().map(target).collect::<Vec<_>>(),
            planned.iter().map(target).collect::<Vec<_>>(),
            "{name}"
        );
        for (done, planned) in done.iter().zip(&planned) {
            if !plan.steps().any(|it| it.kind == PlannedKind::Hook && it.key.name == done.target().name) {
                assert_eq!(done, planned, "{name}");
            }
        }
    }
}

#[test]
fn a_plan_reads_as_what_changes_and_hides_secrets() {
    let mut world = World::new("shop");
    let secret =
        |text: &str| Object::new(&Gvk::new("", "v1", "Secret"), None, "token").with(&["stringData", "key"], text);
    world.set_objects(vec![map("a", "1", &[]), map("b", "1", &[]), secret("hunter2")]);
    operate(&mut world, json!({}));
    world.set_objects(vec![map("a", "2", &[]), map("c", "1", &[]), secret("swordfish")]);
    world.wait(300);
    settle(&mut world);
    let recorder = Arc::new(Recorder::default());
    world.settings.policy = Some(PolicyRef(recorder.clone()));
    operate(&mut world, json!({"prune": true}));
    let plans = recorder.0.lock().unwrap();
    let text = plans[0].to_string();
    assert!(text.contains("/data/key: \"1\" -> \"2\""), "{text}");
    assert!(text.ends_with("1 to create, 2 to change, 1 to prune of 3 objects in the cluster"), "{text}");
    assert!(text.contains("/data/key: \"++++++++\" -> \"++++++++++++\""), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("swordfish"), "{text}");
}

#[test]
fn a_policy_refuses_to_delete_too_much_and_nothing_is_written() {
    let mut world = World::new("shop");
    world.set_objects((0..10).map(|it| map(&format!("m{it}"), "1", &[])).collect());
    operate(&mut world, json!({}));
    world.set_objects(vec![map("m0", "2", &[])]);
    world.wait(300);
    settle(&mut world);
    world.settings.policy = Some(PolicyRef(Arc::new(BlastRadius { share: 0.5, free: 3 })));
    let from = world.written.len();
    operate(&mut world, json!({"prune": true}));
    assert_eq!(world.text("/status/operationState/phase"), "Failed");
    let message = world.text("/status/operationState/message");
    assert!(message.starts_with("refused by policy: it deletes 9 of 10 objects"), "{message}");
    assert!(world.written[from..].iter().all(|it| it.target().gvk.kind == "Application"));
    operate(&mut world, json!({}));
    assert_eq!(world.text("/status/operationState/phase"), "Succeeded", "without pruning it may go on");
}
