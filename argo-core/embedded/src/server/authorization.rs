//! Who may do what: reviews, and RBAC where it is switched on.

use serde_json::{Value, json};

use super::meta;
use super::request::Caller;
use super::state::State;
use super::status::ApiError;
use super::{Call, Outcome};
use crate::store::{GroupResource, ObjectKey};

const RBAC: &str = "rbac.authorization.k8s.io";
/// Members of this group may do anything.
pub(crate) const MASTERS: &str = "system:masters";

/// What somebody wants to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// A path that is no resource.
    pub(crate) path: &'a str,
}

// === impl State ===

impl State {
    /// Answers the reviews of authorization.k8s.io and authentication.k8s.io.
    pub(super) fn review(&self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        let mut review = call.body()?;
        self.check_type(call, &mut review)?;
        let caller = &call.request.caller;
        match call.def.kind.as_str() {
            "SelfSubjectAccessReview" => {
                review["status"] = json!({ "allowed": self.answer(caller, &review["spec"]) });
            }
            "SubjectAccessReview" | "LocalSubjectAccessReview" => {
                let subject = Caller {
                    user: meta::text(&review, "/spec/user").to_owned(),
                    groups: review
                        .pointer("/spec/groups")
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect(),
                    ..Caller::default()
                };
                review["status"] = json!({ "allowed": self.answer(&subject, &review["spec"]) });
            }
            "SelfSubjectRulesReview" => {
                let namespace = meta::text(&review, "/spec/namespace").to_owned();
                let rules = if self.unrestricted(caller) {
                    vec![
                        json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }),
                        json!({ "verbs": ["*"], "nonResourceURLs": ["*"] }),
                    ]
                } else {
                    self.rules(caller, &namespace)
                };
                let (non_resource, resource): (Vec<Value>, Vec<Value>) =
                    rules.into_iter().partition(|rule| rule.get("nonResourceURLs").is_some());
                review["status"] =
                    json!({ "resourceRules": resource, "nonResourceRules": non_resource, "incomplete": false });
            }
            "SelfSubjectReview" => {
                review["status"] = json!({ "userInfo": { "username": caller.user, "groups": caller.groups } })
            }
            "TokenReview" => {
                let token = meta::text(&review, "/spec/token");
                let asked: Vec<&str> = review
                    .pointer("/spec/audiences")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let for_whom = |token: &super::state::Token| {
                    token.expires > call.now
                        && (asked.is_empty() || token.audiences.iter().any(|it| asked.contains(&it.as_str())))
                };
                review["status"] = match self.tokens.get(token).filter(|it| for_whom(it)) {
                    Some(token) => {
                        let user = &token.user;
                        json!({
                            "authenticated": true,
                            "user": { "username": user, "groups": service_account_groups(user) },
                            "audiences": token.audiences,
                        })
                    }
                    None => json!({ "authenticated": false, "error": "[invalid bearer token]" }),
                };
            }
            _ => return Err(ApiError::method_not_allowed()),
        }
        Ok(Outcome::Json(201, review))
    }

    fn answer(&self, caller: &Caller, spec: &Value) -> bool {
        let text = |field: &str| meta::text(spec, &format!("/resourceAttributes/{field}"));
        let attributes = match spec.get("nonResourceAttributes") {
            Some(_) => Attributes {
                verb: meta::text(spec, "/nonResourceAttributes/verb"),
                path: meta::text(spec, "/nonResourceAttributes/path"),
                ..Attributes::default()
            },
            None => Attributes {
                verb: text("verb"),
                group: text("group"),
                resource: text("resource"),
                subresource: text("subresource"),
                namespace: text("namespace"),
                name: text("name"),
                path: "",
            },
        };
        self.allows(caller, &attributes)
    }

    /// Without RBAC everybody may do anything; with it, members of `system:masters` may.
    fn unrestricted(&self, caller: &Caller) -> bool {
        !self.rbac || caller.groups.iter().any(|group| group == MASTERS)
    }

    /// Whether a caller may do something.
    pub(crate) fn allows(&self, caller: &Caller, wanted: &Attributes<'_>) -> bool {
        self.unrestricted(caller) || self.rules(caller, wanted.namespace).iter().any(|rule| covers(rule, wanted))
    }

    /// The rules that bind a caller in a namespace (cluster-wide ones only if it is empty).
    fn rules(&self, caller: &Caller, namespace: &str) -> Vec<Value> {
        let mut rules = Vec::new();
        for (_, binding) in self.store.objects(&GroupResource::new(RBAC, "clusterrolebindings"), None) {
            if binds(binding, caller, "") {
                rules.extend(self.role_rules(binding, ""));
            }
        }
        if !namespace.is_empty() {
            for (_, binding) in self.store.objects(&GroupResource::new(RBAC, "rolebindings"), Some(namespace)) {
                if binds(binding, caller, namespace) {
                    rules.extend(self.role_rules(binding, namespace));
                }
            }
        }
        rules
    }

    fn role_rules(&self, binding: &Value, namespace: &str) -> Vec<Value> {
        let name = meta::text(binding, "/roleRef/name");
        let role = match meta::text(binding, "/roleRef/kind") {
            "ClusterRole" => self.store.read(&GroupResource::new(RBAC, "clusterroles"), &ObjectKey::new(None, name)),
            _ => self.store.read(&GroupResource::new(RBAC, "roles"), &ObjectKey::new(Some(namespace), name)),
        };
        role.and_then(|role| role.get("rules").and_then(Value::as_array).cloned()).unwrap_or_default()
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

fn binds(binding: &Value, caller: &Caller, namespace: &str) -> bool {
    binding.get("subjects").and_then(Value::as_array).into_iter().flatten().any(|subject| {
        let name = meta::text(subject, "/name");
        match meta::text(subject, "/kind") {
            "User" => name == caller.user,
            "Group" => caller.groups.iter().any(|group| group == name),
            "ServiceAccount" => {
                let own = meta::text(subject, "/namespace");
                let namespace = if own.is_empty() { namespace } else { own };
                caller.user == format!("system:serviceaccount:{namespace}:{name}")
            }
            _ => false,
        }
    })
}

fn covers(rule: &Value, wanted: &Attributes<'_>) -> bool {
    let list = |field: &str| {
        rule.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>()
    };
    let has = |field: &str, value: &str| list(field).iter().any(|item| *item == "*" || *item == value);
    if !has("verbs", wanted.verb) {
        return false;
    }
    if !wanted.path.is_empty() {
        return list("nonResourceURLs").iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => wanted.path.starts_with(prefix),
            None => *pattern == wanted.path,
        });
    }
    let full = if wanted.subresource.is_empty() {
        wanted.resource.to_owned()
    } else {
        format!("{}/{}", wanted.resource, wanted.subresource)
    };
    let any_resource = list("resources").iter().any(|item| {
        *item == "*"
            || *item == full
            || (!wanted.subresource.is_empty() && *item == format!("*/{}", wanted.subresource))
    });
    let names = list("resourceNames");
    has("apiGroups", wanted.group) && any_resource && (names.is_empty() || names.contains(&wanted.name))
}
