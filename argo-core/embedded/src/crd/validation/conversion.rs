//! How versions are converted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use super::{Cause, given, invalid_text, label_1035_problems, subdomain_problems, text, texts, unsupported};

const FORM: &str = "; desired format: https://host[/path]";

pub(super) fn check(definition: &Value, live: Option<&Value>, causes: &mut Vec<Cause>) {
    let Some(conversion) = definition.pointer("/spec/conversion").filter(|it| !it.is_null()) else { return };
    let at = |field: &str| format!("spec.conversion.{field}");
    let strategy = text(conversion, "/strategy");
    match strategy {
        "" => causes.push(Cause::required(at("strategy"), "")),
        "None" | "Webhook" => {}
        other => causes.push(unsupported(at("strategy"), other, &["None", "Webhook"])),
    }
    let client = conversion.pointer("/webhook/clientConfig").filter(|it| !it.is_null());
    let reviews = texts(conversion, "/webhook/conversionReviewVersions");
    if strategy != "Webhook" {
        let why = "should not be set when strategy is not set to Webhook";
        if client.is_some() {
            causes.push(Cause::forbidden(at("webhookClientConfig"), why));
        }
        if !reviews.is_empty() {
            causes.push(Cause::forbidden(at("conversionReviewVersions"), why));
        }
        return;
    }
    match client {
        None => causes.push(Cause::required(at("webhookClientConfig"), "required when strategy is set to Webhook")),
        Some(client) => {
            client_config(client, &at("webhookClientConfig"), causes);
            let bundle = text(client, "/caBundle");
            if !bundle.is_empty() && live.is_some_and(settled) && !is_bundle(bundle) {
                let why = "unable to load root certificates: unable to parse bytes as PEM block";
                causes.push(invalid_text(at("webhookClientConfig.caBundle"), bundle, why));
            }
        }
    }
    review_versions(&reviews, live, &at("conversionReviewVersions"), causes);
}

/// Whether a bundle in a definition was good already, or there was none: then it must stay good.
fn settled(live: &Value) -> bool {
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
    let established = conditions.into_iter().flatten().any(|it| it["type"] == "Established" && it["status"] == "True");
    let before = text(live, "/spec/conversion/webhook/clientConfig/caBundle");
    established && (before.is_empty() || is_bundle(before))
}

fn is_bundle(text: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(text) else { return false };
    CertificateDer::pem_slice_iter(&bytes).next().is_some_and(|certificate| certificate.is_ok())
}

fn client_config(client: &Value, path: &str, causes: &mut Vec<Cause>) {
    match (client.get("url").and_then(Value::as_str), given(client, "service")) {
        (Some(url), None) => check_url(url, &format!("{path}.url"), causes),
        (None, Some(service)) => check_service(service, &format!("{path}.service"), causes),
        _ => causes.push(Cause::required(path, "exactly one of url or service is required")),
    }
}

fn check_url(url: &str, path: &str, causes: &mut Vec<Cause>) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let mut refuse = |value: &str, why: &str| causes.push(invalid_text(path, value, why));
    if scheme != "https" {
        refuse(scheme, &format!("'https' is the only allowed URL scheme{FORM}"));
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = if scheme.is_empty() { "" } else { rest.split('/').next().unwrap_or_default() };
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if host.is_empty() {
        refuse("", &format!("host must be specified{FORM}"));
    }
    if let Some(user) = user {
        refuse(user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        refuse(fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        refuse(query, "query parameters are not permitted in the URL");
    }
}

fn check_service(service: &Value, path: &str, causes: &mut Vec<Cause>) {
    // The real one takes the name for the namespace, and the other way round.
    for (field, told) in [("namespace", "name"), ("name", "namespace")] {
        if text(service, &format!("/{field}")).is_empty() {
            causes.push(Cause::required(format!("{path}.{told}"), ""));
        }
    }
    let port = service.get("port").and_then(Value::as_i64).unwrap_or(443);
    if !(1..=65_535).contains(&port) {
        let why = "port is not valid: must be between 1 and 65535, inclusive";
        causes.push(Cause::invalid(format!("{path}.port"), &Value::from(port), why));
    }
    let url = text(service, "/path");
    let mut refuse = |why: &str| causes.push(invalid_text(format!("{path}.path"), url, why));
    match url {
        "" | "/" => return,
        "//" => return refuse("segment[0] may not be empty"),
        _ => {}
    }
    if !url.starts_with('/') {
        refuse("must start with a '/'");
    }
    let rest: String = url.chars().skip(1).collect();
    for (index, step) in rest.strip_suffix('/').unwrap_or(&rest).split('/').enumerate() {
        if step.is_empty() {
            refuse(&format!("segment[{index}] may not be empty"));
            continue;
        }
        for problem in subdomain_problems(step) {
            refuse(&format!("segment[{index}]: {problem}"));
        }
    }
}

fn review_versions(versions: &[String], live: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    if versions.is_empty() {
        causes.push(Cause::required(path, ""));
        return;
    }
    let known = |version: &String| matches!(version.as_str(), "v1" | "v1beta1");
    for (index, version) in versions.iter().enumerate() {
        let at = format!("{path}[{index}]");
        if versions[..index].contains(version) {
            causes.push(invalid_text(at, version, "duplicate version"));
            continue;
        }
        for problem in label_1035_problems(version) {
            causes.push(invalid_text(at.as_str(), version, &problem));
        }
    }
    let before = live.map(|live| texts(live, "/spec/conversion/webhook/conversionReviewVersions")).unwrap_or_default();
    if !versions.iter().any(known) && (before.is_empty() || before.iter().any(known)) {
        let shown = Value::from(versions.to_vec());
        causes.push(Cause::invalid(path, &shown, "must include at least one of v1, v1beta1"));
    }
}
