//! Subsets of a DestinationRule: which pods are canary and which stable.

use argo_core::{Object, ObjectRef};
use serde_json::{Value, json};

use super::{DestinationRule, Istio, Settings};
use crate::{
    api::{WeightDestination, names},
    routers::{RouteError, RouteRequest, Seen, json as at},
};

impl Istio {
    fn rule_ref(&self, request: &RouteRequest<'_>, rule: &DestinationRule) -> ObjectRef {
        ObjectRef::new(self.gvk("DestinationRule"), Some(request.namespace()), &rule.name)
    }

    /// The host of the DestinationRule; empty without one.
    pub(super) fn rule_host(
        &self,
        request: &RouteRequest<'_>,
        settings: &Settings,
        seen: &Seen,
    ) -> Result<String, RouteError> {
        let Some(rule) = &settings.destination_rule else { return Ok(String::new()) };
        Ok(seen.need(&self.rule_ref(request, rule))?.text("/spec/host").to_owned())
    }

    /// Makes the subsets select the pods that they stand for. Where no Service holds traffic back,
    /// this waits until those pods are all available.
    pub(super) fn update_hash(
        &self,
        request: &RouteRequest<'_>,
        settings: &Settings,
        seen: &mut Seen,
    ) -> Result<(), RouteError> {
        if let Some(set) = not_available(request) {
            return Err(RouteError::NotAvailable(set));
        }
        let Some(rule) = &settings.destination_rule else { return Ok(()) };
        let target = self.rule_ref(request, rule);
        let traffic = request.traffic;
        seen.edit(&target, |object| {
            object.set_annotation(names::MANAGED_BY, request.rollout.name());
            let mut missing: Vec<&WeightDestination> = traffic.additional.iter().collect();
            let subsets = at::list_mut(object, "/spec/subsets").map(std::mem::take).unwrap_or_default();
            let mut kept = Vec::with_capacity(subsets.len());
            for mut subset in subsets {
                let name = at::text(&subset, "name").to_owned();
                if name == rule.canary_subset_name {
                    select(&mut subset, &traffic.canary_hash);
                } else if name == rule.stable_subset_name {
                    select(&mut subset, &traffic.stable_hash);
                } else if let Some(at) = missing.iter().position(|it| it.service_name == name) {
                    select(&mut subset, &missing.remove(at).pod_template_hash);
                } else if !rule.additional_subset_names.contains(&name) {
                    // Left over from an experiment.
                    continue;
                }
                kept.push(subset);
            }
            kept.extend(missing.iter().map(
                |it| json!({"name": it.service_name, "labels": {names::POD_TEMPLATE_HASH: it.pod_template_hash}}),
            ));
            object.set(&["spec", "subsets"], kept);
            Ok(())
        })?;
        let message = format!(
            "DestinationRule {} subset updated ({}: {}, {}: {})",
            rule.name, rule.canary_subset_name, traffic.canary_hash, rule.stable_subset_name, traffic.stable_hash
        );
        seen.note_change(&target, "UpdatedDestinationRule", message);
        Ok(())
    }

    /// Hashes of the pods that subsets select.
    pub(super) fn subset_hashes(&self, request: &RouteRequest<'_>, seen: &Seen) -> Result<Vec<String>, RouteError> {
        let settings = Settings::of(request)?;
        let Some(rule) = &settings.destination_rule else { return Ok(Vec::new()) };
        let Some(object) = seen.get(&self.rule_ref(request, rule))? else { return Ok(Vec::new()) };
        let subsets = object.pointer("/spec/subsets").and_then(Value::as_array).into_iter().flatten();
        let hashes = subsets.filter_map(|it| it.get("labels")?.get(names::POD_TEMPLATE_HASH)?.as_str());
        Ok(hashes.map(str::to_owned).collect())
    }
}

/// A DestinationRule without hashes and mark: no Rollout steers it any more.
pub(super) fn released(object: &Object) -> Object {
    let mut free = object.clone();
    free.remove(&["metadata", "annotations", names::MANAGED_BY]);
    for subset in at::list_mut(&mut free, "/spec/subsets").into_iter().flatten() {
        select(subset, "");
    }
    free
}

fn select(subset: &mut Value, hash: &str) {
    if hash.is_empty() {
        if let Some(labels) = subset.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove(names::POD_TEMPLATE_HASH);
        }
    } else {
        subset["labels"][names::POD_TEMPLATE_HASH] = json!(hash);
    }
}

/// The first ReplicaSet that would get traffic and is not all there; only where subsets are all
/// that tells pods apart. On the way back only stable counts.
fn not_available(request: &RouteRequest<'_>) -> Option<String> {
    let canary = request.typed.spec.strategy.canary.as_ref()?;
    let empty = |it: &Option<String>| it.as_deref().is_none_or(str::is_empty);
    if !empty(&canary.canary_service) || !empty(&canary.stable_service) {
        return None;
    }
    let traffic = request.traffic;
    let back = request.typed.status.abort || traffic.returns_to_stable;
    let found = request.replica_sets.iter().find(|set| {
        let hash = set.label(names::POD_TEMPLATE_HASH).unwrap_or_default();
        let size = set.integer("/spec/replicas").unwrap_or(1);
        let available = set.integer("/status/availableReplicas").unwrap_or_default();
        let counts = hash == traffic.stable_hash || hash == traffic.canary_hash && !back;
        size > 0 && !hash.is_empty() && counts && available < size
    });
    found.map(|it| it.name().to_owned())
}
