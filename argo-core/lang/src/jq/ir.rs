//! The program as it is run: names are resolved, builtins expanded, and every part knows how it may be evaluated.

use num_bigint::BigInt;
use serde_json::Value;

use super::ast::Op;
use super::natives::Native;

/// A part of a program.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Gives at most one value and needs neither alternatives nor calls, so it is evaluated directly.
    pub(super) direct: bool,
    /// [`Node::direct`] and gives exactly one value or an error.
    pub(super) one: bool,
    /// A loop over direct parts.
    pub(super) looped: bool,
}

/// A fixed value.
#[derive(Debug)]
pub(super) enum Const {
    Json(Value),
    Float(f64),
    Big(BigInt),
}

/// What a program does at a place. Environments are counted from the innermost entry, 0.
#[derive(Debug)]
pub(super) enum Kind {
    Id,
    Const(Const),
    Empty,
    Var(usize),
    /// Runs a closure of the environment.
    Param(usize),
    /// Runs a function, in the environment so many entries up, which is that of its definition.
    Call {
        function: usize,
        up: usize,
        args: Vec<Node>,
    },
    Pipe(Box<Node>, Box<Node>),
    Comma(Box<Node>, Box<Node>),
    Field(Box<Node>, String),
    /// `.[n]` of what must be an array or null: destructuring.
    Item(Box<Node>, i64),
    Index(Box<Node>, Box<Node>),
    Slice(Box<Node>, Option<Box<Node>>, Option<Box<Node>>),
    Iter(Box<Node>),
    /// `..`
    Recurse,
    Plus(Box<Node>),
    Minus(Box<Node>),
    Binary(Op, Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Alt(Box<Node>, Box<Node>),
    /// The value of `.` unless false or null, else of the other: `//=`.
    Otherwise(Box<Node>),
    If(Box<Node>, Box<Node>, Option<Box<Node>>),
    Try(Box<Node>, Option<Box<Node>>),
    Array(Box<Node>),
    /// Keys and values; without a value it is what `.` has at the key.
    Object(Vec<(Node, Option<Node>)>),
    /// Text put together.
    Concat(Vec<Node>),
    /// Puts each value of the first into the environment of the second.
    Bind(Box<Node>, Box<Node>),
    /// Tries one after another when there is an error.
    Attempts(Vec<Node>),
    /// Per value of `init`: a cell, then an entry per value of `source`, and the body, which ends in `Store` or `Step`.
    Fold {
        source: Box<Node>,
        init: Box<Node>,
        body: Box<Node>,
        each: bool,
    },
    /// `update` of the cell goes into the cell; nothing comes out.
    Store(Box<Node>, usize),
    /// The same, and `extract` of it comes out.
    Step(Box<Node>, Option<Box<Node>>, usize),
    Label(Box<Node>),
    Break(usize),
    Range(Box<Node>, Box<Node>, Box<Node>),
    /// The first `n` values, `n` being the innermost variable; `source` is in that environment too.
    Limit(Box<Node>),
    First(Box<Node>),
    Last(Box<Node>),
    IsEmpty(Box<Node>),
    Path(Box<Node>),
    GetPath(Box<Node>),
    /// `path = value`, `value` being the innermost variable.
    Assign(Box<Node>),
    /// `path |= f`.
    Modify(Box<Node>, Box<Node>),
    /// A chain of keys that is set to a value; the keys are fixed and the error is that of `setpath`.
    SetAt(Vec<Node>, Box<Node>),
    /// A chain of keys (each direct and single) whose value is changed by a direct part.
    ModifyAt(Vec<Node>, Box<Node>),
    /// `gsub(pattern; with; flags)`: all direct, the last single.
    Sub {
        pattern: Box<Node>,
        flags: Box<Node>,
        with: Box<Node>,
    },
    Native(Native, Vec<Node>),
}

impl Node {
    pub(super) fn new(kind: Kind) -> Self {
        let (direct, one) = kind.directness();
        let looped = direct || kind.is_loop();
        Self { kind, direct, one, looped }
    }

    pub(super) fn boxed(kind: Kind) -> Box<Self> {
        Box::new(Self::new(kind))
    }

    pub(super) fn json(value: Value) -> Self {
        Self::new(Kind::Const(Const::Json(value)))
    }

    pub(super) fn id() -> Self {
        Self::new(Kind::Id)
    }
}

fn all(parts: &[&Node]) -> (bool, bool) {
    (parts.iter().all(|it| it.direct), parts.iter().all(|it| it.one))
}

impl Kind {
    /// Whether a part of this kind is [`Node::direct`] and [`Node::one`].
    fn directness(&self) -> (bool, bool) {
        match self {
            Self::Id | Self::Const(_) | Self::Var(_) => (true, true),
            Self::Empty => (true, false),
            Self::Field(it, _) | Self::Item(it, _) | Self::Plus(it) | Self::Minus(it) | Self::Otherwise(it) => {
                all(&[it])
            }
            Self::Pipe(a, b)
            | Self::Index(a, b)
            | Self::Binary(_, a, b)
            | Self::And(a, b)
            | Self::Or(a, b)
            | Self::Bind(a, b) => all(&[a, b]),
            Self::Slice(it, from, to) => {
                let parts: Vec<&Node> = std::iter::once(it).chain(from).chain(to).map(AsRef::as_ref).collect();
                all(&parts)
            }
            Self::Alt(a, b) => (a.direct && b.direct, b.one),
            Self::If(a, b, None) => all(&[a, b]),
            Self::If(a, b, Some(c)) => all(&[a, b, c]),
            Self::Try(a, None) => (a.direct, false),
            Self::Try(a, Some(b)) => all(&[a, b]),
            Self::Array(it) => (it.looped, it.looped),
            Self::IsEmpty(it) => (it.looped, it.looped),
            Self::First(it) | Self::Last(it) => (it.looped, false),
            Self::Path(it) => (it.direct, it.one),
            Self::GetPath(it) => all(&[it]),
            Self::Object(entries) => {
                let parts: Vec<&Node> =
                    entries.iter().flat_map(|(key, value)| std::iter::once(key).chain(value)).collect();
                all(&parts)
            }
            Self::Concat(parts) | Self::Native(_, parts) => {
                let parts: Vec<&Node> = parts.iter().collect();
                all(&parts)
            }
            Self::Fold { source, init, body, each: false } => {
                let plain = matches!(&body.kind, Self::Store(update, 1) if update.direct);
                let direct = source.looped && init.direct && plain;
                (direct, direct && init.one)
            }
            Self::Modify(path, f) => {
                let direct = path.looped && f.direct;
                (direct, direct)
            }
            Self::Assign(path) => (path.looped, path.looped),
            Self::Sub { pattern, flags, with } => all(&[pattern, flags, with]),
            Self::SetAt(_, value) => all(&[value]),
            Self::ModifyAt(_, f) => (f.direct, f.direct),
            _ => (false, false),
        }
    }

    /// Whether a part of this kind, not direct, is [`Node::looped`].
    fn is_loop(&self) -> bool {
        match self {
            Self::Recurse => true,
            Self::Iter(it) => it.direct,
            Self::Pipe(a, b) | Self::Comma(a, b) => a.looped && b.looped,
            Self::If(a, b, None) => a.direct && b.looped,
            Self::If(a, b, Some(c)) => a.direct && b.looped && c.looped,
            Self::Bind(a, b) => a.looped && b.looped,
            Self::Try(body, None) => matches!(&body.kind, Self::Iter(it) if it.direct),
            Self::Path(it) => it.looped,
            Self::Range(a, b, c) => a.direct && b.direct && c.direct,
            _ => false,
        }
    }
}

/// A function of the program.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) body: Node,
}

/// A compiled program.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) main: Node,
    pub(super) functions: Vec<Function>,
    /// The variables the caller gives, outermost first.
    pub(super) globals: usize,
}
