//! Endpoints and endpoint slices.

use super::super::super::names;
use super::super::place::Place;
use super::super::same;
use super::endpoint_ip;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// Endpoints of a service. What was taken before may stay.
pub(in super::super) fn endpoints(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    let subsets = object.at("subsets");
    if live.is_some_and(|live| same(live.at("subsets").value(), subsets.value())) {
        return;
    }
    for subset in subsets.items() {
        if subset.at("addresses").is_empty() && subset.at("notReadyAddresses").is_empty() {
            subset.required("must specify `addresses` or `notReadyAddresses`");
        }
        for list in ["addresses", "notReadyAddresses"] {
            subset.at(list).items().for_each(|address| check_address(&address));
        }
        let ports = subset.at("ports");
        for port in ports.items() {
            let name = port.at("name");
            if !name.is_empty() {
                name.label();
            } else if ports.list().len() > 1 {
                name.required("");
            }
            port.at("port").port();
            port.at("protocol").required_choice(&PROTOCOLS);
            if port.has("appProtocol") {
                port.at("appProtocol").qualified();
            }
        }
    }
}

fn check_address(address: &Place<'_, '_>) {
    let ip = address.at("ip");
    ip.legacy_ip();
    if !address.at("hostname").is_empty() {
        address.at("hostname").label();
    }
    if address.has("nodeName") {
        address.at("nodeName").subdomain();
    }
    endpoint_ip(&ip, ip.text());
}

/// A slice of endpoints.
pub(in super::super) fn endpoint_slice(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    let kind = object.at("addressType");
    kind.required_choice(&["FQDN", "IPv4", "IPv6"]);
    slice_ports(&object.at("ports"));
    let endpoints = object.at("endpoints");
    if !live.is_some_and(|live| same(live.at("endpoints").value(), endpoints.value())) {
        endpoints.too_many(1000);
        endpoints.items().for_each(|endpoint| check_endpoint(&endpoint, kind.text()));
    }
    if let Some(live) = live {
        kind.immutable(&live.at("addressType"));
    }
}

fn slice_ports(ports: &Place<'_, '_>) {
    ports.too_many(20_000);
    let mut seen: Vec<&str> = Vec::new();
    for port in ports.items() {
        let name = port.at("name");
        if !name.is_empty() {
            name.label();
        }
        if seen.contains(&name.text()) {
            name.duplicate(name.text());
        }
        seen.push(name.text());
        port.at("protocol").required_choice(&PROTOCOLS);
        if port.has("appProtocol") {
            port.at("appProtocol").qualified();
        }
    }
}

fn check_endpoint(endpoint: &Place<'_, '_>, kind: &str) {
    let addresses = endpoint.at("addresses");
    if addresses.is_empty() {
        addresses.required("must contain at least 1 address");
    }
    addresses.too_many(100);
    for address in addresses.items() {
        let text = address.text();
        if kind == "FQDN" {
            if text.is_empty() {
                address.required("");
            }
            address.each(names::domain_name_problems(text));
        } else if names::legacy_ip(text).is_none() {
            address.legacy_ip();
        } else {
            if text.contains(':') == (kind == "IPv4") {
                addresses.wrong(text, &format!("must be an {kind} address"));
            }
            endpoint_ip(&address, text);
        }
    }
    if endpoint.has("nodeName") {
        endpoint.at("nodeName").subdomain();
    }
    endpoint.at("deprecatedTopology").labels();
    if endpoint.has("hostname") {
        endpoint.at("hostname").label();
    }
    for (list, nodes) in [("forZones", false), ("forNodes", true)] {
        let hints = endpoint.at("hints");
        let hints = hints.at(list);
        hints.too_many(8);
        let mut seen: Vec<&str> = Vec::new();
        for hint in hints.items() {
            let name = hint.at("name");
            if seen.contains(&name.text()) {
                name.duplicate(name.text());
            }
            seen.push(name.text());
            match nodes {
                true => name.subdomain(),
                false => name.each(names::label_value_problems(name.text())),
            }
        }
    }
}
