//! Admission policies: expressions that a write must satisfy or is changed by, bound to what they are about.

mod mutating;
mod validating;

use std::sync::Arc;

use serde_json::Value;

use super::review::Attempted;
use crate::cel::{Check, Principal, Scope};
use crate::server::meta;
use crate::server::request::Caller;
use crate::server::selector::LabelSelector;
use crate::server::state::State;
use crate::server::{Attributes, service_account_groups};
use crate::store::GroupResource;

/// A policy with one of its bindings that concern a write.
struct Bound {
    policy_name: String,
    policy: Arc<Value>,
    binding_name: String,
    binding: Arc<Value>,
    /// What it is asked with, one after the other, or what is wrong with that.
    params: Result<Vec<Value>, Misconfigured>,
}

/// Why a policy cannot be asked.
enum Misconfigured {
    Policy(String),
    Binding(String),
}

// === impl Bound ===

impl Bound {
    fn list(&self, field: &str) -> &[Value] {
        let list = self.policy.pointer(&format!("/spec/{field}")).and_then(Value::as_array);
        list.map_or(&[], Vec::as_slice)
    }

    /// Whether what goes wrong refuses the write.
    fn fails(&self) -> bool {
        meta::text(&self.policy, "/spec/failurePolicy") != "Ignore"
    }

    /// Whether the match conditions hold. Any that does not counts for more than those that fail.
    fn matches(&self, scope: &Scope<'_>) -> Result<bool, String> {
        let mut broken = Vec::new();
        for condition in self.list("matchConditions") {
            match scope.holds(meta::text(condition, "/expression")) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(why) => broken.push(why),
            }
        }
        match broken.len() {
            0 => Ok(true),
            1 => Err(broken.remove(0)),
            _ => Err(format!("[{}]", broken.join(", "))),
        }
    }

    fn define_variables(&self, scope: &mut Scope<'_>) {
        for variable in self.list("variables") {
            scope.define(meta::text(variable, "/name"), meta::text(variable, "/expression"));
        }
    }
}

// === impl State ===

impl State {
    /// The policies of a kind that concern a write, with their bindings, in order of name.
    fn bound(&self, attempted: &Attempted<'_>, policies: &str, bindings: &str) -> Vec<Bound> {
        let list = |resource: &str| {
            let resource = GroupResource::new(super::GROUP, resource);
            self.store.objects(&resource, None).map(|(key, it)| (key.name.clone(), it.clone())).collect::<Vec<_>>()
        };
        let bindings = list(bindings);
        if bindings.is_empty() || attempted.is_exempt() {
            return Vec::new();
        }
        let mut bound = Vec::new();
        for (policy_name, policy) in list(policies) {
            let constraints = policy.pointer("/spec/matchConstraints");
            if constraints.is_none() || !self.constrained(attempted, constraints) {
                continue;
            }
            for (binding_name, binding) in &bindings {
                if meta::text(binding, "/spec/policyName") != policy_name
                    || !self.constrained(attempted, binding.pointer("/spec/matchResources"))
                {
                    continue;
                }
                bound.push(Bound {
                    policy_name: policy_name.clone(),
                    binding_name: binding_name.clone(),
                    params: self.params(attempted, &policy, binding),
                    policy: policy.clone(),
                    binding: binding.clone(),
                });
            }
        }
        bound
    }

    fn constrained(&self, attempted: &Attempted<'_>, constraints: Option<&Value>) -> bool {
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
    }

    /// The parameters that a binding names; a policy without any is asked once, with null.
    fn params(&self, attempted: &Attempted<'_>, policy: &Value, binding: &Value) -> Result<Vec<Value>, Misconfigured> {
        let (Some(kind), Some(reference)) = (policy.pointer("/spec/paramKind"), binding.pointer("/spec/paramRef"))
        else {
            return Ok(vec![Value::Null]);
        };
        let (api_version, kind) = (meta::text(kind, "/apiVersion"), meta::text(kind, "/kind"));
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let (def, _) = self.registry.by_kind(group, version, kind).ok_or_else(|| {
            Misconfigured::Policy(format!(
                "failed to find resource referenced by paramKind: '{api_version}, Kind={kind}'"
            ))
        })?;
        let broken = |why: &str| Err(Misconfigured::Binding(why.to_owned()));
        let namespace = match (meta::text(reference, "/namespace"), attempted.call.namespace) {
            ("", _) if !def.namespaced => None,
            (_, _) if !def.namespaced => {
                return broken("paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
            }
            ("", None) => {
                return broken(
                    "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources",
                );
            }
            ("", own) => own,
            (namespace, _) => Some(namespace),
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
            return broken("no params found for policy binding with `Deny` parameterNotFoundAction");
        }
        Ok(found)
    }

    /// What expressions about a write can name.
    pub(super) fn scope<'a>(&self, attempted: &Attempted<'_>) -> Scope<'a> {
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

    /// Whether somebody may do what an expression asks about, and why.
    pub(super) fn answer_check(&self, attempted: &Attempted<'_>, check: &Check) -> (bool, String) {
        let account;
        let caller = match &check.who {
            Principal::Caller => &attempted.call.request.caller,
            Principal::ServiceAccount(namespace, name) => {
                let user = format!("system:serviceaccount:{namespace}:{name}");
                account = Caller { groups: service_account_groups(&user), user, ..Caller::default() };
                &account
            }
        };
        let check = check.clone();
        let wanted = Attributes {
            verb: check.verb,
            group: check.group,
            resource: check.resource,
            subresource: check.subresource,
            namespace: check.namespace,
            name: check.name,
            path: check.path,
        };
        let decision = self.decide(caller, &wanted);
        (decision.allowed, decision.reason)
    }
}

// === impl Attempted ===

impl Attempted<'_> {
    /// The write as something that one may be allowed to do: what is missing is the verb.
    pub(super) fn as_check(&self) -> Check {
        let call = self.call;
        Check {
            subresource: call.subresource.unwrap_or_default().to_owned(),
            namespace: call.namespace.unwrap_or_default().to_owned(),
            name: self.name(),
            ..Check::of(call.def.group(), call.def.resource())
        }
    }
}
