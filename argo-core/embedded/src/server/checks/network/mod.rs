//! Services and their addresses, endpoints, ingresses, network policies.

mod addresses;
mod endpoints;
mod ingress;
mod policy;
mod service;

use super::place::Place;

pub(super) use addresses::cluster;
pub(super) use endpoints::{endpoint_slice, endpoints};
pub(super) use ingress::{ingress, ingress_class, ingress_status};
pub(super) use policy::policy;
pub(super) use service::{load_balancer, service};

/// An address that something can be reached at.
fn endpoint_ip(place: &Place<'_, '_>, text: &str) {
    let Some(address) = super::names::legacy_ip(text) else {
        return place.wrong(text, "must be a valid IP address");
    };
    let (link, multicast) = match address {
        std::net::IpAddr::V4(four) => (four.is_link_local(), four.octets()[..3] == [224, 0, 0]),
        std::net::IpAddr::V6(six) => (six.segments()[0] & 0xffc0 == 0xfe80, six.segments()[0] & 0xff0f == 0xff02),
    };
    if address.is_unspecified() {
        place.wrong(text, &format!("may not be unspecified ({text})"));
    }
    if address.is_loopback() {
        place.wrong(text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link {
        place.wrong(text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if multicast {
        place.wrong(text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

/// A block of addresses.
pub(super) fn cidr(place: &Place<'_, '_>, text: &str) {
    if super::names::legacy_cidr(text).is_none() {
        place.wrong(text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    }
}
