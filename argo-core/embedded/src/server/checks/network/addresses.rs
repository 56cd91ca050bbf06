//! Addresses of services: what they are among themselves, and what the cluster has. These are looked at before all else.

use super::super::super::names;
use super::super::place::Place;

pub(in super::super) const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];

/// Addresses, families and policy of a service among themselves.
pub(super) fn related(spec: &Place<'_, '_>) {
    if spec.at("type").text() == "ExternalName" {
        return;
    }
    let (one, all, families) = (spec.at("clusterIP"), spec.at("clusterIPs"), spec.at("ipFamilies"));
    if one.is_empty() {
        if !all.is_empty() {
            all.invalid("must be empty when `clusterIP` is not specified");
        }
    } else if all.is_empty() {
        all.required("");
    } else if all.index(0).text() != one.text() {
        all.invalid("first value must match `clusterIP`");
    }
    let mut seen: Vec<&str> = Vec::new();
    for family in families.items() {
        family.must_be(&FAMILIES);
        if seen.contains(&family.text()) {
            family.duplicate(family.text());
        }
        seen.push(family.text());
    }
    spec.at("ipFamilyPolicy").choice(&["PreferDualStack", "RequireDualStack", "SingleStack"]);
    let mut wrong = false;
    for (index, address) in all.items().enumerate() {
        if index == 0 && address.text() == "None" {
            if all.list().len() > 1 {
                wrong = true;
                all.invalid("'None' must be the first and only value");
            }
            continue;
        }
        wrong |= names::legacy_ip(address.text()).is_none();
        address.legacy_ip();
    }
    if all.list().len() > 2 {
        all.invalid("may only hold up to 2 values");
    }
    if wrong {
        return;
    }
    let six = |text: &str| text.contains(':');
    if all.list().len() > 1 && all.texts().iter().filter(|text| six(text)).count() != 1 {
        all.invalid("may specify no more than one IP for each IP family");
    }
    if all.index(0).text() == "None" {
        return;
    }
    for (index, (address, family)) in all.items().zip(families.items()).enumerate() {
        match family.text() {
            "IPv4" if six(address.text()) => {
                address.invalid(&format!("expected an IPv4 value as indicated by `ipFamilies[{index}]`"));
            }
            "IPv6" if !six(address.text()) => {
                address.invalid(&format!("expected an IPv6 value as indicated by `ipFamilies[{index}]`"));
            }
            _ => {}
        }
    }
}

/// What the cluster, which has IPv4 only, can give. `asked` is the spec as it was before addresses were given to it.
pub(in super::super) fn cluster(spec: &Place<'_, '_>, new: bool) {
    if spec.at("type").text() == "ExternalName" {
        return;
    }
    let before = spec.found();
    related(spec);
    if spec.found() > before {
        return;
    }
    let (all, families, policy) = (spec.at("clusterIPs"), spec.at("ipFamilies"), spec.at("ipFamilyPolicy"));
    if matches!(policy.text(), "SingleStack" | "") {
        const WHY: &str = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
        if all.list().len() == 2 {
            policy.invalid(&format!("{WHY} cluster IPs are specified"));
        }
        if families.list().len() == 2 {
            policy.invalid(&format!("{WHY} IP families are specified"));
        }
    }
    for address in all.items().skip(families.list().len()).filter(|address| address.text().contains(':')) {
        address.wrong(all.value().clone(), "IPv6 is not configured on this cluster");
    }
    let headless = spec.at("clusterIP").text() == "None";
    if spec.found() > before || headless && spec.at("selector").is_empty() {
        return;
    }
    if policy.text() == "RequireDualStack" {
        policy.invalid("this cluster is not configured for dual-stack services");
    }
    for family in families.items().filter(|family| family.text() == "IPv6") {
        family.invalid("not configured on this cluster");
    }
    let address = spec.at("clusterIP").text();
    if spec.found() == before && new && !headless && !address.is_empty() && !address.starts_with("10.96.") {
        let range = "10.96.0.0/16";
        all.invalid(&format!(
            "failed to allocate IP {address}: the provided IP ({address}) is not in the valid range. The range of valid IPs is {range}"
        ));
    }
}
