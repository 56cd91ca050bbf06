//! What the API server is asked: dry runs for comparisons, whole objects, owners of fields.

use argo_cd::{api::names, testing::World};
use argo_core::{
    Change, ClusterApplier, Gvk, Object,
    apply::{KubeApplier, WriteOptions},
    runtime::Mapper,
};
use serde_json::{Value, json};

use crate::support::*;

fn applier(lab: &Lab, manager: &str) -> KubeApplier {
    let client = lab.cluster.client();
    KubeApplier::new(client.clone(), Mapper::new(client), lab.clock(), manager)
}

fn map(data: Value) -> Object {
    Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "shop"}, "data": data}))
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_would_come_of_it_and_writes_nothing() {
    let lab = Lab::new();
    let applier = applier(&lab, "somebody");
    let made = applier.apply_with(&Change::create(map(json!({"a": "1"}))), WriteOptions::DRY_RUN).await.unwrap();
    assert!(!made.unwrap().uid().is_empty());
    assert!(lab.map("a").is_none());
    applier.apply(&Change::create(map(json!({"a": "1"})))).await.unwrap();
    let asked = Change::apply(map(json!({"b": "2"})), names::FIELD_MANAGER);
    let merged = applier.apply_with(&asked, WriteOptions::DRY_RUN).await.unwrap().unwrap();
    assert_eq!(merged.get("data"), Some(&json!({"a": "1", "b": "2"})));
    assert!(merged.pointer("/metadata/managedFields").is_some());
    let live = lab.map("a").unwrap();
    assert_eq!(live.get("data"), Some(&json!({"a": "1"})));
    let gone = Change::delete(&live);
    applier.apply_with(&gone, WriteOptions::DRY_RUN).await.unwrap();
    assert!(lab.map("a").is_some());
}

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'web:1', resources: {limits: {cpu: 1000m}}}]}
";

#[tokio::test(start_paused = true)]
async fn a_comparison_by_the_server_finds_drift_and_no_defaults() {
    let lab = Lab::new();
    lab.commit(&[("app/a.yaml", &config_map("a", "1")), ("app/web.yaml", WEB)]);
    let mut shop = app("shop", "app", json!({"automated": {}}));
    shop["metadata"]["annotations"] = json!({names::COMPARE_OPTIONS: "ServerSideDiff=true"});
    lab.apply(&shop);
    let running = lab.run();
    lab.until("deployed", 60, |lab| lab.is_synced("shop")).await;
    lab.patch(&map_ref("a"), &json!({"data": {"value": "hand"}}));
    let state = |lab: &Lab| lab.app("shop").text("/status/sync/status").to_owned();
    lab.until("found", 30, |lab| state(lab) == "OutOfSync").await;
    lab.patch(&map_ref("a"), &json!({"data": {"value": "1"}}));
    lab.until("equal again", 30, |lab| state(lab) == "Synced").await;
    running.stop().await;
}

/// Somebody ran `kubectl apply` before Argo CD came.
async fn taken_over(options: &[&str]) -> Object {
    let lab = Lab::new();
    let kubectl = applier(&lab, names::KUBECTL_MANAGER);
    kubectl.apply(&Change::create(map(json!({"value": "1", "left": "2"})))).await.unwrap();
    lab.commit(&[("app/a.yaml", &config_map("a", "1"))]);
    let mut policy = automated();
    policy["syncOptions"] = json!(options);
    lab.apply(&app("shop", "app", policy));
    let running = lab.run();
    lab.until("deployed", 60, |lab| lab.is_synced("shop")).await;
    running.stop().await;
    lab.map("a").unwrap()
}

#[tokio::test(start_paused = true)]
async fn server_side_apply_takes_over_what_kubectl_owned() {
    let live = taken_over(&["ServerSideApply=true"]).await;
    assert_eq!(live.get("data"), Some(&json!({"value": "1"})), "what left the source is gone");
    let owners = live.pointer("/metadata/managedFields").unwrap().to_string();
    assert!(!owners.contains(names::KUBECTL_MANAGER), "{owners}");
    let live = taken_over(&["ServerSideApply=true", "ClientSideApplyMigration=false"]).await;
    assert_eq!(live.get("data"), Some(&json!({"value": "1", "left": "2"})), "kubectl owns it still");
}

#[tokio::test(start_paused = true)]
async fn what_is_nobodys_yet_is_compared_whole() {
    let lab = Lab::new();
    lab.apply(map(json!({"value": "1"})).value());
    lab.commit(&[("app/a.yaml", &config_map("a", "1"))]);
    let mut shop = app("shop", "app", json!({}));
    shop["spec"]["ignoreDifferences"] = json!([{"kind": "ConfigMap", "jsonPointers": ["/metadata/annotations"]}]);
    lab.apply(&shop);
    let running = lab.run();
    let state = |lab: &Lab| lab.app("shop").text("/status/sync/status").to_owned();
    lab.until("equal", 30, |lab| state(lab) == "Synced").await;
    lab.patch(&map_ref("a"), &json!({"data": {"value": "hand"}}));
    // Nothing says that the object concerns the Application: only a refresh looks.
    lab.refresh("shop", "normal");
    lab.until("different", 30, |lab| state(lab) == "OutOfSync").await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn fields_of_a_trusted_manager_do_not_count() {
    let lab = Lab::new();
    lab.commit(&[("app/web.yaml", WEB)]);
    let mut shop = app("shop", "app", json!({"automated": {}}));
    shop["spec"]["ignoreDifferences"] =
        json!([{"group": "apps", "kind": "Deployment", "managedFieldsManagers": ["scaler"]}]);
    lab.apply(&shop);
    let running = lab.run();
    lab.until("deployed", 60, |lab| lab.is_synced("shop")).await;
    let web = argo_core::ObjectRef::new(Gvk::new("apps", "v1", "Deployment"), Some("shop"), "web");
    let scale = |to: i64| Change::merge(web.clone(), json!({"spec": {"replicas": to}}));
    applier(&lab, "scaler").apply(&scale(3)).await.unwrap();
    lab.until("scaled", 30, |lab| lab.all("Pod").len() == 3).await;
    lab.until("settled", 30, |lab| lab.is_synced("shop")).await;
    applier(&lab, "stranger").apply(&scale(2)).await.unwrap();
    let state = |lab: &Lab| lab.app("shop").text("/status/sync/status").to_owned();
    lab.until("different", 30, |lab| state(lab) == "OutOfSync").await;
    running.stop().await;
}

#[test]
fn worlds_answer_dry_runs() {
    let mut world = World::new("shop").automated();
    world.edit(|app| app.set_annotation(names::COMPARE_OPTIONS, "ServerSideDiff=true"));
    world.set_objects(vec![map(json!({"a": "1"}))]);
    world.settle();
    assert_eq!(world.sync(), "Synced");
    world.put((*world.get("v1", "ConfigMap", "a").unwrap()).clone().with(&["data", "a"], "hand"));
    world.wait(600);
    world.pass();
    assert_eq!(world.sync(), "OutOfSync");
}

#[tokio::test(start_paused = true)]
async fn a_binding_of_another_role_is_made_anew() {
    let lab = Lab::new();
    let binding = |role: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: b}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {role}}}\n"
        )
    };
    lab.commit(&[("app/b.yaml", &binding("one"))]);
    lab.apply(&app("shop", "app", automated()));
    let running = lab.run();
    lab.until("deployed", 60, |lab| lab.is_synced("shop")).await;
    lab.commit(&[("app/b.yaml", &binding("two"))]);
    lab.refresh("shop", "normal");
    let role = |lab: &Lab| lab.all("RoleBinding").first().map(|it| it.text("/roleRef/name").to_owned());
    lab.until("changed", 60, |lab| role(lab).as_deref() == Some("two") && lab.is_synced("shop")).await;
    running.stop().await;
}
