//! Objects in memory, with the rules of the API server that controllers rely on.

use std::collections::BTreeMap;

use argo_core::{ApplyError, Category, Change, Gvk, Object, ObjectRef, Patch, Timestamp, plan::PatchKind, time};
use serde_json::Value;

/// The process died: nothing after this write happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("killed")]
pub struct Killed;

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The API server refused.
    #[error(transparent)]
    Refused(#[from] ApplyError),
    /// The process died.
    #[error(transparent)]
    Killed(#[from] Killed),
}

/// Objects by kind, namespace and name.
#[derive(Debug, Clone, Default)]
pub struct Store {
    objects: BTreeMap<ObjectRef, Object>,
    version: u64,
    writes: u64,
    dies_after: Option<u64>,
}

impl Store {
    /// Dies after this many writes more.
    pub fn die_after(&mut self, writes: Option<u64>) {
        self.dies_after = writes.map(|it| self.writes + it);
    }

    /// Writes so far.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// One object.
    #[must_use]
    pub fn get(&self, target: &ObjectRef) -> Option<&Object> {
        self.objects.get(target)
    }

    /// All objects of a kind in a namespace, in order of their names.
    #[must_use]
    pub fn list(&self, gvk: &Gvk, namespace: &str) -> Vec<&Object> {
        let of = |it: &&Object| it.namespace().unwrap_or_default() == namespace;
        self.objects.iter().filter(|(key, _)| key.gvk == *gvk).map(|(_, it)| it).filter(of).collect()
    }

    /// Puts an object as a user does, new or in place of an old one; its status too.
    pub fn put(&mut self, mut object: Object, now: Timestamp) {
        let before = self.objects.get(&object.reference());
        let generation = before.map_or(1, |it| it.generation() + i64::from(it.get("spec") != object.get("spec")));
        let uid = before.map_or_else(|| format!("uid-{}", object.name()), |it| it.uid().to_owned());
        let made = before.and_then(Object::created_at).unwrap_or(now);
        object.set(&["metadata", "uid"], uid);
        object.set(&["metadata", "generation"], generation);
        object.set(&["metadata", "creationTimestamp"], time::rfc3339(made));
        self.stamp(object);
    }

    fn stamp(&mut self, mut object: Object) -> Object {
        self.version += 1;
        object.set(&["metadata", "resourceVersion"], self.version.to_string());
        self.objects.insert(object.reference(), object.clone());
        object
    }

    /// Carries a change out.
    ///
    /// # Errors
    /// As the API server refuses, or because the process died before.
    pub fn apply(&mut self, change: &Change, now: Timestamp) -> Result<Option<Object>, StoreError> {
        if self.dies_after.is_some_and(|it| self.writes >= it) {
            return Err(Killed.into());
        }
        let refused = |category, message: &str| StoreError::Refused(ApplyError::new(change, category, message));
        let target = change.target();
        let out = match change {
            Change::Create { object } => {
                if self.objects.contains_key(&target) {
                    return Err(refused(Category::AlreadyExists, "already exists"));
                }
                let mut made = object.clone();
                made.set(&["metadata", "uid"], format!("uid-{}", object.name()));
                made.set(&["metadata", "generation"], 1);
                made.set(&["metadata", "creationTimestamp"], time::rfc3339(now));
                Some(self.stamp(made))
            }
            Change::Patch { target, patch, subresource, resource_version } => {
                let Some(found) = self.objects.get(target).cloned() else {
                    return Err(refused(Category::NotFound, "not found"));
                };
                if resource_version.as_deref().is_some_and(|it| it != found.resource_version()) {
                    return Err(refused(Category::Conflict, "the object has been modified"));
                }
                let mut next =
                    patched(&found, patch).ok_or_else(|| refused(Category::Invalid, "only merge patches"))?;
                if subresource.as_deref() == Some("status") {
                    let status = next.get("status").cloned();
                    next = found.clone();
                    next.set(&["status"], status.unwrap_or_default());
                }
                if next.get("spec") != found.get("spec") {
                    next.set(&["metadata", "generation"], found.generation() + 1);
                }
                if next == found { Some(found) } else { Some(self.stamp(next)) }
            }
            Change::Delete { target, .. } => {
                self.objects.remove(target);
                None
            }
            Change::Apply { object, .. } | Change::Update { object } => Some(self.stamp(object.clone())),
            Change::Evict { .. } => return Err(refused(Category::Invalid, "no evictions here")),
        };
        self.writes += 1;
        Ok(out)
    }

    /// All objects without what differs from run to run: versions.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, Value> {
        let strip = |it: &Object| {
            let mut it = it.clone();
            it.remove(&["metadata", "resourceVersion"]);
            it.into_value()
        };
        self.objects.iter().map(|(key, it)| (key.to_string(), strip(it))).collect()
    }
}

fn patched(found: &Object, patch: &Patch) -> Option<Object> {
    if patch.kind != PatchKind::Merge {
        return None;
    }
    let mut value = found.value().clone();
    argo_merge::merge_patch::apply(&mut value, &patch.body);
    Some(Object::from_value(value))
}
