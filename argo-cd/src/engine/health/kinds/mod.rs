//! Rules for the kinds of the ecosystem, by group.
//!
//! Most kinds follow one of two shapes, conditions and phases, and are lines of the tables in [`conditions`] and
//! [`phases`]; the others have a function in the file of their group.

mod argo;
mod aws;
mod capi;
mod ceph;
mod cloud;
mod conditions;
mod crossplane;
mod data;
mod elastic;
mod flux;
mod gateway;
mod grafana;
mod karpenter;
mod keda;
mod keptn;
mod knative;
mod kruise;
mod kubernetes;
mod mariadb;
mod mesh;
mod netapp;
mod numaflow;
mod numaplane;
mod ocm;
mod openshift;
mod operators;
mod phases;
mod promoter;
mod shape;
mod spark;
mod threescale;
mod virtualization;

use std::{collections::HashMap, sync::LazyLock};

use crate::api::{HealthState, ResourceHealth};
use crate::engine::look::{Judged, Look, Unjudged};
use shape::Rule;

/// Group, kind, rule. `*.` before a group stands for whatever comes before it; kind `*` for every kind.
type Entry = (&'static str, &'static str, Rule);

const ALL: &[&[Entry]] = &[
    argo::KINDS,
    aws::KINDS,
    capi::KINDS,
    ceph::KINDS,
    cloud::KINDS,
    conditions::KINDS,
    crossplane::KINDS,
    data::KINDS,
    elastic::KINDS,
    flux::KINDS,
    gateway::KINDS,
    grafana::KINDS,
    karpenter::KINDS,
    keda::KINDS,
    keptn::KINDS,
    knative::KINDS,
    kruise::KINDS,
    kubernetes::KINDS,
    mariadb::KINDS,
    mesh::KINDS,
    netapp::KINDS,
    numaflow::KINDS,
    numaplane::KINDS,
    ocm::KINDS,
    openshift::KINDS,
    operators::KINDS,
    phases::KINDS,
    promoter::KINDS,
    spark::KINDS,
    threescale::KINDS,
    virtualization::KINDS,
];

static EXACT: LazyLock<HashMap<(&'static str, &'static str), &'static Rule>> = LazyLock::new(|| {
    let entries = ALL.iter().copied().flatten();
    entries.map(|(group, kind, rule)| ((*group, *kind), rule)).collect()
});

/// The rule of a kind: its own, else that of every kind of the group.
fn rule(group: &str, kind: &str) -> Option<&'static Rule> {
    if let Some(rule) = EXACT.get(&(group, kind)).or_else(|| EXACT.get(&(group, "*"))) {
        return Some(rule);
    }
    let mut rest = group;
    while let Some((_, parent)) = rest.split_once('.') {
        let family = WILDCARDS.iter().find(|(suffix, _)| *suffix == parent);
        if let Some((_, rule)) = family {
            return Some(rule);
        }
        rest = parent;
    }
    None
}

static WILDCARDS: LazyLock<Vec<(&'static str, &'static Rule)>> = LazyLock::new(|| {
    let entries = ALL.iter().copied().flatten();
    entries.filter_map(|(group, _, rule)| Some((group.strip_prefix("*.")?, rule))).collect()
});

/// The verdict of a kind's rule; `None` for kinds without one.
pub(super) fn judge(group: &str, kind: &str, object: Look<'_>) -> Option<Judged> {
    rule(group, kind).map(|it| it.judge(object))
}

fn verdict(status: HealthState, message: impl Into<String>) -> Judged {
    Ok(ResourceHealth { status, message: message.into() })
}

fn healthy(message: impl Into<String>) -> Judged {
    verdict(HealthState::Healthy, message)
}

fn progressing(message: impl Into<String>) -> Judged {
    verdict(HealthState::Progressing, message)
}

fn degraded(message: impl Into<String>) -> Judged {
    verdict(HealthState::Degraded, message)
}

fn suspended(message: impl Into<String>) -> Judged {
    verdict(HealthState::Suspended, message)
}

fn unknown(message: impl Into<String>) -> Judged {
    verdict(HealthState::Unknown, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_has_one_rule() {
        let all: usize = ALL.iter().map(|it| it.len()).sum();
        assert_eq!(EXACT.len(), all, "a kind stands in two files");
        assert_eq!(all, 238);
    }

    #[test]
    fn groups_below_a_wildcard_share_its_rule_and_a_nearer_one_wins() {
        let object = json!({"kind": "Provider"});
        let found = |group, kind| judge(group, kind, Look::new(&object)).map(|it| it.map(|it| it.message));
        assert_eq!(found("ec2.aws.upbound.io", "Instance"), Some(Ok("Resource is up-to-date.".to_owned())));
        assert_eq!(found("pkg.crossplane.io", "Function"), Some(Ok("Resource is up-to-date.".to_owned())));
        let own = Some(Ok("Waiting for provider to be installed".to_owned()));
        assert_eq!(found("pkg.crossplane.io", "Provider"), own);
        assert_eq!(found("crossplane.io", "Provider"), None, "a wildcard stands for something");
        assert_eq!(found("example.com", "Provider"), None);
    }
}
