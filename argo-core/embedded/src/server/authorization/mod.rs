//! Who may do what: RBAC where it is switched on, its escalation checks, aggregated roles, impersonation, and reviews.

mod aggregation;
mod attributes;
mod bootstrap;
mod escalation;
mod impersonation;
mod reviews;
mod rules;

use serde_json::Value;

use super::meta;
use super::request::Caller;
use super::state::State;
use super::status::ApiError;
use crate::store::{GroupResource, ObjectKey};
pub(crate) use bootstrap::default_roles;
pub(crate) use impersonation::Impersonation;
pub(crate) use rules::Attributes;
use rules::Rule;

const RBAC: &str = "rbac.authorization.k8s.io";
/// Members of this group may do anything.
pub(crate) const MASTERS: &str = "system:masters";

/// Whether something is allowed, and why; if not, what is wrong with the roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) allowed: bool,
    /// `RBAC: allowed by …`, or what is wrong with the roles; often empty.
    pub(crate) reason: String,
}

/// Looks at the rules of one binding, with its description; whether it wants more.
type Visitor<'a> = dyn FnMut(&str, Result<Vec<Rule>, Missing>) -> bool + 'a;

/// A role that a binding names and that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Missing {
    cluster: bool,
    name: String,
}

// === impl Missing ===

impl Missing {
    /// In the words of the authorizer's cache.
    fn cached(&self) -> String {
        format!("{}.{RBAC} {:?} not found", if self.cluster { "clusterrole" } else { "role" }, self.name)
    }
}

// === impl State ===

impl State {
    /// Refuses what a caller may not do.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn authorize(&self, caller: &Caller, wanted: &Attributes) -> Result<(), ApiError> {
        let decision = self.decide(caller, wanted);
        if decision.allowed {
            return Ok(());
        }
        let mut why = wanted.refusal(&caller.user);
        if !decision.reason.is_empty() {
            why = format!("{why}: {}", decision.reason);
        }
        let gr = GroupResource::new(wanted.group.as_str(), wanted.resource.as_str());
        Err(ApiError::forbidden(&gr, &wanted.name, &why))
    }

    /// Without RBAC everybody may do anything; with it, members of `system:masters` may.
    fn unrestricted(&self, caller: &Caller) -> bool {
        !self.rbac || caller.groups.iter().any(|group| group == MASTERS)
    }

    pub(crate) fn decide(&self, caller: &Caller, wanted: &Attributes) -> Decision {
        if self.unrestricted(caller) {
            return Decision { allowed: true, reason: String::new() };
        }
        let mut decision = Decision::default();
        let mut missing = Vec::new();
        self.visit_rules(caller, &wanted.namespace, &mut |source, found| {
            match found {
                Ok(rules) if rules.iter().any(|rule| rule.allows(wanted)) => {
                    decision = Decision { allowed: true, reason: format!("RBAC: allowed by {source}") };
                    return false;
                }
                Ok(_) => {}
                Err(role) if !missing.contains(&role.cached()) => missing.push(role.cached()),
                Err(_) => {}
            }
            true
        });
        if !decision.allowed && !missing.is_empty() {
            let list = if let [one] = missing.as_slice() { one.clone() } else { format!("[{}]", missing.join(", ")) };
            decision.reason = format!("RBAC: {list}");
        }
        decision
    }

    /// Shows the rules that bind a caller in a namespace (cluster-wide ones only if it is empty), by binding, until the visitor says no.
    fn visit_rules(&self, caller: &Caller, namespace: &str, visit: &mut Visitor<'_>) {
        let mut kinds = vec![("clusterrolebindings", "")];
        if !namespace.is_empty() {
            kinds.push(("rolebindings", namespace));
        }
        for (resource, namespace) in kinds {
            let within = (!namespace.is_empty()).then_some(namespace);
            for (_, binding) in self.store.objects(&GroupResource::new(RBAC, resource), within) {
                let Some(subject) = subject_of(binding, caller, namespace) else { continue };
                let found = self.role(binding, namespace).ok_or_else(|| Missing {
                    cluster: meta::text(binding, "/roleRef/kind") == "ClusterRole",
                    name: meta::text(binding, "/roleRef/name").to_owned(),
                });
                if !visit(&described(binding, subject, namespace), found) {
                    return;
                }
            }
        }
    }

    /// The rules of the role that a binding names, if there is one.
    fn role(&self, binding: &Value, namespace: &str) -> Option<Vec<Rule>> {
        let name = meta::text(binding, "/roleRef/name");
        let role = match meta::text(binding, "/roleRef/kind") {
            "ClusterRole" => self.store.read(&GroupResource::new(RBAC, "clusterroles"), &ObjectKey::new(None, name)),
            _ => self.store.read(&GroupResource::new(RBAC, "roles"), &ObjectKey::new(Some(namespace), name)),
        };
        role.map(|role| rules::of(&role))
    }
}

/// The groups of a service account user.
pub(crate) fn service_account_groups(user: &str) -> Vec<String> {
    let namespace = user
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'))
        .map_or("", |(namespace, _)| namespace);
    vec![
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
        "system:authenticated".to_owned(),
    ]
}

/// The first subject of a binding that is the caller.
fn subject_of<'a>(binding: &'a Value, caller: &Caller, namespace: &str) -> Option<&'a Value> {
    binding.get("subjects").and_then(Value::as_array)?.iter().find(|subject| {
        let name = meta::text(subject, "/name");
        match meta::text(subject, "/kind") {
            "User" => name == caller.user,
            "Group" => caller.groups.iter().any(|group| group == name),
            "ServiceAccount" => {
                let own = meta::text(subject, "/namespace");
                let namespace = if own.is_empty() { namespace } else { own };
                !namespace.is_empty() && caller.user == format!("system:serviceaccount:{namespace}:{name}")
            }
            _ => false,
        }
    })
}

/// A binding as reasons name it.
fn described(binding: &Value, subject: &Value, namespace: &str) -> String {
    let text = |pointer: &str| meta::text(binding, pointer);
    let (kind, name) = (meta::text(subject, "/kind"), meta::text(subject, "/name"));
    let subject = match kind {
        "ServiceAccount" => {
            let own = meta::text(subject, "/namespace");
            format!("{kind} {:?}", format!("{name}/{}", if own.is_empty() { namespace } else { own }))
        }
        _ => format!("{kind} {name:?}"),
    };
    let binding = match text("/metadata/namespace") {
        "" => format!("ClusterRoleBinding {:?}", text("/metadata/name")),
        namespace => format!("RoleBinding {:?}", format!("{}/{namespace}", text("/metadata/name"))),
    };
    format!("{binding} of {} {:?} to {subject}", text("/roleRef/kind"), text("/roleRef/name"))
}
