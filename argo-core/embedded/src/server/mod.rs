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
mod call;
mod checks;
mod convert;
mod decode;
mod defaults;
mod delete;
mod discovery;
mod duplicates;
mod encode;
pub(crate) mod forms;
mod gates;
mod ids;
mod kubelet;
mod label_syntax;
mod logs;
mod meta;
mod names;
mod namespaces;
mod openapi;
mod options;
mod patch;
mod perform;
mod priority;
mod proxy;
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

pub(crate) use admission::WebhookServices;
pub use admission::{Admission, AdmissionRequest, PodSecurityExemptions, WebhookService};
pub(crate) use authorization::{Attributes, Impersonation, MASTERS, default_roles, service_account_groups};
pub(crate) use call::{Call, yaml};
pub(crate) use delete::{DeleteOptions, Deleted};
pub use encode::ResponseBody;
pub(crate) use encode::respond;
pub(crate) use ids::Ids;
pub(crate) use logs::LogKey;
pub(crate) use meta::timestamp_text;
pub(crate) use namespaces::INITIAL as INITIAL_NAMESPACES;
pub(crate) use openapi::Documents;
pub(crate) use proxy::Original;
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
use perform::{Performed, code_of};

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
    /// Somebody else answers.
    Proxy(Box<proxy::Proxied>),
}

/// A resource at one of its versions.
pub(crate) type Target = (Arc<ResourceDef>, usize);

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
        let request = match self.acting(request) {
            Ok(request) => request,
            Err((request, error)) => return Ok(encode::respond(&request, None, Err(error), self.clock.now())),
        };
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
        let denied = self.denied(&request);
        let Some((path, verb)) = parsed else {
            let answer = if let Some(error) = denied {
                Err(error)
            } else if matches!(request.method, http::Method::GET | http::Method::HEAD)
                || request.path.trim_end_matches('/') == "/apis"
            {
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
        let Performed { result: mut outcome, seen, changed, warnings, audit } = match verdict.error.clone().or(denied) {
            Some(error) => Performed::refused(error),
            None => match encode::acceptable(&request) {
                Ok(()) => self.perform_asking(&request, &path, verb, &verdict).await,
                Err(error) => Performed::refused(error),
            },
        };
        if let Err(error) = self.settle(seen).await {
            outcome = Err(error);
        }
        let code = code_of(&outcome);
        self.journal.record(Entry::new(started, &request.caller, verb, &path, code, changed).audited(audit));
        if changed.is_some() && !session.finish_write() {
            return Err(session.disconnected());
        }
        let mut response = match outcome {
            Ok((target, Outcome::Watch(spec))) => {
                let watcher = Watcher::start(self.clone(), *spec, session.clone());
                encode::stream(&request, &target, watcher)
            }
            Ok((_, Outcome::Stream(opened))) => encode::switch(self.clone(), &request, *opened, started),
            Ok((_, Outcome::Proxy(to))) => proxy::carry(self.clone(), request, *to, session).await,
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

    /// The request in the name of whom it wants to be made as.
    fn acting(&self, mut request: RawRequest) -> Result<RawRequest, (Box<RawRequest>, ApiError)> {
        let Some(wanted) = request.impersonation.take() else { return Ok(request) };
        match self.state.lock().impersonate(&request.caller, &wanted, &request.path) {
            Ok(caller) => Ok(RawRequest { caller, ..request }),
            Err(error) => Err((Box::new(request), error)),
        }
    }

    /// Why the caller may not, where roles decide: before it is known whether there is anything at the path.
    fn denied(&self, request: &RawRequest) -> Option<ApiError> {
        let state = self.state.lock();
        if !state.rbac {
            return None;
        }
        state.authorize(&request.caller, &Attributes::of(request)).err()
    }
}

/// Whether a path is one of those that say whether the server lives, whatever the verb.
fn is_health(path: &str) -> bool {
    matches!(path.split('/').nth(1), Some("healthz" | "livez" | "readyz"))
}
