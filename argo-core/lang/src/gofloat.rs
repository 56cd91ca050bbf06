//! Numbers as Go's `strconv` prints and reads them; shared by every language here.

use serde_json::Number;

/// Shortest decimal digits of a finite number and the position of the point: `0.d1d2d3 * 10^point`.
fn shortest(value: f64) -> (Vec<u8>, i32) {
    let text = format!("{:e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value == 0.0 { (Vec::new(), 0) } else { (digits, exponent + 1) }
}

/// Digits after which the exact decimal form of every float64 has ended: further ones are zeros.
const EXACT: usize = 1100;

/// `{value:.precision$e}` for any precision.
fn exponent_form(value: f64, precision: usize) -> String {
    let some = precision.min(EXACT);
    let text = format!("{value:.some$e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if precision > some => {
            format!("{mantissa}{}e{exponent}", "0".repeat(precision - some))
        }
        _ => text,
    }
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        None
    }
}

fn push_exponent(out: &mut String, exponent: i32, mark: char) {
    out.push(mark);
    out.push(if exponent < 0 { '-' } else { '+' });
    out.push_str(&format!("{:02}", exponent.abs()));
}

/// `strconv.FormatFloat(value, 'e', precision, 64)`; `None` is the shortest form that reads back the same.
#[must_use]
pub fn format_e(value: f64, precision: Option<usize>) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let text = match precision {
        Some(precision) => exponent_form(value, precision),
        None => format!("{value:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mut out = mantissa.to_owned();
    push_exponent(&mut out, exponent.parse().unwrap_or(0), 'e');
    out
}

/// `strconv.FormatFloat(value, 'f', precision, 64)`; `None` is the shortest form that reads back the same.
#[must_use]
pub fn format_f(value: f64, precision: Option<usize>) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    match precision {
        Some(precision) => {
            let some = precision.min(EXACT);
            let mut text = format!("{value:.some$}");
            text.extend(std::iter::repeat_n('0', precision - some));
            text
        }
        None => format!("{value}"),
    }
}

/// `strconv.FormatFloat(value, 'g', precision, 64)`: what `%v` and `{{x}}` print for a float64.
#[must_use]
pub fn format_g(value: f64, precision: Option<usize>) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let (digits, point, threshold) = match precision {
        None => {
            let (digits, point) = shortest(value);
            // the shortest form is judged as if six digits had been asked for
            (digits, point, 6)
        }
        Some(precision) => {
            let precision = precision.max(1);
            let text = exponent_form(value.abs(), (precision - 1).min(EXACT));
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
            while digits.last() == Some(&b'0') {
                digits.pop();
            }
            let point = if digits.is_empty() { 0 } else { exponent.parse::<i32>().unwrap_or(0) + 1 };
            let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
            let mut threshold = i32::try_from(precision).unwrap_or(i32::MAX);
            if threshold > count && count >= point {
                threshold = count;
            }
            (digits, point, threshold)
        }
    };
    let exponent = point - 1;
    if digits.is_empty() {
        return format!("{sign}0");
    }
    if exponent < -4 || exponent >= threshold {
        let mut out = String::from(sign);
        out.push(char::from(digits[0]));
        if digits.len() > 1 {
            out.push('.');
            out.extend(digits[1..].iter().map(|it| char::from(*it)));
        }
        push_exponent(&mut out, exponent, 'e');
        return out;
    }
    format!("{sign}{}", plain(&digits, point))
}

fn plain(digits: &[u8], point: i32) -> String {
    let mut out = String::new();
    if point <= 0 {
        out.push('0');
        if !digits.is_empty() {
            out.push('.');
            out.extend(std::iter::repeat_n('0', usize::try_from(-point).unwrap_or(0)));
            out.extend(digits.iter().map(|it| char::from(*it)));
        }
        return out;
    }
    let point = usize::try_from(point).unwrap_or(0);
    for place in 0..point.max(digits.len()) {
        if place == point {
            out.push('.');
        }
        out.push(digits.get(place).map_or('0', |it| char::from(*it)));
    }
    out
}

/// `%b`: the mantissa as a whole number and the power of two it is scaled by.
#[must_use]
pub fn format_b(value: f64) -> String {
    let (negative, mantissa, exponent) = parts(value);
    format!("{}{mantissa}p{:+}", if negative { "-" } else { "" }, exponent - 52)
}

/// `%x`: a hexadecimal mantissa and a power of two; all digits that are needed, or rounded to a number of them.
#[must_use]
pub fn format_x(value: f64, precision: Option<usize>) -> String {
    /// Where the digit before the point stands.
    const TOP: u32 = 60;
    let (negative, mantissa, mut exponent) = parts(value);
    let mut bits = mantissa << (TOP - 52);
    if bits == 0 {
        exponent = 0;
    } else {
        let shift = bits.leading_zeros() - (63 - TOP);
        bits <<= shift;
        exponent -= i64::from(shift);
    }
    if let Some(digits) = precision.filter(|it| *it < 15).and_then(|it| u32::try_from(it).ok()) {
        let kept = digits * 4;
        let extra = (bits << kept) & ((1 << TOP) - 1);
        bits >>= TOP - kept;
        if extra | (bits & 1) > 1 << (TOP - 1) {
            bits += 1;
        }
        bits <<= TOP - kept;
        if bits & (1 << (TOP + 1)) != 0 {
            bits >>= 1;
            exponent += 1;
        }
    }
    let mut out = format!("{}0x{}", if negative { "-" } else { "" }, (bits >> TOP) & 1);
    bits <<= 4;
    let digits = precision.unwrap_or_else(|| (64 - bits.trailing_zeros()).div_ceil(4) as usize);
    if digits > 0 {
        out.push('.');
    }
    for _ in 0..digits {
        out.push(char::from_digit((bits >> TOP) as u32, 16).unwrap_or('0'));
        bits <<= 4;
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    out.push_str(&format!("p{sign}{:02}", exponent.unsigned_abs()));
    out
}

/// Sign, mantissa of 53 bits and the exponent of its first bit.
fn parts(value: f64) -> (bool, u64, i64) {
    let bits = value.to_bits();
    let (fraction, exponent) = (bits & ((1 << 52) - 1), ((bits >> 52) & 0x7ff) as i64);
    if exponent == 0 {
        (value.is_sign_negative(), fraction, -1022)
    } else {
        (value.is_sign_negative(), fraction | 1 << 52, exponent - 1023)
    }
}

/// `strconv.FormatFloat(value, 'g', -1, 32)`: the shortest digits that read back the same float32.
#[must_use]
pub fn format_g32(value: f32) -> String {
    match format!("{value:e}").parse::<f64>() {
        Ok(wide) if value.is_finite() => format_g(wide, None),
        _ => format_g(f64::from(value), None),
    }
}

/// A float as `encoding/json` prints it: exponents only below 1e-6 or from 1e21. `None` for NaN and the infinities.
#[must_use]
pub fn format_json(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format_e(value, None);
        // encoding/json cleans e-09 to e-9
        let text = match text.split_once("e-0") {
            Some((mantissa, digit)) => format!("{mantissa}e-{digit}"),
            None => text,
        };
        return Some(text);
    }
    if value == 0.0 {
        return Some(if value.is_sign_negative() { "-0".to_owned() } else { "0".to_owned() });
    }
    let (digits, point) = shortest(value);
    Some(format!("{}{}", if value < 0.0 { "-" } else { "" }, plain(&digits, point)))
}

/// A float as a JSON number after a trip through Go's JSON text: whole numbers become integers when they fit.
#[must_use]
pub fn json_number(value: f64) -> Option<Number> {
    let text = format_json(value)?;
    if let Ok(int) = text.parse::<i64>() {
        return Some(int.into());
    }
    if let Ok(int) = text.parse::<u64>() {
        return Some(int.into());
    }
    Number::from_f64(value)
}

/// Reads a float as `strconv.ParseFloat`: decimal or hexadecimal, `Inf`, `NaN`; underscores between digits.
#[must_use]
pub fn parse_float(text: &str) -> Option<f64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let lower = rest.to_ascii_lowercase();
    match lower.as_str() {
        "inf" | "infinity" => return Some(sign * f64::INFINITY),
        "nan" => return (text.len() == 3).then_some(f64::NAN),
        _ => {}
    }
    if let Some(hex) = lower.strip_prefix("0x") {
        return underscores_fit(rest).then(|| parse_hex(&hex.replace('_', ""))).flatten().map(|it| sign * it);
    }
    let cleaned;
    let rest = if rest.contains('_') {
        if !underscores_fit(rest) {
            return None;
        }
        cleaned = rest.replace('_', "");
        cleaned.as_str()
    } else {
        rest
    };
    let first = rest.as_bytes().first()?;
    if !(first.is_ascii_digit() || *first == b'.')
        || !rest.bytes().all(|it| it.is_ascii_digit() || matches!(it, b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return None;
    }
    let value: f64 = rest.parse().ok()?;
    value.is_finite().then_some(sign * value)
}

/// Underscores stand between digits, or after a base prefix.
fn underscores_fit(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let prefixed = ["0x", "0o", "0b"].iter().any(|it| lower.starts_with(it));
    let hex = lower.starts_with("0x");
    let mut previous = if prefixed { '0' } else { '^' };
    for it in lower.chars().skip(if prefixed { 2 } else { 0 }) {
        previous = match it {
            '0'..='9' => '0',
            'a'..='f' if hex => '0',
            '_' if previous == '0' => '_',
            _ if it == '_' || previous == '_' => return false,
            _ => '!',
        };
    }
    previous != '_'
}

/// Hexadecimal digits with a binary exponent, rounded to the nearest float64, half to even.
fn parse_hex(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // the first digits, and in the lowest bit whether there are more
    let mut bits = 0_u64;
    let mut scale = exponent.saturating_sub(4 * i64::try_from(fraction.len()).ok()?);
    for digit in whole.chars().chain(fraction.chars()) {
        let digit = u64::from(digit.to_digit(16)?);
        if bits >> 59 == 0 {
            bits = bits << 4 | digit;
        } else {
            bits |= u64::from(digit != 0);
            scale = scale.saturating_add(4);
        }
    }
    if bits == 0 {
        return Some(0.0);
    }
    let top = i64::from(63 - bits.leading_zeros());
    let size = scale.saturating_add(top);
    if size > 1023 {
        return None;
    }
    // below the smallest normal number there are fewer bits
    let keep = if size >= -1022 { 53 } else { size.saturating_add(1075) };
    if keep < 0 {
        return Some(0.0);
    }
    let drop = top + 1 - keep;
    if drop > 0 {
        let half = 1_u128 << (drop - 1);
        let wide = u128::from(bits);
        let rest = wide & ((half << 1) - 1);
        let kept = wide >> drop;
        let up = rest > half || rest == half && kept & 1 == 1;
        bits = u64::try_from(kept + u128::from(up)).ok()?;
        scale = scale.saturating_add(drop);
    }
    #[allow(clippy::cast_precision_loss)] // 53 bits at most
    let value = libm::scalbn(bits as f64, i32::try_from(scale).ok()?);
    value.is_finite().then_some(value)
}

/// Reads an integer as `strconv.ParseInt(text, base, 64)`. Base 0 takes the base from the prefix
/// (`0x`, `0o`, `0b`, leading `0` is octal) and allows underscores between digits.
#[must_use]
pub fn parse_int(text: &str, base: u32) -> Option<i64> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let size = parse_uint(rest, base)?;
    if negative {
        if size > 1 << 63 { None } else { Some((size as i64).wrapping_neg()) }
    } else {
        i64::try_from(size).ok()
    }
}

/// Reads an unsigned integer as `strconv.ParseUint(text, base, 64)`; see [`parse_int`].
#[must_use]
pub fn parse_uint(text: &str, base: u32) -> Option<u64> {
    if text.starts_with(['+', '-']) || text.is_empty() || !text.is_ascii() {
        return None;
    }
    let (digits, radix) = if base == 0 {
        let lower = text.get(..2).map(str::to_ascii_lowercase);
        match lower.as_deref() {
            Some("0x") => (&text[2..], 16),
            Some("0o") => (&text[2..], 8),
            Some("0b") => (&text[2..], 2),
            Some(_) if text.starts_with('0') => (&text[1..], 8),
            _ => (text, 10),
        }
    } else {
        (text, base)
    };
    let cleaned;
    let digits = if base == 0 && digits.contains('_') {
        let prefixed = digits.len() != text.len();
        if digits.ends_with('_') || digits.contains("__") || (digits.starts_with('_') && !prefixed) {
            return None;
        }
        cleaned = digits.replace('_', "");
        cleaned.as_str()
    } else {
        digits
    };
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// A float as an integer, as Go converts on 64-bit machines: what does not fit is the least integer.
#[must_use]
pub fn to_int(value: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) { value as i64 } else { i64::MIN }
}

/// `math.Pow`: whole powers by squaring, as Go does, which differs in the last digit from other ways.
#[must_use]
pub fn pow(x: f64, y: f64) -> f64 {
    let usual = !(x.is_finite() && y.is_finite()) || x == 0.0 || y == 0.0 || x == 1.0 || y == 1.0;
    if y == -0.5 && !usual {
        return 1.0 / x.sqrt();
    }
    if usual || y == 0.5 || y.abs() >= 9.2e18 || (x < 0.0 && y.fract() != 0.0) {
        return x.powf(y);
    }
    let (mut whole, mut part) = (y.abs().trunc(), y.abs().fract());
    let mut result = 1.0;
    if part != 0.0 {
        if part > 0.5 {
            part -= 1.0;
            whole += 1.0;
        }
        result = (part * x.abs().ln()).exp();
    }
    let (mut mantissa, mut exponent) = frexp(x);
    let mut total = 0_i64;
    let mut left = whole as u64;
    while left > 0 {
        if exponent.abs() > 1 << 12 {
            // over or under what a float can hold
            total += exponent;
            break;
        }
        if left & 1 == 1 {
            result *= mantissa;
            total += exponent;
        }
        mantissa *= mantissa;
        exponent *= 2;
        if mantissa < 0.5 {
            mantissa += mantissa;
            exponent -= 1;
        }
        left >>= 1;
    }
    if y < 0.0 {
        result = 1.0 / result;
        total = -total;
    }
    // in two steps, so that small results are rounded once
    let half = i32::try_from((total / 2).clamp(-2_000, 2_000)).unwrap_or(0);
    let rest = i32::try_from((total - i64::from(half)).clamp(-2_000, 2_000)).unwrap_or(0);
    result * 2.0_f64.powi(half) * 2.0_f64.powi(rest)
}

/// A fraction from a half to one, and the power of two it is to be multiplied with.
fn frexp(value: f64) -> (f64, i64) {
    let scaled = if value.abs() < f64::MIN_POSITIVE { value * 2.0_f64.powi(54) } else { value };
    let shift = if value.abs() < f64::MIN_POSITIVE { -54 } else { 0 };
    let bits = scaled.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i64 - 1022;
    (f64::from_bits((bits & !(0x7ff << 52)) | (1022 << 52)), exponent + shift)
}

/// Reads a bool as `strconv.ParseBool`: `1 t T TRUE true True 0 f F FALSE false False`.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_format_changes_to_exponent_at_six_digits_beyond_the_point() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (123_456.0, "123456"),
            (1_000_000.0, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (100_000.5, "100000.5"),
            (1_234_567.5, "1.2345675e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5, "-2.5"),
            (1e100, "1e+100"),
            (20.0, "20"),
            (21_000_000.0, "2.1e+07"),
            (-0.0, "-0"),
        ] {
            assert_eq!(format_g(value, None), text);
        }
        assert_eq!(format_g(100.0, Some(2)), "1e+02");
        assert_eq!(format_g(2.71328, Some(3)), "2.71");
        assert_eq!(format_g(0.0, Some(6)), "0");
    }

    #[test]
    fn json_format_keeps_plain_digits_up_to_1e21() {
        for (value, text) in [
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5, "1.5"),
            (3.0, "3"),
        ] {
            assert_eq!(format_json(value).as_deref(), Some(text));
        }
        assert_eq!(format_json(f64::NAN), None);
    }

    #[test]
    fn integers_take_their_base_from_the_prefix() {
        for (text, value) in [
            ("0x1F", Some(31)),
            ("017", Some(15)),
            ("0o17", Some(15)),
            ("0b11", Some(3)),
            ("-0x10", Some(-16)),
            ("08", None),
            ("1_000", Some(1000)),
            ("_1", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("0", Some(0)),
            ("", None),
            ("0x_1", Some(1)),
        ] {
            assert_eq!(parse_int(text, 0), value, "{text}");
        }
        assert_eq!(parse_float("0x1p-2"), Some(0.25));
        assert_eq!(parse_float("1e3"), Some(1000.0));
        assert_eq!(parse_float("abc"), None);
        assert_eq!(parse_float("infinity"), Some(f64::INFINITY));
    }
}
