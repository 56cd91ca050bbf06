//! Rules of a schema: their form, and whether they compile.

use serde_json::Value;

use super::structural::{list, properties};
use super::{Cause, given, invalid_shown, invalid_text, paths, text, unsupported};
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
#[derive(Clone, Default)]
struct Place {
    /// The path of the list or map whose old items can not be told from each other.
    uncorrelated: Option<String>,
}

/// Whether the rules of a schema and of all below it compile.
pub(super) fn check(schema: &Value, path: &str, _unchanged: bool, causes: &mut Vec<Cause>) {
    visit(schema, path, &Place::default(), causes);
}

fn visit(schema: &Value, path: &str, place: &Place, causes: &mut Vec<Cause>) {
    for (index, rule) in list(schema, "x-kubernetes-validations").iter().enumerate() {
        let at = |field: &str| format!("{path}.x-kubernetes-validations[{index}].{field}");
        let [expression, computed] = ["/rule", "/messageExpression"].map(|field| text(rule, field));
        for (field, expression) in [("rule", expression), ("messageExpression", computed)] {
            if let Some(why) = compiled_error(expression).filter(|_| !expression.is_empty()) {
                causes.push(invalid_shown(at(field), &shown(rule), &format!("compilation failed: {why}")));
            }
        }
        if uses_old(expression) {
            if let Some(within) = &place.uncorrelated {
                let why = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {within}");
                causes.push(invalid_text(at("rule"), expression, &why));
            }
        } else if let Some(value) = rule.get("optionalOldSelf").filter(|value| value.is_boolean()) {
            causes.push(Cause::invalid(at("optionalOldSelf"), value, "may not be set if oldSelf is not used in rule"));
        }
    }
    let within =
        |forgets: bool| Place { uncorrelated: place.uncorrelated.clone().or_else(|| forgets.then(|| path.to_owned())) };
    if let Some(items) = given(schema, "items") {
        let forgets = text(schema, "/x-kubernetes-list-type") != "map";
        visit(items, &format!("{path}.items"), &within(forgets), causes);
    }
    let atomic = text(schema, "/x-kubernetes-map-type") == "atomic";
    for (name, property) in properties(schema) {
        visit(property, &format!("{path}.properties[{name}]"), &within(atomic), causes);
    }
    if let Some(additional) = given(schema, "additionalProperties").filter(|it| it.is_object()) {
        visit(additional, &format!("{path}.additionalProperties"), &within(false), causes);
    }
}

/// Whether an expression speaks of what was before.
fn uses_old(expression: &str) -> bool {
    crate::cel::problem(expression).is_none()
        && kube_cel::cel::Program::compile(expression).is_ok_and(|program| program.references().has_variable("oldSelf"))
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
