//! Gateway API: weights of the backends in HTTP, GRPC, TCP and TLS routes. Upstream this is the plugin
//! `argoproj-labs/gatewayAPI`; the settings are the plugin's.

mod experiments;
mod header;

use std::collections::BTreeSet;

use argo_core::{Gvk, Object, ObjectRef};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ObjectRouter, Read, RouteError, RouteRequest, Seen, json as at};
use crate::api::LabelSelector;

/// The name under which Rollouts ask for it.
pub const PLUGIN: &str = "argoproj-labs/gatewayAPI";

/// Splits by the backends of Gateway API routes.
#[derive(Debug, Clone, Copy, Default)]
pub struct GatewayApi;

/// The plugin's settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    namespace: String,
    #[serde(rename = "httpRoute")]
    http_route: String,
    #[serde(rename = "grpcRoute")]
    grpc_route: String,
    #[serde(rename = "tcpRoute")]
    tcp_route: String,
    #[serde(rename = "tlsRoute")]
    tls_route: String,
    http_routes: Vec<Route>,
    grpc_routes: Vec<Route>,
    tcp_routes: Vec<Route>,
    tls_routes: Vec<Route>,
    http_route_selector: Option<LabelSelector>,
    grpc_route_selector: Option<LabelSelector>,
    tcp_route_selector: Option<LabelSelector>,
    tls_route_selector: Option<LabelSelector>,
    disable_in_progress_label: bool,
    in_progress_label_key: String,
    in_progress_label_value: String,
}

/// A route, and whether header steps add rules to it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Route {
    name: String,
    use_header_routes: bool,
}

const NO_ROUTES: &str = "No routes configured. At least one of 'httpRoutes', 'grpcRoutes', 'tcpRoutes', 'tlsRoutes', \
                         'httpRoute', 'grpcRoute', 'tcpRoute' or 'tlsRoute' must be set";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Grpc,
    Tcp,
    Tls,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Http, Self::Grpc, Self::Tcp, Self::Tls];

    fn gvk(self) -> Gvk {
        let (version, kind) = match self {
            Self::Http => ("v1", "HTTPRoute"),
            Self::Grpc => ("v1", "GRPCRoute"),
            Self::Tcp => ("v1alpha2", "TCPRoute"),
            Self::Tls => ("v1alpha2", "TLSRoute"),
        };
        Gvk::new("gateway.networking.k8s.io", version, kind)
    }

    /// Whether requests have headers to route by.
    fn has_headers(self) -> bool {
        matches!(self, Self::Http | Self::Grpc)
    }

    fn backend_missing(self) -> RouteError {
        let kind = match self {
            Self::Http => "httpRoute",
            Self::Grpc => "grpcRoute",
            Self::Tcp => "tcpRoute",
            Self::Tls => "tlsRoute",
        };
        RouteError::object(format!("backendRef was not found in {kind}"))
    }
}

impl Settings {
    fn routes(&self, kind: Kind, namespace: &str, seen: &Seen) -> Result<Vec<Route>, RouteError> {
        let (listed, single, selector) = match kind {
            Kind::Http => (&self.http_routes, &self.http_route, &self.http_route_selector),
            Kind::Grpc => (&self.grpc_routes, &self.grpc_route, &self.grpc_route_selector),
            Kind::Tcp => (&self.tcp_routes, &self.tcp_route, &self.tcp_route_selector),
            Kind::Tls => (&self.tls_routes, &self.tls_route, &self.tls_route_selector),
        };
        let mut routes = listed.clone();
        if !single.is_empty() {
            routes.push(Route { name: single.clone(), use_header_routes: true });
        }
        if let Some(selector) = selector {
            let read = Read::List(kind.gvk(), namespace.to_owned(), selector.to_text());
            let found = seen.list(&read)?;
            routes.extend(found.into_iter().map(|it| Route { name: it.name, use_header_routes: false }));
        }
        Ok(routes)
    }
}

impl ObjectRouter for GatewayApi {
    fn route(&self, request: &RouteRequest<'_>, seen: &mut Seen) -> Result<(), RouteError> {
        let settings: Settings = at::settings(PLUGIN, request.settings)?;
        let namespace = match settings.namespace.as_str() {
            "" => request.namespace(),
            namespace => namespace,
        };
        let mut any = false;
        for kind in Kind::ALL {
            for route in settings.routes(kind, namespace, seen)? {
                any = true;
                let target = ObjectRef::new(kind.gvk(), Some(namespace), &route.name);
                if kind.has_headers() && route.use_header_routes {
                    if request.traffic.remove_routes && seen.get(&target)?.is_some() {
                        seen.edit(&target, |object| {
                            header::remove_all(object, request);
                            Ok(())
                        })?;
                    }
                    if let Some(step) = &request.traffic.header_route {
                        seen.edit(&target, |object| header::set(object, request, kind, step))?;
                    }
                }
                seen.edit(&target, |object| set_weights(object, request, kind))?;
                if kind == Kind::Http {
                    experiments::set(request, &target, seen)?;
                }
                seen.edit(&target, |object| {
                    label(object, request, &settings);
                    Ok(())
                })?;
            }
        }
        if any { Ok(()) } else { Err(RouteError::Settings { router: PLUGIN, message: NO_ROUTES.to_owned() }) }
    }
}

fn rules(object: &mut Object) -> impl Iterator<Item = &mut Value> {
    at::list_mut(object, "/spec/rules").into_iter().flatten()
}

fn backends(rule: &Value) -> impl Iterator<Item = &Value> {
    rule.get("backendRefs").and_then(Value::as_array).into_iter().flatten()
}

/// Sets the weights of both Services in every rule that is not of a header step.
fn set_weights(object: &mut Object, request: &RouteRequest<'_>, kind: Kind) -> Result<(), RouteError> {
    let (stable, canary) = request.services(false);
    let weight = request.traffic.weight;
    let managed: BTreeSet<&str> = request.routing().into_iter().flat_map(|it| it.managed_names()).collect();
    let mut found = (false, false);
    for rule in rules(object) {
        if kind.has_headers() && header::is_managed(rule, &managed, canary, None) {
            continue;
        }
        let refs = rule.get_mut("backendRefs").and_then(Value::as_array_mut);
        for backend in refs.into_iter().flatten() {
            match at::text(backend, "name") {
                name if name == canary => (backend["weight"], found.0) = (json!(weight), true),
                name if name == stable => (backend["weight"], found.1) = (json!(100 - weight), true),
                _ => {}
            }
        }
    }
    if found == (true, true) { Ok(()) } else { Err(kind.backend_missing()) }
}

/// Says on the route whether a canary is under way, so that others leave its weights alone.
fn label(object: &mut Object, request: &RouteRequest<'_>, settings: &Settings) {
    if settings.disable_in_progress_label {
        return;
    }
    let or = |set: &str, default: &str| if set.is_empty() { default.to_owned() } else { set.to_owned() };
    let key = or(&settings.in_progress_label_key, "rollouts.argoproj.io/gatewayapi-canary");
    if request.traffic.weight == 0 {
        object.remove(&["metadata", "labels", &key]);
    } else {
        object.set_label(&key, or(&settings.in_progress_label_value, "in-progress"));
    }
}
