//! Selectors of labels and of nodes.

use super::super::names;
use super::place::Place;

/// A label selector of `matchLabels` and `matchExpressions`.
pub(super) fn labels(selector: &Place<'_, '_>) {
    selector.at("matchLabels").labels();
    for requirement in selector.at("matchExpressions").items() {
        let values = requirement.at("values");
        match requirement.at("operator").text() {
            "In" | "NotIn" => {
                if values.is_empty() {
                    values.required("must be specified when `operator` is 'In' or 'NotIn'");
                }
            }
            "Exists" | "DoesNotExist" => {
                if !values.is_empty() {
                    values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
                }
            }
            _ => requirement.at("operator").invalid_text("not a valid selector operator"),
        }
        requirement.at("key").qualified();
        for value in values.items() {
            value.each(names::label_value_problems(value.text()));
        }
    }
}

/// A node selector: its terms.
pub(super) fn nodes(selector: &Place<'_, '_>) {
    let terms = selector.at("nodeSelectorTerms");
    if terms.is_empty() {
        terms.required("must have at least one node selector term");
    }
    terms.items().for_each(|term| node_term(&term, true));
}

/// One term of a node selector. Values are looked at where the term is a must.
pub(super) fn node_term(term: &Place<'_, '_>, values_too: bool) {
    for requirement in term.at("matchExpressions").items() {
        let values = requirement.at("values");
        match requirement.at("operator").text() {
            "In" | "NotIn" => {
                if values.is_empty() {
                    values.required("must be specified when `operator` is 'In' or 'NotIn'");
                }
            }
            "Exists" | "DoesNotExist" => {
                if !values.is_empty() {
                    values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
                }
            }
            "Gt" | "Lt" => {
                if values.list().len() != 1 {
                    values.required("must be specified single value when `operator` is 'Lt' or 'Gt'");
                }
            }
            _ => requirement.at("operator").invalid_text("not a valid selector operator"),
        }
        requirement.at("key").qualified();
        if values_too {
            for value in values.items() {
                value.each(names::label_value_problems(value.text()));
            }
        }
    }
    for requirement in term.at("matchFields").items() {
        let values = requirement.at("values");
        match requirement.at("operator").text() {
            "In" | "NotIn" => {
                if values.list().len() != 1 {
                    values
                        .required("must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
                }
            }
            _ => requirement.at("operator").invalid_text("not a valid selector operator"),
        }
        match requirement.at("key").text() {
            "metadata.name" => values.items().for_each(|value| value.subdomain()),
            _ => requirement.at("key").invalid_text("not a valid field selector key"),
        }
    }
}
