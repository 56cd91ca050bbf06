//! Autoscalers: targets, metrics, behaviour.

use argo_lang::quantity::Quantity;

use super::super::super::names;
use super::super::place::Place;
use super::super::pod;

const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];
const KINDS: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

pub(in super::super) fn autoscaler(object: &Place<'_, '_>) {
    let spec = object.at("spec");
    let (least, most) = (spec.at("minReplicas"), spec.at("maxReplicas"));
    if least.is_set() && least.int() < 1 {
        least.invalid("must be greater than or equal to 1");
    }
    if most.int() < 1 {
        most.invalid_int("must be greater than 0");
    }
    if least.is_set() && most.int() < least.int() {
        most.invalid_int("must be greater than or equal to `minReplicas`");
    }
    reference(&spec.at("scaleTargetRef"), false);
    let metrics = spec.at("metrics");
    metrics.items().for_each(|metric| check_metric(&metric));
    let outside = |kind: &str| metrics.items().any(|metric| metric.at("type").text() == kind);
    if least.is_set() && least.int() == 0 && !outside("Object") && !outside("External") {
        metrics.forbidden("must specify at least one Object or External metric to support scaling to zero replicas");
    }
    for field in ["scaleUp", "scaleDown"] {
        let behavior = spec.at("behavior");
        let rules = behavior.at(field);
        if rules.is_set() {
            scaling_rules(&rules);
        }
    }
}

pub(in super::super) fn autoscaler_status(object: &Place<'_, '_>) {
    for field in ["currentReplicas", "desiredReplicas"] {
        object.at("status").at(field).not_negative();
    }
}

/// A reference to an object of any version.
fn reference(reference: &Place<'_, '_>, core_too: bool) {
    for field in ["kind", "name"] {
        let place = reference.at(field);
        if place.is_empty() {
            place.required("");
        } else {
            place.each(names::path_segment_problems(place.text()));
        }
    }
    let version = reference.at("apiVersion");
    match version.text().matches('/').count() {
        0 if !core_too => version.invalid_text("apiVersion must specify API group"),
        0 | 1 => {}
        _ => version.invalid_text(&format!("unexpected GroupVersion string: {}", version.text())),
    }
}

fn scaling_rules(rules: &Place<'_, '_>) {
    let window = rules.at("stabilizationWindowSeconds");
    if window.int() < 0 {
        window.invalid("must be greater than or equal to zero");
    }
    if window.int() > 3600 {
        window.invalid("must be less than or equal to 3600");
    }
    if rules.has("selectPolicy") {
        rules.at("selectPolicy").must_be(&["Disabled", "Max", "Min"]);
    }
    let policies = rules.at("policies");
    if policies.is_empty() {
        policies.required("must specify at least one Policy");
    }
    for policy in policies.items() {
        policy.at("type").must_be(&["Percent", "Pods"]);
        policy.at("value").positive();
        let period = policy.at("periodSeconds");
        period.positive();
        if period.int() > 1800 {
            period.invalid("must be less than or equal to 1800");
        }
    }
}

fn check_metric(metric: &Place<'_, '_>) {
    let kind = metric.at("type");
    if kind.is_empty() {
        kind.required("must specify a metric source type");
    }
    kind.must_be(&KINDS);
    let given: Vec<&str> = SOURCES.iter().map(|(_, field)| *field).filter(|field| metric.has(field)).collect();
    if let Some(first) = given.first() {
        let source = metric.at(first);
        match *first {
            "object" => object_source(&source),
            "external" => external_source(&source),
            "pods" => pods_source(&source),
            _ => resource_source(&source, *first == "containerResource"),
        }
    }
    let expected = SOURCES.iter().find(|(name, _)| *name == kind.text()).map(|(_, field)| *field);
    match expected {
        Some(field) if !metric.has(field) => {
            metric.at(field).required("must populate information for the given metric source");
        }
        Some(_) => {}
        None => kind.must_be(&KINDS),
    }
    if given.len() != 1 {
        for field in given.into_iter().filter(|field| Some(*field) != expected) {
            metric.at(field).forbidden("must populate the given metric source only");
        }
    }
}

fn identifier(source: &Place<'_, '_>) {
    let name = source.at("metric.name");
    if name.is_empty() {
        name.required("must specify a metric name");
    } else {
        name.each(names::path_segment_problems(name.text()));
    }
}

fn object_source(source: &Place<'_, '_>) {
    reference(&source.at("describedObject"), true);
    identifier(source);
    let target = source.at("target");
    check_target(&target);
    if !target.has("value") && !target.has("averageValue") {
        target.at("averageValue").required("must set either a target value or averageValue");
    }
}

fn external_source(source: &Place<'_, '_>) {
    identifier(source);
    let target = source.at("target");
    check_target(&target);
    match (target.has("value"), target.has("averageValue")) {
        (false, false) => {
            target.at("averageValue").required("must set either a target value for metric or a per-pod target");
        }
        (true, true) => {
            target.at("value").forbidden("may not set both a target value for metric and a per-pod target");
        }
        _ => {}
    }
}

fn pods_source(source: &Place<'_, '_>) {
    identifier(source);
    let target = source.at("target");
    check_target(&target);
    if !target.has("averageValue") {
        target.at("averageValue").required("must specify a positive target averageValue");
    }
}

fn resource_source(source: &Place<'_, '_>, of_container: bool) {
    let name = source.at("name");
    if name.is_empty() {
        name.required("must specify a resource name");
    } else if of_container {
        pod::container_resource_name(&name, name.text());
    }
    if of_container {
        let container = source.at("container");
        if container.is_empty() {
            container.required("must specify a container");
        } else {
            container.label();
        }
    }
    let target = source.at("target");
    check_target(&target);
    match (target.has("averageUtilization"), target.has("averageValue")) {
        (false, false) => {
            let why = "must set either a target raw value or a target utilization";
            target.at("averageUtilization").required(why);
        }
        (true, true) => {
            target.at("averageValue").forbidden("may not set both a target raw value and a target utilization");
        }
        _ => {}
    }
}

fn check_target(target: &Place<'_, '_>) {
    let kind = target.at("type");
    if kind.is_empty() {
        kind.required("must specify a metric target type");
    }
    if !matches!(kind.text(), "Utilization" | "Value" | "AverageValue") {
        kind.invalid_text("must be either Utilization, Value, or AverageValue");
    }
    for field in ["value", "averageValue"] {
        let place = target.at(field);
        if let Some(amount) = place.quantity().filter(|amount| *amount <= Quantity::ZERO) {
            place.wrong(amount.to_string(), "must be positive");
        }
    }
    let utilization = target.at("averageUtilization");
    if utilization.is_set() && utilization.int() < 1 {
        utilization.invalid("must be greater than 0");
    }
}
