//! The tree of an expression.

use std::collections::BTreeSet;

use serde_json::Value;

/// A node and its byte offset in the source.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) at: usize,
    pub(super) height: u16,
    /// How many operators nest to the left below it.
    pub(super) spine: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    /// `not`.
    NotWord,
    Minus,
    Plus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    /// `or`.
    OrWord,
    And,
    /// `and`.
    AndWord,
    Equal,
    NotEqual,
    Less,
    Greater,
    LessEqual,
    GreaterEqual,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    /// `^`.
    PowerCaret,
    Coalesce,
}

impl Unary {
    /// As it was written.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Not => "!",
            Self::NotWord => "not",
            Self::Minus => "-",
            Self::Plus => "+",
        }
    }
}

impl Binary {
    pub(super) fn is_comparison(self) -> bool {
        matches!(self, Self::Less | Self::Greater | Self::LessEqual | Self::GreaterEqual)
    }

    /// As it was written.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::OrWord => "or",
            Self::And => "&&",
            Self::AndWord => "and",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::LessEqual => "<=",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::Matches => "matches",
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Range => "..",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "**",
            Self::PowerCaret => "^",
            Self::Coalesce => "??",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Constant(Value),
    Bytes(Vec<u8>),
    Name(String),
    /// `#`, `#acc`, `#index` inside a predicate.
    Pointer(String),
    Unary(Unary, Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    /// `a < b < c`: every neighbour compared.
    Comparison(Box<Node>, Vec<(Binary, usize, Node)>),
    /// Without a second part the condition is the value: `a ?: b`.
    Conditional(Box<Node>, Option<Box<Node>>, Box<Node>),
    Member {
        of: Box<Node>,
        key: Box<Node>,
        optional: bool,
    },
    Slice {
        of: Box<Node>,
        from: Option<Box<Node>>,
        to: Option<Box<Node>>,
    },
    /// The end of an optional chain: nil inside makes the whole nil.
    Chain(Box<Node>),
    /// A call by name: of a builtin, of a custom function, or of what is no function.
    Call {
        name: String,
        args: Vec<Node>,
        builtin: bool,
        /// Written `::name(…)`: no variable or function of the name is meant.
        marked: bool,
    },
    /// A call of a member: `a.b(c)`.
    Method {
        of: Box<Node>,
        name: String,
        args: Vec<Node>,
        optional: bool,
    },
    /// The body of a predicate.
    Closure(Box<Node>),
    /// A builtin with a predicate.
    Predicate {
        name: &'static str,
        args: Vec<Node>,
        body: Option<Box<Node>>,
        /// Written `::name(…)`.
        marked: bool,
    },
    Let {
        name: String,
        value: Box<Node>,
        body: Box<Node>,
    },
    Sequence(Vec<Node>),
    Array(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    pub(super) fn new(kind: Kind, at: usize) -> Self {
        let mut height = 0;
        children(&kind, &mut |child| height = height.max(child.height));
        // operators that nest to the left are walked without recursion
        if let Kind::Binary(_, left, right) = &kind {
            let height = left.height.max(right.height.saturating_add(1));
            return Self { height, at, spine: left.spine.saturating_add(1), kind };
        }
        Self { kind, at, height: height.saturating_add(1), spine: 0 }
    }

    /// The dotted name of a chain of plain members, `a.b['c']`.
    pub(super) fn dotted(&self) -> Option<String> {
        match &self.kind {
            Kind::Name(name) => Some(name.clone()),
            Kind::Chain(inner) => inner.dotted(),
            Kind::Member { of, key, .. } => match &key.kind {
                Kind::Constant(Value::String(key)) => Some(format!("{}.{key}", of.dotted()?)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What a program asks of its environment: the names it reads, the builtins it calls by name, and whether it reads the
/// environment as a whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Needs {
    pub(super) names: BTreeSet<String>,
    pub(super) builtins: BTreeSet<String>,
    pub(super) whole: bool,
}

pub(super) fn needs(node: &Node, out: &mut Needs) {
    match &node.kind {
        Kind::Name(name) if name == "$env" => out.whole = true,
        Kind::Name(name) => {
            out.names.insert(name.clone());
        }
        Kind::Call { name, builtin, .. } => {
            out.names.insert(name.clone());
            if *builtin {
                out.builtins.insert(name.clone());
            }
        }
        Kind::Predicate { name, .. } => {
            out.builtins.insert((*name).to_owned());
        }
        Kind::Let { name, .. } => {
            out.names.insert(name.clone());
        }
        _ => {}
    }
    children(&node.kind, &mut |child| needs(child, out));
}

pub(super) fn collect_names(node: &Node, names: &mut BTreeSet<String>) {
    walk(node, &mut Vec::new(), names);
}

fn walk(node: &Node, declared: &mut Vec<String>, names: &mut BTreeSet<String>) {
    if let Some(name) = node.dotted() {
        let head = name.split('.').next().unwrap_or_default();
        if !declared.iter().any(|it| it == head) {
            names.insert(name);
        }
        return;
    }
    if let Kind::Let { name, value, body } = &node.kind {
        walk(value, declared, names);
        declared.push(name.clone());
        walk(body, declared, names);
        declared.pop();
        return;
    }
    children(&node.kind, &mut |child| walk(child, declared, names));
}

pub(super) fn children<'a>(kind: &'a Kind, visit: &mut dyn FnMut(&'a Node)) {
    match kind {
        Kind::Constant(_) | Kind::Bytes(_) | Kind::Name(_) | Kind::Pointer(_) => {}
        Kind::Unary(_, it) | Kind::Chain(it) | Kind::Closure(it) => visit(it),
        Kind::Binary(_, a, b) => {
            visit(a);
            visit(b);
        }
        Kind::Comparison(first, rest) => {
            visit(first);
            rest.iter().for_each(|it| visit(&it.2));
        }
        Kind::Conditional(a, b, c) => {
            visit(a);
            b.iter().for_each(|it| visit(it));
            visit(c);
        }
        Kind::Member { of, key, .. } => {
            visit(of);
            visit(key);
        }
        Kind::Slice { of, from, to } => {
            visit(of);
            [from, to].into_iter().flatten().for_each(|it| visit(it));
        }
        Kind::Call { args, .. } | Kind::Sequence(args) | Kind::Array(args) => args.iter().for_each(visit),
        Kind::Method { of, args, .. } => {
            visit(of);
            args.iter().for_each(visit);
        }
        Kind::Predicate { args, body, .. } => args.iter().chain(body.as_deref()).for_each(visit),
        Kind::Let { value, body, .. } => {
            visit(value);
            visit(body);
        }
        Kind::Map(pairs) => {
            for (key, value) in pairs {
                visit(key);
                visit(value);
            }
        }
    }
}
