//! Workloads: selectors, templates, strategies, schedules, budgets, autoscalers.

use serde_json::{Value, json};

use super::super::meta;
use super::super::selector::LabelSelector;
use super::super::status::Cause;
use super::pod::{self, Restart};
use super::{immutable, negative, number, one_of};

/// Deployments, replica sets, stateful sets and daemon sets.
pub(super) fn workload(resource: &str, object: &Value, live: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    selector(resource, spec, causes);
    immutable(object, live, "/spec/selector", causes);
    for field in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
        negative(spec, field, "spec", causes);
    }
    match resource {
        "deployments" => deployment(spec, causes),
        "statefulsets" => {
            one_of(
                meta::text(spec, "/podManagementPolicy"),
                &["OrderedReady", "Parallel"],
                "spec.podManagementPolicy".to_owned(),
                causes,
            );
            if let Some(live) = live {
                stateful_update(live, object, causes);
            }
        }
        _ => {}
    }
    if resource != "replicasets" || spec.get("template").is_some() {
        let template = spec.pointer("/template/spec").unwrap_or(&Value::Null);
        pod::spec(template, "spec.template.spec", Restart::Always, causes);
    }
    if let Some(deadline) = number(spec, "/template/spec/activeDeadlineSeconds") {
        let _ = deadline;
        let why = "activeDeadlineSeconds in ReplicaSet is not Supported";
        if matches!(resource, "deployments" | "replicasets") {
            causes.push(Cause::forbidden("spec.template.spec.activeDeadlineSeconds", why));
        }
    }
}

fn selector(resource: &str, spec: &Value, causes: &mut Vec<Cause>) {
    let labels = spec.pointer("/template/metadata/labels").cloned().unwrap_or(Value::Null);
    let mismatch =
        || Cause::invalid("spec.template.metadata.labels", &labels, "`selector` does not match template `labels`");
    let Some(selector) = spec.get("selector") else {
        if resource != "daemonsets" {
            causes.push(Cause::required("spec.selector", ""));
        }
        causes.push(mismatch());
        return;
    };
    let one = match resource {
        "deployments" | "replicasets" => "deployment",
        "statefulsets" => "statefulset",
        _ => "daemonset",
    };
    match LabelSelector::from_object(selector) {
        Some(parsed) if parsed.is_empty() => {
            causes.push(Cause::invalid("spec.selector", selector, &format!("empty selector is invalid for {one}")));
        }
        Some(parsed) => {
            if !parsed.matches(spec.get("template").unwrap_or(&Value::Null)) {
                causes.push(mismatch());
            }
        }
        None => causes.push(Cause::invalid("spec.selector", selector, "invalid label selector")),
    }
}

fn deployment(spec: &Value, causes: &mut Vec<Cause>) {
    let kind = meta::text(spec, "/strategy/type");
    one_of(kind, &["Recreate", "RollingUpdate"], "spec.strategy.type".to_owned(), causes);
    let rolling = spec.pointer("/strategy/rollingUpdate");
    if kind == "Recreate" && rolling.is_some() {
        causes.push(Cause::forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        ));
    }
    if let Some(rolling) = rolling.filter(|_| kind == "RollingUpdate") {
        let zero =
            |field: &str| matches!(rolling.get(field), Some(value) if *value == json!(0) || *value == json!("0%"));
        if zero("maxUnavailable") && zero("maxSurge") {
            causes.push(Cause::invalid(
                "spec.strategy.rollingUpdate.maxUnavailable",
                &rolling["maxUnavailable"],
                "may not be 0 when `maxSurge` is 0",
            ));
        }
    }
    if let Some(deadline) = number(spec, "/progressDeadlineSeconds") {
        let at = "spec.progressDeadlineSeconds";
        negative(spec, "progressDeadlineSeconds", "spec", causes);
        if deadline <= number(spec, "/minReadySeconds").unwrap_or(0) {
            causes.push(Cause::invalid(at, &Value::from(deadline), "must be greater than minReadySeconds"));
        }
    }
}

/// Little of a stateful set may change.
fn stateful_update(live: &Value, object: &Value, causes: &mut Vec<Cause>) {
    const OPEN: &[&str] = &[
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let fixed = |object: &Value| {
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        if let Some(fields) = spec.as_object_mut() {
            fields.retain(|field, _| !OPEN.contains(&field.as_str()));
        }
        spec
    };
    if fixed(live) != fixed(object) {
        causes.push(Cause::forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ));
    }
}

/// A job, or the one in a cron job.
pub(super) fn job(spec: &Value, path: &str, causes: &mut Vec<Cause>) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "maxFailedIndexes",
    ] {
        negative(spec, field, path, causes);
    }
    one_of(meta::text(spec, "/completionMode"), &["Indexed", "NonIndexed"], format!("{path}.completionMode"), causes);
    if meta::text(spec, "/completionMode") == "Indexed" && spec.get("completions").is_none() {
        let why = "when completion mode is Indexed";
        causes.push(Cause::required(format!("{path}.completions"), why));
    }
    let template = spec.pointer("/template/spec").unwrap_or(&Value::Null);
    pod::spec(template, &format!("{path}.template.spec"), Restart::Ends, causes);
}

/// A cron job.
pub(super) fn cron_job(object: &Value, causes: &mut Vec<Cause>) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    if meta::text(spec, "/schedule").is_empty() {
        causes.push(Cause::required("spec.schedule", ""));
    }
    for field in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        negative(spec, field, "spec", causes);
    }
    one_of(
        meta::text(spec, "/concurrencyPolicy"),
        &["Allow", "Forbid", "Replace"],
        "spec.concurrencyPolicy".to_owned(),
        causes,
    );
    let job_spec = spec.pointer("/jobTemplate/spec").unwrap_or(&Value::Null);
    job(job_spec, "spec.jobTemplate.spec", causes);
    let name = meta::name(object);
    if name.len() > 52 {
        causes.push(Cause::invalid("metadata.name", &Value::from(name), "must be no more than 52 characters"));
    }
}

/// An autoscaler.
pub(super) fn autoscaler(object: &Value, causes: &mut Vec<Cause>) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let most = number(spec, "/maxReplicas").unwrap_or(0);
    let least = number(spec, "/minReplicas").unwrap_or(1);
    if least < 1 {
        let why = "must be greater than or equal to 1";
        causes.push(Cause::invalid("spec.minReplicas", &Value::from(least), why));
    }
    if most < 1 {
        causes.push(Cause::invalid("spec.maxReplicas", &Value::from(most), "must be greater than 0"));
    }
    if most < least {
        let why = "must be greater than or equal to `minReplicas`";
        causes.push(Cause::invalid("spec.maxReplicas", &Value::from(most), why));
    }
    for field in ["kind", "name"] {
        let text = meta::text(spec, &format!("/scaleTargetRef/{field}"));
        if text.is_empty() {
            causes.push(Cause::required(format!("spec.scaleTargetRef.{field}"), ""));
        }
    }
    if meta::text(spec, "/scaleTargetRef/apiVersion").is_empty() {
        let why = "apiVersion must specify API group";
        causes.push(Cause::invalid("spec.scaleTargetRef.apiVersion", &Value::from(""), why));
    }
}
