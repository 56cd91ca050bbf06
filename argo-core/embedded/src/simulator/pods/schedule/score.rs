//! Which of the nodes that take a pod it likes best, with upstream's weights.

use serde_json::Value;

use super::filter::{in_domain, meant, spread, term_holds, tolerates};
use super::{Site, View};
use crate::simulator::read::{count, label, list, name, text};

/// The best node: by preferences, then with the fewest pods, then by name.
pub(super) fn best<'s, 'a>(pod: &Value, sites: &[&'s Site<'a>], view: &View<'_>) -> Option<&'s Site<'a>> {
    let mut totals = vec![0; sites.len()];
    let mut add = |weight: i64, scores: Vec<i64>| {
        for (total, score) in totals.iter_mut().zip(scores) {
            *total += weight * score;
        }
    };
    let of = |score: &dyn Fn(&Site<'_>) -> i64| sites.iter().map(|site| score(site)).collect::<Vec<_>>();
    add(3, from_least(&of(&|site| avoided(pod, site.node))));
    add(2, to_most(&of(&|site| node_preference(pod, site.node))));
    add(2, between(&of(&|site| pod_preference(pod, site, view))));
    let soft = list(pod, "/spec/topologySpreadConstraints").iter();
    for constraint in soft.filter(|it| text(it, "/whenUnsatisfiable") == "ScheduleAnyway") {
        let domains = spread(pod, constraint, view);
        let there = |site: &Site<'_>| {
            label(site.node, text(constraint, "/topologyKey")).and_then(|domain| domains.get(domain)).copied()
        };
        let most = domains.values().max().copied().unwrap_or(0);
        add(2, from_least(&of(&|site| there(site).unwrap_or(most + 1))));
    }
    let best = sites.iter().zip(totals).min_by(|(a, of_a), (b, of_b)| {
        of_b.cmp(of_a).then(a.pods.len().cmp(&b.pods.len())).then(name(a.node).cmp(name(b.node)))
    });
    best.map(|(site, _)| *site)
}

/// The highest becomes 100.
fn to_most(scores: &[i64]) -> Vec<i64> {
    let most = scores.iter().max().copied().unwrap_or(0);
    scores.iter().map(|score| if most > 0 { score * 100 / most } else { 0 }).collect()
}

/// The highest becomes 0, nothing becomes 100.
fn from_least(scores: &[i64]) -> Vec<i64> {
    to_most(scores).into_iter().map(|score| 100 - score).collect()
}

/// The lowest becomes 0, the highest 100.
fn between(scores: &[i64]) -> Vec<i64> {
    let (least, most) = (scores.iter().min().copied().unwrap_or(0), scores.iter().max().copied().unwrap_or(0));
    scores.iter().map(|score| if most > least { (score - least) * 100 / (most - least) } else { 0 }).collect()
}

/// Taints that would rather not have the pod.
fn avoided(pod: &Value, node: &Value) -> i64 {
    let taints = list(node, "/spec/taints").iter().filter(|taint| {
        text(taint, "/effect") == "PreferNoSchedule"
            && !tolerates(pod, text(taint, "/key"), text(taint, "/value"), "PreferNoSchedule")
    });
    i64::try_from(taints.count()).unwrap_or(i64::MAX)
}

fn node_preference(pod: &Value, node: &Value) -> i64 {
    let terms = list(pod, "/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution").iter();
    terms.filter(|term| term_holds(&term["preference"], node)).map(|term| count(term, "/weight")).sum()
}

/// What the pod says of those in the same domain, and what they say of it.
fn pod_preference(pod: &Value, site: &Site<'_>, view: &View<'_>) -> i64 {
    let mut score = 0;
    for (kind, sign) in [("podAffinity", 1), ("podAntiAffinity", -1)] {
        let pointer = format!("/spec/affinity/{kind}/preferredDuringSchedulingIgnoredDuringExecution");
        for term in list(pod, &pointer) {
            let inner = &term["podAffinityTerm"];
            if let Some(here) = label(site.node, text(inner, "/topologyKey")) {
                let there = in_domain(view, inner, here).filter(|other| meant(inner, pod, other)).count();
                score += sign * count(term, "/weight") * i64::try_from(there).unwrap_or(0);
            }
        }
        for other_site in &view.sites {
            for (other, term) in
                other_site.pods.iter().flat_map(|other| list(other, &pointer).iter().map(|it| (*other, it)))
            {
                let inner = &term["podAffinityTerm"];
                let key = text(inner, "/topologyKey");
                let together = label(site.node, key).is_some() && label(site.node, key) == label(other_site.node, key);
                if together && meant(inner, other, pod) {
                    score += sign * count(term, "/weight");
                }
            }
        }
    }
    score
}
