//! Where the scanner is, and what stands there.

use super::{Mark, Scanner, Tok, Token};

impl<'a> Scanner<'a> {
    pub(super) fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    pub(super) fn column(&self) -> usize {
        self.at - self.line_start - (self.inner - self.line_inner)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { line: self.line, column: self.column() }
    }

    /// Whether the column is less than that many.
    pub(super) fn is_left_of(&self, indent: isize) -> bool {
        isize::try_from(self.column()).is_ok_and(|it| it < indent)
    }

    /// Over one byte of the line.
    pub(super) fn skip(&mut self) {
        self.inner += usize::from(self.byte(0) & 0xC0 == 0x80);
        self.at += 1;
    }

    pub(super) fn skip_many(&mut self, count: usize) {
        for _ in 0..count {
            self.skip();
        }
    }

    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    /// The length of the line break: also the ones of Unicode, as in YAML 1.1.
    pub(super) fn break_len(&self, ahead: usize) -> usize {
        match self.byte(ahead) {
            b'\r' if self.byte(ahead + 1) == b'\n' => 2,
            b'\r' | b'\n' => 1,
            0xC2 if self.byte(ahead + 1) == 0x85 => 2,
            0xE2 if self.byte(ahead + 1) == 0x80 && matches!(self.byte(ahead + 2), 0xA8 | 0xA9) => 3,
            _ => 0,
        }
    }

    pub(super) fn is_break(&self, ahead: usize) -> bool {
        self.break_len(ahead) > 0
    }

    pub(super) fn is_end(&self, ahead: usize) -> bool {
        self.at + ahead >= self.bytes.len()
    }

    pub(super) fn is_blank_or_end(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break(ahead) || self.is_end(ahead)
    }

    /// Over a line break, which is there, and what it means: the separators of lines and paragraphs stand for themselves.
    pub(super) fn line_break(&mut self) -> &'a str {
        let len = self.break_len(0);
        let text = &self.text[self.at..self.at + len];
        self.at += len;
        self.inner += match len {
            2 if !text.starts_with('\r') => 1,
            3 => 2,
            _ => 0,
        };
        if len > 0 {
            self.line += 1;
            self.line_start = self.at;
            self.line_inner = self.inner;
        }
        if len == 3 || len == 0 { text } else { "\n" }
    }

    pub(super) fn skip_to_line_end(&mut self) {
        while !self.is_break(0) && !self.is_end(0) {
            self.skip();
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.skip();
        }
    }

    /// `---` or `...` at the start of a line.
    pub(super) fn document_mark(&self) -> bool {
        self.at == self.line_start
            && matches!(self.bytes.get(self.at..self.at + 3), Some(b"---" | b"..."))
            && self.is_blank_or_end(3)
    }

    pub(super) fn push(&mut self, tok: Tok<'a>, mark: Mark) {
        self.tokens.push_back(Token { tok, mark });
    }

    /// A token of some characters.
    pub(super) fn push_mark(&mut self, tok: Tok<'a>, len: usize) {
        let mark = self.mark();
        self.skip_many(len);
        self.push(tok, mark);
    }
}
