//! What a writer is warned of: the object is taken, and may not do what was meant.

use serde_json::Value;

use super::super::Call;
use super::super::names;
use super::place::{Found, Place};
use super::pod;

/// Warnings about an object that was just checked; `live` is what it was.
pub(in super::super) fn of(call: &Call<'_>, object: &Value, live: Option<&Value>) -> Vec<String> {
    let changed = |pointer: &str| live.is_none_or(|live| live.pointer(pointer) != object.pointer(pointer));
    let template = |path: &str| {
        let pointer = format!("/{}", path.replace('.', "/"));
        match object.pointer(&pointer) {
            Some(template) if live.is_none() || changed(&pointer) => pod::warnings(template, path),
            _ => Vec::new(),
        }
    };
    if call.subresource.is_some() {
        return Vec::new();
    }
    let found = Found::default();
    let place = Place::root(object, "", &found);
    match (call.def.group(), call.def.resource()) {
        ("apiextensions.k8s.io", "customresourcedefinitions") => crate::crd::format_warnings(object, live),
        ("", "pods") if live.is_none() || changed("/spec") => pod::warnings(object, ""),
        ("", "podtemplates") => template("template"),
        ("", "replicationcontrollers") | ("apps", "deployments" | "replicasets" | "daemonsets") => {
            template("spec.template")
        }
        ("apps", "statefulsets") => {
            let mut warnings = template("spec.template");
            if place.at("spec.revisionHistoryLimit").int() < 0 {
                warnings.push("spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended".to_owned());
            }
            warnings
        }
        ("batch", "jobs") => {
            let mut warnings = match live {
                None => dns_label(&place),
                Some(_) => Vec::new(),
            };
            warnings.extend(template("spec.template"));
            warnings
        }
        ("batch", "cronjobs") => template("spec.jobTemplate.spec.template"),
        ("discovery.k8s.io", "endpointslices") if place.at("addressType").text() == "FQDN" => {
            vec!["spec.addressType: FQDN endpoints are deprecated".to_owned()]
        }
        ("", "secrets") if live.is_none() && place.at("type").text() == "kubernetes.io/tls" => key_pair(&place),
        _ => Vec::new(),
    }
}

/// The name of a job becomes that of its pods.
fn dns_label(object: &Place<'_, '_>) -> Vec<String> {
    let problems = names::label_problems(object.at("metadata.name").text());
    match problems.is_empty() {
        true => Vec::new(),
        false => vec![format!(
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [{}]",
            problems.join(" ")
        )],
    }
}

/// A certificate that is none.
fn key_pair(object: &Place<'_, '_>) -> Vec<String> {
    use base64::Engine;
    let data = object.at("data");
    let bytes = base64::engine::general_purpose::STANDARD.decode(data.key("tls.crt").text()).unwrap_or_default();
    match String::from_utf8_lossy(&bytes).contains("-----BEGIN") {
        true => Vec::new(),
        false => vec!["tls: failed to find any PEM data in certificate input".to_owned()],
    }
}
