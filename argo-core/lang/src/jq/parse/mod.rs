//! The grammar, by precedence: `|`, `,`, `//`, updates, `or`, `and`, comparisons, sums, products, terms.

mod pattern;
mod term;

use super::ast::{Ast, Def, Kind, Op, Pattern, Update};
use super::error::{ErrorKind, JqError};
use super::lex::{Tok, Token, lex};
use super::value::{Val, to_json};

/// Open parts of the grammar at once, which bounds the stack.
const DEPTH: usize = 100;
/// Parts of the program inside one another, which bounds the stack of what works on it.
const HEIGHT: u32 = 250;
/// The longest source, in bytes.
const SOURCE: usize = 64 << 10;

pub(super) type Parsed<T = Ast> = Result<T, JqError>;

pub(super) struct Parser<'s> {
    source: &'s str,
    tokens: Vec<Token>,
    place: usize,
    depth: usize,
}

/// Reads a whole program.
pub(super) fn parse(source: &str) -> Parsed {
    if source.len() > SOURCE {
        let message = format!("the program is longer than {SOURCE} bytes");
        return Err(JqError::at(ErrorKind::Limit, message, source, SOURCE, ""));
    }
    let mut parser = Parser { source, tokens: lex(source), place: 0, depth: 0 };
    parser.head()?;
    let program = parser.body()?;
    parser.done()?;
    Ok(program)
}

/// Reads definitions alone.
pub(super) fn parse_defs(source: &str) -> Parsed<Vec<Def>> {
    let mut parser = Parser { source, tokens: lex(source), place: 0, depth: 0 };
    let mut defs = Vec::new();
    while parser.is_keyword("def") {
        defs.push(parser.def()?);
    }
    parser.done()?;
    Ok(defs)
}

impl Parser<'_> {
    fn tok(&self) -> &Tok {
        self.tokens.get(self.place).map_or(&Tok::End, |it| &it.tok)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.place).map_or(self.source.len(), |it| it.start)
    }

    fn bump(&mut self) {
        if self.place < self.tokens.len() {
            self.place += 1;
        }
    }

    fn is_mark(&self, mark: &str) -> bool {
        matches!(self.tok(), Tok::Mark(it) if *it == mark)
    }

    fn is_keyword(&self, word: &str) -> bool {
        matches!(self.tok(), Tok::Keyword(it) if *it == word)
    }

    fn eat(&mut self, mark: &str) -> bool {
        let found = self.is_mark(mark);
        if found {
            self.bump();
        }
        found
    }

    fn eat_keyword(&mut self, word: &str) -> bool {
        let found = self.is_keyword(word);
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, mark: &str) -> Parsed<()> {
        if self.eat(mark) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expect_keyword(&mut self, word: &str) -> Parsed<()> {
        if self.eat_keyword(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn done(&self) -> Parsed<()> {
        if *self.tok() == Tok::End { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The error for the present token.
    fn unexpected(&self) -> JqError {
        let (start, end) =
            self.tokens.get(self.place).map_or((self.source.len(), self.source.len()), |it| (it.start, it.end));
        let text = self.source.get(start..end).unwrap_or_default();
        let quoted = |it: &str| to_json(&Val::literal(it));
        let message = match self.tok() {
            Tok::End => "unexpected EOF".to_owned(),
            Tok::Invalid(it) => format!("invalid token {}", quoted(it)),
            Tok::InvalidEscape(it) => format!("invalid escape sequence \"{it}\" in string literal"),
            Tok::Unterminated => "unterminated string literal".to_owned(),
            _ => format!("unexpected token {}", quoted(text)),
        };
        JqError::at(ErrorKind::Syntax, message, self.source, start, text)
    }

    fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH {
            let message = format!("the program is nested deeper than {DEPTH}");
            return Err(JqError::at(ErrorKind::Limit, message, self.source, self.at(), ""));
        }
        Ok(())
    }

    fn node(&self, kind: Kind, at: usize) -> Parsed {
        let made = Ast::new(kind, at);
        if made.height > HEIGHT {
            let message = format!("the program has more than {HEIGHT} parts inside one another");
            return Err(JqError::at(ErrorKind::Limit, message, self.source, at, ""));
        }
        Ok(made)
    }

    /// `module {…};` and imports, which need files.
    fn head(&mut self) -> Parsed<()> {
        if self.eat_keyword("module") {
            self.object()?;
            self.expect(";")?;
        }
        if self.is_keyword("import") || self.is_keyword("include") {
            self.bump();
            let Tok::Str(path) = self.tok().clone() else { return Err(self.unexpected()) };
            let message = format!("cannot load module: {}", to_json(&Val::literal(&path)));
            return Err(JqError::at(ErrorKind::UnknownName, message, self.source, self.at(), path));
        }
        Ok(())
    }

    /// A query, or definitions with nothing after them.
    fn body(&mut self) -> Parsed {
        let at = self.at();
        let mut defs = Vec::new();
        while self.is_keyword("def") {
            defs.push(self.def()?);
        }
        let mut program = if *self.tok() == Tok::End { self.node(Kind::Missing, at)? } else { self.query()? };
        for def in defs.into_iter().rev() {
            program = self.node(Kind::Def(Box::new(def), program.boxed()), at)?;
        }
        Ok(program)
    }

    fn def(&mut self) -> Parsed<Def> {
        self.enter()?;
        self.expect_keyword("def")?;
        let Tok::Ident(name) = self.tok().clone() else { return Err(self.unexpected()) };
        self.bump();
        let mut params = Vec::new();
        if self.eat("(") {
            loop {
                match self.tok().clone() {
                    Tok::Ident(it) => params.push(it),
                    Tok::Var(it) => params.push(format!("${it}")),
                    _ => return Err(self.unexpected()),
                }
                self.bump();
                if !self.eat(";") {
                    break;
                }
            }
            self.expect(")")?;
        }
        self.expect(":")?;
        let body = self.query()?;
        self.expect(";")?;
        self.depth -= 1;
        Ok(Def { name, params, body })
    }

    /// Everything: pipes, commas, bindings, definitions, labels. A binding, definition or label takes all that follows it;
    /// however many there are, they are read without recursion.
    pub(super) fn query(&mut self) -> Parsed {
        self.enter()?;
        let at = self.at();
        let mut opened = Vec::new();
        let mut open = Open { parts: Vec::new(), items: Vec::new(), at };
        loop {
            let at = self.at();
            match self.start()? {
                Start::Head(head) => {
                    let next = Open { parts: Vec::new(), items: Vec::new(), at: self.at() };
                    opened.push((std::mem::replace(&mut open, next), head, at));
                }
                Start::Item(item) => {
                    open.items.push(item);
                    if self.eat(",") {
                        continue;
                    }
                    let items = std::mem::take(&mut open.items);
                    open.parts.push(self.balanced(items, open.at, Kind::Comma)?);
                    if !self.eat("|") {
                        break;
                    }
                }
            }
        }
        let mut made = self.balanced(open.parts, open.at, Kind::Pipe)?;
        for (Open { mut parts, mut items, at }, head, place) in opened.into_iter().rev() {
            let rest = made.boxed();
            items.push(self.node(
                match head {
                    Head::Def(def) => Kind::Def(def, rest),
                    Head::Label(name) => Kind::Label(name, rest),
                    Head::Bind(value, patterns) => Kind::Bind(value, patterns, rest),
                },
                place,
            )?);
            parts.push(self.balanced(items, at, Kind::Comma)?);
            made = self.balanced(parts, at, Kind::Pipe)?;
        }
        self.depth -= 1;
        Ok(made)
    }

    /// Commas or pipes as a low tree, so that long lists are no high programs.
    pub(super) fn balanced(&self, mut items: Vec<Ast>, at: usize, join: fn(Box<Ast>, Box<Ast>) -> Kind) -> Parsed {
        if items.len() > 1 {
            let right = items.split_off(items.len() / 2);
            let (left, right) = (self.balanced(items, at, join)?, self.balanced(right, at, join)?);
            return self.node(join(left.boxed(), right.boxed()), at);
        }
        match items.pop() {
            Some(it) => Ok(it),
            None => Err(self.unexpected()),
        }
    }

    /// One side of a comma, or what comes before all that follows.
    fn start(&mut self) -> Parsed<Start> {
        if self.is_keyword("def") {
            return Ok(Start::Head(Head::Def(Box::new(self.def()?))));
        }
        if self.eat_keyword("label") {
            let Tok::Var(name) = self.tok().clone() else { return Err(self.unexpected()) };
            self.bump();
            self.expect("|")?;
            return Ok(Start::Head(Head::Label(name)));
        }
        let left = self.expr(0)?;
        if !self.eat_keyword("as") {
            return Ok(Start::Item(left));
        }
        let mut patterns = vec![self.pattern()?];
        while self.eat("?//") {
            patterns.push(self.pattern()?);
        }
        self.expect("|")?;
        Ok(Start::Head(Head::Bind(left.boxed(), patterns)))
    }

    /// Operators of at least this strength.
    fn expr(&mut self, least: u8) -> Parsed {
        self.enter()?;
        let at = self.at();
        let mut left = self.term()?;
        // an operator that may not be repeated: nothing of its strength may follow
        let mut barred = u8::MAX;
        while let Some((strength, assoc, oper)) = self.operator() {
            if strength < least {
                break;
            }
            if strength == barred {
                return Err(self.unexpected());
            }
            self.bump();
            let right = self.expr(if assoc == Assoc::Right { strength } else { strength + 1 })?;
            let (a, b) = (left.boxed(), right.boxed());
            let kind = match oper {
                Oper::Alt => Kind::Alt(a, b),
                Oper::And => Kind::And(a, b),
                Oper::Or => Kind::Or(a, b),
                Oper::Update(it) => Kind::Update(it, a, b),
                Oper::Binary(it) => Kind::Binary(it, a, b),
            };
            left = self.node(kind, at)?;
            barred = if assoc == Assoc::None { strength } else { u8::MAX };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<(u8, Assoc, Oper)> {
        use Assoc::{Left, None as Never, Right};
        let arith = |it| Oper::Update(Update::Arith(it));
        Some(match self.tok() {
            Tok::Keyword("or") => (2, Left, Oper::Or),
            Tok::Keyword("and") => (3, Left, Oper::And),
            Tok::Mark(mark) => match *mark {
                "//" => (0, Right, Oper::Alt),
                "=" => (1, Never, Oper::Update(Update::Set)),
                "|=" => (1, Never, Oper::Update(Update::Modify)),
                "//=" => (1, Never, Oper::Update(Update::Alt)),
                "+=" => (1, Never, arith(Op::Add)),
                "-=" => (1, Never, arith(Op::Sub)),
                "*=" => (1, Never, arith(Op::Mul)),
                "/=" => (1, Never, arith(Op::Div)),
                "%=" => (1, Never, arith(Op::Mod)),
                "==" => (4, Never, Oper::Binary(Op::Eq)),
                "!=" => (4, Never, Oper::Binary(Op::Ne)),
                "<" => (4, Never, Oper::Binary(Op::Lt)),
                "<=" => (4, Never, Oper::Binary(Op::Le)),
                ">" => (4, Never, Oper::Binary(Op::Gt)),
                ">=" => (4, Never, Oper::Binary(Op::Ge)),
                "+" => (5, Left, Oper::Binary(Op::Add)),
                "-" => (5, Left, Oper::Binary(Op::Sub)),
                "*" => (6, Left, Oper::Binary(Op::Mul)),
                "/" => (6, Left, Oper::Binary(Op::Div)),
                "%" => (6, Left, Oper::Binary(Op::Mod)),
                _ => return None,
            },
            _ => return None,
        })
    }
}

/// What a query begins with.
enum Start {
    Item(Ast),
    Head(Head),
}

/// What takes all that follows.
enum Head {
    Def(Box<Def>),
    Label(String),
    Bind(Box<Ast>, Vec<Pattern>),
}

/// A query under construction: whole parts between pipes, and items between commas of the part after them.
struct Open {
    parts: Vec<Ast>,
    items: Vec<Ast>,
    at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Assoc {
    Left,
    Right,
    None,
}

enum Oper {
    Alt,
    And,
    Or,
    Update(Update),
    Binary(Op),
}
