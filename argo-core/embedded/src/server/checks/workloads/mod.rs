//! Workloads: selectors, templates, strategies, schedules, budgets, autoscalers; and the counts in their statuses.

mod autoscaler;
mod budget;
mod cronjob;
mod daemonset;
mod deployment;
mod indexes;
mod job;
mod job_status;
mod replication;
mod statefulset;

use super::super::selector::LabelSelector;
use super::place::Place;
use super::shown::Go;
use super::{pod, selector};

pub(super) use autoscaler::{autoscaler, autoscaler_status};
pub(super) use budget::{budget, budget_status};
pub(super) use cronjob::cron_job;
pub(super) use daemonset::{daemon_set, daemon_set_status};
pub(super) use deployment::{deployment, deployment_status, replica_set, replica_set_status};
pub(super) use job::{job, job_update};
pub(super) use job_status::job_status;
pub(super) use replication::{controller, controller_status};
pub(super) use statefulset::{controller_revision, stateful_set, stateful_set_status, stateful_set_update};

/// The selector of a workload. Whether it can be used to choose pods.
fn own_selector(spec: &Place<'_, '_>, kind: &str) -> bool {
    let place = spec.at("selector");
    let before = place.found();
    selector::labels(&place);
    let good = place.found() == before;
    let empty = ["matchLabels", "matchExpressions"].iter().all(|field| place.at(field).is_empty());
    if place.is_set() && empty {
        place.invalid_struct(&Go::Selector, &format!("empty selector is invalid for {kind}"));
    }
    good
}

/// That the selector chooses the pods of the template; none chooses nothing.
fn matches_template(spec: &Place<'_, '_>) {
    let (selector, labels) = (spec.at("selector"), spec.at("template.metadata.labels"));
    let template = spec.at("template").value();
    let matches = selector.is_set()
        && LabelSelector::from_object(selector.value()).is_none_or(|selector| selector.matches(template));
    if !matches {
        labels.invalid("`selector` does not match template `labels`");
    }
}

/// The template of what keeps its pods running.
fn lasting_template(spec: &Place<'_, '_>, kind: &str) {
    let template = spec.at("template");
    pod::template(&template);
    always(spec, kind);
}

fn always(spec: &Place<'_, '_>, kind: &str) {
    let policy = spec.at("template.spec.restartPolicy");
    if policy.text() != "Always" {
        policy.unsupported(policy.text(), &["Always"]);
    }
    let deadline = spec.at("template.spec.activeDeadlineSeconds");
    if deadline.is_set() {
        deadline.forbidden(&format!("activeDeadlineSeconds in {kind} is not Supported"));
    }
}

/// Counts of a status: none negative, and those named after them not more than all.
fn counts(status: &Place<'_, '_>, counts: &[&str], parts: &[&str]) {
    counts.iter().for_each(|field| status.at(field).not_negative());
    let all = status.at("replicas").int();
    for field in parts {
        let part = status.at(field);
        if part.int() > all {
            part.invalid_int("cannot be greater than status.replicas");
        }
    }
}

/// Pods that are there for a while were ready first.
fn available_of_ready(status: &Place<'_, '_>, why: &str) {
    let available = status.at("availableReplicas");
    if available.int() > status.at("readyReplicas").int() {
        available.invalid_int(why);
    }
}

/// The count of collisions only grows.
fn collisions(live: &Place<'_, '_>, object: &Place<'_, '_>) {
    let (before, after) = (live.at("status.collisionCount"), object.at("status.collisionCount"));
    if before.is_set() && after.int() < before.int() {
        after.invalid_int("cannot be decremented");
    }
}
