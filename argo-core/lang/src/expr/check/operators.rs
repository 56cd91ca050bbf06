//! Operators: which types they take.

use super::types::Ty;
use super::{Checker, Outcome};
use crate::expr::ast::{Binary, Kind, Node};
use crate::expr::{ErrorKind, ExprError};
use crate::regexp;

impl<'a> Checker<'a> {
    /// Operators that nest to the left, without recursion.
    pub(super) fn spine(&mut self, node: &'a Node) -> Outcome {
        let mut nodes = Vec::new();
        let mut at = node;
        while let Kind::Binary(op, left, right) = &at.kind {
            nodes.push((at, *op, right));
            at = left;
        }
        let mut left = self.visit(at)?;
        let is_int = |node: &Node| matches!(&node.kind, Kind::Constant(serde_json::Value::Number(it)) if it.is_i64());
        let mut constant = is_int(at);
        for (node, op, right_node) in nodes.into_iter().rev() {
            let right = self.visit(right_node)?;
            // what is constant is calculated when compiling
            let zero =
                matches!(&right_node.kind, Kind::Constant(serde_json::Value::Number(it)) if it.as_i64() == Some(0));
            if op == Binary::Modulo && constant && zero {
                return self.refuse(node.at, "integer divide by zero");
            }
            constant &= is_int(right_node) && matches!(op, Binary::Add | Binary::Subtract | Binary::Multiply);
            let pattern = match &right_node.kind {
                Kind::Constant(serde_json::Value::String(it)) if op == Binary::Matches => Some(it.as_str()),
                _ => None,
            };
            left = self.operator(node.at, op, &left, &right, pattern)?;
        }
        Ok(left)
    }

    fn refuse<T>(&self, at: usize, message: impl Into<String>) -> Result<T, ExprError> {
        Err(ExprError::at(ErrorKind::Operation, message, self.source, at))
    }

    /// The type of an operation on two types. A pattern is what `matches` is given, where that is constant.
    pub(super) fn operator(&self, at: usize, op: Binary, l: &Ty, r: &Ty, pattern: Option<&str>) -> Outcome {
        let both = |ty: &Ty| l == ty && r == ty;
        let numbers = l.is_number() && r.is_number();
        let promoted = || if l.is_integer() && r.is_integer() { Ty::Int } else { Ty::Float };
        let ordered = |ty: &Ty| ty.is_number() || matches!(ty, Ty::Str | Ty::Time | Ty::Duration);
        let result = match op {
            Binary::Equal | Binary::NotEqual => l.comparable_to(r).then_some(Ty::Bool),
            Binary::Or | Binary::OrWord | Binary::And | Binary::AndWord => {
                (both(&Ty::Bool) || l.may_fit(r, |it| *it == Ty::Bool)).then_some(Ty::Bool)
            }
            Binary::Less | Binary::Greater | Binary::LessEqual | Binary::GreaterEqual => {
                let same = numbers || both(&Ty::Str) || both(&Ty::Time) || both(&Ty::Duration);
                (same || l.may_fit(r, ordered)).then_some(Ty::Bool)
            }
            Binary::Subtract => match (l, r) {
                _ if numbers => Some(promoted()),
                (Ty::Time, Ty::Time) | (Ty::Duration, Ty::Duration) => Some(Ty::Duration),
                (Ty::Time, Ty::Duration) => Some(Ty::Time),
                _ => {
                    let fits = |it: &Ty| it.is_number() || matches!(it, Ty::Time | Ty::Duration);
                    l.may_fit(r, fits).then_some(Ty::Unknown)
                }
            },
            Binary::Multiply => match (l, r) {
                _ if numbers => Some(promoted()),
                (Ty::Duration, other) | (other, Ty::Duration) if other.is_number() || *other == Ty::Duration => {
                    Some(Ty::Duration)
                }
                _ => l.may_fit(r, |it| it.is_number() || *it == Ty::Duration).then_some(Ty::Unknown),
            },
            Binary::Divide | Binary::Power | Binary::PowerCaret => {
                (numbers || l.may_fit(r, Ty::is_number)).then_some(Ty::Float)
            }
            Binary::Modulo => (l.is_integer() && r.is_integer() || l.may_fit(r, Ty::is_integer)).then_some(Ty::Int),
            Binary::Add => match (l, r) {
                _ if numbers => Some(promoted()),
                (Ty::Str, Ty::Str) => Some(Ty::Str),
                (Ty::Time, Ty::Duration) | (Ty::Duration, Ty::Time) => Some(Ty::Time),
                (Ty::Duration, Ty::Duration) => Some(Ty::Duration),
                _ => l.may_fit(r, ordered).then_some(Ty::Unknown),
            },
            Binary::In => return self.contained(at, l, r),
            Binary::Matches => {
                if let Some(Err(error)) = pattern.map(regexp::compile) {
                    return self.refuse(at, error.to_string());
                }
                let text = matches!(l, Ty::Str | Ty::Bytes) && *r == Ty::Str;
                (text || l.may_fit(r, |it| *it == Ty::Str)).then_some(Ty::Bool)
            }
            Binary::Contains | Binary::StartsWith | Binary::EndsWith => {
                (both(&Ty::Str) || l.may_fit(r, |it| *it == Ty::Str)).then_some(Ty::Bool)
            }
            Binary::Range => {
                (l.is_integer() && r.is_integer() || l.may_fit(r, Ty::is_integer)).then(|| Ty::Int.array_of())
            }
            Binary::Coalesce => Some(match (l, r) {
                (Ty::Nil, _) => r.clone(),
                (_, Ty::Nil) => l.clone(),
                _ if r.assignable_to(l) => l.clone(),
                _ => Ty::Unknown,
            }),
        };
        match result {
            Some(ty) => Ok(ty),
            None => self.mismatched(at, op, l, r),
        }
    }

    fn mismatched(&self, at: usize, op: Binary, l: &Ty, r: &Ty) -> Outcome {
        let message = format!("invalid operation: {} (mismatched types {} and {})", op.text(), l.name(), r.name());
        self.refuse(at, message)
    }

    fn contained(&self, at: usize, l: &Ty, r: &Ty) -> Outcome {
        match r {
            Ty::Time if *l == Ty::Str || l.is_unknown() => Ok(Ty::Bool),
            Ty::Map if !l.is_unknown() && *l != Ty::Str => {
                self.refuse(at, format!("cannot use {} as type string in map key", l.name()))
            }
            Ty::Table(_) if *l == Ty::Unknown || !l.assignable_to(&Ty::Any) && !l.is_unknown() => {
                self.refuse(at, format!("cannot use {} as type interface {{}} in map key", l.name()))
            }
            Ty::Map | Ty::Table(_) => Ok(Ty::Bool),
            Ty::Array(..) | Ty::Bytes => {
                let element = r.element();
                if !l.comparable_to(&element) {
                    let message = format!("cannot use {} as type {} in array", l.name(), element.name());
                    return self.refuse(at, message);
                }
                Ok(Ty::Bool)
            }
            Ty::Str if l.is_unknown() => Ok(Ty::Bool),
            other if other.is_unknown() => Ok(Ty::Bool),
            _ => self.mismatched(at, Binary::In, l, r),
        }
    }
}
