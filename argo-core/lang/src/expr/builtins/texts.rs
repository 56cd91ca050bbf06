//! Texts, and what makes texts of values and values of texts.

use base64::Engine as _;

use super::{Args, Outcome};
use crate::expr::eval::{Budget, function, operation};
use crate::expr::operators::to_int;
use crate::expr::value::{Elements, Val};
use crate::{gofloat, gojson};

pub(super) fn call<'a>(args: &Args<'_, 'a>, budget: &mut Budget) -> Option<Outcome<'a>> {
    let first = args.at(0);
    (|| {
        let given = args.values.len();
        Ok(Some(match args.name {
            "type" => Val::Str(first.kind().into()),
            "string" => {
                let text = first.display();
                budget.charge(text.len())?;
                Val::text(text)
            }
            "int" => match first {
                Val::Str(it) => match gofloat::parse_int(it, 10) {
                    Some(int) => Val::Int(int),
                    None => return operation(format!("invalid operation: int({it})")),
                },
                Val::Duration(it) => Val::Int(i64::try_from(it.as_nanos()).unwrap_or(i64::MAX)),
                Val::Named(it, _) => Val::Int(*it),
                Val::Nil => return operation("reflect: call of reflect.Value.Type on zero Value"),
                other => Val::Int(to_int(other)?),
            },
            "float" => match first {
                Val::Str(it) => match gofloat::parse_float(it) {
                    Some(float) => Val::Float(float),
                    None => return operation(format!("invalid operation: float({it})")),
                },
                other => match other.as_float() {
                    Some(float) => Val::Float(float),
                    None => return operation(format!("invalid operation: float({})", other.go_type())),
                },
            },
            "trim" if given == 1 => Val::text(args.text(0)?.trim()),
            "trim" => {
                let set = args.text(1)?;
                Val::text(args.text(0)?.trim_matches(|it| set.contains(it)))
            }
            "trimPrefix" => {
                let cut = if given > 1 { args.text(1)? } else { " " };
                let text = args.text(0)?;
                Val::text(text.strip_prefix(cut).unwrap_or(text))
            }
            "trimSuffix" => {
                let cut = if given > 1 { args.text(1)? } else { " " };
                let text = args.text(0)?;
                Val::text(text.strip_suffix(cut).unwrap_or(text))
            }
            "upper" => Val::text(args.text(0)?.to_uppercase()),
            "lower" => Val::text(args.text(0)?.to_lowercase()),
            "split" | "splitAfter" => {
                let (text, sep) = (args.text(0)?, args.text(1)?);
                let limit = if given > 2 { to_int(args.at(2))? } else { -1 };
                budget.charge(text.len())?;
                let parts = split(text, sep, limit, args.name == "splitAfter");
                Val::typed(parts.into_iter().map(Val::text).collect(), Elements::Texts)
            }
            "replace" => {
                let (text, from, to) = (args.text(0)?, args.text(1)?, args.text(2)?);
                let limit = if given > 3 { to_int(args.at(3))? } else { -1 };
                let hits = if from.is_empty() { text.chars().count() + 1 } else { text.matches(from).count() };
                budget.charge(text.len().saturating_add(hits.saturating_mul(to.len())))?;
                Val::text(match usize::try_from(limit) {
                    Ok(limit) => text.replacen(from, to, limit),
                    Err(_) => text.replace(from, to),
                })
            }
            "repeat" => {
                let (text, count) = (args.text(0)?, to_int(args.at(1))?);
                let Ok(size) = usize::try_from(count) else {
                    return function(format!("invalid argument for repeat (expected positive integer, got {count})"));
                };
                budget.grow(if size > 1_000_000 { usize::MAX } else { text.len().saturating_mul(size) })?;
                Val::text(text.repeat(size))
            }
            "join" => {
                let glue = if given > 1 { args.text(1)? } else { "" };
                if first.go_type() != Elements::Any.name() && first.go_type() != Elements::Texts.name() {
                    let got = if matches!(first, Val::Nil) { "%!s(<nil>)" } else { first.go_type() };
                    return function(format!("invalid argument for join (type {got})"));
                }
                let mut out = String::new();
                for (place, item) in first.items().unwrap_or_default().iter().enumerate() {
                    if place > 0 {
                        out.push_str(glue);
                    }
                    let text = item.as_str().ok_or_else(|| crate::expr::eval::conversion(item, "string"))?;
                    budget.charge(text.len() + glue.len())?;
                    out.push_str(text);
                }
                Val::text(out)
            }
            "indexOf" => Val::Int(args.text(0)?.find(args.text(1)?).map_or(-1, |it| it as i64)),
            "lastIndexOf" => Val::Int(args.text(0)?.rfind(args.text(1)?).map_or(-1, |it| it as i64)),
            "hasPrefix" => Val::Bool(args.text(0)?.starts_with(args.text(1)?)),
            "hasSuffix" => Val::Bool(args.text(0)?.ends_with(args.text(1)?)),
            "toJSON" => {
                if let Val::Table(_, table) = first {
                    return function(format!("json: unsupported type: {}", table.name()));
                }
                let text = gojson::to_string_indent(&first.to_json(), "  ");
                budget.charge(text.len())?;
                Val::text(text)
            }
            "fromJSON" => {
                let text = args.text(0)?;
                budget.charge(text.len())?;
                match gojson::parse(text) {
                    Ok(value) => Val::decoded(value),
                    Err(message) => return function(message),
                }
            }
            "toBase64" => Val::text(base64::engine::general_purpose::STANDARD.encode(args.text(0)?)),
            "fromBase64" => match crate::codecs::base64_decode(args.text(0)?) {
                Ok(bytes) => Val::text(String::from_utf8_lossy(&bytes)),
                Err(at) => return function(format!("illegal base64 data at input byte {at}")),
            },
            _ => return Ok(None),
        }))
    })()
    .transpose()
}

/// `strings.SplitN` and `SplitAfterN`.
fn split(text: &str, sep: &str, limit: i64, after: bool) -> Vec<String> {
    if limit == 0 {
        return Vec::new();
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if sep.is_empty() {
        let mut chars = text.chars();
        let mut out = Vec::new();
        while out.len() + 1 < limit {
            match chars.next() {
                Some(it) => out.push(it.to_string()),
                None => return out,
            }
        }
        if !chars.as_str().is_empty() {
            out.push(chars.as_str().to_owned());
        }
        return out;
    }
    let mut out = Vec::new();
    let mut rest = text;
    while out.len() + 1 < limit {
        match rest.find(sep) {
            Some(at) => {
                out.push(rest[..at + if after { sep.len() } else { 0 }].to_owned());
                rest = &rest[at + sep.len()..];
            }
            None => break,
        }
    }
    out.push(rest.to_owned());
    out
}
