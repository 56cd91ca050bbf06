//! The Rollouts controller as a program, with upstream's flags.

use std::{net::SocketAddr, path::PathBuf, sync::atomic::Ordering, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use argo_core::runtime::{Context, Elector, HealthServer, LeaseConfig, Shutdown};
use argo_rollouts::{Controller, Workers, metrics::Job};

use crate::{
    flags::{Arguments, Asked},
    run,
};

/// Name of the program, and where `--help` begins.
const NAME: &str = "rollouts-controller";

/// The Lease that instances stand for.
const LEASE: &str = "argo-rollouts-controller-lock";

/// The command line, with upstream's names and defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Flags {
    /// `--kubeconfig`, `--context`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`: of the kubeconfig.
    pub context: Option<String>,
    /// `-n`, `--namespace`.
    pub namespace: Option<String>,
    /// `--namespaced`: only that namespace.
    pub namespaced: bool,
    /// `--instance-id`.
    pub instance: Option<String>,
    /// `--controllers analysis`.
    pub only_analysis: bool,
    /// `--*-threads`.
    pub workers: Workers,
    /// `--rollout-resync`, in seconds; 900.
    pub resync: Duration,
    /// `--metricsPort`; 8090.
    pub metrics_port: u16,
    /// `--healthzPort`; 8080.
    pub health_port: u16,
    /// `--leader-elect`; true.
    pub leader_elect: bool,
    /// `--leader-election-lease-duration`, `-renew-deadline`, `-retry-period`: 15 s, 10 s, 2 s.
    pub election: [Duration; 3],
    /// `--loglevel`; info.
    pub log_level: String,
    /// `--logformat json`.
    pub log_json: bool,
    /// `--install-crds`: ours alone.
    pub install_crds: bool,
    /// Flags that only say how traffic routers and notifications work, as they were given.
    pub others: Vec<(String, String)>,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            namespace: None,
            namespaced: false,
            instance: None,
            only_analysis: false,
            workers: Workers::default(),
            resync: Duration::from_secs(900),
            metrics_port: 8090,
            health_port: 8080,
            leader_elect: true,
            election: [15, 10, 2].map(Duration::from_secs),
            log_level: "info".to_owned(),
            log_json: false,
            install_crds: false,
            others: Vec::new(),
        }
    }
}

/// Flags of upstream that are taken and passed on by name.
const OTHERS: [&str; 16] = [
    "--istio-api-version",
    "--ambassador-api-version",
    "--traffic-split-api-version",
    "--traefik-api-group",
    "--traefik-api-version",
    "--ingress-api-version",
    "--appmesh-crd-version",
    "--aws-target-group-binding-api-version",
    "--alb-tag-key-resource-id",
    "--alb-ingress-classes",
    "--nginx-ingress-classes",
    "--ephemeral-metadata-threads",
    "--ephemeral-metadata-update-pod-retries",
    "--ingress-threads",
    "--enable-pprof-address",
    "--kloglevel",
];

/// What `--help` prints.
const HELP: &str = "rollouts-controller [FLAGS]: Argo Rollouts, with upstream's flags

  --kubeconfig FILE, --context NAME   the cluster; by default KUBECONFIG or the pod's service account
  -n, --namespace NS  --namespaced    looks at one namespace only
  --instance-id ID                    handles only objects labelled with this id
  --controllers analysis              AnalysisRuns only
  --rollout-threads N (10)  --experiment-threads N (10)  --analysis-threads N (30)  --service-threads N (10)
  --rollout-resync SECONDS (900)      looks at every Rollout at least this often
  --metricsPort N (8090)              /metrics
  --healthzPort N (8080)              /healthz, /readyz
  --leader-elect=BOOL (true)          stands for the Lease argo-rollouts-controller-lock[-ID], in the namespace of
                                      POD_NAMESPACE, of the service account, or argo-rollouts
  --leader-election-lease-duration 15s  --leader-election-renew-deadline 10s  --leader-election-retry-period 2s
  --loglevel debug|info|warn|error
  --install-crds                      installs the CustomResourceDefinitions first (not upstream's)
  --version
Taken for compatibility, without effect: --qps, --burst (the API server's own fairness decides), --logformat,
--kloglevel, --enable-pprof-address.
";

impl Flags {
    /// Reads the command line.
    ///
    /// # Errors
    /// Names the flag that was wrong.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Asked<Self>> {
        let mut flags = Self::default();
        let mut arguments = Arguments::new(arguments);
        while let Some(mut flag) = arguments.next_flag() {
            match flag.name.as_str() {
                "--kubeconfig" => {
                    flags.kubeconfig = Some(flag.value()?.into()).filter(|it: &PathBuf| it.as_os_str() != "")
                }
                "--context" => flags.context = Some(flag.value()?),
                "--namespace" | "-n" => flags.namespace = Some(flag.value()?),
                "--namespaced" => flags.namespaced = flag.switch()?,
                "--instance-id" => flags.instance = Some(flag.value()?).filter(|it| !it.is_empty()),
                "--controllers" => {
                    for it in flag.value()?.split(',') {
                        ensure!(it == "analysis", "unsupported controller: {it}");
                        flags.only_analysis = true;
                    }
                }
                "--rollout-threads" => flags.workers.rollouts = flag.number()?,
                "--experiment-threads" => flags.workers.experiments = flag.number()?,
                "--analysis-threads" => flags.workers.analyses = flag.number()?,
                "--service-threads" => flags.workers.services = flag.number()?,
                "--rollout-resync" => flags.resync = flag.seconds()?,
                "--metricsPort" | "--metricsport" => flags.metrics_port = flag.number()?,
                "--healthzPort" => flags.health_port = flag.number()?,
                "--leader-elect" => flags.leader_elect = flag.switch()?,
                "--leader-election-lease-duration" => flags.election[0] = flag.duration()?,
                "--leader-election-renew-deadline" => flags.election[1] = flag.duration()?,
                "--leader-election-retry-period" => flags.election[2] = flag.duration()?,
                "--loglevel" => flags.log_level = flag.value()?,
                "--logformat" => flags.log_json = flag.value()?.eq_ignore_ascii_case("json"),
                "--install-crds" => flags.install_crds = flag.switch()?,
                "--qps" => drop(flag.number::<f32>()?),
                "--burst" => drop(flag.number::<u32>()?),
                "--aws-verify-target-group" | "--alb-verify-weight" | "--self-service-notification-enabled" => {
                    let on = flag.switch()?.to_string();
                    flags.others.push((flag.name.clone(), on));
                }
                it if OTHERS.contains(&it) => flags.others.push((flag.name.clone(), flag.value()?)),
                "--version" => return Ok(Asked::Version),
                "--help" | "-h" => return Ok(Asked::Help),
                other => bail!("unknown flag: {other}"),
            }
        }
        ensure!(
            flags.election[0] > flags.election[1] && flags.election[1] > flags.election[2],
            "--leader-election-lease-duration must be longer than --leader-election-renew-deadline, and that longer \
             than --leader-election-retry-period"
        );
        Ok(Asked::Run(Box::new(flags)))
    }
}

/// The `main` of the program.
///
/// # Errors
/// When a flag is wrong, the cluster can not be reached, an address is taken or the lead was lost.
pub async fn main() -> Result<()> {
    crate::install_tls();
    let flags = match Flags::read(std::env::args())? {
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
    log(&flags);
    let config = config(&flags).await?;
    let own = config.default_namespace.clone();
    let client = kube::Client::try_from(config)?;
    let shutdown = Shutdown::new();
    let mut builder = Context::builder(client).manager(NAME).shutdown(shutdown.clone());
    if flags.namespaced {
        builder = builder.namespace(flags.namespace.clone().unwrap_or(own));
    }
    let context = builder.build();
    if flags.install_crds {
        crate::controllers::install(&context, &argo_rollouts::api::crds()).await?;
    }
    let everywhere = |port| SocketAddr::from(([0, 0, 0, 0], port));
    let health = HealthServer::bind(everywhere(flags.health_port), context.metrics().clone()).await?;
    let metrics = HealthServer::bind(everywhere(flags.metrics_port), context.metrics().clone()).await?;
    let ready = health.ready();
    tokio::spawn(health.run(shutdown.clone()));
    tokio::spawn(metrics.run(shutdown.clone()));
    tokio::spawn(run::stop_on_signal(shutdown.clone()));
    let mut builder =
        Controller::builder(context.clone()).workers(flags.workers).resync(flags.resync).own_namespace(namespace());
    if let Some(instance) = &flags.instance {
        builder = builder.instance_id(instance);
    }
    if flags.only_analysis {
        builder = builder.only_analysis();
    }
    if let Some(job) = job(&context).await? {
        builder = builder.metric_provider("job", job);
    }
    let controller = builder.build()?;
    let work = |shutdown: Shutdown| async move {
        ready.store(true, Ordering::Release);
        controller.run(shutdown).await;
    };
    if !flags.leader_elect || flags.only_analysis {
        work(shutdown).await;
        return Ok(());
    }
    let identity = format!("{}_{:x}", host(), seed());
    let mut lease = LeaseConfig::new(namespace(), lease(flags.instance.as_deref()), identity);
    [lease.duration, lease.renew_deadline, lease.retry] = flags.election;
    Elector::new(context, lease).run(shutdown, work).await?;
    Ok(())
}

fn log(flags: &Flags) {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| flags.log_level.clone());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.init();
    if flags.log_json {
        tracing::warn!("--logformat json is not built in: the log stays text");
    }
}

async fn config(flags: &Flags) -> Result<kube::Config> {
    let options = kube::config::KubeConfigOptions { context: flags.context.clone(), ..Default::default() };
    let mut config = match &flags.kubeconfig {
        Some(path) => {
            let file = kube::config::Kubeconfig::read_from(path);
            let file = file.with_context(|| format!("reading {}", path.display()))?;
            kube::Config::from_custom_kubeconfig(file, &options).await?
        }
        None if flags.context.is_some() => kube::Config::from_kubeconfig(&options).await?,
        None => kube::Config::infer().await.context("no cluster: set KUBECONFIG or give --kubeconfig")?,
    };
    // The runtime backs off by itself: a client that waits inside a call would hide an API that is away.
    config.default_retry = false;
    Ok(config)
}

/// Where analysis Jobs run, when the environment says so: `ARGO_ROLLOUTS_ANALYSIS_JOB_KUBECONFIG` (a
/// path, or `in-cluster`) and `ARGO_ROLLOUTS_ANALYSIS_JOB_NAMESPACE`.
async fn job(own: &Context) -> Result<Option<Job>> {
    let set = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
    let elsewhere = match set("ARGO_ROLLOUTS_ANALYSIS_JOB_KUBECONFIG").as_deref() {
        None => None,
        Some("in-cluster") => Some(kube::Client::try_from(kube::Config::incluster()?)?),
        Some(path) => Some(run::client(Some(path.as_ref())).await?),
    };
    let namespace = set("ARGO_ROLLOUTS_ANALYSIS_JOB_NAMESPACE");
    if elsewhere.is_none() && namespace.is_none() {
        return Ok(None);
    }
    let job = match elsewhere {
        Some(client) => Job::on_another_cluster(Context::builder(client).manager(NAME).build()),
        None => Job::new(own.clone()),
    };
    Ok(Some(match namespace {
        Some(namespace) => job.in_namespace(namespace),
        None => job,
    }))
}

/// The Lease of an instance: instances side by side each have a leader.
fn lease(instance: Option<&str>) -> String {
    instance.map_or_else(|| LEASE.to_owned(), |it| format!("{LEASE}-{it}"))
}

/// Where the Lease is.
fn namespace() -> String {
    let file = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
    let of_account = || Some(std::fs::read_to_string(file).ok()?.trim().to_owned()).filter(|it| !it.is_empty());
    std::env::var("POD_NAMESPACE").ok().or_else(of_account).unwrap_or_else(|| "argo-rollouts".to_owned())
}

fn host() -> String {
    let of_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = std::env::var("HOSTNAME").ok().or_else(of_kernel).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { NAME.to_owned() } else { name.to_owned() }
}

/// Differs between any two processes, for their identities.
fn seed() -> u128 {
    use std::hash::{BuildHasher, RandomState};
    let half = || u128::from(RandomState::new().hash_one(std::process::id()));
    half() << 64 | half()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Asked<Flags>> {
        Flags::read(std::iter::once(NAME).chain(line.split_whitespace()).map(str::to_owned))
    }

    fn flags(line: &str) -> Flags {
        match read(line) {
            Ok(Asked::Run(flags)) => *flags,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn upstreams_flags_are_read() {
        assert_eq!(flags(""), Flags::default());
        let all = flags(
            "--namespaced -n shop --instance-id blue --kubeconfig=/k --metricsport 1 --healthzPort=2 --leader-elect=false \
             --rollout-threads 3 --analysis-threads=4 --rollout-resync 60 --qps 40.5 --burst 80 --loglevel debug \
             --leader-election-lease-duration 30s --istio-api-version v1 --aws-verify-target-group",
        );
        assert!(all.namespaced && !all.leader_elect);
        assert_eq!((all.namespace.as_deref(), all.instance.as_deref()), (Some("shop"), Some("blue")));
        assert_eq!((all.metrics_port, all.health_port), (1, 2));
        assert_eq!((all.workers.rollouts, all.workers.analyses, all.workers.experiments), (3, 4, 10));
        assert_eq!((all.resync.as_secs(), all.election[0].as_secs()), (60, 30));
        let others = [("--istio-api-version", "v1"), ("--aws-verify-target-group", "true")];
        assert_eq!(all.others, others.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(flags("--controllers analysis").only_analysis);
    }

    #[test]
    fn a_wrong_flag_is_named() {
        let error = |line: &str| read(line).expect_err(line).to_string();
        assert_eq!(error("--nonsense"), "unknown flag: --nonsense");
        assert_eq!(error("--controllers rollouts"), "unsupported controller: rollouts");
        assert_eq!(error("--metricsPort many"), "--metricsPort takes a number, not \"many\"");
        assert_eq!(error("--leader-elect=maybe"), "--leader-elect takes true or false, not \"maybe\"");
        assert!(error("--leader-election-lease-duration 5s").contains("must be longer"));
    }

    #[test]
    fn each_instance_has_a_lease_of_its_own() {
        assert_eq!(lease(None), "argo-rollouts-controller-lock");
        assert_eq!(lease(Some("blue")), "argo-rollouts-controller-lock-blue");
    }
}
