//! What the rules of a schema may cost, by estimate. Upstream: `validation/cel_validation.go`.

use serde_json::Value;

use super::{Cause, text};
use crate::cel::check::Declared;

/// Most of one expression, and of all of a schema.
const EXPRESSION: u64 = 10_000_000;
const SCHEMA: u64 = 100_000_000;
/// Bytes of the largest request.
const LARGEST: u64 = 3 * 1024 * 1024;

/// What all rules of a schema cost together.
#[derive(Default)]
pub(super) struct Costs {
    total: u64,
    expensive: Vec<(String, u64)>,
}

// === impl Costs ===

impl Costs {
    /// Counts one expression.
    pub(super) fn add(&mut self, field: String, what: &str, cost: u64, causes: &mut Vec<Cause>) {
        if cost > EXPRESSION {
            causes.push(Cause::forbidden(field.as_str(), &exceeded(what, cost, EXPRESSION)));
        }
        self.total = self.total.saturating_add(cost);
        // Those that matter little are not named.
        if cost >= SCHEMA / 100 {
            self.expensive.push((field, cost));
        }
    }

    /// What is wrong with all together.
    pub(super) fn end(mut self, path: &str, causes: &mut Vec<Cause>) {
        if self.total <= SCHEMA {
            return;
        }
        self.expensive.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        for (field, _) in self.expensive.into_iter().take(4) {
            let why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            causes.push(Cause::forbidden(field, why));
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        causes.push(Cause::forbidden(path, &exceeded(what, self.total, SCHEMA)));
    }
}

fn exceeded(what: &str, cost: u64, limit: u64) -> String {
    let by = cost as f64 / limit as f64;
    let factor = match by {
        by if by > 100.0 => "more than 100x".to_owned(),
        by if by < 1.5 => format!("{by:.6}x"),
        by => format!("{by:.1}x"),
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

/// How often the parts of a schema may be there, each time that it is there; nothing without a bound.
pub(super) fn parts(schema: &Value) -> Option<u64> {
    let bound = |field: &str| schema.get(field).and_then(Value::as_i64).map(|it| it.max(0).unsigned_abs());
    match text(schema, "/type") {
        "object" if schema.get("additionalProperties").is_some_and(|it| !it.is_null()) => bound("maxProperties"),
        "array" => bound("maxItems"),
        _ => Some(1),
    }
}

/// How often a value may be in an object, if no schema says it.
pub(super) fn at_most(declared: &Declared) -> u64 {
    LARGEST / (declared.least_bytes.unsigned_abs() + 1)
}
