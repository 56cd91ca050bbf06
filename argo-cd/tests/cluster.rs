//! The controller on an embedded cluster, in virtual time.

use argo_core::{Gvk, ObjectRef};
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_commit_is_deployed_drift_is_healed_and_what_left_is_pruned() {
    let lab = Lab::new();
    let first = lab.commit(&[("app/a.yaml", &config_map("a", "1")), ("app/b.yaml", &config_map("b", "1"))]);
    lab.apply(&app("shop", "app", automated()));
    let running = lab.run();
    lab.until("deployed", 60, |lab| lab.is_synced("shop")).await;
    let object = lab.app("shop");
    assert_eq!(object.text("/status/sync/revision"), first);
    assert_eq!(object.text("/status/operationState/phase"), "Succeeded");
    assert_eq!(object.text("/status/operationState/message"), "successfully synced (all tasks run)");
    assert_eq!(object.text("/status/history/0/revision"), first);
    let a = lab.map("a").unwrap();
    assert_eq!(a.annotation("argocd.argoproj.io/tracking-id"), Some("shop:/ConfigMap:shop/a"));

    lab.patch(&map_ref("a"), &json!({"data": {"value": "hand"}}));
    lab.until("healed", 30, |lab| lab.map("a").unwrap().text("/data/value") == "1" && lab.is_synced("shop")).await;
    assert_eq!(lab.app("shop").integer("/status/operationState/operation/sync/autoHealAttemptsCount"), Some(1));

    lab.commit(&[("app/a.yaml", &config_map("a", "2"))]);
    lab.refresh("shop", "normal");
    lab.until("pruned", 60, |lab| lab.map("b").is_none() && lab.is_synced("shop")).await;
    assert_eq!(lab.map("a").unwrap().text("/data/value"), "2");
    assert!(lab.app("shop").annotation("argocd.argoproj.io/refresh").is_none());
    running.stop().await;
}

fn child(name: &str) -> String {
    let mut child = app(name, name, automated());
    child["metadata"].as_object_mut().unwrap().remove("namespace");
    child.to_string()
}

/// A root Application that holds three others and itself.
fn bootstrap(lab: &Lab) -> Value {
    let root = {
        let mut root = app("root", "apps", automated());
        root["spec"]["destination"]["namespace"] = json!("argocd");
        root
    };
    let maps: Vec<String> = ["dev", "staging", "prod"].iter().map(|it| config_map(it, "1")).collect();
    lab.commit(&[
        ("apps/root.json", &root.to_string()),
        ("apps/dev.json", &child("dev")),
        ("apps/staging.json", &child("staging")),
        ("apps/prod.json", &child("prod")),
        ("dev/m.yaml", &maps[0]),
        ("staging/m.yaml", &maps[1]),
        ("prod/m.yaml", &maps[2]),
    ]);
    root
}

const ALL: [&str; 4] = ["root", "dev", "staging", "prod"];

#[tokio::test(start_paused = true)]
async fn an_app_of_apps_bootstraps_three_and_manages_itself() {
    let lab = Lab::new();
    lab.apply(&bootstrap(&lab));
    let running = lab.run();
    lab.until("all synced", 120, |lab| ALL.iter().all(|it| lab.is_synced(it))).await;
    let root = lab.app("root");
    assert_eq!(root.pointer("/status/summary/isAppOfApps"), Some(&json!(true)));
    assert_eq!(root.annotation("argocd.argoproj.io/tracking-id"), Some("root:argoproj.io/Application:argocd/root"));
    assert!(["dev", "staging", "prod"].iter().all(|it| lab.map(it).is_some()));
    assert!(
        lab.get(&ObjectRef::new(Gvk::new("argoproj.io", "v1alpha1", "AppProject"), Some("argocd"), "default"))
            .is_some()
    );

    // Nothing is left to do: an hour brings no write but the timers' own.
    let mark = lab.cluster.journal().mark();
    lab.sleep(100).await;
    let quiet = lab.cluster.journal().writes_since(mark);
    assert!(quiet.iter().all(|it| format!("{it:?}").contains("applications")), "{quiet:?}");

    // Deleting the root takes the children and what they made with it, and ends.
    lab.delete(&app_ref("root"));
    lab.until("all gone", 300, |lab| lab.all("Application").is_empty()).await;
    assert!(["dev", "staging", "prod"].iter().all(|it| lab.map(it).is_none()));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_synced_application_writes_nothing_but_its_timer() {
    let lab = Lab::new();
    lab.commit(&[("app/a.yaml", &config_map("a", "1"))]);
    lab.apply(&app("shop", "app", automated()));
    let running = lab.run();
    lab.until("deployed", 60, |lab| lab.is_synced("shop")).await;
    lab.sleep(10).await;
    let mark = lab.cluster.journal().mark();
    lab.sleep(3600).await;
    let writes = lab.cluster.journal().writes_since(mark).len();
    assert!((15..=31).contains(&writes), "one reconciledAt every two to three minutes, not {writes}");
    running.stop().await;
}

const JOB: &str = r#"{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "NAME",
    "annotations": {"argocd.argoproj.io/hook": "PHASE"}}, "spec": {"template": {"spec": {"restartPolicy": "Never",
    "containers": [{"name": "main", "image": "busybox"}]}}}}"#;

fn deployment(name: &str, wave: &str) -> String {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "annotations": {"argocd.argoproj.io/sync-wave": wave}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": format!("{name}:1"),
                    "resources": {"requests": {"cpu": "1000m"}}}]}}}})
    .to_string()
}

fn hooked(lab: &Lab) {
    lab.commit(&[
        ("app/pre.json", &JOB.replace("NAME", "pre").replace("PHASE", "PreSync")),
        ("app/post.json", &JOB.replace("NAME", "post").replace("PHASE", "PostSync")),
        ("app/one.json", &deployment("one", "1")),
        ("app/two.json", &deployment("two", "2")),
        ("app/map.yaml", &config_map("conf", "1")),
    ]);
    lab.apply(&app("shop", "app", automated()));
}

#[tokio::test(start_paused = true)]
async fn hooks_and_waves_run_in_order_on_real_workloads() {
    let lab = Lab::new();
    hooked(&lab);
    let running = lab.run();
    lab.until("deployed", 300, |lab| lab.is_synced("shop") && lab.phase("shop") == "Succeeded").await;
    let made = |kind: &str, name: &str| {
        let found = lab.all(kind).into_iter().find(|it| it.name() == name).unwrap_or_else(|| panic!("no {name}"));
        found.created_at().unwrap()
    };
    let order = [
        made("Job", "pre"),
        made("ConfigMap", "conf"),
        made("Deployment", "one"),
        made("Deployment", "two"),
        made("Job", "post"),
    ];
    assert!(order.is_sorted(), "{order:?}");
    assert!(order[3] > order[2], "the second wave waits for the first to be healthy");
    let app = lab.app("shop");
    assert_eq!(app.pointer("/status/summary/images"), Some(&json!(["busybox", "one:1", "two:1"])));
    assert!(lab.all("Job").iter().all(|it| it.finalizers().next().is_none()), "hooks are released");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_controller_is_continued_by_the_next() {
    for writes in (0..14).step_by(2) {
        for lost in [false, true] {
            let lab = Lab::new();
            hooked(&lab);
            let (doomed, session) = lab.run_cut(writes, lost);
            lab.sleep(40).await;
            drop(session);
            doomed.kill();
            let next = lab.run();
            lab.until("deployed", 900, |lab| lab.is_synced("shop") && lab.phase("shop") == "Succeeded").await;
            let hooks: Vec<String> = lab.all("Job").iter().map(|it| it.name().to_owned()).collect();
            assert_eq!(hooks, ["post", "pre"], "after {writes} writes");
            assert_eq!(lab.app("shop").pointer("/status/history").unwrap().as_array().unwrap().len(), 1);
            next.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bad_input_ends_in_conditions_and_the_others_go_on() {
    let lab = Lab::new();
    lab.commit(&[
        ("good/a.yaml", &config_map("a", "1")),
        ("chart/Chart.yaml", "name: x"),
        ("broken/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: ["),
        ("unknown/a.yaml", "{apiVersion: example.com/v1, kind: Thing, metadata: {name: t}}"),
        ("refused/a.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: Not_A_Name}}"),
    ]);
    let manual = |name: &str, path: &str| app(name, path, json!({}));
    lab.apply(&app("good", "good", automated()));
    for path in ["chart", "broken", "missing"] {
        lab.apply(&manual(path, path));
    }
    let once = json!({"automated": {}, "retry": {"limit": 1, "backoff": {"duration": "2s"}}});
    lab.apply(&app("unknown", "unknown", once.clone()));
    lab.apply(&app("refused", "refused", once));
    let mut gone = manual("gone", "good");
    gone["spec"]["source"]["repoURL"] = json!("https://git.example/gone.git");
    lab.apply(&gone);
    let mut project = manual("project", "good");
    project["spec"]["project"] = json!("nope");
    lab.apply(&project);
    let mut cluster = manual("elsewhere", "good");
    cluster["spec"]["destination"] = json!({"name": "prod", "namespace": "shop"});
    lab.apply(&cluster);
    lab.apply(&json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "garbled", "namespace": "argocd"}, "spec": {"destination": 7}}));
    let running = lab.run();
    lab.until("the good one is deployed", 60, |lab| lab.is_synced("good")).await;
    lab.sleep(60).await;
    let condition = |name: &str| {
        let app = lab.app(name);
        format!("{}: {}", app.text("/status/conditions/0/type"), app.text("/status/conditions/0/message"))
    };
    let load = "ComparisonError: Failed to load target state: failed to generate manifest for source 1 of 1: ";
    assert_eq!(
        condition("chart"),
        format!("{load}Helm sources are not supported by this controller: no Helm renderer is registered")
    );
    assert!(condition("broken").starts_with(&format!("{load}Failed to unmarshal \"broken/a.yaml\"")));
    assert!(condition("missing").contains("app path does not exist"), "{}", condition("missing"));
    assert!(condition("gone").starts_with(load) && condition("gone").contains("gone.git"), "{}", condition("gone"));
    assert_eq!(condition("project"), "InvalidSpecError: Application referencing project nope which does not exist");
    assert_eq!(condition("elsewhere"), "InvalidSpecError: there are no clusters with this name: prod");
    assert!(condition("garbled").starts_with("UnknownError: "), "{}", condition("garbled"));
    let message = |name: &str| lab.app(name).text("/status/operationState/message").to_owned();
    assert!(message("unknown").contains("could not find example.com/Thing"), "{}", message("unknown"));
    assert!(message("unknown").ends_with("(retried 1 times)."), "{}", message("unknown"));
    assert!(message("refused").starts_with("one or more objects failed to apply, reason: "), "{}", message("refused"));
    assert!(condition("refused").starts_with("SyncError: Failed last sync attempt to ["), "{}", condition("refused"));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_operation_creates_the_namespace_and_a_definition_before_its_objects() {
    let lab = Lab::new();
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things", "singular": "thing", "listKind": "ThingList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
    lab.commit(&[
        ("app/crd.json", &definition.to_string()),
        ("app/thing.yaml", "{apiVersion: example.com/v1, kind: Thing, metadata: {name: t}, spec: {x: 1}}"),
        ("app/map.yaml", &config_map("a", "1")),
    ]);
    let mut fresh = app(
        "shop",
        "app",
        json!({"automated": {}, "syncOptions": ["CreateNamespace=true"],
        "retry": {"limit": 5, "backoff": {"duration": "1s"}}}),
    );
    fresh["spec"]["destination"]["namespace"] = json!("fresh");
    lab.apply(&fresh);
    let running = lab.run();
    lab.until("deployed", 120, |lab| lab.is_synced("shop")).await;
    assert!(lab.all("Thing").iter().any(|it| it.namespace() == Some("fresh")));
    assert!(lab.all("Namespace").iter().any(|it| it.name() == "fresh"));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_sync_options_for_replacing_and_server_side_apply_converge() {
    for option in ["ServerSideApply=true", "Replace=true"] {
        let lab = Lab::new();
        lab.commit(&[("app/a.yaml", &config_map("a", "1")), ("app/d.json", &deployment("web", "0"))]);
        lab.apply(&app("shop", "app", json!({"automated": {"prune": true}, "syncOptions": [option]})));
        let running = lab.run();
        lab.until("deployed", 120, |lab| lab.is_synced("shop")).await;
        lab.commit(&[("app/a.yaml", &config_map("a", "2")), ("app/d.json", &deployment("web", "0"))]);
        lab.refresh("shop", "hard");
        lab.until("changed", 60, |lab| lab.map("a").unwrap().text("/data/value") == "2" && lab.is_synced("shop")).await;
        running.stop().await;
    }
}
