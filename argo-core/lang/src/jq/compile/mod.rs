//! From what is written to what is run.

mod builtins;
mod calls;
mod pattern;
mod updates;

use serde_json::{Value, json};

use super::ast::{Ast, Def, Kind as A, Piece};
use super::error::{ErrorKind, JqError};
use super::ir::{Const, Function, Kind, Node, Program};
use super::natives::Native;
use super::value::{Val, parse_number};

/// Parts of a compiled program; alternatives of destructuring and builtins multiply what is written.
const PARTS: usize = 100_000;

type Made<T = Node> = Result<T, JqError>;

/// A name in sight; entries of the environment know their place from the outside.
enum Entry {
    Var(String, usize),
    Closure(String, usize),
    Label(String, usize),
    Function { name: String, arity: usize, id: usize, level: usize },
}

struct Compiler<'s> {
    source: &'s str,
    functions: Vec<Option<Function>>,
    entries: Vec<Entry>,
    /// Entries of the environment at this place.
    level: usize,
    /// Builtins written in the language that are compiled already.
    known: Vec<(&'static str, usize, usize)>,
    parts: usize,
}

/// Compiles a program; `globals` are the variables (without `$`) that the caller gives.
pub(super) fn compile(source: &str, ast: &Ast, globals: &[String]) -> Made<Program> {
    let mut compiler =
        Compiler { source, functions: Vec::new(), entries: Vec::new(), level: 0, known: Vec::new(), parts: 0 };
    for name in globals {
        compiler.push_var(name);
    }
    let main = compiler.node(ast)?;
    let functions = compiler.functions.into_iter().flatten().collect();
    Ok(Program { main, functions, globals: globals.len() })
}

/// The mark of a scope that is left again.
#[derive(Clone, Copy)]
struct Mark {
    entries: usize,
    level: usize,
}

impl Compiler<'_> {
    fn error(&self, kind: ErrorKind, message: String, at: usize, token: &str) -> JqError {
        JqError::at(kind, message, self.source, at, token)
    }

    fn mark(&self) -> Mark {
        Mark { entries: self.entries.len(), level: self.level }
    }

    fn leave(&mut self, mark: Mark) {
        self.entries.truncate(mark.entries);
        self.level = mark.level;
    }

    /// Adds an entry of the environment that has no name.
    fn push_slot(&mut self) -> usize {
        self.level += 1;
        self.level - 1
    }

    fn push_var(&mut self, name: &str) -> usize {
        let slot = self.push_slot();
        self.entries.push(Entry::Var(name.to_owned(), slot));
        slot
    }

    /// How far inside an entry is, seen from here.
    fn distance(&self, slot: usize) -> usize {
        self.level - slot - 1
    }

    fn var(&self, slot: usize) -> Node {
        Node::new(Kind::Var(self.distance(slot)))
    }

    /// A part in a scope of its own, on the heap.
    fn boxed(&mut self, ast: &Ast) -> Made<Box<Node>> {
        self.scoped(ast).map(Box::new)
    }

    fn maybe(&mut self, ast: Option<&Ast>) -> Made<Option<Box<Node>>> {
        ast.map(|it| self.boxed(it)).transpose()
    }

    /// A part in a scope of its own.
    fn scoped(&mut self, ast: &Ast) -> Made {
        let mark = self.mark();
        let made = self.node(ast);
        self.leave(mark);
        made
    }

    fn node(&mut self, ast: &Ast) -> Made {
        self.parts += 1;
        if self.parts > PARTS {
            let message = format!("the program has more than {PARTS} parts");
            return Err(self.error(ErrorKind::Limit, message, ast.at, ""));
        }
        // each arm is a call, which keeps this frame of the recursion small
        match &ast.kind {
            A::Identity => Ok(Node::id()),
            A::Recurse => Ok(Node::new(Kind::Recurse)),
            A::Null => Ok(Node::json(Value::Null)),
            A::True => Ok(Node::json(json!(true))),
            A::False => Ok(Node::json(json!(false))),
            A::Number(text) => Ok(Node::new(number(text))),
            A::Group(it) => self.scoped(it),
            A::Str(pieces, format) => self.string(pieces, format.as_deref()),
            A::Format(name) => Ok(Node::new(self.format(name))),
            A::Field(term, name) => self.unary(term, |it| Kind::Field(it, name.clone())),
            A::Index(term, key) => self.index(term, key),
            A::Slice(term, from, to) => self.slice(term, from.as_deref(), to.as_deref()),
            A::Iter(term) => self.unary(term, Kind::Iter),
            A::Optional(term) => self.optional(term),
            A::Plus(it) => self.sign(it, false),
            A::Minus(it) => self.sign(it, true),
            A::Call(name, args) => self.call(name, args, ast.at),
            A::Object(entries) => self.object(entries, ast.at),
            A::Array(None) => Ok(Node::json(json!([]))),
            A::Array(Some(it)) => self.unary(it, Kind::Array),
            A::Pipe(a, b) => self.pair(a, b, Kind::Pipe),
            A::Comma(a, b) => self.pair(a, b, Kind::Comma),
            A::Alt(a, b) => self.pair(a, b, Kind::Alt),
            A::And(a, b) => self.pair(a, b, Kind::And),
            A::Or(a, b) => self.pair(a, b, Kind::Or),
            A::Binary(op, a, b) => self.pair(a, b, |a, b| Kind::Binary(*op, a, b)),
            A::Update(op, path, value) => self.update(*op, path, value),
            A::If(when, then, other) => self.condition(when, then, other.as_deref()),
            A::Try(body, catch) => self.attempt(body, catch.as_deref()),
            A::Reduce { .. } | A::Foreach { .. } => self.fold(ast),
            A::Bind(source, patterns, body) => self.bind(source, patterns, body),
            A::Label(name, body) => self.label(name, body),
            A::Break(name) => self.break_to(name, ast.at),
            A::Def(def, rest) => self.defined(def, rest),
            A::Missing => {
                let message = "missing query (try \".\")".to_owned();
                Err(self.error(ErrorKind::Syntax, message, ast.at, ""))
            }
        }
    }

    fn unary(&mut self, it: &Ast, make: impl FnOnce(Box<Node>) -> Kind) -> Made {
        let it = Box::new(self.scoped(it)?);
        Ok(Node::new(make(it)))
    }

    fn pair(&mut self, a: &Ast, b: &Ast, make: impl FnOnce(Box<Node>, Box<Node>) -> Kind) -> Made {
        let a = self.boxed(a)?;
        let b = self.boxed(b)?;
        Ok(Node::new(make(a, b)))
    }

    fn slice(&mut self, term: &Ast, from: Option<&Ast>, to: Option<&Ast>) -> Made {
        let term = self.boxed(term)?;
        let from = self.maybe(from)?;
        let to = self.maybe(to)?;
        Ok(Node::new(Kind::Slice(term, from, to)))
    }

    fn condition(&mut self, when: &Ast, then: &Ast, other: Option<&Ast>) -> Made {
        let when = self.boxed(when)?;
        let then = self.boxed(then)?;
        let other = self.maybe(other)?;
        Ok(Node::new(Kind::If(when, then, other)))
    }

    fn attempt(&mut self, body: &Ast, catch: Option<&Ast>) -> Made {
        let body = self.boxed(body)?;
        let catch = self.maybe(catch)?;
        Ok(Node::new(Kind::Try(body, catch)))
    }

    fn label(&mut self, name: &str, body: &Ast) -> Made {
        let mark = self.mark();
        let slot = self.push_slot();
        self.entries.push(Entry::Label(name.to_owned(), slot));
        let body = self.boxed(body)?;
        self.leave(mark);
        Ok(Node::new(Kind::Label(body)))
    }

    fn defined(&mut self, def: &Def, rest: &Ast) -> Made {
        let mark = self.mark();
        self.define(def)?;
        let made = self.node(rest);
        self.leave(mark);
        made
    }

    fn break_to(&self, name: &str, at: usize) -> Made {
        for entry in self.entries.iter().rev() {
            if let Entry::Label(label, slot) = entry
                && label == name
            {
                return Ok(Node::new(Kind::Break(self.distance(*slot))));
            }
        }
        let message = format!("label not defined: ${name}");
        Err(self.error(ErrorKind::UnknownName, message, at, &format!("${name}")))
    }

    fn index(&mut self, term: &Ast, key: &Ast) -> Made {
        let term = self.boxed(term)?;
        let key = self.node(key)?;
        Ok(Node::new(match key.kind {
            Kind::Const(Const::Json(Value::String(name))) => Kind::Field(term, name),
            _ => Kind::Index(term, Box::new(key)),
        }))
    }

    /// `term?`: only the last suffix of the term may fail, and it is evaluated on what is before it.
    fn optional(&mut self, term: &Ast) -> Made {
        let here = || Node::boxed(Kind::Id);
        let (before, last) = match &term.kind {
            A::Field(before, name) => (self.node(before)?, Kind::Field(here(), name.clone())),
            A::Index(before, key) => {
                let before = self.node(before)?;
                let key = self.boxed(key)?;
                (before, Kind::Index(here(), key))
            }
            A::Slice(before, from, to) => {
                let before = self.node(before)?;
                (before, Kind::Slice(here(), self.maybe(from.as_deref())?, self.maybe(to.as_deref())?))
            }
            A::Iter(before) => (self.node(before)?, Kind::Iter(here())),
            _ => return Ok(Node::new(Kind::Try(Box::new(self.scoped(term)?), None))),
        };
        let last = Node::new(Kind::Try(Node::boxed(last), None));
        Ok(if matches!(before.kind, Kind::Id) { last } else { Node::new(Kind::Pipe(Box::new(before), Box::new(last))) })
    }

    fn sign(&mut self, ast: &Ast, minus: bool) -> Made {
        if let A::Number(text) = &ast.kind {
            return Ok(Node::new(if minus { number(&format!("-{text}")) } else { number(text) }));
        }
        let term = self.boxed(ast)?;
        Ok(Node::new(if minus { Kind::Minus(term) } else { Kind::Plus(term) }))
    }

    fn string(&mut self, pieces: &[Piece], format: Option<&str>) -> Made {
        match pieces {
            [] => return Ok(Node::json(json!(""))),
            [Piece::Text(text)] => return Ok(Node::json(json!(text))),
            _ => {}
        }
        let mut parts = Vec::new();
        for piece in pieces {
            parts.push(match piece {
                Piece::Text(text) => Node::json(json!(text)),
                Piece::Query(query) => {
                    let query = self.scoped(query)?;
                    let format = match format {
                        Some(name) => self.format(name),
                        None => Kind::Native(Native::of("tostring", 0), Vec::new()),
                    };
                    Node::new(Kind::Pipe(Box::new(query), Node::boxed(format)))
                }
            });
        }
        Ok(Node::new(Kind::Concat(parts)))
    }

    /// `@name`.
    fn format(&self, name: &str) -> Kind {
        let native = match name {
            "@text" => Native::of("tostring", 0),
            "@json" => Native::of("tojson", 0),
            "@html" | "@uri" | "@urid" | "@csv" | "@tsv" | "@sh" | "@base64" | "@base64d" => Native::of(name, 0),
            _ => return Kind::Native(Native::of("format", 1), vec![Node::json(json!(&name[1..]))]),
        };
        Kind::Native(native, Vec::new())
    }
}

fn number(text: &str) -> Kind {
    Kind::Const(match parse_number(text) {
        Val::Int(it) => Const::Json(json!(it)),
        Val::Big(it) => Const::Big(it.as_ref().clone()),
        Val::Float(it) => Const::Float(it),
        _ => Const::Float(f64::NAN),
    })
}
