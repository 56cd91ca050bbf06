//! What a Rollout must be before anything is done: the first error is reported.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{World, analysis::flatten};
use crate::api::{BlueGreenStrategy, CanaryStep, CanaryStrategy, IntOrString, Rollout, duration_seconds, names};

/// Why a Rollout can not be carried out, worded as the API server words field errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid(String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Invalid {
    pub(crate) fn value(path: &str, value: &impl Serialize, text: impl fmt::Display) -> Self {
        let value = serde_json::to_string(value).unwrap_or_default();
        Self(format!("{path}: Invalid value: {value}: {text}"))
    }

    fn missing(path: &str) -> Self {
        Self(format!("{path}: Required value: Rollout has missing field '.{path}'"))
    }
}

const SAME_SERVICES: &str =
    "This rollout uses the same service for the stable and canary services, but two different services are required.";
const SAME_BLUE_GREEN_SERVICES: &str =
    "This rollout uses the same service for the active and preview services, but two different services are required.";
const ROUTING_SERVICES: &str = "Canary service and Stable service must to be set to use Traffic Routing";
const NO_STEP: &str = "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause";

/// Checks the spec and what it refers to.
pub(super) fn rollout(ro: &Rollout, world: &World) -> Result<(), Invalid> {
    spec(ro)?;
    if let Some(canary) = &ro.spec.strategy.canary {
        canary_strategy(canary, world)?;
        let named = [
            ("canary.stableService", set(&canary.stable_service)),
            ("canary.canaryService", set(&canary.canary_service)),
        ];
        services(ro, &named, world)?;
    }
    if let Some(blue_green) = &ro.spec.strategy.blue_green {
        blue_green_strategy(ro, blue_green)?;
        let active = Some(blue_green.active_service.as_str());
        let named =
            [("blueGreen.activeService", active), ("blueGreen.previewService", set(&blue_green.preview_service))];
        services(ro, &named, world)?;
    }
    templates(ro, world)
}

fn spec(ro: &Rollout) -> Result<(), Invalid> {
    let spec = &ro.spec;
    let Some(selector) = &spec.selector else {
        return Err(Invalid::missing("spec.selector"));
    };
    if spec.workload_ref.is_some() {
        return Err(Invalid::value(
            "spec.workloadRef",
            &spec.workload_ref,
            "workloadRef is not supported by this controller",
        ));
    }
    if !spec.template.is_object() {
        return Err(Invalid::missing("spec.template"));
    }
    if selector.is_empty() {
        return Err(Invalid::value("spec.selector", selector, "empty selector is invalid for deployment"));
    }
    let labels = spec.template.pointer("/metadata/labels");
    if !selector.matches(|key| labels.and_then(|it| it.get(key)).and_then(Value::as_str)) {
        let labels = labels.cloned().unwrap_or_default();
        return Err(Invalid::value(
            "spec.template.metadata.labels",
            &labels,
            "`selector` does not match template `labels`",
        ));
    }
    if let Some(replicas) = spec.replicas.filter(|it| *it < 0) {
        return Err(Invalid::value("spec.replicas", &replicas, "must be greater than or equal to 0"));
    }
    let (ready, deadline) = (spec.min_ready_seconds.unwrap_or_default(), spec.progress_deadline_seconds.unwrap_or(600));
    if deadline <= ready {
        return Err(Invalid::value("spec.progressDeadlineSeconds", &deadline, "must be greater than minReadySeconds"));
    }
    match (&spec.strategy.canary, &spec.strategy.blue_green) {
        (None, None) => Err(Invalid::missing("spec.strategy.canary or spec.strategy.blueGreen")),
        (Some(_), Some(_)) => Err(Invalid::value("spec.strategy", &"{}", "Multiple Strategies can not be listed")),
        (None, Some(_)) | (Some(_), None) => Ok(()),
    }
}

fn canary_strategy(canary: &CanaryStrategy, world: &World) -> Result<(), Invalid> {
    let path = |field: &str| format!("spec.strategy.canary.{field}");
    let (stable, canary_service) = (set(&canary.stable_service), set(&canary.canary_service));
    if let Some(service) = canary_service.filter(|_| stable == canary_service) {
        return Err(Invalid::value(&path("stableService"), &service, SAME_SERVICES));
    }
    if let Some(routing) = &canary.traffic_routing {
        let by_subset = routing.extra.get("istio").is_some_and(|it| it.get("destinationRule").is_some());
        let exempt = canary.ping_pong.is_some() || by_subset;
        if (stable.is_none() || canary_service.is_none()) && !exempt {
            return Err(Invalid::value(&path("trafficRouting"), &"", ROUTING_SERVICES));
        }
        let settings = routing.extra.iter().filter(|(_, it)| it.is_object()).map(|(key, _)| key);
        let mut named = settings.chain(routing.plugins.keys());
        if let Some(name) = named.find(|it| !world.routers.contains(*it)) {
            let text = "no traffic router is registered under this name";
            return Err(Invalid::value(&path("trafficRouting"), name, text));
        }
        if let Some(weight) = routing.max_traffic_weight.filter(|it| *it <= 0) {
            return Err(Invalid::value(&path("trafficRouting.maxTrafficWeight"), &weight, "must be greater than 0"));
        }
    } else {
        if let Some(seconds) = canary.scale_down_delay_seconds {
            let text = "Canary scaleDownDelaySeconds can only be used with traffic routing";
            return Err(Invalid::value(&path("scaleDownDelaySeconds"), &seconds, text));
        }
        if canary.dynamic_stable_scale {
            let text = "Canary dynamicStableScale can only be used with traffic routing";
            return Err(Invalid::value(&path("dynamicStableScale"), &true, text));
        }
    }
    for (field, value) in [("canaryMetadata", &canary.canary_metadata), ("stableMetadata", &canary.stable_metadata)] {
        if value.is_some() {
            let text = format!("{field} is not supported by this controller");
            return Err(Invalid::value(&path(field), value, text));
        }
    }
    if canary.anti_affinity.is_some() {
        let text = "antiAffinity is not supported by this controller";
        return Err(Invalid::value(&path("antiAffinity"), &canary.anti_affinity, text));
    }
    for (field, value) in [("maxSurge", &canary.max_surge), ("maxUnavailable", &canary.max_unavailable)] {
        if let Some(value) = value.as_ref().filter(|it| it.of(100, true).is_none_or(|it| it < 0)) {
            return Err(Invalid::value(&path(field), value, "must be a whole number or a percentage, not below 0"));
        }
    }
    let zero = |it: &Option<IntOrString>| it.as_ref().is_some_and(|it| it.of(100, true) == Some(0));
    if zero(&canary.max_surge) && zero(&canary.max_unavailable) {
        let text = "MaxSurge and MaxUnavailable both can not be zero";
        return Err(Invalid::value(&path("maxSurge"), &canary.max_surge, text));
    }
    let max = canary.traffic_routing.as_ref().and_then(|it| it.max_traffic_weight).unwrap_or(100);
    for (index, step) in canary.steps.iter().enumerate() {
        canary_step(&path(&format!("steps[{index}]")), step, canary.traffic_routing.is_some(), max)?;
    }
    Ok(())
}

fn canary_step(path: &str, step: &CanaryStep, routed: bool, max: i64) -> Result<(), Invalid> {
    let set = [
        step.experiment.is_some(),
        step.pause.is_some(),
        step.set_weight.is_some(),
        step.analysis.is_some(),
        step.set_canary_scale.is_some(),
        step.set_header_route.is_some(),
        step.set_mirror_route.is_some(),
        step.plugin.is_some(),
    ];
    if set.iter().filter(|it| **it).count() != 1 {
        return Err(Invalid::value(path, step, NO_STEP));
    }
    if let Some(weight) = step.set_weight.filter(|it| !(0..=max).contains(it)) {
        let text = format!("SetWeight needs to be between 0 and {max}");
        return Err(Invalid::value(&format!("{path}.setWeight"), &weight, text));
    }
    if let Some(duration) = step.pause.as_ref().and_then(|it| it.duration.as_ref())
        && duration_seconds(duration).is_none_or(|it| it < 0)
    {
        let text = "Duration needs to be greater than 0";
        return Err(Invalid::value(&format!("{path}.pause.duration"), duration, text));
    }
    if let Some(scale) = &step.set_canary_scale {
        if !routed {
            let text = "SetCanaryScale requires TrafficRouting to be set";
            return Err(Invalid::value(&format!("{path}.setCanaryScale"), scale, text));
        }
        if scale.weight.or(scale.replicas).is_some_and(|it| it < 0) {
            return Err(Invalid::value(&format!("{path}.setCanaryScale"), scale, "must not be below 0"));
        }
    }
    if step.plugin.is_some() {
        let text = "the plugin step is not supported by this controller";
        return Err(Invalid::value(&format!("{path}.plugin"), &step.plugin, text));
    }
    Ok(())
}

fn blue_green_strategy(ro: &Rollout, blue_green: &BlueGreenStrategy) -> Result<(), Invalid> {
    let path = |field: &str| format!("spec.strategy.blueGreen.{field}");
    let active = &blue_green.active_service;
    if active.is_empty() {
        return Err(Invalid::missing("spec.strategy.blueGreen.activeService"));
    }
    if set(&blue_green.preview_service) == Some(active) {
        return Err(Invalid::value(&path("activeService"), active, SAME_BLUE_GREEN_SERVICES));
    }
    let history = ro.spec.revision_history_limit.unwrap_or(10);
    if let Some(limit) = blue_green.scale_down_delay_revision_limit.filter(|it| history < *it) {
        let text = "This rollout's revision history limit can not be smaller than the rollout's scale down limit";
        return Err(Invalid::value(&path("scaleDownDelayRevisionLimit"), &limit, text));
    }
    let unsupported = [
        ("antiAffinity", blue_green.anti_affinity.is_some()),
        ("previewMetadata", blue_green.preview_metadata.is_some()),
        ("activeMetadata", blue_green.active_metadata.is_some()),
    ];
    if let Some((field, _)) = unsupported.iter().find(|(_, it)| *it) {
        let text = format!("{field} is not supported by this controller");
        return Err(Invalid::value(&path(field), &"", text));
    }
    Ok(())
}

fn services(ro: &Rollout, named: &[(&str, Option<&str>)], world: &World) -> Result<(), Invalid> {
    let namespace = ro.metadata.namespace.as_deref();
    for (field, name) in named {
        let Some(name) = *name else { continue };
        let path = format!("spec.strategy.{field}");
        let Some(service) = world.services.iter().find(|it| it.name() == name && it.namespace() == namespace) else {
            return Err(Invalid::value(&path, &name, format!("service \"{name}\" not found")));
        };
        let rollout = ro.metadata.name.as_deref().unwrap_or_default();
        if service.annotation(names::MANAGED_BY).is_some_and(|it| !it.is_empty() && it != rollout) {
            let text = format!("Service \"{name}\" is managed by another Rollout");
            return Err(Invalid::value(&path, &name, text));
        }
        let selector = service.pointer("/spec/selector").and_then(Value::as_object);
        for (key, value) in selector.into_iter().flatten().filter(|(key, _)| *key != names::POD_TEMPLATE_HASH) {
            let labels = ro.spec.template.pointer("/metadata/labels");
            if labels.and_then(|it| it.get(key)) != Some(value) {
                let text = format!("Service \"{name}\" has unmatch label \"{key}\" in rollout");
                return Err(Invalid::value(&path, &name, text));
            }
        }
    }
    Ok(())
}

fn templates(ro: &Rollout, world: &World) -> Result<(), Invalid> {
    let namespace = ro.metadata.namespace.as_deref();
    let canary = ro.spec.strategy.canary.as_ref();
    let steps = ro.spec.steps().iter().enumerate().filter_map(|(index, step)| {
        Some((format!("spec.strategy.canary.steps[{index}].analysis.templates"), step.analysis.as_ref()?))
    });
    let background = canary.and_then(|it| it.analysis.as_ref()).map(|it| ("canary.analysis", &it.analysis));
    let blue_green = ro.spec.strategy.blue_green.as_ref();
    let before = blue_green.and_then(|it| it.pre_promotion_analysis.as_ref());
    let after = blue_green.and_then(|it| it.post_promotion_analysis.as_ref());
    let promotion = [("blueGreen.prePromotionAnalysis", before), ("blueGreen.postPromotionAnalysis", after)];
    let others = promotion.into_iter().filter_map(|(path, it)| Some((path, it?))).chain(background);
    let others = others.map(|(path, it)| (format!("spec.strategy.{path}.templates"), it));
    for (path, analysis) in steps.chain(others) {
        flatten::collect(&analysis.templates, &mut |it| {
            let list = if it.cluster_scope { &world.cluster_templates } else { &world.templates };
            let found = list.iter().find(|object| {
                object.name() == it.template_name && (it.cluster_scope || object.namespace() == namespace)
            })?;
            Some((**found).clone())
        })
        .map_err(|error| Invalid::value(&path, &error.template(), error))?;
    }
    Ok(())
}

fn set(name: &Option<String>) -> Option<&str> {
    name.as_deref().filter(|it| !it.is_empty())
}
