//! [`TrafficRouter`]: who splits traffic when replicas do not.
//!
//! | implementation | routes | name |
//! |---|---|---|
//! | [`Scripted`] | nothing; remembers what it was asked | any |
//!
//! A router is registered under the name that `spec.strategy.canary.trafficRouting` (or its
//! `plugins`) uses; a Rollout that names one that is not registered is invalid.

mod scripted;

use std::{fmt, sync::Arc};

use argo_core::{BoxFailure, Object};
use serde_json::Value;

use crate::{api::RolloutTrafficRouting, engine::RouteTraffic};

pub use scripted::Scripted;

/// Splits traffic between the canary and the stable Service of a Rollout.
///
/// Contract: every call may be repeated with the same arguments and then changes nothing; a router
/// keeps nothing in memory that it needs, as another process may make the next call. Errors that
/// pass (conflicts, a mesh that is away) say so by their category and are tried again with backoff;
/// pods are not scaled away before the weights that free them are in place.
#[async_trait::async_trait]
pub trait TrafficRouter: Send + Sync + fmt::Debug {
    /// Gives the canary its share of the traffic.
    ///
    /// # Errors
    /// When the share is not in place.
    async fn set_weight(&self, request: &RouteRequest<'_>) -> Result<(), BoxFailure>;

    /// Whether the share is in effect; `None` when that can not be told. `Some(false)` is asked again.
    ///
    /// # Errors
    /// When it could not be found out.
    async fn verify_weight(&self, _: &RouteRequest<'_>) -> Result<Option<bool>, BoxFailure> {
        Ok(None)
    }
}

/// What a router is asked.
#[derive(Debug, Clone, Copy)]
pub struct RouteRequest<'a> {
    /// The Rollout, as read.
    pub rollout: &'a Object,
    /// The router's part of `trafficRouting`.
    pub settings: &'a Value,
    /// The Service of the new pods.
    pub canary_service: &'a str,
    /// The Service of the stable pods.
    pub stable_service: &'a str,
    /// The shares.
    pub traffic: &'a RouteTraffic,
}

/// The order in which upstream asks several routers of one Rollout; others follow by name.
const ORDER: [&str; 8] = ["istio", "nginx", "alb", "smi", "ambassador", "appMesh", "traefik", "apisix"];

/// The routers of a controller, by name.
#[derive(Debug, Clone, Default)]
pub struct Routers(std::collections::BTreeMap<String, Arc<dyn TrafficRouter>>);

impl Routers {
    /// Adds or replaces the router of a name.
    pub fn register(&mut self, name: impl Into<String>, router: Arc<dyn TrafficRouter>) {
        self.0.insert(name.into(), router);
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// The routers that a Rollout names, with their settings, in upstream's order.
    #[must_use]
    pub fn of<'a>(&'a self, routing: &'a RolloutTrafficRouting) -> Vec<(&'a dyn TrafficRouter, &'a Value)> {
        let builtin = ORDER.iter().filter_map(|it| Some((*it, routing.extra.get(*it)?)));
        let plugins = routing.plugins.iter().map(|(name, settings)| (name.as_str(), settings));
        let own = routing.extra.iter().filter(|(name, _)| !ORDER.contains(&name.as_str()));
        let named = builtin.chain(own.map(|(name, it)| (name.as_str(), it))).chain(plugins);
        named.filter_map(|(name, settings)| Some((&**self.0.get(name)?, settings))).collect()
    }
}
