//! `strptime`: reading a time by C's conversions.

use super::strftime::{DAYS, MONTHS, composition};
use super::time::Moment;

#[derive(Default)]
struct Read {
    year: Option<i64>,
    century: Option<i64>,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: i64,
    pm: bool,
    yearday: i64,
    /// From Sunday, 1; 0 is none.
    weekday: i64,
    week: i64,
    week_kind: Option<char>,
    iso_year: bool,
    offset: i64,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    read: Read,
}

type Step<T = ()> = Result<T, String>;

/// The moment that a text names; the error is upstream's reason.
pub(super) fn strptime(text: &str, format: &str) -> Result<Moment, String> {
    let quoted = |it: &str| crate::fmt::sprintf_values("%q", &[it.into()]);
    let mut reader = Reader { text, at: 0, read: Read { month: 1, ..Read::default() } };
    let done = reader.run(format).and_then(|()| reader.finish());
    done.map_err(|reason| format!("failed to parse {} with {}: {reason}", quoted(text), quoted(format)))
}

impl Reader<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn run(&mut self, format: &str) -> Step {
        self.part(format)?;
        if self.at < self.text.len() {
            let rest = self.text.get(self.at..).unwrap_or_default();
            return Err(format!("unparsed string {}", crate::fmt::sprintf_values("%q", &[rest.into()])));
        }
        Ok(())
    }

    fn part(&mut self, format: &str) -> Step {
        let mut chars = format.chars();
        while let Some(it) = chars.next() {
            if it != '%' {
                self.literal(it)?;
                continue;
            }
            let Some(mut letter) = chars.next() else { return Err("stray \"%\"".to_owned()) };
            let mut colons = 0;
            while letter == ':' {
                colons += 1;
                letter = match chars.next() {
                    Some(next) if colons < 3 => next,
                    _ => return Err(format!("expected 'z' after \"%{}\"", ":".repeat(colons.min(2)))),
                };
            }
            if colons > 0 && letter != 'z' {
                return Err(format!("expected 'z' after \"%{}\"", ":".repeat(colons)));
            }
            self.conversion(letter, colons)?;
        }
        Ok(())
    }

    fn literal(&mut self, it: char) -> Step {
        let mut buffer = [0; 4];
        for byte in it.encode_utf8(&mut buffer).bytes() {
            if self.byte() != Some(byte) {
                let shown = if byte.is_ascii() { char::from(byte).to_string() } else { format!("\\x{byte:02x}") };
                return Err(format!("expected '{shown}'"));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self, size: usize, least: i64, most: i64, letter: char) -> Step<i64> {
        let start = self.at;
        let mut value: i64 = 0;
        while let Some(digit) = self.byte().filter(u8::is_ascii_digit) {
            if self.at - start == size {
                break;
            }
            value = value.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
            self.at += 1;
        }
        if self.at == start || value < least || value > most {
            return Err(format!("cannot parse \"%{letter}\""));
        }
        Ok(value)
    }

    /// The place of a name, from 1.
    fn name<'n>(&mut self, names: impl Iterator<Item = &'n str>, letter: char) -> Step<i64> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        for (place, name) in names.enumerate() {
            if rest.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes())) {
                self.at += name.len();
                return Ok(i64::try_from(place).unwrap_or(0) + 1);
            }
        }
        Err(format!("cannot parse \"%{letter}\""))
    }

    fn skip_blank(&mut self) {
        if self.byte() == Some(b' ') {
            self.at += 1;
        }
    }

    fn signed_year(&mut self, letter: char) -> Step<i64> {
        let sign = match self.byte() {
            Some(b'-') => -1,
            Some(b'+') => 1,
            _ => 0,
        };
        if sign != 0 {
            self.at += 1;
        }
        Ok(self.number(4, 0, 9999, letter)? * if sign < 0 { -1 } else { 1 })
    }

    fn conversion(&mut self, letter: char, colons: usize) -> Step {
        let short = |names: &'static [&'static str]| names.iter().map(|it| &it[..3]);
        match letter {
            'Y' | 'G' => {
                self.read.iso_year |= letter == 'G';
                self.read.year = Some(self.signed_year(letter)?);
            }
            'y' | 'g' => {
                self.read.iso_year |= letter == 'g';
                let year = self.number(2, 0, 99, letter)?;
                self.read.year = Some(if year < 69 { year + 2000 } else { year + 1900 });
            }
            'C' => self.read.century = Some(self.number(2, 0, 99, letter)?),
            'm' => self.read.month = self.number(2, 1, 12, letter)?,
            'B' => self.read.month = self.name(MONTHS.iter().copied(), letter)?,
            'b' | 'h' => self.read.month = self.name(short(&MONTHS), letter)?,
            'A' => self.read.weekday = self.name(DAYS.iter().copied(), letter)?,
            'a' => self.read.weekday = self.name(short(&DAYS), letter)?,
            'w' => self.read.weekday = self.number(1, 0, 6, letter)? + 1,
            'u' => self.read.weekday = self.number(1, 1, 7, letter)? % 7 + 1,
            'V' | 'U' | 'W' => {
                self.read.week = self.number(2, i64::from(letter == 'V'), 53, letter)?;
                self.read.week_kind = Some(letter);
                if self.read.weekday == 0 {
                    self.read.weekday = if letter == 'U' { 1 } else { 2 };
                }
            }
            'e' | 'd' => {
                if letter == 'e' {
                    self.skip_blank();
                }
                self.read.day = self.number(2, 1, 31, letter)?;
            }
            'j' => self.read.yearday = self.number(3, 1, 366, letter)?,
            'k' | 'H' => {
                if letter == 'k' {
                    self.skip_blank();
                }
                self.read.hour = self.number(2, 0, 23, letter)?;
            }
            'l' | 'I' => {
                if letter == 'l' {
                    self.skip_blank();
                }
                self.read.hour = self.number(2, 1, 12, letter)? % 12;
            }
            'P' | 'p' => self.read.pm = self.name(["AM", "PM"].into_iter(), letter)? == 2,
            'M' => self.read.minute = self.number(2, 0, 59, letter)?,
            'S' => self.read.second = self.number(2, 0, 60, letter)?,
            's' => {
                let it = Moment { seconds: self.number(10, 0, i64::MAX, letter)?, nanos: 0 }.parts();
                self.read.year = Some(it.year);
                (self.read.month, self.read.day) = (it.month, it.day);
                (self.read.hour, self.read.minute, self.read.second) = (it.hour, it.minute, it.second);
            }
            'f' => {
                let start = self.at;
                let value = self.number(6, 0, 999_999, letter)?;
                let missing = u32::try_from(6 - (self.at - start)).unwrap_or(0);
                self.read.nanos = value * 10_i64.pow(missing) * 1000;
            }
            'Z' => {
                let start = self.at;
                while self.byte().is_some_and(|it| it.is_ascii_uppercase()) {
                    self.at += 1;
                }
                let name = &self.text[start..self.at];
                if !(3..=5).contains(&name.len()) {
                    return Err(format!("cannot parse \"{name}\" with \"%Z\""));
                }
            }
            'z' => self.read.offset = self.zone(colons)?,
            't' | 'n' => {
                let start = self.at;
                while self.byte().is_some_and(|it| matches!(it, b' ' | 9..=13)) {
                    self.at += 1;
                }
                if self.at == start {
                    return Err(format!("expected a space for \"%{letter}\""));
                }
            }
            '%' => self.literal('%')?,
            other => match composition(other) {
                Some(format) => self.part(format)?,
                None => return Err(format!("unexpected format \"%{other}\"")),
            },
        }
        Ok(())
    }

    /// `Z`, `+hhmm` or `+hh:mm`, in seconds.
    fn zone(&mut self, colons: usize) -> Step<i64> {
        let bad = || format!("cannot parse \"%{}z\"", ":".repeat(colons));
        let sign = match self.byte() {
            Some(b'Z') => {
                self.at += 1;
                return Ok(0);
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(bad()),
        };
        self.at += 1;
        let two = |it: &mut Self| {
            let start = it.at;
            let value = it.number(2, 0, 59, 'z').ok().filter(|_| it.at == start + 2);
            if value.is_none() {
                it.at = start;
            }
            value
        };
        let hours = two(self).filter(|it| *it < 24).ok_or_else(bad)?;
        let mut minutes = 0;
        let mut seconds = 0;
        if self.byte() == Some(b':') {
            self.at += 1;
            minutes = two(self).ok_or_else(bad)?;
            if self.byte() == Some(b':') && colons != 1 {
                self.at += 1;
                seconds = two(self).ok_or_else(bad)?;
            } else if colons == 2 {
                return Err("expected ':' for \"%::z\"".to_owned());
            }
        } else if colons > 0 {
            return Err(format!("expected ':' for \"%{}z\"", ":".repeat(colons)));
        } else if let Some(found) = two(self) {
            minutes = found;
        }
        Ok(sign * (hours * 3600 + minutes * 60 + seconds))
    }

    fn finish(&self) -> Step<Moment> {
        let it = &self.read;
        let hour = if it.pm { it.hour + 12 } else { it.hour };
        let mut year = it.year.unwrap_or(1900);
        if let Some(century) = it.century {
            year = century * 100 + year % 100;
        }
        let time = [hour, it.minute, it.second - it.offset];
        if it.day > 0 {
            return Ok(Moment::of(year, it.month, it.day, time, it.nanos));
        }
        if it.yearday > 0 {
            if it.iso_year {
                return Err("use \"%Y\" to parse non-ISO year for \"%j\"".to_owned());
            }
            return Ok(Moment::of(year, 1, it.yearday, time, it.nanos));
        }
        let Some(kind) = it.week_kind else { return Ok(Moment::of(year, it.month, 1, time, it.nanos)) };
        if kind == 'V' && !it.iso_year {
            return Err("use \"%G\" to parse ISO year for \"%V\"".to_owned());
        }
        if kind != 'V' && it.iso_year {
            return Err("use \"%Y\" to parse non-ISO year for \"%U\" or \"%W\"".to_owned());
        }
        // the day of the week that the first week is counted by
        let start = match kind {
            'V' => 4,
            'W' => 1,
            _ => 0,
        };
        let week = if start > 0 && it.weekday == 1 { it.week + 1 } else { it.week };
        let anchor = Moment::of(year, 1, -start, time, it.nanos);
        let weekday = Moment::of(year, 1, -start, [0; 3], 0).parts().weekday;
        let days = week * 7 - weekday + it.weekday - 1;
        Ok(Moment { seconds: anchor.seconds + days * 86_400, nanos: anchor.nanos })
    }
}
