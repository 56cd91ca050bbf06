//! What the lock guards, and how a request finds the code that carries it out.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::ids::Ids;
use super::request::Verb;
use super::status::ApiError;
use super::{Call, Outcome};
use crate::persist::Disk;
use crate::resources::Registry;
use crate::store::{Event, EventKind, GroupResource, ObjectKey, Op, Store};

/// Whom a token stands for.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) user: String,
    pub(crate) expires: jiff::Timestamp,
    pub(crate) audiences: Vec<String>,
}

/// Everything that changes.
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) registry: Arc<Registry>,
    pub(crate) ids: Ids,
    pub(crate) disk: Option<Disk>,
    /// What containers printed.
    pub(crate) logs: super::logs::Logs,
    /// What scripted containers answer to exec and port-forward.
    pub(crate) streams: crate::streams::PodStreams,
    /// Containers that run as processes.
    pub(crate) processes: BTreeMap<super::logs::LogKey, crate::streams::RunningProcess>,
    /// Tokens of service accounts.
    pub(crate) tokens: BTreeMap<String, Token>,
    /// Hooks that see every object before it is stored, in order.
    pub(crate) admission: Vec<Arc<dyn super::Admission>>,
    /// Whether RBAC decides who may do what.
    pub(crate) rbac: bool,
    /// Whether aggregated roles are being filled in.
    pub(super) aggregating: bool,
    /// Webhooks in the process.
    pub(crate) webhook_services: super::WebhookServices,
    /// Whether namespaces have accounts, and pods need theirs.
    pub(crate) service_accounts: bool,
    /// The certificate of the authority behind the HTTPS face, in PEM; empty before one serves.
    pub(crate) certificate: String,
    /// Warnings for the client of the request at hand.
    pub(crate) warnings: Vec<String>,
    /// Audit annotations of the request at hand.
    pub(crate) audit: BTreeMap<String, String>,
    /// Whom pod security leaves alone.
    pub(crate) exemptions: crate::PodSecurityExemptions,
    wakers: BTreeMap<GroupResource, watch::Sender<u64>>,
    /// Sees every revision of every resource.
    any: watch::Sender<u64>,
}

// === impl State ===

impl std::fmt::Debug for State {
    /// Without the objects, which may be secrets, and without tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("revision", &self.store.revision()).finish_non_exhaustive()
    }
}

impl State {
    pub(crate) fn new(store: Store, ids: Ids, disk: Option<Disk>) -> Self {
        Self {
            store,
            registry: Arc::new(Registry::new()),
            ids,
            disk,
            logs: super::logs::Logs::default(),
            streams: crate::streams::PodStreams::default(),
            processes: BTreeMap::new(),
            tokens: BTreeMap::new(),
            admission: Vec::new(),
            rbac: false,
            aggregating: false,
            webhook_services: super::WebhookServices::default(),
            service_accounts: false,
            certificate: String::new(),
            warnings: Vec::new(),
            audit: BTreeMap::new(),
            exemptions: crate::PodSecurityExemptions::default(),
            wakers: BTreeMap::new(),
            any: watch::Sender::new(0),
        }
    }

    /// Serves what is served on request only.
    pub(crate) fn serve_mutating_policies(&mut self) {
        let registry = Arc::make_mut(&mut self.registry);
        for def in crate::resources::mutating_policies() {
            registry.insert((*def).clone());
        }
    }

    pub(crate) fn dispatch(&mut self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        if let Some(subresource) = call.subresource {
            return self.subresource(call, subresource);
        }
        if call.def.builtin
            && call.verb == Verb::Create
            && call.def.group().is_empty()
            && call.def.resource() == "bindings"
        {
            return self.bind(call);
        }
        if call.def.review {
            return self.review(call);
        }
        match call.verb {
            Verb::Get => self.get(call),
            Verb::List => self.list(call),
            Verb::Watch => self.watch(call),
            Verb::Create => self.create(call),
            Verb::Update => self.update(call, super::write::Part::Main),
            Verb::Patch => self.patch(call, super::write::Part::Main),
            Verb::Delete => self.delete(call),
            Verb::DeleteCollection => self.delete_collection(call),
        }
    }

    /// A receiver that sees every later revision of a resource.
    pub(crate) fn subscribe(&mut self, resource: &GroupResource) -> watch::Receiver<u64> {
        let revision = self.store.revision();
        self.wakers.entry(resource.clone()).or_insert_with(|| watch::Sender::new(revision)).subscribe()
    }

    /// A receiver that sees every later revision of the store.
    pub(crate) fn subscribe_all(&self) -> watch::Receiver<u64> {
        self.any.subscribe()
    }

    /// Wakes every watch, so that each looks again (after a compaction, at a cut).
    pub(crate) fn wake_all(&self) {
        for sender in self.wakers.values() {
            sender.send_modify(|_| {});
        }
    }

    /// Wakes the watches of a resource without a change: its logs have grown.
    pub(crate) fn wake(&self, resource: &GroupResource) {
        if let Some(sender) = self.wakers.get(resource) {
            sender.send_modify(|_| {});
        }
    }

    /// Puts an operation into effect in memory, on its way to the disk. Nobody may be told before it is there: see
    /// [`super::Server::settle`].
    pub(crate) fn commit(&mut self, resource: &GroupResource, op: Op, dry_run: bool) -> Result<Arc<Event>, ApiError> {
        let event = self.store.preview(resource, op).map_err(|error| ApiError::from_store(error, resource))?;
        let event = Arc::new(event);
        if dry_run {
            return Ok(event);
        }
        if let Some(disk) = &self.disk {
            disk.write(event.clone(), self.ids.drawn()).map_err(|error| ApiError::internal(&error.to_string()))?;
        }
        self.store.commit(event.clone());
        if let Some(sender) = self.wakers.get(resource) {
            sender.send_replace(event.revision);
        }
        self.any.send_replace(event.revision);
        self.after(&event);
        Ok(event)
    }

    /// What follows from a change within the API server itself.
    fn after(&mut self, event: &Event) {
        if crate::crd::is_definition(&event.resource) {
            self.definition_changed(event);
        }
        self.keep_accounts(event);
        self.aggregate_roles(event);
        self.count_quotas(event);
        if event.kind == EventKind::Deleted {
            self.object_gone(event);
            if event.resource.group.is_empty() && event.resource.resource.as_ref() == "pods" {
                let key = &event.key;
                self.logs.forget(&key.namespace, &key.name);
            }
        }
    }

    /// The object a call is about, as stored.
    pub(crate) fn current(&self, call: &Call<'_>) -> Result<Arc<Value>, ApiError> {
        let key = ObjectKey::new(call.namespace, call.name_or_empty());
        self.store
            .read(&call.def.stored, &key)
            .ok_or_else(|| ApiError::not_found(&call.def.served, call.name_or_empty()))
    }
}
