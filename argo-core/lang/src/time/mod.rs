//! Times as Kubernetes and Go write them.

mod chunk;
mod format;
mod parse;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use format::format_layout;
pub(crate) use parse::quote;
pub use parse::{parse_layout, read_layout};

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
    /// Not of a layout; the message is Go's.
    #[error("{0}")]
    Layout(String),
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

/// The nanoseconds after the whole second before, also for times before 1970.
fn fraction(time: Timestamp) -> i32 {
    time.to_zoned(TimeZone::UTC).subsec_nanosecond()
}

/// Prints a time as Go's `RFC3339Nano`: UTC, the fraction without trailing zeros.
#[must_use]
pub fn format_rfc3339_nano(time: Timestamp) -> String {
    let nanos = fraction(time);
    if nanos == 0 {
        return format_rfc3339(time);
    }
    let fraction = format!("{nanos:09}");
    format!("{}.{}Z", time.strftime("%Y-%m-%dT%H:%M:%S"), fraction.trim_end_matches('0'))
}

/// Prints a time as `metav1.MicroTime`: UTC, six digits of fraction.
#[must_use]
pub fn format_micro(time: Timestamp) -> String {
    format!("{}.{:06}Z", time.strftime("%Y-%m-%dT%H:%M:%S"), fraction(time) / 1_000)
}

/// [`format_layout`] in UTC.
#[must_use]
pub fn format_layout_utc(time: Timestamp, layout: &str) -> String {
    format_layout(&time.to_zoned(TimeZone::UTC), layout)
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
        let early = parse_rfc3339("1969-12-31T23:59:59.25Z").unwrap();
        assert_eq!(
            (format_rfc3339_nano(early), format_micro(early)),
            ("1969-12-31T23:59:59.25Z".to_owned(), "1969-12-31T23:59:59.250000Z".to_owned())
        );
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
            ("__2 _2006 Janet 2Z07:00:00", " 64 _2026 Janet 5Z"),
        ] {
            assert_eq!(format_layout_utc(time, layout), text);
        }
    }

    #[test]
    fn layouts_are_read_in_gos_way() {
        let zone = TimeZone::get("Europe/Zurich").unwrap();
        for (text, layout, wanted) in [
            ("2026-060", "2006-002", "2026-03-01T00:00:00+01:00[Europe/Zurich]"),
            ("2024 60", "2006 __2", "2024-02-29T00:00:00+01:00[Europe/Zurich]"),
            ("1 Jul 2026 12:00:01.5 CEST", "2 Jan 2006 15:04:05 MST", "2026-07-01T12:00:01.5+02:00[Europe/Zurich]"),
            ("12AM", "3PM", "0000-01-01T00:00:00+00:34[Europe/Zurich]"),
        ] {
            assert_eq!(read_layout(text, layout, &zone).map(|it| it.to_string()), Ok(wanted.to_owned()), "{text}");
        }
        let foreign = read_layout("1 Jul 2026 12:00 PDT", "2 Jan 2006 15:04 MST", &zone).unwrap();
        assert_eq!(format_layout(&foreign, "15:04 MST -0700"), "12:00 PDT +0000");
        for (text, layout, message) in [
            ("2024-13-01", "2006-01-02", "parsing time \"2024-13-01\": month out of range"),
            ("x", "2006", "parsing time \"x\" as \"2006\": cannot parse \"x\" as \"2006\""),
            ("2024 ", "2006", "parsing time \"2024 \": extra text: \" \""),
            ("2023-02-29", "2006-01-02", "parsing time \"2023-02-29\": day out of range"),
            ("2023-366", "2006-002", "parsing time \"2023-366\": day-of-year out of range"),
            (
                "2024/é",
                "2006-01",
                "parsing time \"2024/\\xc3\\xa9\" as \"2006-01\": cannot parse \"/\\xc3\\xa9\" as \"-\"",
            ),
        ] {
            assert_eq!(read_layout(text, layout, &TimeZone::UTC).map_err(|it| it.to_string()), Err(message.to_owned()));
        }
    }
}
