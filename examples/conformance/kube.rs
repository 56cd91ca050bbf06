//! A real cluster, with steps as Pods.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Result, bail};
use argo_core::{
    Gvk,
    runtime::{Context, Shutdown},
};
use argo_examples::{controllers, fixtures::s3::ObjectStore, run};
use argo_workflows::{
    Controller,
    config::Config,
    executor::{
        PodsExecutor,
        pods::{ArtifactRepository, PodConfig},
        process::Image,
    },
};
use serde_json::{Value, json};

use crate::{args::Args, run::World};

pub(crate) async fn world(args: &Args) -> Result<World> {
    let client = run::client(args.kubeconfig.as_deref()).await?;
    let shutdown = Shutdown::new();
    let context = Context::builder(client).manager("workflow-controller").shutdown(shutdown.clone()).build();
    controllers::install(&context, &argo_workflows::api::crds()).await?;
    let store = ObjectStore::start(SocketAddr::from(([0, 0, 0, 0], 0))).await?;
    let host = match &args.store_host {
        Some(host) => host.clone(),
        None => node_address(&context).await?,
    };
    let location = json!({"s3": {
        "bucket": "my-bucket", "endpoint": format!("{host}:{}", store.address.port()), "insecure": true,
        "accessKeySecret": {"name": "my-minio-cred", "key": "accesskey"},
        "secretKeySecret": {"name": "my-minio-cred", "key": "secretkey"},
    }});
    let mut repository = location;
    repository["archiveLogs"] = true.into();
    let image = |program: &str| Image { cmd: vec![program.to_owned()], ..Image::default() };
    let config = PodConfig {
        executor_image: args.executor_image.clone(),
        executor_image_pull_policy: Some("IfNotPresent".to_owned()),
        repository: ArtifactRepository::read(&repository),
        // As the recorded controller was told: these images have a default argument, and no entrypoint.
        images: [("argoproj/argosay:v2", image("argosay")), ("argoproj/argosay:v1", image("cowsay"))]
            .into_iter()
            .map(|(name, image)| (name.to_owned(), image))
            .collect(),
        ..PodConfig::default()
    };
    let executor = PodsExecutor::new(context.clone(), config);
    let mut builder = Controller::builder(context.clone()).executor(Arc::new(executor));
    if !args.node_selector.is_empty() {
        let defaults = json!({"spec": {"nodeSelector": args.node_selector}}).to_string();
        builder = builder.config(Config::from_config_map(&[("workflowDefaults".to_owned(), defaults)].into())?);
    }
    let controller = builder.build()?;
    let running = tokio::spawn(controller.run(shutdown.clone()));
    Ok(World {
        context,
        timeout: args.timeout,
        prefix: format!("conformance-{}", std::process::id()),
        furniture: furniture(&repository),
        shutdown,
        ended: Box::pin(async move {
            let _ = running.await;
            drop(store);
        }),
    })
}

/// What pods need in their namespace: an account with upstream's rights, credentials, a repository.
fn furniture(repository: &Value) -> Vec<Value> {
    let named = |name: &str| json!({"name": name});
    let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
    let rules = json!([
        rule(&["argoproj.io"], &["workflowtaskresults"], &["create", "patch"]),
        // For the resource templates among the recorded ones.
        rule(&["argoproj.io"], &["workflows"], &["create", "get"]),
        rule(&[""], &["pods"], &["get", "patch"]),
    ]);
    vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named("default")}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": named("executor"), "rules": rules}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": named("executor"),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "executor"},
            "subjects": [{"kind": "ServiceAccount", "name": "default"}]}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": named("my-minio-cred"),
            "stringData": {"accesskey": "admin", "secretkey": "password"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "artifact-repositories",
            "annotations": {"workflows.argoproj.io/default-artifact-repository": "default-v1"}},
            "data": {"default-v1": repository.to_string(), "my-key": repository.to_string(), "default-v1-s3-artifact-repository": repository.to_string()}}),
    ]
}

/// An address of this machine that pods reach: that of a node, where one runs here.
async fn node_address(context: &Context) -> Result<String> {
    let nodes = context.list(&Gvk::new("", "v1", "Node"), None, None).await?;
    for node in nodes {
        let addresses = node.pointer("/status/addresses").and_then(Value::as_array).into_iter().flatten();
        for it in addresses.filter(|it| it["type"] == "InternalIP") {
            let address = it["address"].as_str().unwrap_or_default();
            let own = tokio::net::TcpListener::bind((address, 0)).await.is_ok();
            if own && !address.starts_with("127.") {
                return Ok(address.to_owned());
            }
        }
    }
    bail!("pods must reach the object store of this program: give an address of this machine by --store-host")
}
