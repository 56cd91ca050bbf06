//! The tree of a template.

use super::number::Number;

/// One named template.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) name: String,
    /// The name of the text it was parsed from, for error positions.
    pub(super) parse_name: String,
    pub(super) text: std::sync::Arc<str>,
    pub(super) root: Vec<Node>,
}

impl Tree {
    /// Whether there is nothing in it but space and comments.
    pub(super) fn is_empty(&self) -> bool {
        self.root.iter().all(|it| match it {
            Node::Text(text) => text.trim().is_empty(),
            _ => false,
        })
    }
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Text(String),
    Action(Pipe),
    If { pipe: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    With { pipe: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    Range { pipe: Pipe, body: Vec<Node>, otherwise: Vec<Node> },
    Template { at: usize, name: String, pipe: Option<Pipe> },
    Break,
    Continue,
}

#[derive(Debug, Clone)]
pub(super) struct Pipe {
    pub(super) at: usize,
    pub(super) assign: bool,
    pub(super) variables: Vec<String>,
    pub(super) commands: Vec<Command>,
}

#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) at: usize,
    pub(super) args: Vec<Operand>,
}

#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    /// Value and source text.
    Str(String, String),
    Identifier(String),
    Field(Vec<String>),
    /// Name with `$`, then fields.
    Variable(String, Vec<String>),
    Chain(Box<Operand>, Vec<String>),
    Pipe(Box<Pipe>),
}

// === the text of nodes, for messages ===

impl Pipe {
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        if !self.variables.is_empty() {
            out.push_str(&self.variables.join(", "));
            out.push_str(if self.assign { " = " } else { " := " });
        }
        out.push_str(&self.commands.iter().map(Command::text).collect::<Vec<_>>().join(" | "));
        out
    }
}

impl Command {
    pub(super) fn text(&self) -> String {
        self.args.iter().map(Operand::text_in_command).collect::<Vec<_>>().join(" ")
    }
}

impl Operand {
    pub(super) fn text(&self) -> String {
        let fields = |names: &[String]| names.iter().map(|it| format!(".{it}")).collect::<String>();
        match &self.kind {
            Kind::Dot => ".".to_owned(),
            Kind::Nil => "nil".to_owned(),
            Kind::Bool(it) => it.to_string(),
            Kind::Number(it) => it.text.clone(),
            Kind::Str(_, text) => text.clone(),
            Kind::Identifier(name) => name.clone(),
            Kind::Field(names) => fields(names),
            Kind::Variable(name, names) => format!("{name}{}", fields(names)),
            Kind::Chain(inner, names) => match &inner.kind {
                Kind::Pipe(pipe) => format!("({}){}", pipe.text(), fields(names)),
                _ => format!("{}{}", inner.text(), fields(names)),
            },
            Kind::Pipe(pipe) => pipe.text(),
        }
    }

    fn text_in_command(&self) -> String {
        match &self.kind {
            Kind::Pipe(pipe) => format!("({})", pipe.text()),
            _ => self.text(),
        }
    }
}
