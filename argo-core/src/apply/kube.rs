//! The applier for a real (or embedded) Kubernetes API.

use std::{collections::BTreeMap, fmt, time::Duration};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{ApplyError, ClusterApplier, FieldValidation, WriteOptions};
use crate::{
    clock::Clock,
    error::Category,
    object::{Object, ObjectRef},
    plan::{Change, Note, PatchKind},
    runtime::{Mapper, api::Path},
    time,
};

/// How many different events are remembered so that a repeat raises a count instead of making one more.
const EVENT_MEMORY: usize = 4096;

/// Writes to a Kubernetes API through a stock [`kube::Client`].
#[derive(Clone)]
pub struct KubeApplier {
    client: kube::Client,
    mapper: Mapper,
    clock: Clock,
    manager: String,
    events: std::sync::Arc<Mutex<Events>>,
    user: Option<String>,
}

#[derive(Default)]
struct Events {
    seen: BTreeMap<String, (ObjectRef, i64)>,
    made: u64,
}

impl KubeApplier {
    /// Writes as field manager `manager`; events carry it as their reporting component.
    pub fn new(client: kube::Client, mapper: Mapper, clock: Clock, manager: impl Into<String>) -> Self {
        Self { client, mapper, clock, manager: manager.into(), events: Default::default(), user: None }
    }

    async fn send(&self, change: &Change, request: Request<'_>) -> Result<Value, ApplyError> {
        let target = change.target();
        let path = self.path(change, &target).await?;
        let query: Vec<(&str, &str)> = request.query.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let uri = path.uri(request.name, request.subresource, &query);
        let body = serde_json::to_vec(&request.body)
            .map_err(|it| ApplyError::new(change, Category::Invalid, it.to_string()))?;
        let mut http = http::Request::builder().method(request.method);
        if let Some(user) = &self.user {
            http = http.header("Impersonate-User", user);
        }
        let http = http
            .uri(uri)
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::CONTENT_TYPE, request.content_type)
            .body(body)
            .map_err(|it| ApplyError::new(change, Category::Invalid, it.to_string()))?;
        match self.client.request::<Value>(http).await {
            Ok(value) => Ok(value),
            Err(error) => {
                let (category, message, retry_after) = kube_error(&error);
                Err(ApplyError { retry_after, ..ApplyError::new(change, category, message) })
            }
        }
    }

    async fn path(&self, change: &Change, target: &ObjectRef) -> Result<Path, ApplyError> {
        match self.mapper.path(&target.gvk, target.namespace.as_deref()).await {
            Ok(path) => Ok(path),
            Err(error) => {
                let category = crate::Failure::category(&error);
                Err(ApplyError::new(change, category, error.to_string()))
            }
        }
    }
}

struct Request<'a> {
    method: http::Method,
    name: Option<&'a str>,
    subresource: Option<&'a str>,
    query: &'a [(&'static str, String)],
    content_type: &'static str,
    body: Value,
}

impl<'a> Request<'a> {
    fn new(method: http::Method, name: Option<&'a str>, body: Value) -> Self {
        Self { method, name, subresource: None, query: &[], content_type: "application/json", body }
    }
}

#[async_trait::async_trait]
impl ClusterApplier for KubeApplier {
    async fn apply(&self, change: &Change) -> Result<Option<Object>, ApplyError> {
        self.apply_with(change, WriteOptions::default()).await
    }

    async fn apply_with(&self, change: &Change, options: WriteOptions) -> Result<Option<Object>, ApplyError> {
        let dry_run = options.dry_run.then_some(("dryRun", "All"));
        let fields = match options.fields {
            FieldValidation::Usual => None,
            FieldValidation::Ignore => Some(("fieldValidation", "Ignore")),
            FieldValidation::Strict => Some(("fieldValidation", "Strict")),
        };
        let with = |first: &[(&'static str, &'static str)], manager: &str| -> Vec<(&'static str, String)> {
            let rest = [dry_run, fields].into_iter().flatten();
            let all = first.iter().copied().chain(rest).map(|(key, value)| (key, value.to_owned()));
            std::iter::once(("fieldManager", manager.to_owned())).chain(all).collect()
        };
        let manager = with(&[], &self.manager);
        let result = match change {
            Change::Create { object } => {
                let request = Request::new(http::Method::POST, None, object.value().clone());
                self.send(change, Request { query: &manager, ..request }).await
            }
            Change::Apply { object, manager, force } => {
                let query = with(&[("force", if *force { "true" } else { "false" })], manager);
                let request = Request::new(http::Method::PATCH, Some(object.name()), object.value().clone());
                self.send(change, Request { query: &query, content_type: "application/apply-patch+yaml", ..request })
                    .await
            }
            Change::Update { object } => {
                let request = Request::new(http::Method::PUT, Some(object.name()), object.value().clone());
                self.send(change, Request { query: &manager, ..request }).await
            }
            Change::Patch { target, patch, subresource, resource_version } => {
                let mut body = patch.body.clone();
                let content_type = match patch.kind {
                    PatchKind::Json => "application/json-patch+json",
                    PatchKind::Merge => "application/merge-patch+json",
                    PatchKind::Strategic => "application/strategic-merge-patch+json",
                };
                if let Some(version) = resource_version {
                    guard(patch.kind, &mut body, version);
                }
                let request = Request::new(http::Method::PATCH, Some(&target.name), body);
                let subresource = subresource.as_deref();
                self.send(change, Request { query: &manager, subresource, content_type, ..request }).await
            }
            Change::Delete { target, uid, propagation } => {
                let mut body =
                    json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation.as_str()});
                if let Some(uid) = uid {
                    body["preconditions"] = json!({"uid": uid});
                }
                if options.dry_run {
                    body["dryRun"] = json!(["All"]);
                }
                let result = self.send(change, Request::new(http::Method::DELETE, Some(&target.name), body)).await;
                // A conflict on the uid means that the one that was meant is gone already.
                match result {
                    Err(error) if matches!(error.category, Category::NotFound) => return Ok(None),
                    Err(error) if uid.is_some() && matches!(error.category, Category::Conflict) => {
                        return Ok(None);
                    }
                    other => other,
                }
            }
            Change::Evict { target } => {
                let body = json!({"apiVersion": "policy/v1", "kind": "Eviction",
                    "metadata": {"name": target.name, "namespace": target.namespace}});
                let query: Vec<_> = dry_run.into_iter().map(|(key, value)| (key, value.to_owned())).collect();
                let request = Request::new(http::Method::POST, Some(&target.name), body);
                match self.send(change, Request { subresource: Some("eviction"), query: &query, ..request }).await {
                    Err(error) if matches!(error.category, Category::NotFound) => return Ok(None),
                    other => other.map(|_| Value::Null),
                }
            }
        };
        result.map(|value| {
            (value.get("kind").and_then(Value::as_str).is_some_and(|it| it != "Status"))
                .then(|| Object::from_value(value))
        })
    }

    fn impersonating(&self, user: &str) -> Option<std::sync::Arc<dyn ClusterApplier>> {
        let mut other = Self::new(self.client.clone(), self.mapper.clone(), self.clock.clone(), self.manager.clone());
        other.user = Some(user.to_owned());
        Some(std::sync::Arc::new(other))
    }

    async fn note(&self, regarding: &Object, note: &Note) {
        let target = note.regarding.clone().unwrap_or_else(|| regarding.reference());
        let uid = if note.regarding.is_none() { regarding.uid() } else { "" };
        let now = time::rfc3339(self.clock.now());
        let key = format!("{target}\u{0}{uid}\u{0}{:?}\u{0}{}\u{0}{}", note.kind, note.reason, note.message);
        let earlier = {
            let mut events = self.events.lock();
            events.seen.get_mut(&key).map(|(event, count)| {
                *count += 1;
                (event.clone(), *count)
            })
        };
        if let Some((event, count)) = earlier {
            let change = Change::merge(event, json!({"count": count, "lastTimestamp": now}));
            if self.apply(&change).await.is_ok() {
                return;
            }
            self.events.lock().seen.remove(&key);
        }
        // Cluster-scoped objects keep their events in `default`, as client-go does.
        let namespace = target.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let serial = {
            let mut events = self.events.lock();
            events.made += 1;
            events.made
        };
        let suffix = format!("{:x}", self.clock.now().as_nanosecond().wrapping_add(i128::from(serial)));
        let stem: String = target.name.chars().take(253 - suffix.len() - 1).collect();
        let mut involved =
            json!({"apiVersion": target.gvk.api_version(), "kind": target.gvk.kind, "name": target.name});
        if let Some(namespace) = &target.namespace {
            involved["namespace"] = json!(namespace);
        }
        if !uid.is_empty() {
            involved["uid"] = json!(uid);
        }
        let mut metadata = json!({"name": format!("{stem}.{suffix}"), "namespace": namespace});
        if !note.annotations.is_empty() {
            metadata["annotations"] = json!(note.annotations);
        }
        let event = Object::from_value(json!({
            "apiVersion": "v1", "kind": "Event", "metadata": metadata,
            "involvedObject": involved, "type": format!("{:?}", note.kind),
            "reason": note.reason, "message": truncated(&note.message, 1024),
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
            "source": {"component": self.manager}, "reportingComponent": self.manager, "reportingInstance": "",
        }));
        match self.apply(&Change::create(event)).await {
            Ok(Some(event)) => {
                let mut events = self.events.lock();
                if events.seen.len() >= EVENT_MEMORY {
                    events.seen.pop_first();
                }
                events.seen.insert(key, (event.reference(), 1));
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "event not recorded"),
        }
    }
}

impl fmt::Debug for KubeApplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeApplier").field("manager", &self.manager).finish_non_exhaustive()
    }
}

/// Puts the expected version into a patch, so that the API server refuses a stale one.
fn guard(kind: PatchKind, body: &mut Value, version: &str) {
    match (kind, &mut *body) {
        (PatchKind::Json, Value::Array(operations)) => {
            operations.insert(0, json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}));
        }
        (_, Value::Object(map)) => {
            let meta = map.entry("metadata").or_insert_with(|| json!({}));
            if let Value::Object(meta) = meta {
                meta.insert("resourceVersion".into(), version.into());
            }
        }
        _ => {}
    }
}

fn truncated(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most - 3).rev().find(|it| text.is_char_boundary(*it)).unwrap_or_default();
    format!("{}...", &text[..end])
}

/// What a client error means: category, the server's words, and how long to wait.
#[must_use]
pub fn kube_error(error: &kube::Error) -> (Category, String, Option<Duration>) {
    match error {
        kube::Error::Api(status) => {
            let category = match (status.code, status.reason.as_str()) {
                (404, _) => Category::NotFound,
                (409, "AlreadyExists") => Category::AlreadyExists,
                (409, _) => Category::Conflict,
                (401 | 403, _) => Category::Forbidden,
                (429, _) => Category::Throttled,
                (413, _) => Category::LimitExceeded,
                (408 | 504, _) => Category::Timeout,
                (410, _) => Category::Unavailable,
                (400..=499, _) => Category::Invalid,
                (500..=599, _) => Category::Unavailable,
                _ => Category::Internal,
            };
            let seconds = status.details.as_ref().map_or(0, |it| it.retry_after_seconds);
            let wait = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
            (category, status.message.clone(), wait)
        }
        kube::Error::SerdeError(_) | kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => {
            (Category::Invalid, error.to_string(), None)
        }
        _ => (Category::Unavailable, error.to_string(), None),
    }
}
