//! The endpoint, its queue, the annotations.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argo_core::{
    Change, Gvk, ObjectKey, ObjectRef, Resource, Timestamp,
    runtime::{Cache, Context, Query, Shutdown},
    time,
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, mpsc};

use super::{
    affected::{Affected, affected},
    parse::{Event, Headers, Refusal, parse},
    verify::Secrets,
};
use crate::{
    api::{Application, names},
    engine::Settings,
};

/// Settings of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhooksConfig {
    /// Longest body in bytes (`webhook.maxPayloadSizeMB`); 50 MiB.
    pub max_payload: usize,
    /// Events that may wait; what comes on top is refused with 503. 50,000, as upstream.
    pub queue: usize,
    /// Over how long refreshes are spread once more than `jitter_threshold` Applications are affected
    /// (`webhook.refresh.jitter`); zero.
    pub jitter: Duration,
    /// See `jitter` (`webhook.refresh.jitter.threshold`); 10.
    pub jitter_threshold: usize,
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        Self { max_payload: 50 << 20, queue: 50_000, jitter: Duration::ZERO, jitter_threshold: 10 }
    }
}

/// What hosts call. Clones share the queue.
///
/// A flood costs little: an Application that is to be refreshed already is not asked again, however many events name it.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    context: Context,
    settings: Settings,
    config: WebhooksConfig,
    apps: Arc<Cache>,
    secret: Arc<Cache>,
    sender: mpsc::Sender<Event>,
    receiver: Mutex<Option<mpsc::Receiver<Event>>>,
    /// Applications to be refreshed, and when.
    due: Mutex<BTreeMap<ObjectKey, Due>>,
    changed: Notify,
}

#[derive(Clone, Copy)]
struct Due {
    at: Timestamp,
    hydrate: bool,
}

/// Wait before a refresh that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

impl Webhooks {
    /// Reads secrets from `argocd-secret` in the controller's namespace. Must be called inside a tokio runtime.
    #[must_use]
    pub fn new(context: Context, settings: Settings, config: WebhooksConfig) -> Self {
        let apps = context.cache_of::<Application>();
        let query = Query::of(Gvk::new("", "v1", "Secret"), Some(&settings.namespace));
        let secret = context.caches().open(query.fields("metadata.name=argocd-secret"));
        let (sender, receiver) = mpsc::channel(config.queue.max(1));
        Self(Arc::new(Inner {
            context,
            settings,
            config,
            apps,
            secret,
            sender,
            receiver: Mutex::new(Some(receiver)),
            due: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// `POST /api/webhook`, to be served or merged into another router.
    pub fn router(&self) -> Router {
        Router::new().route("/api/webhook", any(answer)).with_state(self.clone())
    }

    /// Works the queue off until `shutdown`. A second call returns at once.
    pub async fn run(&self, shutdown: Shutdown) {
        let receiver = self.0.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut receiver) = receiver else { return };
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = futures::future::join(self.0.apps.synced(), self.0.secret.synced()) => {}
        }
        let events = async {
            while let Some(event) = receiver.recv().await {
                self.0.note(&event);
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            _ = futures::future::join(events, self.0.refresh()) => {}
        }
    }

    fn accept(&self, method: &str, headers: &Headers, body: &[u8]) -> (StatusCode, String) {
        let secrets = self.0.secret.list().first().map(|it| Secrets::read(it)).unwrap_or_default();
        let event = match parse(method, headers, body, &secrets) {
            Ok(event) => event,
            Err(refusal) => {
                tracing::info!(%refusal, "a webhook was refused");
                return self.refuse(refusal);
            }
        };
        if event == Event::Nothing {
            return (StatusCode::OK, String::new());
        }
        match self.0.sender.try_send(event) {
            Ok(()) => (StatusCode::OK, String::new()),
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "Queue is full, discarding webhook payload".to_owned()),
        }
    }

    fn refuse(&self, refusal: Refusal) -> (StatusCode, String) {
        match refusal {
            Refusal::Unknown | Refusal::Failed => (StatusCode::BAD_REQUEST, refusal.to_string()),
            Refusal::Method => (StatusCode::METHOD_NOT_ALLOWED, refusal.to_string()),
            Refusal::Unauthorized => (StatusCode::UNAUTHORIZED, refusal.to_string()),
            Refusal::Payload => {
                (StatusCode::BAD_REQUEST, format!("{refusal} under {} MB", self.0.config.max_payload >> 20))
            }
        }
    }
}

async fn answer(State(hooks): State<Webhooks>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let headers: Headers = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let (status, text) = match axum::body::to_bytes(body, hooks.0.config.max_payload).await {
        Ok(body) => hooks.accept(parts.method.as_str(), &headers, &body),
        Err(_) => hooks.refuse(Refusal::Payload),
    };
    (status, text).into_response()
}

impl Inner {
    /// Writes down which Applications an event brings up.
    fn note(&self, event: &Event) {
        let now = self.context.now();
        let mut count = 0;
        for object in self.apps.list() {
            if !self.settings.is_application_namespace(object.namespace().unwrap_or_default()) {
                continue;
            }
            let Ok(app) = object.decode::<Application>() else { continue };
            let Some(Affected { hydrate }) = affected(event, &app) else { continue };
            count += 1;
            let wait =
                if count > self.config.jitter_threshold { self.spread(&object.key(), now) } else { Duration::ZERO };
            let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            let place = due.entry(object.key()).or_insert_with(|| Due { at: time::after(now, wait), hydrate: false });
            place.hydrate |= hydrate;
        }
        if count > 0 {
            tracing::info!(applications = count, "a webhook refreshes Applications");
            self.changed.notify_one();
        }
    }

    /// A share of the jitter, by Application and time.
    fn spread(&self, key: &ObjectKey, now: Timestamp) -> Duration {
        let mut hash = Sha256::new();
        hash.update(key.to_string());
        hash.update(now.as_nanosecond().to_le_bytes());
        self.config.jitter.mul_f64(f64::from(hash.finalize()[0]) / 256.0)
    }

    async fn refresh(&self) {
        loop {
            let changed = self.changed.notified();
            let next = {
                let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
                due.iter().min_by_key(|(_, it)| it.at).map(|(key, it)| (key.clone(), *it))
            };
            let Some((key, due)) = next else {
                changed.await;
                continue;
            };
            if due.at > self.context.now() {
                tokio::select! {
                    () = changed => {}
                    () = self.context.clock().sleep_until(due.at) => {}
                }
                continue;
            }
            self.due.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            if !self.annotate(&key, due.hydrate).await {
                let at = time::after(self.context.now(), RETRY);
                let mut later = self.due.lock().unwrap_or_else(PoisonError::into_inner);
                later.entry(key).or_insert(Due { at, ..due });
            }
        }
    }

    /// Sets the annotations; whether there is nothing left to do about it.
    async fn annotate(&self, key: &ObjectKey, hydrate: bool) -> bool {
        let Some(app) = self.apps.get(key) else { return true };
        let asked = app.annotation(names::REFRESH).is_some() && (!hydrate || app.annotation(names::HYDRATE).is_some());
        if asked {
            // The refresh that was asked for will see this push, too.
            return true;
        }
        let mut annotations = json!({names::REFRESH: names::REFRESH_NORMAL});
        if hydrate {
            annotations[names::HYDRATE] = json!(names::REFRESH_NORMAL);
        }
        let target = ObjectRef::new(Application::gvk(), key.namespace.as_deref(), &key.name);
        let change = Change::merge(target, json!({"metadata": {"annotations": annotations}}));
        match self.context.applier().apply(&change).await {
            Ok(_) => true,
            Err(error) => {
                let again = argo_core::Failure::is_transient(&error);
                tracing::warn!(%key, %error, again, "an Application could not be asked to refresh");
                !again
            }
        }
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("config", &self.0.config).finish_non_exhaustive()
    }
}
