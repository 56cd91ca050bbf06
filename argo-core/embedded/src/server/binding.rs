//! Binding pods to nodes, and evicting them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::delete::{DeleteOptions, Deleted};
use super::meta::{self, set_path};
use super::selector::LabelSelector;
use super::state::State;
use super::status::{ApiError, Cause};
use super::{Call, Outcome};
use crate::store::{GroupResource, ObjectKey, Op};

fn done() -> Outcome {
    Outcome::Json(
        201,
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 }),
    )
}

/// The body of a request about a pod: of this kind, and about this pod.
fn body_of(call: &Call<'_>, kind: &str) -> Result<Value, ApiError> {
    let body = if call.request.body.is_empty() && call.request.object.is_none() { json!({}) } else { call.body()? };
    let given = meta::text(&body, "/kind");
    if !given.is_empty() && given != kind {
        let version = meta::text(&body, "/apiVersion");
        let short = version.rsplit('/').next().unwrap_or_default();
        return Err(ApiError::bad_request(format!(
            "{given} in version {short:?} cannot be handled as a {kind}: no kind {given:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:110\""
        )));
    }
    Ok(body)
}

// === impl State ===

impl State {
    /// Evicts a pod unless a disruption budget stands against it.
    pub(super) fn evict(&mut self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        let body = body_of(call, "Eviction")?;
        let named = meta::name(&body);
        if !named.is_empty() && named != call.name_or_empty() {
            return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
        }
        let pod = self.current(call)?;
        let terminal =
            matches!(meta::text(&pod, "/status/phase"), "Succeeded" | "Failed" | "Pending") || meta::is_deleting(&pod);
        if !terminal {
            self.take_from_budget(call, &pod)?;
        }
        let options = DeleteOptions {
            grace: body.pointer("/deleteOptions/gracePeriodSeconds").and_then(Value::as_i64),
            uid: body.pointer("/deleteOptions/preconditions/uid").and_then(Value::as_str).map(str::to_owned),
            resource_version: body
                .pointer("/deleteOptions/preconditions/resourceVersion")
                .and_then(Value::as_str)
                .map(str::to_owned),
            dry_run: call.dry_run,
            propagation: None,
        };
        let key = ObjectKey::new(call.namespace, call.name_or_empty());
        let (Deleted::Gone(_) | Deleted::Pending(_)) = self.delete_one(&call.def, &key, &options, call.now)?;
        Ok(done())
    }

    fn take_from_budget(&mut self, call: &Call<'_>, pod: &Value) -> Result<(), ApiError> {
        let budgets = GroupResource::new("policy", "poddisruptionbudgets");
        let matches = |budget: &Value| {
            let selector = budget.pointer("/spec/selector").and_then(LabelSelector::from_object);
            selector.is_some_and(|selector| selector.matches(pod))
        };
        let matching: Vec<(ObjectKey, Arc<Value>)> = self
            .store
            .objects(&budgets, call.namespace)
            .filter(|(_, budget)| matches(budget))
            .map(|(key, budget)| (key.clone(), budget.clone()))
            .collect();
        if matching.len() > 1 {
            let why =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(ApiError::new(500, "InternalError", why));
        }
        let Some((key, budget)) = matching.into_iter().next() else { return Ok(()) };
        let number = |pointer: &str| budget.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
        let allowed = number("/status/disruptionsAllowed");
        if allowed <= 0 {
            let (needed, healthy) = (number("/status/desiredHealthy"), number("/status/currentHealthy"));
            let why = "Cannot evict pod as it would violate the pod's disruption budget.";
            let mut error = ApiError::new(429, "TooManyRequests", why);
            error.details = Some(Box::new(json!({
                "causes": [{ "reason": "DisruptionBudget", "message": format!("The disruption budget {} needs {needed} healthy pods and has {healthy} currently", key.name) }],
            })));
            return Err(error);
        }
        let mut next = (*budget).clone();
        next["status"]["disruptionsAllowed"] = Value::from(allowed - 1);
        next["status"]["disruptedPods"][call.name_or_empty()] = Value::from(meta::timestamp_text(call.now));
        self.commit(&budgets, Op::Update { key, object: next, expected: None }, call.dry_run)?;
        Ok(())
    }

    /// Puts a pod on a node, as a scheduler does.
    pub(super) fn bind(&mut self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        let body = body_of(call, "Binding")?;
        let name = if call.name_or_empty().is_empty() { meta::name(&body) } else { call.name_or_empty() }.to_owned();
        if meta::name(&body) != name {
            return Err(ApiError::bad_request("name in URL does not match name in Binding object"));
        }
        let target = |field: &str| meta::text(&body, &format!("/target/{field}"));
        let mut causes = Vec::new();
        if !matches!(target("kind"), "" | "Node") {
            let supported = ["Node", "<empty>"].map(str::to_owned);
            causes.push(Cause::not_supported("target.kind", &Value::from(target("kind")), &supported));
        }
        if target("name").is_empty() {
            causes.push(Cause::required("target.name", ""));
        }
        if !causes.is_empty() {
            return Err(ApiError::invalid("", "Binding", &name, &causes));
        }
        let pods = GroupResource::new("", "pods");
        let key = ObjectKey::new(call.namespace, &name);
        let existing = self.store.read(&pods, &key).ok_or_else(|| ApiError::not_found(&pods, &name))?;
        let (given, actual) = (meta::uid(&body), meta::uid(&existing));
        if !given.is_empty() && given != actual {
            let namespace = call.namespace.unwrap_or_default();
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /pods/{namespace}/{name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: {actual}"
            );
            return Err(ApiError::conflict(&pods, &name, &why));
        }
        let refuse = |why: String| Err(ApiError::conflict(&GroupResource::new("", "pods/binding"), &name, &why));
        if meta::is_deleting(&existing) {
            return refuse(format!("pod {name} is being deleted, cannot be assigned to a host"));
        }
        let bound = meta::text(&existing, "/spec/nodeName");
        if !bound.is_empty() {
            return refuse(format!("pod {name} is already assigned to node {bound:?}"));
        }
        let gates = existing.pointer("/spec/schedulingGates").and_then(Value::as_array);
        if gates.is_some_and(|gates| !gates.is_empty()) {
            return refuse(format!("pod {name} has non-empty .spec.schedulingGates"));
        }
        let mut object = (*existing).clone();
        set_path(&mut object, &["spec".to_owned(), "nodeName".to_owned()], Value::from(target("name")));
        let condition = json!({ "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": meta::timestamp_text(call.now) });
        match object.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
            Some(conditions) => {
                conditions.retain(|condition| condition.get("type") != Some(&Value::from("PodScheduled")));
                conditions.push(condition);
            }
            None => set_path(&mut object, &["status".to_owned(), "conditions".to_owned()], json!([condition])),
        }
        self.commit(&pods, Op::Update { key, object, expected: None }, call.dry_run)?;
        Ok(done())
    }
}
