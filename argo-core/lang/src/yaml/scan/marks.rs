//! Keys, blocks and brackets.

use super::{KEY_REACH, MAX_LEVELS, Mark, Scanned, Scanner, SimpleKey, Tok, Token, syntax};

impl<'a> Scanner<'a> {
    pub(super) fn number_of_next(&self) -> usize {
        self.taken + self.tokens.len()
    }

    pub(super) fn key_is_open(&mut self, place: usize) -> Scanned<bool> {
        let index = self.at - self.inner;
        let key = &mut self.keys[place];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < self.line || key.index + KEY_REACH < index {
            if key.required {
                return Err(syntax(key.mark, "could not find expected ':'"));
            }
            key.possible = false;
        }
        Ok(key.possible)
    }

    pub(super) fn save_key(&mut self) -> Scanned {
        if !self.key_allowed {
            return Ok(());
        }
        let column = isize::try_from(self.column()).unwrap_or(isize::MAX);
        let key = SimpleKey {
            possible: true,
            required: self.keys.len() == 1 && self.indent == column,
            number: self.number_of_next(),
            index: self.at - self.inner,
            mark: self.mark(),
        };
        self.remove_key()?;
        if let Some(last) = self.keys.last_mut() {
            *last = key;
        }
        Ok(())
    }

    pub(super) fn remove_key(&mut self) -> Scanned {
        if let Some(key) = self.keys.last_mut()
            && key.possible
        {
            if key.required {
                return Err(syntax(key.mark, "could not find expected ':'"));
            }
            key.possible = false;
        }
        Ok(())
    }

    pub(super) fn in_flow(&self) -> bool {
        self.keys.len() > 1
    }

    /// Opens a block at a column right of the one around it: before the token of the number, or after all.
    pub(super) fn open_block(&mut self, column: usize, number: Option<usize>, tok: Tok<'a>, mark: Mark) -> Scanned {
        let column = isize::try_from(column).unwrap_or(isize::MAX);
        if self.in_flow() || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > MAX_LEVELS {
            return Err(syntax(mark, "exceeded max depth of 10000"));
        }
        let place = number.map_or(self.tokens.len(), |it| it - self.taken);
        self.tokens.insert(place, Token { tok, mark });
        Ok(())
    }

    /// Closes the blocks that are right of the column.
    pub(super) fn close_blocks(&mut self, column: isize) {
        if self.in_flow() {
            return;
        }
        while self.indent > column {
            let mark = self.mark();
            self.push(Tok::BlockEnd, mark);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    pub(super) fn start_of_line(&mut self) -> Scanned {
        self.close_blocks(-1);
        self.remove_key()?;
        self.key_allowed = false;
        Ok(())
    }

    pub(super) fn plain_token(&mut self) -> Scanned {
        self.save_key()?;
        self.key_allowed = false;
        self.plain()
    }

    pub(super) fn open_flow(&mut self, tok: Tok<'a>) -> Scanned {
        self.save_key()?;
        self.keys.push(SimpleKey::default());
        if self.keys.len() > MAX_LEVELS {
            return Err(syntax(self.mark(), "exceeded max depth of 10000"));
        }
        self.key_allowed = true;
        self.push_mark(tok, 1);
        Ok(())
    }

    pub(super) fn close_flow(&mut self, tok: Tok<'a>) -> Scanned {
        self.remove_key()?;
        if self.in_flow() {
            self.keys.pop();
        }
        self.key_allowed = false;
        self.push_mark(tok, 1);
        Ok(())
    }

    pub(super) fn entry(&mut self) -> Scanned {
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(syntax(self.mark(), "block sequence entries are not allowed in this context"));
            }
            self.open_block(self.column(), None, Tok::SequenceStart, self.mark())?;
        }
        self.remove_key()?;
        self.key_allowed = true;
        self.push_mark(Tok::Entry, 1);
        Ok(())
    }

    pub(super) fn key(&mut self) -> Scanned {
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(syntax(self.mark(), "mapping keys are not allowed in this context"));
            }
            self.open_block(self.column(), None, Tok::MappingStart, self.mark())?;
        }
        self.remove_key()?;
        self.key_allowed = !self.in_flow();
        self.push_mark(Tok::Key, 1);
        Ok(())
    }

    pub(super) fn value(&mut self) -> Scanned {
        let last = self.keys.len() - 1;
        if self.key_is_open(last)? {
            let SimpleKey { number, mark, .. } = self.keys[last];
            self.tokens.insert(number - self.taken, Token { tok: Tok::Key, mark });
            self.open_block(mark.column, Some(number), Tok::MappingStart, mark)?;
            self.keys[last].possible = false;
            self.key_allowed = false;
        } else {
            if !self.in_flow() {
                if !self.key_allowed {
                    return Err(syntax(self.mark(), "mapping values are not allowed in this context"));
                }
                self.open_block(self.column(), None, Tok::MappingStart, self.mark())?;
            }
            self.key_allowed = !self.in_flow();
        }
        self.push_mark(Tok::Value, 1);
        Ok(())
    }
}
