//! Walks the tree.

use serde_json::Value;

use super::GovaluateError;
use super::plan::Stage;
use super::value::Val;
use crate::regexp;

fn type_error<T>(value: &Val, what: &str, operator: &str, wanted: &str) -> Result<T, GovaluateError> {
    let operator = if operator == "==" { "=" } else { operator };
    Err(GovaluateError::Evaluate(format!(
        "Value '{}' cannot be used with the {what} '{operator}'{wanted}",
        value.display()
    )))
}

const NOT_A_NUMBER: &str = ", it is not a number";
const NOT_A_BOOL: &str = ", it is not a bool";

pub(super) fn evaluate(stage: &Stage, vars: &Value) -> Result<Val, GovaluateError> {
    Ok(match stage {
        Stage::Literal(value) => value.clone(),
        Stage::Pattern(pattern) => Val::Str(pattern.as_str().to_owned()),
        Stage::Empty => Val::Nil,
        Stage::Variable(name) => match vars.get(name) {
            Some(value) => Val::of(value),
            None => return Err(GovaluateError::Evaluate(format!("No parameter '{name}' found."))),
        },
        Stage::Accessor(path) => {
            let (head, rest) = path.split_once('.').unwrap_or((path, ""));
            let field = rest.split('.').next().unwrap_or_default();
            return Err(GovaluateError::Evaluate(match vars.get(head) {
                None => format!("No parameter '{head}' found."),
                Some(_) => format!("Unable to access '{field}', '{head}' is not a struct"),
            }));
        }
        Stage::Prefix(operator, inner) => {
            let value = evaluate(inner, vars)?;
            match (operator.as_str(), &value) {
                ("-", Val::Num(it)) => Val::Num(-it),
                ("!", Val::Bool(it)) => Val::Bool(!it),
                ("~", Val::Num(it)) => Val::Num(!(*it as i64) as f64),
                _ => return type_error(&value, "prefix", operator, ""),
            }
        }
        Stage::Binary(operator, left, right) => return binary(operator, left, right, vars),
    })
}

fn binary(operator: &str, left_stage: &Stage, right_stage: &Stage, vars: &Value) -> Result<Val, GovaluateError> {
    let left = evaluate(left_stage, vars)?;
    match (operator, &left) {
        ("&&", Val::Bool(false)) => return Ok(Val::Bool(false)),
        ("||", Val::Bool(true)) => return Ok(Val::Bool(true)),
        ("?", Val::Bool(false)) => return Ok(Val::Nil),
        ("??" | ":", it) if !matches!(it, Val::Nil) => return Ok(left),
        _ => {}
    }
    if let (Stage::Pattern(pattern), "=~" | "!~") = (right_stage, operator) {
        let Val::Str(text) = &left else { return type_error(&left, "comparator", operator, NOT_A_NUMBER) };
        return Ok(Val::Bool(pattern.is_match(text) == (operator == "=~")));
    }
    let right = evaluate(right_stage, vars)?;
    let numbers = |what: &str| match (&left, &right) {
        (Val::Num(a), Val::Num(b)) => Ok((*a, *b)),
        (Val::Num(_), other) | (other, _) => type_error(other, what, operator, NOT_A_NUMBER),
    };
    Ok(match operator {
        "," => match left {
            Val::List(mut items) => {
                items.push(right);
                Val::List(items)
            }
            other => Val::List(vec![other, right]),
        },
        "?" => match left {
            Val::Bool(_) => right,
            _ => return type_error(&left, "ternary operator", operator, NOT_A_BOOL),
        },
        ":" | "??" => right,
        "&&" | "||" => match (&left, &right) {
            (Val::Bool(_), Val::Bool(it)) => Val::Bool(*it),
            (Val::Bool(_), other) | (other, _) => return type_error(other, "logical operator", operator, NOT_A_BOOL),
        },
        "==" => Val::Bool(left.equals(&right)),
        "!=" => Val::Bool(!left.equals(&right)),
        ">" | ">=" | "<" | "<=" => {
            let order = match (&left, &right) {
                (Val::Num(a), Val::Num(b)) => a.partial_cmp(b),
                (Val::Str(a), Val::Str(b)) => Some(a.cmp(b)),
                _ => return type_error(&left, "comparator", operator, NOT_A_NUMBER),
            };
            Val::Bool(order.is_some_and(|it| match operator {
                ">" => it.is_gt(),
                ">=" => it.is_ge(),
                "<" => it.is_lt(),
                _ => it.is_le(),
            }))
        }
        "=~" | "!~" => match (&left, &right) {
            (Val::Str(text), Val::Str(pattern)) => {
                let regex = regexp::compile(pattern).map_err(|error| {
                    GovaluateError::Evaluate(format!("Unable to compile regexp pattern '{pattern}': {error}"))
                })?;
                Val::Bool(regex.is_match(text) == (operator == "=~"))
            }
            (Val::Str(_), other) | (other, _) => return type_error(other, "comparator", operator, NOT_A_NUMBER),
        },
        "in" => match &right {
            Val::List(items) => Val::Bool(items.iter().any(|it| it.equals(&left))),
            other => return type_error(other, "comparator", operator, NOT_A_NUMBER),
        },
        "+" => match (&left, &right) {
            (Val::Num(a), Val::Num(b)) => Val::Num(a + b),
            (Val::Str(_), _) | (_, Val::Str(_)) => Val::Str(format!("{}{}", left.display(), right.display())),
            _ => return type_error(&left, "modifier", operator, NOT_A_NUMBER),
        },
        _ => {
            let (a, b) = numbers("modifier")?;
            let shift = |it: f64| u32::try_from(it as u64).unwrap_or(u32::MAX);
            Val::Num(match operator {
                "-" => a - b,
                "*" => a * b,
                "/" => a / b,
                "%" => a % b,
                "**" => a.powf(b),
                "&" => (a as i64 & b as i64) as f64,
                "|" => (a as i64 | b as i64) as f64,
                "^" => (a as i64 ^ b as i64) as f64,
                "<<" => (a as u64).checked_shl(shift(b)).unwrap_or(0) as f64,
                _ => (a as u64).checked_shr(shift(b)).unwrap_or(0) as f64,
            })
        }
    })
}
