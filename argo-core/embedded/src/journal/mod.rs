//! The journal: every request that reached the cluster, for assertions on what a controller did.
//!
//! ```
//! use argo_embedded::Cluster;
//!
//! let cluster = Cluster::new();
//! let mark = cluster.journal().mark();
//! // … a controller that has converged runs …
//! assert_eq!(cluster.journal().writes_since(mark), []);
//! ```

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::server::{Caller, Path, Verb};

/// How many requests are kept.
const CAPACITY: usize = 100_000;

/// One request and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of the request, counted from 1.
    pub sequence: u64,
    /// When it came, on the cluster's clock.
    pub at: Timestamp,
    /// Who asked.
    pub caller: Caller,
    /// What for.
    pub verb: Verb,
    /// API group; empty for the core group.
    pub group: String,
    /// Plural name, with a subresource behind a slash.
    pub resource: String,
    /// Namespace, or empty.
    pub namespace: String,
    /// Name, or empty for collections (and creates, whose name is in the body).
    pub name: String,
    /// HTTP code of the answer.
    pub code: u16,
    /// The revision of the change the request made; `None` if it made none.
    pub revision: Option<u64>,
    /// Audit annotations: what validating policies and pod security have to say without refusing anything.
    pub audit: BTreeMap<String, String>,
}

/// A place in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// The requests so far.
#[derive(Debug, Default)]
pub struct Journal {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<Entry>,
    last: u64,
}

// === impl Entry ===

impl Entry {
    pub(crate) fn new(
        at: Timestamp,
        caller: &Caller,
        verb: Verb,
        path: &Path,
        code: u16,
        revision: Option<u64>,
    ) -> Self {
        Self {
            sequence: 0,
            at,
            caller: caller.clone(),
            verb,
            group: path.group.clone(),
            resource: path
                .subresource
                .as_ref()
                .map_or_else(|| path.resource.clone(), |subresource| format!("{}/{subresource}", path.resource)),
            namespace: path.namespace.clone().unwrap_or_default(),
            name: path.name.clone().unwrap_or_default(),
            code,
            revision,
            audit: BTreeMap::new(),
        }
    }

    pub(crate) fn audited(self, audit: BTreeMap<String, String>) -> Self {
        Self { audit, ..self }
    }

    /// Whether the request changed the store.
    pub fn is_write(&self) -> bool {
        self.revision.is_some()
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        write!(
            f,
            "{} {} {}{group} {}/{} -> {}",
            self.caller.client, self.verb, self.resource, self.namespace, self.name, self.code
        )
    }
}

// === impl Journal ===

impl Journal {
    /// The place behind the last request.
    pub fn mark(&self) -> Mark {
        Mark(self.inner.lock().last)
    }

    /// All requests since a mark, oldest first. The journal keeps the last 100,000.
    pub fn since(&self, mark: Mark) -> Vec<Entry> {
        self.inner.lock().entries.iter().filter(|entry| entry.sequence > mark.0).cloned().collect()
    }

    /// The requests since a mark that changed something.
    pub fn writes_since(&self, mark: Mark) -> Vec<Entry> {
        self.since(mark).into_iter().filter(Entry::is_write).collect()
    }

    /// The requests of one client since a mark that changed something.
    pub fn writes_of(&self, client: &str, mark: Mark) -> Vec<Entry> {
        self.writes_since(mark).into_iter().filter(|entry| entry.caller.client == client).collect()
    }

    /// All requests that are kept.
    pub fn entries(&self) -> Vec<Entry> {
        self.since(Mark(0))
    }

    pub(crate) fn record(&self, mut entry: Entry) {
        let mut inner = self.inner.lock();
        inner.last += 1;
        entry.sequence = inner.last;
        if inner.entries.len() == CAPACITY {
            inner.entries.pop_front();
        }
        inner.entries.push_back(entry);
    }
}
