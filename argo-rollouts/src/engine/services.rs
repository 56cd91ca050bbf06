//! Which pods the stable and canary Services select.

use argo_core::{Change, Note, Object};
use serde_json::{Value, json};

use super::pass::Pass;
use crate::api::{Rollout, names};

impl Pass<'_> {
    /// Points the stable Service at the stable pods and the canary Service at the new ones. An
    /// aborted canary has its Service back on stable, but beside a router that scales stable along
    /// only once no traffic is left for it.
    pub(crate) fn reconcile_services(&mut self) {
        let Some(strategy) = self.strategy() else { return };
        let (stable_service, canary_service) = (strategy.stable_service.clone(), strategy.canary_service.clone());
        if strategy.ping_pong.is_some() && !self.is_fully_promoted() {
            // The Service whose turn it is gets the new pods before any traffic.
            let turn = self.ro.services(true).1.to_owned();
            self.point(Some(&turn), self.new, false);
        }
        self.point(stable_service.as_deref(), self.stable, true);
        if self.leaves_dynamically().is_some() {
            // Stable is too small for what the canary Service may get.
            return;
        }
        let carries = self.ro.status.canary.weights.as_ref().is_some_and(|it| it.canary.weight > 0);
        let (canary, waits) = match self.is_aborted() {
            true if !self.is_routed() => (self.stable, true),
            true if !self.is_dynamic() || !carries => (self.stable, false),
            _ => (self.new, true),
        };
        self.point(canary_service.as_deref(), canary, waits);
    }

    /// A Service taken over for the first time waits until all pods are available, later switches
    /// until one is: traffic never goes to nothing. Without `waits` no traffic goes there yet.
    fn point(&mut self, service: Option<&str>, set: Option<usize>, waits: bool) {
        let (Some(name), Some(set)) = (service.filter(|it| !it.is_empty()), set.map(|it| &self.sets[it])) else {
            return;
        };
        let namespace = self.ro.metadata.namespace.as_deref();
        let Some(service) = self.world.services.iter().find(|it| it.name() == name && it.namespace() == namespace)
        else {
            return;
        };
        if selector_hash(service) == set.hash {
            return;
        }
        let adopted = service.annotation(names::MANAGED_BY).is_some();
        if waits && (!adopted && !set.is_fully_available() || set.available == 0) {
            return;
        }
        let (service, hash) = (service.clone(), set.hash.clone());
        self.switch(&service, &hash);
    }

    /// Makes a Service select the pods of a hash, and marks it as steered by this Rollout.
    pub(crate) fn switch(&mut self, service: &Object, hash: &str) {
        let (name, current) = (service.name(), selector_hash(service));
        let adopted = service.annotation(names::MANAGED_BY).is_some();
        if current == hash && adopted {
            return;
        }
        let mut body = json!({"spec": {"selector": {names::POD_TEMPLATE_HASH: hash}}});
        if !adopted {
            body["metadata"] = json!({"annotations": {names::MANAGED_BY: self.name()}});
        }
        let message = format!("Switched selector for service '{name}' from '{current}' to '{hash}'");
        self.plan.push(Change::merge(service.reference(), body));
        self.plan.note(Note::normal(names::reason::SWITCH_SERVICE, message));
    }
}

/// The hash that a Service selects; empty when it selects none.
pub(crate) fn selector_hash(service: &Object) -> &str {
    let selector = service.pointer("/spec/selector").and_then(Value::as_object);
    selector.and_then(|it| it.get(names::POD_TEMPLATE_HASH)).and_then(Value::as_str).unwrap_or_default()
}

/// Takes hash and mark off a Service that no Rollout steers any more: its Rollout is gone or names
/// it no longer. `rollout` is the one that the mark names, if it exists.
#[must_use]
pub fn release(service: &Object, rollout: Option<&Object>) -> Option<Change> {
    service.annotation(names::MANAGED_BY)?;
    if let Some(rollout) = rollout {
        // What does not decode is not known to have let go.
        let ro: Rollout = rollout.decode().ok()?;
        let canary = ro.spec.strategy.canary.as_ref();
        let blue_green = ro.spec.strategy.blue_green.as_ref();
        let named = [
            canary.and_then(|it| it.canary_service.as_deref()),
            canary.and_then(|it| it.stable_service.as_deref()),
            canary.and_then(|it| Some(it.ping_pong.as_ref()?.ping_service.as_str())),
            canary.and_then(|it| Some(it.ping_pong.as_ref()?.pong_service.as_str())),
            blue_green.map(|it| it.active_service.as_str()),
            blue_green.and_then(|it| it.preview_service.as_deref()),
        ];
        if named.contains(&Some(service.name())) {
            return None;
        }
    }
    let mut free = service.clone();
    free.remove(&["metadata", "annotations", names::MANAGED_BY]);
    free.remove(&["spec", "selector", names::POD_TEMPLATE_HASH]);
    Change::merge_between(service, &free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_let_go_when_its_rollout_no_longer_names_it() {
        let service = Object::from_value(json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "s", "namespace": "n", "annotations": {names::MANAGED_BY: "r"}},
            "spec": {"selector": {"app": "a", names::POD_TEMPLATE_HASH: "x"}}}));
        let rollout = |name: &str| {
            Object::from_value(
                json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "r"},
                "spec": {"strategy": {"canary": {"stableService": name}}}}),
            )
        };
        assert_eq!(release(&service, Some(&rollout("s"))), None);
        let expected =
            json!({"metadata": {"annotations": null}, "spec": {"selector": {names::POD_TEMPLATE_HASH: null}}});
        for change in [release(&service, Some(&rollout("other"))), release(&service, None)] {
            let Some(Change::Patch { patch, .. }) = change else { panic!("not released") };
            assert!(
                patch.body == expected
                    || patch.body["metadata"]["annotations"] == json!({names::MANAGED_BY: null})
                        && patch.body["spec"] == expected["spec"],
                "{}",
                patch.body
            );
        }
    }
}
