//! Daemon sets.

use super::super::place::Place;
use super::super::shown::Go;
use super::{collisions, counts, lasting_template, matches_template, own_selector};

static STRATEGY: Go = Go::plain(&[
    ("Type", "type", Go::Text),
    (
        "RollingUpdate",
        "rollingUpdate",
        Go::pointer(&[("MaxUnavailable", "maxUnavailable", Go::Plain), ("MaxSurge", "maxSurge", Go::Plain)]),
    ),
]);

pub(in super::super) fn daemon_set(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    let spec = object.at("spec");
    if own_selector(&spec, "daemonset") {
        matches_template(&spec);
    }
    lasting_template(&spec, "DaemonSet");
    spec.at("minReadySeconds").not_negative();
    strategy(&spec.at("updateStrategy"));
    spec.at("revisionHistoryLimit").not_negative();
    if let Some(live) = live {
        spec.at("selector").immutable_struct(&live.at("spec.selector"), &Go::Selector);
    }
}

fn strategy(strategy: &Place<'_, '_>) {
    let rolling = strategy.at("rollingUpdate");
    match strategy.at("type").text() {
        "OnDelete" => {}
        "RollingUpdate" => {
            let (unavailable, surge) = (rolling.at("maxUnavailable"), rolling.at("maxSurge"));
            for place in [&unavailable, &surge] {
                place.count_or_percent();
            }
            for place in [&unavailable, &surge] {
                place.at_most_all();
            }
            match (unavailable.count_of_either() != 0, surge.count_of_either() != 0) {
                (true, true) => surge.invalid("may not be set when maxUnavailable is non-zero"),
                (false, false) => unavailable.required("cannot be 0 when maxSurge is 0"),
                _ => {}
            }
        }
        _ => strategy.unsupported_struct(&STRATEGY, &["RollingUpdate", "OnDelete"]),
    }
}

pub(in super::super) fn daemon_set_status(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    const COUNTS: [&str; 9] = [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ];
    counts(&object.at("status"), &COUNTS, &[]);
    if let Some(live) = live {
        collisions(live, object);
    }
}
