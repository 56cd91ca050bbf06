//! The event log of one resource: a ring with replay from any revision that is still in it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;

use super::{GroupResource, ObjectKey, StoreError};

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It came into being.
    Added,
    /// It changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// One change.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The revision of the change.
    pub revision: u64,
    /// The resource of the object.
    pub resource: GroupResource,
    /// The key of the object.
    pub key: ObjectKey,
    /// The object after the change; for a deletion its last state, carrying the revision of the deletion.
    pub object: Arc<Value>,
    /// The object before the change.
    pub previous: Option<Arc<Value>>,
    /// The event as most watches send it.
    pub(crate) line: Line,
}

/// The text of an event, written by the first watch that sends it and shared by all others. Only events that are new
/// keep theirs: a log of texts would weigh as much as the objects.
#[derive(Debug, Default)]
pub(crate) struct Line(Mutex<Option<Bytes>>);

/// How many of the newest events keep their text.
const LINES: usize = 64;

/// A ring of events, oldest first.
#[derive(Clone, Debug)]
pub struct EventLog {
    events: VecDeque<Arc<Event>>,
    capacity: usize,
    /// Events up to and including this revision are not (or no longer) in the ring.
    compacted: u64,
}

// === impl Line ===

impl Line {
    /// The text, written now if nobody has done so yet.
    pub(crate) fn get(&self, write: impl FnOnce() -> Bytes) -> Bytes {
        self.0.lock().get_or_insert_with(write).clone()
    }

    fn forget(&self) {
        *self.0.lock() = None;
    }
}

impl Clone for Line {
    /// A copy of an event may be changed: it writes its own text.
    fn clone(&self) -> Self {
        Self::default()
    }
}

// === impl EventLog ===

impl EventLog {
    /// Creates an empty log of bounded length.
    pub fn new(capacity: usize) -> Self {
        Self { events: VecDeque::new(), capacity, compacted: 0 }
    }

    /// Appends an event, dropping the oldest when full.
    pub fn push(&mut self, event: Arc<Event>) {
        if self.events.len() == self.capacity
            && let Some(dropped) = self.events.pop_front()
        {
            self.compacted = dropped.revision;
        }
        self.events.push_back(event);
        if let Some(settled) = self.events.len().checked_sub(LINES + 1).and_then(|at| self.events.get(at)) {
            settled.line.forget();
        }
    }

    /// Events after `revision`, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] if an event after `revision` was dropped.
    pub fn since(&self, revision: u64) -> Result<impl DoubleEndedIterator<Item = &Arc<Event>>, StoreError> {
        if revision < self.compacted {
            return Err(StoreError::Compacted { requested: revision, oldest: self.compacted });
        }
        let start = self.events.partition_point(|event| event.revision <= revision);
        Ok(self.events.range(start..))
    }

    /// The newest event.
    pub fn last(&self) -> Option<&Event> {
        self.events.back().map(Arc::as_ref)
    }

    /// Drops all events up to and including `revision`.
    pub fn compact(&mut self, revision: u64) {
        while self.events.front().is_some_and(|event| event.revision <= revision) {
            self.events.pop_front();
        }
        self.compacted = self.compacted.max(revision);
    }
}
