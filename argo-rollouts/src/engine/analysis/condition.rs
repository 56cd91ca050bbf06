//! `successCondition` and `failureCondition` over a measured `result`.

use argo_lang::expr::{Functions, Options, Program};
use serde_json::{Value, json};

use crate::api::{AnalysisPhase, Metric};

/// What a provider measured, as conditions see it.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// One number; may be no number or infinite.
    Number(f64),
    /// A list of numbers, which may be no numbers or infinite.
    Numbers(Vec<f64>),
    /// Anything else.
    Json(Value),
}

/// Why a condition has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not evaluate {field} \"{condition}\": {message}")]
pub struct ConditionError {
    /// `successCondition` or `failureCondition`.
    pub field: &'static str,
    /// The condition.
    pub condition: String,
    /// What is wrong.
    pub message: String,
}

impl argo_core::Failure for ConditionError {
    fn category(&self) -> argo_core::Category {
        argo_core::Category::Invalid
    }
}

/// The verdict of a metric's conditions: without any it is good; with one of them, its negation is
/// the other; with both, neither being true is inconclusive. Failure outweighs success.
///
/// # Errors
/// When a condition can not be read or does not yield a boolean.
pub fn judge(reading: &Reading, metric: &Metric) -> Result<AnalysisPhase, ConditionError> {
    let ask = |field: &'static str, condition: &Option<String>| match condition.as_deref() {
        None | Some("") => Ok(None),
        Some(condition) => evaluate(reading, condition).map(Some).map_err(|message| ConditionError {
            field,
            condition: condition.to_owned(),
            message: if reading.is_empty() {
                "metric result is nil or empty: no data returned from the metric provider".to_owned()
            } else {
                message
            },
        }),
    };
    let success = ask("successCondition", &metric.success_condition)?;
    let failure = ask("failureCondition", &metric.failure_condition)?;
    Ok(match (success, failure) {
        (None, None) | (Some(true), None | Some(false)) | (None, Some(false)) => AnalysisPhase::Successful,
        (_, Some(true)) | (Some(false), None) => AnalysisPhase::Failed,
        (Some(false), Some(false)) => AnalysisPhase::Inconclusive,
    })
}

impl Reading {
    fn is_empty(&self) -> bool {
        match self {
            Self::Number(_) => false,
            Self::Numbers(list) => list.is_empty(),
            Self::Json(Value::Null) => true,
            Self::Json(Value::Array(list)) => list.is_empty(),
            Self::Json(_) => false,
        }
    }

    /// The environment, and what to put before a condition so that `result` is there: JSON has no
    /// word for what is no number, the language has.
    fn environment(&self) -> (Value, &'static str) {
        const NUMBERS: &str = "let result = map(__result, float(#)); ";
        const NUMBER: &str = "let result = float(__result); ";
        match self {
            Self::Number(it) if it.is_finite() => (json!({"result": it}), ""),
            Self::Number(it) => (json!({"__result": word(*it)}), NUMBER),
            Self::Numbers(list) if list.iter().all(|it| it.is_finite()) => (json!({"result": list}), ""),
            Self::Numbers(list) => {
                let words: Vec<Value> =
                    list.iter().map(|it| if it.is_finite() { json!(it) } else { word(*it) }).collect();
                (json!({"__result": words}), NUMBERS)
            }
            Self::Json(value) => (json!({"result": value}), ""),
        }
    }
}

fn word(number: f64) -> Value {
    let word = if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    };
    json!(word)
}

fn evaluate(reading: &Reading, condition: &str) -> Result<bool, String> {
    let (environment, prefix) = reading.environment();
    let options = Options::with_functions(functions(reading));
    let program = Program::compile(&format!("{prefix}{condition}"), &options).map_err(|it| it.message)?;
    program.eval_bool(&environment).map_err(|it| it.message)
}

/// What upstream adds to the language for conditions.
fn functions(reading: &Reading) -> Functions {
    let is_nil = matches!(reading, Reading::Json(Value::Null));
    Functions::new()
        .with("asInt", |args| as_int(one(args)?).map(Value::from))
        .with("asFloat", |args| as_float(one(args)?).map(|it| json!(it)))
        .with("isNaN", |args| Ok(json!(matches!(one(args)?, Value::Null) || one(args)? == "NaN")))
        .with("isInf", |args| Ok(json!(matches!(one(args)?.as_str(), Some("+Inf" | "-Inf")))))
        .with("isNil", move |args| Ok(json!(is_nil && one(args)?.is_null())))
        .with("default", |args| match args {
            [Value::Null, default] => Ok(default.clone()),
            [value, _] => Ok(value.clone()),
            _ => Err("default takes a value and what stands for it when it is nil".to_owned()),
        })
}

fn one(args: &[Value]) -> Result<&Value, String> {
    match args {
        [it] => Ok(it),
        _ => Err(format!("takes one argument, not {}", args.len())),
    }
}

fn as_int(value: &Value) -> Result<i64, String> {
    match value {
        // As a conversion in Go: towards zero.
        Value::Number(it) => {
            it.as_i64().or_else(|| it.as_f64().map(|it| it as i64)).ok_or_else(|| wrong("asInt", value))
        }
        Value::String(text) => text.parse().map_err(|_| format!("strconv.ParseInt: parsing {text:?}: invalid syntax")),
        _ => Err(wrong("asInt", value)),
    }
}

fn as_float(value: &Value) -> Result<f64, String> {
    match value {
        Value::Number(it) => it.as_f64().ok_or_else(|| wrong("asFloat", value)),
        Value::String(text) => argo_lang::gofloat::parse_float(text)
            .ok_or_else(|| format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")),
        _ => Err(wrong("asFloat", value)),
    }
}

fn wrong(function: &str, value: &Value) -> String {
    let kind = match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Array(_) => "[]interface {}",
        _ => "map[string]interface {}",
    };
    format!("{function}() not supported on {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(reading: &Reading, success: &str, failure: &str) -> Result<AnalysisPhase, String> {
        let metric = Metric {
            success_condition: Some(success.to_owned()),
            failure_condition: Some(failure.to_owned()),
            ..Default::default()
        };
        judge(reading, &metric).map_err(|it| it.to_string())
    }

    #[test]
    fn one_condition_negates_the_other_and_both_leave_a_gap() {
        let seven = Reading::Number(7.0);
        assert_eq!(verdict(&seven, "", ""), Ok(AnalysisPhase::Successful));
        assert_eq!(verdict(&seven, "result < 5", ""), Ok(AnalysisPhase::Failed));
        assert_eq!(verdict(&seven, "", "result < 5"), Ok(AnalysisPhase::Successful));
        assert_eq!(verdict(&seven, "result < 5", "result > 9"), Ok(AnalysisPhase::Inconclusive));
        assert_eq!(verdict(&seven, "result > 5", "result > 6"), Ok(AnalysisPhase::Failed));
    }

    #[test]
    fn lists_and_documents_are_results_too() {
        let list = Reading::Numbers(vec![0.99, 0.97]);
        assert_eq!(verdict(&list, "result[0] >= 0.95 && all(result, # > 0.9)", ""), Ok(AnalysisPhase::Successful));
        assert_eq!(verdict(&list, "len(result) == 3", ""), Ok(AnalysisPhase::Failed));
        let document = Reading::Json(json!({"data": {"ok": true, "n": "12"}}));
        assert_eq!(
            verdict(&document, "result.data.ok && asInt(result.data.n) == 12", ""),
            Ok(AnalysisPhase::Successful)
        );
    }

    #[test]
    fn what_is_no_number_compares_false() {
        for reading in [Reading::Numbers(vec![f64::NAN]), Reading::Numbers(vec![f64::NAN, 1.0])] {
            assert_eq!(verdict(&reading, "result[0] < 0.05", ""), Ok(AnalysisPhase::Failed));
            assert_eq!(verdict(&reading, "isNaN(result[0])", ""), Ok(AnalysisPhase::Successful));
        }
        assert_eq!(verdict(&Reading::Number(f64::NAN), "isNaN(result)", ""), Ok(AnalysisPhase::Successful));
        assert_eq!(verdict(&Reading::Number(1.0), "isNaN(result)", ""), Ok(AnalysisPhase::Failed));
        assert_eq!(verdict(&Reading::Number(f64::INFINITY), "result > 1e300", ""), Ok(AnalysisPhase::Successful));
    }

    #[test]
    fn nothing_measured_is_said_in_words() {
        let empty = Reading::Numbers(Vec::new());
        let nothing = "metric result is nil or empty: no data returned from the metric provider";
        assert_eq!(
            verdict(&empty, "result[0] > 1", "").unwrap_err(),
            format!("could not evaluate successCondition \"result[0] > 1\": {nothing}")
        );
        assert_eq!(verdict(&empty, "len(result) == 0", ""), Ok(AnalysisPhase::Successful));
        let null = Reading::Json(Value::Null);
        assert_eq!(verdict(&null, "default(result, 0) == 0 && isNil(result)", ""), Ok(AnalysisPhase::Successful));
        assert_eq!(
            verdict(&Reading::Number(1.0), "result + 1", "").unwrap_err(),
            "could not evaluate successCondition \"result + 1\": expected bool, but got float64"
        );
    }
}
