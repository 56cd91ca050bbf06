//! Flux: reconcile now, suspend, resume.

use serde_json::Value;

use super::{
    ActionError, ActionInfo, Discovered, Look,
    builtin::{Entry, Run},
    edit::{Call, annotate},
    workloads::{resume, suspend},
};

const WORKING: &[(&str, Run)] =
    &[("reconcile", Run::Edit(reconcile)), ("resume", Run::Edit(resume)), ("suspend", Run::Edit(suspend))];
const PASSIVE: &[(&str, Run)] = &[("resume", Run::Edit(resume)), ("suspend", Run::Edit(suspend))];

pub(super) const KINDS: &[Entry] = &[
    ("helm.toolkit.fluxcd.io", "HelmRelease", working, WORKING),
    ("image.toolkit.fluxcd.io", "ImageRepository", working, WORKING),
    ("image.toolkit.fluxcd.io", "ImageUpdateAutomation", working, WORKING),
    ("kustomize.toolkit.fluxcd.io", "Kustomization", working, WORKING),
    ("notification.toolkit.fluxcd.io", "Alert", passive, PASSIVE),
    ("notification.toolkit.fluxcd.io", "Provider", passive, PASSIVE),
    ("notification.toolkit.fluxcd.io", "Receiver", working, WORKING),
    ("source.toolkit.fluxcd.io", "Bucket", working, WORKING),
    ("source.toolkit.fluxcd.io", "GitRepository", working, WORKING),
    ("source.toolkit.fluxcd.io", "HelmChart", working, WORKING),
    ("source.toolkit.fluxcd.io", "HelmRepository", working, WORKING),
    ("source.toolkit.fluxcd.io", "OCIRepository", working, WORKING),
];

fn passive(object: Look<'_>) -> Discovered {
    let suspended = object.get("spec").at("suspend")?.truthy();
    Ok(vec![ActionInfo::new("suspend").disabled(suspended), ActionInfo::new("resume").disabled(!suspended)])
}

fn working(object: Look<'_>) -> Discovered {
    let mut actions = passive(object)?;
    let suspended = object.path("spec.suspend").truthy();
    actions.push(ActionInfo::new("reconcile").disabled(suspended));
    Ok(actions)
}

fn reconcile(object: &mut Value, call: &Call<'_>) -> Result<(), ActionError> {
    let asked = format!("By Argo CD at: {}", call.date("2006-01-02T15:04:05"));
    annotate(object, "reconcile.fluxcd.io/requestedAt", asked)
}
