//! Traefik: weights in a TraefikService.

use argo_core::{Gvk, ObjectRef};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ObjectRouter, RouteError, RouteRequest, Seen, json as at};

/// Splits by a weighted TraefikService.
#[derive(Debug, Clone)]
pub struct Traefik {
    /// API group; the one before Traefik 3 was `traefik.containo.us`.
    pub group: String,
    /// Version of the group.
    pub version: String,
}

impl Default for Traefik {
    /// `traefik.io/v1alpha1`.
    fn default() -> Self {
        Self { group: "traefik.io".to_owned(), version: "v1alpha1".to_owned() }
    }
}

/// `trafficRouting.traefik`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    weighted_traefik_service_name: String,
}

impl ObjectRouter for Traefik {
    fn route(&self, request: &RouteRequest<'_>, seen: &mut Seen) -> Result<(), RouteError> {
        let settings: Settings = at::settings("traefik", request.settings)?;
        let gvk = Gvk::new(self.group.clone(), self.version.clone(), "TraefikService");
        let target = ObjectRef::new(gvk, Some(request.namespace()), &settings.weighted_traefik_service_name);
        let (stable, canary) = request.services(false);
        let weight = request.traffic.weight;
        seen.edit(&target, |object| {
            let services = at::list_mut(object, "/spec/weighted/services").ok_or_else(|| {
                RouteError::object("spec.weighted.services was not found in traefik service manifest")
            })?;
            set(services, canary, weight, "traefik canary service was not found")?;
            set(services, stable, 100 - weight, "traefik stable service was not found")
        })
    }
}

fn set(services: &mut [Value], name: &str, weight: i64, missing: &str) -> Result<(), RouteError> {
    for service in services {
        let own = service.get("name").and_then(Value::as_str);
        let own = own.ok_or_else(|| RouteError::object("name field was not found in service"))?;
        if own == name {
            service["weight"] = json!(weight);
            return Ok(());
        }
    }
    Err(RouteError::object(missing))
}
