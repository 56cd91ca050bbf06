//! YAML text to tokens, where go-yaml (libyaml's grammar, YAML 1.1) sees them.
//!
//! A token is read when it is asked for, and as many after it as it takes to know whether it is a key: what stands behind
//! the last token that was asked for is not judged.

mod cursor;
mod marks;
mod scalars;
mod words;

use std::borrow::Cow;
use std::collections::VecDeque;

use super::YamlError;

/// Line from 1, column from 0, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) line: usize,
    pub(super) column: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tok<'a> {
    Version(u8, u8),
    /// `%TAG handle prefix`.
    TagDirective(&'a str, String),
    DocumentStart,
    DocumentEnd,
    StreamEnd,
    SequenceStart,
    MappingStart,
    /// The end of a block that was opened by indentation.
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    /// `-`.
    Entry,
    /// `,`.
    Comma,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    /// A handle (none where the tag is written in full) and what follows it.
    Tag(Option<&'a str>, String),
    /// Text, and whether it is plain.
    Scalar(Cow<'a, str>, bool),
}

#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) tok: Tok<'a>,
    pub(super) mark: Mark,
}

/// A place where a key without `?` may have begun.
#[derive(Debug, Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    /// Nothing but a key may stand there.
    required: bool,
    number: usize,
    index: usize,
    mark: Mark,
}

/// How far behind its beginning the colon of a key may stand, in characters.
const KEY_REACH: usize = 1024;
/// Deepest nesting of brackets and of indentation, as upstream.
const MAX_LEVELS: usize = 10_000;

pub(super) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    line: usize,
    line_start: usize,
    /// Bytes that are no characters of their own: up to here, and up to the start of the line.
    inner: usize,
    line_inner: usize,
    /// The first character that no YAML text may have.
    forbidden: Option<usize>,
    tokens: VecDeque<Token<'a>>,
    /// How many tokens were taken.
    taken: usize,
    ended: bool,
    /// The column of the innermost block, -1 outside of all.
    indent: isize,
    indents: Vec<isize>,
    key_allowed: bool,
    /// One for each level of brackets, the first for none.
    keys: Vec<SimpleKey>,
}

type Scanned<T = ()> = Result<T, YamlError>;

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            line: 1,
            line_start: 0,
            inner: 0,
            line_inner: 0,
            forbidden: forbidden(text),
            tokens: VecDeque::new(),
            taken: 0,
            ended: false,
            indent: -1,
            indents: Vec::new(),
            key_allowed: true,
            keys: vec![SimpleKey::default()],
        }
    }

    /// The next token, which stays the next one.
    pub(super) fn peek(&mut self) -> Scanned<&Token<'a>> {
        while self.wants_more()? {
            self.fetch()?;
        }
        match self.tokens.front() {
            Some(token) => Ok(token),
            None => Err(syntax(self.mark(), "did not find expected token")),
        }
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Scanned<Token<'a>> {
        self.peek()?;
        self.taken += 1;
        self.tokens.pop_front().ok_or_else(|| syntax(self.mark(), "did not find expected token"))
    }

    fn wants_more(&mut self) -> Scanned<bool> {
        if self.tokens.is_empty() || self.ended {
            return Ok(!self.ended);
        }
        // whether the next token begins a key is known when the colon is found or can not come any more
        match self.keys.iter().position(|it| it.possible && it.number == self.taken) {
            Some(place) => self.key_is_open(place),
            None => Ok(false),
        }
    }

    /// Over spaces, comments and line breaks.
    fn skip_to_token(&mut self) {
        loop {
            if self.at == self.line_start && self.text[self.at..].starts_with('\u{feff}') {
                self.skip_many(3);
            }
            while self.byte(0) == b' ' || self.byte(0) == b'\t' && (self.in_flow() || !self.key_allowed) {
                self.at += 1;
            }
            if self.byte(0) == b'#' {
                self.skip_to_line_end();
            }
            if !self.is_break(0) {
                return;
            }
            self.line_break();
            if !self.in_flow() {
                self.key_allowed = true;
            }
        }
    }

    /// Reads one token, or several where one ends blocks.
    fn fetch(&mut self) -> Scanned {
        self.skip_to_token();
        self.close_blocks(isize::try_from(self.column()).unwrap_or(isize::MAX));
        let result = self.token();
        if let Some(place) = self.forbidden.filter(|it| *it < self.at) {
            let before = &self.text[..place];
            let line_start = before.rfind('\n').map_or(0, |it| it + 1);
            let mark = Mark { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() };
            return Err(syntax(mark, "control characters are not allowed"));
        }
        result
    }

    fn token(&mut self) -> Scanned {
        if self.is_end(0) {
            self.start_of_line()?;
            self.ended = true;
            let mark = self.mark();
            self.push(Tok::StreamEnd, mark);
            // the end of the text ends its line: no key can be open any more
            self.line += 1;
            return Ok(());
        }
        let first = self.byte(0);
        if self.at == self.line_start && first == b'%' {
            self.start_of_line()?;
            return self.directive();
        }
        if self.document_mark() {
            self.start_of_line()?;
            self.push_mark(if first == b'-' { Tok::DocumentStart } else { Tok::DocumentEnd }, 3);
            return Ok(());
        }
        let flow = self.in_flow();
        match first {
            b'[' => self.open_flow(Tok::FlowSequenceStart),
            b'{' => self.open_flow(Tok::FlowMappingStart),
            b']' => self.close_flow(Tok::FlowSequenceEnd),
            b'}' => self.close_flow(Tok::FlowMappingEnd),
            b',' => {
                self.remove_key()?;
                self.key_allowed = true;
                self.push_mark(Tok::Comma, 1);
                Ok(())
            }
            b'-' if self.is_blank_or_end(1) => self.entry(),
            b'?' if flow || self.is_blank_or_end(1) => self.key(),
            b':' if flow || self.is_blank_or_end(1) => self.value(),
            b'*' | b'&' => {
                self.save_key()?;
                self.key_allowed = false;
                self.anchor()
            }
            b'!' => {
                self.save_key()?;
                self.key_allowed = false;
                self.tag()
            }
            b'|' | b'>' if !flow => {
                self.remove_key()?;
                self.key_allowed = true;
                self.block(first == b'|')
            }
            b'\'' | b'"' => {
                self.save_key()?;
                self.key_allowed = false;
                self.quoted(first)
            }
            b'-' if !self.is_blank(1) => self.plain_token(),
            b'?' | b':' if !flow && !self.is_blank_or_end(1) => self.plain_token(),
            b'-' | b'?' | b':' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => {
                Err(syntax(self.mark(), "found character that cannot start any token"))
            }
            _ => self.plain_token(),
        }
    }
}

/// The first character that is neither printable nor a tab or line break.
fn forbidden(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().find_map(|(at, it)| {
        let wrong = match it {
            b'\t' | b'\n' | b'\r' | b' '..=b'~' => false,
            0xC2 => matches!(bytes[at + 1], 0x80..=0x84 | 0x86..=0x9F),
            0xEF => bytes[at + 1] == 0xBF && matches!(bytes[at + 2], 0xBE | 0xBF),
            it => *it < 0x80,
        };
        wrong.then_some(at)
    })
}

pub(super) fn syntax(mark: Mark, message: impl Into<String>) -> YamlError {
    YamlError::Syntax { line: mark.line, column: mark.column, message: message.into() }
}
