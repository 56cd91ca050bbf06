//! The command line of the Rollouts controller.

use std::{path::PathBuf, time::Duration};

use anyhow::{Result, bail, ensure};
use argo_rollouts::{Workers, routers::ApiVersions};

use crate::flags::{Arguments, Asked};

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
    /// `--*-api-version`, `--traefik-api-group`, `--appmesh-crd-version`.
    pub versions: ApiVersions,
    /// `--aws-verify-target-group`.
    pub verify_targets: bool,
    /// `--aws-target-group-binding-api-version`; `elbv2.k8s.aws/v1beta1`.
    pub bindings: String,
    /// `--alb-tag-key-resource-id`; `ingress.k8s.aws/resource`.
    pub alb_tag: String,
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
            versions: ApiVersions::default(),
            verify_targets: false,
            bindings: "elbv2.k8s.aws/v1beta1".to_owned(),
            alb_tag: "ingress.k8s.aws/resource".to_owned(),
        }
    }
}

/// Flags of upstream that are taken without effect.
const OTHERS: [&str; 8] = [
    "--ingress-api-version",
    "--alb-ingress-classes",
    "--nginx-ingress-classes",
    "--ephemeral-metadata-threads",
    "--ephemeral-metadata-update-pod-retries",
    "--ingress-threads",
    "--enable-pprof-address",
    "--kloglevel",
];

/// What `--help` prints.
pub(super) const HELP: &str = "rollouts-controller [FLAGS]: Argo Rollouts, with upstream's flags

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
  --loglevel debug|info|warn|error    --logformat text|json
  --istio-api-version v1alpha3        --ambassador-api-version getambassador.io/v2
  --traffic-split-api-version v1alpha1  --appmesh-crd-version v1beta2
  --traefik-api-group traefik.io      --traefik-api-version traefik.io/v1alpha1
  --aws-verify-target-group           asks AWS about weights and registered pods before it goes on
  --aws-target-group-binding-api-version elbv2.k8s.aws/v1beta1  --alb-tag-key-resource-id ingress.k8s.aws/resource
  --install-crds                      installs the CustomResourceDefinitions first (not upstream's)
  --version
A Secret labelled istio.argoproj.io/primary-cluster=true holds the kubeconfig of the cluster with Istio's objects.
Taken for compatibility, without effect: --qps, --burst (the API server's own fairness decides), --kloglevel,
--enable-pprof-address, --ingress-api-version (Ingresses are of networking.k8s.io/v1), --alb-ingress-classes and
--nginx-ingress-classes (every Ingress that a Rollout names brings it up), --ingress-threads, --ephemeral-metadata-*.
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
                "--istio-api-version" => flags.versions.istio = flag.value()?,
                "--ambassador-api-version" => flags.versions.ambassador = flag.value()?,
                "--traffic-split-api-version" => {
                    let version = flag.value()?;
                    let known = ["v1alpha1", "v1alpha2", "v1alpha3"].contains(&version.as_str());
                    ensure!(known, "Unsupported TrafficSplit API version `{version}`");
                    flags.versions.smi = version;
                }
                "--appmesh-crd-version" => flags.versions.app_mesh = flag.value()?,
                "--traefik-api-group" => flags.versions.traefik_group = flag.value()?,
                "--traefik-api-version" => {
                    let version = flag.value()?;
                    flags.versions.traefik = version.rsplit('/').next().unwrap_or_default().to_owned();
                }
                "--aws-verify-target-group" | "--alb-verify-weight" => flags.verify_targets = flag.switch()?,
                "--aws-target-group-binding-api-version" => flags.bindings = flag.value()?,
                "--alb-tag-key-resource-id" => flags.alb_tag = flag.value()?,
                "--self-service-notification-enabled" => drop(flag.switch()?),
                it if OTHERS.contains(&it) => drop(flag.value()?),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Asked<Flags>> {
        Flags::read(std::iter::once("rollouts-controller").chain(line.split_whitespace()).map(str::to_owned))
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
        assert_eq!((all.versions.istio.as_str(), all.verify_targets), ("v1", true));
        let routers = flags(
            "--traefik-api-group traefik.containo.us --traefik-api-version=traefik.containo.us/v1alpha1 --appmesh-crd-version v1 \
             --ambassador-api-version getambassador.io/v3alpha1 --traffic-split-api-version v1alpha3 --logformat JSON",
        );
        let versions = routers.versions;
        assert_eq!((versions.traefik_group.as_str(), versions.traefik.as_str()), ("traefik.containo.us", "v1alpha1"));
        assert_eq!((versions.app_mesh.as_str(), versions.smi.as_str()), ("v1", "v1alpha3"));
        assert_eq!((versions.ambassador.as_str(), routers.log_json), ("getambassador.io/v3alpha1", true));
        assert!(flags("--controllers analysis").only_analysis);
    }

    #[test]
    fn a_wrong_flag_is_named() {
        let error = |line: &str| read(line).expect_err(line).to_string();
        assert_eq!(error("--nonsense"), "unknown flag: --nonsense");
        assert_eq!(error("--controllers rollouts"), "unsupported controller: rollouts");
        assert_eq!(error("--traffic-split-api-version v1"), "Unsupported TrafficSplit API version `v1`");
        assert_eq!(error("--metricsPort many"), "--metricsPort takes a number, not \"many\"");
        assert_eq!(error("--leader-elect=maybe"), "--leader-elect takes true or false, not \"maybe\"");
        assert!(error("--leader-election-lease-duration 5s").contains("must be longer"));
    }
}
