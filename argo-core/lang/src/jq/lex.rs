//! The source as tokens. Text with `\(…)` inside is a run of tokens of its own.

/// What a token is. Words that are keywords are [`Tok::Keyword`], as they may still be keys of objects.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tok {
    Ident(String),
    Keyword(&'static str),
    /// `$name`, without the sign.
    Var(String),
    /// `.name`, without the dot.
    Field(String),
    Number(String),
    /// `@name`, with the sign.
    Format(String),
    /// A whole text without interpolation.
    Str(String),
    /// The quote that opens a text with interpolation.
    StrStart,
    /// Text between interpolations.
    StrPart(String),
    /// `\(`.
    StrQuery,
    /// The quote that closes it.
    StrEnd,
    /// An operator or a mark.
    Mark(&'static str),
    /// A character that begins nothing.
    Other(char),
    Invalid(String),
    InvalidEscape(String),
    Unterminated,
    End,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) tok: Tok,
    pub(super) start: usize,
    pub(super) end: usize,
}

const KEYWORDS: [&str; 21] = [
    "or", "and", "module", "import", "include", "def", "as", "label", "break", "null", "true", "false", "if", "then",
    "elif", "else", "end", "try", "catch", "reduce", "foreach",
];

/// Longer marks come before their beginnings.
const MARKS: [&str; 35] = [
    "?//", "//=", "..", "|=", "+=", "-=", "*=", "/=", "%=", "==", "!=", ">=", "<=", "//", "=", ">", "<", ".", "|", ",",
    "+", "-", "*", "/", "%", "?", "(", ")", "[", "]", "{", "}", ":", ";", "$",
];

fn is_head(it: u8) -> bool {
    it.is_ascii_alphabetic() || it == b'_'
}

fn is_tail(it: u8) -> bool {
    it.is_ascii_alphanumeric() || it == b'_'
}

struct Lexer<'s> {
    source: &'s str,
    bytes: &'s [u8],
    at: usize,
    tokens: Vec<Token>,
    /// Open parentheses inside each interpolation that is open.
    open: Vec<usize>,
}

/// Reads the source; a mistake is the last token.
pub(super) fn lex(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { source, bytes: source.as_bytes(), at: 0, tokens: Vec::new(), open: Vec::new() };
    while lexer.token() {}
    lexer.tokens
}

/// Whether the text is a number, with a sign if it likes.
pub(super) fn is_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let dotted = bytes.get(start) == Some(&b'.');
    let digit = bytes.get(start + usize::from(dotted)).is_some_and(u8::is_ascii_digit);
    digit && scan_number(bytes, start + usize::from(dotted), dotted) == Ok(bytes.len())
}

/// The end of a number, or where it goes wrong.
fn scan_number(bytes: &[u8], mut at: usize, mut dotted: bool) -> Result<usize, usize> {
    let peek = |at: usize| bytes.get(at).copied().unwrap_or(0);
    loop {
        match peek(at) {
            b'0'..=b'9' => at += 1,
            b'.' if dotted => return Err(at + 1),
            b'.' => {
                dotted = true;
                at += 1;
            }
            b'e' | b'E' => {
                at += 1;
                if matches!(peek(at), b'-' | b'+') {
                    at += 1;
                }
                let digits = at;
                while peek(at).is_ascii_digit() {
                    at += 1;
                }
                return if is_head(peek(at)) {
                    Err(at + 1)
                } else if at == digits {
                    Err(at)
                } else {
                    Ok(at)
                };
            }
            other if is_head(other) => return Err(at + 1),
            _ => return Ok(at),
        }
    }
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn push(&mut self, tok: Tok, start: usize) {
        self.tokens.push(Token { tok, start, end: self.at });
    }

    fn ident_end(&self, from: usize) -> usize {
        self.bytes[from..].iter().position(|it| !is_tail(*it)).map_or(self.bytes.len(), |it| from + it)
    }

    /// `name` or `module::name`.
    fn path_end(&self, from: usize) -> usize {
        let end = self.ident_end(from);
        let rest = &self.bytes[end..];
        if rest.starts_with(b"::") && rest.get(2).copied().is_some_and(is_head) {
            return self.ident_end(end + 2);
        }
        end
    }

    fn skip_blank(&mut self) {
        loop {
            match self.peek(0) {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'#' => self.skip_comment(),
                _ => return,
            }
        }
    }

    /// A comment ends with its line, unless a backslash stands before the end.
    fn skip_comment(&mut self) {
        while self.at < self.bytes.len() {
            match self.peek(0) {
                b'\\' => match self.peek(1) {
                    b'\r' if self.peek(2) == b'\n' => self.at += 3,
                    b'\\' | b'\n' | b'\r' => self.at += 2,
                    _ => self.at += 1,
                },
                b'\n' | b'\r' => return,
                _ => self.at += 1,
            }
        }
    }

    /// Reads one token; false after the last.
    fn token(&mut self) -> bool {
        self.skip_blank();
        let start = self.at;
        if start >= self.bytes.len() {
            self.push(Tok::End, start);
            return false;
        }
        let first = self.peek(0);
        if is_head(first) {
            self.at = self.path_end(start);
            let word = &self.source[start..self.at];
            let tok = match KEYWORDS.iter().find(|it| **it == word) {
                Some(word) => Tok::Keyword(word),
                None => Tok::Ident(word.to_owned()),
            };
            self.push(tok, start);
            return true;
        }
        let dotted = first == b'.' && self.peek(1).is_ascii_digit();
        if first.is_ascii_digit() || dotted {
            return self.number(start, dotted);
        }
        if first == b'.' && is_head(self.peek(1)) {
            self.at = self.ident_end(start + 1);
            self.push(Tok::Field(self.source[start + 1..self.at].to_owned()), start);
            return true;
        }
        if first == b'$' && is_head(self.peek(1)) {
            self.at = self.path_end(start + 1);
            self.push(Tok::Var(self.source[start + 1..self.at].to_owned()), start);
            return true;
        }
        if first == b'@' && is_tail(self.peek(1)) {
            self.at = self.ident_end(start + 1);
            self.push(Tok::Format(self.source[start..self.at].to_owned()), start);
            return true;
        }
        if first == b'"' {
            self.at += 1;
            return self.string(start, true);
        }
        if let Some(mark) = MARKS.iter().find(|it| self.bytes[start..].starts_with(it.as_bytes())) {
            self.at += mark.len();
            self.push(Tok::Mark(mark), start);
            match *mark {
                "(" => {
                    if let Some(last) = self.open.last_mut() {
                        *last += 1;
                    }
                }
                ")" => match self.open.last_mut() {
                    Some(0) => {
                        self.open.pop();
                        return self.string(self.at, false);
                    }
                    Some(last) => *last -= 1,
                    None => {}
                },
                _ => {}
            }
            return true;
        }
        let other = self.source[start..].chars().next().unwrap_or(' ');
        self.at += other.len_utf8();
        self.push(Tok::Other(other), start);
        false
    }

    fn number(&mut self, start: usize, dotted: bool) -> bool {
        match scan_number(self.bytes, start + usize::from(dotted), dotted) {
            Ok(end) => {
                self.at = end;
                self.push(Tok::Number(self.source[start..end].to_owned()), start);
                true
            }
            Err(end) => {
                self.at = end.min(self.bytes.len());
                self.push(Tok::Invalid(String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned()), start);
                false
            }
        }
    }

    /// Reads text up to its end or its next interpolation; `whole` is at its beginning.
    fn string(&mut self, start: usize, whole: bool) -> bool {
        let mut text = String::new();
        let mut from = self.at;
        loop {
            match self.peek(0) {
                0 if self.at >= self.bytes.len() => {
                    self.push(Tok::Unterminated, start);
                    return false;
                }
                b'"' => {
                    text.push_str(&self.source[from..self.at]);
                    self.at += 1;
                    if whole {
                        self.push(Tok::Str(text), start);
                    } else {
                        if !text.is_empty() {
                            self.push(Tok::StrPart(text), start);
                        }
                        self.push(Tok::StrEnd, self.at - 1);
                    }
                    return true;
                }
                b'\\' => {
                    text.push_str(&self.source[from..self.at]);
                    if self.peek(1) == b'(' {
                        if whole {
                            self.tokens.push(Token { tok: Tok::StrStart, start, end: start + 1 });
                        }
                        if !text.is_empty() {
                            self.push(Tok::StrPart(text), start);
                        }
                        let at = self.at;
                        self.at += 2;
                        self.push(Tok::StrQuery, at);
                        self.open.push(0);
                        return true;
                    }
                    if let Err(bad) = self.escape(&mut text) {
                        self.push(bad, start);
                        return false;
                    }
                    from = self.at;
                }
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), Tok> {
        let start = self.at;
        let simple = match self.peek(1) {
            b'"' => '"',
            b'/' => '/',
            b'\\' => '\\',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex(start)?;
                if (0xD800..0xDC00).contains(&first) && self.peek(0) == b'\\' && self.peek(1) == b'u' {
                    let back = self.at;
                    let second = self.hex(back)?;
                    if (0xDC00..0xE000).contains(&second) {
                        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                        return Ok(());
                    }
                    self.at = back;
                }
                text.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
                return Ok(());
            }
            0 if start + 1 >= self.bytes.len() => {
                self.at = self.bytes.len();
                return Err(Tok::Unterminated);
            }
            _ => {
                let other = self.source[start + 1..].chars().next().unwrap_or(' ');
                self.at += 1 + other.len_utf8();
                return Err(Tok::InvalidEscape(self.source[start..self.at].to_owned()));
            }
        };
        text.push(simple);
        self.at += 2;
        Ok(())
    }

    /// The four digits of `\uXXXX` at `start`.
    fn hex(&mut self, start: usize) -> Result<u32, Tok> {
        let mut value = 0;
        for place in 0..4 {
            let at = start + 2 + place;
            match self.bytes.get(at).and_then(|it| char::from(*it).to_digit(16)) {
                Some(digit) => value = value * 16 + digit,
                None => {
                    self.at = at.min(self.bytes.len());
                    return Err(Tok::InvalidEscape(self.source[start..self.at].to_owned()));
                }
            }
        }
        self.at = start + 6;
        Ok(value)
    }
}
