//! Strings and regular expressions.

mod words;

use std::cell::RefCell;
use std::rc::Rc;

use words::{abbrev, camel, snake, swap_case, title, wrap};

use super::casts::{to_text, to_texts};
use super::{Args, MAX_TEXT};
use crate::fmt;
use crate::regexp;
use crate::text_template::exec::Context;
use crate::text_template::value::Val;

pub(in crate::text_template) fn call(
    name: &str,
    context: &mut Context<'_>,
    args: &Args<'_>,
) -> Option<Result<Val, String>> {
    Some(run(name, context, args)?.map(|it| match it {
        Out::Text(text) => Val::str(text),
        Out::Bool(it) => Val::Bool(it),
        Out::Texts(items) => Val::texts(items),
        Out::Val(it) => it,
    }))
}

enum Out {
    Text(String),
    Bool(bool),
    Texts(Vec<String>),
    Val(Val),
}

fn bytes(text: &str, from: usize, to: usize) -> String {
    String::from_utf8_lossy(text.as_bytes().get(from..to.min(text.len())).unwrap_or_default()).into_owned()
}

fn bounded(len: usize) -> Result<(), String> {
    if len > MAX_TEXT { Err("the result is too long".to_owned()) } else { Ok(()) }
}

#[allow(clippy::too_many_lines)]
fn run(name: &str, context: &mut Context<'_>, args: &Args<'_>) -> Option<Result<Out, String>> {
    let result = (|| -> Result<Option<Out>, String> {
        let text = |place: usize| args.text(place);
        let regex = |pattern: &str| compiled(name, pattern);
        Ok(Some(match name {
            "hello" => Out::Text("Hello!".to_owned()),
            "abbrev" => Out::Text(abbrev(text(1)?, 0, args.int(0)?)),
            "abbrevboth" => {
                let (left, right, text) = (args.int(0)?, args.int(1)?, text(2)?);
                if right < 4 || (left > 0 && right < 7) {
                    Out::Text(text.to_owned())
                } else {
                    Out::Text(abbrev(text, left, right))
                }
            }
            "trunc" => {
                let (count, text) = (args.int(0)?, text(1)?);
                let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
                Out::Text(if size >= text.len() {
                    text.to_owned()
                } else if count < 0 {
                    bytes(text, text.len() - size, text.len())
                } else {
                    bytes(text, 0, size)
                })
            }
            "trim" => Out::Text(text(0)?.trim().to_owned()),
            "trimall" | "trimAll" => {
                let set = text(0)?;
                Out::Text(text(1)?.trim_matches(|it| set.contains(it)).to_owned())
            }
            "trimSuffix" => Out::Text(text(1)?.strip_suffix(text(0)?).unwrap_or(text(1)?).to_owned()),
            "trimPrefix" => Out::Text(text(1)?.strip_prefix(text(0)?).unwrap_or(text(1)?).to_owned()),
            "upper" => Out::Text(text(0)?.to_uppercase()),
            "lower" => Out::Text(text(0)?.to_lowercase()),
            "title" => Out::Text(title(text(0)?)),
            "untitle" => {
                // every word's first letter
                let mut fresh = true;
                Out::Text(
                    text(0)?
                        .chars()
                        .map(|it| {
                            let out =
                                if fresh && !it.is_whitespace() { it.to_lowercase().next().unwrap_or(it) } else { it };
                            fresh = it.is_whitespace();
                            out
                        })
                        .collect(),
                )
            }
            "swapcase" => Out::Text(swap_case(text(0)?)),
            // these two look at bytes, as upstream: what is no ASCII comes out broken there too
            "nospace" => {
                let text = text(0)?;
                let is_space = |it: u8| char::from(it).is_whitespace();
                Out::Text(if text.bytes().any(is_space) {
                    text.bytes().filter(|it| !is_space(*it)).map(char::from).collect()
                } else {
                    text.to_owned()
                })
            }
            "initials" => {
                let mut fresh = true;
                let keep = |it: &char| {
                    let keep = fresh && !it.is_whitespace();
                    fresh = it.is_whitespace();
                    keep
                };
                Out::Text(text(0)?.bytes().map(char::from).filter(keep).collect())
            }
            "substr" => {
                let (from, to, text) = (args.int(0)?, args.int(1)?, text(2)?);
                let len = text.len() as i64;
                let cut = |from: i64, to: i64| {
                    if from > to || to > len {
                        return Err(format!("runtime error: slice bounds out of range [{from}:{to}]"));
                    }
                    Ok(bytes(text, usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0)))
                };
                Out::Text(if from < 0 {
                    cut(0, to)?
                } else if to < 0 || to > len {
                    cut(from, len)?
                } else {
                    cut(from, to)?
                })
            }
            "repeat" => {
                let count = usize::try_from(args.int(0)?).map_err(|_| "strings: negative Repeat count".to_owned())?;
                bounded(text(1)?.len().saturating_mul(count))?;
                Out::Text(text(1)?.repeat(count))
            }
            "contains" => Out::Bool(text(1)?.contains(text(0)?)),
            "hasPrefix" => Out::Bool(text(1)?.starts_with(text(0)?)),
            "hasSuffix" => Out::Bool(text(1)?.ends_with(text(0)?)),
            "quote" => Out::Text(
                args.all()
                    .iter()
                    .filter(|it| !it.is_nil())
                    .map(|it| fmt::quote(&to_text(it)))
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
            "squote" => Out::Text(
                args.all()
                    .iter()
                    .filter(|it| !it.is_nil())
                    .map(|it| format!("'{}'", to_text(it)))
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
            "cat" => Out::Text(args.all().iter().filter(|it| !it.is_nil()).map(to_text).collect::<Vec<_>>().join(" ")),
            "indent" | "nindent" => {
                let count = usize::try_from(args.int(0)?).map_err(|_| "strings: negative Repeat count".to_owned())?;
                let body = text(1)?;
                bounded(count.saturating_mul(body.matches('\n').count() + 1).saturating_add(body.len()))?;
                let pad = " ".repeat(count);
                let indented = format!("{pad}{}", body.replace('\n', &format!("\n{pad}")));
                Out::Text(if name == "nindent" { format!("\n{indented}") } else { indented })
            }
            "replace" => {
                let (old, new, text) = (text(0)?, text(1)?, text(2)?);
                let hits = if old.is_empty() { text.len() + 1 } else { text.matches(old).count() };
                bounded(hits.saturating_mul(new.len()).saturating_add(text.len()))?;
                Out::Text(text.replace(old, new))
            }
            "plural" => Out::Text(if args.int(2)? == 1 { text(0)? } else { text(1)? }.to_owned()),
            "snakecase" => Out::Text(snake(text(0)?, '_')),
            "kebabcase" => Out::Text(snake(text(0)?, '-')),
            "camelcase" => Out::Text(camel(text(0)?)),
            "wrap" => Out::Text(wrap(text(1)?, args.int(0)?, "\n", false)),
            "wrapWith" => Out::Text(wrap(text(2)?, args.int(0)?, text(1)?, true)),
            "shuffle" => {
                let mut chars: Vec<char> = text(0)?.chars().collect();
                for place in (1..chars.len()).rev() {
                    let other = usize::try_from(context.random_below(place as u64 + 1)?).unwrap_or(0);
                    chars.swap(place, other);
                }
                Out::Text(chars.into_iter().collect())
            }
            "randAlphaNum" | "randAlpha" | "randAscii" | "randNumeric" => {
                let count = usize::try_from(args.int(0)?).unwrap_or(0);
                bounded(count)?;
                let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
                let ascii: String = (32..127_u8).map(char::from).collect();
                let set: Vec<char> = match name {
                    "randAlpha" => letters.to_owned(),
                    "randNumeric" => "0123456789".to_owned(),
                    "randAscii" => ascii,
                    _ => format!("{letters}0123456789"),
                }
                .chars()
                .collect();
                let mut out = String::with_capacity(count);
                for _ in 0..count {
                    out.push(set[usize::try_from(context.random_below(set.len() as u64)?).unwrap_or(0)]);
                }
                Out::Text(out)
            }
            "toString" => Out::Text(to_text(args.at(0))),
            "toStrings" => Out::Texts(to_texts(args.at(0))),
            "join" => {
                let items = to_texts(args.at(1));
                Out::Text(items.join(text(0)?))
            }
            "sortAlpha" => match args.at(0) {
                it if it.items().is_some() => {
                    let mut items = to_texts(it);
                    items.sort();
                    Out::Texts(items)
                }
                other => Out::Texts(vec![to_text(other)]),
            },
            "split" | "splitn" => {
                let parts: Vec<String> = if name == "split" {
                    split(text(1)?, text(0)?, -1)
                } else {
                    split(text(2)?, text(0)?, args.int(1)?)
                };
                let entries = parts.into_iter().enumerate().map(|(place, part)| (format!("_{place}"), Val::from(part)));
                Out::Val(Val::Dict(Rc::new(RefCell::new(entries.collect())), "map[string]string"))
            }
            "splitList" => Out::Texts(split(text(1)?, text(0)?, -1)),
            "regexMatch" => {
                Out::Bool(regexp::compile(text(0)?).is_ok_and(|it| args.text(1).is_ok_and(|text| it.is_match(text))))
            }
            "mustRegexMatch" => Out::Bool(regex(text(0)?)?.is_match(text(1)?)),
            "regexFind" | "mustRegexFind" => {
                Out::Text(regex(text(0)?)?.find(text(1)?).map_or_else(String::new, |it| it.as_str().to_owned()))
            }
            "regexFindAll" | "mustRegexFindAll" => {
                let limit = usize::try_from(args.int(2)?).unwrap_or(usize::MAX);
                Out::Texts(regex(text(0)?)?.find_iter(text(1)?).take(limit).map(|it| it.as_str().to_owned()).collect())
            }
            "regexReplaceAll" | "mustRegexReplaceAll" => {
                Out::Text(regexp::replace_all(&regex(text(0)?)?, text(1)?, text(2)?))
            }
            "regexReplaceAllLiteral" | "mustRegexReplaceAllLiteral" => {
                Out::Text(regex(text(0)?)?.replace_all(text(1)?, regex::NoExpand(text(2)?)).into_owned())
            }
            "regexSplit" | "mustRegexSplit" => {
                let (pattern, text, limit) = (regex(text(0)?)?, text(1)?, args.int(2)?);
                Out::Texts(regex_split(&pattern, text, limit))
            }
            "regexQuoteMeta" => Out::Text(regexp::quote_meta(text(0)?)),
            _ => return Ok(None),
        }))
    })();
    result.transpose()
}

fn compiled(name: &str, pattern: &str) -> Result<regex::Regex, String> {
    // the plain functions panic in Go, with more words
    regexp::compile(pattern).map_err(|error| {
        if name.starts_with("must") { error.to_string() } else { format!("regexp: Compile(`{pattern}`): {error}") }
    })
}

/// `Regexp.Split`.
fn regex_split(pattern: &regex::Regex, text: &str, limit: i64) -> Vec<String> {
    if limit == 0 {
        return Vec::new();
    }
    if !pattern.as_str().is_empty() && text.is_empty() {
        return vec![String::new()];
    }
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut out = Vec::new();
    let (mut from, mut end) = (0, 0);
    for found in pattern.find_iter(text) {
        if out.len() + 1 == most {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            out.push(text[from..end].to_owned());
        }
        from = found.end();
    }
    if end != text.len() {
        out.push(text[from..].to_owned());
    }
    out
}

/// `strings.SplitN`.
fn split(text: &str, sep: &str, limit: i64) -> Vec<String> {
    if limit == 0 {
        return Vec::new();
    }
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    if sep.is_empty() {
        let chars: Vec<char> = text.chars().collect();
        if chars.len() <= most {
            return chars.into_iter().map(String::from).collect();
        }
        let mut out: Vec<String> = chars[..most - 1].iter().map(|it| String::from(*it)).collect();
        out.push(chars[most - 1..].iter().collect());
        return out;
    }
    text.splitn(most, sep).map(str::to_owned).collect()
}

/// `typeOf`.
pub(in crate::text_template) fn type_of(value: &Val) -> String {
    value.type_name().to_owned()
}
