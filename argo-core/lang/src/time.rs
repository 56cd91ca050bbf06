//! Times as Kubernetes and Go write them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// The months in English, January first.
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The days of the week in English, Sunday first.
pub(crate) const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Why a text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// Not RFC 3339.
    #[error("parsing time {text:?}: {reason}")]
    Invalid {
        /// The text.
        text: String,
        /// What is wrong.
        reason: String,
    },
}

/// Reads an RFC 3339 time, with any offset and any fraction.
///
/// # Errors
/// The text is not RFC 3339.
pub fn parse_rfc3339(text: &str) -> Result<Timestamp, TimeError> {
    let invalid = |reason: String| TimeError::Invalid { text: text.to_owned(), reason };
    let bytes = text.as_bytes();
    if bytes.len() < 20
        || !text.is_ascii()
        || bytes[10] != b'T'
        || !(text.ends_with('Z') || matches!(bytes[bytes.len() - 6], b'+' | b'-'))
    {
        return Err(invalid("cannot parse as RFC 3339".to_owned()));
    }
    text.parse().map_err(|error: jiff::Error| invalid(error.to_string()))
}

/// Prints a time as `metav1.Time`: UTC, whole seconds, `Z`.
#[must_use]
pub fn format_rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Prints a time as Go's `RFC3339Nano`: UTC, the fraction without trailing zeros.
#[must_use]
pub fn format_rfc3339_nano(time: Timestamp) -> String {
    let nanos = time.subsec_nanosecond();
    if nanos == 0 {
        return format_rfc3339(time);
    }
    let fraction = format!("{nanos:09}");
    format!("{}.{}Z", time.strftime("%Y-%m-%dT%H:%M:%S"), fraction.trim_end_matches('0'))
}

/// Prints a time as `metav1.MicroTime`: UTC, six digits of fraction.
#[must_use]
pub fn format_micro(time: Timestamp) -> String {
    format!("{}.{:06}Z", time.strftime("%Y-%m-%dT%H:%M:%S"), time.subsec_nanosecond() / 1_000)
}

/// Prints a time by a Go reference-time layout (`2006-01-02T15:04:05Z07:00`, `Jan _2 15:04:05 MST`).
#[must_use]
pub fn format_layout(time: &Zoned, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while !rest.is_empty() {
        let Some(len) = element(rest, &mut out, time) else {
            let mut chars = rest.chars();
            out.extend(chars.next());
            rest = chars.as_str();
            continue;
        };
        rest = &rest[len..];
    }
    out
}

/// [`format_layout`] in UTC.
#[must_use]
pub fn format_layout_utc(time: Timestamp, layout: &str) -> String {
    format_layout(&time.to_zoned(TimeZone::UTC), layout)
}

/// Writes the layout element that `rest` starts with and returns its length.
fn element(rest: &str, out: &mut String, time: &Zoned) -> Option<usize> {
    const ELEMENTS: [(&str, &str); 20] = [
        ("January", "%B"),
        ("Jan", "%b"),
        ("Monday", "%A"),
        ("Mon", "%a"),
        ("MST", "%Z"),
        ("2006", "%Y"),
        ("01", "%m"),
        ("002", "%j"),
        ("02", "%d"),
        ("03", "%I"),
        ("04", "%M"),
        ("05", "%S"),
        ("06", "%y"),
        ("15", "%H"),
        ("PM", "%p"),
        ("_2", "%e"),
        ("1", "%-m"),
        ("2", "%-d"),
        ("3", "%-I"),
        ("4", "%-M"),
    ];
    const ZONES: [(&str, bool, u8); 10] = [
        ("Z07:00:00", true, 3),
        ("Z070000", true, 4),
        ("Z07:00", true, 1),
        ("Z0700", true, 2),
        ("Z07", true, 0),
        ("-07:00:00", false, 3),
        ("-070000", false, 4),
        ("-07:00", false, 1),
        ("-0700", false, 2),
        ("-07", false, 0),
    ];
    for (name, utc_is_z, form) in ZONES {
        if rest.starts_with(name) {
            let seconds = time.offset().seconds();
            if utc_is_z && seconds == 0 {
                out.push('Z');
                return Some(name.len());
            }
            let size = seconds.unsigned_abs();
            let (hours, minutes, seconds_of) = (size / 3600, size / 60 % 60, size % 60);
            out.push(if seconds < 0 { '-' } else { '+' });
            out.push_str(&match form {
                0 => format!("{hours:02}"),
                1 => format!("{hours:02}:{minutes:02}"),
                2 => format!("{hours:02}{minutes:02}"),
                3 => format!("{hours:02}:{minutes:02}:{seconds_of:02}"),
                _ => format!("{hours:02}{minutes:02}{seconds_of:02}"),
            });
            return Some(name.len());
        }
    }
    if rest.starts_with("_2006") {
        out.push('_');
        out.push_str(&time.strftime("%Y").to_string());
        return Some(5);
    }
    if rest.starts_with("__2") {
        out.push_str(&format!("{:>3}", time.day_of_year()));
        return Some(3);
    }
    // a word that only begins with Jan or Mon is no element
    for (name, directive) in ELEMENTS {
        if !rest.starts_with(name) {
            continue;
        }
        if matches!(name, "Jan" | "Mon") && rest[3..].starts_with(|it: char| it.is_ascii_lowercase()) {
            return None;
        }
        let text = if name == "MST" { zone_name(time) } else { time.strftime(directive).to_string() };
        out.push_str(&text);
        return Some(name.len());
    }
    if rest.starts_with('5') {
        out.push_str(&time.second().to_string());
        return Some(1);
    }
    if rest.starts_with("pm") {
        out.push_str(if time.hour() >= 12 { "pm" } else { "am" });
        return Some(2);
    }
    let after = rest.strip_prefix(['.', ',']).unwrap_or_default();
    if let Some(kind @ (b'0' | b'9')) = after.bytes().next() {
        let digits = after.bytes().take_while(|it| *it == kind).count();
        if !after[digits..].starts_with(|it: char| it.is_ascii_digit()) {
            let fraction = format!("{:0<width$}", format!("{:09}", time.subsec_nanosecond()), width = digits.min(64));
            let fraction = fraction.get(..digits).unwrap_or(&fraction);
            let fraction = if kind == b'9' { fraction.trim_end_matches('0') } else { fraction };
            if !fraction.is_empty() {
                out.push_str(&rest[..1]);
                out.push_str(fraction);
            }
            return Some(1 + digits);
        }
    }
    None
}

fn zone_name(time: &Zoned) -> String {
    // a fixed offset has no name in Go; it prints as -0700
    if time.time_zone().iana_name().is_none() && time.offset().seconds() != 0 {
        return time.strftime("%z").to_string();
    }
    time.strftime("%Z").to_string()
}

/// Reads a time by a Go reference-time layout; what the layout leaves out is that of the year 1 in `zone`.
#[must_use]
pub fn parse_layout(text: &str, layout: &str, zone: &TimeZone) -> Option<Zoned> {
    let mut parse = LayoutParser {
        rest: text,
        year: 0,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        pm: None,
        twelve: false,
        offset: None,
        utc: false,
    };
    let mut layout = layout;
    while !layout.is_empty() {
        layout = parse.step(layout)?;
    }
    if !parse.rest.is_empty() {
        return None;
    }
    if parse.twelve && !(0..=12).contains(&parse.hour) {
        return None;
    }
    let hour = match parse.pm {
        Some(true) if parse.hour < 12 => parse.hour + 12,
        Some(false) if parse.hour == 12 => 0,
        _ => parse.hour,
    };
    let date = jiff::civil::Date::new(parse.year, parse.month, parse.day).ok()?;
    let time = jiff::civil::Time::new(hour, parse.minute, parse.second, parse.nanos).ok()?;
    let zone = match (parse.offset, parse.utc) {
        (_, true) => TimeZone::UTC,
        (Some(0), _) => TimeZone::UTC,
        (Some(seconds), _) => TimeZone::fixed(jiff::tz::Offset::from_seconds(seconds).ok()?),
        _ => zone.clone(),
    };
    date.to_datetime(time).to_zoned(zone).ok()
}

struct LayoutParser<'a> {
    rest: &'a str,
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    pm: Option<bool>,
    /// The hour was read by a twelve-hour element.
    twelve: bool,
    offset: Option<i32>,
    utc: bool,
}

impl LayoutParser<'_> {
    fn digits(&mut self, least: usize, most: usize) -> Option<i16> {
        let len = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if len < least {
            return None;
        }
        let value = self.rest[..len].parse().ok()?;
        self.rest = &self.rest[len..];
        Some(value)
    }

    fn small(&mut self, least: usize, most: usize) -> Option<i8> {
        i8::try_from(self.digits(least, most)?).ok()
    }

    fn word(&mut self, words: &[&str]) -> Option<usize> {
        let place =
            words.iter().position(|it| self.rest.get(..it.len()).is_some_and(|head| head.eq_ignore_ascii_case(it)))?;
        self.rest = &self.rest[words[place].len()..];
        Some(place)
    }

    fn zone_offset(&mut self, colon: bool, z: bool, hours_only: bool) -> Option<()> {
        if z && let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            self.utc = true;
            return Some(());
        }
        let sign = match self.rest.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.rest = &self.rest[1..];
        let hours = i32::from(self.digits(2, 2)?);
        let mut minutes = 0;
        if !hours_only {
            if colon {
                self.rest = self.rest.strip_prefix(':')?;
            }
            minutes = i32::from(self.digits(2, 2)?);
        }
        self.offset = Some(sign * (hours * 3600 + minutes * 60));
        Some(())
    }

    /// Reads one element of the layout and gives the rest of the layout.
    fn step<'l>(&mut self, layout: &'l str) -> Option<&'l str> {
        const SHORT_MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        const SHORT_DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        let month = |it: usize| i8::try_from(it + 1).ok();
        for (name, kind) in [
            ("January", 0),
            ("Jan", 1),
            ("Monday", 2),
            ("Mon", 3),
            ("MST", 4),
            ("2006", 5),
            ("01", 6),
            ("02", 7),
            ("03", 8),
            ("04", 9),
            ("05", 10),
            ("06", 11),
            ("15", 8),
            ("PM", 12),
            ("pm", 12),
            ("Z07:00", 13),
            ("Z0700", 14),
            ("Z07", 15),
            ("-07:00", 16),
            ("-0700", 17),
            ("-07", 18),
            ("_2", 19),
            ("1", 20),
            ("2", 21),
            ("3", 22),
            ("4", 23),
            ("5", 24),
        ] {
            let Some(tail) = layout.strip_prefix(name) else {
                continue;
            };
            match kind {
                0 => self.month = month(self.word(&MONTHS)?)?,
                1 => self.month = month(self.word(&SHORT_MONTHS)?)?,
                2 => _ = self.word(&DAYS)?,
                3 => _ = self.word(&SHORT_DAYS)?,
                4 => {
                    let len = self.rest.bytes().take_while(u8::is_ascii_uppercase).count();
                    if !(3..=5).contains(&len) {
                        return None;
                    }
                    self.utc = matches!(&self.rest[..len], "UTC" | "GMT");
                    self.rest = &self.rest[len..];
                }
                5 => self.year = self.digits(4, 4)?,
                6 => self.month = self.small(2, 2)?,
                7 => self.day = self.small(2, 2)?,
                8 => self.hour = self.small(if name == "15" { 1 } else { 2 }, 2)?,
                9 => self.minute = self.small(2, 2)?,
                10 | 24 => {
                    self.second = self.small(if kind == 10 { 2 } else { 1 }, 2)?;
                    // a fraction may follow although the layout has none
                    if self.rest.starts_with(['.', ',']) && !tail.starts_with(['.', ',']) {
                        self.fraction()?;
                    }
                }
                11 => {
                    let short = self.digits(2, 2)?;
                    self.year = if short >= 69 { 1900 + short } else { 2000 + short };
                }
                12 => self.pm = Some(self.word(&["AM", "PM"])? == 1),
                13 => self.zone_offset(true, true, false)?,
                14 => self.zone_offset(false, true, false)?,
                15 => self.zone_offset(false, true, true)?,
                16 => self.zone_offset(true, false, false)?,
                17 => self.zone_offset(false, false, false)?,
                18 => self.zone_offset(false, false, true)?,
                19 => {
                    self.rest = self.rest.trim_start_matches(' ');
                    self.day = self.small(1, 2)?;
                }
                20 => self.month = self.small(1, 2)?,
                21 => self.day = self.small(1, 2)?,
                22 => self.hour = self.small(1, 2)?,
                _ => self.minute = self.small(1, 2)?,
            }
            self.twelve |= matches!(name, "03" | "3");
            return Some(tail);
        }
        if let Some(after) = layout.strip_prefix(['.', ',']) {
            let kind = after.bytes().next().unwrap_or_default();
            let digits = after.bytes().take_while(|it| *it == kind).count();
            if matches!(kind, b'0' | b'9') && !after[digits..].starts_with(|it: char| it.is_ascii_digit()) {
                if self.rest.starts_with(['.', ',']) {
                    self.fraction()?;
                } else if kind == b'0' {
                    return None;
                }
                return Some(&after[digits..]);
            }
        }
        let literal = layout.chars().next()?;
        self.rest = self.rest.strip_prefix(literal)?;
        Some(&layout[literal.len_utf8()..])
    }

    fn fraction(&mut self) -> Option<()> {
        let digits = &self.rest[1..];
        let len = digits.bytes().take_while(u8::is_ascii_digit).count();
        if len == 0 {
            return None;
        }
        let padded = format!("{:0<9}", &digits[..len.min(9)]);
        self.nanos = padded.parse().ok()?;
        self.rest = &digits[len..];
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_times_are_utc_seconds() {
        let time = parse_rfc3339("2026-11-23T12:00:00.123456789+01:00").unwrap();
        assert_eq!(format_rfc3339(time), "2026-11-23T11:00:00Z");
        assert_eq!(format_rfc3339_nano(time), "2026-11-23T11:00:00.123456789Z");
        assert_eq!(format_micro(time), "2026-11-23T11:00:00.123456Z");
        assert!(parse_rfc3339("2026-11-23 12:00:00").is_err());
        assert!(parse_rfc3339("").is_err());
    }

    #[test]
    fn layouts_are_gos_reference_time() {
        let time = parse_rfc3339("2026-03-05T07:08:09.5Z").unwrap();
        for (layout, text) in [
            ("2006-01-02T15:04:05Z07:00", "2026-03-05T07:08:09Z"),
            ("Mon Jan _2 15:04:05 MST 2006", "Thu Mar  5 07:08:09 UTC 2026"),
            ("3:04PM .000 .999", "7:08AM .500 .5"),
            ("02/1/06 pm -0700", "05/3/26 am +0000"),
            ("January Monday 002", "March Thursday 064"),
        ] {
            assert_eq!(format_layout_utc(time, layout), text);
        }
    }
}
