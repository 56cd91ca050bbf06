//! Kubernetes resource quantities: `100m`, `1.5Gi`, `1e3`. Exact to the nano; binary ones are capped at 2^63-1.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Neg, Sub};
use std::str::FromStr;

use crate::position::{Located, Position};

/// A text that is no quantity; the text is upstream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// Not of the form of a quantity.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// An unknown suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// Not a number before the suffix.
    #[error("unable to parse numeric part of quantity")]
    Number,
}

/// The place of what is no number or no suffix.
impl Located for QuantityError {
    fn position_in(&self, source: &str) -> Option<Position> {
        let sign = usize::from(source.starts_with(['-', '+']));
        let number = source[sign..].bytes().take_while(|it| it.is_ascii_digit() || *it == b'.').count();
        Some(match self {
            Self::Suffix => Position::of(source, sign + number..source.len()),
            Self::Number => Position::of(source, 0..sign + number),
            Self::Format => {
                let letters = source[sign + number..].bytes().take_while(|it| b"eEinumkKMGTP".contains(it)).count();
                let dots = source[..sign + number].matches('.').count() > 1;
                Position::of(source, if dots { sign } else { sign + number + letters }..source.len())
            }
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Binary,
    Decimal,
    Exponent,
}

/// A quantity. Comparison is by value; the form of the suffix is kept for printing.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nanos: i128,
    format: Format,
    kept: Kept,
}

/// The text as it was written, which Kubernetes prints again when it takes it for canonical (`+1`, `1E3`, `5.`).
#[derive(Debug, Clone, Copy)]
struct Kept {
    bytes: [u8; 23],
    len: u8,
}

impl Kept {
    const NONE: Self = Self { bytes: [0; 23], len: 0 };

    fn of(text: &str) -> Self {
        let mut it = Self::NONE;
        if let (Some(bytes), Ok(len)) = (it.bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            bytes.copy_from_slice(text.as_bytes());
            it.len = len;
        }
        it
    }

    fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).ok().filter(|it| !it.is_empty())
    }
}

const NANO: i128 = 1_000_000_000;
/// What binary quantities are capped at.
const MAX_BINARY: i128 = (i64::MAX as i128) * NANO;
/// The most whole nanos that are held.
const MAX: i128 = i128::MAX / NANO * NANO;

impl Quantity {
    /// Zero.
    pub const ZERO: Self = Self { nanos: 0, format: Format::Decimal, kept: Kept::NONE };

    /// A whole number, printed decimal.
    #[must_use]
    pub fn of(value: i64) -> Self {
        Self { nanos: i128::from(value) * NANO, format: Format::Decimal, kept: Kept::NONE }
    }

    /// A number of thousandths, printed decimal.
    #[must_use]
    pub fn of_millis(value: i64) -> Self {
        Self { nanos: i128::from(value) * 1_000_000, format: Format::Decimal, kept: Kept::NONE }
    }

    /// Reads a quantity.
    ///
    /// # Errors
    /// The text is no quantity.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() || text.len() > 512 {
            return Err(QuantityError::Format);
        }
        let (negative, rest) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let number_len = rest.bytes().take_while(|it| it.is_ascii_digit() || *it == b'.').count();
        let (number, suffix) = rest.split_at(number_len);
        if number.matches('.').count() > 1 {
            return Err(QuantityError::Format);
        }
        let letters = suffix.bytes().take_while(|it| b"eEinumkKMGTP".contains(it)).count();
        let tail = &suffix[letters..];
        let digits = tail.strip_prefix(['-', '+']).unwrap_or(tail);
        if !digits.bytes().all(|it| it.is_ascii_digit()) {
            return Err(QuantityError::Format);
        }
        let (multiplier, divisor, format) = scale(suffix).ok_or(QuantityError::Suffix)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let quick = quick(whole, fraction, multiplier, divisor, format);
        if whole.is_empty() && fraction.is_empty() && quick.is_none() {
            return Err(QuantityError::Number);
        }
        let nanos = amount(whole, fraction, multiplier, divisor);
        let nanos = if format == Format::Binary { nanos.min(MAX_BINARY) } else { nanos };
        let kept = if quick == Some(true) { Kept::of(text) } else { Kept::NONE };
        Ok(Self { nanos: if negative { -nanos } else { nanos }, format, kept })
    }

    /// The value rounded up to a whole number, away from zero.
    #[must_use]
    pub fn value(self) -> i64 {
        let value = div_away(self.nanos, NANO);
        i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
    }

    /// The value in thousandths, rounded up away from zero.
    #[must_use]
    pub fn milli_value(self) -> i64 {
        let millis = div_away(self.nanos, 1_000_000);
        i64::try_from(millis).unwrap_or(if millis < 0 { i64::MIN } else { i64::MAX })
    }

    /// The value as a float.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.nanos as f64 / NANO as f64
    }

    /// Whether it is zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }
}

/// Whether Kubernetes reads the quantity as a 64-bit number and a power, and if so whether it then keeps its text.
fn quick(whole: &str, fraction: &str, multiplier: i128, divisor: i128, format: Format) -> Option<bool> {
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let digits = format!("{whole}{fraction}");
    let count = i32::try_from(digits.len()).ok()?;
    let value: i64 = digits.parse().ok()?;
    if format == Format::Binary {
        let exponent = multiplier.ilog2();
        let fits = fraction.is_empty() && 14 - count - i32::try_from(exponent * 3 / 10).ok()? >= 0;
        return fits.then_some(value & 7 != 0);
    }
    let scale = i32::try_from(multiplier.ilog10()).ok()? - i32::try_from(divisor.ilog10()).ok()?;
    let scale = scale - i32::try_from(fraction.len()).ok()?;
    (count <= 18 && scale >= -9).then(|| scale % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0'))
}

fn div_away(value: i128, by: i128) -> i128 {
    let quotient = value / by;
    quotient + if value % by == 0 { 0 } else { value.signum() }
}

/// Multiplier and divisor of a suffix.
fn scale(suffix: &str) -> Option<(i128, i128, Format)> {
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    const DECIMAL: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    if let Some(place) = BINARY.iter().position(|it| *it == suffix) {
        return Some((1 << (10 * (place + 1)), 1, Format::Binary));
    }
    if let Some(place) = DECIMAL.iter().position(|it| *it == suffix) {
        return Some((1000_i128.pow(u32::try_from(place).ok()?), 1, Format::Decimal));
    }
    match suffix {
        "m" => return Some((1, 1000, Format::Decimal)),
        "u" => return Some((1, 1_000_000, Format::Decimal)),
        "n" => return Some((1, NANO, Format::Decimal)),
        _ => {}
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let power = 10_i128.pow(exponent.unsigned_abs().min(36));
    Some(if exponent < 0 { (1, power, Format::Exponent) } else { (power, 1, Format::Exponent) })
}

/// A decimal number times a scale in nanos: rounded up, capped.
fn amount(whole: &str, fraction: &str, multiplier: i128, divisor: i128) -> i128 {
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() && fraction.is_empty() {
        return 0;
    }
    // long division digit by digit keeps everything within i128
    let shift = fraction.len();
    let digits: String = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.len() > 30 {
        // beyond any precision kept: decide by magnitude
        let magnitude = i64::try_from(digits.len()).unwrap_or(i64::MAX) - i64::try_from(shift).unwrap_or(0);
        let head: i128 = digits[..30].parse().unwrap_or(i128::MAX);
        return scaled(head, magnitude - 30, multiplier, divisor, true);
    }
    let value: i128 = digits.parse().unwrap_or(i128::MAX);
    scaled(value, -i64::try_from(shift).unwrap_or(i64::MAX), multiplier, divisor, false)
}

/// `value * 10^exponent * multiplier / divisor` in nanos.
fn scaled(mut value: i128, mut exponent: i64, multiplier: i128, divisor: i128, inexact: bool) -> i128 {
    exponent += 9;
    let mut sticky = inexact;
    let mut multiplier = multiplier;
    let mut divisor = divisor;
    // powers of ten cancel first
    while exponent < 0 && multiplier % 10 == 0 && multiplier > 1 {
        multiplier /= 10;
        exponent += 1;
    }
    while exponent > 0 && divisor % 10 == 0 && divisor > 1 {
        divisor /= 10;
        exponent -= 1;
    }
    let mut numerator_scale = multiplier;
    while exponent < 0 {
        if let Some(next) = divisor.checked_mul(10) {
            divisor = next;
            exponent += 1;
        } else {
            sticky |= value % 10 != 0;
            value /= 10;
            exponent += 1;
        }
        if value == 0 {
            return i128::from(sticky || value != 0);
        }
    }
    while exponent > 0 {
        match numerator_scale.checked_mul(10) {
            Some(next) => numerator_scale = next,
            None => return MAX,
        }
        exponent -= 1;
    }
    let product = match value.checked_mul(numerator_scale) {
        Some(it) => it,
        None => {
            // too large to hold: divide first
            let lowered = value / divisor;
            return lowered.checked_mul(numerator_scale).map_or(MAX, |it| it.min(MAX));
        }
    };
    let quotient = product / divisor;
    let up = i128::from(product % divisor != 0 || sticky);
    (quotient + up).min(MAX)
}

impl fmt::Display for Quantity {
    /// The canonical form: no fraction, the largest suffix that is exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.kept.text() {
            return f.write_str(text);
        }
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let small = self.nanos > -1024 * NANO && self.nanos < 1024 * NANO;
        let binary = self.format == Format::Binary && !small && self.nanos % NANO == 0;
        if binary {
            let mut value = self.nanos / NANO;
            let mut place = 0;
            while value % 1024 == 0 && place < 6 {
                value /= 1024;
                place += 1;
            }
            return write!(f, "{value}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][place]);
        }
        let (mut value, mut exponent) = (self.nanos, -9_i32);
        while value % 1000 == 0 && exponent < 18 {
            value /= 1000;
            exponent += 3;
        }
        if self.format == Format::Exponent {
            return if exponent == 0 { write!(f, "{value}") } else { write!(f, "{value}e{exponent}") };
        }
        let suffix = match exponent {
            -9 => "n",
            -6 => "u",
            -3 => "m",
            3 => "k",
            6 => "M",
            9 => "G",
            12 => "T",
            15 => "P",
            18 => "E",
            _ => "",
        };
        write!(f, "{value}{suffix}")
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_add(other.nanos), format, kept: Kept::NONE }
    }
}

impl Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Neg for Quantity {
    type Output = Self;

    fn neg(self) -> Self {
        Self { nanos: -self.nanos, format: self.format, kept: Kept::NONE }
    }
}

impl serde::Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            other => return Err(serde::de::Error::custom(format!("a quantity is a string or a number, not {other}"))),
        };
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_shown_in_the_text_they_came_from() {
        for (text, column, offending) in [("1.5Gx", 5, "x"), ("1.5GiG", 4, "GiG"), ("1.2.3", 1, "1.2.3"), ("é", 1, "é")]
        {
            let place = Quantity::parse(text).unwrap_err().position_in(text).unwrap();
            assert_eq!((place.line, place.column, place.text.as_str()), (1, column, offending), "{text}");
        }
        assert_eq!(
            Quantity::parse("1KK").unwrap_err().show("1KK"),
            "unable to parse quantity's suffix (1:2)\n | 1KK\n | .^^"
        );
    }

    #[test]
    fn quantities_print_in_canonical_form() {
        for (text, canonical) in [
            ("1500m", "1500m"),
            ("1.5", "1500m"),
            ("1024Ki", "1Mi"),
            ("1.5Gi", "1536Mi"),
            ("1000", "1k"),
            ("1e3", "1e3"),
            ("0.5Ki", "512"),
            ("100n", "100n"),
            ("-2k", "-2k"),
            ("0", "0"),
            ("1000k", "1M"),
            ("1Ei", "1Ei"),
            ("0.1Ki", "102400m"),
            ("12E", "12E"),
            ("12Ei", "9223372036854775807"),
            ("+1", "+1"),
            ("k", "0"),
            ("1.0", "1"),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().to_string(), canonical, "{text}");
        }
        for bad in ["", "x", "1x", "1.2.3", "1 k", "Pi", "1e", "1Kii"] {
            assert!(Quantity::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn quantities_compare_and_add_by_value() {
        let parse = |it: &str| Quantity::parse(it).unwrap();
        assert!(parse("1Gi") > parse("1G"));
        assert_eq!(parse("1000m"), parse("1"));
        assert_eq!((parse("500m") + parse("1")).to_string(), "1500m");
        assert_eq!((parse("1Gi") - parse("512Mi")).to_string(), "512Mi");
        assert_eq!((parse("100m").value(), parse("1500m").milli_value()), (1, 1500));
    }
}
