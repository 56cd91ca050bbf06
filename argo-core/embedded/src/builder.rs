//! How a cluster is made.

use std::path::PathBuf;
use std::sync::Arc;

use argo_core::clock::Clock;

use crate::Cluster;
use crate::persist::{self, PersistError, Restored};
use crate::server::{Admission, Ids, PodSecurityExemptions, State};
use crate::simulator::{Simulator, SimulatorConfig};
use crate::store::Store;

/// How many events of each resource are kept for watches to replay, unless the builder says otherwise.
pub(crate) const LOG_CAPACITY: usize = 10_000;

/// Options of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    clock: Clock,
    seed: u64,
    path: Option<PathBuf>,
    log_capacity: usize,
    rbac: bool,
    service_accounts: bool,
    admission: Vec<Arc<dyn Admission>>,
    mutating_policies: bool,
    exemptions: PodSecurityExemptions,
    simulator: Option<SimulatorConfig>,
}

// === impl ClusterBuilder ===

impl Default for ClusterBuilder {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            seed: 0,
            path: None,
            log_capacity: LOG_CAPACITY,
            rbac: false,
            service_accounts: false,
            admission: Vec::new(),
            mutating_policies: false,
            exemptions: PodSecurityExemptions::default(),
            simulator: None,
        }
    }
}

impl ClusterBuilder {
    /// The clock of timestamps, timeouts and latencies. Default: the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The seed of uids, generated names and cluster addresses. Default: 0. A store on disk keeps the seed it was made with.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Keeps everything in a file: each acknowledged write survives the process. Default: in memory only.
    #[must_use]
    pub fn persist(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// How many events of each resource are kept for watches to replay. Default: 10,000.
    #[must_use]
    pub fn log_capacity(mut self, events: usize) -> Self {
        self.log_capacity = events;
        self
    }

    /// Lets Roles and ClusterRoles decide who may do what, and begins with the default ones (`cluster-admin`, `admin`, `edit`, `view`,
    /// `system:discovery`, …). Over HTTPS, who shows neither certificate nor token is `system:anonymous`. Default: everybody may do anything,
    /// and nobody is anonymous.
    #[must_use]
    pub fn rbac(mut self) -> Self {
        self.rbac = true;
        self
    }

    /// Gives every namespace its `default` service account and the config map `kube-root-ca.crt`, and refuses pods whose account is not
    /// there, as controllers and admission of a full cluster do. Default: namespaces begin empty, and accounts are only names.
    #[must_use]
    pub fn service_accounts(mut self) -> Self {
        self.service_accounts = true;
        self
    }

    /// Serves MutatingAdmissionPolicy and its bindings as `v1beta1` and `v1alpha1`, as Kubernetes 1.34 does with their feature gate and
    /// `--runtime-config`. Default: they are not served, as there.
    #[must_use]
    pub fn mutating_policies(mut self) -> Self {
        self.mutating_policies = true;
        self
    }

    /// Whom pod security leaves alone. Default: nobody.
    #[must_use]
    pub fn pod_security_exemptions(mut self, exemptions: PodSecurityExemptions) -> Self {
        self.exemptions = exemptions;
        self
    }

    /// Adds a hook that may change or refuse objects before they are stored, as an admission webhook does.
    #[must_use]
    pub fn admission(mut self, hook: impl Admission) -> Self {
        self.admission.push(Arc::new(hook));
        self
    }

    /// Runs workloads: controllers, scheduler, kubelets and garbage collection, simulated by script. Default: objects are only kept.
    /// They run as long as the cluster or a clone of it is kept.
    #[must_use]
    pub fn simulator(mut self, config: SimulatorConfig) -> Self {
        self.simulator = Some(config);
        self
    }

    /// Makes the cluster.
    ///
    /// # Errors
    /// The file of [`ClusterBuilder::persist`] cannot be read or is in use.
    ///
    /// # Panics
    /// With a simulator and outside of a tokio runtime.
    pub fn build(self) -> Result<Cluster, PersistError> {
        let mut state = match &self.path {
            None => State::new(Store::new(self.log_capacity), Ids::new(self.seed, 0), None),
            Some(path) => {
                let Restored { disk, store, seed, drawn, fresh } = persist::open(path, self.log_capacity, self.seed)?;
                tracing::debug!(path = %path.display(), revision = store.revision(), fresh, "store opened");
                let mut state = State::new(store, Ids::new(seed, drawn), Some(disk));
                state.register_definitions();
                state
            }
        };
        state.rbac = self.rbac;
        state.service_accounts = self.service_accounts;
        state.admission = self.admission;
        state.exemptions = self.exemptions;
        if self.mutating_policies {
            state.serve_mutating_policies();
        }
        let mut cluster = Cluster::start(self.clock, state);
        if self.rbac {
            cluster.give_roles();
        }
        cluster.credentials = self.path.map(|it| {
            let mut name = it.into_os_string();
            name.push(".credentials");
            name.into()
        });
        cluster.simulator = self.simulator.map(|config| Simulator::start(&cluster, config));
        Ok(cluster)
    }
}
