//! Numbers.

use std::rc::Rc;

use super::casts::{to_float, to_int};
use super::{Args, MAX_LIST};
use crate::gofloat;
use crate::text_template::exec::Context;
use crate::text_template::value::Val;

pub(super) fn call(name: &str, context: &mut Context<'_>, args: &Args<'_>) -> Option<Result<Val, String>> {
    let result = (|| -> Result<Option<Val>, String> {
        let ints = || args.all().iter().map(to_int);
        let floats = || args.all().iter().map(to_float);
        let first = args.at(0);
        Ok(Some(match name {
            "atoi" => Val::Int(gofloat::parse_int(args.text(0)?, 10).unwrap_or(0)),
            "int" => Val::Int(to_int(first)),
            "int64" => Val::int64(to_int(first)),
            "float64" => Val::Float(to_float(first)),
            "toDecimal" => Val::int64(gofloat::parse_int(&first.display(), 8).unwrap_or(0)),
            "add1" => Val::int64(to_int(first).wrapping_add(1)),
            "add" => Val::int64(ints().fold(0, i64::wrapping_add)),
            "sub" => Val::int64(to_int(first).wrapping_sub(to_int(args.at(1)))),
            "div" | "mod" => {
                let (a, b) = (to_int(first), to_int(args.at(1)));
                if b == 0 {
                    return Err("runtime error: integer divide by zero".to_owned());
                }
                Val::int64(if name == "div" { a.wrapping_div(b) } else { a.wrapping_rem(b) })
            }
            "mul" => Val::int64(ints().fold(1, i64::wrapping_mul)),
            "add1f" => Val::Float(decimal(&[to_float(first), 1.0], '+')?),
            "addf" => Val::Float(decimal(&std::iter::once(0.0).chain(floats()).collect::<Vec<_>>(), '+')?),
            "subf" => Val::Float(decimal(&floats().collect::<Vec<_>>(), '-')?),
            "mulf" => Val::Float(decimal(&floats().collect::<Vec<_>>(), '*')?),
            "divf" => Val::Float(decimal(&floats().collect::<Vec<_>>(), '/')?),
            "biggest" | "max" => Val::int64(ints().max().unwrap_or(0)),
            "min" => Val::int64(ints().min().unwrap_or(0)),
            "maxf" => Val::Float(floats().fold(f64::NEG_INFINITY, f64::max)),
            "minf" => Val::Float(floats().fold(f64::INFINITY, f64::min)),
            "ceil" => Val::Float(to_float(first).ceil()),
            "floor" => Val::Float(to_float(first).floor()),
            "round" => {
                let edge = args.all().get(2).map_or(0.5, to_float);
                let power = 10_f64.powf(to_float(args.at(1)));
                let digit = power * to_float(first);
                let rounded = if digit.fract() >= edge { digit.ceil() } else { digit.floor() };
                Val::Float(rounded / power)
            }
            "until" => {
                let count = args.int(0)?;
                steps(0, count, if count < 0 { -1 } else { 1 })?
            }
            "untilStep" => steps(args.int(0)?, args.int(1)?, args.int(2)?)?,
            "seq" => {
                let mut params = Vec::new();
                for place in 0..args.all().len() {
                    params.push(args.int(place)?);
                }
                let list = match *params.as_slice() {
                    [end] => {
                        let step = if end < 1 { -1 } else { 1 };
                        steps(1, end.saturating_add(step), step)?
                    }
                    [start, end] => {
                        let step = if end < start { -1 } else { 1 };
                        steps(start, end.saturating_add(step), step)?
                    }
                    [start, step, end] => {
                        let increment = if end < start { -1 } else { 1 };
                        if end < start && step > 0 {
                            return Ok(Some(Val::str("")));
                        }
                        steps(start, end.saturating_add(increment), step)?
                    }
                    _ => return Ok(Some(Val::str(""))),
                };
                match &list {
                    Val::Slice(items, _) => Val::str(items.iter().map(Val::display).collect::<Vec<_>>().join(" ")),
                    _ => list,
                }
            }
            "randInt" => {
                let (from, to) = (args.int(0)?, args.int(1)?);
                if to <= from {
                    return Err("invalid argument to Intn".to_owned());
                }
                let offset = context.random_below(to.wrapping_sub(from).unsigned_abs())?;
                Val::Int(from.wrapping_add(i64::try_from(offset).unwrap_or(0)))
            }
            _ => return Ok(None),
        }))
    })();
    result.transpose()
}

fn steps(from: i64, to: i64, step: i64) -> Result<Val, String> {
    let mut out = Vec::new();
    if (to < from && step >= 0) || (to >= from && step <= 0) {
        return Ok(Val::Slice(Rc::new(out), "[]int"));
    }
    let mut at = from;
    while (step < 0 && at > to) || (step > 0 && at < to) {
        if out.len() >= MAX_LIST {
            return Err("the list is too long".to_owned());
        }
        out.push(Val::Int(at));
        match at.checked_add(step) {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(Val::Slice(Rc::new(out), "[]int"))
}

/// Arithmetic in decimal, as Sprig's float functions: 0.1 + 0.2 is 0.3. Falls back to float where digits run out.
fn decimal(values: &[f64], operator: char) -> Result<f64, String> {
    let Some((first, rest)) = values.split_first() else { return Ok(0.0) };
    let mut total = *first;
    for value in rest {
        if operator == '/' && *value == 0.0 {
            return Err("decimal division by 0".to_owned());
        }
        total = exact(total, *value, operator).unwrap_or_else(|| match operator {
            '+' => total + value,
            '-' => total - value,
            '*' => total * value,
            _ => total / value,
        });
    }
    Ok(total)
}

/// Coefficient and scale of the shortest decimal form.
fn parts(value: f64) -> Option<(i128, i32)> {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let fraction = mantissa.split_once('.').map_or(0, |it| it.1.len());
    Some((mantissa.replace('.', "").parse().ok()?, exponent - i32::try_from(fraction).ok()?))
}

fn exact(a: f64, b: f64, operator: char) -> Option<f64> {
    let ((am, ae), (bm, be)) = (parts(a)?, parts(b)?);
    let (m, e) = match operator {
        '*' => (am.checked_mul(bm)?, ae + be),
        '/' => {
            // 16 digits after the point, rounded half away from zero
            let shift = u32::try_from(ae - be + 16).ok()?;
            let scaled = am.checked_mul(10_i128.checked_pow(shift)?)?;
            let (quotient, remainder) = (scaled / bm, scaled % bm);
            let up = remainder.unsigned_abs() * 2 >= bm.unsigned_abs();
            let sign = if (am < 0) == (bm < 0) { 1 } else { -1 };
            (quotient + if up { sign } else { 0 }, -16)
        }
        _ => {
            let e = ae.min(be);
            let scale = |m: i128, from: i32| m.checked_mul(10_i128.checked_pow(u32::try_from(from - e).ok()?)?);
            let (a, b) = (scale(am, ae)?, scale(bm, be)?);
            (if operator == '+' { a.checked_add(b)? } else { a.checked_sub(b)? }, e)
        }
    };
    format!("{m}e{e}").parse().ok()
}
