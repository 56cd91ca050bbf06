//! The tree to text that reads back as the same tree, with as few parentheses as that takes.

use std::fmt::{self, Display, Formatter, Write as _};

use serde_json::Value;

use super::Program;
use super::ast::{Binary, Kind, Node, Unary};
use super::lex::{is_identifier, is_keyword};
use super::parse::power;
use crate::{fmt::quote, gofloat};

/// The expression in one form of the several that mean the same: no comments, calls for pipes, `?:` for `if`, quoted
/// strings, parentheses only where they are needed.
impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        sequence(&self.root, f)
    }
}

/// How strongly what stands behind a node must bind to be taken by it, and by nothing inside.
const TIGHT: u16 = u16::MAX;
/// How strongly `not` and `!` bind, and `-` and `+`.
const NOT: u16 = 50;
const SIGN: u16 = 90;

fn prefix(op: Unary) -> u16 {
    if matches!(op, Unary::Not | Unary::NotWord) { NOT } else { SIGN }
}

/// `a not in b`, which is the same as `not (a in b)`.
fn negated(node: &Node) -> Option<(Binary, &Node, &Node)> {
    let Kind::Unary(Unary::NotWord, inner) = &node.kind else { return None };
    match &inner.kind {
        Kind::Binary(op, left, right)
            if matches!(
                op,
                Binary::In | Binary::Matches | Binary::Contains | Binary::StartsWith | Binary::EndsWith
            ) =>
        {
            Some((*op, left, right))
        }
        _ => None,
    }
}

/// How strongly the loosest operator of a node binds that stands outside of parentheses.
fn level(node: &Node) -> u16 {
    if let Some((op, ..)) = negated(node) {
        return power(op).0;
    }
    match &node.kind {
        Kind::Binary(op, ..) => power(*op).0,
        Kind::Comparison(..) => power(Binary::Less).0,
        Kind::Conditional(..) | Kind::Let { .. } | Kind::Sequence(_) => 0,
        _ => TIGHT,
    }
}

fn left_needs(op: Binary, left: &Node) -> bool {
    let (power, right_first) = power(op);
    let level = level(left);
    level < power
        || right_first && level == power
        // would take the operator for itself
        || edge(left) <= power
        // upstream refuses to guess
        || op != Binary::Coalesce && matches!(left.kind, Kind::Binary(Binary::Coalesce, ..))
        || op.is_comparison() && matches!(left.kind, Kind::Comparison(..))
}

fn right_needs(op: Binary, right: &Node) -> bool {
    let (power, right_first) = power(op);
    level(right) < power || !right_first && level(right) == power
}

/// The loosest prefix operator at the right end of a node, which takes operators that bind as strongly or more.
fn edge(node: &Node) -> u16 {
    if let Some((op, _, right)) = negated(node) {
        return if right_needs(op, right) { TIGHT } else { edge(right) };
    }
    match &node.kind {
        Kind::Unary(op, inner) => {
            let power = prefix(*op);
            if level(inner) < power { power } else { power.min(edge(inner)) }
        }
        Kind::Binary(op, _, right) if !right_needs(*op, right) => edge(right),
        Kind::Comparison(_, rest) => match rest.last() {
            Some((op, _, right)) if !right_needs(*op, right) => edge(right),
            _ => TIGHT,
        },
        _ => TIGHT,
    }
}

/// Whether a declaration at the end would take what follows a semicolon.
fn declares_at_end(node: &Node) -> bool {
    match &node.kind {
        Kind::Let { .. } => true,
        Kind::Conditional(_, _, no) => declares_at_end(no),
        _ => false,
    }
}

/// Where several expressions may stand.
fn sequence(node: &Node, f: &mut Formatter<'_>) -> fmt::Result {
    let Kind::Sequence(items) = &node.kind else { return expression(node, f) };
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            f.write_str("; ")?;
        }
        nested(item, place + 1 < items.len() && declares_at_end(item), f)?;
    }
    Ok(())
}

/// Where one expression may stand.
fn expression(node: &Node, f: &mut Formatter<'_>) -> fmt::Result {
    nested(node, matches!(node.kind, Kind::Sequence(_)), f)
}

fn nested(node: &Node, parentheses: bool, f: &mut Formatter<'_>) -> fmt::Result {
    if !parentheses && !matches!(node.kind, Kind::Sequence(_)) {
        return write_node(node, f);
    }
    f.write_char('(')?;
    sequence(node, f)?;
    f.write_char(')')
}

fn list(items: &[Node], f: &mut Formatter<'_>) -> fmt::Result {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            f.write_str(", ")?;
        }
        expression(item, f)?;
    }
    Ok(())
}

fn write_node(node: &Node, f: &mut Formatter<'_>) -> fmt::Result {
    if let Some((op, left, right)) = negated(node) {
        nested(left, left_needs(op, left), f)?;
        write!(f, " not {} ", op.text())?;
        return nested(right, right_needs(op, right), f);
    }
    match &node.kind {
        Kind::Constant(value) => constant(value, f),
        Kind::Bytes(bytes) => quoted_bytes(bytes, f),
        Kind::Name(name) => f.write_str(name),
        Kind::Pointer(name) => write!(f, "#{name}"),
        Kind::Unary(op, inner) => {
            f.write_str(op.text())?;
            if *op == Unary::NotWord {
                f.write_char(' ')?;
            }
            nested(inner, level(inner) < prefix(*op), f)
        }
        Kind::Binary(..) => binary(node, f),
        Kind::Comparison(first, rest) => {
            nested(first, left_needs(Binary::Less, first), f)?;
            let count = rest.len();
            for (place, (op, _, right)) in rest.iter().enumerate() {
                write!(f, " {} ", op.text())?;
                let taken = place + 1 < count && edge(right) <= power(*op).0;
                nested(right, right_needs(*op, right) || taken, f)?;
            }
            Ok(())
        }
        Kind::Conditional(when, yes, no) => {
            nested(when, level(when) == 0, f)?;
            match yes {
                Some(yes) => {
                    f.write_str(" ? ")?;
                    expression(yes, f)?;
                    f.write_str(" : ")?;
                }
                None => f.write_str(" ?: ")?,
            }
            expression(no, f)
        }
        Kind::Let { name, value, body } => {
            write!(f, "let {name} = ")?;
            nested(value, declares_at_end(value), f)?;
            f.write_str("; ")?;
            sequence(body, f)
        }
        Kind::Sequence(_) => nested(node, true, f),
        Kind::Closure(body) => closure(body, f),
        Kind::Array(items) => {
            f.write_char('[')?;
            list(items, f)?;
            f.write_char(']')
        }
        Kind::Map(pairs) => map(pairs, f),
        Kind::Call { name, args, marked, .. } => call(name, args, *marked, f),
        Kind::Predicate { name, args, body, marked } => {
            write!(f, "{}{name}(", if *marked { "::" } else { "" })?;
            let (first, rest) = args.split_at(args.len().min(1));
            list(first, f)?;
            if let Some(body) = body {
                f.write_str(", ")?;
                write_node(body, f)?;
            }
            for it in rest {
                f.write_str(", ")?;
                expression(it, f)?;
            }
            f.write_char(')')
        }
        Kind::Chain(inner) => write_node(inner, f),
        Kind::Member { of, key, optional } => {
            base(of, f)?;
            let mark = if *optional { "?." } else { "" };
            match &key.kind {
                // behind a chain a name would become part of it
                Kind::Constant(Value::String(name)) if is_identifier(name) && !matches!(of.kind, Kind::Chain(_)) => {
                    write!(f, "{}{name}", if *optional { mark } else { "." })
                }
                _ => {
                    write!(f, "{mark}[")?;
                    expression(key, f)?;
                    f.write_char(']')
                }
            }
        }
        Kind::Method { of, name, args, optional } => {
            base(of, f)?;
            write!(f, "{}{name}(", if *optional { "?." } else { "." })?;
            list(args, f)?;
            f.write_char(')')
        }
        Kind::Slice { of, from, to } => {
            base(of, f)?;
            f.write_char('[')?;
            if let Some(from) = from {
                expression(from, f)?;
            }
            f.write_char(':')?;
            if let Some(to) = to {
                // three colons would be read otherwise
                f.write_str(if begins_with_colons(to) { " " } else { "" })?;
                expression(to, f)?;
            }
            f.write_char(']')
        }
    }
}

/// Operators that nest to the left, from the inside out: there may be more of them than a stack has room for.
fn binary(node: &Node, f: &mut Formatter<'_>) -> fmt::Result {
    let mut spine = Vec::new();
    let mut at = node;
    while let Kind::Binary(op, left, right) = &at.kind {
        spine.push((*op, right));
        at = left;
        if left_needs(*op, left) {
            break;
        }
    }
    let innermost = spine.last().map_or(Binary::Or, |it| it.0);
    nested(at, left_needs(innermost, at), f)?;
    for (op, right) in spine.into_iter().rev() {
        match op {
            Binary::Range => f.write_str("..")?,
            op => write!(f, " {} ", op.text())?,
        }
        nested(right, right_needs(op, right), f)?;
    }
    Ok(())
}

/// What a member, method, index or slice is taken of.
fn base(of: &Node, f: &mut Formatter<'_>) -> fmt::Result {
    let bare = match &of.kind {
        Kind::Constant(value) => value.is_string(),
        Kind::Unary(..)
        | Kind::Binary(..)
        | Kind::Comparison(..)
        | Kind::Conditional(..)
        | Kind::Let { .. }
        | Kind::Sequence(_)
        | Kind::Closure(_) => false,
        _ => true,
    };
    nested(of, !bare, f)
}

fn begins_with_colons(node: &Node) -> bool {
    match &node.kind {
        Kind::Call { marked, .. } | Kind::Predicate { marked, .. } => *marked,
        Kind::Binary(_, first, _)
        | Kind::Comparison(first, _)
        | Kind::Conditional(first, ..)
        | Kind::Chain(first)
        | Kind::Member { of: first, .. }
        | Kind::Method { of: first, .. }
        | Kind::Slice { of: first, .. } => begins_with_colons(first),
        Kind::Unary(..) => negated(node).is_some_and(|it| begins_with_colons(it.1)),
        _ => false,
    }
}

/// A body that begins with a brace would be taken for one in braces.
fn closure(body: &Node, f: &mut Formatter<'_>) -> fmt::Result {
    if !matches!(body.kind, Kind::Sequence(_)) && !begins_with_brace(body) {
        return write_node(body, f);
    }
    f.write_str("{ ")?;
    sequence(body, f)?;
    f.write_str(" }")
}

fn begins_with_brace(node: &Node) -> bool {
    match &node.kind {
        Kind::Map(_) => true,
        Kind::Binary(_, first, _)
        | Kind::Comparison(first, _)
        | Kind::Conditional(first, ..)
        | Kind::Chain(first)
        | Kind::Member { of: first, .. }
        | Kind::Method { of: first, .. }
        | Kind::Slice { of: first, .. } => begins_with_brace(first),
        Kind::Unary(..) => negated(node).is_some_and(|it| begins_with_brace(it.1)),
        _ => false,
    }
}

fn call(name: &str, args: &[Node], marked: bool, f: &mut Formatter<'_>) -> fmt::Result {
    let constant = matches!(name, "true" | "false" | "nil") && !marked;
    let args = match args.split_first() {
        // only behind a pipe is such a name one of a function
        Some((piped, rest)) if constant => {
            f.write_char('(')?;
            nested(piped, level(piped) == 0, f)?;
            f.write_str(" | ")?;
            rest
        }
        _ => args,
    };
    write!(f, "{}{name}(", if marked { "::" } else { "" })?;
    list(args, f)?;
    f.write_str(if constant { "))" } else { ")" })
}

fn map(pairs: &[(Node, Node)], f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('{')?;
    for (place, (key, value)) in pairs.iter().enumerate() {
        if place > 0 {
            f.write_str(", ")?;
        }
        match &key.kind {
            Kind::Constant(Value::String(name)) if is_identifier(name) && !is_keyword(name) => f.write_str(name)?,
            Kind::Constant(Value::String(name)) => f.write_str(&quote(name))?,
            _ => nested(key, true, f)?,
        }
        f.write_str(": ")?;
        expression(value, f)?;
    }
    f.write_char('}')
}

fn constant(value: &Value, f: &mut Formatter<'_>) -> fmt::Result {
    match value {
        Value::Null => f.write_str("nil"),
        Value::String(text) => f.write_str(&quote(text)),
        Value::Number(number) if number.is_f64() => {
            let text = gofloat::format_g(number.as_f64().unwrap_or_default(), None);
            // without a point it would be an integer
            f.write_str(&text)?;
            f.write_str(if text.contains(['.', 'e']) { "" } else { ".0" })
        }
        other => write!(f, "{other}"),
    }
}

fn quoted_bytes(bytes: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("b\"")?;
    for it in bytes {
        match it {
            b'"' | b'\\' => write!(f, "\\{}", char::from(*it))?,
            b' '..=b'~' => f.write_char(char::from(*it))?,
            _ => write!(f, "\\x{it:02x}")?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests;
