//! [`ObjectRouter`]: routing as a pure function from objects to objects.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use argo_core::{Category, Change, Failure, Gvk, Note, Object, ObjectRef};
use serde_json::Value;

use super::RouteRequest;

/// A router that routes by Kubernetes objects: it says how they are to be, and does nothing itself.
///
/// It takes what it wants to see from [`Seen`], which asks for what has not been read yet by an
/// error that is to be passed on (`?`); the router is then called again with more to see. So it
/// names what it reads by reading it, and has no list of that to keep.
pub trait ObjectRouter: Send + Sync + fmt::Debug + 'static {
    /// Edits the objects in `seen` to what `request` asks for. Edited again, nothing changes.
    ///
    /// # Errors
    /// When an object is missing, or is not as the router needs it, or has not been read yet.
    fn route(&self, request: &RouteRequest<'_>, seen: &mut Seen) -> Result<(), RouteError>;

    /// Hashes of pods that objects lead to.
    ///
    /// # Errors
    /// When an object has not been read yet.
    fn routed_hashes(&self, _: &RouteRequest<'_>, _: &Seen) -> Result<Vec<String>, RouteError> {
        Ok(Vec::new())
    }

    /// As [`super::TrafficRouter::marks`].
    fn marks(&self) -> Option<Gvk> {
        None
    }

    /// As [`super::TrafficRouter::marked_by`].
    fn marked_by(&self, _: &Object) -> Vec<String> {
        Vec::new()
    }

    /// As [`super::TrafficRouter::released`].
    ///
    /// # Errors
    /// When the marks can not be read.
    fn released(&self, _: &Object, _: &str, _: Option<&Value>) -> Result<Option<Object>, RouteError> {
        Ok(None)
    }
}

/// What is to be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Read {
    /// One object.
    Object(ObjectRef),
    /// All of a kind in a namespace that a label selector (in Kubernetes' text form) picks.
    List(Gvk, String, String),
}

/// Traffic that can not be routed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Something must be read first.
    #[error("{0:?} has not been read")]
    Unread(Box<Read>),
    /// The router's settings make no sense.
    #[error("trafficRouting.{router}: {message}")]
    Settings {
        /// The router.
        router: &'static str,
        /// What is wrong with them.
        message: String,
    },
    /// An object that the settings name does not exist.
    #[error("{kind} `{name}` not found")]
    Missing {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// An object is not as the router needs it.
    #[error("{message}")]
    Object {
        /// What is wrong with it, in upstream's words.
        message: String,
    },
    /// Pods that would get traffic are not there yet.
    #[error("delaying destination rule switch: ReplicaSet {0} not fully available")]
    NotAvailable(String),
}

impl RouteError {
    pub(super) fn object(message: impl Into<String>) -> Self {
        Self::Object { message: message.into() }
    }
}

impl Failure for RouteError {
    fn category(&self) -> Category {
        match self {
            Self::Settings { .. } => Category::Invalid,
            Self::Missing { .. } => Category::NotFound,
            Self::Unread(_) => Category::Internal,
            Self::Object { .. } | Self::NotAvailable(_) => Category::Unavailable,
        }
    }

    fn is_transient(&self) -> bool {
        // Somebody may mend the object at any time.
        !matches!(self, Self::Settings { .. } | Self::Unread(_))
    }
}

/// Objects as they are, and as they are to be.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    before: BTreeMap<ObjectRef, Option<Arc<Object>>>,
    lists: BTreeMap<Read, Vec<ObjectRef>>,
    after: BTreeMap<ObjectRef, Option<Object>>,
    /// In what order they were first touched, which is the order of the writes.
    order: Vec<ObjectRef>,
    /// Changes that must be made before those that follow.
    committed: Vec<Change>,
    notes: Vec<Note>,
    again: Option<Duration>,
}

impl Seen {
    /// Everything that is given has been read; the rest is asked for.
    pub fn of(objects: impl IntoIterator<Item = Object>) -> Self {
        let mut seen = Self::default();
        for object in objects {
            seen.put_read(object.reference(), Some(Arc::new(object)));
        }
        seen
    }

    /// Remembers an object as it is; `None` when it does not exist.
    pub fn put_read(&mut self, target: ObjectRef, object: Option<Arc<Object>>) {
        self.before.insert(target, object);
    }

    /// Remembers what a list came to.
    pub fn put_list(&mut self, read: Read, objects: Vec<Arc<Object>>) {
        let names = objects.iter().map(|it| it.reference()).collect();
        for object in objects {
            self.put_read(object.reference(), Some(object));
        }
        self.lists.insert(read, names);
    }

    /// The objects of a list.
    ///
    /// # Errors
    /// When it has not been read.
    pub fn list(&self, read: &Read) -> Result<Vec<ObjectRef>, RouteError> {
        self.lists.get(read).cloned().ok_or_else(|| RouteError::Unread(Box::new(read.clone())))
    }

    /// An object as it is to be; `None` when there is none.
    ///
    /// # Errors
    /// When it has not been read.
    pub fn get(&self, target: &ObjectRef) -> Result<Option<&Object>, RouteError> {
        if let Some(object) = self.after.get(target) {
            return Ok(object.as_ref());
        }
        match self.before.get(target) {
            Some(object) => Ok(object.as_deref()),
            None => Err(RouteError::Unread(Box::new(Read::Object(target.clone())))),
        }
    }

    /// An object that must exist.
    ///
    /// # Errors
    /// When it does not, or has not been read.
    pub fn need(&self, target: &ObjectRef) -> Result<&Object, RouteError> {
        let missing = || RouteError::Missing { kind: target.gvk.kind.clone(), name: target.name.clone() };
        self.get(target)?.ok_or_else(missing)
    }

    /// Says how an object is to be: it is created when there is none.
    pub fn set(&mut self, object: Object) {
        self.touch(object.reference(), Some(object));
    }

    /// Says that an object is not to be.
    pub fn delete(&mut self, target: &ObjectRef) {
        self.touch(target.clone(), None);
    }

    fn touch(&mut self, target: ObjectRef, object: Option<Object>) {
        if self.after.insert(target.clone(), object).is_none() && !self.order.contains(&target) {
            self.order.push(target);
        }
    }

    /// Edits an object that must exist.
    ///
    /// # Errors
    /// When it does not exist, has not been read, or `edit` fails.
    pub fn edit<T>(
        &mut self,
        target: &ObjectRef,
        edit: impl FnOnce(&mut Object) -> Result<T, RouteError>,
    ) -> Result<T, RouteError> {
        let mut object = self.need(target)?.clone();
        let value = edit(&mut object)?;
        self.set(object);
        Ok(value)
    }

    /// Something to tell, if anything of `target` changes.
    pub fn note_change(&mut self, target: &ObjectRef, reason: &str, message: String) {
        if self.change_of(target).is_some() {
            self.notes.push(Note::normal(reason, message));
        }
    }

    /// Looks again after this time: something is left to do.
    pub fn look_again_after(&mut self, delay: Duration) {
        self.again = Some(self.again.map_or(delay, |it| it.min(delay)));
    }

    /// When to look again, if something is left to do.
    #[must_use]
    pub fn again(&self) -> Option<Duration> {
        self.again
    }

    /// What there is to tell.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// What was edited so far is written before anything that is edited from here on, even in the
    /// same object.
    pub fn commit(&mut self) {
        let changes: Vec<Change> = self.order.iter().filter_map(|it| self.change_of(it)).collect();
        self.committed.extend(changes);
        for (target, object) in std::mem::take(&mut self.after) {
            self.before.insert(target, object.map(Arc::new));
        }
        self.order.clear();
    }

    /// The changes that lead from the objects as they are to those that are to be, in order: one per
    /// object between two commits.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let rest = self.order.iter().filter_map(|it| self.change_of(it));
        self.committed.iter().cloned().chain(rest).collect()
    }

    fn change_of(&self, target: &ObjectRef) -> Option<Change> {
        let after = self.after.get(target)?;
        match (self.before.get(target).and_then(Option::as_ref), after) {
            (Some(before), Some(after)) => Change::merge_between(before, after),
            (None, Some(after)) => Some(Change::create(after.clone())),
            (Some(before), None) => Some(Change::delete(before)),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_lead_from_what_is_to_what_is_to_be() {
        let object = |name: &str, value: i64| {
            Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": name, "namespace": "n"}, "data": {"v": value}}))
        };
        let mut seen = Seen::of([object("a", 1), object("b", 1)]);
        let (a, b, c) = (object("a", 1).reference(), object("b", 1).reference(), object("c", 1).reference());
        assert_eq!(seen.get(&c), Err(RouteError::Unread(Box::new(Read::Object(c.clone())))));
        seen.put_read(c.clone(), None);
        assert_eq!(seen.need(&c).unwrap_err().to_string(), "ConfigMap `c` not found");
        seen.edit(&a, |it| {
            it.set(&["data", "v"], 1);
            Ok(())
        })
        .unwrap();
        assert_eq!(seen.changes(), [], "an edit that changes nothing is no change");
        seen.set(object("a", 2));
        seen.delete(&b);
        seen.set(object("c", 3));
        let verbs: Vec<_> = seen.changes().iter().map(|it| format!("{} {}", it.verb(), it.target().name)).collect();
        assert_eq!(verbs, ["patch a", "delete b", "create c"]);
        seen.commit();
        seen.set(object("a", 4));
        let last = seen.changes().pop().map(|it| it.to_string());
        assert_eq!((seen.changes().len(), last.as_deref()), (4, Some("patch v1 ConfigMap n/a {\"data\":{\"v\":4}}")));
    }
}
