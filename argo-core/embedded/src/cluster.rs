//! A cluster: how it is made, and the ways in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use argo_core::clock::Clock;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::builder::{ClusterBuilder, LOG_CAPACITY};
use crate::faces::{self, Direct, LocalService, ServeError, Serving};
use crate::faults::Faults;
use crate::journal::Journal;
use crate::persist::{self, PersistError};
use crate::server::{ApiError, Caller, INITIAL_NAMESPACES, Ids, MASTERS, Server, State, WebhookService, default_roles};
use crate::session::{ClientOptions, Session};
use crate::simulator::Simulator;
use crate::store::{GroupResource, Store};
use crate::streams::PodStreams;

/// Kubernetes in the process. Clones are handles on the same cluster.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use argo_embedded::Cluster;
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use kube::{Api, api::PostParams};
///
/// let cluster = Cluster::new();
/// let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client());
/// let mut map = ConfigMap::default();
/// map.metadata.name = Some("settings".to_owned());
/// let created = maps.create(&PostParams::default(), &map).await.unwrap();
/// assert_eq!(created.metadata.namespace.as_deref(), Some("default"));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Cluster {
    server: Arc<Server>,
    pub(crate) simulator: Option<Simulator>,
    /// Where certificates and token are kept, for a cluster on disk.
    pub(crate) credentials: Option<PathBuf>,
}

// === impl Cluster ===

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster {
    /// A cluster in memory, on the machine's clock.
    pub fn new() -> Self {
        Self::start(Clock::system(), State::new(Store::new(LOG_CAPACITY), Ids::new(0, 0), None))
    }

    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The simulator of [`ClusterBuilder::simulator`], to change its script or to wait until it has nothing left to do.
    pub fn simulator(&self) -> Option<&Simulator> {
        self.simulator.as_ref()
    }

    /// A cluster with options.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// Opens (or makes) a cluster that lasts.
    ///
    /// # Errors
    /// The file cannot be read or is in use.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PersistError> {
        Self::builder().persist(path.as_ref()).build()
    }

    pub(crate) fn start(clock: Clock, state: State) -> Self {
        let cluster = Self {
            server: Arc::new(Server {
                durable: state.disk.as_ref().map(persist::Disk::durable),
                state: Mutex::new(state),
                clock,
                faults: Faults::default(),
                journal: Journal::default(),
            }),
            simulator: None,
            credentials: None,
        };
        let direct = cluster.direct("argo-embedded");
        for name in INITIAL_NAMESPACES {
            match direct.create(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })) {
                Ok(_) => {}
                Err(error) if error.is_already_exists() => {}
                Err(error) => tracing::warn!(namespace = name, %error, "an initial namespace could not be made"),
            }
        }
        cluster
    }

    /// Makes the default roles and bindings that are not there.
    pub(crate) fn give_roles(&self) {
        let direct = self.direct("kube-apiserver");
        for object in default_roles() {
            match direct.create(object) {
                Err(error) if !error.is_already_exists() => tracing::warn!(%error, "a default role could not be made"),
                _ => {}
            }
        }
    }

    /// A stock `kube::Client`, in the namespace `default`. Must be called inside a tokio runtime, whose time may be paused.
    pub fn client(&self) -> kube::Client {
        self.client_with(ClientOptions::default()).0
    }

    /// A client with a name of its own, and the handle that cuts it off.
    pub fn client_with(&self, options: ClientOptions) -> (kube::Client, Session) {
        let namespace = if options.namespace.is_empty() { "default".to_owned() } else { options.namespace.clone() };
        let session = Session::new(&options);
        (kube::Client::new(self.service(&options.name, session.clone()), namespace), session)
    }

    /// The tower service under [`Cluster::client_with`], for other HTTP clients.
    pub fn service(&self, client: &str, session: Session) -> LocalService {
        let caller = Caller {
            client: client.to_owned(),
            user: "kubernetes-admin".to_owned(),
            groups: vec![MASTERS.to_owned(), "system:authenticated".to_owned()],
            ..Caller::default()
        };
        LocalService::new(self.server.clone(), session, caller)
    }

    /// A client that acts as another user, for clusters with RBAC. Whoever is not `system:anonymous` is in the group `system:authenticated`.
    pub fn client_as(&self, user: &str, groups: &[&str]) -> kube::Client {
        let known = if user == "system:anonymous" { "system:unauthenticated" } else { "system:authenticated" };
        let groups = groups.iter().copied().filter(|group| *group != known).chain([known]).map(str::to_owned).collect();
        let caller = Caller { client: user.to_owned(), user: user.to_owned(), groups, ..Caller::default() };
        kube::Client::new(
            LocalService::new(self.server.clone(), Session::new(&ClientOptions::named(user)), caller),
            "default",
        )
    }

    /// Calls without HTTP, by a writer of this name.
    pub fn direct(&self, writer: &str) -> Direct {
        Direct::new(self.server.clone(), writer)
    }

    /// Serves HTTPS at an address (port 0: any) until the handle is dropped. Certificates and token are made for this call; a
    /// cluster on disk keeps them beside its file, so that a kubeconfig outlives a restart.
    ///
    /// # Errors
    /// The address is in use or cannot be listened at.
    pub async fn serve(&self, address: SocketAddr) -> Result<Serving, ServeError> {
        let serving = faces::serve(self.server.clone(), address, self.credentials.as_deref()).await?;
        self.announce(serving.address());
        Ok(serving)
    }

    /// What a server says of itself to its clients: the Service `kubernetes`, with the address it listens at, the role of those who may do
    /// anything, and the statuses of the components.
    fn announce(&self, address: SocketAddr) {
        let direct = self.direct("kube-apiserver");
        let metadata = |name: &str| json!({ "name": name, "namespace": "default", "labels": { "component": "apiserver", "provider": "kubernetes" } });
        let port = json!({ "name": "https", "protocol": "TCP", "port": 443, "targetPort": address.port() });
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata("kubernetes"),
            "spec": { "type": "ClusterIP", "clusterIP": "10.96.0.1", "ports": [port], "sessionAffinity": "None" },
        });
        let endpoint = json!({ "name": "https", "protocol": "TCP", "port": address.port() });
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": { "name": "kubernetes", "namespace": "default", "labels": { "kubernetes.io/service-name": "kubernetes" } },
            "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
            "endpoints": [{ "addresses": [address.ip().to_string()], "conditions": { "ready": true } }], "ports": [endpoint],
        });
        let labels = json!({ "kubernetes.io/bootstrapping": "rbac-defaults" });
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "cluster-admin", "labels": labels },
            "rules": [{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }, { "nonResourceURLs": ["*"], "verbs": ["*"] }],
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "cluster-admin", "labels": labels },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:masters" }],
        });
        let known = direct.get("services", "default", "kubernetes").is_ok();
        let objects = if known { Vec::new() } else { vec![service, role, binding] };
        for object in objects {
            if let Err(error) = direct.apply(object) {
                tracing::warn!(%error, "the server could not be announced");
            }
        }
        let mut state = self.server.state.lock();
        if let Err(error) = state.announce(slice, self.server.clock.now()) {
            tracing::warn!(%error, "the address of the server could not be announced");
        }
        for (name, message) in [("controller-manager", "ok"), ("scheduler", "ok"), ("etcd-0", "ok")] {
            let status = json!({
                "apiVersion": "v1", "kind": "ComponentStatus", "metadata": { "name": name },
                "conditions": [{ "type": "Healthy", "status": "True", "message": message }],
            });
            let components = GroupResource::new("", "componentstatuses");
            state.store.restore_object(&components, crate::store::ObjectKey::new(None, name), Arc::new(status));
        }
    }

    /// Has code answer the webhooks that name a Service in their `clientConfig`: there is no network inside to reach one.
    pub fn webhook_service(&self, namespace: &str, name: &str, service: impl WebhookService) {
        let key = (namespace.to_owned(), name.to_owned());
        self.server.state.lock().webhook_services.insert(key, Arc::new(service));
    }

    /// What scripted containers answer to exec and port-forward.
    pub fn streams(&self) -> PodStreams {
        self.server.state.lock().streams.clone()
    }

    /// The clock of the cluster.
    pub fn clock(&self) -> &Clock {
        &self.server.clock
    }

    /// Faults to inject.
    pub fn faults(&self) -> &Faults {
        &self.server.faults
    }

    /// The requests so far.
    pub fn journal(&self) -> &Journal {
        &self.server.journal
    }

    /// The revision of the last change.
    pub fn revision(&self) -> u64 {
        self.server.state.lock().store.revision()
    }

    /// Forgets the event log: watches from older revisions get "410 Gone", as after a compaction of etcd.
    ///
    /// # Errors
    /// The log on disk could not be written.
    pub fn compact(&self) -> Result<(), PersistError> {
        let compaction = {
            let mut state = self.server.state.lock();
            let revision = state.store.revision();
            let compaction = state.disk.as_mut().map(|disk| disk.compact(revision)).transpose()?;
            state.store.compact();
            state.wake_all();
            compaction
        };
        match (&self.server.durable, compaction) {
            (Some(durable), Some(compaction)) => durable.wait_compacted(compaction),
            _ => Ok(()),
        }
    }

    /// Creates or updates CustomResourceDefinitions; they are served when this returns.
    ///
    /// # Errors
    /// One of them is invalid.
    pub fn install_crds(&self, definitions: &[Value]) -> Result<(), ApiError> {
        definitions.iter().try_for_each(|definition| self.put(definition.clone()).map(|_| ()))
    }

    /// Creates or replaces the objects of a stream of YAML documents, in order.
    ///
    /// # Errors
    /// The text is no YAML, or an object is refused; those before it are there.
    pub fn apply_yaml(&self, text: &str) -> Result<Vec<Arc<Value>>, ApiError> {
        let objects = crate::yaml::objects(text)
            .map_err(|error| ApiError::bad_request(format!("error parsing YAML: {error}")))?;
        objects.into_iter().map(|object| self.put(object)).collect()
    }

    fn put(&self, object: Value) -> Result<Arc<Value>, ApiError> {
        self.direct("argo-embedded").apply(object)
    }

    /// All objects, by resource, namespace and name.
    pub fn dump(&self) -> Vec<Arc<Value>> {
        let state = self.server.state.lock();
        let resources: Vec<_> = state.store.resources().cloned().collect();
        resources
            .iter()
            .flat_map(|resource| {
                state.store.objects(resource, None).map(|(_, object)| object.clone()).collect::<Vec<_>>()
            })
            .collect()
    }

    /// Sets the text that a container's log shows.
    pub fn set_log(&self, namespace: &str, pod: &str, container: &str, text: impl Into<String>) {
        let key = (namespace.to_owned(), pod.to_owned(), container.to_owned());
        let mut state = self.server.state.lock();
        state.logs.set(key, &text.into(), self.server.clock.now());
        state.wake(&GroupResource::new("", "pods"));
    }

    /// Appends to the text that a container's log shows.
    pub fn append_log(&self, namespace: &str, pod: &str, container: &str, text: &str) {
        let key = (namespace.to_owned(), pod.to_owned(), container.to_owned());
        let mut state = self.server.state.lock();
        state.logs.append_last(key, text, self.server.clock.now());
        state.wake(&GroupResource::new("", "pods"));
    }
}
