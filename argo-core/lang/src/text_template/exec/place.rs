//! Where a message points to.

use crate::text_template::ast::{Command, Node, Operand, Pipe, Tree};
use crate::text_template::lex::line_of;

/// The node that was reached last.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'t> {
    /// None yet.
    Start,
    Node(&'t Node),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Operand(&'t Operand),
}

impl Place<'_> {
    fn offset(&self) -> usize {
        match self {
            Self::Node(Node::Template { at, .. }) => *at,
            Self::Start | Self::Node(_) => 0,
            Self::Pipe(it) => it.at,
            Self::Command(it) => it.at,
            Self::Operand(it) => it.at,
        }
    }

    /// The line, and `name:line:column`.
    pub(super) fn location(&self, tree: &Tree) -> (usize, String) {
        let text = &tree.text;
        let offset = self.offset();
        let before = text.get(..offset).unwrap_or(text);
        let column = before.len() - before.rfind('\n').map_or(0, |it| it + 1);
        let line = line_of(text, offset);
        (line, format!("{}:{line}:{column}", tree.parse_name))
    }

    /// The node's own text.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Node(Node::Template { name, pipe, .. }) => {
                let name = crate::fmt::quote(name);
                match pipe {
                    Some(pipe) => format!("{{{{template {name} {}}}}}", pipe.text()),
                    None => format!("{{{{template {name}}}}}"),
                }
            }
            Self::Start | Self::Node(_) => "...".to_owned(),
            Self::Pipe(it) => it.text(),
            Self::Command(it) => it.text(),
            Self::Operand(it) => it.text(),
        }
    }
}
