//! Expressions in filters and subscripts.
//!
//! Texts keep their quotes until they are compared: that is how a text differs from a number of the same digits.

use serde_json::{Number, Value};

use super::{Machine, Step, parse};
use crate::regexp;

/// Deepest nesting of expressions.
pub(super) const MAX_DEPTH: usize = 64;

/// Operators, those that bind least first.
const OPERATORS: [&str; 18] =
    ["||", "&&", "==", "!=", "<=", ">=", "<", ">", "=~", "!", "+", "-", "**", "*", "/", "%", "not in", "in"];

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Script {
    /// A number, a quoted text, a bare word.
    Text(String),
    /// A list or an object.
    Json(Value),
    /// From `$` (true) or `@`.
    Path(bool, Vec<Step>),
    Not(Box<Script>),
    Binary(&'static str, Box<(Script, Script)>),
}

impl Script {
    /// Reads an expression.
    pub(super) fn parse(text: &str, depth: usize) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("invalid expression. is empty".to_owned());
        }
        if depth > MAX_DEPTH {
            return Err("invalid expression. too deep".to_owned());
        }
        for operator in OPERATORS {
            let Some(at) = find(text, operator) else { continue };
            let (left, right) = (text[..at].trim(), text[at + operator.len()..].trim());
            if right.is_empty() || left.is_empty() != (operator == "!") {
                continue;
            }
            let right = Self::parse(right, depth + 1)?;
            return Ok(match left {
                "" => Self::Not(Box::new(right)),
                left => Self::Binary(operator, Box::new((Self::parse(left, depth + 1)?, right))),
            });
        }
        if let Some(inner) = text.strip_prefix('(').and_then(|it| it.strip_suffix(')')) {
            return Self::parse(inner, depth + 1);
        }
        if text.starts_with(['$', '@']) {
            return Ok(Self::Path(text.starts_with('$'), parse::path(text, depth + 1)?));
        }
        if text.starts_with(['[', '{'])
            && let Ok(value) = serde_json::from_str(text)
        {
            return Ok(Self::Json(value));
        }
        Ok(Self::Text(text.to_owned()))
    }
}

/// Where an operator stands outside of quotes and brackets.
fn find(text: &str, operator: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, it) in text.char_indices() {
        match (quote, it) {
            (Some(open), _) if open == it => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') if depth == 0 => quote = Some(it),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth = depth.saturating_sub(1),
            _ if depth == 0 && text[at..].starts_with(operator) => {
                // words stand alone; `!` is not the one of `!=`, `*` none of `**`
                let before = text[..at].chars().next_back();
                let after = text[at + operator.len()..].chars().next();
                let word =
                    |it: Option<char>| it.is_some_and(|it| it.is_alphanumeric() || matches!(it, '_' | '.' | '@' | '$'));
                let stands = match operator {
                    "in" | "not in" => !word(before) && !word(after),
                    "!" => after != Some('='),
                    "*" => before != Some('*') && after != Some('*') && before != Some('.'),
                    // a sign, or a part of a key
                    "-" => {
                        !text[..at].trim_end().is_empty()
                            && !text[..at].trim_end().ends_with(['+', '-', '*', '/', '%', '<', '>', '='])
                    }
                    _ => true,
                };
                if stands {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

impl Machine<'_> {
    pub(super) fn evaluate(&mut self, script: &Script, current: &Value) -> Result<Value, String> {
        match script {
            Script::Json(value) => Ok(value.clone()),
            Script::Text(text) => Ok(match text.as_str() {
                "nil" | "null" => Value::Null,
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => text
                    .parse()
                    .ok()
                    .and_then(Number::from_f64)
                    .map_or_else(|| Value::String(text.clone()), Value::Number),
            }),
            Script::Path(of_root, steps) => {
                let root = self.root;
                let start = if *of_root { root } else { current };
                Ok(match self.apply(steps, start)? {
                    Value::String(text) if unquoted(&text) == text => Value::String(format!("'{text}'")),
                    other => other,
                })
            }
            Script::Not(inner) => {
                let inner = self.evaluate(inner, current)?;
                Ok(Value::Bool(!boolean(&inner)?))
            }
            Script::Binary(operator, sides) => {
                let (left, right) = (self.evaluate(&sides.0, current)?, self.evaluate(&sides.1, current)?);
                binary(operator, &left, &right)
            }
        }
    }
}

fn binary(operator: &str, left: &Value, right: &Value) -> Result<Value, String> {
    let numbers = || Ok::<_, String>((number(left)?, number(right)?));
    let calculated =
        |it: f64| Number::from_f64(it).map(Value::Number).ok_or_else(|| "invalid argument. expected number".to_owned());
    let contained = || -> Result<bool, String> {
        let elements = super::members(right).ok_or("invalid argument. expected array, map, or slice")?;
        Ok(elements.into_iter().any(|it| match (number(left), it) {
            (Ok(number), Value::Number(it)) => it.as_f64() == Some(number),
            (Err(_), Value::String(it)) => text(left) == *it,
            (Err(_), Value::Bool(it)) => left == &Value::Bool(*it),
            _ => false,
        }))
    };
    match operator {
        "||" | "&&" => {
            let (left, right) = (boolean(left)?, boolean(right)?);
            Ok(Value::Bool(if operator == "||" { left || right } else { left && right }))
        }
        "==" | "!=" => {
            let equal = match numbers() {
                Ok((left, right)) => left == right,
                Err(_) => text(left) == text(right),
            };
            Ok(Value::Bool(equal == (operator == "==")))
        }
        "<" => numbers().map(|it| Value::Bool(it.0 < it.1)),
        "<=" => numbers().map(|it| Value::Bool(it.0 <= it.1)),
        ">" => numbers().map(|it| Value::Bool(it.0 > it.1)),
        ">=" => numbers().map(|it| Value::Bool(it.0 >= it.1)),
        "+" => numbers().and_then(|it| calculated(it.0 + it.1)),
        "-" => numbers().and_then(|it| calculated(it.0 - it.1)),
        "*" => numbers().and_then(|it| calculated(it.0 * it.1)),
        "/" => numbers().and_then(|it| calculated(it.0 / it.1)),
        "**" => numbers().and_then(|it| calculated(it.0.powf(it.1))),
        "%" => match (integer(left), integer(right)) {
            (Some(left), Some(right)) if right != 0 => Ok(left.wrapping_rem(right).into()),
            _ => Err("invalid argument. expected integer".to_owned()),
        },
        "=~" => {
            let pattern = text(right);
            let regex = regexp::compile(unquoted(&pattern)).map_err(|_| "invalid argument. expected a valid regexp")?;
            Ok(Value::Bool(regex.is_match(unquoted(&text(left)))))
        }
        "in" => contained().map(Value::Bool),
        _ => contained().map(|it| Value::Bool(!it)),
    }
}

/// A text without the quotes around it.
pub(super) fn unquoted(text: &str) -> &str {
    let stripped = |quote: char| text.strip_prefix(quote).and_then(|it| it.strip_suffix(quote));
    stripped('\'').or_else(|| stripped('"')).unwrap_or(text)
}

/// A whole number.
pub(super) fn integer(value: &Value) -> Option<i64> {
    let float = value.as_f64()?;
    value.as_i64().or_else(|| (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64))
}

fn number(value: &Value) -> Result<f64, String> {
    value.as_f64().ok_or_else(|| "invalid argument. expected number".to_owned())
}

fn boolean(value: &Value) -> Result<bool, String> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(it) => Ok(*it),
        Value::Number(it) if it.as_f64() == Some(1.0) => Ok(true),
        Value::Number(it) if it.as_f64() == Some(0.0) => Ok(false),
        _ => Err("invalid argument. expected boolean".to_owned()),
    }
}

/// What is compared: texts in single quotes, bare words as they are.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) if text.starts_with('"') && unquoted(text) != text => format!("'{}'", unquoted(text)),
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}
