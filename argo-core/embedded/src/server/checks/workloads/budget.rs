//! Disruption budgets.

use super::super::place::Place;
use super::super::selector;
use super::super::shown::Go;

static SPEC: Go = Go::plain(&[
    ("MinAvailable", "minAvailable", Go::Plain),
    ("Selector", "selector", Go::Selector),
    ("MaxUnavailable", "maxUnavailable", Go::Plain),
    ("UnhealthyPodEvictionPolicy", "unhealthyPodEvictionPolicy", Go::Plain),
]);

pub(in super::super) fn budget(object: &Place<'_, '_>) {
    let spec = object.at("spec");
    if spec.has("minAvailable") && spec.has("maxUnavailable") {
        spec.invalid_struct(&SPEC, "minAvailable and maxUnavailable cannot be both set");
    }
    for field in ["minAvailable", "maxUnavailable"] {
        spec.at(field).count_or_percent();
        spec.at(field).at_most_all();
    }
    selector::labels(&spec.at("selector"));
    if spec.has("unhealthyPodEvictionPolicy") {
        spec.at("unhealthyPodEvictionPolicy").must_be(&["AlwaysAllow", "IfHealthyBudget"]);
    }
}

pub(in super::super) fn budget_status(object: &Place<'_, '_>) {
    for field in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
        object.at("status").at(field).not_negative();
    }
}
