//! Templates, zones and forms: the small languages that the other modules share.

use std::{collections::BTreeMap, sync::OnceLock};

use argo_lang::text_template::{Functions, Limits, Run, Template, TemplateError, Val};
use jiff::tz::TimeZone;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::api::Event;

/// A template that gives no usable text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// It does not parse, or failed.
    #[error("template: {0}")]
    Template(String),
    /// It gave nothing, or `<no value>`.
    #[error("the template gave no value")]
    NoValue,
}

/// Runs a Go template with Sprig's functions over `{"Input": input}`, for an event: `now` is its
/// time and random functions are seeded by its id, so that a redelivery gives the same text.
///
/// # Errors
/// When it does not parse, fails, or gives nothing or `<no value>`.
pub fn render_input(template: &str, input: Value, event: &Event) -> Result<String, TextError> {
    let fail = |it: TemplateError| TextError::Template(it.message);
    let template = Template::parse("parameter", template, functions()).map_err(fail)?;
    let digest = Sha256::digest(&event.id);
    let seed = digest.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte));
    let limits = Limits { output: 1 << 20, ..Limits::default() };
    let run = Run { now: event.time, seed: Some(seed), limits };
    let data = Val::from_json(&serde_json::json!({"Input": input}));
    let text = template.execute_with("parameter", &data, &run).map_err(fail)?;
    if text.is_empty() || text == "<no value>" { Err(TextError::NoValue) } else { Ok(text) }
}

fn functions() -> &'static Functions {
    static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
    FUNCTIONS.get_or_init(Functions::sprig)
}

/// A time zone by its IANA name; UTC when empty.
///
/// # Errors
/// When there is no such zone.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    if name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|_| format!("unknown time zone {name:?}"))
}

/// Reads an HTML form or query: names to values, in their order.
#[must_use]
pub fn parse_form(form: &[u8]) -> BTreeMap<String, Vec<String>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in form.split(|it| *it == b'&').filter(|it| !it.is_empty()) {
        let mut parts = pair.splitn(2, |it| *it == b'=');
        let name = unescape(parts.next().unwrap_or_default());
        let value = unescape(parts.next().unwrap_or_default());
        map.entry(name).or_default().push(value);
    }
    map
}

fn unescape(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = tail.get(..2).filter(|it| it.iter().all(u8::is_ascii_hexdigit));
                match digits.and_then(|it| hex::decode(it).ok()) {
                    Some(bytes) => {
                        out.extend(bytes);
                        rest = &tail[2..];
                    }
                    None => out.push(b'%'),
                }
            }
            other => out.push(*other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let form = parse_form(b"a=1&b=x+y%21&a=2&c&%zz=q");
        assert_eq!(form["a"], ["1", "2"]);
        assert_eq!(form["b"], ["x y!"]);
        assert_eq!(form["c"], [""]);
        assert_eq!(form["%zz"], ["q"]);
    }

    #[test]
    fn zones_are_known_by_name() {
        assert_eq!(zone("").unwrap(), TimeZone::UTC);
        assert!(zone("Europe/Berlin").is_ok());
        assert_eq!(zone("Mars/Phobos").unwrap_err(), "unknown time zone \"Mars/Phobos\"");
    }
}
