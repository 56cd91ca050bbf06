//! A time read by a layout, with Go's words where it is none.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};

use super::chunk::{self, Element, Offset};
use super::{DAYS, MONTHS, TimeError};

/// [`read_layout`] where the reason does not matter.
#[must_use]
pub fn parse_layout(text: &str, layout: &str, zone: &TimeZone) -> Option<Zoned> {
    read_layout(text, layout, zone).ok()
}

/// Reads a time by a Go reference-time layout; what the layout leaves out is that of the year 0 in `zone`. Names of zones
/// (`MST`) mean those of `zone`; others have no offset, as in Go.
///
/// # Errors
/// The text is not of the layout.
pub fn read_layout(text: &str, layout: &str, zone: &TimeZone) -> Result<Zoned, TimeError> {
    let mut parser = Parser { text, layout, rest: text, fields: Fields::default() };
    let mut rest = layout;
    loop {
        let (before, element, after) = chunk::next(rest);
        parser.skip(before)?;
        let Some((element, shown)) = element else { break };
        let hold = parser.rest;
        match parser.element(element, after) {
            Ok(()) => {}
            Err(Wrong::Range(what)) => return Err(parser.about(&format!("{what} out of range"))),
            Err(Wrong::Form) => return Err(parser.refuse(hold, shown)),
        }
        rest = after;
    }
    if !parser.rest.is_empty() {
        return Err(parser.about(&format!("extra text: {}", quote(parser.rest))));
    }
    let at = parser.date_time()?;
    parser.fields.zoned(at, zone).ok_or_else(|| parser.about("time out of range"))
}

/// As the package quotes: other characters as their bytes.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for it in text.chars() {
        if !(' '..='\x7f').contains(&it) {
            let mut buffer = [0; 4];
            out.extend(it.encode_utf8(&mut buffer).bytes().map(|byte| format!("\\x{byte:02x}")));
            continue;
        }
        if matches!(it, '"' | '\\') {
            out.push('\\');
        }
        out.push(it);
    }
    out.push('"');
    out
}

enum Wrong {
    Form,
    Range(&'static str),
}

type Step<T = ()> = Result<T, Wrong>;

/// The zone that a text names.
#[derive(Default)]
enum Named {
    #[default]
    Nothing,
    Utc,
    Offset(i32),
}

#[derive(Default)]
struct Fields {
    year: i16,
    month: Option<i16>,
    day: Option<i16>,
    day_of_year: Option<i16>,
    hour: i16,
    minute: i16,
    second: i16,
    nanos: i32,
    /// Whether `PM` or `AM` stood there.
    pm: Option<bool>,
    zone: Named,
    /// An offset counts before a name.
    name: Option<String>,
}

struct Parser<'a> {
    text: &'a str,
    layout: &'a str,
    rest: &'a str,
    fields: Fields,
}

impl Parser<'_> {
    fn about(&self, message: &str) -> TimeError {
        TimeError::Layout(format!("parsing time {}: {message}", quote(self.text)))
    }

    fn refuse(&self, value: &str, element: &str) -> TimeError {
        let (text, layout) = (quote(self.text), quote(self.layout));
        TimeError::Layout(format!(
            "parsing time {text} as {layout}: cannot parse {} as {}",
            quote(value),
            quote(element)
        ))
    }

    /// Text of the layout; a run of spaces stands for any number of them.
    fn skip(&mut self, whole: &str) -> Result<(), TimeError> {
        let mut text = whole;
        while let Some(it) = text.chars().next() {
            if it == ' ' {
                if !self.rest.is_empty() && !self.rest.starts_with(' ') {
                    return Err(self.refuse(self.rest, whole));
                }
                text = text.trim_start_matches(' ');
                self.rest = self.rest.trim_start_matches(' ');
                continue;
            }
            match self.rest.strip_prefix(it) {
                Some(rest) => self.rest = rest,
                None => return Err(self.refuse(self.rest, whole)),
            }
            text = &text[it.len_utf8()..];
        }
        Ok(())
    }

    fn is_digit(&self, at: usize) -> bool {
        self.rest.as_bytes().get(at).is_some_and(u8::is_ascii_digit)
    }

    /// A number of one or as many digits, or of exactly as many.
    fn number(&mut self, most: usize, exact: bool) -> Step<i16> {
        let count = (0..most).take_while(|at| self.is_digit(*at)).count();
        if count == 0 || exact && count < most {
            return Err(Wrong::Form);
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        digits.parse().map_err(|_| Wrong::Form)
    }

    fn within(&mut self, exact: bool, most: i16, what: &'static str) -> Step<i16> {
        let it = self.number(2, exact)?;
        if it > most { Err(Wrong::Range(what)) } else { Ok(it) }
    }

    fn word(&mut self, words: &[&str], len: Option<usize>) -> Step<i16> {
        let short = |it: &&str| it.len().min(len.unwrap_or(usize::MAX));
        let fits =
            |it: &&str| self.rest.get(..short(it)).is_some_and(|head| head.eq_ignore_ascii_case(&it[..short(it)]));
        let place = words.iter().position(fits).ok_or(Wrong::Form)?;
        self.rest = &self.rest[short(&words[place])..];
        i16::try_from(place).map_err(|_| Wrong::Form)
    }

    fn element(&mut self, element: Element, after: &str) -> Step {
        match element {
            Element::Year => {
                let year = self.number(2, true)?;
                self.fields.year = if year >= 69 { 1900 + year } else { 2000 + year };
            }
            Element::LongYear => self.fields.year = self.number(4, true)?,
            Element::Month => self.fields.month = Some(self.word(&MONTHS, Some(3))? + 1),
            Element::LongMonth => self.fields.month = Some(self.word(&MONTHS, None)? + 1),
            Element::NumMonth | Element::ZeroMonth => {
                let month = self.number(2, element == Element::ZeroMonth)?;
                if !(1..=12).contains(&month) {
                    return Err(Wrong::Range("month"));
                }
                self.fields.month = Some(month);
            }
            Element::WeekDay => _ = self.word(&DAYS, Some(3))?,
            Element::LongWeekDay => _ = self.word(&DAYS, None)?,
            Element::Day | Element::UnderDay | Element::ZeroDay => {
                if element == Element::UnderDay {
                    self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
                }
                self.fields.day = Some(self.number(2, element == Element::ZeroDay)?);
            }
            Element::UnderYearDay | Element::ZeroYearDay => {
                let under = element == Element::UnderYearDay;
                for _ in 0..2 {
                    if under {
                        self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
                    }
                }
                self.fields.day_of_year = Some(self.number(3, !under)?);
            }
            Element::Hour => self.fields.hour = self.within(false, 23, "hour")?,
            Element::Hour12 => self.fields.hour = self.within(false, 12, "hour")?,
            Element::ZeroHour12 => self.fields.hour = self.within(true, 12, "hour")?,
            Element::Minute => self.fields.minute = self.within(false, 59, "minute")?,
            Element::ZeroMinute => self.fields.minute = self.within(true, 59, "minute")?,
            Element::Second | Element::ZeroSecond => {
                self.fields.second = self.within(element == Element::ZeroSecond, 59, "second")?;
                // a fraction may follow although the layout has none
                let wanted = matches!(chunk::next(after).1, Some((Element::Fraction { .. }, _)));
                if self.rest.starts_with(['.', ',']) && self.is_digit(1) && !wanted {
                    self.fraction(usize::MAX)?;
                }
            }
            Element::Half { capital } => {
                let (am, pm) = if capital { ("AM", "PM") } else { ("am", "pm") };
                let is_pm = self.rest.starts_with(pm);
                self.rest = self.rest.strip_prefix(if is_pm { pm } else { am }).ok_or(Wrong::Form)?;
                self.fields.pm = Some(is_pm);
            }
            Element::Offset(form) => self.offset(form)?,
            Element::Zone => match self.rest.strip_prefix("UTC") {
                Some(rest) => {
                    self.rest = rest;
                    self.fields.zone = Named::Utc;
                }
                None => {
                    let len = zone_name(self.rest).ok_or(Wrong::Form)?;
                    let (name, rest) = self.rest.split_at(len);
                    self.fields.name = Some(name.to_owned());
                    self.rest = rest;
                }
            },
            Element::Fraction { digits, trim: false, .. } => {
                if !self.rest.starts_with(['.', ',']) || !(1..=digits).all(|at| self.is_digit(at)) {
                    return Err(Wrong::Form);
                }
                self.fraction(digits)?;
            }
            Element::Fraction { .. } => {
                if self.rest.starts_with(['.', ',']) && self.is_digit(1) {
                    self.fraction(usize::MAX)?;
                }
            }
        }
        Ok(())
    }

    /// A mark and at most as many digits, of which nine count.
    fn fraction(&mut self, most: usize) -> Step {
        let digits = &self.rest[1..];
        let len = digits.bytes().take(most).take_while(u8::is_ascii_digit).count();
        self.fields.nanos = format!("{:0<9}", &digits[..len.min(9)]).parse().map_err(|_| Wrong::Form)?;
        self.rest = &digits[len..];
        Ok(())
    }

    fn offset(&mut self, form: Offset) -> Step {
        if form.z
            && let Some(rest) = self.rest.strip_prefix('Z')
        {
            self.rest = rest;
            self.fields.zone = Named::Utc;
            return Ok(());
        }
        let sign = match self.rest.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(Wrong::Form),
        };
        self.rest = &self.rest[1..];
        let mut parts = [0_i32; 3];
        for (place, part) in parts.iter_mut().enumerate().take(form.parts.into()) {
            if place > 0 && form.colons {
                self.rest = self.rest.strip_prefix(':').ok_or(Wrong::Form)?;
            }
            *part = self.number(2, true)?.into();
        }
        let [hours, minutes, seconds] = parts;
        for (it, most, what) in [
            (hours, 24, "time zone offset hour"),
            (minutes, 60, "time zone offset minute"),
            (seconds, 60, "time zone offset second"),
        ] {
            if it > most {
                return Err(Wrong::Range(what));
            }
        }
        self.fields.zone = Named::Offset(sign * ((hours * 60 + minutes) * 60 + seconds));
        Ok(())
    }

    fn date_time(&self) -> Result<DateTime, TimeError> {
        let it = &self.fields;
        let small = |it: i16| i8::try_from(it).unwrap_or(-1);
        let hour = match it.pm {
            Some(true) if it.hour < 12 => it.hour + 12,
            Some(false) if it.hour == 12 => 0,
            _ => it.hour,
        };
        let time = Time::new(small(hour), small(it.minute), small(it.second), it.nanos);
        let time = time.map_err(|_| self.about("hour out of range"))?;
        let date = match it.day_of_year {
            None => Date::new(it.year, small(it.month.unwrap_or(1)), small(it.day.unwrap_or(1)))
                .map_err(|_| self.about("day out of range"))?,
            Some(place) => {
                let date = Date::new(it.year, 1, 1)
                    .and_then(|first| first.checked_add(SignedDuration::from_hours(24 * (i64::from(place) - 1))))
                    .ok()
                    .filter(|date| place >= 1 && date.year() == it.year)
                    .ok_or_else(|| self.about("day-of-year out of range"))?;
                if it.month.is_some_and(|it| it != i16::from(date.month())) {
                    return Err(self.about("day-of-year does not match month"));
                }
                if it.day.is_some_and(|it| it != i16::from(date.day())) {
                    return Err(self.about("day-of-year does not match day"));
                }
                date
            }
        };
        Ok(date.to_datetime(time))
    }
}

impl Fields {
    /// The instant, in the zone that was named or in this one.
    fn zoned(&self, at: DateTime, zone: &TimeZone) -> Option<Zoned> {
        let fixed = |seconds: i32| Some(TimeZone::fixed(jiff::tz::Offset::from_seconds(seconds).ok()?));
        match (&self.zone, &self.name) {
            (Named::Utc, _) => at.to_zoned(TimeZone::UTC).ok(),
            (Named::Offset(seconds), _) => {
                let there = at.to_zoned(fixed(*seconds)?).ok()?;
                let here = there.with_time_zone(zone.clone());
                let named = self.name.as_ref().is_none_or(|name| here.strftime("%Z").to_string() == *name);
                if here.offset().seconds() == *seconds && named { Some(here) } else { Some(there) }
            }
            (_, Some(name)) => named_zone(at, name, zone),
            _ => at.to_zoned(zone.clone()).ok(),
        }
    }
}

/// A name of a zone is known only where it is one of this zone; others have no offset, but for `GMT+3`.
fn named_zone(at: DateTime, name: &str, zone: &TimeZone) -> Option<Zoned> {
    let here = at.to_zoned(zone.clone()).ok()?;
    for months in [0, 6, -6, 3, -3] {
        let other = here.checked_add(jiff::Span::new().months(months)).ok();
        if let Some(other) = other.filter(|it| it.strftime("%Z").to_string() == name) {
            let there = at.to_zoned(TimeZone::fixed(other.offset())).ok()?;
            return Some(there.with_time_zone(zone.clone()));
        }
    }
    let hours = name.strip_prefix("GMT").and_then(|it| it.parse::<i32>().ok()).unwrap_or(0);
    let made = match hours {
        0 if name.bytes().all(|it| it.is_ascii_alphabetic()) => TimeZone::posix(&format!("{name}0")).ok()?,
        _ => TimeZone::posix(&format!("<{name}>{}", -hours)).or_else(|_| TimeZone::posix("UTC0")).ok()?,
    };
    at.to_zoned(made).ok()
}

/// How long the name is of a zone that a text begins with.
fn zone_name(text: &str) -> Option<usize> {
    let signed = |text: &str| {
        let digits = text.get(1..).unwrap_or_default().bytes().take_while(u8::is_ascii_digit).count();
        let fits = text.starts_with(['+', '-'])
            && text.get(1..=digits).is_some_and(|it| it.parse::<u8>().is_ok_and(|it| it <= 23));
        if fits { 1 + digits } else { 0 }
    };
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix("GMT") {
        return Some(3 + signed(rest));
    }
    if text.len() >= 3 && text.starts_with(['+', '-']) {
        return Some(signed(text)).filter(|it| *it > 0);
    }
    let upper = text.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    match upper {
        3 => Some(3),
        4 if text.as_bytes()[3] == b'T' || text.starts_with("WITA") => Some(4),
        5 if text.as_bytes()[4] == b'T' => Some(5),
        _ => None,
    }
}
