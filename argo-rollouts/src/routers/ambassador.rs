//! Ambassador (Emissary): a copy of each Mapping that leads a share to the canary.

use std::time::Duration;

use argo_core::{Gvk, Object, ObjectRef, time};
use serde::Deserialize;

use super::{ObjectRouter, RouteError, RouteRequest, Seen, json as at};

/// Splits by a canary Mapping beside each Mapping.
#[derive(Debug, Clone)]
pub struct Ambassador {
    /// API group and version.
    pub api_version: String,
}

impl Default for Ambassador {
    /// `getambassador.io/v2`.
    fn default() -> Self {
        Self { api_version: "getambassador.io/v2".to_owned() }
    }
}

/// `trafficRouting.ambassador`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Settings {
    pub(crate) mappings: Vec<String>,
}

/// How long a Mapping without weight stays, so that everybody has seen the weight before it goes.
const LINGER: Duration = Duration::from_secs(5);

/// On a canary Mapping without weight: when it goes.
const RETIRES_AT: &str = "rollouts.argoproj.io/retires-at";

impl Ambassador {
    fn mapping(&self, request: &RouteRequest<'_>, name: &str) -> ObjectRef {
        ObjectRef::new(Gvk::from_api_version(&self.api_version, "Mapping"), Some(request.namespace()), name)
    }
}

fn canary_name(mapping: &str) -> String {
    let mut length = mapping.len().min(246);
    while !mapping.is_char_boundary(length) {
        length -= 1;
    }
    format!("{}-canary", &mapping[..length])
}

impl ObjectRouter for Ambassador {
    fn route(&self, request: &RouteRequest<'_>, seen: &mut Seen) -> Result<(), RouteError> {
        let settings: Settings = at::settings("ambassador", request.settings)?;
        let weight = request.traffic.weight;
        for name in &settings.mappings {
            let target = self.mapping(request, &canary_name(name));
            let mut canary = match seen.get(&target)? {
                Some(canary) => canary.clone(),
                None if weight == 0 => continue,
                None => copy(request, seen.need(&self.mapping(request, name))?)?,
            };
            let retires = canary.annotation(RETIRES_AT).and_then(|it| time::parse(it).ok());
            canary.set(&["spec", "weight"], weight);
            match retires {
                _ if weight > 0 => {
                    canary.remove(&["metadata", "annotations", RETIRES_AT]);
                }
                Some(at) if at <= request.now => {
                    seen.delete(&target);
                    continue;
                }
                Some(at) => seen.look_again_after(time::between(request.now, at)),
                None => {
                    canary.set_annotation(RETIRES_AT, time::rfc3339(time::after(request.now, LINGER)));
                    seen.look_again_after(LINGER);
                }
            }
            seen.set(canary);
            seen.note_change(&target, "CanaryMappingWeightUpdate", format!("Set canary mapping weight to {weight}"));
        }
        Ok(())
    }
}

/// The canary Mapping: everything but the Service as in the Mapping.
fn copy(request: &RouteRequest<'_>, mapping: &Object) -> Result<Object, RouteError> {
    if at::number(mapping.get("spec").unwrap_or(&serde_json::Value::Null), "weight") != 0 {
        let message = format!("Ambassador mapping \"{}\" can not define weight", mapping.name());
        return Err(RouteError::object(message));
    }
    let (stable, canary) = request.services(false);
    let mut copy = Object::new(&mapping.gvk(), mapping.namespace(), &canary_name(mapping.name()));
    copy.set(&["spec"], mapping.get("spec").cloned().unwrap_or_default());
    copy.set(&["spec", "service"], mapping.text("/spec/service").replacen(stable, canary, 1));
    Ok(copy)
}
