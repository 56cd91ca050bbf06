//! Conditions over numbers, texts and bools of the environment, decided without making values on the way.
//!
//! Most expressions are of this kind, and most of their time would go into values that are moved. Where anything is out
//! of the ordinary (a missing name, another type, an error to report) there is no answer, and the general way decides.

use serde_json::Value;

use super::Machine;
use crate::expr::ast::{Binary, Kind, Node, Unary};
use crate::expr::value::Val;

/// Deepest nesting that is looked at.
const DEPTH: u8 = 24;

#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn of(value: &Value) -> Option<Self> {
        let Value::Number(it) = value else { return None };
        it.as_i64().map(Self::Int).or_else(|| it.as_f64().map(Self::Float))
    }

    fn float(self) -> f64 {
        match self {
            Self::Int(it) => it as f64,
            Self::Float(it) => it,
        }
    }

    fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.float().partial_cmp(&b.float()),
        }
    }
}

impl<'a> Machine<'a> {
    /// The truth of a condition.
    pub(super) fn condition(&mut self, node: &'a Node) -> Option<bool> {
        self.truth(node, DEPTH)
    }

    fn truth(&mut self, node: &'a Node, depth: u8) -> Option<bool> {
        let depth = depth.checked_sub(1)?;
        self.budget.steps = self.budget.steps.checked_sub(1)?;
        match &node.kind {
            Kind::Constant(Value::Bool(it)) => Some(*it),
            Kind::Name(_) | Kind::Member { .. } | Kind::Pointer(_) => self.reference(node, depth)?.as_bool(),
            Kind::Closure(inner) => self.truth(inner, depth),
            Kind::Unary(Unary::Not | Unary::NotWord, inner) => self.truth(inner, depth).map(|it| !it),
            Kind::Comparison(left, rest) => match rest.as_slice() {
                [(op, _, right)] => self.compare(*op, left, right, depth),
                _ => None,
            },
            Kind::Binary(op, left, right) => match op {
                Binary::And | Binary::AndWord | Binary::Or | Binary::OrWord if self.strict => {
                    let (left, right) = (self.truth(left, depth)?, self.truth(right, depth)?);
                    Some(if matches!(op, Binary::And | Binary::AndWord) { left && right } else { left || right })
                }
                Binary::And | Binary::AndWord => Some(self.truth(left, depth)? && self.truth(right, depth)?),
                Binary::Or | Binary::OrWord => Some(self.truth(left, depth)? || self.truth(right, depth)?),
                Binary::Equal | Binary::NotEqual => self.compare(*op, left, right, depth),
                Binary::Contains => Some(self.text(left, depth)?.contains(self.text(right, depth)?)),
                Binary::StartsWith => Some(self.text(left, depth)?.starts_with(self.text(right, depth)?)),
                Binary::EndsWith => Some(self.text(left, depth)?.ends_with(self.text(right, depth)?)),
                Binary::Matches => {
                    let Kind::Constant(Value::String(pattern)) = &right.kind else { return None };
                    let text = self.text(left, depth)?;
                    self.budget.charge(text.len() + pattern.len()).ok()?;
                    self.patterns.is_match(pattern, text).ok()
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn compare(&mut self, op: Binary, left: &'a Node, right: &'a Node, depth: u8) -> Option<bool> {
        let order = match self.number(left, depth) {
            Some(left) => left.compare(self.number(right, depth)?),
            None => Some(self.text(left, depth)?.cmp(self.text(right, depth)?)),
        };
        let is = |test: fn(std::cmp::Ordering) -> bool| order.is_some_and(test);
        Some(match op {
            Binary::Equal => is(std::cmp::Ordering::is_eq),
            Binary::NotEqual => !is(std::cmp::Ordering::is_eq),
            Binary::Less => is(std::cmp::Ordering::is_lt),
            Binary::LessEqual => is(std::cmp::Ordering::is_le),
            Binary::Greater => is(std::cmp::Ordering::is_gt),
            Binary::GreaterEqual => is(std::cmp::Ordering::is_ge),
            _ => return None,
        })
    }

    fn number(&mut self, node: &'a Node, depth: u8) -> Option<Number> {
        match &node.kind {
            Kind::Constant(value) => Number::of(value),
            Kind::Call { name, args, builtin: true, .. } if name == "len" => {
                let [only] = args.as_slice() else { return None };
                let len = match self.reference(only, depth)? {
                    Value::String(it) => it.chars().count(),
                    Value::Array(it) => it.len(),
                    Value::Object(it) => it.len(),
                    _ => return None,
                };
                i64::try_from(len).ok().map(Number::Int)
            }
            _ => Number::of(self.reference(node, depth)?),
        }
    }

    fn text(&mut self, node: &'a Node, depth: u8) -> Option<&'a str> {
        match &node.kind {
            Kind::Constant(value) => value.as_str(),
            _ => self.reference(node, depth)?.as_str(),
        }
    }

    /// What a chain of names and constant keys leads to.
    fn reference(&mut self, node: &'a Node, depth: u8) -> Option<&'a Value> {
        let depth = depth.checked_sub(1)?;
        self.budget.steps = self.budget.steps.checked_sub(1)?;
        match &node.kind {
            Kind::Name(name) if name != "$env" && !self.locals.iter().any(|it| it.0 == name) => self.env.get(name),
            Kind::Pointer(name) if name.is_empty() => match self.scopes.last()? {
                scope if scope.broken => None,
                scope => match &scope.item {
                    Val::Json(value) => Some(value),
                    _ => None,
                },
            },
            Kind::Member { of, key, .. } => {
                let of = self.reference(of, depth)?;
                match (&key.kind, of) {
                    (Kind::Constant(Value::String(key)), Value::Object(map)) => map.get(key),
                    (Kind::Constant(Value::Number(place)), Value::Array(items)) => {
                        items.get(usize::try_from(place.as_u64()?).ok()?)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
