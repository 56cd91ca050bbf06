//! Pod specs, alone or in a template.

mod affinity;
mod containers;
mod environment;
mod handlers;
mod mounts;
mod resources;
mod security;
mod sources;
mod update;
mod volumes;
mod warnings;

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::names;
use super::place::Place;
use super::shown::Go;

pub(super) use affinity::{taint_effect, tolerations};
pub(super) use environment::resource_name;
pub(super) use resources::{amount, container_name as container_resource_name};
pub(super) use update::{ephemeral, resize, status, update};
pub(in super::super) use warnings::of as warnings;

/// What the parts of a pod must know of the whole.
pub(super) struct Pod<'v> {
    /// Volumes without a mistake, by name.
    volumes: BTreeMap<&'v str, &'v Value>,
    /// Names of resource claims.
    claims: Vec<&'v str>,
    grace: Option<i64>,
    restart: &'v str,
    host_users: bool,
    has_os: bool,
}

/// Whether a spec is that of a pod: templates may leave things open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// A pod of this name.
    Pod,
    Template,
}

const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// All containers of a spec with their places.
fn each_container(spec: &Place<'_, '_>, mut visit: impl FnMut(&Place<'_, '_>)) {
    for list in LISTS {
        spec.at(list).items().for_each(|container| visit(&container));
    }
}

/// A pod as it is created.
pub(super) fn create(pod: &Place<'_, '_>) {
    metadata_and_spec(pod);
    let spec = pod.at("spec");
    let spec_place = spec.at("ephemeralContainers");
    if !spec_place.is_empty() {
        spec_place.forbidden("cannot be set on create");
    }
    if !spec.at("nodeName").is_empty() && !spec.at("schedulingGates").is_empty() {
        spec.at("nodeName").forbidden("cannot be set until all schedulingGates have been cleared");
    }
}

/// What holds of a pod at any time.
pub(super) fn metadata_and_spec(pod: &Place<'_, '_>) {
    let spec_place = pod.at("spec");
    annotations(&pod.at("metadata.annotations"), &spec_place);
    spec(&spec_place, pod.at("metadata.name").text(), Whole::Pod);
    if spec_place.at("serviceAccountName").is_empty() {
        for volume in spec_place.at("volumes").items() {
            for source in volume.at("projected.sources").items() {
                let token = source.at("serviceAccountToken");
                if token.is_set() {
                    token.forbidden("must not be specified when serviceAccountName is not set");
                }
            }
        }
    }
    for list in ["containers", "initContainers"] {
        spec_place.at(list).items().for_each(|container| containers::trimmed_image(&container));
    }
}

/// A pod template: its labels and annotations are named without `metadata`.
pub(super) fn template(template: &Place<'_, '_>) {
    let metadata = template.at("metadata");
    let below = |field: &'static str| (template.named(field), metadata.at(field).value());
    for field in ["labels", "annotations"] {
        let (place, value) = below(field);
        let path = place.path();
        let place = template.elsewhere(value, &path);
        match field {
            "labels" => place.labels(),
            _ => {
                place.annotations();
                annotations(&place, &template.at("spec"));
            }
        }
    }
    let spec_place = template.at("spec");
    spec(&spec_place, "", Whole::Template);
    let ephemeral = spec_place.at("ephemeralContainers");
    if !ephemeral.is_empty() {
        ephemeral.forbidden("ephemeral containers not allowed in pod template");
    }
}

/// Annotations that mean something.
fn annotations(annotations: &Place<'_, '_>, spec: &Place<'_, '_>) {
    const MIRROR: &str = "kubernetes.io/config.mirror";
    const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    let mirror = annotations.key(MIRROR);
    if mirror.is_set() && spec.at("nodeName").is_empty() {
        mirror.invalid_text("must set spec.nodeName if mirror pod annotation is set");
    }
    let cost = annotations.key(COST);
    if cost.is_set() {
        let text = cost.text();
        let canonical = text == "0" || !text.trim_start_matches('-').starts_with('0') && !text.starts_with('+');
        if !canonical || text.parse::<i32>().is_err() {
            cost.invalid_text("must be a 32bit integer");
        }
    }
}

/// A pod spec. `name` is that of the pod, if it has one.
fn spec(spec: &Place<'_, '_>, name: &str, whole: Whole) {
    let volumes = volumes::check(&spec.at("volumes"), name);
    let claims = claims(&spec.at("resourceClaims"));
    let pod = Pod {
        volumes,
        claims,
        grace: spec.at("terminationGracePeriodSeconds").number(),
        restart: spec.at("restartPolicy").text(),
        host_users: spec.at("hostUsers").value() != &Value::Bool(false),
        has_os: spec.has("os"),
    };
    containers::check(spec, &pod);
    resources::of_pod(spec);
    host_ports(spec, whole);
    spec.at("restartPolicy").required_choice(&["Always", "OnFailure", "Never"]);
    let dns = spec.at("dnsPolicy");
    dns.required_choice(&["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]);
    spec.at("nodeSelector").labels();
    security::of_pod(spec);
    affinity::check(&spec.at("affinity"));
    dns_config(spec);
    for gate in spec.at("readinessGates").items() {
        gate.at("conditionType").qualified();
    }
    scheduling_gates(&spec.at("schedulingGates"));
    affinity::spread(&spec.at("topologySpreadConstraints"));
    security::host_processes(spec);
    security::host_users(spec);
    for field in ["serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"] {
        let place = spec.at(field);
        if place.is_set() && (field == "runtimeClassName" || !place.is_empty()) {
            place.subdomain();
        }
    }
    let deadline = spec.at("activeDeadlineSeconds");
    if deadline.is_set() {
        deadline.within(1, i64::from(i32::MAX));
    }
    for field in ["hostname", "subdomain"] {
        let place = spec.at(field);
        if !place.is_empty() {
            place.label();
        }
    }
    tolerations(&spec.at("tolerations"));
    for alias in spec.at("hostAliases").items() {
        alias.at("ip").legacy_ip();
        alias.at("hostnames").items().for_each(|name| name.subdomain());
    }
    let preemption = spec.at("preemptionPolicy");
    if preemption.is_set() {
        preemption.required_choice(&["PreemptLowerPriority", "Never"]);
    }
    resources::overhead(&spec.at("overhead"));
    if pod.has_os {
        security::system(spec);
    }
}

/// Resource claims; their names.
fn claims<'v>(claims: &Place<'v, '_>) -> Vec<&'v str> {
    const SHOWN: Go = Go::Type("PodResourceClaim");
    let mut seen: Vec<&'v str> = Vec::new();
    for claim in claims.items() {
        let name = claim.at("name");
        if name.is_empty() {
            name.required("");
        } else if seen.contains(&name.text()) {
            name.duplicate(name.text());
        } else {
            name.label();
            seen.push(name.text());
        }
        let [direct, template] = ["resourceClaimName", "resourceClaimTemplateName"].map(|field| claim.at(field));
        if direct.is_set() && template.is_set() {
            let why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
            claim.invalid_struct(&SHOWN, why);
        }
        if !direct.is_set() && !template.is_set() {
            claim.invalid_struct(&SHOWN, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
        }
        for source in [direct, template] {
            if source.is_set() {
                source.subdomain();
            }
        }
    }
    seen
}

/// Ports of the host are those of the containers where they share its network.
fn host_ports(spec: &Place<'_, '_>, whole: Whole) {
    if !spec.at("hostNetwork").flag() {
        return;
    }
    for container in spec.at("containers").items() {
        for port in container.at("ports").items() {
            let (host, inner) = (port.at("hostPort").int(), port.at("containerPort").int());
            if (whole == Whole::Pod || host != 0) && host != inner {
                port.at("hostPort").invalid_int("must match `containerPort` when `hostNetwork` is true");
            }
        }
    }
}

fn dns_config(spec: &Place<'_, '_>) {
    let config = spec.at("dnsConfig");
    let servers = config.at("nameservers");
    if spec.at("dnsPolicy").text() == "None" {
        if !config.is_set() {
            return config.required("must provide `dnsConfig` when `dnsPolicy` is None");
        }
        if servers.is_empty() {
            return servers.required("must provide at least one DNS nameserver when `dnsPolicy` is None");
        }
    }
    if servers.list().len() > 3 {
        servers.invalid("must not have more than 3 nameservers");
    }
    servers.items().for_each(|server| server.legacy_ip());
    let searches = config.at("searches");
    if searches.list().len() > 32 {
        searches.invalid("must not have more than 32 search paths");
    }
    if searches.texts().join(" ").len() > 2048 {
        searches.invalid("must not have more than 2048 characters (including spaces) in the search list");
    }
    for search in searches.items().filter(|search| search.text() != ".") {
        let text = search.text();
        let text = text.strip_suffix('.').unwrap_or(text);
        search.wrongs(text, names::subdomain_underscore_problems(text));
    }
    for option in config.at("options").items() {
        if option.at("name").is_empty() {
            option.required("must not be empty");
        }
    }
}

fn scheduling_gates(gates: &Place<'_, '_>) {
    let mut seen: Vec<&str> = Vec::new();
    for gate in gates.items() {
        let name = gate.at("name").text();
        gate.wrongs(name, names::qualified_name_problems(name));
        if seen.contains(&name) {
            gate.duplicate(name);
        }
        seen.push(name);
    }
}
