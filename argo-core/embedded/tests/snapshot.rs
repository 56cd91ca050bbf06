//! Going back, and filling a cluster from files.

use argo_embedded::{Cluster, ListFilter};
use serde_json::{Value, json};

use crate::support::*;

fn map(name: &str, value: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "default" }, "data": { "k": value } })
}

fn widget(name: &str) -> Value {
    json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": name, "namespace": "default" }, "spec": { "size": 2 } })
}

#[test]
fn a_snapshot_is_gone_back_to_with_uids_and_definitions() {
    let cluster = Cluster::new();
    let direct = cluster.direct("test");
    direct.create(widgets(true)).expect("made");
    direct.create(widget("w")).expect("made");
    let kept = direct.create(map("kept", "1")).expect("made");
    direct.create(map("same", "1")).expect("made");
    let snapshot = cluster.snapshot();
    let before = cluster.dump();

    direct.apply(map("kept", "2")).expect("changed");
    direct.create(map("more", "1")).expect("made");
    direct
        .delete(
            "customresourcedefinitions.apiextensions.k8s.io",
            "",
            "widgets.example.com",
            &argo_embedded::DeleteParams::default(),
        )
        .expect("gone");
    assert!(direct.get("widgets.example.com", "default", "w").is_err());
    let revision = cluster.revision();
    let mark = direct.get("configmaps", "default", "same").expect("there")["metadata"]["resourceVersion"].clone();

    cluster.restore(&snapshot).expect("restored");
    let again = direct.get("configmaps", "default", "kept").expect("there");
    assert_eq!((&again["metadata"]["uid"], &again["data"]["k"]), (&kept["metadata"]["uid"], &json!("1")));
    assert!(direct.get("configmaps", "default", "more").is_err());
    assert_eq!(direct.get("widgets.example.com", "default", "w").expect("served again")["spec"]["size"], 2);
    assert!(cluster.revision() > revision, "revisions go on");
    let same = direct.get("configmaps", "default", "same").expect("there");
    assert_eq!(same["metadata"]["resourceVersion"], mark, "what was the same is not written");
    let plain = |objects: Vec<std::sync::Arc<Value>>| -> Vec<Value> {
        let mut objects: Vec<Value> = objects.iter().map(|it| (**it).clone()).collect();
        objects.iter_mut().for_each(|it| it["metadata"]["resourceVersion"] = json!(""));
        objects
    };
    assert_eq!(plain(cluster.dump()), plain(before));
}

#[test]
fn a_directory_is_applied_in_order_and_errors_name_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    std::fs::create_dir(folder.path().join("b")).expect("a folder");
    write(
        "a.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: team}\n",
    );
    write("b/c.json", r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"two","namespace":"team"}}"#);
    write("notes.txt", "not: [an object");
    let cluster = Cluster::new();
    assert_eq!(cluster.apply_directory(folder.path()).expect("applied").len(), 3);
    let maps = cluster.direct("test").list("configmaps", "team", &ListFilter::default()).expect("listed");
    assert_eq!(maps.items.len(), 2);
    write("b/d.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Upper, namespace: team}\n");
    let error = cluster.apply_directory(folder.path()).expect_err("refused");
    assert!(error.message.contains("d.yml: ConfigMap \"Upper\" is invalid: metadata.name"), "{}", error.message);
    assert_eq!(error.code, 422);
}
