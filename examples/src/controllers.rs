//! The five controllers, put together once: by the story on one context, by the binaries each on its own.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use argo_core::{
    Category, Change, Gvk, Object, ObjectRef,
    git::{GitRepos, GitReposConfig},
    runtime::{Context, Requests, Shutdown},
};
use argo_events::sources::server::Listen;
use argo_workflows::{
    config::SecretKey,
    executor::{Executor, PodsExecutor, pods::PodConfig},
    persist::{PersistError, Stores},
};
use base64::Engine as _;
use futures::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use serde_json::Value;
use tokio::task::JoinSet;

/// What the controllers need beside a cluster.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where they keep what a restart may need: git mirrors, working folders, the event journal.
    pub folder: PathBuf,
    /// Programs that workflow steps find first.
    pub tools: PathBuf,
    /// Flags of the product, by name.
    pub own: BTreeMap<String, String>,
    /// The only namespace to look at.
    pub namespace: Option<String>,
    /// Addresses for ports that webhook sources name; other ports are served as they are named.
    pub webhooks: BTreeMap<u16, SocketAddr>,
    /// Counts of what the client asks, if [`Requests::counting`] made it.
    pub requests: Requests,
}

/// The CustomResourceDefinitions of all five products.
#[must_use]
pub fn crds() -> Vec<Value> {
    [
        argo_cd::api::crds(),
        argo_workflows::api::crds(),
        argo_rollouts::api::crds(),
        argo_events::api::crds(),
        argo_promote::api::crds(),
    ]
    .concat()
}

/// Controllers under way.
#[derive(Debug)]
pub struct Controllers(JoinSet<()>);

impl Controllers {
    /// Waits for the controllers to end after their shutdown, at most `patience`.
    pub async fn stopped(mut self, patience: Duration) {
        let all = async { while self.0.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("controllers did not end in time");
        }
    }
}

type Run = BoxFuture<'static, ()>;

/// Starts all five on one context.
///
/// # Errors
/// When one of them can not be built.
pub async fn start(context: &Context, settings: &Settings) -> Result<Controllers> {
    let git = git(settings);
    let runs: Vec<Run> = vec![
        application_controller(context, git.clone())?,
        workflow_controller(context, settings)?,
        rollouts_controller(context)?,
        events_controller(context, settings)?,
        promote_controller(context, settings, git)?,
    ];
    let mut running = JoinSet::new();
    running.spawn(async move {
        join_all(runs).await;
    });
    Ok(Controllers(running))
}

/// The shared git mirrors.
#[must_use]
pub fn git(settings: &Settings) -> Arc<GitRepos> {
    Arc::new(GitRepos::new(GitReposConfig::new(settings.folder.join("mirrors"))))
}

/// Argo Events: sources, bus and sensors in this process; accepted events survive a crash.
///
/// # Errors
/// When the event journal can not be opened.
pub fn events_controller(context: &Context, settings: &Settings) -> Result<Run> {
    std::fs::create_dir_all(&settings.folder)?;
    let bus = argo_events::bus::FileBus::open(settings.folder.join("events.journal"), context.clock().clone())?;
    let listen = Listen::Map(settings.webhooks.clone());
    let controller = argo_events::Controller::builder(context.clone()).bus(bus).listen(listen).build()?;
    Ok(Box::pin(controller.run(Shutdown::new())))
}

/// Installs the CustomResourceDefinitions on a real cluster and waits until they are served.
///
/// # Errors
/// When one is refused, or not served within ten seconds.
pub async fn install(context: &Context, crds: &[Value]) -> Result<()> {
    for definition in crds {
        let definition = Object::from_value(definition.clone());
        let name = definition.name().to_owned();
        let change = Change::apply(definition.clone(), "argo");
        if let Err(error) = context.applier().apply(&change).await
            && error.category != Category::AlreadyExists
        {
            return Err(error).with_context(|| format!("installing {name}"));
        }
        let gvk = Gvk::new(
            definition.text("/spec/group"),
            definition.text("/spec/versions/0/name"),
            definition.text("/spec/names/kind"),
        );
        let mut tries = 0;
        while let Err(error) = context.mapper().is_namespaced(&gvk).await {
            tries += 1;
            if tries > 100 {
                return Err(error).with_context(|| format!("waiting for {name}"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

/// Argo Rollouts: Rollouts and AnalysisRuns.
///
/// # Errors
/// When a setting makes no sense.
pub fn rollouts_controller(context: &Context) -> Result<Run> {
    let controller = argo_rollouts::Controller::builder(context.clone()).build()?;
    Ok(Box::pin(controller.run(Shutdown::new())))
}

/// Argo CD: applications and projects.
///
/// # Errors
/// When a setting makes no sense.
pub fn application_controller(context: &Context, git: Arc<GitRepos>) -> Result<Run> {
    let controller = argo_cd::Controller::builder(context.clone()).git(git).build()?;
    Ok(Box::pin(controller.run(Shutdown::new())))
}

/// Argo Workflows: steps are local processes that outlive a crash of this one, or Pods (`--executor kube`).
///
/// # Errors
/// When the folder can not be made, or a flag makes no sense.
pub fn workflow_controller(context: &Context, settings: &Settings) -> Result<Run> {
    let flag = |name: &str| settings.own.get(name).cloned();
    let image = flag("--executor-image");
    let kind = flag("--executor").unwrap_or_else(|| if image.is_some() { "kube" } else { "process" }.to_owned());
    let mut builder = argo_workflows::Controller::builder(context.clone()).count_requests(settings.requests.clone());
    if let Some(id) = flag("--instanceid") {
        builder = builder.instance_id(id);
    }
    let map = flag("--configmap").map(|it| (settings.namespace.clone().unwrap_or_else(|| "argo".to_owned()), it));
    if let Some((namespace, name)) = &map {
        builder = builder.config_map(namespace, name);
    }
    let managed = settings.namespace.clone();
    match kind.as_str() {
        "process" => {
            let mut config = argo_workflows::executor::process::Config::new(settings.folder.join("steps"));
            config.path = format!("{}:{}", settings.tools.display(), config.path);
            let lookup = argo_workflows::executor::process::ClusterLookup::new(context.clone());
            let config = config.lookup(Arc::new(lookup));
            let executor: Arc<dyn Executor> = Arc::new(config.open()?);
            let context = context.clone();
            Ok(Box::pin(async move {
                let started = async {
                    let stores = workflow_stores(&context, map, managed.as_deref()).await?;
                    anyhow::Ok(builder.executor(executor).stores(stores).build()?)
                };
                match started.await {
                    Ok(controller) => controller.run(Shutdown::new()).await,
                    Err(error) => tracing::error!(error = format!("{error:#}"), "not started"),
                }
            }))
        }
        "kube" => {
            let (context, id, policy) = (context.clone(), flag("--instanceid"), flag("--executor-image-pull-policy"));
            let namespace = map.as_ref().map(|it| it.0.clone());
            Ok(Box::pin(async move {
                let started = async {
                    let stores = workflow_stores(&context, map.clone(), managed.as_deref()).await?;
                    let mut config = PodConfig::from(&workflow_config(&context, map).await?);
                    config.instance_id = id.or(config.instance_id);
                    config.executor_image_pull_policy = policy.or(config.executor_image_pull_policy);
                    config.executor_image = image.unwrap_or(config.executor_image);
                    // As upstream's controller is told.
                    let is = |name: &str| std::env::var(name).is_ok_and(|it| it == "true");
                    config.executor_plugins = is("ARGO_EXECUTOR_PLUGINS");
                    config.workflow_plugins = is("ARGO_WORKFLOW_LEVEL_EXECUTOR_PLUGINS");
                    config.namespace = namespace;
                    if let Ok(label) = std::env::var("RETRY_HOST_NAME_LABEL_KEY") {
                        config.retry_host_label = label;
                    }
                    let period = |name: &str| {
                        let text = std::env::var(name).ok()?;
                        let read = argo_lang::duration::parse(&text).ok().and_then(|it| it.try_into().ok());
                        read.or_else(|| {
                            tracing::warn!(name, text, "no duration");
                            None
                        })
                    };
                    let patch = period("ARGO_PROGRESS_PATCH_TICK_DURATION");
                    config.progress_patch = patch.unwrap_or(config.progress_patch);
                    let read = period("ARGO_PROGRESS_FILE_TICK_DURATION");
                    config.progress_read = read.unwrap_or(config.progress_read);
                    let executor = PodsExecutor::new(context.clone(), config);
                    anyhow::Ok(builder.executor(Arc::new(executor)).stores(stores).build()?)
                };
                match started.await {
                    Ok(controller) => controller.run(Shutdown::new()).await,
                    Err(error) => tracing::error!(error = format!("{error:#}"), "not started"),
                }
            }))
        }
        other => anyhow::bail!("--executor is `process` or `kube`, not `{other}`"),
    }
}

/// What the ConfigMap says; without one the defaults.
async fn workflow_config(context: &Context, map: Option<(String, String)>) -> Result<argo_workflows::config::Config> {
    let Some((namespace, name)) = map else { return Ok(Default::default()) };
    let target = argo_core::ObjectRef::new(Gvk::new("", "v1", "ConfigMap"), Some(&namespace), &name);
    let Some(object) = context.get(&target).await? else {
        tracing::warn!(namespace, name, "there is no such ConfigMap: the defaults stand");
        return Ok(Default::default());
    };
    let data = object.pointer("/data").cloned().unwrap_or_default();
    let data: BTreeMap<String, String> = serde_json::from_value(data).unwrap_or_default();
    argo_workflows::config::Config::from_config_map(&data)
        .with_context(|| format!("reading ConfigMap {namespace}/{name}"))
}

/// The databases that the ConfigMap names, with the Secrets beside it.
async fn workflow_stores(context: &Context, map: Option<(String, String)>, managed: Option<&str>) -> Result<Stores> {
    let own = map.as_ref().map(|it| it.0.clone()).unwrap_or_default();
    let config = workflow_config(context, map).await?;
    let secret = |key: &SecretKey| {
        let (target, key) = (ObjectRef::new(Gvk::new("", "v1", "Secret"), Some(&own), &key.name), key.key.clone());
        let found = async move {
            let missing = || PersistError::Missing(format!("key {key} of Secret {}", target.name));
            let object = context.get(&target).await.map_err(|it| PersistError::Unavailable(it.to_string()))?;
            let object = object.ok_or_else(missing)?;
            let encoded = object.pointer("/data").and_then(|it| it.get(&key)?.as_str()).ok_or_else(missing)?;
            let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).map_err(|_| missing())?;
            String::from_utf8(bytes).map_err(|_| missing())
        };
        found.boxed()
    };
    let mut stores = argo_workflows::persist::open(&config, managed, &secret).await?;
    // As upstream's controller is told.
    stores.always_offload = std::env::var("ALWAYS_OFFLOAD_NODE_STATUS").is_ok_and(|it| it == "true");
    Ok(stores)
}

/// Kargo: projects, warehouses, stages and promotions.
///
/// # Errors
/// When a setting makes no sense.
pub fn promote_controller(context: &Context, settings: &Settings, git: Arc<GitRepos>) -> Result<Run> {
    let controller = argo_promote::Controller::builder(context.clone())
        .folder(settings.folder.join("promotions"))
        .git_source(git.clone())
        .git_writer(git)
        .build()?;
    Ok(Box::pin(controller.run(Shutdown::new())))
}
