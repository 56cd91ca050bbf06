//! Admission: what changes and refuses objects before they are stored.
//!
//! ```text
//! defaults ─► limit ranges ─► mutating policies ─► mutating webhooks ─► those policies again ─► hooks in Rust ─► checks of the kind
//!          ─► limit ranges ─► pod security ─► policies ─► validating webhooks ─► quotas ─► store
//! ```

mod limits;
mod policy;
mod quota;
mod review;
mod security;
mod transport;
mod webhook;

use std::fmt::Debug;

use serde_json::Value;

use super::Call;
use super::request::{Caller, Verb};
use super::state::State;
use super::status::ApiError;
use review::Attempted;

pub use security::PodSecurityExemptions;
pub use webhook::WebhookService;
pub(crate) use webhook::{Attempt, ROUNDS, WebhookServices};

/// The group of webhook configurations and policies.
const GROUP: &str = "admissionregistration.k8s.io";

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
    /// The part of admission that changes objects: limit ranges, webhooks, hooks in Rust.
    pub(super) fn admit(&mut self, call: &Call<'_>, object: &mut Value, live: Option<&Value>) -> Result<(), ApiError> {
        let before = object.clone();
        let operation = if live.is_some() { "UPDATE" } else { "CREATE" };
        let attempted = Attempted { call, operation, object: Some(&before), live };
        self.apply_limits(&attempted, object);
        let invoked = self.mutate(&attempted, object)?;
        self.ask_mutating(&attempted, object)?;
        self.mutate_again(&attempted, object, invoked)?;
        if *object != before {
            super::write::complete(call, object, live);
        }
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

    /// The part of admission that judges what will be stored: limit ranges, pod security, policies, webhooks, quotas.
    pub(super) fn admit_valid(
        &mut self,
        call: &Call<'_>,
        object: &Value,
        live: Option<&Value>,
    ) -> Result<(), ApiError> {
        let operation = if live.is_some() { "UPDATE" } else { "CREATE" };
        let attempted = Attempted { call, operation, object: Some(object), live };
        self.check_limits(&attempted)?;
        self.check_security(&attempted)?;
        self.ask_policies(&attempted)?;
        self.ask_validating(&attempted)?;
        self.check_quota(&attempted)
    }

    /// Whether an object may be deleted.
    pub(super) fn admit_delete(&mut self, call: &Call<'_>, live: &Value) -> Result<(), ApiError> {
        let attempted = Attempted { call, operation: "DELETE", object: None, live: Some(live) };
        let mut nothing = Value::Null;
        self.ask_mutating(&attempted, &mut nothing)?;
        self.ask_policies(&attempted)?;
        self.ask_validating(&attempted)
    }
}
