//! Network policies.

use super::super::super::names;
use super::super::place::Place;
use super::super::selector;
use super::cidr;

/// Selector, types, peers and ports of a network policy.
pub(in super::super) fn policy(spec: &Place<'_, '_>) {
    selector::labels(&spec.at("podSelector"));
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.at(rules).items() {
            rule.at("ports").items().for_each(|port| check_port(&port));
            rule.at(peers).items().for_each(|peer| check_peer(&peer));
        }
    }
    let types = spec.at("policyTypes");
    if types.list().len() > 2 {
        return types.invalid("may not specify more than two policyTypes");
    }
    types.items().for_each(|kind| kind.must_be(&["Ingress", "Egress"]));
}

fn check_port(item: &Place<'_, '_>) {
    if item.has("protocol") {
        item.at("protocol").must_be(&["TCP", "UDP", "SCTP"]);
    }
    let (port, end) = (item.at("port"), item.at("endPort"));
    if let Some(number) = port.number() {
        port.port();
        if end.is_set() {
            if end.int() < number {
                end.wrong(number, "must be greater than or equal to `port`");
            }
            end.port();
        }
    } else if port.is_set() {
        if end.is_set() {
            end.invalid("may not be specified when `port` is non-numeric");
        }
        port.each(names::port_name_problems(port.text()));
    } else if end.is_set() {
        end.invalid("may not be specified when `port` is not specified");
    }
}

fn check_peer(peer: &Place<'_, '_>) {
    let [pods, namespaces, block] = ["podSelector", "namespaceSelector", "ipBlock"].map(|field| peer.at(field));
    selector::labels(&pods);
    selector::labels(&namespaces);
    if block.is_set() {
        check_block(&block);
    }
    match (pods.is_set() || namespaces.is_set(), block.is_set()) {
        (false, false) => peer.required("must specify a peer"),
        (true, true) => peer.forbidden("may not specify both ipBlock and another peer"),
        _ => {}
    }
}

fn check_block(block: &Place<'_, '_>) {
    let whole = block.at("cidr");
    if whole.is_empty() {
        return whole.required("");
    }
    cidr(&whole, whole.text());
    let Some((network, bits)) = names::legacy_cidr(whole.text()) else { return };
    for except in block.at("except").items() {
        cidr(&except, except.text());
        let Some((inner, inner_bits)) = names::legacy_cidr(except.text()) else { continue };
        if inner_bits <= bits || !contains(network, bits, inner) {
            except.invalid("must be a strict subset of `cidr`");
        }
    }
}

/// Whether an address is in a block.
fn contains(network: std::net::IpAddr, bits: u8, address: std::net::IpAddr) -> bool {
    use std::net::IpAddr::{V4, V6};
    let shift = |width: u32| width.saturating_sub(u32::from(bits));
    match (network, address) {
        (V4(one), V4(two)) => {
            u32::from(one).checked_shr(shift(32)).unwrap_or(0) == u32::from(two).checked_shr(shift(32)).unwrap_or(0)
        }
        (V6(one), V6(two)) => {
            u128::from(one).checked_shr(shift(128)).unwrap_or(0) == u128::from(two).checked_shr(shift(128)).unwrap_or(0)
        }
        _ => false,
    }
}
