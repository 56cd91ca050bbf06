//! Nobody grants what they do not hold: roles and bindings are written by those who hold all that they allow, or may `escalate` the role
//! or `bind` to it. Upstream: `pkg/registry/rbac/*/policybased`.

use serde_json::{Value, json};

use super::rules::{self, Rule, quoted};
use super::{Attributes, MASTERS, RBAC};
use crate::server::state::State;
use crate::server::status::ApiError;
use crate::server::{Call, meta};

const FULL_AUTHORITY: &str = "must have cluster-admin privileges to use the aggregationRule";

// === impl State ===

impl State {
    /// Refuses a role or binding that would give its writer more than they have.
    pub(in crate::server) fn check_escalation(
        &self,
        call: &Call<'_>,
        object: &Value,
        live: Option<&Value>,
    ) -> Result<(), ApiError> {
        let caller = &call.request.caller;
        if !self.rbac || call.def.group() != RBAC || caller.groups.iter().any(|group| group == MASTERS) {
            return Ok(());
        }
        if live.is_some_and(|live| only_owners_differ(object, live)) {
            return Ok(());
        }
        let refuse = |why: &str| ApiError::forbidden(&call.def.served, meta::name(object), why);
        let may = |verb: &str, resource: &str, name: &str| {
            let attributes = Attributes {
                verb: verb.to_owned(),
                group: RBAC.to_owned(),
                resource: resource.to_owned(),
                namespace: call.namespace.unwrap_or_default().to_owned(),
                name: name.to_owned(),
                ..Attributes::default()
            };
            self.decide(caller, &attributes).allowed
        };
        match call.def.resource() {
            resource @ ("roles" | "clusterroles") => {
                if may("escalate", resource, call.name_or_empty()) {
                    return Ok(());
                }
                self.check_held(call, &rules::of(object)).map_err(|why| refuse(&why))?;
                let aggregates = |object: &Value| {
                    let selectors = object.pointer("/aggregationRule/clusterRoleSelectors");
                    selectors.and_then(Value::as_array).is_some_and(|list| !list.is_empty())
                };
                if aggregates(object) || live.is_some_and(aggregates) {
                    self.check_held(call, &everything()).map_err(|_| refuse(FULL_AUTHORITY))?;
                }
                Ok(())
            }
            _ => {
                let name = meta::text(object, "/roleRef/name");
                let resource = match meta::text(object, "/roleRef/kind") {
                    "ClusterRole" => "clusterroles",
                    "Role" => "roles",
                    other => {
                        return Err(ApiError::new(500, "", format!("unsupported role reference kind: {other:?}")));
                    }
                };
                if may("bind", resource, name) {
                    return Ok(());
                }
                let granted = self
                    .role(object, call.namespace.unwrap_or_default())
                    .ok_or_else(|| ApiError::not_found(&call.def.served, name))?;
                self.check_held(call, &granted).map_err(|why| refuse(&why))
            }
        }
    }

    /// Whether the caller holds all of these rules; if not, which are missing.
    fn check_held(&self, call: &Call<'_>, wanted: &[Rule]) -> Result<(), String> {
        let caller = &call.request.caller;
        let mut held = Vec::new();
        let mut errors = Vec::new();
        self.visit_rules(caller, call.namespace.unwrap_or_default(), &mut |_, found| {
            match found {
                Ok(rules) => held.extend(rules),
                Err(role) => errors.push(format!("{} {:?} not found", call.def.served, role.name)),
            }
            true
        });
        let missing = rules::missing(&held, wanted);
        if missing.is_empty() {
            return Ok(());
        }
        let mut why = format!(
            "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            caller.user,
            quoted(&caller.groups),
            missing.join("\n")
        );
        if !errors.is_empty() {
            let errors = if let [one] = errors.as_slice() { one.clone() } else { format!("[{}]", errors.join(", ")) };
            why.push_str(&format!("; resolution errors: [{errors}]"));
        }
        Err(why)
    }
}

pub(super) fn everything() -> Vec<Rule> {
    rules::of(&json!({ "rules": [
        { "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] },
        { "verbs": ["*"], "nonResourceURLs": ["*"] },
    ] }))
}

/// Whether only what the garbage collector writes has changed.
fn only_owners_differ(object: &Value, live: &Value) -> bool {
    let rest = |object: &Value| {
        let mut object = object.clone();
        for field in ["ownerReferences", "finalizers", "managedFields"] {
            meta::set_metadata(&mut object, field, None);
        }
        object
    };
    rest(object) == rest(live)
}
