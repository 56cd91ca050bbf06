//! Terms and what may follow them.

use super::super::ast::{Ast, Kind, Piece};
use super::super::lex::Tok;
use super::{Parsed, Parser};

impl Parser<'_> {
    /// A term with its suffixes.
    pub(super) fn term(&mut self) -> Parsed {
        self.enter()?;
        let at = self.at();
        let mut term = self.simple_term()?;
        loop {
            match self.tok().clone() {
                Tok::Field(name) => {
                    self.bump();
                    term = self.node(Kind::Field(term.boxed(), name), at)?;
                }
                Tok::Mark("[") => term = self.suffix(term, at)?,
                Tok::Mark("?") => {
                    self.bump();
                    term = self.node(Kind::Optional(term.boxed()), at)?;
                }
                Tok::Mark(".") => {
                    self.bump();
                    term = match self.tok() {
                        Tok::Mark("[") => self.suffix(term, at)?,
                        Tok::Str(_) | Tok::StrStart => self.named(term, at)?,
                        _ => return Err(self.unexpected()),
                    };
                }
                _ => break,
            }
        }
        self.depth -= 1;
        Ok(term)
    }

    /// `."name"` on a term.
    fn named(&mut self, term: Ast, at: usize) -> Parsed {
        let key = self.string(None)?;
        self.node(Kind::Index(term.boxed(), key.boxed()), at)
    }

    /// `[…]` on a term.
    fn suffix(&mut self, term: Ast, at: usize) -> Parsed {
        self.expect("[")?;
        let term = term.boxed();
        if self.eat("]") {
            return self.node(Kind::Iter(term), at);
        }
        if self.eat(":") {
            let to = self.query()?;
            self.expect("]")?;
            return self.node(Kind::Slice(term, None, Some(to.boxed())), at);
        }
        let from = self.query()?;
        if self.eat(":") {
            let to = if self.is_mark("]") { None } else { Some(self.query()?.boxed()) };
            self.expect("]")?;
            return self.node(Kind::Slice(term, Some(from.boxed()), to), at);
        }
        self.expect("]")?;
        self.node(Kind::Index(term, from.boxed()), at)
    }

    fn simple_term(&mut self) -> Parsed {
        let at = self.at();
        let kind = match self.tok().clone() {
            Tok::Mark(".") => {
                self.bump();
                let here = self.node(Kind::Identity, at)?;
                return match self.tok() {
                    Tok::Mark("[") => self.suffix(here, at),
                    Tok::Str(_) | Tok::StrStart => self.named(here, at),
                    _ => Ok(here),
                };
            }
            Tok::Mark("..") => Kind::Recurse,
            Tok::Field(name) => {
                let here = self.node(Kind::Identity, at)?;
                Kind::Field(here.boxed(), name)
            }
            Tok::Number(it) => Kind::Number(it),
            Tok::Str(_) | Tok::StrStart => return self.string(None),
            Tok::Format(name) => {
                self.bump();
                return match self.tok() {
                    Tok::Str(_) | Tok::StrStart => self.string(Some(name)),
                    _ => self.node(Kind::Format(name), at),
                };
            }
            Tok::Var(name) => Kind::Call(format!("${name}"), Vec::new()),
            Tok::Ident(name) => {
                self.bump();
                let args = self.args()?;
                return self.node(Kind::Call(name, args), at);
            }
            Tok::Mark("{") => return self.object(),
            Tok::Mark("[") => {
                self.bump();
                if self.eat("]") {
                    return self.node(Kind::Array(None), at);
                }
                let query = self.query()?;
                self.expect("]")?;
                return self.node(Kind::Array(Some(query.boxed())), at);
            }
            Tok::Mark("(") => {
                self.bump();
                let query = self.query()?;
                self.expect(")")?;
                return self.node(Kind::Group(query.boxed()), at);
            }
            Tok::Mark(sign @ ("+" | "-")) => {
                self.bump();
                let term = self.term()?.boxed();
                let kind = if sign == "+" { Kind::Plus(term) } else { Kind::Minus(term) };
                return self.node(kind, at);
            }
            Tok::Keyword(word) => return self.keyword(word, at),
            _ => return Err(self.unexpected()),
        };
        self.bump();
        self.node(kind, at)
    }

    fn args(&mut self) -> Parsed<Vec<Ast>> {
        let mut args = Vec::new();
        if self.eat("(") {
            args.push(self.query()?);
            while self.eat(";") {
                args.push(self.query()?);
            }
            self.expect(")")?;
        }
        Ok(args)
    }

    fn keyword(&mut self, word: &str, at: usize) -> Parsed {
        if !matches!(word, "null" | "true" | "false" | "break" | "if" | "try" | "reduce" | "foreach") {
            return Err(self.unexpected());
        }
        self.bump();
        let kind = match word {
            "null" => Kind::Null,
            "true" => Kind::True,
            "false" => Kind::False,
            "break" => {
                let Tok::Var(name) = self.tok().clone() else { return Err(self.unexpected()) };
                self.bump();
                Kind::Break(name)
            }
            "if" => return self.condition(at),
            "try" => {
                let body = self.term()?.boxed();
                let catch = if self.eat_keyword("catch") { Some(self.term()?.boxed()) } else { None };
                Kind::Try(body, catch)
            }
            _ => {
                let source = self.expr(0)?.boxed();
                self.expect_keyword("as")?;
                let pattern = self.pattern()?;
                self.expect("(")?;
                let init = self.query()?.boxed();
                self.expect(";")?;
                let update = self.query()?.boxed();
                let kind = if word == "reduce" {
                    Kind::Reduce { source, pattern, init, update }
                } else {
                    let extract = if self.eat(";") { Some(self.query()?.boxed()) } else { None };
                    Kind::Foreach { source, pattern, init, update, extract }
                };
                self.expect(")")?;
                kind
            }
        };
        self.node(kind, at)
    }

    /// What follows `if` or `elif`.
    fn condition(&mut self, at: usize) -> Parsed {
        self.enter()?;
        let when = self.query()?.boxed();
        self.expect_keyword("then")?;
        let then = self.query()?.boxed();
        let inner = self.at();
        let other = if self.eat_keyword("elif") {
            Some(self.condition(inner)?.boxed())
        } else {
            let other = if self.eat_keyword("else") { Some(self.query()?.boxed()) } else { None };
            self.expect_keyword("end")?;
            other
        };
        self.depth -= 1;
        self.node(Kind::If(when, then, other), at)
    }

    /// Text, with what is interpolated.
    pub(super) fn string(&mut self, format: Option<String>) -> Parsed {
        let at = self.at();
        let mut pieces = Vec::new();
        match self.tok().clone() {
            Tok::Str(text) => {
                self.bump();
                pieces.push(Piece::Text(text));
            }
            _ => {
                self.bump();
                loop {
                    match self.tok().clone() {
                        Tok::StrPart(text) => {
                            self.bump();
                            pieces.push(Piece::Text(text));
                        }
                        Tok::StrQuery => {
                            self.bump();
                            let query = self.query()?;
                            self.expect(")")?;
                            pieces.push(Piece::Query(query));
                        }
                        Tok::StrEnd => {
                            self.bump();
                            break;
                        }
                        _ => return Err(self.unexpected()),
                    }
                }
            }
        }
        self.node(Kind::Str(pieces, format), at)
    }
}
