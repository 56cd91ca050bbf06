//! All objects at one moment, to go back to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::Cluster;
use crate::server::{ApiError, State};
use crate::store::{GroupResource, ObjectKey, Op};

/// All objects of a cluster at one moment. Cheap to keep: what did not change since is shared with the cluster.
#[derive(Clone, Default)]
pub struct Snapshot(BTreeMap<(u8, GroupResource, ObjectKey), Arc<Value>>);

// === impl Snapshot ===

impl Snapshot {
    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Snapshot {
    /// Without the objects, which may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("objects", &self.len()).finish_non_exhaustive()
    }
}

/// Definitions first, for what they define; then namespaces, for what is in them.
fn rank(resource: &GroupResource) -> u8 {
    match (resource.group.as_ref(), resource.resource.as_ref()) {
        ("apiextensions.k8s.io", _) => 0,
        ("", "namespaces") => 1,
        _ => 2,
    }
}

fn objects(state: &State) -> BTreeMap<(u8, GroupResource, ObjectKey), Arc<Value>> {
    let resources: Vec<GroupResource> = state.store.resources().cloned().collect();
    let of = |resource: &GroupResource| {
        let objects = state.store.objects(resource, None);
        objects.map(|(key, it)| ((rank(resource), resource.clone(), key.clone()), it.clone())).collect::<Vec<_>>()
    };
    resources.iter().flat_map(of).collect()
}

/// Whether two states of an object differ in more than their revision.
fn differ(one: &Value, other: &Value) -> bool {
    let plain = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
        }
        object
    };
    plain(one) != plain(other)
}

// === impl Cluster ===

impl Cluster {
    /// All objects as they are now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(objects(&self.server().state.lock()))
    }

    /// Makes all objects what they were: with their uids, statuses and managed fields, at once and past all admission. Revisions go on, and
    /// watches see what changed on the way.
    ///
    /// # Errors
    /// The disk failed.
    pub fn restore(&self, snapshot: &Snapshot) -> Result<(), ApiError> {
        let revision = {
            let mut state = self.server().state.lock();
            for ((_, resource, key), object) in &snapshot.0 {
                let op = match state.store.read(resource, key) {
                    Some(now) if !differ(&now, object) => continue,
                    Some(_) => Op::Update { key: key.clone(), object: (**object).clone(), expected: None },
                    None => Op::Create { key: key.clone(), object: (**object).clone() },
                };
                state.commit(resource, op, false)?;
            }
            let more: Vec<_> = objects(&state).into_keys().filter(|place| !snapshot.0.contains_key(place)).collect();
            // What is in something goes before it.
            for (_, resource, key) in more.into_iter().rev() {
                if state.store.read(&resource, &key).is_some() {
                    state.commit(&resource, Op::Delete { key, expected: None }, false)?;
                }
            }
            state.store.revision()
        };
        self.server().settle_here(revision)
    }

    /// Creates or replaces the objects of all YAML and JSON files of a directory and of those below it, in order of their paths.
    ///
    /// # Errors
    /// A file cannot be read, is no YAML, or holds an object that is refused: the message begins with its path. Those before it are there.
    pub fn apply_directory(&self, directory: impl AsRef<Path>) -> Result<Vec<Arc<Value>>, ApiError> {
        let directory = directory.as_ref();
        let failed = |error: std::io::Error| ApiError::bad_request(format!("{}: {error}", directory.display()));
        let mut entries: Vec<_> =
            std::fs::read_dir(directory).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let mut applied = Vec::new();
        for entry in entries {
            let path = entry.path();
            if path.is_dir() {
                applied.extend(self.apply_directory(&path)?);
                continue;
            }
            let known =
                path.extension().and_then(|it| it.to_str()).is_some_and(|it| matches!(it, "yaml" | "yml" | "json"));
            if !known {
                continue;
            }
            let located = |why: &str| format!("{}: {why}", path.display());
            let text =
                std::fs::read_to_string(&path).map_err(|error| ApiError::bad_request(located(&error.to_string())))?;
            let objects = self.apply_yaml(&text).map_err(|mut error| {
                error.message = located(&error.message);
                error
            })?;
            applied.extend(objects);
        }
        Ok(applied)
    }
}
