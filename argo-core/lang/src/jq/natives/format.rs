//! `@csv` and its kin.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::budget::Budget;
use super::super::error::{Res, fail};
use super::super::value::{Val, to_json, type_preview};
use super::strings::to_string;
use super::{Native, Table, refuse0, wrap0};

pub(super) const TABLE: Table = &[
    ("format", 1, |budget, val, args| {
        let Some(name) = args[0].as_str() else { return refuse0("format", &args[0]) };
        match name {
            "text" => to_string(budget, val),
            "json" => budget.string(to_json(&val)),
            _ => match Native::find(&format!("@{name}"), 0) {
                Some(native) => (native.run)(budget, val, &mut []),
                None => fail(format!("format not defined: @{name}")),
            },
        }
    }),
    ("@html", 0, |budget, val, _| {
        let text = to_string(budget, val)?;
        replaced(budget, text.as_str().unwrap_or_default(), |it| match it {
            '<' => Some("&lt;"),
            '>' => Some("&gt;"),
            '&' => Some("&amp;"),
            '\'' => Some("&apos;"),
            '"' => Some("&quot;"),
            _ => None,
        })
    }),
    ("@uri", 0, |budget, val, _| {
        let text = to_string(budget, val)?;
        let mut out = String::new();
        for byte in text.as_str().unwrap_or_default().bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
                other => out.push_str(&format!("%{other:02X}")),
            }
        }
        budget.string(out)
    }),
    ("@urid", 0, uri_decoded),
    ("@csv", 0, |budget, val, _| {
        row(budget, "csv", &val, ",", |text| format!("\"{}\"", text.replace('"', "\"\"").replace('\0', "\\0")))
    }),
    ("@tsv", 0, |budget, val, _| {
        row(budget, "tsv", &val, "\t", |text| {
            let mut out = String::new();
            for it in text.chars() {
                match it {
                    '\t' => out.push_str("\\t"),
                    '\r' => out.push_str("\\r"),
                    '\n' => out.push_str("\\n"),
                    '\\' => out.push_str("\\\\"),
                    '\0' => out.push_str("\\0"),
                    other => out.push(other),
                }
            }
            out
        })
    }),
    ("@sh", 0, |budget, val, _| {
        let val = if val.as_list().is_some() { val } else { budget.list(vec![val])? };
        row(budget, "sh", &val, " ", |text| format!("'{}'", text.replace('\'', "'\\''").replace('\0', "\\0")))
    }),
    ("@base64", 0, |budget, val, _| {
        let text = to_string(budget, val)?;
        budget.string(base64::prelude::BASE64_STANDARD.encode(text.as_str().unwrap_or_default()))
    }),
    ("@base64d", 0, base64_decoded),
];

fn replaced<'a>(budget: &mut Budget, text: &str, with: impl Fn(char) -> Option<&'static str>) -> Res<'a> {
    let mut out = String::with_capacity(text.len());
    for it in text.chars() {
        match with(it) {
            Some(other) => out.push_str(other),
            None => out.push(it),
        }
    }
    budget.string(out)
}

/// A row of a table; null is nothing, except for a shell.
fn row<'a>(budget: &mut Budget, name: &str, val: &Val<'a>, between: &str, quote: impl Fn(&str) -> String) -> Res<'a> {
    let Some(list) = val.as_list() else { return refuse0(&format!("@{name}"), val) };
    let mut out = String::new();
    for (place, item) in list.iter().enumerate() {
        if place > 0 {
            out.push_str(between);
        }
        match &item {
            Val::ListRef(_) | Val::List(_) | Val::MapRef(_) | Val::Map(_) => {
                return fail(format!("@{name} cannot format an array including: {}", type_preview(&item)));
            }
            Val::Str(text) => out.push_str(&quote(text.as_str())),
            other => {
                let text = to_json(other);
                if text != "null" || name == "sh" {
                    out.push_str(&text);
                }
            }
        }
    }
    budget.string(out)
}

/// Bytes as text: every byte that is no part of UTF-8 becomes a replacement character, as Go prints it.
fn lossy(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}

fn uri_decoded<'a>(budget: &mut Budget, val: Val<'a>, _: &mut [Val<'a>]) -> Res<'a> {
    let text = to_string(budget, val.clone())?;
    let bytes = text.as_str().unwrap_or_default().as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte != b'%' {
            out.push(*byte);
            at += 1;
            continue;
        }
        let digit = |place: usize| bytes.get(place).and_then(|it| char::from(*it).to_digit(16));
        match (digit(at + 1), digit(at + 2)) {
            (Some(high), Some(low)) => out.push(u8::try_from(high * 16 + low).unwrap_or(0)),
            _ => {
                let bad = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 3)]);
                return wrap0("@urid", &val, &format!("invalid URL escape \"{bad}\""));
            }
        }
        at += 3;
    }
    budget.string(lossy(&out))
}

fn base64_decoded<'a>(budget: &mut Budget, val: Val<'a>, _: &mut [Val<'a>]) -> Res<'a> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::RequireNone)
            .with_decode_allow_trailing_bits(true),
    );
    let text = to_string(budget, val.clone())?;
    let text = text.as_str().unwrap_or_default();
    let text = text.split('=').next().unwrap_or_default();
    // line breaks do not count, but they do for the place of a mistake
    let kept: String = text.chars().filter(|it| !matches!(it, '\r' | '\n')).collect();
    match ENGINE.decode(&kept) {
        Ok(bytes) => budget.string(lossy(&bytes)),
        Err(_) => {
            let valid = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'+' | b'/');
            let at = text.bytes().position(|it| !valid(it) && !matches!(it, b'\r' | b'\n'));
            // a lone last character is found at the end of what is there
            let at = at.unwrap_or(kept.len() / 4 * 4 + (text.len() - kept.len()));
            wrap0("@base64d", &val, &format!("illegal base64 data at input byte {at}"))
        }
    }
}
