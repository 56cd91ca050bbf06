//! What is served: `/api`, `/apis`, their aggregated form, `/version` and the health endpoints.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::request::RawRequest;
use super::status::ApiError;
use super::{Outcome, Server};
use crate::resources::{Registry, ResourceDef};

/// The Kubernetes version whose behaviour is served.
pub(crate) const VERSION: (&str, &str, &str) = ("1", "34", "v1.34.3");
/// What Go clients ask for, with an `@` or a dot before the version.
const OPENAPI_PROTOBUF: &str = "com.github.proto-openapi.spec.v2";
const OPENAPI_PROTOBUF_ANSWER: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

// === impl Server ===

impl Server {
    /// Answers GET of everything that is no resource.
    pub(super) fn non_resource(&self, request: &RawRequest) -> Result<Outcome, ApiError> {
        if request.path.starts_with("/api") && super::encode::acceptable(request).is_err() && !wants_groups(request) {
            return Err(not_represented(request));
        }
        let registry = self.state.lock().registry.clone();
        let segments: Vec<&str> = request.path.split('/').filter(|segment| !segment.is_empty()).collect();
        let aggregated = wants_groups(request);
        let found = match segments.as_slice() {
            ["api"] if aggregated => return Ok(Outcome::Typed(AGGREGATED, aggregate(&registry, true))),
            ["apis"] if aggregated => return Ok(Outcome::Typed(AGGREGATED, aggregate(&registry, false))),
            ["api"] => Some(
                json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443" }] }),
            ),
            ["api", "v1"] => Some(resource_list(&registry, "", "v1")),
            ["apis"] => {
                let groups: Vec<Value> = registry
                    .groups()
                    .into_iter()
                    .filter(|(group, _)| !group.is_empty())
                    .map(|(group, versions)| group_of(&group, &versions))
                    .collect();
                Some(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
            }
            ["apis", group] if registry.serves_group(group) => {
                let versions = registry
                    .groups()
                    .into_iter()
                    .find(|(name, _)| name == group)
                    .map(|(_, versions)| versions)
                    .unwrap_or_default();
                let mut found = group_of(group, &versions);
                found["kind"] = Value::from("APIGroup");
                found["apiVersion"] = Value::from("v1");
                Some(found)
            }
            ["apis", group, version] if registry.serves_group_version(group, version) => {
                Some(resource_list(&registry, group, version))
            }
            ["version"] => {
                return Ok(indented(&json!({
                    "major": VERSION.0, "minor": VERSION.1, "emulationMajor": VERSION.0, "emulationMinor": VERSION.1,
                    "minCompatibilityMajor": VERSION.0, "minCompatibilityMinor": "33", "gitVersion": VERSION.2, "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
                    "goVersion": "", "compiler": "", "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
                })));
            }
            ["healthz" | "livez" | "readyz"] | ["healthz" | "livez" | "readyz", "ping" | "log" | "etcd"] => {
                return Ok(Outcome::Text("ok".to_owned()));
            }
            ["openapi", "v2"] => {
                let protobuf = request.accept.contains(OPENAPI_PROTOBUF) && !request.accept.contains("json");
                return Ok(if protobuf {
                    Outcome::Raw(OPENAPI_PROTOBUF_ANSWER, registry.openapi_v2_protobuf())
                } else {
                    Outcome::Raw("application/json", registry.openapi_v2())
                });
            }
            ["openapi", "v3"] => Some(registry.openapi_v3_index()),
            ["openapi", "v3", rest @ ..] => {
                let document = registry.openapi_v3(&rest.join("/")).ok_or_else(|| ApiError::plain(404, ""))?;
                return Ok(Outcome::Raw("application/json", document));
            }
            [] => Some(json!({ "paths": paths(&registry) })),
            _ => None,
        };
        // Below a group that is served there is a Status; elsewhere there is nothing at all.
        let within = match segments.as_slice() {
            ["apis", group, ..] => registry.serves_builtin_group(group),
            ["api", ..] => true,
            _ => false,
        };
        found.map(|value| Outcome::Json(200, value)).ok_or_else(|| match within {
            true => ApiError::no_such_path(),
            false => ApiError::not_a_path(),
        })
    }
}

/// Whether all groups are wanted in one answer.
fn wants_groups(request: &RawRequest) -> bool {
    let root = matches!(request.path.trim_end_matches('/'), "/api" | "/apis");
    root && request.accept.contains("as=APIGroupDiscoveryList") && request.accept.contains("v=v2")
}

/// The answer to a client that reads none of the forms.
fn not_represented(request: &RawRequest) -> ApiError {
    let forms = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    if request.accept.contains("as=") {
        return ApiError::new(406, "NotAcceptable", format!("only the following media types are accepted: {forms}"));
    }
    ApiError {
        details: Some(Box::new(json!({}))),
        ..ApiError::new(406, "NotAcceptable", format!("406: Not Acceptable\n\nAvailable representations: {forms}"))
    }
}

/// `/version` is indented, whoever asks.
fn indented(value: &Value) -> Outcome {
    Outcome::Raw("application/json", serde_json::to_vec_pretty(value).unwrap_or_default().into())
}

/// Everything that `/` lists.
fn paths(registry: &Registry) -> Vec<String> {
    let mut paths: Vec<String> =
        ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
            .map(str::to_owned)
            .into();
    for (group, versions) in registry.groups().into_iter().filter(|(group, _)| !group.is_empty()) {
        paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
        paths.push(format!("/apis/{group}"));
    }
    paths.sort();
    paths
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn group_of(group: &str, versions: &[String]) -> Value {
    let entries: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": group_version(group, version), "version": version }))
        .collect();
    json!({ "name": group, "versions": entries, "preferredVersion": entries.first() })
}

/// A subresource as discovery shows it.
struct Subresource {
    name: &'static str,
    /// Group and version of its kind, where they are not those of the resource.
    foreign: Option<(&'static str, &'static str)>,
    kind: String,
    verbs: &'static [&'static str],
}

fn subresources(def: &ResourceDef, index: usize) -> Vec<Subresource> {
    let version = &def.versions[index];
    let mut found = Vec::new();
    let mut add =
        |name, foreign, kind: &str, verbs| found.push(Subresource { name, foreign, kind: kind.to_owned(), verbs });
    let is = |group: &str, resource: &str| def.group() == group && def.resource() == resource;
    const EDIT: &[&str] = &["get", "patch", "update"];
    const CONNECT: &[&str] = &["create", "get"];
    const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];
    if is("", "pods") {
        add("attach", None, "PodAttachOptions", CONNECT);
        add("binding", None, "Binding", &["create"]);
        add("ephemeralcontainers", None, "Pod", EDIT);
        add("eviction", Some(("policy", "v1")), "Eviction", &["create"]);
        add("exec", None, "PodExecOptions", CONNECT);
        add("log", None, "Pod", &["get"]);
        add("portforward", None, "PodPortForwardOptions", CONNECT);
        add("proxy", None, "PodProxyOptions", PROXY);
        add("resize", None, "Pod", EDIT);
    }
    if is("", "nodes") {
        add("proxy", None, "NodeProxyOptions", PROXY);
    }
    if is("", "services") {
        add("proxy", None, "ServiceProxyOptions", PROXY);
    }
    if is("", "namespaces") {
        add("finalize", None, "Namespace", &["update"]);
    }
    if is("certificates.k8s.io", "certificatesigningrequests") {
        add("approval", None, &def.kind, EDIT);
    }
    if version.scale.is_some() {
        add("scale", Some(("autoscaling", "v1")), "Scale", EDIT);
    }
    if version.status {
        add("status", None, &def.kind, EDIT);
    }
    if is("", "serviceaccounts") {
        add("token", Some(("authentication.k8s.io", "v1")), "TokenRequest", &["create"]);
    }
    found
}

fn resource_list(registry: &Registry, group: &str, version: &str) -> Value {
    let mut resources = Vec::new();
    for def in registry.iter().filter(|def| def.group() == group) {
        let Some(index) = def.versions.iter().position(|served| served.name == version) else { continue };
        let mut entry = json!({ "name": def.resource(), "singularName": def.singular, "namespaced": def.namespaced, "kind": def.kind, "verbs": def.verbs });
        if !def.short_names.is_empty() {
            entry["shortNames"] = json!(def.short_names);
        }
        if !def.categories.is_empty() {
            entry["categories"] = json!(def.categories);
        }
        if let Some(hash) = storage_hash(def) {
            entry["storageVersionHash"] = Value::from(hash);
        }
        resources.push(entry);
        for Subresource { name, foreign, kind, verbs } in subresources(def, index) {
            let mut entry = json!({ "name": format!("{}/{name}", def.resource()), "singularName": "", "namespaced": def.namespaced, "kind": kind, "verbs": verbs });
            if let Some((group, version)) = foreign {
                entry["group"] = Value::from(group);
                entry["version"] = Value::from(version);
            }
            resources.push(entry);
        }
    }
    let mut list =
        json!({ "kind": "APIResourceList", "groupVersion": group_version(group, version), "resources": resources });
    if !group.is_empty() {
        list["apiVersion"] = Value::from("v1");
    }
    list
}

/// What tells one stored form of a resource from another. Upstream: `discovery.StorageVersionHash`.
fn storage_hash(def: &ResourceDef) -> Option<String> {
    if def.review || def.verbs.len() < 3 {
        return None;
    }
    // What the real one keeps in an older form.
    let version = match def.group() {
        "apiextensions.k8s.io" => "v1beta1",
        "resource.k8s.io" => "v1beta2",
        "storage.k8s.io" if def.kind == "VolumeAttributesClass" => "v1beta1",
        _ => &def.storage_version,
    };
    let text = format!("{}/{version}/{}", def.stored.group, def.kind);
    Some(STANDARD.encode(&Sha256::digest(text)[..8]))
}

fn aggregate(registry: &Registry, core: bool) -> Value {
    let items: Vec<Value> = registry
        .groups()
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions.iter().map(|version| json!({ "version": version, "resources": aggregated_resources(registry, &group, version), "freshness": "Current" })).collect();
            let mut metadata = json!({ "creationTimestamp": null });
            if !group.is_empty() {
                metadata["name"] = Value::from(group);
            }
            json!({ "metadata": metadata, "versions": versions })
        })
        .collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
}

fn aggregated_resources(registry: &Registry, group: &str, version: &str) -> Vec<Value> {
    let mut resources = Vec::new();
    for def in registry.iter().filter(|def| def.group() == group) {
        let Some(index) = def.versions.iter().position(|served| served.name == version) else { continue };
        let kind = |group: &str, version: &str, kind: &str| json!({ "group": group, "version": version, "kind": kind });
        // Those of the core group say nothing of their version.
        let own = |of: &str| kind(group, if group.is_empty() { "" } else { version }, of);
        let mut entry = json!({
            "resource": def.resource(),
            "responseKind": own(&def.kind),
            "scope": if def.namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": def.singular,
            "verbs": def.verbs,
        });
        if !def.short_names.is_empty() {
            entry["shortNames"] = json!(def.short_names);
        }
        if !def.categories.is_empty() {
            entry["categories"] = json!(def.categories);
        }
        let below: Vec<Value> = subresources(def, index)
            .into_iter()
            .map(|Subresource { name, foreign, kind: of, verbs }| {
                let answer = foreign.map_or_else(|| own(&of), |(group, version)| kind(group, version, &of));
                json!({ "subresource": name, "responseKind": answer, "verbs": verbs })
            })
            .collect();
        if !below.is_empty() {
            entry["subresources"] = Value::from(below);
        }
        resources.push(entry);
    }
    resources
}
