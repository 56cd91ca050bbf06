//! Go durations: `1h2m3.5s`, printed as Go prints them.

use jiff::SignedDuration;

use crate::position::{Located, Position};

/// Why a text is not a Go duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// Not of the form `[-+](number unit)+`.
    #[error("time: invalid duration {}", crate::time::quote(text))]
    Invalid {
        /// The whole text.
        text: String,
        /// From where it can not be read.
        position: Position,
    },
    /// A number without unit.
    #[error("time: missing unit in duration {}", crate::time::quote(text))]
    MissingUnit {
        /// The whole text.
        text: String,
        /// Where the unit should stand.
        position: Position,
    },
    /// A unit that is none of `ns us µs ms s m h`.
    #[error("time: unknown unit {} in duration {}", crate::time::quote(unit), crate::time::quote(text))]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
        /// Where the unit stands.
        position: Position,
    },
}

impl Located for DurationError {
    fn position(&self) -> Option<&Position> {
        match self {
            Self::Invalid { position, .. }
            | Self::MissingUnit { position, .. }
            | Self::UnknownUnit { position, .. } => Some(position),
        }
    }
}

/// Reads a duration as `time.ParseDuration`: units `ns us µs ms s m h`, a sign, fractions, or a bare `0`.
///
/// # Errors
/// The text is no Go duration or does not fit 64 bits of nanoseconds.
pub fn parse(text: &str) -> Result<SignedDuration, DurationError> {
    let invalid_at =
        |part: &str| DurationError::Invalid { text: text.to_owned(), position: Position::of_part(text, part) };
    let invalid = || invalid_at(text);
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        if !rest.starts_with(|it: char| it == '.' || it.is_ascii_digit()) {
            return Err(invalid_at(rest));
        }
        let whole_len = rest.bytes().take_while(u8::is_ascii_digit).count();
        let whole: u64 = if whole_len == 0 { 0 } else { rest[..whole_len].parse().map_err(|_| invalid())? };
        rest = &rest[whole_len..];
        let (mut fraction, mut scale) = (0_u64, 1.0_f64);
        let mut fraction_len = 0;
        if let Some(after) = rest.strip_prefix('.') {
            fraction_len = after.bytes().take_while(u8::is_ascii_digit).count();
            let mut full = false;
            for digit in after[..fraction_len].bytes() {
                let next = fraction.checked_mul(10).and_then(|it| it.checked_add(u64::from(digit - b'0')));
                match next {
                    Some(next) if !full && next <= 1 << 63 => {
                        fraction = next;
                        scale *= 10.0;
                    }
                    _ => full = true,
                }
            }
            rest = &after[fraction_len..];
        }
        if whole_len == 0 && fraction_len == 0 {
            return Err(invalid_at(rest));
        }
        let unit_len = rest.find(|it: char| it == '.' || it.is_ascii_digit()).unwrap_or(rest.len());
        if unit_len == 0 {
            return Err(DurationError::MissingUnit { text: text.to_owned(), position: Position::of_part(text, rest) });
        }
        let unit: u64 = match &rest[..unit_len] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            other => {
                let position = Position::of_part(text, other);
                return Err(DurationError::UnknownUnit { unit: other.to_owned(), text: text.to_owned(), position });
            }
        };
        rest = &rest[unit_len..];
        let mut nanos = whole.checked_mul(unit).filter(|it| *it <= 1 << 63).ok_or_else(invalid)?;
        if fraction > 0 {
            nanos += (fraction as f64 * (unit as f64 / scale)) as u64;
        }
        total = total.checked_add(nanos).filter(|it| *it <= 1 << 63).ok_or_else(invalid)?;
    }
    if negative {
        return Ok(SignedDuration::from_nanos((total as i64).wrapping_neg()));
    }
    i64::try_from(total).map(SignedDuration::from_nanos).map_err(|_| invalid())
}

/// Prints a duration as Go's `Duration.String`: `1h2m3.5s`, `1.5ms`, `0s`. Saturates at 64 bits of nanoseconds.
#[must_use]
pub fn format(duration: SignedDuration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let size = nanos.unsigned_abs();
    if size < 1_000_000_000 {
        let (unit, digits) = match size {
            0..1_000 => ("ns", 0),
            1_000..1_000_000 => ("µs", 3),
            _ => ("ms", 6),
        };
        return format!("{sign}{}{unit}", with_point(size, digits));
    }
    let hours = size / 3_600_000_000_000;
    let minutes = size / 60_000_000_000 % 60;
    let seconds = with_point(size % 60_000_000_000, 9);
    if hours > 0 {
        format!("{sign}{hours}h{minutes}m{seconds}s")
    } else if minutes > 0 {
        format!("{sign}{minutes}m{seconds}s")
    } else {
        format!("{sign}{seconds}s")
    }
}

fn with_point(value: u128, digits: u32) -> String {
    let scale = 10_u128.pow(digits);
    let (whole, fraction) = (value / scale, value % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let fraction = format!("{fraction:0width$}", width = digits as usize);
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

/// Reads a duration that may also be a bare number of seconds, as `duration` fields of Argo specs allow (`"30"` is 30 s).
///
/// # Errors
/// As [`parse`].
pub fn parse_or_seconds(text: &str) -> Result<SignedDuration, DurationError> {
    match text.parse::<i64>() {
        Ok(seconds) => Ok(SignedDuration::from_secs(seconds)),
        Err(_) => parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_durations_read_back() {
        for text in ["1h2m3.5s", "0s", "1.5ms", "-2m0s", "100µs", "1ns", "2540400h10m10s"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
        assert_eq!(format(parse("90m").unwrap()), "1h30m0s");
        assert_eq!(parse("0").unwrap(), SignedDuration::ZERO);
        assert_eq!(parse_or_seconds("30").unwrap(), SignedDuration::from_secs(30));
    }

    #[test]
    fn errors_know_line_column_and_text() {
        for (text, column, offending) in
            [("1h3x", 4, "x"), ("1h3", 4, ""), ("1hé", 2, "hé"), ("5m 3s", 2, "m "), ("", 1, ""), ("h", 1, "h")]
        {
            let error = parse(text).unwrap_err();
            let place = (error.line(), error.column(), error.position().map(|it| it.text.as_str()));
            assert_eq!(place, (Some(1), Some(column), Some(offending)), "{text}: {error}");
        }
        assert_eq!(
            parse("1h3x").unwrap_err().show("1h3x"),
            "time: unknown unit \"x\" in duration \"1h3x\" (1:4)\n | 1h3x\n | ...^"
        );
    }

    #[test]
    fn errors_name_the_text_as_go_does() {
        assert_eq!(parse("3").unwrap_err().to_string(), "time: missing unit in duration \"3\"");
        assert_eq!(parse("3x").unwrap_err().to_string(), "time: unknown unit \"x\" in duration \"3x\"");
        assert_eq!(parse("").unwrap_err().to_string(), "time: invalid duration \"\"");
        assert_eq!(
            parse("9223372036854775808ns").unwrap_err().to_string(),
            "time: invalid duration \"9223372036854775808ns\""
        );
    }
}
