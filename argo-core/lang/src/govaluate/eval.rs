//! Walks the tree.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::GovaluateError;
use super::plan::{Operator, Stage};
use super::value::Val;
use crate::regexp;

fn type_error<T>(value: &Val<'_>, what: &str, operator: &str, wanted: &str) -> Result<T, GovaluateError> {
    let operator = if operator == "==" { "=" } else { operator };
    Err(GovaluateError::Evaluate(format!(
        "Value '{}' cannot be used with the {what} '{operator}'{wanted}",
        value.display()
    )))
}

const NOT_A_NUMBER: &str = ", it is not a number";
const NOT_A_BOOL: &str = ", it is not a bool";

/// The number that a literal or variable is; nothing where the general way must decide.
fn number(stage: &Stage, vars: &Value) -> Option<f64> {
    match stage {
        Stage::Number(it) => Some(*it),
        Stage::Variable(name) => vars.get(name)?.as_f64(),
        Stage::Binary(operator, left, right) => {
            let arithmetic = matches!(operator, Operator::Add | Operator::Subtract | Operator::Multiply);
            let (a, b) = if arithmetic { (number(left, vars)?, number(right, vars)?) } else { return None };
            Some(match operator {
                Operator::Add => a + b,
                Operator::Subtract => a - b,
                _ => a * b,
            })
        }
        _ => None,
    }
}

fn text<'a>(stage: &'a Stage, vars: &'a Value) -> Option<&'a str> {
    match stage {
        Stage::Text(it) => Some(it),
        Stage::Variable(name) => vars.get(name)?.as_str(),
        _ => None,
    }
}

/// The truth of comparisons of numbers or texts and of what joins them: values that need not be made on the way.
/// Nothing where the general way must decide, or report.
fn truth(stage: &Stage, vars: &Value) -> Option<bool> {
    let Stage::Binary(operator, left, right) = stage else {
        return match stage {
            Stage::Bool(it) => Some(*it),
            Stage::Variable(name) => vars.get(name)?.as_bool(),
            _ => None,
        };
    };
    let order = || match number(left, vars) {
        Some(a) => number(right, vars).map(|b| a.partial_cmp(&b)),
        None => Some(Some(text(left, vars)?.cmp(text(right, vars)?))),
    };
    let is = |test: fn(Ordering) -> bool| order().map(|it| it.is_some_and(test));
    match operator {
        Operator::And => Some(truth(left, vars)? && truth(right, vars)?),
        Operator::Or => Some(truth(left, vars)? || truth(right, vars)?),
        Operator::Equal => is(Ordering::is_eq),
        Operator::NotEqual => is(Ordering::is_eq).map(|it| !it),
        Operator::Greater => is(Ordering::is_gt),
        Operator::GreaterEqual => is(Ordering::is_ge),
        Operator::Less => is(Ordering::is_lt),
        Operator::LessEqual => is(Ordering::is_le),
        Operator::Matches | Operator::MatchesNot => match &**right {
            Stage::Pattern(pattern) => Some(pattern.is_match(text(left, vars)?) == (*operator == Operator::Matches)),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn evaluate<'a>(stage: &'a Stage, vars: &'a Value) -> Result<Val<'a>, GovaluateError> {
    Ok(match stage {
        Stage::Number(it) => Val::Num(*it),
        Stage::Bool(it) => Val::Bool(*it),
        Stage::Text(it) => Val::Str(Cow::Borrowed(it)),
        Stage::Pattern(pattern) => Val::Str(Cow::Borrowed(pattern.as_str())),
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
            match (operator, &value) {
                ('-', Val::Num(it)) => Val::Num(-it),
                ('!', Val::Bool(it)) => Val::Bool(!it),
                ('~', Val::Num(it)) => Val::Num(!(*it as i64) as f64),
                _ => return type_error(&value, "prefix", &operator.to_string(), ""),
            }
        }
        Stage::Binary(operator, left, right) => match truth(stage, vars) {
            Some(it) => Val::Bool(it),
            None => return binary(*operator, left, right, vars),
        },
    })
}

fn binary<'a>(
    operator: Operator,
    left_stage: &'a Stage,
    right_stage: &'a Stage,
    vars: &'a Value,
) -> Result<Val<'a>, GovaluateError> {
    let text = || operator.text();
    let left = evaluate(left_stage, vars)?;
    match (operator, &left) {
        (Operator::And, Val::Bool(false)) => return Ok(Val::Bool(false)),
        (Operator::Or, Val::Bool(true)) => return Ok(Val::Bool(true)),
        (Operator::Then, Val::Bool(false)) => return Ok(Val::Nil),
        (Operator::Coalesce | Operator::Else, it) if !matches!(it, Val::Nil) => return Ok(left),
        _ => {}
    }
    if let (Stage::Pattern(pattern), Operator::Matches | Operator::MatchesNot) = (right_stage, operator) {
        let Val::Str(subject) = &left else { return type_error(&left, "comparator", text(), NOT_A_NUMBER) };
        return Ok(Val::Bool(pattern.is_match(subject) == (operator == Operator::Matches)));
    }
    let right = evaluate(right_stage, vars)?;
    let numbers = |what: &str| match (&left, &right) {
        (Val::Num(a), Val::Num(b)) => Ok((*a, *b)),
        (Val::Num(_), other) | (other, _) => type_error(other, what, text(), NOT_A_NUMBER),
    };
    Ok(match operator {
        Operator::Separate => match left {
            Val::List(mut items) => {
                items.push(right);
                Val::List(items)
            }
            other => Val::List(vec![other, right]),
        },
        Operator::Then => match left {
            Val::Bool(_) => right,
            _ => return type_error(&left, "ternary operator", text(), NOT_A_BOOL),
        },
        Operator::Else | Operator::Coalesce => right,
        Operator::And | Operator::Or => match (&left, &right) {
            (Val::Bool(_), Val::Bool(it)) => Val::Bool(*it),
            (Val::Bool(_), other) | (other, _) => return type_error(other, "logical operator", text(), NOT_A_BOOL),
        },
        Operator::Equal => Val::Bool(left.equals(&right)),
        Operator::NotEqual => Val::Bool(!left.equals(&right)),
        Operator::Greater | Operator::GreaterEqual | Operator::Less | Operator::LessEqual => {
            let order = match (&left, &right) {
                (Val::Num(a), Val::Num(b)) => a.partial_cmp(b),
                (Val::Str(a), Val::Str(b)) => Some(a.cmp(b)),
                _ => return type_error(&left, "comparator", text(), NOT_A_NUMBER),
            };
            Val::Bool(order.is_some_and(|it| match operator {
                Operator::Greater => it.is_gt(),
                Operator::GreaterEqual => it.is_ge(),
                Operator::Less => it.is_lt(),
                _ => it.is_le(),
            }))
        }
        Operator::Matches | Operator::MatchesNot => match (&left, &right) {
            (Val::Str(subject), Val::Str(pattern)) => {
                let regex = regexp::compile(pattern).map_err(|error| {
                    GovaluateError::Evaluate(format!("Unable to compile regexp pattern '{pattern}': {error}"))
                })?;
                Val::Bool(regex.is_match(subject) == (operator == Operator::Matches))
            }
            (Val::Str(_), other) | (other, _) => return type_error(other, "comparator", text(), NOT_A_NUMBER),
        },
        Operator::In => match &right {
            Val::List(items) => Val::Bool(items.iter().any(|it| it.equals(&left))),
            other => return type_error(other, "comparator", text(), NOT_A_NUMBER),
        },
        Operator::Add => match (&left, &right) {
            (Val::Num(a), Val::Num(b)) => Val::Num(a + b),
            (Val::Str(_), _) | (_, Val::Str(_)) => {
                Val::Str(Cow::Owned(format!("{}{}", left.display(), right.display())))
            }
            _ => return type_error(&left, "modifier", text(), NOT_A_NUMBER),
        },
        _ => {
            let (a, b) = numbers("modifier")?;
            let shift = |it: f64| u32::try_from(it as u64).unwrap_or(u32::MAX);
            Val::Num(match operator {
                Operator::Subtract => a - b,
                Operator::Multiply => a * b,
                Operator::Divide => a / b,
                Operator::Modulo => a % b,
                Operator::Power => a.powf(b),
                Operator::BitAnd => (a as i64 & b as i64) as f64,
                Operator::BitOr => (a as i64 | b as i64) as f64,
                Operator::BitXor => (a as i64 ^ b as i64) as f64,
                Operator::ShiftLeft => (a as u64).checked_shl(shift(b)).unwrap_or(0) as f64,
                _ => (a as u64).checked_shr(shift(b)).unwrap_or(0) as f64,
            })
        }
    })
}
