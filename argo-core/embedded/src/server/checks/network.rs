//! Checks of services, ingresses and network policies, in the words of the real server.

use std::net::IpAddr;

use serde_json::Value;

use super::super::meta;
use super::super::names;
use super::super::status::Cause;
use super::{items, labels, one_of, pod, port_number};

/// Types, policies and names of a service. What depends on the type is looked at when it is made: a change of type clears it.
pub(super) fn service(object: &Value, new: bool, causes: &mut Vec<Cause>) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let kind = meta::text(spec, "/type");
    let choices: [(&str, &[&str]); 6] = [
        ("type", &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]),
        ("sessionAffinity", &["ClientIP", "None"]),
        ("internalTrafficPolicy", &["Cluster", "Local"]),
        ("externalTrafficPolicy", &["Cluster", "Local"]),
        ("ipFamilyPolicy", &["PreferDualStack", "RequireDualStack", "SingleStack"]),
        ("trafficDistribution", &["PreferClose", "PreferSameZone", "PreferSameNode"]),
    ];
    for (field, allowed) in choices {
        one_of(meta::text(spec, &format!("/{field}")), allowed, format!("spec.{field}"), causes);
    }
    for (index, family) in items(spec, "/ipFamilies").iter().filter_map(Value::as_str).enumerate() {
        one_of(family, &["IPv4", "IPv6"], format!("spec.ipFamilies[{index}]"), causes);
    }
    labels(spec.get("selector"), "spec.selector", causes);
    let seconds = spec.pointer("/sessionAffinityConfig/clientIP/timeoutSeconds").and_then(Value::as_i64);
    if meta::text(spec, "/sessionAffinity") == "ClientIP"
        && let Some(seconds) = seconds.filter(|seconds| !(1..=86_400).contains(seconds))
    {
        let why = "must be greater than 0 and less than 86400";
        causes.push(Cause::invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", &Value::from(seconds), why));
    }
    if kind == "ExternalName" {
        let name = meta::text(spec, "/externalName").trim_end_matches('.');
        if name.is_empty() {
            causes.push(Cause::required("spec.externalName", ""));
        } else if !names::is_subdomain(name) {
            causes.push(Cause::invalid("spec.externalName", &Value::from(name), names::SUBDOMAIN));
        }
    }
    if new && kind != "LoadBalancer" {
        for field in ["loadBalancerClass", "allocateLoadBalancerNodePorts"] {
            if spec.get(field).is_some_and(|value| !value.is_null()) {
                causes
                    .push(Cause::forbidden(format!("spec.{field}"), "may only be used when `type` is 'LoadBalancer'"));
            }
        }
    }
    for (index, port) in items(spec, "/ports").iter().enumerate() {
        let at = format!("spec.ports[{index}]");
        let name = meta::text(port, "/name");
        if !name.is_empty() && !names::is_label(name) {
            causes.push(Cause::invalid(format!("{at}.name"), &Value::from(name), names::LABEL));
        }
        one_of(meta::text(port, "/protocol"), &["SCTP", "TCP", "UDP"], format!("{at}.protocol"), causes);
        if let Some(target) = port.get("targetPort").and_then(Value::as_str) {
            pod::port_name(target, &format!("{at}.targetPort"), causes);
        }
        if let Some(protocol) = port.get("appProtocol").and_then(Value::as_str) {
            for problem in names::qualified_name_problems(protocol) {
                causes.push(Cause::invalid(format!("{at}.appProtocol"), &Value::from(protocol), &problem));
            }
        }
        if new && kind == "ClusterIP" && port.get("nodePort").and_then(Value::as_i64).is_some_and(|port| port != 0) {
            causes.push(Cause::forbidden(format!("{at}.nodePort"), "may not be used when `type` is 'ClusterIP'"));
        }
    }
}

/// Hosts, paths and backends of an ingress.
pub(super) fn ingress(spec: &Value, causes: &mut Vec<Cause>) {
    if let Some(default) = spec.get("defaultBackend").filter(|backend| !backend.is_null()) {
        backend(default, "spec.defaultBackend", causes);
    }
    let class = meta::text(spec, "/ingressClassName");
    if !class.is_empty() && !names::is_subdomain(class) {
        causes.push(Cause::invalid("spec.ingressClassName", &Value::from(class), names::SUBDOMAIN));
    }
    for (index, rule) in items(spec, "/rules").iter().enumerate() {
        let at = format!("spec.rules[{index}]");
        let host = meta::text(rule, "/host");
        if host.parse::<IpAddr>().is_ok() {
            let why = "must be a DNS name, not an IP address";
            causes.push(Cause::invalid(format!("{at}.host"), &Value::from(host), why));
        } else if !host.is_empty() && !host.contains('*') && !names::is_subdomain(host) {
            causes.push(Cause::invalid(format!("{at}.host"), &Value::from(host), names::SUBDOMAIN));
        }
        let Some(http) = rule.get("http").filter(|http| !http.is_null()) else { continue };
        let paths = items(http, "/paths");
        if paths.is_empty() {
            causes.push(Cause::required(format!("{at}.http.paths"), ""));
        }
        for (index, path) in paths.iter().enumerate() {
            ingress_path(path, &format!("{at}.http.paths[{index}]"), causes);
        }
    }
}

fn ingress_path(path: &Value, at: &str, causes: &mut Vec<Cause>) {
    let (text, kind) = (meta::text(path, "/path"), meta::text(path, "/pathType"));
    let mut wrong = |why: &str| causes.push(Cause::invalid(format!("{at}.path"), &Value::from(text), why));
    match kind {
        "Exact" | "Prefix" => {
            if !text.starts_with('/') {
                wrong("must be an absolute path");
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"] {
                if text.contains(part) {
                    wrong(&format!("must not contain '{part}'"));
                }
            }
            for end in ["/..", "/."] {
                if text.ends_with(end) {
                    wrong(&format!("cannot end with '{end}'"));
                }
            }
        }
        "ImplementationSpecific" => {
            if !text.is_empty() && !text.starts_with('/') {
                wrong("must be an absolute path");
            }
        }
        "" => causes.push(Cause::required(format!("{at}.pathType"), "pathType must be specified")),
        _ => one_of(kind, &["Exact", "ImplementationSpecific", "Prefix"], format!("{at}.pathType"), causes),
    }
    backend(path.get("backend").unwrap_or(&Value::Null), &format!("{at}.backend"), causes);
}

fn backend(backend: &Value, at: &str, causes: &mut Vec<Cause>) {
    let given = |field: &str| backend.get(field).filter(|value| !value.is_null());
    match (given("resource"), given("service")) {
        (Some(_), Some(_)) => {
            causes.push(Cause::invalid(at, &Value::from(""), "cannot set both resource and service backends"));
        }
        (None, None) => causes.push(Cause::invalid(at, &Value::from(""), "resource or service backend is required")),
        (Some(_), None) => {}
        (None, Some(service)) => {
            if meta::text(service, "/name").is_empty() {
                causes.push(Cause::required(format!("{at}.service.name"), ""));
            }
            let number = service.pointer("/port/number").and_then(Value::as_i64).unwrap_or(0);
            let name = meta::text(service, "/port/name");
            if !name.is_empty() {
                pod::port_name(name, &format!("{at}.service.port.name"), causes);
            } else if number == 0 {
                causes.push(Cause::required(at, "port name or number is required"));
            } else {
                port_number(number, format!("{at}.service.port.number"), causes);
            }
        }
    }
}

/// Selector, types, peers and ports of a network policy.
pub(super) fn policy(spec: &Value, causes: &mut Vec<Cause>) {
    labels(spec.pointer("/podSelector/matchLabels"), "spec.podSelector.matchLabels", causes);
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in items(spec, &format!("/{rules}")).iter().enumerate() {
            let at = format!("spec.{rules}[{index}]");
            for (index, port) in items(rule, "/ports").iter().enumerate() {
                let field = format!("{at}.ports[{index}].port");
                match port.get("port") {
                    Some(Value::Number(number)) => port_number(number.as_i64().unwrap_or(0), field, causes),
                    Some(Value::String(name)) => pod::port_name(name, &field, causes),
                    _ => {}
                }
            }
            for (index, peer) in items(rule, &format!("/{peers}")).iter().enumerate() {
                let at = format!("{at}.{peers}[{index}]");
                let given = |field: &str| peer.get(field).is_some_and(|value| !value.is_null());
                let selects = given("podSelector") || given("namespaceSelector");
                if given("ipBlock") && selects {
                    causes.push(Cause::forbidden(at, "may not specify both ipBlock and another peer"));
                } else if !given("ipBlock") && !selects {
                    causes.push(Cause::required(at, "must specify a peer"));
                }
            }
        }
    }
    let types = items(spec, "/policyTypes");
    if types.len() > 2 {
        causes.push(Cause::invalid(
            "spec.policyTypes",
            &spec["policyTypes"],
            "may not specify more than two policyTypes",
        ));
        return;
    }
    for (index, kind) in types.iter().filter_map(Value::as_str).enumerate() {
        one_of(kind, &["Ingress", "Egress"], format!("spec.policyTypes[{index}]"), causes);
    }
}
