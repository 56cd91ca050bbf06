//! Pod security: what the labels `pod-security.kubernetes.io/…` of a namespace demand of its pods.
//!
//! ```text
//! pod              enforce ─► refused      warn ─► a warning
//! owner of pods                            warn ─► a warning
//! namespace        its labels are read; a stricter level ─► warnings about the pods that are there
//! ```

mod baseline;
mod labels;
mod pod;
mod restricted;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::review::Attempted;
use crate::server::meta;
use crate::server::state::State;
use crate::server::status::ApiError;
use crate::store::GroupResource;
use labels::{Demands, Level, Rules};
use pod::{Pod, Violation};

/// The last version whose rules are known.
const LATEST: u32 = 34;
/// How many pods a namespace with a new level is checked for.
const MOST_PODS: usize = 3_000;

/// What the journal's annotations of pod security begin with.
const AUDIT: &str = "pod-security.kubernetes.io";

/// Whom pod security leaves alone, as the configuration of the real one's plugin names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSecurityExemptions {
    /// Names of users who write pods.
    pub usernames: Vec<String>,
    /// Namespaces, whatever their labels say.
    pub namespaces: Vec<String>,
    /// Runtime classes of pods.
    pub runtime_classes: Vec<String>,
}

type Check = fn(&Pod<'_>) -> Option<Violation>;

/// In the order in which they are named.
const BASELINE: &[Check] = &[
    baseline::app_armor,
    baseline::capabilities,
    baseline::host_namespaces,
    baseline::host_paths,
    baseline::host_ports,
    baseline::host_probes,
    baseline::privileged,
    baseline::proc_mount,
    baseline::selinux,
    baseline::seccomp,
    baseline::sysctls,
    baseline::host_process,
];

/// Those of the other level that are not part of a stricter one, then its own.
const RESTRICTED: &[Check] = &[
    baseline::app_armor,
    restricted::old_capabilities,
    baseline::host_namespaces,
    baseline::host_ports,
    baseline::host_probes,
    baseline::privileged,
    baseline::proc_mount,
    baseline::selinux,
    restricted::old_seccomp,
    baseline::sysctls,
    baseline::host_process,
    restricted::escalation,
    restricted::capabilities,
    restricted::volumes,
    restricted::not_root,
    restricted::user,
    restricted::seccomp,
];

/// What a pod, or a template of one, breaks.
fn violations(template: &Value, rules: Rules) -> Vec<Violation> {
    let checks = match rules.level {
        Level::Privileged => &[],
        Level::Baseline => BASELINE,
        Level::Restricted => RESTRICTED,
    };
    let pod = Pod { template, minor: rules.minor.unwrap_or(LATEST).min(LATEST) };
    checks.iter().filter_map(|check| check(&pod)).collect()
}

/// `violate PodSecurity "restricted:latest": privileged (container "a" …), …`, after a word.
fn told(word: &str, template: &Value, rules: Rules) -> Option<String> {
    let all = violations(template, rules).into_iter().map(|it| format!("{} ({})", it.reason, it.detail));
    let all: Vec<String> = all.collect();
    (!all.is_empty()).then(|| format!("{word} PodSecurity \"{rules}\": {}", all.join(", ")))
}

/// Where the owners of pods have their template.
fn template<'a>(group: &str, resource: &str, object: &'a Value) -> Option<&'a Value> {
    object.pointer(match (group, resource) {
        ("", "podtemplates") => "/template",
        ("", "replicationcontrollers") | ("apps", "replicasets" | "deployments" | "statefulsets" | "daemonsets") => {
            "/spec/template"
        }
        ("batch", "jobs") => "/spec/template",
        ("batch", "cronjobs") => "/spec/jobTemplate/spec/template",
        _ => return None,
    })
}

/// Whether an update of a pod changes what can be broken: its containers, and their images.
fn is_significant(live: &Value, object: &Value) -> bool {
    let images = |pod: &Value, list: &str| -> Vec<(String, String)> {
        let all = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array).into_iter().flatten();
        all.map(|it| (pod::name(it).to_owned(), meta::text(it, "/image").to_owned())).collect()
    };
    let changed = |list| {
        let of = |pod| images(pod, list).into_iter().map(|(_, image)| image).collect::<Vec<_>>();
        of(live) != of(object)
    };
    let ephemeral: BTreeSet<_> = images(live, "ephemeralContainers").into_iter().collect();
    changed("containers")
        || changed("initContainers")
        || images(object, "ephemeralContainers").iter().any(|it| !ephemeral.contains(it))
}

// === impl State ===

impl State {
    /// Refuses pods that are less confined than their namespace demands, and warns of those that are less than it wishes.
    pub(super) fn check_security(&mut self, attempted: &Attempted<'_>) -> Result<(), ApiError> {
        let call = attempted.call;
        let Some(object) = attempted.object else { return Ok(()) };
        let subresource = call.subresource.unwrap_or_default();
        let (group, resource) = (call.def.group(), call.def.resource());
        if (group, resource, subresource) == ("", "namespaces", "") {
            return self.check_security_labels(attempted, object);
        }
        let is_pod = (group, resource) == ("", "pods");
        let template = match (is_pod, subresource) {
            (true, "" | "ephemeralcontainers" | "resize") => Some(object),
            (false, "") => template(group, resource, object),
            _ => None,
        };
        if template.is_some() && self.is_exempt(attempted) {
            return Ok(());
        }
        let (Some(template), Some(namespace)) = (template, call.namespace.and_then(|it| self.namespace(it))) else {
            return Ok(());
        };
        if is_pod && attempted.live.is_some_and(|live| !is_significant(live, object)) {
            return Ok(());
        }
        let (demands, causes) = Demands::of(&namespace);
        let wished = [demands.warn, demands.audit].iter().any(|it| it.level != Level::Privileged);
        if causes.is_empty() && !wished && (!is_pod || demands.enforce.level == Level::Privileged) {
            if is_pod {
                self.audit("enforce-policy", "privileged:latest");
            }
            return Ok(());
        }
        let class = template.pointer("/spec/runtimeClassName").and_then(Value::as_str);
        if class.is_some_and(|class| self.exemptions.runtime_classes.iter().any(|it| it == class)) {
            self.audit("exempt", "runtimeClass");
            return Ok(());
        }
        if !causes.is_empty() {
            let all: Vec<String> = causes.iter().map(|it| format!("{}: {}", it.field, it.message)).collect();
            let all = if all.len() == 1 { all.concat() } else { format!("[{}]", all.join(", ")) };
            self.audit("error", &format!("Failed to parse policy: {all}"));
        }
        if is_pod {
            self.audit("enforce-policy", &demands.enforce.to_string());
        }
        if let Some(why) = told("would violate", template, demands.audit) {
            self.audit("audit-violations", &why);
        }
        if is_pod && let Some(why) = told("violates", template, demands.enforce) {
            return Err(ApiError::forbidden(&call.def.served, &attempted.name(), &why));
        }
        self.warnings.extend(told("would violate", template, demands.warn));
        Ok(())
    }

    fn audit(&mut self, key: &str, value: &str) {
        self.audit.insert(format!("{AUDIT}/{key}"), value.to_owned());
    }

    /// Whether namespace or user are left alone.
    fn is_exempt(&mut self, attempted: &Attempted<'_>) -> bool {
        let call = attempted.call;
        let dimension = match &self.exemptions {
            it if call.namespace.is_some_and(|namespace| it.namespaces.iter().any(|its| its == namespace)) => {
                "namespace"
            }
            it if it.usernames.contains(&call.request.caller.user) => "user",
            _ => return false,
        };
        self.audit("exempt", dimension);
        true
    }

    /// The labels of a namespace must be readable; what its pods break by a stricter level is told.
    fn check_security_labels(&mut self, attempted: &Attempted<'_>, object: &Value) -> Result<(), ApiError> {
        let (new, causes) = Demands::of(object);
        let old = attempted.live.map(Demands::of);
        let known = old.as_ref().is_some_and(|(_, old)| old == &causes);
        let name = attempted.name();
        if !causes.is_empty() && !known {
            return Err(ApiError::invalid("", "Namespace", &name, &causes));
        }
        let is_exempt = self.exemptions.namespaces.contains(&name);
        if attempted.live.is_none() && is_exempt {
            self.warnings.extend(exempt_warning(&name, &new, object));
        }
        let (Some((old, _)), rules) = (old, new.enforce) else { return Ok(()) };
        let is_stricter = old.enforce.minor != rules.minor || rules.level > old.enforce.level;
        if rules != old.enforce && rules.level != Level::Privileged && is_stricter {
            if is_exempt {
                self.warnings.extend(exempt_warning(&name, &new, object));
                return Ok(());
            }
            let warnings = self.broken_by_pods(&name, rules);
            self.warnings.extend(warnings);
        }
        Ok(())
    }

    /// What pods of a namespace break: one line for those that break the same, those of one owner last.
    fn broken_by_pods(&self, namespace: &str, rules: Rules) -> Vec<String> {
        let pods = GroupResource::new("", "pods");
        let left_alone = |pod: &Value| {
            let class = meta::text(pod, "/spec/runtimeClassName");
            self.exemptions.runtime_classes.iter().any(|it| it == class)
        };
        let pods: Vec<_> = self.store.objects(&pods, Some(namespace)).map(|(_, pod)| pod.clone()).collect();
        let pods: Vec<_> = pods.into_iter().filter(|pod| !left_alone(pod)).collect();
        let mut warnings = Vec::new();
        if pods.len() > MOST_PODS {
            let count = pods.len();
            warnings.push(format!(
                "new PodSecurity enforce level only checked against the first {MOST_PODS} of {count} existing pods"
            ));
        }
        let mut seen = BTreeSet::new();
        let is_first = |pod: &Value| {
            let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
            let owner = owners.filter(|it| it["controller"] == true).map(|it| meta::text(it, "/uid").to_owned()).next();
            owner.is_none_or(|uid| seen.insert(uid))
        };
        let (first, more): (Vec<_>, Vec<_>) = pods.iter().partition({
            let mut is_first = is_first;
            move |pod| is_first(pod)
        });
        let mut broken: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for pod in first.into_iter().chain(more).take(MOST_PODS) {
            let reasons: Vec<String> = violations(pod, rules).into_iter().map(|it| it.reason).collect();
            if !reasons.is_empty() {
                broken.entry(reasons.join(", ")).or_default().push(meta::name(pod));
            }
        }
        if !broken.is_empty() {
            warnings.push(format!(
                "existing pods in namespace \"{namespace}\" violate the new PodSecurity enforce level \"{rules}\""
            ));
        }
        let mut lines: Vec<String> = broken.iter().map(|(reasons, pods)| line(reasons, pods)).collect();
        lines.sort_unstable();
        warnings.extend(lines);
        warnings
    }
}

/// What is told of labels that have no effect.
fn exempt_warning(namespace: &str, demands: &Demands, object: &Value) -> Option<String> {
    let labels = object.pointer("/metadata/labels");
    let is_set = |mode: &str| {
        let label = |suffix: &str| labels.is_some_and(|it| it.get(format!("{AUDIT}/{mode}{suffix}")).is_some());
        label("") || label("-version")
    };
    let modes = [("enforce", demands.enforce), ("audit", demands.audit), ("warn", demands.warn)];
    if modes.iter().all(|(_, rules)| rules.level == Level::Privileged) {
        return None;
    }
    let told = modes.iter().filter(|(mode, rules)| rules.level != Level::Privileged && is_set(mode));
    let told: Vec<String> = told.map(|(mode, rules)| format!("{mode}={rules}")).collect();
    let told = told.join(", ");
    Some(format!("namespace {namespace:?} is exempt from Pod Security, and the policy ({told}) will be ignored"))
}

/// `a (and 2 other pods): host ports`.
fn line(reasons: &str, pods: &[&str]) -> String {
    let first = pods.iter().min().copied().unwrap_or_default();
    match pods.len() {
        1 => format!("{first}: {reasons}"),
        2 => format!("{first} (and 1 other pod): {reasons}"),
        count => format!("{first} (and {} other pods): {reasons}", count - 1),
    }
}
