//! The canary strategy, apart from its steps.

use serde_json::Value;

use super::{Errors, Invalid, set, steps};
use crate::api::{AntiAffinity, CanaryStrategy, IntOrString, Rollout, RolloutTrafficRouting};

const SAME_SERVICES: &str =
    "This rollout uses the same service for the stable and canary services, but two different services are required.";
const SAME_PAIR: &str =
    "This rollout uses the same service for the ping and pong services, but two different services are required.";
const ROUTING: &str = "Canary service and Stable service must to be set to use Traffic Routing";
const PAIR: &str = "Ping service and Pong service must to be set to use Ping-Pong feature";
const PAIR_ROUTERS: &str = "Ping-pong feature works with the ALB, Istio, and plugin-based traffic routers only";
const ROOT: &str = "Root service field is required for the configuration with ALB and ping-pong feature enabled";

pub(super) fn check(ro: &Rollout, canary: &CanaryStrategy) -> Errors {
    let path = |field: &str| format!("spec.strategy.{field}");
    let mut errors = limits(canary);
    let (stable, own) = (set(&canary.stable_service), set(&canary.canary_service));
    if let Some(service) = own.filter(|_| stable == own) {
        errors.push(Invalid::value(&path("stableService"), &service, SAME_SERVICES));
    }
    errors.extend(ping_pong(canary));
    let routing = canary.traffic_routing.as_ref();
    if routing.is_some_and(|it| needs_services(it, canary.ping_pong.is_some())) {
        for (field, service) in [("stableService", stable), ("canaryService", own)] {
            if service.is_none() {
                errors.push(Invalid::value(&path(field), &"", ROUTING));
            }
        }
    }
    match routing {
        None => {
            if let Some(seconds) = canary.scale_down_delay_seconds {
                let text = "Canary scaleDownDelaySeconds can only be used with traffic routing";
                errors.push(Invalid::value(&path("scaleDownDelaySeconds"), &seconds, text));
            }
            if canary.dynamic_stable_scale {
                let text = "Canary dynamicStableScale can only be used with traffic routing";
                errors.push(Invalid::value(&path("dynamicStableScale"), &true, text));
            }
        }
        Some(routing) => {
            if canary.scale_down_delay_seconds.is_some() && canary.dynamic_stable_scale {
                let text = "Canary dynamicStableScale cannot be used with scaleDownDelaySeconds";
                errors.push(Invalid::value(&path("dynamicStableScale"), &true, text));
            }
            if let Some(weight) = routing.max_traffic_weight {
                let at = path("trafficRouting.maxTrafficWeight");
                if !routing.has("nginx") && routing.plugins.is_empty() {
                    let text = "Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins";
                    errors.push(Invalid::value(&at, &weight, text));
                } else if weight <= 0 {
                    errors.push(Invalid::value(&at, &weight, "must be greater than 0"));
                }
            }
        }
    }
    for (index, step) in canary.steps.iter().enumerate() {
        errors.extend(steps::check(&path(&format!("steps[{index}]")), step, ro, canary));
    }
    errors.extend(anti_affinity(canary.anti_affinity.as_ref()));
    errors
}

fn limits(canary: &CanaryStrategy) -> Errors {
    let mut errors = Errors::new();
    for (field, value) in [("maxSurge", &canary.max_surge), ("maxUnavailable", &canary.max_unavailable)] {
        if let Some(value) = value.as_ref().filter(|it| it.of(100, true).is_none_or(|it| it < 0)) {
            let text = "must be a whole number or a percentage, not below 0";
            errors.push(Invalid::value(&format!("spec.strategy.{field}"), value, text));
        }
    }
    let zero = |it: &Option<IntOrString>| it.as_ref().is_some_and(|it| it.of(100, true) == Some(0));
    if zero(&canary.max_surge) && zero(&canary.max_unavailable) {
        let text = "MaxSurge and MaxUnavailable both can not be zero";
        errors.push(Invalid::value("spec.strategy.maxSurge", &canary.max_surge, text));
    }
    errors
}

fn ping_pong(canary: &CanaryStrategy) -> Errors {
    let Some(pair) = &canary.ping_pong else { return Errors::new() };
    let path = |field: &str| format!("spec.strategy.{field}");
    let mut errors = Errors::new();
    let routing = canary.traffic_routing.as_ref();
    let can = |it: &RolloutTrafficRouting| it.has("alb") || it.has("istio") || !it.plugins.is_empty();
    if routing.is_some_and(|it| !can(it)) {
        errors.push(Invalid::value(&path("trafficRouting.alb"), &Value::Null, PAIR_ROUTERS));
    }
    for (field, service) in [("pingService", &pair.ping_service), ("pongService", &pair.pong_service)] {
        if service.is_empty() {
            errors.push(Invalid::value(&path(&format!("pingPong.{field}")), service, PAIR));
        }
    }
    if pair.ping_service == pair.pong_service {
        errors.push(Invalid::value(&path("pingPong.pingService"), &pair.ping_service, SAME_PAIR));
    }
    let alb = routing.and_then(|it| it.extra.get("alb")).filter(|it| it.is_object());
    if alb.is_some_and(|it| it.get("rootService").and_then(Value::as_str).is_none_or(str::is_empty)) {
        errors.push(Invalid::value(&path("trafficRouting.alb.rootService"), &"", ROOT));
    }
    errors
}

/// Whether the routers tell both sides apart by Services.
fn needs_services(routing: &RolloutTrafficRouting, ping_pong: bool) -> bool {
    let by_subset =
        routing.extra.get("istio").is_some_and(|it| it.get("destinationRule").is_some_and(Value::is_object));
    let always = ["smi", "apisix", "ambassador", "nginx", "appMesh", "traefik"];
    always.iter().any(|it| routing.has(it)) || !ping_pong && (routing.has("alb") || routing.has("istio") && !by_subset)
}

pub(super) fn anti_affinity(wanted: Option<&AntiAffinity>) -> Errors {
    let Some(wanted) = wanted else { return Errors::new() };
    let mut errors = Errors::new();
    if wanted.preferred.is_some() == wanted.required.is_some() {
        let value = format!(
            "antiAffinity.PreferredDuringSchedulingIgnoredDuringExecution: {} \
             antiAffinity.RequiredDuringSchedulingIgnoredDuringExecution: {}",
            wanted.preferred.is_some(),
            wanted.required.is_some()
        );
        let text = "AntiAffinity must have exactly one strategy listed";
        errors.push(Invalid::value("spec.strategy.antiAffinity", &value, text));
    }
    if let Some(weight) = wanted.preferred.as_ref().map(|it| it.weight).filter(|it| !(1..=100).contains(it)) {
        let text = "AntiAffinity weight must be between 1-100";
        errors.push(Invalid::value("spec.strategy.antiAffinity.weight", &weight, text));
    }
    errors
}
