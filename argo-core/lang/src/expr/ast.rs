//! The tree of an expression.

use std::collections::BTreeSet;

use serde_json::Value;

/// A node and its byte offset in the source.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) at: usize,
    pub(super) height: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Minus,
    Plus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
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
    Coalesce,
}

impl Binary {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
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
            Self::Coalesce => "??",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Constant(Value),
    Name(String),
    /// `#`, `#acc`, `#index` inside a predicate.
    Pointer(String),
    Unary(Unary, Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    /// `a < b < c`: every neighbour compared.
    Comparison(Box<Node>, Vec<(Binary, Node)>),
    /// Without a second part the condition is the value: `a ?: b`.
    Conditional(Box<Node>, Option<Box<Node>>, Box<Node>),
    Member {
        of: Box<Node>,
        key: Box<Node>,
        optional: bool,
        is_field: bool,
    },
    Slice {
        of: Box<Node>,
        from: Option<Box<Node>>,
        to: Option<Box<Node>>,
    },
    /// The end of an optional chain: nil inside makes the whole nil.
    Chain(Box<Node>),
    /// A call of a builtin or custom function by name.
    Call {
        name: String,
        args: Vec<Node>,
    },
    /// A call of a member: `a.b(c)`.
    Method {
        of: Box<Node>,
        name: String,
        args: Vec<Node>,
        optional: bool,
    },
    /// A builtin with a predicate.
    Predicate {
        name: &'static str,
        args: Vec<Node>,
        body: Option<Box<Node>>,
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
        Self { kind, at, height: height.saturating_add(1) }
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
        Kind::Constant(_) | Kind::Name(_) | Kind::Pointer(_) => {}
        Kind::Unary(_, it) | Kind::Chain(it) => visit(it),
        Kind::Binary(_, a, b) => {
            visit(a);
            visit(b);
        }
        Kind::Comparison(first, rest) => {
            visit(first);
            rest.iter().for_each(|it| visit(&it.1));
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
