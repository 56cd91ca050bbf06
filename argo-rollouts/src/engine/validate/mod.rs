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
    if let Some(first) = spec::check(ro).into_iter().next() {
        return Err(first);
    }
    supported(ro, world)?;
    let mut errors = references::in_world(ro, world);
    errors.truncate(1);
    errors.pop().map_or(Ok(()), Err)
}

/// A router that nobody registered can not carry anything.
fn supported(ro: &Rollout, world: &World) -> Result<(), Invalid> {
    let canary = ro.spec.strategy.canary.as_ref();
    let blue_green = ro.spec.strategy.blue_green.as_ref();
    let metadata = canary.is_some_and(|it| it.canary_metadata.is_some() || it.stable_metadata.is_some())
        || blue_green.is_some_and(|it| it.preview_metadata.is_some() || it.active_metadata.is_some());
    let apart =
        canary.is_some_and(|it| it.anti_affinity.is_some()) || blue_green.is_some_and(|it| it.anti_affinity.is_some());
    let plugin = ro.spec.steps().iter().any(|it| it.plugin.is_some());
    let unsupported = [
        ("workloadRef", ro.spec.workload_ref.is_some()),
        ("pod metadata", metadata),
        ("antiAffinity", apart),
        ("the plugin step", plugin),
    ];
    if let Some((what, _)) = unsupported.iter().find(|(_, it)| *it) {
        return Err(Invalid::value("spec", &"", format!("{what} is not supported by this controller")));
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

fn set(name: &Option<String>) -> Option<&str> {
    name.as_deref().filter(|it| !it.is_empty())
}

/// The name of the Rollout that steers a Service, if one does.
fn manager(service: &argo_core::Object) -> Option<&str> {
    service.annotation(names::MANAGED_BY).filter(|it| !it.is_empty())
}
