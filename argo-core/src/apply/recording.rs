//! An applier that writes nothing.

use parking_lot::Mutex;

use super::{ApplyError, ClusterApplier, WriteOptions};
use crate::{
    object::Object,
    plan::{Change, Note},
};

/// Remembers changes and events instead of making them: dry runs, previews, tests.
#[derive(Debug, Default)]
pub struct Recording {
    changes: Mutex<Vec<Change>>,
    notes: Mutex<Vec<Note>>,
}

impl Recording {
    /// The changes so far, in order.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        self.changes.lock().clone()
    }

    /// The events so far, in order.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        self.notes.lock().clone()
    }
}

#[async_trait::async_trait]
impl ClusterApplier for Recording {
    async fn apply(&self, change: &Change) -> Result<Option<Object>, ApplyError> {
        self.apply_with(change, WriteOptions::default()).await
    }

    async fn apply_with(&self, change: &Change, options: WriteOptions) -> Result<Option<Object>, ApplyError> {
        if !options.dry_run {
            self.changes.lock().push(change.clone());
        }
        Ok(match change {
            Change::Create { object } | Change::Apply { object, .. } | Change::Update { object } => {
                Some(object.clone())
            }
            Change::Patch { .. } | Change::Delete { .. } | Change::Evict { .. } => None,
        })
    }

    async fn note(&self, _: &Object, note: &Note) {
        self.notes.lock().push(note.clone());
    }
}
