//! Several clusters: by Secret, some of them away, some looked at in part; sharding.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use argo_cd::{
    controller::{ClusterConnector, ClusterInfos, ConnectError, Connection},
    engine::{
        Cluster,
        sharding::{Algorithm, Place},
    },
};
use argo_core::runtime::Context;
use serde_json::{Value, json};

use crate::support::*;

/// Embedded clusters by the URL that Secrets name; a name of none is a cluster that is away.
#[derive(Debug, Default)]
struct Elsewhere(Mutex<BTreeMap<String, argo_embedded::Cluster>>);

#[async_trait::async_trait]
impl ClusterConnector for Elsewhere {
    async fn connect(&self, cluster: &Cluster, home: &Context) -> Result<Context, ConnectError> {
        match self.0.lock().unwrap().get(&cluster.server) {
            Some(found) => Ok(Context::builder(found.client())
                .clock(home.clock().clone())
                .shutdown(home.shutdown().child_token())
                .build()),
            None => Err(ConnectError { message: format!("Get \"{}/version\": no route to host", cluster.server) }),
        }
    }
}

fn secret(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("cluster-{name}"), "namespace": "argocd",
        "labels": {"argocd.argoproj.io/secret-type": "cluster"}}, "stringData": data})
}

fn remote(lab: &Lab) -> argo_embedded::Cluster {
    let simulator = argo_embedded::simulator::SimulatorConfig::default();
    let cluster = argo_embedded::Cluster::builder().clock(lab.clock()).simulator(simulator).build().unwrap();
    cluster.apply_yaml("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").unwrap();
    cluster
}

fn to(mut app: Value, name: &str) -> Value {
    app["spec"]["destination"] = json!({"name": name, "namespace": "shop"});
    app
}

fn condition(lab: &Lab, name: &str) -> String {
    let app = lab.app(name);
    format!("{}: {}", app.text("/status/conditions/0/type"), app.text("/status/conditions/0/message"))
}

#[tokio::test(start_paused = true)]
async fn applications_go_to_the_cluster_they_name_and_one_that_is_away_holds_up_nobody() {
    let lab = Lab::new();
    let remote = remote(&lab);
    let elsewhere = Arc::new(Elsewhere::default());
    elsewhere.0.lock().unwrap().insert("https://prod".into(), remote.clone());
    lab.commit(&[("app/a.yaml", &config_map("a", "1")), ("gone/a.yaml", &config_map("gone", "1"))]);
    lab.apply(&secret(
        "prod",
        json!({"server": "https://prod", "name": "prod", "config": "{\"bearerToken\": \"t0k\"}"}),
    ));
    lab.apply(&secret("away", json!({"server": "https://away", "name": "away"})));
    lab.apply(&to(app("shop", "app", automated()), "prod"));
    lab.apply(&to(app("lost", "gone", automated()), "away"));
    lab.apply(&app("home", "app", automated()));
    let infos = ClusterInfos::default();
    let metrics = argo_core::runtime::Metrics::default();
    let running = lab.run_measured(metrics.clone(), |it| it.connector(elsewhere.clone()).cluster_infos(infos.clone()));
    lab.until("deployed there and here", 60, |lab| lab.is_synced("shop") && lab.is_synced("home")).await;
    let there = |name: &str| remote.dump().iter().any(|it| it["metadata"]["name"] == name && it["kind"] == "ConfigMap");
    assert!(there("a") && lab.map("a").is_some());
    assert_eq!(lab.app("shop").text("/status/sync/comparedTo/destination/name"), "prod");
    lab.sleep(15).await;
    assert_eq!(
        condition(&lab, "lost"),
        "ComparisonError: Failed to load live state: failed to get cluster info for \"https://away\": error \
         synchronizing cache state : Get \"https://away/version\": no route to host"
    );
    assert_eq!(lab.app("lost").text("/status/sync/status"), "Unknown");
    let connection = |server: &str| infos.get(server).unwrap().connection;
    assert_eq!(connection("https://prod"), Connection::Successful);
    assert!(matches!(connection("https://away"), Connection::Failed(_)));
    assert_eq!(infos.get("https://prod").unwrap().applications, 1);
    assert!(infos.get("https://prod").unwrap().objects >= 1);

    let metrics = metrics.text();
    for line in [
        "argocd_app_info{namespace=\"argocd\",name=\"shop\",project=\"default\",autosync_enabled=\"true\",\
         repo=\"https://git.example/config\",dest_server=\"https://prod\",dest_namespace=\"shop\",sync_status=\"Synced\",\
         health_status=\"Healthy\",operation=\"\"} 1",
        "argocd_app_sync_total{namespace=\"argocd\",name=\"shop\",project=\"default\",dest_server=\"https://prod\",\
         phase=\"Succeeded\",dry_run=\"false\"} 1",
        "argocd_cluster_connection_status{server=\"https://away\",k8s_version=\"\"} 0",
        "argocd_app_condition{namespace=\"argocd\",name=\"lost\",project=\"default\",condition=\"ComparisonError\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert!(metrics.contains("argocd_app_reconcile_bucket{le=\"0.25\",namespace=\"argocd\""), "{metrics}");

    // It comes back, and what was asked for is done.
    elsewhere.0.lock().unwrap().insert("https://away".into(), remote.clone());
    lab.until("the other one too", 120, |lab| lab.is_synced("lost")).await;
    assert!(there("gone"));

    // Drift over there is seen and healed.
    let someone = remote.direct("someone");
    someone.merge_patch("configmaps", "shop", "a", json!({"data": {"value": "hand"}})).unwrap();
    lab.until("healed", 60, |lab| {
        let healed = remote.dump().iter().any(|it| it["metadata"]["name"] == "a" && it["data"]["value"] == "1");
        healed && lab.is_synced("shop")
    })
    .await;

    // Its end takes what it made over there along.
    lab.delete(&app_ref("shop"));
    lab.until("gone", 60, |lab| lab.get(&app_ref("shop")).is_none()).await;
    assert!(!there("a") && lab.map("a").is_some(), "only over there");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_of_some_namespaces_refuses_the_rest() {
    let lab = Lab::new();
    let remote = remote(&lab);
    let elsewhere = Arc::new(Elsewhere::default());
    elsewhere.0.lock().unwrap().insert("https://prod".into(), remote.clone());
    let wide = "{apiVersion: v1, kind: Namespace, metadata: {name: x}}";
    lab.commit(&[("app/a.yaml", &config_map("a", "1")), ("wide/n.yaml", wide)]);
    lab.apply(&secret("prod", json!({"server": "https://prod", "name": "prod", "namespaces": "shop"})));
    lab.apply(&to(app("shop", "app", automated()), "prod"));
    lab.apply(&to(app("wide", "wide", automated()), "prod"));
    let mut other = to(app("other", "app", automated()), "prod");
    other["spec"]["destination"]["namespace"] = json!("other");
    lab.apply(&other);
    let running = lab.run_with(|it| it.connector(elsewhere));
    lab.until("the one in its namespace is deployed", 60, |lab| lab.is_synced("shop")).await;
    lab.sleep(10).await;
    let load = "ComparisonError: Failed to load live state: ";
    assert_eq!(
        condition(&lab, "wide"),
        format!("{load}cluster level Namespace \"x\" can not be managed when in namespaced mode")
    );
    assert_eq!(condition(&lab, "other"), format!("{load}namespace \"other\" for ConfigMap \"a\" is not managed"));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_works_on_its_clusters_only_and_settings_are_followed() {
    let lab = Lab::new();
    lab.commit(&[("app/a.yaml", &config_map("a", "1"))]);
    lab.apply(&app("home", "app", automated()));
    let second = Place { shard: 1, replicas: 2, algorithm: Algorithm::RoundRobin };
    let running = lab.run_with(|it| it.place(second));
    lab.sleep(30).await;
    assert!(lab.app("home").pointer("/status").is_none(), "the own cluster is the first shard's");
    running.stop().await;
    let running = lab.run();
    lab.until("deployed", 60, |lab| lab.is_synced("home")).await;
    lab.apply(
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {"cluster.inClusterEnabled": "false", "timeout.reconciliation": "nonsense"}}),
    );
    lab.until("the own cluster is no destination any more", 30, |lab| {
        condition(lab, "home").ends_with("cluster \"https://kubernetes.default.svc\" is disabled")
    })
    .await;
    lab.delete(&argo_core::ObjectRef::new(argo_core::Gvk::new("", "v1", "ConfigMap"), Some("argocd"), "argocd-cm"));
    lab.until("it is one again", 30, |lab| {
        lab.is_synced("home") && lab.app("home").pointer("/status/conditions").is_none()
    })
    .await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn controllers_take_shards_and_give_those_up_that_fall_silent() {
    let lab = Lab::new();
    let context = Context::builder(lab.cluster.client()).clock(lab.clock()).build();
    let take = |host: &'static str| argo_cd::controller::heartbeat(&context, "argocd", host, 2, None);
    assert_eq!((take("a").await.unwrap(), take("b").await.unwrap(), take("a").await.unwrap()), (0, 1, 0));
    assert!(take("c").await.unwrap_err().to_string().starts_with("all 2 shards have a controller"));
    lab.sleep(20).await;
    assert_eq!(take("a").await.unwrap(), 0);
    lab.sleep(20).await;
    assert_eq!(take("c").await.unwrap(), 1, "b has been silent for longer than thirty seconds");
}
