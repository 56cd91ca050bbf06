//! Operators and functions on values.

use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};
use serde_json::Value;

use super::ErrorKind;
use super::ast::Binary;
use super::eval::{Budget, Failure, function, operation, text_of};
use super::value::Val;
use crate::{duration, gofloat, gojson, time};

type Outcome<'a> = Result<Val<'a>, Failure>;

// === operators ===

pub(super) fn binary<'a>(op: Binary, a: &Val<'a>, b: &Val<'a>, budget: &mut Budget) -> Outcome<'a> {
    let mismatch = || {
        operation(format!("invalid operation: {} (mismatched types {} and {})", op.text(), a.go_type(), b.go_type()))
    };
    let either_nil = matches!(a, Val::Nil) || matches!(b, Val::Nil);
    Ok(match op {
        Binary::Equal => Val::Bool(a.equals(b)),
        Binary::NotEqual => Val::Bool(!a.equals(b)),
        Binary::Less | Binary::Greater | Binary::LessEqual | Binary::GreaterEqual => {
            let (Some(x), Some(y)) = (a.as_float(), b.as_float()) else {
                let Some(order) = a.order(b) else {
                    return mismatch();
                };
                return Ok(Val::Bool(match op {
                    Binary::Less => order.is_lt(),
                    Binary::Greater => order.is_gt(),
                    Binary::LessEqual => order.is_le(),
                    _ => order.is_ge(),
                }));
            };
            if let (Val::Int(x), Val::Int(y)) = (a, b) {
                return Ok(Val::Bool(match op {
                    Binary::Less => x < y,
                    Binary::Greater => x > y,
                    Binary::LessEqual => x <= y,
                    _ => x >= y,
                }));
            }
            Val::Bool(match op {
                Binary::Less => x < y,
                Binary::Greater => x > y,
                Binary::LessEqual => x <= y,
                _ => x >= y,
            })
        }
        Binary::In => return contained(a, b),
        Binary::Matches | Binary::Contains | Binary::StartsWith | Binary::EndsWith => {
            if either_nil {
                return Ok(Val::Bool(false));
            }
            let (Some(x), Some(y)) = (a.as_str(), b.as_str()) else {
                return mismatch();
            };
            Val::Bool(match op {
                Binary::Contains => x.contains(y),
                Binary::StartsWith => x.starts_with(y),
                Binary::EndsWith => x.ends_with(y),
                _ => {
                    budget.charge(x.len() + y.len())?;
                    match crate::regexp::compile(y) {
                        Ok(regex) => regex.is_match(x),
                        Err(error) => return operation(error.to_string()),
                    }
                }
            })
        }
        Binary::Range => match (a, b) {
            (Val::Int(from), Val::Int(to)) => {
                let size = to.checked_sub(*from).and_then(|it| it.checked_add(1)).unwrap_or(i64::MAX).max(0);
                budget.charge(usize::try_from(size).unwrap_or(usize::MAX))?;
                Val::list((*from..=*to).map(Val::Int).collect())
            }
            _ => return mismatch(),
        },
        Binary::Add => match (a, b) {
            (Val::Int(x), Val::Int(y)) => Val::Int(x.wrapping_add(*y)),
            (Val::Str(x), Val::Str(y)) => {
                budget.charge(x.len() + y.len())?;
                Val::text(format!("{x}{y}"))
            }
            (Val::Time(t), Val::Duration(d)) | (Val::Duration(d), Val::Time(t)) => Val::Time(Box::new(shift(t, *d)?)),
            (Val::Duration(x), Val::Duration(y)) => Val::Duration(x.saturating_add(*y)),
            _ => match (a.as_float(), b.as_float()) {
                (Some(x), Some(y)) => Val::Float(x + y),
                _ => return mismatch(),
            },
        },
        Binary::Subtract => match (a, b) {
            (Val::Int(x), Val::Int(y)) => Val::Int(x.wrapping_sub(*y)),
            (Val::Time(x), Val::Time(y)) => Val::Duration(x.timestamp().duration_since(y.timestamp())),
            (Val::Time(t), Val::Duration(d)) => Val::Time(Box::new(shift(t, -*d)?)),
            (Val::Duration(x), Val::Duration(y)) => Val::Duration(x.saturating_sub(*y)),
            _ => match (a.as_float(), b.as_float()) {
                (Some(x), Some(y)) => Val::Float(x - y),
                _ => return mismatch(),
            },
        },
        Binary::Multiply => match (a, b) {
            (Val::Int(x), Val::Int(y)) => Val::Int(x.wrapping_mul(*y)),
            (Val::Duration(d), Val::Int(n)) | (Val::Int(n), Val::Duration(d)) => {
                Val::Duration(nanos(d.as_nanos().saturating_mul(i128::from(*n))))
            }
            (Val::Duration(d), Val::Float(n)) | (Val::Float(n), Val::Duration(d)) => {
                Val::Duration(nanos((d.as_nanos() as f64 * n) as i128))
            }
            _ => match (a.as_float(), b.as_float()) {
                (Some(x), Some(y)) => Val::Float(x * y),
                _ => return mismatch(),
            },
        },
        Binary::Divide => match (a.as_float(), b.as_float()) {
            (Some(x), Some(y)) => Val::Float(x / y),
            _ => return mismatch(),
        },
        Binary::Modulo => match (a, b) {
            (Val::Int(_), Val::Int(0)) => return operation("integer divide by zero"),
            (Val::Int(x), Val::Int(y)) => Val::Int(x.wrapping_rem(*y)),
            _ => return mismatch(),
        },
        Binary::Power => match (a.as_float(), b.as_float()) {
            (Some(x), Some(y)) => Val::Float(x.powf(y)),
            _ => return mismatch(),
        },
        Binary::And | Binary::Or | Binary::Coalesce => {
            return operation("operator is not evaluated here");
        }
    })
}

fn nanos(nanos: i128) -> SignedDuration {
    SignedDuration::from_nanos(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
}

fn shift(time: &Zoned, by: SignedDuration) -> Result<Zoned, Failure> {
    time.checked_add(by).map_err(|error| (ErrorKind::Operation, error.to_string()))
}

fn contained<'a>(needle: &Val<'a>, hay: &Val<'a>) -> Outcome<'a> {
    if matches!(hay, Val::Nil) {
        return Ok(Val::Bool(false));
    }
    if let Some(items) = hay.items() {
        return Ok(Val::Bool(items.iter().any(|it| it.equals(needle))));
    }
    match (hay.entries(), needle) {
        (Some(_), Val::Nil) => Ok(Val::Bool(false)),
        (Some(entries), Val::Str(key)) => Ok(Val::Bool(entries.iter().any(|it| it.0 == *key))),
        (Some(_), _) => operation(format!("cannot use {} as type string to look up key in map", needle.go_type())),
        _ => operation(format!("operator \"in\" not defined on {}", hay.go_type())),
    }
}

pub(super) fn fetch<'a>(from: &Val<'a>, key: &Val<'a>) -> Outcome<'a> {
    if matches!(from, Val::Nil) {
        return operation(format!("cannot fetch {} from <nil>", key.display()));
    }
    if from.is_map() {
        return match key {
            Val::Str(name) => Ok(from.field(name).unwrap_or(Val::Nil)),
            // groups have the keys they were grouped by
            Val::Int(number) if matches!(from, Val::Map(_)) => Ok(from.field(&number.to_string()).unwrap_or(Val::Nil)),
            _ => operation(format!("cannot use {} to get an element from {}", key.go_type(), from.go_type())),
        };
    }
    let index = |len: usize| -> Result<usize, Failure> {
        let number = match key {
            Val::Int(it) => *it,
            _ => {
                return operation(format!("cannot fetch {} from {}", key.display(), from.go_type()));
            }
        };
        let place = if number < 0 { number + len as i64 } else { number };
        usize::try_from(place)
            .ok()
            .filter(|it| *it < len)
            .map_or_else(|| operation(format!("index out of range: {number} (array length is {len})")), Ok)
    };
    match from {
        Val::Json(Value::Array(items)) => Ok(Val::of(&items[index(items.len())?])),
        Val::List(items) => Ok(items[index(items.len())?].clone()),
        _ => operation(format!("cannot fetch {} from {}", key.display(), from.go_type())),
    }
}

pub(super) fn slice<'a>(
    of: &Val<'a>,
    from: Option<&Val<'a>>,
    to: Option<&Val<'a>>,
    budget: &mut Budget,
) -> Outcome<'a> {
    let bound = |it: Option<&Val<'a>>, len: usize, default: usize| -> Result<usize, Failure> {
        match it {
            None => Ok(default),
            Some(Val::Int(it)) => {
                let place = if *it < 0 { it + len as i64 } else { *it };
                Ok(usize::try_from(place.max(0)).unwrap_or(0).min(len))
            }
            Some(other) => operation(format!("non-integer slice index {}", other.go_type())),
        }
    };
    if let Val::Str(text) = of {
        let (start, end) = (bound(from, text.len(), 0)?, bound(to, text.len(), text.len())?);
        let bytes = text.as_bytes().get(start.min(end)..end).unwrap_or_default();
        budget.charge(bytes.len())?;
        return Ok(Val::text(String::from_utf8_lossy(bytes)));
    }
    let Some(items) = of.items() else {
        return operation(format!("cannot slice {}", of.go_type()));
    };
    let (start, end) = (bound(from, items.len(), 0)?, bound(to, items.len(), items.len())?);
    budget.charge(end.saturating_sub(start))?;
    Ok(Val::list(items.get(start.min(end)..end).unwrap_or_default().to_vec()))
}

// === helpers of predicates ===

pub(super) fn sum<'a>(items: &[Val<'a>]) -> Outcome<'a> {
    let mut total = Val::Int(0);
    for item in items {
        total = match (&total, item) {
            (Val::Int(a), Val::Int(b)) => Val::Int(a.wrapping_add(*b)),
            (a, b) => match (a.as_float(), b.as_float()) {
                (Some(a), Some(b)) => Val::Float(a + b),
                _ => return function(format!("cannot sum {}", item.go_type())),
            },
        };
    }
    Ok(total)
}

pub(super) fn descending(order: Option<&Val<'_>>) -> Result<bool, Failure> {
    match order.map(|it| (it, it.as_str())) {
        None | Some((_, Some("asc"))) => Ok(false),
        Some((_, Some("desc"))) => Ok(true),
        Some((other, _)) => function(format!("invalid order {}, expected asc or desc", other.display())),
    }
}

pub(super) fn sort_keyed<'a>(keyed: &mut [(Val<'a>, Val<'a>)], descending: bool) -> Result<(), Failure> {
    if let Some(pair) = keyed.windows(2).find(|it| it[0].0.order(&it[1].0).is_none()) {
        return function(format!("cannot compare {} and {}", pair[0].0.go_type(), pair[1].0.go_type()));
    }
    keyed.sort_by(|a, b| {
        let order = a.0.order(&b.0).unwrap_or(std::cmp::Ordering::Equal);
        if descending { order.reverse() } else { order }
    });
    Ok(())
}

// === functions ===

fn numbers<'a>(name: &str, args: &[Val<'a>]) -> Result<Vec<Val<'a>>, Failure> {
    let mut out = Vec::new();
    for arg in args {
        if let Some(items) = arg.items() {
            out.extend(numbers(name, &items)?);
        } else if arg.as_float().is_some() {
            out.push(arg.clone());
        } else {
            return function(format!("invalid argument for {name} (type {})", arg.go_type()));
        }
    }
    Ok(out)
}

fn extreme<'a>(name: &str, args: &[Val<'a>], keep_greater: bool) -> Outcome<'a> {
    let mut best: Option<Val<'a>> = None;
    for it in numbers(name, args)? {
        let replace = best.as_ref().is_none_or(|best| {
            best.order(&it).is_some_and(|order| if keep_greater { order.is_lt() } else { order.is_gt() })
        });
        if replace {
            best = Some(it);
        }
    }
    Ok(best.unwrap_or(Val::Nil))
}

fn flatten<'a>(items: &[Val<'a>], out: &mut Vec<Val<'a>>, budget: &mut Budget) -> Result<(), Failure> {
    budget.charge(items.len())?;
    for item in items {
        match item.items() {
            Some(inner) => flatten(&inner, out, budget)?,
            None => out.push(item.clone()),
        }
    }
    Ok(())
}

/// Calls a builtin; `None` when there is none of the name.
#[allow(clippy::too_many_lines, clippy::cognitive_complexity)]
pub(super) fn call<'a>(
    name: &str,
    args: &[Val<'a>],
    now: Option<Timestamp>,
    budget: &mut Budget,
) -> Option<Outcome<'a>> {
    let (least, most) = match name {
        "now" => (0, 1),
        "len" | "type" | "abs" | "ceil" | "floor" | "round" | "int" | "float" | "string" | "upper" | "lower"
        | "toJSON" | "fromJSON" | "toBase64" | "fromBase64" | "first" | "last" | "keys" | "values" | "toPairs"
        | "fromPairs" | "reverse" | "uniq" | "duration" | "timezone" | "bitnot" => (1, 1),
        "trimPrefix" | "trimSuffix" | "repeat" | "indexOf" | "lastIndexOf" | "hasPrefix" | "hasSuffix" | "get"
        | "take" | "bitand" | "bitor" | "bitxor" | "bitnand" | "bitshl" | "bitshr" | "bitushr" => (2, 2),
        "trim" | "join" | "sort" => (1, 2),
        "split" | "splitAfter" => (2, 3),
        "replace" => (3, 4),
        "date" => (1, 3),
        "max" | "min" | "mean" | "median" | "concat" | "flatten" => (1, usize::MAX),
        _ => return None,
    };
    if args.len() < least {
        return Some(function(format!("not enough arguments to call {name}")));
    }
    if args.len() > most {
        return Some(function(format!("too many arguments to call {name}")));
    }
    Some(builtin(name, args, now, budget))
}

#[allow(clippy::too_many_lines, clippy::cognitive_complexity)]
fn builtin<'a>(name: &str, args: &[Val<'a>], now: Option<Timestamp>, budget: &mut Budget) -> Outcome<'a> {
    let first = args.first().unwrap_or(&Val::Nil);
    let wrong = |arg: &Val<'a>| (ErrorKind::Function, format!("invalid argument for {name} (type {})", arg.go_type()));
    let str_at = |place: usize| -> Result<&str, Failure> {
        let arg = args.get(place).unwrap_or(&Val::Nil);
        arg.as_str().ok_or_else(|| {
            (ErrorKind::Function, format!("cannot use {} as argument (type string) to call {name}", arg.go_type()))
        })
    };
    let int_at = |place: usize| -> Result<i64, Failure> {
        match args.get(place) {
            Some(Val::Int(it)) => Ok(*it),
            Some(other) => Err(wrong(other)),
            None => function(format!("not enough arguments to call {name}")),
        }
    };
    let list = || first.items().ok_or_else(|| wrong(first));
    Ok(match name {
        "len" => match first {
            Val::Nil => return function("invalid argument for len (type nil)"),
            other => Val::Int(other.len().ok_or_else(|| wrong(other))? as i64),
        },
        "type" => Val::Str(first.kind().into()),
        "abs" => match first {
            Val::Int(it) => Val::Int(it.wrapping_abs()),
            Val::Float(it) => Val::Float(it.abs()),
            other => return Err(wrong(other)),
        },
        "ceil" | "floor" | "round" => {
            let value = first.as_float().ok_or_else(|| wrong(first))?;
            Val::Float(match name {
                "ceil" => value.ceil(),
                "floor" => value.floor(),
                _ => value.round(),
            })
        }
        "int" => match first {
            Val::Int(it) => Val::Int(*it),
            Val::Float(it) => Val::Int(*it as i64),
            Val::Str(it) => match it.parse::<i64>() {
                Ok(int) if !it.starts_with('+') || it.len() > 1 => Val::Int(int),
                _ => return function(format!("invalid operation: int({it})")),
            },
            Val::Duration(it) => Val::Int(i64::try_from(it.as_nanos()).unwrap_or(i64::MAX)),
            other => return Err(wrong(other)),
        },
        "float" => match first {
            Val::Str(it) => match gofloat::parse_float(it) {
                Some(float) => Val::Float(float),
                None => return function(format!("invalid operation: float({it})")),
            },
            other => Val::Float(other.as_float().ok_or_else(|| wrong(other))?),
        },
        "string" => {
            let text = first.display();
            budget.charge(text.len())?;
            Val::text(text)
        }
        "trim" => match args.get(1) {
            None => Val::text(str_at(0)?.trim()),
            Some(_) => {
                let set = str_at(1)?;
                Val::text(str_at(0)?.trim_matches(|it| set.contains(it)))
            }
        },
        "trimPrefix" => {
            let (text, cut) = (str_at(0)?, str_at(1)?);
            Val::text(text.strip_prefix(cut).unwrap_or(text))
        }
        "trimSuffix" => {
            let (text, cut) = (str_at(0)?, str_at(1)?);
            Val::text(text.strip_suffix(cut).unwrap_or(text))
        }
        "upper" => Val::text(str_at(0)?.to_uppercase()),
        "lower" => Val::text(str_at(0)?.to_lowercase()),
        "split" | "splitAfter" => {
            let (text, sep) = (str_at(0)?, str_at(1)?);
            let limit = if args.len() > 2 { int_at(2)? } else { -1 };
            budget.charge(text.len())?;
            let parts = split(text, sep, limit, name == "splitAfter");
            Val::list(parts.into_iter().map(Val::text).collect())
        }
        "replace" => {
            let (text, from, to) = (str_at(0)?, str_at(1)?, str_at(2)?);
            let limit = if args.len() > 3 { int_at(3)? } else { -1 };
            let hits = if from.is_empty() { text.chars().count() + 1 } else { text.matches(from).count() };
            budget.charge(text.len().saturating_add(hits.saturating_mul(to.len())))?;
            Val::text(match usize::try_from(limit) {
                Ok(limit) => text.replacen(from, to, limit),
                Err(_) => text.replace(from, to),
            })
        }
        "repeat" => {
            let (text, count) = (str_at(0)?, int_at(1)?);
            let Ok(count) = usize::try_from(count) else {
                return function(format!("invalid argument for repeat (expected positive integer, got {count})"));
            };
            budget.charge(text.len().saturating_mul(count))?;
            Val::text(text.repeat(count))
        }
        "join" => {
            let glue = if args.len() > 1 { str_at(1)? } else { "" };
            let mut out = String::new();
            for (place, item) in list()?.iter().enumerate() {
                if place > 0 {
                    out.push_str(glue);
                }
                let text = item.as_str().ok_or_else(|| wrong(item))?;
                budget.charge(text.len() + glue.len())?;
                out.push_str(text);
            }
            Val::text(out)
        }
        "indexOf" => Val::Int(str_at(0)?.find(str_at(1)?).map_or(-1, |it| it as i64)),
        "lastIndexOf" => Val::Int(str_at(0)?.rfind(str_at(1)?).map_or(-1, |it| it as i64)),
        "hasPrefix" => Val::Bool(str_at(0)?.starts_with(str_at(1)?)),
        "hasSuffix" => Val::Bool(str_at(0)?.ends_with(str_at(1)?)),
        "max" => return extreme(name, args, true),
        "min" => return extreme(name, args, false),
        "mean" => {
            let all = numbers(name, args)?;
            if all.is_empty() {
                return Ok(Val::Int(0));
            }
            let total = sum(&all)?.as_float().unwrap_or(0.0);
            Val::Float(total / all.len() as f64)
        }
        "median" => {
            let mut all: Vec<f64> = numbers(name, args)?.iter().filter_map(Val::as_float).collect();
            all.sort_by(f64::total_cmp);
            match all.len() {
                0 => Val::Float(0.0),
                len if len % 2 == 1 => Val::Float(all[len / 2]),
                len => Val::Float((all[len / 2 - 1] + all[len / 2]) / 2.0),
            }
        }
        "toJSON" => {
            let text = gojson::to_string_indent(&first.to_json(), "  ");
            budget.charge(text.len())?;
            Val::text(text)
        }
        "fromJSON" => {
            let text = str_at(0)?;
            budget.charge(text.len())?;
            match serde_json::from_str(text) {
                Ok(value) => Val::owned(value),
                Err(error) => return function(error.to_string()),
            }
        }
        "toBase64" => Val::text(base64::engine::general_purpose::STANDARD.encode(str_at(0)?)),
        "fromBase64" => match base64::engine::general_purpose::STANDARD.decode(str_at(0)?) {
            Ok(bytes) => Val::text(String::from_utf8_lossy(&bytes)),
            Err(error) => return function(format!("illegal base64 data: {error}")),
        },
        "first" => list()?.first().cloned().unwrap_or(Val::Nil),
        "last" => list()?.last().cloned().unwrap_or(Val::Nil),
        "get" => {
            let key = args.get(1).unwrap_or(&Val::Nil);
            fetch(first, key).unwrap_or(Val::Nil)
        }
        "take" => {
            let count = int_at(1)?;
            let items = list()?;
            match usize::try_from(count) {
                Ok(count) => Val::list(items[..count.min(items.len())].to_vec()),
                Err(_) => return function(format!("cannot take {count} elements")),
            }
        }
        "keys" | "values" | "toPairs" => {
            let entries = first
                .entries()
                .ok_or_else(|| (ErrorKind::Function, format!("cannot get {name} from {}", first.go_type())))?;
            budget.charge(entries.len())?;
            Val::list(
                entries
                    .into_iter()
                    .map(|(key, value)| match name {
                        "keys" => Val::text(key),
                        "values" => value,
                        _ => Val::list(vec![Val::text(key), value]),
                    })
                    .collect(),
            )
        }
        "fromPairs" => {
            let mut map = BTreeMap::new();
            for pair in list()?.iter() {
                match pair.items().as_deref() {
                    Some([key, value]) => map.insert(key.display(), value.clone()),
                    _ => return function(format!("invalid pair {}", pair.display())),
                };
            }
            Val::Map(Rc::new(map))
        }
        "reverse" => {
            let mut items = list()?.into_owned();
            items.reverse();
            Val::list(items)
        }
        "uniq" => {
            let mut out: Vec<Val<'a>> = Vec::new();
            for item in list()?.iter() {
                budget.charge(out.len())?;
                if !out.iter().any(|it| it.equals(item)) {
                    out.push(item.clone());
                }
            }
            Val::list(out)
        }
        "concat" => {
            let mut out = Vec::new();
            for arg in args {
                let items =
                    arg.items().ok_or_else(|| (ErrorKind::Function, format!("cannot concat {}", arg.go_type())))?;
                budget.charge(items.len())?;
                out.extend(items.iter().cloned());
            }
            Val::list(out)
        }
        "flatten" => {
            let mut out = Vec::new();
            for arg in args {
                let items =
                    arg.items().ok_or_else(|| (ErrorKind::Function, format!("cannot flatten {}", arg.go_type())))?;
                flatten(&items, &mut out, budget)?;
            }
            Val::list(out)
        }
        "sort" => {
            let down = descending(args.get(1))?;
            let mut keyed: Vec<_> = list()?.iter().map(|it| (it.clone(), it.clone())).collect();
            sort_keyed(&mut keyed, down)?;
            Val::list(keyed.into_iter().map(|it| it.1).collect())
        }
        "bitand" => Val::Int(int_at(0)? & int_at(1)?),
        "bitor" => Val::Int(int_at(0)? | int_at(1)?),
        "bitxor" => Val::Int(int_at(0)? ^ int_at(1)?),
        "bitnand" => Val::Int(int_at(0)? & !int_at(1)?),
        "bitnot" => Val::Int(!int_at(0)?),
        "bitshl" | "bitshr" | "bitushr" => {
            let (value, by) = (int_at(0)?, int_at(1)?);
            let Ok(by) = u32::try_from(by) else {
                return function(format!("invalid operation: negative shift count {by} (type int)"));
            };
            Val::Int(match name {
                "bitshl" => value.checked_shl(by).unwrap_or(0),
                "bitshr" => value >> by.min(63),
                _ => (value as u64).checked_shr(by).unwrap_or(0) as i64,
            })
        }
        "duration" => match duration::parse(str_at(0)?) {
            Ok(it) => Val::Duration(it),
            Err(error) => return function(error.to_string()),
        },
        "timezone" => match TimeZone::get(str_at(0)?) {
            Ok(zone) => Val::Zone(zone),
            Err(_) => return function(format!("unknown time zone {}", str_at(0)?)),
        },
        "now" => match now {
            Some(now) => {
                let zone = match first {
                    Val::Zone(zone) => zone.clone(),
                    _ => TimeZone::UTC,
                };
                Val::Time(Box::new(now.to_zoned(zone)))
            }
            None => return function("now() is not available here"),
        },
        "date" => return date(args),
        _ => return function(format!("unknown name {name}")),
    })
}

/// `strings.SplitN` and `SplitAfterN`.
fn split(text: &str, sep: &str, limit: i64, after: bool) -> Vec<String> {
    if limit == 0 {
        return Vec::new();
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if sep.is_empty() {
        let mut chars = text.chars();
        let mut out = Vec::new();
        while out.len() + 1 < limit {
            match chars.next() {
                Some(it) => out.push(it.to_string()),
                None => return out,
            }
        }
        if !chars.as_str().is_empty() {
            out.push(chars.as_str().to_owned());
        }
        return out;
    }
    let mut out = Vec::new();
    let mut rest = text;
    while out.len() + 1 < limit {
        match rest.find(sep) {
            Some(at) => {
                out.push(rest[..at + if after { sep.len() } else { 0 }].to_owned());
                rest = &rest[at + sep.len()..];
            }
            None => break,
        }
    }
    out.push(rest.to_owned());
    out
}

fn date<'a>(args: &[Val<'a>]) -> Outcome<'a> {
    let (zone, args) = match args {
        [Val::Zone(zone), rest @ ..] => (zone.clone(), rest),
        _ => (TimeZone::UTC, args),
    };
    let (Some(text), layout) = (args.first().and_then(Val::as_str), args.get(1).and_then(Val::as_str)) else {
        return function("invalid argument for date");
    };
    let zone = match args.get(2).and_then(Val::as_str) {
        Some(name) => TimeZone::get(name).map_err(|_| (ErrorKind::Function, format!("unknown time zone {name}")))?,
        None => zone,
    };
    let parsed = match layout {
        Some(layout) => time::parse_layout(text, layout, &zone),
        None => [
            "2006-01-02",
            "15:04:05",
            "2006-01-02 15:04:05",
            "2006-01-02T15:04:05Z07:00",
            "02 Jan 06 15:04 MST",
            "Mon, 02 Jan 2006 15:04:05 MST",
        ]
        .iter()
        .find_map(|layout| time::parse_layout(text, layout, &zone)),
    };
    match parsed {
        Some(zoned) => Ok(Val::Time(Box::new(zoned))),
        None => function(format!("invalid date {text}")),
    }
}

/// Methods of times and durations; a field of an object may be called without arguments.
pub(super) fn method<'a>(value: &Val<'a>, name: &str, args: &[Val<'a>]) -> Outcome<'a> {
    let none = || operation(format!("cannot fetch {name} from {}", value.go_type()));
    let int = |it: i64| Ok(Val::Int(it));
    match value {
        Val::Time(at) => match (name, args) {
            ("Year", []) => int(i64::from(at.year())),
            ("Month", []) => int(i64::from(at.month())),
            ("Day", []) => int(i64::from(at.day())),
            ("Hour", []) => int(i64::from(at.hour())),
            ("Minute", []) => int(i64::from(at.minute())),
            ("Second", []) => int(i64::from(at.second())),
            ("Nanosecond", []) => int(i64::from(at.subsec_nanosecond())),
            ("YearDay", []) => int(i64::from(at.day_of_year())),
            ("Weekday", []) => int(i64::from(at.weekday().to_sunday_zero_offset())),
            ("Unix", []) => int(at.timestamp().as_second()),
            ("UnixMilli", []) => int(at.timestamp().as_millisecond()),
            ("UnixNano", []) => int(i64::try_from(at.timestamp().as_nanosecond()).unwrap_or(i64::MAX)),
            ("String", []) => Ok(Val::text(value.display())),
            ("UTC", []) => Ok(Val::Time(Box::new(at.with_time_zone(TimeZone::UTC)))),
            ("In", [Val::Zone(zone)]) => Ok(Val::Time(Box::new(at.with_time_zone(zone.clone())))),
            ("Format", [layout]) => Ok(Val::text(time::format_layout(at, &text_of(layout)))),
            ("Add", [Val::Duration(by)]) => Ok(Val::Time(Box::new(shift(at, *by)?))),
            ("Sub", [Val::Time(other)]) => Ok(Val::Duration(at.timestamp().duration_since(other.timestamp()))),
            ("Before", [Val::Time(other)]) => Ok(Val::Bool(at.timestamp() < other.timestamp())),
            ("After", [Val::Time(other)]) => Ok(Val::Bool(at.timestamp() > other.timestamp())),
            ("Equal", [Val::Time(other)]) => Ok(Val::Bool(at.timestamp() == other.timestamp())),
            _ => none(),
        },
        Val::Duration(it) => match (name, args) {
            ("Hours", []) => Ok(Val::Float(it.as_nanos() as f64 / 3.6e12)),
            ("Minutes", []) => Ok(Val::Float(it.as_nanos() as f64 / 6e10)),
            ("Seconds", []) => Ok(Val::Float(it.as_nanos() as f64 / 1e9)),
            ("Milliseconds", []) => int(i64::try_from(it.as_millis()).unwrap_or(i64::MAX)),
            ("Microseconds", []) => int(i64::try_from(it.as_micros()).unwrap_or(i64::MAX)),
            ("Nanoseconds", []) => int(i64::try_from(it.as_nanos()).unwrap_or(i64::MAX)),
            ("String", []) => Ok(Val::text(value.display())),
            _ => none(),
        },
        Val::Zone(_) if name == "String" => Ok(Val::text(value.to_json().as_str().unwrap_or_default())),
        Val::Nil => operation(format!("cannot fetch {name} from <nil>")),
        _ if value.is_map() && args.is_empty() => match value.field(name) {
            Some(Val::Nil) | None => none(),
            Some(field) => Ok(field),
        },
        _ => none(),
    }
}
