//! `strftime`: C's conversions with GNU's flags and widths.

use super::time::{Moment, Parts};
pub(super) use crate::time::{DAYS, MONTHS};

/// The largest width that is honoured.
const WIDEST: usize = 1024;

/// Conversions that stand for others.
pub(super) fn composition(it: char) -> Option<&'static str> {
    Some(match it {
        'c' => "%a %b %e %H:%M:%S %Y",
        'D' | 'x' => "%m/%d/%y",
        'F' => "%Y-%m-%d",
        'R' => "%H:%M",
        'r' => "%I:%M:%S %p",
        'T' | 'X' => "%H:%M:%S",
        'v' => "%e-%b-%Y",
        '+' => "%a %b %e %H:%M:%S %Z %Y",
        _ => return None,
    })
}

/// How a conversion is padded.
#[derive(Clone, Copy, Default)]
struct Style {
    width: usize,
    /// Asked for; `Some(None)` is no padding.
    padding: Option<Option<char>>,
    upper: bool,
    swap: bool,
}

impl Style {
    fn number(self, out: &mut String, value: i64, width: usize, padding: char) {
        let width = self.width.max(width);
        let digits = value.abs().to_string();
        let length = digits.len() + usize::from(value < 0);
        let pad = self.padding.unwrap_or(Some(padding));
        let fill = match pad {
            Some(it) => std::iter::repeat_n(it, width.saturating_sub(length)).collect(),
            None => String::new(),
        };
        // zeros stand between the sign and the digits, blanks before the sign
        if value < 0 && pad == Some('0') {
            out.push('-');
            out.push_str(&fill);
        } else {
            out.push_str(&fill);
            if value < 0 {
                out.push('-');
            }
        }
        out.push_str(&digits);
    }

    fn text(self, out: &mut String, text: &str) {
        let pad = self.padding.unwrap_or(Some(' '));
        if let Some(pad) = pad {
            out.extend(std::iter::repeat_n(pad, self.width.saturating_sub(text.len())));
        }
        let lower_case = self.swap && text.as_bytes().get(1).copied().is_some_and(|it| it < b'a');
        if lower_case {
            out.push_str(&text.to_ascii_lowercase());
        } else if self.swap || self.upper {
            out.push_str(&text.to_ascii_uppercase());
        } else {
            out.push_str(text);
        }
    }
}

/// The ISO year and week.
fn iso_week(it: &Parts) -> (i64, i64) {
    let weekday = (it.weekday + 6) % 7;
    let thursday = it.yearday + 3 - weekday;
    let days = |year: i64| if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) { 366 } else { 365 };
    if thursday < 1 {
        let year = it.year - 1;
        (year, (thursday + days(year) - 1) / 7 + 1)
    } else if thursday > days(it.year) {
        (it.year + 1, 1)
    } else {
        (it.year, (thursday - 1) / 7 + 1)
    }
}

/// Formats a moment in UTC.
pub(super) fn strftime(moment: Moment, format: &str) -> String {
    let parts = moment.parts();
    let mut out = String::new();
    write(&mut out, moment, &parts, format);
    out
}

fn write(out: &mut String, moment: Moment, parts: &Parts, format: &str) {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let mut style = Style::default();
        let mut colons = 0;
        let conversion = &rest[at..];
        let mut chars = conversion.char_indices().skip(1).peekable();
        let found = loop {
            let Some((place, it)) = chars.next() else { break None };
            match it {
                '-' => style.padding = Some(None),
                '_' => style.padding = Some(Some(' ')),
                '0' => style.padding = Some(Some('0')),
                '^' => style.upper = true,
                '#' => style.swap = true,
                ':' => colons += 1,
                '1'..='9' => {
                    style.width = it.to_digit(10).unwrap_or(0) as usize;
                    while let Some(digit) = chars.peek().and_then(|it| it.1.to_digit(10)) {
                        style.width = (style.width * 10 + digit as usize).min(WIDEST);
                        chars.next();
                    }
                    if style.padding == Some(None) {
                        style.padding = Some(Some(' '));
                    }
                }
                other => break Some((place + other.len_utf8(), other)),
            }
        };
        let Some((length, letter)) = found else {
            // flags without a conversion are text
            out.extend(std::iter::repeat_n(' ', style.width.saturating_sub(conversion.len())));
            out.push_str(conversion);
            return;
        };
        if !convert(out, moment, parts, letter, style, colons) {
            let text = &conversion[..length];
            let blanks = style.width.saturating_sub(text.len());
            out.extend(std::iter::repeat_n(style.padding.flatten().unwrap_or(' '), blanks));
            out.push_str(text);
        }
        rest = &conversion[length..];
    }
    out.push_str(rest);
}

/// Writes one conversion; false if there is no such.
fn convert(out: &mut String, moment: Moment, it: &Parts, letter: char, style: Style, colons: usize) -> bool {
    if colons > 0 && letter != 'z' {
        return false;
    }
    let month = usize::try_from(it.month - 1).ok().and_then(|it| MONTHS.get(it)).copied().unwrap_or_default();
    let day = usize::try_from(it.weekday).ok().and_then(|it| DAYS.get(it)).copied().unwrap_or_default();
    let hour12 = if it.hour % 12 == 0 { 12 } else { it.hour % 12 };
    match letter {
        'Y' => style.number(out, it.year, if style.width == 0 { 4 } else { 0 }, '0'),
        'y' => style.number(out, (it.year % 100).abs(), 2, '0'),
        'C' => style.number(out, it.year / 100, 2, '0'),
        'g' => style.number(out, (iso_week(it).0 % 100).abs(), 2, '0'),
        'G' => style.number(out, iso_week(it).0, if style.width == 0 { 4 } else { 0 }, '0'),
        'm' => style.number(out, it.month, 2, '0'),
        'B' => style.text(out, month),
        'b' | 'h' => style.text(out, &month[..3.min(month.len())]),
        'A' => style.text(out, day),
        'a' => style.text(out, &day[..3.min(day.len())]),
        'w' => style.number(out, it.weekday, 0, '0'),
        'u' => style.number(out, if it.weekday == 0 { 7 } else { it.weekday }, 0, '0'),
        'V' => style.number(out, iso_week(it).1, 2, '0'),
        'U' => style.number(out, (it.yearday + 6 - it.weekday) / 7, 2, '0'),
        'W' => style.number(out, (it.yearday + 6 - (it.weekday + 6) % 7) / 7, 2, '0'),
        'e' => style.number(out, it.day, 2, ' '),
        'd' => style.number(out, it.day, 2, '0'),
        'j' => style.number(out, it.yearday, 3, '0'),
        'k' => style.number(out, it.hour, 2, ' '),
        'H' => style.number(out, it.hour, 2, '0'),
        'l' => style.number(out, hour12, 2, ' '),
        'I' => style.number(out, hour12, 2, '0'),
        'p' => style.text(out, if it.hour < 12 { "AM" } else { "PM" }),
        'P' => {
            let style = Style { swap: !(style.upper || style.swap), ..style };
            style.text(out, if it.hour < 12 { "AM" } else { "PM" });
        }
        'M' => style.number(out, it.minute, 2, '0'),
        'S' => style.number(out, it.second, 2, '0'),
        's' => style.number(out, moment.seconds, 0, ' '),
        'f' => style.number(out, moment.nanos / 1000, if style.width == 0 { 6 } else { 0 }, '0'),
        'Z' => style.text(out, "UTC"),
        'z' => out.push_str(match colons {
            0 => "+0000",
            1 => "+00:00",
            2 => "+00:00:00",
            3 => "+00",
            _ => return false,
        }),
        't' => style.text(out, "\t"),
        'n' => style.text(out, "\n"),
        '%' => style.text(out, "%"),
        other => match composition(other) {
            Some(format) => write(out, moment, it, format),
            None => return false,
        },
    }
    true
}
