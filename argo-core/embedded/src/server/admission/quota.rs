//! ResourceQuota: what a namespace may use, and what it uses. Usage is counted from the objects themselves, with every change.

use std::collections::BTreeMap;
use std::sync::Arc;

use argo_lang::quantity::Quantity;
use serde_json::{Value, json};

use super::limits::{add, amounts, pod_amounts};
use super::review::Attempted;
use crate::server::meta;
use crate::server::state::State;
use crate::server::status::ApiError;
use crate::store::{Event, EventKind, GroupResource, ObjectKey, Op};

type Amounts = BTreeMap<String, Quantity>;

/// Kinds that are counted under a name of their own.
const COUNTED: [&str; 8] = [
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
];

/// What an object uses of everything that can be limited.
fn usage(resource: &GroupResource, object: &Value) -> Amounts {
    let mut used = Amounts::new();
    let one = Quantity::of(1);
    let suffix = if resource.group.is_empty() { String::new() } else { format!(".{}", resource.group) };
    used.insert(format!("count/{}{suffix}", resource.resource), one);
    if !resource.group.is_empty() {
        return used;
    }
    let name = resource.resource.as_ref();
    if COUNTED.contains(&name) {
        used.insert(name.to_owned(), one);
    }
    match name {
        "pods" => {
            let requests = pod_amounts(object, "requests");
            for (resource, amount) in &requests {
                used.insert(format!("requests.{resource}"), *amount);
                used.insert(resource.clone(), *amount);
            }
            for (resource, amount) in pod_amounts(object, "limits") {
                used.insert(format!("limits.{resource}"), amount);
            }
        }
        "services" => {
            let kind = meta::text(object, "/spec/type");
            let ports = object.pointer("/spec/ports").and_then(Value::as_array).map_or(0, Vec::len);
            if kind == "LoadBalancer" {
                used.insert("services.loadbalancers".to_owned(), one);
            }
            if matches!(kind, "LoadBalancer" | "NodePort") {
                used.insert("services.nodeports".to_owned(), Quantity::of(i64::try_from(ports).unwrap_or(i64::MAX)));
            }
        }
        "persistentvolumeclaims" => {
            if let Some(storage) = amounts(object, "/spec/resources/requests").get("storage") {
                used.insert("requests.storage".to_owned(), *storage);
                let class = meta::text(object, "/spec/storageClassName");
                if !class.is_empty() {
                    used.insert(format!("{class}.storageclass.storage.k8s.io/requests.storage"), *storage);
                    used.insert(format!("{class}.storageclass.storage.k8s.io/persistentvolumeclaims"), one);
                }
            }
        }
        _ => {}
    }
    used
}

/// Whether an object counts: pods that have ended use nothing.
fn counts(resource: &GroupResource, object: &Value) -> bool {
    let pod = resource.group.is_empty() && resource.resource.as_ref() == "pods";
    !pod || !matches!(meta::text(object, "/status/phase"), "Succeeded" | "Failed")
}

/// Whether a quota with scopes is about an object.
fn in_scope(quota: &Value, resource: &GroupResource, object: &Value) -> bool {
    let plain = quota.pointer("/spec/scopes").and_then(Value::as_array).into_iter().flatten();
    let plain = plain.filter_map(Value::as_str).map(|scope| (scope, "Exists", Vec::new()));
    let expressions = quota.pointer("/spec/scopeSelector/matchExpressions").and_then(Value::as_array);
    let chosen = expressions.into_iter().flatten().map(|it| {
        let values =
            it.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        (meta::text(it, "/scopeName"), meta::text(it, "/operator"), values)
    });
    let mut scopes = plain.chain(chosen).peekable();
    if scopes.peek().is_none() {
        return true;
    }
    if !resource.group.is_empty() || resource.resource.as_ref() != "pods" {
        return false;
    }
    scopes.all(|(scope, operator, values): (&str, &str, Vec<&str>)| match scope {
        "BestEffort" => meta::text(object, "/status/qosClass") == "BestEffort",
        "NotBestEffort" => meta::text(object, "/status/qosClass") != "BestEffort",
        "Terminating" => object.pointer("/spec/activeDeadlineSeconds").is_some(),
        "NotTerminating" => object.pointer("/spec/activeDeadlineSeconds").is_none(),
        "PriorityClass" => {
            let class = meta::text(object, "/spec/priorityClassName");
            match operator {
                "In" => values.contains(&class),
                "NotIn" => !values.contains(&class),
                "DoesNotExist" => class.is_empty(),
                _ => !class.is_empty(),
            }
        }
        _ => true,
    })
}

// === impl State ===

impl State {
    fn quotas(&self, namespace: &str) -> Vec<(ObjectKey, Arc<Value>)> {
        let resource = GroupResource::new("", "resourcequotas");
        self.store.objects(&resource, Some(namespace)).map(|(key, object)| (key.clone(), object.clone())).collect()
    }

    /// What is used of a quota.
    fn used(&self, namespace: &str, quota: &Value) -> Amounts {
        let hard = amounts(quota, "/spec/hard");
        let mut used = Amounts::new();
        let resources: Vec<GroupResource> = self.store.resources().cloned().collect();
        for resource in resources {
            for (_, object) in self.store.objects(&resource, Some(namespace)) {
                if counts(&resource, object) && in_scope(quota, &resource, object) {
                    add(&mut used, &usage(&resource, object));
                }
            }
        }
        hard.keys().map(|name| (name.clone(), used.get(name).copied().unwrap_or(Quantity::ZERO))).collect()
    }

    /// Refuses what exceeds a quota of the namespace.
    pub(super) fn check_quota(&self, attempted: &Attempted<'_>) -> Result<(), ApiError> {
        let (Some(namespace), Some(object)) = (attempted.call.namespace, attempted.object) else { return Ok(()) };
        if attempted.call.subresource.is_some() {
            return Ok(());
        }
        let resource = &attempted.call.def.stored;
        let quotas = self.quotas(namespace);
        if quotas.is_empty() || !counts(resource, object) {
            return Ok(());
        }
        let before = attempted.live.map(|live| usage(resource, live)).unwrap_or_default();
        let after = usage(resource, object);
        for (key, quota) in &quotas {
            if !in_scope(quota, resource, object) {
                continue;
            }
            let hard = amounts(quota, "/spec/hard");
            self.check_stated(attempted, key, &hard, object)?;
            let used = self.used(namespace, quota);
            let (mut requested, mut present, mut limited) = (Vec::new(), Vec::new(), Vec::new());
            for (name, amount) in after.iter().filter(|(name, _)| hard.contains_key(*name)) {
                let more = *amount - before.get(name).copied().unwrap_or(Quantity::ZERO);
                let (has, most) = (used.get(name).copied().unwrap_or(Quantity::ZERO), hard[name]);
                if more > Quantity::ZERO && has + more > most {
                    requested.push(format!("{name}={more}"));
                    present.push(format!("{name}={has}"));
                    limited.push(format!("{name}={most}"));
                }
            }
            if !requested.is_empty() {
                let why = format!(
                    "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                    key.name,
                    requested.join(","),
                    present.join(","),
                    limited.join(",")
                );
                return Err(ApiError::forbidden(&attempted.call.def.served, &attempted.name(), &why));
            }
        }
        Ok(())
    }

    /// Where cpu and memory are limited, every container must say what it needs.
    fn check_stated(
        &self,
        attempted: &Attempted<'_>,
        key: &ObjectKey,
        hard: &Amounts,
        object: &Value,
    ) -> Result<(), ApiError> {
        let def = &attempted.call.def;
        if !def.group().is_empty() || def.resource() != "pods" || attempted.operation != "CREATE" {
            return Ok(());
        }
        let mut missing = Vec::new();
        for name in hard.keys() {
            let (side, resource) = match name.split_once('.') {
                Some(("limits", resource)) => ("limits", resource),
                Some(("requests", resource)) => ("requests", resource),
                None => ("requests", name.as_str()),
                Some(_) => continue,
            };
            if !matches!(resource, "cpu" | "memory") {
                continue;
            }
            let containers = object.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
            let silent: Vec<&str> = containers
                .filter(|it| it.pointer(&format!("/resources/{side}/{resource}")).is_none())
                .map(|it| meta::text(it, "/name"))
                .collect();
            if !silent.is_empty() {
                missing.push(format!("{name} for: {}", silent.join(",")));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let why = format!("failed quota: {}: must specify {}", key.name, missing.join("; "));
        Err(ApiError::forbidden(&def.served, &attempted.name(), &why))
    }

    /// Brings the usage that quotas of a namespace show up to date after a change in it.
    pub(in crate::server) fn count_quotas(&mut self, event: &Event) {
        let namespace = &event.key.namespace;
        if namespace.is_empty() {
            return;
        }
        let resource = GroupResource::new("", "resourcequotas");
        let own = event.resource == resource;
        if own && event.kind == EventKind::Deleted {
            return;
        }
        for (key, quota) in self.quotas(namespace) {
            let used = self.used(namespace, &quota);
            let used: BTreeMap<String, String> =
                used.into_iter().map(|(name, amount)| (name, amount.to_string())).collect();
            let hard = quota.pointer("/spec/hard").cloned().unwrap_or_else(|| json!({}));
            let status = json!({ "hard": hard, "used": used });
            if quota.get("status") == Some(&status) {
                continue;
            }
            let mut object = (*quota).clone();
            object["status"] = status;
            if let Err(error) = self.commit(&resource, Op::Update { key, object, expected: None }, false) {
                tracing::warn!(namespace, %error, "the usage of a quota could not be written");
            }
        }
    }
}
