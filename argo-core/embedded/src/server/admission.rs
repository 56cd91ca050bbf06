//! Admission hooks: code of the user that sees objects before they are stored, as webhooks do on a cluster.

use std::fmt::Debug;

use serde_json::Value;

use super::Call;
use super::request::{Caller, Verb};
use super::state::State;
use super::status::ApiError;

/// What is being written.
#[derive(Clone, Debug)]
pub struct AdmissionRequest<'a> {
    /// `Create`, `Update` or `Patch`.
    pub verb: Verb,
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Plural name.
    pub resource: &'a str,
    /// Subresource, or empty.
    pub subresource: &'a str,
    /// Namespace, or empty.
    pub namespace: &'a str,
    /// Who writes.
    pub caller: &'a Caller,
    /// The object as it is now, if it exists.
    pub live: Option<&'a Value>,
    /// Whether nothing will be stored.
    pub dry_run: bool,
}

/// A hook. Called under the lock of the cluster: it must not call back into it.
pub trait Admission: Send + Sync + Debug + 'static {
    /// The name in refusals.
    fn name(&self) -> &str;

    /// Changes the object, or refuses it with a text for the user. Must be idempotent.
    ///
    /// # Errors
    /// Why the object is refused.
    fn admit(&self, request: &AdmissionRequest<'_>, object: &mut Value) -> Result<(), String>;
}

// === impl State ===

impl State {
    pub(super) fn admit(&self, call: &Call<'_>, object: &mut Value, live: Option<&Value>) -> Result<(), ApiError> {
        if self.admission.is_empty() {
            return Ok(());
        }
        let request = AdmissionRequest {
            verb: call.verb,
            group: call.def.group(),
            resource: call.def.resource(),
            subresource: call.subresource.unwrap_or_default(),
            namespace: call.namespace.unwrap_or_default(),
            caller: &call.request.caller,
            live,
            dry_run: call.dry_run,
        };
        self.admission.iter().try_for_each(|hook| {
            hook.admit(&request, object).map_err(|why| {
                ApiError::new(
                    403,
                    "Forbidden",
                    format!("admission webhook {:?} denied the request: {why}", hook.name()),
                )
            })
        })
    }
}
