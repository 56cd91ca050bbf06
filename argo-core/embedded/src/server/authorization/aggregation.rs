//! Aggregated ClusterRoles: their rules are those of the roles that they select. Upstream a controller writes them a moment later; here
//! they are written within the same request. Upstream: `pkg/controller/clusterroleaggregation`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::RBAC;
use crate::server::request::{Query, RawRequest, Verb};
use crate::server::selector::LabelSelector;
use crate::server::state::State;
use crate::server::{Call, Caller, MASTERS, meta};
use crate::store::{Event, GroupResource};

const MANAGER: &str = "clusterrole-aggregation-controller";

// === impl State ===

impl State {
    /// Fills in the aggregated roles after a change of roles.
    pub(in crate::server) fn aggregate_roles(&mut self, event: &Event) {
        let roles = GroupResource::new(RBAC, "clusterroles");
        if self.aggregating || event.resource != roles {
            return;
        }
        self.aggregating = true;
        let now = meta::text(&event.object, "/metadata/creationTimestamp").parse();
        let now = now.unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        // Roles may aggregate aggregated ones; in a circle they might never come to rest.
        let rounds = self.store.count(&roles) + 1;
        for _ in 0..rounds {
            let all: Vec<Arc<Value>> = self.store.objects(&roles, None).map(|(_, role)| role.clone()).collect();
            let mut quiet = true;
            for role in all.iter().filter(|role| role.get("aggregationRule").is_some_and(Value::is_object)) {
                let current: Vec<Arc<Value>> = self.store.objects(&roles, None).map(|(_, role)| role.clone()).collect();
                let Some(rules) = aggregated(role, &current) else { continue };
                let held = self.store.read(&roles, &crate::store::ObjectKey::new(None, meta::name(role)));
                if held.is_none_or(|held| rules_of(&held) == rules) {
                    continue;
                }
                quiet = !self.write_aggregated(meta::name(role), rules, now) && quiet;
            }
            if quiet {
                break;
            }
        }
        self.aggregating = false;
    }

    /// Writes the rules as their controller does; whether that was done.
    fn write_aggregated(&mut self, name: &str, rules: Vec<Value>, now: jiff::Timestamp) -> bool {
        let Some((def, version)) = self.registry.find(RBAC, "v1", "clusterroles") else { return false };
        let mut query = Query::default();
        query.set("fieldManager", MANAGER);
        query.set("force", "true");
        let object = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": name }, "rules": rules,
        });
        let request = RawRequest {
            method: http::Method::PATCH,
            query,
            content_type: "application/apply-patch+yaml".to_owned(),
            object: Some(object),
            caller: Caller {
                client: MANAGER.to_owned(),
                user: format!("system:serviceaccount:kube-system:{MANAGER}"),
                groups: vec![MASTERS.to_owned()],
                ..Caller::default()
            },
            ..RawRequest::default()
        };
        let call = Call {
            verb: Verb::Patch,
            def,
            version,
            namespace: None,
            name: Some(name),
            subresource: None,
            request: &request,
            dry_run: false,
            now,
            attempt: None,
        };
        // Its warnings are not for the client of the request at hand.
        let warnings = std::mem::take(&mut self.warnings);
        let done = self.dispatch(&call);
        self.warnings = warnings;
        if let Err(error) = &done {
            tracing::warn!(role = name, %error, "an aggregated role could not be filled in");
        }
        done.is_ok()
    }
}

fn rules_of(role: &Value) -> Vec<Value> {
    role.get("rules").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// The rules of an aggregated role: those of the roles it selects, in order of selectors and names, each once. `None` for a selector that
/// can not be read.
fn aggregated(role: &Value, roles: &[Arc<Value>]) -> Option<Vec<Value>> {
    let mut found: Vec<Value> = Vec::new();
    let selectors = role.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array);
    for selector in selectors.into_iter().flatten() {
        let selector = LabelSelector::from_object(selector)?;
        for other in roles {
            if meta::name(other) == meta::name(role) || !selector.matches(other) {
                continue;
            }
            for rule in rules_of(other) {
                if !found.contains(&rule) {
                    found.push(rule);
                }
            }
        }
    }
    Some(found)
}
