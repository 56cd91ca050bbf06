//! JSON documents whose strings are templates.

use serde_json::{Map, Value};

use super::pass::Pass;
use super::template::{Segment, Template};
use super::{Render, Scope, TagError};

/// A JSON document whose strings are templates.
#[derive(Debug, Clone)]
pub struct Document {
    root: Node,
}

#[derive(Debug, Clone)]
enum Node {
    /// Nothing in it has a tag.
    Plain(Value),
    Text(Template),
    List(Vec<Node>),
    Map(Vec<(Template, Node)>),
}

impl Document {
    /// Compiles a document.
    #[must_use]
    pub fn compile(value: &Value) -> Self {
        Self { root: compile(value) }
    }

    /// Whether there is no tag in it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self.root, Node::Plain(_))
    }

    /// The names of all plain tags in it, sorted, each once.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        fn collect(node: &Node, out: &mut Vec<String>) {
            match node {
                Node::Plain(_) => {}
                Node::Text(template) => out.extend(template.tags()),
                Node::List(items) => items.iter().for_each(|it| collect(it, out)),
                Node::Map(entries) => {
                    for (key, node) in entries {
                        out.extend(key.tags());
                        collect(node, out);
                    }
                }
            }
        }
        let mut out = Vec::new();
        collect(&self.root, &mut out);
        out.sort();
        out.dedup();
        out
    }

    /// Renders with a scope. Strings stay strings.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render(&self, scope: &dyn Scope, how: &Render) -> Result<Value, TagError> {
        let mut pass = Pass { scope, how, env: None };
        render(&self.root, &mut pass)
    }
}

fn compile(value: &Value) -> Node {
    match value {
        Value::String(text) if text.contains("{{") => {
            let template = Template::parse(text);
            if template.is_plain() { Node::Plain(value.clone()) } else { Node::Text(template) }
        }
        Value::Array(items) => {
            let nodes: Vec<Node> = items.iter().map(compile).collect();
            if nodes.iter().all(|it| matches!(it, Node::Plain(_))) {
                Node::Plain(value.clone())
            } else {
                Node::List(nodes)
            }
        }
        Value::Object(map) => {
            let nodes: Vec<(Template, Node)> =
                map.iter().map(|(key, it)| (Template::parse(key), compile(it))).collect();
            if nodes.iter().all(|(key, it)| key.is_plain() && matches!(it, Node::Plain(_))) {
                Node::Plain(value.clone())
            } else {
                Node::Map(nodes)
            }
        }
        _ => Node::Plain(value.clone()),
    }
}

fn render(node: &Node, pass: &mut Pass<'_>) -> Result<Value, TagError> {
    Ok(match node {
        Node::Plain(value) => value.clone(),
        Node::Text(template) => {
            let mut out = String::new();
            pass.segments(&template.segments, &mut out)?;
            Value::String(out)
        }
        Node::List(items) => Value::Array(items.iter().map(|it| render(it, pass)).collect::<Result<_, _>>()?),
        Node::Map(entries) => {
            let mut map = Map::new();
            for (key, node) in entries {
                let mut name = String::new();
                pass.segments(&key.segments, &mut name)?;
                map.insert(name, render(node, pass)?);
            }
            Value::Object(map)
        }
    })
}

impl Document {
    pub(super) fn has_expressions(&self) -> bool {
        fn any(segments: &[Segment]) -> bool {
            segments.iter().any(|it| match it {
                Segment::Text(_) => false,
                Segment::Expression(_) => true,
                Segment::Tag(inside) => any(inside),
            })
        }
        fn walk(node: &Node) -> bool {
            match node {
                Node::Plain(_) => false,
                Node::Text(template) => any(&template.segments),
                Node::List(items) => items.iter().any(walk),
                Node::Map(entries) => entries.iter().any(|(key, node)| any(&key.segments) || walk(node)),
            }
        }
        walk(&self.root)
    }
}
