//! Weights of the destinations in a VirtualService's routes.

use std::collections::{BTreeMap, BTreeSet};

use argo_core::Object;
use serde_json::{Value, json};

use super::{DestinationRule, Settings, TcpRoute, TlsRoute, VirtualService};
use crate::routers::{RouteError, RouteRequest, json as at};

/// Sets the weights in every route that the settings name; whether any changed.
pub(super) fn set(
    object: &mut Object,
    request: &RouteRequest<'_>,
    settings: &Settings,
    service: &VirtualService,
) -> Result<bool, RouteError> {
    let shares = Shares::of(request, settings);
    let managed: BTreeSet<&str> = request.routing().into_iter().flat_map(|it| it.managed_names()).collect();
    let mut changed = false;
    if let Some(routes) = at::list_mut(object, "/spec/http") {
        let indexes = http_routes(&service.routes, routes)?;
        shares.check(&indexes, routes, settings.destination_rule.as_ref())?;
        let own = routes.iter().filter(|it| !managed.contains(at::text(it, "name"))).count();
        if service.routes.is_empty() && own > 1 {
            return Err(RouteError::object(one_route("http", "routes")));
        }
        // Mirrored requests are split like the others.
        let mirrors = routes.iter().enumerate().filter(|(_, it)| it.get("mirror").is_some_and(|it| !it.is_null()));
        let mirrors = mirrors.filter(|(_, it)| managed.contains(at::text(it, "name"))).map(|(index, _)| index);
        let all: BTreeSet<usize> = indexes.into_iter().chain(mirrors).collect();
        for index in all {
            changed |= shares.set(&mut routes[index]);
        }
    }
    if let Some(routes) = at::list_mut(object, "/spec/tls") {
        let indexes = tls_routes(&service.tls_routes, routes)?;
        shares.check(&indexes, routes, settings.destination_rule.as_ref())?;
        if service.tls_routes.is_empty() && routes.len() > 1 {
            return Err(RouteError::object(one_route("tls", "tlsRoutes")));
        }
        for index in indexes {
            changed |= shares.set(&mut routes[index]);
        }
    }
    if let Some(routes) = at::list_mut(object, "/spec/tcp") {
        let indexes = tcp_routes(&service.tcp_routes, routes)?;
        shares.check(&indexes, routes, settings.destination_rule.as_ref())?;
        if service.tcp_routes.is_empty() && routes.len() > 1 {
            return Err(RouteError::object(one_route("tcp", "tcpRoutes")));
        }
        for index in indexes {
            changed |= shares.set(&mut routes[index]);
        }
    }
    Ok(changed)
}

fn one_route(kind: &str, field: &str) -> String {
    format!(
        "spec.{kind}[] should be set in VirtualService and it must have exactly one route when omitting \
         spec.strategy.canary.trafficRouting.istio.virtualService.{field}"
    )
}

/// Positions of the named HTTP routes: without names the only one, or the first that has no name.
pub(super) fn http_routes(names: &[String], routes: &[Value]) -> Result<Vec<usize>, RouteError> {
    if names.is_empty() {
        if routes.len() == 1 {
            return Ok(vec![0]);
        }
        return Ok(routes.iter().position(|it| at::text(it, "name").is_empty()).into_iter().collect());
    }
    let find = |name: &String| {
        let missing =
            || RouteError::object(format!("HTTP Route '{name}' is not found in the defined Virtual Service."));
        routes.iter().position(|it| at::text(it, "name") == name).ok_or_else(missing)
    };
    names.iter().map(find).collect()
}

fn matches(route: &Value) -> impl Iterator<Item = &Value> {
    route.get("match").and_then(Value::as_array).into_iter().flatten()
}

/// The one port that a route matches: 0 when it names none, `None` when it names several.
fn port(route: &Value) -> Option<i64> {
    let ports: BTreeSet<i64> = matches(route).map(|it| at::number(it, "port")).collect();
    (ports.len() <= 1).then(|| ports.first().copied().unwrap_or_default())
}

fn tls_routes(wanted: &[TlsRoute], routes: &[Value]) -> Result<Vec<usize>, RouteError> {
    let same = |wanted: &TlsRoute, route: &Value| {
        let hosts = matches(route).filter_map(|it| it.get("sniHosts")?.as_array()).flatten().filter_map(Value::as_str);
        let hosts: BTreeSet<&str> = hosts.collect();
        let asked: BTreeSet<&str> = wanted.sni_hosts.iter().map(String::as_str).collect();
        port(route) == Some(wanted.port) && hosts == asked
    };
    found(wanted, routes, same, "TLS")
}

fn tcp_routes(wanted: &[TcpRoute], routes: &[Value]) -> Result<Vec<usize>, RouteError> {
    found(wanted, routes, |wanted, route| port(route) == Some(wanted.port), "TCP")
}

/// Positions of the routes that are asked for; without any, the first.
fn found<T>(
    wanted: &[T],
    routes: &[Value],
    same: impl Fn(&T, &Value) -> bool,
    kind: &str,
) -> Result<Vec<usize>, RouteError> {
    if wanted.is_empty() {
        return Ok(if routes.is_empty() { vec![] } else { vec![0] });
    }
    let mut indexes = Vec::new();
    for wanted in wanted {
        let before = indexes.len();
        indexes.extend(routes.iter().enumerate().filter(|(_, it)| same(wanted, it)).map(|(index, _)| index));
        if indexes.len() == before {
            return Err(RouteError::object(format!("No matching {kind} routes found in the defined Virtual Service.")));
        }
    }
    Ok(indexes)
}

/// Who gets which share.
struct Shares<'a> {
    stable_service: &'a str,
    canary_service: &'a str,
    stable_subset: &'a str,
    canary_subset: &'a str,
    /// Subsets with a share of their own, which stays as it is.
    kept_subsets: &'a [String],
    weight: i64,
    stable_weight: i64,
    /// Of experiments, by host.
    additional: BTreeMap<&'a str, i64>,
}

impl<'a> Shares<'a> {
    fn of(request: &RouteRequest<'a>, settings: &'a Settings) -> Self {
        let (stable_service, canary_service) = request.services(false);
        let rule = settings.destination_rule.as_ref();
        let additional = request.traffic.additional.iter().map(|it| (it.service_name.as_str(), it.weight));
        Self {
            stable_service,
            canary_service,
            stable_subset: rule.map_or("", |it| &it.stable_subset_name),
            canary_subset: rule.map_or("", |it| &it.canary_subset_name),
            kept_subsets: rule.map_or(&[], |it| &it.additional_subset_names),
            weight: request.traffic.weight,
            stable_weight: request.stable_weight(100),
            additional: additional.collect(),
        }
    }

    /// Both sides must be among the destinations of every route.
    fn check(&self, indexes: &[usize], routes: &[Value], rule: Option<&DestinationRule>) -> Result<(), RouteError> {
        for index in indexes {
            let all = || destinations(&routes[*index]);
            let host_is = |wanted: &str| !wanted.is_empty() && all().any(|it| host(it) == wanted);
            let subset_is = |wanted: &str| !wanted.is_empty() && all().any(|it| subset(it) == wanted);
            let missing = match rule {
                Some(rule) if !subset_is(&rule.canary_subset_name) => {
                    format!("Canary DestinationRule subset '{}' not found in route", rule.canary_subset_name)
                }
                Some(rule) if !subset_is(&rule.stable_subset_name) => {
                    format!("Stable DestinationRule subset '{}' not found in route", rule.stable_subset_name)
                }
                Some(_) => continue,
                None if !host_is(self.canary_service) => {
                    format!("Canary Service '{}' not found in route", self.canary_service)
                }
                None if !host_is(self.stable_service) => {
                    format!("Stable Service '{}' not found in route", self.stable_service)
                }
                None => continue,
            };
            return Err(RouteError::object(missing));
        }
        Ok(())
    }

    /// Sets the weights of one route: whoever is not known and has one goes, whoever is missing comes.
    fn set(&self, route: &mut Value) -> bool {
        let Some(list) = route.get_mut("route").and_then(Value::as_array_mut) else { return false };
        let kept = list.iter().filter(|it| self.keeps(subset(it))).map(|it| at::number(it, "weight")).sum::<i64>();
        let stable = (self.stable_weight - kept).max(0);
        let mut missing = self.additional.clone();
        let mut changed = false;
        list.retain_mut(|it| {
            let (host, subset) = (host(it).to_owned(), subset(it).to_owned());
            if host.is_empty() {
                return true;
            }
            let named = |name: &str| !subset.is_empty() && subset == name;
            let wanted = if host == self.canary_service || named(self.canary_subset) {
                self.weight
            } else if host == self.stable_service || named(self.stable_subset) {
                stable
            } else if let Some(weight) = missing.remove(host.as_str()) {
                weight
            } else if self.keeps(&subset) {
                return true;
            } else {
                changed |= at::number(it, "weight") != 0;
                return at::number(it, "weight") == 0;
            };
            if at::number(it, "weight") != wanted {
                it["weight"] = json!(wanted);
                changed = true;
            }
            true
        });
        for (host, weight) in missing.into_iter().filter(|(_, it)| *it != 0) {
            list.push(json!({"destination": {"host": host}, "weight": weight}));
            changed = true;
        }
        changed
    }

    fn keeps(&self, subset: &str) -> bool {
        !subset.is_empty() && self.kept_subsets.iter().any(|it| it == subset)
    }
}

pub(super) fn destinations(route: &Value) -> impl Iterator<Item = &Value> {
    route.get("route").and_then(Value::as_array).into_iter().flatten()
}

/// The Service of a destination: its host up to the first dot.
fn host(destination: &Value) -> &str {
    let host = destination.get("destination").map_or("", |it| at::text(it, "host"));
    host.split('.').next().unwrap_or_default()
}

fn subset(destination: &Value) -> &str {
    destination.get("destination").map_or("", |it| at::text(it, "subset"))
}
