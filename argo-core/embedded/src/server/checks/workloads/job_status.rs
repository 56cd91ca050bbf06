//! Statuses of jobs: what is looked at is what changed.

use serde_json::Value;

use super::super::place::Place;
use super::indexes;

fn is_true(object: &Place<'_, '_>, kind: &str) -> bool {
    let conditions = object.at("status.conditions");
    conditions.items().any(|it| it.at("type").text() == kind && it.at("status").text() == "True")
}

/// The status of a job, and how it was.
pub(in super::super) fn job_status(live: &Place<'_, '_>, object: &Place<'_, '_>) {
    let (old, new) = (live.at("status"), object.at("status"));
    for field in ["active", "succeeded", "failed", "ready", "terminating"] {
        new.at(field).not_negative();
    }
    uncounted(&new.at("uncountedTerminatedPods"));
    let spec = object.at("spec");
    let completions = spec.at("completions").number();
    let changed = |field: &str| !super::super::same(old.at(field).value(), new.at(field).value());
    let condition = |kind: &str| is_true(object, kind);
    let turned = |kind: &str| is_true(live, kind) != is_true(object, kind);
    let (complete, failed) = (condition("Complete"), condition("Failed"));
    let finished = complete || failed;
    let finish = (is_true(live, "Complete") || is_true(live, "Failed")) != finished;
    let conditions = new.at("conditions");
    let refuse = |bad: bool, why: &str| {
        if bad {
            conditions.invalid_omitted(why);
        }
    };
    let (met, target) = (condition("SuccessCriteriaMet"), condition("FailureTarget"));
    if turned("Complete") || turned("Failed") {
        refuse(complete && failed, "cannot set Complete=True and Failed=true conditions");
    }
    if turned("Complete") || turned("FailureTarget") {
        refuse(complete && target, "cannot set Complete=True and FailureTarget=true conditions");
    }
    let (start, end) = (new.at("startTime"), new.at("completionTime"));
    if turned("Complete") || changed("completionTime") {
        if end.is_set() && !complete {
            end.invalid("cannot set completionTime when there is no Complete=True condition");
        }
        if !end.is_set() && complete {
            end.required("completionTime is required for Complete jobs");
        }
    }
    if (changed("startTime") || changed("completionTime"))
        && start.is_set()
        && end.is_set()
        && end.text() < start.text()
    {
        end.invalid("must be equal to or after `startTime`");
    }
    if turned("Failed") || changed("failedIndexes") {
        refuse(failed && !target, "cannot set Failed=True condition without the FailureTarget=true condition");
    }
    if turned("Complete") || turned("SuccessCriteriaMet") {
        refuse(complete && !met, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
    }
    if (finish || changed("active")) && finished && new.at("active").int() > 0 {
        new.at("active").invalid("active>0 is invalid for finished job");
    }
    let nothing_to_do = spec.at("suspend").flag() && completions == Some(0);
    if (finish || changed("startTime")) && !nothing_to_do && finished && !start.is_set() {
        start.required("startTime is required for finished job");
    }
    let pods = new.at("uncountedTerminatedPods");
    let any = ["failed", "succeeded"].iter().any(|field| !pods.at(field).is_empty());
    if (finish || changed("uncountedTerminatedPods")) && finished && any {
        pods.invalid("must be empty for finished job");
    }
    listed(object, completions, &changed);
    if (finish || changed("terminating")) && finished && new.at("terminating").int() > 0 {
        new.at("terminating").invalid("terminating>0 is invalid for finished job");
    }
    let ready = new.at("ready");
    if (changed("ready") || changed("active")) && ready.is_set() && ready.int() > new.at("active").int() {
        ready.invalid("cannot set more ready pods than active");
    }
    refuse(met && failed, "cannot set SuccessCriteriaMet=True and Failed=true conditions");
    refuse(met && target, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
    let policy = spec.has("successPolicy") && !met && complete;
    refuse(policy, "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True");
    history(live, object);
}

/// Pods that are not yet counted are named once.
fn uncounted(pods: &Place<'_, '_>) {
    let mut seen: Vec<&str> = Vec::new();
    for field in ["succeeded", "failed"] {
        for uid in pods.at(field).items() {
            if uid.is_empty() {
                uid.invalid_text("must not be empty");
            } else if seen.contains(&uid.text()) {
                uid.duplicate(uid.text());
            } else {
                seen.push(uid.text());
            }
        }
    }
}

fn listed(object: &Place<'_, '_>, completions: Option<i64>, changed: &dyn Fn(&str) -> bool) {
    let (spec, status) = (object.at("spec"), object.at("status"));
    let (done, failed) = (status.at("completedIndexes"), status.at("failedIndexes"));
    let per_index = spec.has("backoffLimitPerIndex");
    if let Some(most) = completions {
        for (place, name, looked) in [(&done, "completedIndexes", true), (&failed, "failedIndexes", per_index)] {
            if changed(name)
                && looked
                && let Err(why) = indexes::count(place.text(), most)
            {
                place.invalid(&format!("error parsing {name}: {why}"));
            }
        }
    }
    if changed("completedIndexes") && !done.is_empty() && spec.at("completionMode").text() != "Indexed" {
        done.invalid("cannot set non-empty completedIndexes when non-indexed completion mode");
    }
    if changed("failedIndexes") && failed.is_set() && !per_index {
        failed.invalid("cannot set non-null failedIndexes when backoffLimitPerIndex is null");
    }
    if (changed("failedIndexes") || changed("completedIndexes"))
        && let Some(most) = completions
        && let Some(index) = indexes::overlap(done.text(), failed.text(), most)
    {
        failed.invalid(&format!("failedIndexes and completedIndexes overlap at index: {index}"));
    }
}

/// What was said is not unsaid.
fn history(live: &Place<'_, '_>, object: &Place<'_, '_>) {
    let (old, new, spec) = (live.at("status"), object.at("status"), object.at("spec"));
    let conditions = new.at("conditions");
    for kind in ["Failed", "Complete", "FailureTarget"] {
        if is_true(live, kind) && !is_true(object, kind) {
            conditions.invalid_omitted(&format!("cannot disable the terminal {kind}=True condition"));
        }
    }
    let elastic = spec.at("completionMode").text() == "Indexed"
        && spec.at("completions").value() == spec.at("parallelism").value();
    for field in ["failed", "succeeded"] {
        let place = new.at(field);
        if place.int() < old.at(field).int() && !(elastic && field == "succeeded") {
            place.invalid_int(&format!("cannot decrease the {field} counter"));
        }
    }
    let (before, after) = (old.at("completionTime"), new.at("completionTime"));
    if before.is_set() && after.is_set() && before.value() != after.value() {
        after.invalid("field is immutable");
    }
    let suspended = |object: &Place<'_, '_>, status: &str| {
        let conditions = object.at("status.conditions");
        conditions.items().any(|it| it.at("type").text() == "Suspended" && it.at("status").text() == status)
    };
    let resumes = suspended(live, "True") && suspended(object, "False");
    let moved = old.has("startTime") && old.at("startTime").value() != new.at("startTime").value();
    if moved && !resumes && spec.at("suspend").value() != &Value::Bool(true) {
        new.at("startTime").required("startTime cannot be removed for unsuspended job");
    }
    if is_true(live, "SuccessCriteriaMet") && !is_true(object, "SuccessCriteriaMet") {
        conditions.invalid_omitted("cannot disable the SuccessCriteriaMet=True condition");
    }
    if is_true(live, "Complete") && !is_true(live, "SuccessCriteriaMet") && is_true(object, "SuccessCriteriaMet") {
        conditions.invalid_omitted("cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions");
    }
}
