//! Walks a tree and writes text.

mod call;

use std::sync::Arc;

use jiff::Timestamp;

use super::ast::{Node, Pipe, Tree};
use super::lex::line_of;
use super::value::Val;
use super::{ErrorKind, Run, Template, TemplateError};
use crate::random::Random;

/// What a function sees of the execution it is called in.
#[derive(Debug)]
pub struct Context<'a> {
    template: &'a Template,
    /// Texts added by `tpl`.
    run: &'a Run,
    random: Option<Random>,
    steps: usize,
    depth: usize,
    /// The kind of the error a function is about to return, when it is not a plain failure.
    kind: Option<ErrorKind>,
    /// An error of a template executed by a function: it keeps its own text.
    inner: Option<TemplateError>,
}

impl<'a> Context<'a> {
    /// A context outside any template.
    pub(in crate::text_template) fn detached(template: &'a Template, run: &'a Run) -> Self {
        Self {
            template,
            run,
            random: run.seed.map(Random::new),
            steps: run.limits.steps,
            depth: 0,
            kind: None,
            inner: None,
        }
    }

    /// The time of the run.
    ///
    /// # Errors
    /// The run has none.
    pub fn now(&self) -> Result<Timestamp, String> {
        self.run.now.ok_or_else(|| "the time is not available here".to_owned())
    }

    /// The next random number below a limit.
    ///
    /// # Errors
    /// The run has no seed.
    pub fn random_below(&mut self, limit: u64) -> Result<u64, String> {
        self.random.as_mut().map(|it| it.below(limit)).ok_or_else(|| "randomness is not available here".to_owned())
    }

    /// Executes another template of the set, as `include` does.
    ///
    /// # Errors
    /// The template failed or does not exist.
    pub fn execute(&mut self, name: &str, data: &Val) -> Result<String, String> {
        let Some(tree) = self.template.trees.get(name).cloned() else {
            return Err(format!("template: no template {name:?} associated with template {:?}", self.template.name));
        };
        self.tree(&tree, data)
    }

    /// Parses a text and executes it with all templates of the set, as `tpl` does.
    ///
    /// # Errors
    /// The text is no template or failed.
    pub fn execute_text(&mut self, name: &str, text: &str, data: &Val) -> Result<String, String> {
        let mut template = self.template.clone();
        template.insert(name, text).map_err(|error| error.to_string())?;
        let Some(tree) = template.trees.get(name).cloned() else { return Ok(String::new()) };
        let mut context = Context {
            template: &template,
            run: self.run,
            random: self.random.clone(),
            steps: self.steps,
            depth: self.depth,
            kind: None,
            inner: None,
        };
        let result = context.tree(&tree, data);
        self.steps = context.steps;
        self.kind = context.kind.take();
        self.inner = context.inner.take();
        let random = context.random.take();
        self.random = random;
        result
    }

    /// Marks the error being returned as deliberate (`fail`, `required`).
    pub fn mark_failed(&mut self) {
        self.kind = Some(ErrorKind::Failed);
    }

    fn tree(&mut self, tree: &Arc<Tree>, data: &Val) -> Result<String, String> {
        let mut state = State {
            context: self,
            tree: Arc::clone(tree),
            out: String::new(),
            variables: vec![("$".to_owned(), data.clone())],
        };
        match state.run(data) {
            Ok(()) => Ok(state.out),
            Err(error) => {
                let text = error.to_string();
                self.kind = Some(error.kind);
                self.inner = Some(error);
                Err(text)
            }
        }
    }
}

pub(in crate::text_template) fn execute(
    template: &Template,
    name: &str,
    data: &Val,
    run: &Run,
) -> Result<String, TemplateError> {
    let Some(tree) = template.trees.get(name).cloned() else {
        let message = format!("template: no template {name:?} associated with template {:?}", template.name);
        return Err(TemplateError { kind: ErrorKind::Execute, message, line: 0 });
    };
    let mut context = Context {
        template,
        run,
        random: run.seed.map(Random::new),
        steps: run.limits.steps,
        depth: 0,
        kind: None,
        inner: None,
    };
    let mut state =
        State { context: &mut context, tree, out: String::new(), variables: vec![("$".to_owned(), data.clone())] };
    state.run(data)?;
    Ok(state.out)
}

struct State<'s, 'a> {
    context: &'s mut Context<'a>,
    tree: Arc<Tree>,
    out: String,
    variables: Vec<(String, Val)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

/// Where an error happened: offset and text of the node.
struct At<'n> {
    offset: usize,
    text: &'n dyn Fn() -> String,
}

type Outcome<T> = Result<T, TemplateError>;

impl State<'_, '_> {
    fn run(&mut self, data: &Val) -> Outcome<()> {
        let tree = Arc::clone(&self.tree);
        self.walk(&tree.root, data).map(|_| ())
    }

    fn fail_kind<T>(&self, at: &At<'_>, kind: ErrorKind, message: &str) -> Outcome<T> {
        let text = &self.tree.text;
        let before = text.get(..at.offset).unwrap_or(text);
        let column = before.len() - before.rfind('\n').map_or(0, |it| it + 1);
        let line = line_of(text, at.offset);
        let context = (at.text)();
        let message = format!(
            "template: {}:{line}:{column}: executing {} at <{context}>: {message}",
            self.tree.parse_name,
            crate::fmt::quote(&self.tree.name)
        );
        Err(TemplateError { kind, message, line })
    }

    fn fail<T>(&self, at: &At<'_>, message: &str) -> Outcome<T> {
        self.fail_kind(at, ErrorKind::Execute, message)
    }

    fn step(&mut self, offset: usize) -> Outcome<()> {
        match self.context.steps.checked_sub(1) {
            Some(left) => self.context.steps = left,
            None => {
                return self.fail_kind(&At { offset, text: &|| "...".to_owned() }, ErrorKind::Limit, "too many steps");
            }
        }
        if self.out.len() > self.context.run.limits.output {
            return self.fail_kind(&At { offset, text: &|| "...".to_owned() }, ErrorKind::Limit, "output is too long");
        }
        Ok(())
    }

    fn walk(&mut self, nodes: &[Node], dot: &Val) -> Outcome<Flow> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Val) -> Outcome<Flow> {
        match node {
            Node::Text(text) => {
                self.out.push_str(text);
                self.step(0)?;
            }
            Node::Action(pipe) => {
                let value = self.pipeline(pipe, dot)?;
                if pipe.variables.is_empty() {
                    self.out.push_str(&value.print());
                }
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::If { pipe, then, otherwise } | Node::With { pipe, then, otherwise } => {
                let scope = self.variables.len();
                let value = self.pipeline(pipe, dot)?;
                let with = matches!(node, Node::With { .. });
                let flow = if value.truth() {
                    let inner = if with { value } else { dot.clone() };
                    self.walk(then, &inner)?
                } else {
                    self.walk(otherwise, dot)?
                };
                self.variables.truncate(scope);
                return Ok(flow);
            }
            Node::Range { pipe, body, otherwise } => return self.range(pipe, body, otherwise, dot),
            Node::Template { at, name, pipe } => {
                let at = At {
                    offset: *at,
                    text: &|| {
                        let shown = crate::fmt::quote(name);
                        pipe.as_ref().map_or_else(
                            || format!("{{{{template {shown}}}}}"),
                            |pipe| format!("{{{{template {shown} {}}}}}", pipe.text()),
                        )
                    },
                };
                let Some(tree) = self.context.template.trees.get(name).cloned() else {
                    return self.fail(&at, &format!("template {} not defined", crate::fmt::quote(name)));
                };
                if self.context.depth >= self.context.run.limits.depth {
                    let message = format!("exceeded maximum template depth ({})", self.context.run.limits.depth);
                    return self.fail_kind(&at, ErrorKind::Limit, &message);
                }
                let data = match pipe {
                    Some(pipe) => self.pipeline(pipe, dot)?,
                    None => Val::Nil,
                };
                self.context.depth += 1;
                let outer_tree = std::mem::replace(&mut self.tree, tree);
                let outer_variables = std::mem::replace(&mut self.variables, vec![("$".to_owned(), data.clone())]);
                self.run(&data)?;
                self.tree = outer_tree;
                self.variables = outer_variables;
                self.context.depth -= 1;
            }
        }
        Ok(Flow::On)
    }

    fn range(&mut self, pipe: &Pipe, body: &[Node], otherwise: &[Node], dot: &Val) -> Outcome<Flow> {
        let scope = self.variables.len();
        // the variables are set for every element, not by the pipeline itself
        let value = self.value_of(pipe, dot)?;
        let assign = pipe.assign;
        if !assign {
            for name in &pipe.variables {
                self.variables.push((name.clone(), Val::Nil));
            }
        }
        let mark = self.variables.len();
        let items: Vec<(Val, Val)> = match &value {
            Val::List(items) => {
                items.iter().enumerate().map(|(place, item)| (Val::Int(place as i64), item.clone())).collect()
            }
            Val::Map(map) => map.borrow().iter().map(|(key, item)| (Val::str(key), item.clone())).collect(),
            Val::Int(count) => {
                if *count > self.context.steps as i64 {
                    return self.fail_kind(
                        &At { offset: pipe.at, text: &|| pipe.text() },
                        ErrorKind::Limit,
                        "too many steps",
                    );
                }
                (0..*count).map(|it| (Val::Int(it), Val::Int(it))).collect()
            }
            Val::Missing | Val::Nil => Vec::new(),
            other => {
                let at = At { offset: pipe.at, text: &|| pipe.text() };
                return self.fail(&at, &format!("range can't iterate over {}", other.display()));
            }
        };
        let empty = items.is_empty();
        let is_int = matches!(value, Val::Int(_));
        for (key, item) in items {
            self.step(pipe.at)?;
            match pipe.variables.as_slice() {
                [one] => self.set_variable(one, if is_int { key.clone() } else { item.clone() }),
                [first, second] => {
                    self.set_variable(first, key.clone());
                    self.set_variable(second, item.clone());
                }
                _ => {}
            }
            let flow = self.walk(body, &item)?;
            self.variables.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        let flow = if empty { self.walk(otherwise, dot)? } else { Flow::On };
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn set_variable(&mut self, name: &str, value: Val) {
        if let Some(slot) = self.variables.iter_mut().rev().find(|it| it.0 == name) {
            slot.1 = value;
        }
    }

    fn pipeline(&mut self, pipe: &Pipe, dot: &Val) -> Outcome<Val> {
        let value = self.value_of(pipe, dot)?;
        for name in &pipe.variables {
            if pipe.assign {
                self.set_variable(name, value.clone());
            } else {
                self.variables.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    fn value_of(&mut self, pipe: &Pipe, dot: &Val) -> Outcome<Val> {
        self.step(pipe.at)?;
        let mut value: Option<Val> = None;
        for command in &pipe.commands {
            value = Some(self.command(command, dot, value)?);
        }
        Ok(value.unwrap_or(Val::Nil))
    }
}
