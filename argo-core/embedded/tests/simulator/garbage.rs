use argo_embedded::simulator::SimulatorConfig;
use serde_json::{Value, json};

use super::{World, deployment, world};

fn map(name: &str, owner: Option<(&Value, bool)>) -> Value {
    let mut object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}});
    if let Some((owner, blocks)) = owner {
        object["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "blockOwnerDeletion": blocks,
        }]);
    }
    object
}

async fn family(world: &World, blocks: bool) {
    let parent = world.apply(map("parent", None)).await;
    let child = world.apply(map("child", Some((&parent, blocks)))).await;
    world.apply(map("grandchild", Some((&child, blocks)))).await;
}

fn maps(world: &World) -> Vec<String> {
    world.names("configmaps").into_iter().filter(|name| name != "kube-root-ca.crt").collect()
}

#[tokio::test(start_paused = true)]
async fn in_the_background_the_owner_goes_first_and_the_rest_follows() {
    let world = world(SimulatorConfig::garbage_collection_only());
    family(&world, true).await;
    world.delete("configmaps", "parent", "Background").await;
    assert!(maps(&world).is_empty(), "{:?}", maps(&world));
}

#[tokio::test(start_paused = true)]
async fn in_the_foreground_the_owner_waits_for_what_blocks_it() {
    let world = world(SimulatorConfig::garbage_collection_only());
    family(&world, true).await;
    world.patch("configmaps", "grandchild", json!({"metadata": {"finalizers": ["example.com/hold"]}})).await;
    world.delete("configmaps", "parent", "Foreground").await;
    assert_eq!(maps(&world), ["child", "grandchild", "parent"]);
    let parent = world.get("configmaps", "parent");
    assert_eq!(parent["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    world.patch("configmaps", "grandchild", json!({"metadata": {"finalizers": null}})).await;
    assert!(maps(&world).is_empty(), "{:?}", maps(&world));
}

#[tokio::test(start_paused = true)]
async fn in_the_foreground_what_does_not_block_is_not_waited_for() {
    let world = world(SimulatorConfig::garbage_collection_only());
    let parent = world.apply(map("parent", None)).await;
    world.apply(map("child", Some((&parent, false)))).await;
    world.patch("configmaps", "child", json!({"metadata": {"finalizers": ["example.com/hold"]}})).await;
    world.delete("configmaps", "parent", "Foreground").await;
    assert_eq!(maps(&world), ["child"]);
    assert!(world.get("configmaps", "child")["metadata"].get("deletionTimestamp").is_some());
}

#[tokio::test(start_paused = true)]
async fn orphans_stay_and_lose_their_owner() {
    let world = world(SimulatorConfig::garbage_collection_only());
    family(&world, true).await;
    world.delete("configmaps", "parent", "Orphan").await;
    assert_eq!(maps(&world), ["child", "grandchild"]);
    assert!(world.get("configmaps", "child")["metadata"].get("ownerReferences").is_none());
    assert!(world.get("configmaps", "grandchild")["metadata"].get("ownerReferences").is_some());
}

#[tokio::test(start_paused = true)]
async fn one_living_owner_is_enough() {
    let world = world(SimulatorConfig::garbage_collection_only());
    let one = world.apply(map("one", None)).await;
    let two = world.apply(map("two", None)).await;
    let mut child = map("child", Some((&one, false)));
    child["metadata"]["ownerReferences"]
        .as_array_mut()
        .unwrap()
        .extend(map("", Some((&two, false)))["metadata"]["ownerReferences"].as_array().unwrap().clone());
    world.apply(child).await;
    world.delete("configmaps", "one", "Background").await;
    let owners = world.get("configmaps", "child")["metadata"]["ownerReferences"].clone();
    assert_eq!(owners.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect::<Vec<_>>(), ["two"]);
    world.delete("configmaps", "two", "Background").await;
    assert!(maps(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn objects_of_owners_that_never_were_go_but_not_those_of_unknown_kinds() {
    let world = world(SimulatorConfig::garbage_collection_only());
    let ghost = json!({"metadata": {"name": "ghost", "uid": "no-such-uid"}});
    world.apply(map("haunted", Some((&ghost, false)))).await;
    let mut foreign = map("foreign", Some((&ghost, false)));
    foreign["metadata"]["ownerReferences"][0]["apiVersion"] = json!("example.com/v1");
    foreign["metadata"]["ownerReferences"][0]["kind"] = json!("Widget");
    world.apply(foreign).await;
    assert_eq!(maps(&world), ["foreign"]);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_takes_its_sets_and_pods_along() {
    for propagation in ["Background", "Foreground"] {
        let world = world(SimulatorConfig::default());
        world.apply(deployment("web", 3, "web:1")).await;
        world.delete("deployments.apps", "web", propagation).await;
        world.wait(60).await;
        assert!(world.find("deployments.apps", "web").is_none());
        assert!(world.names("replicasets.apps").is_empty() && world.names("pods").is_empty(), "{propagation}");
    }
}

#[tokio::test(start_paused = true)]
async fn orphaned_pods_run_on_and_are_adopted_again() {
    let world = world(SimulatorConfig::default());
    world.apply(deployment("web", 3, "web:1")).await;
    let before = world.names("pods");
    world.delete("deployments.apps", "web", "Orphan").await;
    assert_eq!((world.names("replicasets.apps").len(), world.names("pods")), (1, before.clone()));
    world.apply(deployment("web", 3, "web:1")).await;
    assert_eq!((world.names("replicasets.apps").len(), world.names("pods")), (1, before));
    assert_eq!(world.list("replicasets.apps", "")[0]["metadata"]["ownerReferences"][0]["name"], "web");
}
