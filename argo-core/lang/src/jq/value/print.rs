//! Values as JSON text, whole or as the short form that error messages show.

use crate::gofloat;

use super::Val;

/// The most that an error shows of a value, in bytes.
const PREVIEW: usize = 30;

struct Writer {
    out: String,
    /// Writing may stop once the text is this long.
    enough: usize,
}

/// The value as JSON with sorted keys and no spaces.
pub(in crate::jq) fn to_json(value: &Val<'_>) -> String {
    let mut writer = Writer { out: String::new(), enough: usize::MAX };
    writer.value(value);
    writer.out
}

/// The beginning of the value as JSON.
pub(in crate::jq) fn preview(value: &Val<'_>) -> String {
    let mut writer = Writer { out: String::new(), enough: PREVIEW + 2 };
    writer.value(value);
    let trailing = match value {
        Val::Str(_) => " ...\"",
        Val::ListRef(_) | Val::List(_) => " ...]",
        Val::MapRef(_) | Val::Map(_) => " ...}",
        _ => " ...",
    };
    cut(writer.out, trailing)
}

/// [`preview`] of a text.
pub(in crate::jq) fn preview_text(text: &str) -> String {
    preview(&Val::literal(text))
}

fn cut(mut out: String, trailing: &str) -> String {
    if out.len() > PREVIEW {
        let keep = PREVIEW - trailing.len();
        let keep = (0..=keep).rev().find(|it| out.is_char_boundary(*it)).unwrap_or(0);
        out.truncate(keep);
        out.push_str(trailing);
    }
    out
}

/// The type and the [`preview`] of a value.
pub(in crate::jq) fn type_preview(value: &Val<'_>) -> String {
    match value {
        Val::Null | Val::Hole => "null".to_owned(),
        _ => format!("{} ({})", value.type_name(), preview(value)),
    }
}

impl Writer {
    fn full(&self) -> bool {
        self.out.len() >= self.enough
    }

    fn value(&mut self, value: &Val<'_>) {
        if self.full() {
            return;
        }
        match value {
            Val::Null => self.out.push_str("null"),
            // upstream shows nothing from a deleted place on
            Val::Hole => self.enough = 0,
            Val::Bool(true) => self.out.push_str("true"),
            Val::Bool(false) => self.out.push_str("false"),
            Val::Int(it) => self.out.push_str(&it.to_string()),
            Val::Float(it) if it.is_nan() => self.out.push_str("null"),
            Val::Float(it) => {
                let text = gofloat::format_json(it.clamp(-f64::MAX, f64::MAX));
                self.out.push_str(text.as_deref().unwrap_or("null"));
            }
            Val::Big(it) => self.out.push_str(&it.to_string()),
            Val::Str(it) => self.string(it.as_str()),
            Val::ListRef(_) | Val::List(_) => {
                self.out.push('[');
                for (place, item) in value.as_list().into_iter().flat_map(|it| it.iter()).enumerate() {
                    if place > 0 {
                        self.out.push(',');
                    }
                    self.value(&item);
                    if self.full() {
                        return;
                    }
                }
                self.out.push(']');
            }
            Val::MapRef(_) | Val::Map(_) => {
                self.out.push('{');
                for (place, (key, item)) in value.as_map().into_iter().flat_map(|it| it.iter()).enumerate() {
                    if place > 0 {
                        self.out.push(',');
                    }
                    self.string(key.as_str());
                    self.out.push(':');
                    self.value(&item);
                    if self.full() {
                        return;
                    }
                }
                self.out.push('}');
            }
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        let mut done = 0;
        for (at, byte) in text.bytes().enumerate() {
            if matches!(byte, b' '..=b'~' | 0x80..) && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.out.push_str(&text[done..at]);
            done = at + 1;
            match byte {
                b'"' => self.out.push_str("\\\""),
                b'\\' => self.out.push_str("\\\\"),
                0x08 => self.out.push_str("\\b"),
                0x0c => self.out.push_str("\\f"),
                b'\n' => self.out.push_str("\\n"),
                b'\r' => self.out.push_str("\\r"),
                b'\t' => self.out.push_str("\\t"),
                other => self.out.push_str(&format!("\\u{other:04x}")),
            }
            if self.full() {
                return;
            }
        }
        self.out.push_str(&text[done..]);
        self.out.push('"');
    }
}
