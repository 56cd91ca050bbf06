//! What a Rollout must be before anything is done, in upstream's order and words.

mod blue_green;
mod canary;
pub(crate) mod lint;
mod pod;
mod references;
mod spec;
mod steps;
mod strict;

use std::fmt;

use argo_core::{Gvk, ObjectRef};
use serde::Serialize;

use super::World;
use crate::api::{Rollout, names};

/// Why a Rollout can not be carried out, worded as the API server words field errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid {
    path: String,
    body: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.body)
    }
}

impl Invalid {
    pub(crate) fn value(path: &str, value: &impl Serialize, text: impl fmt::Display) -> Self {
        let value = serde_json::to_string(value).unwrap_or_default();
        Self { path: path.to_owned(), body: format!("Invalid value: {value}: {text}") }
    }

    fn required(path: &str, text: &str) -> Self {
        let text = if text.is_empty() { String::new() } else { format!(": {text}") };
        Self { path: path.to_owned(), body: format!("Required value{text}") }
    }

    fn internal(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), body: format!("Internal error: {text}") }
    }

    fn missing(path: &str, field: &str) -> Self {
        Self::required(path, &format!("Rollout has missing field '{field}'"))
    }

    /// What is wrong, without where.
    fn body(&self) -> &str {
        &self.body
    }
}

/// Everything that is wrong with a Rollout.
pub(crate) type Errors = Vec<Invalid>;

/// The first thing that is wrong with the spec or with what it refers to.
pub(super) fn rollout(ro: &Rollout, world: &World) -> Result<(), Invalid> {
    // What is in the object as well as in a workload was not resolved.
    let resolved = world.workload.is_some() && world.rollout.pointer("/spec/template").is_none_or(is_empty);
    if let Some(first) = spec::check(ro, resolved).into_iter().next() {
        return Err(first);
    }
    supported(ro, world)?;
    crate::engine::workloads::supported(ro, world)?;
    let mut errors = references::in_world(ro, world);
    errors.truncate(1);
    errors.pop().map_or(Ok(()), Err)
}

/// A router that nobody registered can not carry anything.
fn supported(ro: &Rollout, world: &World) -> Result<(), Invalid> {
    let canary = ro.spec.strategy.canary.as_ref();
    for (index, step) in ro.spec.steps().iter().enumerate() {
        let plugin = step.plugin.as_ref().and_then(|it| it.get("name")?.as_str());
        if let Some(name) = plugin.filter(|it| !world.step_plugins.contains_key(*it)) {
            let text = "no step plugin is registered under this name";
            return Err(Invalid::value(&format!("spec.strategy.steps[{index}].plugin.name"), &name, text));
        }
    }
    let Some(routing) = canary.and_then(|it| it.traffic_routing.as_ref()) else { return Ok(()) };
    let settings = routing.extra.iter().filter(|(_, it)| it.is_object()).map(|(key, _)| key);
    let mut named = settings.chain(routing.plugins.keys());
    match named.find(|it| !world.routers.contains(*it)) {
        Some(name) => {
            let text = "no traffic router is registered under this name";
            Err(Invalid::value("spec.strategy.canary.trafficRouting", name, text))
        }
        None => Ok(()),
    }
}

/// The objects that routers of this Rollout look at by name, for [`World::routed`].
#[must_use]
pub fn routed_objects(ro: &Rollout) -> Vec<ObjectRef> {
    references::routed(ro).into_iter().map(|it| it.target).collect()
}

/// An object in the Rollout's namespace.
fn object(ro: &Rollout, gvk: Gvk, name: &str) -> ObjectRef {
    ObjectRef::new(gvk, ro.metadata.namespace.as_deref(), name)
}

fn is_empty(template: &serde_json::Value) -> bool {
    template.is_null() || *template == serde_json::json!({})
}

fn set(name: &Option<String>) -> Option<&str> {
    name.as_deref().filter(|it| !it.is_empty())
}

/// The name of the Rollout that steers a Service, if one does.
fn manager(service: &argo_core::Object) -> Option<&str> {
    service.annotation(names::MANAGED_BY).filter(|it| !it.is_empty())
}
