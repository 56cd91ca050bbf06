//! Roles and bindings, claims and volumes, quotas and limits, data, nodes, events, leases, namespaces, classes.

mod admission;
mod data;
mod event;
mod limits;
mod node;
mod quota;
mod rbac;
mod storage;

use super::place::Place;

pub(super) use admission::{mutating_policy, policy_binding, validating_policy, webhooks};
pub(super) use data::{config_map, secret};
pub(super) use event::event;
pub(super) use limits::limit_range;
pub(super) use node::{node, runtime_class};
pub(super) use quota::{quota, quota_status};
pub(super) use rbac::{binding, role};
pub(super) use storage::{claim, claim_spec, storage_class, volume};

/// Durations and counts of a lease, and who may wait for it.
pub(super) fn lease(object: &Place<'_, '_>) {
    let spec = object.at("spec");
    let seconds = spec.at("leaseDurationSeconds");
    if seconds.is_set() && seconds.int() <= 0 {
        seconds.invalid("must be greater than 0");
    }
    spec.at("leaseTransitions").not_negative();
}

/// Finalizers of a namespace; one made anew is named as a whole.
pub(super) fn namespace(object: &Place<'_, '_>, each: bool) {
    let finalizers = object.at("spec.finalizers");
    for finalizer in finalizers.items() {
        let text = finalizer.text();
        let place = if each { finalizer } else { finalizers };
        place.wrongs(text, super::names::qualified_name_problems(text));
        if !text.contains('/') && !matches!(text, "kubernetes" | "orphan" | "foregroundDeletion") {
            place.wrong(text, "name is neither a standard finalizer name nor is it fully qualified");
        }
    }
}

/// The phase of a namespace goes with its deletion.
pub(super) fn namespace_status(object: &Place<'_, '_>) {
    let (phase, ends) = (object.at("status.phase").text(), object.has("metadata.deletionTimestamp"));
    let place = object.at("status.Phase");
    match (ends, phase) {
        (false, "Active") | (true, "Terminating") => {}
        (false, _) => place.wrong(phase, "may only be 'Active' if `deletionTimestamp` is empty"),
        (true, _) => place.wrong(phase, "may only be 'Terminating' if `deletionTimestamp` is not empty"),
    }
}

/// A class of priorities: those of the system are above all, and its value stays.
pub(super) fn priority_class(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    const MOST: i64 = 1_000_000_000;
    let (value, name) = (object.at("value"), object.at("metadata.name").text());
    if name.starts_with("system-") {
        if !matches!(
            (name, value.int()),
            ("system-cluster-critical", 2_000_000_000) | ("system-node-critical", 2_000_001_000)
        ) {
            let why =
                "priority class names with 'system-' prefix are reserved for system use only. error: %!v(MISSING)";
            object.at("metadata.name").forbidden(why.split(" error").next().unwrap_or(why));
        }
    } else if value.int() > MOST {
        value.forbidden(&format!("maximum allowed value of a user defined priority is {MOST}"));
    }
    let policy = object.at("preemptionPolicy");
    if policy.is_set() {
        policy.required_choice(&["PreemptLowerPriority", "Never"]);
    }
    if let Some(live) = live {
        if value.int() != live.at("value").int() {
            value.forbidden("may not be changed in an update.");
        }
        policy.immutable(&live.at("preemptionPolicy"));
    }
}
