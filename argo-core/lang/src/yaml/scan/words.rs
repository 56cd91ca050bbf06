//! Directives, anchors, aliases and tags.

use super::{Mark, Scanned, Scanner, Tok, syntax};

fn is_word(it: u8) -> bool {
    it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-')
}

impl<'a> Scanner<'a> {
    /// The letters, digits, dashes and underscores that follow.
    fn word(&mut self) -> &'a str {
        let start = self.at;
        while is_word(self.byte(0)) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    /// `%YAML 1.1` or `%TAG ! prefix`.
    pub(super) fn directive(&mut self) -> Scanned {
        let mark = self.mark();
        self.skip();
        let name = self.word();
        if name.is_empty() {
            return Err(syntax(mark, "could not find expected directive name"));
        }
        if !self.is_blank_or_end(0) {
            return Err(syntax(mark, "found unexpected non-alphabetical character"));
        }
        let tok = match name {
            "YAML" => {
                self.skip_blanks();
                let major = self.version_number(mark)?;
                if self.byte(0) != b'.' {
                    return Err(syntax(mark, "did not find expected digit or '.' character"));
                }
                self.skip();
                Tok::Version(major, self.version_number(mark)?)
            }
            "TAG" => self.tag_directive(mark)?,
            _ => return Err(syntax(mark, "found unknown directive name")),
        };
        self.skip_blanks();
        self.rest_of_line(mark)?;
        self.push(tok, mark);
        Ok(())
    }

    /// A comment, if there is one, and the line break.
    pub(super) fn rest_of_line(&mut self, mark: Mark) -> Scanned {
        if self.byte(0) == b'#' {
            self.skip_to_line_end();
        }
        if !self.is_break(0) && !self.is_end(0) {
            return Err(syntax(mark, "did not find expected comment or line break"));
        }
        self.line_break();
        Ok(())
    }

    fn version_number(&mut self, mark: Mark) -> Scanned<u8> {
        let start = self.at;
        while self.byte(0).is_ascii_digit() {
            self.at += 1;
        }
        match &self.text[start..self.at] {
            "" => Err(syntax(mark, "did not find expected version number")),
            it if it.len() > 2 => Err(syntax(mark, "found extremely long version number")),
            it => it.parse().map_err(|_| syntax(mark, "did not find expected version number")),
        }
    }

    fn tag_directive(&mut self, mark: Mark) -> Scanned<Tok<'a>> {
        self.skip_blanks();
        let handle = self.handle(true, mark)?;
        if !self.is_blank(0) {
            return Err(syntax(mark, "did not find expected whitespace"));
        }
        self.skip_blanks();
        let prefix = self.uri("", mark)?;
        if !self.is_blank_or_end(0) {
            return Err(syntax(mark, "did not find expected whitespace or line break"));
        }
        Ok(Tok::TagDirective(handle, prefix))
    }

    /// `&name` or `*name`.
    pub(super) fn anchor(&mut self) -> Scanned {
        let mark = self.mark();
        let anchor = self.byte(0) == b'&';
        self.skip();
        let name = self.word();
        let ended =
            self.is_blank_or_end(0) || matches!(self.byte(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ended {
            return Err(syntax(mark, "did not find expected alphabetic or numeric character"));
        }
        self.push(if anchor { Tok::Anchor(name) } else { Tok::Alias(name) }, mark);
        Ok(())
    }

    /// `!name`, `!!name`, `!handle!name` or `!<uri>`.
    pub(super) fn tag(&mut self) -> Scanned {
        let mark = self.mark();
        let tok = if self.byte(1) == b'<' {
            self.skip_many(2);
            let suffix = self.uri("", mark)?;
            if self.byte(0) != b'>' {
                return Err(syntax(mark, "did not find the expected '>'"));
            }
            self.skip();
            Tok::Tag(None, suffix)
        } else {
            let handle = self.handle(false, mark)?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.uri("", mark)?;
                Tok::Tag(Some(handle), suffix)
            } else {
                let suffix = self.uri(handle, mark)?;
                // a lone mark means that the value is not to be interpreted
                if suffix.is_empty() { Tok::Tag(None, "!".to_owned()) } else { Tok::Tag(Some("!"), suffix) }
            }
        };
        if !self.is_blank_or_end(0) {
            return Err(syntax(mark, "did not find expected whitespace or line break"));
        }
        self.push(tok, mark);
        Ok(())
    }

    fn handle(&mut self, directive: bool, mark: Mark) -> Scanned<&'a str> {
        let start = self.at;
        if self.byte(0) != b'!' {
            return Err(syntax(mark, "did not find expected '!'"));
        }
        self.skip();
        self.word();
        if self.byte(0) == b'!' {
            self.skip();
        } else if directive && self.at - start > 1 {
            return Err(syntax(mark, "did not find expected '!'"));
        }
        Ok(&self.text[start..self.at])
    }

    /// The characters of a URI; of a head that was read before, what follows its mark belongs to it.
    fn uri(&mut self, head: &str, mark: Mark) -> Scanned<String> {
        let mut out = head.get(1..).unwrap_or_default().as_bytes().to_vec();
        let mut found = !head.is_empty();
        loop {
            match self.byte(0) {
                b'%' => {
                    let text = self.text.get(self.at + 1..self.at + 3).unwrap_or_default();
                    let hex = text.bytes().all(|it| it.is_ascii_hexdigit());
                    match u8::from_str_radix(text, 16) {
                        Ok(it) if hex && text.len() == 2 => out.push(it),
                        _ => return Err(syntax(mark, "did not find URI escaped octet")),
                    }
                    self.skip_many(3);
                }
                it if is_word(it) || b";/?:@&=+$,.!~*'()[]".contains(&it) => {
                    out.push(it);
                    self.skip();
                }
                _ => break,
            }
            found = true;
        }
        if !found {
            return Err(syntax(mark, "did not find expected tag URI"));
        }
        String::from_utf8(out).map_err(|_| syntax(mark, "found an incorrect trailing UTF-8 octet"))
    }
}
