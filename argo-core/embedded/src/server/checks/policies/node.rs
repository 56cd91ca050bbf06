//! Nodes and what runs on them.

use serde_json::Value;

use super::super::super::names;
use super::super::network::cidr;
use super::super::place::Place;
use super::super::pod;
use super::super::shown::Go;

static TAINT: Go = Go::plain(&[
    ("Key", "key", Go::Text),
    ("Value", "value", Go::Text),
    ("Effect", "effect", Go::Text),
    ("TimeAdded", "timeAdded", Go::Plain),
]);

/// A node, and how it was.
pub(in super::super) fn node(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    let metadata = object.at("metadata");
    // Named as if they were metadata.
    let path = metadata.at("taints").path();
    taints(&object.elsewhere(object.at("spec.taints").value(), &path));
    let ranges = object.at("spec.podCIDRs");
    let Some(live) = live else {
        ranges.items().for_each(|range| cidr(&range, range.text()));
        return;
    };
    for (field, shown) in [("podCIDRs", "podCIDR"), ("providerID", "providerID")] {
        let spec = object.at("spec");
        let (before, after) = (live.at("spec"), spec.at(field));
        let before = before.at(field);
        if !before.is_empty() && before.value() != after.value() {
            after.forbidden(&format!("node updates may not change {shown} except from \"\" to valid"));
        }
    }
    let mut seen: Vec<&Value> = Vec::new();
    for address in object.at("status.addresses").items() {
        if seen.contains(&address.value()) {
            let shown = Go::plain(&[("Type", "type", Go::Text), ("Address", "address", Go::Text)]);
            address.duplicate_shown(&shown.show(address.value()));
        }
        seen.push(address.value());
    }
}

fn taints(taints: &Place<'_, '_>) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for taint in taints.items() {
        let [key, value, effect] = ["key", "value", "effect"].map(|field| taint.at(field));
        key.qualified();
        let problems = names::label_value_problems(value.text());
        if !problems.is_empty() {
            value.invalid_text(&problems.join(";"));
        }
        pod::taint_effect(&effect);
        let pair = (key.text(), effect.text());
        if seen.contains(&pair) {
            let shown = TAINT.show(taint.value());
            taint.duplicate_shown(&format!("{shown}: taints must be unique by key and effect pair"));
        }
        seen.push(pair);
    }
}

/// A class of runtimes: its handler stays.
pub(in super::super) fn runtime_class(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    let handler = object.at("handler");
    handler.label();
    if let Some(live) = live {
        handler.immutable(&live.at("handler"));
    }
}
