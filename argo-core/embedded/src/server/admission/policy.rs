//! ValidatingAdmissionPolicy: expressions that a write must satisfy, bound to what they are about.

use std::sync::Arc;

use serde_json::Value;

use super::expression::Scope;
use super::review::Attempted;
use crate::server::meta;
use crate::server::selector::LabelSelector;
use crate::server::state::State;
use crate::server::status::ApiError;
use crate::store::{GroupResource, ObjectKey};

/// What a policy says of a write.
struct Finding {
    message: String,
    reason: String,
}

// === impl State ===

impl State {
    /// Asks the policies; warnings go to the client.
    pub(super) fn ask_policies(&mut self, attempted: &Attempted<'_>) -> Result<(), ApiError> {
        let list = |state: &Self, resource: &str| -> Vec<(ObjectKey, Arc<Value>)> {
            let resource = GroupResource::new(super::GROUP, resource);
            state.store.objects(&resource, None).map(|(key, object)| (key.clone(), object.clone())).collect()
        };
        let bindings = list(self, "validatingadmissionpolicybindings");
        if bindings.is_empty() || attempted.is_exempt() {
            return Ok(());
        }
        let policies = list(self, "validatingadmissionpolicies");
        let mut warnings = Vec::new();
        let mut denied = None;
        for (binding_key, binding) in &bindings {
            let named = meta::text(binding, "/spec/policyName");
            let Some((_, policy)) = policies.iter().find(|(key, _)| key.name == named) else { continue };
            let binding_name = &binding_key.name;
            for finding in self.findings(attempted, policy, binding) {
                let actions: Vec<&str> = binding
                    .pointer("/spec/validationActions")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                if actions.contains(&"Warn") {
                    warnings.push(format!(
                        "Validation failed for ValidatingAdmissionPolicy '{named}' with binding '{binding_name}': {}",
                        finding.message
                    ));
                }
                if actions.contains(&"Deny") && denied.is_none() {
                    denied = Some(refusal(attempted, named, binding_name, &finding));
                }
            }
        }
        self.warnings.extend(warnings);
        denied.map_or(Ok(()), Err)
    }

    fn findings(&self, attempted: &Attempted<'_>, policy: &Value, binding: &Value) -> Vec<Finding> {
        let matching = |constraints: Option<&Value>| {
            constraints.is_none_or(|constraints| {
                let equivalent = meta::text(constraints, "/matchPolicy") != "Exact";
                let ruled = |field: &str| {
                    let rules = constraints.get(field).and_then(Value::as_array);
                    rules.map(|rules| rules.iter().any(|rule| attempted.ruled(rule, equivalent)))
                };
                ruled("resourceRules").unwrap_or(true)
                    && !ruled("excludeResourceRules").unwrap_or(false)
                    && attempted.selected(self, constraints)
            })
        };
        let constraints = policy.pointer("/spec/matchConstraints");
        if constraints.is_none() || !matching(constraints) || !matching(binding.pointer("/spec/matchResources")) {
            return Vec::new();
        }
        let fails = meta::text(policy, "/spec/failurePolicy") != "Ignore";
        let broken = |message: String| {
            if fails { vec![Finding { message, reason: String::new() }] } else { Vec::new() }
        };
        let params = match self.params(attempted, policy, binding) {
            Ok(params) => params,
            Err(why) => return broken(why),
        };
        let mut found = Vec::new();
        for params in params {
            match self.evaluate(attempted, policy, &params) {
                Ok(more) => found.extend(more),
                Err(why) => found.extend(broken(why)),
            }
        }
        found
    }

    /// The parameters that a binding names; one without any is asked once, with null.
    fn params(&self, attempted: &Attempted<'_>, policy: &Value, binding: &Value) -> Result<Vec<Value>, String> {
        let (Some(kind), Some(reference)) = (policy.pointer("/spec/paramKind"), binding.pointer("/spec/paramRef"))
        else {
            return Ok(vec![Value::Null]);
        };
        let api_version = meta::text(kind, "/apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let (def, _) = self.registry.by_kind(group, version, meta::text(kind, "/kind")).ok_or_else(|| {
            format!(
                "failed to find resource referenced by paramKind: '{api_version}, Kind={}'",
                meta::text(kind, "/kind")
            )
        })?;
        let namespace = match meta::text(reference, "/namespace") {
            _ if !def.namespaced => None,
            "" => attempted.call.namespace.or(Some("")),
            namespace => Some(namespace),
        };
        let name = meta::text(reference, "/name");
        let selector = reference.get("selector").and_then(LabelSelector::from_object);
        let found: Vec<Value> = self
            .store
            .objects(&def.stored, namespace)
            .filter(|(key, object)| match &selector {
                Some(selector) => selector.matches(object),
                None => key.name == name,
            })
            .map(|(_, object)| (**object).clone())
            .collect();
        if found.is_empty() && meta::text(reference, "/parameterNotFoundAction") != "Allow" {
            return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
        }
        Ok(found)
    }

    fn evaluate(&self, attempted: &Attempted<'_>, policy: &Value, params: &Value) -> Result<Vec<Finding>, String> {
        let mut scope = self.scope(attempted);
        scope.set("params", params);
        let list = |field: &str| policy.pointer(&format!("/spec/{field}")).and_then(Value::as_array);
        for condition in list("matchConditions").into_iter().flatten() {
            if !scope.holds(meta::text(condition, "/expression"))? {
                return Ok(Vec::new());
            }
        }
        for variable in list("variables").into_iter().flatten() {
            scope.define(meta::text(variable, "/name"), meta::text(variable, "/expression"));
        }
        let mut found = Vec::new();
        for validation in list("validations").into_iter().flatten() {
            let expression = meta::text(validation, "/expression");
            if scope.holds(expression)? {
                continue;
            }
            let computed = match meta::text(validation, "/messageExpression") {
                "" => None,
                expression => scope.text(expression),
            };
            let message = computed.unwrap_or_else(|| match meta::text(validation, "/message").trim() {
                "" => format!("failed expression: {}", expression.trim()),
                message => message.to_owned(),
            });
            found.push(Finding { message, reason: meta::text(validation, "/reason").to_owned() });
        }
        Ok(found)
    }

    /// What expressions about a write can name.
    pub(super) fn scope(&self, attempted: &Attempted<'_>) -> Scope {
        let mut scope = Scope::new();
        scope.set("object", attempted.object.unwrap_or(&Value::Null));
        scope.set("oldObject", attempted.live.unwrap_or(&Value::Null));
        let mut request = attempted.request();
        if let Some(fields) = request.as_object_mut() {
            fields.remove("object");
            fields.remove("oldObject");
        }
        scope.set("request", &request);
        let namespace = attempted.call.namespace.and_then(|namespace| self.namespace(namespace));
        scope.set("namespaceObject", namespace.as_deref().unwrap_or(&Value::Null));
        scope
    }
}

fn refusal(attempted: &Attempted<'_>, policy: &str, binding: &str, finding: &Finding) -> ApiError {
    let message = &finding.message;
    let why = format!("ValidatingAdmissionPolicy '{policy}' with binding '{binding}' denied request: {message}");
    let mut error = ApiError::forbidden(&attempted.call.def.served, &attempted.name(), &why);
    let (code, reason) = match finding.reason.as_str() {
        "Unauthorized" => (401, "Unauthorized"),
        "Forbidden" => (403, "Forbidden"),
        "RequestEntityTooLarge" => (413, "RequestEntityTooLarge"),
        _ => (422, "Invalid"),
    };
    (error.code, error.reason) = (code, reason.to_owned());
    if let Some(details) = &mut error.details {
        details["causes"] = serde_json::json!([{ "message": error.message }]);
    }
    error
}
