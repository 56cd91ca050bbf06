//! Names: variables, closures, functions, builtins.

use serde_json::{Map, Value};

use super::super::ast::{Ast, Def};
use super::super::error::ErrorKind;
use super::super::ir::{Function, Kind, Node};
use super::super::natives::Native;
use super::super::prelude;
use super::{Compiler, Entry, Made};

/// As [`Kind::Call`]'s `up`: the empty environment.
const ROOT: usize = usize::MAX;

impl Compiler<'_> {
    pub(super) fn call(&mut self, name: &str, args: &[Ast], at: usize) -> Made {
        if let Some(variable) = name.strip_prefix('$') {
            return self.variable(variable, at);
        }
        let mut found = None;
        for entry in self.entries.iter().rev() {
            match entry {
                Entry::Closure(closure, slot) if args.is_empty() && closure == name => {
                    return Ok(Node::new(Kind::Param(self.distance(*slot))));
                }
                Entry::Function { name: function, arity, id, level } if *arity == args.len() && function == name => {
                    found = Some((*id, self.level - level));
                    break;
                }
                _ => {}
            }
        }
        if let Some((function, up)) = found {
            return self.call_function(function, up, args);
        }
        if let Some(made) = self.builtin(name, args, at)? {
            return Ok(made);
        }
        if let Some((def, arity)) = prelude::find(name, args.len()) {
            let function = self.prelude(def, arity)?;
            return self.call_function(function, ROOT, args);
        }
        if let Some(native) = Native::find(name, args.len()) {
            let mut parts = Vec::with_capacity(args.len());
            for arg in args {
                parts.push(self.scoped(arg)?);
            }
            return Ok(Node::new(Kind::Native(native, parts)));
        }
        let message = format!("function not defined: {name}/{}", args.len());
        Err(self.error(ErrorKind::UnknownName, message, at, name))
    }

    fn variable(&self, name: &str, at: usize) -> Made {
        for entry in self.entries.iter().rev() {
            if let Entry::Var(variable, slot) = entry
                && variable == name
            {
                return Ok(self.var(*slot));
            }
        }
        if name == "ENV" {
            return Ok(Node::json(Value::Object(Map::new())));
        }
        let message = format!("variable not defined: ${name}");
        Err(self.error(ErrorKind::UnknownName, message, at, &format!("${name}")))
    }

    fn call_function(&mut self, function: usize, up: usize, args: &[Ast]) -> Made {
        let mut parts = Vec::with_capacity(args.len());
        for arg in args {
            parts.push(self.scoped(arg)?);
        }
        Ok(Node::new(Kind::Call { function, up, args: parts }))
    }

    /// Compiles a definition and puts it into the scope.
    pub(super) fn define(&mut self, def: &Def) -> Made<usize> {
        let id = self.functions.len();
        self.functions.push(None);
        let entry = Entry::Function { name: def.name.clone(), arity: def.params.len(), id, level: self.level };
        self.entries.push(entry);
        let mark = self.mark();
        let mut values = Vec::new();
        for param in &def.params {
            let slot = self.push_slot();
            let name = param.trim_start_matches('$');
            self.entries.push(Entry::Closure(name.to_owned(), slot));
            if param.starts_with('$') {
                values.push((name, slot));
            }
        }
        let mut sources = Vec::with_capacity(values.len());
        for (name, slot) in values {
            sources.push(Node::boxed(Kind::Param(self.distance(slot))));
            self.push_var(name);
        }
        let mut body = self.node(&def.body)?;
        for source in sources.into_iter().rev() {
            body = Node::new(Kind::Bind(source, Box::new(body)));
        }
        self.leave(mark);
        self.functions[id] = Some(Function { body });
        Ok(id)
    }

    /// A builtin that is written in the language: compiled once, outside of everything.
    fn prelude(&mut self, def: &'static Def, arity: usize) -> Made<usize> {
        let known = self.known.iter().find(|it| it.0 == def.name && it.1 == arity);
        if let Some((_, _, id)) = known {
            return Ok(*id);
        }
        let entries = std::mem::take(&mut self.entries);
        let level = std::mem::take(&mut self.level);
        let id = self.functions.len();
        self.known.push((&def.name, arity, id));
        let made = self.define(def);
        self.entries = entries;
        self.level = level;
        made
    }

    /// Puts the values of arguments into the environment, first one outermost, around what `then` makes of them.
    pub(super) fn with_values(&mut self, args: &[&Ast], then: &mut dyn FnMut(&mut Self, &[usize]) -> Made) -> Made {
        let mark = self.mark();
        let mut slots = Vec::with_capacity(args.len());
        let mut sources = Vec::with_capacity(args.len());
        for arg in args {
            // a later argument is compiled inside, where the earlier ones have no names
            sources.push(self.scoped(arg)?);
            slots.push(self.push_slot());
        }
        let mut made = then(self, &slots)?;
        self.leave(mark);
        for source in sources.into_iter().rev() {
            made = Node::new(Kind::Bind(Box::new(source), Box::new(made)));
        }
        Ok(made)
    }
}
