//! What a pod spec is warned of: it is taken, and may not do what was meant.

use serde_json::Value;

use super::super::place::{Found, Place, quoted};
use super::each_container;

/// Warnings about a pod, or about the template at this path.
pub(in super::super::super) fn of(owner: &Value, path: &str) -> Vec<String> {
    let found = Found::default();
    let root = Place::root(owner, path, &found);
    let (spec, metadata) = (root.at("spec"), root.at("metadata"));
    let mut warnings = Warnings(Vec::new());
    scheduling(&spec, &mut warnings);
    old_annotations(&metadata, &mut warnings);
    volumes(&spec, &mut warnings);
    super::super::paths::overlapping(&spec.at("volumes"), &mut warnings.0);
    lists(&spec, &mut warnings);
    each_container(&spec, |container| amounts_and_variables(container, &mut warnings));
    old_profiles(&metadata, &spec, &mut warnings);
    ports(&spec, &mut warnings);
    let grace = spec.at("terminationGracePeriodSeconds");
    if grace.int() < 0 {
        warnings.at(&grace, "must be >= 0; negative values are invalid and will be treated as 1");
    }
    let affinity = spec.at("affinity");
    for field in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.at(field);
        for term in pods.at("requiredDuringSchedulingIgnoredDuringExecution").items() {
            null_selector(&term.at("labelSelector"), &mut warnings);
        }
        for term in pods.at("preferredDuringSchedulingIgnoredDuringExecution").items() {
            null_selector(&term.at("podAffinityTerm.labelSelector"), &mut warnings);
        }
    }
    warnings.0
}

struct Warnings(Vec<String>);

impl Warnings {
    fn at(&mut self, place: &Place<'_, '_>, why: &str) {
        self.0.push(format!("{}: {why}", place.path()));
    }
}

fn null_selector(selector: &Place<'_, '_>, warnings: &mut Warnings) {
    if !selector.is_set() {
        warnings.at(selector, "a null labelSelector results in matching no pod");
    }
}

/// Labels of nodes that have another name now.
fn renamed(label: &str) -> Option<String> {
    let since = |by: &str, version: &str| Some(format!("deprecated since {version}; use \"{by}\" instead"));
    match label {
        "failure-domain.beta.kubernetes.io/zone" => since("topology.kubernetes.io/zone", "v1.17"),
        "failure-domain.beta.kubernetes.io/region" => since("topology.kubernetes.io/region", "v1.17"),
        "beta.kubernetes.io/instance-type" => since("node.kubernetes.io/instance-type", "v1.17"),
        "beta.kubernetes.io/os" => since("kubernetes.io/os", "v1.14"),
        "beta.kubernetes.io/arch" => since("kubernetes.io/arch", "v1.14"),
        _ => None,
    }
}

fn scheduling(spec: &Place<'_, '_>, warnings: &mut Warnings) {
    for (label, place) in spec.at("nodeSelector").entries() {
        if let Some(why) = renamed(label) {
            warnings.at(&place, &why);
        }
    }
    for constraint in spec.at("topologySpreadConstraints").items() {
        let key = constraint.at("topologyKey");
        if let Some(why) = renamed(key.text()) {
            warnings.at(&key, &format!("{} is {why}", key.text()));
        }
        null_selector(&constraint.at("labelSelector"), warnings);
    }
}

fn old_annotations(metadata: &Place<'_, '_>, warnings: &mut Warnings) {
    let all = [
        (
            "scheduler.alpha.kubernetes.io/critical-pod",
            "non-functional in v1.16+; use the \"priorityClassName\" field instead",
        ),
        ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
        ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ];
    let annotations = metadata.at("annotations");
    for (key, why) in all {
        let place = annotations.key(key);
        if place.is_set() {
            warnings.at(&place, why);
        }
    }
}

/// Annotations that say how calls are filtered, where no field does.
fn old_profiles(metadata: &Place<'_, '_>, spec: &Place<'_, '_>, warnings: &mut Warnings) {
    let annotations = metadata.at("annotations");
    let mut old = |key: &str, by: &Place<'_, '_>| {
        let place = annotations.key(key);
        if place.is_set() && !by.at("securityContext.seccompProfile").is_set() {
            warnings.at(&place, "non-functional in v1.27+; use the \"seccompProfile\" field instead");
        }
    };
    old("seccomp.security.alpha.kubernetes.io/pod", spec);
    each_container(spec, |container| {
        old(&format!("container.seccomp.security.alpha.kubernetes.io/{}", container.at("name").text()), container);
    });
}

fn volumes(spec: &Place<'_, '_>, warnings: &mut Warnings) {
    const GONE: [(&str, &str, &str); 9] = [
        ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
        ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
        ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
        ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
        ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
        ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
        ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
        ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
        ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
    ];
    for volume in spec.at("volumes").items() {
        for (field, shown, why) in GONE {
            if volume.has(field) {
                warnings.at(&volume.at(shown), why);
            }
        }
    }
}

fn lists(spec: &Place<'_, '_>, warnings: &mut Warnings) {
    for (list, field) in [("hostAliases", "ip"), ("imagePullSecrets", "name")] {
        let mut seen: Vec<&str> = Vec::new();
        for item in spec.at(list).items() {
            let place = item.at(field);
            if seen.contains(&place.text()) {
                warnings.at(&place, &format!("duplicate {field} {}", quoted(place.text())));
            }
            seen.push(place.text());
        }
    }
    for secret in spec.at("imagePullSecrets").items() {
        if secret.at("name").is_empty() {
            warnings.at(&secret.at("name"), "invalid empty name \"\"");
        }
    }
}

fn amounts_and_variables(container: &Place<'_, '_>, warnings: &mut Warnings) {
    for name in ["memory", "ephemeral-storage"] {
        for side in ["resources.limits", "resources.requests"] {
            let amounts = container.at(side);
            let place = amounts.key(name);
            if let Some(amount) = place.quantity().filter(|amount| amount.milli_value() % 1000 != 0) {
                let why = format!("fractional byte value \"{amount}\" is invalid, must be an integer");
                warnings.at(&place, &why);
            }
        }
    }
    let mut seen: Vec<&str> = Vec::new();
    for variable in container.at("env").items() {
        let (name, value) = (variable.at("name").text(), variable.at("value").text());
        let reference = format!("$({name})");
        let hides = variable.has("valueFrom") || value == reference || !value.contains(&reference);
        if seen.contains(&name) && hides {
            let why = format!("hides previous definition of {}, which may be dropped when using apply", quoted(name));
            warnings.at(&variable, &why);
        }
        seen.push(name);
    }
}

struct Port {
    path: String,
    number: String,
    host: i64,
    address: String,
    name: String,
}

fn ports(spec: &Place<'_, '_>, warnings: &mut Warnings) {
    let mut seen: Vec<Port> = Vec::new();
    each_container(spec, |container| {
        for port in container.at("ports").items() {
            let text = |field: &str| port.at(field).text().to_owned();
            let (inner, host) = (port.at("containerPort").int(), port.at("hostPort").int());
            let one = Port {
                path: port.path(),
                number: format!("{inner}/{}", text("protocol")),
                host,
                address: text("hostIP"),
                name: text("name"),
            };
            if !one.address.is_empty() && host == 0 {
                let why = format!(
                    "hostIP set without hostPort: {{Name:{} HostPort:0 ContainerPort:{inner} Protocol:{} HostIP:{}}}",
                    one.name,
                    text("protocol"),
                    one.address
                );
                warnings.at(&port, &why);
            }
            for other in seen.iter().filter(|other| other.number == one.number) {
                let why = if other.address == one.address && other.host == host {
                    "duplicate port definition with"
                } else if host == 0 || other.host == 0 {
                    "overlapping port definition with"
                } else if host == other.host && one.address.is_empty() != other.address.is_empty() {
                    "dangerously ambiguous port definition with"
                } else {
                    continue;
                };
                warnings.at(&port, &format!("{why} {}", other.path));
            }
            seen.push(one);
        }
    });
    let mut names: Vec<(&str, &str)> = Vec::new();
    for port in seen.iter().filter(|port| !port.name.is_empty()) {
        match names.iter().find(|(name, _)| *name == port.name) {
            Some((_, other)) => warnings.0.push(format!(
                "{}: duplicate port name {} with {other}, services and probes that select ports by name will use {other}",
                port.path,
                quoted(&port.name)
            )),
            None => names.push((&port.name, &port.path)),
        }
    }
}
