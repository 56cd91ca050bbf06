//! [`TrafficRouter`]: who splits traffic when replicas do not.
//!
//! | implementation | routes by | name |
//! |---|---|---|
//! | [`Istio`] | VirtualServices, a DestinationRule | `istio` |
//! | [`Nginx`] | a second Ingress | `nginx` |
//! | [`Alb`] | annotations of an Ingress | `alb` |
//! | [`Smi`] | a TrafficSplit | `smi` |
//! | [`Ambassador`] | a second Mapping | `ambassador` |
//! | [`AppMesh`] | a VirtualRouter and two VirtualNodes | `appMesh` |
//! | [`Traefik`] | a TraefikService | `traefik` |
//! | [`Apisix`] | an ApisixRoute | `apisix` |
//! | [`GatewayApi`] | HTTP, GRPC, TCP and TLS routes | plugin `argoproj-labs/gatewayAPI` |
//! | [`Scripted`] | nothing; remembers what it was asked | any |
//!
//! A router is registered under the name that `spec.strategy.canary.trafficRouting` (or its
//! `plugins`) uses; a Rollout that names one that is not registered is invalid. Those of the table
//! decide in pure code: they are [`ObjectRouter`]s, functions from the objects as they are to the
//! objects as they are to be, and [`Declared`] reads and writes for them.

mod alb;
mod ambassador;
mod apisix;
mod app_mesh;
mod declared;
mod gateway;
mod istio;
mod json;
mod nginx;
mod registry;
mod scripted;
mod seen;
mod smi;
mod traefik;

use std::{fmt, sync::Arc};

use argo_core::{BoxFailure, Gvk, Note, Object, Timestamp};
use serde_json::Value;

use crate::{
    api::{AlbStatus, Rollout, RolloutTrafficRouting, SetHeaderRoute, SetMirrorRoute},
    engine::RouteTraffic,
};

pub(crate) use alb::has_rule;
pub use alb::{Alb, LoadBalancer, LoadBalancers, Registration, TargetGroup, VerifiedAlb, bindings_of, registration};
pub use ambassador::Ambassador;
pub use apisix::Apisix;
pub use app_mesh::AppMesh;
pub use declared::{Declared, Objects};
pub use gateway::{GatewayApi, PLUGIN as GATEWAY_API};
pub use istio::Istio;
pub(crate) use istio::{check as check_virtual_service, references as virtual_services, virtual_service_name};
pub use nginx::Nginx;
pub use registry::{ApiVersions, Routers};
pub use scripted::Scripted;
pub use seen::{ObjectRouter, Read, RouteError, Seen};
pub use smi::Smi;
pub use traefik::Traefik;

/// Splits traffic between the canary and the stable Service of a Rollout.
///
/// Contract: every call may be repeated with the same arguments and then changes nothing; a router
/// keeps nothing in memory that it needs, as another process may make the next call. Errors that
/// pass (conflicts, a mesh that is away) say so by their category and are tried again with backoff;
/// pods are not scaled away before the weights that free them are in place.
///
/// A router of somebody else's implements the single calls; [`TrafficRouter::route`] makes them in
/// the order that never sends traffic to pods that are not there.
#[async_trait::async_trait]
pub trait TrafficRouter: Send + Sync + fmt::Debug {
    /// Gives the canary its share of the traffic, and the additional destinations theirs.
    ///
    /// # Errors
    /// When the share is not in place.
    async fn set_weight(&self, request: &RouteRequest<'_>) -> Result<(), BoxFailure>;

    /// Makes known which pods are canary and which are stable, where the router tells them apart itself.
    ///
    /// # Errors
    /// When it is not in place.
    async fn update_hash(&self, _: &RouteRequest<'_>) -> Result<(), BoxFailure> {
        Ok(())
    }

    /// Sends requests with certain headers to the canary, or takes that route away.
    ///
    /// # Errors
    /// When it is not in place.
    async fn set_header_route(&self, _: &RouteRequest<'_>, _: &SetHeaderRoute) -> Result<(), BoxFailure> {
        Ok(())
    }

    /// Mirrors requests to the canary, or stops that.
    ///
    /// # Errors
    /// When it is not in place.
    async fn set_mirror_route(&self, _: &RouteRequest<'_>, _: &SetMirrorRoute) -> Result<(), BoxFailure> {
        Ok(())
    }

    /// Takes away every route that header and mirror steps added.
    ///
    /// # Errors
    /// When one is left.
    async fn remove_managed_routes(&self, _: &RouteRequest<'_>) -> Result<(), BoxFailure> {
        Ok(())
    }

    /// Whether the share is in effect. One that is not is asked about again.
    ///
    /// # Errors
    /// When it could not be found out.
    async fn verify_weight(&self, _: &RouteRequest<'_>, _: &dyn Objects) -> Result<Verdict, BoxFailure> {
        Ok(Verdict::default())
    }

    /// Brings traffic to what is asked for; returns what there is to say about it.
    ///
    /// # Errors
    /// As the single calls.
    async fn route(&self, request: &RouteRequest<'_>, _: &dyn Objects) -> Result<Vec<Note>, BoxFailure> {
        let traffic = request.traffic;
        if traffic.remove_routes {
            self.remove_managed_routes(request).await?;
        }
        if let Some(route) = &traffic.header_route {
            self.set_header_route(request, route).await?;
        }
        if let Some(route) = &traffic.mirror_route {
            self.set_mirror_route(request, route).await?;
        }
        if traffic.weight_first {
            self.set_weight(request).await?;
        }
        self.update_hash(request).await?;
        self.set_weight(request).await?;
        Ok(Vec::new())
    }

    /// Hashes of pods that still get traffic, as far as the router knows them by hash: such pods stay.
    ///
    /// # Errors
    /// When it could not be found out.
    async fn routed_hashes(&self, _: &RouteRequest<'_>, _: &dyn Objects) -> Result<Vec<String>, BoxFailure> {
        Ok(Vec::new())
    }

    /// Whether traffic is as asked for, as far as that can be told without asking others: false makes
    /// the next pass route again, so that what somebody else overwrote is put back.
    ///
    /// # Errors
    /// When it could not be found out.
    async fn is_in_place(&self, _: &RouteRequest<'_>, _: &dyn Objects) -> Result<bool, BoxFailure> {
        Ok(true)
    }

    /// The kind of the objects that this router marks as a Rollout's and that stay when the Rollout goes.
    fn marks(&self) -> Option<Gvk> {
        None
    }

    /// Names of the Rollouts whose marks an object of that kind has; they are in its namespace.
    fn marked_by(&self, _: &Object) -> Vec<String> {
        Vec::new()
    }

    /// The object as it is without a Rollout that routes by it no longer; `None` when it still does, or
    /// never did. `settings` are the router's part of the Rollout, absent when the Rollout is gone or has none.
    ///
    /// # Errors
    /// When the marks or settings can not be read.
    fn released(&self, _: &Object, _: &str, _: Option<&Value>) -> Result<Option<Object>, BoxFailure> {
        Ok(None)
    }
}

/// Whether weights are in effect, and what else was found out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// Whether they are; absent when that can not be told.
    pub verified: Option<bool>,
    /// Load balancers and target groups, for the status.
    pub albs: Vec<AlbStatus>,
    /// What there is to say.
    pub notes: Vec<Note>,
}

impl From<bool> for Verdict {
    fn from(verified: bool) -> Self {
        Self { verified: Some(verified), ..Self::default() }
    }
}

/// What a router is asked.
#[derive(Debug, Clone, Copy)]
pub struct RouteRequest<'a> {
    /// The Rollout, as read.
    pub rollout: &'a Object,
    /// The same, typed.
    pub typed: &'a Rollout,
    /// The router's part of `trafficRouting`.
    pub settings: &'a Value,
    /// The shares.
    pub traffic: &'a RouteTraffic,
    /// ReplicaSets of the Rollout.
    pub replica_sets: &'a [Arc<Object>],
    /// The time.
    pub now: Timestamp,
}

impl<'a> RouteRequest<'a> {
    /// The Services of the stable and of the new pods. With ping-pong these are the two that take
    /// turns when `ping_pong` is asked for, or when there are no others.
    #[must_use]
    pub fn services(&self, ping_pong: bool) -> (&'a str, &'a str) {
        self.typed.services(ping_pong)
    }

    /// `trafficRouting` as a whole.
    #[must_use]
    pub fn routing(&self) -> Option<&'a RolloutTrafficRouting> {
        self.typed.spec.strategy.canary.as_ref()?.traffic_routing.as_ref()
    }

    /// Namespace of the Rollout.
    #[must_use]
    pub fn namespace(&self) -> &'a str {
        self.rollout.namespace().unwrap_or_default()
    }

    /// What is left for stable of `whole` after the canary and all additional destinations.
    #[must_use]
    pub fn stable_weight(&self, whole: i64) -> i64 {
        whole - self.traffic.weight - self.traffic.additional.iter().map(|it| it.weight).sum::<i64>()
    }
}
