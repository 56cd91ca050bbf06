//! Functions of numbers.

use super::super::budget::Budget;
use super::super::error::Res;
use super::super::ops;
use super::super::value::{Val, to_float};
use super::{Table, refuse0};

/// A row for a function of one float.
macro_rules! one {
    ($name:literal, $f:expr) => {
        ($name, 0, |_, val, _| match to_float(&val) {
            Some(it) => {
                let f: fn(f64) -> f64 = $f;
                Ok(Val::Float(f(it)))
            }
            None => refuse0($name, &val),
        })
    };
}

/// A row for a function of two floats, its arguments.
macro_rules! two {
    ($name:literal, $f:expr) => {
        ($name, 2, |_, _, args| {
            let f: fn(f64, f64) -> f64 = $f;
            Ok(Val::Float(f(float($name, &args[0])?, float($name, &args[1])?)))
        })
    };
}

fn float<'a>(name: &str, val: &Val<'a>) -> Res<'a, f64> {
    match to_float(val) {
        Some(it) => Ok(it),
        None => refuse0(name, val),
    }
}

/// An order of a Bessel function or an exponent, as C's int.
fn whole(value: f64) -> i32 {
    value as i32
}

pub(super) const TABLE: Table = &[
    ("abs", 0, |_, val, _| match ops::absolute(&val) {
        Some(it) => Ok(it),
        None => refuse0("abs", &val),
    }),
    one!("sin", libm::sin),
    one!("cos", libm::cos),
    one!("tan", libm::tan),
    one!("asin", libm::asin),
    one!("acos", libm::acos),
    one!("atan", libm::atan),
    one!("sinh", libm::sinh),
    one!("cosh", libm::cosh),
    one!("tanh", libm::tanh),
    one!("asinh", libm::asinh),
    one!("acosh", libm::acosh),
    one!("atanh", libm::atanh),
    one!("floor", f64::floor),
    one!("round", f64::round),
    one!("nearbyint", f64::round_ties_even),
    one!("rint", f64::round_ties_even),
    one!("ceil", f64::ceil),
    one!("trunc", f64::trunc),
    one!("significand", |it| frexp(it).0 * 2.0),
    one!("fabs", f64::abs),
    one!("sqrt", f64::sqrt),
    one!("cbrt", libm::cbrt),
    one!("exp", libm::exp),
    one!("exp10", |it| libm::pow(10.0, it)),
    one!("exp2", libm::exp2),
    one!("expm1", libm::expm1),
    one!("log", libm::log),
    one!("log10", libm::log10),
    one!("log1p", libm::log1p),
    one!("log2", log2),
    one!("logb", |it| {
        if it == 0.0 {
            f64::NEG_INFINITY
        } else if it.is_infinite() {
            f64::INFINITY
        } else if it.is_nan() {
            it
        } else {
            f64::from(frexp(it).1 - 1)
        }
    }),
    one!("gamma", libm::tgamma),
    one!("tgamma", libm::tgamma),
    one!("lgamma", libm::lgamma),
    one!("erf", libm::erf),
    one!("erfc", libm::erfc),
    one!("j0", libm::j0),
    one!("j1", libm::j1),
    one!("y0", libm::y0),
    one!("y1", libm::y1),
    two!("atan2", libm::atan2),
    two!("copysign", f64::copysign),
    two!("drem", |a, b| {
        let it = libm::remainder(a, b);
        if it == 0.0 { it.copysign(a) } else { it }
    }),
    two!("fdim", |a, b| if a - b <= 0.0 { 0.0 } else { a - b }),
    two!("fmax", f64::max),
    two!("fmin", f64::min),
    two!("fmod", |a, b| a % b),
    two!("hypot", libm::hypot),
    two!("jn", |n, x| libm::jn(whole(n), x)),
    two!("yn", |n, x| libm::yn(whole(n), x)),
    two!("nextafter", libm::nextafter),
    two!("nexttoward", libm::nextafter),
    two!("remainder", libm::remainder),
    two!("ldexp", |x, n| libm::ldexp(x, whole(n))),
    two!("scalb", |x, n| libm::ldexp(x, whole(n))),
    two!("scalbln", |x, n| libm::ldexp(x, whole(n))),
    two!("pow", libm::pow),
    ("fma", 3, |_, _, args| {
        let (a, b, c) = (float("fma", &args[0])?, float("fma", &args[1])?, float("fma", &args[2])?);
        Ok(Val::Float(libm::fma(a, b, c)))
    }),
    ("frexp", 0, |budget, val, _| {
        let (fraction, exponent) = frexp(float("frexp", &val)?);
        budget.list(vec![Val::Float(fraction), Val::Int(i64::from(exponent))])
    }),
    ("modf", 0, |budget, val, _| modf(budget, float("modf", &val)?)),
    ("infinite", 0, |_, _, _| Ok(Val::Float(f64::INFINITY))),
    ("nan", 0, |_, _, _| Ok(Val::Float(f64::NAN))),
    ("isfinite", 0, |_, val, _| Ok(Val::Bool(to_float(&val).is_some_and(|it| !it.is_infinite())))),
    ("isinfinite", 0, |_, val, _| Ok(Val::Bool(to_float(&val).is_some_and(f64::is_infinite)))),
    ("isnan", 0, |_, val, _| match (&val, to_float(&val)) {
        (_, Some(it)) => Ok(Val::Bool(it.is_nan())),
        (Val::Null, _) => Ok(Val::Bool(false)),
        _ => refuse0("isnan", &val),
    }),
    ("isnormal", 0, |_, val, _| Ok(Val::Bool(to_float(&val).is_some_and(f64::is_normal)))),
];

fn frexp(value: f64) -> (f64, i32) {
    if value == 0.0 || !value.is_finite() { (value, 0) } else { libm::frexp(value) }
}

/// Exact for powers of two.
fn log2(value: f64) -> f64 {
    let (fraction, exponent) = frexp(value);
    if fraction == 0.5 { f64::from(exponent - 1) } else { libm::log2(value) }
}

fn modf<'a>(budget: &mut Budget, value: f64) -> Res<'a> {
    let (fraction, whole) =
        if value.is_infinite() { (0.0_f64.copysign(value), value) } else { (value - value.trunc(), value.trunc()) };
    let fraction = if fraction == 0.0 { fraction.copysign(value) } else { fraction };
    budget.list(vec![Val::Float(fraction), Val::Float(whole)])
}
