//! Times: seconds since 1970 and arrays of eight numbers (year, month from 0, day, hour, minute, second, day of the
//! week, day of the year). The local zone is UTC.

use super::super::budget::Budget;
use super::super::error::Res;
use super::super::value::{Val, to_float, to_int};
use super::strftime::strftime;
use super::strptime::strptime;
use super::{Table, refuse0, refuse1, wrap0, wrap1};

pub(super) const TABLE: Table = &[
    ("now", 0, |budget, _, _| {
        // without a clock of the caller it is 1970
        let now = budget.now.unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Ok(Val::Float(now.as_nanosecond() as f64 / 1e9))
    }),
    ("gmtime", 0, |budget, val, _| broken(budget, "gmtime", &val)),
    ("localtime", 0, |budget, val, _| broken(budget, "localtime", &val)),
    ("mktime", 0, |_, val, _| {
        let Some(list) = val.as_list() else { return refuse0("mktime", &val) };
        match civil(&list.iter().collect::<Vec<_>>()) {
            Some(it) => Ok(Val::Float(it.epoch())),
            None => wrap0("mktime", &val, FORM),
        }
    }),
    ("strftime", 1, |budget, val, args| formatted(budget, "strftime", val, &args[0])),
    ("strflocaltime", 1, |budget, val, args| formatted(budget, "strflocaltime", val, &args[0])),
    ("strptime", 1, |budget, val, args| match (val.as_str(), args[0].as_str()) {
        (Some(text), Some(format)) => match strptime(text, format) {
            Ok(it) if it.seconds == ZERO_TIME && it.nanos == 0 => refuse1("strptime", &val, &args[0]),
            Ok(it) => array(budget, it.epoch()),
            Err(reason) => wrap1("strptime", &val, &args[0], &reason),
        },
        _ => refuse1("strptime", &val, &args[0]),
    }),
];

const FORM: &str = "expected an array of 8 numbers";
/// The first second of the year 1, which Go takes for no time at all.
const ZERO_TIME: i64 = -62_135_596_800;
/// Times are kept within this many seconds of 1970.
const FARTHEST: f64 = 1e15;

/// A moment and what the calendar calls it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) seconds: i64,
    pub(super) nanos: i64,
}

/// The parts of a date and time.
pub(super) struct Parts {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    /// From Sunday, 0.
    pub(super) weekday: i64,
    /// From 1.
    pub(super) yearday: i64,
}

impl Moment {
    fn epoch(self) -> f64 {
        self.seconds as f64 + self.nanos as f64 / 1e9
    }

    /// The moment of parts that may be out of their ranges; months count from 1.
    pub(super) fn of(year: i64, month: i64, day: i64, time: [i64; 3], nanos: i64) -> Self {
        let bound = |it: i64| it.clamp(-1_000_000_000_000, 1_000_000_000_000);
        let year = bound(year).clamp(-10_000_000, 10_000_000);
        let month = bound(month) - 1;
        let days = days_from_civil(year + month.div_euclid(12), month.rem_euclid(12) + 1) + bound(day) - 1;
        let [hour, minute, second] = time.map(bound);
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second + nanos.div_euclid(1_000_000_000);
        Self { seconds, nanos: nanos.rem_euclid(1_000_000_000) }
    }

    pub(super) fn parts(self) -> Parts {
        let days = self.seconds.div_euclid(86_400);
        let rest = self.seconds.rem_euclid(86_400);
        let (year, month, day) = civil_from_days(days);
        Parts {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            weekday: (days + 4).rem_euclid(7),
            yearday: days - days_from_civil(year, 1) + 1,
        }
    }
}

/// Days from 1970 to the first of a month.
fn days_from_civil(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// A moment of seconds since 1970; the fraction is added to the cut off seconds, as upstream does.
fn moment(value: f64) -> Moment {
    let value = if value.is_nan() { 0.0 } else { value.clamp(-FARTHEST, FARTHEST) };
    Moment { seconds: value as i64, nanos: ((value - value.floor()) * 1e9) as i64 }
}

fn broken<'a>(budget: &mut Budget, name: &str, val: &Val<'a>) -> Res<'a> {
    match to_float(val) {
        Some(it) => array(budget, it),
        None => refuse0(name, val),
    }
}

fn array<'a>(budget: &mut Budget, epoch: f64) -> Res<'a> {
    let moment = moment(epoch);
    let it = moment.parts();
    budget.list(vec![
        Val::Int(it.year),
        Val::Int(it.month - 1),
        Val::Int(it.day),
        Val::Int(it.hour),
        Val::Int(it.minute),
        Val::Float(it.second as f64 + moment.nanos as f64 / 1e9),
        Val::Int(it.weekday),
        Val::Int(it.yearday - 1),
    ])
}

/// The moment of an array; `None` when an item is no number.
fn civil(items: &[Val<'_>]) -> Option<Moment> {
    let mut parts = [0_i64; 8];
    let mut nanos = 0;
    for (place, (part, item)) in parts.iter_mut().zip(items).enumerate() {
        *part = to_int(item)?;
        if place == 5 {
            let second = to_float(item)?;
            nanos = ((second - second.floor()) * 1e9) as i64;
        }
    }
    let [year, month, day, hour, minute, second, ..] = parts;
    Some(Moment::of(year, month.saturating_add(1), day, [hour, minute, second], nanos))
}

fn formatted<'a>(budget: &mut Budget, name: &str, val: Val<'a>, format: &Val<'a>) -> Res<'a> {
    let val = match to_float(&val) {
        Some(it) => array(budget, it)?,
        None => val,
    };
    let (Some(list), Some(text)) = (val.as_list(), format.as_str()) else { return refuse1(name, &val, format) };
    match civil(&list.iter().collect::<Vec<_>>()) {
        Some(it) => {
            // a width makes of three characters a thousand
            budget.charge(text.len().saturating_mul(350))?;
            budget.string(strftime(it, text))
        }
        None => wrap1(name, &val, format, FORM),
    }
}
