//! The engine on worlds in memory: rules and invariants, without a cluster.

use argo_cd::{api::names, testing::World};
use argo_core::{Change, Gvk, Object};
use proptest::prelude::*;
use serde_json::{Value, json};

fn map(name: &str, value: &str, annotations: &[(&str, &str)]) -> Object {
    let mut object = Object::new(&Gvk::new("", "v1", "ConfigMap"), None, name).with(&["data", "value"], value);
    for (key, value) in annotations {
        object.set_annotation(key, *value);
    }
    object
}

fn job(name: &str, phase: &str, annotations: &[(&str, &str)]) -> Object {
    let mut object = Object::new(&Gvk::new("batch", "v1", "Job"), None, name);
    object.set_annotation(names::HOOK, phase);
    for (key, value) in annotations {
        object.set_annotation(key, *value);
    }
    object
}

/// Ends a job.
fn end(world: &mut World, name: &str, condition: &str) {
    let live = world.get("batch/v1", "Job", name).unwrap_or_else(|| panic!("no job {name}"));
    let mut live = (*live).clone();
    live.set(&["status", "conditions"], json!([{"type": condition, "status": "True", "message": condition}]));
    world.put(live);
}

fn created(world: &World) -> Vec<String> {
    world
        .written
        .iter()
        .filter(|it| matches!(it, Change::Create { .. } | Change::Patch { .. } | Change::Delete { .. }))
        .filter(|it| it.target().gvk.kind != "Application")
        .map(|it| format!("{} {}", it.verb(), it.target().name))
        .collect()
}

#[test]
fn waves_wait_for_health_and_hooks_run_around_them() {
    let mut world = World::new("shop").automated();
    let deployment = |name: &str, wave: &str| {
        let mut object =
            Object::new(&Gvk::new("apps", "v1", "Deployment"), None, name).with(&["spec"], json!({"replicas": 1}));
        object.set_annotation(names::SYNC_WAVE, wave);
        object
    };
    world.set_objects(vec![
        deployment("second", "2"),
        deployment("first", "-1"),
        job("before", "PreSync", &[]),
        job("after", "PostSync", &[(names::HOOK_DELETE_POLICY, "HookSucceeded")]),
        map("plain", "1", &[]),
    ]);
    world.settle();
    assert_eq!(created(&world), ["create before"]);
    assert_eq!(world.text("/status/operationState/message"), "waiting for completion of hook batch/Job/before");
    end(&mut world, "before", "Complete");
    world.settle();
    assert_eq!(created(&world), ["create before", "create first", "patch before"]);
    assert_eq!(world.text("/status/operationState/message"), "waiting for healthy state of apps/Deployment/first");
    for name in ["first", "second"] {
        let live = world.get("apps/v1", "Deployment", name).unwrap_or_else(|| panic!("no {name}"));
        let status = json!({"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
        world.put((*live).clone().with(&["status"], status));
        world.settle();
    }
    assert_eq!(created(&world)[3..], ["create plain", "create second", "create after"]);
    assert!(world.get("batch/v1", "Job", "after").unwrap().has_finalizer(names::HOOK_FINALIZER));
    end(&mut world, "after", "Complete");
    world.settle();
    assert_eq!(world.text("/status/operationState/phase"), "Succeeded");
    assert!(world.get("batch/v1", "Job", "after").is_none(), "HookSucceeded");
    assert!(!world.get("batch/v1", "Job", "before").unwrap().has_finalizer(names::HOOK_FINALIZER));
    assert_eq!(world.sync(), "Synced");
}

#[test]
fn a_failed_hook_fails_the_operation_and_runs_the_hooks_for_that() {
    let mut world = World::new("shop");
    world.set_objects(vec![
        job("before", "PreSync", &[(names::HOOK_DELETE_POLICY, "HookFailed")]),
        job("alarm", "SyncFail", &[]),
        map("never", "1", &[]),
    ]);
    world.settle();
    world.operate(json!({"sync": {}}));
    world.settle();
    end(&mut world, "before", "Failed");
    world.settle();
    end(&mut world, "alarm", "Complete");
    world.settle();
    assert_eq!(world.text("/status/operationState/phase"), "Failed");
    assert_eq!(
        world.text("/status/operationState/message"),
        "one or more synchronization tasks completed unsuccessfully"
    );
    assert!(world.get("v1", "ConfigMap", "never").is_none());
    assert!(world.get("batch/v1", "Job", "before").is_none(), "HookFailed");
    assert!(world.app().unwrap().get("operation").is_none());
    assert!(world.app().unwrap().pointer("/status/history").is_none());
}

#[test]
fn hooks_run_again_for_the_next_operation_in_place_of_the_old_one() {
    let mut world = World::new("shop");
    world.set_objects(vec![job("before", "PreSync", &[])]);
    let mut uids = Vec::new();
    for _ in 0..2 {
        world.operate(json!({"sync": {}}));
        world.settle();
        uids.push(world.get("batch/v1", "Job", "before").unwrap().uid().to_owned());
        end(&mut world, "before", "Complete");
        world.settle();
        assert_eq!(world.text("/status/operationState/phase"), "Succeeded");
        world.wait(5);
    }
    assert_ne!(uids[0], uids[1]);
    let named = Object::from_value(json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"generateName": "mig-", "annotations": {names::HOOK: "Sync"}}}));
    world.set_objects(vec![named]);
    world.operate(json!({"sync": {}}));
    world.settle();
    let started = argo_core::time::parse(&world.text("/status/operationState/startedAt")).unwrap().as_second();
    let name = format!("mig-0000000-sync-{started}");
    assert!(world.get("batch/v1", "Job", &name).is_some(), "{name}");
}

#[test]
fn manual_operations_take_options_only_from_themselves_and_prune_only_when_asked() {
    let mut world = World::new("shop");
    world.set_objects(vec![map("a", "1", &[]), map("b", "1", &[])]);
    world.operate(json!({"sync": {}}));
    world.settle();
    world.set_objects(vec![map("a", "1", &[])]);
    world.wait(300);
    world.operate(json!({"sync": {}}));
    world.settle();
    let result = world.app().unwrap();
    let skipped = result.pointer("/status/operationState/syncResult/resources").unwrap().as_array().unwrap().clone();
    assert!(skipped.iter().any(|it| it["status"] == "PruneSkipped" && it["message"] == "ignored (requires pruning)"));
    assert!(world.get("v1", "ConfigMap", "b").is_some());
    assert_eq!(world.sync(), "OutOfSync");
    world.operate(json!({"sync": {"prune": true}}));
    world.settle();
    assert!(world.get("v1", "ConfigMap", "b").is_none());
    assert_eq!(world.sync(), "Synced");
    assert_eq!(world.app().unwrap().pointer("/status/history").unwrap().as_array().unwrap().len(), 3);
}

#[test]
fn dry_runs_and_terminated_operations_change_nothing() {
    let mut world = World::new("shop");
    world.set_objects(vec![map("a", "1", &[]), job("before", "PreSync", &[])]);
    world.operate(json!({"sync": {"dryRun": true}}));
    world.settle();
    assert_eq!(world.text("/status/operationState/phase"), "Succeeded");
    assert!(created(&world).is_empty());
    assert!(world.app().unwrap().pointer("/status/history").is_none());
    world.operate(json!({"sync": {}}));
    world.settle();
    world.edit(|app| app.set(&["status", "operationState", "phase"], "Terminating"));
    world.settle();
    assert_eq!(world.text("/status/operationState/message"), "Operation terminated");
    assert_eq!(world.text("/status/operationState/phase"), "Failed");
    assert!(world.get("batch/v1", "Job", "before").is_none() && world.get("v1", "ConfigMap", "a").is_none());
}

#[test]
fn what_is_not_permitted_or_not_served_is_said_and_nothing_is_written() {
    let mut world = World::new("shop");
    let thing = Gvk::new("example.com", "v1", "Thing");
    world.set_scope(thing.clone(), argo_cd::engine::KindScope::NotServed);
    world.set_objects(vec![Object::new(&thing, None, "t"), map("a", "1", &[])]);
    world.operate(json!({"sync": {}}));
    world.settle();
    assert_eq!(
        world.text("/status/operationState/message"),
        "one or more synchronization tasks are not valid: The Kubernetes API could not find example.com/Thing for \
         requested resource dest/t. Make sure the \"Thing\" CRD is installed on the destination cluster."
    );
    assert!(created(&world).is_empty());
    let mut world = World::new("shop");
    let mut project = world.project.take().unwrap();
    project.spec.namespace_resource_blacklist =
        serde_json::from_value(json!([{"group": "", "kind": "ConfigMap"}])).unwrap();
    world.project = Some(project);
    world.set_objects(vec![map("a", "1", &[])]);
    world.operate(json!({"sync": {}}));
    world.settle();
    assert_eq!(
        world.text("/status/operationState/message"),
        "one or more synchronization tasks are not valid: resource :ConfigMap is not permitted in project default"
    );
    world.project = None;
    world.settle();
    assert_eq!(
        world.text("/status/conditions/0/message"),
        "Application referencing project default which does not exist"
    );
    assert_eq!(world.sync(), "Unknown");
}

#[test]
fn a_window_holds_operations_back_until_it_opens() {
    let mut world = World::new("shop").automated();
    let mut project = world.project.take().unwrap();
    // The world begins at midnight.
    project.spec.sync_windows = serde_json::from_value(json!([
        {"kind": "deny", "schedule": "0 0 * * *", "duration": "1h", "applications": ["*"]}]))
    .unwrap();
    world.project = Some(project);
    world.set_objects(vec![map("a", "1", &[])]);
    world.settle();
    assert_eq!(world.sync(), "OutOfSync");
    assert!(world.app().unwrap().get("operation").is_none(), "automation waits");
    world.operate(json!({"sync": {}}));
    world.settle();
    assert_eq!(world.text("/status/operationState/message"), "Sync operation blocked by sync window");
    assert!(created(&world).is_empty());
    world.wait(3600);
    world.settle();
    assert_eq!(world.text("/status/operationState/phase"), "Succeeded");
    assert_eq!(world.sync(), "Synced");
}

#[test]
fn a_broken_repository_is_a_condition_and_deletes_nothing() {
    let mut world = World::new("shop").automated();
    world.set_objects(vec![map("a", "1", &[])]);
    world.settle();
    world.set_broken(Some("repository not found"));
    world.wait(600);
    world.settle();
    assert_eq!(
        (world.sync().as_str(), world.text("/status/conditions/0/type").as_str()),
        ("Unknown", "ComparisonError")
    );
    assert_eq!(
        world.text("/status/conditions/0/message"),
        "Failed to load target state: failed to generate manifest for source 1 of 1: repository not found"
    );
    assert!(world.get("v1", "ConfigMap", "a").is_some());
    world.set_broken(None);
    world.wait(60);
    world.settle();
    assert_eq!(world.sync(), "Synced");
    assert_eq!(world.app().unwrap().pointer("/status/conditions"), None);
}

#[test]
fn rollback_goes_back_to_an_entry_of_the_history() {
    let mut world = World::new("shop");
    world.set_objects(vec![map("a", "1", &[])]);
    world.operate(json!({"sync": {}}));
    world.settle();
    let app: argo_cd::Application = world.app().unwrap().decode().unwrap();
    let operation = argo_cd::engine::operation::rollback(&app.spec, app.status.as_ref().unwrap(), 0, false).unwrap();
    world.operate(serde_json::to_value(operation).unwrap());
    world.settle();
    assert_eq!(world.text("/status/operationState/phase"), "Succeeded");
    assert_eq!(world.text("/status/history/1/revision"), world.text("/status/history/0/revision"));
}

#[test]
fn a_cascade_deletes_the_highest_wave_first_and_only_what_is_ours() {
    let mut world = World::new("shop").automated();
    let mut stranger = map("stranger", "1", &[]);
    stranger.set(&["metadata", "namespace"], "dest");
    world.put(stranger);
    world.set_objects(vec![
        map("low", "1", &[(names::SYNC_WAVE, "-1")]),
        map("high", "1", &[(names::SYNC_WAVE, "2")]),
        map("kept", "1", &[(names::SYNC_OPTIONS, "Delete=false")]),
    ]);
    world.settle();
    assert_eq!(world.sync(), "Synced");
    world.written.clear();
    let app = world.app().unwrap();
    world.delete(&app, argo_core::Propagation::Background);
    world.settle();
    assert_eq!(created(&world), ["delete high", "delete low"]);
    assert!(world.app().is_none(), "the finalizer is off");
    assert!(world.get("v1", "ConfigMap", "stranger").is_some() && world.get("v1", "ConfigMap", "kept").is_some());
}

#[test]
fn hooks_of_deletion_run_before_and_after_it() {
    let mut world = World::new("shop").automated();
    world.set_objects(vec![
        map("a", "1", &[]),
        job("drain", "PreDelete", &[(names::HOOK_DELETE_POLICY, "HookSucceeded")]),
        job("report", "PostDelete", &[(names::HOOK_DELETE_POLICY, "HookSucceeded")]),
    ]);
    world.settle();
    assert!(world.app().unwrap().has_finalizer(names::FINALIZER_PRE_DELETE));
    world.written.clear();
    let app = world.app().unwrap();
    world.delete(&app, argo_core::Propagation::Background);
    world.settle();
    assert_eq!(created(&world), ["create drain"]);
    end(&mut world, "drain", "Complete");
    world.settle();
    assert!(world.get("v1", "ConfigMap", "a").is_none());
    end(&mut world, "report", "Complete");
    world.settle();
    assert!(world.app().is_none());
    assert!(world.get("batch/v1", "Job", "report").is_none());
}

#[test]
fn a_user_previews_a_commit_and_secrets_stay_secret() {
    let mut world = World::new("shop").automated();
    world.set_manifests(
        "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {password: hunter2}}\n---\n\
         {apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: '1'}}",
    );
    world.settle();
    assert!(world.preview().is_empty(), "{}", world.preview());
    world.set_manifests("{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {password: hunter3}}");
    let text = world.preview().to_string();
    assert!(text.contains("prune /ConfigMap/dest/c") && text.contains("change /Secret/dest/s"), "{text}");
    assert!(!text.contains("hunter") && !text.contains("aHVudGVy"), "{text}");
}

/// Any set of objects with any waves, hooks left out: their completion is the cluster's business.
fn objects() -> impl Strategy<Value = Vec<Object>> {
    let object = (0..6_u8, 0..3_u8, -2..3_i64, any::<bool>()).prop_map(|(name, value, wave, keep)| {
        let wave = wave.to_string();
        let mut list = vec![(names::SYNC_WAVE, wave.as_str())];
        if keep {
            list.push((names::SYNC_OPTIONS, "PruneLast=true"));
        }
        map(&format!("m{name}"), &value.to_string(), &list)
    });
    proptest::collection::vec(object, 0..7)
}

fn cluster(world: &World) -> Vec<(String, Value)> {
    let maps = world.live.iter().filter(|it| it.text("/kind") == "ConfigMap");
    maps.map(|it| (it.name().to_owned(), json!([it.get("data"), it.annotation(names::TRACKING_ID)]))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_settled_world_plans_nothing(first in objects(), second in objects()) {
        let mut world = World::new("shop").automated();
        world.edit(|app| app.set(&["spec", "syncPolicy", "automated", "allowEmpty"], true));
        for objects in [first, second] {
            world.set_objects(objects);
            world.wait(600);
            world.settle();
            prop_assert_eq!(world.sync(), "Synced");
            prop_assert!(world.preview().is_empty());
            world.written.clear();
            world.settle();
            prop_assert!(world.written.is_empty(), "{:?}", world.written);
        }
    }

    #[test]
    fn lower_waves_are_applied_first_and_strangers_are_never_touched(objects in objects()) {
        let mut world = World::new("shop").automated();
        for name in ["x1", "x2"] {
            let mut stranger = map(name, "s", &[(names::TRACKING_ID, "other:/ConfigMap:dest/x")]);
            stranger.set(&["metadata", "namespace"], "dest");
            world.put(stranger);
        }
        world.set_objects(objects);
        world.settle();
        let waves: Vec<i64> = world.written.iter().filter_map(|it| match it {
            Change::Create { object } => Some(argo_cd::engine::options::wave(object)),
            _ => None,
        }).collect();
        prop_assert!(waves.is_sorted(), "{:?}", waves);
        prop_assert!(world.written.iter().all(|it| !it.target().name.starts_with('x')));
    }

    #[test]
    fn a_kill_at_any_write_ends_in_the_same_cluster(first in objects(), second in objects(), writes in 0..12_usize) {
        let end = |kill: Option<usize>| {
            let mut world = World::new("shop").automated();
            world.edit(|app| app.set(&["spec", "syncPolicy", "automated", "allowEmpty"], true));
            world.set_objects(first.clone());
            world.settle();
            world.set_objects(second.clone());
            world.wait(600);
            if let Some(writes) = kill {
                world.writes_left = Some(writes);
                for _ in 0..20 {
                    world.pass();
                }
                world.writes_left = None;
            }
            world.settle();
            world
        };
        let (whole, killed) = (end(None), end(Some(writes)));
        prop_assert_eq!(cluster(&whole), cluster(&killed));
        prop_assert_eq!(killed.sync(), "Synced");
        prop_assert_eq!(killed.text("/status/operationState/phase"), whole.text("/status/operationState/phase"));
    }
}

#[test]
fn a_hook_is_made_once_even_if_the_controller_dies_before_it_can_say_so() {
    for writes in 0..16 {
        let mut world = World::new("shop").automated();
        world.set_objects(vec![job("before", "PreSync", &[]), map("a", "1", &[]), job("after", "PostSync", &[])]);
        world.writes_left = Some(writes);
        for turn in 0..40 {
            if turn == 6 {
                world.writes_left = None;
            }
            world.settle();
            for name in ["before", "after"] {
                if world.get("batch/v1", "Job", name).is_some() {
                    end(&mut world, name, "Complete");
                }
            }
        }
        assert_eq!(world.text("/status/operationState/phase"), "Succeeded", "after {writes} writes");
        let made = |name: &str| {
            world.written.iter().filter(|it| matches!(it, Change::Create { object } if object.name() == name)).count()
        };
        assert_eq!((made("before"), made("after"), made("a")), (1, 1, 1), "after {writes} writes");
    }
}

#[test]
fn jq_rules_ignore_what_they_select_and_broken_ones_are_a_condition() {
    let mut world = World::new("shop");
    world.set_objects(vec![map("a", "1", &[])]);
    world.operate(json!({"sync": {}}));
    world.settle();
    let rules = |expressions: Value| json!([{"group": "", "kind": "ConfigMap", "jqPathExpressions": expressions}]);
    let edit = |world: &mut World, expressions: Value| {
        world.edit(|app| app.set(&["spec", "ignoreDifferences"], rules(expressions)));
        world.wait(300);
        world.settle();
    };
    let mut changed = (*world.get("v1", "ConfigMap", "a").unwrap()).clone();
    changed.set(&["data", "value"], json!("2"));
    world.put(changed);
    world.wait(300);
    world.settle();
    assert_eq!(world.sync(), "OutOfSync");
    edit(&mut world, json!([".data | select(.value != null) | .value"]));
    assert_eq!(world.sync(), "Synced");
    edit(&mut world, json!([".data.other", ".data | error(\"no\")"]));
    assert_eq!(world.sync(), "OutOfSync", "rules that find nothing or fail ignore nothing");
    edit(&mut world, json!([".data["]));
    assert_eq!(world.sync(), "Unknown");
    assert_eq!(world.text("/status/conditions/0/type"), "ComparisonError");
    assert_eq!(
        world.text("/status/conditions/0/message"),
        "Failed to compare desired state to live state: jqPathExpressions \".data[\": \
         unexpected token \")\" (line 1, column 11)"
    );
    // what is ignored stays as it is when asked for
    edit(&mut world, json!([".data.value"]));
    let mut wanted = map("a", "1", &[]);
    wanted.set(&["data", "more"], json!("x"));
    world.set_objects(vec![wanted]);
    world.wait(300);
    world.operate(json!({"sync": {"syncOptions": ["RespectIgnoreDifferences=true"]}}));
    world.settle();
    let live = world.get("v1", "ConfigMap", "a").unwrap();
    assert_eq!(live.pointer("/data"), Some(&json!({"value": "2", "more": "x"})));
}
