//! The disk under a store that lasts: one transaction per change, so that what was acknowledged survives a kill.

use std::path::Path;
use std::sync::Arc;

use redb::{Database, Durability, ReadableTable, TableDefinition};
use serde_json::{Value, json};

use crate::store::{Event, EventKind, GroupResource, ObjectKey, Store};

/// `group\0resource\0namespace\0name` -> the object in JSON.
const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("objects");
/// Revision -> the event in JSON.
const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
/// Counters.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const FORMAT: u64 = 1;

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
}

/// An open store on disk.
#[derive(Debug)]
pub(crate) struct Disk {
    database: Database,
    path: String,
    capacity: u64,
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

// === impl Disk ===

impl Disk {
    /// Opens or creates the store at `path`; `seed` is used if it is new.
    pub(crate) fn open(path: &Path, capacity: usize, seed: u64) -> Result<Restored, PersistError> {
        let shown = path.display().to_string();
        let fail = |source: redb::Error| PersistError::Database { path: shown.clone(), source: Box::new(source) };
        let database = Database::create(path).map_err(|error| fail(error.into()))?;
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
                let event =
                    serde_json::from_slice(value.value()).ok().and_then(|value| decode(revision.value(), &value));
                store.restore_event(event.ok_or_else(|| PersistError::Corrupt {
                    path: shown.clone(),
                    record: format!("event {}", revision.value()),
                })?);
            }
        }
        write.commit().map_err(|error| fail(error.into()))?;
        store.restore_revision(revision, compacted);
        Ok(Restored {
            disk: Self { database, path: shown, capacity: capacity as u64 },
            store,
            seed: found_seed,
            drawn,
            fresh,
        })
    }

    /// Writes one change. When this returns, the change survives the process.
    pub(crate) fn write(&mut self, event: &Event, drawn: u64) -> Result<(), PersistError> {
        self.try_write(event, drawn)
            .map_err(|source| PersistError::Database { path: self.path.clone(), source: Box::new(source) })
    }

    fn try_write(&self, event: &Event, drawn: u64) -> Result<(), redb::Error> {
        let mut write = self.database.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        {
            let key = [
                &event.resource.group,
                &event.resource.resource,
                event.key.namespace.as_str(),
                event.key.name.as_str(),
            ]
            .join("\0");
            let mut objects = write.open_table(OBJECTS)?;
            match event.kind {
                EventKind::Deleted => {
                    objects.remove(key.as_str())?;
                }
                EventKind::Added | EventKind::Modified => {
                    objects.insert(key.as_str(), event.object.to_string().as_bytes())?;
                }
            }
            let mut events = write.open_table(EVENTS)?;
            events.insert(event.revision, encode(event).to_string().as_bytes())?;
            let mut meta = write.open_table(META)?;
            meta.insert("revision", event.revision)?;
            meta.insert("drawn", drawn)?;
            // The log on disk is bounded over all resources together.
            if let Some(oldest) = event
                .revision
                .checked_sub(self.capacity.saturating_mul(4))
                .filter(|oldest| oldest % 256 == 0 && *oldest > 0)
            {
                events.retain(|revision, _| revision > oldest)?;
                meta.insert("compacted", oldest)?;
            }
        }
        write.commit()?;
        Ok(())
    }

    /// Forgets the events up to `revision`.
    pub(crate) fn compact(&mut self, revision: u64) -> Result<(), PersistError> {
        let compact = || -> Result<(), redb::Error> {
            let write = self.database.begin_write()?;
            {
                write.open_table(EVENTS)?.retain(|at, _| at > revision)?;
                write.open_table(META)?.insert("compacted", revision)?;
            }
            write.commit()?;
            Ok(())
        };
        compact().map_err(|source| PersistError::Database { path: self.path.clone(), source: Box::new(source) })
    }
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
    })
}
