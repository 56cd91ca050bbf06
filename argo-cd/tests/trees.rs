//! Resource trees and orphans on an embedded cluster.

use argo_cd::{api::ApplicationTree, controller::Trees};
use argo_core::ObjectKey;
use serde_json::json;

use crate::support::*;

fn web() -> String {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": "web:1"}]}}}})
    .to_string()
}

fn rows(tree: &ApplicationTree) -> Vec<String> {
    let mut rows: Vec<String> = tree
        .nodes
        .iter()
        .map(|it| {
            let parent = it.parent_refs.first().map(|it| it.kind.as_str()).unwrap_or_default();
            let health = it.health.as_ref().map(|it| it.status.as_str()).unwrap_or_default();
            format!("{} < {parent} {health}", it.reference.kind)
        })
        .collect();
    rows.sort();
    rows
}

#[tokio::test(start_paused = true)]
async fn a_tree_shows_what_hangs_below_an_application_and_what_is_missing() {
    let lab = Lab::new();
    let service = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}"#;
    lab.commit(&[("app/web.json", &web()), ("app/service.json", service)]);
    lab.apply(&app("shop", "app", json!({})));
    let trees = Trees::default();
    let running = lab.run_with(|it| it.trees(trees.clone()));
    let key = ObjectKey::new(Some("argocd"), "shop");
    lab.until("compared", 30, |_| trees.get(&key).is_some()).await;
    assert_eq!(rows(&trees.get(&key).unwrap()), ["Deployment <  Missing", "Service <  Missing"]);
    lab.patch(&app_ref("shop"), &json!({"operation": {"sync": {}}}));
    let pods = |tree: &ApplicationTree| rows(tree).iter().filter(|it| *it == "Pod < ReplicaSet Healthy").count();
    lab.until("deployed", 60, |lab| lab.is_synced("shop") && trees.get(&key).is_some_and(|it| pods(&it) == 2)).await;
    let tree = trees.get(&key).unwrap();
    let found = rows(&tree);
    for row in
        ["Deployment <  Healthy", "ReplicaSet < Deployment Healthy", "Service <  Healthy", "EndpointSlice < Service "]
    {
        assert!(found.iter().any(|it| it == row), "{row}: {found:?}");
    }
    let pod = tree.nodes.iter().find(|it| it.reference.kind == "Pod").unwrap();
    assert!(pod.info.iter().any(|it| it.name == "Status Reason" && it.value == "Running"), "{:?}", pod.info);
    assert_eq!(pod.images, ["web:1"]);
    assert_eq!(pod.networking_info.as_ref().unwrap().labels["app"], "web");
    assert!(!tree.hosts.is_empty() && tree.hosts[0].resources_info.iter().any(|it| it.resource_name == "cpu"));
    assert_eq!(lab.app("shop").pointer("/status/summary/images"), Some(&json!(["web:1"])));
    lab.delete(&app_ref("shop"));
    lab.until("gone", 120, |_| trees.get(&key).is_none()).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn orphans_are_a_warning_where_the_project_wants_one() {
    let lab = Lab::new();
    lab.commit(&[("app/a.yaml", &config_map("a", "1")), ("other/b.yaml", &config_map("b", "1"))]);
    lab.apply(&json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": "tidy", "namespace": "argocd"}, "spec": {"sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "orphanedResources": {"warn": true, "ignore": [{"kind": "ConfigMap", "name": "fine-*"}]}}}));
    let mut tidy = app("shop", "app", automated());
    tidy["spec"]["project"] = json!("tidy");
    lab.apply(&tidy);
    lab.apply(&app("other", "other", automated()));
    let trees = Trees::default();
    let running = lab.run_with(|it| it.trees(trees.clone()));
    lab.until("deployed", 60, |lab| lab.is_synced("shop") && lab.is_synced("other")).await;
    lab.sleep(5).await;
    let orphans = |lab: &Lab| {
        let conditions = lab.app("shop").pointer("/status/conditions").cloned().unwrap_or_default();
        let list = conditions.as_array().cloned().unwrap_or_default();
        list.iter().map(|it| it["message"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(orphans(&lab), [""; 0], "what another Application manages is no orphan");
    for name in ["stray", "fine-1"] {
        lab.apply(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}}));
    }
    // Nothing but the event of the stranger brings the Application up.
    lab.until("warned", 20, |lab| orphans(lab) == ["Application has 1 orphaned resources"]).await;
    let tree = trees.get(&ObjectKey::new(Some("argocd"), "shop")).unwrap();
    assert_eq!(tree.orphaned_nodes.iter().map(|it| it.reference.name.as_str()).collect::<Vec<_>>(), ["stray"]);
    assert_eq!(lab.app("shop").text("/status/sync/status"), "Synced");
    lab.delete(&map_ref("stray"));
    lab.until("tidy again", 20, |lab| orphans(lab).is_empty()).await;
    running.stop().await;
}
