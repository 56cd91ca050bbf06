//! Numbers as text and `string.format`, which are Go's in gopher-lua.

use mlua::Value;

use crate::fmt::{self, Arg};
use crate::gofloat;

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // that is the question
fn whole(number: f64) -> Option<i64> {
    (number.abs() < 9.3e18 && (number as i64) as f64 == number && number as i64 != i64::MAX).then_some(number as i64)
}

/// A number as `tostring` gives it.
pub(super) fn number(number: f64) -> String {
    whole(number).map_or_else(|| gofloat::format_g(number, None), |it| it.to_string())
}

/// A text as a number, as arithmetic reads it.
fn parse(text: &str) -> Option<f64> {
    let text = text.trim_matches([' ', '\t', '\n']);
    #[allow(clippy::cast_precision_loss)] // as upstream
    gofloat::parse_int(text, 0).map(|it| it as f64).or_else(|| gofloat::parse_float(text))
}

/// A text as a number, as `tonumber` reads it: without a point it is an integer of the base.
pub(super) fn to_number(text: &str, base: Option<u32>) -> Option<f64> {
    let text = text.trim_matches([' ', '\t', '\n']);
    if text.contains('.') {
        return gofloat::parse_float(text);
    }
    let (text, base) = match (base, text.get(..2)) {
        (None, Some("0x" | "0X")) => (&text[2..], 16),
        (base, _) => (text, base.unwrap_or(10)),
    };
    if !(2..=36).contains(&base) {
        return None;
    }
    #[allow(clippy::cast_precision_loss)] // as upstream
    gofloat::parse_int(text, base).map(|it| it as f64)
}

/// An argument of `string.format` that is text, and whether its verb changes.
fn argument(value: &Value, verb: &mut char) -> Option<Arg> {
    let float = match value {
        #[allow(clippy::cast_precision_loss)] // Lua has floats only
        Value::Integer(it) => *it as f64,
        Value::Number(it) => *it,
        Value::String(it) => {
            let text = it.to_str().ok()?.to_owned();
            if matches!(verb, 'd' | 'i') {
                if parse(&text).is_none() {
                    *verb = 'd';
                    return Some(Arg::Int(0));
                }
                *verb = 's';
            }
            return Some(Arg::Str(text));
        }
        Value::Boolean(it) if *verb == 't' => return Some(Arg::Bool(*it)),
        Value::Boolean(it) if matches!(verb, 's' | 'v' | 'q' | 'x' | 'X') => return Some(Arg::Str(it.to_string())),
        Value::Boolean(it) => return Some(Arg::Typed("lua.LBool", Box::new(Arg::Bool(*it)))),
        Value::Nil if matches!(verb, 's' | 'v' | 'q' | 'x' | 'X') => return Some(Arg::Str("nil".to_owned())),
        // a pointer to nothing in it
        Value::Nil => {
            *verb = '\0';
            return Some(Arg::Str("&{}".to_owned()));
        }
        other => return other.to_string().ok().map(Arg::Str),
    };
    Some(match verb {
        'q' | 's' => Arg::Str(number(float)),
        'b' | 'c' | 'd' | 'o' | 'x' | 'X' | 'U' => Arg::Int(gofloat::to_int(float)),
        'i' => {
            *verb = 'd';
            Arg::Int(gofloat::to_int(float))
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => Arg::Float(float),
        _ => whole(float).map_or(Arg::Float(float), |it| Arg::Typed("int64", Box::new(Arg::Int(it)))),
    })
}

/// `string.format` as Go's `Sprintf`; none where a text is no UTF-8.
pub(super) fn sprintf(format: &str, values: &[Value]) -> Option<String> {
    let marks = format.matches('%').count() - format.matches("%%").count();
    let values = &values[..marks.min(values.len())];
    let mut wanted = String::with_capacity(format.len());
    let mut args = Vec::with_capacity(values.len());
    let mut rest = values.iter();
    let mut chars = format.chars();
    while let Some(it) = chars.next() {
        wanted.push(it);
        if it != '%' {
            continue;
        }
        let start = wanted.len();
        let mut verb = None;
        for it in chars.by_ref() {
            if !matches!(it, '+' | '-' | '#' | ' ' | '.' | '0'..='9') {
                verb = Some(it);
                break;
            }
            wanted.push(it);
        }
        let Some(mut verb) = verb else { break };
        if verb != '%'
            && let Some(value) = rest.next()
        {
            args.push(argument(value, &mut verb)?);
        }
        if verb == '\0' {
            wanted.truncate(start);
            verb = 's';
        }
        wanted.push(verb);
    }
    for value in rest {
        let name = match value {
            Value::Integer(_) | Value::Number(_) => "lua.LNumber",
            Value::String(_) => "lua.LString",
            Value::Boolean(_) => "lua.LBool",
            Value::Nil => "*lua.LNilType",
            _ => "*lua.LTable",
        };
        args.push(Arg::Typed(name, Box::new(argument(value, &mut 'v')?)));
    }
    Some(fmt::sprintf(&wanted, &args))
}
