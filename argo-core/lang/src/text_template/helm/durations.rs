//! Helm's functions of durations (`pkg/engine/funcs.go`, Helm 4.2).

use jiff::SignedDuration;

use super::super::value::Val;
use crate::{duration, gofloat};

const SECOND: i64 = 1_000_000_000;
/// Seconds beyond which there is no Go duration, as a float64.
const MOST_SECONDS: f64 = i64::MAX as f64 / 1e9;

/// What a template may give for a duration, in nanoseconds: a duration, its text, or a number of seconds, which may be
/// text as well.
fn nanos(value: &Val) -> Result<i64, String> {
    match value {
        Val::Duration(it) => Ok(whole(*it)),
        Val::Str(text) => {
            let trimmed = text.trim();
            if trimmed.is_empty() {
                return Err("empty duration".to_owned());
            }
            if let Ok(it) = duration::parse(trimmed) {
                return Ok(whole(it));
            }
            match gofloat::parse_float(trimmed) {
                Some(seconds) => of_float(seconds),
                None => {
                    Err(format!("could not parse duration {}", crate::fmt::sprintf("%q", &[Val::str(text).to_arg()])))
                }
            }
        }
        Val::Missing | Val::Nil => Err("invalid duration".to_owned()),
        Val::Int(it) | Val::Sized(it, _) => {
            it.checked_mul(SECOND).ok_or_else(|| format!("duration seconds overflow: {it}"))
        }
        Val::Float(it) => of_float(*it),
        other => Err(format!("unsupported duration type {}", other.type_name())),
    }
}

fn of_float(seconds: f64) -> Result<i64, String> {
    let text = || gofloat::format_g(seconds, None);
    if !seconds.is_finite() {
        return Err(format!("invalid duration seconds: {}", text()));
    }
    if !(-MOST_SECONDS..=MOST_SECONDS).contains(&seconds) {
        return Err(format!("duration seconds overflow: {}", text()));
    }
    Ok((seconds * 1e9) as i64)
}

fn whole(it: SignedDuration) -> i64 {
    let limits = (i128::from(i64::MIN), i128::from(i64::MAX));
    it.as_nanos().clamp(limits.0, limits.1) as i64
}

/// Whole units and the rest apart, as Go divides: one division would round otherwise.
fn in_units(nanos: i64, unit: i64) -> f64 {
    (nanos / unit) as f64 + (nanos % unit) as f64 / unit as f64
}

/// `Duration.Round`: to the nearest multiple, halves away from zero; as it is when the unit is not positive.
fn round(nanos: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return nanos;
    }
    let (rest, wide) = (i128::from(nanos % unit), i128::from(nanos));
    let down = wide - rest;
    let away = if rest.abs() * 2 < i128::from(unit) { down } else { down + i128::from(unit) * rest.signum() };
    i64::try_from(away).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// Calls one of the functions; all but `mustToDuration` give zero for what is no duration.
pub(super) fn call(name: &str, args: &[Val]) -> Result<Val, String> {
    let first = nanos(args.first().unwrap_or(&Val::Nil));
    if name == "mustToDuration" {
        return first.map(|it| Val::Duration(SignedDuration::from_nanos(it)));
    }
    let hours = |it: i64| in_units(it, 3600 * SECOND);
    let unit = || nanos(args.get(1).unwrap_or(&Val::Nil)).unwrap_or(0);
    let value = first.unwrap_or(0);
    Ok(match name {
        "durationNanoseconds" => Val::int64(value),
        "durationMicroseconds" => Val::int64(value / 1_000),
        "durationMilliseconds" => Val::int64(value / 1_000_000),
        "durationSeconds" => Val::Float(in_units(value, SECOND)),
        "durationMinutes" => Val::Float(in_units(value, 60 * SECOND)),
        "durationHours" => Val::Float(hours(value)),
        "durationDays" => Val::Float(hours(value) / 24.0),
        "durationWeeks" => Val::Float(hours(value) / 24.0 / 7.0),
        "durationRoundTo" => Val::Duration(SignedDuration::from_nanos(round(value, unit()))),
        "durationTruncateTo" => {
            let unit = unit();
            Val::Duration(SignedDuration::from_nanos(if unit <= 0 { value } else { value - value % unit }))
        }
        _ => return Err(format!("{name} is not a function of Helm")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, args: &[Val]) -> String {
        call(name, args).map_or_else(|error| error, |it| it.display())
    }

    #[test]
    fn durations_are_texts_or_seconds() {
        for (value, wanted) in [
            (Val::str("1h2m3s"), "1h2m3s"),
            (Val::str(" 2.5 "), "2.5s"),
            (Val::Int(-3), "-3s"),
            (Val::Float(0.25), "250ms"),
            (Val::str(" "), "empty duration"),
            (Val::str("soon"), "could not parse duration \"soon\""),
            (Val::Nil, "invalid duration"),
            (Val::Bool(true), "unsupported duration type bool"),
            (Val::list(Vec::new()), "unsupported duration type []interface {}"),
            (Val::Int(i64::MAX), "duration seconds overflow: 9223372036854775807"),
            (Val::Float(1e19), "duration seconds overflow: 1e+19"),
            (Val::str("NaN"), "invalid duration seconds: NaN"),
        ] {
            assert_eq!(text("mustToDuration", &[value]), wanted);
        }
    }

    #[test]
    fn units_and_multiples_are_as_of_gos_duration() {
        for (name, value, wanted) in [
            ("durationSeconds", "1m30.5s", "90.5"),
            ("durationMilliseconds", "1.5s", "1500"),
            ("durationMicroseconds", "2ms", "2000"),
            ("durationNanoseconds", "-2us", "-2000"),
            ("durationMinutes", "90s", "1.5"),
            ("durationHours", "90m", "1.5"),
            ("durationDays", "36h", "1.5"),
            ("durationWeeks", "168h", "1"),
            ("durationSeconds", "none", "0"),
        ] {
            assert_eq!(text(name, &[Val::str(value)]), wanted, "{name} {value}");
        }
        for (value, unit, rounded, cut) in [
            ("1h5m30s", "1m", "1h6m0s", "1h5m0s"),
            ("-1m30s", "1m", "-2m0s", "-1m0s"),
            ("1m29s", "60", "1m0s", "1m0s"),
            ("1m29s", "-1m", "1m29s", "1m29s"),
            ("1m29s", "bad", "1m29s", "1m29s"),
            ("bad", "1m", "0s", "0s"),
        ] {
            let args = [Val::str(value), Val::str(unit)];
            assert_eq!(text("durationRoundTo", &args), rounded, "{value} {unit}");
            assert_eq!(text("durationTruncateTo", &args), cut, "{value} {unit}");
        }
        assert_eq!(round(i64::MAX, 1000), i64::MAX);
        assert_eq!(round(i64::MIN, 1000), i64::MIN);
    }
}
