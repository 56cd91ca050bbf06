//! Where a pod may run: affinities, tolerations, spread.

use super::super::super::names;
use super::super::place::Place;
use super::super::selector;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub(super) fn check(affinity: &Place<'_, '_>) {
    let nodes = affinity.at("nodeAffinity");
    if nodes.has(REQUIRED) {
        selector::nodes(&nodes.at(REQUIRED));
    }
    for term in nodes.at(PREFERRED).items() {
        weight(&term);
        selector::node_term(&term.at("preference"), false);
    }
    for field in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.at(field);
        pods.at(REQUIRED).items().for_each(|term| pod_term(&term));
        for term in pods.at(PREFERRED).items() {
            weight(&term);
            pod_term(&term.at("podAffinityTerm"));
        }
    }
}

fn weight(term: &Place<'_, '_>) {
    let weight = term.at("weight");
    if !(1..=100).contains(&weight.int()) {
        weight.invalid_int("must be in the range 1-100");
    }
}

fn pod_term(term: &Place<'_, '_>) {
    for field in ["labelSelector", "namespaceSelector"] {
        selector::labels(&term.at(field));
    }
    for name in term.at("namespaces").texts() {
        term.at("namespace").wrongs(name, names::label_problems(name));
    }
    label_keys(term);
    let key = term.at("topologyKey");
    if key.is_empty() {
        key.required("can not be empty");
    }
    key.qualified();
}

/// Keys whose values are taken from the pod's own labels.
fn label_keys(term: &Place<'_, '_>) {
    let selector = term.at("labelSelector");
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        let keys = term.at(field);
        if keys.is_empty() {
            continue;
        }
        if !selector.is_set() {
            keys.forbidden("must not be specified when labelSelector is not set");
            continue;
        }
        keys.items().for_each(|key| key.qualified());
    }
    let (same, other) = (term.at("matchLabelKeys"), term.at("mismatchLabelKeys"));
    let mut seen: Vec<&str> = selector.at("matchLabels").entries().map(|(key, _)| key).collect();
    for requirement in selector.at("matchExpressions").items() {
        let key = requirement.at("key").text();
        if let Some(index) = same.texts().iter().rposition(|other| *other == key)
            && seen.contains(&key)
        {
            term.index(index).wrong(key, "exists in both matchLabelKeys and labelSelector");
        }
        seen.push(key);
    }
    for key in same.items().filter(|key| other.texts().contains(&key.text())) {
        key.invalid_text("exists in both matchLabelKeys and mismatchLabelKeys");
    }
}

/// Spread constraints.
pub(super) fn spread(constraints: &Place<'_, '_>) {
    const ACTIONS: [&str; 2] = ["DoNotSchedule", "ScheduleAnyway"];
    for (index, constraint) in constraints.items().enumerate() {
        let (key, action) = (constraint.at("topologyKey"), constraint.at("whenUnsatisfiable"));
        constraint.at("maxSkew").positive();
        if key.is_empty() {
            key.required("can not be empty");
        }
        action.must_be(&ACTIONS);
        let repeated = constraints.items().skip(index + 1).any(|other| {
            other.at("topologyKey").text() == key.text() && other.at("whenUnsatisfiable").text() == action.text()
        });
        if repeated {
            let shown = format!("{{{}, {}}}", key.text(), action.text());
            constraint.named("{topologyKey, whenUnsatisfiable}").duplicate(shown);
        }
        let domains = constraint.at("minDomains");
        if domains.is_set() {
            domains.positive();
            if action.text() != "DoNotSchedule" {
                let action = action.text();
                domains.invalid(&format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"));
            }
        }
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            if constraint.has(field) {
                constraint.at(field).must_be(&["Honor", "Ignore"]);
            }
        }
        label_keys(&constraint);
        selector::labels(&constraint.at("labelSelector"));
    }
}

/// Tolerations.
pub(in super::super) fn tolerations(list: &Place<'_, '_>) {
    for toleration in list.items() {
        let [key, operator, value, effect] = ["key", "operator", "value", "effect"].map(|field| toleration.at(field));
        if !key.is_empty() {
            key.qualified();
        } else if operator.text() != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            operator.invalid_text(why);
        }
        if toleration.has("tolerationSeconds") && effect.text() != "NoExecute" {
            effect.invalid_text("effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        match operator.text() {
            "Equal" | "" => {
                let problems = names::label_value_problems(value.text());
                if !problems.is_empty() {
                    operator.wrong(value.text(), &problems.join(";"));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    operator.wrong(value.text(), "value must be empty when `operator` is 'Exists'");
                }
            }
            other => operator.unsupported(other, &["Equal", "Exists"]),
        }
        if !effect.is_empty() {
            taint_effect(&effect);
        }
    }
}

/// What a taint does.
pub(in super::super) fn taint_effect(effect: &Place<'_, '_>) {
    effect.required_choice(&["NoSchedule", "PreferNoSchedule", "NoExecute"]);
}
