//! Walks the tree.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Timestamp;
use serde_json::Value;

use super::ast::{Binary, Kind, Node, Unary};
use super::patterns::Patterns;
use super::value::Val;
use super::{ErrorKind, ExprError, Limits, Options, Program, Undefined};
use super::{builtins, operators};

/// A failure before it knows its place.
pub(super) type Failure = (ErrorKind, String);

pub(super) fn operation<T>(message: impl Into<String>) -> Result<T, Failure> {
    Err((ErrorKind::Operation, message.into()))
}

pub(super) fn function<T>(message: impl Into<String>) -> Result<T, Failure> {
    Err((ErrorKind::Function, message.into()))
}

/// What evaluation may still use.
#[derive(Debug)]
pub(super) struct Budget {
    steps: usize,
    memory: usize,
}

impl Budget {
    /// Takes memory for so many bytes or elements.
    pub(super) fn charge(&mut self, amount: usize) -> Result<(), Failure> {
        match self.memory.checked_sub(amount) {
            Some(left) => {
                self.memory = left;
                Ok(())
            }
            None => Err((ErrorKind::Limit, "memory budget exceeded".to_owned())),
        }
    }
}

struct Scope<'a> {
    item: Val<'a>,
    index: usize,
    acc: Option<Val<'a>>,
}

struct Machine<'a> {
    source: &'a str,
    env: &'a Value,
    options: &'a Options,
    patterns: &'a Patterns,
    now: Option<Timestamp>,
    budget: Budget,
    locals: Vec<(&'a str, Val<'a>)>,
    scopes: Vec<Scope<'a>>,
}

/// Boxed, because results are moved a lot and errors seldom.
type Error = Box<ExprError>;
type Outcome<'a> = Result<Val<'a>, Error>;

pub(super) fn run(program: &Program, env: &Value, now: Option<Timestamp>) -> Result<Value, ExprError> {
    let Limits { steps, memory, .. } = program.options.limits;
    let mut machine = Machine {
        source: &program.source,
        env,
        options: &program.options,
        patterns: &program.patterns,
        now,
        budget: Budget { steps, memory },
        locals: Vec::new(),
        scopes: Vec::new(),
    };
    match machine.eval(&program.root) {
        Ok(value) => Ok(value.into_json()),
        Err(error) => Err(*error),
    }
}

impl<'a> Machine<'a> {
    #[cold]
    fn fail(&self, node: &Node, (kind, message): Failure) -> Error {
        Box::new(ExprError::at(kind, message, self.source, node.at))
    }

    fn eval(&mut self, node: &'a Node) -> Outcome<'a> {
        match self.budget.steps.checked_sub(1) {
            Some(left) => self.budget.steps = left,
            None => {
                return Err(self.fail(node, (ErrorKind::Limit, "step budget exceeded".to_owned())));
            }
        }
        match &node.kind {
            Kind::Constant(value) => Ok(Val::of(value)),
            Kind::Name(name) => self.name(node, name),
            Kind::Pointer(name) => self.pointer(node, name),
            Kind::Unary(op, inner) => {
                let value = self.eval(inner)?;
                unary(*op, value).map_err(|it| self.fail(node, it))
            }
            Kind::Binary(op, a, b) => self.binary(node, *op, a, b),
            Kind::Comparison(first, rest) => {
                let mut left = self.eval(first)?;
                for (op, right) in rest {
                    let right = self.eval(right)?;
                    match operators::binary(*op, &left, &right, &mut self.budget).map_err(|it| self.fail(node, it))? {
                        Val::Bool(true) => left = right,
                        other => return Ok(other),
                    }
                }
                Ok(Val::Bool(true))
            }
            Kind::Conditional(condition, yes, no) => match self.eval(condition)? {
                Val::Bool(true) => match yes {
                    Some(yes) => self.eval(yes),
                    None => Ok(Val::Bool(true)),
                },
                Val::Bool(false) => self.eval(no),
                other => {
                    let message = format!("non-bool expression (type {}) used as condition", other.go_type());
                    Err(self.fail(condition, (ErrorKind::Operation, message)))
                }
            },
            Kind::Member { of, key, optional, is_field } => {
                let from = self.eval(of)?;
                if *optional && matches!(from, Val::Nil) {
                    return Err(self.nil_chain());
                }
                let key = self.eval(key)?;
                let _ = is_field;
                operators::fetch(&from, &key).map_err(|it| self.fail(node, it))
            }
            Kind::Slice { of, from, to } => {
                let value = self.eval(of)?;
                let from = from.as_ref().map(|it| self.eval(it)).transpose()?;
                let to = to.as_ref().map(|it| self.eval(it)).transpose()?;
                operators::slice(&value, from.as_ref(), to.as_ref(), &mut self.budget).map_err(|it| self.fail(node, it))
            }
            Kind::Chain(inner) => match self.eval(inner) {
                Err(error) if is_nil_chain(&error) => Ok(Val::Nil),
                other => other,
            },
            Kind::Call { name, args } => match args.as_slice() {
                // most functions take one argument: no list is made for it
                [only] => {
                    let only = [self.eval(only)?];
                    self.call(node, name, &only)
                }
                args => {
                    let args = self.all(args)?;
                    self.call(node, name, &args)
                }
            },
            Kind::Method { of, name, args, optional } => self.method(node, of, name, args, *optional),
            Kind::Predicate { name, args, body } => self.predicate(node, name, args, body.as_deref()),
            Kind::Let { name, value, body } => {
                let value = self.eval(value)?;
                self.locals.push((name, value));
                let result = self.eval(body);
                self.locals.pop();
                result
            }
            Kind::Sequence(nodes) => {
                let mut last = Val::Nil;
                for node in nodes {
                    last = self.eval(node)?;
                }
                Ok(last)
            }
            Kind::Array(nodes) => {
                let items = self.all(nodes)?;
                self.budget.charge(items.len()).map_err(|it| self.fail(node, it))?;
                Ok(Val::list(items))
            }
            Kind::Map(pairs) => {
                let mut map = BTreeMap::new();
                for (key, value) in pairs {
                    let key_value = self.eval(key)?;
                    let Some(text) = key_value.as_str() else {
                        let message = format!("map keys must be strings, got {}", key_value.go_type());
                        return Err(self.fail(key, (ErrorKind::Operation, message)));
                    };
                    let text = text.to_owned();
                    map.insert(text, self.eval(value)?);
                }
                self.budget.charge(map.len()).map_err(|it| self.fail(node, it))?;
                Ok(Val::Map(Rc::new(map)))
            }
        }
    }

    fn all(&mut self, nodes: &'a [Node]) -> Result<Vec<Val<'a>>, Error> {
        nodes.iter().map(|it| self.eval(it)).collect()
    }

    /// The end of an optional chain travels as an error up to its `Chain` node.
    fn nil_chain(&self) -> Error {
        Box::new(ExprError {
            kind: ErrorKind::Operation,
            message: NIL_CHAIN.to_owned(),
            line: 0,
            column: 0,
            snippet: String::new(),
        })
    }

    fn name(&self, node: &Node, name: &str) -> Outcome<'a> {
        if let Some((_, value)) = self.locals.iter().rev().find(|it| it.0 == name) {
            return Ok(value.clone());
        }
        if name == "$env" {
            return Ok(Val::of(self.env));
        }
        match self.env.get(name) {
            Some(value) => Ok(Val::of(value)),
            None if self.options.undefined == Undefined::Nil => Ok(Val::Nil),
            None => Err(self.fail(node, (ErrorKind::UnknownName, format!("unknown name {name}")))),
        }
    }

    fn pointer(&self, node: &Node, name: &str) -> Outcome<'a> {
        let Some(scope) = self.scopes.last() else {
            return Err(
                self.fail(node, (ErrorKind::Syntax, "cannot use pointer accessor outside predicate".to_owned()))
            );
        };
        match name {
            "" => Ok(scope.item.clone()),
            "index" => Ok(Val::Int(i64::try_from(scope.index).unwrap_or(i64::MAX))),
            "acc" if scope.acc.is_some() => Ok(scope.acc.clone().unwrap_or(Val::Nil)),
            _ => Err(self.fail(node, (ErrorKind::UnknownName, format!("unknown pointer {name}")))),
        }
    }

    fn binary(&mut self, node: &'a Node, op: Binary, a: &'a Node, b: &'a Node) -> Outcome<'a> {
        let wrong = |value: &Val<'_>| {
            (
                ErrorKind::Operation,
                format!("invalid operation: {} (operator not defined on {})", op.text(), value.go_type()),
            )
        };
        match op {
            Binary::And | Binary::Or => {
                let left = match self.eval(a)? {
                    Val::Bool(it) => it,
                    other => return Err(self.fail(node, wrong(&other))),
                };
                if left == (op == Binary::Or) {
                    return Ok(Val::Bool(left));
                }
                match self.eval(b)? {
                    it @ Val::Bool(_) => Ok(it),
                    other => Err(self.fail(node, wrong(&other))),
                }
            }
            Binary::Coalesce => match self.eval(a)? {
                Val::Nil => self.eval(b),
                other => Ok(other),
            },
            Binary::Matches if let Kind::Constant(Value::String(pattern)) = &b.kind => match self.eval(a)? {
                Val::Str(text) => {
                    self.budget.charge(text.len() + pattern.len()).map_err(|it| self.fail(node, it))?;
                    let found = self.patterns.is_match(pattern, &text);
                    found.map(Val::Bool).map_err(|it| self.fail(node, (ErrorKind::Operation, it)))
                }
                left => {
                    let right = Val::Str(Cow::Borrowed(pattern));
                    operators::binary(op, &left, &right, &mut self.budget).map_err(|it| self.fail(node, it))
                }
            },
            _ => {
                let left = self.eval(a)?;
                let right = self.eval(b)?;
                operators::binary(op, &left, &right, &mut self.budget).map_err(|it| self.fail(node, it))
            }
        }
    }

    fn custom(&mut self, node: &Node, name: &str, args: &[Val<'a>]) -> Option<Outcome<'a>> {
        let function = self.options.functions.get(name)?;
        let args: Vec<Value> = args.iter().map(argument).collect();
        Some(match function(&args) {
            Ok(value) => Ok(Val::owned(value)),
            Err(message) => Err(self.fail(node, (ErrorKind::Function, message))),
        })
    }

    fn call(&mut self, node: &Node, name: &str, args: &[Val<'a>]) -> Outcome<'a> {
        if let Some(result) = self.custom(node, name, args) {
            return result;
        }
        match builtins::call(name, args, self.now, &mut self.budget) {
            Some(result) => result.map_err(|it| self.fail(node, it)),
            None => {
                let message = if self.env.get(name).is_some() {
                    format!("{name} is not callable")
                } else {
                    format!("unknown name {name}")
                };
                Err(self.fail(node, (ErrorKind::UnknownName, message)))
            }
        }
    }

    fn method(&mut self, node: &'a Node, of: &'a Node, name: &str, args: &'a [Node], optional: bool) -> Outcome<'a> {
        if let Some(prefix) = of.dotted() {
            let full = format!("{prefix}.{name}");
            if self.options.functions.get(&full).is_some() {
                let args = self.all(args)?;
                return self.call(node, &full, &args);
            }
        }
        let value = self.eval(of)?;
        if optional && matches!(value, Val::Nil) {
            return Err(self.nil_chain());
        }
        let args = self.all(args)?;
        builtins::method(&value, name, &args).map_err(|it| self.fail(node, it))
    }

    fn test(&mut self, body: &'a Node, item: Val<'a>, index: usize) -> Result<bool, Error> {
        match self.with_item(body, item, index, None)? {
            Val::Bool(it) => Ok(it),
            other => {
                let message = format!("predicate should return boolean (got {})", other.go_type());
                Err(self.fail(body, (ErrorKind::Operation, message)))
            }
        }
    }

    fn with_item(&mut self, body: &'a Node, item: Val<'a>, index: usize, acc: Option<Val<'a>>) -> Outcome<'a> {
        self.scopes.push(Scope { item, index, acc });
        let result = self.eval(body);
        self.scopes.pop();
        result
    }

    fn predicate(
        &mut self,
        node: &'a Node,
        name: &'static str,
        args: &'a [Node],
        body: Option<&'a Node>,
    ) -> Outcome<'a> {
        let Some(first) = args.first() else {
            return Err(self.fail(node, (ErrorKind::Function, format!("not enough arguments to call {name}"))));
        };
        let collection = self.eval(first)?;
        let items: Vec<Val<'a>> = match collection.items() {
            Some(items) => items.into_owned(),
            None => {
                let message = format!("builtin {name} takes only array (got {})", collection.go_type());
                return Err(self.fail(node, (ErrorKind::Function, message)));
            }
        };
        self.budget.charge(items.len()).map_err(|it| self.fail(node, it))?;
        let Some(body) = body else {
            return match name {
                "count" => Ok(Val::Int(items.iter().filter(|it| matches!(it, Val::Bool(true))).count() as i64)),
                _ => builtins::sum(&items).map_err(|it| self.fail(node, it)),
            };
        };
        match name {
            "all" | "none" | "any" | "one" | "count" => {
                let mut count = 0;
                let total = items.len();
                for (index, item) in items.into_iter().enumerate() {
                    let hit = self.test(body, item, index)?;
                    count += usize::from(hit);
                    match name {
                        "all" if !hit => return Ok(Val::Bool(false)),
                        "any" if hit => return Ok(Val::Bool(true)),
                        "none" if hit => return Ok(Val::Bool(false)),
                        _ => {}
                    }
                }
                Ok(match name {
                    "all" => Val::Bool(count == total),
                    "any" => Val::Bool(count > 0),
                    "none" => Val::Bool(count == 0),
                    "one" => Val::Bool(count == 1),
                    _ => Val::Int(count as i64),
                })
            }
            "filter" | "partition" => {
                let (mut yes, mut no) = (Vec::new(), Vec::new());
                for (index, item) in items.into_iter().enumerate() {
                    if self.test(body, item.clone(), index)? { yes.push(item) } else { no.push(item) }
                }
                Ok(if name == "filter" { Val::list(yes) } else { Val::list(vec![Val::list(yes), Val::list(no)]) })
            }
            "map" => {
                let mut out = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    out.push(self.with_item(body, item, index, None)?);
                }
                Ok(Val::list(out))
            }
            "sum" => {
                let mut out = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    out.push(self.with_item(body, item, index, None)?);
                }
                builtins::sum(&out).map_err(|it| self.fail(node, it))
            }
            "find" | "findIndex" | "findLast" | "findLastIndex" => {
                let wants_index = name.ends_with("Index");
                let order: Vec<usize> = if name.starts_with("findLast") {
                    (0..items.len()).rev().collect()
                } else {
                    (0..items.len()).collect()
                };
                for index in order {
                    if self.test(body, items[index].clone(), index)? {
                        return Ok(if wants_index { Val::Int(index as i64) } else { items[index].clone() });
                    }
                }
                Ok(Val::Nil)
            }
            "groupBy" => {
                let mut groups: BTreeMap<String, Vec<Val<'a>>> = BTreeMap::new();
                for (index, item) in items.into_iter().enumerate() {
                    let key = self.with_item(body, item.clone(), index, None)?;
                    groups.entry(key.display()).or_default().push(item);
                }
                Ok(Val::Map(Rc::new(groups.into_iter().map(|(key, items)| (key, Val::list(items))).collect())))
            }
            "sortBy" => {
                let mut keyed = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    keyed.push((self.with_item(body, item.clone(), index, None)?, item));
                }
                let order = args.get(1).map(|it| self.eval(it)).transpose()?;
                let descending = builtins::descending(order.as_ref()).map_err(|it| self.fail(node, it))?;
                builtins::sort_keyed(&mut keyed, descending).map_err(|it| self.fail(node, it))?;
                Ok(Val::list(keyed.into_iter().map(|it| it.1).collect()))
            }
            _ => {
                // reduce
                let mut items = items.into_iter().enumerate();
                let mut acc = match args.get(1) {
                    Some(initial) => self.eval(initial)?,
                    None => match items.next() {
                        Some((_, first)) => first,
                        None => {
                            return Err(self.fail(
                                node,
                                (ErrorKind::Function, "reduce of empty array with no initial value".to_owned()),
                            ));
                        }
                    },
                };
                for (index, item) in items {
                    acc = self.with_item(body, item, index, Some(acc))?;
                }
                Ok(acc)
            }
        }
    }
}

/// A value for a custom function: JSON has no NaN and no infinities, they go as their names.
fn argument(value: &Val<'_>) -> Value {
    match value {
        Val::Float(it) if !it.is_finite() => Value::String(crate::gofloat::format_g(*it, None)),
        other => other.to_json(),
    }
}

const NIL_CHAIN: &str = "\0nil chain";

fn is_nil_chain(error: &ExprError) -> bool {
    error.message == NIL_CHAIN
}

fn unary(op: Unary, value: Val<'_>) -> Result<Val<'_>, Failure> {
    match (op, value) {
        (Unary::Not, Val::Bool(it)) => Ok(Val::Bool(!it)),
        (Unary::Minus, Val::Int(it)) => Ok(Val::Int(it.wrapping_neg())),
        (Unary::Minus, Val::Float(it)) => Ok(Val::Float(-it)),
        (Unary::Minus, Val::Duration(it)) => Ok(Val::Duration(-it)),
        (Unary::Plus, it @ (Val::Int(_) | Val::Float(_))) => Ok(it),
        (op, value) => {
            let sign = match op {
                Unary::Not => "!",
                Unary::Minus => "-",
                Unary::Plus => "+",
            };
            operation(format!("invalid operation: {sign} (mismatched type {})", value.go_type()))
        }
    }
}

/// Text of a borrowed or owned string value.
pub(super) fn text_of(value: &Val<'_>) -> Cow<'static, str> {
    Cow::Owned(value.display())
}
