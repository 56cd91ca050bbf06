//! Routes that header and mirror steps add to a VirtualService.

use std::collections::BTreeSet;

use argo_core::Object;
use serde_json::{Value, json};

use super::{Settings, VirtualService, weights};
use crate::{
    api::{SetHeaderRoute, SetMirrorRoute, StringMatch},
    routers::{RouteError, RouteRequest, json as at},
};

const NO_HTTP: &str = "spec.http not found";

fn http(object: &mut Object) -> Result<&mut Vec<Value>, RouteError> {
    at::list_mut(object, "/spec/http").ok_or_else(|| RouteError::object(NO_HTTP))
}

fn remove(object: &mut Object, name: &str) -> Result<(), RouteError> {
    http(object)?.retain(|it| at::text(it, "name") != name);
    Ok(())
}

/// Takes away the managed routes and those that steps name.
pub(super) fn remove_all(object: &mut Object, request: &RouteRequest<'_>) {
    let steps = request.typed.spec.steps().iter();
    let headers = steps.clone().filter_map(|it| Some(it.set_header_route.as_ref()?.name.as_str()));
    let mirrors = steps.filter_map(|it| Some(it.set_mirror_route.as_ref()?.name.as_str()));
    let managed = request.routing().into_iter().flat_map(|it| it.managed_names());
    let names: BTreeSet<&str> = headers.chain(mirrors).chain(managed).collect();
    if let Some(routes) = at::list_mut(object, "/spec/http") {
        routes.retain(|it| !names.contains(at::text(it, "name")));
    }
}

/// Puts managed routes first, in the order in which the Rollout names them.
pub(super) fn order(object: &mut Object, request: &RouteRequest<'_>) {
    let managed: Vec<&str> = request.routing().into_iter().flat_map(|it| it.managed_names()).collect();
    if let Some(routes) = at::list_mut(object, "/spec/http") {
        routes
            .sort_by_key(|route| managed.iter().position(|it| *it == at::text(route, "name")).unwrap_or(managed.len()));
    }
}

/// Where the canary is: its Service, or the host and subset of the DestinationRule.
fn canary(request: &RouteRequest<'_>, settings: &Settings, rule_host: &str, port: i64) -> Value {
    let host = if rule_host.is_empty() { request.services(false).1 } else { rule_host };
    let mut destination = json!({"host": host});
    if port > 0 {
        destination["port"] = json!({"number": port});
    }
    if let Some(rule) = settings.destination_rule.as_ref().filter(|it| !it.canary_subset_name.is_empty()) {
        destination["subset"] = json!(rule.canary_subset_name);
    }
    destination
}

/// The destinations of the route whose weights are set.
fn split(object: &mut Object, service: &VirtualService) -> Result<Vec<Value>, RouteError> {
    let routes = http(object)?;
    let indexes = weights::http_routes(&service.routes, routes)?;
    Ok(indexes.first().map(|it| weights::destinations(&routes[*it]).cloned().collect()).unwrap_or_default())
}

fn port_of(split: &[Value]) -> i64 {
    split.first().and_then(|it| it.pointer("/destination/port")).map_or(0, |it| at::number(it, "number"))
}

/// Sends requests with certain headers to the canary.
pub(super) fn set_header(
    object: &mut Object,
    request: &RouteRequest<'_>,
    settings: &Settings,
    service: &VirtualService,
    rule_host: &str,
    route: &SetHeaderRoute,
) -> Result<(), RouteError> {
    remove(object, &route.name)?;
    if let Some(matches) = route.wanted() {
        let port = split(object, service).map_or(0, |it| port_of(&it));
        let matches: Vec<Value> = matches
            .iter()
            .map(|it| {
                let value = it.header_value.clone().unwrap_or_default();
                json!({"headers": {it.header_name.clone(): matched(&value)}})
            })
            .collect();
        let destination = canary(request, settings, rule_host, port);
        http(object)?.push(json!({"name": route.name, "match": matches,
            "route": [{"weight": 100, "destination": destination}]}));
    }
    order(object, request);
    Ok(())
}

/// Mirrors requests to the canary; they themselves are split as all others are.
pub(super) fn set_mirror(
    object: &mut Object,
    request: &RouteRequest<'_>,
    settings: &Settings,
    service: &VirtualService,
    rule_host: &str,
    route: &SetMirrorRoute,
) -> Result<(), RouteError> {
    remove(object, &route.name)?;
    if let Some(matches) = route.wanted() {
        let split = split(object, service)?;
        let mirror = canary(request, settings, rule_host, port_of(&split));
        let matches: Vec<Value> = matches
            .iter()
            .map(|it| {
                let mut value = json!({});
                for (field, text) in [("method", &it.method), ("uri", &it.path)] {
                    if let Some(text) = text {
                        value[field] = matched(text);
                    }
                }
                if let Some(headers) = it.headers.as_ref().filter(|it| !it.is_empty()) {
                    let headers = headers.iter().map(|(name, it)| (name.clone(), matched(it)));
                    value["headers"] = headers.collect::<serde_json::Map<_, _>>().into();
                }
                value
            })
            .collect();
        let split: Vec<Value> = split.iter().map(plain).collect();
        let percentage = route.percentage.unwrap_or(100);
        let mirrored = json!({"name": route.name, "match": matches, "route": split, "mirror": mirror,
            "mirrorPercentage": {"value": percentage}});
        http(object)?.insert(0, mirrored);
    }
    order(object, request);
    Ok(())
}

/// A destination with its share, and nothing else that a route may say of it.
fn plain(destination: &Value) -> Value {
    let mut to = json!({});
    for field in ["host", "subset", "port"] {
        if let Some(value) = destination.get("destination").and_then(|it| it.get(field)) {
            to[field] = value.clone();
        }
    }
    let weight = at::number(destination, "weight");
    if weight == 0 { json!({"destination": to}) } else { json!({"destination": to, "weight": weight}) }
}

fn matched(text: &StringMatch) -> Value {
    let mut value = json!({});
    for (field, text) in [("exact", &text.exact), ("regex", &text.regex), ("prefix", &text.prefix)] {
        if !text.is_empty() {
            value[field] = json!(text);
        }
    }
    value
}
