//! Dates, and the methods of times and durations.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, Zoned};

use super::{Args, Outcome};
use crate::expr::eval::{Failure, function, operation, text_of};
use crate::expr::operators::shift;
use crate::expr::value::{Named, Val};
use crate::{duration, time};

pub(super) fn call<'a>(args: &Args<'_, 'a>, now: Option<Timestamp>) -> Option<Outcome<'a>> {
    Some(match args.name {
        "duration" => match args.text(0).map(duration::parse) {
            Ok(Ok(it)) => Ok(Val::Duration(it)),
            Ok(Err(error)) => function(error.to_string()),
            Err(failure) => Err(failure),
        },
        "timezone" => args.text(0).and_then(zone).map(Val::Zone),
        "now" => match (now, args.values) {
            (None, _) => function("now() is not available here"),
            (Some(now), []) => Ok(Val::Time(Box::new(now.to_zoned(TimeZone::UTC)))),
            (Some(now), [Val::Zone(zone)]) => Ok(Val::Time(Box::new(now.to_zoned(zone.clone())))),
            _ => args.count(0).map(|()| Val::Nil),
        },
        "date" => date(args),
        _ => return None,
    })
}

fn zone(name: &str) -> Result<TimeZone, Failure> {
    match name {
        "" | "UTC" | "Local" => Ok(TimeZone::UTC),
        name => TimeZone::get(name).or_else(|_| function(format!("unknown time zone {name}"))),
    }
}

fn date<'a>(args: &Args<'_, 'a>) -> Outcome<'a> {
    let (given, rest) = match args.values {
        [Val::Zone(zone), rest @ ..] => (Some(zone.clone()), rest),
        rest => (None, rest),
    };
    let rest = Args { name: args.name, values: rest };
    let text = rest.text(0)?;
    let fallback = given.unwrap_or(TimeZone::UTC);
    let by_layout = |layout: &str, zone: &TimeZone| match time::read_layout(text, layout, zone) {
        Ok(zoned) => Ok(Val::Time(Box::new(zoned))),
        Err(error) => function(error.to_string()),
    };
    match rest.values.len() {
        2 => return by_layout(rest.text(1)?, &fallback),
        3 => return by_layout(rest.text(1)?, &zone(rest.text(2)?)?),
        _ => {}
    }
    const LAYOUTS: [&str; 7] = [
        "2006-01-02",
        "15:04:05",
        "2006-01-02 15:04:05",
        "2006-01-02T15:04:05Z07:00",
        "02 Jan 06 15:04 MST",
        "Monday, 02-Jan-06 15:04:05 MST",
        "Mon, 02 Jan 2006 15:04:05 MST",
    ];
    match LAYOUTS.iter().find_map(|layout| time::parse_layout(text, layout, &fallback)) {
        Some(zoned) => Ok(Val::Time(Box::new(zoned))),
        None => function(format!("invalid date {text}")),
    }
}

/// The time between two, which ends where 64 bits of nanoseconds do.
pub(in crate::expr) fn between(later: &Zoned, earlier: &Zoned) -> SignedDuration {
    let nanos = later.timestamp().duration_since(earlier.timestamp()).as_nanos();
    let least = if nanos < 0 { i64::MIN } else { i64::MAX };
    SignedDuration::from_nanos(i64::try_from(nanos).unwrap_or(least))
}

/// To the nearest multiple, halves away from zero; a multiple beyond 64 bits is the last that fits.
fn round(it: SignedDuration, by: SignedDuration) -> SignedDuration {
    let (nanos, by) = (it.as_nanos(), by.as_nanos());
    if by <= 0 {
        return it;
    }
    let rest = nanos.unsigned_abs() % by.unsigned_abs();
    let down = nanos.unsigned_abs() - rest;
    let size = if rest + rest < by.unsigned_abs() { down } else { down + by.unsigned_abs() };
    let least = if nanos < 0 { i64::MIN } else { i64::MAX };
    let signed = i64::try_from(size).map_or(least, |it| if nanos < 0 { -it } else { it });
    SignedDuration::from_nanos(signed)
}

/// Methods of times and durations; a field of an object may be called without arguments.
pub(in crate::expr) fn method<'a>(value: &Val<'a>, name: &str, args: &[Val<'a>]) -> Outcome<'a> {
    let none = || operation(format!("cannot fetch {name} from {}", value.go_type()));
    let int = |it: i64| Ok(Val::Int(it));
    match value {
        Val::Time(at) => match (name, args) {
            ("Year", []) => int(i64::from(at.year())),
            ("Month", []) => Ok(Val::Named(i64::from(at.month()), Named::Month)),
            ("Day", []) => int(i64::from(at.day())),
            ("Hour", []) => int(i64::from(at.hour())),
            ("Minute", []) => int(i64::from(at.minute())),
            ("Second", []) => int(i64::from(at.second())),
            ("Nanosecond", []) => int(i64::from(at.subsec_nanosecond())),
            ("YearDay", []) => int(i64::from(at.day_of_year())),
            ("Weekday", []) => Ok(Val::Named(i64::from(at.weekday().to_sunday_zero_offset()), Named::Weekday)),
            ("Unix", []) => int(at.timestamp().as_second()),
            ("UnixMilli", []) => int(at.timestamp().as_millisecond()),
            ("UnixNano", []) => int(i64::try_from(at.timestamp().as_nanosecond()).unwrap_or(i64::MAX)),
            ("String", []) => Ok(Val::text(value.display())),
            ("UTC", []) => Ok(Val::Time(Box::new(at.with_time_zone(TimeZone::UTC)))),
            ("In", [Val::Zone(zone)]) => Ok(Val::Time(Box::new(at.with_time_zone(zone.clone())))),
            ("Format", [layout]) => Ok(Val::text(time::format_layout(at, &text_of(layout)))),
            ("Add", [Val::Duration(by)]) => Ok(Val::Time(Box::new(shift(at, *by)?))),
            ("Sub", [Val::Time(other)]) => Ok(Val::Duration(between(at, other))),
            ("Before", [Val::Time(other)]) => Ok(Val::Bool(at.timestamp() < other.timestamp())),
            ("After", [Val::Time(other)]) => Ok(Val::Bool(at.timestamp() > other.timestamp())),
            ("UnixMicro", []) => int(at.timestamp().as_microsecond()),
            ("IsZero", []) => {
                Ok(Val::Bool(at.year() == 1 && at.day_of_year() == 1 && at.timestamp().as_second() == -62_135_596_800))
            }
            ("Local", []) => Ok(Val::Time(Box::new(at.with_time_zone(TimeZone::UTC)))),
            ("Location", []) => Ok(Val::Zone(at.time_zone().clone())),
            ("AddDate", [Val::Int(years), Val::Int(months), Val::Int(days)]) => {
                let span = Span::new()
                    .try_years(*years)
                    .and_then(|it| it.try_months(*months))
                    .and_then(|it| it.try_days(*days));
                match span.and_then(|it| at.checked_add(it)) {
                    Ok(it) => Ok(Val::Time(Box::new(it))),
                    Err(error) => function(error.to_string()),
                }
            }
            ("Truncate", [Val::Duration(by)]) => {
                let by = by.as_nanos();
                // counted from the year one, which is a whole number of days before the epoch
                let since = at.timestamp().as_nanosecond() + 62_135_596_800_000_000_000;
                let cut = if by <= 0 { 0 } else { since.rem_euclid(by) };
                let cut = SignedDuration::from_nanos(i64::try_from(cut).unwrap_or(0));
                Ok(Val::Time(Box::new(shift(at, -cut)?)))
            }
            ("Compare", [Val::Time(other)]) => int(at.timestamp().cmp(&other.timestamp()) as i64),
            ("Equal", [Val::Time(other)]) => Ok(Val::Bool(at.timestamp() == other.timestamp())),
            _ => none(),
        },
        Val::Duration(it) => match (name, args) {
            ("Hours", []) => Ok(Val::Float(it.as_nanos() as f64 / 3.6e12)),
            ("Minutes", []) => Ok(Val::Float(it.as_nanos() as f64 / 6e10)),
            ("Seconds", []) => Ok(Val::Float(it.as_nanos() as f64 / 1e9)),
            ("Milliseconds", []) => int(i64::try_from(it.as_millis()).unwrap_or(i64::MAX)),
            ("Microseconds", []) => int(i64::try_from(it.as_micros()).unwrap_or(i64::MAX)),
            ("Nanoseconds", []) => int(i64::try_from(it.as_nanos()).unwrap_or(i64::MAX)),
            ("String", []) => Ok(Val::text(value.display())),
            ("Abs", []) => Ok(Val::Duration(it.abs())),
            ("Round", [Val::Duration(by)]) => Ok(Val::Duration(round(*it, *by))),
            ("Truncate", [Val::Duration(by)]) if by.as_nanos() > 0 => {
                let rest = it.as_nanos() % by.as_nanos();
                Ok(Val::Duration(SignedDuration::from_nanos(i64::try_from(it.as_nanos() - rest).unwrap_or(i64::MAX))))
            }
            _ => none(),
        },
        Val::Named(..) if name == "String" => Ok(Val::text(value.display())),
        Val::Zone(_) if name == "String" => Ok(Val::text(value.to_json().as_str().unwrap_or_default())),
        _ => none(),
    }
}
