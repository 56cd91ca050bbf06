//! The disk under a store that lasts: what was acknowledged survives a kill.
//!
//! ```text
//! State::commit ──► queue ──► writer thread: one transaction and one fsync for all that wait ──► Progress
//!      (in memory at once)                                                                          │
//! answers and watch events that show a revision leave when it is on disk ◄──────────────────────────┘
//! ```
//! The store in memory runs ahead of the disk by the writes that nobody was told of yet. Revisions reach the disk in order, so what is
//! found after a kill is the state at one revision, and no client has seen a later one.

mod writer;

use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableTable, TableDefinition};
use serde_json::{Value, json};

pub(crate) use writer::{Disk, Durable};

use crate::store::{Event, EventKind, GroupResource, Line, ObjectKey, Store};

/// `group\0resource\0namespace\0name` -> the object in JSON.
const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("objects");
/// Revision -> the event in JSON.
const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
/// Counters.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const FORMAT: u64 = 1;

/// Pages of the file kept in memory, in bytes: everything is in memory as objects already.
const PAGE_CACHE: usize = 16 * 1024 * 1024;

/// Why a store could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    /// The file is locked by another process, is no store, or the disk failed.
    #[error("store {path}: {source}")]
    Database {
        /// The file.
        path: String,
        /// What the database said.
        #[source]
        source: Box<redb::Error>,
    },
    /// The file was written by another version of this crate.
    #[error("store {path} has format {found}, this version reads {expected}", expected = FORMAT)]
    Format {
        /// The file.
        path: String,
        /// Its format.
        found: u64,
    },
    /// A record is not what it should be.
    #[error("store {path}: record {record} cannot be read")]
    Corrupt {
        /// The file.
        path: String,
        /// The record.
        record: String,
    },
    /// An earlier write failed: nothing is taken any more, as nothing could be kept. Mend the disk and open the store again.
    #[error("the store could not be written: {why}")]
    Failed {
        /// What went wrong.
        why: Arc<str>,
    },
}

/// What was on disk.
pub(crate) struct Restored {
    pub(crate) disk: Disk,
    pub(crate) store: Store,
    pub(crate) seed: u64,
    pub(crate) drawn: u64,
    /// Nothing was there before.
    pub(crate) fresh: bool,
}

/// Opens or creates the store at `path`, which keeps `capacity` events of each resource; `seed` is used if it is new.
pub(crate) fn open(path: &Path, capacity: usize, seed: u64) -> Result<Restored, PersistError> {
    let shown = path.display().to_string();
    let fail = |source: redb::Error| PersistError::Database { path: shown.clone(), source: Box::new(source) };
    let database = Database::builder().set_cache_size(PAGE_CACHE).create(path).map_err(|error| fail(error.into()))?;
    let mut store = Store::new(capacity);
    let write = database.begin_write().map_err(|error| fail(error.into()))?;
    let (fresh, found_seed, drawn, revision, compacted);
    {
        let mut meta = write.open_table(META).map_err(|error| fail(error.into()))?;
        let number = |name: &str, meta: &redb::Table<'_, &str, u64>| {
            meta.get(name).map(|value| value.map(|value| value.value())).map_err(|error| fail(error.into()))
        };
        match number("format", &meta)? {
            Some(found) if found != FORMAT => return Err(PersistError::Format { path: shown.clone(), found }),
            Some(_) => fresh = false,
            None => {
                fresh = true;
                meta.insert("format", FORMAT).map_err(|error| fail(error.into()))?;
                meta.insert("seed", seed).map_err(|error| fail(error.into()))?;
            }
        }
        found_seed = number("seed", &meta)?.unwrap_or(seed);
        drawn = number("drawn", &meta)?.unwrap_or(0);
        revision = number("revision", &meta)?.unwrap_or(0);
        compacted = number("compacted", &meta)?.unwrap_or(0);
        let objects = write.open_table(OBJECTS).map_err(|error| fail(error.into()))?;
        for item in objects.iter().map_err(|error| fail(error.into()))? {
            let (key, value) = item.map_err(|error| fail(error.into()))?;
            let corrupt = || PersistError::Corrupt { path: shown.clone(), record: key.value().replace('\0', "/") };
            let parts: Vec<&str> = key.value().split('\0').collect();
            let [group, resource, namespace, name] = parts[..] else { return Err(corrupt()) };
            let object: Value = serde_json::from_slice(value.value()).map_err(|_| corrupt())?;
            store.restore_object(
                &GroupResource::new(group, resource),
                ObjectKey::new(Some(namespace), name),
                Arc::new(object),
            );
        }
        let events = write.open_table(EVENTS).map_err(|error| fail(error.into()))?;
        for item in events.iter().map_err(|error| fail(error.into()))? {
            let (revision, value) = item.map_err(|error| fail(error.into()))?;
            let event = serde_json::from_slice(value.value()).ok().and_then(|value| decode(revision.value(), &value));
            store.restore_event(event.ok_or_else(|| PersistError::Corrupt {
                path: shown.clone(),
                record: format!("event {}", revision.value()),
            })?);
        }
    }
    write.commit().map_err(|error| fail(error.into()))?;
    store.restore_revision(revision, compacted);
    let disk = Disk::start(database, shown, capacity as u64, revision, compacted);
    Ok(Restored { disk, store, seed: found_seed, drawn, fresh })
}

fn key_of(event: &Event) -> String {
    [&event.resource.group, &event.resource.resource, event.key.namespace.as_str(), event.key.name.as_str()].join("\0")
}

fn encode(event: &Event) -> Value {
    let kind = match event.kind {
        EventKind::Added => "a",
        EventKind::Modified => "m",
        EventKind::Deleted => "d",
    };
    let mut value = json!({
        "k": kind, "g": event.resource.group.as_ref(), "r": event.resource.resource.as_ref(), "ns": event.key.namespace, "n": event.key.name, "o": event.object.as_ref(),
    });
    if let Some(previous) = &event.previous {
        value["p"] = (**previous).clone();
    }
    value
}

fn decode(revision: u64, value: &Value) -> Option<Event> {
    let text = |field: &str| value.get(field)?.as_str();
    Some(Event {
        kind: match text("k")? {
            "a" => EventKind::Added,
            "m" => EventKind::Modified,
            "d" => EventKind::Deleted,
            _ => return None,
        },
        revision,
        resource: GroupResource::new(text("g")?, text("r")?),
        key: ObjectKey::new(text("ns"), text("n")?),
        object: Arc::new(value.get("o")?.clone()),
        previous: value.get("p").map(|previous| Arc::new(previous.clone())),
        line: Line::default(),
    })
}
