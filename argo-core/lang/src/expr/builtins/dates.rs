//! Dates, and the methods of times and durations.

use jiff::tz::TimeZone;

use super::Outcome;
use crate::expr::ErrorKind;
use crate::expr::eval::{function, operation, text_of};
use crate::expr::operators::shift;
use crate::expr::value::Val;
use crate::time;

pub(super) fn date<'a>(args: &[Val<'a>]) -> Outcome<'a> {
    let (zone, args) = match args {
        [Val::Zone(zone), rest @ ..] => (zone.clone(), rest),
        _ => (TimeZone::UTC, args),
    };
    let (Some(text), layout) = (args.first().and_then(Val::as_str), args.get(1).and_then(Val::as_str)) else {
        return function("invalid argument for date");
    };
    let zone = match args.get(2).and_then(Val::as_str) {
        Some(name) => TimeZone::get(name).map_err(|_| (ErrorKind::Function, format!("unknown time zone {name}")))?,
        None => zone,
    };
    let parsed = match layout {
        Some(layout) => time::parse_layout(text, layout, &zone),
        None => [
            "2006-01-02",
            "15:04:05",
            "2006-01-02 15:04:05",
            "2006-01-02T15:04:05Z07:00",
            "02 Jan 06 15:04 MST",
            "Mon, 02 Jan 2006 15:04:05 MST",
        ]
        .iter()
        .find_map(|layout| time::parse_layout(text, layout, &zone)),
    };
    match parsed {
        Some(zoned) => Ok(Val::Time(Box::new(zoned))),
        None => function(format!("invalid date {text}")),
    }
}

/// Methods of times and durations; a field of an object may be called without arguments.
pub(in crate::expr) fn method<'a>(value: &Val<'a>, name: &str, args: &[Val<'a>]) -> Outcome<'a> {
    let none = || operation(format!("cannot fetch {name} from {}", value.go_type()));
    let int = |it: i64| Ok(Val::Int(it));
    match value {
        Val::Time(at) => match (name, args) {
            ("Year", []) => int(i64::from(at.year())),
            ("Month", []) => int(i64::from(at.month())),
            ("Day", []) => int(i64::from(at.day())),
            ("Hour", []) => int(i64::from(at.hour())),
            ("Minute", []) => int(i64::from(at.minute())),
            ("Second", []) => int(i64::from(at.second())),
            ("Nanosecond", []) => int(i64::from(at.subsec_nanosecond())),
            ("YearDay", []) => int(i64::from(at.day_of_year())),
            ("Weekday", []) => int(i64::from(at.weekday().to_sunday_zero_offset())),
            ("Unix", []) => int(at.timestamp().as_second()),
            ("UnixMilli", []) => int(at.timestamp().as_millisecond()),
            ("UnixNano", []) => int(i64::try_from(at.timestamp().as_nanosecond()).unwrap_or(i64::MAX)),
            ("String", []) => Ok(Val::text(value.display())),
            ("UTC", []) => Ok(Val::Time(Box::new(at.with_time_zone(TimeZone::UTC)))),
            ("In", [Val::Zone(zone)]) => Ok(Val::Time(Box::new(at.with_time_zone(zone.clone())))),
            ("Format", [layout]) => Ok(Val::text(time::format_layout(at, &text_of(layout)))),
            ("Add", [Val::Duration(by)]) => Ok(Val::Time(Box::new(shift(at, *by)?))),
            ("Sub", [Val::Time(other)]) => Ok(Val::Duration(at.timestamp().duration_since(other.timestamp()))),
            ("Before", [Val::Time(other)]) => Ok(Val::Bool(at.timestamp() < other.timestamp())),
            ("After", [Val::Time(other)]) => Ok(Val::Bool(at.timestamp() > other.timestamp())),
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
            _ => none(),
        },
        Val::Zone(_) if name == "String" => Ok(Val::text(value.to_json().as_str().unwrap_or_default())),
        Val::Nil => operation(format!("cannot fetch {name} from <nil>")),
        _ if value.is_map() && args.is_empty() => match value.field(name) {
            Some(Val::Nil) | None => none(),
            Some(field) => Ok(field),
        },
        _ => none(),
    }
}
