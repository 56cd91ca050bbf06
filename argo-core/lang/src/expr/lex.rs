//! Source to tokens.

use super::{ErrorKind, ExprError};
use crate::gofloat;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Name(String),
    Int(i64),
    Float(f64),
    Str(String),
    /// Word operators, symbols and brackets.
    Op(&'static str),
    End,
}

const WORDS: [&str; 9] = ["not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let"];
const SYMBOLS: [&str; 36] = [
    "?.", "??", "?:", "**", "..", "==", "!=", "<=", ">=", "&&", "||", "::", "=", "+", "-", "*", "/", "%", "^", "!",
    "<", ">", "?", ":", ",", ";", ".", "|", "#", "(", ")", "[", "]", "{", "}", "&",
];

/// Splits a source into tokens with their byte offsets; the last is [`Token::End`].
pub(super) fn lex(source: &str) -> Result<Vec<(Token, usize)>, ExprError> {
    let mut tokens: Vec<(Token, usize)> = Vec::new();
    let mut at = 0;
    let fail = |message: String, at: usize| ExprError::at(ErrorKind::Syntax, message, source, at);
    while let Some(it) = source[at..].chars().next() {
        let rest = &source[at..];
        if it.is_whitespace() {
            at += it.len_utf8();
            continue;
        }
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        if rest.starts_with("/*") {
            match rest.find("*/") {
                Some(end) => at += end + 2,
                None => return Err(fail("unclosed comment".to_owned(), at)),
            }
            continue;
        }
        let start = at;
        if it == '"' || it == '\'' {
            let (text, len) = string(rest, it).map_err(|message| fail(message, start))?;
            tokens.push((Token::Str(text), start));
            at += len;
        } else if it == '`' {
            let Some(end) = rest[1..].find('`') else {
                return Err(fail("literal not terminated".to_owned(), start));
            };
            tokens.push((Token::Str(rest[1..=end].to_owned()), start));
            at += end + 2;
        } else if it.is_ascii_digit() || (it == '.' && rest[1..].starts_with(|it: char| it.is_ascii_digit())) {
            let (token, len) = number(rest).map_err(|message| fail(message, start))?;
            tokens.push((token, start));
            at += len;
        } else if it == '_' || it == '$' || it.is_alphabetic() {
            let len = rest.find(|it: char| !(it == '_' || it == '$' || it.is_alphanumeric())).unwrap_or(rest.len());
            let word = &rest[..len];
            let after_dot = matches!(tokens.last(), Some((Token::Op("." | "?."), _)));
            match WORDS.iter().find(|it| **it == word) {
                Some(op) if !after_dot => tokens.push((Token::Op(op), start)),
                _ => tokens.push((Token::Name(word.to_owned()), start)),
            }
            at += len;
        } else if let Some(symbol) = SYMBOLS.iter().find(|it| rest.starts_with(**it)) {
            // `?.5` is a ternary before a number; `?:` is two tokens so that `a ?: b` and `a ? :b` read alike
            let symbol = match *symbol {
                "?." if rest[2..].starts_with(|it: char| it.is_ascii_digit()) => "?",
                "?:" => "?",
                "&" => {
                    return Err(fail(format!("unrecognized character: U+{:04X} '{it}'", u32::from(it)), start));
                }
                other => other,
            };
            tokens.push((Token::Op(symbol), start));
            at += symbol.len();
        } else {
            return Err(fail(format!("unrecognized character: U+{:04X} '{it}'", u32::from(it)), start));
        }
    }
    tokens.push((Token::End, source.len()));
    Ok(tokens)
}

fn number(rest: &str) -> Result<(Token, usize), String> {
    let bytes = rest.as_bytes();
    let prefix = rest.get(..2).map(str::to_ascii_lowercase);
    if matches!(prefix.as_deref(), Some("0x" | "0o" | "0b")) {
        let len = 2 + rest[2..].bytes().take_while(|it| it.is_ascii_alphanumeric() || *it == b'_').count();
        let text = &rest[..len];
        return gofloat::parse_int(&text.replace('_', ""), 0)
            .map(|it| (Token::Int(it), len))
            .ok_or_else(|| format!("bad number syntax: {text:?}"));
    }
    let mut len = 0;
    let mut float = false;
    let digits = |from: usize| bytes[from..].iter().take_while(|it| it.is_ascii_digit() || **it == b'_').count();
    len += digits(len);
    if bytes.get(len) == Some(&b'.') && bytes.get(len + 1) != Some(&b'.') {
        // 1.method is not a number, 1. is
        let next = bytes.get(len + 1).copied().unwrap_or(b' ');
        if !next.is_ascii_alphabetic() || matches!(next, b'e' | b'E') {
            float = true;
            len += 1;
            len += digits(len);
        }
    }
    if matches!(bytes.get(len), Some(b'e' | b'E')) {
        let mut end = len + 1;
        if matches!(bytes.get(end), Some(b'+' | b'-')) {
            end += 1;
        }
        let count = digits(end);
        if count > 0 {
            float = true;
            len = end + count;
        }
    }
    if bytes.get(len).is_some_and(|it| it.is_ascii_alphabetic() || *it == b'_') {
        return Err(format!("bad number syntax: {:?}", rest.get(..=len).unwrap_or(rest)));
    }
    let text = rest[..len].replace('_', "");
    if float {
        return gofloat::parse_float(&text)
            .map(|it| (Token::Float(it), len))
            .ok_or_else(|| format!("invalid float literal: {text}"));
    }
    text.parse().map(|it| (Token::Int(it), len)).map_err(|_| format!("integer literal is too large: {text}"))
}

/// Reads a quoted string and gives its value and its length in the source.
fn string(rest: &str, quote: char) -> Result<(String, usize), String> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    let hex = |chars: &mut dyn Iterator<Item = (usize, char)>, count: usize| -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..count {
            value = value.checked_mul(16)? + chars.next()?.1.to_digit(16)?;
        }
        Some(value)
    };
    let unterminated = || "literal not terminated".to_owned();
    while let Some((at, it)) = chars.next() {
        if it == quote {
            return Ok((out, at + 1));
        }
        if it == '\n' {
            return Err(unterminated());
        }
        if it != '\\' {
            out.push(it);
            continue;
        }
        let (_, escape) = chars.next().ok_or_else(unterminated)?;
        let bad = || format!("unable to unescape string at \\{escape}");
        match escape {
            'a' => out.push('\x07'),
            'b' => out.push('\x08'),
            'f' => out.push('\x0c'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\x0b'),
            '\\' | '\'' | '"' | '`' | '?' | '/' => out.push(escape),
            'x' => out.push(hex(&mut chars, 2).and_then(char::from_u32).ok_or_else(bad)?),
            'u' => {
                let first = hex(&mut chars, 4).ok_or_else(bad)?;
                if (0xd800..0xdc00).contains(&first) {
                    let (Some((_, '\\')), Some((_, 'u'))) = (chars.next(), chars.next()) else {
                        return Err(bad());
                    };
                    let second = hex(&mut chars, 4).filter(|it| (0xdc00..0xe000).contains(it)).ok_or_else(bad)?;
                    out.push(char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or_else(bad)?);
                } else {
                    out.push(char::from_u32(first).ok_or_else(bad)?);
                }
            }
            'U' => out.push(hex(&mut chars, 8).and_then(char::from_u32).ok_or_else(bad)?),
            '0'..='3' => {
                let mut value = escape.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    value = value * 8 + chars.next().and_then(|(_, it)| it.to_digit(8)).ok_or_else(bad)?;
                }
                out.push(char::from_u32(value).ok_or_else(bad)?);
            }
            _ => return Err(bad()),
        }
    }
    Err(unterminated())
}
