//! Nodes to text that reads back as the same nodes.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{JsonPath, Node};

/// The template, in one form of the several that mean the same: `['a.b']` becomes `.a\\.b`, literals are quoted.
impl Display for JsonPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut bare = false;
        for node in &self.nodes {
            // text outside braces may hold anything but an opening one; two such texts would become one
            bare = matches!(node, Node::Text(text) if !bare && !text.contains('{') && !text.is_empty());
            match node {
                Node::Text(text) if bare => f.write_str(text)?,
                Node::Text(text) => {
                    f.write_char('{')?;
                    quoted(text, f)?;
                    f.write_char('}')?;
                }
                // `{range .a}` are two nodes in one pair of braces, and as well in two
                Node::Range => f.write_str("{range}")?,
                Node::End => f.write_str("{end}")?,
                Node::List(path) => {
                    f.write_char('{')?;
                    steps(path, f)?;
                    f.write_char('}')?;
                }
                other => step(other, f)?,
            }
        }
        Ok(())
    }
}

fn quoted(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for it in text.chars() {
        match it {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            it => f.write_char(it)?,
        }
    }
    f.write_char('"')
}

fn steps(path: &[Node], f: &mut Formatter<'_>) -> fmt::Result {
    for (place, it) in path.iter().enumerate() {
        // digits and dots after a number would belong to it
        if place > 0 && matches!(path[place - 1], Node::Int(_) | Node::Float(_)) {
            f.write_char(' ')?;
        }
        step(it, f)?;
    }
    Ok(())
}

fn subscript(node: &Node, f: &mut Formatter<'_>) -> fmt::Result {
    match node {
        Node::Field(name) => quoted(name, f),
        Node::Index(place) => write!(f, "{place}"),
        Node::Slice(from, to, step) => {
            for (place, bound) in [from, to, step].into_iter().enumerate() {
                if place == 1 || (place == 2 && bound.is_some()) {
                    f.write_char(':')?;
                }
                if let Some(bound) = bound {
                    write!(f, "{bound}")?;
                }
            }
            Ok(())
        }
        other => step(other, f),
    }
}

fn step(node: &Node, f: &mut Formatter<'_>) -> fmt::Result {
    match node {
        Node::Text(text) => quoted(text, f),
        Node::List(path) => steps(path, f),
        Node::Identifier(it) => f.write_char(*it),
        Node::Field(name) if name.is_empty() => f.write_str("[\"\"]"),
        Node::Field(name) => {
            f.write_char('.')?;
            for it in name.chars() {
                if !(it.is_alphanumeric() || matches!(it, '_' | '-')) {
                    f.write_char('\\')?;
                }
                f.write_char(it)?;
            }
            Ok(())
        }
        Node::Slice(..) | Node::Index(_) => {
            f.write_char('[')?;
            subscript(node, f)?;
            f.write_char(']')
        }
        Node::Filter(left, operator, right) => {
            f.write_str("[?(")?;
            step(left, f)?;
            if operator != "exists" {
                write!(f, " {operator} ")?;
                step(right, f)?;
            }
            f.write_str(")]")
        }
        Node::Int(it) => write!(f, "{it}"),
        // a number too large for a float64 is infinite
        Node::Float(it) if it.is_infinite() => {
            write!(f, "{}{}", if *it < 0.0 { "-" } else { "" }, "9".repeat(310))
        }
        Node::Float(it) if it.fract() == 0.0 => write!(f, "{it}.0"),
        Node::Float(it) => write!(f, "{it}"),
        Node::Bool(it) => write!(f, "{it}"),
        Node::Wildcard => f.write_str(".*"),
        Node::Recursive => f.write_str(".."),
        Node::Union(paths) => {
            f.write_char('[')?;
            for (place, path) in paths.iter().enumerate() {
                if place > 0 {
                    f.write_char(',')?;
                }
                match path {
                    Node::List(path) => path.iter().try_for_each(|it| subscript(it, f))?,
                    other => subscript(other, f)?,
                }
            }
            f.write_char(']')
        }
        Node::Range => f.write_str("range"),
        Node::End => f.write_str("end"),
    }
}
