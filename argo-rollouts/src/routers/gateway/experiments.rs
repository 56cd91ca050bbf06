//! Shares of an experiment in an HTTPRoute.

use std::collections::BTreeSet;

use argo_core::{Gvk, ObjectRef};
use serde_json::{Value, json};

use super::backends;
use crate::routers::{RouteError, RouteRequest, Seen, json as at};

/// Adds the Services of an experiment under way to the first rule of the Rollout, and takes those of
/// the one before away. Backends of others stay.
pub(super) fn set(request: &RouteRequest<'_>, target: &ObjectRef, seen: &mut Seen) -> Result<(), RouteError> {
    let status = &request.typed.status.canary;
    let before = status.weights.iter().flat_map(|it| &it.additional).map(|it| it.service_name.clone());
    let before: BTreeSet<String> = before.collect();
    let (stable, canary) = request.services(false);
    let ours = |rule: &Value| backends(rule).any(|it| [stable, canary].contains(&at::text(it, "name")));
    let rules = seen.need(target)?.pointer("/spec/rules").and_then(Value::as_array);
    let Some(index) = rules.and_then(|it| it.iter().position(ours)) else { return Ok(()) };
    let mut ports = Vec::new();
    for it in &request.traffic.additional {
        let service = ObjectRef::new(Gvk::new("", "v1", "Service"), Some(request.namespace()), &it.service_name);
        // One that is not there yet gets no traffic yet.
        let Some(service) = seen.get(&service)? else { continue };
        let all = service.pointer("/spec/ports").and_then(Value::as_array);
        let named = all.and_then(|it| it.iter().find(|it| at::text(it, "name") == "http").or_else(|| it.first()));
        ports.push((it, named.map_or(8080, |it| at::number(it, "port"))));
    }
    seen.edit(target, |object| {
        let refs = object.value_mut().pointer_mut(&format!("/spec/rules/{index}/backendRefs"));
        let Some(refs) = refs.and_then(Value::as_array_mut) else { return Ok(()) };
        let wanted: BTreeSet<&str> = ports.iter().map(|(it, _)| it.service_name.as_str()).collect();
        refs.retain(|it| {
            let name = at::text(it, "name");
            !before.contains(name) || wanted.contains(name)
        });
        for (destination, port) in &ports {
            match refs.iter_mut().find(|it| at::text(it, "name") == destination.service_name) {
                Some(backend) => backend["weight"] = json!(destination.weight),
                None => refs.push(json!({"name": destination.service_name, "namespace": request.namespace(),
                    "port": port, "weight": destination.weight})),
            }
        }
        let beside: i64 = ports.iter().map(|(it, _)| it.weight).sum();
        if let Some(backend) = refs.iter_mut().find(|it| at::text(it, "name") == stable).filter(|_| beside > 0) {
            backend["weight"] = json!((100 - request.traffic.weight - beside).max(0));
        }
        Ok(())
    })
}
