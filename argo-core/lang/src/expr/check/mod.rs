//! Static types, as upstream checks them when it compiles: what can be known to be wrong is refused before it runs.
//!
//! The types of the environment's variables are known; what is inside of their lists and maps is not.

mod calls;
mod operators;
mod types;

use serde_json::Value;

use super::ast::{Binary, Kind, Node, Unary};
use super::{ErrorKind, ExprError, Options, Undefined};
use types::Ty;

/// Checks a program against an environment.
pub(super) fn check(root: &Node, source: &str, env: &Value, options: &Options) -> Result<(), ExprError> {
    let mut checker = Checker { source, env, options, locals: Vec::new(), predicates: Vec::new() };
    checker.visit(root).map(|_| ())
}

struct Checker<'a> {
    source: &'a str,
    env: &'a Value,
    options: &'a Options,
    locals: Vec<(&'a str, Ty)>,
    predicates: Vec<Scope>,
}

/// What pointers mean inside a predicate.
struct Scope {
    collection: Ty,
    index: bool,
    acc: bool,
}

type Outcome = Result<Ty, ExprError>;

impl<'a> Checker<'a> {
    fn fail<T>(&self, node: &Node, message: impl Into<String>) -> Result<T, ExprError> {
        self.fail_kind(node, ErrorKind::Operation, message)
    }

    fn fail_kind<T>(&self, node: &Node, kind: ErrorKind, message: impl Into<String>) -> Result<T, ExprError> {
        Err(ExprError::at(kind, message, self.source, node.at))
    }

    /// Only tells kinds apart: what recurs has a small frame, so that the deepest allowed source fits a thread's stack.
    fn visit(&mut self, node: &'a Node) -> Outcome {
        match &node.kind {
            Kind::Constant(value) => Ok(Ty::of(value)),
            Kind::Bytes(_) => Ok(Ty::Bytes),
            Kind::Name(name) => self.name(node, name),
            Kind::Pointer(name) => self.pointer(node, name),
            Kind::Unary(op, inner) => self.unary(node, *op, inner),
            Kind::Binary(..) => self.spine(node),
            Kind::Comparison(first, rest) => self.comparison(first, rest),
            Kind::Conditional(condition, yes, no) => self.conditional(condition, yes.as_deref(), no),
            Kind::Member { of, key, optional } => self.member(node, of, key, *optional),
            Kind::Slice { of, from, to } => self.slice(node, of, [from.as_deref(), to.as_deref()]),
            Kind::Chain(inner) | Kind::Closure(inner) => self.visit(inner),
            Kind::Call { name, args, builtin, .. } => self.call(node, name, args, *builtin),
            Kind::Method { of, name, args, .. } => self.method(node, of, name, args),
            Kind::Predicate { name, args, body, .. } => self.predicate(node, name, args, body.as_deref()),
            Kind::Let { name, value, body } => self.declaration(node, name, value, body),
            Kind::Sequence(nodes) => self.sequence(nodes),
            Kind::Array(nodes) => self.array(nodes),
            Kind::Map(pairs) => self.map(pairs),
        }
    }

    fn unary(&mut self, node: &'a Node, op: Unary, inner: &'a Node) -> Outcome {
        let ty = self.visit(inner)?;
        match op {
            Unary::Not | Unary::NotWord if ty == Ty::Bool || ty.is_unknown() => Ok(Ty::Bool),
            Unary::Minus | Unary::Plus if ty.is_number() => Ok(ty),
            Unary::Minus | Unary::Plus if ty.is_unknown() => Ok(Ty::Unknown),
            _ => self.fail(node, format!("invalid operation: {} (mismatched type {})", op.text(), ty.name())),
        }
    }

    fn comparison(&mut self, first: &'a Node, rest: &'a [(Binary, usize, Node)]) -> Outcome {
        let mut left = self.visit(first)?;
        for (op, at, right) in rest {
            let right = self.visit(right)?;
            self.operator(*at, *op, &left, &right, None)?;
            left = right;
        }
        Ok(Ty::Bool)
    }

    fn conditional(&mut self, condition: &'a Node, yes: Option<&'a Node>, no: &'a Node) -> Outcome {
        let ty = self.visit(condition)?;
        if ty != Ty::Bool && !ty.is_unknown() {
            return self.fail(condition, format!("non-bool expression (type {}) used as condition", ty.name()));
        }
        let yes = match yes {
            Some(yes) => self.visit(yes)?,
            None => ty,
        };
        let no = self.visit(no)?;
        Ok(either(yes, no))
    }

    fn slice(&mut self, node: &'a Node, of: &'a Node, bounds: [Option<&'a Node>; 2]) -> Outcome {
        let ty = self.visit(of)?;
        if ty.is_unknown() {
            return Ok(Ty::Unknown);
        }
        if !(ty == Ty::Str || ty.is_array()) {
            return self.fail(node, format!("cannot slice {}", ty.name()));
        }
        for bound in bounds.into_iter().flatten() {
            let bound_ty = self.visit(bound)?;
            if !bound_ty.is_integer() && !bound_ty.is_unknown() {
                return self.fail(bound, format!("non-integer slice index {}", bound_ty.name()));
            }
        }
        Ok(ty)
    }

    fn sequence(&mut self, nodes: &'a [Node]) -> Outcome {
        let mut last = Ty::Unknown;
        for node in nodes {
            last = self.visit(node)?;
        }
        Ok(last)
    }

    fn array(&mut self, nodes: &'a [Node]) -> Outcome {
        let mut previous: Option<Ty> = None;
        let mut alike = true;
        for node in nodes {
            let ty = self.visit(node)?;
            alike &= previous.as_ref().is_none_or(|it| kind(it) == kind(&ty));
            previous = Some(ty);
        }
        Ok(match previous {
            Some(ty) if alike => ty.array_of(),
            None => Ty::Unknown.array_of(),
            Some(_) => Ty::Any.array_of(),
        })
    }

    fn map(&mut self, pairs: &'a [(Node, Node)]) -> Outcome {
        for (key, value) in pairs {
            self.visit(key)?;
            self.visit(value)?;
        }
        Ok(Ty::Map)
    }

    fn name(&self, node: &Node, name: &str) -> Outcome {
        if let Some((_, ty)) = self.locals.iter().rev().find(|it| it.0 == name) {
            return Ok(ty.clone());
        }
        if name == "$env" {
            return Ok(Ty::Unknown);
        }
        self.variable(node, name, true)
    }

    fn variable(&self, node: &Node, name: &str, strict: bool) -> Outcome {
        match self.env.get(name) {
            Some(value) => Ok(Ty::of(value)),
            None if strict
                && self.options.undefined == Undefined::Error
                && !self.is_function(name)
                && !super::builtins::is_any_builtin(name) =>
            {
                self.fail_kind(node, ErrorKind::UnknownName, format!("unknown name {name}"))
            }
            None => Ok(Ty::Unknown),
        }
    }

    /// Whether a custom function has the name, or a name that starts with it and a dot.
    fn is_function(&self, name: &str) -> bool {
        self.options.functions.get(name).is_some() || self.options.functions.has_prefix(name)
    }

    fn pointer(&self, node: &Node, name: &str) -> Outcome {
        let Some(scope) = self.predicates.last() else {
            return self.fail(node, "cannot use pointer accessor outside predicate");
        };
        match name {
            "" if scope.collection.is_unknown() => Ok(Ty::Unknown),
            "" => Ok(scope.collection.element()),
            "index" if scope.index => Ok(Ty::Int),
            "acc" if scope.acc => Ok(Ty::Unknown),
            _ => self.fail_kind(node, ErrorKind::UnknownName, format!("unknown pointer #{name}")),
        }
    }

    fn declaration(&mut self, node: &Node, name: &'a str, value: &'a Node, body: &'a Node) -> Outcome {
        if self.env.get(name).is_some() {
            return self.fail(node, format!("cannot redeclare {name}"));
        }
        if self.options.functions.get(name).is_some() {
            return self.fail(node, format!("cannot redeclare function {name}"));
        }
        if super::builtins::is_any_builtin(name) {
            return self.fail(node, format!("cannot redeclare builtin {name}"));
        }
        if self.locals.iter().any(|it| it.0 == name) {
            return self.fail(node, format!("cannot redeclare variable {name}"));
        }
        let ty = self.visit(value)?;
        self.locals.push((name, ty));
        let result = self.visit(body);
        self.locals.pop();
        result
    }

    fn member(&mut self, node: &'a Node, of: &'a Node, key: &'a Node, optional: bool) -> Outcome {
        let constant = match &key.kind {
            Kind::Constant(Value::String(it)) => Some(it.as_str()),
            _ => None,
        };
        if matches!(&of.kind, Kind::Name(it) if it == "$env") {
            return match constant {
                Some(name) => self.variable(node, name, !optional),
                None => Ok(Ty::Unknown),
            };
        }
        let base = self.visit(of)?;
        let property = self.visit(key)?;
        if base.is_unknown() {
            return Ok(Ty::Unknown);
        }
        if let Some(name) = constant {
            if base == Ty::Nil {
                return self.fail(node, format!("type nil has no field {name}"));
            }
            if let Some(method) = base.method(name) {
                return Ok(Ty::Method(method));
            }
        }
        if base.is_map() {
            let keyed_by_text = base == Ty::Map;
            if keyed_by_text && property != Ty::Str && !property.is_unknown() {
                return self
                    .fail(key, format!("cannot use {} to get an element from {}", property.name(), base.name()));
            }
            return Ok(base.element());
        }
        if base.is_array() {
            if !property.is_integer() && !property.is_unknown() {
                let message = format!("array elements can only be selected using an integer (got {})", property.name());
                return self.fail(key, message);
            }
            return Ok(base.element());
        }
        match constant {
            Some(name) => self.fail(node, format!("type {} has no field {name}", base.name())),
            None => self.fail(node, format!("type {}[{}] is undefined", base.name(), property.name())),
        }
    }
}

/// The type of a conditional.
fn either(yes: Ty, no: Ty) -> Ty {
    match (&yes, &no) {
        (Ty::Nil, _) => no,
        (_, Ty::Nil) => yes,
        _ if yes.assignable_to(&no) => {
            let (a, b) = (yes.element(), no.element());
            if yes.is_array() && no.is_array() && !(a.assignable_to(&b) && b.assignable_to(&a)) {
                Ty::Any.array_of()
            } else {
                yes
            }
        }
        _ => Ty::Unknown,
    }
}

/// Types of one Go kind may stand in one list without losing what they are.
fn kind(ty: &Ty) -> &'static str {
    match ty {
        Ty::Array(..) | Ty::Bytes => "slice",
        Ty::Map | Ty::Table(_) => "map",
        Ty::Named(_) => "int",
        Ty::Duration => "int64",
        Ty::Unknown | Ty::Nil => "",
        other => other.name(),
    }
}
