//! Numbers.

use super::{Args, Outcome};
use crate::expr::ErrorKind;
use crate::expr::eval::{Failure, function};
use crate::expr::value::Val;

pub(super) fn call<'a>(args: &Args<'_, 'a>) -> Option<Outcome<'a>> {
    let first = args.at(0);
    (|| {
        Ok(Some(match args.name {
            "abs" => match first {
                Val::Int(it) => Val::Int(it.wrapping_abs()),
                Val::Float(it) => Val::Float(it.abs()),
                other => return Err(args.invalid(other)),
            },
            "ceil" | "floor" | "round" => {
                let value = first.as_float().ok_or_else(|| args.invalid(first))?;
                Val::Float(match args.name {
                    "ceil" => value.ceil(),
                    "floor" => value.floor(),
                    _ => value.round(),
                })
            }
            "max" => extreme(args, args.values, true)?.unwrap_or(Val::Nil),
            "min" => extreme(args, args.values, false)?.unwrap_or(Val::Nil),
            "mean" => {
                let mut all = Vec::new();
                numbers(args, args.values, &mut all)?;
                let total: f64 = all.iter().sum();
                Val::Float(if all.is_empty() { 0.0 } else { total / all.len() as f64 })
            }
            "median" => {
                let mut all = Vec::new();
                numbers(args, args.values, &mut all)?;
                all.sort_by(f64::total_cmp);
                Val::Float(match all.len() {
                    0 => 0.0,
                    len if len % 2 == 1 => all[len / 2],
                    len => (all[len / 2 - 1] + all[len / 2]) / 2.0,
                })
            }
            "bitand" | "bitor" | "bitxor" | "bitnand" | "bitshl" | "bitshr" | "bitushr" => {
                if args.values.len() != 2 {
                    let count = args.values.len();
                    let name = args.name;
                    return function(format!("invalid number of arguments for {name} (expected 2, got {count})"));
                }
                let (x, y) = (bits(args, 0)?, bits(args, 1)?);
                let shift = || match u32::try_from(y) {
                    Ok(it) => Ok(it),
                    Err(_) if y > 0 => Ok(u32::MAX),
                    Err(_) => function(format!("invalid operation: negative shift count {y} (type int)")),
                };
                Val::Int(match args.name {
                    "bitand" => x & y,
                    "bitor" => x | y,
                    "bitxor" => x ^ y,
                    "bitnand" => x & !y,
                    "bitshl" => x.checked_shl(shift()?).unwrap_or(0),
                    "bitshr" => x >> shift()?.min(63),
                    _ => (x as u64).checked_shr(shift()?).unwrap_or(0) as i64,
                })
            }
            "bitnot" => Val::Int(!bits(args, 0)?),
            _ => return Ok(None),
        }))
    })()
    .transpose()
}

fn bits(args: &Args<'_, '_>, place: usize) -> Result<i64, Failure> {
    match args.at(place) {
        Val::Int(it) => Ok(*it),
        other => {
            let message = format!("cannot use {} as argument (type int) to call {}", other.go_type(), args.name);
            Err((ErrorKind::Function, message))
        }
    }
}

/// All numbers in lists of lists.
fn numbers(args: &Args<'_, '_>, values: &[Val<'_>], out: &mut Vec<f64>) -> Result<(), Failure> {
    for value in values {
        let number = match value {
            Val::Duration(it) => Some(it.as_nanos() as f64),
            Val::Named(it, _) => Some(*it as f64),
            other => other.as_float(),
        };
        match (number, value.items()) {
            (Some(it), _) => out.push(it),
            (None, Some(items)) => numbers(args, &items, out)?,
            (None, None) => return Err(args.invalid(value)),
        }
    }
    Ok(())
}

/// The greatest or the least of all numbers in lists of lists. A lone value that is none is what it is.
fn extreme<'a>(args: &Args<'_, 'a>, values: &[Val<'a>], greatest: bool) -> Result<Option<Val<'a>>, Failure> {
    let mut best: Option<Val<'a>> = None;
    for value in values {
        let number = value.as_float().is_some() || matches!(value, Val::Duration(_) | Val::Named(..));
        let candidate = match (number, value.items()) {
            (true, _) => Some(value.clone()),
            (false, Some(items)) => {
                if let Some(wrong) = items.iter().find(|it| it.as_float().is_none() && it.items().is_none()) {
                    return Err(args.invalid(wrong));
                }
                extreme(args, &items, greatest)?
            }
            (false, None) if values.len() == 1 => return Ok(Some(value.clone())),
            (false, None) => return Err(args.invalid(value)),
        };
        let Some(candidate) = candidate else { continue };
        let replace = match best.as_ref().map(|it| (it, it.order(&candidate))) {
            None => true,
            Some((_, Some(order))) => {
                if greatest {
                    order.is_lt()
                } else {
                    order.is_gt()
                }
            }
            Some((best, None)) => {
                let sign = if greatest { "<" } else { ">" };
                return function(format!("invalid operation: {} {sign} {}", best.go_type(), candidate.go_type()));
            }
        };
        if replace {
            best = Some(candidate);
        }
    }
    Ok(best)
}
