//! The Rollouts controller as a program, with upstream's flags.

mod flags;

use std::{net::SocketAddr, sync::atomic::Ordering};

use anyhow::{Context as _, Result};
use argo_core::{
    Category, Failure, Gvk, Object,
    runtime::{Context, Elector, HealthServer, LeaseConfig, Requests, Shutdown},
};
use argo_rollouts::{Controller, metrics::Job, routers::Routers};

pub use self::flags::Flags;
use self::flags::HELP;
use crate::{flags::Asked, log::Json, run};

/// Name of the program, and where `--help` begins.
const NAME: &str = "rollouts-controller";

/// The Lease that instances stand for.
const LEASE: &str = "argo-rollouts-controller-lock";

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
    if flags.verify_targets {
        tracing::warn!("--aws-verify-target-group: this program has no client of AWS, nothing is verified");
    }
    let config = config(&flags).await?;
    let own = config.default_namespace.clone();
    let requests = Requests::default();
    let client = requests.counting(kube::Client::try_from(config)?);
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
    let mut builder = Controller::builder(context.clone())
        .workers(flags.workers)
        .resync(flags.resync)
        .own_namespace(namespace())
        .traffic_routers(Routers::with(&flags.versions))
        .count_requests(requests);
    if let Some(istio) = istio(&context).await? {
        builder = builder.istio_cluster(istio);
    }
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
    if flags.log_json { log.event_format(Json).init() } else { log.init() }
}

/// The cluster that holds Istio's objects, where a Secret says that it is another one.
async fn istio(own: &Context) -> Result<Option<Context>> {
    let label = Some("istio.argoproj.io/primary-cluster=true");
    let secrets = match own.list(&Gvk::new("", "v1", "Secret"), own.namespace(), label).await {
        Ok(secrets) => secrets,
        // Whoever may not read Secrets has none such.
        Err(error) if matches!(error.category(), Category::Forbidden | Category::NotFound) => return Ok(None),
        Err(error) => return Err(error).context("looking for the Secret of Istio's primary cluster"),
    };
    let Some(secret) = secrets.first() else { return Ok(None) };
    let name = secret.name();
    let (cluster, config) =
        kubeconfig_of(secret).with_context(|| format!("Secret {name} of Istio's primary cluster"))?;
    let mut config = kube::Config::from_custom_kubeconfig(config, &Default::default()).await?;
    config.default_retry = false;
    tracing::info!(cluster, "Istio primary/config cluster");
    let mut builder = Context::builder(kube::Client::try_from(config)?).manager(NAME).shutdown(own.shutdown().clone());
    if let Some(namespace) = own.namespace() {
        builder = builder.namespace(namespace);
    }
    Ok(Some(builder.build()))
}

/// The name of the cluster and its kubeconfig, which a Secret holds under that name.
fn kubeconfig_of(secret: &Object) -> Result<(String, kube::config::Kubeconfig)> {
    let data = secret.pointer("/data").and_then(serde_json::Value::as_object).into_iter().flatten();
    let (cluster, text) = data.into_iter().next().context("it is empty")?;
    let bytes: k8s_openapi::ByteString =
        serde_json::from_value(text.clone()).with_context(|| format!("data.{cluster} is no base64"))?;
    let text = String::from_utf8(bytes.0).ok().with_context(|| format!("data.{cluster} is no text"))?;
    // The parser's own words would quote the credentials.
    let config = kube::config::Kubeconfig::from_yaml(&text);
    Ok((cluster.clone(), config.map_err(|_| anyhow::anyhow!("data.{cluster} is no kubeconfig"))?))
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

    #[test]
    fn each_instance_has_a_lease_of_its_own() {
        assert_eq!(lease(None), "argo-rollouts-controller-lock");
        assert_eq!(lease(Some("blue")), "argo-rollouts-controller-lock-blue");
    }

    #[test]
    fn the_cluster_of_istio_is_read_from_its_secret_and_no_error_tells_it() {
        let secret = |text: &str| {
            let data = serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap();
            Object::from_value(serde_json::json!({"metadata": {"name": "istio"}, "data": {"mesh": data}}))
        };
        let config = "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n\
                      clusters: [{name: c, cluster: {server: 'https://mesh:6443'}}]\nusers: [{name: u, user: {token: very-secret}}]\n";
        let (cluster, config) = kubeconfig_of(&secret(config)).unwrap();
        assert_eq!((cluster.as_str(), config.current_context.as_deref()), ("mesh", Some("a")));
        let error = format!("{:#}", kubeconfig_of(&secret("token: [very-secret")).unwrap_err());
        assert_eq!(error, "data.mesh is no kubeconfig");
    }
}
