//! NGINX: a second Ingress beside the stable one, marked as canary.

use argo_core::{Gvk, Object, ObjectRef};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::{ObjectRouter, RouteError, RouteRequest, Seen, json as at};

/// Splits by a canary Ingress for each stable one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nginx;

/// `trafficRouting.nginx`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    annotation_prefix: String,
    stable_ingress: String,
    stable_ingresses: Option<Vec<String>>,
    additional_ingress_annotations: BTreeMap<String, String>,
    canary_ingress_annotations: BTreeMap<String, String>,
}

const CLASS: &str = "kubernetes.io/ingress.class";
const PREFIX: &str = "nginx.ingress.kubernetes.io";
const SUFFIX: &str = "-canary";
/// The longest name that Kubernetes allows.
const NAME: usize = 253;

/// Name of the canary Ingress.
fn canary_name(rollout: &str, stable: &str) -> String {
    let mut name = format!("{rollout}-{stable}");
    let mut length = name.len().min(NAME - SUFFIX.len());
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    name.truncate(length);
    name + SUFFIX
}

pub(super) fn ingress(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(Gvk::new("networking.k8s.io", "v1", "Ingress"), Some(namespace), name)
}

impl ObjectRouter for Nginx {
    fn route(&self, request: &RouteRequest<'_>, seen: &mut Seen) -> Result<(), RouteError> {
        let settings: Settings = at::settings("nginx", request.settings)?;
        let names = settings.stable_ingresses.clone().unwrap_or_else(|| vec![settings.stable_ingress.clone()]);
        for name in names {
            let stable = seen.need(&ingress(request.namespace(), &name))?.clone();
            let target = ingress(request.namespace(), &canary_name(request.rollout.name(), &name));
            let mut canary = canary(request, &settings, &stable, &target.name)?;
            let weight = request.traffic.weight;
            let (reason, message) = match seen.get(&target)? {
                Some(current) if !current.is_controlled_by(request.rollout.uid()) => {
                    let message = format!("canary ingress `{}` controlled by different object", target.name);
                    return Err(RouteError::object(message));
                }
                Some(current) => {
                    let mut next = current.clone();
                    for (key, value) in canary.annotations() {
                        next.set_annotation(key, value);
                    }
                    next.set(&["spec"], canary.get("spec").cloned().unwrap_or_default());
                    // Defaults that the API server or others filled in are not ours to take away.
                    canary = keep_filled_in(next, current);
                    ("PatchingCanaryIngress", format!("Updating Ingress `{}` to desiredWeight '{weight}'", target.name))
                }
                None => (
                    "CreatingCanaryIngress",
                    format!("Creating canary ingress `{}` with weight `{weight}`", target.name),
                ),
            };
            seen.set(canary);
            seen.note_change(&target, reason, message);
        }
        Ok(())
    }
}

/// Fields of the spec that only the live object has stay, but for those that come from the stable Ingress.
fn keep_filled_in(mut next: Object, current: &Object) -> Object {
    let live = current.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
    for (field, value) in live {
        let ours = ["rules", "tls", "ingressClassName"].contains(&field.as_str());
        if !ours && next.pointer(&format!("/spec/{field}")).is_none() {
            next.set(&["spec", &field], value);
        }
    }
    next
}

/// The canary Ingress: the rules of the stable one that lead to the stable Service, led to the canary.
fn canary(request: &RouteRequest<'_>, settings: &Settings, stable: &Object, name: &str) -> Result<Object, RouteError> {
    let prefix = if settings.annotation_prefix.is_empty() { PREFIX } else { &settings.annotation_prefix };
    let (stable_service, canary_service) = request.services(false);
    let mut object = Object::new(&stable.gvk(), Some(request.namespace()), name);
    let mut spec = json!({});
    for field in ["tls", "ingressClassName"] {
        if let Some(value) = stable.get("spec").and_then(|it| it.get(field)) {
            spec[field] = value.clone();
        }
    }
    let mut rules = Vec::new();
    for rule in stable.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten() {
        let mut rule = rule.clone();
        let paths = rule.pointer_mut("/http/paths").and_then(Value::as_array_mut);
        let mut ours = false;
        for path in paths.into_iter().flatten() {
            if let Some(service) = path.pointer_mut("/backend/service/name").filter(|it| *it == stable_service) {
                *service = json!(canary_service);
                ours = true;
            }
        }
        if ours {
            rules.push(rule);
        }
    }
    if rules.is_empty() {
        let message = format!("ingress `{}` has no rules using service {stable_service} backend", stable.name());
        return Err(RouteError::object(message));
    }
    spec["rules"] = json!(rules);
    object.set(&["spec"], spec);
    object.set_controller(&request.rollout.owner_reference());
    if let Some(class) = stable.annotation(CLASS) {
        object.set_annotation(CLASS, class);
    }
    for (key, value) in &settings.additional_ingress_annotations {
        let key = if key.starts_with(prefix) { key.clone() } else { format!("{prefix}/{key}") };
        object.set_annotation(&key, value);
    }
    for (key, value) in &settings.canary_ingress_annotations {
        object.set_annotation(key, value);
    }
    object.set_annotation(&format!("{prefix}/canary"), "true");
    object.set_annotation(&format!("{prefix}/canary-weight"), request.traffic.weight.to_string());
    if let Some(total) = request.routing().and_then(|it| it.max_traffic_weight) {
        object.set_annotation(&format!("{prefix}/canary-weight-total"), total.to_string());
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_short_enough() {
        assert_eq!(canary_name("shop", "main"), "shop-main-canary");
        let long = canary_name("shop", &"x".repeat(300));
        assert!(long.len() == 253 && long.ends_with("x-canary"));
    }
}
