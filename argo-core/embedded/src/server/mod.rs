//! The API server on the store: what a request means, done under one lock and without waiting.
//!
//! ```text
//! face (tower, https, direct) ─► Server::handle ─ faults, journal ─► State::dispatch ─► Store
//!                                      │                                  │
//!                                      └── watch streams ◄── wake-ups ◄───┘
//! ```

mod accounts;
mod admission;
mod allocate;
mod authorization;
mod binding;
mod checks;
mod convert;
mod decode;
mod defaults;
mod delete;
mod discovery;
mod duplicates;
mod encode;
mod forms;
mod gates;
mod ids;
mod label_syntax;
mod logs;
mod meta;
mod names;
mod namespaces;
mod openapi;
mod options;
mod patch;
mod priority;
mod read;
mod request;
mod runtime;
mod selector;
mod services;
mod state;
mod status;
mod subresource;
mod table;
mod watch;
mod write;

use std::sync::Arc;

use argo_core::clock::Clock;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;

pub use admission::{Admission, AdmissionRequest, WebhookService};
pub(crate) use admission::{Attempt, WebhookServices};
pub(crate) use authorization::{Attributes, MASTERS, service_account_groups};
pub(crate) use delete::{DeleteOptions, Deleted};
pub use encode::ResponseBody;
pub(crate) use encode::respond;
pub(crate) use ids::Ids;
pub(crate) use logs::LogKey;
pub(crate) use meta::timestamp_text;
pub(crate) use namespaces::INITIAL as INITIAL_NAMESPACES;
pub(crate) use openapi::Documents;
pub(crate) use read::ListAnswer;
pub use request::{Caller, Verb};
pub(crate) use request::{Path, Query, RawRequest};
pub(crate) use state::{State, Token};
pub use status::{ApiError, Cause};
pub(crate) use watch::{WatchItem, WatchSpec, Watcher};
pub(crate) use write::Part;

use crate::faults::{Faults, Verdict};
use crate::journal::{Entry, Journal};
use crate::persist::Durable;
use crate::resources::ResourceDef;
use crate::session::Session;
use crate::store::ObjectKey;

/// The largest request body taken, as of kube-apiserver.
pub(crate) const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Everything behind the faces of one cluster.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) state: Mutex<State>,
    /// Tells what is on disk, for a cluster that lasts.
    pub(crate) durable: Option<Durable>,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
}

/// A request whose path led to a resource.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) verb: Verb,
    pub(crate) def: Arc<ResourceDef>,
    /// Index of the requested version in `def.versions`.
    pub(crate) version: usize,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) subresource: Option<&'a str>,
    pub(crate) request: &'a RawRequest,
    pub(crate) dry_run: bool,
    pub(crate) now: jiff::Timestamp,
    /// What webhooks said so far; nothing where none are asked.
    pub(crate) attempt: Option<&'a Attempt>,
}

/// What a request leads to, before it is written in the form the client accepts.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// One object, with the HTTP code.
    Object(u16, Arc<Value>),
    /// Many objects.
    List(ListAnswer),
    /// A stream of changes.
    Watch(Box<WatchSpec>),
    /// Anything else in JSON.
    Json(u16, Value),
    /// JSON under a content type of its own.
    Typed(&'static str, Value),
    /// Bytes under a content type.
    Raw(&'static str, Bytes),
    /// Plain text.
    Text(String),
    /// The log of a container, to be followed.
    Follow(Follow),
    /// A stream into a pod.
    Stream(Box<crate::streams::Opened>),
}

/// A resource at one of its versions.
pub(crate) type Target = (Arc<ResourceDef>, usize);

/// What became of a request.
struct Performed {
    result: Result<(Target, Outcome), ApiError>,
    /// The revision the answer may show.
    seen: u64,
    /// The revision of the change it made, if any.
    changed: Option<u64>,
    warnings: Vec<String>,
}

impl Performed {
    /// Webhooks were asked again and again, about a changing object.
    fn restless() -> Self {
        let result = Err(ApiError::internal("the object changes faster than its webhooks answer"));
        Self { result, seen: 0, changed: None, warnings: Vec::new() }
    }
}

/// The connection broke: no answer at all. Seen by clients as a transport error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("connection of client {client:?} to the cluster is cut")]
pub struct Disconnected {
    /// Name of the client.
    pub client: String,
}

/// Which log is followed, and what was sent already.
#[derive(Debug)]
pub(crate) struct Follow {
    pub(crate) pod: ObjectKey,
    pub(crate) container: String,
    /// Which start of the container.
    pub(crate) attempt: u32,
    /// Bytes of the log that need not be sent.
    pub(crate) skip: usize,
    pub(crate) options: logs::LogOptions,
}

// === impl Server ===

impl Server {
    /// Answers a request. An error means that the client gets no answer.
    pub(crate) async fn handle(
        self: &Arc<Self>,
        request: RawRequest,
        session: &Session,
    ) -> Result<http::Response<ResponseBody>, Disconnected> {
        session.check()?;
        let parsed = self.parse(&request);
        let verdict = match &parsed {
            Some((path, verb)) => self.faults.judge(*verb, path, &request.caller.client, self.clock.now()),
            None => Verdict::default(),
        };
        if verdict.partitioned {
            return Err(session.disconnected());
        }
        if let Some(latency) = verdict.latency {
            self.clock.sleep(latency).await;
            session.check()?;
        }
        let Some((path, verb)) = parsed else {
            let answer = if request.method == http::Method::GET || request.method == http::Method::HEAD {
                self.non_resource(&request)
            } else if is_health(&request.path) {
                Ok(Outcome::Text("ok".to_owned()))
            } else if Path::parse(&request.path).is_some() || self.non_resource(&request).is_ok() {
                Err(ApiError::method_not_allowed())
            } else {
                Err(ApiError::no_such_path())
            };
            return Ok(encode::respond(&request, None, answer, self.clock.now()));
        };
        if verb.is_write() {
            session.begin_write()?;
        }
        let started = self.clock.now();
        let refused = |error| Performed { result: Err(error), seen: 0, changed: None, warnings: Vec::new() };
        let Performed { result: mut outcome, seen, changed, warnings } = match verdict.error.clone() {
            Some(error) => refused(error),
            None => match encode::acceptable(&request) {
                Ok(()) => self.perform_asking(&request, &path, verb, &verdict).await,
                Err(error) => refused(error),
            },
        };
        if let Err(error) = self.settle(seen).await {
            outcome = Err(error);
        }
        let code = code_of(&outcome);
        self.journal.record(Entry::new(started, &request.caller, verb, &path, code, changed));
        if changed.is_some() && !session.finish_write() {
            return Err(session.disconnected());
        }
        let mut response = match outcome {
            Ok((target, Outcome::Watch(spec))) => {
                let watcher = Watcher::start(self.clone(), *spec, session.clone());
                encode::stream(&request, &target, watcher)
            }
            Ok((_, Outcome::Stream(opened))) => encode::switch(self.clone(), &request, *opened, started),
            Ok((target, Outcome::Follow(log))) => encode::follow(self.clone(), session.clone(), target, log),
            Ok((target, outcome)) => encode::respond(&request, Some(&target), Ok(outcome), self.clock.now()),
            Err(error) => encode::respond(&request, None, Err(error), started),
        };
        encode::warn(&mut response, &warnings);
        Ok(response)
    }

    /// Path and verb of a request about resources.
    fn parse(&self, request: &RawRequest) -> Option<(Path, Verb)> {
        let path = Path::parse(&request.path)?;
        let watch = (request.query.flag("watch") || request.path.contains("/v1/watch/")) && path.subresource.is_none();
        let verb = Verb::of(&request.method, &path, watch)?;
        Some((path, verb))
    }

    /// Carries out a request, with the webhooks it needs.
    async fn perform_asking(&self, request: &RawRequest, path: &Path, verb: Verb, verdict: &Verdict) -> Performed {
        let attempt = Attempt::default();
        for _ in 0..admission::ROUNDS {
            let performed = self.perform(request, path, verb, verdict, &attempt);
            let Some(errand) = attempt.take_wanted() else { return performed };
            let answer = errand.run().await;
            attempt.answer(errand.key, answer);
        }
        Performed::restless()
    }

    /// As [`Server::perform_asking`], without waiting but for webhooks.
    fn perform_here(&self, request: &RawRequest, path: &Path, verb: Verb, verdict: &Verdict) -> Performed {
        let attempt = Attempt::default();
        for _ in 0..admission::ROUNDS {
            let performed = self.perform(request, path, verb, verdict, &attempt);
            let Some(errand) = attempt.take_wanted() else { return performed };
            let key = errand.key.clone();
            attempt.answer(key, errand.run_here());
        }
        Performed::restless()
    }

    /// Carries out a request, or puts it off until the webhook that the attempt names has answered.
    fn perform(
        &self,
        request: &RawRequest,
        path: &Path,
        verb: Verb,
        verdict: &Verdict,
        attempt: &Attempt,
    ) -> Performed {
        let mut state = self.state.lock();
        state.warnings.clear();
        if path.subresource.is_none() {
            state.warnings.extend(deprecation(path));
        }
        let drawn = state.ids.drawn();
        let before = state.store.revision();
        let result = self.resolve(&state, request, path, verb, attempt).and_then(|call| {
            let target = (call.def.clone(), call.version);
            let outcome = if verdict.stale { state.dispatch_stale(&call) } else { state.dispatch(&call) }?;
            Ok((target, outcome))
        });
        if attempt.is_waiting() {
            // The same names and uids at the next attempt.
            state.ids.rewind(drawn);
        }
        let after = state.store.revision();
        let warnings = std::mem::take(&mut state.warnings);
        Performed { result, seen: after, changed: (after > before).then_some(after), warnings }
    }

    fn resolve<'a>(
        &self,
        state: &State,
        request: &'a RawRequest,
        path: &'a Path,
        verb: Verb,
        attempt: &'a Attempt,
    ) -> Result<Call<'a>, ApiError> {
        if !state.registry.serves_group(&path.group) {
            return Err(ApiError::not_a_path());
        }
        let (def, version) =
            state.registry.find(&path.group, &path.version, &path.resource).ok_or_else(ApiError::no_such_path)?;
        if path.namespace.is_some() && !def.namespaced {
            return Err(ApiError::no_such_path());
        }
        if path.namespace.is_none() && def.namespaced && (path.name.is_some() || (verb == Verb::Create && !def.review))
        {
            return Err(if path.name.is_some() { ApiError::no_such_path() } else { ApiError::method_not_allowed() });
        }
        if path.subresource.is_none() && !def.verbs.contains(&verb.name()) {
            return Err(ApiError::method_not_allowed());
        }
        if request.body.len() > BODY_LIMIT {
            return Err(ApiError::new(
                413,
                "RequestEntityTooLarge",
                format!("Request entity too large: limit is {BODY_LIMIT}"),
            ));
        }
        let call = Call {
            verb,
            def,
            version,
            namespace: path.namespace.as_deref(),
            name: path.name.as_deref(),
            subresource: path.subresource.as_deref(),
            request,
            dry_run: options::check(request, verb)?,
            now: self.clock.now(),
            attempt: Some(attempt),
        };
        let attributes = Attributes {
            verb: verb.name(),
            group: &path.group,
            resource: &path.resource,
            subresource: call.subresource.unwrap_or_default(),
            namespace: call.namespace.unwrap_or_default(),
            name: call.name.unwrap_or_default(),
            path: "",
        };
        if !call.def.review && !state.allows(&request.caller, &attributes) {
            return Err(forbidden(&call, &request.caller));
        }
        Ok(call)
    }

    /// Waits until what was seen at a revision is there to stay: an answer that shows a change which a kill could still undo
    /// would be a lie.
    ///
    /// # Errors
    /// The disk failed: nobody can know any more.
    pub(crate) async fn settle(&self, revision: u64) -> Result<(), ApiError> {
        let Some(durable) = &self.durable else { return Ok(()) };
        // Virtual time would jump ahead while the runtime waits for the disk.
        let settled = if self.clock.is_virtual() { durable.wait(revision) } else { durable.reached(revision).await };
        settled.map_err(|error| ApiError::internal(&error.to_string()))
    }

    /// As [`Server::settle`], blocking the thread.
    fn settle_here(&self, revision: u64) -> Result<(), ApiError> {
        let Some(durable) = &self.durable else { return Ok(()) };
        durable.wait(revision).map_err(|error| ApiError::internal(&error.to_string()))
    }

    /// Starts a watch in process, past all faces.
    pub(crate) fn watch(self: &Arc<Self>, request: &RawRequest, session: Session) -> Result<Watcher, ApiError> {
        let path = Path::parse(&request.path).ok_or_else(ApiError::no_such_path)?;
        match self.perform_here(request, &path, Verb::Watch, &Verdict::default()).result? {
            (_, Outcome::Watch(spec)) => Ok(Watcher::start(self.clone(), *spec, session)),
            _ => Err(ApiError::internal("not a watch")),
        }
    }

    /// Carries out a request in process, past faults and journal of the faces.
    pub(crate) fn call(&self, request: &RawRequest) -> Result<Outcome, ApiError> {
        let path = Path::parse(&request.path).ok_or_else(ApiError::no_such_path)?;
        let verb = Verb::of(&request.method, &path, false).ok_or_else(ApiError::method_not_allowed)?;
        let Performed { mut result, seen, changed, .. } = self.perform_here(request, &path, verb, &Verdict::default());
        if let Err(error) = self.settle_here(seen) {
            result = Err(error);
        }
        let code = code_of(&result);
        self.journal.record(Entry::new(self.clock.now(), &request.caller, verb, &path, code, changed));
        result.map(|(_, outcome)| outcome)
    }
}

/// Whether a path is one of those that say whether the server lives, whatever the verb.
fn is_health(path: &str) -> bool {
    matches!(path.split('/').nth(1), Some("healthz" | "livez" | "readyz"))
}

/// What clients are told of resources that are on their way out.
fn deprecation(path: &Path) -> Option<String> {
    let text = match (path.group.as_str(), path.version.as_str(), path.resource.as_str()) {
        ("", "v1", "componentstatuses") => "v1 ComponentStatus is deprecated in v1.19+",
        ("", "v1", "endpoints") => "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
        _ => return None,
    };
    Some(text.to_owned())
}

fn code_of(result: &Result<(Target, Outcome), ApiError>) -> u16 {
    match result {
        Ok((_, Outcome::Object(code, _) | Outcome::Json(code, _))) => *code,
        Ok(_) => 200,
        Err(error) => error.code,
    }
}

fn forbidden(call: &Call<'_>, caller: &Caller) -> ApiError {
    let resource = match call.subresource {
        Some(subresource) => format!("{}/{subresource}", call.def.resource()),
        None => call.def.resource().to_owned(),
    };
    let place = call
        .namespace
        .map_or_else(|| "at the cluster scope".to_owned(), |namespace| format!("in the namespace {namespace:?}"));
    let why = format!(
        "User {:?} cannot {} resource {resource:?} in API group {:?} {place}",
        caller.user,
        call.verb,
        call.def.group()
    );
    ApiError::forbidden(&call.def.served, call.name_or_empty(), &why)
}

// === impl Call ===

impl Call<'_> {
    pub(crate) fn version_def(&self) -> &crate::resources::VersionDef {
        &self.def.versions[self.version]
    }

    /// The name of the object as errors quote it.
    pub(crate) fn name_or_empty(&self) -> &str {
        self.name.unwrap_or_default()
    }

    /// Who owns the fields this request writes.
    pub(crate) fn field_manager(&self) -> String {
        match self.request.query.get("fieldManager") {
            Some(manager) => manager.to_owned(),
            None if self.request.caller.client.is_empty() => "unknown".to_owned(),
            None => self.request.caller.client.clone(),
        }
    }

    /// What YAML says twice is for strict readers to complain of.
    fn strict_yaml(&self, mut error: ApiError) -> ApiError {
        const MARK: &str = "yaml: unmarshal errors:";
        if self.request.query.get("fieldValidation") == Some("Strict")
            && let Some((_, rest)) = error.message.split_once(MARK)
        {
            let (kind, version) = (&self.def.kind, &self.version_def().name);
            error.message = format!(
                "{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {MARK}{rest}"
            );
        }
        error
    }

    /// Reads the body as JSON or YAML.
    pub(crate) fn body(&self) -> Result<Value, ApiError> {
        match &self.request.object {
            Some(object) => Ok(object.clone()),
            None => {
                let body = decode_body(&self.def.kind, &self.request.content_type, &self.request.body)
                    .map_err(|error| self.strict_yaml(error))?;
                Ok(if body.is_null() && self.def.builtin { serde_json::json!({}) } else { body })
            }
        }
    }
}

/// Reads a body of the given content type.
pub(crate) fn decode_body(kind: &str, content_type: &str, body: &Bytes) -> Result<Value, ApiError> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    match media {
        "" | "application/json" | "*/*" => serde_json::from_slice(body).map_err(|error| {
            let text = String::from_utf8_lossy(body);
            let why = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
            ApiError::bad_request(format!("the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {why} ({})", decode::excerpt(&text)))
        }),
        "application/yaml" | "application/x-yaml" if body.iter().all(u8::is_ascii_whitespace) => Ok(Value::Null),
        "application/yaml" | "application/x-yaml" => yaml(body),
        "application/vnd.kubernetes.protobuf" => crate::schema::decode_protobuf(body)
            .map_err(|why| ApiError::bad_request(format!("couldn't get version/kind; protobuf parse error: {why}"))),
        _ => Err(ApiError::unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
        )),
    }
}

/// One YAML (or JSON) document.
pub(crate) fn yaml(body: &[u8]) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(body)
        .map_err(|_| ApiError::bad_request("error converting YAML to JSON: yaml: invalid UTF-8"))?;
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    let documents = crate::yaml::documents(text).map_err(|error| {
        ApiError::bad_request(format!("error decoding YAML: error converting YAML to JSON: yaml: {error}"))
    })?;
    documents.into_iter().next().ok_or_else(|| ApiError::bad_request("error decoding YAML: no document"))
}
