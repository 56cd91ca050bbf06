//! Jobs, and the templates of jobs.

use serde_json::Value;

use super::super::super::names;
use super::super::super::selector::LabelSelector;
use super::super::place::Place;
use super::super::shown::Go;
use super::super::{pod, same, selector};
use super::{indexes, matches_template};

const FAILURE_POLICY: Go = Go::pointer(&[(
    "Rules",
    "rules",
    Go::List(&Go::plain(&[
        ("Action", "action", Go::Text),
        (
            "OnExitCodes",
            "onExitCodes",
            Go::pointer(&[
                ("ContainerName", "containerName", Go::Plain),
                ("Operator", "operator", Go::Text),
                ("Values", "values", Go::Plain),
            ]),
        ),
        (
            "OnPodConditions",
            "onPodConditions",
            Go::List(&Go::plain(&[("Type", "type", Go::Text), ("Status", "status", Go::Text)])),
        ),
    ])),
)]);
const SUCCESS_POLICY: Go = Go::pointer(&[(
    "Rules",
    "rules",
    Go::List(&Go::plain(&[
        ("SucceededIndexes", "succeededIndexes", Go::Plain),
        ("SucceededCount", "succeededCount", Go::Plain),
    ])),
)]);

/// A job.
pub(in super::super) fn job(object: &Place<'_, '_>) {
    generated(object);
    let spec = object.at("spec");
    job_spec(&spec);
    let place = spec.at("selector");
    let before = place.found();
    if place.is_set() {
        selector::labels(&place);
    } else {
        place.required("");
    }
    if !place.is_set() || place.found() == before {
        matches_template(&spec);
    }
    let completions = spec.at("completions");
    if spec.at("completionMode").text() == "Indexed" && completions.int() > 0 {
        let name = object.at("metadata.name");
        let last = format!("{}-{}", name.text(), completions.int() - 1);
        if !names::label_problems(&last).is_empty() {
            name.invalid_text(&format!("will not able to create pod with invalid DNS label: {last}"));
        }
    }
}

/// The labels that the server makes are those of this job.
fn generated(object: &Place<'_, '_>) {
    let spec = object.at("spec");
    if spec.at("manualSelector").flag() || !spec.has("selector") {
        return;
    }
    let (uid, name) = (object.at("metadata.uid").text(), object.at("metadata.name").text());
    let expected = [
        ("controller-uid", uid),
        ("job-name", name),
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
    ];
    let labels = spec.at("template.metadata.labels");
    for (label, value) in expected {
        let place = spec.at("template.metadata");
        let place = place.at("labels");
        let place = place.key(label);
        if !labels.key(label).is_set() {
            place.required(&format!("must be '{value}'"));
        } else if labels.key(label).text() != value {
            let why = format!("must be '{value}'");
            place.wrong(labels.value().clone(), &why);
        }
    }
    let all: serde_json::Map<String, Value> =
        expected.iter().map(|(label, value)| ((*label).to_owned(), Value::from(*value))).collect();
    let pod = serde_json::json!({ "metadata": { "labels": all } });
    let place = spec.at("selector");
    if LabelSelector::from_object(place.value()).is_some_and(|selector| !selector.matches(&pod)) {
        place.invalid_struct(&Go::Selector, "`selector` not auto-generated");
    }
}

/// The spec of a job, or of one that is to be made.
pub(super) fn job_spec(spec: &Place<'_, '_>) {
    const COUNTS: [&str; 7] = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    COUNTS.iter().for_each(|field| spec.at(field).not_negative());
    if spec.has("maxFailedIndexes") && !spec.has("backoffLimitPerIndex") {
        spec.at("backoffLimitPerIndex").required("when maxFailedIndexes is specified");
    }
    if spec.has("managedBy") {
        managed_by(&spec.at("managedBy"));
    }
    let mode = spec.at("completionMode");
    if mode.is_set() {
        mode.must_be(&["NonIndexed", "Indexed"]);
    }
    match mode.text() {
        "Indexed" => indexed(spec),
        "NonIndexed" | "" => {
            for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
                if spec.has(field) {
                    spec.at(field).invalid("requires indexed completion mode");
                }
            }
        }
        _ => {}
    }
    failure_policy(spec);
    let success = spec.at("successPolicy");
    if success.is_set() && mode.text() != "Indexed" {
        success.invalid_struct(&SUCCESS_POLICY, "requires indexed completion mode");
    } else if success.is_set() {
        success_policy(&success, spec.at("completions").int());
    }
    let replacement = spec.at("podReplacementPolicy");
    if replacement.is_set() {
        let choosy = spec.has("podFailurePolicy");
        replacement.must_be(if choosy { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] });
    }
    pod::template(&spec.at("template"));
    let policy = spec.at("template.spec.restartPolicy");
    match policy.text() {
        "Always" | "" => policy.required("valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if spec.has("podFailurePolicy") => {
            policy.invalid_text("only \"Never\" is supported when podFailurePolicy is specified");
        }
        _ => policy.must_be(&["OnFailure", "Never"]),
    }
}

/// `acme.io/controller`
fn managed_by(place: &Place<'_, '_>) {
    let text = place.text();
    match text.split_once('/') {
        _ if text.is_empty() => place.required(""),
        Some((domain, path)) if !domain.is_empty() && !path.is_empty() => {
            place.wrongs(domain, names::subdomain_problems(domain));
            let legal = |c: char| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:".contains(c);
            if !path.chars().all(legal) {
                place.wrong(path, "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')");
            }
        }
        _ => place.invalid_text("must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
    if text.len() > 63 {
        place.too_long(63);
    }
}

fn indexed(spec: &Place<'_, '_>) {
    const MANY: i64 = 100_000;
    const PER_INDEX: i64 = 10_000;
    let [completions, parallelism, failed] =
        ["completions", "parallelism", "maxFailedIndexes"].map(|field| spec.at(field));
    let at_most = |place: &Place<'_, '_>, most: i64, end: &str| {
        if place.int() > most {
            place.invalid(&format!("must be less than or equal to {most}{end}"));
        }
    };
    if !completions.is_set() {
        completions.required("when completion mode is Indexed");
    }
    at_most(&parallelism, MANY, " when completion mode is Indexed");
    if completions.is_set() && failed.int() > completions.int() {
        failed.invalid("must be less than or equal to completions");
    }
    at_most(&failed, MANY, "");
    if completions.int() > MANY && spec.has("backoffLimitPerIndex") {
        if !failed.is_set() {
            failed.required("must be specified when completions is above 100000");
        }
        let end = " when completions are above 100000 and used with backoff limit per index";
        at_most(&parallelism, PER_INDEX, end);
        at_most(&failed, PER_INDEX, end);
    }
}

fn failure_policy(spec: &Place<'_, '_>) {
    let rules = spec.at("podFailurePolicy.rules");
    rules.too_many(20);
    let template = spec.at("template.spec");
    let mut containers: Vec<&str> = Vec::new();
    for list in ["containers", "initContainers"] {
        containers.extend(template.at(list).list().iter().filter_map(|it| it.get("name").and_then(Value::as_str)));
    }
    for rule in rules.items() {
        let action = rule.at("action");
        match action.text() {
            "" => action.required("valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]"),
            "FailIndex" => {
                if !spec.has("backoffLimitPerIndex") {
                    action.invalid("requires the backoffLimitPerIndex to be set");
                }
            }
            _ => action.must_be(&["Count", "FailIndex", "FailJob", "Ignore"]),
        }
        let (codes, conditions) = (rule.at("onExitCodes"), rule.at("onPodConditions"));
        if codes.is_set() {
            exit_codes(&codes, &containers);
        }
        conditions.too_many(20);
        for condition in conditions.items() {
            condition.at("type").qualified();
            let status = condition.at("status");
            if status.is_empty() {
                status.required("valid values: [\"False\" \"True\" \"Unknown\"]");
            } else {
                status.must_be(&["False", "True", "Unknown"]);
            }
        }
        match (codes.is_set(), !conditions.is_empty()) {
            (true, true) => rule.invalid_omitted("specifying both OnExitCodes and OnPodConditions is not supported"),
            (false, false) => rule.invalid_omitted("specifying one of OnExitCodes and OnPodConditions is required"),
            _ => {}
        }
    }
}

fn exit_codes(codes: &Place<'_, '_>, containers: &[&str]) {
    let (operator, container, values) = (codes.at("operator"), codes.at("containerName"), codes.at("values"));
    if operator.is_empty() {
        operator.required("valid values: [\"In\" \"NotIn\"]");
    } else {
        operator.must_be(&["In", "NotIn"]);
    }
    if container.is_set() && !containers.contains(&container.text()) {
        container.invalid("must be one of the container or initContainer names in the pod template");
    }
    if values.is_empty() {
        values.invalid("at least one value is required");
    }
    values.too_many(255);
    let mut seen: Vec<i64> = Vec::new();
    let mut ordered = true;
    for value in values.items() {
        if operator.text() == "In" && value.int() == 0 {
            value.invalid("must not be 0 for the In operator");
        }
        if seen.contains(&value.int()) {
            value.duplicate(value.int());
        }
        ordered &= seen.last().is_none_or(|last| *last <= value.int());
        seen.push(value.int());
    }
    if !ordered {
        values.invalid("must be ordered");
    }
}

fn success_policy(policy: &Place<'_, '_>, completions: i64) {
    let rules = policy.at("rules");
    if rules.is_empty() {
        rules.required("at least one rules must be specified when the successPolicy is specified");
    }
    rules.too_many(20);
    for rule in rules.items() {
        let (list, count) = (rule.at("succeededIndexes"), rule.at("succeededCount"));
        if !list.is_set() && !count.is_set() {
            rule.required("at least one of succeededCount or succeededIndexes must be specified");
        }
        let named = indexes::count(list.text(), completions);
        if let Err(why) = &named {
            list.invalid(&format!("error parsing succeededIndexes: {why}"));
        }
        if !count.is_set() {
            continue;
        }
        count.not_negative();
        if count.int() > completions {
            let why = format!("must be less than or equal to {completions} (the number of specified completions)");
            count.invalid(&why);
        }
        let named = named.unwrap_or(0);
        if list.is_set() && count.int() > named {
            count.invalid(&format!(
                "must be less than or equal to {named} (the number of indexes in the specified succeededIndexes field)"
            ));
        }
    }
}

/// What of a job may change.
pub(in super::super) fn job_update(live: &Place<'_, '_>, object: &Place<'_, '_>) {
    let (old, new) = (live.at("spec"), object.at("spec"));
    let completions = new.at("completions");
    if new.at("completionMode").text() != "Indexed" {
        completions.immutable(&old.at("completions"));
    } else if completions.is_set()
        && completions.value() != old.at("completions").value()
        && completions.int() != new.at("parallelism").int()
    {
        completions.invalid("can only be modified in tandem with spec.parallelism");
    }
    new.at("selector").immutable_struct(&old.at("selector"), &Go::Selector);
    template_update(live, object);
    new.at("completionMode").immutable(&old.at("completionMode"));
    new.at("podFailurePolicy").immutable_struct(&old.at("podFailurePolicy"), &FAILURE_POLICY);
    for field in ["backoffLimitPerIndex", "managedBy"] {
        new.at(field).immutable(&old.at(field));
    }
    new.at("successPolicy").immutable_struct(&old.at("successPolicy"), &SUCCESS_POLICY);
}

/// The template stays; where its pods may run may change while the job waits for its start.
fn template_update(live: &Place<'_, '_>, object: &Place<'_, '_>) {
    let (old, new) = (live.at("spec.template"), object.at("spec.template"));
    let waits = live.at("spec.suspend").flag() && !live.has("status.startTime");
    let mut expected = old.value().clone();
    if waits {
        for path in ["/metadata/labels", "/metadata/annotations", "/spec/nodeSelector", "/spec/tolerations"] {
            copy(new.value(), &mut expected, path);
        }
        for path in ["/spec/schedulingGates", "/spec/affinity/nodeAffinity"] {
            copy(new.value(), &mut expected, path);
        }
    }
    if !same(new.value(), &expected) {
        new.invalid_struct(&Go::Type("PodTemplateSpec"), "field is immutable");
    }
}

/// Makes a field as it is elsewhere.
fn copy(from: &Value, to: &mut Value, path: &str) {
    let Some((parent, field)) = path.rsplit_once('/') else { return };
    let value = from.pointer(path).cloned();
    if value.is_some() && to.pointer(parent).is_none() {
        copy(from, to, parent);
        return;
    }
    if let Some(fields) = to.pointer_mut(parent).and_then(Value::as_object_mut) {
        match value {
            Some(value) => fields.insert(field.to_owned(), value),
            None => fields.remove(field),
        };
    }
}
