//! A stock kube-runtime controller on the cluster, in virtual time; faults; writes cut off.

use std::sync::Arc;
use std::time::Duration;

use argo_core::clock::Clock;
use argo_embedded::faults::{Fault, Rule};
use argo_embedded::{ClientOptions, Cluster, Verb};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::support::*;

/// Gives every config map a secret of its name.
async fn reconcile(map: Arc<ConfigMap>, client: Arc<Client>) -> Result<Action, kube::Error> {
    let secrets: Api<Secret> = Api::namespaced((*client).clone(), &map.namespace().unwrap_or_default());
    let name = map.name_any();
    if secrets.get_opt(&name).await?.is_none() {
        let owner =
            json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": map.uid(), "controller": true }]);
        let secret: Secret = serde_json::from_value(json!({ "metadata": { "name": name, "ownerReferences": owner } }))
            .map_err(kube::Error::SerdeError)?;
        secrets.create(&PostParams::default(), &secret).await?;
    }
    let maps: Api<ConfigMap> = Api::namespaced((*client).clone(), &map.namespace().unwrap_or_default());
    if map.data.as_ref().is_none_or(|data| !data.contains_key("done")) {
        maps.patch(&name, &PatchParams::default(), &Patch::Merge(json!({ "data": { "done": "yes" } }))).await?;
    }
    Ok(Action::requeue(Duration::from_secs(3600)))
}

async fn run(client: Client) {
    let maps: Api<ConfigMap> = Api::all(client.clone());
    let secrets: Api<Secret> = Api::all(client.clone());
    Controller::new(maps, Default::default())
        .owns(secrets, Default::default())
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(5)), Arc::new(client))
        .for_each(|_| std::future::ready(()))
        .await;
}

fn virtual_cluster() -> Cluster {
    Cluster::builder()
        .clock(Clock::virtual_at("2026-01-01T00:00:00Z".parse().expect("time")))
        .build()
        .expect("in memory")
}

async fn settled(cluster: &Cluster) -> (usize, bool) {
    let secrets: Api<Secret> = Api::default_namespaced(cluster.client());
    let done = config_maps(cluster).get("a").await.expect("read").data.is_some_and(|data| data.contains_key("done"));
    (secrets.list(&ListParams::default()).await.expect("list").items.len(), done)
}

#[tokio::test(start_paused = true)]
async fn controller_converges_and_then_writes_nothing() {
    let cluster = virtual_cluster();
    let task = tokio::spawn(run(cluster.client()));
    config_maps(&cluster).create(&PostParams::default(), &config_map("a", json!({}))).await.expect("created");
    cluster.clock().sleep(Duration::from_secs(60)).await;
    assert_eq!(settled(&cluster).await, (1, true));
    let mark = cluster.journal().mark();
    cluster.clock().sleep(Duration::from_secs(3 * 3600)).await;
    assert_eq!(cluster.journal().writes_since(mark), []);
    // An owned object that goes is made again.
    Api::<Secret>::default_namespaced(cluster.client()).delete("a", &Default::default()).await.expect("deleted");
    cluster.clock().sleep(Duration::from_secs(60)).await;
    assert_eq!(settled(&cluster).await, (1, true));
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn controller_ends_in_the_same_state_when_killed_at_any_write() {
    for writes in 0..3 {
        for lost in [false, true] {
            let cluster = virtual_cluster();
            config_maps(&cluster).create(&PostParams::default(), &config_map("a", json!({}))).await.expect("created");
            let mut options = ClientOptions::named("doomed").cut_after_writes(writes);
            if lost {
                options = options.lose_last_answer();
            }
            let (client, session) = cluster.client_with(options);
            let doomed = tokio::spawn(run(client));
            session.cut().await;
            cluster.clock().sleep(Duration::from_secs(1)).await;
            doomed.abort();
            assert_eq!(session.writes(), writes);
            let task = tokio::spawn(run(cluster.client()));
            cluster.clock().sleep(Duration::from_secs(60)).await;
            assert_eq!(settled(&cluster).await, (1, true), "killed after {writes} writes");
            task.abort();
            if writes == 2 {
                break;
            }
        }
        if writes == 2 {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn faults_befall_the_requests_they_name() {
    let cluster = virtual_cluster();
    let maps = config_maps(&cluster);
    let id = cluster.faults().add(Rule::new(Fault::Conflict).verb(Verb::Create).resource("configmaps").times(1));
    assert_eq!(
        status_of(maps.create(&PostParams::default(), &config_map("a", json!({}))).await.expect_err("conflict")).code,
        409
    );
    assert_eq!(cluster.faults().acted(id), Some(1));
    maps.create(&PostParams::default(), &config_map("a", json!({}))).await.expect("the second passes");

    cluster
        .faults()
        .add(Rule::new(Fault::TooManyRequests { retry_after: 7 }).verb(Verb::Get).name("a").after(1).times(1));
    maps.get("a").await.expect("the first passes");
    let busy = status_of(maps.get("a").await.expect_err("busy"));
    assert_eq!((busy.code, busy.details.expect("details").retry_after_seconds), (429, 7));

    cluster.faults().clear();
    cluster.faults().add(Rule::new(Fault::Latency(Duration::from_secs(10))).verb(Verb::List));
    let before = cluster.clock().now();
    maps.list(&ListParams::default()).await.expect("late");
    assert_eq!(cluster.clock().now().duration_since(before).as_secs(), 10);

    cluster.faults().clear();
    let stale = cluster.faults().add(Rule::new(Fault::Stale).verb(Verb::List));
    maps.create(&PostParams::default(), &config_map("b", json!({}))).await.expect("created");
    assert_eq!(maps.list(&ListParams::default()).await.expect("stale").items.len(), 1);
    cluster.faults().remove(stale);
    assert_eq!(maps.list(&ListParams::default()).await.expect("fresh").items.len(), 2);

    let (client, session) = cluster.client_with(ClientOptions::named("lonely"));
    cluster.faults().add(Rule::new(Fault::Partition).client("lonely"));
    let lonely: Api<ConfigMap> = Api::default_namespaced(client);
    assert!(matches!(lonely.get("a").await, Err(kube::Error::Service(_))));
    cluster.faults().clear();
    lonely.get("a").await.expect("healed");
    session.disconnect();
    assert!(lonely.get("a").await.is_err());
    session.restore();
    lonely.get("a").await.expect("restored");
}
