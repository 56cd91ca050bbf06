//! The order of values: null, false, true, numbers, strings, arrays, objects.

use std::cmp::Ordering;

use super::{Val, big_to_float, to_float};

fn rank(value: &Val<'_>) -> u8 {
    match value {
        Val::Null | Val::Hole => 0,
        Val::Bool(false) => 1,
        Val::Bool(true) => 2,
        Val::Int(_) | Val::Float(_) | Val::Big(_) => 3,
        Val::Str(_) => 4,
        Val::ListRef(_) | Val::List(_) => 5,
        Val::MapRef(_) | Val::Map(_) => 6,
    }
}

fn floats(a: f64, b: f64) -> Ordering {
    // NaN is below everything, itself included
    if a < b || a.is_nan() {
        Ordering::Less
    } else if a == b {
        Ordering::Equal
    } else {
        Ordering::Greater
    }
}

/// Compares two values. Not a total order, as NaN is less than NaN.
pub(in crate::jq) fn compare(a: &Val<'_>, b: &Val<'_>) -> Ordering {
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => a.cmp(b),
        (Val::Str(a), Val::Str(b)) => a.as_str().cmp(b.as_str()),
        (Val::Big(a), Val::Big(b)) => a.cmp(b),
        (Val::Int(a), Val::Big(b)) => num_bigint::BigInt::from(*a).cmp(b),
        (Val::Big(a), Val::Int(b)) => a.as_ref().cmp(&num_bigint::BigInt::from(*b)),
        (Val::Big(a), Val::Float(b)) => floats(big_to_float(a), *b),
        (Val::Float(_) | Val::Int(_), Val::Float(_) | Val::Int(_) | Val::Big(_)) => {
            floats(to_float(a).unwrap_or(f64::NAN), to_float(b).unwrap_or(f64::NAN))
        }
        _ => match rank(a).cmp(&rank(b)) {
            Ordering::Equal => containers(a, b),
            other => other,
        },
    }
}

fn containers(a: &Val<'_>, b: &Val<'_>) -> Ordering {
    if let (Some(a), Some(b)) = (a.as_list(), b.as_list()) {
        for (x, y) in a.iter().zip(b.iter()) {
            match compare(&x, &y) {
                Ordering::Equal => {}
                other => return other,
            }
        }
        return a.len().cmp(&b.len());
    }
    if let (Some(a), Some(b)) = (a.as_map(), b.as_map()) {
        for ((x, _), (y, _)) in a.iter().zip(b.iter()) {
            match x.cmp(&y) {
                Ordering::Equal => {}
                other => return other,
            }
        }
        match a.len().cmp(&b.len()) {
            Ordering::Equal => {}
            other => return other,
        }
        for ((_, x), (_, y)) in a.iter().zip(b.iter()) {
            match compare(&x, &y) {
                Ordering::Equal => {}
                other => return other,
            }
        }
    }
    Ordering::Equal
}

/// Whether two values are equal.
pub(in crate::jq) fn same(a: &Val<'_>, b: &Val<'_>) -> bool {
    compare(a, b) == Ordering::Equal
}
