//! Istio: weights in VirtualServices, pods in the subsets of a DestinationRule.

mod destination_rule;
mod managed;
mod weights;

use argo_core::{Gvk, Object, ObjectRef};
use serde::Deserialize;
use serde_json::Value;

use super::{ObjectRouter, RouteError, RouteRequest, Seen, json};
use crate::api::names;

/// Splits by VirtualServices and, where there is one, a DestinationRule.
#[derive(Debug, Clone)]
pub struct Istio {
    /// Version of `networking.istio.io`.
    pub version: String,
}

impl Default for Istio {
    /// `v1alpha3`, which every Istio serves.
    fn default() -> Self {
        Self { version: "v1alpha3".to_owned() }
    }
}

/// `trafficRouting.istio`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Settings {
    virtual_service: Option<VirtualService>,
    virtual_services: Option<Vec<VirtualService>>,
    destination_rule: Option<DestinationRule>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct VirtualService {
    pub(crate) name: String,
    pub(crate) routes: Vec<String>,
    tls_routes: Vec<TlsRoute>,
    tcp_routes: Vec<TcpRoute>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TlsRoute {
    port: i64,
    sni_hosts: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TcpRoute {
    port: i64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DestinationRule {
    name: String,
    canary_subset_name: String,
    stable_subset_name: String,
    additional_subset_names: Vec<String>,
}

impl Settings {
    fn of(request: &RouteRequest<'_>) -> Result<Self, RouteError> {
        json::settings("istio", request.settings)
    }

    fn virtual_services(&self) -> Result<Vec<&VirtualService>, RouteError> {
        let all: Vec<_> = match &self.virtual_services {
            Some(all) => all.iter().collect(),
            None => self.virtual_service.iter().collect(),
        };
        if all.is_empty() {
            let message = "virtualService or virtualServices must be set".to_owned();
            return Err(RouteError::Settings { router: "istio", message });
        }
        Ok(all)
    }
}

impl Istio {
    fn gvk(&self, kind: &str) -> Gvk {
        Gvk::new("networking.istio.io", self.version.clone(), kind)
    }

    fn virtual_service(&self, request: &RouteRequest<'_>, it: &VirtualService) -> ObjectRef {
        let (namespace, name) = virtual_service_name(&it.name);
        ObjectRef::new(self.gvk("VirtualService"), Some(namespace.unwrap_or_else(|| request.namespace())), name)
    }
}

impl ObjectRouter for Istio {
    fn route(&self, request: &RouteRequest<'_>, seen: &mut Seen) -> Result<(), RouteError> {
        let settings = Settings::of(request)?;
        let services = settings.virtual_services()?;
        let traffic = request.traffic;
        let host = self.rule_host(request, &settings, seen)?;
        for service in &services {
            let target = self.virtual_service(request, service);
            if traffic.remove_routes && seen.get(&target)?.is_some() {
                seen.edit(&target, |object| {
                    managed::remove_all(object, request);
                    Ok(())
                })?;
            }
            if let Some(route) = &traffic.header_route {
                seen.edit(&target, |object| managed::set_header(object, request, &settings, service, &host, route))?;
            }
            if let Some(route) = &traffic.mirror_route {
                seen.edit(&target, |object| managed::set_mirror(object, request, &settings, service, &host, route))?;
            }
        }
        seen.commit();
        // Before the hashes: a canary without pods must not be what the old weight leads to.
        if traffic.weight_first {
            self.set_weights(request, &settings, &services, seen)?;
            seen.commit();
        }
        self.update_hash(request, &settings, seen)?;
        self.set_weights(request, &settings, &services, seen)?;
        for service in &services {
            let target = self.virtual_service(request, service);
            let message = format!("VirtualService `{}` set to desiredWeight '{}'", target.name, traffic.weight);
            seen.note_change(&target, "Updated VirtualService", message);
        }
        Ok(())
    }

    fn routed_hashes(&self, request: &RouteRequest<'_>, seen: &Seen) -> Result<Vec<String>, RouteError> {
        self.subset_hashes(request, seen)
    }

    fn marks(&self) -> Option<Gvk> {
        Some(self.gvk("DestinationRule"))
    }

    fn marked_by(&self, object: &Object) -> Vec<String> {
        object.annotation(names::MANAGED_BY).filter(|it| !it.is_empty()).map(str::to_owned).into_iter().collect()
    }

    fn released(&self, object: &Object, rollout: &str, settings: Option<&Value>) -> Result<Option<Object>, RouteError> {
        let own = object.annotation(names::MANAGED_BY) == Some(rollout);
        let named = settings.and_then(|it| it.pointer("/destinationRule/name")?.as_str());
        Ok((own && named != Some(object.name())).then(|| destination_rule::released(object)))
    }
}

impl Istio {
    fn set_weights(
        &self,
        request: &RouteRequest<'_>,
        settings: &Settings,
        services: &[&VirtualService],
        seen: &mut Seen,
    ) -> Result<(), RouteError> {
        for service in services {
            let target = self.virtual_service(request, service);
            seen.edit(&target, |object| {
                if weights::set(object, request, settings, service)? {
                    managed::order(object, request);
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Namespace, if it is named, and name of a VirtualService: `name`, `name.namespace`, either also
/// with `.cluster.local`. A name may have dots in it, a namespace has none.
pub(crate) fn virtual_service_name(text: &str) -> (Option<&str>, &str) {
    let text = text.strip_suffix(".cluster.local").unwrap_or(text);
    match text.rsplit_once('.') {
        Some((name, namespace)) => (Some(namespace), name),
        None => (None, text),
    }
}

/// The names of the VirtualServices that settings name.
pub(crate) fn references(settings: &Value) -> Vec<String> {
    let settings: Settings = serde_json::from_value(settings.clone()).unwrap_or_default();
    let all = settings.virtual_services.unwrap_or_else(|| settings.virtual_service.into_iter().collect());
    all.into_iter().map(|it| it.name).collect()
}

/// Whether the routes of a VirtualService are as a Rollout needs them; by the very code that sets
/// their weights.
pub(crate) fn check(ro: &crate::api::Rollout, object: &Object, name: &str) -> Result<(), RouteError> {
    let routing = ro.spec.strategy.canary.as_ref().and_then(|it| it.traffic_routing.as_ref());
    let Some(settings) = routing.and_then(|it| it.extra.get("istio")) else { return Ok(()) };
    let nobody = Object::from_value(serde_json::json!({}));
    let traffic = crate::engine::RouteTraffic::default();
    let now = argo_core::Timestamp::UNIX_EPOCH;
    let request = RouteRequest { rollout: &nobody, typed: ro, settings, traffic: &traffic, replica_sets: &[], now };
    let settings = Settings::of(&request)?;
    let services = settings.virtual_services()?;
    match services.iter().find(|it| virtual_service_name(&it.name).1 == name) {
        Some(service) => weights::set(&mut object.clone(), &request, &settings, service).map(|_| ()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_service_may_be_named_with_its_namespace() {
        assert_eq!(virtual_service_name("web"), (None, "web"));
        assert_eq!(virtual_service_name("web.shop"), (Some("shop"), "web"));
        assert_eq!(virtual_service_name("web.v2.shop"), (Some("shop"), "web.v2"));
        assert_eq!(virtual_service_name("web.shop.cluster.local"), (Some("shop"), "web"));
    }
}
