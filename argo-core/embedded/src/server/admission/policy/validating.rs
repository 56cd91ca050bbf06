//! ValidatingAdmissionPolicy: what a write must satisfy.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Bound, Misconfigured};
use crate::server::admission::review::Attempted;
use crate::server::meta;
use crate::server::state::State;
use crate::server::status::ApiError;

/// The longest value of an audit annotation.
const ANNOTATION_LIMIT: usize = 10 * 1024;
/// The longest message that an expression may make.
const MESSAGE_LIMIT: usize = 5 * 1024;
/// How many failures an audit annotation tells of.
const MOST_FAILURES: usize = 50;
const FAILURES: &str = "validation.policy.admission.k8s.io/validation_failure";

/// What a policy says of a write.
struct Finding {
    /// The index of the expression.
    index: usize,
    message: String,
    reason: String,
}

/// All that a policy with one parameter says.
#[derive(Default)]
struct Verdict {
    findings: Vec<Finding>,
    annotations: Vec<(String, String)>,
    /// Annotations that could not be made.
    broken: Vec<String>,
}

// === impl State ===

impl State {
    /// Asks the policies; warnings go to the client, audits to the journal.
    pub(in crate::server::admission) fn ask_policies(&mut self, attempted: &Attempted<'_>) -> Result<(), ApiError> {
        let bound = self.bound(attempted, "validatingadmissionpolicies", "validatingadmissionpolicybindings");
        let mut denied = None;
        let mut failures = Vec::new();
        let mut annotations: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for bound in &bound {
            let mut deny = |binding: bool, message: &str, reason: &str| {
                denied.get_or_insert_with(|| refusal(attempted, bound, binding, message, reason));
            };
            let params = match &bound.params {
                Ok(params) => params,
                Err(_) if !bound.fails() => continue,
                Err(Misconfigured::Policy(why)) => {
                    deny(false, &format!("failed to configure policy: {why}"), "");
                    continue;
                }
                Err(Misconfigured::Binding(why)) => {
                    deny(true, &format!("failed to configure binding: {why}"), "");
                    continue;
                }
            };
            let actions = bound.binding.pointer("/spec/validationActions").and_then(Value::as_array);
            let actions: Vec<&str> = actions.into_iter().flatten().filter_map(Value::as_str).collect();
            for params in params {
                let verdict = self.evaluate(attempted, bound, params);
                for finding in &verdict.findings {
                    let (policy, binding, message) = (&bound.policy_name, &bound.binding_name, &finding.message);
                    for action in &actions {
                        match *action {
                            "Deny" => deny(true, message, &finding.reason),
                            "Warn" => self.warnings.push(format!(
                                "Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{binding}': {message}"
                            )),
                            "Audit" => failures.push(json!({
                                "message": message, "policy": policy, "binding": binding,
                                "expressionIndex": finding.index, "validationActions": actions,
                            })),
                            _ => {}
                        }
                    }
                }
                for (key, value) in verdict.annotations {
                    let values = annotations.entry(format!("{}/{key}", bound.policy_name)).or_default();
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
                verdict.broken.iter().for_each(|why| deny(true, why, ""));
            }
        }
        failures.truncate(MOST_FAILURES);
        if !failures.is_empty() {
            self.audit.insert(FAILURES.to_owned(), Value::Array(failures).to_string());
        }
        self.audit.extend(annotations.into_iter().map(|(key, values)| (key, values.join(", "))));
        denied.map_or(Ok(()), Err)
    }

    fn evaluate(&self, attempted: &Attempted<'_>, bound: &Bound, params: &Value) -> Verdict {
        let answer = |check: &crate::cel::Check| self.answer_check(attempted, check);
        let mut scope = self.scope(attempted);
        scope.set("params", params);
        scope.authorize(attempted.as_check(), &answer);
        let mut verdict = Verdict::default();
        let broken =
            |index: usize, why: String| bound.fails().then(|| Finding { index, message: why, reason: String::new() });
        match bound.matches(&scope) {
            Ok(true) => {}
            Ok(false) => return verdict,
            Err(why) => {
                verdict.findings.extend(broken(0, why));
                return verdict;
            }
        }
        bound.define_variables(&mut scope);
        for (index, validation) in bound.list("validations").iter().enumerate() {
            let expression = meta::text(validation, "/expression");
            match scope.holds(expression) {
                Ok(true) => continue,
                Ok(false) => {}
                Err(why) => {
                    verdict.findings.extend(broken(index, why));
                    continue;
                }
            }
            let computed = match meta::text(validation, "/messageExpression") {
                "" => None,
                expression => scope.text(expression).unwrap_or_default(),
            };
            let computed = computed.filter(|it| it.len() <= MESSAGE_LIMIT && !it.contains('\n'));
            let message = computed.unwrap_or_else(|| match meta::text(validation, "/message").trim() {
                "" => format!("failed expression: {}", expression.trim()),
                message => message.to_owned(),
            });
            verdict.findings.push(Finding { index, message, reason: meta::text(validation, "/reason").to_owned() });
        }
        for annotation in bound.list("auditAnnotations") {
            match scope.text(meta::text(annotation, "/valueExpression")) {
                Ok(None) => {}
                Ok(Some(mut value)) => {
                    let end = (0..=ANNOTATION_LIMIT.min(value.len())).rev().find(|at| value.is_char_boundary(*at));
                    value.truncate(end.unwrap_or_default());
                    verdict.annotations.push((meta::text(annotation, "/key").to_owned(), value));
                }
                Err(why) if bound.fails() => verdict.broken.push(why),
                Err(_) => {}
            }
        }
        verdict
    }
}

fn refusal(attempted: &Attempted<'_>, bound: &Bound, binding: bool, message: &str, reason: &str) -> ApiError {
    let binding = if binding { format!(" with binding '{}'", bound.binding_name) } else { String::new() };
    let why = format!("ValidatingAdmissionPolicy '{}'{binding} denied request: {message}", bound.policy_name);
    let mut error = ApiError::forbidden(&attempted.call.def.served, &attempted.name(), &why);
    let (code, reason) = match reason {
        "Unauthorized" => (401, "Unauthorized"),
        "Forbidden" => (403, "Forbidden"),
        "RequestEntityTooLarge" => (413, "RequestEntityTooLarge"),
        _ => (422, "Invalid"),
    };
    (error.code, error.reason) = (code, reason.to_owned());
    if let Some(details) = &mut error.details {
        details["causes"] = json!([{ "message": why }]);
    }
    error
}
