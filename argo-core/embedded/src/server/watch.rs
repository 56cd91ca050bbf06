//! Watches: a cursor in the event log and a wake-up. Nothing is queued per watch, so nothing can be lost, repeated or reordered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::read::Filter;
use super::state::State;
use super::status::{ApiError, Cause};
use super::{Call, Outcome, Server, convert};
use crate::resources::ResourceDef;
use crate::session::Session;
use crate::store::{Event, EventKind, with_revision};

/// How often a watch that asked for bookmarks gets one, if the store has moved.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What is to be watched.
#[derive(Debug)]
pub(crate) struct WatchSpec {
    def: Arc<ResourceDef>,
    version: usize,
    namespace: Option<String>,
    filter: Filter,
    cursor: u64,
    initial: Vec<Arc<Value>>,
    initial_end: Option<u64>,
    /// The revision the initial objects were read at.
    read_at: u64,
    bookmarks: bool,
    deadline: Option<Timestamp>,
    waker: watch::Receiver<u64>,
}

/// One line of a watch.
#[derive(Clone, Debug)]
pub(crate) struct WatchItem {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub(crate) kind: &'static str,
    /// The object, or the Status of an error.
    pub(crate) object: Arc<Value>,
    /// The event whose shared text is this very item.
    pub(crate) event: Option<Arc<Event>>,
}

/// A running watch.
#[derive(Debug)]
pub(crate) struct Watcher {
    server: Arc<Server>,
    session: Session,
    spec: WatchSpec,
    pending: VecDeque<WatchItem>,
    /// What is pending may be sent once this revision is on disk.
    barrier: u64,
    bookmark_at: Option<Timestamp>,
    bookmarked: u64,
    faults: watch::Receiver<u64>,
    ended: bool,
}

// === impl State ===

impl State {
    pub(super) fn watch(&mut self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        let query = &call.request.query;
        query.number("limit")?;
        let filter = Filter::of(call)?;
        let current = self.store.revision();
        let streaming = query.get("sendInitialEvents").map(|_| query.flag("sendInitialEvents"));
        let invalid = |field: &str, message: &str| {
            ApiError::invalid("meta.k8s.io", "ListOptions", "", &[Cause::forbidden(field, message)])
        };
        match (streaming, query.get("resourceVersionMatch")) {
            (Some(_), None) => {
                return Err(invalid(
                    "resourceVersionMatch",
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                ));
            }
            (Some(_), Some("NotOlderThan")) => {}
            (Some(_), Some(other)) => {
                let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
                let supported = ["NotOlderThan".to_owned()];
                let causes = [
                    Cause::forbidden("resourceVersionMatch", why),
                    Cause::not_supported("resourceVersionMatch", &serde_json::Value::from(other), &supported),
                ];
                return Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &causes));
            }
            (None, Some(_)) => {
                return Err(invalid(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                ));
            }
            (None, None) => {}
        }
        let requested: u64 = match query.get("resourceVersion") {
            None => 0,
            Some(text) => text.parse().map_err(|_| super::read::bad_revision(text))?,
        };
        let bookmarks = query.flag("allowWatchBookmarks");
        let initial = match streaming {
            Some(wanted) => {
                self.check_not_future(call)?;
                wanted
            }
            None => requested == 0,
        };
        let items = if initial {
            self.store
                .objects(&call.def.stored, call.namespace)
                .map(|(_, object)| convert::from_storage(&call.def, call.version, object))
                .filter(|object| filter.matches(object))
                .collect()
        } else {
            Vec::new()
        };
        let deadline = query
            .number("timeoutSeconds")?
            .filter(|seconds| *seconds > 0)
            .and_then(|seconds| call.now.checked_add(SignedDuration::from_secs(seconds)).ok());
        Ok(Outcome::Watch(Box::new(WatchSpec {
            def: call.def.clone(),
            version: call.version,
            namespace: call.namespace.map(str::to_owned),
            filter,
            cursor: if initial || requested == 0 { current } else { requested },
            initial: items,
            initial_end: (streaming == Some(true) && bookmarks).then_some(current),
            read_at: current,
            bookmarks,
            deadline,
            waker: self.subscribe(&call.def.stored),
        })))
    }
}

// === impl Watcher ===

impl Watcher {
    pub(crate) fn start(server: Arc<Server>, mut spec: WatchSpec, session: Session) -> Self {
        let mut pending: VecDeque<WatchItem> =
            std::mem::take(&mut spec.initial).into_iter().map(|object| WatchItem::new("ADDED", object)).collect();
        if let Some(revision) = spec.initial_end.take() {
            pending.push_back(spec.bookmark(revision, true));
        }
        let faults = server.faults.cuts();
        let bookmark_at = spec.bookmarks.then(|| after(server.clock.now(), BOOKMARK_EVERY));
        let bookmarked = spec.cursor;
        let barrier = spec.read_at;
        Self { server, session, spec, pending, barrier, bookmark_at, bookmarked, faults, ended: false }
    }

    /// The time on the clock of the cluster.
    pub(crate) fn now(&self) -> Timestamp {
        self.server.clock.now()
    }

    /// The next line; `None` at the end of the watch (timeout, or the connection was cut).
    pub(crate) async fn next(&mut self) -> Option<WatchItem> {
        loop {
            if self.session.check().is_err() || self.faults.has_changed().unwrap_or(false) {
                self.ended = true;
            }
            if self.ended {
                return None;
            }
            if !self.pending.is_empty() {
                if self.server.settle(self.barrier).await.is_err() {
                    self.ended = true;
                    return None;
                }
                return self.pending.pop_front();
            }
            let now = self.server.clock.now();
            if self.spec.deadline.is_some_and(|deadline| now >= deadline) {
                return None;
            }
            // Before the log is read: a change after this wakes the select below.
            self.spec.waker.borrow_and_update();
            if let Err(error) = self.read() {
                self.ended = true;
                return Some(WatchItem::new("ERROR", Arc::new(error.status())));
            }
            if !self.pending.is_empty() {
                continue;
            }
            if self.bookmark_at.is_some_and(|at| now >= at) {
                self.bookmark_at = Some(after(now, BOOKMARK_EVERY));
                if self.spec.cursor > self.bookmarked {
                    self.bookmarked = self.spec.cursor;
                    let bookmark = self.spec.bookmark(self.spec.cursor, false);
                    self.pending.push_back(bookmark);
                    continue;
                }
            }
            let timer = [self.spec.deadline, self.bookmark_at].into_iter().flatten().min();
            let clock = self.server.clock.clone();
            let sleep = async move {
                match timer {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.spec.waker.changed() => if changed.is_err() { return None },
                () = self.session.cut() => {}
                _ = self.faults.changed() => self.ended = true,
                () = sleep => {}
            }
        }
    }

    /// Reads what is new in the log.
    fn read(&mut self) -> Result<(), ApiError> {
        let (events, revision) = {
            let state = self.server.state.lock();
            (state.store.events_since(&self.spec.def.stored, self.spec.cursor), state.store.revision())
        };
        let events = events.map_err(|error| ApiError::from_store(error, &self.spec.def.served))?;
        for event in events {
            if let Some(item) = self.spec.line(&event) {
                self.pending.push_back(item);
            }
        }
        self.spec.cursor = self.spec.cursor.max(revision);
        self.barrier = revision;
        Ok(())
    }
}

// === impl WatchSpec ===

impl WatchSpec {
    /// How an event looks through the selectors: an object that leaves the set is deleted for this watch.
    fn line(&self, event: &Arc<Event>) -> Option<WatchItem> {
        if self.namespace.as_ref().is_some_and(|namespace| *namespace != event.key.namespace) {
            return None;
        }
        let object = convert::from_storage(&self.def, self.version, &event.object);
        let shared = Arc::ptr_eq(&object, &event.object).then(|| event.clone());
        let own = |kind: &'static str| Some(WatchItem { kind, object: object.clone(), event: shared.clone() });
        if self.filter.is_empty() {
            return own(match event.kind {
                EventKind::Added => "ADDED",
                EventKind::Modified => "MODIFIED",
                EventKind::Deleted => "DELETED",
            });
        }
        let previous = event.previous.as_ref().map(|previous| convert::from_storage(&self.def, self.version, previous));
        let before = previous.as_ref().is_some_and(|previous| self.filter.matches(previous));
        if event.kind == EventKind::Deleted {
            return before.then(|| own("DELETED")).flatten();
        }
        match (before, self.filter.matches(&object)) {
            (true, true) => own("MODIFIED"),
            (false, true) if event.kind == EventKind::Added => own("ADDED"),
            (false, true) => Some(WatchItem::new("ADDED", object)),
            (true, false) => previous.map(|previous| {
                WatchItem::new("DELETED", Arc::new(with_revision((*previous).clone(), event.revision)))
            }),
            (false, false) => None,
        }
    }

    fn bookmark(&self, revision: u64, initial_end: bool) -> WatchItem {
        let mut metadata = json!({ "resourceVersion": revision.to_string(), "creationTimestamp": null });
        if initial_end {
            metadata["annotations"] = json!({ INITIAL_EVENTS_END: "true" });
        }
        let object =
            json!({ "kind": self.def.kind, "apiVersion": self.def.api_version(self.version), "metadata": metadata });
        WatchItem::new("BOOKMARK", Arc::new(object))
    }
}

// === impl WatchItem ===

impl WatchItem {
    fn new(kind: &'static str, object: Arc<Value>) -> Self {
        Self { kind, object, event: None }
    }

    /// The item in JSON with a line end, as most watches send it; written once for all of them.
    pub(crate) fn line(&self, def: &ResourceDef) -> Bytes {
        let write = || {
            let mut line = Vec::with_capacity(1024);
            line.extend_from_slice(format!("{{\"type\":\"{}\",\"object\":", self.kind).as_bytes());
            super::encode::put_object(&mut line, def, &self.object);
            line.extend_from_slice(b"}\n");
            Bytes::from(line)
        };
        self.event.as_ref().map_or_else(write, |event| event.line.get(write))
    }
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration).ok().and_then(|duration| now.checked_add(duration).ok()).unwrap_or(now)
}
