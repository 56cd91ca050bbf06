//! Operators, members and slices.

use jiff::{SignedDuration, Zoned};
use serde_json::Value;

use super::ErrorKind;
use super::ast::Binary;
use super::eval::{Budget, Failure, operation};
use super::value::Val;

type Outcome<'a> = Result<Val<'a>, Failure>;

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

pub(super) fn shift(time: &Zoned, by: SignedDuration) -> Result<Zoned, Failure> {
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
