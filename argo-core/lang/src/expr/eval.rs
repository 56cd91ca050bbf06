//! Walks the tree.

mod conditions;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Timestamp;
use serde_json::Value;

use super::ast::{Binary, Kind, Node, Unary};
use super::patterns::Patterns;
use super::value::{Table, Val};
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
    elements: usize,
}

/// Most elements of lists and maps that one evaluation creates.
const MAX_ELEMENTS: usize = 1_000_000;

impl Budget {
    /// Takes room for so many elements.
    pub(super) fn grow(&mut self, amount: usize) -> Result<(), Failure> {
        match self.elements.checked_sub(amount) {
            Some(left) if left > 0 => {
                self.elements = left;
                self.charge(amount)
            }
            _ => Err((ErrorKind::Limit, "memory budget exceeded".to_owned())),
        }
    }

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
    /// The collection is a map, which has no items.
    broken: bool,
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
    /// Conditions look at both sides of `&&` and `||`, whatever the first one says.
    strict: bool,
}

/// Boxed, because results are moved a lot and errors seldom.
type Error = Box<ExprError>;
type Outcome<'a> = Result<Val<'a>, Error>;

/// The result of a condition all of whose parts are there and fit: then its types need no check. Nothing where they have
/// to be checked first.
pub(super) fn decide(program: &Program, env: &Value) -> Option<bool> {
    matches!(program.root.kind, Kind::Binary(..) | Kind::Comparison(..) | Kind::Unary(..)).then_some(())?;
    let mut machine = machine(program, env, None);
    machine.strict = true;
    machine.condition(&program.root)
}

pub(super) fn run(program: &Program, env: &Value, now: Option<Timestamp>) -> Result<Value, ExprError> {
    let mut machine = machine(program, env, now);
    match machine.eval(&program.root) {
        Ok(value) => Ok(value.into_json()),
        Err(error) => Err(*error),
    }
}

fn machine<'a>(program: &'a Program, env: &'a Value, now: Option<Timestamp>) -> Machine<'a> {
    let Limits { steps, memory, .. } = program.options.limits;
    Machine {
        source: &program.source,
        env,
        options: &program.options,
        patterns: &program.patterns,
        now,
        budget: Budget { steps, memory, elements: MAX_ELEMENTS },
        locals: Vec::new(),
        scopes: Vec::new(),
        strict: false,
    }
}

impl<'a> Machine<'a> {
    #[cold]
    fn fail(&self, node: &Node, (kind, message): Failure) -> Error {
        Box::new(ExprError::at(kind, message, self.source, node.at))
    }

    #[cold]
    fn fail_at(&self, at: usize, (kind, message): Failure) -> Error {
        Box::new(ExprError::at(kind, message, self.source, at))
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
            Kind::Bytes(bytes) => Ok(Val::Bytes(bytes.as_slice().into())),
            Kind::Closure(inner) => self.eval(inner),
            Kind::Name(name) => self.name(node, name),
            Kind::Pointer(name) => self.pointer(node, name),
            Kind::Unary(op, inner) => {
                let value = self.eval(inner)?;
                unary(*op, value).map_err(|it| self.fail(node, it))
            }
            Kind::Binary(..) => match self.condition(node) {
                Some(it) => Ok(Val::Bool(it)),
                None => self.spine(node),
            },
            Kind::Comparison(first, rest) => {
                if let Some(it) = self.condition(node) {
                    return Ok(Val::Bool(it));
                }
                let mut left = self.eval(first)?;
                for (op, at, right) in rest {
                    let right = self.eval(right)?;
                    let result = operators::binary(*op, &left, &right, &mut self.budget);
                    match result.map_err(|it| self.fail_at(*at, it))? {
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
                other => Err(self.fail(node, conversion(&other, "bool"))),
            },
            Kind::Member { of, key, optional } => {
                let from = self.eval(of)?;
                if *optional && matches!(from, Val::Nil) {
                    return Err(self.nil_chain());
                }
                let filtered = matches!(of.kind, Kind::Predicate { name: "filter", .. });
                let key = self.eval(key)?;
                // upstream takes the first or last that fits, and has other words for none
                if filtered && from.len() == Some(0) && matches!(key, Val::Int(0 | -1)) {
                    let message = "reflect: slice index out of range".to_owned();
                    return Err(self.fail(node, (ErrorKind::Operation, message)));
                }
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
            Kind::Call { name, args, builtin, .. } => match args.as_slice() {
                // most functions take one argument: no list is made for it
                [only] => {
                    let only = [self.eval(only)?];
                    self.call(node, name, &only, *builtin)
                }
                args => {
                    let args = self.all(args)?;
                    self.call(node, name, &args, *builtin)
                }
            },
            Kind::Method { of, name, args, optional } => self.method(node, of, name, args, *optional),
            Kind::Predicate { name, args, body, .. } => self.predicate(node, name, args, body.as_deref()),
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
                self.budget.grow(items.len()).map_err(|it| self.fail(node, it))?;
                Ok(Val::list(items))
            }
            Kind::Map(pairs) => {
                let mut map = BTreeMap::new();
                for (key, value) in pairs {
                    let key_value = self.eval(key)?;
                    let Some(text) = key_value.as_str() else {
                        return Err(self.fail(node, conversion(&key_value, "string")));
                    };
                    let text = text.to_owned();
                    // of equal keys upstream keeps the first
                    let value = self.eval(value)?;
                    map.entry(text).or_insert(value);
                }
                self.budget.grow(map.len()).map_err(|it| self.fail(node, it))?;
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
            None if self.options.undefined == Undefined::Nil || builtins::is_any_builtin(name) => Ok(Val::Nil),
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
            "" if scope.broken => {
                let message = "reflect: call of reflect.Value.Index on map Value".to_owned();
                Err(self.fail(node, (ErrorKind::Operation, message)))
            }
            "" => Ok(scope.item.clone()),
            "index" => Ok(Val::Int(i64::try_from(scope.index).unwrap_or(i64::MAX))),
            "acc" if scope.acc.is_some() => Ok(scope.acc.clone().unwrap_or(Val::Nil)),
            _ => Err(self.fail(node, (ErrorKind::UnknownName, format!("unknown pointer {name}")))),
        }
    }

    /// Operators that nest to the left, without recursion.
    fn spine(&mut self, node: &'a Node) -> Outcome<'a> {
        let mut nodes = Vec::new();
        let mut at = node;
        let mut known = None;
        while let Kind::Binary(op, left, right) = &at.kind {
            // upstream folds what a constant on the right decides, and does not look at the left then
            match (op, &right.kind) {
                (Binary::And | Binary::AndWord, Kind::Constant(Value::Bool(false))) => {
                    known = Some(Val::Bool(false));
                    break;
                }
                (Binary::Or | Binary::OrWord, Kind::Constant(Value::Bool(true))) => {
                    known = Some(Val::Bool(true));
                    break;
                }
                (Binary::And | Binary::AndWord, Kind::Constant(Value::Bool(true)))
                | (Binary::Or | Binary::OrWord, Kind::Constant(Value::Bool(false))) => {}
                _ => nodes.push((at, *op, &**right)),
            }
            at = left;
        }
        let mut left = match known {
            Some(value) => value,
            None => self.eval(at)?,
        };
        for (node, op, right) in nodes.into_iter().rev() {
            left = self.binary(node, op, left, right)?;
        }
        Ok(left)
    }

    fn binary(&mut self, node: &'a Node, op: Binary, left: Val<'a>, right: &'a Node) -> Outcome<'a> {
        match op {
            Binary::And | Binary::AndWord | Binary::Or | Binary::OrWord => match left {
                Val::Bool(it) if it == matches!(op, Binary::Or | Binary::OrWord) => Ok(left),
                // what the right side gives is the result, whatever it is
                Val::Bool(_) => self.eval(right),
                other => Err(self.fail(node, conversion(&other, "bool"))),
            },
            Binary::Coalesce => match left {
                Val::Nil => self.eval(right),
                other => Ok(other),
            },
            Binary::Matches if let Kind::Constant(Value::String(pattern)) = &right.kind => match left {
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
            Binary::In if !matches!(left, Val::Str(_)) && is_text_set(right) => {
                // upstream makes a set of the texts, which only texts can be looked up in
                match left {
                    Val::Nil => {
                        let right = self.eval(right)?;
                        let empty = Val::text("");
                        operators::binary(op, &empty, &right, &mut self.budget).map_err(|it| self.fail(node, it))
                    }
                    other => Err(self.fail(node, operators::not_assignable(&other))),
                }
            }
            _ => {
                let right = self.eval(right)?;
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

    fn call(&mut self, node: &Node, name: &str, args: &[Val<'a>], builtin: bool) -> Outcome<'a> {
        if builtin {
            return builtins::call(name, args, self.now, &mut self.budget).map_err(|it| self.fail(node, it));
        }
        if let Some(result) = self.custom(node, name, args) {
            return result;
        }
        let value = self.name(node, name)?;
        Err(self.fail(node, not_callable(&value)))
    }

    fn method(&mut self, node: &'a Node, of: &'a Node, name: &str, args: &'a [Node], optional: bool) -> Outcome<'a> {
        if let Some(prefix) = of.dotted() {
            let full = format!("{prefix}.{name}");
            if self.options.functions.get(&full).is_some() {
                let args = self.all(args)?;
                return self.call(node, &full, &args, false);
            }
        }
        let value = self.eval(of)?;
        if optional && matches!(value, Val::Nil) {
            return Err(self.nil_chain());
        }
        let args = self.all(args)?;
        if matches!(value, Val::Time(_) | Val::Duration(_) | Val::Zone(_) | Val::Named(..)) {
            return builtins::method(&value, name, &args).map_err(|it| self.fail(node, it));
        }
        let field = operators::fetch(&value, &Val::text(name)).map_err(|it| self.fail(node, it))?;
        Err(self.fail(node, not_callable(&field)))
    }

    fn test(&mut self, node: &Node, body: &'a Node, item: Val<'a>, index: usize, broken: bool) -> Result<bool, Error> {
        self.scopes.push(Scope { item, broken, index, acc: None });
        let result = match self.condition(body) {
            Some(it) => Ok(Val::Bool(it)),
            None => self.eval(body),
        };
        self.scopes.pop();
        match result? {
            Val::Bool(it) => Ok(it),
            other => Err(self.fail(node, conversion(&other, "bool"))),
        }
    }

    fn with_item(
        &mut self,
        body: &'a Node,
        item: Val<'a>,
        index: usize,
        acc: Option<Val<'a>>,
        broken: bool,
    ) -> Outcome<'a> {
        self.scopes.push(Scope { item, broken, index, acc });
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
        let items: Vec<Val<'a>> = match (collection.items(), &collection) {
            (Some(items), _) => items.into_owned(),
            (None, Val::Str(text)) => text.bytes().map(|it| Val::Int(i64::from(it))).collect(),
            (None, other) => {
                let message = match other.go_kind() {
                    "map" => String::new(),
                    "invalid" => "reflect: call of reflect.Value.Len on zero Value".to_owned(),
                    kind => format!("reflect: call of reflect.Value.Len on {kind} Value"),
                };
                if !message.is_empty() {
                    return Err(self.fail(node, (ErrorKind::Function, message)));
                }
                vec![Val::Nil; other.len().unwrap_or(0)]
            }
        };
        let broken = collection.is_map();
        if broken && !items.is_empty() && (body.is_none() || name == "groupBy" || name == "reduce" && args.len() == 1) {
            let message = "reflect: call of reflect.Value.Index on map Value".to_owned();
            return Err(self.fail(node, (ErrorKind::Operation, message)));
        }
        self.budget.charge(items.len()).map_err(|it| self.fail(node, it))?;
        let Some(body) = body else {
            if name != "count" {
                return operators::sum(&items, &mut self.budget).map_err(|it| self.fail(node, it));
            }
            let mut count = 0;
            for item in &items {
                match item {
                    Val::Bool(it) => count += i64::from(*it),
                    other => return Err(self.fail(node, conversion(other, "bool"))),
                }
            }
            return Ok(Val::Int(count));
        };
        match name {
            "all" | "none" | "any" | "one" | "count" => {
                let mut count = 0;
                let total = items.len();
                for (index, item) in items.into_iter().enumerate() {
                    let hit = self.test(node, body, item, index, broken)?;
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
            "filter" => {
                let mut kept = Vec::new();
                for (index, item) in items.into_iter().enumerate() {
                    if self.test(node, body, item.clone(), index, broken)? {
                        kept.push(item);
                    }
                }
                self.budget.grow(kept.len()).map_err(|it| self.fail(node, it))?;
                Ok(Val::list(kept))
            }
            "map" => {
                let mut out = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    out.push(self.with_item(body, item, index, None, broken)?);
                }
                self.budget.grow(out.len()).map_err(|it| self.fail(node, it))?;
                Ok(Val::list(out))
            }
            "sum" => {
                let mut out = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    out.push(self.with_item(body, item, index, None, broken)?);
                }
                operators::sum(&out, &mut self.budget).map_err(|it| self.fail(node, it))
            }
            "find" | "findIndex" | "findLast" | "findLastIndex" => {
                let wants_index = name.ends_with("Index");
                let order: Vec<usize> = if name.starts_with("findLast") {
                    (0..items.len()).rev().collect()
                } else {
                    (0..items.len()).collect()
                };
                for index in order {
                    if self.test(node, body, items[index].clone(), index, broken)? {
                        return Ok(if wants_index { Val::Int(index as i64) } else { items[index].clone() });
                    }
                }
                Ok(Val::Nil)
            }
            "groupBy" => {
                let mut groups: Vec<(Val<'a>, Vec<Val<'a>>)> = Vec::new();
                for (index, item) in items.into_iter().enumerate() {
                    let key = self.with_item(body, item.clone(), index, None, broken)?;
                    if key.items().is_some() || key.is_map() {
                        let message = format!("hash of unhashable type: {}", key.go_type());
                        return Err(self.fail(node, (ErrorKind::Operation, message)));
                    }
                    match groups.iter_mut().find(|it| it.0.go_type() == key.go_type() && it.0.equals(&key)) {
                        Some(group) => group.1.push(item),
                        None => groups.push((key, vec![item])),
                    }
                }
                let groups = groups.into_iter().map(|(key, items)| (key, Val::list(items))).collect();
                Ok(Val::Table(Rc::new(groups), Table::Groups))
            }
            "sortBy" => {
                let mut keyed = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    keyed.push((self.with_item(body, item.clone(), index, None, broken)?, item));
                }
                let order = args.get(1).map(|it| self.eval(it)).transpose()?;
                let descending = match order.as_ref().map(|it| (it, it.as_str())) {
                    None | Some((_, Some("asc"))) => false,
                    Some((_, Some("desc"))) => true,
                    Some((_, Some(_))) => {
                        let message = "unknown order, use asc or desc".to_owned();
                        return Err(self.fail(node, (ErrorKind::Function, message)));
                    }
                    Some((_, None)) => {
                        let message = "sortBy order argument must be a string".to_owned();
                        return Err(self.fail(node, (ErrorKind::Function, message)));
                    }
                };
                operators::sort_keyed(&mut keyed, descending).map_err(|it| self.fail(node, it))?;
                self.budget.grow(keyed.len()).map_err(|it| self.fail(node, it))?;
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
                    acc = self.with_item(body, item, index, Some(acc), broken)?;
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

/// Whether a node is a list of constant texts.
fn is_text_set(node: &Node) -> bool {
    match &node.kind {
        Kind::Array(items) => {
            !items.is_empty() && items.iter().all(|it| matches!(&it.kind, Kind::Constant(Value::String(_))))
        }
        _ => false,
    }
}

/// Go's panic where an interface does not hold the wanted type.
pub(super) fn conversion(value: &Val<'_>, wanted: &str) -> Failure {
    let got = if matches!(value, Val::Nil) { "nil" } else { value.go_type() };
    (ErrorKind::Operation, format!("interface conversion: interface {{}} is {got}, not {wanted}"))
}

fn not_callable(value: &Val<'_>) -> Failure {
    let message = match value {
        Val::Nil => "invalid operation: cannot call nil".to_owned(),
        other => format!("invalid operation: cannot call non-function of type {}", other.go_type()),
    };
    (ErrorKind::Operation, message)
}

fn unary(op: Unary, value: Val<'_>) -> Result<Val<'_>, Failure> {
    match (op, value) {
        (Unary::Not | Unary::NotWord, Val::Bool(it)) => Ok(Val::Bool(!it)),
        (Unary::Not | Unary::NotWord, other) => Err(conversion(&other, "bool")),
        (Unary::Minus, Val::Int(it)) => Ok(Val::Int(it.wrapping_neg())),
        (Unary::Minus, Val::Float(it)) => Ok(Val::Float(-it)),
        (Unary::Minus, other) => operation(format!("invalid operation: - {}", other.go_type())),
        (Unary::Plus, it) => Ok(it),
    }
}

/// Text of a borrowed or owned string value.
pub(super) fn text_of(value: &Val<'_>) -> Cow<'static, str> {
    Cow::Owned(value.display())
}
