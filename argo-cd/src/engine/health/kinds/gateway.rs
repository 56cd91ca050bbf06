//! Gateway API, Contour, Gloo.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule, suspended};

pub(super) const KINDS: &[Entry] = &[
    ("gateway.networking.k8s.io", "BackendTLSPolicy", Rule::Code(tls_policy)),
    ("gateway.networking.k8s.io", "GRPCRoute", Rule::Code(grpc_route)),
    ("gateway.networking.k8s.io", "Gateway", Rule::Code(gateway)),
    ("gateway.networking.k8s.io", "GatewayClass", Rule::Code(gateway_class)),
    ("gateway.networking.k8s.io", "HTTPRoute", Rule::Code(http_route)),
    ("gateway.solo.io", "Gateway", Rule::Code(solo)),
    ("gateway.solo.io", "MatchableHttpGateway", Rule::Code(solo)),
    ("gateway.solo.io", "RouteOption", Rule::Code(solo)),
    ("gateway.solo.io", "RouteTable", Rule::Code(solo)),
    ("gateway.solo.io", "VirtualHostOption", Rule::Code(solo)),
    ("gateway.solo.io", "VirtualService", Rule::Code(solo)),
    ("gloo.solo.io", "Proxy", Rule::Code(solo)),
    ("gloo.solo.io", "Settings", Rule::Code(solo)),
    ("gloo.solo.io", "Upstream", Rule::Code(solo)),
    ("gloo.solo.io", "UpstreamGroup", Rule::Code(solo)),
    ("projectcontour.io", "ExtensionService", Rule::Code(extension_service)),
    ("projectcontour.io", "HTTPProxy", Rule::Code(http_proxy)),
];

fn named(what: &str, name: Look<'_>, message: &str) -> Result<String, Unjudged> {
    let name = if name.truthy() { name.text()? } else { String::new() };
    Ok(format!("{what} {name}: {message}"))
}

/// Whether all that tell a generation tell this one.
fn observed(generation: Look<'_>, conditions: Look<'_>) -> bool {
    conditions.list().map(|it| it.get("observedGeneration")).all(|it| it.absent() || it.same(generation))
}

fn tls_policy(object: Look<'_>) -> Judged {
    let ancestors = object.path("status.ancestors");
    if ancestors.absent() {
        return progressing("Waiting for BackendTLSPolicy status");
    }
    let generation = object.at("metadata")?.get("generation");
    if generation.present() {
        for ancestor in ancestors.list() {
            ancestor.get("conditions").items()?.for_each(drop);
            if !observed(generation, ancestor.get("conditions")) {
                let name = ancestor.get("ancestorRef").at("name")?;
                let name = if name.truthy() { name.text()? } else { String::new() };
                return progressing(format!("Waiting for Ancestor {name} to update BackendTLSPolicy status"));
            }
        }
    }
    let mut accepted = false;
    for ancestor in ancestors.list() {
        for condition in ancestor.get("conditions").items()? {
            let kind = condition.get("type");
            if kind.is_one(&["Accepted", "ResolvedRefs"]) && !condition.get("status").is("True") {
                let name = ancestor.get("ancestorRef").at("name")?;
                return degraded(named("Ancestor", name, &condition.get("message").text()?)?);
            }
            accepted |= kind.is("Accepted");
        }
    }
    if accepted { healthy("BackendTLSPolicy is healthy") } else { progressing("Waiting for BackendTLSPolicy status") }
}

/// What a set of conditions says that is not well: failed references, refusal, not programmed yet.
enum Trouble {
    Failed(String),
    Waits(String),
}

fn trouble(conditions: Look<'_>, what: &str) -> Option<Trouble> {
    for kind in ["ResolvedRefs", "Accepted"] {
        if let Some(failed) = conditions.list().find(|it| it.has(kind, "False")) {
            return Some(Trouble::Failed(failed.get("message").or(&format!("Failed condition: {kind}"))));
        }
    }
    let waits = conditions.list().find(|it| it.get("type").is("Programmed") && !it.get("status").is("True"))?;
    Some(Trouble::Waits(waits.get("message").or(&format!("{what} is still being programmed"))))
}

fn grpc_route(object: Look<'_>) -> Judged {
    route(object, "GRPCRoute", |_, _| true)
}

fn http_route(object: Look<'_>) -> Judged {
    route(object, "HTTPRoute", |generation, parent| {
        let conditions = parent.get("conditions");
        generation.absent() || (conditions.length() > 0 && observed(generation, conditions))
    })
}

fn route(object: Look<'_>, kind: &str, counts: fn(Look<'_>, Look<'_>) -> bool) -> Judged {
    let generation = object.path("metadata.generation");
    let parents = object.path("status.parents");
    let mut well = false;
    for parent in parents.list() {
        let conditions = parent.get("conditions");
        if conditions.absent() || !counts(generation, parent) {
            continue;
        }
        let name = || parent.get("parentRef").at("name");
        match trouble(conditions, "Route") {
            Some(Trouble::Failed(message)) => return degraded(named("Parent", name()?, &message)?),
            Some(Trouble::Waits(message)) => return progressing(named("Parent", name()?, &message)?),
            None => well |= conditions.length() > 0,
        }
    }
    if well { healthy(format!("{kind} is healthy")) } else { progressing(format!("Waiting for {kind} status")) }
}

fn gateway(object: Look<'_>) -> Judged {
    let (conditions, listeners) = (object.path("status.conditions"), object.path("status.listeners"));
    match trouble(conditions, "Gateway") {
        Some(Trouble::Failed(message)) => return degraded(message),
        Some(Trouble::Waits(message)) => return progressing(message),
        None => {}
    }
    for listener in listeners.list() {
        match trouble(listener.get("conditions"), "Listener") {
            Some(Trouble::Failed(message)) => return degraded(format!("Listener: {message}")),
            Some(Trouble::Waits(message)) => return progressing(format!("Listener: {message}")),
            None => {}
        }
    }
    if conditions.present() || listeners.length() > 0 {
        return healthy("Gateway is healthy");
    }
    progressing("Waiting for Gateway status")
}

fn gateway_class(object: Look<'_>) -> Judged {
    let generation = object.path("metadata.generation");
    let waiting = "Waiting for GatewayClass status";
    for condition in object.conditions().filter(|it| it.get("type").is("Accepted")) {
        let seen = condition.get("observedGeneration");
        if generation.present() && seen.present() && !seen.same(generation) {
            continue;
        }
        let message = condition.get("message");
        return match condition.get("status").str() {
            Some("True") => healthy(message.or("GatewayClass is accepted")),
            Some("False") => degraded(message.or("GatewayClass is not accepted")),
            _ => progressing(message.or(waiting)),
        };
    }
    progressing(waiting)
}

fn solo(object: Look<'_>) -> Judged {
    let status = object.get("status");
    for one in status.get("statuses").values() {
        if let Some(verdict) = solo_state(one) {
            return verdict;
        }
    }
    solo_state(status).unwrap_or_else(|| progressing("Update in progress"))
}

/// States are words, or numbers in older versions.
fn solo_state(status: Look<'_>) -> Option<Judged> {
    let state = status.get("state");
    let is = |word: &str, number: f64| state.is(word) || state.is_number(number);
    if is("Accepted", 1.0) {
        Some(healthy("The resource has been validated"))
    } else if is("Warning", 3.0) || is("Rejected", 2.0) {
        Some(degraded(status.get("reason").message()))
    } else if is("Pending", 0.0) {
        Some(suspended("The resource has not yet been validated"))
    } else {
        None
    }
}

fn extension_service(object: Look<'_>) -> Judged {
    for condition in object.conditions() {
        if object.at("metadata")?.get("generation").same(condition.get("observedGeneration")) {
            let message = condition.get("message").message();
            if condition.has("Valid", "True") {
                return healthy(message);
            }
            if condition.has("Valid", "False") {
                return degraded(message);
            }
        }
    }
    progressing("Waiting for status")
}

fn http_proxy(object: Look<'_>) -> Judged {
    let status = object.get("status");
    let description = status.get("description").message();
    if !status.get("conditions").truthy() {
        let told = status.get("currentStatus").truthy();
        return progressing(if told { description } else { "Waiting for status".to_owned() });
    }
    let mut included = false;
    for condition in object.conditions() {
        if !object.at("metadata")?.get("generation").same(condition.get("observedGeneration")) {
            continue;
        }
        if condition.has("Valid", "True") {
            return healthy(description);
        }
        let has_includes = object.get("spec").at("includes")?.present();
        if has_includes && condition.get("status").is("False") {
            included = true;
        } else if condition.has("Valid", "False") {
            return degraded(description);
        }
    }
    if included { healthy("HTTPProxy inclusions cannot be health checked") } else { progressing("Waiting for status") }
}
