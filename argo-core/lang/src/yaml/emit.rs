//! JSON values to YAML text, as go-yaml v2 prints them.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::scalar::{Scalar, is_base60, resolve};
use crate::gofloat;

/// Prints a value as `sigs.k8s.io/yaml` does: keys sorted, two spaces, list items at the indent of their key,
/// strings quoted when they would read back as something else, a newline at the end.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    print(value, false)
}

/// As [`to_yaml`], with list items indented under their key (Helm's `toYamlPretty`).
#[must_use]
pub fn to_yaml_pretty(value: &Value) -> String {
    print(value, true)
}

fn print(value: &Value, indent_lists: bool) -> String {
    let mut printer = Printer { out: String::new(), indent_lists };
    match value {
        Value::Object(map) if !map.is_empty() => printer.mapping(map, 0, false),
        Value::Array(items) if !items.is_empty() => printer.sequence(items, 0, false),
        other => {
            printer.scalar(other, 2);
            printer.newline();
        }
    }
    printer.out
}

struct Printer {
    out: String,
    indent_lists: bool,
}

impl Printer {
    fn newline(&mut self) {
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn pad(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn mapping(&mut self, map: &serde_json::Map<String, Value>, indent: usize, inline_first: bool) {
        // by insertion: the order is not guaranteed to be total, and std's sorts may panic on such
        let mut keys: Vec<&String> = Vec::with_capacity(map.len());
        for key in map.keys() {
            let at = keys.partition_point(|it| key_order(it, key) != Ordering::Greater);
            keys.insert(at, key);
        }
        for (place, key) in keys.into_iter().enumerate() {
            if place > 0 || !inline_first {
                self.pad(indent);
            }
            let simple = key.len() <= 128 && !key.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
            if simple {
                self.out.push_str(&flow_scalar(key, true));
                self.out.push(':');
            } else {
                self.out.push_str("? ");
                self.string(key, indent + 2);
                self.newline();
                self.pad(indent);
                self.out.push(':');
            }
            match &map[key] {
                Value::Object(inner) if !inner.is_empty() => {
                    if simple {
                        self.out.push('\n');
                        self.mapping(inner, indent + 2, false);
                    } else {
                        self.out.push(' ');
                        self.mapping(inner, indent + 2, true);
                    }
                }
                Value::Array(items) if !items.is_empty() => {
                    let step = if self.indent_lists { 2 } else { 0 };
                    self.out.push('\n');
                    self.sequence(items, indent + step, false);
                }
                other => {
                    self.out.push(' ');
                    self.scalar(other, indent + 2);
                    self.newline();
                }
            }
        }
    }

    fn sequence(&mut self, items: &[Value], indent: usize, inline_first: bool) {
        for (place, item) in items.iter().enumerate() {
            if place > 0 || !inline_first {
                self.pad(indent);
            }
            self.out.push_str("- ");
            match item {
                Value::Object(inner) if !inner.is_empty() => self.mapping(inner, indent + 2, true),
                Value::Array(inner) if !inner.is_empty() => self.sequence(inner, indent + 2, true),
                other => {
                    self.scalar(other, indent + 2);
                    self.newline();
                }
            }
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(it) => self.out.push_str(if *it { "true" } else { "false" }),
            Value::Number(it) => self.out.push_str(&number(it)),
            Value::String(it) => self.string(it, indent),
            Value::Array(_) => self.out.push_str("[]"),
            Value::Object(_) => self.out.push_str("{}"),
        }
    }

    fn string(&mut self, text: &str, indent: usize) {
        if !text.contains('\n') || !Analysis::of(text).block_allowed {
            self.out.push_str(&flow_scalar(text, false));
            return;
        }
        self.out.push('|');
        if text.starts_with([' ', '\n', '\u{2028}', '\u{2029}', '\u{85}', '\r']) {
            self.out.push('2');
        }
        if !text.ends_with('\n') {
            self.out.push('-');
        } else if text == "\n" || text[..text.len() - 1].ends_with('\n') {
            self.out.push('+');
        }
        self.out.push('\n');
        let body = text.strip_suffix('\n').unwrap_or(text);
        for (place, line) in body.split('\n').enumerate() {
            if place > 0 {
                self.out.push('\n');
            }
            if !line.is_empty() {
                self.pad(indent);
                self.out.push_str(line);
            }
        }
        self.out.push('\n');
    }
}

pub(super) fn number(number: &Number) -> String {
    if number.is_f64() {
        // read back by the YAML decoder, written by strconv 'g'
        let value = number.as_f64().unwrap_or_default();
        match gofloat::json_number(value) {
            Some(whole) if !whole.is_f64() => whole.to_string(),
            _ => gofloat::format_g(value, None),
        }
    } else {
        number.to_string()
    }
}

/// A string on one line: plain, or quoted as go-yaml quotes it.
pub(super) fn flow_scalar(text: &str, key: bool) -> String {
    let plain_means_string = matches!(resolve(text), Scalar::Str) && !is_base60(text);
    let analysis = Analysis::of(text);
    if plain_means_string && !text.contains('\n') {
        if analysis.block_plain_allowed && !(text.is_empty() && key) {
            return text.to_owned();
        }
        if analysis.single_quoted_allowed && !analysis.line_breaks {
            return format!("'{}'", text.replace('\'', "''"));
        }
    }
    double_quoted(text)
}

/// A double-quoted scalar with go-yaml's escapes.
pub(super) fn double_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for it in text.chars() {
        match it {
            '\0' => out.push_str("\\0"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\x1b' => out.push_str("\\e"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{85}' => out.push_str("\\N"),
            '\u{a0}' if !is_printable(it) => out.push_str("\\_"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            it if is_printable(it) => out.push(it),
            it if u32::from(it) <= 0xff => out.push_str(&format!("\\x{:02X}", u32::from(it))),
            it if u32::from(it) <= 0xffff => out.push_str(&format!("\\u{:04X}", u32::from(it))),
            it => out.push_str(&format!("\\U{:08X}", u32::from(it))),
        }
    }
    out.push('"');
    out
}

fn is_printable(it: char) -> bool {
    matches!(it, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && it != '\u{feff}'
}

struct Analysis {
    block_plain_allowed: bool,
    single_quoted_allowed: bool,
    block_allowed: bool,
    line_breaks: bool,
}

impl Analysis {
    fn of(text: &str) -> Self {
        if text.is_empty() {
            return Self {
                block_plain_allowed: true,
                single_quoted_allowed: true,
                block_allowed: false,
                line_breaks: false,
            };
        }
        let chars: Vec<char> = text.chars().collect();
        let is_break = |it: char| matches!(it, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let blank = |it: char| matches!(it, ' ' | '\t');
        let mut block_indicators = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut line_breaks, mut break_space, mut space_break) = (false, false, false, false);
        let mut preceded_by_whitespace = true;
        let (mut previous_space, mut previous_break) = (false, false);
        for (place, &it) in chars.iter().enumerate() {
            let followed_by_whitespace = chars.get(place + 1).is_none_or(|next| blank(*next));
            if place == 0 {
                match it {
                    '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                        block_indicators = true
                    }
                    '?' | ':' | '-' if followed_by_whitespace => block_indicators = true,
                    _ => {}
                }
            } else {
                match it {
                    ':' if followed_by_whitespace => block_indicators = true,
                    '#' if preceded_by_whitespace => block_indicators = true,
                    _ => {}
                }
            }
            special |= !is_printable(it);
            if it == ' ' {
                break_space |= previous_break;
                (previous_space, previous_break) = (true, false);
            } else if is_break(it) {
                line_breaks = true;
                space_break |= previous_space;
                (previous_space, previous_break) = (false, true);
            } else {
                (previous_space, previous_break) = (false, false);
            }
            preceded_by_whitespace = blank(it) || is_break(it);
        }
        let (first, last) = (chars[0], chars[chars.len() - 1]);
        let edges = first == ' ' || is_break(first) || last == ' ' || is_break(last);
        Self {
            block_plain_allowed: !(edges || break_space || space_break || special || line_breaks || block_indicators),
            single_quoted_allowed: !(break_space || space_break || special),
            block_allowed: !(last == ' ' || space_break || special),
            line_breaks,
        }
    }
}

/// go-yaml's order of keys: letters before digits before others at the first difference, runs of digits as numbers.
fn key_order(a: &str, b: &str) -> Ordering {
    let ar: Vec<char> = a.chars().collect();
    let br: Vec<char> = b.chars().collect();
    for i in 0..ar.len().min(br.len()) {
        if ar[i] == br[i] {
            continue;
        }
        let (al, bl) = (ar[i].is_alphabetic(), br[i].is_alphabetic());
        if al && bl {
            return ar[i].cmp(&br[i]);
        }
        if al || bl {
            return if bl { Ordering::Less } else { Ordering::Greater };
        }
        let (mut an, mut bn) = (0_i64, 0_i64);
        if ar[i] == '0' || br[i] == '0' {
            for j in (0..i).rev() {
                if !is_digit(ar[j]) {
                    break;
                }
                if ar[j] != '0' {
                    an = 1;
                    bn = 1;
                    break;
                }
            }
        }
        let run = |chars: &[char], mut n: i64| {
            let mut end = i;
            while end < chars.len() && is_digit(chars[end]) {
                n = n.wrapping_mul(10).wrapping_add(i64::from(u32::from(chars[end])) - 48);
                end += 1;
            }
            (n, end)
        };
        let (an, ai) = run(&ar, an);
        let (bn, bi) = run(&br, bn);
        return an.cmp(&bn).then(ai.cmp(&bi)).then(ar[i].cmp(&br[i]));
    }
    ar.len().cmp(&br.len())
}

fn is_digit(it: char) -> bool {
    it.is_ascii_digit() || (!it.is_ascii() && it.is_numeric())
}
