//! Numbers: 64-bit integers that grow into big ones, and floats.

use std::rc::Rc;

use num_bigint::BigInt;

use super::Val;

/// A big integer as a value: small again where it fits.
pub(in crate::jq) fn normal_big<'a>(big: BigInt) -> Val<'a> {
    Val::Big(Rc::new(big))
}

/// The nearest float; infinite beyond the range.
pub(in crate::jq) fn big_to_float(big: &BigInt) -> f64 {
    if let Ok(it) = i64::try_from(big) {
        return it as f64;
    }
    // by text, which rounds to nearest even as Go's ParseFloat does
    big.to_string().parse().unwrap_or(f64::NAN)
}

/// A float as an integer: the fraction is cut off, and what is out of range is the nearest bound.
pub(in crate::jq) fn float_to_int(value: f64) -> i64 {
    if value.is_nan() { i64::MIN } else { value as i64 }
}

/// A number as an integer; `None` for what is no number.
pub(in crate::jq) fn to_int(value: &Val<'_>) -> Option<i64> {
    match value {
        Val::Int(it) => Some(*it),
        Val::Float(it) => Some(float_to_int(*it)),
        Val::Big(it) => Some(match (i64::try_from(it.as_ref()), it.sign()) {
            (Ok(it), _) => it,
            (Err(_), num_bigint::Sign::Plus) => i64::MAX,
            (Err(_), _) => i64::MIN,
        }),
        _ => None,
    }
}

/// [`to_int`] that rounds floats up.
pub(in crate::jq) fn to_int_ceil(value: &Val<'_>) -> Option<i64> {
    match value {
        Val::Float(it) => Some(float_to_int(it.ceil())),
        other => to_int(other),
    }
}

/// A number as a float; `None` for what is no number.
pub(in crate::jq) fn to_float(value: &Val<'_>) -> Option<f64> {
    match value {
        Val::Int(it) => Some(*it as f64),
        Val::Float(it) => Some(*it),
        Val::Big(it) => Some(big_to_float(it)),
        _ => None,
    }
}

/// Reads a number as the language writes it; the caller has checked the form.
pub(in crate::jq) fn parse_number<'a>(text: &str) -> Val<'a> {
    if let Ok(it) = text.parse::<i64>() {
        return Val::Int(it);
    }
    if text.contains(['.', 'e', 'E']) {
        let value: f64 = text.parse().unwrap_or(f64::NAN);
        return Val::Float(value);
    }
    match text.parse::<BigInt>() {
        Ok(it) => Val::Big(Rc::new(it)),
        Err(_) => Val::Float(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
    }
}
