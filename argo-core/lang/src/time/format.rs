//! A time by a layout.

use std::fmt::Write as _;

use jiff::Zoned;

use super::chunk::{self, Element, Offset};
use super::{DAYS, MONTHS};

/// Prints a time by a Go reference-time layout (`2006-01-02T15:04:05Z07:00`, `Jan _2 15:04:05 MST`).
#[must_use]
pub fn format_layout(time: &Zoned, layout: &str) -> String {
    let mut out = String::with_capacity(layout.len() + 10);
    let mut rest = layout;
    while !rest.is_empty() {
        let (text, element, after) = chunk::next(rest);
        out.push_str(text);
        let Some((element, _)) = element else { break };
        // writing to a text does not fail
        let _ = write(&mut out, element, time);
        rest = after;
    }
    out
}

fn write(out: &mut String, element: Element, time: &Zoned) -> std::fmt::Result {
    let month = usize::try_from(time.month() - 1).unwrap_or_default();
    let weekday = usize::try_from(time.weekday().to_sunday_zero_offset()).unwrap_or_default();
    let twelve = (time.hour() + 11) % 12 + 1;
    match element {
        Element::Year => write!(out, "{:02}", time.year().abs() % 100),
        Element::LongYear if time.year() < 0 => write!(out, "-{:04}", -time.year()),
        Element::LongYear => write!(out, "{:04}", time.year()),
        Element::LongMonth => out.write_str(MONTHS[month]),
        Element::Month => out.write_str(&MONTHS[month][..3]),
        Element::NumMonth => write!(out, "{}", time.month()),
        Element::ZeroMonth => write!(out, "{:02}", time.month()),
        Element::LongWeekDay => out.write_str(DAYS[weekday]),
        Element::WeekDay => out.write_str(&DAYS[weekday][..3]),
        Element::Day => write!(out, "{}", time.day()),
        Element::UnderDay => write!(out, "{:2}", time.day()),
        Element::ZeroDay => write!(out, "{:02}", time.day()),
        Element::UnderYearDay => write!(out, "{:3}", time.day_of_year()),
        Element::ZeroYearDay => write!(out, "{:03}", time.day_of_year()),
        Element::Hour => write!(out, "{:02}", time.hour()),
        Element::Hour12 => write!(out, "{twelve}"),
        Element::ZeroHour12 => write!(out, "{twelve:02}"),
        Element::Minute => write!(out, "{}", time.minute()),
        Element::ZeroMinute => write!(out, "{:02}", time.minute()),
        Element::Second => write!(out, "{}", time.second()),
        Element::ZeroSecond => write!(out, "{:02}", time.second()),
        Element::Half { capital } => out.write_str(match (time.hour() >= 12, capital) {
            (true, true) => "PM",
            (true, false) => "pm",
            (false, true) => "AM",
            (false, false) => "am",
        }),
        Element::Zone => zone_name(out, time),
        Element::Offset(form) => offset(out, form, time.offset().seconds()),
        Element::Fraction { mark, digits, trim } => fraction(out, mark, digits, trim, time.subsec_nanosecond()),
    }
}

fn offset(out: &mut String, form: Offset, seconds: i32) -> std::fmt::Result {
    if form.z && seconds == 0 {
        return out.write_char('Z');
    }
    let size = seconds.unsigned_abs();
    out.write_char(if seconds / 60 < 0 { '-' } else { '+' })?;
    for (place, part) in [size / 3600, size / 60 % 60, size % 60].into_iter().take(form.parts.into()).enumerate() {
        if place > 0 && form.colons {
            out.write_char(':')?;
        }
        write!(out, "{part:02}")?;
    }
    Ok(())
}

fn zone_name(out: &mut String, time: &Zoned) -> std::fmt::Result {
    let seconds = time.offset().seconds();
    // a fixed offset has no name in Go
    if time.time_zone().to_fixed_offset().is_ok() && seconds != 0 {
        return offset(out, Offset { z: false, colons: false, parts: 2 }, seconds);
    }
    write!(out, "{}", time.strftime("%Z"))
}

fn fraction(out: &mut String, mark: char, digits: usize, trim: bool, nanos: i32) -> std::fmt::Result {
    if trim && nanos == 0 {
        return Ok(());
    }
    let all = format!("{nanos:09}");
    let some = &all[..digits.min(9)];
    let some = if trim { some.trim_end_matches('0') } else { some };
    if !(trim && some.is_empty()) {
        write!(out, "{mark}{some}")?;
    }
    Ok(())
}
