//! AWS load balancers: annotations of an Ingress that the AWS Load Balancer Controller reads.

mod registration;
mod verify;

use std::collections::BTreeMap;

use argo_core::{Gvk, Object};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ObjectRouter, RouteError, RouteRequest, Seen, json as at, nginx::ingress};
use crate::api::SetHeaderRoute;

pub use registration::{Registration, bindings_of, registration};
pub use verify::{LoadBalancer, LoadBalancers, TargetGroup, VerifiedAlb};

/// Splits by the forward action of an Ingress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alb;

/// `trafficRouting.alb`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Settings {
    pub(crate) ingress: String,
    pub(crate) ingresses: Option<Vec<String>>,
    pub(crate) service_port: i64,
    pub(crate) root_service: String,
    pub(crate) annotation_prefix: String,
    stickiness_config: Option<Stickiness>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Stickiness {
    enabled: bool,
    duration_seconds: i64,
}

const PREFIX: &str = "alb.ingress.kubernetes.io";

/// What each Rollout put into the Ingress: its annotation keys, by the Rollout's name.
const MANAGED: &str = "rollouts.argoproj.io/managed-alb-annotations";

/// Port that means: look into the annotation of that name.
const USE_ANNOTATION: &str = "use-annotation";

/// A forward action, with its fields in the order in which upstream writes them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Action {
    r#type: &'static str,
    forward_config: ForwardConfig,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ForwardConfig {
    target_groups: Vec<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_group_stickiness_config: Option<Sticky>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    service_name: String,
    service_port: String,
    weight: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Sticky {
    enabled: bool,
    duration_seconds: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    field: &'static str,
    http_header_config: HeaderConfig,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HeaderConfig {
    http_header_name: String,
    values: Vec<String>,
}

impl Settings {
    pub(crate) fn names(&self) -> Vec<String> {
        self.ingresses.clone().unwrap_or_else(|| vec![self.ingress.clone()])
    }

    fn key(&self, kind: &str, name: &str) -> String {
        let prefix = if self.annotation_prefix.is_empty() { PREFIX } else { &self.annotation_prefix };
        format!("{prefix}/{kind}.{name}")
    }

    fn action(&self, targets: impl IntoIterator<Item = (String, i64)>) -> Result<String, RouteError> {
        let port = self.service_port.to_string();
        let targets = targets.into_iter();
        let target_groups =
            targets.map(|(service_name, weight)| Target { service_name, service_port: port.clone(), weight }).collect();
        let sticky = self.stickiness_config.as_ref().filter(|it| it.enabled);
        if sticky.is_some_and(|it| !(1..=604_800).contains(&it.duration_seconds)) {
            let message = "TargetGroupStickinessConfig's duration must be between 1 and 604800 seconds (7 days)!";
            return Err(RouteError::Settings { router: "alb", message: message.to_owned() });
        }
        let target_group_stickiness_config =
            sticky.map(|it| Sticky { enabled: true, duration_seconds: it.duration_seconds });
        let forward_config = ForwardConfig { target_groups, target_group_stickiness_config };
        Ok(text_of(&Action { r#type: "forward", forward_config }))
    }
}

fn text_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl ObjectRouter for Alb {
    fn route(&self, request: &RouteRequest<'_>, seen: &mut Seen) -> Result<(), RouteError> {
        let settings: Settings = at::settings("alb", request.settings)?;
        let (stable, canary) = request.services(true);
        let root = action_service(request, &settings);
        for name in settings.names() {
            let target = ingress(request.namespace(), &name);
            if !has_rule(seen.need(&target)?, root) {
                return Err(RouteError::object(format!("ingress does not have service `{root}` in rules")));
            }
            let weight = request.traffic.weight;
            seen.edit(&target, |object| {
                if request.traffic.remove_routes {
                    for route in request.routing().into_iter().flat_map(|it| it.managed_names()) {
                        remove_route(object, request, &settings, route)?;
                    }
                }
                if let Some(route) = &request.traffic.header_route {
                    set_header(object, request, &settings, canary, route)?;
                }
                let additional = request.traffic.additional.iter().map(|it| (it.service_name.clone(), it.weight));
                let targets = [(canary.to_owned(), weight)].into_iter().chain(additional);
                let action = settings.action(targets.chain([(stable.to_owned(), request.stable_weight(100))]))?;
                let key = settings.key("actions", root);
                object.set_annotation(&key, action);
                manage(object, request, &[key], true)
            })?;
            let message = format!("Updating Ingress `{name}` to desiredWeight '{weight}'");
            seen.note_change(&target, "PatchingALBIngress", message);
        }
        Ok(())
    }

    fn marks(&self) -> Option<Gvk> {
        Some(ingress("", "").gvk)
    }

    fn marked_by(&self, object: &Object) -> Vec<String> {
        managed(object).map(|it| it.into_keys().collect()).unwrap_or_default()
    }

    fn released(&self, object: &Object, rollout: &str, settings: Option<&Value>) -> Result<Option<Object>, RouteError> {
        let settings: Option<Settings> = settings.map(|it| at::settings("alb", it)).transpose()?;
        if settings.is_some_and(|it| it.names().iter().any(|it| it == object.name())) {
            return Ok(None);
        }
        let mut free = object.clone();
        release(&mut free, rollout)?;
        Ok((free != *object).then_some(free))
    }
}

/// The Service that the rules of the Ingress name.
fn action_service<'a>(request: &RouteRequest<'a>, settings: &'a Settings) -> &'a str {
    if settings.root_service.is_empty() { request.services(false).0 } else { &settings.root_service }
}

fn rules(object: &mut Object) -> impl Iterator<Item = &mut Vec<Value>> {
    let rules = at::list_mut(object, "/spec/rules").into_iter().flatten();
    rules.filter_map(|it| it.pointer_mut("/http/paths")?.as_array_mut())
}

fn service_of(path: &Value) -> &str {
    path.pointer("/backend/service/name").and_then(Value::as_str).unwrap_or_default()
}

/// Whether a rule of the Ingress leads to a Service.
pub(crate) fn has_rule(object: &Object, service: &str) -> bool {
    let rules = object.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten();
    let paths = rules.filter_map(|it| it.pointer("/http/paths")?.as_array()).flatten();
    paths.into_iter().any(|it| service_of(it) == service)
}

fn set_header(
    object: &mut Object,
    request: &RouteRequest<'_>,
    settings: &Settings,
    canary: &str,
    route: &SetHeaderRoute,
) -> Result<(), RouteError> {
    let Some(matches) = route.wanted() else { return remove_route(object, request, settings, &route.name) };
    let mut conditions: Vec<Condition> = Vec::new();
    for it in matches {
        let value = it.header_value.as_ref().map(|it| it.exact.clone()).unwrap_or_default();
        // Several values of one header are alternatives.
        match conditions.iter_mut().find(|known| known.http_header_config.http_header_name == it.header_name) {
            Some(known) => known.http_header_config.values.push(value),
            None => conditions.push(Condition {
                field: "http-header",
                http_header_config: HeaderConfig { http_header_name: it.header_name.clone(), values: vec![value] },
            }),
        }
    }
    let (action, condition) = (settings.key("actions", &route.name), settings.key("conditions", &route.name));
    object.set_annotation(&action, settings.action([(canary.to_owned(), 100)])?);
    object.set_annotation(&condition, text_of(&conditions));
    if !has_rule(object, &route.name) {
        let path = json!({"path": "/*", "pathType": "ImplementationSpecific",
            "backend": {"service": {"name": route.name, "port": {"name": USE_ANNOTATION}}}});
        rules(object).for_each(|paths| paths.insert(0, path.clone()));
    }
    let managed: Vec<&str> = request.routing().into_iter().flat_map(|it| it.managed_names()).collect();
    for paths in rules(object) {
        paths.sort_by_key(|path| managed.iter().position(|it| *it == service_of(path)).unwrap_or(managed.len()));
    }
    manage(object, request, &[action, condition], true)
}

fn remove_route(
    object: &mut Object,
    request: &RouteRequest<'_>,
    settings: &Settings,
    name: &str,
) -> Result<(), RouteError> {
    let keys = [settings.key("actions", name), settings.key("conditions", name)];
    for key in &keys {
        object.remove(&["metadata", "annotations", key]);
    }
    rules(object).for_each(|paths| paths.retain(|it| service_of(it) != name));
    manage(object, request, &keys, false)
}

/// Adds keys to those that are this Rollout's, or takes them away.
fn manage(object: &mut Object, request: &RouteRequest<'_>, keys: &[String], add: bool) -> Result<(), RouteError> {
    let mut all = managed(object)?;
    let own = all.entry(request.rollout.name().to_owned()).or_default();
    for key in keys {
        if !add {
            own.retain(|it| it != key);
        } else if !own.contains(key) {
            own.push(key.clone());
        }
    }
    object.set_annotation(MANAGED, text_of(&all));
    Ok(())
}

fn managed(object: &Object) -> Result<BTreeMap<String, Vec<String>>, RouteError> {
    let text = object.annotation(MANAGED).filter(|it| !it.is_empty()).unwrap_or("{}");
    serde_json::from_str(text)
        .map_err(|error| RouteError::object(format!("annotation {MANAGED} of ingress `{}`: {error}", object.name())))
}

/// Gives everything back to the Service that the rules name, as the Rollout is gone.
fn release(object: &mut Object, rollout: &str) -> Result<(), RouteError> {
    let mut all = managed(object)?;
    let Some(keys) = all.remove(rollout) else { return Ok(()) };
    for key in keys {
        let service = key.rsplit_once("/actions.").map(|it| it.1.to_owned());
        let action = object.annotation(&key).and_then(|it| serde_json::from_str::<Value>(it).ok());
        match service.zip(action).and_then(|(service, action)| whole(&service, &action)) {
            Some(action) => object.set_annotation(&key, action),
            None => {
                // Of a header route: its path would lead to nothing.
                object.remove(&["metadata", "annotations", &key]);
                let name = key.rsplit_once('.').map_or("", |it| it.1).to_owned();
                rules(object).for_each(|paths| {
                    paths.retain(|it| {
                        let port = it.pointer("/backend/service/port/name").and_then(Value::as_str);
                        service_of(it) != name || port != Some(USE_ANNOTATION)
                    });
                });
            }
        }
    }
    if all.is_empty() {
        object.remove(&["metadata", "annotations", MANAGED]);
    } else {
        object.set_annotation(MANAGED, text_of(&all));
    }
    Ok(())
}

/// The action that sends all traffic to one of its target groups: that of the service, or stable,
/// which is the last of several.
fn whole(service: &str, action: &Value) -> Option<String> {
    let groups = action.pointer("/ForwardConfig/TargetGroups")?.as_array()?;
    let own = groups.iter().find(|it| at::text(it, "ServiceName") == service);
    let group = own.or_else(|| groups.last().filter(|_| groups.len() > 1))?;
    let target = Target {
        service_name: at::text(group, "ServiceName").to_owned(),
        service_port: at::text(group, "ServicePort").to_owned(),
        weight: 100,
    };
    let sticky = action.pointer("/ForwardConfig/TargetGroupStickinessConfig").map(|it| Sticky {
        enabled: it.get("Enabled").and_then(Value::as_bool).unwrap_or_default(),
        duration_seconds: at::number(it, "DurationSeconds"),
    });
    let forward_config = ForwardConfig { target_groups: vec![target], target_group_stickiness_config: sticky };
    Some(text_of(&Action { r#type: "forward", forward_config }))
}
