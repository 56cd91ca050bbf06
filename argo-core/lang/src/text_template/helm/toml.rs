//! TOML as Helm's templates write and read it: in the form of BurntSushi/toml 1.6.

use std::rc::Rc;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use toml::value::Offset as TomlOffset;
use toml::{Table, Value};

use super::super::value::Val;
use crate::{duration, gofloat, time};

/// Most values written, deepest nesting and longest text, as `set` can make maps that hold themselves.
const MOST_VALUES: usize = 1_000_000;
const DEEPEST: usize = 100;
const LONGEST: usize = 16 << 20;

/// What decides where a value is written.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Nothing,
    Plain,
    Table,
    Tables,
}

struct Encoder {
    out: String,
    left: usize,
}

/// A value as TOML text: keys sorted, tables after the rest, nil left out.
///
/// # Errors
/// Of a list an element is nil, or the outermost value is a list of maps.
pub(super) fn encode(value: &Val) -> Result<String, String> {
    let mut encoder = Encoder { out: String::new(), left: MOST_VALUES };
    encoder.value(&mut Vec::new(), value)?;
    Ok(encoder.out)
}

impl Encoder {
    fn spend(&mut self, depth: usize) -> Result<(), String> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 || self.out.len() > LONGEST {
            return Err("toml: the value is too large".to_owned());
        }
        if depth > DEEPEST {
            return Err("toml: the value is nested too deeply".to_owned());
        }
        Ok(())
    }

    fn kind(&mut self, value: &Val, depth: usize) -> Result<Kind, String> {
        self.spend(depth)?;
        if value.is_nil() {
            return Ok(Kind::Nothing);
        }
        if value.entries().is_some() {
            return Ok(Kind::Table);
        }
        let Some(items) = value.items() else { return Ok(Kind::Plain) };
        let mut tables = !items.is_empty();
        for item in items {
            match self.kind(item, depth + 1)? {
                Kind::Nothing => return Err("toml: cannot encode array with nil element".to_owned()),
                kind => tables &= kind == Kind::Table,
            }
        }
        Ok(if tables { Kind::Tables } else { Kind::Plain })
    }

    fn newline(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn indent(&mut self, path: &[String]) {
        for _ in 1..path.len() {
            self.out.push_str("  ");
        }
    }

    fn value(&mut self, path: &mut Vec<String>, value: &Val) -> Result<(), String> {
        match self.kind(value, path.len())? {
            Kind::Nothing => Ok(()),
            Kind::Plain => {
                if path.is_empty() {
                    return self.element(value, 0);
                }
                self.indent(path);
                self.out.push_str(path.last().map_or("", String::as_str));
                self.out.push_str(" = ");
                self.element(value, path.len())?;
                self.newline();
                Ok(())
            }
            Kind::Table => {
                if path.len() == 1 {
                    self.newline();
                }
                if !path.is_empty() {
                    self.header(path, "[", "]");
                }
                self.table(path, value)
            }
            Kind::Tables if path.is_empty() => Err("toml: top-level values must be Go maps or structs".to_owned()),
            Kind::Tables => {
                for item in value.items().unwrap_or_default() {
                    self.newline();
                    self.header(path, "[[", "]]");
                    self.table(path, item)?;
                }
                Ok(())
            }
        }
    }

    fn header(&mut self, path: &[String], open: &str, close: &str) {
        self.indent(path);
        self.out.push_str(open);
        self.out.push_str(&path.join("."));
        self.out.push_str(close);
        self.newline();
    }

    /// The entries of a map: first those beside it, then those below a heading of their own.
    fn parts(&mut self, map: &Val, depth: usize) -> Result<[Vec<(String, Val)>; 2], String> {
        let mut parts = [Vec::new(), Vec::new()];
        let Some(map) = map.entries() else { return Ok(parts) };
        for (key, value) in map.borrow().iter() {
            let below = matches!(self.kind(value, depth + 1)?, Kind::Table | Kind::Tables);
            parts[usize::from(below)].push((key_text(key), value.clone()));
        }
        Ok(parts)
    }

    fn table(&mut self, path: &mut Vec<String>, map: &Val) -> Result<(), String> {
        for (key, value) in self.parts(map, path.len())?.into_iter().flatten() {
            path.push(key);
            self.value(path, &value)?;
            path.pop();
        }
        Ok(())
    }

    fn inline(&mut self, map: &Val, depth: usize) -> Result<(), String> {
        let [beside, below] = self.parts(map, depth)?;
        let more = !below.is_empty();
        self.out.push('{');
        for (entries, more) in [(beside, more), (below, false)] {
            let last = entries.len().saturating_sub(1);
            for (place, (key, value)) in entries.into_iter().enumerate() {
                if value.is_nil() {
                    continue;
                }
                self.out.push_str(&key);
                self.out.push_str(" = ");
                self.element(&value, depth + 1)?;
                if more || place != last {
                    self.out.push_str(", ");
                }
            }
        }
        self.out.push('}');
        Ok(())
    }

    fn element(&mut self, value: &Val, depth: usize) -> Result<(), String> {
        self.spend(depth)?;
        match value {
            Val::Bool(it) => self.out.push_str(if *it { "true" } else { "false" }),
            Val::Int(it) | Val::Sized(it, _) => self.out.push_str(&it.to_string()),
            Val::Float(it) => self.out.push_str(&float(*it)),
            Val::Str(it) => quote(&mut self.out, it),
            Val::Time(it) => self.out.push_str(&time::format_layout(it, "2006-01-02T15:04:05.999999999Z07:00")),
            Val::Duration(it) => quote(&mut self.out, &duration::format(*it)),
            Val::Object(it) => quote(&mut self.out, &it.display()),
            Val::List(items) | Val::Slice(items, _) => {
                self.out.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        self.out.push_str(", ");
                    }
                    self.element(item, depth + 1)?;
                }
                self.out.push(']');
            }
            Val::Map(_) | Val::Dict(..) => self.inline(value, depth)?,
            Val::Missing | Val::Nil => {}
        }
        Ok(())
    }
}

fn float(value: f64) -> String {
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let text = gofloat::format_g(value, None);
    if text.contains(['.', 'e']) { text } else { text + ".0" }
}

fn key_text(key: &str) -> String {
    if !key.is_empty() && key.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-') {
        return key.to_owned();
    }
    let mut out = String::with_capacity(key.len() + 2);
    quote(&mut out, key);
    out
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for it in text.chars() {
        match it {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            it if it < ' ' || it == '\u{7f}' => out.push_str(&format!("\\u{:04x}", u32::from(it))),
            it => out.push(it),
        }
    }
    out.push('"');
}

/// Reads TOML 1.1: integers are int64, dates and times without an offset are of UTC.
///
/// # Errors
/// The text is no TOML; the message names the line.
pub(super) fn decode(text: &str) -> Result<Val, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|it| text.get(..it.start)).unwrap_or_default();
        format!("toml: line {}: {}", before.matches('\n').count() + 1, error.message())
    })?;
    of_table(table)
}

fn of_table(table: Table) -> Result<Val, String> {
    let entries = table.into_iter().map(|(key, value)| Ok((key, of_value(value)?)));
    Ok(Val::map(entries.collect::<Result<Vec<_>, String>>()?))
}

fn of_value(value: Value) -> Result<Val, String> {
    Ok(match value {
        Value::String(it) => Val::from(it),
        Value::Integer(it) => Val::int64(it),
        Value::Float(it) => Val::Float(it),
        Value::Boolean(it) => Val::Bool(it),
        Value::Datetime(it) => of_time(&it).ok_or_else(|| format!("toml: invalid datetime: {it}"))?,
        // what is written as `[[name]]` has a type of its own; a list of inline tables is not told apart from it
        Value::Array(items) => {
            let tables = !items.is_empty() && items.iter().all(Value::is_table);
            let items = items.into_iter().map(of_value).collect::<Result<Vec<_>, _>>()?;
            if tables { Val::Slice(Rc::new(items), "[]map[string]interface {}") } else { Val::list(items) }
        }
        Value::Table(table) => of_table(table)?,
    })
}

fn of_time(it: &toml::value::Datetime) -> Option<Val> {
    let date = match it.date {
        Some(it) => Date::new(i16::try_from(it.year).ok()?, it.month.try_into().ok()?, it.day.try_into().ok()?).ok()?,
        None => Date::new(0, 1, 1).ok()?,
    };
    let clock = match it.time {
        Some(it) => Time::new(
            it.hour.try_into().ok()?,
            it.minute.try_into().ok()?,
            it.second.unwrap_or(0).try_into().ok()?,
            it.nanosecond.unwrap_or(0).try_into().ok()?,
        )
        .ok()?,
        None => Time::midnight(),
    };
    let zone = match it.offset {
        Some(TomlOffset::Custom { minutes }) if minutes != 0 => {
            TimeZone::fixed(Offset::from_seconds(i32::from(minutes) * 60).ok()?)
        }
        _ => TimeZone::UTC,
    };
    Some(Val::Time(Box::new(DateTime::from_parts(date, clock).to_zoned(zone).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let value =
            serde_json::json!({"a": [1, [2, "x\ty"]], "b c": {"d": [{"e": true}, {}], "": 1.5}, "z": "é\u{7f}"});
        let text = encode(&Val::exact(&value)).unwrap();
        assert_eq!(decode(&text).unwrap().to_json(), value, "{text}");
    }

    #[test]
    fn errors_name_the_line_and_what_holds_itself_is_refused() {
        assert!(decode("a = 1\nb = \n").unwrap_err().starts_with("toml: line 2: "));
        assert!(decode(&"[".repeat(100_000)).is_err());
        let map = Val::map([]);
        map.entries().unwrap().borrow_mut().insert("self".to_owned(), map.clone());
        assert_eq!(encode(&map).unwrap_err(), "toml: the value is nested too deeply");
        map.entries().unwrap().borrow_mut().clear();
    }
}
