//! JSON text inside of values.

use std::collections::BTreeMap;

use super::super::budget::Budget;
use super::super::error::{Exc, Res};
use super::super::value::{Text, Val, parse_number, to_json};
use super::{Table, refuse0, wrap0};
use crate::gojson;

pub(super) const TABLE: Table = &[
    ("tojson", 0, |budget, val, _| budget.string(to_json(&val))),
    ("fromjson", 0, |budget, val, _| match val.as_str() {
        Some(text) => read(budget, &val, text),
        None => refuse0("fromjson", &val),
    }),
];

fn read<'a>(budget: &mut Budget, val: &Val<'a>, text: &str) -> Res<'a> {
    let mut reader = Reader { budget, text, at: 0, depth: 0 };
    let read = match reader.value() {
        Ok(value) => {
            reader.blank();
            if reader.at == text.len() { Ok(value) } else { Err(Bad::Text) }
        }
        Err(bad) => Err(bad),
    };
    match read {
        Ok(value) => Ok(value),
        Err(Bad::Limit(error)) => Err(error),
        Err(Bad::Text) if text.trim_matches(BLANK).is_empty() => wrap0("fromjson", val, "EOF"),
        Err(Bad::Text) => match gojson::parse(text) {
            Err(reason) if reason.ends_with("after top-level value") => refuse0("fromjson", val),
            Err(reason) if reason == "unexpected end of JSON input" => wrap0("fromjson", val, "unexpected EOF"),
            Err(reason) => wrap0("fromjson", val, &reason),
            Ok(_) => wrap0("fromjson", val, "invalid JSON"),
        },
    }
}

const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

/// Why reading stopped.
enum Bad<'a> {
    /// No JSON; the words are found afterwards.
    Text,
    Limit(Exc<'a>),
}

impl<'a> From<Exc<'a>> for Bad<'a> {
    fn from(error: Exc<'a>) -> Self {
        Self::Limit(error)
    }
}

/// Reads values with all digits of their numbers, which `serde_json` does not keep.
struct Reader<'b, 't> {
    budget: &'b mut Budget,
    text: &'t str,
    at: usize,
    depth: u32,
}

impl Reader<'_, '_> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn blank(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.blank();
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    fn value<'a>(&mut self) -> Result<Val<'a>, Bad<'a>> {
        self.blank();
        self.budget.step()?;
        match self.peek() {
            b'{' | b'[' => {
                self.depth += 1;
                self.budget.check_nesting(self.depth)?;
                let made = if self.peek() == b'[' { self.array() } else { self.object() };
                self.depth -= 1;
                made
            }
            b'"' => {
                let text = self.string()?;
                Ok(self.budget.string(text)?)
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ => {
                let words = [("null", Val::Null), ("true", Val::Bool(true)), ("false", Val::Bool(false))];
                for (word, value) in words {
                    if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(Bad::Text)
            }
        }
    }

    fn array<'a>(&mut self) -> Result<Val<'a>, Bad<'a>> {
        self.at += 1;
        let mut items = Vec::new();
        if !self.eat(b']') {
            loop {
                items.push(self.value()?);
                if self.eat(b']') {
                    break;
                }
                if !self.eat(b',') {
                    return Err(Bad::Text);
                }
            }
        }
        Ok(self.budget.list(items)?)
    }

    fn object<'a>(&mut self) -> Result<Val<'a>, Bad<'a>> {
        self.at += 1;
        let mut map = BTreeMap::new();
        if !self.eat(b'}') {
            loop {
                self.blank();
                if self.peek() != b'"' {
                    return Err(Bad::Text);
                }
                let key = self.string()?;
                self.budget.charge(key.len())?;
                if !self.eat(b':') {
                    return Err(Bad::Text);
                }
                let value = self.value()?;
                map.insert(Text::Own(key.into()), value);
                if self.eat(b'}') {
                    break;
                }
                if !self.eat(b',') {
                    return Err(Bad::Text);
                }
            }
        }
        Ok(self.budget.dict(map)?)
    }

    fn number<'a>(&mut self) -> Result<Val<'a>, Bad<'a>> {
        let rest = &self.text[self.at..];
        let end = rest.find(|it: char| !matches!(it, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        let number = &rest[..end];
        self.at += end;
        // the form is JSON's; the digits are kept
        match serde_json::from_str::<serde_json::Number>(number) {
            Ok(_) => Ok(parse_number(number)),
            // beyond the range of floats
            Err(error) if error.to_string().starts_with("number out of range") => Ok(parse_number(number)),
            Err(_) => Err(Bad::Text),
        }
    }

    fn string<'a>(&mut self) -> Result<String, Bad<'a>> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        let mut plain = true;
        loop {
            match self.peek() {
                b'"' => break,
                b'\\' => {
                    plain = false;
                    self.at += 2;
                }
                0..=0x1f => return Err(Bad::Text),
                _ => self.at += 1,
            }
            if self.at >= bytes.len() {
                return Err(Bad::Text);
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at).ok_or(Bad::Text)?;
        if plain {
            return Ok(quoted[1..quoted.len() - 1].to_owned());
        }
        serde_json::from_str(quoted).map_err(|_| Bad::Text)
    }
}
