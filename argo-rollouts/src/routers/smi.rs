//! SMI: a TrafficSplit of the Rollout's own.

use argo_core::{Gvk, Object, ObjectRef};
use serde::Deserialize;
use serde_json::json;

use super::{ObjectRouter, RouteError, RouteRequest, Seen, json as at};

/// Splits by a TrafficSplit that the Rollout owns.
#[derive(Debug, Clone)]
pub struct Smi {
    /// Version of `split.smi-spec.io`.
    pub version: String,
}

impl Default for Smi {
    /// `v1alpha1`.
    fn default() -> Self {
        Self { version: "v1alpha1".to_owned() }
    }
}

/// `trafficRouting.smi`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    root_service: String,
    traffic_split_name: String,
}

impl ObjectRouter for Smi {
    fn route(&self, request: &RouteRequest<'_>, seen: &mut Seen) -> Result<(), RouteError> {
        let settings: Settings = at::settings("smi", request.settings)?;
        let (stable, canary) = request.services(false);
        let name =
            if settings.traffic_split_name.is_empty() { request.rollout.name() } else { &settings.traffic_split_name };
        let root = if settings.root_service.is_empty() { stable } else { &settings.root_service };
        let weight = |it: i64| if self.version == "v1alpha1" { json!(it.to_string()) } else { json!(it) };
        let mut backends = vec![json!({"service": canary, "weight": weight(request.traffic.weight)})];
        for it in &request.traffic.additional {
            backends.push(json!({"service": it.service_name, "weight": weight(it.weight)}));
        }
        backends.push(json!({"service": stable, "weight": weight(request.stable_weight(100))}));
        let gvk = Gvk::new("split.smi-spec.io", self.version.clone(), "TrafficSplit");
        let target = ObjectRef::new(gvk.clone(), Some(request.namespace()), name);
        let mut split = match seen.get(&target)? {
            Some(split) if !split.is_controlled_by(request.rollout.uid()) => {
                return Err(RouteError::object(format!("Rollout does not own TrafficSplit `{name}`")));
            }
            Some(split) => split.clone(),
            None => {
                let mut split = Object::new(&gvk, Some(request.namespace()), name);
                split.set_controller(&request.rollout.owner_reference());
                split
            }
        };
        let created = split.uid().is_empty();
        split.set(&["spec", "service"], root);
        split.set(&["spec", "backends"], backends);
        seen.set(split);
        if created {
            seen.note_change(&target, "TrafficSplitCreated", format!("TrafficSplit `{name}` created"));
        }
        Ok(())
    }
}
