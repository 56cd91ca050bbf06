//! Services.

use serde_json::json;

use super::super::super::names;
use super::super::place::Place;
use super::super::shown::Go;
use super::{addresses, cidr, endpoint_ip};

/// The key of a port among others.
static PORT: Go = Go::plain(&[
    ("Name", "name", Go::Text),
    ("Protocol", "protocol", Go::Text),
    ("AppProtocol", "appProtocol", Go::Plain),
    ("Port", "port", Go::Number),
    ("TargetPort", "targetPort", Go::Number),
    ("NodePort", "nodePort", Go::Number),
]);
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

fn is_headless(spec: &Place<'_, '_>) -> bool {
    spec.at("clusterIPs").texts() == ["None"]
}

/// A service, new or as it shall be.
pub(in super::super) fn service(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    let spec = object.at("spec");
    if let Some(live) = live {
        update(&live.at("spec"), &spec);
    }
    let kind = spec.at("type").text();
    let headless = is_headless(&spec);
    let ports = spec.at("ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        ports.required("");
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            spec.at("clusterIPs").index(0).invalid(&format!("may not be set to 'None' for {kind} services"));
        }
        "ExternalName" => external_name(&spec),
        _ => {}
    }
    each_port(&ports);
    spec.at("selector").labels();
    affinity(&spec);
    addresses::related(&spec);
    let known = live.map(|live| live.at("spec.externalIPs").texts()).unwrap_or_default();
    for address in spec.at("externalIPs").items() {
        if names::legacy_ip(address.text()).is_none() && !known.contains(&address.text()) {
            address.legacy_ip();
        } else {
            endpoint_ip(&address, address.text());
        }
    }
    spec.at("type").required_choice(&["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    numbers(&spec);
    load_balancing(&spec);
    traffic(&spec);
}

fn external_name(spec: &Place<'_, '_>) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if !spec.at(field).is_empty() {
            spec.at(field).forbidden("may not be set for ExternalName services");
        }
    }
    let name = spec.at("externalName");
    let text = name.text();
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.is_empty() {
        name.required("");
    } else {
        name.wrongs(text, names::subdomain_problems(text));
    }
}

fn each_port(ports: &Place<'_, '_>) {
    let mut seen: Vec<&str> = Vec::new();
    for port in ports.items() {
        let name = port.at("name");
        if !name.is_empty() {
            name.label();
            if seen.contains(&name.text()) {
                name.duplicate(name.text());
            }
            seen.push(name.text());
        } else if ports.list().len() > 1 {
            name.required("");
        }
        port.at("port").port();
        port.at("protocol").required_choice(&PROTOCOLS);
        port.at("targetPort").port_or_name();
        if port.has("appProtocol") {
            port.at("appProtocol").qualified();
        }
    }
}

fn affinity(spec: &Place<'_, '_>) {
    let (kind, config) = (spec.at("sessionAffinity"), spec.at("sessionAffinityConfig"));
    kind.required_choice(&["ClientIP", "None"]);
    match kind.text() {
        "ClientIP" => {
            const WHY: &str = "when session affinity type is ClientIP";
            let (client, seconds) = (config.at("clientIP"), config.at("clientIP.timeoutSeconds"));
            if !config.is_set() {
                config.required(WHY);
            } else if !client.is_set() {
                client.required(WHY);
            } else if !seconds.is_set() {
                seconds.required(WHY);
            } else if !(1..=86_400).contains(&seconds.int()) {
                seconds.invalid("must be greater than 0 and less than 86400");
            }
        }
        "None" if config.is_set() => config.forbidden("must not be set when session affinity is None"),
        _ => {}
    }
}

/// Ports of nodes and of the service: each once per protocol.
fn numbers(spec: &Place<'_, '_>) {
    let ports = spec.at("ports");
    if spec.at("type").text() == "ClusterIP" {
        for port in ports.items().filter(|port| port.at("nodePort").int() != 0) {
            port.at("nodePort").forbidden("may not be used when `type` is 'ClusterIP'");
        }
    }
    let mut nodes: Vec<(&str, i64)> = Vec::new();
    for port in ports.items().filter(|port| port.at("nodePort").int() != 0) {
        let key = (port.at("protocol").text(), port.at("nodePort").int());
        if nodes.contains(&key) {
            port.at("nodePort").duplicate(key.1);
        }
        nodes.push(key);
    }
    let mut seen: Vec<(&str, i64)> = Vec::new();
    for port in ports.items() {
        let key = (port.at("protocol").text(), port.at("port").int());
        if seen.contains(&key) {
            port.duplicate_shown(&PORT.show(&json!({ "protocol": key.0, "port": key.1 })));
        }
        seen.push(key);
    }
}

fn load_balancing(spec: &Place<'_, '_>) {
    const ONLY: &str = "may only be used when `type` is 'LoadBalancer'";
    let is_one = spec.at("type").text() == "LoadBalancer";
    let ranges = spec.at("loadBalancerSourceRanges");
    if !ranges.is_empty() {
        let shown = spec.named("LoadBalancerSourceRanges");
        if !is_one {
            shown.forbidden(ONLY);
        }
        for (index, range) in ranges.texts().into_iter().enumerate() {
            cidr(&shown.index(index), range.trim());
        }
    }
    let (allocate, class) = (spec.at("allocateLoadBalancerNodePorts"), spec.at("loadBalancerClass"));
    if is_one && class.is_set() {
        class.qualified();
    }
    for place in [allocate, class] {
        if !is_one && place.is_set() {
            place.forbidden(ONLY);
        }
    }
}

fn traffic(spec: &Place<'_, '_>) {
    const POLICIES: [&str; 2] = ["Cluster", "Local"];
    let kind = spec.at("type").text();
    let reachable =
        matches!(kind, "LoadBalancer" | "NodePort") || kind == "ClusterIP" && !spec.at("externalIPs").is_empty();
    let outer = spec.at("externalTrafficPolicy");
    if reachable {
        outer.required_choice(&POLICIES);
    } else if !outer.is_empty() {
        outer.invalid("may only be set for externally-accessible services");
    }
    let health = spec.at("healthCheckNodePort");
    if kind == "LoadBalancer" && outer.text() == "Local" {
        if health.int() == 0 {
            health.required("");
        } else {
            health.port();
        }
    } else if health.int() != 0 {
        health.invalid("may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
    }
    let inner = spec.at("internalTrafficPolicy");
    if inner.is_set() {
        inner.must_be(&POLICIES);
    } else if matches!(kind, "ClusterIP" | "LoadBalancer" | "NodePort") {
        inner.required("");
    }
    spec.at("trafficDistribution").choice(&["PreferClose", "PreferSameZone", "PreferSameNode"]);
}

/// What stays once it is there.
fn update(old: &Place<'_, '_>, new: &Place<'_, '_>) {
    let both = |kind: &str| old.at("type").text() == kind && new.at("type").text() == kind;
    let named = |spec: &Place<'_, '_>| spec.at("type").text() == "ExternalName";
    if !(named(old) || named(new) || is_headless(old) && is_headless(new)) {
        let (before, after) = (old.at("clusterIPs"), new.at("clusterIPs"));
        for (index, address) in before.items().enumerate() {
            let now = after.index(index);
            if now.text() != address.text() && (index == 0 || after.list().len() == before.list().len()) {
                let unset = after.is_empty();
                let why = if unset { "primary clusterIP can not be unset" } else { "may not change once set" };
                now.wrong(after.value().clone(), why);
            }
        }
    }
    if !named(old) && !named(new) && !is_headless(old) && !is_headless(new) {
        let (before, after) = (old.at("ipFamilies"), new.at("ipFamilies"));
        let first = !before.is_empty() && !after.is_empty() && before.index(0).text() != after.index(0).text();
        if first {
            after.index(0).wrong(after.value().clone(), "may not change once set");
        }
    }
    let class = new.at("loadBalancerClass");
    if both("LoadBalancer") && class.value() != old.at("loadBalancerClass").value() {
        class.invalid("may not change once set");
    }
    let checked = |spec: &Place<'_, '_>| spec.at("externalTrafficPolicy").text() == "Local";
    let health = new.at("healthCheckNodePort");
    if both("LoadBalancer") && checked(old) && checked(new) && health.int() != old.at("healthCheckNodePort").int() {
        health.forbidden("field is immutable");
    }
}

/// The status of a load balancer.
pub(in super::super) fn load_balancer(object: &Place<'_, '_>) {
    let ingress = object.at("status.loadBalancer.ingress");
    if object.at("spec.type").text() != "LoadBalancer" {
        if !ingress.is_empty() {
            ingress.forbidden("may only be used when `spec.type` is 'LoadBalancer'");
        }
        return;
    }
    for point in ingress.items() {
        let (ip, mode, host) = (point.at("ip"), point.at("ipMode"), point.at("hostname"));
        if !ip.is_empty() {
            ip.legacy_ip();
        }
        if !mode.is_set() {
            if !ip.is_empty() {
                mode.required("must be specified when `ip` is set");
            }
        } else if ip.is_empty() {
            mode.forbidden("may not be specified when `ip` is not set");
        } else {
            mode.must_be(&["Proxy", "VIP"]);
        }
        host_name(&host);
    }
}

/// A name of a host that is no address.
pub(super) fn host_name(host: &Place<'_, '_>) {
    if host.is_empty() {
        return;
    }
    host.subdomain();
    if names::legacy_ip(host.text()).is_some() {
        host.invalid_text("must be a DNS name, not an IP address");
    }
}
