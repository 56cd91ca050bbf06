//! Whether AWS carries the weights that an Ingress asks for.

use std::{collections::BTreeMap, fmt, sync::Arc};

use argo_core::{BoxFailure, Gvk, Note, Object};
use serde_json::Value;

use super::{Alb, Settings};
use crate::{
    api::{AlbStatus, AwsResource, names::reason},
    routers::{Declared, Objects, RouteRequest, TrafficRouter, Verdict, json as at, nginx::ingress},
};

/// What AWS knows of load balancers. This crate calls no AWS itself: implement this with the SDK of
/// your choice.
#[async_trait::async_trait]
pub trait LoadBalancers: Send + Sync + fmt::Debug {
    /// The load balancer with this DNS name; `None` when there is none.
    ///
    /// # Errors
    /// When AWS can not be asked.
    async fn by_dns_name(&self, name: &str) -> Result<Option<LoadBalancer>, BoxFailure>;

    /// The target groups of a load balancer with their tags, and with their weights as the rules of
    /// its listeners have them.
    ///
    /// # Errors
    /// When AWS can not be asked.
    async fn target_groups(&self, load_balancer: &str) -> Result<Vec<TargetGroup>, BoxFailure>;

    /// `address:port` of every target that is registered with a target group, by its ARN.
    ///
    /// # Errors
    /// When AWS can not be asked.
    async fn registered(&self, target_group: &str) -> Result<Vec<String>, BoxFailure>;
}

/// A load balancer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadBalancer {
    /// Name.
    pub name: String,
    /// ARN.
    pub arn: String,
}

/// A target group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// Name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// Its weight in the rule it stands in; absent when it stands in none.
    pub weight: Option<i64>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// [`Alb`] that asks AWS whether weights are in effect.
#[derive(Debug, Clone)]
pub struct VerifiedAlb {
    /// AWS.
    pub aws: Arc<dyn LoadBalancers>,
    /// Tag that names the resource of a target group; the AWS controller's by default.
    pub tag: String,
}

impl VerifiedAlb {
    /// Asks this AWS.
    #[must_use]
    pub fn new(aws: Arc<dyn LoadBalancers>) -> Self {
        Self { aws, tag: "ingress.k8s.aws/resource".to_owned() }
    }
}

#[async_trait::async_trait]
impl TrafficRouter for VerifiedAlb {
    async fn set_weight(&self, _: &RouteRequest<'_>) -> Result<(), BoxFailure> {
        Ok(())
    }

    async fn route(&self, request: &RouteRequest<'_>, objects: &dyn Objects) -> Result<Vec<Note>, BoxFailure> {
        Declared(Alb).route(request, objects).await
    }

    async fn is_in_place(&self, request: &RouteRequest<'_>, objects: &dyn Objects) -> Result<bool, BoxFailure> {
        Declared(Alb).is_in_place(request, objects).await
    }

    fn marks(&self) -> Option<Gvk> {
        Declared(Alb).marks()
    }

    fn marked_by(&self, object: &Object) -> Vec<String> {
        Declared(Alb).marked_by(object)
    }

    fn released(&self, object: &Object, rollout: &str, settings: Option<&Value>) -> Result<Option<Object>, BoxFailure> {
        Declared(Alb).released(object, rollout, settings)
    }

    async fn verify_weight(&self, request: &RouteRequest<'_>, objects: &dyn Objects) -> Result<Verdict, BoxFailure> {
        let settings: Settings = at::settings("alb", request.settings)?;
        let mut verdict = Verdict::default();
        let names = settings.names();
        let mut matching = 0;
        for name in &names {
            let Some(object) = objects.get(&ingress(request.namespace(), name)).await? else {
                return Ok(Verdict { verified: Some(false), ..verdict });
            };
            let mut status = AlbStatus { ingress: name.clone(), ..Default::default() };
            for host in hosts(&object) {
                let Some(balancer) = self.aws.by_dns_name(&host).await? else {
                    let message = format!("Failed to find load balancer: {host}");
                    verdict.notes.push(Note::warning(reason::LOAD_BALANCER_NOT_FOUND, message));
                    return Ok(Verdict { verified: Some(false), ..verdict });
                };
                let groups = self.aws.target_groups(&balancer.arn).await?;
                matching += self.compare(request, &settings, name, &groups, &mut status, &mut verdict.notes);
                status.load_balancer = resource(&balancer.name, &balancer.arn, 2);
            }
            verdict.albs.push(status);
        }
        verdict.verified = Some(matching == names.len() + request.traffic.additional.len());
        Ok(verdict)
    }
}

impl VerifiedAlb {
    /// How many of the destinations have their weight.
    fn compare(
        &self,
        request: &RouteRequest<'_>,
        settings: &Settings,
        ingress: &str,
        groups: &[TargetGroup],
        status: &mut AlbStatus,
        notes: &mut Vec<Note>,
    ) -> usize {
        let (stable, canary) = request.services(true);
        let id = |service: &str| format!("{}/{ingress}-{service}:{}", request.namespace(), settings.service_port);
        let mut wanted = BTreeMap::from([(id(canary), (canary, request.traffic.weight))]);
        wanted.extend(request.traffic.additional.iter().map(|it| {
            let service = it.service_name.as_str();
            (id(service), (service, it.weight))
        }));
        let mut matching = 0;
        for group in groups {
            let Some(own) = group.tags.get(&self.tag) else { continue };
            if *own == id(canary) {
                status.canary_target_group = resource(&group.name, &group.arn, 1);
            } else if *own == id(stable) {
                status.stable_target_group = resource(&group.name, &group.arn, 1);
            }
            let (Some((service, weight)), Some(current)) = (wanted.get(own), group.weight) else { continue };
            let arn = &group.arn;
            if current == *weight {
                matching += 1;
                let message = format!("Service {service} (TargetGroup {arn}) verified: canary weight {weight} set");
                notes.push(Note::normal(reason::TARGET_GROUP_VERIFIED, message));
            } else {
                let message = format!(
                    "Service {service} (TargetGroup {arn}) not verified: canary weight {weight} not yet set (current: {current})"
                );
                notes.push(Note::warning(reason::TARGET_GROUP_UNVERIFIED, message));
            }
        }
        matching
    }
}

fn hosts(ingress: &Object) -> Vec<String> {
    let all = ingress.pointer("/status/loadBalancer/ingress").and_then(Value::as_array).into_iter().flatten();
    all.map(|it| at::text(it, "hostname").to_owned()).filter(|it| !it.is_empty()).collect()
}

/// The full name is what follows the first parts of the ARN.
fn resource(name: &str, arn: &str, skip: usize) -> AwsResource {
    let full_name = arn.split('/').skip(skip).collect::<Vec<_>>().join("/");
    let full_name = if arn.split('/').count() > skip { full_name } else { String::new() };
    AwsResource { name: name.to_owned(), arn: arn.to_owned(), full_name }
}
