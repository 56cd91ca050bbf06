//! Text to tokens, as Go's scanner gives them. Spaces inside actions matter: they separate operands.

use super::{ErrorKind, TemplateError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Text,
    Open,
    Close,
    Space,
    Dot,
    /// A field with its dot.
    Field,
    Variable,
    Identifier,
    Keyword,
    Number,
    Char,
    Complex,
    /// A quoted string with its quotes.
    Str,
    RawStr,
    Bool,
    Nil,
    Pipe,
    /// A character that means nothing else, as the comma.
    Other,
    Declare,
    Assign,
    LeftParen,
    RightParen,
    /// The end of what can be read; the text is the complaint.
    Error,
    End,
}

#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) token: Token,
    pub(super) at: usize,
    /// The source text, or the message of an error.
    pub(super) text: String,
    /// The line it starts on, from 1.
    pub(super) line: usize,
}

impl Item {
    /// As messages show it.
    pub(super) fn shown(&self) -> String {
        match self.token {
            Token::End => "EOF".to_owned(),
            Token::Error => self.text.clone(),
            Token::Keyword | Token::Nil | Token::Dot => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                format!("{}...", crate::fmt::quote(&self.text.chars().take(10).collect::<String>()))
            }
            _ => crate::fmt::quote(&self.text),
        }
    }
}

pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

pub(super) fn error_at(name: &str, line: usize, message: &str) -> TemplateError {
    TemplateError { kind: ErrorKind::Parse, message: format!("template: {name}:{line}: {message}"), line }
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
const KEYWORDS: [&str; 10] = ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];

/// The tokens of a text; the last is [`Token::End`] or [`Token::Error`]. The names that are functions are no keywords
/// where Go lets a function have the name (`break`, `continue`).
pub(super) fn lex(text: &str, is_function: &dyn Fn(&str) -> bool) -> Vec<Item> {
    let mut lexer = Lexer { text, at: 0, line: 1, items: Vec::new(), is_function };
    let end = match lexer.run() {
        Ok(()) => Item { token: Token::End, at: text.len(), text: String::new(), line: lexer.line },
        Err((at, message)) => Item { token: Token::Error, at, text: message, line: line_of(text, at) },
    };
    lexer.items.push(end);
    lexer.items
}

type Outcome<T> = Result<T, (usize, String)>;

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    items: Vec<Item>,
    is_function: &'a dyn Fn(&str) -> bool,
}

fn trim_marker_left(text: &str) -> bool {
    text.starts_with('-') && text[1..].starts_with(SPACE)
}

/// Whether the closing delimiter is here, and whether a trim marker precedes it.
fn right_delimiter(text: &str) -> Option<bool> {
    if text.starts_with(SPACE) && text[1..].starts_with("-}}") {
        Some(true)
    } else if text.starts_with("}}") {
        Some(false)
    } else {
        None
    }
}

fn is_word(it: char) -> bool {
    it == '_' || it.is_alphanumeric()
}

impl Lexer<'_> {
    fn push(&mut self, token: Token, len: usize) {
        let text = self.text[self.at..self.at + len].to_owned();
        let line = self.line;
        self.line += text.matches('\n').count();
        self.items.push(Item { token, at: self.at, text, line });
        self.at += len;
    }

    fn skip(&mut self, len: usize) {
        self.line += self.text[self.at..self.at + len].matches('\n').count();
        self.at += len;
    }

    fn run(&mut self) -> Outcome<()> {
        loop {
            let rest = &self.text[self.at..];
            let Some(open) = rest.find("{{") else {
                if !rest.is_empty() {
                    self.push(Token::Text, rest.len());
                }
                return Ok(());
            };
            let trim = trim_marker_left(&rest[open + 2..]);
            let kept = if trim { rest[..open].trim_end_matches(SPACE).len() } else { open };
            if kept > 0 {
                self.push(Token::Text, kept);
            }
            self.skip(open - kept);
            let marker = if trim { 2 } else { 0 };
            if self.text[self.at + 2 + marker..].starts_with("/*") {
                self.skip(2 + marker);
                self.comment()?;
                continue;
            }
            self.push(Token::Open, 2);
            self.skip(marker);
            self.action()?;
        }
    }

    fn comment(&mut self) -> Outcome<()> {
        let rest = &self.text[self.at..];
        let Some(close) = rest[2..].find("*/") else { return Err((self.at, "unclosed comment".to_owned())) };
        let after = close + 4;
        let Some(trim) = right_delimiter(&rest[after..]) else {
            return Err((self.at, "comment ends before closing delimiter".to_owned()));
        };
        self.skip(after);
        self.close(trim, false);
        Ok(())
    }

    fn close(&mut self, trim: bool, emit: bool) {
        if trim {
            self.skip(2);
        }
        if emit {
            self.push(Token::Close, 2);
        } else {
            self.skip(2);
        }
        if trim {
            let rest = &self.text[self.at..];
            self.skip(rest.len() - rest.trim_start_matches(SPACE).len());
        }
    }

    fn action(&mut self) -> Outcome<()> {
        let mut parens = 0_usize;
        loop {
            let rest = &self.text[self.at..];
            let fail = |message: &str| Err((self.at, message.to_owned()));
            if let Some(trim) = right_delimiter(rest) {
                if parens > 0 {
                    return fail("unclosed left paren");
                }
                self.close(trim, true);
                return Ok(());
            }
            let Some(it) = rest.chars().next() else { return fail("unclosed action") };
            match it {
                ' ' | '\t' | '\r' | '\n' => {
                    let spaces = rest.len() - rest.trim_start_matches(SPACE).len();
                    // the last space may belong to the closing delimiter
                    let last = if rest[spaces..].starts_with("-}}") { spaces - 1 } else { spaces };
                    if last > 0 {
                        self.push(Token::Space, last);
                    }
                }
                '=' => self.push(Token::Assign, 1),
                ':' if rest.starts_with(":=") => self.push(Token::Declare, 2),
                ':' => return fail("expected :="),
                '|' => self.push(Token::Pipe, 1),
                '"' => match quoted_end(rest, '"') {
                    Some(end) => self.push(Token::Str, end),
                    None => return fail("unterminated quoted string"),
                },
                '`' => match rest[1..].find('`') {
                    Some(end) => self.push(Token::RawStr, end + 2),
                    None => return fail("unterminated raw quoted string"),
                },
                '\'' => match quoted_end(rest, '\'') {
                    Some(end) => self.push(Token::Char, end),
                    None => return fail("unterminated character constant"),
                },
                '$' => {
                    let len = 1 + if terminated(&rest[1..]) { 0 } else { word_len(&rest[1..]) };
                    self.word(Token::Variable, len)?;
                }
                '.' if !rest[1..].starts_with(|it: char| it.is_ascii_digit()) && rest.len() > 1 => {
                    if terminated(&rest[1..]) {
                        self.push(Token::Dot, 1);
                    } else {
                        self.word(Token::Field, 1 + word_len(&rest[1..]))?;
                    }
                }
                '+' | '-' | '.' | '0'..='9' => self.number()?,
                it if is_word(it) => {
                    let len = word_len(rest);
                    let word = &rest[..len];
                    let token = match word {
                        "true" | "false" => Token::Bool,
                        "nil" => Token::Nil,
                        "break" | "continue" if (self.is_function)(word) => Token::Identifier,
                        word if KEYWORDS.contains(&word) => Token::Keyword,
                        _ => Token::Identifier,
                    };
                    self.word(token, len)?;
                }
                '(' => {
                    parens += 1;
                    self.push(Token::LeftParen, 1);
                }
                ')' => {
                    if parens == 0 {
                        return fail("unexpected right paren");
                    }
                    parens -= 1;
                    self.push(Token::RightParen, 1);
                }
                it if it.is_ascii_graphic() => self.push(Token::Other, 1),
                it => return fail(&format!("unrecognized character in action: {}", unicode(it))),
            }
        }
    }

    /// A word must end where an operand can end.
    fn word(&mut self, token: Token, len: usize) -> Outcome<()> {
        let rest = &self.text[self.at + len..];
        if terminated(rest) {
            self.push(token, len);
            return Ok(());
        }
        Err((self.at, format!("bad character {}", rest.chars().next().map_or_else(String::new, unicode))))
    }

    fn number(&mut self) -> Outcome<()> {
        let rest = &self.text[self.at..];
        let bad = |len: usize| Err((self.at, format!("bad number syntax: {}", crate::fmt::quote(&rest[..len]))));
        let len = match scan_number(rest) {
            Ok(len) => len,
            Err(len) => return bad(len),
        };
        if !rest[len..].starts_with(['+', '-']) {
            self.push(Token::Number, len);
            return Ok(());
        }
        match scan_number(&rest[len..]) {
            Ok(more) if rest[..len + more].ends_with('i') => {
                self.push(Token::Complex, len + more);
                Ok(())
            }
            Ok(more) | Err(more) => bad(len + more),
        }
    }
}

/// `%#U`.
fn unicode(it: char) -> String {
    let code = u32::from(it);
    if crate::fmt::is_print(it) { format!("U+{code:04X} '{it}'") } else { format!("U+{code:04X}") }
}

fn terminated(rest: &str) -> bool {
    rest.starts_with("}}")
        || rest
            .chars()
            .next()
            .is_none_or(|it| matches!(it, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '('))
}

fn word_len(text: &str) -> usize {
    text.find(|it: char| !is_word(it)).unwrap_or(text.len())
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

/// The length of a number, or what was read of one that goes on wrongly.
fn scan_number(rest: &str) -> Result<usize, usize> {
    let bytes = rest.as_bytes();
    let mut len = 0;
    let accept = |len: &mut usize, set: &[u8]| {
        let found = bytes.get(*len).is_some_and(|it| set.contains(it));
        *len += usize::from(found);
        found
    };
    accept(&mut len, b"+-");
    let mut digits: &[u8] = b"0123456789_";
    if accept(&mut len, b"0") {
        if accept(&mut len, b"xX") {
            digits = b"0123456789abcdefABCDEF_";
        } else if accept(&mut len, b"oO") {
            digits = b"01234567_";
        } else if accept(&mut len, b"bB") {
            digits = b"01_";
        }
    }
    while accept(&mut len, digits) {}
    if accept(&mut len, b".") {
        while accept(&mut len, digits) {}
    }
    let exponent: &[u8] = match digits.len() {
        11 => b"eE",
        23 => b"pP",
        _ => b"",
    };
    if accept(&mut len, exponent) {
        accept(&mut len, b"+-");
        while accept(&mut len, b"0123456789_") {}
    }
    accept(&mut len, b"i");
    match rest[len..].chars().next() {
        Some(it) if is_word(it) => Err(len + it.len_utf8()),
        _ => Ok(len),
    }
}

/// `strconv.Unquote` of a quoted literal.
pub(super) fn unquote(text: &str) -> Option<String> {
    let mark = text.chars().next()?;
    let inner = text.get(1..text.len().checked_sub(1)?)?;
    if mark == '`' {
        return Some(inner.replace('\r', ""));
    }
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
