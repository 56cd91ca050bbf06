//! When a calendar fires.

use std::collections::BTreeSet;

use argo_core::Timestamp;
use jiff::{SignedDuration, civil::Date, tz::TimeZone};

use super::text;
use crate::api::CalendarConfig;

/// How many excluded times in a row are looked past.
const MAX_SKIPS: usize = 10_000;

/// Five cron fields in a time zone.
#[derive(Debug, Clone)]
pub struct Cron {
    schedule: argo_lang::cron::Schedule,
    zone: TimeZone,
}

/// When a calendar fires.
#[derive(Debug, Clone)]
pub struct Calendar {
    every: Every,
    zone: TimeZone,
    excluded: BTreeSet<Date>,
}

#[derive(Debug, Clone)]
enum Every {
    Cron(Cron),
    Interval(SignedDuration),
}

/// A calendar that can not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalendarError {
    /// Neither schedule nor interval.
    #[error("must have either schedule or interval")]
    Empty,
    /// Not five cron fields.
    #[error("schedule {schedule:?}: {message}")]
    Schedule {
        /// The text.
        schedule: String,
        /// What is wrong.
        message: String,
    },
    /// Not a positive Go duration.
    #[error("interval {0:?} is not a positive duration")]
    Interval(String),
    /// Not a time zone.
    #[error("{0}")]
    Zone(String),
}

impl Cron {
    /// Five fields; `CRON_TZ=` before them wins over `zone` (UTC when empty). Descriptors such as
    /// `@hourly` are refused, as upstream refuses them.
    ///
    /// # Errors
    /// Says what is wrong with the text or the zone.
    pub fn parse(text: &str, zone: &str) -> Result<Self, CalendarError> {
        let fail = |message: String| CalendarError::Schedule { schedule: text.to_owned(), message };
        if text.trim_start().starts_with('@') {
            return Err(fail("descriptors are not accepted, write five fields".to_owned()));
        }
        let schedule = argo_lang::cron::Schedule::parse(text).map_err(|it| fail(it.to_string()))?;
        Ok(Self { schedule, zone: text::zone(zone).map_err(CalendarError::Zone)? })
    }
}

impl Cron {
    /// The first time after `after`.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.schedule.next(after, &self.zone)
    }

    /// The last time at or before `until`.
    #[must_use]
    pub fn previous(&self, until: Timestamp) -> Option<Timestamp> {
        self.schedule.previous(until, &self.zone)
    }
}

impl Calendar {
    /// Compiles a configuration. Exclusion dates that do not start with `EXDATE:` are ignored.
    ///
    /// # Errors
    /// Says what is missing or wrong.
    pub fn compile(config: &CalendarConfig) -> Result<Self, CalendarError> {
        let every = if !config.schedule.is_empty() {
            Every::Cron(Cron::parse(&config.schedule, &config.timezone)?)
        } else if !config.interval.is_empty() {
            let interval = argo_lang::duration::parse(&config.interval).ok().filter(|it| it.as_secs() >= 1);
            Every::Interval(interval.ok_or_else(|| CalendarError::Interval(config.interval.clone()))?)
        } else {
            return Err(CalendarError::Empty);
        };
        let zone = text::zone(&config.timezone).map_err(CalendarError::Zone)?;
        let dates = config.exclusion_dates.iter().filter_map(|it| it.strip_prefix("EXDATE:"));
        let excluded = dates.flat_map(|it| it.split(',')).filter_map(day).collect();
        Ok(Self { every, zone, excluded })
    }

    /// The first time after `last` that is not on an excluded day; `None` when there is none in
    /// sight. An interval counts from `last`, in whole seconds.
    #[must_use]
    pub fn next(&self, last: Timestamp) -> Option<Timestamp> {
        let mut at = last;
        for _ in 0..MAX_SKIPS {
            at = match &self.every {
                Every::Cron(cron) => cron.next(at)?,
                Every::Interval(interval) => {
                    Timestamp::from_second(at.checked_add(*interval).ok()?.as_second()).ok()?
                }
            };
            if !self.excluded.contains(&at.to_zoned(self.zone.clone()).date()) {
                return Some(at);
            }
        }
        None
    }

    /// The zone that event times are told in.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

/// The day of `20060102T150405Z`.
fn day(text: &str) -> Option<Date> {
    let date = text.trim().get(..8)?;
    Date::strptime("%Y%m%d", date).ok()
}

/// A time as Go prints it: `2020-10-19 22:50:00.0003192 +0000 UTC`.
#[must_use]
pub fn go_time(at: Timestamp, zone: &TimeZone) -> String {
    argo_lang::time::format_layout(&at.to_zoned(zone.clone()), "2006-01-02 15:04:05.999999999 -0700 MST")
}

/// Reads what [`go_time`] printed, and what upstream stored: the part before ` m=`.
#[must_use]
pub fn parse_go_time(text: &str) -> Option<Timestamp> {
    let text = text.split(" m=").next()?;
    let mut parts = text.split_whitespace();
    let (date, time, offset) = (parts.next()?, parts.next()?, parts.next()?);
    let (sign, rest) = offset.split_at_checked(1)?;
    let (hours, minutes) = rest.split_at_checked(2)?;
    format!("{date}T{time}{sign}{hours}:{minutes}").parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn calendar(json: serde_json::Value) -> Result<Calendar, CalendarError> {
        Calendar::compile(&serde_json::from_value(json).unwrap())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn schedules_run_in_their_zone_and_skip_excluded_days() {
        let it = calendar(json!({"schedule": "30 9 * * *", "timezone": "Europe/Berlin",
            "exclusionDates": ["EXDATE:20260103T000000Z,20260104T000000Z", "RDATE:20260105T000000Z"]}))
        .unwrap();
        assert_eq!(it.next(at("2026-01-02T00:00:00Z")), Some(at("2026-01-02T08:30:00Z")));
        assert_eq!(it.next(at("2026-01-02T08:30:00Z")), Some(at("2026-01-05T08:30:00Z")));
    }

    #[test]
    fn intervals_count_from_the_last_event_in_whole_seconds() {
        let it = calendar(json!({"interval": "10s"})).unwrap();
        assert_eq!(it.next(at("2026-01-02T00:00:00.7Z")), Some(at("2026-01-02T00:00:10Z")));
        assert!(matches!(calendar(json!({"interval": "-1s"})), Err(CalendarError::Interval(_))));
    }

    #[test]
    fn what_can_not_work_is_refused() {
        assert_eq!(calendar(json!({})).unwrap_err(), CalendarError::Empty);
        assert!(matches!(calendar(json!({"schedule": "@hourly"})), Err(CalendarError::Schedule { .. })));
        assert!(matches!(calendar(json!({"schedule": "* * *"})), Err(CalendarError::Schedule { .. })));
        assert!(matches!(calendar(json!({"schedule": "* * * * *", "timezone": "X/Y"})), Err(CalendarError::Zone(_))));
    }

    #[test]
    fn a_day_that_never_comes_is_not_looked_for_for_ever() {
        let it = calendar(json!({"schedule": "0 0 30 2 *"})).unwrap();
        assert_eq!(it.next(at("2026-01-02T00:00:00Z")), None);
    }

    #[test]
    fn go_times_are_printed_and_read() {
        let text = go_time(at("2020-10-19T22:50:00.0003192Z"), &TimeZone::UTC);
        assert_eq!(text, "2020-10-19 22:50:00.0003192 +0000 UTC");
        assert_eq!(parse_go_time(&format!("{text} m=+683.56")), Some(at("2020-10-19T22:50:00.0003192Z")));
        let berlin = go_time(at("2026-07-01T10:00:00Z"), &TimeZone::get("Europe/Berlin").unwrap());
        assert_eq!(parse_go_time(&berlin), Some(at("2026-07-01T10:00:00Z")));
    }
}
