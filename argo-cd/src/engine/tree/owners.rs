//! Who belongs to whom.

use std::sync::Arc;

use argo_core::{Gvk, Object, ObjectRef};
use serde_json::Value;

use crate::engine::live::LiveView;

/// The kinds of objects that a kind owns, by ownerReferences or by what Kubernetes and well-known controllers do.
#[must_use]
pub fn child_kinds(gvk: &Gvk) -> Vec<Gvk> {
    let core = |kind: &str| Gvk::new("", "v1", kind);
    let apps = |kind: &str| Gvk::new("apps", "v1", kind);
    let argo = |kind: &str| Gvk::new("argoproj.io", "v1alpha1", kind);
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps", "Deployment") => vec![apps("ReplicaSet")],
        ("apps", "ReplicaSet") | ("", "ReplicationController") | ("batch", "Job") => vec![core("Pod")],
        ("apps", "DaemonSet") => vec![core("Pod"), apps("ControllerRevision")],
        ("apps", "StatefulSet") => vec![core("Pod"), apps("ControllerRevision"), core("PersistentVolumeClaim")],
        ("batch", "CronJob") => vec![Gvk::new("batch", "v1", "Job")],
        ("", "Service") => vec![core("Endpoints"), Gvk::new("discovery.k8s.io", "v1", "EndpointSlice")],
        ("", "ServiceAccount") => vec![core("Secret")],
        ("argoproj.io", "Rollout") => vec![apps("ReplicaSet"), argo("AnalysisRun"), argo("Experiment")],
        ("argoproj.io", "Experiment") => vec![apps("ReplicaSet"), argo("AnalysisRun")],
        ("argoproj.io", "AnalysisRun") => vec![Gvk::new("batch", "v1", "Job")],
        ("argoproj.io", "CronWorkflow") => vec![argo("Workflow")],
        ("argoproj.io", "Workflow") => vec![core("Pod")],
        ("argoproj.io", "ApplicationSet") => vec![argo("Application")],
        ("cert-manager.io", "Certificate") => {
            vec![Gvk::new("cert-manager.io", "v1", "CertificateRequest"), core("Secret")]
        }
        ("cert-manager.io", "CertificateRequest") => vec![Gvk::new("acme.cert-manager.io", "v1", "Order")],
        ("external-secrets.io", "ExternalSecret") | ("bitnami.com", "SealedSecret") => vec![core("Secret")],
        ("operators.coreos.com", "OperatorGroup") => {
            vec![Gvk::new("operators.coreos.com", "v1alpha1", "ClusterServiceVersion")]
        }
        ("operators.coreos.com", "ClusterServiceVersion") => vec![apps("Deployment")],
        _ => vec![],
    }
}

/// Every kind that may hang below a kind, at any depth, each once.
#[must_use]
pub fn descendant_kinds(gvk: &Gvk) -> Vec<Gvk> {
    let mut found: Vec<Gvk> = Vec::new();
    let mut work = child_kinds(gvk);
    while let Some(kind) = work.pop() {
        if !found.contains(&kind) {
            work.extend(child_kinds(&kind));
            found.push(kind);
        }
    }
    found
}

/// The objects of a kind that belong to an object.
#[must_use]
pub fn children(parent: &Object, gvk: &Gvk, live: &dyn LiveView) -> Vec<Arc<Object>> {
    let mut found = live.owned_by(gvk, parent.uid());
    let namespace = parent.namespace().unwrap_or_default();
    let of = parent.gvk();
    let nameless = |it: &Arc<Object>| it.owner_references().is_empty();
    match (of.group.as_str(), of.kind.as_str(), gvk.kind.as_str()) {
        // Endpoints name no owner.
        ("", "Service", "Endpoints") => {
            found.extend(live.get(&ObjectRef::new(gvk.clone(), Some(namespace), parent.name())).filter(nameless));
        }
        ("", "Service", "EndpointSlice") => {
            let slices = live.in_namespace(gvk, namespace).into_iter().filter(nameless);
            found.extend(slices.filter(|it| it.label("kubernetes.io/service-name") == Some(parent.name())));
        }
        // Claims outlive their StatefulSet, so it does not own them.
        ("apps" | "extensions", "StatefulSet", "PersistentVolumeClaim") => {
            let claims = live.in_namespace(gvk, namespace).into_iter();
            found.extend(claims.filter(|it| nameless(it) && is_claim_of(it.name(), parent)));
        }
        ("", "ServiceAccount", "Secret") => {
            let secrets = live.in_namespace(gvk, namespace).into_iter();
            found.extend(secrets.filter(|it| is_token_of(it, parent)));
        }
        ("operators.coreos.com", "OperatorGroup", "ClusterServiceVersion") => {
            let versions = live.in_namespace(gvk, namespace).into_iter();
            found.extend(versions.filter(|it| it.annotation("olm.operatorGroup") == Some(parent.name())));
        }
        _ => {}
    }
    found
}

/// `<template>-<statefulset>-<number>`.
fn is_claim_of(claim: &str, set: &Object) -> bool {
    let stem = claim.trim_end_matches(|it: char| it.is_ascii_digit());
    let Some(stem) = stem.strip_suffix('-').filter(|_| stem.len() < claim.len()) else { return false };
    let Some(stem) = stem.strip_suffix(set.name()).and_then(|it| it.strip_suffix('-')) else { return false };
    let templates = set.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    let mut names = templates.into_iter().flatten().filter_map(|it| it.pointer("/metadata/name")?.as_str());
    names.any(|it| stem.ends_with(it))
}

fn is_token_of(secret: &Object, account: &Object) -> bool {
    secret.text("/type") == "kubernetes.io/service-account-token"
        && secret.annotation("kubernetes.io/service-account.name") == Some(account.name())
        && secret.annotation("kubernetes.io/service-account.uid") == Some(account.uid())
}
