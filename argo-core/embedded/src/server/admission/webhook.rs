//! Admission webhooks: which of them a write concerns, and what their answers do to it.
//!
//! The server decides under its lock and never waits there. A write that needs a webhook's word is put off: the review leaves the lock, is
//! answered, and the write is made again from the start, now with the answer at hand. Whatever changed meanwhile is seen; answers are about
//! one revision of the object and are asked for again if that has moved on.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::review::Attempted;
use super::transport::{Endpoint, Errand};
use crate::server::meta;
use crate::server::state::State;
use crate::server::status::ApiError;
use crate::store::{GroupResource, ObjectKey};

/// How often a write may be put off.
pub(crate) const ROUNDS: usize = 64;

/// A request on its way through webhooks: the answers so far, and the review that is wanted next.
#[derive(Debug, Default)]
pub(crate) struct Attempt(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    answers: BTreeMap<String, Result<Value, String>>,
    wanted: Option<Errand>,
}

// === impl Attempt ===

impl Attempt {
    /// The review that the write waits for.
    pub(crate) fn take_wanted(&self) -> Option<Errand> {
        self.0.lock().wanted.take()
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.0.lock().wanted.is_some()
    }

    pub(crate) fn answer(&self, key: String, answer: Result<Value, String>) {
        self.0.lock().answers.insert(key, answer);
    }
}

// === impl State ===

impl State {
    /// Has the mutating webhooks change an object.
    pub(super) fn ask_mutating(&mut self, attempted: &Attempted<'_>, object: &mut Value) -> Result<(), ApiError> {
        let mut again: Vec<(String, Value, Value)> = Vec::new();
        for (name, webhook) in self.webhooks("mutatingwebhookconfigurations", attempted) {
            if self.ask_one(attempted, &name, &webhook, object, 0)?
                && meta::text(&webhook, "/reinvocationPolicy") == "IfNeeded"
            {
                again.push((name, webhook, object.clone()));
            }
        }
        for (name, webhook, left) in again {
            // Others changed the object after it had its word.
            if left != *object {
                self.ask_one(attempted, &name, &webhook, object, 1)?;
            }
        }
        Ok(())
    }

    /// Asks a mutating webhook; whether it was concerned.
    fn ask_one(
        &mut self,
        attempted: &Attempted<'_>,
        name: &str,
        webhook: &Value,
        object: &mut Value,
        round: u8,
    ) -> Result<bool, ApiError> {
        let before = object.clone();
        let now = Attempted { object: attempted.object.map(|_| &before), ..*attempted };
        if !self.concerns(&now, name, webhook)? {
            return Ok(false);
        }
        let Some(response) = self.ask(&now, name, webhook, round)? else { return Ok(true) };
        if let Some(patch) = response.get("patch").and_then(Value::as_str) {
            let failed = |why: String| ApiError::internal(&format!("failed to apply patch of webhook {name:?}: {why}"));
            let bytes = STANDARD.decode(patch).map_err(|error| failed(error.to_string()))?;
            let patch: Value = serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
            argo_merge::json_patch::apply(object, &patch).map_err(|error| failed(error.to_string()))?;
        }
        Ok(true)
    }

    /// Has the validating webhooks judge an object.
    pub(super) fn ask_validating(&mut self, attempted: &Attempted<'_>) -> Result<(), ApiError> {
        for (name, webhook) in self.webhooks("validatingwebhookconfigurations", attempted) {
            if self.concerns(attempted, &name, &webhook)? {
                self.ask(attempted, &name, &webhook, 0)?;
            }
        }
        Ok(())
    }

    /// All webhooks of a kind, in order of their configurations' names.
    fn webhooks(&self, resource: &str, attempted: &Attempted<'_>) -> Vec<(String, Value)> {
        if attempted.is_exempt() {
            return Vec::new();
        }
        let resource = GroupResource::new(super::GROUP, resource);
        let configurations = self.store.objects(&resource, None);
        let webhooks = configurations.filter_map(|(_, object)| object.get("webhooks")?.as_array()).flatten();
        webhooks.map(|webhook| (meta::text(webhook, "/name").to_owned(), webhook.clone())).collect()
    }

    fn concerns(&self, attempted: &Attempted<'_>, name: &str, webhook: &Value) -> Result<bool, ApiError> {
        let equivalent = meta::text(webhook, "/matchPolicy") != "Exact";
        let rules = webhook.get("rules").and_then(Value::as_array);
        if !rules.into_iter().flatten().any(|rule| attempted.ruled(rule, equivalent))
            || !attempted.selected(self, webhook)
        {
            return Ok(false);
        }
        let conditions =
            webhook.get("matchConditions").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
        if conditions.is_empty() {
            return Ok(true);
        }
        let answer = |check: &crate::cel::Check| self.answer_check(attempted, check);
        let mut scope = self.scope(attempted);
        scope.authorize(attempted.as_check(), &answer);
        let mut broken = None;
        for condition in conditions {
            match scope.holds(meta::text(condition, "/expression")) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(why) => broken = Some(why),
            }
        }
        match broken {
            None => Ok(true),
            Some(_) if meta::text(webhook, "/failurePolicy") == "Ignore" => Ok(false),
            Some(why) => Err(ApiError::forbidden(
                &attempted.call.def.served,
                &attempted.name(),
                &format!("failed to evaluate match conditions of webhook {name:?}: {why}"),
            )),
        }
    }

    /// The response of a webhook that allows the write; nothing if it failed and may.
    fn ask(
        &mut self,
        attempted: &Attempted<'_>,
        name: &str,
        webhook: &Value,
        round: u8,
    ) -> Result<Option<Value>, ApiError> {
        let Some(attempt) = attempted.call.attempt else { return Ok(None) };
        if attempted.call.dry_run && !matches!(meta::text(webhook, "/sideEffects"), "None" | "NoneOnDryRun") {
            return Err(ApiError::bad_request(format!("admission webhook {name:?} does not support dry run")));
        }
        let request = attempted.request();
        let uid = meta::text(&request, "/uid").to_owned();
        let key = format!("{name}|{round}|{}|{uid}", attempted.operation);
        let answer = attempt.0.lock().answers.get(&key).cloned();
        let Some(answer) = answer else {
            let review = json!({ "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request });
            let endpoint = self.endpoint(webhook.get("clientConfig").unwrap_or(&Value::Null));
            let seconds = webhook.get("timeoutSeconds").and_then(Value::as_u64).unwrap_or(10).clamp(1, 30);
            attempt.0.lock().wanted =
                Some(Errand { key, endpoint, review, timeout: std::time::Duration::from_secs(seconds) });
            // Never seen by a client: the write is made again with the answer.
            return Err(ApiError::internal("a webhook is asked"));
        };
        let response = answer.and_then(|review| match review.get("response") {
            Some(response) if meta::text(response, "/uid") == uid => Ok(response.clone()),
            Some(response) => Err(format!("expected response.uid={uid:?}, got {:?}", meta::text(response, "/uid"))),
            None => Err("webhook response was absent".to_owned()),
        });
        let response = match response {
            Ok(response) => response,
            Err(_) if meta::text(webhook, "/failurePolicy") == "Ignore" => return Ok(None),
            Err(why) => return Err(ApiError::internal(&format!("failed calling webhook {name:?}: {why}"))),
        };
        let warnings = response.get("warnings").and_then(Value::as_array).into_iter().flatten();
        self.warnings.extend(warnings.filter_map(Value::as_str).map(str::to_owned));
        if response.get("allowed") == Some(&Value::Bool(true)) {
            Ok(Some(response))
        } else {
            Err(refusal(name, &response))
        }
    }

    /// Where a `clientConfig` leads to.
    pub(crate) fn endpoint(&self, config: &Value) -> Result<Endpoint, String> {
        let authority = config.get("caBundle").and_then(Value::as_str).unwrap_or_default();
        let authority =
            STANDARD.decode(authority).map_err(|error| format!("unable to load root certificates: {error}"))?;
        if let Some(url) = config.get("url").and_then(Value::as_str) {
            return Ok(Endpoint::Url { url: url.to_owned(), authority });
        }
        let of = |field: &str| meta::text(config, &format!("/service/{field}")).to_owned();
        let (namespace, name, path) = (of("namespace"), of("name"), of("path"));
        if let Some(service) = self.webhook_services.get(&(namespace.clone(), name.clone())) {
            return Ok(Endpoint::Service { service: service.clone(), path });
        }
        let services = GroupResource::new("", "services");
        let known = self.store.read(&services, &ObjectKey::new(Some(&namespace), &name)).is_some();
        Err(if known {
            format!("failed to call webhook: no endpoints available for service {name:?}")
        } else {
            format!("failed to call webhook: service {name:?} not found")
        })
    }
}

fn refusal(name: &str, response: &Value) -> ApiError {
    let status = response.get("status").cloned().unwrap_or_else(|| json!({}));
    let why = match (meta::text(&status, "/message"), meta::text(&status, "/reason")) {
        ("", "") => " without explanation".to_owned(),
        ("", reason) => format!(": {reason}"),
        (message, _) => format!(": {message}"),
    };
    let code = status.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok()).unwrap_or(0);
    let mut error = ApiError::new(
        code.max(400),
        meta::text(&status, "/reason"),
        format!("admission webhook {name:?} denied the request{why}"),
    );
    error.details = status.get("details").cloned().map(Box::new);
    error
}

/// A webhook inside of the process, standing for a Service.
pub trait WebhookService: Send + Sync + std::fmt::Debug + 'static {
    /// Answers a review sent to a path: an `AdmissionReview` with its `response`, or a `ConversionReview`. It may read and write the
    /// cluster.
    ///
    /// # Errors
    /// Why it cannot answer, as a failed call.
    fn review(&self, path: &str, review: &Value) -> Result<Value, String>;
}

/// Services of webhooks by namespace and name.
pub(crate) type WebhookServices = BTreeMap<(String, String), Arc<dyn WebhookService>>;
