//! The application controller as a program, with upstream's flags and environment.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, sync::atomic::Ordering, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use argo_cd::{
    Controller,
    controller::{KubeConnector, heartbeat},
    engine::{
        Settings,
        sharding::{Algorithm, HEARTBEAT, Place},
    },
    webhook::{Webhooks, WebhooksConfig},
};
use argo_core::{
    git::{GitRepos, GitReposConfig},
    runtime::{Context, HealthServer, Shutdown},
};

use crate::{
    flags::{Arguments, Asked, number},
    run,
};

/// Name of the program, and where `--help` begins.
const NAME: &str = "application-controller";

/// The command line, with upstream's names and defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Flags {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `-n`, `--namespace`: of Applications, projects, Secrets and settings; `argocd`.
    pub settings: Settings,
    /// `--status-processors`: passes under way at once; 20.
    pub workers: usize,
    /// `--metrics-port`; 8082.
    pub metrics_port: u16,
    /// `--webhook-address`: ours; nothing is served without it.
    pub webhook: Option<SocketAddr>,
    /// `--sharding-method`; legacy.
    pub sharding: Algorithm,
    /// `--dynamic-cluster-distribution-enabled`.
    pub dynamic: bool,
    /// `ARGOCD_CONTROLLER_REPLICAS`; 1.
    pub replicas: usize,
    /// `ARGOCD_CONTROLLER_SHARD`.
    pub shard: Option<usize>,
    /// `--loglevel`; info.
    pub log_level: String,
    /// `--permit-exec-credentials`: ours.
    pub exec: bool,
    /// `--state`: ours; where git mirrors live.
    pub state: PathBuf,
    /// `--install-crds`: ours.
    pub install_crds: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            settings: Settings::default(),
            workers: 20,
            metrics_port: 8082,
            webhook: None,
            sharding: Algorithm::Legacy,
            dynamic: false,
            replicas: 1,
            shard: None,
            log_level: "info".to_owned(),
            exec: false,
            state: "argo-state".into(),
            install_crds: false,
        }
    }
}

/// Flags of upstream whose values are taken and have no effect: there is no repo server, no commit server, no redis.
const IGNORED: [&str; 22] = [
    "--repo-server",
    "--repo-server-timeout-seconds",
    "--commit-server",
    "--hydration-processors",
    "--operation-processors",
    "--logformat",
    "--gloglevel",
    "--metrics-cache-expiration",
    "--self-heal-backoff-cooldown-seconds",
    "--otlp-address",
    "--otlp-headers",
    "--otlp-attrs",
    "--wq-bucket-size",
    "--wq-bucket-qps",
    "--wq-cooldown-ns",
    "--wq-basedelay-ns",
    "--wq-maxdelay-ns",
    "--wq-backoff-factor",
    "--redis",
    "--app-state-cache-expiration",
    "--default-cache-expiration",
    "--metrics-application-labels",
];

/// What `--help` prints.
const HELP: &str = "application-controller [FLAGS]: Argo CD's application controller, with upstream's flags

  --kubeconfig FILE                   the cluster; by default KUBECONFIG or the pod's service account
  -n, --namespace NS (argocd)         Applications, projects, Secrets and settings
  --application-namespaces LIST       other namespaces of Applications: globs, or /expressions/
  --app-resync S (120)  --app-resync-jitter S (60)  --app-hard-resync S (0)
  --repo-error-grace-period-seconds S (0: failures are shown at once)
  --status-processors N (20)          Applications worked on at once
  --self-heal-timeout-seconds S (0)  --self-heal-backoff-timeout-seconds S (2)
  --self-heal-backoff-factor N (3)  --self-heal-backoff-cap-seconds S (300)
  --sync-timeout S (0)  --kubectl-parallelism-limit N (20)
  --persist-resource-health=BOOL (true)  --server-side-diff-enabled=BOOL (false)
  --ignore-normalizer-jq-execution-timeout-seconds DURATION (1s)
  --sharding-method legacy|round-robin|consistent-hashing
  --dynamic-cluster-distribution-enabled   takes a shard in argocd-app-controller-shard-cm
  --metrics-port N (8082)             /metrics, /healthz, /readyz
  --loglevel debug|info|warn|error
  --version
Not upstream's:
  --webhook-address ADDR:PORT         POST /api/webhook
  --permit-exec-credentials           runs the programs that cluster Secrets name for credentials
  --state DIR (./argo-state)          git mirrors
  --install-crds                      installs the CustomResourceDefinitions first
Environment: ARGOCD_CONTROLLER_REPLICAS, ARGOCD_CONTROLLER_SHARD, ARGOCD_SYNC_WAVE_DELAY. ConfigMaps argocd-cm and
argocd-cmd-params-cm are read and followed.
Taken for compatibility, without effect: flags of the repo server, the commit server, redis, OpenTelemetry and work queues.
";

impl Flags {
    /// Reads the command line; `environment` looks variables up.
    ///
    /// # Errors
    /// Names the flag that was wrong.
    pub fn read(
        arguments: impl IntoIterator<Item = String>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Asked<Self>> {
        let mut flags = Self::default();
        if let Some(replicas) = environment("ARGOCD_CONTROLLER_REPLICAS") {
            flags.replicas = number("ARGOCD_CONTROLLER_REPLICAS", &replicas)?;
        }
        // Upstream's -1 stands for none.
        flags.shard = environment("ARGOCD_CONTROLLER_SHARD").and_then(|it| it.parse().ok());
        if let Some(delay) = environment("ARGOCD_SYNC_WAVE_DELAY") {
            flags.settings.wave_delay = Duration::from_secs(number("ARGOCD_SYNC_WAVE_DELAY", &delay)?);
        }
        let mut arguments = Arguments::new(arguments);
        while let Some(mut flag) = arguments.next_flag() {
            let settings = &mut flags.settings;
            match flag.name.as_str() {
                "--app-resync" => settings.reconciliation = flag.seconds()?,
                "--app-resync-jitter" => settings.jitter = flag.seconds()?,
                "--app-hard-resync" => settings.hard_reconciliation = flag.seconds()?,
                "--repo-error-grace-period-seconds" => settings.repository_grace = flag.seconds()?,
                "--self-heal-timeout-seconds" => settings.self_heal.first = flag.seconds()?,
                "--self-heal-backoff-timeout-seconds" => settings.self_heal.base = flag.seconds()?,
                "--self-heal-backoff-cap-seconds" => settings.self_heal.cap = flag.seconds()?,
                "--sync-timeout" => settings.sync_timeout = flag.seconds()?,
                "--self-heal-backoff-factor" => settings.self_heal.factor = flag.number()?,
                "--kubectl-parallelism-limit" => settings.parallelism = flag.number()?,
                "--persist-resource-health" => settings.persist_health = flag.switch()?,
                "--server-side-diff-enabled" => settings.server_side_diff = flag.switch()?,
                "--ignore-normalizer-jq-execution-timeout-seconds" => {
                    settings.jq_timeout = flag.duration()?;
                }
                "--application-namespaces" => {
                    let list = flag.value()?;
                    let list = list.split(',').map(str::trim).filter(|it| !it.is_empty());
                    settings.application_namespaces = list.map(str::to_owned).collect();
                }
                "--enable-k8s-event" => {
                    let list: Vec<String> = flag.value()?.split(',').map(|it| it.trim().to_owned()).collect();
                    settings.events = (!list.iter().any(|it| it == "all")).then_some(list);
                }
                "--namespace" | "-n" => settings.namespace = flag.value()?,
                "--kubeconfig" => {
                    flags.kubeconfig = Some(flag.value()?.into()).filter(|it: &PathBuf| it.as_os_str() != "")
                }
                "--status-processors" => flags.workers = flag.number()?,
                "--metrics-port" => flags.metrics_port = flag.number()?,
                "--webhook-address" => {
                    flags.webhook = Some(flag.value()?.parse().context("--webhook-address takes ADDRESS:PORT")?);
                }
                "--sharding-method" => {
                    let text = flag.value()?;
                    flags.sharding = Algorithm::parse(&text).unwrap_or_else(|| {
                        tracing::warn!(text, "this sharding method is not supported: legacy is used");
                        Algorithm::Legacy
                    });
                }
                "--dynamic-cluster-distribution-enabled" => flags.dynamic = flag.switch()?,
                "--loglevel" => flags.log_level = flag.value()?,
                "--permit-exec-credentials" => flags.exec = flag.switch()?,
                "--state" => flags.state = flag.value()?.into(),
                "--install-crds" => flags.install_crds = flag.switch()?,
                "--repo-server-plaintext" | "--repo-server-strict-tls" | "--otlp-insecure" | "--hydrator-enabled" => {
                    flag.switch()?;
                }
                it if IGNORED.contains(&it) => drop(flag.value()?),
                "--version" => return Ok(Asked::Version),
                "--help" | "-h" => return Ok(Asked::Help),
                other => bail!("unknown flag: {other}"),
            }
        }
        ensure!(flags.workers > 0, "--status-processors must be at least 1");
        Ok(Asked::Run(Box::new(flags)))
    }
}

/// The `main` of the program.
///
/// # Errors
/// When a flag is wrong, the cluster can not be reached, an address is taken or no shard is free.
pub async fn main() -> Result<()> {
    crate::install_tls();
    let flags = match Flags::read(std::env::args(), |it| std::env::var(it).ok())? {
        Asked::Run(flags) => flags,
        Asked::Help => {
            print!("{HELP}");
            return Ok(());
        }
        Asked::Version => {
            println!("{NAME}: {}", env!("CARGO_PKG_VERSION"));
            return Ok(());
        }
    };
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| flags.log_level.clone());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let client = run::client(flags.kubeconfig.as_deref()).await?;
    let shutdown = Shutdown::new();
    let context = Context::builder(client).manager("argocd-controller").shutdown(shutdown.clone()).build();
    if flags.install_crds {
        crate::controllers::install(&context, &argo_cd::api::crds()).await?;
    }
    let address = SocketAddr::from(([0, 0, 0, 0], flags.metrics_port));
    let health = HealthServer::bind(address, context.metrics().clone()).await?;
    let ready = health.ready();
    tokio::spawn(health.run(shutdown.clone()));
    tokio::spawn(run::stop_on_signal(shutdown.clone()));
    let place = place(&context, &flags, &shutdown).await?;
    tracing::info!(shard = place.shard, replicas = place.replicas, "works on the clusters of this shard");
    if let Some(address) = flags.webhook {
        serve_webhooks(&context, &flags, address, &shutdown).await?;
    }
    let git = GitRepos::new(GitReposConfig::new(flags.state.join("mirrors")));
    let connector = if flags.exec { KubeConnector::default().permit_exec() } else { KubeConnector::default() };
    let controller = Controller::builder(context)
        .settings(flags.settings.clone())
        .git(Arc::new(git))
        .workers(flags.workers)
        .connector(Arc::new(connector))
        .place(place)
        .build()?;
    ready.store(true, Ordering::Release);
    controller.run(shutdown).await;
    Ok(())
}

/// Which shard this controller is. With the dynamic distribution it shows that it lives from then on, and ends when it
/// loses its shard: whoever restarts it gets another.
async fn place(context: &Context, flags: &Flags, shutdown: &Shutdown) -> Result<Place> {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| NAME.to_owned());
    if !flags.dynamic || flags.replicas <= 1 {
        return Ok(Place::new(flags.shard, flags.replicas, &host, flags.sharding));
    }
    let namespace = flags.settings.namespace.clone();
    let shard = heartbeat(context, &namespace, &host, flags.replicas, flags.shard).await?;
    let (context, shutdown, replicas) = (context.clone(), shutdown.clone(), flags.replicas);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = context.clock().sleep(HEARTBEAT) => {}
            }
            match heartbeat(&context, &namespace, &host, replicas, None).await {
                Ok(held) if held == shard => {}
                Ok(held) => {
                    tracing::error!(shard, held, "the shard went to another controller");
                    return shutdown.cancel();
                }
                Err(error) => tracing::warn!(%error, "no sign of life could be given"),
            }
        }
    });
    Ok(Place { shard, replicas: flags.replicas, algorithm: flags.sharding })
}

async fn serve_webhooks(context: &Context, flags: &Flags, address: SocketAddr, shutdown: &Shutdown) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
    let hooks = Webhooks::new(context.clone(), flags.settings.clone(), WebhooksConfig::default());
    let (router, stop) = (hooks.router(), shutdown.clone());
    tokio::spawn({
        let stop = stop.clone();
        async move { hooks.run(stop).await }
    });
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await;
        if let Err(error) = served {
            tracing::warn!(%error, "the webhook server ended");
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, environment: &[(&str, &str)]) -> Result<Asked<Flags>> {
        let arguments = line.split_whitespace().map(str::to_owned);
        let find = |key: &str| environment.iter().find(|(it, _)| *it == key).map(|(_, value)| (*value).to_owned());
        Flags::read(arguments, find)
    }

    #[test]
    fn upstreams_command_lines_are_understood() {
        let line = "controller --namespace cd --app-resync 30 --self-heal-backoff-factor=2 --status-processors 5 \
            --operation-processors 7 --repo-server argocd-repo-server:8081 --redis redis:6379 --persist-resource-health=false \
            --sharding-method round-robin --application-namespaces a,b --metrics-port 9000 --otlp-insecure";
        let Asked::Run(flags) =
            read(line, &[("ARGOCD_CONTROLLER_REPLICAS", "3"), ("ARGOCD_CONTROLLER_SHARD", "-1")]).unwrap()
        else {
            panic!("not run")
        };
        let it = &flags.settings;
        assert_eq!((it.namespace.as_str(), it.reconciliation.as_secs(), it.persist_health), ("cd", 30, false));
        assert_eq!(it.application_namespaces, ["a", "b"]);
        assert_eq!((flags.workers, flags.metrics_port, flags.replicas, flags.shard), (5, 9000, 3, None));
        assert_eq!(flags.sharding, Algorithm::RoundRobin);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |line: &str| read(line, &[]).unwrap_err().to_string();
        assert_eq!(error("c --app-resync soon"), "--app-resync takes a number, not \"soon\"");
        assert_eq!(error("c --nope"), "unknown flag: --nope");
        assert_eq!(error("c --status-processors"), "--status-processors needs a value");
        assert_eq!(read("c --help", &[]).unwrap(), Asked::Help);
    }
}
