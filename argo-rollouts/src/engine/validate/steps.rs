//! The steps of a canary.

use serde_json::{Value, json};

use super::{Errors, Invalid};
use crate::{
    api::{CanaryStep, CanaryStrategy, Rollout, RolloutAnalysisArgument, StringMatch, duration_seconds},
    engine::args::field_value,
};

const NO_STEP: &str = "Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause";
const HEADER: &str = "SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix";
const MIRROR: &str = "SetMirrorRoute requires TrafficRouting, supports Istio and Plugins";
const ALB_HEADER: &str = "SetHeaderRoute match value invalid. ALB supports 'exact' value only";
const NO_MATCH: &str = "StringMatch value missed, match value must have one of the following: exact, regex, prefix";
const MATCHES: &str = "StringMatch match value must have exactly one of the following: exact, regex, prefix";
const ROUTE: &str = "Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes";
const WEIGHTS: &str =
    "Experiment template weight is only available for TrafficRouting with SMI, ALB, Istio and Plugins at this time";
const ARGS: &str = "Analyses arguments must refer to valid object metadata supported by downwardAPI";

pub(super) fn check(path: &str, step: &CanaryStep, ro: &Rollout, canary: &CanaryStrategy) -> Errors {
    let mut errors = kinds(path, step);
    let routing = canary.traffic_routing.as_ref();
    let max = routing.and_then(|it| it.max_traffic_weight).unwrap_or(100);
    if let Some(weight) = step.set_weight.filter(|it| !(0..=max).contains(it)) {
        let text = format!("SetWeight needs to be between 0 and {max}");
        errors.push(Invalid::value(&format!("{path}.setWeight"), &weight, text));
    }
    if let Some(duration) = step.pause.as_ref().and_then(|it| it.duration.as_ref()) {
        // What can not be read counts as -1.
        let seconds = duration_seconds(duration).unwrap_or(-1);
        if seconds < 0 {
            let text = "Duration needs to be greater than 0";
            errors.push(Invalid::value(&format!("{path}.pause.duration"), &seconds, text));
        }
    }
    if let Some(scale) = &step.set_canary_scale {
        if routing.is_none() {
            let text = "SetCanaryScale requires TrafficRouting to be set";
            errors.push(Invalid::required("spec.strategy.trafficRouting", text));
        } else if scale.weight.or(scale.replicas).is_some_and(|it| it < 0) {
            errors.push(Invalid::value(&format!("{path}.setCanaryScale"), scale, "must not be below 0"));
        }
    }
    errors.extend(header(path, step, canary));
    errors.extend(mirror(path, step, canary));
    let names = [
        ("setHeaderRoute", step.set_header_route.as_ref().map(|it| &it.name)),
        ("setMirrorRoute", step.set_mirror_route.as_ref().map(|it| &it.name)),
    ];
    for (field, name) in names.into_iter().filter_map(|(field, name)| Some((field, name?))) {
        match routing.map(|it| &it.managed_routes) {
            Some(None) => errors.push(Invalid::missing(
                "spec.strategy.trafficRouting.managedRoutes",
                "spec.strategy.canary.trafficRouting.managedRoutes",
            )),
            Some(Some(managed)) if !managed.iter().any(|it| it.name == *name) => {
                errors.push(Invalid::value(&format!("{path}.{field}"), name, ROUTE));
            }
            _ => {}
        }
    }
    errors.extend(experiment(path, step, canary));
    errors.extend(arguments(path, step, ro));
    errors
}

fn kinds(path: &str, step: &CanaryStep) -> Errors {
    let exclusive =
        [step.set_weight.is_some(), step.pause.is_some(), step.experiment.is_some(), step.analysis.is_some()];
    let mut errors = Errors::new();
    if exclusive.iter().filter(|it| **it).count() > 1 {
        let [weight, pause, experiment, analysis] = exclusive;
        let value = format!(
            "step.Experiment: {experiment} step.Pause: {pause} step.SetWeight: {weight} step.Analysis: {analysis}"
        );
        errors.push(Invalid::value(path, &value, NO_STEP));
    }
    let others = [
        step.set_canary_scale.is_some(),
        step.set_header_route.is_some(),
        step.set_mirror_route.is_some(),
        step.plugin.is_some(),
    ];
    if !exclusive.iter().chain(&others).any(|it| *it) {
        let value = "step.Experiment: true step.Pause: true step.SetWeight: true step.Analysis: true \
                     step.SetCanaryScale: true step.SetHeaderRoute: true step.SetMirrorRoute: true step.Plugin: true";
        errors.push(Invalid::value(path, &value, NO_STEP));
    }
    errors
}

fn header(path: &str, step: &CanaryStep, canary: &CanaryStrategy) -> Errors {
    let Some(route) = &step.set_header_route else { return Errors::new() };
    let can = |it: &&_| -> bool {
        let it: &crate::api::RolloutTrafficRouting = it;
        ["istio", "alb", "apisix"].iter().any(|name| it.has(name)) || !it.plugins.is_empty()
    };
    let Some(routing) = canary.traffic_routing.as_ref().filter(can) else {
        return vec![Invalid::value(&format!("{path}.setHeaderRoute"), route, HEADER)];
    };
    let matches = route.matches.iter().flatten().enumerate();
    matches
        .filter_map(|(index, it)| {
            let path = format!("{path}.setHeaderRoute.match[{index}]");
            if routing.has("alb") {
                exact_only(&path, it.header_value.as_ref())
            } else {
                one_of(&path, it.header_value.as_ref())
            }
        })
        .collect()
}

fn mirror(path: &str, step: &CanaryStep, canary: &CanaryStrategy) -> Errors {
    let Some(route) = &step.set_mirror_route else { return Errors::new() };
    let mut errors = Errors::new();
    if canary.traffic_routing.as_ref().is_none_or(|it| !it.has("istio") && it.plugins.is_empty()) {
        errors.push(Invalid::value(&format!("{path}.setMirrorRoute"), route, MIRROR));
    }
    for (index, it) in route.matches.iter().flatten().enumerate() {
        let path = format!("{path}.setMirrorRoute.match[{index}]");
        let texts = [&it.method, &it.path];
        errors.extend(texts.into_iter().flatten().filter_map(|it| one_of(&path, Some(it))));
        errors.extend(it.headers.iter().flatten().filter_map(|(_, it)| one_of(&path, Some(it))));
    }
    errors
}

fn exact_only(path: &str, text: Option<&StringMatch>) -> Option<Invalid> {
    match text {
        None => Some(Invalid::value(path, &Value::Null, NO_MATCH)),
        Some(it) if it.exact.is_empty() || !it.regex.is_empty() || !it.prefix.is_empty() => {
            Some(Invalid::value(path, it, ALB_HEADER))
        }
        Some(_) => None,
    }
}

fn one_of(path: &str, text: Option<&StringMatch>) -> Option<Invalid> {
    let set = text.map_or(0, |it| [&it.exact, &it.regex, &it.prefix].iter().filter(|it| !it.is_empty()).count());
    match set {
        0 => Some(Invalid::value(path, &text, NO_MATCH)),
        1 => None,
        _ => Some(Invalid::value(path, &text, MATCHES)),
    }
}

fn experiment(path: &str, step: &CanaryStep, canary: &CanaryStrategy) -> Errors {
    let Some(experiment) = &step.experiment else { return Errors::new() };
    let mut errors = Errors::new();
    for (index, template) in experiment.templates.iter().enumerate() {
        let Some(weight) = template.weight else { continue };
        let path = format!("{path}.experiment.templates[{index}].weight");
        match &canary.traffic_routing {
            None => {
                let text = "Experiment template weight cannot be set unless TrafficRouting is enabled";
                errors.push(Invalid::value(&path, &weight, text));
            }
            Some(it) if !["alb", "smi", "istio"].iter().any(|name| it.has(name)) && it.plugins.is_empty() => {
                errors.push(Invalid::value(&path, &weight, WEIGHTS));
            }
            Some(_) => {}
        }
    }
    errors
}

/// Arguments that speak of metadata must find it.
fn arguments(path: &str, step: &CanaryStep, ro: &Rollout) -> Errors {
    let analysis = step.analysis.iter().flat_map(|it| &it.args);
    let experiment = step.experiment.iter().flat_map(|it| &it.analyses).flat_map(|it| &it.args);
    let args: Vec<&RolloutAnalysisArgument> = experiment.chain(analysis).collect();
    let object = json!({"metadata": ro.metadata});
    let wrong = args.iter().filter(|it| {
        let field = it.value_from.as_ref().and_then(|it| it.field_ref.as_ref());
        field.is_some_and(|it| it.field_path.starts_with("metadata") && !is_metadata(&object, &it.field_path))
    });
    wrong.map(|_| Invalid::value(&format!("{path}.analyses"), &args, ARGS)).collect()
}

fn is_metadata(object: &Value, path: &str) -> bool {
    let plain = ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
    let keyed = |it: &str| path.strip_prefix(it).is_some_and(|it| it.starts_with('[') && it.ends_with(']'));
    plain.contains(&path)
        || (keyed("metadata.labels") || keyed("metadata.annotations")) && field_value(object, path).is_ok()
}
