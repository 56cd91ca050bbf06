//! Go's own template functions.

use std::cmp::Ordering;
use std::rc::Rc;

use jiff::tz::TimeZone;

use super::exec::Context;
use super::value::Val;
use crate::fmt::{self, Arg};
use crate::{duration, time};

/// Names and parameters.
pub(super) const TABLE: [(&str, &str); 19] = [
    ("and", "v*v"),
    ("or", "v*v"),
    ("not", "v"),
    ("len", "v"),
    ("index", "v*v"),
    ("slice", "v*v"),
    ("print", "*a"),
    ("printf", "s*a"),
    ("println", "*a"),
    ("html", "*a"),
    ("js", "*a"),
    ("urlquery", "*a"),
    ("call", "v*v"),
    ("eq", "v*v"),
    ("ne", "vv"),
    ("lt", "vv"),
    ("le", "vv"),
    ("gt", "vv"),
    ("ge", "vv"),
];

fn not_comparable(a: &Val, b: &Val) -> String {
    format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name())
}

pub(super) fn call(name: &str, _context: &mut Context<'_>, args: &[Val]) -> Result<Val, String> {
    let first = args.first().unwrap_or(&Val::Nil);
    let second = args.get(1).unwrap_or(&Val::Nil);
    Ok(match name {
        "and" | "or" => {
            args.iter().find(|it| it.truth() == (name == "or")).or_else(|| args.last()).cloned().unwrap_or(Val::Nil)
        }
        "not" => Val::Bool(!first.truth()),
        "len" => match first {
            Val::Str(it) => Val::Int(it.len() as i64),
            Val::List(it) => Val::Int(it.len() as i64),
            Val::Map(it) => Val::Int(it.borrow().len() as i64),
            Val::Slice(it, _) => Val::Int(it.len() as i64),
            Val::Dict(it, _) => Val::Int(it.borrow().len() as i64),
            Val::Nil => return Err("len of nil pointer".to_owned()),
            Val::Missing => return Err("reflect: call of reflect.Value.Type on zero Value".to_owned()),
            other => return Err(format!("len of type {}", other.type_name())),
        },
        "index" => return index(first, &args[1..]),
        "slice" => return slice(first, &args[1..]),
        "print" => Val::str(fmt::sprint(&to_args(args))),
        "println" => Val::str(fmt::sprintln(&to_args(args))),
        "printf" => match first {
            Val::Str(format) => {
                if wide(format) {
                    return Err("width or precision is too large".to_owned());
                }
                Val::str(fmt::sprintf(format, &to_args(&args[1..])))
            }
            _ => return Err("invalid value; expected string".to_owned()),
        },
        "html" => Val::str(html(&join(args))),
        "js" => Val::str(js(&join(args))),
        "urlquery" => Val::str(url_query(&join(args))),
        "call" => return Err("call of nil".to_owned()),
        "eq" => {
            if args.len() < 2 {
                return Err("missing argument for comparison".to_owned());
            }
            for other in &args[1..] {
                if equal(first, other)? {
                    return Ok(Val::Bool(true));
                }
            }
            Val::Bool(false)
        }
        "ne" => Val::Bool(!equal(first, second)?),
        "lt" => Val::Bool(less(first, second)?),
        "le" => Val::Bool(less(first, second)? || equal(first, second)?),
        "gt" => Val::Bool(!(less(first, second)? || equal(first, second)?)),
        "ge" => Val::Bool(!less(first, second)?),
        _ => return Err(format!("{name} is not a builtin")),
    })
}

/// Whether a format asks for absurd padding.
fn wide(format: &str) -> bool {
    let mut run = 0;
    for it in format.bytes() {
        run = if it.is_ascii_digit() { run + 1 } else { 0 };
        if run > 5 {
            return true;
        }
    }
    false
}

pub(super) fn to_args(args: &[Val]) -> Vec<Arg> {
    args.iter().map(Val::to_arg).collect()
}

fn join(args: &[Val]) -> String {
    match args {
        [Val::Str(it)] => it.to_string(),
        args => fmt::sprint(
            &args
                .iter()
                .map(|it| if it.is_nil() { Arg::Str("<no value>".to_owned()) } else { it.to_arg() })
                .collect::<Vec<_>>(),
        ),
    }
}

fn index(item: &Val, keys: &[Val]) -> Result<Val, String> {
    let mut at = item.clone();
    if at.is_nil() {
        return Err("index of untyped nil".to_owned());
    }
    for key in keys {
        at = match &at {
            Val::Map(map) | Val::Dict(map, _) => match key {
                Val::Str(key) => map.borrow().get(&**key).cloned().unwrap_or(match at {
                    Val::Dict(..) => Val::str(""),
                    _ => Val::Nil,
                }),
                Val::Nil | Val::Missing => return Err("value is nil; should be of type string".to_owned()),
                other => return Err(format!("value has type {}; should be string", other.type_name())),
            },
            Val::List(items) | Val::Slice(items, _) => match items.get(place(key, items.len())?) {
                Some(item) => item.clone(),
                None => return Err("reflect: slice index out of range".to_owned()),
            },
            Val::Str(text) => match text.as_bytes().get(place(key, text.len())?) {
                Some(byte) => Val::Sized(i64::from(*byte), "uint8"),
                None => return Err("reflect: string index out of range".to_owned()),
            },
            Val::Nil | Val::Missing => return Err("index of nil pointer".to_owned()),
            other => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(at)
}

/// An index, which may be the length itself, as Go lets it.
fn place(key: &Val, len: usize) -> Result<usize, String> {
    let number = match key {
        Val::Int(it) | Val::Sized(it, _) => *it,
        Val::Duration(it) => i64::try_from(it.as_nanos()).unwrap_or(i64::MAX),
        Val::Nil | Val::Missing => return Err("cannot index slice/array with nil".to_owned()),
        other => return Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    usize::try_from(number).ok().filter(|it| *it <= len).ok_or_else(|| format!("index out of range: {number}"))
}

fn slice(item: &Val, bounds: &[Val]) -> Result<Val, String> {
    if item.is_nil() {
        return Err("slice of untyped nil".to_owned());
    }
    if bounds.len() > 3 {
        return Err(format!("too many slice indexes: {}", bounds.len()));
    }
    let len = match item {
        Val::Str(_) if bounds.len() == 3 => return Err("cannot 3-index slice a string".to_owned()),
        Val::Str(text) => text.len(),
        other => match other.items() {
            Some(items) => items.len(),
            None => return Err(format!("can't slice item of type {}", other.type_name())),
        },
    };
    let mut range = [0, len, len];
    for (slot, bound) in range.iter_mut().zip(bounds) {
        *slot = place(bound, len)?;
    }
    let [from, to, limit] = range;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > limit {
        return Err(format!("invalid slice index: {to} > {limit}"));
    }
    Ok(match item {
        Val::Str(text) => Val::str(String::from_utf8_lossy(&text.as_bytes()[from..to])),
        Val::List(items) => Val::list(items[from..to].to_vec()),
        Val::Slice(items, name) => Val::Slice(Rc::new(items[from..to].to_vec()), name),
        _ => Val::Nil,
    })
}

#[derive(PartialEq)]
enum Basic {
    Bool,
    Int,
    Float,
    Str,
    Other,
}

fn basic(value: &Val) -> Basic {
    match value {
        Val::Bool(_) => Basic::Bool,
        Val::Int(_) | Val::Sized(..) | Val::Duration(_) => Basic::Int,
        Val::Float(_) => Basic::Float,
        Val::Str(_) => Basic::Str,
        _ => Basic::Other,
    }
}

fn int_of(value: &Val) -> i128 {
    match value {
        Val::Int(it) | Val::Sized(it, _) => i128::from(*it),
        Val::Duration(it) => it.as_nanos(),
        _ => 0,
    }
}

/// `eq` of two: what cannot be compared is an error only where no nil is involved.
fn equal(a: &Val, b: &Val) -> Result<bool, String> {
    let (first, second) = (basic(a), basic(b));
    if first != second {
        if a.is_nil() || b.is_nil() {
            return Ok(false);
        }
        return Err(not_comparable(a, b));
    }
    match first {
        Basic::Int => Ok(int_of(a) == int_of(b)),
        Basic::Other => {
            if a.is_nil() || b.is_nil() {
                return Ok(a.is_nil() && b.is_nil());
            }
            if reflect_kind(a) != reflect_kind(b) {
                return Err(format!(
                    "non-comparable types {}: {}, {}: {}",
                    fmt::sprintf("%s", &[a.to_arg()]),
                    a.type_name(),
                    b.type_name(),
                    b.display()
                ));
            }
            if b.items().is_some() || b.entries().is_some() {
                return Err(format!("non-comparable type {}: {}", fmt::sprintf("%s", &[b.to_arg()]), b.type_name()));
            }
            Ok(a.deep_equal(b))
        }
        _ => Ok(a.deep_equal(b)),
    }
}

fn reflect_kind(value: &Val) -> &'static str {
    match value {
        Val::Object(it) if it.type_name().starts_with('*') => "ptr",
        other => other.kind(),
    }
}

fn less(a: &Val, b: &Val) -> Result<bool, String> {
    let kinds = (basic(a), basic(b));
    if kinds.0 == Basic::Other || kinds.1 == Basic::Other {
        return Err("invalid type for comparison".to_owned());
    }
    if kinds.0 != kinds.1 {
        return Err(not_comparable(a, b));
    }
    match (a, b) {
        (Val::Float(a), Val::Float(b)) => Ok(a.partial_cmp(b) == Some(Ordering::Less)),
        (Val::Str(a), Val::Str(b)) => Ok(a < b),
        _ if kinds.0 == Basic::Int => Ok(int_of(a) < int_of(b)),
        _ => Err("invalid type for comparison".to_owned()),
    }
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            it => out.push(it),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(it))),
            it if u32::from(it) < 0x20 => out.push_str(&format!("\\u{:04X}", u32::from(it))),
            it if u32::from(it) < 0x80 || fmt::is_print(it) => out.push(it),
            it => out.push_str(&format!("\\u{:04X}", u32::from(it))),
        }
    }
    out
}

/// `url.QueryEscape`.
pub(super) fn url_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Methods of times and durations.
pub(super) fn method(value: &Val, name: &str, args: &[Val]) -> Option<Result<Val, String>> {
    Some(Ok(match (value, name, args) {
        (Val::Time(it), "Year", []) => Val::Int(i64::from(it.year())),
        (Val::Time(it), "Month", []) => Val::Int(i64::from(it.month())),
        (Val::Time(it), "Day", []) => Val::Int(i64::from(it.day())),
        (Val::Time(it), "Hour", []) => Val::Int(i64::from(it.hour())),
        (Val::Time(it), "Minute", []) => Val::Int(i64::from(it.minute())),
        (Val::Time(it), "Second", []) => Val::Int(i64::from(it.second())),
        (Val::Time(it), "YearDay", []) => Val::Int(i64::from(it.day_of_year())),
        (Val::Time(it), "Unix", []) => Val::Int(it.timestamp().as_second()),
        (Val::Time(it), "UnixNano", []) => Val::Int(i64::try_from(it.timestamp().as_nanosecond()).unwrap_or(i64::MAX)),
        (Val::Time(it), "UTC", []) => Val::Time(Box::new(it.with_time_zone(TimeZone::UTC))),
        (Val::Time(it), "Format", [Val::Str(layout)]) => Val::str(time::format_layout(it, layout)),
        (Val::Time(it), "Add", [Val::Duration(by)]) => match it.checked_add(*by) {
            Ok(it) => Val::Time(Box::new(it)),
            Err(error) => return Some(Err(error.to_string())),
        },
        (Val::Time(it), "Sub", [Val::Time(other)]) => Val::Duration(it.timestamp().duration_since(other.timestamp())),
        (Val::Time(it), "Before", [Val::Time(other)]) => Val::Bool(it.timestamp() < other.timestamp()),
        (Val::Time(it), "After", [Val::Time(other)]) => Val::Bool(it.timestamp() > other.timestamp()),
        (Val::Time(it), "Equal", [Val::Time(other)]) => Val::Bool(it.timestamp() == other.timestamp()),
        (Val::Duration(it), "Hours", []) => Val::Float(it.as_nanos() as f64 / 3.6e12),
        (Val::Duration(it), "Minutes", []) => Val::Float(it.as_nanos() as f64 / 6e10),
        (Val::Duration(it), "Seconds", []) => Val::Float(it.as_nanos() as f64 / 1e9),
        (Val::Duration(it), "Milliseconds", []) => Val::Int(i64::try_from(it.as_millis()).unwrap_or(i64::MAX)),
        (Val::Duration(it), "String", []) => Val::str(duration::format(*it)),
        (Val::Time(_), "String", []) => Val::str(value.display()),
        _ => return None,
    }))
}
