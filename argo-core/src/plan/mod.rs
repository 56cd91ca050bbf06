//! [`Plan`]: what an engine wants, as a value that can be printed, compared, refused or carried out.
//!
//! ```
//! use argo_core::{Change, Gvk, Object, Plan};
//! let mut plan: Plan<()> = Plan::default();
//! plan.push(Change::create(Object::new(&Gvk::new("apps", "v1", "ReplicaSet"), Some("shop"), "web-1")));
//! assert_eq!(plan.to_string(), "create apps/v1 ReplicaSet shop/web-1\n");
//! assert!(!plan.is_empty());
//! ```

mod change;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{object::ObjectRef, time::Timestamp};

pub use change::{Change, Patch, PatchKind, Propagation};

/// What an engine pass returns: actions in order, the next status, events to record, and when to
/// look again. `S` is the status type, `E` what the engine wants from outside Kubernetes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan<S, E = NoEffect> {
    /// What to do, in this order.
    pub actions: Vec<Action<E>>,
    /// The next status, if it differs from the one observed.
    pub status: Option<S>,
    /// Kubernetes Events to record.
    pub notes: Vec<Note>,
    /// Look again no later than this.
    pub wake: Option<Timestamp>,
}

/// One step of a [`Plan`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::large_enum_variant, reason = "nearly every action is a change; a box per change would save nothing")]
pub enum Action<E = NoEffect> {
    /// On an object of the cluster; carried out by a [`crate::ClusterApplier`].
    Change(Change),
    /// In the world outside; carried out by the crate's own trait.
    Effect(E),
}

/// For engines that want nothing from outside Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoEffect {}

impl fmt::Display for NoEffect {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

/// A Kubernetes Event to record on an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// The object it is about; absent means the object the plan is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub regarding: Option<ObjectRef>,
    /// Normal or Warning.
    pub kind: NoteKind,
    /// One word in CamelCase.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// Annotations of the Event, where upstream's clients read them.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// Type of an Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NoteKind {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

impl Note {
    /// A normal event on the plan's own object.
    pub fn normal(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(NoteKind::Normal, reason.into(), message.into())
    }

    /// A warning on the plan's own object.
    pub fn warning(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(NoteKind::Warning, reason.into(), message.into())
    }

    fn new(kind: NoteKind, reason: String, message: String) -> Self {
        Self { regarding: None, kind, reason, message, annotations: Default::default() }
    }

    /// About another object.
    #[must_use]
    pub fn on(mut self, object: ObjectRef) -> Self {
        self.regarding = Some(object);
        self
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.kind, self.reason, self.message)?;
        match &self.regarding {
            Some(object) => write!(f, " ({object})"),
            None => Ok(()),
        }
    }
}

impl<S, E> Default for Plan<S, E> {
    fn default() -> Self {
        Self { actions: Vec::new(), status: None, notes: Vec::new(), wake: None }
    }
}

impl<S, E> Plan<S, E> {
    /// Adds a change or an effect.
    pub fn push(&mut self, action: impl Into<Action<E>>) {
        self.actions.push(action.into());
    }

    /// Adds an effect.
    pub fn effect(&mut self, effect: E) {
        self.actions.push(Action::Effect(effect));
    }

    /// Adds an event.
    pub fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// Wakes at `at` or earlier.
    pub fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |it| it.min(at)));
    }

    /// Whether nothing is to be done or written (it may still wake).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty() && self.status.is_none() && self.notes.is_empty()
    }

    /// The changes, in order.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.actions.iter().filter_map(|it| match it {
            Action::Change(change) => Some(change),
            Action::Effect(_) => None,
        })
    }

    /// The effects, in order.
    pub fn effects(&self) -> impl Iterator<Item = &E> {
        self.actions.iter().filter_map(|it| match it {
            Action::Change(_) => None,
            Action::Effect(effect) => Some(effect),
        })
    }
}

impl<E> From<Change> for Action<E> {
    fn from(change: Change) -> Self {
        Self::Change(change)
    }
}

impl<E: fmt::Display> fmt::Display for Action<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(change) => change.fmt(f),
            Self::Effect(effect) => effect.fmt(f),
        }
    }
}

/// One line an action, then the events, then when to wake.
impl<S, E: fmt::Display> fmt::Display for Plan<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for action in &self.actions {
            writeln!(f, "{action}")?;
        }
        if self.status.is_some() {
            writeln!(f, "write status")?;
        }
        for note in &self.notes {
            writeln!(f, "event {note}")?;
        }
        if let Some(wake) = self.wake {
            writeln!(f, "wake at {}", crate::time::rfc3339(wake))?;
        }
        Ok(())
    }
}
