//! The task that runs the controllers against an API server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use argo_core::time::{Timestamp, after, rfc3339};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::autoscaler::{MetricValue, Metrics};
use super::config::SimulatorConfig;
use super::engine::{Engine, Task};
use super::events::{Record, Recorder};
use super::kinds::{Kind, PODS};
use super::pass::Write;
use super::read::{name, namespace, text};
use super::script::{Behaviour, PodRule, PodScript};
use super::world::Place;
use crate::Cluster;
use crate::process::{Exited, Identity, Processes};
use crate::server::{ApiError, Caller, Outcome, Query, RawRequest, Server};
use crate::store::EventKind;

/// The first wait after a write was refused; doubled each time.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// The longest wait after a write was refused.
const LONGEST_RETRY: Duration = Duration::from_secs(300);

/// A handle on the running simulator of a cluster. It stops with the last handle.
#[derive(Clone, Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    _task: Arc<Running>,
}

#[derive(Debug)]
struct Shared {
    server: Arc<Server>,
    script: Mutex<PodScript>,
    metrics: Mutex<Metrics>,
    /// Moves on whenever script or metrics change.
    scripted: watch::Sender<u64>,
    /// The revision up to which everything is done that is to be done, and when there is more to do.
    settled: watch::Sender<Option<(u64, Option<Timestamp>)>>,
}

/// Ends the task with the last handle.
#[derive(Debug)]
struct Running(tokio::task::AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Simulator {
    /// Starts the simulator of a cluster, on the cluster's clock. Start one per cluster.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(cluster: &Cluster, config: SimulatorConfig) -> Self {
        Self::on(cluster.server().clone(), config)
    }

    pub(crate) fn on(server: Arc<Server>, config: SimulatorConfig) -> Self {
        let shared = Arc::new(Shared {
            server,
            script: Mutex::new(config.script.clone()),
            metrics: Mutex::new(Metrics::default()),
            scripted: watch::Sender::new(0),
            settled: watch::Sender::new(None),
        });
        let (ended, exits) = mpsc::unbounded_channel();
        let task = tokio::spawn(run(Shell::new(shared.clone(), config, ended), exits));
        Self { shared, _task: Arc::new(Running(task.abort_handle())) }
    }

    /// Adds a rule to the script, in the place of an equal one. Containers that run already follow it at once.
    pub fn script(&self, rule: PodRule, behaviour: Behaviour) {
        self.change_script(|script| script.set(rule, behaviour));
    }

    /// Takes a rule out of the script.
    pub fn unscript(&self, rule: &PodRule) {
        self.change_script(|script| {
            script.unset(rule);
        });
    }

    /// Replaces the whole script.
    pub fn set_script(&self, script: PodScript) {
        self.change_script(|it| *it = script);
    }

    /// Sets what an autoscaler reads for a metric of its own: `cpu`, or the name of a pods, object or external metric.
    pub fn metric(&self, namespace: &str, autoscaler: &str, metric: &str, value: MetricValue) {
        self.shared.metrics.lock().set(namespace, autoscaler, metric, value);
        self.shared.settled.send_replace(None);
        self.shared.scripted.send_modify(|version| *version += 1);
    }

    fn change_script(&self, change: impl FnOnce(&mut PodScript)) {
        change(&mut self.shared.script.lock());
        self.shared.settled.send_replace(None);
        self.shared.scripted.send_modify(|version| *version += 1);
    }

    /// Waits until there is nothing left to do at this moment: all changes are seen, and whatever happens next happens later.
    pub async fn settled(&self) {
        let mut settled = self.shared.settled.subscribe();
        loop {
            let revision = self.shared.server.state.lock().store.revision();
            let now = self.shared.server.clock.now();
            let is_settled =
                |(done, next): (u64, Option<Timestamp>)| done >= revision && next.is_none_or(|next| next > now);
            if settled.borrow_and_update().is_some_and(is_settled) {
                return;
            }
            // The sender lives as long as this handle.
            if settled.changed().await.is_err() {
                return;
            }
        }
    }
}

/// What the task owns.
struct Shell {
    shared: Arc<Shared>,
    engine: Engine,
    revision: u64,
    retries: BTreeMap<Task, u32>,
    recorder: Recorder,
    /// Made with the first process.
    processes: Option<Local>,
    ended: mpsc::UnboundedSender<Exited>,
}

/// The processes and where they live.
struct Local {
    processes: Processes,
    /// Removed with it.
    _directory: Option<tempfile::TempDir>,
}

async fn run(mut shell: Shell, mut exits: mpsc::UnboundedReceiver<Exited>) {
    let shared = shell.shared.clone();
    let clock = shared.server.clock.clone();
    let mut changes = shared.server.state.lock().subscribe_all();
    let mut scripted = shared.scripted.subscribe();
    shell.begin();
    loop {
        // Before the log is read: a change after this wakes the select below.
        changes.borrow_and_update();
        scripted.borrow_and_update();
        let script = shared.script.lock().clone();
        shell.engine.set_script(script);
        let metrics = shared.metrics.lock().clone();
        shell.engine.set_metrics(metrics);
        shell.sync();
        while let Some(task) = shell.engine.next(clock.now()) {
            shell.work(&task);
            shell.sync();
            tokio::task::yield_now().await;
            shell.sync();
        }
        let alarm = shell.engine.alarm();
        shared.settled.send_replace(Some((shell.revision, alarm)));
        let sleep = async {
            match alarm {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            changed = scripted.changed() => if changed.is_err() { return },
            Some(exited) = exits.recv() => shell.engine.exited(exited, clock.now()),
            () = sleep => {}
        }
    }
}

impl Shell {
    fn new(shared: Arc<Shared>, config: SimulatorConfig, ended: mpsc::UnboundedSender<Exited>) -> Self {
        Self {
            shared,
            engine: Engine::new(config),
            revision: 0,
            retries: BTreeMap::new(),
            recorder: Recorder::default(),
            processes: None,
            ended,
        }
    }

    /// Reads everything there is, and puts the nodes up.
    fn begin(&mut self) {
        self.reread();
        if !self.engine.config.pods {
            return;
        }
        for node in self.engine.config.nodes.clone() {
            let path = format!("/api/v1/nodes/{}", node.name);
            let caller = "kubelet";
            if self.call(http::Method::GET, &path, Value::Null, "", caller).is_ok() {
                continue;
            }
            let now = rfc3339(self.shared.server.clock.now());
            let created =
                self.call(http::Method::POST, "/api/v1/nodes", node.object(), "", caller).and_then(|object| {
                    let mut object = object.unwrap_or(Value::Null);
                    object["status"] = node.status(&now);
                    self.call(http::Method::PUT, &format!("{path}/status"), object, "", caller)
                });
            if let Err(error) = created {
                tracing::warn!(node = node.name, %error, "a simulated node could not be created");
            }
        }
    }

    /// Takes in what changed since the last look.
    fn sync(&mut self) {
        let mut events = Vec::new();
        {
            let state = self.shared.server.state.lock();
            if state.store.revision() == self.revision {
                return;
            }
            let resources: Vec<_> = state.store.resources().cloned().collect();
            for resource in resources {
                match state.store.events_since(&resource, self.revision) {
                    Ok(new) => events.extend(new),
                    // The log does not reach back that far: look at everything.
                    Err(_) => {
                        events.clear();
                        drop(state);
                        self.reread();
                        return;
                    }
                }
            }
        }
        events.sort_by_key(|event| event.revision);
        for event in events {
            self.revision = self.revision.max(event.revision);
            let place = Place { resource: event.resource.clone(), key: event.key.clone() };
            if event.kind == EventKind::Deleted {
                self.recorder.forget(text(&event.object, "/metadata/uid"));
                if place.resource == PODS.resource
                    && let Some(local) = &mut self.processes
                {
                    let (uid, key) = (text(&event.object, "/metadata/uid"), &place.key);
                    local.processes.forget(uid, &format!("{}_{}_{uid}", key.namespace, key.name));
                }
                self.engine.remove(&place);
            } else {
                self.engine.put(&place, event.object.clone());
            }
        }
    }

    fn reread(&mut self) {
        let state = self.shared.server.state.lock();
        let objects: Vec<(Place, Arc<Value>)> = state
            .store
            .resources()
            .flat_map(|resource| {
                state
                    .store
                    .objects(resource, None)
                    .map(|(key, object)| (Place { resource: resource.clone(), key: key.clone() }, object.clone()))
            })
            .collect();
        self.revision = state.store.revision();
        drop(state);
        self.engine.reset(objects);
    }

    /// Makes a pass and carries its writes out.
    fn work(&mut self, task: &Task) {
        let now = self.shared.server.clock.now();
        let registry = self.shared.server.state.lock().registry.clone();
        let served = |api_version: &str, kind: &str| {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            registry.by_kind(group, version, kind).is_some()
        };
        let pass = self.engine.pass(task, &served, now);
        self.engine.set_alarm(task, pass.wake);
        let mut versions: BTreeMap<Place, String> = BTreeMap::new();
        let mut refused = None;
        let mut not_created = None;
        for write in pass.writes {
            let creates = matches!(write, Write::Create { .. });
            let kept = self.engine.config.events.then(|| (write.clone(), self.engine.changed_by(&write).cloned()));
            let done = self.carry_out(task, write, &mut versions);
            if let (Ok(created), Some((write, before))) = (&done, kept) {
                self.tell(task, &write, before.as_deref(), created, now);
            }
            if let Err(error) = done {
                // Gone or changed meanwhile: the change itself leads to the next pass.
                if !matches!(error.code, 404 | 409) {
                    if creates {
                        not_created = Some(error.message.clone());
                    }
                    refused = Some(error);
                }
            }
        }
        self.engine.set_failure(task, not_created);
        let Some(error) = refused else {
            self.retries.remove(task);
            return;
        };
        tracing::debug!(role = ?task.role, object = %task.place.key, %error, "a write of the simulator was refused");
        let tries = self.retries.entry(task.clone()).or_insert(0);
        let wait = FIRST_RETRY.saturating_mul(2u32.saturating_pow((*tries).min(20))).min(LONGEST_RETRY);
        *tries += 1;
        let at = after(now, wait);
        self.engine.set_alarm(task, Some(pass.wake.map_or(at, |wake| wake.min(at))));
    }

    /// Tells of a write in Events, of the object of the pass.
    fn tell(&mut self, task: &Task, write: &Write, before: Option<&Value>, created: &str, now: Timestamp) {
        let notes = super::events::of(task.role, write, before, created);
        let Some(object) = self.engine.object(&task.place).cloned() else { return };
        let client = task.role.client();
        for note in notes {
            let space = if namespace(&object).is_empty() { "default" } else { namespace(&object) };
            let path = format!("/api/v1/namespaces/{space}/events");
            let told = match self.recorder.record(&object, task.role.component(), note, now) {
                Record::New(event) => self.call(http::Method::POST, &path, event, "", client),
                Record::Again(name, more) => self.call(
                    http::Method::PATCH,
                    &format!("{path}/{name}"),
                    more,
                    "application/merge-patch+json",
                    client,
                ),
            };
            if let Err(error) = told {
                tracing::debug!(object = %task.place.key, %error, "an event could not be recorded");
            }
        }
    }

    /// Carries out a write; the name of what it created, if it did.
    fn carry_out(
        &mut self,
        task: &Task,
        write: Write,
        versions: &mut BTreeMap<Place, String>,
    ) -> Result<String, ApiError> {
        let client = task.role.client();
        match write {
            Write::Create { kind, object } => {
                let path = collection(kind, kind.api_version, namespace(&object));
                let created = self.call(http::Method::POST, &path, object, "", client)?;
                return Ok(created.map_or_else(String::new, |object| name(&object).to_owned()));
            }
            Write::Update { kind, object } => self.put(kind, object, "", client, versions)?,
            Write::Status { kind, object } => self.put(kind, object, "/status", client, versions)?,
            Write::Patch { place, api_version, patch } => {
                let path = path(&place, &api_version);
                self.call(http::Method::PATCH, &path, patch, "application/merge-patch+json", client)?;
            }
            Write::Delete { place, api_version, uid, propagation, grace } => {
                let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
                if let Some(propagation) = propagation {
                    options["propagationPolicy"] = json!(propagation);
                }
                if let Some(grace) = grace {
                    options["gracePeriodSeconds"] = json!(grace);
                }
                self.call(http::Method::DELETE, &path(&place, &api_version), options, "", client)?;
            }
            Write::Bind { pod, node } => {
                let body = json!({
                    "apiVersion": "v1", "kind": "Binding",
                    "metadata": {"name": pod.key.name, "namespace": pod.key.namespace},
                    "target": {"apiVersion": "v1", "kind": "Node", "name": node},
                });
                self.call(http::Method::POST, &format!("{}/binding", path(&pod, "v1")), body, "", client)?;
            }
            Write::Scale { place, api_version, replicas, .. } => {
                let path = format!("{}/scale", path(&place, &api_version));
                let patch = json!({"spec": {"replicas": replicas}});
                self.call(http::Method::PATCH, &path, patch, "application/merge-patch+json", client)?;
            }
            Write::Start { pod, uid, container, attempt, launch } => {
                let server = self.shared.server.clone();
                let identity = Identity { uid, namespace: pod.key.namespace, pod: pod.key.name, container, attempt };
                self.local()?.start(server, identity, *launch);
            }
            Write::Stop { uid, container, kill } => {
                self.local()?.stop(&uid, &container, kill);
            }
            Write::Note(_) => {}
            Write::Log { pod, container, attempt, text } => {
                let now = self.shared.server.clock.now();
                let mut state = self.shared.server.state.lock();
                state.logs.append((pod.key.namespace, pod.key.name, container), attempt, &text, now);
                state.wake(&PODS.resource);
            }
        }
        Ok(String::new())
    }

    /// PUTs an object; after another write of the same pass, against what that one made.
    fn put(
        &self,
        kind: &Kind,
        mut object: Value,
        suffix: &str,
        client: &str,
        versions: &mut BTreeMap<Place, String>,
    ) -> Result<(), ApiError> {
        let place = Place::of(kind, namespace(&object), name(&object));
        if let Some(version) = versions.get(&place) {
            object["metadata"]["resourceVersion"] = json!(version);
        }
        let path = format!("{}{suffix}", path(&place, kind.api_version));
        if let Some(written) = self.call(http::Method::PUT, &path, object, "", client)? {
            versions.insert(place, text(&written, "/metadata/resourceVersion").to_owned());
        }
        Ok(())
    }

    /// The processes, with a directory of their own unless the configuration names one.
    fn local(&mut self) -> Result<&mut Processes, ApiError> {
        if self.processes.is_none() {
            let (root, directory) = match &self.engine.config.process_directory {
                Some(root) => (root.clone(), None),
                None => {
                    let directory = tempfile::tempdir()
                        .map_err(|error| ApiError::internal(&format!("no directory for processes: {error}")))?;
                    (directory.path().to_owned(), Some(directory))
                }
            };
            let processes = Processes::new(root, self.ended.clone());
            self.processes = Some(Local { processes, _directory: directory });
        }
        self.processes.as_mut().map(|local| &mut local.processes).ok_or_else(|| ApiError::internal("no processes"))
    }

    fn call(
        &self,
        method: http::Method,
        path: &str,
        body: Value,
        content_type: &str,
        client: &str,
    ) -> Result<Option<Value>, ApiError> {
        let mut query = Query::default();
        query.set("fieldManager", client);
        let request = RawRequest {
            method,
            path: path.to_owned(),
            query,
            accept: "application/json".to_owned(),
            content_type: if content_type.is_empty() { "application/json" } else { content_type }.to_owned(),
            object: (!body.is_null()).then_some(body),
            caller: Caller {
                client: client.to_owned(),
                user: format!("system:{client}"),
                groups: vec!["system:masters".to_owned()],
                ..Caller::default()
            },
            ..RawRequest::default()
        };
        Ok(match self.shared.server.call(&request)? {
            Outcome::Object(_, object) => Some((*object).clone()),
            _ => None,
        })
    }
}

/// The path of an object.
fn path(place: &Place, api_version: &str) -> String {
    let root = if api_version.contains('/') { "apis" } else { "api" };
    let space =
        if place.key.namespace.is_empty() { String::new() } else { format!("/namespaces/{}", place.key.namespace) };
    format!("/{root}/{api_version}{space}/{}/{}", place.resource.resource, place.key.name)
}

fn collection(kind: &Kind, api_version: &str, space: &str) -> String {
    let root = if api_version.contains('/') { "apis" } else { "api" };
    format!("/{root}/{api_version}/namespaces/{space}/{}", kind.resource.resource)
}
