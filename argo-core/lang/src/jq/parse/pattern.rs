//! What may stand after `as`, and the keys of objects.

use super::super::ast::{Ast, Key, Kind, Pattern};
use super::super::lex::Tok;
use super::{Parsed, Parser};

impl Parser<'_> {
    pub(super) fn pattern(&mut self) -> Parsed<Pattern> {
        self.enter()?;
        let made = match self.tok().clone() {
            Tok::Var(name) => {
                self.bump();
                Pattern::Var(name)
            }
            Tok::Mark("[") => {
                self.bump();
                let mut items = vec![self.pattern()?];
                while self.eat(",") {
                    items.push(self.pattern()?);
                }
                self.expect("]")?;
                Pattern::Array(items)
            }
            Tok::Mark("{") => {
                self.bump();
                let mut entries = vec![self.object_pattern()?];
                while self.eat(",") {
                    entries.push(self.object_pattern()?);
                }
                self.expect("}")?;
                Pattern::Object(entries)
            }
            _ => return Err(self.unexpected()),
        };
        self.depth -= 1;
        Ok(made)
    }

    fn object_pattern(&mut self) -> Parsed<(Key, Option<Pattern>)> {
        let key = self.key()?;
        if matches!(key, Key::Var(_)) && !self.is_mark(":") {
            return Ok((key, None));
        }
        self.expect(":")?;
        Ok((key, Some(self.pattern()?)))
    }

    /// A key of an object or of a pattern.
    fn key(&mut self) -> Parsed<Key> {
        let key = match self.tok().clone() {
            Tok::Ident(it) => Key::Name(it),
            Tok::Keyword(it) => Key::Name(it.to_owned()),
            Tok::Var(it) => Key::Var(it),
            Tok::Str(_) | Tok::StrStart => return Ok(Key::Str(self.string(None)?)),
            Tok::Mark("(") => {
                self.bump();
                let query = self.query()?;
                self.expect(")")?;
                return Ok(Key::Query(query));
            }
            _ => return Err(self.unexpected()),
        };
        if matches!(&key, Key::Name(it) if it.contains("::")) {
            return Err(self.unexpected());
        }
        self.bump();
        Ok(key)
    }

    /// What is between braces.
    pub(super) fn object(&mut self) -> Parsed {
        let at = self.at();
        self.expect("{")?;
        let mut entries: Vec<(Key, Option<Ast>)> = Vec::new();
        while !self.eat("}") {
            let key = self.key()?;
            let value = if self.eat(":") {
                Some(self.object_value()?)
            } else if matches!(key, Key::Query(_)) {
                return Err(self.unexpected());
            } else {
                None
            };
            entries.push((key, value));
            if !self.eat(",") {
                self.expect("}")?;
                break;
            }
        }
        self.node(Kind::Object(entries), at)
    }

    /// Expressions and pipes, but no commas.
    fn object_value(&mut self) -> Parsed {
        let at = self.at();
        self.enter()?;
        let mut parts = vec![self.expr(0)?];
        while self.eat("|") {
            parts.push(self.expr(0)?);
        }
        self.depth -= 1;
        self.balanced(parts, at, Kind::Pipe)
    }
}
