//! Webhooks and policies of admission.

use std::collections::BTreeSet;

use super::super::place::Place;

const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
const PATCHES: [(&str, &str, &str); 2] =
    [("ApplyConfiguration", "applyConfiguration", "Object"), ("JSONPatch", "jsonPatch", "list(JSONPatch)")];

/// A MutatingWebhookConfiguration or ValidatingWebhookConfiguration.
pub(in super::super) fn webhooks(object: &Place<'_, '_>, mutating: bool) {
    let mut names = BTreeSet::new();
    for webhook in object.at("webhooks").items() {
        self::webhook(&webhook, mutating);
        let name = webhook.at("name");
        if !name.is_empty() && !names.insert(name.text()) {
            name.duplicate(name.text());
        }
    }
}

fn webhook(webhook: &Place<'_, '_>, mutating: bool) {
    let name = webhook.at("name");
    if name.is_empty() {
        name.required("");
    } else if name.text().split('.').count() < 3 {
        name.wrong(name.text(), "should be a domain with at least three segments separated by dots");
    } else {
        name.subdomain();
    }
    for rule in webhook.at("rules").items() {
        self::rule(&rule);
    }
    webhook.at("failurePolicy").choice(&["Fail", "Ignore"]);
    webhook.at("matchPolicy").choice(&["Equivalent", "Exact"]);
    let effects = webhook.at("sideEffects");
    match effects.text() {
        "" => effects.required("must specify one of None, NoneOnDryRun"),
        "None" | "NoneOnDryRun" => {}
        other => effects.unsupported(other, &["None", "NoneOnDryRun"]),
    }
    let timeout = webhook.at("timeoutSeconds");
    if timeout.is_set() && !(1..=30).contains(&timeout.int()) {
        timeout.invalid("the timeout value must be between 1 and 30 seconds");
    }
    if mutating {
        webhook.at("reinvocationPolicy").choice(&["IfNeeded", "Never"]);
    }
    let config = webhook.at("clientConfig");
    if config.at("url").is_set() == config.at("service").is_set() {
        config.required("exactly one of url or service is required");
    }
    conditions(webhook);
    review_versions(&webhook.at("admissionReviewVersions"));
}

fn review_versions(versions: &Place<'_, '_>) {
    if versions.is_empty() {
        versions.required("must specify one of v1, v1beta1");
        return;
    }
    let mut seen = BTreeSet::new();
    for version in versions.items() {
        if !seen.insert(version.text()) {
            version.wrong(version.text(), "duplicate version");
        }
    }
    if !seen.contains("v1") && !seen.contains("v1beta1") {
        versions.invalid("must include at least one of v1, v1beta1");
    }
}

/// Operations and resources of a rule.
fn rule(rule: &Place<'_, '_>) {
    let operations = rule.at("operations");
    if operations.is_empty() {
        operations.required("");
    }
    operations.items().for_each(|operation| {
        if !OPERATIONS.contains(&operation.text()) {
            operation.unsupported(operation.text(), &OPERATIONS);
        }
    });
    alone(&operations, "*", "operations");
    for (field, name) in [("apiGroups", "API groups"), ("apiVersions", "API versions"), ("resources", "resources")] {
        let list = rule.at(field);
        if list.is_empty() {
            list.required("");
        }
        if field == "resources" {
            alone(&list, "*/*", name);
            let (all, list_of) = (list.texts(), |it: &&str| !it.contains('/'));
            if all.contains(&"*") && all.iter().any(|it| *it != "*" && list_of(it)) {
                list.invalid("if '*' is present, must not specify other resources without subresources");
            }
        } else {
            alone(&list, "*", name);
        }
    }
    rule.at("scope").choice(&["*", "Cluster", "Namespaced"]);
}

/// What means all has no others beside it.
fn alone(list: &Place<'_, '_>, all: &str, what: &str) {
    let texts = list.texts();
    if texts.len() > 1 && texts.contains(&all) {
        list.invalid(&format!("if '{all}' is present, must not specify other {what}"));
    }
}

fn conditions(object: &Place<'_, '_>) {
    let mut names = BTreeSet::new();
    for condition in object.at("matchConditions").items() {
        expression(&condition.at("expression"), "bool", "");
        let name = condition.at("name");
        if name.is_empty() {
            name.required("");
        } else if !names.insert(name.text()) {
            name.duplicate(name.text());
        } else {
            name.qualified();
        }
    }
}

/// An expression compiles, and what it plainly is, it may be.
fn expression(place: &Place<'_, '_>, wanted: &str, missing: &str) {
    if place.text().trim().is_empty() {
        place.required(missing);
    } else if let Some(why) = crate::cel::problem(place.text()) {
        place.wrong(place.text(), &format!("compilation failed: {why}"));
    } else if let Some(plain) = crate::cel::literal_type(place.text()).filter(|it| *it != wanted && !wanted.is_empty())
    {
        place.wrong(place.text(), &format!("must evaluate to {wanted} but got {plain}"));
    }
}

/// What a policy is about, in both kinds of them.
fn common(spec: &Place<'_, '_>) {
    let kind = spec.at("paramKind");
    if kind.is_set() {
        for field in ["apiVersion", "kind"] {
            if kind.at(field).is_empty() {
                kind.at(field).required("");
            }
        }
    }
    let constraints = spec.at("matchConstraints");
    match constraints.is_set() {
        true => resources(&constraints, true),
        false => constraints.required(""),
    }
    spec.at("failurePolicy").choice(&["Fail", "Ignore"]);
    conditions(spec);
    for variable in spec.at("variables").items() {
        let name = variable.at("name");
        let mut letters = name.text().chars();
        let first = letters.next();
        if first.is_none() {
            name.required("name is not specified");
        } else if !first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            name.wrong(name.text(), "must be a valid CEL identifier");
        }
        expression(&variable.at("expression"), "", "expression is not specified");
    }
}

fn resources(constraints: &Place<'_, '_>, needed: bool) {
    constraints.at("matchPolicy").choice(&["Equivalent", "Exact"]);
    let rules = constraints.at("resourceRules");
    if needed && rules.is_empty() {
        rules.required("");
    }
    rules.items().for_each(|it| rule(&it));
    constraints.at("excludeResourceRules").items().for_each(|it| rule(&it));
}

/// A ValidatingAdmissionPolicy.
pub(in super::super) fn validating_policy(object: &Place<'_, '_>) {
    const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
    let spec = object.at("spec");
    common(&spec);
    let (validations, annotations) = (spec.at("validations"), spec.at("auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        let why = "validations or auditAnnotations must contain at least one item";
        validations.required(why);
        annotations.required(why);
    }
    for validation in validations.items() {
        expression(&validation.at("expression"), "bool", "expression is not specified");
        let computed = validation.at("messageExpression");
        if computed.is_set() {
            expression(&computed, "string", "must be non-empty if specified");
        }
        let message = validation.at("message");
        if message.is_set() && message.text().trim().is_empty() {
            message.wrong(message.text(), "must be non-empty if specified");
        } else if message.text().contains('\n') {
            message.wrong(message.text(), "message must not contain line breaks");
        }
        let reason = validation.at("reason");
        if reason.is_set() && !REASONS.contains(&reason.text()) && reason.text() != "Unauthorized" {
            reason.unsupported(reason.text(), &REASONS);
        }
    }
    for annotation in annotations.items() {
        if annotation.at("key").is_empty() {
            annotation.at("key").required("");
        }
        expression(&annotation.at("valueExpression"), "string", "valueExpression is not specified");
    }
}

/// A MutatingAdmissionPolicy.
pub(in super::super) fn mutating_policy(object: &Place<'_, '_>) {
    let spec = object.at("spec");
    common(&spec);
    let mutations = spec.at("mutations");
    if mutations.is_empty() {
        mutations.required("mutations must contain at least one item");
    }
    for mutation in mutations.items() {
        let kind = mutation.at("patchType");
        if !PATCHES.iter().any(|(name, ..)| *name == kind.text()) {
            match kind.text() {
                "" => kind.required(""),
                other => kind.unsupported(other, &["ApplyConfiguration", "JSONPatch"]),
            }
            continue;
        }
        for (name, field, result) in PATCHES {
            let place = mutation.at(field);
            match (name == kind.text(), place.is_set()) {
                (true, false) => place.required(&format!("must be specified when patchType is {name}")),
                (true, true) => expression(&place.at("expression"), result, "expression is not specified"),
                (false, true) => {
                    place.wrong(
                        format!("{{{field}}}"),
                        &format!("must not be specified when patchType is {}", kind.text()),
                    );
                }
                (false, false) => {}
            }
        }
    }
    spec.at("reinvocationPolicy").required_choice(&["IfNeeded", "Never"]);
}

/// A ValidatingAdmissionPolicyBinding or MutatingAdmissionPolicyBinding.
pub(in super::super) fn policy_binding(object: &Place<'_, '_>, validating: bool) {
    let spec = object.at("spec");
    let name = spec.at("policyName");
    match name.is_empty() {
        true => name.required(""),
        false => name.subdomain(),
    }
    let reference = spec.at("paramRef");
    if reference.is_set() {
        let (name, selector) = (reference.at("name"), reference.at("selector"));
        match (name.is_empty(), selector.is_set()) {
            (true, false) => reference.required("one of name or selector must be specified"),
            (false, true) => {
                name.forbidden("name and selector are mutually exclusive");
                selector.forbidden("name and selector are mutually exclusive");
            }
            _ => {}
        }
        let action = reference.at("parameterNotFoundAction");
        match action.text() {
            "" => action.required(""),
            "Deny" | "Allow" => {}
            other => action.unsupported(other, &["Deny", "Allow"]),
        }
    }
    if spec.at("matchResources").is_set() {
        resources(&spec.at("matchResources"), false);
    }
    if validating {
        actions(&spec.at("validationActions"));
    }
}

fn actions(actions: &Place<'_, '_>) {
    if actions.is_empty() {
        actions.required("at least one validation action is required");
    }
    let mut seen = BTreeSet::new();
    for action in actions.items() {
        if !matches!(action.text(), "Audit" | "Deny" | "Warn") {
            action.unsupported(action.text(), &["Audit", "Deny", "Warn"]);
        }
        if !seen.insert(action.text()) {
            action.duplicate(action.text());
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        actions.invalid("must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)");
    }
}
