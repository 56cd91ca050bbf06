//! Plain, quoted and block scalars. What stands on one line and needs no change is borrowed.

use std::borrow::Cow;

use super::{Mark, Scanned, Scanner, Tok, syntax};

/// The line breaks between two lines of a scalar.
#[derive(Default)]
struct Breaks<'a> {
    first: Option<&'a str>,
    more: String,
}

impl<'a> Breaks<'a> {
    fn add(&mut self, it: &'a str) {
        match self.first {
            None => self.first = Some(it),
            Some(_) => self.more.push_str(it),
        }
    }

    /// One is a space, of several the first is dropped; separators of Unicode stay.
    fn fold_into(&mut self, out: &mut String) {
        match self.first.take() {
            Some("\n") if self.more.is_empty() => out.push(' '),
            Some("\n") | None => out.push_str(&self.more),
            Some(other) => {
                out.push_str(other);
                out.push_str(&self.more);
            }
        }
        self.more.clear();
    }
}

/// Text that is a part of the source until something has to be added.
struct Pieces<'a> {
    text: &'a str,
    out: Option<String>,
    /// The part that is not in `out` yet.
    from: usize,
    to: usize,
}

impl<'a> Pieces<'a> {
    fn new(text: &'a str, at: usize) -> Self {
        Self { text, out: None, from: at, to: at }
    }

    /// The text so far, to add something; the next part begins at the place.
    fn owned(&mut self, next: usize) -> &mut String {
        let out = self.out.get_or_insert_with(String::new);
        out.push_str(&self.text[self.from..self.to]);
        self.from = next;
        self.to = next;
        out
    }

    fn finish(mut self) -> Cow<'a, str> {
        if self.out.is_none() {
            return Cow::Borrowed(&self.text[self.from..self.to]);
        }
        let to = self.to;
        Cow::Owned(std::mem::take(self.owned(to)))
    }
}

impl Scanner<'_> {
    pub(super) fn plain(&mut self) -> Scanned {
        let mark = self.mark();
        let indent = self.indent + 1;
        let flow = self.in_flow();
        let mut pieces = Pieces::new(self.text, self.at);
        let mut breaks = Breaks::default();
        while !self.document_mark() && self.byte(0) != b'#' {
            let start = self.at;
            self.plain_run(flow);
            if self.at > start {
                if breaks.first.is_some() {
                    breaks.fold_into(pieces.owned(start));
                }
                pieces.to = self.at;
            }
            if !self.is_blank(0) && !self.is_break(0) {
                break;
            }
            loop {
                if self.is_blank(0) {
                    if breaks.first.is_some() && self.byte(0) == b'\t' && self.is_left_of(indent) {
                        return Err(syntax(mark, "found a tab character that violates indentation"));
                    }
                    self.at += 1;
                } else if self.is_break(0) {
                    breaks.add(self.line_break());
                } else {
                    break;
                }
            }
            if !flow && self.is_left_of(indent) {
                break;
            }
        }
        if breaks.first.is_some() {
            self.key_allowed = true;
        }
        self.push(Tok::Scalar(pieces.finish(), true), mark);
        Ok(())
    }

    /// Over characters up to a blank, a line break, or what ends a plain scalar.
    fn plain_run(&mut self, flow: bool) {
        loop {
            match self.byte(0) {
                b' ' | b'\t' | b'\n' | b'\r' => return,
                b':' if self.is_blank_or_end(1) => return,
                b',' | b'?' | b'[' | b']' | b'{' | b'}' if flow => return,
                0xC2 | 0xE2 if self.is_break(0) => return,
                0 if self.is_end(0) => return,
                _ => self.skip(),
            }
        }
    }

    pub(super) fn quoted(&mut self, quote: u8) -> Scanned {
        let mark = self.mark();
        self.skip();
        let mut pieces = Pieces::new(self.text, self.at);
        let mut breaks = Breaks::default();
        loop {
            if self.document_mark() {
                return Err(syntax(mark, "found unexpected document indicator"));
            }
            if self.is_end(0) {
                return Err(syntax(mark, "found unexpected end of stream"));
            }
            // whether a line has ended, by itself or escaped
            let mut ended = self.quoted_run(quote, mark, &mut pieces)?;
            if self.byte(0) == quote {
                pieces.to = pieces.to.max(pieces.from);
                break;
            }
            let blanks = self.at;
            loop {
                if self.is_blank(0) {
                    self.at += 1;
                } else if self.is_break(0) {
                    let it = self.line_break();
                    if ended {
                        breaks.more.push_str(it)
                    } else {
                        breaks.add(it)
                    }
                    ended = true;
                } else {
                    break;
                }
            }
            if ended {
                let at = self.at;
                breaks.fold_into(pieces.owned(at));
            } else if self.at > blanks {
                pieces.to = self.at;
            }
        }
        self.skip();
        self.push(Tok::Scalar(pieces.finish(), false), mark);
        Ok(())
    }

    /// Over characters up to the quote, a blank or a line break; an escaped line break ends it too, and is told.
    fn quoted_run(&mut self, quote: u8, mark: Mark, pieces: &mut Pieces<'_>) -> Scanned<bool> {
        loop {
            match self.byte(0) {
                b' ' | b'\t' | b'\n' | b'\r' => break,
                0xC2 | 0xE2 if self.is_break(0) => break,
                0 if self.is_end(0) => break,
                b'\'' if quote == b'\'' && self.byte(1) == b'\'' => {
                    pieces.to = self.at + 1;
                    self.skip_many(2);
                    pieces.owned(self.at);
                }
                it if it == quote => break,
                b'\\' if quote == b'"' && self.is_break(1) => {
                    self.skip();
                    self.line_break();
                    pieces.owned(self.at);
                    return Ok(true);
                }
                b'\\' if quote == b'"' => {
                    let it = self.escape(mark)?;
                    pieces.owned(self.at).push(it);
                }
                _ => {
                    self.skip();
                    pieces.to = self.at;
                }
            }
        }
        Ok(false)
    }

    /// An escaped character.
    fn escape(&mut self, mark: Mark) -> Scanned<char> {
        let digits = match self.byte(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            _ => 0,
        };
        let made = match self.byte(1) {
            b'0' => '\0',
            b'a' => '\u{7}',
            b'b' => '\u{8}',
            b't' | b'\t' => '\t',
            b'n' => '\n',
            b'v' => '\u{b}',
            b'f' => '\u{c}',
            b'r' => '\r',
            b'e' => '\u{1b}',
            b' ' => ' ',
            b'"' => '"',
            b'\'' => '\'',
            b'\\' => '\\',
            b'N' => '\u{85}',
            b'_' => '\u{a0}',
            b'L' => '\u{2028}',
            b'P' => '\u{2029}',
            b'x' | b'u' | b'U' => {
                let text = self.bytes.get(self.at + 2..self.at + 2 + digits).unwrap_or_default();
                if text.len() < digits || !text.iter().all(u8::is_ascii_hexdigit) {
                    return Err(syntax(mark, "did not find expected hexdecimal number"));
                }
                let code = text.iter().fold(0_u32, |all, it| all << 4 | char::from(*it).to_digit(16).unwrap_or(0));
                char::from_u32(code).ok_or_else(|| syntax(mark, "found invalid Unicode character escape code"))?
            }
            _ => return Err(syntax(mark, "found unknown escape character")),
        };
        self.skip_many(2 + digits);
        Ok(made)
    }

    /// `|` and `>`.
    pub(super) fn block(&mut self, literal: bool) -> Scanned {
        let mark = self.mark();
        self.skip();
        let mut keep = None;
        let mut increment = 0;
        for _ in 0..2 {
            match self.byte(0) {
                it @ (b'+' | b'-') if keep.is_none() => keep = Some(it == b'+'),
                b'0' if increment == 0 => {
                    return Err(syntax(mark, "found an indentation indicator equal to 0"));
                }
                it @ b'1'..=b'9' if increment == 0 => increment = isize::from(it - b'0'),
                _ => break,
            }
            self.skip();
        }
        self.skip_blanks();
        self.rest_of_line(mark)?;
        let mut indent = if increment > 0 { self.indent.max(0) + increment } else { 0 };
        let mut out = String::new();
        let mut leading = "";
        let mut trailing = String::new();
        self.block_breaks(&mut indent, &mut trailing, mark)?;
        let mut blank_before = false;
        while isize::try_from(self.column()) == Ok(indent) && !self.is_end(0) {
            let blank = self.is_blank(0);
            if !literal && !blank_before && !blank && leading == "\n" {
                if trailing.is_empty() {
                    out.push(' ');
                }
            } else {
                out.push_str(leading);
            }
            out.push_str(&trailing);
            trailing.clear();
            blank_before = blank;
            let start = self.at;
            self.skip_to_line_end();
            out.push_str(&self.text[start..self.at]);
            leading = self.line_break();
            self.block_breaks(&mut indent, &mut trailing, mark)?;
        }
        if keep != Some(false) {
            out.push_str(leading);
        }
        if keep == Some(true) {
            out.push_str(&trailing);
        }
        self.push(Tok::Scalar(Cow::Owned(out), false), mark);
        Ok(())
    }

    /// Over empty lines and the indentation of the next one, which tells the indentation of all where it is not known.
    fn block_breaks(&mut self, indent: &mut isize, breaks: &mut String, mark: Mark) -> Scanned {
        let mut most = 0;
        loop {
            while (*indent == 0 || self.is_left_of(*indent)) && self.byte(0) == b' ' {
                self.at += 1;
            }
            most = most.max(self.column());
            if (*indent == 0 || self.is_left_of(*indent)) && self.byte(0) == b'\t' {
                return Err(syntax(mark, "found a tab character where an indentation space is expected"));
            }
            if !self.is_break(0) {
                break;
            }
            breaks.push_str(self.line_break());
        }
        if *indent == 0 {
            *indent = isize::try_from(most).unwrap_or(isize::MAX).max(self.indent + 1).max(1);
        }
        Ok(())
    }
}
