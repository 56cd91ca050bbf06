//! Expressions with the places of their parts, which error messages of types tell and the `cel` crate's tree lacks.
//!
//! Only texts that the crate has parsed come here. What is rare (literals of structs, optional syntax, macros of two variables) is not read:
//! such an expression stays unchecked.

use super::lexer::{Token, Word, tokens};

/// Expressions nest no deeper.
const DEPTH: usize = 100;

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: usize,
    /// Characters before it.
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A type, and a size.
    Literal(&'static str, u64),
    Ident(String),
    Select {
        operand: Box<Node>,
        field: String,
        test: bool,
    },
    Call {
        name: String,
        target: Option<Box<Node>>,
        args: Vec<Node>,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Comprehension(Box<Comprehension>),
}

/// What `all`, `exists`, `exists_one`, `map` and `filter` stand for.
#[derive(Clone, Debug)]
pub(super) struct Comprehension {
    pub(super) range: Node,
    pub(super) variable: String,
    pub(super) init: Node,
    pub(super) condition: Node,
    pub(super) step: Node,
    pub(super) result: Node,
}

/// The name of what a comprehension gathers.
pub(super) const GATHERED: &str = "@result";

/// The expression of a text; nothing if it has parts that are not read.
pub(super) fn parse(text: &str) -> Option<Node> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, ids: 0, depth: 0 };
    let node = parser.expression()?;
    (parser.next == parser.tokens.len()).then_some(node)
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    ids: usize,
    depth: usize,
}

const LEVELS: [&[(&str, &str)]; 5] = [
    &[("||", "_||_")],
    &[("&&", "_&&_")],
    &[("==", "_==_"), ("!=", "_!=_"), ("<=", "_<=_"), (">=", "_>=_"), ("<", "_<_"), (">", "_>_"), ("in", "@in")],
    &[("+", "_+_"), ("-", "_-_")],
    &[("*", "_*_"), ("/", "_/_"), ("%", "_%_")],
];

// === impl Parser ===

impl Parser {
    fn node(&mut self, at: usize, kind: Kind) -> Node {
        self.ids += 1;
        Node { id: self.ids, at, kind }
    }

    fn call(&mut self, at: usize, name: &str, args: Vec<Node>) -> Node {
        self.node(at, Kind::Call { name: name.to_owned(), target: None, args })
    }

    /// Takes a sign or a word of the language; where it stands.
    fn take(&mut self, sign: &str) -> Option<usize> {
        let token = self.tokens.get(self.next)?;
        let found = matches!(&token.word, Word::Sign(it) if it == sign)
            || (sign == "in" && matches!(&token.word, Word::Name(it) if it == "in"));
        found.then(|| {
            self.next += 1;
            token.at
        })
    }

    fn expression(&mut self) -> Option<Node> {
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        let condition = self.level(0)?;
        let found = match self.take("?") {
            None => condition,
            Some(at) => {
                let then = self.level(0)?;
                self.take(":")?;
                let otherwise = self.expression()?;
                self.call(at, "_?_:_", vec![condition, then, otherwise])
            }
        };
        self.depth -= 1;
        Some(found)
    }

    fn level(&mut self, level: usize) -> Option<Node> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        while let Some((at, name)) = operators.iter().find_map(|(sign, name)| Some((self.take(sign)?, *name))) {
            let right = self.level(level + 1)?;
            left = self.call(at, name, vec![left, right]);
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<Node> {
        for (sign, name) in [("!", "!_"), ("-", "-_")] {
            let Some(at) = self.take(sign) else { continue };
            let mut odd = true;
            while self.take(sign).is_some() {
                odd = !odd;
            }
            let literal = matches!(self.tokens.get(self.next)?.word, Word::Literal("int" | "double", _));
            let inner = self.member()?;
            return Some(match (sign, literal, odd) {
                ("-", true, true) if matches!(inner.kind, Kind::Literal(..)) => Node { at, ..inner },
                (_, _, true) => self.call(at, name, vec![inner]),
                _ => inner,
            });
        }
        self.member()
    }

    fn member(&mut self) -> Option<Node> {
        let mut node = self.primary()?;
        loop {
            if let Some(at) = self.take(".") {
                let Word::Name(field) = self.tokens.get(self.next)?.word.clone() else { return None };
                self.next += 1;
                node = match self.take("(") {
                    Some(at) => {
                        let args = self.list(")")?;
                        self.member_call(at, node, field, args)?
                    }
                    None => self.node(at, Kind::Select { operand: Box::new(node), field, test: false }),
                };
            } else if let Some(at) = self.take("[") {
                let index = self.expression()?;
                self.take("]")?;
                node = self.call(at, "_[_]", vec![node, index]);
            } else {
                return Some(node);
            }
        }
    }

    fn list(&mut self, end: &str) -> Option<Vec<Node>> {
        let mut items = Vec::new();
        while self.take(end).is_none() {
            items.push(self.expression()?);
            if self.take(",").is_none() {
                self.take(end)?;
                break;
            }
        }
        Some(items)
    }

    fn primary(&mut self) -> Option<Node> {
        let Token { at, word } = self.tokens.get(self.next)?.clone();
        self.next += 1;
        match word {
            Word::Literal(kind, size) => Some(self.node(at, Kind::Literal(kind, size))),
            Word::Name(name) => match name.as_str() {
                "true" | "false" => Some(self.node(at, Kind::Literal("bool", 1))),
                "null" => Some(self.node(at, Kind::Literal("null_type", 1))),
                _ => match self.take("(") {
                    None => Some(self.node(at, Kind::Ident(name))),
                    Some(at) => {
                        let mut args = self.list(")")?;
                        if name != "has" || args.len() != 1 {
                            return Some(self.call(at, &name, args));
                        }
                        let Kind::Select { operand, field, .. } = args.pop()?.kind else { return None };
                        Some(self.node(at, Kind::Select { operand, field, test: true }))
                    }
                },
            },
            Word::Sign(sign) => match sign.as_str() {
                "(" => {
                    let inner = self.expression()?;
                    self.take(")")?;
                    Some(inner)
                }
                "[" => {
                    let items = self.list("]")?;
                    Some(self.node(at, Kind::List(items)))
                }
                "{" => {
                    let mut entries = Vec::new();
                    while self.take("}").is_none() {
                        let key = self.expression()?;
                        self.take(":")?;
                        entries.push((key, self.expression()?));
                        if self.take(",").is_none() {
                            self.take("}")?;
                            break;
                        }
                    }
                    Some(self.node(at, Kind::Map(entries)))
                }
                _ => None,
            },
        }
    }

    fn member_call(&mut self, at: usize, target: Node, name: String, mut args: Vec<Node>) -> Option<Node> {
        let macros = matches!(
            (name.as_str(), args.len()),
            ("all" | "exists" | "exists_one" | "existsOne" | "map" | "filter", 2) | ("map", 3)
        );
        if !macros {
            let unread = name.starts_with("transform")
                || matches!(name.as_str(), "optMap" | "optFlatMap" | "all" | "exists" | "exists_one" | "existsOne");
            let target = Some(Box::new(target));
            return (!unread).then(|| self.node(at, Kind::Call { name, target, args }));
        }
        let last = args.pop()?;
        let filter = if args.len() == 2 { args.pop() } else { None };
        let Kind::Ident(variable) = args.pop()?.kind else { return None };
        let gathered = |parser: &mut Self| parser.node(at, Kind::Ident(GATHERED.to_owned()));
        let yes = |parser: &mut Self| parser.node(at, Kind::Literal("bool", 1));
        let one = |parser: &mut Self| parser.node(at, Kind::Literal("int", 1));
        let (init, condition, step);
        let mut result = gathered(self);
        match name.as_str() {
            "all" | "exists" => {
                init = yes(self);
                let mut until = gathered(self);
                if name == "exists" {
                    until = self.call(at, "!_", vec![until]);
                }
                condition = self.call(at, "@not_strictly_false", vec![until]);
                let so_far = gathered(self);
                step = self.call(at, if name == "all" { "_&&_" } else { "_||_" }, vec![so_far, last]);
            }
            "exists_one" | "existsOne" => {
                init = self.node(at, Kind::Literal("int", 1));
                condition = yes(self);
                let (so_far, more) = (gathered(self), one(self));
                let then = self.call(at, "_+_", vec![so_far, more]);
                let otherwise = gathered(self);
                step = self.call(at, "_?_:_", vec![last, then, otherwise]);
                let more = one(self);
                result = self.call(at, "_==_", vec![result, more]);
            }
            _ => {
                init = self.node(at, Kind::List(Vec::new()));
                condition = yes(self);
                let (item, filter) = match name.as_str() {
                    "filter" => (self.node(at, Kind::Ident(variable.clone())), Some(last)),
                    _ => (last, filter),
                };
                let so_far = gathered(self);
                let items = self.node(at, Kind::List(vec![item]));
                let then = self.call(at, "_+_", vec![so_far, items]);
                step = match filter {
                    None => then,
                    Some(filter) => {
                        let otherwise = gathered(self);
                        self.call(at, "_?_:_", vec![filter, then, otherwise])
                    }
                };
            }
        }
        let inner = Comprehension { range: target, variable, init, condition, step, result };
        Some(self.node(at, Kind::Comprehension(Box::new(inner))))
    }
}
