//! Rules of a schema: their form, whether they compile, and what they cost.

use std::sync::Arc;

use serde_json::Value;

use super::costs::{self, Costs};
use super::structural::{list, properties};
use super::{Cause, given, invalid_shown, invalid_text, paths, text, unsupported};
use crate::cel::check::{self, Checked, Declared, Type};
use crate::crd::rules::compiled_error;

const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// What is wrong with a rule before anybody looks into its expression.
pub(super) fn form(schema: &Value, rule: &Value, path: &str, causes: &mut Vec<Cause>) {
    let at = |field: &str| format!("{path}.{field}");
    let [expression, message, computed, field_path] =
        ["/rule", "/message", "/messageExpression", "/fieldPath"].map(|field| text(rule, field));
    let broken = |text: &str| text.contains(['\n', '\r']);
    if expression.trim().is_empty() {
        causes.push(Cause::required(at("rule"), "rule is not specified"));
    } else if !message.is_empty() && message.trim().is_empty() {
        causes.push(invalid_text(at("message"), message, "must be non-empty if specified"));
    } else if broken(message.trim()) {
        causes.push(invalid_text(at("message"), message, "must not contain line breaks"));
    } else if broken(expression.trim()) && message.trim().is_empty() {
        causes.push(Cause::required(at("message"), "message must be specified if rule contains line breaks"));
    }
    if !computed.is_empty() && computed.trim().is_empty() {
        causes.push(Cause::required(at("messageExpression"), "messageExpression must be non-empty if specified"));
    }
    if let Some(reason) = rule.get("reason").and_then(Value::as_str).filter(|reason| !REASONS.contains(reason)) {
        causes.push(unsupported(at("reason"), reason, &REASONS));
    }
    if !field_path.is_empty() {
        if field_path.trim().is_empty() {
            causes.push(invalid_text(at("fieldPath"), field_path, "must be non-empty if specified"));
        }
        if broken(field_path) {
            causes.push(invalid_text(at("fieldPath"), field_path, "must not contain line breaks"));
        }
        if paths::find(field_path, schema, true).is_err() {
            causes.push(invalid_text(at("fieldPath"), field_path, "must be a valid path"));
        }
    }
}

/// What is known of rules by where they stand.
#[derive(Clone)]
struct Place {
    /// The path of the list or map whose old items can not be told from each other.
    uncorrelated: Option<String>,
    /// How often a value may be here; nothing without a bound.
    times: Option<u64>,
    /// Whether it is a whole object.
    root: bool,
}

/// Whether the rules of a schema and of all below it compile, and how much they may cost.
///
/// A schema that was accepted before is `unchanged`: its costs are not looked at again.
pub(super) fn check(schema: &Value, path: &str, unchanged: bool, causes: &mut Vec<Cause>) {
    let place = Place { uncorrelated: None, times: Some(1), root: true };
    let mut costs = Costs::default();
    let before = causes.len();
    visit(schema, path, &place, &mut costs, causes);
    costs.end(path, causes);
    if unchanged {
        let kept = causes.split_off(before);
        causes.extend(kept.into_iter().filter(|cause| cause.reason != "FieldValueForbidden"));
    }
}

fn visit(schema: &Value, path: &str, place: &Place, costs: &mut Costs, causes: &mut Vec<Cause>) {
    let rules = list(schema, "x-kubernetes-validations");
    let embedded = schema["x-kubernetes-embedded-resource"] == true;
    let declared = if rules.is_empty() { None } else { Declared::of(schema, place.root || embedded) };
    for (index, rule) in rules.iter().enumerate() {
        one(rule, &format!("{path}.x-kubernetes-validations[{index}]"), declared.as_ref(), place, costs, causes);
    }
    let times = place.times.zip(costs::parts(schema)).map(|(one, other)| one.saturating_mul(other));
    let within = |forgets: bool| Place {
        uncorrelated: place.uncorrelated.clone().or_else(|| forgets.then(|| path.to_owned())),
        times,
        root: false,
    };
    if let Some(items) = given(schema, "items") {
        let forgets = text(schema, "/x-kubernetes-list-type") != "map";
        visit(items, &format!("{path}.items"), &within(forgets), costs, causes);
    }
    let atomic = text(schema, "/x-kubernetes-map-type") == "atomic";
    for (name, property) in properties(schema) {
        visit(property, &format!("{path}.properties[{name}]"), &within(atomic), costs, causes);
    }
    if let Some(additional) = given(schema, "additionalProperties").filter(|it| it.is_object()) {
        visit(additional, &format!("{path}.additionalProperties"), &within(false), costs, causes);
    }
}

/// Looks at one rule.
fn one(
    rule: &Value,
    path: &str,
    declared: Option<&Arc<Declared>>,
    place: &Place,
    costs: &mut Costs,
    causes: &mut Vec<Cause>,
) {
    let at = |field: &str| format!("{path}.{field}");
    let [expression, computed] = ["/rule", "/messageExpression"].map(|field| text(rule, field));
    let optional = rule.get("optionalOldSelf").filter(|value| value.is_boolean());
    let checked = |expression: &str| {
        let Some(declared) = declared else { return Checked::Unknown };
        let [now, before] = [declared.as_type(), declared.as_type()];
        let before = if optional == Some(&Value::Bool(true)) { Type::optional(before) } else { before };
        check::check(expression, &[("self", now), ("oldSelf", before)], declared)
    };
    let mut used_old = false;
    for (field, expression, wanted, mark) in
        [("rule", expression, "bool", ""), ("messageExpression", computed, "string", "messageExpression ")]
    {
        if expression.is_empty() {
            continue;
        }
        let mut refuse = |why: &str| causes.push(invalid_shown(at(field), &shown(rule), why));
        if let Some(why) = compiled_error(expression) {
            refuse(&format!("{mark}compilation failed: {why}"));
            break;
        }
        match checked(expression) {
            Checked::Unknown if field == "rule" => used_old = uses_old(expression),
            Checked::Unknown => {}
            Checked::Wrong(why) => {
                refuse(&format!("{mark}compilation failed: {why}"));
                break;
            }
            Checked::Right { result, .. } if !result.is(wanted) => {
                let what = if field == "rule" { "cel expression" } else { "messageExpression" };
                refuse(&format!("{what} must evaluate to a {wanted}"));
                break;
            }
            Checked::Right { cost, used, .. } => {
                let (what, times) = match field {
                    "rule" => {
                        used_old = used.contains("oldSelf");
                        let all = declared.map_or(1, |declared| costs::at_most(declared));
                        ("estimated rule cost", place.times.unwrap_or(all))
                    }
                    _ => ("estimated messageExpression cost", 1),
                };
                costs.add(at(field), what, cost.unwrap_or(0).saturating_mul(times), causes);
            }
        }
    }
    if used_old {
        if let Some(within) = &place.uncorrelated {
            let why = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {within}");
            causes.push(invalid_text(at("rule"), expression, &why));
        }
    } else if let Some(value) = optional {
        causes.push(Cause::invalid(at("optionalOldSelf"), value, "may not be set if oldSelf is not used in rule"));
    }
}

/// Whether an expression whose types are not known speaks of what was before.
fn uses_old(expression: &str) -> bool {
    kube_cel::cel::Program::compile(expression).is_ok_and(|program| program.references().has_variable("oldSelf"))
}

/// A rule as Go shows it.
fn shown(rule: &Value) -> String {
    let of = |field: &str| Value::from(text(rule, field)).to_string();
    let null = |field: &str| rule.get(field).unwrap_or(&Value::Null).to_string();
    let shown = format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
        of("/rule"),
        of("/message"),
        of("/messageExpression"),
        null("reason"),
        of("/fieldPath"),
        null("optionalOldSelf"),
    );
    shown.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}
