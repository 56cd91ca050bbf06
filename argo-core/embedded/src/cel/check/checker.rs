//! The types of an expression's parts. Upstream: `checker/checker.go` of cel-go.

use std::collections::{BTreeSet, HashMap};

use super::syntax::{Comprehension, GATHERED, Kind, Node};
use super::types::{FUNCTIONS, Found, Overload, Type};

/// A function that a call came to mean.
#[derive(Debug)]
pub(super) struct Meaning {
    pub(super) name: String,
    pub(super) overloads: Vec<&'static str>,
    /// Whether what stands before the point is the name of a group of functions, not a value.
    pub(super) grouped: bool,
}

/// What is known of an expression.
#[derive(Debug, Default)]
pub(super) struct Checker {
    pub(super) types: HashMap<usize, Type>,
    pub(super) meanings: HashMap<usize, Meaning>,
    /// Variables that are used.
    pub(super) used: BTreeSet<String>,
    /// What is wrong, and where.
    pub(super) errors: Vec<(usize, String)>,
    /// Whether something is wrong that can not be told in the server's words.
    pub(super) untold: bool,
    variables: Vec<(String, Type)>,
    found: Found,
    opened: usize,
}

// === impl Checker ===

impl Checker {
    pub(super) fn new(variables: Vec<(String, Type)>) -> Self {
        // Names of open types of functions are letters.
        Self { variables, opened: 1024, ..Self::default() }
    }

    fn open(&mut self) -> Type {
        self.opened += 1;
        Type::Open(self.opened)
    }

    /// The type of a part that was checked.
    pub(super) fn of(&self, node: &Node) -> Type {
        self.types.get(&node.id).map_or(Type::Dyn, |known| self.found.fill(known, true))
    }

    fn known(&self, node: &Node) -> Type {
        self.types.get(&node.id).cloned().unwrap_or(Type::Error)
    }

    fn refuse(&mut self, at: usize, why: String) -> Type {
        self.errors.push((at, why));
        Type::Error
    }

    pub(super) fn check(&mut self, node: &Node) {
        let found = match &node.kind {
            Kind::Literal(name, _) => Type::simple(name),
            Kind::Ident(name) => self.variable(name).unwrap_or_else(|| self.undeclared(node.at, name)),
            Kind::Select { operand, field, test } => {
                let found = self.field(node.at, operand, field);
                if *test { Type::simple("bool") } else { self.found.fill(&found, false) }
            }
            Kind::Call { name, target, args } => self.call(node, name, target.as_deref(), args),
            Kind::List(items) => {
                let held = self.joined(items.iter());
                Type::list(held)
            }
            Kind::Map(entries) => {
                let keys = self.joined(entries.iter().map(|(key, _)| key));
                let values = self.joined(entries.iter().map(|(_, value)| value));
                Type::Of("map", vec![keys, values])
            }
            Kind::Comprehension(inner) => self.comprehension(inner),
        };
        self.types.insert(node.id, found);
    }

    fn undeclared(&mut self, at: usize, name: &str) -> Type {
        self.refuse(at, format!("undeclared reference to '{name}' (in container '')"))
    }

    fn variable(&mut self, name: &str) -> Option<Type> {
        if let Some((_, found)) = self.variables.iter().rev().find(|(it, _)| it == name) {
            self.used.insert(name.to_owned());
            return Some(found.clone());
        }
        let of = |inner: Type| Some(Type::Of("type", vec![inner]));
        match name {
            "bool" | "bytes" | "double" | "int" | "null_type" | "string" | "uint" | "type" => of(Type::simple(name)),
            "list" => of(Type::list(Type::Dyn)),
            "map" => of(Type::Of("map", vec![Type::Dyn, Type::Dyn])),
            _ => None,
        }
    }

    fn field(&mut self, at: usize, operand: &Node, field: &str) -> Type {
        self.check(operand);
        let operand = self.found.fill(&self.known(operand), false);
        let (target, optional) = match &operand {
            Type::Of("optional_type", parts) => (parts[0].clone(), true),
            other => (other.clone(), false),
        };
        let found = match &target {
            Type::Of("map", parts) => parts[1].clone(),
            Type::Object(declared) => match declared.field(field) {
                Some(declared) => declared.as_type(),
                None => self.refuse(at, format!("undefined field '{field}'")),
            },
            Type::Open(_) => {
                self.found.fits(&Type::Dyn, &target);
                Type::Dyn
            }
            other if other.anything() => Type::Dyn,
            // Types of the language that have a name with points in it.
            _ => {
                self.untold |= !target.tellable();
                self.refuse(at, format!("type '{target}' does not support field selection"));
                Type::Dyn
            }
        };
        if optional { Type::optional(found) } else { found }
    }

    /// The one type of several parts; anything, if there is none.
    fn joined<'a>(&mut self, parts: impl Iterator<Item = &'a Node>) -> Type {
        let mut joined: Option<Type> = None;
        for part in parts {
            self.check(part);
            let found = self.known(part);
            joined = Some(match joined {
                None => found,
                Some(before) if before.anything() => Type::Dyn,
                Some(before) => {
                    let saved = self.found.clone();
                    if self.found.fits(&found, &before) {
                        if found.anything() { Type::Dyn } else { self.found.fill(&before, false) }
                    } else {
                        self.found = saved;
                        Type::Dyn
                    }
                }
            });
        }
        joined.unwrap_or_else(|| self.open())
    }

    fn comprehension(&mut self, inner: &Comprehension) -> Type {
        self.check(&inner.range);
        self.check(&inner.init);
        let range = self.found.fill(&self.known(&inner.range), false);
        let gathered = self.known(&inner.init);
        let item = match &range {
            Type::Of("list" | "map", parts) => parts[0].clone(),
            Type::Open(_) => {
                self.found.fits(&Type::Dyn, &range);
                Type::Dyn
            }
            other if other.anything() => Type::Dyn,
            other => {
                self.untold |= !other.tellable();
                let why = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.refuse(inner.range.at, why)
            }
        };
        self.variables.push((GATHERED.to_owned(), gathered.clone()));
        self.variables.push((inner.variable.clone(), item));
        self.check(&inner.condition);
        self.expect(&inner.condition, &Type::simple("bool"));
        self.check(&inner.step);
        self.expect(&inner.step, &gathered);
        self.variables.pop();
        self.check(&inner.result);
        self.variables.pop();
        self.found.fill(&self.known(&inner.result), false)
    }

    fn expect(&mut self, node: &Node, wanted: &Type) {
        let found = self.known(node);
        if !self.found.fits(&found, wanted) {
            let (found, wanted) = (self.found.fill(&found, true), self.found.fill(wanted, true));
            self.untold |= !found.tellable() || !wanted.tellable();
            self.refuse(node.at, format!("expected type '{wanted}' but found '{found}'"));
        }
    }

    fn call(&mut self, node: &Node, name: &str, target: Option<&Node>, args: &[Node]) -> Type {
        for arg in args {
            self.check(arg);
        }
        if let Some(Node { kind: Kind::Ident(group), .. }) = target {
            let whole = format!("{group}.{name}");
            if let Some(overloads) = FUNCTIONS.get(whole.as_str()) {
                return self.resolve(node, &whole, overloads, None, args, true);
            }
        }
        if let Some(target) = target {
            self.check(target);
        }
        match FUNCTIONS.get(name) {
            Some(overloads) => self.resolve(node, name, overloads, target, args, false),
            None => self.undeclared(node.at, name),
        }
    }

    fn resolve(
        &mut self,
        node: &Node,
        name: &str,
        overloads: &'static [Overload],
        target: Option<&Node>,
        args: &[Node],
        grouped: bool,
    ) -> Type {
        let all: Vec<Type> = target.into_iter().chain(args).map(|arg| self.known(arg)).collect();
        let mut meaning = Meaning { name: name.to_owned(), overloads: Vec::new(), grouped };
        if matches!(name, "_&&_" | "_||_") {
            for arg in args {
                self.expect(arg, &Type::simple("bool"));
            }
            meaning.overloads.push(overloads[0].id);
            self.meanings.insert(node.id, meaning);
            return Type::simple("bool");
        }
        let mut result: Option<Type> = None;
        for overload in overloads.iter().filter(|it| it.member == target.is_some() && it.args.len() == all.len()) {
            let saved = self.found.clone();
            let fresh = self.opened;
            self.opened += 128;
            let wanted: Vec<Type> = overload.args.iter().map(|arg| moved(arg, fresh)).collect();
            if !all.iter().zip(&wanted).all(|(arg, wanted)| self.found.fits(arg, wanted)) {
                self.found = saved;
                continue;
            }
            meaning.overloads.push(overload.id);
            let found = self.found.fill(&moved(&overload.result, fresh), false);
            result = Some(match result {
                None => found,
                Some(before) if before.anything() || before.same(&found) => before,
                Some(_) => Type::Dyn,
            });
        }
        self.meanings.insert(node.id, meaning);
        result.unwrap_or_else(|| {
            let all: Vec<Type> = all.iter().map(|arg| self.found.fill(arg, true)).collect();
            self.untold |= !all.iter().all(Type::tellable);
            let mut shown: Vec<String> = all.iter().map(ToString::to_string).collect();
            let before = if target.is_some() { format!("{}.", shown.remove(0)) } else { String::new() };
            let why = format!("found no matching overload for '{name}' applied to '{before}({})'", shown.join(", "));
            self.refuse(node.at, why)
        })
    }
}

/// A type of a function with open types of its own.
fn moved(of: &Type, by: usize) -> Type {
    match of {
        Type::Open(name) => Type::Open(name + by),
        Type::Of(name, parts) => Type::Of(name, parts.iter().map(|part| moved(part, by)).collect()),
        other => other.clone(),
    }
}
