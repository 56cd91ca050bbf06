//! Walks a tree and writes text.

mod call;
mod context;
mod place;

use std::rc::Rc;
use std::sync::Arc;

pub use context::Context;

use super::ast::{Node, Pipe, Tree};
use super::value::Val;
use super::{ErrorKind, Run, Template, TemplateError};
use place::Place;

/// A value and how Go holds it: the elements of maps and lists of `interface {}` are interfaces until a pipeline has
/// taken them out, which only messages show. [`Val::Missing`] is no value at all, [`Val::Nil`] a nil interface.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) value: Val,
    pub(super) boxed: bool,
}

impl Held {
    fn plain(value: Val) -> Self {
        Self { value, boxed: false }
    }

    fn boxed(value: Val) -> Self {
        Self { value, boxed: true }
    }

    fn missing() -> Self {
        Self::plain(Val::Missing)
    }

    /// What is inside an interface.
    fn open(self) -> Self {
        match self.value {
            Val::Nil => Self::missing(),
            value => Self::plain(value),
        }
    }

    fn type_name(&self) -> &'static str {
        if self.boxed || matches!(self.value, Val::Nil) { "interface {}" } else { self.value.type_name() }
    }
}

pub(super) fn execute(template: &Template, name: &str, data: &Val, run: &Run) -> Result<String, TemplateError> {
    let Some(tree) = template.trees.get(name).cloned() else {
        let name = crate::fmt::quote(name);
        let set = crate::fmt::quote(&template.name);
        let message = format!("template: no template {name} associated with template {set}");
        return Err(TemplateError { kind: ErrorKind::Execute, message, line: 0 });
    };
    let mut context = Context::detached(template, run);
    let mut out = String::new();
    State::new(&mut context, &tree, &mut out, data).run()?;
    Ok(out)
}

type Outcome<T> = Result<T, TemplateError>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct State<'s, 'a, 't> {
    context: &'s mut Context<'a>,
    tree: &'t Tree,
    out: &'s mut String,
    variables: Vec<(&'t str, Held)>,
    /// Where messages point to: the node that was reached last.
    at: Place<'t>,
}

impl<'s, 'a, 't> State<'s, 'a, 't> {
    fn new(context: &'s mut Context<'a>, tree: &'t Tree, out: &'s mut String, data: &Val) -> Self {
        // nil data is no value
        let root = Held::plain(data.clone()).open();
        Self { context, tree, out, variables: vec![("$", root)], at: Place::Start }
    }

    fn run(&mut self) -> Outcome<()> {
        let tree: &'t Tree = self.tree;
        let data = self.variables[0].1.clone();
        self.walk(&tree.root, &data).map(|_| ())
    }

    fn fail_kind<T>(&self, kind: ErrorKind, message: &str) -> Outcome<T> {
        let (line, location) = self.at.location(self.tree);
        let name = crate::fmt::quote(&self.tree.name);
        let message = format!("template: {location}: executing {name} at <{}>: {message}", self.at.text());
        Err(TemplateError { kind, message, line })
    }

    fn fail<T>(&self, message: &str) -> Outcome<T> {
        self.fail_kind(ErrorKind::Execute, message)
    }

    fn step(&mut self) -> Outcome<()> {
        match self.context.steps.checked_sub(1) {
            Some(left) => self.context.steps = left,
            None => return self.fail_kind(ErrorKind::Limit, "too many steps"),
        }
        if self.out.len() > self.context.run.limits.output {
            return self.fail_kind(ErrorKind::Limit, "output is too long");
        }
        Ok(())
    }

    fn walk(&mut self, nodes: &'t [Node], dot: &Held) -> Outcome<Flow> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &'t Node, dot: &Held) -> Outcome<Flow> {
        match node {
            Node::Text(text) => {
                self.out.push_str(text);
                self.step()?;
            }
            Node::Action(pipe) => {
                let held = self.pipeline(pipe, dot)?;
                if pipe.variables.is_empty() {
                    held.value.print_to(self.out);
                }
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::If { pipe, then, otherwise } | Node::With { pipe, then, otherwise } => {
                let scope = self.variables.len();
                let held = self.pipeline(pipe, dot)?;
                let flow = if !held.value.truth() {
                    self.walk(otherwise, dot)?
                } else if matches!(node, Node::With { .. }) {
                    self.walk(then, &held)?
                } else {
                    self.walk(then, dot)?
                };
                self.variables.truncate(scope);
                return Ok(flow);
            }
            Node::Range { pipe, body, otherwise } => return self.range(pipe, body, otherwise, dot),
            Node::Template { name, pipe, .. } => self.template(node, name, pipe.as_ref(), dot)?,
        }
        Ok(Flow::On)
    }

    fn template(&mut self, node: &'t Node, name: &str, pipe: Option<&'t Pipe>, dot: &Held) -> Outcome<()> {
        self.at = Place::Node(node);
        let Some(tree): Option<Arc<Tree>> = self.context.template.trees.get(name).cloned() else {
            return self.fail(&format!("template {} not defined", crate::fmt::quote(name)));
        };
        let limit = self.context.run.limits.depth;
        if self.context.depth >= limit {
            return self.fail_kind(ErrorKind::Limit, &format!("exceeded maximum template depth ({limit})"));
        }
        let data = match pipe {
            Some(pipe) => self.pipeline(pipe, dot)?,
            None => Held::missing(),
        };
        self.context.depth += 1;
        let result = State::new(self.context, &tree, self.out, &data.value).run();
        self.context.depth -= 1;
        result
    }

    fn range(&mut self, pipe: &'t Pipe, body: &'t [Node], otherwise: &'t [Node], dot: &Held) -> Outcome<Flow> {
        let scope = self.variables.len();
        let value = self.pipeline(pipe, dot)?.value;
        let mark = self.variables.len();
        let mut ran = false;
        let mut each = |state: &mut Self, index: Held, item: Held| -> Outcome<bool> {
            ran = true;
            state.step()?;
            state.assign_range(pipe, index, &item)?;
            let flow = state.walk(body, &item)?;
            state.variables.truncate(mark);
            Ok(flow == Flow::Break)
        };
        match &value {
            Val::Int(count) | Val::Sized(count, _) => {
                if pipe.variables.len() > 1 {
                    return self.fail(&format!("can't use {count} to iterate over more than one variable"));
                }
                for place in 0..*count {
                    let item = match &value {
                        Val::Sized(_, name) => Val::Sized(place, name),
                        _ => Val::Int(place),
                    };
                    if each(self, Held::missing(), Held::plain(item))? {
                        break;
                    }
                }
            }
            Val::List(items) | Val::Slice(items, _) => {
                let boxed = matches!(value, Val::List(_));
                let items = Rc::clone(items);
                for (place, item) in items.iter().enumerate() {
                    if each(self, Held::plain(Val::Int(place as i64)), Held { value: item.clone(), boxed })? {
                        break;
                    }
                }
            }
            Val::Map(map) | Val::Dict(map, _) => {
                let boxed = matches!(value, Val::Map(_));
                // `set` may change the map while it is walked
                let entries: Vec<(String, Val)> =
                    map.borrow().iter().map(|(key, item)| (key.clone(), item.clone())).collect();
                for (key, item) in entries {
                    if each(self, Held::plain(Val::from(key)), Held { value: item, boxed })? {
                        break;
                    }
                }
            }
            Val::Missing | Val::Nil => {}
            other => return self.fail(&format!("range can't iterate over {}", other.display())),
        }
        let flow = if ran { Flow::On } else { self.walk(otherwise, dot)? };
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn assign_range(&mut self, pipe: &'t Pipe, index: Held, item: &Held) -> Outcome<()> {
        match pipe.variables.as_slice() {
            [] => Ok(()),
            [one] => self.set_variable(one, item.clone()),
            [first, second, ..] => {
                self.set_variable(first, index)?;
                self.set_variable(second, item.clone())
            }
        }
    }

    fn set_variable(&mut self, name: &str, held: Held) -> Outcome<()> {
        match self.variables.iter_mut().rev().find(|it| it.0 == name) {
            Some(slot) => {
                slot.1 = held;
                Ok(())
            }
            None => self.fail(&format!("undefined variable: {name}")),
        }
    }

    fn pipeline(&mut self, pipe: &'t Pipe, dot: &Held) -> Outcome<Held> {
        self.at = Place::Pipe(pipe);
        self.step()?;
        let mut held: Option<Held> = None;
        for command in &pipe.commands {
            held = Some(self.command(command, dot, held)?.open());
        }
        let held = held.unwrap_or_else(Held::missing);
        for name in &pipe.variables {
            if pipe.assign {
                self.set_variable(name, held.clone())?;
            } else {
                self.variables.push((name, held.clone()));
            }
        }
        Ok(held)
    }
}
