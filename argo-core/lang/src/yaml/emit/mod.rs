//! JSON values to YAML text, as go-yaml v2 prints them.

mod fold;
mod order;
mod style;

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Number, Value};

use self::order::key_order;
use self::style::{Analysis, is_break};
use crate::gofloat;

pub(super) use self::style::{double_quoted, flow_scalar};

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
        if !self.out.ends_with(is_break) {
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
        for (place, source) in keys.into_iter().enumerate() {
            let key = &*read_as_json(source);
            if place > 0 || !inline_first {
                self.pad(indent);
            }
            let simple = key.len() <= 128 && !key.contains(is_break);
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
            match &map[source] {
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
        let text = &*read_as_json(text);
        if !text.contains('\n') || !Analysis::of(text).block_allowed {
            fold::write(&mut self.out, text, indent);
            return;
        }
        self.out.push('|');
        if text.starts_with(|it| it == ' ' || is_break(it)) {
            self.out.push('2');
        }
        let mut ends = text.chars().rev().map(is_break);
        match (ends.next(), ends.next()) {
            (Some(true), Some(false)) => {}
            (Some(true), _) => self.out.push('+'),
            _ => self.out.push('-'),
        }
        self.out.push('\n');
        let mut start = true;
        for it in text.chars() {
            if !is_break(it) && start {
                self.pad(indent);
            }
            start = is_break(it);
            self.out.push(it);
        }
        if !text.ends_with(is_break) {
            self.out.push('\n');
        }
    }
}

/// Upstream writes JSON and reads it as YAML first: there U+0085 is a line break, which folds.
fn read_as_json(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{85}') {
        return Cow::Borrowed(text);
    }
    match super::decode(&crate::gojson::to_string_raw(&Value::from(text))) {
        Ok(Value::String(it)) => Cow::Owned(it),
        _ => Cow::Borrowed(text),
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
