//! Go's syntax to the syntax of the `regex` crate: everything is read as Go reads it, and refused in its words.

use std::collections::BTreeSet;

/// Deepest nesting of groups.
const MAX_DEPTH: usize = 200;
/// Most repetitions that a pattern may ask for.
const MAX_REPEAT: u32 = 1000;

/// Translates a pattern, or says what is wrong with it.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut parser = Parser { pattern, at: 0, out: String::with_capacity(pattern.len() + 8), names: BTreeSet::new() };
    parser.alternatives(0)?;
    if parser.at < pattern.len() {
        return Err(format!("unexpected ): `{pattern}`"));
    }
    Ok(parser.out)
}

struct Parser<'a> {
    pattern: &'a str,
    at: usize,
    out: String,
    names: BTreeSet<String>,
}

type Outcome<T> = Result<T, String>;

/// What the last operand was, for a repetition after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Operand,
    Repetition(usize),
}

fn quoted<T>(what: &str, text: &str) -> Outcome<T> {
    Err(format!("{what}: `{text}`"))
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.pattern[self.at..]
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    fn next(&mut self) -> Option<char> {
        let it = self.rest().chars().next()?;
        self.at += it.len_utf8();
        Some(it)
    }

    fn literal(&mut self, it: char) {
        let mut buffer = [0; 4];
        self.out.push_str(&regex::escape(it.encode_utf8(&mut buffer)));
    }

    /// Reads up to the end or a closing parenthesis, which stays.
    fn alternatives(&mut self, depth: usize) -> Outcome<u32> {
        if depth > MAX_DEPTH {
            return quoted("expression nests too deeply", self.pattern);
        }
        let mut last = Last::Nothing;
        // where in the output the last operand begins, and how often its inside is repeated
        let mut operand = (self.out.len(), 1);
        let mut most = 1;
        loop {
            let start = self.at;
            let Some(it) = self.rest().chars().next() else { return Ok(most) };
            if it == ')' {
                return Ok(most);
            }
            if matches!(it, '*' | '+' | '?' | '{') {
                match self.repetition(last, operand)? {
                    Some(count) => {
                        last = Last::Repetition(start);
                        operand.1 = count;
                        most = most.max(count);
                        continue;
                    }
                    None => {
                        // a brace that counts nothing
                        operand = (self.out.len(), 1);
                        self.at += 1;
                        self.literal('{');
                        last = Last::Operand;
                        continue;
                    }
                }
            }
            let begin = self.out.len();
            self.at += it.len_utf8();
            operand = (begin, 1);
            last = Last::Operand;
            match it {
                '|' => {
                    self.out.push('|');
                    last = Last::Nothing;
                }
                '(' => {
                    self.at = start;
                    match self.group(depth)? {
                        Some(count) => {
                            operand.1 = count;
                            most = most.max(count);
                        }
                        None => last = Last::Nothing,
                    }
                }
                '[' => {
                    self.at = start;
                    self.class()?;
                }
                '^' | '$' | '.' => self.out.push(it),
                '\\' => {
                    self.at = start;
                    if self.take("\\Q") {
                        let inside = self.rest();
                        let (text, len) = match inside.find("\\E") {
                            Some(at) => (&inside[..at], at + 2),
                            None => (inside, inside.len()),
                        };
                        for it in text.chars() {
                            operand = (self.out.len(), 1);
                            self.literal(it);
                        }
                        if text.is_empty() {
                            last = Last::Nothing;
                        }
                        self.at += len;
                    } else {
                        self.escape()?;
                    }
                }
                it => self.literal(it),
            }
        }
    }

    /// A repetition of the last operand; `None` when the brace is a plain one.
    fn repetition(&mut self, last: Last, operand: (usize, u32)) -> Outcome<Option<u32>> {
        let start = self.at;
        let Some(it) = self.next() else { return Ok(None) };
        let mut count = 1;
        let mut text = it.to_string();
        if it == '{' {
            let Some((least, most, len)) = counts(self.rest()) else {
                self.at = start;
                return Ok(None);
            };
            self.at += len;
            if least > MAX_REPEAT || most.is_some_and(|it| it > MAX_REPEAT || it < least) {
                return quoted("invalid repeat count", &self.pattern[start..self.at]);
            }
            count = most.unwrap_or(least).max(1);
            text = match most {
                Some(most) => format!("{{{least},{most}}}"),
                None => format!("{{{least},}}"),
            };
        }
        let lazy = self.take("?");
        let shown = &self.pattern[start..self.at];
        match last {
            Last::Nothing => return quoted("missing argument to repetition operator", shown),
            Last::Repetition(before) => {
                return quoted("invalid nested repetition operator", &self.pattern[before..self.at]);
            }
            Last::Operand => {}
        }
        let total = count.saturating_mul(operand.1);
        if it == '{' && total > MAX_REPEAT {
            return quoted("invalid repeat count", shown);
        }
        // an operand of several characters in the output is one
        let inner = self.out.split_off(operand.0);
        self.out.push_str(&format!("(?:{inner}){text}"));
        if lazy {
            self.out.push('?');
        }
        Ok(Some(total))
    }

    /// A group, or flags for what follows, which are no operand.
    fn group(&mut self, depth: usize) -> Outcome<Option<u32>> {
        let rest = self.rest();
        if rest.starts_with("(?P<") && rest.len() > 4 || rest.starts_with("(?<") && rest.len() > 3 {
            let skip = if rest.starts_with("(?P<") { 4 } else { 3 };
            let Some(end) = rest.find('>') else { return quoted("invalid named capture", rest) };
            let name = &rest[skip..end];
            if name.is_empty() || !name.chars().all(|it| it == '_' || it.is_ascii_alphanumeric()) {
                return quoted("invalid named capture", &rest[..=end]);
            }
            self.at += end + 1;
            // the crate wants no digit first, and every name once
            if name.starts_with(|it: char| it.is_ascii_digit()) || !self.names.insert(name.to_owned()) {
                self.out.push('(');
            } else {
                self.out.push_str(&format!("(?P<{name}>"));
            }
        } else if rest.starts_with("(?") {
            if !self.flags()? {
                return Ok(None);
            }
        } else {
            self.at += 1;
            self.out.push('(');
        }
        let most = self.alternatives(depth + 1)?;
        if !self.take(")") {
            return quoted("missing closing )", self.pattern);
        }
        self.out.push(')');
        Ok(Some(most))
    }

    /// `(?flags)` or `(?flags:`; says whether a group is open now.
    fn flags(&mut self) -> Outcome<bool> {
        let start = self.at;
        self.at += 2;
        let (mut negative, mut any) = (false, false);
        self.out.push_str("(?");
        loop {
            let Some(it) = self.next() else { return quoted("missing closing )", self.pattern) };
            match it {
                'i' | 'm' | 's' | 'U' => {
                    any = true;
                    self.out.push(it);
                }
                '-' if !negative => {
                    negative = true;
                    any = false;
                    self.out.push(it);
                }
                ':' | ')' if !negative || any => {
                    if it == ')' && self.out.ends_with("(?") {
                        // no flags at all: nothing
                        self.out.truncate(self.out.len() - 2);
                        return Ok(false);
                    }
                    self.out.push(it);
                    return Ok(it == ':');
                }
                _ => {
                    return quoted("invalid or unsupported Perl syntax", &self.pattern[start..self.at]);
                }
            }
        }
    }

    /// An escape outside of a class.
    fn escape(&mut self) -> Outcome<()> {
        let start = self.at;
        let rest = self.rest();
        match rest[1..].chars().next() {
            Some('A') => self.out.push_str("\\A"),
            Some('z') => self.out.push_str("\\z"),
            Some('b') => self.out.push_str("(?-u:\\b)"),
            Some('B') => self.out.push_str("(?-u:\\B)"),
            Some('C') => return quoted("invalid escape sequence", "\\C"),
            Some(it) if perl_class(it).is_some() => {
                // Go's are ASCII whatever the flags
                self.out.push_str(&format!("(?-i:[{}])", perl_class(it).unwrap_or_default()));
            }
            Some('p' | 'P') => {
                let class = self.unicode_class()?;
                self.out.push_str(&class);
                return Ok(());
            }
            _ => {
                let it = self.escaped_char()?;
                self.literal(it);
                return Ok(());
            }
        }
        self.at = start + 2;
        Ok(())
    }

    /// `\pN`, `\p{Name}` and their opposites.
    fn unicode_class(&mut self) -> Outcome<String> {
        let start = self.at;
        self.at += 1;
        let mut negative = self.next() == Some('P');
        let name = match self.next() {
            Some('{') => {
                let Some(end) = self.rest().find('}') else {
                    return quoted("invalid character class range", &self.pattern[start..]);
                };
                let name = self.rest()[..end].to_owned();
                self.at += end + 1;
                name
            }
            Some(it) => it.to_string(),
            None => return quoted("invalid character class range", &self.pattern[start..]),
        };
        let name = match name.strip_prefix('^') {
            Some(name) => {
                negative = !negative;
                name.to_owned()
            }
            None => name,
        };
        let sign = if negative { 'P' } else { 'p' };
        let class = format!("\\{sign}{{{name}}}");
        let known = !name.is_empty() && name.chars().all(|it| it.is_ascii_alphabetic() || "_ -".contains(it));
        if !known || regex::Regex::new(&class).is_err() {
            return quoted("invalid character class range", &self.pattern[start..self.at]);
        }
        Ok(class)
    }

    /// An escape that stands for one character.
    fn escaped_char(&mut self) -> Outcome<char> {
        let start = self.at;
        self.at += 1;
        let Some(it) = self.next() else { return quoted("trailing backslash at end of expression", "") };
        let invalid = |end: usize| quoted("invalid escape sequence", &self.pattern[start..end]);
        Ok(match it {
            '1'..='7' if !self.rest().starts_with(|it: char| ('0'..='7').contains(&it)) => return invalid(self.at),
            '0'..='7' => {
                let mut code = it.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    match self.rest().chars().next().and_then(|it| it.to_digit(8)) {
                        Some(digit) => {
                            code = code * 8 + digit;
                            self.at += 1;
                        }
                        None => break,
                    }
                }
                char::from_u32(code).unwrap_or('\u{fffd}')
            }
            'x' => {
                let rest = self.rest();
                let (digits, len) = match rest.strip_prefix('{') {
                    Some(inside) => match inside.find('}') {
                        Some(end) => (&inside[..end], end + 2),
                        None => return invalid(self.pattern.len()),
                    },
                    None => match rest.get(..2) {
                        Some(two) => (two, 2),
                        None => return invalid(self.pattern.len()),
                    },
                };
                let hex = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_hexdigit());
                let code = u32::from_str_radix(digits, 16).ok().filter(|_| hex);
                match code.and_then(char::from_u32) {
                    Some(it) => {
                        self.at += len;
                        it
                    }
                    None => {
                        // Go shows what it read up to the first character that does not fit
                        let brace = usize::from(rest.starts_with('{'));
                        let mut value = 0_u32;
                        let mut fits = |it: &u8| {
                            let digit = char::from(*it).to_digit(16);
                            value = value.saturating_mul(16).saturating_add(digit.unwrap_or(0));
                            digit.is_some() && value <= 0x10_ffff
                        };
                        let good = rest[brace..].bytes().take_while(|it| fits(it)).count();
                        let end = if brace == 0 { self.at + 2 } else { self.at + brace + good + 1 };
                        let end = end.min(self.pattern.len());
                        let end = (end..=self.pattern.len()).find(|it| self.pattern.is_char_boundary(*it));
                        return invalid(end.unwrap_or(self.pattern.len()));
                    }
                }
            }
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            it if it.is_ascii() && !it.is_ascii_alphanumeric() => it,
            _ => return invalid(self.at),
        })
    }

    fn class(&mut self) -> Outcome<()> {
        let start = self.at;
        self.at += 1;
        self.out.push('[');
        if self.take("^") {
            self.out.push('^');
        }
        let mut first = true;
        while first || !self.rest().starts_with(']') {
            first = false;
            let item = self.at;
            if self.rest().is_empty() {
                return quoted("missing closing ]", &self.pattern[start..]);
            }
            if self.rest().starts_with("[:") {
                let inside = &self.rest()[2..];
                if let Some(end) = inside.find(":]") {
                    let name = &self.rest()[..end + 4];
                    let (sign, plain) = match inside[..end].strip_prefix('^') {
                        Some(plain) => ("^", plain),
                        None => ("", &inside[..end]),
                    };
                    const NAMES: [&str; 14] = [
                        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
                        "space", "upper", "word", "xdigit",
                    ];
                    if !NAMES.contains(&plain) {
                        return quoted("invalid character class range", name);
                    }
                    self.out.push_str(&format!("[:{sign}{plain}:]"));
                    self.at += name.len();
                    continue;
                }
            }
            if self.rest().starts_with("\\p") || self.rest().starts_with("\\P") {
                let class = self.unicode_class()?;
                self.out.push_str(&class);
                continue;
            }
            if let Some(set) = self.rest().strip_prefix('\\').and_then(|it| it.chars().next()).and_then(perl_class) {
                self.out.push_str(&format!("[{set}]"));
                self.at += 2;
                continue;
            }
            let low = self.class_char(start)?;
            let mut high = low;
            let rest = self.rest();
            if rest.starts_with('-') && rest.len() > 1 && !rest[1..].starts_with(']') {
                self.at += 1;
                high = self.class_char(start)?;
                if high < low {
                    return quoted("invalid character class range", &self.pattern[item..self.at]);
                }
            }
            self.out.push_str(&format!("\\x{{{:x}}}", u32::from(low)));
            if high != low {
                self.out.push_str(&format!("-\\x{{{:x}}}", u32::from(high)));
            }
        }
        self.at += 1;
        self.out.push(']');
        Ok(())
    }

    fn class_char(&mut self, start: usize) -> Outcome<char> {
        if self.rest().starts_with('\\') {
            return self.escaped_char();
        }
        match self.next() {
            Some(it) => Ok(it),
            None => quoted("missing closing ]", &self.pattern[start..]),
        }
    }
}

/// The characters of `\d` and its like, as the inside of a class.
fn perl_class(it: char) -> Option<&'static str> {
    Some(match it {
        'd' => "0-9",
        'D' => "^0-9",
        's' => "\\t\\n\\x0C\\r ",
        'S' => "^\\t\\n\\x0C\\r ",
        'w' => "0-9A-Za-z_",
        'W' => "^0-9A-Za-z_",
        _ => return None,
    })
}

/// The counts of `{n}`, `{n,}` or `{n,m}` after the brace, and their length. A count of `{n,}` has no most.
fn counts(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let end = text.find('}')?;
    let number = |it: &str| {
        let plain =
            !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()) && (it.len() == 1 || !it.starts_with('0'));
        // what is too large is refused by who asks
        plain.then(|| it.parse::<u32>().unwrap_or(u32::MAX))
    };
    let inside = &text[..end];
    Some(match inside.split_once(',') {
        None => {
            let count = number(inside)?;
            (count, Some(count), end + 1)
        }
        Some((least, "")) => (number(least)?, None, end + 1),
        Some((least, most)) => (number(least)?, Some(number(most)?), end + 1),
    })
}
