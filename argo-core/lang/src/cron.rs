//! Cron schedules as `robfig/cron` v3 reads and walks them.
//!
//! Five fields (six with [`Schedule::parse_with_seconds`]), `@daily` and friends, `@every 1h30m`, and a zone before them:
//! `CRON_TZ=Europe/Zurich 0 6 * * *`. When both day fields are restricted either may match. Times that daylight saving
//! skips are not run; see [`Schedule::next`].

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::duration;
use crate::position::{Located, Position};

/// Why a schedule was refused; the text is upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CronError {
    message: String,
    position: Position,
}

impl Located for CronError {
    fn position(&self) -> Option<&Position> {
        Some(&self.position)
    }
}

/// A message about a part of the schedule.
struct Wrong<'a> {
    message: String,
    part: &'a str,
}

/// A compiled schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    kind: Kind,
    zone: Option<TimeZone>,
    source: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Every(SignedDuration),
    Fields(Fields),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields {
    second: u64,
    minute: u64,
    hour: u64,
    day: u64,
    month: u64,
    weekday: u64,
}

struct Bounds {
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const STAR: u64 = 1 << 63;
const SECONDS: Bounds = Bounds { min: 0, max: 59, names: &[] };
const MINUTES: Bounds = Bounds { min: 0, max: 59, names: &[] };
const HOURS: Bounds = Bounds { min: 0, max: 23, names: &[] };
const DAYS: Bounds = Bounds { min: 1, max: 31, names: &[] };
const MONTHS: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAYS: Bounds = Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

fn fail<T>(part: &str, message: impl Into<String>) -> Result<T, Wrong<'_>> {
    Err(Wrong { message: message.into(), part })
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Schedule {
    /// Reads a schedule of five fields or a descriptor, as `cron.ParseStandard`.
    ///
    /// # Errors
    /// The text is no schedule, or its zone is not known.
    pub fn parse(spec: &str) -> Result<Self, CronError> {
        Self::checked(spec, false)
    }

    /// [`Schedule::parse`] with an optional field of seconds before the five.
    ///
    /// # Errors
    /// As [`Schedule::parse`].
    pub fn parse_with_seconds(spec: &str) -> Result<Self, CronError> {
        Self::checked(spec, true)
    }

    fn checked(spec: &str, seconds: bool) -> Result<Self, CronError> {
        Self::read(spec, seconds)
            .map_err(|it| CronError { position: Position::of_part(spec, it.part), message: it.message })
    }

    fn read(spec: &str, seconds: bool) -> Result<Self, Wrong<'_>> {
        if spec.is_empty() {
            return fail(spec, "empty spec string");
        }
        let source = spec.to_owned();
        let mut rest = spec;
        let mut zone = None;
        if let Some(after) = spec.strip_prefix("TZ=").or_else(|| spec.strip_prefix("CRON_TZ=")) {
            let (name, fields) = match after.find(' ') {
                Some(at) => (&after[..at], after[at..].trim()),
                None => return fail(after, format!("provided bad location {after}: no schedule after it")),
            };
            zone = Some(match name {
                "" | "UTC" => TimeZone::UTC,
                name => TimeZone::get(name)
                    .or_else(|_| fail(name, format!("provided bad location {name}: unknown time zone {name}")))?,
            });
            rest = fields;
        }
        let kind = if rest.starts_with('@') { descriptor(rest)? } else { Kind::Fields(fields(rest, seconds)?) };
        Ok(Self { kind, zone, source })
    }

    /// The zone that the schedule itself names.
    #[must_use]
    pub fn zone(&self) -> Option<&TimeZone> {
        self.zone.as_ref()
    }

    /// The schedule in another zone, unless it names one itself.
    #[must_use]
    pub fn in_zone(mut self, zone: TimeZone) -> Self {
        self.zone.get_or_insert(zone);
        self
    }

    /// The first time after `after`, in the schedule's zone or else in `zone`; `None` when there is none within five years.
    ///
    /// As upstream: a wall time skipped by daylight saving does not happen that day; one that happens twice runs twice
    /// when the hour field allows it.
    #[must_use]
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match &self.kind {
            Kind::Every(delay) => {
                let whole =
                    Timestamp::from_second(after.as_nanosecond().div_euclid(1_000_000_000).try_into().ok()?).ok()?;
                whole.checked_add(*delay).ok()
            }
            Kind::Fields(fields) => fields.next(after, self.zone.as_ref().unwrap_or(zone)),
        }
    }

    /// The last time at or before `until`; `None` when there is none within five years, or for `@every`, which has no past.
    #[must_use]
    pub fn previous(&self, until: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if matches!(self.kind, Kind::Every(_)) {
            return None;
        }
        const HOUR: i64 = 3600;
        for window in [HOUR, 24 * HOUR, 32 * 24 * HOUR, 367 * 24 * HOUR, 5 * 366 * 24 * HOUR] {
            let start = until.checked_sub(SignedDuration::from_secs(window)).ok()?;
            let Some(first) = self.next(start, zone).filter(|it| *it <= until) else { continue };
            // the last one lies at or after a time that is known to come, and the middle decides on which side
            let (mut low, mut high) = (first.as_second(), until.as_second());
            while low < high {
                let middle = low + (high - low) / 2;
                match self.next(Timestamp::from_second(middle).ok()?, zone).filter(|it| *it <= until) {
                    Some(next) => low = next.as_second(),
                    None => high = middle,
                }
            }
            return Timestamp::from_second(low).ok();
        }
        None
    }
}

fn descriptor(text: &str) -> Result<Kind, Wrong<'_>> {
    if let Some(text) = text.strip_prefix("@every ") {
        let delay = duration::parse(text)
            .or_else(|error| fail(text, format!("failed to parse duration @every {text}: {error}")))?;
        let seconds = (delay.as_nanos() / 1_000_000_000).max(1);
        return Ok(Kind::Every(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))));
    }
    let spec = match text {
        "@yearly" | "@annually" => "0 0 0 1 1 *",
        "@monthly" => "0 0 0 1 * *",
        "@weekly" => "0 0 0 * * 0",
        "@daily" | "@midnight" => "0 0 0 * * *",
        "@hourly" => "0 0 * * * *",
        _ => return fail(text, format!("unrecognized descriptor: {text}")),
    };
    Ok(Kind::Fields(fields(spec, true)?))
}

fn fields(spec: &str, seconds: bool) -> Result<Fields, Wrong<'_>> {
    let mut parts: Vec<&str> = spec.split_whitespace().collect();
    match (seconds, parts.len()) {
        (_, 5) => parts.insert(0, "0"),
        (true, 6) => {}
        (true, count) => return fail(spec, format!("expected 5 to 6 fields, found {count}: [{}]", parts.join(" "))),
        (false, count) => {
            return fail(spec, format!("expected exactly 5 fields, found {count}: [{}]", parts.join(" ")));
        }
    }
    Ok(Fields {
        second: field(parts[0], &SECONDS)?,
        minute: field(parts[1], &MINUTES)?,
        hour: field(parts[2], &HOURS)?,
        day: field(parts[3], &DAYS)?,
        month: field(parts[4], &MONTHS)?,
        weekday: field(parts[5], &WEEKDAYS)?,
    })
}

fn field<'a>(text: &'a str, bounds: &Bounds) -> Result<u64, Wrong<'a>> {
    let mut bits = 0;
    for part in text.split(',').filter(|it| !it.is_empty()) {
        bits |= range(part, bounds)?;
    }
    Ok(bits)
}

fn range<'a>(text: &'a str, bounds: &Bounds) -> Result<u64, Wrong<'a>> {
    let range_and_step: Vec<&str> = text.split('/').collect();
    let low_and_high: Vec<&str> = range_and_step[0].split('-').collect();
    let single = low_and_high.len() == 1;
    let mut extra = 0;
    let (start, mut end) = if matches!(low_and_high[0], "*" | "?") {
        extra = STAR;
        (bounds.min, bounds.max)
    } else {
        let start = number_or_name(low_and_high[0], bounds)?;
        match low_and_high.as_slice() {
            [_] => (start, start),
            [_, high] => (start, number_or_name(high, bounds)?),
            _ => return fail(text, format!("too many hyphens: {text}")),
        }
    };
    let step = match range_and_step.as_slice() {
        [_] => 1,
        [_, step] => {
            let step = number(step)?;
            if single {
                end = bounds.max;
            }
            if step > 1 {
                extra = 0;
            }
            step
        }
        _ => return fail(text, format!("too many slashes: {text}")),
    };
    if start < bounds.min {
        return fail(text, format!("beginning of range ({start}) below minimum ({}): {text}", bounds.min));
    }
    if end > bounds.max {
        return fail(text, format!("end of range ({end}) above maximum ({}): {text}", bounds.max));
    }
    if start > end {
        return fail(text, format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    if step == 0 {
        return fail(text, format!("step of range should be a positive number: {text}"));
    }
    let mut bits = extra;
    let mut at = start;
    while at <= end {
        bits |= 1 << at;
        at = at.saturating_add(step);
    }
    Ok(bits)
}

fn number_or_name<'a>(text: &'a str, bounds: &Bounds) -> Result<u32, Wrong<'a>> {
    let lower = text.to_lowercase();
    match bounds.names.iter().position(|it| *it == lower) {
        Some(place) => Ok(bounds.min + u32::try_from(place).unwrap_or(0)),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u32, Wrong<'_>> {
    match text.parse::<i64>() {
        Ok(value) if value < 0 => fail(text, format!("negative number ({value}) not allowed: {text}")),
        Ok(value) => Ok(u32::try_from(value).unwrap_or(u32::MAX)),
        Err(_) => fail(
            text,
            format!(
                "failed to parse int from {text}: strconv.Atoi: parsing {}: invalid syntax",
                crate::fmt::quote(text)
            ),
        ),
    }
}

fn has(bits: u64, value: u32) -> bool {
    bits & (1 << value) != 0
}

impl Fields {
    /// Upstream's walk, field by field from the largest; what is between two changes of a zone's offset is skipped at once.
    fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.is_never() {
            return None;
        }
        let mut clock = Clock::new(zone);
        let second = i64::try_from(after.as_nanosecond().div_euclid(1_000_000_000)).ok()?;
        let mut at = second.checked_add(1)?;
        let limit = clock.wall(at)?.year + 5;
        let mut added = false;
        'wrap: loop {
            let mut now = clock.wall(at)?;
            if now.year > limit {
                return None;
            }
            while !has(self.month, now.month) {
                if !added {
                    added = true;
                    at = clock.date(days_of(now.year, now.month, 1), 0)?;
                    now = clock.wall(at)?;
                }
                let (year, month) = if now.month == 12 { (now.year + 1, 1) } else { (now.year, now.month + 1) };
                // a month that lacks the day runs over into the next
                at = clock.date(days_of(year, month, 1) + i64::from(now.day) - 1, now.second_of_day)?;
                now = clock.wall(at)?;
                if now.month == 1 {
                    continue 'wrap;
                }
            }
            while !self.day_matches(&now) {
                if !added {
                    added = true;
                    at = clock.date(now.days, 0)?;
                    now = clock.wall(at)?;
                }
                at = clock.date(now.days + 1, now.second_of_day)?;
                now = clock.wall(at)?;
                // midnight may have moved by daylight saving
                let hour = i64::from(now.hour());
                if hour != 0 {
                    at += if hour > 12 { (24 - hour) * 3600 } else { -hour * 3600 };
                    now = clock.wall(at)?;
                }
                if now.day == 1 {
                    continue 'wrap;
                }
            }
            while !has(self.hour, now.hour()) {
                if !added {
                    added = true;
                    at = clock.date(now.days, i64::from(now.hour()) * 3600)?;
                    now = clock.wall(at)?;
                }
                at += 3600 * clock.steps(at, self.hour, now.hour(), 24, 3600);
                now = clock.wall(at)?;
                if now.hour() == 0 {
                    continue 'wrap;
                }
            }
            while !has(self.minute, now.minute()) {
                if !added {
                    added = true;
                    at -= at.rem_euclid(60);
                }
                at += 60 * clock.steps(at, self.minute, now.minute(), 60, 60);
                now = clock.wall(at)?;
                if now.minute() == 0 {
                    continue 'wrap;
                }
            }
            while !has(self.second, now.second()) {
                added = true;
                at += clock.steps(at, self.second, now.second(), 60, 1);
                now = clock.wall(at)?;
                if now.second() == 0 {
                    continue 'wrap;
                }
            }
            return Timestamp::from_second(at).ok();
        }
    }

    /// Whether a field allows nothing, as `,` does: no time needs to be looked at.
    fn is_never(&self) -> bool {
        let days = if self.day & STAR != 0 || self.weekday & STAR != 0 {
            self.day != 0 && self.weekday != 0
        } else {
            self.day != 0 || self.weekday != 0
        };
        !days || [self.second, self.minute, self.hour, self.month].contains(&0)
    }

    fn day_matches(&self, at: &Wall) -> bool {
        let day = has(self.day, at.day);
        let weekday = has(self.weekday, at.weekday());
        if self.day & STAR != 0 || self.weekday & STAR != 0 { day && weekday } else { day || weekday }
    }
}

/// A zone's offset and the seconds between which it holds.
struct Clock<'z> {
    zone: &'z TimeZone,
    offset: i64,
    from: i64,
    until: i64,
}

impl<'z> Clock<'z> {
    fn new(zone: &'z TimeZone) -> Self {
        match zone.to_fixed_offset() {
            Ok(fixed) => Self { zone, offset: i64::from(fixed.seconds()), from: i64::MIN, until: i64::MAX },
            Err(_) => Self { zone, offset: 0, from: 0, until: 0 },
        }
    }

    fn offset(&mut self, at: i64) -> Option<i64> {
        if !(self.from..self.until).contains(&at) {
            let time = Timestamp::from_second(at).ok()?;
            self.offset = i64::from(self.zone.to_offset(time).seconds());
            // preceding looks before a time: the change at this very second counts
            let next = Timestamp::from_second(at.saturating_add(1)).unwrap_or(time);
            self.from = self.zone.preceding(next).next().map_or(i64::MIN, |it| it.timestamp().as_second());
            self.until = self.zone.following(time).next().map_or(i64::MAX, |it| it.timestamp().as_second());
        }
        Some(self.offset)
    }

    fn wall(&mut self, at: i64) -> Option<Wall> {
        // no later than what a timestamp can hold, whatever the zone
        if !(Timestamp::MIN.as_second()..=Timestamp::MAX.as_second()).contains(&at) {
            return None;
        }
        Some(Wall::of(at + self.offset(at)?))
    }

    /// A wall time as Go's `time.Date` decides it when daylight saving skips or repeats it.
    fn date(&mut self, days: i64, second_of_day: i64) -> Option<i64> {
        let as_utc = days * DAY + second_of_day;
        let offset = self.offset(as_utc)?;
        if offset == 0 {
            return Some(as_utc);
        }
        let offset = self.offset(as_utc - offset)?;
        Some(as_utc - offset)
    }

    /// How many steps of so many seconds lead to the next value that is set, or else to the end of the cycle; one at a
    /// time where the offset changes on the way.
    fn steps(&mut self, at: i64, bits: u64, value: u32, cycle: u32, seconds: i64) -> i64 {
        let later = bits & !STAR & (u64::MAX << value << 1);
        let target = if later == 0 { cycle } else { later.trailing_zeros().min(cycle) };
        let steps = i64::from(target - value);
        if self.offset(at).is_some() && at + steps * seconds < self.until { steps } else { 1 }
    }
}

const DAY: i64 = 86_400;

/// A wall time.
struct Wall {
    /// Since 1970.
    days: i64,
    year: i64,
    month: u32,
    day: u32,
    second_of_day: i64,
}

impl Wall {
    /// Of seconds since 1970 on the wall's clock, by Hinnant's algorithm for the Gregorian calendar.
    fn of(seconds: i64) -> Self {
        let days = seconds.div_euclid(DAY);
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            days,
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as u32,
            day: day as u32,
            second_of_day: seconds.rem_euclid(DAY),
        }
    }

    fn hour(&self) -> u32 {
        (self.second_of_day / 3600) as u32
    }

    fn minute(&self) -> u32 {
        (self.second_of_day / 60 % 60) as u32
    }

    fn second(&self) -> u32 {
        (self.second_of_day % 60) as u32
    }

    /// From Sunday.
    fn weekday(&self) -> u32 {
        (self.days + 4).rem_euclid(7) as u32
    }
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days_of(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let from_march = i64::from((month + 9) % 12);
    let of_year = (153 * from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_know_line_column_and_text() {
        for (text, column, offending) in [
            ("0 25 * * *", 3, "25"),
            ("CRON_TZ=Asia/Tokyo  0 0 * foo *", 27, "foo"),
            ("TZ=Mars/Base 0 0 * * *", 4, "Mars/Base"),
            ("*/0 * * * *", 1, "*/0"),
            ("0 1,5-3 * * *", 5, "5-3"),
            ("@every 3x", 8, "3x"),
            ("@never", 1, "@never"),
            ("0 0 *", 1, "0 0 *"),
            ("", 1, ""),
        ] {
            let error = Schedule::parse(text).unwrap_err();
            let place = (error.line(), error.column(), error.position().map(|it| it.text.as_str()));
            assert_eq!(place, (Some(1), Some(column), Some(offending)), "{text}: {error}");
        }
        assert_eq!(
            Schedule::parse("0 25 * * *").unwrap_err().show("0 25 * * *"),
            "end of range (25) above maximum (23): 25 (1:3)\n | 0 25 * * *\n | ..^^"
        );
    }

    fn next(spec: &str, after: &str) -> String {
        let schedule = Schedule::parse_with_seconds(spec).unwrap();
        schedule.next(after.parse().unwrap(), &TimeZone::UTC).map_or_else(|| "never".to_owned(), |it| it.to_string())
    }

    #[test]
    fn the_next_time_is_strictly_after() {
        for (spec, after, wanted) in [
            ("0 0 * * *", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
            ("*/15 * * * *", "2026-11-23T10:14:59.5Z", "2026-11-23T10:15:00Z"),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 31 2 *", "2026-01-01T00:00:00Z", "never"),
            (", * * * *", "2026-01-01T00:00:00Z", "never"),
            ("* * , * ,", "2026-01-01T00:00:00Z", "never"),
            ("0 0 13 * 5", "2026-11-01T00:00:00Z", "2026-11-06T00:00:00Z"),
            ("30 9 * * mon-fri", "2026-11-20T10:00:00Z", "2026-11-23T09:30:00Z"),
            ("@every 1h30m", "2026-11-23T10:00:00.7Z", "2026-11-23T11:30:00Z"),
            ("@weekly", "2026-11-23T10:00:00Z", "2026-11-29T00:00:00Z"),
            ("CRON_TZ=America/New_York 0 6 * * *", "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"),
            ("CRON_TZ=America/New_York 30 2 * * *", "2026-03-08T05:00:00Z", "2026-03-09T06:30:00Z"),
            ("*/10 * * * * *", "2026-11-23T10:00:05Z", "2026-11-23T10:00:10Z"),
        ] {
            assert_eq!(next(spec, after), wanted, "{spec}");
        }
    }

    #[test]
    fn the_previous_time_is_at_or_before() {
        let schedule = Schedule::parse("0 6 * * *").unwrap();
        let previous = schedule.previous("2026-11-23T06:00:00Z".parse().unwrap(), &TimeZone::UTC);
        assert_eq!(previous.map(|it| it.to_string()).as_deref(), Some("2026-11-23T06:00:00Z"));
        let previous = schedule.previous("2026-11-23T05:59:59Z".parse().unwrap(), &TimeZone::UTC);
        assert_eq!(previous.map(|it| it.to_string()).as_deref(), Some("2026-11-22T06:00:00Z"));
    }

    #[test]
    fn bad_fields_are_named() {
        for (spec, message) in [
            ("", "empty spec string"),
            ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("a * * * *", "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("@foo", "unrecognized descriptor: @foo"),
            ("CRON_TZ=Mars/X * * * * *", "provided bad location Mars/X: unknown time zone Mars/X"),
        ] {
            assert_eq!(Schedule::parse(spec).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for days in (-800_000..2_900_000_i64).step_by(97) {
            let wall = Wall::of(days * DAY + 5);
            let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            let got = (wall.year, wall.month as i8, wall.day as i8, wall.weekday() as i8);
            let wanted = (i64::from(date.year()), date.month(), date.day(), date.weekday().to_sunday_zero_offset());
            assert_eq!((got, days_of(wall.year, wall.month, wall.day)), (wanted, days));
        }
    }
}
