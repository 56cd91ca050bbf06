//! `os.time` and `os.date`: all of `os` that Argo CD's sandbox has.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use mlua::{Lua, MultiValue, Table, Value};

use crate::time::format_layout;

pub(super) struct Clock {
    pub(super) now: Option<Timestamp>,
    pub(super) zone: TimeZone,
}

fn failure(message: &str) -> mlua::Error {
    mlua::Error::RuntimeError(message.to_owned())
}

/// The library, as a table.
pub(super) fn library(lua: &Lua, clock: &Clock) -> mlua::Result<Table> {
    let os = lua.create_table()?;
    let (now, zone) = (clock.now, clock.zone.clone());
    let present = move || now.ok_or_else(|| failure("there is no clock: the caller gave no time (Sandbox::at)"));
    let local = zone.clone();
    os.set(
        "time",
        lua.create_function(move |_, table: Option<Table>| match table {
            None => present().map(Timestamp::as_second),
            Some(table) => seconds(&table, &local).ok_or_else(|| failure("os.time: the time is out of range")),
        })?,
    )?;
    let present = move || now.ok_or_else(|| failure("there is no clock: the caller gave no time (Sandbox::at)"));
    os.set(
        "date",
        lua.create_function(move |lua, args: MultiValue| {
            let mut args = args.into_iter();
            let format = match args.next() {
                None => "%c".to_owned(),
                Some(it) => text(lua, it)?,
            };
            let utc = format.starts_with('!');
            let time = match args.next() {
                None | Some(Value::Nil) => present()?,
                Some(it) => {
                    let seconds =
                        lua.coerce_number(it)?.ok_or_else(|| failure("bad argument #2 to date (number expected)"))?;
                    #[allow(clippy::cast_possible_truncation)] // saturates, and is then out of range
                    Timestamp::from_second(seconds as i64).map_err(|_| failure("os.date: the time is out of range"))?
                }
            };
            let zoned = time.to_zoned(if utc { TimeZone::UTC } else { zone.clone() });
            let format = format.trim_start_matches('!');
            if format.starts_with("*t") {
                return fields(lua, &zoned).map(Value::Table);
            }
            lua.create_string(strftime(&zoned, format)).map(Value::String)
        })?,
    )?;
    Ok(os)
}

fn text(lua: &Lua, value: Value) -> mlua::Result<String> {
    let kind = value.type_name();
    match lua.coerce_string(value)? {
        Some(it) => Ok(it.to_string_lossy()),
        None => Err(failure(&format!("bad argument #1 to date (string expected, got {kind})"))),
    }
}

/// Fields may be out of their ranges, as those of Go's `time.Date`; what is absent is -1 and the hour 12.
fn seconds(table: &Table, zone: &TimeZone) -> Option<i64> {
    let field = |name: &str, default: i64| match table.raw_get::<Value>(name) {
        Ok(Value::Integer(it)) => it,
        #[allow(clippy::cast_possible_truncation)] // saturates, and is then out of range
        Ok(Value::Number(it)) => it as i64,
        _ => default,
    };
    let month = field("month", -1).checked_sub(1)?;
    let year = field("year", -1).checked_add(month.div_euclid(12))?;
    let first = Date::new(i16::try_from(year).ok()?, i8::try_from(month.rem_euclid(12) + 1).ok()?, 1).ok()?;
    let mut at = first.to_datetime(Time::midnight());
    for (count, unit) in [
        (field("day", -1).checked_sub(1)?, 86_400),
        (field("hour", 12), 3600),
        (field("min", 0), 60),
        (field("sec", 0), 1),
    ] {
        at = at.checked_add(SignedDuration::from_secs(count.checked_mul(unit)?)).ok()?;
    }
    Some(zone.to_ambiguous_zoned(at).compatible().ok()?.timestamp().as_second())
}

/// What `*t` gives; the day of the year and summer time are not known upstream either.
fn fields(lua: &Lua, time: &Zoned) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("year", time.year())?;
    table.set("month", time.month())?;
    table.set("day", time.day())?;
    table.set("hour", time.hour())?;
    table.set("min", time.minute())?;
    table.set("sec", time.second())?;
    table.set("wday", time.weekday().to_sunday_one_offset())?;
    table.set("yday", 0)?;
    table.set("isdst", false)?;
    Ok(table)
}

/// The letters as upstream has them, with their slips: `%a` is always `mon`, `%x` has the time of day first.
fn layout(letter: char) -> Option<&'static str> {
    Some(match letter {
        'a' => "mon",
        'A' => "Monday",
        'b' => "Jan",
        'B' => "January",
        'c' => "02 Jan 06 15:04 MST",
        'd' => "02",
        'F' => "2006-01-02",
        'H' => "15",
        'I' => "03",
        'm' => "01",
        'M' => "04",
        'p' => "PM",
        'P' => "pm",
        'S' => "05",
        'x' => "15/04/05",
        'X' => "15:04:05",
        'y' => "06",
        'Y' => "2006",
        'z' => "-0700",
        'Z' => "MST",
        _ => return None,
    })
}

fn strftime(time: &Zoned, format: &str) -> String {
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(it) = chars.next() {
        if it != '%' {
            out.push(it);
            continue;
        }
        match chars.next() {
            None | Some('%') => out.push('%'),
            Some('w') => out.push_str(&time.weekday().to_sunday_zero_offset().to_string()),
            Some(letter) => match layout(letter) {
                Some(layout) => out.push_str(&format_layout(time, layout)),
                None => out.extend(['%', letter]),
            },
        }
    }
    out
}
