//! Operators on values.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use num_bigint::BigInt;

use super::ast::Op;
use super::budget::Budget;
use super::error::{Res, fail};
use super::value::{Dict, List, Text, Val, big_to_float, compare, float_to_int, normal_big, preview, preview_text};
use super::value::{same, to_float, type_preview};

/// The longest text that repeating makes.
const LONGEST: u64 = i32::MAX as u64;

fn mismatch<'a>(name: &str, l: &Val<'a>, r: &Val<'a>) -> Res<'a> {
    fail(format!("cannot {name}: {} and {}", type_preview(l), type_preview(r)))
}

/// Two numbers of one kind.
enum Pair {
    Ints(i64, i64),
    Floats(f64, f64),
    Bigs(BigInt, BigInt),
}

fn pair(l: &Val<'_>, r: &Val<'_>) -> Option<Pair> {
    Some(match (l, r) {
        (Val::Int(l), Val::Int(r)) => Pair::Ints(*l, *r),
        (Val::Big(l), Val::Big(r)) => Pair::Bigs(l.as_ref().clone(), r.as_ref().clone()),
        (Val::Int(l), Val::Big(r)) => Pair::Bigs((*l).into(), r.as_ref().clone()),
        (Val::Big(l), Val::Int(r)) => Pair::Bigs(l.as_ref().clone(), (*r).into()),
        _ => Pair::Floats(to_float(l)?, to_float(r)?),
    })
}

/// Applies an operator.
pub(super) fn binary<'a>(budget: &mut Budget, op: Op, l: Val<'a>, r: Val<'a>) -> Res<'a> {
    Ok(Val::Bool(match op {
        Op::Add => return add(budget, l, r),
        Op::Sub => return subtract(budget, &l, &r),
        Op::Mul => return multiply(budget, &l, &r),
        Op::Div => return divide(budget, &l, &r),
        Op::Mod => return modulo(&l, &r),
        Op::Eq => same(&l, &r),
        Op::Ne => !same(&l, &r),
        Op::Lt => compare(&l, &r) == Ordering::Less,
        Op::Le => compare(&l, &r) != Ordering::Greater,
        Op::Gt => compare(&l, &r) == Ordering::Greater,
        Op::Ge => compare(&l, &r) != Ordering::Less,
    }))
}

/// `+`, which takes its operands apart where nothing else holds them.
pub(super) fn add<'a>(budget: &mut Budget, l: Val<'a>, r: Val<'a>) -> Res<'a> {
    if let (Val::Int(l), Val::Int(r)) = (&l, &r) {
        return Ok(match l.checked_add(*r) {
            Some(it) => Val::Int(it),
            None => normal_big(BigInt::from(*l) + *r),
        });
    }
    match (&l, &r) {
        (Val::Null, _) => return Ok(r),
        (_, Val::Null) => return Ok(l),
        _ => {}
    }
    if let Some(pair) = pair(&l, &r) {
        return Ok(match pair {
            Pair::Ints(l, r) => Val::Float(l as f64 + r as f64),
            Pair::Floats(l, r) => Val::Float(l + r),
            Pair::Bigs(l, r) => normal_big(l + r),
        });
    }
    if let (Some(a), Some(b)) = (l.as_str(), r.as_str()) {
        budget.charge(a.len() + b.len())?;
        return Ok(Val::Str(Text::Own([a, b].concat().into())));
    }
    if let (Some(a), Some(b)) = (l.as_list(), r.as_list()) {
        if a.len() == 0 {
            return Ok(r);
        }
        if b.len() == 0 {
            return Ok(l);
        }
        let (size, extra) = (a.len(), b.len());
        let depth = l.depth().max(r.depth()).max(1);
        let mut list = match l {
            Val::List(list) => match Rc::try_unwrap(list) {
                Ok(list) => list,
                Err(list) => {
                    budget.charge_items(size)?;
                    List { depth, items: list.items.clone() }
                }
            },
            other => {
                budget.charge_items(size)?;
                List { depth, items: other.as_list().into_iter().flat_map(|it| it.iter()).collect() }
            }
        };
        budget.charge_items(extra)?;
        list.depth = depth;
        list.items.extend(r.as_list().into_iter().flat_map(|it| it.iter()));
        return Ok(Val::List(Rc::new(list)));
    }
    if let (Some(a), Some(b)) = (l.as_map(), r.as_map()) {
        if a.len() == 0 {
            return Ok(r);
        }
        if b.len() == 0 {
            return Ok(l);
        }
        let (size, extra) = (a.len(), b.len());
        let depth = l.depth().max(r.depth()).max(1);
        let mut dict = match l {
            Val::Map(dict) => match Rc::try_unwrap(dict) {
                Ok(dict) => dict,
                Err(dict) => {
                    budget.charge_items(size * 2)?;
                    dict.as_ref().clone()
                }
            },
            other => {
                budget.charge_items(size * 2)?;
                Dict { depth, map: other.as_map().into_iter().flat_map(|it| it.iter()).collect() }
            }
        };
        budget.charge_items(extra * 2)?;
        dict.depth = depth;
        dict.map.extend(r.as_map().into_iter().flat_map(|it| it.iter()));
        return Ok(Val::Map(Rc::new(dict)));
    }
    mismatch("add", &l, &r)
}

fn subtract<'a>(budget: &mut Budget, l: &Val<'a>, r: &Val<'a>) -> Res<'a> {
    match pair(l, r) {
        Some(Pair::Ints(l, r)) => Ok(match l.checked_sub(r) {
            Some(it) => Val::Int(it),
            None => normal_big(BigInt::from(l) - r),
        }),
        Some(Pair::Floats(l, r)) => Ok(Val::Float(l - r)),
        Some(Pair::Bigs(l, r)) => Ok(normal_big(l - r)),
        None => match (l.as_list(), r.as_list()) {
            (Some(a), Some(b)) => {
                let mut kept = Vec::new();
                for item in a.iter() {
                    budget.take_steps(b.len())?;
                    if !b.iter().any(|it| same(&item, &it)) {
                        kept.push(item);
                    }
                }
                budget.list(kept)
            }
            _ => mismatch("subtract", l, r),
        },
    }
}

fn multiply<'a>(budget: &mut Budget, l: &Val<'a>, r: &Val<'a>) -> Res<'a> {
    match pair(l, r) {
        Some(Pair::Ints(l, r)) => Ok(match l.checked_mul(r) {
            Some(it) => Val::Int(it),
            None => normal_big(BigInt::from(l) * r),
        }),
        Some(Pair::Floats(l, r)) => Ok(Val::Float(l * r)),
        Some(Pair::Bigs(l, r)) => {
            let size = usize::try_from(l.bits().saturating_add(r.bits()) / 8).unwrap_or(usize::MAX);
            budget.charge(size)?;
            budget.take_steps(size)?;
            Ok(normal_big(l * r))
        }
        None => match (l, r) {
            (Val::Str(text), count) if count.is_number() => repeat(budget, text.as_str(), to_float(count)),
            (count, Val::Str(text)) if count.is_number() => repeat(budget, text.as_str(), to_float(count)),
            (Val::MapRef(_) | Val::Map(_), Val::MapRef(_) | Val::Map(_)) => merge(budget, l, r),
            _ => mismatch("multiply", l, r),
        },
    }
}

fn repeat<'a>(budget: &mut Budget, text: &str, count: Option<f64>) -> Res<'a> {
    let count = count.unwrap_or(f64::NAN);
    if count < 0.0 || count.is_nan() {
        return Ok(Val::Null);
    }
    let times = count.min(f64::from(i32::MAX)) as u64;
    let size = (text.len() as u64).saturating_mul(times);
    if size >= LONGEST {
        let count = preview(&Val::Float(count));
        return fail(format!("repeat string result too large: {} * {count}", preview_text(text)));
    }
    budget.charge(usize::try_from(size).unwrap_or(usize::MAX))?;
    Ok(Val::text(text.repeat(usize::try_from(times).unwrap_or(0))))
}

/// Objects inside of each other are merged too.
fn merge<'a>(budget: &mut Budget, l: &Val<'a>, r: &Val<'a>) -> Res<'a> {
    let (Some(a), Some(b)) = (l.as_map(), r.as_map()) else { return mismatch("multiply", l, r) };
    let mut map: BTreeMap<Text<'a>, Val<'a>> = a.iter().collect();
    for (key, value) in b.iter() {
        let merged = match map.get(key.as_str()) {
            Some(old) if old.as_map().is_some() && value.as_map().is_some() => merge(budget, old, &value)?,
            _ => value,
        };
        map.insert(key, merged);
    }
    budget.dict(map)
}

fn divide<'a>(budget: &mut Budget, l: &Val<'a>, r: &Val<'a>) -> Res<'a> {
    let by_zero = || fail(format!("cannot divide {} by: {}", type_preview(l), type_preview(r)));
    match pair(l, r) {
        Some(Pair::Ints(_, 0)) => by_zero(),
        Some(Pair::Ints(l, -1)) => Ok(negate(l)),
        Some(Pair::Ints(l, r)) if l % r == 0 => Ok(Val::Int(l / r)),
        Some(Pair::Ints(l, r)) => Ok(Val::Float(l as f64 / r as f64)),
        Some(Pair::Floats(_, 0.0)) => by_zero(),
        Some(Pair::Floats(l, r)) => Ok(Val::Float(l / r)),
        Some(Pair::Bigs(l, r)) => {
            if r == BigInt::ZERO {
                return by_zero();
            }
            let rest = &l % &r;
            Ok(if rest == BigInt::ZERO { normal_big(l / r) } else { Val::Float(big_to_float(&l) / big_to_float(&r)) })
        }
        None => match (l.as_str(), r.as_str()) {
            (Some(text), Some(by)) => {
                if text.is_empty() {
                    return budget.list(Vec::new());
                }
                split(budget, text, by)
            }
            _ => mismatch("divide", l, r),
        },
    }
}

/// Go's `strings.Split`.
pub(super) fn split<'a>(budget: &mut Budget, text: &str, by: &str) -> Res<'a> {
    budget.charge(text.len())?;
    let parts: Vec<Val<'a>> = if by.is_empty() {
        text.chars().map(|it| Val::text(it.to_string())).collect()
    } else {
        text.split(by).map(Val::text).collect()
    };
    budget.charge_items(parts.len())?;
    budget.list(parts)
}

fn modulo<'a>(l: &Val<'a>, r: &Val<'a>) -> Res<'a> {
    let by_zero = || fail(format!("cannot modulo {} by: {}", type_preview(l), type_preview(r)));
    match pair(l, r) {
        Some(Pair::Ints(_, 0)) => by_zero(),
        Some(Pair::Ints(l, r)) => Ok(Val::Int(l.wrapping_rem(r))),
        Some(Pair::Floats(l, r)) => {
            if l.is_nan() || r.is_nan() {
                return Ok(Val::Float(f64::NAN));
            }
            match float_to_int(r) {
                0 => by_zero(),
                by => Ok(Val::Int(float_to_int(l).wrapping_rem(by))),
            }
        }
        Some(Pair::Bigs(l, r)) => {
            if r == BigInt::ZERO {
                return by_zero();
            }
            Ok(normal_big(l % r))
        }
        None => mismatch("modulo", l, r),
    }
}

fn negate<'a>(it: i64) -> Val<'a> {
    match it.checked_neg() {
        Some(it) => Val::Int(it),
        None => normal_big(-BigInt::from(it)),
    }
}

/// Unary `+` and `-`.
pub(super) fn sign(val: Val<'_>, minus: bool) -> Res<'_> {
    match val {
        Val::Int(it) if minus => Ok(negate(it)),
        Val::Float(it) if minus => Ok(Val::Float(-it)),
        Val::Big(it) if minus => Ok(normal_big(-it.as_ref().clone())),
        it if it.is_number() => Ok(it),
        other => fail(format!("cannot {}: {}", if minus { "negate" } else { "plus" }, type_preview(&other))),
    }
}

/// The size of a number.
pub(super) fn absolute<'a>(val: &Val<'a>) -> Option<Val<'a>> {
    Some(match val {
        Val::Int(it) if *it < 0 => negate(*it),
        Val::Float(it) => Val::Float(it.abs()),
        Val::Big(it) if it.sign() == num_bigint::Sign::Minus => normal_big(-it.as_ref().clone()),
        it if it.is_number() => it.clone(),
        _ => return None,
    })
}

/// What `range` refuses.
pub(super) fn check_range<'a>(from: &Val<'a>, to: &Val<'a>, step: &Val<'a>) -> Res<'a, ()> {
    for it in [from, to, step] {
        if !it.is_number() {
            return fail(format!("range cannot be applied to: {}", type_preview(it)));
        }
    }
    Ok(())
}

/// The value after `at`, if `at` is inside of the range.
pub(super) fn range_next<'a>(
    budget: &mut Budget,
    at: &Val<'a>,
    to: &Val<'a>,
    step: &Val<'a>,
) -> Res<'a, Option<Val<'a>>> {
    let direction = compare(step, &Val::Int(0)) as i32;
    if direction * compare(at, to) as i32 >= 0 {
        return Ok(None);
    }
    add(budget, at.clone(), step.clone()).map(Some)
}
