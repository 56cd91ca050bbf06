//! Events of both groups, which are the same objects.

use super::super::place::Place;
use super::super::same;

/// Names of fields in the group that was asked, by those of the core group.
struct Fields {
    object: &'static str,
    component: &'static str,
    message: &'static str,
}

/// An event. `core` says of which group the request is, `namespace` where it is.
pub(in super::super) fn event(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>, core: bool) {
    let fields = match core {
        true => Fields { object: "involvedObject", component: "reportingComponent", message: "message" },
        false => Fields { object: "regarding", component: "reportingController", message: "note" },
    };
    legacy(object, &fields);
    if core {
        return;
    }
    series(object);
    match live {
        None => created(object),
        Some(live) => updated(live, object),
    }
}

fn legacy(object: &Place<'_, '_>, fields: &Fields) {
    let namespace = object.at("metadata.namespace").text();
    let about = object.at(fields.object);
    let about = about.at("namespace");
    // Whatever the group, the object is named as in the core group.
    let place = object.elsewhere(about.value(), "involvedObject.namespace");
    let timed = object.has("eventTime");
    let wrong = match about.text() {
        "" if timed => !matches!(namespace, "default" | "kube-system"),
        "" => !matches!(namespace, "" | "default"),
        other => !timed && other != namespace,
    };
    if wrong {
        place.invalid_text("does not match event.namespace");
    }
    if !timed {
        return;
    }
    let component = object.at(fields.component);
    component.needed();
    component.qualified();
    let limits = [("reportingInstance", "reportingInstance", 128, true), ("action", "action", 128, true)];
    let rest = [("reason", "reason", 128, true), (fields.message, "message", 1024, false)];
    for (field, shown, most, needed) in limits.into_iter().chain(rest) {
        let place = object.elsewhere(object.at(field).value(), shown);
        if needed {
            place.needed();
        }
        if place.text().len() > most {
            place.wrong("", &format!("can have at most {most} characters"));
        }
    }
}

fn series(object: &Place<'_, '_>) {
    let series = object.at("series");
    if series.is_set() {
        if series.at("count").int() < 2 {
            series.at("count").wrong("", "should be at least 2");
        }
        if !series.has("lastObservedTime") {
            series.at("lastObservedTime").required("");
        }
    }
}

fn created(object: &Place<'_, '_>) {
    if !object.has("eventTime") {
        object.at("eventTime").required("");
    }
    let kind = object.at("type");
    if !matches!(kind.text(), "Normal" | "Warning") {
        kind.wrong("", &format!("has invalid value: {}", kind.text()));
    }
    for (field, shown) in [
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
        ("deprecatedSource", "source"),
    ] {
        if !object.at(field).is_empty() {
            object.elsewhere(object.at(field).value(), shown).wrong("", "needs to be unset");
        }
    }
}

/// Only the series of an event goes on.
fn updated(live: &Place<'_, '_>, object: &Place<'_, '_>) {
    for (field, shown) in [
        ("regarding", "involvedObject"),
        ("reason", "reason"),
        ("note", "message"),
        ("deprecatedSource", "source"),
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingController", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ] {
        let (before, after) = (live.at(field), object.at(field));
        if !same(before.value(), after.value()) {
            object.elsewhere(after.value(), shown).invalid("field is immutable");
        }
    }
}
