//! The elements of a Go layout.

/// How the offset of a zone is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    /// UTC is `Z`.
    pub(super) z: bool,
    pub(super) colons: bool,
    /// 1 for hours, 2 with minutes, 3 with seconds.
    pub(super) parts: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekDay,
    WeekDay,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    /// `PM`, or `pm`.
    Half {
        capital: bool,
    },
    Zone,
    Offset(Offset),
    /// `.000` or `.999`, which leaves out zeros.
    Fraction {
        mark: char,
        digits: usize,
        trim: bool,
    },
}

/// The text before the first element, the element with its text, and what follows. Without an element all is text.
pub(super) fn next(layout: &str) -> (&str, Option<(Element, &str)>, &str) {
    for (at, first) in layout.char_indices() {
        let rest = &layout[at..];
        if let Some((skip, len, element)) = element(first, rest) {
            let (from, to) = (at + skip, at + skip + len);
            return (&layout[..from], Some((element, &layout[from..to])), &layout[to..]);
        }
    }
    (layout, None, "")
}

/// The element that a text begins with: what of it is text before, its length, and which it is.
fn element(first: char, rest: &str) -> Option<(usize, usize, Element)> {
    use Element as E;
    let lower = |at: usize| rest.as_bytes().get(at).is_some_and(u8::is_ascii_lowercase);
    let found = match first {
        'J' if rest.starts_with("January") => (7, E::LongMonth),
        'J' if rest.starts_with("Jan") && !lower(3) => (3, E::Month),
        'M' if rest.starts_with("Monday") => (6, E::LongWeekDay),
        'M' if rest.starts_with("Mon") && !lower(3) => (3, E::WeekDay),
        'M' if rest.starts_with("MST") => (3, E::Zone),
        '0' => match rest.as_bytes().get(1..3).unwrap_or(rest.as_bytes().get(1..2)?) {
            [b'1', ..] => (2, E::ZeroMonth),
            [b'2', ..] => (2, E::ZeroDay),
            [b'3', ..] => (2, E::ZeroHour12),
            [b'4', ..] => (2, E::ZeroMinute),
            [b'5', ..] => (2, E::ZeroSecond),
            [b'6', ..] => (2, E::Year),
            [b'0', b'2'] => (3, E::ZeroYearDay),
            _ => return None,
        },
        '1' if rest.starts_with("15") => (2, E::Hour),
        '1' => (1, E::NumMonth),
        '2' if rest.starts_with("2006") => (4, E::LongYear),
        '2' => (1, E::Day),
        // the line before a year is text
        '_' if rest.starts_with("_2006") => return Some((1, 4, E::LongYear)),
        '_' if rest.starts_with("_2") => (2, E::UnderDay),
        '_' if rest.starts_with("__2") => (3, E::UnderYearDay),
        '3' => (1, E::Hour12),
        '4' => (1, E::Minute),
        '5' => (1, E::Second),
        'P' if rest.starts_with("PM") => (2, E::Half { capital: true }),
        'p' if rest.starts_with("pm") => (2, E::Half { capital: false }),
        '-' | 'Z' => offset(first == 'Z', &rest[1..])?,
        '.' | ',' => fraction(first, &rest[1..])?,
        _ => return None,
    };
    Some((0, found.0, found.1))
}

fn offset(z: bool, rest: &str) -> Option<(usize, Element)> {
    const FORMS: [(&str, bool, u8); 5] =
        [("070000", false, 3), ("07:00:00", true, 3), ("0700", false, 2), ("07:00", true, 2), ("07", false, 1)];
    let (text, colons, parts) = FORMS.iter().find(|it| rest.starts_with(it.0))?;
    Some((1 + text.len(), Element::Offset(Offset { z, colons: *colons, parts: *parts })))
}

/// Repeated digits, unless other digits follow.
fn fraction(mark: char, rest: &str) -> Option<(usize, Element)> {
    let kind = rest.bytes().next().filter(|it| matches!(it, b'0' | b'9'))?;
    let digits = rest.bytes().take_while(|it| *it == kind).count();
    if rest.as_bytes().get(digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((1 + digits, Element::Fraction { mark, digits, trim: kind == b'9' }))
}
