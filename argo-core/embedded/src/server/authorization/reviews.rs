//! Reviews: who somebody is, and what they may do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::rules::Rule;
use super::{Attributes, service_account_groups};
use crate::fields::Change;
use crate::server::request::Caller;
use crate::server::state::State;
use crate::server::status::{ApiError, Cause};
use crate::server::write::Part;
use crate::server::{Call, Outcome, meta};

// === impl State ===

impl State {
    /// Answers the reviews of authorization.k8s.io and authentication.k8s.io.
    pub(in crate::server) fn review(&mut self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        let mut review = call.body()?;
        self.check_type(call, &mut review)?;
        self.check_namespace_field(call, &mut review)?;
        self.prune(call, &mut review)?;
        crate::schema::fill(call.def.group(), &call.version_def().name, &call.def.kind, &mut review);
        crate::fields::track(call, None, Change::Update, Part::Main, &mut review);
        let caller = &call.request.caller;
        let status = match call.def.kind.as_str() {
            kind @ ("SelfSubjectAccessReview" | "SubjectAccessReview" | "LocalSubjectAccessReview") => {
                let causes = problems(kind, &review);
                if !causes.is_empty() {
                    // The real one looks for its kind in an object that does not know it any more.
                    return Err(ApiError::invalid(call.def.group(), "", "", &causes));
                }
                let subject = if kind == "SelfSubjectAccessReview" { caller.clone() } else { subject(&review["spec"]) };
                self.answer(&subject, &review["spec"])
            }
            "SelfSubjectRulesReview" => {
                let namespace = meta::text(&review, "/spec/namespace").to_owned();
                if namespace.is_empty() {
                    return Err(ApiError::bad_request("no namespace on request"));
                }
                review =
                    json!({ "kind": review["kind"], "apiVersion": review["apiVersion"], "metadata": {}, "spec": {} });
                self.rules_review(caller, &namespace)
            }
            "SelfSubjectReview" => {
                let created = meta::timestamp_text(call.now);
                review["metadata"] = json!({ "creationTimestamp": created });
                json!({ "userInfo": user_info(caller) })
            }
            "TokenReview" => self.token_review(call, &review)?,
            _ => return Err(ApiError::method_not_allowed()),
        };
        review["status"] = status;
        Ok(Outcome::Json(201, review))
    }

    fn answer(&self, caller: &Caller, spec: &Value) -> Value {
        let text = |field: &str| meta::text(spec, &format!("/resourceAttributes/{field}")).to_owned();
        let attributes = match spec.get("nonResourceAttributes") {
            Some(_) => Attributes {
                verb: meta::text(spec, "/nonResourceAttributes/verb").to_owned(),
                path: meta::text(spec, "/nonResourceAttributes/path").to_owned(),
                ..Attributes::default()
            },
            None => Attributes {
                verb: text("verb"),
                group: text("group"),
                resource: text("resource"),
                subresource: text("subresource"),
                namespace: text("namespace"),
                name: text("name"),
                path: String::new(),
            },
        };
        let decision = self.decide(caller, &attributes);
        let mut status = json!({ "allowed": decision.allowed });
        if !decision.reason.is_empty() {
            status["reason"] = Value::from(decision.reason);
        }
        status
    }

    fn rules_review(&self, caller: &Caller, namespace: &str) -> Value {
        let mut held: Vec<Rule> = Vec::new();
        let mut errors: Vec<String> = Vec::new();
        if self.rbac {
            self.visit_rules(caller, namespace, &mut |_, found| {
                match found {
                    Ok(rules) => held.extend(rules),
                    Err(role) => errors.push(role.cached()),
                }
                true
            });
        } else {
            held = super::escalation::everything();
        }
        let shown = |rule: &Rule, fields: &[(&str, &Vec<String>)]| {
            let mut shown = json!({ "verbs": rule.verbs });
            for (field, list) in fields.iter().filter(|(_, list)| !list.is_empty()) {
                shown[*field] = json!(list);
            }
            shown
        };
        let resource: Vec<Value> = held
            .iter()
            .filter(|rule| !rule.resources.is_empty())
            .map(|rule| {
                shown(
                    rule,
                    &[("apiGroups", &rule.groups), ("resources", &rule.resources), ("resourceNames", &rule.names)],
                )
            })
            .collect();
        let paths: Vec<Value> = held
            .iter()
            .filter(|rule| !rule.urls.is_empty())
            .map(|rule| shown(rule, &[("nonResourceURLs", &rule.urls)]))
            .collect();
        let mut status = json!({ "resourceRules": resource, "nonResourceRules": paths, "incomplete": false });
        if !errors.is_empty() {
            let text = if let [one] = errors.as_slice() { one.clone() } else { format!("[{}]", errors.join(", ")) };
            status["evaluationError"] = Value::from(text);
        }
        status
    }

    fn token_review(&self, call: &Call<'_>, review: &Value) -> Result<Value, ApiError> {
        let token = meta::text(review, "/spec/token");
        if token.is_empty() {
            return Err(ApiError::bad_request("token is required for TokenReview in authentication"));
        }
        let asked: Vec<&str> = review
            .pointer("/spec/audiences")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let fits = |token: &crate::server::state::Token| {
            token.expires > call.now
                && (asked.is_empty() || token.audiences.iter().any(|it| asked.contains(&it.as_str())))
        };
        Ok(match self.tokens.get(token).filter(|it| fits(it)) {
            Some(token) => {
                let user = &token.user;
                json!({
                    "authenticated": true,
                    "user": { "username": user, "groups": service_account_groups(user) },
                    "audiences": token.audiences,
                })
            }
            None => json!({ "user": {}, "error": "invalid bearer token" }),
        })
    }
}

/// Who a review is about.
fn subject(spec: &Value) -> Caller {
    let texts = |list: Option<&Value>| -> Vec<String> {
        list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let extra: BTreeMap<String, Vec<String>> = spec
        .get("extra")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, values)| (key.clone(), texts(Some(values))))
        .collect();
    Caller {
        user: meta::text(spec, "/user").to_owned(),
        groups: texts(spec.get("groups")),
        uid: meta::text(spec, "/uid").to_owned(),
        extra,
        ..Caller::default()
    }
}

/// A user as reviews show one.
pub(in crate::server) fn user_info(caller: &Caller) -> Value {
    let mut info = json!({ "username": caller.user });
    if !caller.uid.is_empty() {
        info["uid"] = Value::from(caller.uid.as_str());
    }
    if !caller.groups.is_empty() {
        info["groups"] = json!(caller.groups);
    }
    if !caller.extra.is_empty() {
        info["extra"] = json!(caller.extra);
    }
    info
}

/// What is wrong with a question for access. Upstream: `pkg/apis/authorization/validation`.
fn problems(kind: &str, review: &Value) -> Vec<Cause> {
    let spec = review.get("spec").unwrap_or(&Value::Null);
    let mut causes = Vec::new();
    let there = |field: &str| spec.get(field).filter(|value| !value.is_null());
    match (there("resourceAttributes"), there("nonResourceAttributes")) {
        (Some(_), Some(paths)) => causes.push(Cause::invalid(
            "spec.nonResourceAttributes",
            &go_order(paths),
            "cannot be specified in combination with resourceAttributes",
        )),
        (None, None) => causes.push(Cause::invalid(
            "spec.resourceAttributes",
            &Value::Null,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )),
        _ => {}
    }
    let nobody =
        meta::text(spec, "/user").is_empty() && spec.get("groups").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if kind != "SelfSubjectAccessReview" && nobody {
        causes.push(Cause::invalid("spec.user", &Value::from(""), "at least one of user or group must be specified"));
    }
    for (selector, field) in [
        ("fieldSelector", "spec.resourceAttributes.fieldSelector"),
        ("labelSelector", "spec.resourceAttributes.labelSelector"),
    ] {
        let Some(selector) = spec.pointer(&format!("/resourceAttributes/{selector}")).filter(|it| it.is_object())
        else {
            continue;
        };
        let raw = meta::text(selector, "/rawSelector");
        let listed = selector.get("requirements").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        if !raw.is_empty() && listed {
            let why = "may not specified at the same time as requirements";
            causes.push(Cause::invalid(format!("{field}.rawSelector"), &Value::from(raw), why));
        }
        if raw.is_empty() && !listed {
            let why = format!("when {field} is specified, requirements or rawSelector is required");
            causes.push(Cause::required(format!("{field}.requirements"), &why));
        }
    }
    let local = kind == "LocalSubjectAccessReview";
    let metadata = review.get("metadata").and_then(Value::as_object);
    let named = metadata.is_some_and(|fields| {
        fields
            .iter()
            .any(|(field, value)| !value.is_null() && field != "managedFields" && !(local && field == "namespace"))
    });
    if named {
        let why = if local { "must be empty except for namespace" } else { "must be empty" };
        let shown = review.get("metadata").cloned().unwrap_or_default();
        causes.push(Cause::invalid("metadata", &shown, why));
    }
    if local {
        let namespace = meta::text(spec, "/resourceAttributes/namespace");
        if there("resourceAttributes").is_some() && namespace != meta::text(review, "/metadata/namespace") {
            let why = "must match metadata.namespace";
            causes.push(Cause::invalid("spec.resourceAttributes.namespace", &Value::from(namespace), why));
        }
        if let Some(paths) = there("nonResourceAttributes") {
            let why = "disallowed on this kind of request";
            causes.push(Cause::invalid("spec.nonResourceAttributes", &go_order(paths), why));
        }
    }
    causes
}

/// Paths and verbs as Go's struct has them.
fn go_order(paths: &Value) -> Value {
    json!({ "Path": meta::text(paths, "/path"), "Verb": meta::text(paths, "/verb") })
}
