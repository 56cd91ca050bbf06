//! Limit ranges: bounds, defaults and ratios among each other.

use argo_lang::quantity::Quantity;

use super::super::super::names;
use super::super::place::Place;
use super::super::pod;

const SIDES: [&str; 5] = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];

pub(in super::super) fn limit_range(object: &Place<'_, '_>) {
    let mut kinds: Vec<&str> = Vec::new();
    for item in object.at("spec.limits").items() {
        let kind = item.at("type");
        let problems = names::qualified_name_problems(kind.text());
        if problems.is_empty() && !kind.text().contains('/') {
            if !matches!(kind.text(), "Container" | "PersistentVolumeClaim" | "Pod") {
                kind.invalid_text("must be a standard limit type or fully qualified");
            }
        } else {
            kind.each(problems);
        }
        if kinds.contains(&kind.text()) {
            kind.duplicate(kind.text());
        }
        kinds.push(kind.text());
        sides(&item, kind.text());
    }
}

fn sides(item: &Place<'_, '_>, kind: &str) {
    let mut keys: Vec<&str> = Vec::new();
    for side in SIDES {
        let amounts = item.at(side);
        if kind == "Pod" && side.starts_with("default") {
            if !amounts.is_empty() {
                amounts.forbidden("may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        for (name, place) in amounts.entries() {
            match kind {
                "Pod" | "Container" => pod::container_resource_name(&place, name),
                _ => {
                    pod::resource_name(&place, name);
                }
            }
            if !keys.contains(&name) {
                keys.push(name);
            }
        }
    }
    if kind == "PersistentVolumeClaim" && !item.has("min.storage") && !item.has("max.storage") {
        let why = "either minimum or maximum storage value is required, but neither was provided";
        item.at("limits").required(why);
    }
    let pod = kind == "Pod";
    keys.into_iter().for_each(|key| bounds(item, key, pod));
}

/// The bounds of one resource among each other.
fn bounds(item: &Place<'_, '_>, key: &str, pod: bool) {
    let amount = |side: &str| item.at(side).key(key).quantity();
    let (max, min) = (amount("max"), amount("min"));
    let [default, request] = ["default", "defaultRequest"].map(|side| amount(side).filter(|_| !pod));
    let above = |place: &str, shown: Option<Quantity>, one: (&str, Option<Quantity>), two: (&str, Option<Quantity>)| {
        if let (Some(a), Some(b), Some(shown)) = (one.1, two.1, shown)
            && a > b
        {
            let (first, second) = (one.0, two.0);
            let sides = item.at(place);
            sides.key(key).wrong(shown.to_string(), &format!("{first} value {a} is greater than {second} value {b}"));
        }
    };
    above("min", min, ("min", min), ("max", max));
    above("defaultRequest", request, ("min", min), ("default request", request));
    above("defaultRequest", request, ("default request", request), ("max", max));
    above("defaultRequest", request, ("default request", request), ("default limit", default));
    above("default", min, ("min", min), ("default", default));
    above("default", max, ("default", default), ("max", max));
    let sides = item.at("maxLimitRequestRatio");
    let place = sides.key(key);
    let Some(ratio) = place.quantity() else { return };
    if ratio < Quantity::of(1) {
        place.wrong(ratio.to_string(), &format!("ratio {ratio} is less than 1"));
    }
    if let (Some(min), Some(max)) = (min, max) {
        let most = max.as_f64() / min.as_f64();
        if ratio.as_f64() > most {
            place.wrong(ratio.to_string(), &format!("ratio {ratio} is greater than max/min = {most:.6}"));
        }
    }
}
