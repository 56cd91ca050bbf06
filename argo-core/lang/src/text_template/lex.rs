//! Text to tokens. Spaces inside actions matter: they separate operands.

use super::{ErrorKind, TemplateError};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Text(String),
    Open,
    Close,
    Space,
    Dot,
    Field(String),
    Variable(String),
    Identifier(String),
    Int(i64),
    Float(f64),
    Str(String),
    Bool(bool),
    Nil,
    Pipe,
    Comma,
    Declare,
    Assign,
    LeftParen,
    RightParen,
    End,
}

#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) token: Token,
    pub(super) at: usize,
    /// The source text.
    pub(super) text: String,
}

pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

pub(super) fn fail<T>(name: &str, text: &str, at: usize, message: impl AsRef<str>) -> Result<T, TemplateError> {
    let line = line_of(text, at);
    Err(TemplateError {
        kind: ErrorKind::Parse,
        message: format!("template: {name}:{line}: {}", message.as_ref()),
        line,
    })
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

pub(super) fn lex(name: &str, text: &str) -> Result<Vec<Item>, TemplateError> {
    let mut items = Vec::new();
    let mut at = 0;
    let mut trim_next = false;
    loop {
        let rest = &text[at..];
        let open = rest.find("{{");
        let mut chunk = &rest[..open.unwrap_or(rest.len())];
        let mut start = at;
        if trim_next {
            let trimmed = chunk.trim_start_matches(SPACE);
            start += chunk.len() - trimmed.len();
            chunk = trimmed;
        }
        let Some(open) = open else {
            if !chunk.is_empty() {
                items.push(Item { token: Token::Text(chunk.to_owned()), at: start, text: chunk.to_owned() });
            }
            items.push(Item { token: Token::End, at: text.len(), text: String::new() });
            return Ok(items);
        };
        let action = at + open;
        let inside = &text[action + 2..];
        let trim_left = inside.starts_with('-') && inside[1..].starts_with(SPACE);
        if trim_left {
            chunk = chunk.trim_end_matches(SPACE);
        }
        if !chunk.is_empty() {
            items.push(Item { token: Token::Text(chunk.to_owned()), at: start, text: chunk.to_owned() });
        }
        let mut inner = action + 2 + if trim_left { 2 } else { 0 };
        trim_next = false;
        let skipped = if trim_left { text[inner..].len() - text[inner..].trim_start_matches(SPACE).len() } else { 0 };
        if text[inner + skipped..].starts_with("/*") {
            inner += skipped;
            let Some(close) = text[inner..].find("*/") else { return fail(name, text, action, "unclosed comment") };
            let after = inner + close + 2;
            if text[after..].starts_with("}}") {
                at = after + 2;
            } else {
                let tail = text[after..].trim_start_matches(SPACE);
                if tail.len() < text[after..].len() && tail.starts_with("-}}") {
                    trim_next = true;
                    at = text.len() - tail.len() + 3;
                } else {
                    return fail(name, text, action, "comment ends before closing delimiter");
                }
            }
            continue;
        }
        items.push(Item { token: Token::Open, at: action, text: "{{".to_owned() });
        (at, trim_next) = lex_action(name, text, inner, &mut items)?;
    }
}

/// Reads up to the closing delimiter; gives where text goes on and whether it is trimmed.
fn lex_action(name: &str, text: &str, mut at: usize, items: &mut Vec<Item>) -> Result<(usize, bool), TemplateError> {
    let mut parens = 0_usize;
    let action_start = at;
    loop {
        let rest = &text[at..];
        let push = |items: &mut Vec<Item>, token: Token, len: usize| {
            items.push(Item { token, at, text: rest[..len].to_owned() })
        };
        let Some(it) = rest.chars().next() else { return fail(name, text, action_start, "unclosed action") };
        // the closing delimiter, perhaps with a trim marker
        let spaces = rest.len() - rest.trim_start_matches(SPACE).len();
        if spaces > 0 && rest[spaces..].starts_with("-}}") {
            if parens > 0 {
                return fail(name, text, at, "unclosed left paren");
            }
            items.push(Item { token: Token::Close, at: at + spaces, text: "}}".to_owned() });
            return Ok((at + spaces + 3, true));
        }
        if rest.starts_with("}}") {
            if parens > 0 {
                return fail(name, text, at, "unclosed left paren");
            }
            push(items, Token::Close, 2);
            return Ok((at + 2, false));
        }
        let len;
        match it {
            ' ' | '\t' | '\r' | '\n' => {
                len = spaces;
                push(items, Token::Space, len);
            }
            '"' => {
                let Some(end) = quoted_end(rest, '"') else {
                    return fail(name, text, at, "unterminated quoted string");
                };
                len = end;
                let Some(value) = unquote(&rest[..end]) else { return fail(name, text, at, "invalid syntax") };
                push(items, Token::Str(value), len);
            }
            '`' => {
                let Some(end) = rest[1..].find('`') else {
                    return fail(name, text, at, "unterminated raw quoted string");
                };
                len = end + 2;
                push(items, Token::Str(rest[1..=end].replace('\r', "")), len);
            }
            '\'' => {
                let Some(end) = quoted_end(rest, '\'') else {
                    return fail(name, text, at, "unterminated character constant");
                };
                len = end;
                let value = unquote(&rest[..end]).filter(|it| it.chars().count() == 1).and_then(|it| it.chars().next());
                let Some(value) = value else {
                    return fail(name, text, at, format!("malformed character constant: {}", &rest[..end]));
                };
                push(items, Token::Int(i64::from(u32::from(value))), len);
            }
            '|' => {
                len = 1;
                push(items, Token::Pipe, len);
            }
            ',' => {
                len = 1;
                push(items, Token::Comma, len);
            }
            ':' => {
                if !rest.starts_with(":=") {
                    return fail(name, text, at, "expected :=");
                }
                len = 2;
                push(items, Token::Declare, len);
            }
            '=' => {
                len = 1;
                push(items, Token::Assign, len);
            }
            '(' => {
                parens += 1;
                len = 1;
                push(items, Token::LeftParen, len);
            }
            ')' => {
                if parens == 0 {
                    return fail(name, text, at, "unexpected right paren");
                }
                parens -= 1;
                len = 1;
                push(items, Token::RightParen, len);
            }
            '.' if !rest[1..].starts_with(|it: char| it.is_ascii_digit()) => {
                let word = word_len(&rest[1..]);
                len = 1 + word;
                let token = if word == 0 { Token::Dot } else { Token::Field(rest[1..len].to_owned()) };
                push(items, token, len);
                terminator(name, text, at + len)?;
            }
            '$' => {
                len = 1 + word_len(&rest[1..]);
                push(items, Token::Variable(rest[..len].to_owned()), len);
                terminator(name, text, at + len)?;
            }
            '+' | '-' | '.' | '0'..='9' => {
                let (token, size) = number(rest).ok_or_else(|| {
                    let shown: String =
                        rest.chars().take_while(|it| it.is_alphanumeric() || "+-._".contains(*it)).collect();
                    let line = line_of(text, at);
                    TemplateError {
                        kind: ErrorKind::Parse,
                        message: format!(
                            "template: {name}:{line}: {} number syntax: {shown:?}",
                            if shown.len() == 1 { "illegal" } else { "bad" }
                        ),
                        line,
                    }
                })?;
                len = size;
                push(items, token, len);
            }
            it if it == '_' || it.is_alphabetic() => {
                len = word_len(rest);
                let token = match &rest[..len] {
                    "true" => Token::Bool(true),
                    "false" => Token::Bool(false),
                    "nil" => Token::Nil,
                    word => Token::Identifier(word.to_owned()),
                };
                push(items, token, len);
                terminator(name, text, at + len)?;
            }
            it => {
                return fail(
                    name,
                    text,
                    at,
                    format!("unexpected bad character U+{:04X} '{it}' in command", u32::from(it)),
                );
            }
        }
        at += len;
    }
}

/// A word must end where an operand can end.
fn terminator(name: &str, text: &str, at: usize) -> Result<(), TemplateError> {
    if text[at..].starts_with("}}") {
        return Ok(());
    }
    match text[at..].chars().next() {
        None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(' | '=') => Ok(()),
        Some(it) => fail(name, text, at, format!("bad character U+{:04X} '{it}'", u32::from(it))),
    }
}

fn word_len(text: &str) -> usize {
    text.find(|it: char| !(it == '_' || it.is_alphanumeric())).unwrap_or(text.len())
}

fn quoted_end(text: &str, mark: char) -> Option<usize> {
    let mut escaped = false;
    for (at, it) in text.char_indices().skip(1) {
        match it {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            it if it == mark => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// `strconv.Unquote` of a double-quoted or single-quoted literal.
fn unquote(text: &str) -> Option<String> {
    let mark = text.chars().next()?;
    let inner = text.get(1..text.len().checked_sub(1)?)?;
    let mut bytes: Vec<u8> = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    let mut buffer = [0; 4];
    while let Some(it) = chars.next() {
        if it != '\\' {
            bytes.extend(it.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        let escape = chars.next()?;
        let mut hex =
            |count: usize| (0..count).try_fold(0_u32, |value, _| Some(value * 16 + chars.next()?.to_digit(16)?));
        let simple = match escape {
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            '\\' => '\\',
            '\'' | '"' if escape == mark => escape,
            'x' => {
                bytes.push(u8::try_from(hex(2)?).ok()?);
                continue;
            }
            'u' => char::from_u32(hex(4)?)?,
            'U' => char::from_u32(hex(8)?)?,
            '0'..='7' => {
                let mut value = escape.to_digit(8)?;
                for _ in 0..2 {
                    value = value * 8 + chars.next()?.to_digit(8)?;
                }
                bytes.push(u8::try_from(value).ok()?);
                continue;
            }
            _ => return None,
        };
        bytes.extend(simple.encode_utf8(&mut buffer).as_bytes());
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn number(rest: &str) -> Option<(Token, usize)> {
    let bytes = rest.as_bytes();
    let mut len = usize::from(matches!(bytes[0], b'+' | b'-'));
    let mut digits = "0123456789_";
    let mut hex = false;
    if bytes.get(len) == Some(&b'0') {
        match bytes.get(len + 1) {
            Some(b'x' | b'X') => {
                digits = "0123456789abcdefABCDEF_";
                hex = true;
                len += 2;
            }
            Some(b'o' | b'O') => {
                digits = "01234567_";
                len += 2;
            }
            Some(b'b' | b'B') => {
                digits = "01_";
                len += 2;
            }
            _ => {}
        }
    }
    let run = |from: usize| bytes[from..].iter().take_while(|it| digits.contains(char::from(**it))).count();
    len += run(len);
    if bytes.get(len) == Some(&b'.') {
        len += 1;
        len += run(len);
    }
    if matches!(bytes.get(len), Some(b'e' | b'E')) && !hex || matches!(bytes.get(len), Some(b'p' | b'P')) && hex {
        len += 1;
        len += usize::from(matches!(bytes.get(len), Some(b'+' | b'-')));
        len += bytes[len..].iter().take_while(|it| it.is_ascii_digit() || **it == b'_').count();
    }
    if rest[len..].starts_with(|it: char| it.is_alphanumeric() || it == '_') {
        return None;
    }
    let text = &rest[..len];
    if let Some(int) = crate::gofloat::parse_int(text, 0) {
        return Some((Token::Int(int), len));
    }
    let plain = text.replace('_', "");
    let float = crate::gofloat::parse_float(&plain)?;
    if !plain.contains(['.', 'e', 'E', 'p', 'P']) {
        return None;
    }
    // as Go: an integral float is an integer constant too
    if float == float.trunc() && float.abs() < 9.2e18 && !plain.contains('.') {
        return Some((Token::Int(float as i64), len));
    }
    Some((Token::Float(float), len))
}
