//! Keeps new pods off the nodes of stable ones, by a rule in the template of the new ReplicaSet. The
//! rule is not part of what the template means: it never counts when templates are compared.

use serde_json::{Value, json};

use super::pass::Pass;
use crate::api::{AntiAffinity, Rollout, names};

const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

impl Pass<'_> {
    /// The affinity of the new ReplicaSet's pods: the template's own, and the rule while there is a
    /// stable version to stay away from.
    pub(crate) fn affinity(&self) -> Option<Value> {
        let own = self.ro.spec.template.pointer("/spec/affinity").cloned();
        let stable = &self.ro.status.stable_rs;
        match wanted(&self.ro) {
            Some(rule) if !stable.is_empty() && *stable != self.current_hash() => {
                let namespace = self.ro.metadata.namespace.as_deref().unwrap_or_default();
                Some(with_rule(own, rule, stable, namespace))
            }
            _ => own,
        }
    }

    /// Whether a rule is there that names another stable version.
    pub(crate) fn affinity_is_outdated(&self, template: &Value) -> bool {
        let stable = &self.ro.status.stable_rs;
        let named = terms(template).find_map(|it| hash_of(term(it)));
        *stable != self.current_hash() && named.is_some_and(|it| it != stable)
    }
}

fn wanted(ro: &Rollout) -> Option<&AntiAffinity> {
    let strategy = &ro.spec.strategy;
    let rule = strategy.canary.as_ref().and_then(|it| it.anti_affinity.as_ref());
    let rule = rule.or_else(|| strategy.blue_green.as_ref()?.anti_affinity.as_ref());
    rule.filter(|it| it.preferred.is_some() || it.required.is_some())
}

fn with_rule(own: Option<Value>, rule: &AntiAffinity, stable: &str, namespace: &str) -> Value {
    let term = json!({
        "labelSelector": {"matchExpressions": [
            {"key": names::POD_TEMPLATE_HASH, "operator": "In", "values": [stable]}]},
        "namespaces": [namespace],
        "topologyKey": "kubernetes.io/hostname",
    });
    let mut affinity = own.filter(Value::is_object).unwrap_or_else(|| json!({}));
    let (list, entry) = match &rule.preferred {
        Some(preferred) => (PREFERRED, json!({"weight": preferred.weight, "podAffinityTerm": term})),
        None => (REQUIRED, term),
    };
    let list = &mut affinity["podAntiAffinity"][list];
    match list.as_array_mut() {
        Some(list) => list.push(entry),
        None => *list = json!([entry]),
    }
    affinity
}

fn terms(template: &Value) -> impl Iterator<Item = &Value> {
    let anti = template.pointer("/spec/affinity/podAntiAffinity");
    [PREFERRED, REQUIRED].into_iter().filter_map(move |it| anti?.get(it)?.as_array()).flatten()
}

/// The term itself, also where it has a weight.
fn term(entry: &Value) -> &Value {
    entry.get("podAffinityTerm").unwrap_or(entry)
}

/// The version that a term stays away from; none for terms of the user's own.
fn hash_of(term: &Value) -> Option<&str> {
    let mut expressions = term.pointer("/labelSelector/matchExpressions")?.as_array()?.iter();
    expressions.find(|it| it["key"] == names::POD_TEMPLATE_HASH)?["values"][0].as_str()
}

/// Takes the rule out of a template, and what is empty without it.
pub(crate) fn remove_rule(template: &mut Value) {
    let Some(affinity) = template.pointer_mut("/spec/affinity").and_then(Value::as_object_mut) else { return };
    if let Some(anti) = affinity.get_mut("podAntiAffinity").and_then(Value::as_object_mut) {
        for list in [PREFERRED, REQUIRED] {
            if let Some(list) = anti.get_mut(list).and_then(Value::as_array_mut) {
                list.retain(|it| hash_of(term(it)).is_none());
            }
        }
        anti.retain(|_, it| it.as_array().is_none_or(|it| !it.is_empty()));
    }
    affinity.retain(|_, it| it.as_object().is_none_or(|it| !it.is_empty()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_comes_and_goes_and_others_stay() {
        let own = json!({"podAntiAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": {"topologyKey": "zone"}}]}});
        let rule: AntiAffinity = serde_json::from_value(json!({PREFERRED: {"weight": 7}})).unwrap();
        let mut template = json!({"spec": {"affinity": with_rule(Some(own.clone()), &rule, "abc", "ns")}});
        let added = &template["spec"]["affinity"]["podAntiAffinity"][PREFERRED][1];
        assert_eq!((&added["weight"], hash_of(term(added))), (&json!(7), Some("abc")));
        remove_rule(&mut template);
        assert_eq!(template["spec"]["affinity"], own);
        let rule: AntiAffinity = serde_json::from_value(json!({REQUIRED: {}})).unwrap();
        let mut template = json!({"spec": {"affinity": with_rule(None, &rule, "abc", "ns")}});
        assert_eq!(terms(&template).filter_map(hash_of).collect::<Vec<_>>(), ["abc"]);
        remove_rule(&mut template);
        assert_eq!(template["spec"]["affinity"], json!({}));
    }
}
