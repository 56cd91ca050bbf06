//! Which nodes take a pod, and why others do not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::quantity::{quantity, requests};
use super::{Site, View};
use crate::simulator::read::{
    count, expression_holds, flag, int, is_deleting, label, labels, list, name, namespace, selects, text,
};

/// Why a node does not take a pod.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) reason: String,
    /// Whether it might if other pods were not there.
    pub(super) crowded: bool,
}

impl Refusal {
    fn for_good(reason: impl Into<String>) -> Option<Self> {
        Some(Self { reason: reason.into(), crowded: false })
    }

    fn for_now(reason: impl Into<String>) -> Option<Self> {
        Some(Self { reason: reason.into(), crowded: true })
    }
}

/// Whether a node takes a pod of a DaemonSet, which does not care what else is there.
pub(in crate::simulator) fn admits(pod: &Value, node: &Value) -> bool {
    selected(pod, node) && untolerated(pod, node).is_none()
}

/// Why a node does not take a pod; the checks are in the order of upstream's plugins.
pub(super) fn refusal(pod: &Value, site: &Site<'_>, view: &View<'_>) -> Option<Refusal> {
    let node = site.node;
    if flag(node, "/spec/unschedulable") && !tolerates(pod, "node.kubernetes.io/unschedulable", "", "NoSchedule") {
        return Refusal::for_good("node(s) were unschedulable");
    }
    if let Some(taint) = untolerated(pod, node) {
        return Refusal::for_good(format!("node(s) had untolerated taint {{{taint}}}"));
    }
    if !selected(pod, node) {
        return Refusal::for_good("node(s) didn't match Pod's node affinity/selector");
    }
    let ports = host_ports(pod);
    if !ports.is_empty() && site.pods.iter().any(|other| !host_ports(other).is_disjoint(&ports)) {
        return Refusal::for_now("node(s) didn't have free ports for the requested pod ports");
    }
    let room = |resource: &str| node.pointer(&format!("/status/allocatable/{resource}")).and_then(quantity);
    if room("pods").is_some_and(|room| site.pods.len() >= usize::try_from(room / 1000).unwrap_or(usize::MAX)) {
        return Refusal::for_now("Too many pods");
    }
    for resource in ["cpu", "memory"] {
        let asked = requests(pod, resource);
        let taken: i128 = site.pods.iter().map(|other| requests(other, resource)).sum();
        if asked > 0 && room(resource).is_some_and(|room| taken + asked > room) {
            return Refusal::for_now(format!("Insufficient {resource}"));
        }
    }
    for constraint in list(pod, "/spec/topologySpreadConstraints") {
        if text(constraint, "/whenUnsatisfiable") != "ScheduleAnyway"
            && let Some(refusal) = skewed(pod, constraint, site, view)
        {
            return Some(refusal);
        }
    }
    for term in required(pod, "podAffinity") {
        let Some(here) = label(node, text(term, "/topologyKey")) else {
            return Refusal::for_good("node(s) didn't match pod affinity rules");
        };
        let anywhere = view.sites.iter().any(|site| site.pods.iter().any(|other| meant(term, pod, other)));
        // The first of a group that keeps together finds nobody there yet.
        let first = !anywhere && meant(term, pod, pod);
        if !first && !in_domain(view, term, here).any(|other| meant(term, pod, other)) {
            return Refusal::for_good("node(s) didn't match pod affinity rules");
        }
    }
    for term in required(pod, "podAntiAffinity") {
        let here = label(node, text(term, "/topologyKey"));
        if here.is_some_and(|here| in_domain(view, term, here).any(|other| meant(term, pod, other))) {
            return Refusal::for_now("node(s) didn't match pod anti-affinity rules");
        }
    }
    let kept_off = view.sites.iter().any(|other| {
        other.pods.iter().any(|there| {
            required(there, "podAntiAffinity").iter().any(|term| {
                let key = text(term, "/topologyKey");
                let together = label(node, key).is_some() && label(node, key) == label(other.node, key);
                together && meant(term, there, pod)
            })
        })
    });
    if kept_off { Refusal::for_now("node(s) didn't satisfy existing pods anti-affinity rules") } else { None }
}

/// The terms of an affinity between pods that must hold.
fn required<'a>(pod: &'a Value, kind: &str) -> &'a [Value] {
    list(pod, &format!("/spec/affinity/{kind}/requiredDuringSchedulingIgnoredDuringExecution"))
}

/// Whether a term of `of` speaks of another pod.
pub(super) fn meant(term: &Value, of: &Value, other: &Value) -> bool {
    let spaces = list(term, "/namespaces");
    let any = term.get("namespaceSelector").is_some_and(|it| it.as_object().is_some_and(serde_json::Map::is_empty));
    let space = any
        || if spaces.is_empty() {
            namespace(other) == namespace(of)
        } else {
            spaces.iter().any(|space| space == namespace(other))
        };
    space && !is_deleting(other) && selects(term.get("labelSelector"), labels(other))
}

/// The pods on nodes with a value of a term's topology key.
pub(super) fn in_domain<'v>(view: &'v View<'_>, term: &'v Value, value: &'v str) -> impl Iterator<Item = &'v Value> {
    let key = text(term, "/topologyKey");
    let sites = view.sites.iter().filter(move |site| label(site.node, key) == Some(value));
    sites.flat_map(|site| site.pods.iter().copied())
}

/// How many pods that a spread constraint counts are in each domain that the pod may be in.
pub(super) fn spread<'v>(pod: &Value, constraint: &Value, view: &'v View<'_>) -> BTreeMap<&'v str, i64> {
    let key = text(constraint, "/topologyKey");
    let honours = text(constraint, "/nodeAffinityPolicy") != "Ignore";
    let minds = text(constraint, "/nodeTaintsPolicy") == "Honor";
    let mut domains: BTreeMap<&str, i64> = BTreeMap::new();
    for site in &view.sites {
        let Some(domain) = label(site.node, key) else { continue };
        if (honours && !selected(pod, site.node)) || (minds && untolerated(pod, site.node).is_some()) {
            continue;
        }
        let there = site.pods.iter().filter(|other| counted(pod, constraint, other)).count();
        *domains.entry(domain).or_default() += i64::try_from(there).unwrap_or(i64::MAX);
    }
    domains
}

fn counted(pod: &Value, constraint: &Value, other: &Value) -> bool {
    let equal = |key: &Value| key.as_str().is_none_or(|key| label(pod, key) == label(other, key));
    namespace(other) == namespace(pod)
        && !is_deleting(other)
        && selects(constraint.get("labelSelector"), labels(other))
        && list(constraint, "/matchLabelKeys").iter().all(equal)
}

fn skewed(pod: &Value, constraint: &Value, site: &Site<'_>, view: &View<'_>) -> Option<Refusal> {
    let Some(domain) = label(site.node, text(constraint, "/topologyKey")) else {
        return Refusal::for_good("node(s) didn't match pod topology spread constraints (missing required label)");
    };
    let domains = spread(pod, constraint, view);
    let few = int(constraint, "/minDomains").is_some_and(|least| i64::try_from(domains.len()).unwrap_or(0) < least);
    let least = if few { 0 } else { domains.values().min().copied().unwrap_or(0) };
    let own = i64::from(counted(pod, constraint, pod));
    let here = domains.get(domain).copied().unwrap_or(0) + own;
    if here - least > count(constraint, "/maxSkew") {
        return Refusal::for_now("node(s) didn't match pod topology spread constraints");
    }
    None
}

pub(super) fn selected(pod: &Value, node: &Value) -> bool {
    let wanted = pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
    if !wanted.into_iter().flatten().all(|(key, value)| label(node, key) == value.as_str()) {
        return false;
    }
    let terms =
        list(pod, "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    terms.is_empty() || terms.iter().any(|term| term_holds(term, node))
}

/// Whether a term of a node selector is about a node.
pub(super) fn term_holds(term: &Value, node: &Value) -> bool {
    let (labels, fields) = (list(term, "/matchExpressions"), list(term, "/matchFields"));
    (!labels.is_empty() || !fields.is_empty())
        && labels.iter().all(|it| expression_holds(it, label(node, text(it, "/key"))))
        && fields.iter().all(|it| text(it, "/key") == "metadata.name" && expression_holds(it, Some(name(node))))
}

/// The first taint that keeps the pod away.
fn untolerated(pod: &Value, node: &Value) -> Option<String> {
    list(node, "/spec/taints").iter().find_map(|taint| {
        let (key, value, effect) = (text(taint, "/key"), text(taint, "/value"), text(taint, "/effect"));
        let keeps_away = matches!(effect, "NoSchedule" | "NoExecute") && !tolerates(pod, key, value, effect);
        keeps_away.then(|| format!("{key}: {value}"))
    })
}

pub(super) fn tolerates(pod: &Value, key: &str, value: &str, effect: &str) -> bool {
    list(pod, "/spec/tolerations").iter().any(|toleration| {
        let (its_key, operator) = (text(toleration, "/key"), text(toleration, "/operator"));
        let its_effect = text(toleration, "/effect");
        (its_effect.is_empty() || its_effect == effect)
            && match operator {
                "Exists" => its_key.is_empty() || its_key == key,
                _ => its_key == key && text(toleration, "/value") == value,
            }
    })
}

/// Ports of the node that a pod takes, with their protocols.
fn host_ports(pod: &Value) -> BTreeSet<(i64, &str)> {
    let ports = list(pod, "/spec/containers").iter().flat_map(|container| list(container, "/ports"));
    let protocol = |port| Some(text(port, "/protocol")).filter(|it| !it.is_empty()).unwrap_or("TCP");
    ports.filter_map(|port| Some((int(port, "/hostPort").filter(|it| *it > 0)?, protocol(port)))).collect()
}
