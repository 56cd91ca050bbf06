//! Functions on values.

mod dates;

use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use jiff::{Timestamp, tz::TimeZone};

pub(in crate::expr) use dates::method;

use super::ErrorKind;
use super::eval::{Budget, Failure, function};
use super::operators::fetch;
use super::value::Val;
use crate::{duration, gofloat, gojson};

type Outcome<'a> = Result<Val<'a>, Failure>;

// === helpers of predicates ===

pub(in crate::expr) fn sum<'a>(items: &[Val<'a>]) -> Outcome<'a> {
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

pub(in crate::expr) fn descending(order: Option<&Val<'_>>) -> Result<bool, Failure> {
    match order.map(|it| (it, it.as_str())) {
        None | Some((_, Some("asc"))) => Ok(false),
        Some((_, Some("desc"))) => Ok(true),
        Some((other, _)) => function(format!("invalid order {}, expected asc or desc", other.display())),
    }
}

pub(in crate::expr) fn sort_keyed<'a>(keyed: &mut [(Val<'a>, Val<'a>)], descending: bool) -> Result<(), Failure> {
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
pub(in crate::expr) fn call<'a>(
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
        "date" => return dates::date(args),
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
