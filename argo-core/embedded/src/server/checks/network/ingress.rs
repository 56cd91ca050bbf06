//! Ingresses and their classes.

use super::super::super::names;
use super::super::place::Place;
use super::service::host_name;

/// An ingress; a new one may not name two classes.
pub(in super::super) fn ingress(object: &Place<'_, '_>, new: bool) {
    const CLASS: &str = "kubernetes.io/ingress.class";
    let spec = object.at("spec");
    let (rules, default) = (spec.at("rules"), spec.at("defaultBackend"));
    if rules.is_empty() && !default.is_set() {
        spec.wrong(rules.value().clone(), "either `defaultBackend` or `rules` must be specified");
    }
    if default.is_set() {
        backend(&default);
    }
    rules.items().for_each(|rule| check_rule(&rule));
    for entry in spec.at("tls").items() {
        entry.at("hosts").items().for_each(|host| wild_host(&host));
        if !entry.at("secretName").is_empty() {
            entry.at("secretName").subdomain();
        }
    }
    let class = spec.at("ingressClassName");
    if class.is_set() {
        class.subdomain();
    }
    let annotations = object.at("metadata.annotations");
    let old = annotations.key(CLASS);
    if new && old.is_set() && class.is_set() && old.text() != class.text() {
        let path = format!("annotations.{CLASS}");
        object.elsewhere(old.value(), &path).invalid("must match `ingressClassName` when both are specified");
    }
}

fn wild_host(host: &Place<'_, '_>) {
    match host.text().contains('*') {
        true => host.each(names::wildcard_problems(host.text())),
        false => host.subdomain(),
    }
}

fn check_rule(rule: &Place<'_, '_>) {
    let host = rule.at("host");
    if names::legacy_ip(host.text()).is_some() {
        host.invalid("must be a DNS name, not an IP address");
    }
    if !host.is_empty() {
        wild_host(&host);
    }
    if !rule.has("http") {
        return;
    }
    let paths = rule.at("http.paths");
    paths.needed();
    paths.items().for_each(|path| check_path(&path));
}

fn check_path(item: &Place<'_, '_>) {
    let (path, kind) = (item.at("path"), item.at("pathType"));
    let text = path.text();
    match kind.text() {
        "Exact" | "Prefix" => {
            if !text.starts_with('/') {
                path.invalid_text("must be an absolute path");
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"].iter().filter(|part| text.contains(**part)) {
                path.invalid_text(&format!("must not contain '{part}'"));
            }
            for end in ["/..", "/."].iter().filter(|end| text.ends_with(**end)) {
                path.invalid_text(&format!("cannot end with '{end}'"));
            }
        }
        "ImplementationSpecific" => {
            if !text.is_empty() && !text.starts_with('/') {
                path.invalid_text("must be an absolute path");
            }
        }
        "" => return kind.required("pathType must be specified"),
        _ => kind.must_be(&["Exact", "ImplementationSpecific", "Prefix"]),
    }
    backend(&item.at("backend"));
}

fn backend(backend: &Place<'_, '_>) {
    match (backend.has("resource"), backend.has("service")) {
        (true, true) => backend.wrong("", "cannot set both resource and service backends"),
        (false, false) => backend.wrong("", "resource or service backend is required"),
        (true, false) => {
            let resource = backend.at("resource");
            for field in ["kind", "name"] {
                let place = resource.at(field);
                if place.is_empty() {
                    place.required("");
                } else {
                    place.each(names::path_segment_problems(place.text()));
                }
            }
        }
        (false, true) => {
            let service = backend.at("service");
            let (name, port, number) = (service.at("name"), service.at("port.name"), service.at("port.number"));
            if name.is_empty() {
                name.required("");
            } else {
                name.each(names::label_1035_problems(name.text()));
            }
            match (!port.is_empty(), number.int() != 0) {
                (true, true) => backend.wrong("", "cannot set both port name & port number"),
                (true, false) => port.each(names::port_name_problems(port.text())),
                (false, true) => number.port(),
                (false, false) => backend.required("port name or number is required"),
            }
        }
    }
}

pub(in super::super) fn ingress_status(object: &Place<'_, '_>) {
    for point in object.at("status.loadBalancer.ingress").items() {
        if !point.at("ip").is_empty() {
            point.at("ip").legacy_ip();
        }
        host_name(&point.at("hostname"));
    }
}

/// A class: its controller stays.
pub(in super::super) fn ingress_class(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    let controller = object.at("spec.controller");
    if let Some(live) = live {
        controller.immutable(&live.at("spec.controller"));
    } else if controller.is_empty() {
        controller.required("");
    } else if !controller.text().contains('/') {
        controller.invalid_text("must be a domain-prefixed path (such as \"acme.io/foo\")");
    }
}
