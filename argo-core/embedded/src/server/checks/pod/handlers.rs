//! Probes and hooks: what a container is asked, or told.

use super::super::super::names;
use super::super::place::Place;
use super::Pod;

const PROBE: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];
const HOOK: [&str; 4] = ["exec", "httpGet", "tcpSocket", "sleep"];

/// The probes of a container that runs on.
pub(super) fn probes(container: &Place<'_, '_>, pod: &Pod<'_>) {
    for (field, once) in [("livenessProbe", true), ("readinessProbe", false), ("startupProbe", true)] {
        let probe = container.at(field);
        if !probe.is_set() {
            continue;
        }
        handler(&probe, &PROBE, pod);
        for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
        {
            probe.at(field).not_negative();
        }
        let grace = probe.at("terminationGracePeriodSeconds");
        if grace.is_set() && grace.int() <= 0 {
            grace.invalid("must be greater than 0");
        }
        let threshold = probe.at("successThreshold");
        if once && threshold.int() != 1 {
            threshold.invalid_int("must be 1");
        }
        if !once && grace.is_set() {
            grace.invalid("must not be set for readinessProbes");
        }
    }
}

/// The hooks of a container that runs on.
pub(super) fn lifecycle(container: &Place<'_, '_>, pod: &Pod<'_>) {
    let lifecycle = container.at("lifecycle");
    for field in ["postStart", "preStop"] {
        if lifecycle.has(field) {
            handler(&lifecycle.at(field), &HOOK, pod);
        }
    }
}

fn handler(place: &Place<'_, '_>, kinds: &[&str], pod: &Pod<'_>) {
    let mut any = false;
    for kind in kinds {
        let action = place.at(kind);
        if !action.is_set() {
            continue;
        }
        if any {
            action.forbidden("may not specify more than 1 handler type");
            continue;
        }
        any = true;
        match *kind {
            "exec" => action.at("command").needed(),
            "httpGet" => http_get(&action),
            "tcpSocket" => action.at("port").port_or_name(),
            "grpc" => action.at("port").port(),
            _ => sleep(&action, pod),
        }
    }
    if !any {
        place.required("must specify a handler type");
    }
}

fn http_get(action: &Place<'_, '_>) {
    action.at("path").needed();
    action.at("port").port_or_name();
    action.at("scheme").must_be(&["HTTP", "HTTPS"]);
    let headers = action.at("httpHeaders");
    for header in headers.items() {
        let name = header.at("name").text();
        headers.wrongs(name, names::header_problem(name));
    }
}

fn sleep(action: &Place<'_, '_>, pod: &Pod<'_>) {
    let seconds = action.at("seconds").int();
    if let Some(grace) = pod.grace
        && !(0..=grace).contains(&seconds)
    {
        let why = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        action.wrong(seconds, &why);
    }
}
