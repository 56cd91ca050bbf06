//! What a Rollout refers to: Services, templates, and the objects that its routers route by.

use std::sync::Arc;

use argo_core::{Gvk, Object, ObjectRef};
use serde_json::Value;

use super::{Errors, Invalid, manager, object, set};
use crate::{
    api::{AnalysisTemplateSpec, Argument, IntOrString, Rollout, RolloutAnalysisStep, names},
    engine::{World, analysis::flatten},
    routers,
};

/// An object that a router of the Rollout looks at.
pub(super) struct Routed {
    pub(super) target: ObjectRef,
    path: String,
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ingress,
    VirtualService,
    Mapping,
}

const ROUTING: &str = "spec.strategy.canary.trafficRouting";

/// Services by the fields that name them.
fn services(ro: &Rollout) -> Vec<(&'static str, &str)> {
    let (canary, blue_green) = (ro.spec.strategy.canary.as_ref(), ro.spec.strategy.blue_green.as_ref());
    let pair = canary.and_then(|it| it.ping_pong.as_ref());
    let named = [
        ("spec.strategy.canary.stableService", canary.and_then(|it| set(&it.stable_service))),
        ("spec.strategy.canary.canaryService", canary.and_then(|it| set(&it.canary_service))),
        ("spec.strategy.canary.pingPong.pingService", pair.map(|it| it.ping_service.as_str())),
        ("spec.strategy.canary.pingPong.pongService", pair.map(|it| it.pong_service.as_str())),
        ("spec.strategy.blueGreen.activeService", blue_green.map(|it| it.active_service.as_str())),
        ("spec.strategy.blueGreen.previewService", blue_green.and_then(|it| set(&it.preview_service))),
    ];
    named.into_iter().filter_map(|(path, name)| Some((path, name?))).collect()
}

/// The objects that routers of this Rollout look at by name.
pub(super) fn routed(ro: &Rollout) -> Vec<Routed> {
    let canary = ro.spec.strategy.canary.as_ref();
    let Some(routing) = canary.and_then(|it| it.traffic_routing.as_ref()) else { return Vec::new() };
    let settings = |name: &str| routing.extra.get(name).filter(|it| it.is_object());
    let mut all = Vec::new();
    for (router, one, many) in [("nginx", "stableIngress", "stableIngresses"), ("alb", "ingress", "ingresses")] {
        let Some(settings) = settings(router) else { continue };
        let gvk = Gvk::new("networking.k8s.io", "v1", "Ingress");
        let listed = settings.get(many).and_then(Value::as_array);
        let field = if listed.is_some() { many } else { one };
        let names = listed.into_iter().flatten().chain(settings.get(one).filter(|_| listed.is_none()));
        for name in names.filter_map(Value::as_str).filter(|it| !it.is_empty()) {
            all.push(Routed {
                target: object(ro, gvk.clone(), name),
                path: format!("{ROUTING}.{router}.{field}"),
                name: name.to_owned(),
                kind: Kind::Ingress,
            });
        }
    }
    if let Some(settings) = settings("istio") {
        let field = if settings.get("virtualServices").is_some() { "virtualServices" } else { "virtualService" };
        for service in routers::virtual_services(settings) {
            let (namespace, name) = routers::virtual_service_name(&service);
            let mut target = object(ro, Gvk::new("networking.istio.io", "v1alpha3", "VirtualService"), name);
            target.namespace = namespace.map(str::to_owned).or(target.namespace);
            all.push(Routed {
                target,
                path: format!("{ROUTING}.istio.{field}.name"),
                name: name.to_owned(),
                kind: Kind::VirtualService,
            });
        }
    }
    let mappings = settings("ambassador").and_then(|it| it.get("mappings")?.as_array());
    for name in mappings.into_iter().flatten().filter_map(Value::as_str) {
        all.push(Routed {
            target: object(ro, Gvk::new("getambassador.io", "v2", "Mapping"), name),
            path: format!("{ROUTING}.ambassador.mappings"),
            name: name.to_owned(),
            kind: Kind::Mapping,
        });
    }
    all
}

/// Whether routers say once what they route by.
fn settings(ro: &Rollout) -> Errors {
    let canary = ro.spec.strategy.canary.as_ref();
    let Some(routing) = canary.and_then(|it| it.traffic_routing.as_ref()) else { return Errors::new() };
    let mut errors = Errors::new();
    let fields = [
        ("nginx", "stableIngress", "stableIngresses", "StableIngress or StableIngresses"),
        ("alb", "ingress", "ingresses", "Ingress or Ingresses"),
        ("istio", "virtualService", "virtualServices", ""),
    ];
    for (router, one, many, words) in fields {
        let Some(settings) = routing.extra.get(router).filter(|it| it.is_object()) else { continue };
        let has = |it: &str| settings.get(it).is_some_and(|it| !it.is_null() && *it != "");
        let text = match (has(one), has(many)) {
            (true, true) if words.is_empty() => {
                "either VirtualService or VirtualServices must be configured".to_owned()
            }
            (false, false) if words.is_empty() => {
                "either VirtualService or VirtualServices must be configured".to_owned()
            }
            (true, true) => format!("Either {words} must be configured. Both are configured."),
            (false, false) => format!("Either {words} must be configured. Neither are configured."),
            _ => continue,
        };
        errors.push(Invalid::internal(&format!("{ROUTING}.{router}"), &text));
    }
    errors
}

/// Checks what is referred to; what is missing is an error.
pub(super) fn in_world(ro: &Rollout, world: &World) -> Errors {
    let namespace = ro.metadata.namespace.as_deref();
    let find = |name: &str| world.services.iter().find(|it| it.name() == name && it.namespace() == namespace);
    let mut errors = Errors::new();
    for (path, name) in services(ro).into_iter().filter(|(_, name)| find(name).is_none()) {
        errors.push(Invalid::value(path, &name, format!("service \"{name}\" not found")));
    }
    errors.extend(settings(ro));
    for (path, name) in services(ro) {
        errors.extend(find(name).into_iter().flat_map(|it| service(path, ro, it)));
    }
    errors.extend(templates(ro, world));
    for it in routed(ro) {
        match world.routed.get(&it.target) {
            Some(Some(object)) => errors.extend(routed_object(ro, &it, object)),
            Some(None) => {
                let text = format!("{} \"{}\" not found", it.target.gvk.kind, it.name);
                errors.push(Invalid::value(&it.path, &it.name, text));
            }
            // Nobody looked.
            None => {}
        }
    }
    errors
}

/// Checks what is referred to as far as it is among these objects.
pub(super) fn among(ro: &Rollout, objects: &[Object]) -> Errors {
    let of_kind = |kind: &'static str| objects.iter().filter(move |it| it.gvk().kind == kind);
    let mut errors = Errors::new();
    for object in of_kind("Service") {
        let named = services(ro).into_iter().rfind(|(_, name)| *name == object.name());
        errors.extend(named.into_iter().flat_map(|(path, _)| service(path, ro, object)));
    }
    // An Ingress that does not lead to the Service is taken for somebody else's.
    for object in of_kind("VirtualService") {
        let mut all = routed(ro).into_iter();
        let named = all.find(|it| it.kind == Kind::VirtualService && it.name == object.name());
        match named {
            Some(it) => errors.extend(routed_object(ro, &it, object)),
            None if manager(object) == ro.metadata.name.as_deref() && manager(object).is_some() => {
                let text = "Rollout object is not configured with Istio traffic routing";
                errors.push(Invalid::value("spec.strategy.canary.trafficRouting.istio", &object.name(), text));
            }
            None => {}
        }
    }
    errors
}

fn service(path: &str, ro: &Rollout, service: &Object) -> Errors {
    let name = service.name();
    let mut errors = Errors::new();
    let selector = service.pointer("/spec/selector").and_then(Value::as_object);
    for (key, value) in selector.into_iter().flatten().filter(|(key, _)| *key != names::POD_TEMPLATE_HASH) {
        let labels = ro.spec.template.pointer("/metadata/labels");
        if labels.and_then(|it| it.get(key)) != Some(value) {
            let text = format!("Service \"{name}\" has unmatch label \"{key}\" in rollout");
            errors.push(Invalid::value(path, &name, text));
        }
    }
    if manager(service).is_some_and(|it| Some(it) != ro.metadata.name.as_deref()) {
        errors.push(Invalid::value(path, &name, format!("Service \"{name}\" is managed by another Rollout")));
    }
    errors
}

fn routed_object(ro: &Rollout, it: &Routed, object: &Object) -> Errors {
    let stable = ro.services(false).0;
    match it.kind {
        Kind::Ingress => {
            let alb = ro.spec.strategy.canary.as_ref().and_then(|it| it.traffic_routing.as_ref()?.extra.get("alb"));
            let root = alb.filter(|_| it.path.contains(".alb.")).and_then(|it| it.get("rootService")?.as_str());
            let service = root.filter(|it| !it.is_empty()).unwrap_or(stable);
            if routers::has_rule(object, service) {
                return Errors::new();
            }
            let text = format!("ingress `{}` has no rules using service {service} backend", it.name);
            vec![Invalid::value(&it.path, &it.name, text)]
        }
        Kind::VirtualService => virtual_service(ro, it, object),
        Kind::Mapping if object.integer("/spec/weight").is_some_and(|it| it != 0) => {
            let text = format!("Ambassador mapping \"{}\" can not define weight", it.name);
            vec![Invalid::value("spec.weight", &it.name, text)]
        }
        Kind::Mapping => Errors::new(),
    }
}

fn virtual_service(ro: &Rollout, it: &Routed, object: &Object) -> Errors {
    let kinds = [("http", "HTTP"), ("tls", "TLS"), ("tcp", "TCP")];
    let has = |kind: &str| object.pointer(&format!("/spec/{kind}")).is_some_and(Value::is_array);
    if !kinds.iter().any(|(kind, _)| has(kind)) {
        let text = "Unable to get any of the HTTP, TCP or TLS routes for the Istio VirtualService";
        return vec![Invalid::value(&it.path, &it.name, text)];
    }
    let mut errors = Errors::new();
    for (kind, words) in kinds {
        let mut only = object.clone();
        for (other, _) in kinds.iter().filter(|(it, _)| *it != kind) {
            only.remove(&["spec", other]);
        }
        if let Err(error) = routers::check_virtual_service(ro, &only, &it.name) {
            let text = format!("Istio VirtualService has invalid {words} routes. Error: {error}");
            errors.push(Invalid::value(&it.path, &it.name, text));
        }
    }
    errors
}

/// Templates exist, fit together, and end where a step waits for them.
fn templates(ro: &Rollout, world: &World) -> Errors {
    let canary = ro.spec.strategy.canary.as_ref();
    let blue_green = ro.spec.strategy.blue_green.as_ref();
    let mut all: Vec<(String, &RolloutAnalysisStep, bool)> = Vec::new();
    for (index, step) in ro.spec.steps().iter().enumerate() {
        if let Some(analysis) = &step.analysis {
            all.push((format!("spec.strategy.canary.steps[{index}].analysis.templates"), analysis, false));
        }
    }
    let promotions = [
        ("prePromotionAnalysis", blue_green.and_then(|it| it.pre_promotion_analysis.as_ref())),
        ("postPromotionAnalysis", blue_green.and_then(|it| it.post_promotion_analysis.as_ref())),
    ];
    for (field, analysis) in promotions {
        all.extend(analysis.map(|it| (format!("spec.strategy.blueGreen.{field}.templates"), it, false)));
    }
    if let Some(background) = canary.and_then(|it| it.analysis.as_ref()) {
        all.push(("spec.strategy.canary.analysis.templates".to_owned(), &background.analysis, true));
    }
    all.iter().flat_map(|(path, analysis, background)| analysis_of(ro, world, path, analysis, *background)).collect()
}

fn analysis_of(ro: &Rollout, world: &World, path: &str, analysis: &RolloutAnalysisStep, background: bool) -> Errors {
    let namespace = ro.metadata.namespace.as_deref();
    let mut found: Vec<Arc<Object>> = Vec::new();
    let collected = flatten::collect(&analysis.templates, &mut |it| {
        let list = if it.cluster_scope { &world.cluster_templates } else { &world.templates };
        let object = list.iter().find(|object| {
            object.name() == it.template_name && (it.cluster_scope || object.namespace() == namespace)
        })?;
        found.push(object.clone());
        Some((**object).clone())
    });
    let specs = match collected {
        Ok(specs) => specs,
        Err(error) => return vec![Invalid::value(path, &error.template(), error)],
    };
    let args: Vec<Argument> = analysis
        .args
        .iter()
        .map(|it| Argument {
            name: it.name.clone(),
            value: Some(it.value.clone().unwrap_or_else(|| "dummy-value".to_owned())),
            ..Default::default()
        })
        .collect();
    if let Err(error) = flatten::spec(&specs, &args, &analysis.dry_run, &analysis.measurement_retention) {
        let names: Vec<&str> = found.iter().map(|it| it.name()).collect();
        return vec![Invalid::value(path, &format!("templateNames: [{}]", names.join(" ")), error)];
    }
    if background {
        return Errors::new();
    }
    let mut errors = Errors::new();
    for object in found {
        let spec = object.get("spec").cloned().unwrap_or_default();
        let Ok(spec) = serde_json::from_value::<AnalysisTemplateSpec>(spec) else { continue };
        let name = object.name();
        for metric in spec.metrics.iter().filter(|it| it.interval.as_ref().is_some_and(|it| !it.is_empty())) {
            if metric.count.is_none() || metric.count == Some(IntOrString::Int(0)) {
                let count = metric.count.as_ref().map_or_else(|| "<nil>".to_owned(), IntOrString::to_text);
                let text = format!(
                    "AnalysisTemplate {name} has metric {} which runs indefinitely. Invalid value for count: {count}",
                    metric.name
                );
                errors.push(Invalid::value(path, &name, text));
            }
        }
    }
    errors
}
