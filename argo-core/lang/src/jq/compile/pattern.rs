//! Bindings and destructuring: every variable becomes an entry of the environment.

use serde_json::Value;

use super::super::ast::{Ast, Key, Kind as A, Pattern};
use super::super::ir::{Kind, Node};
use super::{Compiler, Made};

/// One entry: what it takes from an earlier one.
struct Step<'p> {
    /// The place in the list of steps, or the root.
    from: Option<usize>,
    take: Take<'p>,
    name: Option<&'p str>,
}

enum Take<'p> {
    Same,
    Item(usize),
    Key(&'p Key),
}

fn flatten<'p>(pattern: &'p Pattern, from: Option<usize>, steps: &mut Vec<Step<'p>>) {
    match pattern {
        Pattern::Var(name) => steps.push(Step { from, take: Take::Same, name: Some(name) }),
        Pattern::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                inner(item, from, Take::Item(place), steps);
            }
        }
        Pattern::Object(entries) => {
            for (key, value) in entries {
                match (key, value) {
                    (Key::Var(name), value) => {
                        steps.push(Step { from, take: Take::Key(key), name: Some(name) });
                        let own = steps.len() - 1;
                        if let Some(value) = value {
                            flatten(value, Some(own), steps);
                        }
                    }
                    (_, Some(value)) => inner(value, from, Take::Key(key), steps),
                    (_, None) => {}
                }
            }
        }
    }
}

fn inner<'p>(pattern: &'p Pattern, from: Option<usize>, take: Take<'p>, steps: &mut Vec<Step<'p>>) {
    if let Pattern::Var(name) = pattern {
        steps.push(Step { from, take, name: Some(name) });
        return;
    }
    steps.push(Step { from, take, name: None });
    let own = steps.len() - 1;
    flatten(pattern, Some(own), steps);
}

impl Compiler<'_> {
    /// Takes the value in `root` apart, around what `then` gives.
    fn destructure(&mut self, pattern: &Pattern, root: usize, then: &mut dyn FnMut(&mut Self) -> Made) -> Made {
        let mut steps = Vec::new();
        flatten(pattern, None, &mut steps);
        let mut slots = Vec::with_capacity(steps.len());
        let mut sources = Vec::with_capacity(steps.len());
        for step in &steps {
            let from = step.from.map_or(root, |it| slots[it]);
            let base = Box::new(self.var(from));
            sources.push(match &step.take {
                Take::Same => *base,
                Take::Item(place) => Node::new(Kind::Item(base, i64::try_from(*place).unwrap_or(i64::MAX))),
                Take::Key(Key::Name(name) | Key::Var(name)) => Node::new(Kind::Field(base, name.clone())),
                Take::Key(Key::Str(key) | Key::Query(key)) => {
                    let key = self.scoped(key)?;
                    let key = Node::boxed(Kind::Pipe(Box::new(self.var(from)), Box::new(key)));
                    Node::new(Kind::Index(base, key))
                }
            });
            slots.push(match step.name {
                Some(name) => self.push_var(name),
                None => self.push_slot(),
            });
        }
        let mut made = then(self)?;
        for source in sources.into_iter().rev() {
            made = Node::new(Kind::Bind(Box::new(source), Box::new(made)));
        }
        Ok(made)
    }

    /// An entry for a value, and what is taken from it.
    fn receive(&mut self, pattern: &Pattern, then: &mut dyn FnMut(&mut Self) -> Made) -> Made {
        if let Pattern::Var(name) = pattern {
            self.push_var(name);
            return then(self);
        }
        let root = self.push_slot();
        self.destructure(pattern, root, then)
    }

    pub(super) fn bind(&mut self, source: &Ast, patterns: &[Pattern], body: &Ast) -> Made {
        let source = Box::new(self.scoped(source)?);
        let mark = self.mark();
        let made = match patterns {
            [pattern] => self.receive(pattern, &mut |it| it.node(body))?,
            _ => self.attempts(patterns, body)?,
        };
        self.leave(mark);
        Ok(Node::new(Kind::Bind(source, Box::new(made))))
    }

    /// `?//`: in each attempt the variables of the others are null.
    fn attempts(&mut self, patterns: &[Pattern], body: &Ast) -> Made {
        let root = self.push_slot();
        let mut names = Vec::new();
        patterns.iter().for_each(|it| it.names(&mut names));
        names.sort();
        names.dedup();
        let mut attempts = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            let mark = self.mark();
            for name in &names {
                self.push_var(name);
            }
            let mut made = self.destructure(pattern, root, &mut |it| it.node(body))?;
            for _ in &names {
                made = Node::new(Kind::Bind(Box::new(Node::json(Value::Null)), Box::new(made)));
            }
            self.leave(mark);
            attempts.push(made);
        }
        Ok(Node::new(Kind::Attempts(attempts)))
    }

    /// `reduce` and `foreach`.
    pub(super) fn fold(&mut self, ast: &Ast) -> Made {
        let (source, pattern, init, update, extract, each) = match &ast.kind {
            A::Reduce { source, pattern, init, update } => (source, pattern, init, update, None, false),
            A::Foreach { source, pattern, init, update, extract } => {
                (source, pattern, init, update, extract.as_deref(), true)
            }
            _ => return self.node(ast),
        };
        let source = Box::new(self.scoped(source)?);
        let init = Box::new(self.scoped(init)?);
        let mark = self.mark();
        let cell = self.push_slot();
        let body = self.receive(pattern, &mut |it| {
            let update = Box::new(it.scoped(update)?);
            let distance = it.distance(cell);
            Ok(Node::new(if each {
                let extract = extract.map(|part| it.scoped(part).map(Box::new)).transpose()?;
                Kind::Step(update, extract, distance)
            } else {
                Kind::Store(update, distance)
            }))
        })?;
        self.leave(mark);
        Ok(Node::new(Kind::Fold { source, init, body: Box::new(body), each }))
    }

    pub(super) fn object(&mut self, entries: &[(Key, Option<Ast>)], at: usize) -> Made {
        let mut made = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let field = |name: &str| Node::new(Kind::Field(Node::boxed(Kind::Id), name.to_owned()));
            let (name, short) = match key {
                Key::Name(name) => (Node::json(Value::from(name.as_str())), Some(field(name))),
                Key::Var(name) => {
                    let var = self.call(&format!("${name}"), &[], at)?;
                    match value {
                        Some(_) => (var, None),
                        None => (Node::json(Value::from(name.as_str())), Some(var)),
                    }
                }
                Key::Str(text) => {
                    let name = self.scoped(text)?;
                    let short = match &name.kind {
                        Kind::Const(super::Const::Json(Value::String(it))) => Some(field(it)),
                        _ => None,
                    };
                    (name, short)
                }
                Key::Query(query) => (self.scoped(query)?, None),
            };
            let value = match value {
                Some(value) => Some(self.scoped(value)?),
                None => short,
            };
            made.push((name, value));
        }
        if made.is_empty() {
            return Ok(Node::json(Value::Object(serde_json::Map::new())));
        }
        Ok(Node::new(Kind::Object(made)))
    }
}
