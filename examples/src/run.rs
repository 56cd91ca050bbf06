//! What every controller binary does around its controller: flags, client, leader election, probes, stop.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::atomic::Ordering};

use anyhow::{Context as _, Result, bail};
use argo_core::runtime::{Context, Elector, HealthServer, LeaseConfig, Requests, Shutdown};
use futures::future::BoxFuture;

use crate::{controllers::Settings, flags::Arguments};

/// The flags all binaries take, named as upstream names them.
#[derive(Debug, Clone)]
pub struct Flags {
    /// `--kubeconfig FILE`: the cluster; by default what `KUBECONFIG` or the pod's service account say.
    pub kubeconfig: Option<PathBuf>,
    /// `--namespace NS`: looks at this namespace only.
    pub namespace: Option<String>,
    /// `--leader-elect`: stands for election before it works.
    pub leader_elect: bool,
    /// `--metrics-addr ADDR`: where `/healthz`, `/readyz` and `/metrics` are served; `127.0.0.1:8080` by default.
    pub metrics: SocketAddr,
    /// `--state DIR`: what a restart may need; `./argo-state` by default.
    pub state: PathBuf,
    /// `--install-crds`: installs the CustomResourceDefinitions first.
    pub install_crds: bool,
    /// Flags of one product, by name: those of `OWN`.
    pub own: BTreeMap<String, String>,
}

/// Flags that only one of the products reads.
const OWN: &[&str] = &["--executor", "--executor-image", "--executor-image-pull-policy", "--configmap", "--instanceid"];

impl Flags {
    /// Reads the command line; `None` when help was asked for.
    ///
    /// # Errors
    /// Names the flag that was wrong.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Option<Self>> {
        let mut flags = Self {
            kubeconfig: None,
            namespace: None,
            leader_elect: false,
            metrics: SocketAddr::from(([127, 0, 0, 1], 8080)),
            state: "argo-state".into(),
            install_crds: false,
            own: BTreeMap::new(),
        };
        let mut arguments = Arguments::new(arguments);
        while let Some(mut flag) = arguments.next_flag() {
            match flag.name.as_str() {
                "--kubeconfig" => flags.kubeconfig = Some(flag.value()?.into()),
                "--namespace" | "--managed-namespace" => flags.namespace = Some(flag.value()?),
                "--metrics-addr" => {
                    flags.metrics = flag.value()?.parse().context("--metrics-addr takes ADDRESS:PORT")?
                }
                "--state" => flags.state = flag.value()?.into(),
                "--namespaced" => {
                    flags.namespace.get_or_insert_with(|| "argo".to_owned());
                }
                it if OWN.contains(&it) => drop(flags.own.insert(flag.name.clone(), flag.value()?)),
                "--leader-elect" => flags.leader_elect = flag.switch()?,
                "--install-crds" => flags.install_crds = flag.switch()?,
                "--help" | "-h" => return Ok(None),
                other => bail!("unknown flag {other}; see --help"),
            }
        }
        Ok(Some(flags))
    }
}

/// What `--help` prints after the first line.
const HELP: &str = "
  --kubeconfig FILE      the cluster; by default KUBECONFIG or the pod's service account
  --namespace NS         looks at this namespace only
  --leader-elect         stands for election before it works
  --metrics-addr ADDR    /healthz, /readyz and /metrics (default 127.0.0.1:8080)
  --state DIR            what a restart may need (default ./argo-state)
  --install-crds         installs the CustomResourceDefinitions first
workflow-controller only:
  --namespaced           looks at one namespace only: --namespace, else argo
  --executor NAME        process (default): steps are local processes; kube: steps are Pods
  --executor-image IMG   image of the executor in Pods; implies --executor kube
  --executor-image-pull-policy POLICY
  --configmap NAME       ConfigMap with upstream's settings, in --namespace (else argo)
  --instanceid ID        runs only workflows labelled with this id
";

/// A controller under way.
pub type Run = BoxFuture<'static, ()>;

/// The `main` of a controller binary: `start` makes the controller's future on a context.
///
/// # Errors
/// When a flag is wrong, the cluster can not be reached, an address is taken or the lead was lost.
pub async fn controller(
    name: &'static str,
    crds: Vec<serde_json::Value>,
    start: impl Fn(&Context, &Settings) -> Result<Run>,
) -> Result<()> {
    crate::install_tls();
    let Some(flags) = Flags::read(std::env::args())? else {
        println!("{name} [FLAGS]\n{HELP}");
        return Ok(());
    };
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let requests = Requests::default();
    let client = requests.counting(client(flags.kubeconfig.as_deref()).await?);
    let shutdown = Shutdown::new();
    let mut builder = Context::builder(client).manager(name).shutdown(shutdown.clone());
    if let Some(namespace) = &flags.namespace {
        builder = builder.namespace(namespace);
    }
    let context = builder.build();
    if flags.install_crds {
        crate::controllers::install(&context, &crds).await?;
    }
    let settings = Settings {
        folder: flags.state.clone(),
        tools: flags.state.join("tools"),
        webhooks: Default::default(),
        own: flags.own.clone(),
        namespace: flags.namespace.clone(),
        requests,
    };
    let health = HealthServer::bind(flags.metrics, context.metrics().clone()).await?;
    let ready = health.ready();
    tokio::spawn(health.run(shutdown.clone()));
    tokio::spawn(stop_on_signal(shutdown.clone()));
    if flags.leader_elect {
        let identity = format!("{name}-{}", std::process::id());
        let namespace = flags.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let elector = Elector::new(context.clone(), LeaseConfig::new(namespace, name, identity));
        let work = |_: Shutdown| {
            let run = start(&context, &settings);
            ready.store(true, Ordering::Release);
            async move {
                match run {
                    Ok(run) => run.await,
                    Err(error) => tracing::error!(error = format!("{error:#}"), "not started"),
                }
            }
        };
        elector.run(shutdown.clone(), work).await?;
    } else {
        let run = start(&context, &settings)?;
        ready.store(true, Ordering::Release);
        run.await;
    }
    Ok(())
}

/// A client by kubeconfig file, or by what the environment says.
///
/// # Errors
/// When there is no configuration, or it can not be used.
pub async fn client(kubeconfig: Option<&std::path::Path>) -> Result<kube::Client> {
    let mut config = match kubeconfig {
        Some(path) => {
            let config =
                kube::config::Kubeconfig::read_from(path).with_context(|| format!("reading {}", path.display()))?;
            kube::Config::from_custom_kubeconfig(config, &Default::default()).await?
        }
        None => kube::Config::infer().await.context("no cluster: set KUBECONFIG or give --kubeconfig")?,
    };
    // The runtime backs off by itself: a client that waits inside a call would hide an API that is away.
    config.default_retry = false;
    Ok(kube::Client::try_from(config)?)
}

pub(crate) async fn stop_on_signal(shutdown: Shutdown) {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::warn!(%error, "no SIGTERM handler");
            return;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    shutdown.cancel();
}
