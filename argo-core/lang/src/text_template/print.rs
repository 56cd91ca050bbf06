//! A template to text that reads back as the same template. Comments and trimmed space are gone.

use std::fmt::{self, Display, Formatter};

use super::Template;
use super::ast::{Node, Pipe};
use crate::fmt::quote;

/// The text of its own name, and before it a `define` for every other one.
impl Display for Template {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        for (name, tree) in self.trees.iter().filter(|it| *it.0 != self.name) {
            action(&mut out, &format!("define {}", quote(name)));
            nodes(&mut out, &tree.root);
            action(&mut out, "end");
        }
        if let Some(tree) = self.trees.get(&self.name) {
            nodes(&mut out, &tree.root);
        }
        f.write_str(&out)
    }
}

fn action(out: &mut String, text: &str) {
    // a brace before the delimiter would become part of it
    out.push_str(if out.ends_with('{') { " {{- " } else { "{{" });
    out.push_str(text);
    out.push_str("}}");
}

fn nodes(out: &mut String, list: &[Node]) {
    for it in list {
        node(out, it);
    }
}

fn branch(out: &mut String, word: &str, pipe: &Pipe, body: &[Node], otherwise: &[Node]) {
    action(out, &format!("{word} {}", pipe.text()));
    nodes(out, body);
    if !otherwise.is_empty() {
        action(out, "else");
        nodes(out, otherwise);
    }
    action(out, "end");
}

fn node(out: &mut String, node: &Node) {
    match node {
        Node::Text(text) => out.push_str(text),
        Node::Action(pipe) => action(out, &pipe.text()),
        Node::If { pipe, then, otherwise } => branch(out, "if", pipe, then, otherwise),
        Node::With { pipe, then, otherwise } => branch(out, "with", pipe, then, otherwise),
        Node::Range { pipe, body, otherwise } => branch(out, "range", pipe, body, otherwise),
        Node::Template { name, pipe, .. } => match pipe {
            Some(pipe) => action(out, &format!("template {} {}", quote(name), pipe.text())),
            None => action(out, &format!("template {}", quote(name))),
        },
        Node::Break => action(out, "break"),
        Node::Continue => action(out, "continue"),
    }
}
