//! `=`, `|=` and their kin.

use serde_json::{Value, json};

use super::super::ast::{Ast, Update};
use super::super::ir::{Const, Kind, Node};
use super::{Compiler, Made};

/// The keys of `.a[1].b`, if the part is such a chain and every key gives one value.
fn chain(node: Node) -> Result<Vec<Node>, Node> {
    fn is_chain(node: &Node) -> bool {
        match &node.kind {
            Kind::Id => true,
            Kind::Field(term, _) => is_chain(term),
            Kind::Index(term, key) => key.one && is_chain(term),
            Kind::Slice(term, from, to) => {
                end(from.as_deref()).is_some() && end(to.as_deref()).is_some() && is_chain(term)
            }
            _ => false,
        }
    }
    /// An end of a slice that is fixed.
    fn end(node: Option<&Node>) -> Option<Value> {
        match node.map(|it| &it.kind) {
            None => Some(Value::Null),
            Some(Kind::Const(Const::Json(it))) if it.is_number() || it.is_string() => Some(it.clone()),
            _ => None,
        }
    }
    if !is_chain(&node) || matches!(node.kind, Kind::Id) {
        return Err(node);
    }
    let mut keys = Vec::new();
    let mut at = node;
    loop {
        at = match at.kind {
            Kind::Field(term, name) => {
                keys.push(Node::json(name.into()));
                *term
            }
            Kind::Index(term, key) => {
                keys.push(*key);
                *term
            }
            Kind::Slice(term, from, to) => {
                keys.push(Node::json(json!({"start": end(from.as_deref()), "end": end(to.as_deref())})));
                *term
            }
            _ => break,
        };
    }
    keys.reverse();
    Ok(keys)
}

/// Whether gojq sees fixed keys: numbers and plain text.
fn is_fixed(keys: &[Node]) -> bool {
    keys.iter().all(|it| match &it.kind {
        Kind::Const(Const::Json(it)) => it.is_string() || it.is_number() || it.is_object(),
        Kind::Const(_) => true,
        _ => false,
    })
}

impl Compiler<'_> {
    pub(super) fn update(&mut self, op: Update, path: &Ast, value: &Ast) -> Made {
        match op {
            Update::Set => self.set(path, value),
            Update::Modify => {
                let path = self.scoped(path)?;
                let f = self.scoped(value)?;
                Ok(Self::modify(path, f))
            }
            Update::Arith(_) | Update::Alt => {
                let value = Box::new(self.scoped(value)?);
                let mark = self.mark();
                let slot = self.push_slot();
                let path = self.scoped(path)?;
                let var = Box::new(self.var(slot));
                let f = match op {
                    Update::Arith(op) => Kind::Binary(op, Node::boxed(Kind::Id), var),
                    _ => Kind::Otherwise(var),
                };
                let modify = Self::modify(path, Node::new(f));
                self.leave(mark);
                Ok(Node::new(Kind::Bind(value, Box::new(modify))))
            }
        }
    }

    /// `path |= f`, both compiled.
    pub(super) fn modify(path: Node, f: Node) -> Node {
        if f.direct {
            return Node::new(match chain(path) {
                Ok(keys) => Kind::ModifyAt(keys, Box::new(f)),
                Err(path) => Kind::Modify(Box::new(path), Box::new(f)),
            });
        }
        Node::new(Kind::Modify(Box::new(path), Box::new(f)))
    }

    fn set(&mut self, path: &Ast, value: &Ast) -> Made {
        let value = self.scoped(value)?;
        let mark = self.mark();
        let slot = self.push_slot();
        let made = self.scoped(path)?;
        let var = self.var(slot);
        self.leave(mark);
        match chain(made) {
            Ok(keys) if is_fixed(&keys) && value.direct => Ok(Node::new(Kind::SetAt(keys, Box::new(value)))),
            Ok(keys) if is_fixed(&keys) => {
                let set = Node::new(Kind::SetAt(keys, Box::new(var)));
                Ok(Node::new(Kind::Bind(Box::new(value), Box::new(set))))
            }
            // the value does not see what it replaces, so the change may be made in place
            Ok(keys) => {
                let set = Node::new(Kind::ModifyAt(keys, Box::new(var)));
                Ok(Node::new(Kind::Bind(Box::new(value), Box::new(set))))
            }
            Err(made) => {
                let assign = Node::new(Kind::Assign(Box::new(made)));
                Ok(Node::new(Kind::Bind(Box::new(value), Box::new(assign))))
            }
        }
    }
}
