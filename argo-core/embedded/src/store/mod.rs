//! The store: objects, one revision counter and a replayable event log per resource. Pure: no clock, no I/O, no locks.
//!
//! ```text
//! Op ──apply──► Store ──► Event { kind, revision, object, previous }
//!                 │
//!                 ├─ objects   BTreeMap<ObjectKey, Arc<Value>> per resource
//!                 └─ log       ring of events per resource, deletes included
//! ```
//! Everything Kubernetes adds on top (defaults, generations, finalizers, selectors) is the business of the server.

mod log;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use serde_json::Value;

pub(crate) use log::Line;
pub use log::{Event, EventKind, EventLog};

/// A resource of a group, as in `deployments.apps`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupResource {
    /// API group; empty for the core group.
    pub group: Arc<str>,
    /// Plural name, lower case.
    pub resource: Arc<str>,
}

/// Where an object sits within its resource. The namespace is empty for cluster-scoped objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Namespace, or empty.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// What can be done to the store.
#[derive(Clone, Debug)]
pub enum Op {
    /// Put an object where none is.
    Create {
        /// The key it gets.
        key: ObjectKey,
        /// The object; its resourceVersion is set by the store.
        object: Value,
    },
    /// Replace an object.
    Update {
        /// The key of the object.
        key: ObjectKey,
        /// The new object; its resourceVersion is set by the store.
        object: Value,
        /// Refuse if the stored revision differs.
        expected: Option<u64>,
    },
    /// Remove an object.
    Delete {
        /// The key of the object.
        key: ObjectKey,
        /// Refuse if the stored revision differs.
        expected: Option<u64>,
    },
}

/// Why an operation was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is an object at this key already.
    #[error("{0} already exists")]
    Exists(ObjectKey),
    /// There is no object at this key.
    #[error("{0} not found")]
    Missing(ObjectKey),
    /// The object is at another revision than expected.
    #[error("{key} is at revision {actual}, expected {expected}")]
    Stale {
        /// The key of the object.
        key: ObjectKey,
        /// The caller's revision.
        expected: u64,
        /// The stored revision.
        actual: u64,
    },
    /// The log does not reach back to this revision.
    #[error("too old resource version: {requested} ({oldest})")]
    Compacted {
        /// The revision asked for.
        requested: u64,
        /// The oldest revision that can be replayed from.
        oldest: u64,
    },
}

/// Objects and event logs of all resources under one revision counter.
#[derive(Clone, Debug)]
pub struct Store {
    revision: u64,
    capacity: usize,
    /// No event up to this revision is kept in any log.
    floor: u64,
    tables: BTreeMap<GroupResource, Table>,
}

#[derive(Clone, Debug)]
struct Table {
    objects: BTreeMap<ObjectKey, Arc<Value>>,
    log: EventLog,
}

/// Objects of a resource as they were at one revision.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The revision all items were read at.
    pub revision: u64,
    /// Objects in key order.
    pub items: Vec<(ObjectKey, Arc<Value>)>,
}

// === impl Store ===

impl Store {
    /// Creates an empty store that keeps up to `capacity` events per resource for replay.
    pub fn new(capacity: usize) -> Self {
        Self { revision: 0, capacity: capacity.max(1), floor: 0, tables: BTreeMap::new() }
    }

    /// The revision of the last change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Applies one operation and returns what happened.
    ///
    /// # Errors
    /// The operation's precondition does not hold; the store is unchanged.
    pub fn apply(&mut self, resource: &GroupResource, op: Op) -> Result<Arc<Event>, StoreError> {
        let event = Arc::new(self.preview(resource, op)?);
        self.commit(event.clone());
        Ok(event)
    }

    /// Computes the event an operation would cause, without changing the store.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub fn preview(&self, resource: &GroupResource, op: Op) -> Result<Event, StoreError> {
        let current = |key: &ObjectKey| self.tables.get(resource).and_then(|table| table.objects.get(key));
        let check = |key: &ObjectKey, expected: Option<u64>| -> Result<Arc<Value>, StoreError> {
            let found = current(key).ok_or_else(|| StoreError::Missing(key.clone()))?;
            let actual = revision_of(found);
            match expected {
                Some(expected) if expected != actual => Err(StoreError::Stale { key: key.clone(), expected, actual }),
                _ => Ok(found.clone()),
            }
        };
        let revision = self.revision + 1;
        let (kind, key, object, previous) = match op {
            Op::Create { key, object } => {
                if current(&key).is_some() {
                    return Err(StoreError::Exists(key));
                }
                (EventKind::Added, key, object, None)
            }
            Op::Update { key, object, expected } => {
                let previous = check(&key, expected)?;
                (EventKind::Modified, key, object, Some(previous))
            }
            Op::Delete { key, expected } => {
                let previous = check(&key, expected)?;
                (EventKind::Deleted, key, (*previous).clone(), Some(previous))
            }
        };
        Ok(Event {
            kind,
            revision,
            resource: resource.clone(),
            key,
            object: Arc::new(with_revision(object, revision)),
            previous,
            line: Line::default(),
        })
    }

    /// Takes an event computed by [`Store::preview`] (or read back from disk) into the store.
    pub fn commit(&mut self, event: Arc<Event>) {
        self.revision = self.revision.max(event.revision);
        let capacity = self.capacity;
        let table = self.table_mut(&event.resource, capacity);
        match event.kind {
            EventKind::Deleted => table.objects.remove(&event.key),
            EventKind::Added | EventKind::Modified => table.objects.insert(event.key.clone(), event.object.clone()),
        };
        table.log.push(event);
    }

    /// Puts an object back as it was saved, without an event.
    pub fn restore_object(&mut self, resource: &GroupResource, key: ObjectKey, object: Arc<Value>) {
        let capacity = self.capacity;
        self.table_mut(resource, capacity).objects.insert(key, object);
    }

    /// Puts a saved event back into the log only.
    pub fn restore_event(&mut self, event: Event) {
        let capacity = self.capacity;
        self.revision = self.revision.max(event.revision);
        self.table_mut(&event.resource.clone(), capacity).log.push(Arc::new(event));
    }

    /// Sets the counter and how far back logs reach, after objects and events were restored.
    pub fn restore_revision(&mut self, revision: u64, compacted: u64) {
        self.revision = self.revision.max(revision);
        self.floor = self.floor.max(compacted);
        for table in self.tables.values_mut() {
            table.log.compact(compacted);
        }
    }

    /// The object at a key.
    pub fn read(&self, resource: &GroupResource, key: &ObjectKey) -> Option<Arc<Value>> {
        self.tables.get(resource)?.objects.get(key).cloned()
    }

    /// Number of objects of a resource.
    pub fn count(&self, resource: &GroupResource) -> usize {
        self.tables.get(resource).map_or(0, |table| table.objects.len())
    }

    /// Resources that hold or held objects.
    pub fn resources(&self) -> impl Iterator<Item = &GroupResource> {
        self.tables.keys()
    }

    /// All objects of a resource, or those of one namespace, in key order.
    pub fn objects<'a>(
        &'a self,
        resource: &GroupResource,
        namespace: Option<&'a str>,
    ) -> Box<dyn Iterator<Item = (&'a ObjectKey, &'a Arc<Value>)> + 'a> {
        let Some(table) = self.tables.get(resource) else { return Box::new(std::iter::empty()) };
        match namespace {
            None => Box::new(table.objects.iter()),
            Some(namespace) => {
                let from = ObjectKey { namespace: namespace.to_owned(), name: String::new() };
                Box::new(
                    table
                        .objects
                        .range((Bound::Included(from), Bound::Unbounded))
                        .take_while(move |(key, _)| key.namespace == namespace),
                )
            }
        }
    }

    /// As [`Store::objects`], behind a key.
    pub fn objects_after<'a>(
        &'a self,
        resource: &GroupResource,
        namespace: Option<&'a str>,
        after: Option<ObjectKey>,
    ) -> Box<dyn Iterator<Item = (&'a ObjectKey, &'a Arc<Value>)> + 'a> {
        let (Some(table), Some(after)) = (self.tables.get(resource), after) else {
            return self.objects(resource, namespace);
        };
        Box::new(
            table
                .objects
                .range((Bound::Excluded(after), Bound::Unbounded))
                .skip_while(move |(key, _)| namespace.is_some_and(|namespace| key.namespace.as_str() < namespace))
                .take_while(move |(key, _)| namespace.is_none_or(|namespace| namespace == key.namespace)),
        )
    }

    /// Objects of a resource as they were at `revision`, reconstructed by undoing later events.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] if the log no longer holds all later events.
    pub fn snapshot_at(
        &self,
        resource: &GroupResource,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<Snapshot, StoreError> {
        let mut items: BTreeMap<ObjectKey, Arc<Value>> =
            self.objects(resource, namespace).map(|(key, object)| (key.clone(), object.clone())).collect();
        if let Some(table) = self.tables.get(resource) {
            for event in table.log.since(revision)?.rev() {
                if namespace.is_some_and(|namespace| namespace != event.key.namespace) {
                    continue;
                }
                match &event.previous {
                    Some(previous) => items.insert(event.key.clone(), previous.clone()),
                    None => items.remove(&event.key),
                };
            }
        }
        Ok(Snapshot { revision, items: items.into_iter().collect() })
    }

    /// Events of a resource after `revision`, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] if some of them are gone.
    pub fn events_since(&self, resource: &GroupResource, revision: u64) -> Result<Vec<Arc<Event>>, StoreError> {
        match self.tables.get(resource) {
            Some(table) => Ok(table.log.since(revision)?.cloned().collect()),
            None if revision < self.floor => Err(StoreError::Compacted { requested: revision, oldest: self.floor }),
            None => Ok(Vec::new()),
        }
    }

    /// The revision of the last logged event of a resource.
    pub fn last_change(&self, resource: &GroupResource) -> Option<u64> {
        self.tables.get(resource)?.log.last().map(|event| event.revision)
    }

    /// Forgets all logged events up to now: watches from older revisions get "410 Gone".
    pub fn compact(&mut self) {
        let revision = self.revision;
        self.floor = revision;
        for table in self.tables.values_mut() {
            table.log.compact(revision);
        }
    }

    fn table_mut(&mut self, resource: &GroupResource, capacity: usize) -> &mut Table {
        let floor = self.floor;
        self.tables.entry(resource.clone()).or_insert_with(|| {
            let mut log = EventLog::new(capacity);
            log.compact(floor);
            Table { objects: BTreeMap::new(), log }
        })
    }
}

// === impl GroupResource ===

impl GroupResource {
    /// Names a resource; the core group is the empty string.
    pub fn new(group: &str, resource: &str) -> Self {
        Self { group: group.into(), resource: resource.into() }
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            write!(f, "{}", self.resource)
        } else {
            write!(f, "{}.{}", self.resource, self.group)
        }
    }
}

// === impl ObjectKey ===

impl ObjectKey {
    /// Builds a key; an absent namespace is the empty one.
    pub fn new(namespace: Option<&str>, name: &str) -> Self {
        Self { namespace: namespace.unwrap_or_default().to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{}", self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// The revision an object was stored at; 0 if it has none.
pub fn revision_of(object: &Value) -> u64 {
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The object with its resourceVersion replaced.
pub fn with_revision(mut object: Value, revision: u64) -> Value {
    if let Some(root) = object.as_object_mut() {
        let metadata = root.entry("metadata").or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("resourceVersion".to_owned(), Value::String(revision.to_string()));
        }
    }
    object
}
