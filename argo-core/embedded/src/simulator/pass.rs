//! What a controller's pass comes to: writes, and when to look again.

use argo_core::time::Timestamp;
use serde_json::Value;

use super::events::Note;
use super::kinds::Kind;
use super::read::{name, namespace, uid};
use super::world::Place;
use crate::process::Launch;

/// A change a controller wants.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// POST.
    Create { kind: &'static Kind, object: Value },
    /// PUT of the object but for its status, against the resourceVersion it carries.
    Update { kind: &'static Kind, object: Value },
    /// PUT of the status, against the resourceVersion the object carries.
    Status { kind: &'static Kind, object: Value },
    /// A merge patch of any object.
    Patch { place: Place, api_version: String, patch: Value },
    /// DELETE, only of the object with this uid.
    Delete { place: Place, api_version: String, uid: String, propagation: Option<&'static str>, grace: Option<i64> },
    /// Puts a pod on a node.
    Bind { pod: Place, node: String },
    /// Sets the replicas of anything that has them, through its scale subresource; why, as Events tell it.
    Scale { place: Place, api_version: String, replicas: i64, why: String },
    /// Starts a container as a process.
    Start { pod: Place, uid: String, container: String, attempt: u32, launch: Box<Launch> },
    /// Tells a container's process to stop, or kills it.
    Stop { uid: String, container: String, kill: bool },
    /// Adds to what a container printed.
    Log { pod: Place, container: String, attempt: u32, text: String },
    /// Nothing but a Kubernetes Event about the object of the pass.
    Note(Note),
}

/// The result of one pass over one object.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// In order.
    pub(super) writes: Vec<Write>,
    /// Look again no later than this.
    pub(super) wake: Option<Timestamp>,
}

// === impl Write ===

impl Write {
    /// Deletes an object of a built-in kind.
    pub(super) fn delete(kind: &'static Kind, object: &Value) -> Self {
        Self::Delete {
            place: Place::of(kind, namespace(object), name(object)),
            api_version: kind.api_version.to_owned(),
            uid: uid(object).to_owned(),
            propagation: Some("Background"),
            grace: None,
        }
    }
}

// === impl Pass ===

impl Pass {
    /// Looks again at this time or before.
    pub(super) fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |other| other.min(at)));
    }

    /// Tells something of the object.
    pub(super) fn note(&mut self, warning: bool, reason: &'static str, message: impl Into<String>) {
        self.write(Write::Note(Note { warning, reason, message: message.into() }));
    }

    pub(super) fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// Writes a status, if it is another.
    pub(super) fn status(&mut self, kind: &'static Kind, object: &Value, status: Value) {
        if object.get("status") != Some(&status) {
            let mut object = object.clone();
            object["status"] = status;
            self.write(Write::Status { kind, object });
        }
    }
}
