//! Whose an object is: the three methods, moving between them, installations that share a cluster.

use argo_cd::{
    api::names,
    engine::{Settings, settings::TrackingMethod, tracking::Tracking},
    testing::World,
};
use argo_core::{Gvk, Object};
use serde_json::{Value, json};

use crate::support::*;

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, app.kubernetes.io/instance: shop}}
    spec: {containers: [{name: web, image: 'web:1'}]}
";

fn method(it: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {"application.resourceTrackingMethod": it}})
}

#[tokio::test(start_paused = true)]
async fn labels_track_without_their_copies_and_a_switch_to_annotations_prunes_nothing() {
    let lab = Lab::new();
    lab.apply(&method("label"));
    lab.commit(&[("app/a.yaml", &config_map("a", "1")), ("app/b.yaml", &config_map("b", "1")), ("app/web.yaml", WEB)]);
    lab.apply(&app("shop", "app", automated()));
    let running = lab.run();
    lab.until("deployed", 60, |lab| lab.is_synced("shop")).await;
    let marks = |it: &Object| {
        let own = |it: Option<&str>| it.map(str::to_owned);
        (own(it.label(names::INSTANCE_LABEL)), own(it.annotation(names::TRACKING_ID)))
    };
    assert_eq!(marks(&lab.map("a").unwrap()), (Some("shop".to_owned()), None));
    let pods = |lab: &Lab| lab.all("Pod").iter().map(|it| it.uid().to_owned()).collect::<Vec<_>>();
    let before = pods(&lab);
    assert_eq!(before.len(), 1);

    lab.commit(&[("app/a.yaml", &config_map("a", "1")), ("app/web.yaml", WEB)]);
    lab.refresh("shop", "normal");
    lab.until("pruned", 60, |lab| lab.map("b").is_none() && lab.is_synced("shop")).await;
    assert_eq!(pods(&lab), before, "what the Deployment made carries its label, and is nobody's to prune");
    lab.patch(&map_ref("a"), &json!({"data": {"value": "hand"}}));
    lab.until("healed", 30, |lab| lab.map("a").unwrap().text("/data/value") == "1" && lab.is_synced("shop")).await;

    let version = lab.map("a").unwrap().resource_version().to_owned();
    lab.patch(
        &argo_core::ObjectRef::new(Gvk::new("", "v1", "ConfigMap"), Some("argocd"), "argocd-cm"),
        &json!({"data": {"application.resourceTrackingMethod": "annotation"}}),
    );
    lab.sleep(5).await;
    lab.refresh("shop", "hard");
    lab.until("compared again", 30, |lab| lab.app("shop").annotation(names::REFRESH).is_none()).await;
    lab.sleep(5).await;
    assert!(lab.is_synced("shop"), "{:?}", lab.app("shop"));
    assert_eq!(lab.map("a").unwrap().resource_version(), version, "the other mark is no difference");

    lab.commit(&[("app/a.yaml", &config_map("a", "2")), ("app/web.yaml", WEB)]);
    lab.refresh("shop", "normal");
    lab.until("changed", 60, |lab| lab.map("a").unwrap().text("/data/value") == "2" && lab.is_synced("shop")).await;
    assert_eq!(marks(&lab.map("a").unwrap()), (None, Some("shop:/ConfigMap:shop/a".to_owned())));
    assert_eq!(pods(&lab), before);
    running.stop().await;
}

fn map(name: &str) -> Object {
    Object::new(&Gvk::new("", "v1", "ConfigMap"), None, name).with(&["data", "a"], "1")
}

fn world(tracking: Tracking) -> World {
    let mut world = World::new("shop").automated();
    world.settings = Settings { tracking, ..Settings::default() };
    world
}

#[test]
fn each_method_prunes_what_it_marked_and_heals_what_was_deleted() {
    for method in [TrackingMethod::Annotation, TrackingMethod::AnnotationAndLabel, TrackingMethod::Label] {
        let mut world = world(Tracking { method, ..Tracking::default() });
        world.set_objects(vec![map("keep"), map("go")]);
        world.settle();
        assert_eq!(world.sync(), "Synced");
        world.set_objects(vec![map("keep")]);
        world.wait(600);
        world.settle();
        assert!(world.get("v1", "ConfigMap", "go").is_none(), "{method:?}");
        assert!(world.get("v1", "ConfigMap", "keep").is_some(), "{method:?}");
        assert_eq!(world.sync(), "Synced", "{method:?}");
    }
}

#[test]
fn what_another_installation_marked_is_neither_pruned_nor_shown() {
    let mut world = world(Tracking { installation: "one".to_owned(), ..Tracking::default() });
    let mut stranger = map("stranger");
    stranger.set(&["metadata", "namespace"], "dest");
    Tracking { installation: "two".to_owned(), ..Tracking::default() }.track(&mut stranger, "shop", "dest").unwrap();
    world.put(stranger);
    world.set_objects(vec![map("own")]);
    world.settle();
    assert_eq!(world.sync(), "Synced");
    assert!(world.get("v1", "ConfigMap", "stranger").is_some());
    let own = world.get("v1", "ConfigMap", "own").unwrap();
    assert_eq!(own.annotation(names::INSTALLATION_ID), Some("one"));
    let app = world.app().unwrap();
    let shown = app.pointer("/status/resources").and_then(Value::as_array).unwrap();
    assert_eq!(shown.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn changes_that_are_ignored_bring_nobody_up_and_others_do() {
    let lab = Lab::new();
    let rule = "jsonPointers: [/metadata/labels/noise]";
    lab.apply(
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {"resource.customizations.ignoreResourceUpdates.ConfigMap": rule}}),
    );
    lab.commit(&[("app/a.yaml", &config_map("a", "1"))]);
    lab.apply(&app("shop", "app", automated()));
    let metrics = argo_core::runtime::Metrics::default();
    let running = lab.run_measured(metrics.clone(), |it| it);
    lab.until("deployed", 60, |lab| lab.is_synced("shop")).await;
    // The first label makes a field of labels, which counts.
    lab.patch(&map_ref("a"), &json!({"metadata": {"labels": {"noise": "first"}}}));
    lab.sleep(15).await;
    let passes = || {
        let text = metrics.text();
        let line = text.lines().find(|it| it.starts_with("argocd_app_reconcile_count")).unwrap_or_default().to_owned();
        line.rsplit(' ').next().and_then(|it| it.parse::<f64>().ok()).unwrap_or_default()
    };
    let before = passes();
    assert!(before > 0.0);
    for i in 0..5 {
        lab.patch(&map_ref("a"), &json!({"metadata": {"labels": {"noise": i.to_string()}}}));
        lab.sleep(1).await;
    }
    assert!((passes() - before).abs() < 0.5, "{} after {before}", passes());
    lab.patch(&map_ref("a"), &json!({"data": {"value": "hand"}}));
    lab.until("healed", 30, |lab| lab.map("a").unwrap().text("/data/value") == "1" && lab.is_synced("shop")).await;
    assert!(passes() > before);
    running.stop().await;
}
