//! Text to tokens, as upstream's lexer gives them.

use super::{ErrorKind, ExprError};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Identifier,
    Number,
    Str,
    Bytes,
    Operator,
    Bracket,
    End,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Identifier => "Identifier",
            Self::Number => "Number",
            Self::Str => "String",
            Self::Bytes => "Bytes",
            Self::Operator => "Operator",
            Self::Bracket => "Bracket",
            Self::End => "EOF",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) class: Class,
    /// Its text; of strings the value.
    pub(super) text: String,
    /// The value of a bytes literal.
    pub(super) bytes: Vec<u8>,
    /// Byte offset in the source.
    pub(super) at: usize,
}

impl Token {
    /// As messages show it.
    pub(super) fn shown(&self) -> String {
        if self.text.is_empty() {
            return self.class.name().to_owned();
        }
        format!("{}({})", self.class.name(), crate::fmt::quote(&self.text))
    }

    pub(super) fn is(&self, class: Class, text: &str) -> bool {
        self.class == class && self.text == text
    }
}

const WORDS: [&str; 11] =
    ["not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else"];

/// The tokens up to the end, or up to the first thing that is none, with the complaint about it.
pub(super) fn lex(source: &str) -> (Vec<Token>, Option<ExprError>) {
    let mut lexer = Lexer { source, start: 0, at: 0, tokens: Vec::new() };
    let error = lexer.run().err();
    (lexer.tokens, error)
}

pub(super) fn is_word(it: char) -> bool {
    it == '_' || it == '$' || it.is_alphanumeric()
}

/// Whether a text is one name, a keyword or not.
pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|it: char| is_word(it) && !it.is_ascii_digit()) && text.chars().all(is_word)
}

pub(super) fn is_keyword(text: &str) -> bool {
    WORDS.contains(&text)
}

struct Lexer<'a> {
    source: &'a str,
    start: usize,
    at: usize,
    tokens: Vec<Token>,
}

type Outcome<T> = Result<T, ExprError>;

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let it = self.peek()?;
        self.at += it.len_utf8();
        Some(it)
    }

    fn accept(&mut self, set: &str) -> bool {
        match self.peek() {
            Some(it) if set.contains(it) => {
                self.at += it.len_utf8();
                true
            }
            _ => false,
        }
    }

    fn word(&self) -> &str {
        &self.source[self.start..self.at]
    }

    fn emit(&mut self, class: Class) {
        let text = self.word().to_owned();
        self.emit_value(class, text, Vec::new());
    }

    fn emit_value(&mut self, class: Class, text: String, bytes: Vec<u8>) {
        self.tokens.push(Token { class, text, bytes, at: self.start });
        self.start = self.at;
    }

    /// A complaint about the character read last, or about the end.
    fn fail<T>(&self, message: impl Into<String>, ended: bool) -> Outcome<T> {
        let last = self.source[..self.at].chars().next_back().map_or(0, char::len_utf8);
        let at = if ended { self.at } else { self.at - last };
        Err(ExprError::at(ErrorKind::Syntax, message, self.source, at))
    }

    fn run(&mut self) -> Outcome<()> {
        while let Some(it) = self.next() {
            match it {
                it if it.is_whitespace() => self.start = self.at,
                '\'' | '"' => {
                    self.string(it)?;
                    let value = self.unescaped(0)?;
                    self.emit_value(Class::Str, String::from_utf8_lossy(&value).into_owned(), Vec::new());
                }
                '`' => self.raw_string()?,
                'b' | 'B' if matches!(self.peek(), Some('\'' | '"')) => {
                    let quote = self.next().unwrap_or('"');
                    self.string(quote)?;
                    let value = self.unescaped(1)?;
                    let text = String::from_utf8_lossy(&value).into_owned();
                    self.emit_value(Class::Bytes, text, value);
                }
                '0'..='9' => {
                    self.at = self.start;
                    self.number()?;
                }
                '?' => {
                    self.accept(".?");
                    self.emit(Class::Operator);
                }
                '/' if self.accept("/") => {
                    while !matches!(self.next(), None | Some('\n')) {}
                    self.start = self.at;
                }
                '/' if self.accept("*") => {
                    loop {
                        match self.next() {
                            None => return self.fail("unclosed comment", true),
                            Some('*') if self.accept("/") => break,
                            Some(_) => {}
                        }
                    }
                    self.start = self.at;
                }
                '#' => {
                    self.accept("#");
                    self.emit(Class::Operator);
                    while self.peek().is_some_and(is_word) {
                        self.next();
                    }
                    if self.start < self.at {
                        self.emit(Class::Identifier);
                    }
                }
                '|' | ':' => {
                    self.accept(if it == '|' { "|" } else { ":" });
                    self.emit(Class::Operator);
                }
                '(' | '[' | '{' | ')' | ']' | '}' => self.emit(Class::Bracket),
                ',' | ';' | '%' | '+' | '-' | '^' | '/' => self.emit(Class::Operator),
                '&' | '!' | '=' | '*' | '<' | '>' => {
                    self.accept("&=*");
                    self.emit(Class::Operator);
                }
                '.' => {
                    if self.peek().is_some_and(|it| it.is_ascii_digit()) {
                        self.number()?;
                    } else {
                        self.accept(".");
                        self.emit(Class::Operator);
                    }
                }
                it if is_word(it) => {
                    while self.peek().is_some_and(is_word) {
                        self.next();
                    }
                    let class = if WORDS.contains(&self.word()) { Class::Operator } else { Class::Identifier };
                    self.emit(class);
                }
                it => {
                    let code = u32::from(it);
                    let shown = if crate::fmt::is_print(it) { format!(" '{it}'") } else { String::new() };
                    return self.fail(format!("unrecognized character: U+{code:04X}{shown}"), false);
                }
            }
        }
        // the end stands at the last character
        let last = self.source.chars().next_back().map_or(0, char::len_utf8);
        self.tokens.push(Token {
            class: Class::End,
            text: String::new(),
            bytes: Vec::new(),
            at: self.source.len() - last,
        });
        Ok(())
    }

    fn number(&mut self) -> Outcome<()> {
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        while self.accept(digits) {}
        let end = self.at;
        if self.accept(".") {
            if self.peek() == Some('.') {
                // 1..2 is a range
                self.at = end;
                self.emit(Class::Number);
                return Ok(());
            }
            while self.accept(digits) {}
        }
        if self.accept("eE") {
            self.accept("+-");
            while self.accept(digits) {}
        }
        if self.peek().is_some_and(is_word) {
            self.next();
            let message = format!("bad number syntax: {}", crate::fmt::quote(self.word()));
            return self.fail(message, false);
        }
        self.emit(Class::Number);
        Ok(())
    }

    /// Reads on to the closing quote; what is behind backslashes must look like an escape.
    fn string(&mut self, quote: char) -> Outcome<()> {
        loop {
            match self.next() {
                None => return self.fail("literal not terminated", true),
                Some('\n') => return self.fail("literal not terminated", false),
                Some('\\') => self.escape(quote)?,
                Some(it) if it == quote => return Ok(()),
                Some(_) => {}
            }
        }
    }

    fn escape(&mut self, quote: char) -> Outcome<()> {
        const BAD: &str = "invalid char escape";
        let digits = |lexer: &mut Self, base: u32, count: usize| {
            for _ in 0..count {
                match lexer.peek() {
                    Some(it) if it.is_digit(base) => lexer.at += 1,
                    other => {
                        let ended = other.is_none();
                        lexer.next();
                        return lexer.fail(BAD, ended);
                    }
                }
            }
            Ok(())
        };
        match self.peek() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => self.at += 1,
            Some(it) if it == quote => self.at += 1,
            Some('0'..='7') => digits(self, 8, 3)?,
            Some('x') => {
                self.at += 1;
                digits(self, 16, 2)?;
            }
            Some('u') => {
                self.at += 1;
                if !self.accept("{") {
                    return digits(self, 16, 4);
                }
                let mut count = 0;
                while self.peek() != Some('}') {
                    if count >= 6 || !self.peek().is_some_and(|it| it.is_ascii_hexdigit()) {
                        return self.fail(BAD, false);
                    }
                    self.at += 1;
                    count += 1;
                }
                if count == 0 {
                    return self.fail(BAD, false);
                }
                self.at += 1;
            }
            Some('U') => {
                self.at += 1;
                digits(self, 16, 8)?;
            }
            other => {
                self.next();
                return self.fail(BAD, other.is_none());
            }
        }
        Ok(())
    }

    /// The value of the quoted literal just read. Bytes literals have no characters beyond their bytes.
    fn unescaped(&self, skip: usize) -> Outcome<Vec<u8>> {
        let raw = self.word()[skip..].replace("\r\n", "\n").replace('\r', "\n");
        let inner = &raw[1..raw.len() - 1];
        let as_bytes = skip > 0;
        let mut out = Vec::with_capacity(inner.len());
        let mut chars = inner.chars();
        let mut buffer = [0; 4];
        while let Some(it) = chars.next() {
            if it != '\\' {
                out.extend(it.encode_utf8(&mut buffer).as_bytes());
                continue;
            }
            let bad = || self.fail("unable to unescape string", false);
            let Some(escape) = chars.next() else {
                return self.fail("unable to unescape string, found '\\' as last character", false);
            };
            let code = match escape {
                'a' => 7,
                'b' => 8,
                'f' => 12,
                'n' => 10,
                'r' => 13,
                't' => 9,
                'v' => 11,
                '\\' | '\'' | '"' | '`' | '?' => u32::from(escape),
                'x' | 'u' | 'U' if !as_bytes || escape == 'x' => {
                    let count = match escape {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    let digits: String = if escape == 'u' && chars.as_str().starts_with('{') {
                        chars.next();
                        chars.by_ref().take_while(|it| *it != '}').collect()
                    } else {
                        chars.by_ref().take(count).collect()
                    };
                    match u32::from_str_radix(&digits, 16) {
                        Ok(code) => code,
                        Err(_) => return bad(),
                    }
                }
                '0'..='3' => {
                    let rest: String = chars.by_ref().take(2).collect();
                    match u32::from_str_radix(&format!("{escape}{rest}"), 8) {
                        Ok(code) if rest.len() == 2 => code,
                        _ => return self.fail("unable to unescape octal sequence in string", false),
                    }
                }
                _ => return bad(),
            };
            if as_bytes {
                match u8::try_from(code) {
                    Ok(byte) => out.push(byte),
                    Err(_) => return bad(),
                }
            } else if code > 0x10_ffff {
                return bad();
            } else {
                // half of a pair is no character
                let it = char::from_u32(code).unwrap_or('\u{fffd}');
                out.extend(it.encode_utf8(&mut buffer).as_bytes());
            }
        }
        Ok(out)
    }

    /// Backquotes hold anything; a doubled one is one.
    fn raw_string(&mut self) -> Outcome<()> {
        let mut value = String::new();
        loop {
            match self.next() {
                None => return self.fail("literal not terminated", true),
                Some('`') if self.peek() == Some('`') => {
                    self.at += 1;
                    value.push('`');
                }
                Some('`') => break,
                Some(it) => value.push(it),
            }
        }
        self.emit_value(Class::Str, value, Vec::new());
        Ok(())
    }
}
