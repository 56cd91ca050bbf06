//! The program as it is written.

/// A part of the source.
#[derive(Debug, Clone)]
pub(super) struct Ast {
    pub(super) kind: Kind,
    /// Where it begins, in bytes.
    pub(super) at: usize,
    /// How many parts are inside one another, itself included.
    pub(super) height: u32,
}

/// A binary operator that gives a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// An operator that changes its left side in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    Set,
    Modify,
    Arith(Op),
    Alt,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Identity,
    Recurse,
    Null,
    True,
    False,
    Number(String),
    /// Text with its interpolated parts, and the format that is put on them.
    Str(Vec<Piece>, Option<String>),
    Format(String),
    /// `.name` on a term.
    Field(Box<Ast>, String),
    Index(Box<Ast>, Box<Ast>),
    Slice(Box<Ast>, Option<Box<Ast>>, Option<Box<Ast>>),
    Iter(Box<Ast>),
    Optional(Box<Ast>),
    Plus(Box<Ast>),
    Minus(Box<Ast>),
    /// A function or, with `$`, a variable.
    Call(String, Vec<Ast>),
    Object(Vec<(Key, Option<Ast>)>),
    Array(Option<Box<Ast>>),
    Pipe(Box<Ast>, Box<Ast>),
    Comma(Box<Ast>, Box<Ast>),
    Alt(Box<Ast>, Box<Ast>),
    And(Box<Ast>, Box<Ast>),
    Or(Box<Ast>, Box<Ast>),
    Binary(Op, Box<Ast>, Box<Ast>),
    Update(Update, Box<Ast>, Box<Ast>),
    If(Box<Ast>, Box<Ast>, Option<Box<Ast>>),
    Try(Box<Ast>, Option<Box<Ast>>),
    Reduce {
        source: Box<Ast>,
        pattern: Pattern,
        init: Box<Ast>,
        update: Box<Ast>,
    },
    Foreach {
        source: Box<Ast>,
        pattern: Pattern,
        init: Box<Ast>,
        update: Box<Ast>,
        extract: Option<Box<Ast>>,
    },
    Bind(Box<Ast>, Vec<Pattern>, Box<Ast>),
    Label(String, Box<Ast>),
    Break(String),
    /// A definition and the query it is for.
    Def(Box<Def>, Box<Ast>),
    /// In parentheses.
    Group(Box<Ast>),
    /// Nothing where a query should be.
    Missing,
}

#[derive(Debug, Clone)]
pub(super) enum Piece {
    Text(String),
    Query(Ast),
}

/// The key of an object under construction.
#[derive(Debug, Clone)]
pub(super) enum Key {
    Name(String),
    Var(String),
    Str(Ast),
    Query(Ast),
}

/// The left side of `as`.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Var(String),
    Array(Vec<Pattern>),
    Object(Vec<(Key, Option<Pattern>)>),
}

/// `def name(params): body;`
#[derive(Debug, Clone)]
pub(super) struct Def {
    pub(super) name: String,
    /// With `$` for those that are values.
    pub(super) params: Vec<String>,
    pub(super) body: Ast,
}

impl Ast {
    pub(super) fn new(kind: Kind, at: usize) -> Self {
        let height = kind.height() + 1;
        Self { kind, at, height }
    }

    pub(super) fn boxed(self) -> Box<Self> {
        Box::new(self)
    }
}

impl Kind {
    /// The height of the highest part inside.
    fn height(&self) -> u32 {
        let most = |parts: &[&Ast]| parts.iter().map(|it| it.height).max().unwrap_or(0);
        match self {
            Self::Identity
            | Self::Recurse
            | Self::Null
            | Self::True
            | Self::False
            | Self::Number(_)
            | Self::Format(_)
            | Self::Break(_)
            | Self::Missing
            | Self::Array(None) => 0,
            Self::Str(pieces, _) => pieces
                .iter()
                .map(|it| match it {
                    Piece::Text(_) => 0,
                    Piece::Query(it) => it.height,
                })
                .max()
                .unwrap_or(0),
            Self::Field(it, _)
            | Self::Iter(it)
            | Self::Optional(it)
            | Self::Plus(it)
            | Self::Minus(it)
            | Self::Array(Some(it))
            | Self::Group(it)
            | Self::Label(_, it) => it.height,
            Self::Slice(it, from, to) => {
                most(&[it]).max(from.as_ref().map_or(0, |it| it.height)).max(to.as_ref().map_or(0, |it| it.height))
            }
            Self::Call(_, args) => args.iter().map(|it| it.height).max().unwrap_or(0),
            Self::Object(entries) => entries
                .iter()
                .map(|(key, value)| key.height().max(value.as_ref().map_or(0, |it| it.height)))
                .max()
                .unwrap_or(0),
            Self::Index(a, b)
            | Self::Pipe(a, b)
            | Self::Comma(a, b)
            | Self::Alt(a, b)
            | Self::And(a, b)
            | Self::Or(a, b)
            | Self::Binary(_, a, b)
            | Self::Update(_, a, b) => most(&[a, b]),
            Self::If(a, b, c) => most(&[a, b]).max(c.as_ref().map_or(0, |it| it.height)),
            Self::Try(a, b) => most(&[a]).max(b.as_ref().map_or(0, |it| it.height)),
            Self::Reduce { source, pattern, init, update } => most(&[source, init, update]).max(pattern.height()),
            Self::Foreach { source, pattern, init, update, extract } => {
                most(&[source, init, update]).max(pattern.height()).max(extract.as_ref().map_or(0, |it| it.height))
            }
            Self::Bind(a, patterns, b) => most(&[a, b]).max(patterns.iter().map(Pattern::height).max().unwrap_or(0)),
            Self::Def(def, it) => most(&[&def.body, it]),
        }
    }
}

impl Key {
    fn height(&self) -> u32 {
        match self {
            Self::Name(_) | Self::Var(_) => 0,
            Self::Str(it) | Self::Query(it) => it.height,
        }
    }
}

impl Pattern {
    fn height(&self) -> u32 {
        1 + match self {
            Self::Var(_) => 0,
            Self::Array(items) => items.iter().map(Self::height).max().unwrap_or(0),
            Self::Object(entries) => entries
                .iter()
                .map(|(key, value)| key.height().max(value.as_ref().map_or(0, Self::height)))
                .max()
                .unwrap_or(0),
        }
    }

    /// The variables it binds, in order.
    pub(super) fn names(&self, out: &mut Vec<String>) {
        match self {
            Self::Var(name) => out.push(name.clone()),
            Self::Array(items) => items.iter().for_each(|it| it.names(out)),
            Self::Object(entries) => {
                for (key, value) in entries {
                    if let Key::Var(name) = key {
                        out.push(name.clone());
                    }
                    if let Some(value) = value {
                        value.names(out);
                    }
                }
            }
        }
    }
}
