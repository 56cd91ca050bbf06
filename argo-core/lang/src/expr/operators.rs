//! Operators, members and slices.

use jiff::{SignedDuration, Zoned};
use serde_json::Value;

use super::ErrorKind;
use super::ast::Binary;
use super::eval::{Budget, Failure, conversion, operation};
use super::value::{Elements, Val};
use crate::gofloat;

type Outcome<'a> = Result<Val<'a>, Failure>;

pub(super) fn binary<'a>(op: Binary, a: &Val<'a>, b: &Val<'a>, budget: &mut Budget) -> Outcome<'a> {
    let sign = if op == Binary::PowerCaret { "**" } else { op.text() };
    let mismatch = || operation(format!("invalid operation: {} {sign} {}", a.go_type(), b.go_type()));
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
            if let (Binary::Matches, Val::Bytes(bytes), Val::Str(pattern)) = (op, a, b) {
                let text = String::from_utf8_lossy(bytes);
                let regex = crate::regexp::compile(pattern).or_else(|error| operation(error.to_string()))?;
                return Ok(Val::Bool(regex.is_match(&text)));
            }
            let wrong = |value: &Val<'_>, wanted: &str| Err(conversion(value, wanted));
            let (x, y) = match (a.as_str(), b.as_str()) {
                (Some(x), Some(y)) => (x, y),
                (_, None) if op == Binary::Matches => return wrong(b, "string"),
                (None, _) if op == Binary::Matches => return wrong(a, "[]uint8"),
                (None, _) => return wrong(a, "string"),
                (_, None) => return wrong(b, "string"),
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
        Binary::Range => {
            let (from, to) = (to_int(a)?, to_int(b)?);
            let size = to.checked_sub(from).and_then(|it| it.checked_add(1)).unwrap_or(i64::MAX).max(0);
            budget.grow(usize::try_from(size).unwrap_or(usize::MAX))?;
            Val::typed((from..=to).map(Val::Int).collect(), Elements::Ints)
        }
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
            (Val::Time(x), Val::Time(y)) => Val::Duration(super::builtins::between(x, y)),
            (Val::Time(t), Val::Duration(d)) => Val::Time(Box::new(shift(t, -*d)?)),
            (Val::Duration(x), Val::Duration(y)) => Val::Duration(x.saturating_sub(*y)),
            _ => match (a.as_float(), b.as_float()) {
                (Some(x), Some(y)) => Val::Float(x - y),
                _ => return mismatch(),
            },
        },
        Binary::Multiply => match (a, b) {
            (Val::Int(x), Val::Int(y)) => Val::Int(x.wrapping_mul(*y)),
            (Val::Duration(x), Val::Duration(y)) => {
                Val::Duration(SignedDuration::from_nanos((x.as_nanos() as i64).wrapping_mul(y.as_nanos() as i64)))
            }
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
            (Val::Int(_), Val::Int(0)) => return operation("runtime error: integer divide by zero"),
            (Val::Int(x), Val::Int(y)) => Val::Int(x.wrapping_rem(*y)),
            _ => return mismatch(),
        },
        Binary::Power | Binary::PowerCaret => {
            let float = |it: &Val<'_>| {
                it.as_float().map_or_else(|| operation(format!("invalid operation: float({})", it.go_type())), Ok)
            };
            Val::Float(gofloat::pow(float(a)?, float(b)?))
        }
        Binary::And | Binary::AndWord | Binary::Or | Binary::OrWord | Binary::Coalesce => {
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

/// What Go says where a key is looked up in a map that cannot have it.
pub(super) fn not_assignable(key: &Val<'_>) -> Failure {
    let message = format!("reflect.Value.MapIndex: value of type {} is not assignable to type string", key.go_type());
    (ErrorKind::Operation, message)
}

/// `runtime.ToInt`: floats are cut.
pub(super) fn to_int(value: &Val<'_>) -> Result<i64, Failure> {
    match value {
        Val::Int(it) => Ok(*it),
        Val::Float(it) => Ok(gofloat::to_int(*it)),
        other => operation(format!("invalid operation: int({})", other.go_type())),
    }
}

/// The value of a key, where the map has it.
fn lookup<'a>(map: &Val<'a>, key: &Val<'a>) -> Result<Option<Val<'a>>, Failure> {
    if let Val::Table(entries, _) = map {
        if key.items().is_some() || key.is_map() {
            return operation(format!("runtime error: hash of unhashable type {}", key.go_type()));
        }
        let found = entries.iter().find(|it| it.0.go_type() == key.go_type() && it.0.equals(key));
        return Ok(found.map(|it| it.1.clone()));
    }
    match key {
        Val::Str(name) => Ok(map.entry(name)),
        Val::Nil => Ok(map.entry("")),
        other => Err(not_assignable(other)),
    }
}

fn contained<'a>(needle: &Val<'a>, hay: &Val<'a>) -> Outcome<'a> {
    if matches!(hay, Val::Nil) {
        return Ok(Val::Bool(false));
    }
    if let Some(items) = hay.items() {
        return Ok(Val::Bool(items.iter().any(|it| it.equals(needle))));
    }
    if hay.is_map() {
        return Ok(Val::Bool(lookup(hay, needle)?.is_some()));
    }
    match hay {
        Val::Time(_) if needle.as_str().is_some() => Ok(Val::Bool(false)),
        Val::Time(_) => operation(format!("cannot use {} as field name of time.Time", needle.go_type())),
        _ => operation(format!("operator \"in\" not defined on {}", hay.go_type())),
    }
}

/// A member by key or index.
pub(super) fn fetch<'a>(from: &Val<'a>, key: &Val<'a>) -> Outcome<'a> {
    if from.is_map() {
        return Ok(lookup(from, key)?.unwrap_or(Val::Nil));
    }
    let index = |len: usize| -> Result<usize, Failure> {
        let number = to_int(key)?;
        let place = if number < 0 { number.saturating_add(len as i64) } else { number };
        usize::try_from(place)
            .ok()
            .filter(|it| *it < len)
            .map_or_else(|| operation(format!("index out of range: {place} (array length is {len})")), Ok)
    };
    match from {
        Val::Json(Value::Array(items)) => Ok(Val::of(&items[index(items.len())?])),
        Val::List(items, _) => Ok(items[index(items.len())?].clone()),
        Val::Bytes(bytes) => Ok(Val::Int(i64::from(bytes[index(bytes.len())?]))),
        Val::Str(text) => Ok(Val::Int(i64::from(text.as_bytes()[index(text.len())?]))),
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
            Some(value) => {
                let it = to_int(value)?;
                let place = if it < 0 { it.saturating_add(len as i64) } else { it };
                Ok(usize::try_from(place.max(0)).unwrap_or(0).min(len))
            }
        }
    };
    if let Val::Str(text) = of {
        let (start, end) = (bound(from, text.len(), 0)?, bound(to, text.len(), text.len())?);
        let bytes = text.as_bytes().get(start.min(end)..end).unwrap_or_default();
        budget.charge(bytes.len())?;
        return Ok(Val::text(String::from_utf8_lossy(bytes)));
    }
    let Some(items) = of.items() else {
        if to.is_none() && of.len().is_none() {
            return operation(format!("invalid argument for len (type {})", of.go_type()));
        }
        let from = from.map_or_else(|| "0".to_owned(), Val::display);
        return operation(format!("cannot slice {from}"));
    };
    let (start, end) = (bound(from, items.len(), 0)?, bound(to, items.len(), items.len())?);
    budget.charge(end.saturating_sub(start))?;
    let kept = items.get(start.min(end)..end).unwrap_or_default();
    Ok(match of {
        Val::Bytes(_) => Val::Bytes(kept.iter().filter_map(|it| u8::try_from(to_int(it).ok()?).ok()).collect()),
        Val::List(_, elements) => Val::typed(kept.to_vec(), *elements),
        _ => Val::list(kept.to_vec()),
    })
}

/// The sum of a list: as `+` adds each to what is there.
pub(super) fn sum<'a>(items: &[Val<'a>], budget: &mut Budget) -> Outcome<'a> {
    let mut total = Val::Int(0);
    for item in items {
        total = binary(Binary::Add, item, &total, budget)?;
    }
    Ok(total)
}

/// Sorts by keys, which must be comparable.
pub(super) fn sort_keyed<'a>(keyed: &mut [(Val<'a>, Val<'a>)], descending: bool) -> Result<(), Failure> {
    if let Some(pair) = keyed.windows(2).find(|it| it[0].0.order(&it[1].0).is_none()) {
        let (a, b) = if descending { (&pair[0].0, &pair[1].0) } else { (&pair[1].0, &pair[0].0) };
        return operation(format!("invalid operation: {} < {}", a.go_type(), b.go_type()));
    }
    keyed.sort_by(|a, b| {
        let order = a.0.order(&b.0).unwrap_or(std::cmp::Ordering::Equal);
        if descending { order.reverse() } else { order }
    });
    Ok(())
}
